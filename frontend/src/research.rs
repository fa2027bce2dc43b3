//! The page of researchers: summaries of the population.

use leptos::prelude::*;
use leptos_router::{
    components::{FlatRoutes, Route},
    path,
};
use shared::access::Permission;

use crate::{
    components::guard::Guard,
    pages::{not_found::NotFoundPage, research::ResearchPage},
};

/// The routes.
pub fn pages() -> AnyView {
    view! {
        <FlatRoutes fallback=NotFoundPage>
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
