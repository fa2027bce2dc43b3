//! The released networks: which answers, which runs unseen, how they compare, how inputs drift.

use leptos::prelude::*;
use leptos_router::components::A;
use shared::model::ModelSummary;

use crate::{
    api,
    app::set_title,
    components::{
        async_view::AsyncView, dialog::Confirm, model_comparison::Comparison, model_drift::Drift,
    },
    format,
    language::{said, t},
    tf,
};

/// What is to be done with a release.
#[derive(Clone)]
enum Change {
    Activate(String),
    SetShadow(String),
    ClearShadow(String),
}

/// The page for whoever decides which network answers.
#[component]
pub fn ModelsPage() -> impl IntoView {
    set_title(t("Models"));
    let models = LocalResource::new(api::models::list);
    let change = RwSignal::new(None::<Change>);
    let done = Callback::new(move |()| {
        models.refetch();
        change.set(None);
    });
    let close = Callback::new(move |()| change.set(None));
    view! {
        <div class="page">
            <div class="page-head">
                <h1>{t("Models")}</h1>
                <p>{t("Released networks. KFRE is a published equation and needs no release.")}</p>
            </div>
            <AsyncView
                resource=models
                rows=6
                render=move |models| view! { <Releases items=models.items change /> }
            />
            {move || change.get().map(|change| view! { <Question change done close /> })}
        </div>
    }
}

#[component]
fn Releases(items: Vec<ModelSummary>, change: RwSignal<Option<Change>>) -> impl IntoView {
    let active = items.iter().find(|model| model.active).map(|model| model.version.clone());
    let shadow = items.iter().find(|model| model.shadow).map(|model| model.version.clone());
    let others: Vec<String> =
        items.iter().filter(|model| !model.active).map(|model| model.version.clone()).collect();
    let watched: Vec<String> =
        items.iter().filter(|model| model.has_reference).map(|m| m.version.clone()).collect();
    let compared = shadow.or_else(|| others.first().cloned());
    let drifting = active.filter(|version| watched.contains(version));
    let drifting = drifting.or_else(|| watched.first().cloned());
    let lines: Vec<_> = items.into_iter().map(|model| view! { <Release model change /> }).collect();
    view! {
        <section class="card card-flush" aria-label=t("Releases")>
            <div class="table-scroll" tabindex="0" role="region" aria-label=t("Releases, table")>
                <table class="table">
                    <thead>
                        <tr>
                            <th scope="col">{t("Version")}</th>
                            <th scope="col">{t("Role")}</th>
                            <th scope="col">{t("Trained on")}</th>
                            <th scope="col">{t("Released")}</th>
                            <th scope="col">{t("Actions")}</th>
                        </tr>
                    </thead>
                    <tbody>{lines}</tbody>
                </table>
            </div>
        </section>
        {drifting.map(|version| view! { <Drift version versions=watched /> })}
        {compared.map(|version| view! { <Comparison version versions=others /> })}
    }
}

#[component]
fn Release(model: ModelSummary, change: RwSignal<Option<Change>>) -> impl IntoView {
    let version = model.version.clone();
    let name = model.name.clone().unwrap_or_else(|| t("not loaded").to_owned());
    let href = format!("/models/{version}");
    view! {
        <tr>
            <th scope="row" class="nowrap">
                {if model.has_card {
                    let version = version.clone();
                    view! { <A href>{version}</A> }.into_any()
                } else {
                    version.clone().into_any()
                }}
                <span class="when">{name}</span>
            </th>
            <td class="nowrap">
                {model.active.then(|| view! { <span class="badge badge-active">{t("active")}</span> })}
                {model.shadow.then(|| view! { <span class="badge">{t("shadow")}</span> })}
                {model.problem.is_some().then(|| view! { <span class="badge risk-high">{t("not loaded")}</span> })}
            </td>
            <td>
                {model.trained_on.map(|text| said(&text))}
                {model.problem.clone().map(|problem| view! { <span class="fine">{said(&problem)}</span> })}
            </td>
            <td class="nowrap">{model.released_on.map(format::date)}</td>
            <td>
                <div class="row">
                    {(!model.active && model.problem.is_none()).then(|| view! {
                        <Act version=version.clone() label=t("Activate") to=Change::Activate change />
                    })}
                    {(!model.active && !model.shadow && model.problem.is_none()).then(|| view! {
                        <Act version=version.clone() label=t("Run as shadow") to=Change::SetShadow change />
                    })}
                    {model.shadow.then(|| view! {
                        <Act version=version.clone() label=t("Stop shadow") to=Change::ClearShadow change />
                    })}
                </div>
            </td>
        </tr>
    }
}

#[component]
fn Act(
    version: String,
    label: &'static str,
    to: fn(String) -> Change,
    change: RwSignal<Option<Change>>,
) -> impl IntoView {
    view! {
        <button
            type="button"
            class="btn btn-small"
            aria-label=tf!("{action}: version {version}", action = label, version = version)
            on:click=move |_| change.set(Some(to(version.clone())))
        >
            {label}
        </button>
    }
}

#[component]
fn Question(change: Change, done: Callback<()>, close: Callback<()>) -> impl IntoView {
    let asked = change.clone();
    let action = Action::new_local(move |(): &()| {
        let change = asked.clone();
        async move {
            match &change {
                Change::Activate(version) => api::models::activate(version).await.map(drop),
                Change::SetShadow(version) => api::models::set_shadow(version).await.map(drop),
                Change::ClearShadow(version) => api::models::clear_shadow(version).await,
            }?;
            done.run(());
            Ok(())
        }
    });
    let (title, verb, meaning) = match change {
        Change::Activate(version) => (
            tf!("Activate version {version}?", version = version),
            t("Activate"),
            t("From the next prediction on it answers, for everybody. Predictions that were made \
             stay as they are and keep the version that made them. The change is in the audit log."),
        ),
        Change::SetShadow(version) => (
            tf!("Run version {version} as shadow?", version = version),
            t("Run as shadow"),
            t(
                "It also answers every new prediction, unseen, on the same inputs. Nobody who cares \
             for patients sees its risks; this page compares them.",
            ),
        ),
        Change::ClearShadow(version) => (
            tf!("Stop version {version} as shadow?", version = version),
            t("Stop shadow"),
            t("It answers no further predictions. What it has said so far stays for comparison."),
        ),
    };
    view! {
        <Confirm title id="change-model" verb action close>
            <p>{meaning}</p>
        </Confirm>
    }
}
