//! The last eGFRs as a small line; the numbers are in its name.

use std::fmt::Write;

use leptos::prelude::*;
use shared::worklist::EgfrPoint;

use crate::{format, tf};

const WIDTH: f64 = 72.0;
const HEIGHT: f64 = 22.0;
/// Room for the dot at the end.
const MARGIN: f64 = 3.0;
/// The least eGFR from bottom to top: the scatter of a steady patient does not look like a fall.
const LEAST_SPAN: f64 = 20.0;

/// The course of eGFR, its values in order of time. Fewer than two are no course.
pub fn sparkline(points: &[EgfrPoint]) -> AnyView {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return ().into_any() };
    if points.len() < 2 {
        return ().into_any();
    }
    let says = tf!(
        "eGFR {first} to {last}, {count} values since {day}",
        first = format::number(first.value, 0),
        last = format::number(last.value, 0),
        count = points.len(),
        day = format::date_of(first.at),
    );
    let places = places(points);
    let (x, y) = places.last().copied().unwrap_or_default();
    view! {
        <svg
            class="sparkline"
            viewBox=format!("0 0 {WIDTH} {HEIGHT}")
            width=WIDTH
            height=HEIGHT
            role="img"
            aria-label=says
        >
            <title>{says.clone()}</title>
            <path d=line(&places) />
            <circle cx=x cy=y r="2.5" />
        </svg>
    }
    .into_any()
}

/// Where each value is drawn: time from left to right, eGFR from bottom to top.
fn places(points: &[EgfrPoint]) -> Vec<(f64, f64)> {
    let seconds = |point: &EgfrPoint| point.at.timestamp() as f64;
    let (from, to) = bounds(points.iter().map(seconds));
    let (low, high) = bounds(points.iter().map(|point| point.value));
    let span = (high - low).max(LEAST_SPAN);
    let bottom = f64::midpoint(low, high) - span / 2.0;
    let place = |point: &EgfrPoint| {
        let right = (seconds(point) - from) / (to - from).max(1.0);
        let up = (point.value - bottom) / span;
        (MARGIN + right * (WIDTH - 2.0 * MARGIN), HEIGHT - MARGIN - up * (HEIGHT - 2.0 * MARGIN))
    };
    points.iter().map(place).collect()
}

fn bounds(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    (values.clone().fold(f64::INFINITY, f64::min), values.fold(f64::NEG_INFINITY, f64::max))
}

fn line(places: &[(f64, f64)]) -> String {
    let mut path = String::new();
    for (index, (x, y)) in places.iter().enumerate() {
        let pen = if index == 0 { 'M' } else { 'L' };
        // Writing to a string does not fail.
        let _ = write!(path, "{pen}{x:.1} {y:.1}");
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(values: &[f64]) -> Vec<(f64, f64)> {
        let start: chrono::DateTime<chrono::Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
        let point = |(day, value): (usize, &f64)| EgfrPoint {
            at: start + chrono::TimeDelta::days(day.cast_signed() as i64),
            value: *value,
        };
        places(&values.iter().enumerate().map(point).collect::<Vec<_>>())
    }

    #[test]
    fn a_fall_goes_from_the_upper_left_to_the_lower_right() {
        assert_eq!(course(&[60.0, 20.0]), [(3.0, 3.0), (69.0, 19.0)]);
    }

    #[test]
    fn scatter_stays_in_the_middle() {
        let places = course(&[50.0, 52.0, 50.0]);
        assert!(places.iter().all(|(_, y)| (9.0..13.0).contains(y)), "{places:?}");
        assert_eq!(line(&course(&[50.0, 50.0])), "M3.0 11.0L69.0 11.0");
    }
}
