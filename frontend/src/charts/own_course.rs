//! A patient's own kidney function over time: one line on the stages, and nothing else.

use chrono::TimeDelta;
use leptos::prelude::*;
use shared::observation::{Observation, ObservationCode, ObservationMethod, ObservationStatus};

use super::{
    Chart, ChartKind, Twin,
    course::millis,
    egfr::{bands, category, ticks, top},
    lines::{Axis, AxisKind, Line, Lines, Point},
};
use crate::{format, language::t, tf};

/// The line with its table; nothing for whoever has fewer than two values.
#[component]
pub fn OwnCourse(
    /// The record's values.
    observations: Vec<Observation>,
) -> impl IntoView {
    let values = of_time(observations);
    let [first, .., last] = values.as_slice() else { return ().into_any() };
    let summary = tf!(
        "eGFR from {first} on {first_day} to {last} on {last_day}",
        first = format::number(first.value, 0),
        first_day = format::date_of(first.effective_at),
        last = format::number(last.value, 0),
        last_day = format::date_of(last.effective_at)
    );
    let twin = Twin {
        heads: [t("Date"), "eGFR", t("Stage")].map(str::to_owned).into(),
        rows: values.iter().rev().map(row).collect(),
    };
    let data = lines(summary, &values, first, last).json();
    let caption =
        t("Every dot is one test, and higher is better. The grounds are the stages G1 to G5.");
    view! { <Chart kind=ChartKind::Lines caption data twin /> }.into_any()
}

/// The eGFR values that count, oldest first; of one moment the computed one.
fn of_time(observations: Vec<Observation>) -> Vec<Observation> {
    let counts = |one: &Observation| {
        one.code == ObservationCode::Egfr && one.status == ObservationStatus::Final
    };
    let mut values: Vec<Observation> = observations.into_iter().filter(counts).collect();
    values.sort_by_key(|one| (one.effective_at, one.method == ObservationMethod::Reported));
    values.dedup_by_key(|one| one.effective_at);
    values
}

fn row(value: &Observation) -> Vec<String> {
    let amount = format::number(value.value, 0);
    vec![format::date_of(value.effective_at), amount, category(value).to_owned()]
}

fn lines(
    summary: String,
    values: &[Observation],
    first: &Observation,
    last: &Observation,
) -> Lines {
    let top = top(values.iter().map(|one| one.value).fold(0.0, f64::max));
    let margin = ((last.effective_at - first.effective_at) / 40).max(TimeDelta::days(7));
    let at = |moment| Some(millis(moment) as f64);
    let points = values.iter().map(|one| Point {
        x: millis(one.effective_at) as f64,
        y: Some(one.value),
        tip: vec![
            tf!(
                "eGFR {value}, stage {stage}",
                value = format::number(one.value, 0),
                stage = category(one)
            ),
            format::date_of(one.effective_at),
        ],
    });
    Lines {
        summary,
        x: Axis {
            kind: AxisKind::Time,
            from: at(first.effective_at - margin),
            to: at(last.effective_at + margin),
            ..Axis::default()
        },
        y: Axis { name: "eGFR".to_owned(), to: Some(top), ticks: ticks(top), ..Axis::default() },
        bands: bands(top),
        diagonal: false,
        lines: vec![Line { name: "eGFR".to_owned(), points: points.collect() }],
    }
}
