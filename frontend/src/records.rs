//! The pages of the records: one patient, read and written.

use leptos::prelude::*;
use leptos_router::{
    components::{FlatRoutes, Route},
    path,
};
use shared::access::Permission;

use crate::{
    components::guard::Guard,
    pages::{
        not_found::NotFoundPage,
        patient::PatientPage,
        patient_form::{EditPatientPage, NewPatientPage},
    },
};

/// The routes.
pub fn pages() -> AnyView {
    view! {
        <FlatRoutes fallback=NotFoundPage>
            <Route
                path=path!("/patients/new")
                view=|| {
                    view! {
                        <Guard needs=Permission::EditPatients>
                            <NewPatientPage />
                        </Guard>
                    }
                }
            />
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
            <Route
                path=path!("/patients/:id/edit")
                view=|| {
                    view! {
                        <Guard needs=Permission::EditPatients>
                            <EditPatientPage />
                        </Guard>
                    }
                }
            />
        </FlatRoutes>
    }
    .into_any()
}
