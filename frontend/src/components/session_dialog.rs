//! Before the session ends: a way to stay. When it ends while a page is in use: sign in again, over the page, so that what was
//! typed there stays and the request that found out can go on.

use leptos::{prelude::*, task::spawn_local};

use super::{dialog::Dialog, problem_note::FormProblem, sign_in_form::SignInForm};
use crate::language::t;
use crate::session;

/// A dialog that opens when the session has ended.
#[component]
pub fn SessionDialog() -> impl IntoView {
    let open = Memo::new(|_| session::expired());
    let ending = Memo::new(|_| session::ending());
    move || match ending.get() {
        _ if open.get() => view! { <SignInAgain /> }.into_any(),
        Some(can_stay) => view! { <Ending can_stay /> }.into_any(),
        None => ().into_any(),
    }
}

/// A few minutes before the end.
#[component]
fn Ending(can_stay: bool) -> impl IntoView {
    let stay = Action::new_local(|(): &()| session::stay());
    let problem = move || stay.value().get().and_then(Result::err);
    let email = session::user().map(|user| user.email).unwrap_or_default();
    let close = Callback::new(|()| session::dismiss_warning());
    view! {
        <Dialog title=t("Your session is about to end") id="session-ending" close>
            <FormProblem problem=Signal::derive(problem) />
            {if can_stay {
                view! {
                    <p>{t("Nothing has happened for a while. In three minutes you will be signed out.")}</p>
                    <button
                        type="button"
                        class="btn btn-primary btn-wide"
                        on:click=move |_| { stay.dispatch_local(()); }
                    >
                        {t("Stay signed in")}
                    </button>
                }
                .into_any()
            } else {
                view! {
                    <p>{t("It has nearly reached its longest time. Sign in again to go on.")}</p>
                    <SignInForm only=email form="stay" />
                }
                .into_any()
            }}
            <button type="button" class="btn btn-quiet" on:click=|_| spawn_local(session::sign_out())>
                {t("Sign out now")}
            </button>
        </Dialog>
    }
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
                <h2 id="session-dialog-title">{t("Your session has ended")}</h2>
                <p>
                    {t("Sign in again as")} " " <strong>{name}</strong>
                    " " {t("to go on. Everything on the page is still there.")}
                </p>
                <SignInForm only=email.unwrap_or_default() form="again" />
                <button
                    type="button"
                    class="btn btn-quiet"
                    on:click=|_| spawn_local(session::sign_out())
                >
                    {t("Leave the page and sign out")}
                </button>
            </div>
        </dialog>
    }
}
