//! The pages of the clinic: what clinicians do beside reading and writing records.

use leptos::prelude::*;
use leptos_router::{
    components::{FlatRoutes, Route},
    path,
};
use shared::access::Permission;

use crate::{
    components::guard::Guard,
    pages::{
        calculator::CalculatorPage, care_team::CareTeamPage, documents::DocumentsPage,
        emergency_access::EmergencyAccessPage, not_found::NotFoundPage, what_if::WhatIfPage,
    },
};

/// The routes.
pub fn pages() -> AnyView {
    view! {
        <FlatRoutes fallback=NotFoundPage>
            <Route
                path=path!("/calculator")
                view=|| {
                    view! {
                        <Guard needs=Permission::PreviewPredictions>
                            <CalculatorPage />
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
            <Route
                path=path!("/patients/:id/what-if")
                view=|| {
                    view! {
                        <Guard needs=Permission::PreviewPredictions>
                            <WhatIfPage />
                        </Guard>
                    }
                }
            />
        </FlatRoutes>
    }
    .into_any()
}
