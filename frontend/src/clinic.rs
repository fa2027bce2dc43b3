//! The pages of the clinic: the way in, the list of patients, the dashboard, what is worked out.

use leptos::prelude::*;
use leptos_router::{
    components::{FlatRoutes, Route},
    path,
};
use shared::access::Permission;

use crate::{
    components::guard::Guard,
    pages::{
        calculator::CalculatorPage, dashboard::DashboardPage, home::HomePage,
        not_found::NotFoundPage, patients::PatientsPage, sign_in::SignInPage, what_if::WhatIfPage,
    },
};

/// The routes.
pub fn pages() -> AnyView {
    view! {
        <FlatRoutes fallback=NotFoundPage>
            <Route path=path!("/") view=HomePage />
            <Route path=path!("/sign-in") view=SignInPage />
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
                path=path!("/dashboard")
                view=|| {
                    view! {
                        <Guard needs=Permission::ListPatients>
                            <DashboardPage />
                        </Guard>
                    }
                }
            />
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
