//! The whole page: the bar, a program's pages, and what lies over them.

use gloo_timers::future::TimeoutFuture;
use leptos::{prelude::*, task::spawn_local};
use leptos_router::components::Router;

use crate::{
    components::{app_bar::AppBar, connection_note::ConnectionNote, session_dialog::SessionDialog},
    connection,
    language::{self, t},
    programs::{self, Program},
    session,
};

/// Puts a program's pages in place of the boot screen and tries the session's cookie.
pub fn start(program: Program, pages: fn() -> AnyView) {
    std::panic::set_hook(Box::new(|info| {
        console_error_panic_hook::hook(info);
        show_broken();
    }));
    // Leptos' own tasks run only once something is mounted.
    wasm_bindgen_futures::spawn_local(async move {
        language::load().await;
        if let Some(boot) = document().get_element_by_id("boot") {
            boot.remove();
        }
        leptos::mount::mount_to_body(move || view! { <App program pages /> });
        session::start().await;
    });
}

/// After a fault of the program nothing on the page answers any more: says so.
fn show_broken() {
    if let Some(broken) = document().get_element_by_id("broken") {
        // Nothing more can be done about a fault while handling a fault.
        let _ = broken.remove_attribute("hidden");
    }
}

/// The application, with one program's pages.
#[component]
fn App(program: Program, pages: fn() -> AnyView) -> impl IntoView {
    provide_context(program);
    programs::arrived();
    connection::watch();
    // The frame, then the page, then what may lie over it: a slow telephone answers in between.
    let there = RwSignal::new(0);
    spawn_local(async move {
        for part in 1..=2 {
            TimeoutFuture::new(0).await;
            there.set(part);
        }
    });
    let [page, over] = [1, 2].map(|part| Memo::new(move |_| part <= there.get()));
    view! {
        <Router>
            <a class="skip" href="#main" rel="external" on:click=|event| skip_to_main(&event)>
                {t("Skip to content")}
            </a>
            <AppBar />
            <main id="main" tabindex="-1">{move || page.get().then(pages)}</main>
        </Router>
        {move || over.get().then(|| view! {
            <ConnectionNote />
            <SessionDialog />
        })}
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
