//! The page for the chart: where the patient stands, what to expect, what to do.

use leptos::prelude::*;
use shared::{
    clinical::kdigo::kdigo_of,
    observation::{Observation, ObservationCode},
    patient::Patient,
    prediction::{PredictionResult, RiskSource, YearRisk},
};

use super::{Content, CoursePicture, CurrentTherapies, Foot, Head, PeopleArray, Record, latest};
use crate::{
    components::{
        badges::{KdigoBadge, RiskBadge, source_label},
        facts::Known,
    },
    format,
    language::{said, t},
    tf,
};

/// What a chart's reader looks for, in the order of the page; what was never measured is left out.
const VALUES: [ObservationCode; 14] = [
    ObservationCode::Creatinine,
    ObservationCode::CystatinC,
    ObservationCode::Upcr,
    ObservationCode::SystolicBp,
    ObservationCode::DiastolicBp,
    ObservationCode::Potassium,
    ObservationCode::Bicarbonate,
    ObservationCode::Calcium,
    ObservationCode::Phosphate,
    ObservationCode::Albumin,
    ObservationCode::Haemoglobin,
    ObservationCode::HbA1c,
    ObservationCode::Weight,
    ObservationCode::Height,
];

/// The sheet.
#[component]
pub fn Chart(
    /// What it is written from.
    content: Content,
) -> impl IntoView {
    let Content { patient, observations, prediction } = content;
    let (asked, result) = prediction.unzip();
    view! {
        <Head title=t("Kidney report") patient=patient.clone() />
        <div class="sheet-columns">
            <Standing />
            <Facts patient />
        </div>
        <section>
            <h2>{t("Risk of kidney failure (dialysis or transplant)")}</h2>
            {match result.clone() {
                Some(result) => view! { <Risk result /> }.into_any(),
                None => view! { <p class="muted">{t("No prediction has been made.")}</p> }.into_any(),
            }}
        </section>
        <section>
            <h2>{t("Course of eGFR, mL/min/1.73 m²")}</h2>
            <CoursePicture observations />
        </section>
        <Values />
        {result.map(|result| view! { <Words result /> })}
        <Foot prediction=asked />
    }
}

#[component]
fn Standing() -> impl IntoView {
    let record = Record::here();
    let row = |label, found: Option<(String, String)>| {
        let (value, day) = found.unwrap_or_else(|| (t("not known").to_owned(), String::new()));
        view! { <dt>{label}</dt><dd><strong>{value}</strong> " " <span class="fine">{day}</span></dd> }
    };
    let number = |code| record.latest(code);
    let kdigo =
        number(ObservationCode::Egfr).as_ref().and_then(Observation::quantity).map(|egfr| {
            let acr = number(ObservationCode::Uacr);
            let pcr = number(ObservationCode::Upcr);
            kdigo_of(
                egfr,
                acr.as_ref().and_then(Observation::quantity),
                pcr.as_ref().and_then(Observation::quantity),
            )
        });
    view! {
        <section>
            <h2>{t("Where the kidneys stand")}</h2>
            <dl class="facts">
                {row("eGFR", latest(record, ObservationCode::Egfr))}
                {row("uACR", latest(record, ObservationCode::Uacr))}
                <dt>"KDIGO"</dt>
                <dd>{kdigo.map(|kdigo| view! { <KdigoBadge kdigo /> })}</dd>
                <dt>{t("Therapies now")}</dt>
                <dd><CurrentTherapies /></dd>
            </dl>
        </section>
    }
}

#[component]
fn Facts(patient: Patient) -> impl IntoView {
    let facts = [
        (t("Diabetes"), patient.diabetes),
        (t("Hypertension"), patient.hypertension),
        (t("Cardiovascular disease"), patient.cardiovascular_disease),
        (t("Heart failure"), patient.heart_failure),
        (t("Smokes"), patient.smoker),
    ]
    .map(|(label, value)| view! { <dt>{label}</dt><dd><Known value /></dd> });
    view! {
        <section>
            <h2>{t("Facts")}</h2>
            <dl class="facts">
                <dt>{t("Cause")}</dt>
                <dd>{t(patient.renal_disease.label())}</dd>
                {facts}
            </dl>
        </section>
    }
}

#[component]
fn Risk(result: PredictionResult) -> impl IntoView {
    let at = |risk: &[YearRisk], year| {
        risk.iter().find(|risk| risk.year == year).map(|risk| {
            let interval =
                tf!("{low} to {high}", low = format::percent(risk.lower), high = format::percent(risk.upper));
            view! { {format::percent(risk.probability)} <span class="fine">" (" {interval} ")"</span> }
        })
    };
    let source = match result.category_source {
        RiskSource::Network => t("from the network, because KFRE does not apply"),
        kfre @ RiskSource::Kfre => source_label(kfre),
    };
    view! {
        <div class="sheet-risk">
            <table class="table">
                <thead>
                    <tr>
                        <th scope="col">{t("Voice")}</th>
                        <th scope="col">{t("Within 2 years")}</th>
                        <th scope="col">{t("Within 5 years")}</th>
                    </tr>
                </thead>
                <tbody>
                    {result.kfre.as_ref().map(|kfre| view! {
                        <tr>
                            <th scope="row">
                                {tf!("KFRE, {count} variables, {region}", count = kfre.variables, region = t(kfre.region.label()))}
                            </th>
                            <td>{format::percent(kfre.risk_2y)}</td>
                            <td>{format::percent(kfre.risk_5y)}</td>
                        </tr>
                    })}
                    <tr>
                        <th scope="row">{t("Network (research), 90\u{a0}% interval")}</th>
                        <td>{at(&result.risk, 2)}</td>
                        <td>{at(&result.risk, 5)}</td>
                    </tr>
                    <tr>
                        <th scope="row">{t("Category")}</th>
                        <td colspan="2"><RiskBadge category=result.category /> " " {source}</td>
                    </tr>
                </tbody>
            </table>
            {result.risk_within(5).map(|probability| view! { <PeopleArray probability years=5 /> })}
        </div>
    }
}

#[component]
fn Values() -> impl IntoView {
    let record = Record::here();
    let values: Vec<_> = VALUES
        .into_iter()
        .filter_map(|code| {
            let (value, day) = latest(record, code)?;
            Some(view! {
                <li>
                    <span>{t(code.label())}</span>
                    <span><strong>{value}</strong> " " <span class="fine">{day}</span></span>
                </li>
            })
        })
        .collect();
    (!values.is_empty()).then(|| {
        view! {
            <section>
                <h2>{t("Latest values")}</h2>
                <ul class="sheet-values">{values}</ul>
            </section>
        }
    })
}

#[component]
fn Words(result: PredictionResult) -> impl IntoView {
    let advice: Vec<_> = result
        .advice
        .into_iter()
        .map(
            |advice| view! { <li>{said(&advice.text)} <span class="fine">" " {advice.source}</span></li> },
        )
        .collect();
    let warnings: Vec<_> = result
        .warnings
        .into_iter()
        .map(|warning| view! { <li>{said(&warning.text)}</li> })
        .collect();
    view! {
        {(!advice.is_empty()).then(|| view! {
            <section>
                <h2>{t("What the guidelines say")}</h2>
                <ul>{advice}</ul>
            </section>
        })}
        {(!warnings.is_empty()).then(|| view! {
            <section>
                <h2>{t("Keep in mind")}</h2>
                <ul>{warnings}</ul>
            </section>
        })}
    }
}
