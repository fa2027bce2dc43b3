//! The first thing anybody sees.

use leptos::prelude::*;
use leptos_router::{components::Redirect, hooks::use_query_map};
use shared::INTENDED_USE;

use super::home::first_page;
use crate::{
    app::set_title,
    components::{logo::Logo, sign_in_form::SignInForm},
    language::t,
    session,
};

/// Signs in, then leads back to where the person wanted to go.
#[component]
pub fn SignInPage() -> impl IntoView {
    let query = use_query_map();
    let user = Memo::new(|_| session::user());
    move || match user.get() {
        Some(user) => {
            let then = query.with_untracked(|query| query.get("then")).filter(|then| is_ours(then));
            let path = then.unwrap_or_else(|| first_page(&user));
            view! { <Redirect path /> }.into_any()
        }
        None => view! { <SignInCard /> }.into_any(),
    }
}

#[component]
fn SignInCard() -> impl IntoView {
    set_title(t("Sign in"));
    view! {
        <div class="sign-in">
            <section class="sign-in-card">
                <div class="sign-in-brand">
                    <Logo />
                    <div>
                        <h1>"Nephrocast"</h1>
                        <p class="muted">{t("Kidney failure risk over five years")}</p>
                    </div>
                </div>
                <SignInForm form="sign-in" />
            </section>
            <p class="sign-in-note fine">{t(INTENDED_USE)}</p>
        </div>
    }
}

/// Whether an address is a page of ours: a link must not send people to a foreign site.
fn is_ours(path: &str) -> bool {
    path.starts_with('/') && !path.starts_with("//") && !path.contains('\\')
}
