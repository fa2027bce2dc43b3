//! The pages of the records: what everybody's first download carries.

use leptos::prelude::*;
use leptos_router::{
    components::{FlatRoutes, Route},
    path,
};
use shared::access::Permission;

use crate::{
    components::guard::Guard,
    pages::{
        about::AboutPage,
        home::HomePage,
        not_found::NotFoundPage,
        patient::PatientPage,
        patient_form::{EditPatientPage, NewPatientPage},
        patients::PatientsPage,
        report::ReportPage,
        sign_in::SignInPage,
    },
};

/// The routes.
pub fn pages() -> AnyView {
    view! {
        <FlatRoutes fallback=NotFoundPage>
            <Route path=path!("/") view=HomePage />
            <Route path=path!("/sign-in") view=SignInPage />
            <Route path=path!("/about") view=AboutPage />
            <Route
                path=path!("/patients")
                view=|| {
                    view! {
                        <Guard needs=Permission::ListPatients>
                            <PatientsPage />
                        </Guard>
                    }
                }
            />
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
                path=path!("/patients/:id/report")
                view=|| {
                    view! {
                        <Guard needs=Permission::ReadPatients>
                            <ReportPage />
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
