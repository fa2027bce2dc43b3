//! A record as patients read it: the page of their own, and the sheet of paper.

use leptos::prelude::*;
use leptos_router::{
    components::{FlatRoutes, Route},
    path,
};
use shared::access::Permission;

use crate::{
    components::guard::Guard,
    pages::{my_record::MyRecordPage, not_found::NotFoundPage, report::ReportPage},
};

/// The routes.
pub fn pages() -> AnyView {
    view! {
        <FlatRoutes fallback=NotFoundPage>
            <Route
                path=path!("/my-record")
                view=|| {
                    view! {
                        <Guard needs=Permission::ReadPatients>
                            <MyRecordPage />
                        </Guard>
                    }
                }
            />
            <Route
                path=path!("/patients/:id/report")
                view=|| {
                    view! {
                        <Guard needs=Permission::ReadPatients>
                            <ReportPage />
                        </Guard>
                    }
                }
            />
        </FlatRoutes>
    }
    .into_any()
}
