//! An address that leads nowhere.

use leptos::prelude::*;
use leptos_router::components::A;

use crate::app::set_title;

/// Says that there is no such page.
#[component]
pub fn NotFoundPage() -> impl IntoView {
    set_title("Not found");
    view! {
        <div class="page page-narrow">
            <div class="card empty">
                <h1>"There is no such page"</h1>
                <p>"The address may be mistyped, or the page was moved."</p>
                <A href="/" attr:class="btn">"Go to the start"</A>
            </div>
        </div>
    }
}
