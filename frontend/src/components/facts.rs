//! What is known about a patient, and what is not.

use leptos::prelude::*;
use shared::{patient::RenalDisease, therapy::Therapy};

use super::patient_header::sex_label;
use crate::{format, language::t, record::Record};

/// A fact that may not be known: never shown as a no.
#[component]
pub fn Known(
    /// The fact.
    value: Option<bool>,
) -> impl IntoView {
    match value {
        Some(true) => view! { <strong>{t("Yes")}</strong> }.into_any(),
        Some(false) => t("No").into_any(),
        None => view! { <span class="unknown">{t("not known")}</span> }.into_any(),
    }
}

/// The fixed facts that predictions use.
#[component]
pub fn Facts() -> impl IntoView {
    let record = Record::here();
    let patient = move || record.patient.get();
    view! {
        <section class="card" aria-labelledby="facts">
            <div class="card-head"><h2 id="facts">{t("Facts")}</h2></div>
            {move || {
                let patient = patient();
                let facts = [
                    (t("Diabetes"), patient.diabetes),
                    (t("Hypertension"), patient.hypertension),
                    (t("Cardiovascular disease"), patient.cardiovascular_disease),
                    (t("Heart failure"), patient.heart_failure),
                    (t("Smokes"), patient.smoker),
                ]
                .map(|(label, value)| view! { <dt>{label}</dt><dd><Known value /></dd> });
                view! {
                    <dl class="facts facts-spread">
                        <dt>{t("Cause of kidney disease")}</dt>
                        <dd><Cause cause=patient.renal_disease /></dd>
                        {facts}
                        <dt>{t("Sex at birth")}</dt>
                        <dd>{sex_label(patient.sex)}</dd>
                        <dt>{t("Therapies now")}</dt>
                        <dd><CurrentTherapies /></dd>
                        <dt>{t("Patient’s own access")}</dt>
                        <dd>{if patient.own_access { t("Yes") } else { t("No") }}</dd>
                    </dl>
                }
            }}
        </section>
    }
}

#[component]
fn Cause(cause: RenalDisease) -> impl IntoView {
    match cause {
        RenalDisease::Unknown => view! { <span class="unknown">{t("not known")}</span> }.into_any(),
        known => t(known.label()).into_any(),
    }
}

/// The drug classes in use today.
#[component]
pub fn CurrentTherapies() -> impl IntoView {
    let record = Record::here();
    move || {
        let today = format::today();
        let goes_on = |therapy: &Therapy| {
            therapy.started_on <= today && therapy.ended_on.is_none_or(|end| today <= end)
        };
        let names: Vec<&str> = record
            .therapies
            .get()?
            .ok()?
            .items
            .iter()
            .filter(|therapy| goes_on(therapy))
            .map(|therapy| t(therapy.kind.label()))
            .collect();
        Some(if names.is_empty() { t("none recorded").to_owned() } else { names.join(", ") })
    }
}
