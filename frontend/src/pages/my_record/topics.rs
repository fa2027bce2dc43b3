//! What the guidelines advise for this record, as something to talk about.

use leptos::prelude::*;
use shared::{
    clinical::kdigo::{cell, kdigo_of},
    observation::{Observation, ObservationCode},
    prediction::Advice,
};

use crate::{language::t, record::Record, tn};

/// What an advice to clinicians means for the patient; several may mean the same.
fn plain(code: &str) -> Option<&'static str> {
    Some(match code {
        "prepare_replacement" => t(
            "Which treatments there are when kidneys fail (a transplant, dialysis at home or in a centre, care without dialysis), and what has to be prepared for the one that suits you.",
        ),
        "multidisciplinary_care" => t(
            "Who can care for you together with your doctor: nurses, a dietitian, a social worker.",
        ),
        "refer"
        | "consider_referral"
        | "refer_by_category"
        | "refer_albuminuria"
        | "refer_with_haematuria"
        | "refer_fall_25_percent"
        | "refer_fall_15" => {
            t("Whether you should see a kidney specialist, if you do not see one already.")
        }
        "measure_albuminuria" => {
            t("A test of protein in your urine: it should be made once a year or more often.")
        }
        "uacr_doubled" => t("Why there is more protein in your urine than at the test before."),
        "evaluate_aki" => t(
            "Your last blood test, which differs much from those before: when it should be repeated.",
        ),
        "rapid_progression" => {
            t("Why your kidneys have lost strength rather fast, and what slows it down.")
        }
        "egfr_change" | "egfr_fall_on_drug" => {
            t("Why your kidneys work differently than at the test before.")
        }
        "confirm_chronicity" => t(
            "When the test is repeated: only after three months it is known whether the kidneys are lastingly ill.",
        ),
        _ => return None,
    })
}

/// How often blood and urine should be tested by the stage of both (KDIGO 2024).
fn tests(record: Record) -> Option<String> {
    let egfr = record.latest(ObservationCode::Egfr)?.quantity()?;
    let quantity = record.latest(ObservationCode::Uacr);
    let acr = quantity.as_ref().and_then(Observation::quantity);
    let kdigo = kdigo_of(egfr, acr, None);
    let times = cell(kdigo.g, kdigo.a?).monitor_per_year;
    Some(tn!(
        times,
        "When your next test is: at your stage blood and urine are tested {n} time a year or more often.",
        "When your next test is: at your stage blood and urine are tested {n} times a year or more often."
    ))
}

/// The list; nothing while nothing is known.
#[component]
pub fn Topics() -> impl IntoView {
    let record = Record::here();
    move || {
        let result = record.latest_prediction().and_then(|prediction| prediction.result);
        let advice = result.map(|result| result.advice).unwrap_or_default();
        let mut topics: Vec<String> = Vec::new();
        for Advice { code, .. } in advice {
            let words = plain(&code).unwrap_or_default();
            if !words.is_empty() && !topics.iter().any(|topic| topic == words) {
                topics.push(words.to_owned());
            }
        }
        topics.extend(tests(record));
        let lines: Vec<_> = topics.into_iter().map(|topic| view! { <li>{topic}</li> }).collect();
        (!lines.is_empty()).then(|| {
            view! {
                <ul>{lines}</ul>
                <p class="fine">{t("After the KDIGO 2024 guideline for chronic kidney disease, chapter 2, and its table of how often to test.")}</p>
            }
        })
    }
}
