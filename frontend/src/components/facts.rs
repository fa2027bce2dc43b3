//! What is known about a patient, and what is not.

use leptos::prelude::*;
use shared::{patient::RenalDisease, therapy::Therapy};

use super::patient_header::sex_label;
use crate::{format, record::Record};

/// A fact that may not be known: never shown as a no.
#[component]
pub fn Known(
    /// The fact.
    value: Option<bool>,
) -> impl IntoView {
    match value {
        Some(true) => view! { <strong>"Yes"</strong> }.into_any(),
        Some(false) => "No".into_any(),
        None => view! { <span class="unknown">"not known"</span> }.into_any(),
    }
}

/// The fixed facts that predictions use.
#[component]
pub fn Facts() -> impl IntoView {
    let record = Record::here();
    let patient = move || record.patient.get();
    view! {
        <section class="card" aria-labelledby="facts">
            <div class="card-head"><h2 id="facts">"Facts"</h2></div>
            {move || {
                let patient = patient();
                let facts = [
                    ("Diabetes", patient.diabetes),
                    ("Hypertension", patient.hypertension),
                    ("Cardiovascular disease", patient.cardiovascular_disease),
                    ("Heart failure", patient.heart_failure),
                    ("Smokes", patient.smoker),
                ]
                .map(|(label, value)| view! { <dt>{label}</dt><dd><Known value /></dd> });
                view! {
                    <dl class="facts facts-spread">
                        <dt>"Cause of kidney disease"</dt>
                        <dd><Cause cause=patient.renal_disease /></dd>
                        {facts}
                        <dt>"Sex at birth"</dt>
                        <dd>{sex_label(patient.sex)}</dd>
                        <dt>"Therapies now"</dt>
                        <dd><CurrentTherapies /></dd>
                        <dt>"Patient’s own access"</dt>
                        <dd>{if patient.own_access { "Yes" } else { "No" }}</dd>
                    </dl>
                }
            }}
        </section>
    }
}

#[component]
fn Cause(cause: RenalDisease) -> impl IntoView {
    match cause {
        RenalDisease::Unknown => view! { <span class="unknown">"not known"</span> }.into_any(),
        known => known.label().into_any(),
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
            .map(|therapy| therapy.kind.label())
            .collect();
        Some(if names.is_empty() { "none recorded".to_owned() } else { names.join(", ") })
    }
}
