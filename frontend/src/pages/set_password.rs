//! Where the link leads that an administrator passes on.

use leptos::prelude::*;
use leptos_router::components::A;
use shared::{problem::Problem, user::NewPassword};

use crate::{
    api,
    app::set_title,
    components::{field::TextField, logo::Logo, problem_note::FormProblem},
    language::t,
};

/// Sets a password with the secret in the address's fragment, which no server has seen.
#[component]
pub fn SetPasswordPage() -> impl IntoView {
    set_title(t("Set your password"));
    let token = window().location().hash().unwrap_or_default();
    let token = StoredValue::new(token.trim_start_matches('#').to_owned());
    let password = RwSignal::new(String::new());
    let problem = RwSignal::new(None::<Problem>);
    let done = RwSignal::new(false);
    let set = Action::new_local(move |(): &()| async move {
        problem.set(None);
        let new = NewPassword { token: token.get_value(), password: password.get_untracked() };
        match api::me::set_password(&new).await {
            Ok(()) => done.set(true),
            Err(failed) => problem.set(Some(failed)),
        }
    });
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        if !set.pending().get_untracked() {
            set.dispatch_local(());
        }
    };
    view! {
        <div class="sign-in">
            <section class="sign-in-card">
                <div class="sign-in-brand">
                    <Logo />
                    <h1>{t("Set your password")}</h1>
                </div>
                {move || if done.get() {
                    view! {
                        <p role="status">{t("Your password is set. The link is good no more.")}</p>
                        <A href="/sign-in" attr:class="btn btn-primary btn-wide">{t("Sign in")}</A>
                    }
                    .into_any()
                } else {
                    view! {
                        <form class="stack" novalidate=true on:submit=submit>
                            <FormProblem problem />
                            <TextField
                                label=t("New password") pointer="/password" kind="password" value=password
                                problem autocomplete="new-password" form="set"
                                hint=t("12 characters or more; a few unrelated words are easy to keep in mind")
                            />
                            <button type="submit" class="btn btn-primary btn-wide">{t("Set password")}</button>
                        </form>
                    }
                    .into_any()
                }}
            </section>
        </div>
    }
}
