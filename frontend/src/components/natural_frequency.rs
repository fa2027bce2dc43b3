//! A probability as people count: so many of a hundred (Gigerenzer G, BMJ 2011;343:d6386).

use std::fmt::Write;

use leptos::prelude::*;

use crate::{language::t, tf, tn};

/// How many of a hundred people a probability means. No risk is known better than this.
pub fn people_of_hundred(probability: f64) -> String {
    match 100.0 * probability {
        percent if percent < 0.5 => t("fewer than 1").to_owned(),
        percent if 95.0 < percent => t("more than 95").to_owned(),
        percent => format!("{percent:.0}"),
    }
}

/// The same with the hundred said: `12 of 100`.
pub fn of_hundred(probability: f64) -> String {
    tf!("{people} of 100", people = people_of_hundred(probability))
}

/// A hundred people as dots: the full ones are those who reach kidney failure. That it is full, not
/// its colour, tells a dot from the others.
#[component]
pub fn PeopleArray(
    /// The probability, 0 to 1.
    probability: f64,
    /// Within so many years.
    years: u8,
) -> impl IntoView {
    let count = (100.0 * probability).round().clamp(0.0, 100.0) as u32;
    let says = tn!(
        years,
        "{share} people within {n} year",
        "{share} people within {n} years",
        share = of_hundred(probability)
    );
    view! {
        <svg class="people" viewBox="0 0 100 100" role="img" aria-label=says>
            <path class="people-well" d=dots(count..100) />
            <path class="people-failed" d=dots(0..count) />
        </svg>
    }
}

/// Circles on a grid of ten by ten, filled row by row.
fn dots(places: std::ops::Range<u32>) -> String {
    places.fold(String::new(), |mut path, place| {
        let (x, y) = (1.5 + f64::from(place % 10) * 10.0, 5.0 + f64::from(place / 10) * 10.0);
        // Writing to a string does not fail.
        let _ = write!(path, "M{x} {y}a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0");
        path
    })
}
