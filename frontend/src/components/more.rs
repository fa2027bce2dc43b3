//! Lists that come a page at a time.

use leptos::{prelude::*, task::spawn_local};
use shared::{page::Page, problem::Problem};

use super::{async_view::Skeleton, problem_note::ProblemNote};
use crate::{api, language::t};

/// A list, as far as it has come.
pub struct Paged<T: Send + Sync + 'static> {
    /// What has come.
    pub items: RwSignal<Vec<T>>,
    /// What is to come.
    pub rest: Rest,
}

/// What is still to come of a list.
#[derive(Clone, Copy)]
pub struct Rest {
    /// Where it goes on; empty before the first page, nothing after the last.
    cursor: RwSignal<Option<String>>,
    loading: RwSignal<bool>,
    problem: RwSignal<Option<Problem>>,
    /// Asks for the next page.
    pub load: Callback<()>,
}

impl Rest {
    /// Whether a page is known to follow (reactive).
    pub fn is_there(self) -> bool {
        self.cursor.with(|cursor| cursor.as_ref().is_some_and(|cursor| !cursor.is_empty()))
    }
}

impl<T: Send + Sync + 'static> Paged<T> {
    /// A list whose first page is here; `next` asks for the page that a cursor leads to.
    pub fn after<F>(first: Page<T>, next: impl Fn(String) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = api::Result<Page<T>>> + 'static,
    {
        let items = RwSignal::new(first.items);
        let cursor = RwSignal::new(first.next_cursor);
        let loading = RwSignal::new(false);
        let problem = RwSignal::new(None);
        let load = Callback::new(move |()| {
            let Some(from) = cursor.get_untracked() else { return };
            if loading.get_untracked() {
                return;
            }
            loading.set(true);
            problem.set(None);
            let answer = next(from);
            spawn_local(async move {
                let answer = answer.await;
                // The list may be another one by now: then these signals are gone.
                let _ = loading.try_set(false);
                match answer {
                    Ok(page) => {
                        let _ = items.try_update(|items| items.extend(page.items));
                        let _ = cursor.try_set(page.next_cursor);
                    }
                    Err(failed) => {
                        let _ = problem.try_set(Some(failed));
                    }
                }
            });
        });
        Self { items, rest: Rest { cursor, loading, problem, load } }
    }
}

/// Below a list: that more is on its way, why it did not come, and the button that asks for it.
#[component]
pub fn More(
    /// What is to come.
    rest: Rest,
    /// What the button says, if not that there is more.
    #[prop(optional)]
    text: Option<&'static str>,
) -> impl IntoView {
    let Rest { loading, problem, load, .. } = rest;
    let text = text.unwrap_or_else(|| t("Load more"));
    let there = Memo::new(move |_| rest.is_there());
    view! {
        {move || loading.get().then(|| view! { <Skeleton rows=2 /> })}
        {move || problem.get().map(|problem| view! { <ProblemNote problem retry=load /> })}
        {move || there.get().then(|| view! {
            <button type="button" class="btn" on:click=move |_| load.run(())>{text}</button>
        })}
    }
}
