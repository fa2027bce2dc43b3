//! The pages of the desk: what is written beside a patient's page.

use leptos::prelude::*;
use leptos_router::{
    components::{FlatRoutes, Route},
    path,
};
use shared::access::Permission;

use crate::{
    components::guard::Guard,
    pages::{
        care_team::CareTeamPage,
        documents::DocumentsPage,
        emergency_access::EmergencyAccessPage,
        import::ImportPage,
        not_found::NotFoundPage,
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
                path=path!("/patients/:id/edit")
                view=|| {
                    view! {
                        <Guard needs=Permission::EditPatients>
                            <EditPatientPage />
                        </Guard>
                    }
                }
            />
            <Route
                path=path!("/patients/:id/documents")
                view=|| {
                    view! {
                        <Guard needs=Permission::ReadPatients>
                            <DocumentsPage />
                        </Guard>
                    }
                }
            />
            <Route
                path=path!("/import")
                view=|| {
                    view! {
                        <Guard needs=Permission::EditPatients>
                            <ImportPage />
                        </Guard>
                    }
                }
            />
            <Route
                path=path!("/emergency-access")
                view=|| {
                    view! {
                        <Guard needs=Permission::ReadCareTeams>
                            <EmergencyAccessPage />
                        </Guard>
                    }
                }
            />
            <Route
                path=path!("/patients/:id/care-team")
                view=|| {
                    view! {
                        <Guard needs=Permission::ReadCareTeams>
                            <CareTeamPage />
                        </Guard>
                    }
                }
            />
        </FlatRoutes>
    }
    .into_any()
}
