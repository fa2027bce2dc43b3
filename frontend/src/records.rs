//! The page of a record.

use leptos::prelude::*;
use leptos_router::{
    components::{FlatRoutes, Redirect, Route},
    path,
};
use shared::access::Permission;

use crate::{
    components::guard::Guard,
    pages::{not_found::NotFoundPage, patient::PatientPage},
    record, session,
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
                            {page}
                        </Guard>
                    }
                }
            />
        </FlatRoutes>
    }
    .into_any()
}

/// A patient's old link leads to the page of their own.
fn page() -> AnyView {
    if untrack(|| session::allows(Permission::ListPatients)) {
        view! { <PatientPage /> }.into_any()
    } else {
        view! { <Redirect path=record::OWN /> }.into_any()
    }
}
