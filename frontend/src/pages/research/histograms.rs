//! How the 5-year risk is distributed.

use leptos::prelude::*;
use shared::summary::RiskDistribution;

use super::{Bar, Footing, withheld, words};
use crate::{format, language::t, tf};

/// A histogram for each group.
#[component]
pub fn Histograms(
    /// The answer.
    risk: RiskDistribution,
) -> impl IntoView {
    let RiskDistribution { publication, histograms } = risk;
    let is_empty = histograms.is_empty();
    let blocks: Vec<_> = histograms
        .into_iter()
        .map(|histogram| {
            let values: Vec<_> = histogram.group.values().map(|value| words(value)).collect();
            let title = if values.is_empty() { t("Everybody asked for").to_owned() } else { values.join(", ") };
            let most = histogram.bars.iter().filter_map(|bar| bar.people).max().unwrap_or(1);
            let rows: Vec<_> = histogram
                .bars
                .into_iter()
                .map(|bar| {
                    let (low, high) = (format::percent(bar.from), format::percent(bar.to));
                    let name = tf!("{low} to {high}", low = low, high = high);
                    risk_row(name, bar.people, most)
                })
                .chain([risk_row(t("No prediction").to_owned(), histogram.unknown, most)])
                .collect();
            view! {
                <table class="table table-tight">
                    <caption>{title}</caption>
                    <thead>
                        <tr>
                            <th scope="col">{t("5-year risk")}</th>
                            <th scope="col" class="number">{t("People")}</th>
                            <th scope="col" class="bar-cell"><span class="visually-hidden">{t("As a bar")}</span></th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            }
        })
        .collect();
    view! {
        <div class="histograms">{blocks}</div>
        {is_empty.then(|| view! { <p class="empty">{t("Every bar of this question is withheld. Ask for fewer fields.")}</p> })}
        <Footing publication withheld=0 />
    }
}

fn risk_row(name: String, people: Option<i32>, most: i32) -> AnyView {
    let count = people.map_or_else(withheld, |people| format::number(f64::from(people), 0));
    view! {
        <tr>
            <th scope="row">{name}</th>
            <td class="number">{count}</td>
            <td class="bar-cell"><Bar people=people.unwrap_or_default() most /></td>
        </tr>
    }
    .into_any()
}
