//! Bars: how many there are of each kind, of one sort or two beside one another.

use leptos::prelude::*;
use serde::Serialize;

use super::{Chart, ChartKind, Legend, Twin};
use crate::tf;

/// One sort of bars.
#[derive(Debug, Serialize)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// A bar for each kind.
    pub bars: Vec<Bar>,
}

/// How many there are of a kind.
#[derive(Debug, Serialize)]
pub struct Bar {
    value: Option<f64>,
    label: String,
    tip: String,
}

#[derive(Serialize)]
struct Data {
    summary: String,
    unit: String,
    names: Vec<String>,
    series: Vec<Series>,
}

impl Series {
    /// Bars with the numbers as people read them; nothing where a number is not told.
    pub fn new(name: &str, counts: impl IntoIterator<Item = (Option<f64>, String)>) -> Self {
        let bars = counts.into_iter().map(|(value, label)| {
            let tip = tf!("{name}: {number}", name = name, number = label);
            Bar { value, label, tip }
        });
        Self { name: name.to_owned(), bars: bars.collect() }
    }
}

/// The chart.
#[component]
pub fn BarChart(
    /// What it shows, in a sentence.
    caption: String,
    /// What the kinds are kinds of.
    kind: &'static str,
    /// What is counted.
    unit: &'static str,
    /// The kinds.
    names: Vec<String>,
    /// One sort or two, each with a bar for every kind.
    series: Vec<Series>,
) -> impl IntoView {
    let heads = [kind.to_owned()].into_iter().chain(series.iter().map(|one| one.name.clone()));
    let rows = names.iter().enumerate().map(|(place, name)| {
        let counts = series.iter().filter_map(|one| one.bars.get(place));
        [name.clone()].into_iter().chain(counts.map(|bar| bar.label.clone())).collect()
    });
    let twin = Twin { heads: heads.collect(), rows: rows.collect() };
    let keys = ["key-bar", "key-bar key-bar-2"];
    let legend = if series.len() < 2 {
        Legend::new()
    } else {
        keys.into_iter().zip(&series).map(|(key, one)| (key, one.name.clone().into())).collect()
    };
    let data = Data { summary: caption.clone(), unit: unit.to_owned(), names, series };
    let data = serde_json::to_string(&data).unwrap_or_default();
    view! { <Chart kind=ChartKind::Bars caption data twin legend /> }
}
