//! E-mail address and password, and a code where one is needed.

use leptos::prelude::*;
use shared::{
    problem::{Problem, ProblemKind},
    second_factor::SecondStep,
    session::Credentials,
};

use super::{field::TextField, problem_note::FormProblem};
use crate::language::t;
use crate::session;

/// Asks who one is. Once signed in, the session says so to whoever listens.
#[component]
pub fn SignInForm(
    /// The address of whoever must be the one to sign in again; anybody if left out.
    #[prop(optional, into)]
    only: Option<String>,
    /// Tells apart forms on one page.
    form: &'static str,
) -> impl IntoView {
    let fixed = only.is_some();
    let email = RwSignal::new(only.unwrap_or_default());
    let password = RwSignal::new(String::new());
    let code = RwSignal::new(String::new());
    // What the server gave for the right password, when it wants a code, too.
    let challenge = RwSignal::new(None::<String>);
    let problem = RwSignal::new(None::<Problem>);
    let sign_in = Action::new_local(move |(): &()| async move {
        problem.set(None);
        let answer = match challenge.get_untracked() {
            None => {
                let email = email.get_untracked().trim().to_owned();
                let password = password.get_untracked();
                session::sign_in(&Credentials { email, password }).await
            }
            Some(challenge) => {
                session::second_step(&SecondStep { challenge, code: code.get_untracked() }).await
            }
        };
        // Once signed in, the form may be gone.
        let Err(wrong) = answer else {
            let _ = password.try_set(String::new());
            return;
        };
        match wrong.kind {
            ProblemKind::SecondFactorRequired => challenge.set(wrong.challenge),
            ProblemKind::ChallengeOver => {
                challenge.set(None);
                problem.set(Some(wrong));
            }
            _ => problem.set(Some(wrong)),
        }
        code.set(String::new());
    });
    let pending = sign_in.pending();
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        if !pending.get_untracked() {
            sign_in.dispatch_local(());
        }
    };
    let asks_code = Memo::new(move |_| challenge.with(Option::is_some));
    view! {
        <form class="stack" on:submit=submit>
            <FormProblem problem />
            // Password managers look for whose password it is.
            {fixed.then(|| view! {
                <input hidden type="email" autocomplete="username" prop:value=move || email.get() />
            })}
            {move || if asks_code.get() {
                view! {
                    <TextField
                        label=t("Code from your app") pointer="/code" value=code problem
                        autocomplete="one-time-code" form hint=t("Or one of your recovery codes")
                    />
                }
                .into_any()
            } else {
                view! {
                    {(!fixed).then(|| view! {
                        <TextField
                            label=t("E-mail address") pointer="/email" kind="email" value=email problem
                            autocomplete="username" form
                        />
                    })}
                    <TextField
                        label=t("Password") pointer="/password" kind="password" value=password problem
                        autocomplete="current-password" form
                    />
                }
                .into_any()
            }}
            <button type="submit" class="btn btn-primary btn-wide" aria-disabled=move || pending.get().to_string()>
                {move || pending.get().then(|| view! { <span class="spinner" aria-hidden="true"></span> })}
                {move || if asks_code.get() { t("Confirm") } else { t("Sign in") }}
            </button>
        </form>
    }
}
