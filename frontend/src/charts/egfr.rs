//! The course of eGFR on the KDIGO bands.

use chrono::{DateTime, TimeDelta, Utc};
use leptos::prelude::*;
use serde::Serialize;
use shared::{
    clinical::kdigo::g_category,
    observation::{Observation, ObservationCode, ObservationMethod, ObservationStatus},
    prediction::GCategory,
};

use super::{Chart, ChartKind, Twin};
use crate::format;

/// KDIGO 2024 categories of eGFR, mL/min/1.73 m²: name, lower end, and the colour that the heat
/// map gives it at normal albuminuria.
const BANDS: [(GCategory, f64, &str); 6] = [
    (GCategory::G1, 90.0, "low"),
    (GCategory::G2, 60.0, "low"),
    (GCategory::G3a, 45.0, "moderate"),
    (GCategory::G3b, 30.0, "high"),
    (GCategory::G4, 15.0, "very-high"),
    (GCategory::G5, 0.0, "very-high"),
];

#[derive(Serialize)]
struct Data {
    summary: String,
    from: i64,
    to: i64,
    top: f64,
    ticks: Vec<f64>,
    bands: Vec<Band>,
    course: Vec<(i64, f64)>,
    points: Vec<Point>,
}

#[derive(Serialize)]
struct Band {
    name: &'static str,
    risk: &'static str,
    from: f64,
    to: f64,
}

#[derive(Serialize)]
struct Point {
    at: i64,
    value: f64,
    method: &'static str,
    tip: [String; 3],
}

/// How a value came to be, for people.
pub const fn method_label(method: ObservationMethod) -> &'static str {
    match method {
        ObservationMethod::Reported => "reported",
        ObservationMethod::CkdEpi2021Creatinine => "CKD-EPI 2021, computed",
    }
}

/// The eGFR values that count, oldest first; at one moment the one computed here comes first.
pub fn counting(observations: Vec<Observation>) -> Vec<Observation> {
    let mut values: Vec<Observation> = observations
        .into_iter()
        .filter(|value| value.code == ObservationCode::Egfr)
        .filter(|value| value.status == ObservationStatus::Final)
        .collect();
    values.sort_by_key(|value| (value.effective_at, value.method == ObservationMethod::Reported));
    values
}

/// The chart of the eGFR values among some observations; nothing without any.
#[component]
pub fn EgfrChart(
    /// All of a patient's values.
    observations: Vec<Observation>,
) -> impl IntoView {
    let values = counting(observations);
    let (Some(first), Some(last)) = (values.first(), values.last()) else {
        return view! {
            <p class="muted">
                "No eGFR yet. Record a creatinine: the eGFR is computed from it by CKD-EPI 2021."
            </p>
        }
        .into_any();
    };
    let summary = format!(
        "{} eGFR values from {} to {}, from {} to {}.",
        values.len(),
        format::date_of(first.effective_at),
        format::date_of(last.effective_at),
        format::measured(first.value),
        format::quantity(last.value, &last.unit),
    );
    let data = serde_json::to_string(&data_of(&values, summary.clone())).unwrap_or_default();
    let twin = Twin {
        heads: ["Date", "eGFR (mL/min/1.73 m²)", "Category", "Source"].map(str::to_owned).into(),
        rows: values.iter().rev().map(row).collect(),
    };
    let legend = vec![
        ("key-computed", "computed from creatinine (CKD-EPI 2021)"),
        ("key-reported", "reported by the laboratory"),
    ];
    let caption = "eGFR in mL/min/1.73 m² on the KDIGO categories G1 to G5.";
    view! { <Chart kind=ChartKind::Egfr caption data twin legend /> }.into_any()
}

fn row(value: &Observation) -> Vec<String> {
    vec![
        format::date_of(value.effective_at),
        format::measured(value.value),
        category(value).to_owned(),
        method_label(value.method).to_owned(),
    ]
}

fn category(value: &Observation) -> &'static str {
    value.quantity().map_or("", |egfr| g_category(egfr).label())
}

fn data_of(values: &[Observation], summary: String) -> Data {
    let highest = values.iter().map(|value| value.value).fold(0.0, f64::max);
    let top = ((highest * 1.1 / 15.0).ceil() * 15.0).max(30.0);
    let first = values.first().map(|value| value.effective_at).unwrap_or_default();
    let last = values.last().map(|value| value.effective_at).unwrap_or_default();
    let margin = ((last - first) / 25).max(TimeDelta::days(14));
    let mut course: Vec<(i64, f64)> =
        values.iter().map(|value| (millis(value.effective_at), value.value)).collect();
    course.dedup_by_key(|(at, _)| *at);
    Data {
        summary,
        from: millis(first - margin),
        to: millis(last + margin),
        top,
        ticks: [0.0, 15.0, 30.0, 45.0, 60.0, 90.0, 120.0, 150.0, 200.0, 250.0]
            .into_iter()
            .filter(|tick| *tick <= top)
            .collect(),
        bands: bands(top),
        course,
        points: values.iter().map(point).collect(),
    }
}

/// The bands up to the top of the chart.
fn bands(top: f64) -> Vec<Band> {
    let mut end = top;
    let mut bands = Vec::new();
    for (category, from, risk) in BANDS {
        if from < top {
            bands.push(Band { name: category.label(), risk, from, to: end });
            end = from;
        }
    }
    bands
}

fn point(value: &Observation) -> Point {
    let category = category(value);
    Point {
        at: millis(value.effective_at),
        value: value.value,
        method: match value.method {
            ObservationMethod::Reported => "reported",
            ObservationMethod::CkdEpi2021Creatinine => "computed",
        },
        tip: [
            format!("{} · {category}", format::quantity(value.value, &value.unit)),
            format::date_of(value.effective_at),
            method_label(value.method).to_owned(),
        ],
    }
}

fn millis(moment: DateTime<Utc>) -> i64 {
    moment.timestamp_millis()
}
