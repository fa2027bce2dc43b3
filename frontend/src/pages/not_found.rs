//! An address that leads nowhere.

use leptos::prelude::*;
use leptos_router::components::A;

use crate::{app::set_title, components::async_view::Skeleton, language::t, programs};

/// Loads the other program if the page is one of its own; otherwise says that there is no such page.
#[component]
pub fn NotFoundPage() -> impl IntoView {
    if programs::hand_over() {
        return view! { <div class="page"><Skeleton rows=6 /></div> }.into_any();
    }
    set_title(t("Not found"));
    view! {
        <div class="page page-narrow">
            <div class="card empty">
                <h1>{t("There is no such page")}</h1>
                <p>{t("The address may be mistyped, or the page was moved.")}</p>
                <A href="/" attr:class="btn">{t("Go to the start")}</A>
            </div>
        </div>
    }
    .into_any()
}
