//! What a prediction rests on, as it was frozen.

use leptos::prelude::*;
use shared::{
    outcome::OutcomeKind,
    prediction::{BiopsyInput, InputValue, PredictionInputs},
    therapy::TherapyKind,
};

use super::patient_header::sex_label;
use crate::{charts::egfr::method_label, format, language::t, tn};

/// MEST-C scores as pathologists write them: `M1 E0 S1 T? C0`.
pub fn mest_c(scores: [(&str, Option<u8>); 5]) -> String {
    let words = scores.map(|(letter, score)| match score {
        Some(score) => format!("{letter}{score}"),
        None => format!("{letter}?"),
    });
    words.join(" ")
}

fn known(value: Option<bool>) -> String {
    match value {
        Some(true) => t("yes"),
        Some(false) => t("no"),
        None => t("not known"),
    }
    .to_owned()
}

fn names(labels: &[&'static str]) -> String {
    if labels.is_empty() {
        t("none recorded").to_owned()
    } else {
        labels.iter().map(|label| t(label)).collect::<Vec<_>>().join(", ")
    }
}

fn biopsy(biopsy: Option<&BiopsyInput>) -> String {
    biopsy.map_or_else(
        || t("none recorded").to_owned(),
        |biopsy| {
            let BiopsyInput { m, e, s, t, c, .. } = *biopsy;
            let scores = mest_c([("M", m), ("E", e), ("S", s), ("T", t), ("C", c)]);
            format!("{}: {scores}", format::date(biopsy.performed_on))
        },
    )
}

/// Every input as a table: the facts, then the values, newest first.
#[component]
pub fn InputsTable(
    /// The inputs.
    inputs: PredictionInputs,
) -> impl IntoView {
    let therapies: Vec<_> = inputs.therapies.iter().copied().map(TherapyKind::label).collect();
    let outcomes: Vec<_> = inputs.outcomes.iter().copied().map(OutcomeKind::label).collect();
    let facts: Vec<_> = [
        (t("Age"), tn!(inputs.age_years, "{n} year", "{n} years")),
        (t("Sex at birth"), sex_label(inputs.sex).to_owned()),
        (t("Diabetes"), known(inputs.diabetes)),
        (t("Hypertension"), known(inputs.hypertension)),
        (t("Cardiovascular disease"), known(inputs.cardiovascular_disease)),
        (t("Heart failure"), known(inputs.heart_failure)),
        (t("Smokes"), known(inputs.smoker)),
        (t("Cause of kidney disease"), t(inputs.renal_disease.label()).to_owned()),
        (t("Region of KFRE"), t(inputs.region.label()).to_owned()),
        (t("Therapies"), names(&therapies)),
        (t("Biopsy"), biopsy(inputs.biopsy.as_ref())),
        (t("End points"), names(&outcomes)),
    ]
    .into_iter()
    .map(|(name, value)| {
        view! { <tr><th scope="row">{name}</th><td>{value}</td><td></td><td></td></tr> }
    })
    .collect();
    let values: Vec<_> =
        inputs.values.into_iter().rev().map(|value| view! { <Line value /> }).collect();
    view! {
        <div class="table-scroll" tabindex="0" role="group" aria-label=t("Inputs used")>
            <table class="table table-tight">
                <thead>
                    <tr>
                        <th scope="col">{t("Input")}</th>
                        <th scope="col">{t("Value")}</th>
                        <th scope="col">{t("Date")}</th>
                        <th scope="col">{t("Source")}</th>
                    </tr>
                </thead>
                <tbody>{facts} {values}</tbody>
            </table>
        </div>
    }
}

#[component]
fn Line(value: InputValue) -> impl IntoView {
    view! {
        <tr>
            <th scope="row">{t(value.code.label())}</th>
            <td class="nowrap">{format::amount(value.code, value.value)}</td>
            <td class="nowrap">{format::date_of(value.effective_at)}</td>
            <td>{method_label(value.method)}</td>
        </tr>
    }
}
