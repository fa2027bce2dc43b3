//! A problem, said plainly, with what can be done about it.

use leptos::prelude::*;
use shared::problem::Problem;

use crate::language::{said, t};

/// A problem in place of content.
#[component]
pub fn ProblemNote(
    /// What went wrong.
    problem: Problem,
    /// Tries again, where that makes sense.
    #[prop(optional, into)]
    retry: Option<Callback<()>>,
) -> impl IntoView {
    view! {
        <div class="notice notice-error" role="alert">
            <p class="notice-title">{said(&problem.title)}</p>
            {problem.detail.map(|detail| view! { <p>{said(&detail)}</p> })}
            {problem.instance.map(|id| {
                view! { <p class="fine">{t("Request")} " " <code>{id}</code></p> }
            })}
            {retry.map(|retry| {
                view! {
                    <button type="button" class="btn" on:click=move |_| retry.run(())>
                        {t("Try again")}
                    </button>
                }
            })}
        </div>
    }
}

/// Above a form: what was wrong with the last attempt, every faulty field included.
#[component]
pub fn FormProblem(
    /// The last attempt's problem, if it failed.
    #[prop(into)]
    problem: Signal<Option<Problem>>,
) -> impl IntoView {
    move || {
        problem.get().map(|problem| {
            let messages: Vec<_> = problem
                .errors
                .iter()
                .map(|error| view! { <li>{said(&error.message)}</li> })
                .collect();
            view! {
                <div class="notice notice-error" role="alert">
                    <p class="notice-title">{said(&problem.title)}</p>
                    {problem.detail.as_deref().map(|detail| view! { <p>{said(detail)}</p> })}
                    {(!messages.is_empty()).then(|| view! { <ul>{messages}</ul> })}
                </div>
            }
        })
    }
}
