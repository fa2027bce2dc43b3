//! Loading, error and content look the same everywhere.

use leptos::prelude::*;

use super::problem_note::ProblemNote;
use crate::api;
use crate::language::t;

/// Shows what a resource answers; while it loads, a skeleton of `rows` lines; when it fails, the
/// problem with a way to try again. A reload keeps the content in place until the new one is here.
#[component]
pub fn AsyncView<T, V, F>(
    /// What is loaded.
    resource: LocalResource<api::Result<T>>,
    /// How it looks.
    render: F,
    /// Lines of the skeleton.
    #[prop(default = 3)]
    rows: usize,
) -> impl IntoView
where
    T: Clone + 'static,
    V: IntoView + 'static,
    F: Fn(T) -> V + Send + 'static,
{
    move || match resource.get() {
        None => view! { <Skeleton rows /> }.into_any(),
        Some(Ok(value)) => render(value).into_any(),
        Some(Err(problem)) => {
            let retry = Callback::new(move |()| resource.refetch());
            view! { <ProblemNote problem retry /> }.into_any()
        }
    }
}

/// Grey lines where content will be.
#[component]
pub fn Skeleton(
    /// How many.
    rows: usize,
) -> impl IntoView {
    view! {
        <div class="skeleton" role="status">
            <span class="visually-hidden">{t("Loading…")}</span>
            {(0..rows).map(|_| view! { <div class="skeleton-line"></div> }).collect_view()}
        </div>
    }
}
