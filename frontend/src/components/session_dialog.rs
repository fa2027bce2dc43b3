//! When the session ends while a page is in use: sign in again, over the page, so that what was
//! typed there stays and the request that found out can go on.

use leptos::{prelude::*, task::spawn_local};

use super::sign_in_form::SignInForm;
use crate::session;

/// A dialog that opens when the session has ended.
#[component]
pub fn SessionDialog() -> impl IntoView {
    let open = Memo::new(|_| session::expired());
    move || open.get().then(|| view! { <SignInAgain /> })
}

#[component]
fn SignInAgain() -> impl IntoView {
    let dialog = NodeRef::<leptos::html::Dialog>::new();
    dialog.on_load(|dialog| {
        // It fails only if the dialog is open already.
        let _ = dialog.show_modal();
    });
    let (name, email) = session::user().map(|user| (user.display_name, user.email)).unzip();
    view! {
        <dialog
            node_ref=dialog
            class="dialog"
            aria-labelledby="session-dialog-title"
            // Escape must not leave the page waiting for nothing; a second one closes the dialog
            // whatever we say, so it opens again.
            on:cancel=|event: leptos::ev::Event| event.prevent_default()
            on:close=move |_| {
                if let (true, Some(dialog)) = (session::expired_now(), dialog.get_untracked()) {
                    let _ = dialog.show_modal();
                }
            }
        >
            <div class="stack">
                <h2 id="session-dialog-title">"Your session has ended"</h2>
                <p>
                    "Sign in again as " <strong>{name}</strong>
                    " to go on. Everything on the page is still there."
                </p>
                <SignInForm only=email.unwrap_or_default() form="again" />
                <button
                    type="button"
                    class="btn btn-quiet"
                    on:click=|_| spawn_local(session::sign_out())
                >
                    "Leave the page and sign out"
                </button>
            </div>
        </dialog>
    }
}
