//! The course of eGFR as a still picture, for paper: no library, no script.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use leptos::prelude::*;
use shared::{
    clinical::kdigo::g_category,
    observation::{Observation, ObservationCode, ObservationStatus},
};

use crate::{format, language::t, tf};

/// The picture's inner size, in its own units, and the room for its labels.
const SIZE: (f64, f64) = (560.0, 130.0);
const LEFT: f64 = 34.0;
const BELOW: f64 = 20.0;

/// The edges of the KDIGO categories, mL/min/1.73 m².
const EDGES: [f64; 6] = [15.0, 30.0, 45.0, 60.0, 90.0, 120.0];

/// The course of eGFR over time on the edges of the KDIGO categories.
#[component]
pub fn CoursePicture(
    /// The record's values.
    observations: Vec<Observation>,
) -> impl IntoView {
    let mut values: Vec<(DateTime<Utc>, f64)> = observations
        .into_iter()
        .filter(|one| one.code == ObservationCode::Egfr && one.status == ObservationStatus::Final)
        .map(|one| (one.effective_at, one.value))
        .collect();
    values.sort_by_key(|(at, _)| *at);
    let (Some(first), Some(last)) = (values.first().copied(), values.last().copied()) else {
        return view! { <p class="muted">{t("No eGFR is recorded.")}</p> }.into_any();
    };
    let scale = Scale::of(&values, first.0, last.0);
    let says = tf!(
        "eGFR from {first} on {first_day} to {last} on {last_day}",
        first = format::measured(first.1),
        first_day = format::date_of(first.0),
        last = format::measured(last.1),
        last_day = format::date_of(last.0)
    );
    let line = values
        .iter()
        .map(|(at, value)| format!("{:.1},{:.1}", scale.x(*at), scale.y(*value)))
        .collect::<Vec<_>>()
        .join(" ");
    let points: Vec<_> = values
        .iter()
        .map(|(at, value)| view! { <circle cx=scale.x(*at) cy=scale.y(*value) r="2.6" /> })
        .collect();
    view! {
        <svg
            class="course-picture"
            viewBox=format!("0 0 {} {}", SIZE.0 + LEFT + 30.0, SIZE.1 + BELOW)
            role="img"
            aria-label=says
        >
            <Grid scale />
            <polyline class="course-line" points=line />
            <g class="course-points">{points}</g>
        </svg>
    }
    .into_any()
}

/// Where a moment and a value stand in the picture.
#[derive(Clone, Copy)]
struct Scale {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    top: f64,
}

impl Scale {
    fn of(values: &[(DateTime<Utc>, f64)], from: DateTime<Utc>, to: DateTime<Utc>) -> Self {
        let highest = values.iter().map(|(_, value)| *value).fold(0.0, f64::max);
        Self { from, to, top: (highest * 1.08).max(35.0) }
    }

    fn x(self, at: DateTime<Utc>) -> f64 {
        let whole = (self.to - self.from).num_minutes().max(1) as f64;
        LEFT + 6.0 + (SIZE.0 - 12.0) * (at - self.from).num_minutes() as f64 / whole
    }

    fn y(self, value: f64) -> f64 {
        SIZE.1 - SIZE.1 * value / self.top
    }
}

/// The edges with their numbers, the categories on the right, the years below.
#[component]
fn Grid(scale: Scale) -> impl IntoView {
    let end = LEFT + SIZE.0;
    let edges: Vec<_> = std::iter::once(0.0)
        .chain(EDGES)
        .filter(|edge| *edge < scale.top)
        .map(|edge| {
            let y = scale.y(edge);
            view! {
                <line class="course-edge" x1=LEFT x2=end y1=y y2=y />
                <text class="course-text" x=LEFT - 5.0 y=y + 3.5 text-anchor="end">{edge}</text>
            }
        })
        .collect();
    let mut tops: Vec<f64> = [15.0, 30.0, 45.0, 60.0, 90.0, scale.top].into();
    tops.retain(|edge| *edge <= scale.top);
    let names: Vec<_> = std::iter::once(0.0)
        .chain(tops.clone())
        .zip(tops)
        .filter_map(|(low, high)| {
            let (middle, tall) = (f64::midpoint(low, high), scale.y(low) - scale.y(high));
            let name = shared::clinical::quantity::Egfr::new(middle).map(g_category)?.label();
            (10.0 < tall).then(|| {
                view! { <text class="course-text" x=end + 5.0 y=scale.y(middle) + 3.5>{name}</text> }
            })
        })
        .collect();
    let years: Vec<_> = (scale.from.year() + 1..=scale.to.year())
        .filter_map(|year| {
            let at = NaiveDate::from_ymd_opt(year, 1, 1)?.and_hms_opt(0, 0, 0)?.and_utc();
            let x = scale.x(at);
            Some(view! {
                <line class="course-edge" x1=x x2=x y1=SIZE.1 y2=SIZE.1 + 4.0 />
                <text class="course-text" x=x y=SIZE.1 + 16.0 text-anchor="middle">{year}</text>
            })
        })
        .collect();
    view! { {edges} {names} {years} }
}
