//! Text to copy: a secret that is shown once, or code for a program.

use leptos::prelude::*;
use wasm_bindgen_futures::JsFuture;

use crate::language::t;

/// A secret that the server shows once and keeps no copy of, and a button that copies it.
#[component]
pub fn ShownOnce(
    /// What to keep.
    #[prop(into)]
    secret: String,
) -> impl IntoView {
    view! {
        <div class="stack-tight">
            <p class="shown-once"><code data-secret="">{secret.clone()}</code></p>
            <Copy text=secret />
        </div>
    }
}

/// Code, and a button that copies it.
#[component]
pub fn Copyable(
    /// The code.
    text: String,
) -> impl IntoView {
    view! {
        <div class="stack-tight">
            <pre class="code" tabindex="0" role="group" aria-label=t("Code")><code>{text.clone()}</code></pre>
            <Copy text />
        </div>
    }
}

#[component]
fn Copy(text: String) -> impl IntoView {
    let copied = RwSignal::new("");
    let copy = move |_| {
        let text = text.clone();
        leptos::task::spawn_local(async move {
            let clipboard = window().navigator().clipboard();
            let done = JsFuture::from(clipboard.write_text(&text)).await.is_ok();
            // The dialog may be closed by now.
            let _ = copied.try_set(if done {
                t("Copied.")
            } else {
                t("The browser did not allow it: select and copy it by hand.")
            });
        });
    };
    view! {
        <div class="row">
            <button type="button" class="btn" on:click=copy>{t("Copy")}</button>
            <span class="fine" role="status">{move || copied.get()}</span>
        </div>
    }
}
