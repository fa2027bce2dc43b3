//! Figures of groups, as a table and, by calendar year, as lines.

use leptos::prelude::*;
use shared::summary::{
    CALENDAR_YEAR, CohortSummary, MeasureSummary, SummaryFigures, SummaryGroup, SummaryMeasure,
};

use super::{Bar, Choice, Footing, MISSING, field, measure, trend::TrendChart, withheld, words};
use crate::{api, format, language::t};

/// The groups of a cohort, or of every calendar year.
#[component]
pub fn Cohort(
    /// The answer.
    cohort: CohortSummary,
    /// What was asked.
    choice: Choice,
) -> impl IntoView {
    let CohortSummary { publication, groups, withheld } = cohort;
    let is_trend = groups.iter().any(|group| group.group.contains_key(CALENDAR_YEAR));
    let mut named = choice.groups();
    if is_trend {
        named.push(CALENDAR_YEAR.to_owned());
    }
    let shown = choice.view.get_untracked();
    let names: Vec<_> = if named.is_empty() { vec![t("Group").to_owned()] } else { labels(&named) };
    let heads = heads(&shown);
    let most = groups.iter().map(|group| group.figures.people).max().unwrap_or(1);
    let chart =
        is_trend.then(|| view! { <TrendChart groups=groups.clone() measure=measure(&shown) /> });
    let file = csv(&groups);
    let rows: Vec<_> = groups
        .into_iter()
        .map(|group| view! { <GroupRow group named=named.clone() shown=shown.clone() most /> })
        .collect();
    let is_empty = rows.is_empty();
    view! {
        {chart}
        <div class="table-scroll" tabindex="0" role="region" aria-label=t("Figures of groups")>
            <table class="table">
                <thead>
                    <tr>
                        {names.into_iter().map(|name| view! { <th scope="col">{name}</th> }).collect_view()}
                        {heads.into_iter().map(|head| view! { <th scope="col" class="number">{head}</th> }).collect_view()}
                        <th scope="col" class="bar-cell"><span class="visually-hidden">{t("As a bar")}</span></th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        {is_empty.then(|| view! { <p class="empty">{t("Every group of this question is withheld. Ask for fewer fields.")}</p> })}
        <div class="row footing">
            <button
                type="button" class="btn" disabled=is_empty
                on:click=move |_| { let _ = api::summaries::save_figures(&file); }
            >
                {t("Download these figures")}
            </button>
        </div>
        <Footing publication withheld />
    }
}

fn heads(shown: &str) -> Vec<String> {
    let texts: &[&str] = match (shown, measure(shown)) {
        (MISSING, _) => {
            let measures = SummaryMeasure::ALL.map(|one| t(one.label()).to_owned());
            return [t("People").to_owned()].into_iter().chain(measures).collect();
        }
        (_, Some(_)) => &[
            t("People"),
            t("Known of"),
            t("Mean"),
            t("Lower quartile"),
            t("Median"),
            t("Upper quartile"),
        ],
        _ => &[t("People"), t("Kidney failure"), t("Deaths")],
    };
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// All figures of an answer as a file, one line a group.
fn csv(groups: &[SummaryGroup]) -> String {
    let Some(first) = groups.first() else { return String::new() };
    let fields: Vec<&String> = first.group.keys().collect();
    let figures = ["known", "mean", "lower_quartile", "median", "upper_quartile"];
    let measures = SummaryMeasure::ALL
        .into_iter()
        .flat_map(|one| figures.map(|figure| format!("{}_{figure}", one.name())));
    let head = fields.iter().map(|field| (*field).clone());
    let head =
        head.chain(["people", "kidney_failure", "deaths"].map(str::to_owned)).chain(measures);
    let mut lines = vec![head.collect::<Vec<_>>().join(",")];
    let text = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    for SummaryGroup { group, figures } in groups {
        let mut cells: Vec<String> = fields.iter().map(|field| group[*field].clone()).collect();
        let counts = [Some(figures.people), figures.kidney_failure, figures.deaths];
        cells.extend(counts.map(|count| text(count.map(f64::from))));
        for measure in SummaryMeasure::ALL {
            let found = figures.measures.iter().find(|one| one.measure == measure);
            let of = |value: fn(&MeasureSummary) -> Option<f64>| text(found.and_then(value));
            cells.push(of(|one| Some(f64::from(one.known))));
            cells.push(of(|one| one.mean));
            cells.push(of(|one| one.lower_quartile));
            cells.push(of(|one| one.median));
            cells.push(of(|one| one.upper_quartile));
        }
        lines.push(cells.join(","));
    }
    lines.join("\n") + "\n"
}

fn labels(named: &[String]) -> Vec<String> {
    let label = |name: &String| field(name).map_or(t("Year"), |field| t(field.label())).to_owned();
    named.iter().map(label).collect()
}

#[component]
fn GroupRow(group: SummaryGroup, named: Vec<String>, shown: String, most: i32) -> impl IntoView {
    let SummaryGroup { group, figures } = group;
    let mut names: Vec<_> = named
        .iter()
        .map(|name| group.get(name).map_or_else(String::new, |value| words(value)))
        .collect();
    if names.is_empty() {
        names.push(t("Everybody asked for").to_owned());
    }
    let people = figures.people;
    let cells = cells(figures, &shown);
    let mut names = names.into_iter();
    let first = names.next();
    view! {
        <tr>
            <th scope="row">{first}</th>
            {names.map(|name| view! { <td>{name}</td> }).collect_view()}
            {cells.into_iter().map(|cell| view! { <td class="number">{cell}</td> }).collect_view()}
            <td class="bar-cell"><Bar people most /></td>
        </tr>
    }
}

fn cells(figures: SummaryFigures, shown: &str) -> Vec<String> {
    let count = |people: i32| format::number(f64::from(people), 0);
    let part = |people: Option<i32>| people.map_or_else(withheld, count);
    let people = count(figures.people);
    if shown == MISSING {
        let missing = SummaryMeasure::ALL.map(|measure| {
            let found = figures.measures.iter().find(|one| one.measure == measure);
            // Both counts are perturbed: a little more may be known than there are people.
            let share = |one: &MeasureSummary| {
                (1.0 - f64::from(one.known) / f64::from(figures.people)).max(0.0)
            };
            found.map_or_else(withheld, |one| format::share(share(one)))
        });
        return [people].into_iter().chain(missing).collect();
    }
    match measure(shown) {
        None => vec![people, part(figures.kidney_failure), part(figures.deaths)],
        Some(wanted) => {
            let found = figures.measures.into_iter().find(|one| one.measure == wanted);
            [vec![people], measured(wanted, found)].concat()
        }
    }
}

fn measured(measure: SummaryMeasure, found: Option<MeasureSummary>) -> Vec<String> {
    let Some(found) = found else { return vec![withheld(); 5] };
    let figure = |value: Option<f64>| value.map_or_else(withheld, |value| figure(measure, value));
    let known = format::number(f64::from(found.known), 0);
    [
        vec![known],
        [found.mean, found.lower_quartile, found.median, found.upper_quartile].map(figure).to_vec(),
    ]
    .concat()
}

/// A figure of a measure, as exactly as it is known of groups.
pub fn figure(measure: SummaryMeasure, value: f64) -> String {
    match measure {
        SummaryMeasure::Risk5y => format::percent(value),
        SummaryMeasure::Age
        | SummaryMeasure::Egfr
        | SummaryMeasure::Uacr
        | SummaryMeasure::SystolicBp => format::number(value, 0),
        _ => format::number(value, 1),
    }
}
