//! How the 5-year risk is distributed.

use leptos::prelude::*;
use shared::summary::{RiskDistribution, RiskHistogram};

use super::{Footing, withheld, words};
use crate::{
    charts::bars::{BarChart, Series},
    format,
    language::t,
};

/// A histogram for each group.
#[component]
pub fn Histograms(
    /// The answer.
    risk: RiskDistribution,
) -> impl IntoView {
    let RiskDistribution { publication, histograms } = risk;
    let is_empty = histograms.is_empty();
    let charts: Vec<_> =
        histograms.into_iter().map(|histogram| view! { <Histogram histogram /> }).collect();
    view! {
        <div class="histograms">{charts}</div>
        {is_empty.then(|| view! { <p class="empty">{t("Every bar of this question is withheld. Ask for fewer fields.")}</p> })}
        <Footing publication withheld=0 />
    }
}

#[component]
fn Histogram(histogram: RiskHistogram) -> impl IntoView {
    let RiskHistogram { group, bars, unknown } = histogram;
    let values: Vec<_> = group.values().map(|value| words(value)).collect();
    let caption =
        if values.is_empty() { t("Everybody asked for").to_owned() } else { values.join(", ") };
    let unknown = (t("No prediction").to_owned(), unknown);
    let (names, counts): (Vec<String>, Vec<_>) = bars
        .into_iter()
        .map(|bar| (format::shares(bar.from, bar.to), bar.people))
        .chain([unknown])
        .map(|(name, people)| (name, count(people)))
        .unzip();
    let series = vec![Series::new(t("People"), counts)];
    view! { <BarChart caption kind=t("5-year risk") unit=t("People") names series /> }
}

fn count(people: Option<i32>) -> (Option<f64>, String) {
    let people = people.map(f64::from);
    (people, people.map_or_else(withheld, |people| format::number(people, 0)))
}
