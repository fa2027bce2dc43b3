//! The pages of the office: accounts, tokens, and what administrators run.

use leptos::prelude::*;
use leptos_router::{
    components::{FlatRoutes, Route},
    path,
};
use shared::access::Permission;

use crate::{
    components::guard::Guard,
    pages::{
        account::AccountPage, archived_records::ArchivedRecordsPage, audit::AuditPage,
        not_found::NotFoundPage, set_password::SetPasswordPage, settings::SettingsPage,
        tokens::TokensPage, users::UsersPage,
    },
};

/// The routes.
pub fn pages() -> AnyView {
    view! {
        <FlatRoutes fallback=NotFoundPage>
            <Route path=path!("/set-password") view=SetPasswordPage />
            <Route
                path=path!("/account")
                view=|| {
                    view! {
                        <Guard needs=Permission::UseOwnAccount>
                            <AccountPage />
                        </Guard>
                    }
                }
            />
            <Route
                path=path!("/users")
                view=|| {
                    view! {
                        <Guard needs=Permission::ManageUsers>
                            <UsersPage />
                        </Guard>
                    }
                }
            />
            <Route
                path=path!("/settings")
                view=|| {
                    view! {
                        <Guard needs=Permission::ManageSettings>
                            <SettingsPage />
                        </Guard>
                    }
                }
            />
            <Route
                path=path!("/audit")
                view=|| {
                    view! {
                        <Guard needs=Permission::ReadAudit>
                            <AuditPage />
                        </Guard>
                    }
                }
            />
            <Route
                path=path!("/archived-records")
                view=|| {
                    view! {
                        <Guard needs=Permission::EraseRecords>
                            <ArchivedRecordsPage />
                        </Guard>
                    }
                }
            />
            <Route
                path=path!("/tokens")
                view=|| {
                    view! {
                        <Guard needs=Permission::UseTokens>
                            <TokensPage />
                        </Guard>
                    }
                }
            />
        </FlatRoutes>
    }
    .into_any()
}
