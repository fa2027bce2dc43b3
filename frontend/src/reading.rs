//! The pages that are read rather than worked in: summaries of the population, the
//! networks' cards, help, about.

use leptos::prelude::*;
use leptos_router::{
    components::{FlatRoutes, Route},
    path,
};
use shared::access::Permission;

use crate::{
    components::guard::Guard,
    pages::{
        about::AboutPage, help::HelpPage, model::ModelPage, models::ModelsPage,
        not_found::NotFoundPage, research::ResearchPage,
    },
};

/// The routes.
pub fn pages() -> AnyView {
    view! {
        <FlatRoutes fallback=NotFoundPage>
            <Route path=path!("/about") view=AboutPage />
            <Route path=path!("/help") view=HelpPage />
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
                path=path!("/research")
                view=|| {
                    view! {
                        <Guard needs=Permission::ReadSummaries>
                            <ResearchPage />
                        </Guard>
                    }
                }
            />
        </FlatRoutes>
    }
    .into_any()
}
