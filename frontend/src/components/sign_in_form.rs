//! E-mail address and password.

use leptos::prelude::*;
use shared::{problem::Problem, session::Credentials};

use super::{field::TextField, problem_note::FormProblem};
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
    let problem = RwSignal::new(None::<Problem>);
    let sign_in = Action::new_local(move |credentials: &Credentials| {
        let credentials = credentials.clone();
        async move {
            problem.set(None);
            match session::sign_in(&credentials).await {
                Ok(()) => password.set(String::new()),
                Err(wrong) => problem.set(Some(wrong)),
            }
        }
    });
    let pending = sign_in.pending();
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        if !pending.get_untracked() {
            let email = email.get_untracked().trim().to_owned();
            sign_in.dispatch_local(Credentials { email, password: password.get_untracked() });
        }
    };
    view! {
        <form class="stack" on:submit=submit>
            <FormProblem problem />
            // Password managers look for whose password it is.
            {fixed.then(|| view! {
                <input hidden type="email" autocomplete="username" prop:value=move || email.get() />
            })}
            {(!fixed).then(|| {
                view! {
                    <TextField
                        label="E-mail address"
                        pointer="/email"
                        kind="email"
                        value=email
                        problem
                        autocomplete="username"
                        form
                    />
                }
            })}
            <TextField
                label="Password"
                pointer="/password"
                kind="password"
                value=password
                problem
                autocomplete="current-password"
                form
            />
            <button type="submit" class="btn btn-primary btn-wide" aria-disabled=move || pending.get().to_string()>
                {move || pending.get().then(|| view! { <span class="spinner" aria-hidden="true"></span> })}
                "Sign in"
            </button>
        </form>
    }
}
