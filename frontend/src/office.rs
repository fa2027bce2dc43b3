//! The pages of the office: accounts, tokens, and what administrators run.

use leptos::prelude::*;
use leptos_router::{
    components::{FlatRoutes, Route},
    path,
};
use shared::access::Permission;

use crate::{
    components::guard::Guard,
    pages::{model::ModelPage, models::ModelsPage, not_found::NotFoundPage, tokens::TokensPage},
};

/// The routes.
pub fn pages() -> AnyView {
    view! {
        <FlatRoutes fallback=NotFoundPage>
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
                path=path!("/models")
                view=|| {
                    view! {
                        <Guard needs=Permission::ManageModels>
                            <ModelsPage />
                        </Guard>
                    }
                }
            />
            <Route
                path=path!("/models/:version")
                view=|| {
                    view! {
                        <Guard needs=Permission::ReadModels>
                            <ModelPage />
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
