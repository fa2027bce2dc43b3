//! A secret that the server shows once and keeps no copy of.

use leptos::prelude::*;
use wasm_bindgen_futures::JsFuture;

/// The secret, and a button that copies it.
#[component]
pub fn ShownOnce(
    /// What to keep.
    #[prop(into)]
    secret: String,
) -> impl IntoView {
    let copied = RwSignal::new("");
    let text = secret.clone();
    let copy = move |_| {
        let text = text.clone();
        leptos::task::spawn_local(async move {
            let clipboard = window().navigator().clipboard();
            let done = JsFuture::from(clipboard.write_text(&text)).await.is_ok();
            // The dialog may be closed by now.
            let _ = copied.try_set(if done {
                "Copied."
            } else {
                "The browser did not allow it: select and copy it by hand."
            });
        });
    };
    view! {
        <div class="stack-tight">
            <p class="shown-once"><code data-secret="">{secret}</code></p>
            <div class="row">
                <button type="button" class="btn" on:click=copy>"Copy"</button>
                <span class="fine" role="status">{move || copied.get()}</span>
            </div>
        </div>
    }
}
