//! A choice among the versions of the network.

use leptos::prelude::*;

/// A labelled choice; a plain text when there is nothing to choose.
#[component]
pub fn VersionChoice(
    /// What is chosen.
    label: &'static str,
    /// The chosen version.
    chosen: RwSignal<String>,
    /// The versions.
    versions: Vec<String>,
) -> impl IntoView {
    if versions.len() < 2 {
        return view! { <p class="muted">{label} " " {chosen}</p> }.into_any();
    }
    let options: Vec<_> = versions
        .into_iter()
        .map(|version| {
            let this = version.clone();
            let selected = move || chosen.with(|chosen| *chosen == this);
            view! { <option value=version.clone() selected=selected>{version.clone()}</option> }
        })
        .collect();
    view! {
        <label class="filter">
            <span>{label}</span>
            <select class="control" on:change:target=move |event| chosen.set(event.target().value())>
                {options}
            </select>
        </label>
    }
    .into_any()
}
