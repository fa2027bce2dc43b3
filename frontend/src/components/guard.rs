//! Lets through whoever may see a page, and shows everybody else the way.

use leptos::prelude::*;
use leptos_router::{
    components::{A, Redirect},
    hooks::use_location,
};
use shared::access::{Permission, Role};

use super::{async_view::Skeleton, problem_note::ProblemNote};
use crate::{
    language::t,
    session::{self, Standing},
    tf,
};

/// What a page can be to somebody; equal ones do not draw the page again.
#[derive(Clone, PartialEq)]
enum Gate {
    Wait,
    Unreachable(shared::problem::Problem),
    SignIn {
        on_purpose: bool,
    },
    Forbidden(Role),
    /// A second factor has to be set up first.
    Enrol,
    Open,
}

/// Shows its children to those who may do what the page needs.
#[component]
pub fn Guard(
    /// What the page needs.
    needs: Permission,
    /// The page.
    children: ChildrenFn,
) -> impl IntoView {
    let location = use_location();
    let gate = Memo::new(move |_| match session::standing() {
        Standing::Starting => Gate::Wait,
        Standing::Unreachable(problem) => Gate::Unreachable(problem),
        Standing::SignedOut { on_purpose } => Gate::SignIn { on_purpose },
        Standing::SignedIn(_) if session::must_enrol() && needs != Permission::UseOwnAccount => {
            Gate::Enrol
        }
        Standing::SignedIn(_) if session::allows(needs) => Gate::Open,
        Standing::SignedIn(user) => Gate::Forbidden(user.role),
    });
    move || {
        match gate.get() {
        Gate::Wait => view! { <div class="page"><Skeleton rows=6 /></div> }.into_any(),
        Gate::Unreachable(problem) => {
            let retry = Callback::new(|()| leptos::task::spawn_local(session::start()));
            view! { <div class="page"><ProblemNote problem retry /></div> }.into_any()
        }
        Gate::Enrol => view! { <Redirect path="/account" /> }.into_any(),
        Gate::SignIn { on_purpose: true } => view! { <Redirect path="/sign-in" /> }.into_any(),
        Gate::SignIn { on_purpose: false } => {
            let here = location.pathname.get_untracked() + &search_of(&location);
            let path = format!("/sign-in{}", crate::api::query(&[("then", &here)]));
            view! { <Redirect path /> }.into_any()
        }
        Gate::Forbidden(role) => view! {
            <div class="page">
                <div class="notice">
                    <p class="notice-title">{t("This page is not for your role")}</p>
                    <p>{tf!("You are signed in as {role}.", role = t(role.label()).to_ascii_lowercase())}</p>
                    <A href="/">{t("Go to your start page")}</A>
                </div>
            </div>
        }
        .into_any(),
        Gate::Open => children().into_any(),
    }
    }
}

fn search_of(location: &leptos_router::location::Location) -> String {
    let search = location.search.get_untracked();
    if search.is_empty() { search } else { format!("?{search}") }
}
