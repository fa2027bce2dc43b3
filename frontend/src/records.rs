//! The page of a record.

use leptos::prelude::*;
use leptos_router::{
    components::{FlatRoutes, Route},
    path,
};
use shared::access::Permission;

use crate::{
    components::guard::Guard,
    pages::{not_found::NotFoundPage, patient::PatientPage},
};

/// The routes.
pub fn pages() -> AnyView {
    view! {
        <FlatRoutes fallback=NotFoundPage>
            <Route
                path=path!("/patients/:id")
                view=|| {
                    view! {
                        <Guard needs=Permission::ReadPatients>
                            <PatientPage />
                        </Guard>
                    }
                }
            />
        </FlatRoutes>
    }
    .into_any()
}
