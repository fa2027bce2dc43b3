//! What moves the network's risk away from the reference patient's.

use leptos::prelude::*;
use serde::Serialize;
use shared::{
    observation::ObservationCode,
    prediction::{Contribution, PredictionResult},
};

use super::{Chart, ChartKind, Twin};
use crate::{format, language::t, tf};

/// Bars of their own; everything weaker shares one.
const SHOWN: usize = 10;
/// Effects that show as 0.0 points need no bar.
const NOTHING: f64 = 0.0005;

#[derive(Serialize)]
struct Data {
    summary: String,
    reach: f64,
    bars: Vec<Bar>,
}

#[derive(Serialize)]
struct Bar {
    name: String,
    effect: f64,
    label: String,
    tip: String,
}

/// An input's name, for people.
pub fn input_label(input: &str) -> String {
    match input {
        "egfr" => t("Level of eGFR"),
        "egfr_course" => t("Course of eGFR"),
        "uacr" => t("Urine albumin (uACR)"),
        "upcr" => t("Urine protein (uPCR)"),
        "age" => t("Age"),
        "sex" => t("Sex"),
        "diabetes" => t("Diabetes"),
        "hypertension" => t("Hypertension"),
        "cardiovascular_disease" => t("Cardiovascular disease"),
        "heart_failure" => t("Heart failure"),
        "smoker" => t("Smoking"),
        "renal_disease" => t("Cause of kidney disease"),
        "therapies" => t("Therapies"),
        "biopsy" => t("Biopsy"),
        other => {
            return ObservationCode::parse(other)
                .map_or_else(|| other.replace('_', " "), |code| t(code.label()).to_owned());
        }
    }
    .to_owned()
}

/// The chart of a result's contributions.
#[component]
pub fn ContributionsChart(
    /// What came out.
    result: PredictionResult,
) -> impl IntoView {
    let PredictionResult { contributions, reference_risk_5y, .. } = result;
    let effects = shown(contributions);
    if effects.is_empty() {
        return view! {
            <p class="muted">
                {t("No input moves the network's risk noticeably away from the reference patient's.")}
            </p>
        }
        .into_any();
    }
    let bars: Vec<Bar> = effects.iter().map(|(name, effect)| bar(name, *effect)).collect();
    let widest = bars.iter().map(|bar| bar.effect.abs()).fold(0.0, f64::max);
    let strongest = bars.first().map(|bar| bar.tip.clone()).unwrap_or_default();
    // Room for the numbers beside the longest bar.
    let summary = tf!("Strongest: {input}", input = strongest);
    let data = Data { summary, reach: widest * 1.35, bars };
    let data = serde_json::to_string(&data).unwrap_or_default();
    let twin = Twin {
        heads: vec![t("Input").to_owned(), t("Percentage points").to_owned()],
        rows: effects.iter().map(|(name, effect)| vec![name.clone(), points(*effect)]).collect(),
    };
    let caption = tf!(
        "Percentage points that each input adds to, or takes from, the network’s 5-year risk of a \
         reference patient ({risk}).",
        risk = format::percent(reference_risk_5y)
    );
    let legend =
        vec![("key-up", t("raises the risk").into()), ("key-down", t("lowers the risk").into())];
    view! { <Chart kind=ChartKind::Contributions caption data twin legend /> }.into_any()
}

/// The strongest, and the sum of the rest: together they are all of the difference.
fn shown(mut sorted: Vec<Contribution>) -> Vec<(String, f64)> {
    sorted.sort_by(|a, b| b.effect.abs().total_cmp(&a.effect.abs()));
    let split = sorted
        .iter()
        .take(SHOWN)
        .take_while(|contribution| NOTHING <= contribution.effect.abs())
        .count();
    let (strong, weak) = sorted.split_at(split);
    let mut effects: Vec<(String, f64)> =
        strong.iter().map(|one| (input_label(&one.input), one.effect)).collect();
    let rest: f64 = weak.iter().map(|one| one.effect).sum();
    if NOTHING <= rest.abs() {
        effects.push((t("All other inputs").to_owned(), rest));
    }
    effects
}

fn points(effect: f64) -> String {
    format::points(effect)
}

fn bar(name: &str, effect: f64) -> Bar {
    let label = points(effect);
    let tip = tf!("{input}: {points} percentage points", input = name, points = label);
    Bar { name: name.to_owned(), effect: 100.0 * effect, label, tip }
}
