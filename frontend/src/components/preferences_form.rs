//! One's own language, units and KFRE baseline.

use leptos::prelude::*;
use serde::Serialize;
use shared::{
    prediction::KfreRegion,
    preferences::{Preferences, PreferencesPatch},
    problem::{Problem, ProblemKind},
    settings::{Language, Units},
};

use super::{
    async_view::AsyncView, field::SelectField, problem_note::FormProblem, record_form::wire_name,
};
use crate::{
    api,
    language::{self, t},
    session,
};

const REGIONS: [KfreRegion; 3] =
    [KfreRegion::NorthAmerica, KfreRegion::Other, KfreRegion::UnitedKingdom];

/// The section of the account's page.
#[component]
pub fn PreferencesSection() -> impl IntoView {
    let preferences = LocalResource::new(api::me::preferences);
    view! {
        <section class="card stack-tight" aria-labelledby="preferences">
            <h2 id="preferences">{t("Language and units")}</h2>
            <AsyncView
                resource=preferences
                rows=4
                render=|preferences| view! { <Form preferences /> }
            />
        </section>
    }
}

/// A choice's options, the site's first; a language is called what it calls itself.
fn options<T: Copy + Serialize>(
    all: impl IntoIterator<Item = T>,
    label: impl Fn(T) -> &'static str,
) -> Vec<(String, String)> {
    let own = all.into_iter().map(|one| (wire_name(one), label(one).to_owned()));
    std::iter::once((String::new(), t("As the site has it").to_owned())).chain(own).collect()
}

/// The value of the chosen option.
fn chosen<T: Copy + Serialize>(all: impl IntoIterator<Item = T>, name: &str) -> Option<T> {
    all.into_iter().find(|one| wire_name(one) == name)
}

#[component]
fn Form(preferences: Preferences) -> impl IntoView {
    let text = |name: Option<String>| RwSignal::new(name.unwrap_or_default());
    let language = text(preferences.language.map(wire_name));
    let units = text(preferences.units.map(wire_name));
    let region = text(preferences.kfre_region.map(wire_name));
    let version = RwSignal::new(preferences.version);
    let problem = RwSignal::new(None::<Problem>);
    let saved = RwSignal::new("");
    let save = Action::new_local(move |(): &()| async move {
        problem.set(None);
        saved.set("");
        let patch = PreferencesPatch {
            language: Some(Language::of_tag(&language.get_untracked())),
            units: Some(chosen(Units::ALL, &units.get_untracked())),
            kfre_region: Some(chosen(REGIONS, &region.get_untracked())),
        };
        match api::me::update_preferences(version.get_untracked(), &patch).await {
            Ok(preferences) => {
                version.set(preferences.version);
                session::take_in_preferences(preferences);
                if !language::choose(preferences.in_force.language) {
                    saved.set(t("Saved."));
                }
            }
            Err(failed) if failed.kind == ProblemKind::Stale => {
                let detail = t("You changed this in another window. Load the page again.");
                problem.set(Some(Problem { detail: Some(detail.to_owned()), ..failed }));
            }
            Err(failed) => problem.set(Some(failed)),
        }
    });
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        if !save.pending().get_untracked() {
            save.dispatch_local(());
        }
    };
    view! {
        <form class="stack" novalidate=true on:submit=submit>
            <FormProblem problem />
            <div class="grid-2">
                <SelectField
                    label=t("Language") pointer="/language" value=language problem form="preferences"
                    options=options(Language::ALL, Language::label)
                />
                <SelectField
                    label=t("Units") pointer="/units" value=units problem form="preferences"
                    options=options(Units::ALL, |units| t(units.label()))
                    hint=t("Values stay in the record as they were recorded")
                />
            </div>
            <SelectField
                label=t("KFRE baseline") pointer="/kfre_region" value=region problem form="preferences"
                options=options(REGIONS, |region| t(region.label()))
                hint=t("For what you ask for from now on; earlier predictions keep theirs")
            />
            <div class="form-actions">
                <button type="submit" class="btn btn-primary">{t("Save")}</button>
                <span role="status">{move || saved.get()}</span>
            </div>
        </form>
    }
}
