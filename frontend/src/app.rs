//! The whole page: the bar, the routes, and what lies over them.

use leptos::prelude::*;
use leptos_router::{
    components::{FlatRoutes, Route, Router},
    path,
};
use shared::access::Permission;

use crate::{
    components::{app_bar::AppBar, guard::Guard, session_dialog::SessionDialog},
    pages::{
        about::AboutPage,
        audit::AuditPage,
        home::HomePage,
        model::ModelPage,
        models::ModelsPage,
        not_found::NotFoundPage,
        patient::PatientPage,
        patient_form::{EditPatientPage, NewPatientPage},
        patients::PatientsPage,
        sign_in::SignInPage,
        tokens::TokensPage,
    },
    session,
};

/// Puts the page in place of the boot screen and tries the session's cookie.
pub fn start() {
    if let Some(boot) = document().get_element_by_id("boot") {
        boot.remove();
    }
    leptos::mount::mount_to_body(App);
    leptos::task::spawn_local(session::start());
}

/// After a fault of the program nothing on the page answers any more: says so.
pub fn show_broken() {
    if let Some(broken) = document().get_element_by_id("broken") {
        // Nothing more can be done about a fault while handling a fault.
        let _ = broken.remove_attribute("hidden");
    }
}

/// The application.
#[component]
pub fn App() -> impl IntoView {
    view! {
        <Router>
            <a class="skip" href="#main" rel="external" on:click=|event| skip_to_main(&event)>
                "Skip to content"
            </a>
            <AppBar />
            <main id="main" tabindex="-1">
                <FlatRoutes fallback=NotFoundPage>
                    <Route path=path!("/") view=HomePage />
                    <Route path=path!("/sign-in") view=SignInPage />
                    <Route path=path!("/about") view=AboutPage />
                    <Route
                        path=path!("/tokens")
                        view=|| {
                            view! {
                                <Guard needs=Permission::UseTokens>
                                    <TokensPage />
                                </Guard>
                            }
                        }
                    />
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
                        path=path!("/audit")
                        view=|| {
                            view! {
                                <Guard needs=Permission::ReadAudit>
                                    <AuditPage />
                                </Guard>
                            }
                        }
                    />
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
                </FlatRoutes>
            </main>
        </Router>
        <SessionDialog />
    }
}

/// The router would take the link for a page: move the focus by hand.
fn skip_to_main(event: &leptos::ev::MouseEvent) {
    event.prevent_default();
    focus("main");
}

/// Names the page in the browser's tab. Never a patient's name: it would stay in the history.
pub fn set_title(page: &str) {
    document().set_title(&format!("{page} · Nephrocast"));
}

/// Moves the focus to an element, for those who do not see that the page has changed.
pub fn focus(id: &str) {
    use wasm_bindgen::JsCast;
    let element = document().get_element_by_id(id);
    if let Some(element) =
        element.and_then(|element| element.dyn_into::<web_sys::HtmlElement>().ok())
    {
        // An element that cannot take the focus leaves it where it is.
        let _ = element.focus();
    }
}
