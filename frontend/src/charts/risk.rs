//! The risk of kidney failure over five years.

use leptos::prelude::*;
use serde::Serialize;
use shared::prediction::{Kfre, PredictionResult, YearRisk};

use super::{Chart, ChartKind, Twin};
use crate::{format, language::t, tf, tn};

/// Tops of the axis, percent: the lowest that everything fits under is taken.
const TOPS: [f64; 14] =
    [0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 10.0, 15.0, 20.0, 25.0, 40.0, 60.0, 80.0, 100.0];

#[derive(Serialize)]
struct Data {
    summary: String,
    top: f64,
    years: Vec<String>,
    network: Vec<f64>,
    lower: Vec<f64>,
    upper: Vec<f64>,
    kfre: Vec<KfrePoint>,
    tips: Vec<Vec<String>>,
}

#[derive(Serialize)]
struct KfrePoint {
    year: u8,
    percent: f64,
    label: String,
    /// Whether it lies above the network's course.
    above: bool,
}

/// The chart of both voices.
#[component]
pub fn RiskChart(
    /// What came out.
    result: PredictionResult,
) -> impl IntoView {
    let PredictionResult { risk, kfre, .. } = result;
    let kfre = kfre.as_ref();
    let data = serde_json::to_string(&data_of(&risk, kfre)).unwrap_or_default();
    let mut legend = vec![
        ("key-network", t("network (research)").into()),
        ("key-interval", t("its 90 % interval").into()),
    ];
    let mut heads = vec![t("Within"), t("Network"), t("90 % interval")];
    if kfre.is_some() {
        legend.push(("key-kfre", t("KFRE (validated equation)").into()));
        heads.push("KFRE");
    }
    let twin = Twin {
        heads: heads.into_iter().map(str::to_owned).collect(),
        rows: risk.iter().map(|risk| row(risk, kfre)).collect(),
    };
    let caption = t("Probability of kidney failure within so many years.");
    view! { <Chart kind=ChartKind::Risk caption data twin legend /> }
}

fn kfre_at(kfre: Option<&Kfre>, year: u8) -> Option<f64> {
    match year {
        2 => kfre.map(|kfre| kfre.risk_2y),
        5 => kfre.map(|kfre| kfre.risk_5y),
        _ => None,
    }
}

fn within(year: u8) -> String {
    tn!(year, "{n} year", "{n} years")
}

fn interval(risk: &YearRisk) -> String {
    tf!(
        "{lower} to {upper}",
        lower = format::percent(risk.lower),
        upper = format::percent(risk.upper)
    )
}

fn row(risk: &YearRisk, kfre: Option<&Kfre>) -> Vec<String> {
    let mut cells = vec![within(risk.year), format::percent(risk.probability), interval(risk)];
    if kfre.is_some() {
        let equation = kfre_at(kfre, risk.year).map(format::percent);
        cells.push(equation.unwrap_or_else(|| "–".to_owned()));
    }
    cells
}

fn data_of(risks: &[YearRisk], kfre: Option<&Kfre>) -> Data {
    let points: Vec<KfrePoint> = [2, 5]
        .into_iter()
        .filter_map(|year| {
            let probability = kfre_at(kfre, year)?;
            let label = format!("KFRE {}", format::percent(probability));
            let network = risks.iter().find(|risk| risk.year == year);
            let above = network.is_none_or(|risk| risk.probability <= probability);
            Some(KfrePoint { year, percent: 100.0 * probability, label, above })
        })
        .collect();
    let highest = risks
        .iter()
        .map(|risk| 100.0 * risk.upper)
        .chain(points.iter().map(|point| point.percent))
        .fold(0.0, f64::max);
    let top = TOPS.into_iter().find(|top| highest * 1.08 <= *top).unwrap_or(100.0);
    // Nobody's kidneys have failed at the moment the prediction speaks from.
    let from_zero = |of: fn(&YearRisk) -> f64| {
        std::iter::once(0.0).chain(risks.iter().map(|risk| 100.0 * of(risk))).collect()
    };
    Data {
        summary: summary(risks, kfre),
        top,
        years: std::iter::once(t("now").to_owned())
            .chain(risks.iter().map(|risk| tf!("{years} y", years = risk.year)))
            .collect(),
        network: from_zero(|risk| risk.probability),
        lower: from_zero(|risk| risk.lower),
        upper: from_zero(|risk| risk.upper),
        kfre: points,
        tips: std::iter::once(vec![t("Now").to_owned()])
            .chain(risks.iter().map(|risk| tip(risk, kfre)))
            .collect(),
    }
}

fn tip(risk: &YearRisk, kfre: Option<&Kfre>) -> Vec<String> {
    let mut lines = vec![
        tf!("Within {time}", time = within(risk.year)),
        tf!(
            "Network {risk} ({interval})",
            risk = format::percent(risk.probability),
            interval = interval(risk)
        ),
    ];
    if let Some(probability) = kfre_at(kfre, risk.year) {
        lines.push(format!("KFRE {}", format::percent(probability)));
    }
    lines
}

fn summary(risks: &[YearRisk], kfre: Option<&Kfre>) -> String {
    let last = risks.last().map(|risk| {
        tf!(
            "The network's risk reaches {risk} within {time} (90 % interval {interval}).",
            risk = format::percent(risk.probability),
            time = within(risk.year),
            interval = interval(risk)
        )
    });
    let kfre = kfre.map(|kfre| {
        tf!(
            "KFRE gives {two} within 2 years and {five} within 5 years.",
            two = format::percent(kfre.risk_2y),
            five = format::percent(kfre.risk_5y)
        )
    });
    last.into_iter().chain(kfre).collect::<Vec<_>>().join(" ")
}
