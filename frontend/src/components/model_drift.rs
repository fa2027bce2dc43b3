//! How far today's inputs have drifted from the training data.

use leptos::prelude::*;
use shared::model::{DriftIndex, DriftLevel, InputDrift, ModelDrift};

use super::{async_view::AsyncView, version_choice::VersionChoice};
use crate::{
    api, format,
    language::{said, t},
    tf,
};

const WEEKS: u32 = 12;

/// The drift of a release's inputs, week by week.
#[component]
pub fn Drift(
    /// The release to begin with.
    version: String,
    /// Every release that has a reference distribution.
    versions: Vec<String>,
) -> impl IntoView {
    let chosen = RwSignal::new(version);
    let drift = LocalResource::new(move || {
        let version = chosen.get();
        async move { api::models::drift(&version, WEEKS).await }
    });
    view! {
        <section class="card stack" aria-labelledby="drift">
            <div class="card-head">
                <h2 id="drift">{t("Drift of inputs")}</h2>
                <VersionChoice label=t("Version") chosen versions />
            </div>
            <AsyncView resource=drift rows=8 render=|drift| view! { <Weeks drift /> } />
        </section>
    }
}

#[component]
fn Weeks(drift: ModelDrift) -> impl IntoView {
    let ModelDrift { weeks, inputs, reference_rows, moderate_from, large_from, source, .. } = drift;
    let heads: Vec<_> = weeks
        .iter()
        .map(|week| {
            view! {
                <th scope="col" class="number">
                    {format::day_month(week.starts_on)}
                    <span class="when">{week.predictions}</span>
                </th>
            }
        })
        .collect();
    let lines: Vec<_> =
        inputs.into_iter().map(|input| view! { <Line input large_from /> }).collect();
    let moderate = format::measured(moderate_from);
    view! {
        <p class="muted">
            {tf!(
                "Population stability index of each input against the {patients} training patients. Under each \
                 week’s Monday: how many predictions it had.",
                patients = format::number(reference_rows as f64, 0)
            )}
        </p>
        <ul class="legend">
            <li><Index index=example(DriftLevel::Stable) /> {tf!("stable: under {limit}", limit = moderate)}</li>
            <li><Index index=example(DriftLevel::Moderate) /> {tf!("moderate: {limit} or more, look into it", limit = moderate)}</li>
            <li><Index index=example(DriftLevel::Large) /> {tf!("large: {limit} or more", limit = format::measured(large_from))}</li>
            <li><Index index=example(DriftLevel::TooFew) /> {t("too few predictions to tell from chance")}</li>
        </ul>
        <div class="table-scroll" tabindex="0" role="region" aria-label=t("Drift by week, table")>
            <table class="table table-tight drift">
                <thead>
                    <tr>
                        <th scope="col">{t("Input")}</th>
                        <th scope="col">{t("Course")}</th>
                        {heads}
                    </tr>
                </thead>
                <tbody>{lines}</tbody>
            </table>
        </div>
        <p class="fine">{source}</p>
    }
}

/// What the legend shows of a level.
const fn example(level: DriftLevel) -> DriftIndex {
    let psi = match level {
        DriftLevel::TooFew | DriftLevel::Stable => 0.04,
        DriftLevel::Moderate => 0.14,
        DriftLevel::Large => 0.31,
    };
    DriftIndex { psi: Some(psi), level, missing: None }
}

#[component]
fn Line(input: InputDrift, large_from: f64) -> impl IntoView {
    let course: Vec<Option<f64>> = input.weeks.iter().map(|week| week.psi).collect();
    let cells: Vec<_> = input
        .weeks
        .into_iter()
        .map(|index| view! { <td class="number"><Index index /></td> })
        .collect();
    view! {
        <tr>
            <th scope="row">{said(&input.label)}</th>
            <td><Course course large_from /></td>
            {cells}
        </tr>
    }
}

/// The index with what it means: a mark and a word beside the colour.
#[component]
fn Index(index: DriftIndex) -> impl IntoView {
    let Some(psi) = index.psi else {
        return view! {
            <span class="muted" aria-hidden="true">"–"</span>
            <span class="visually-hidden">{t("no predictions")}</span>
        }
        .into_any();
    };
    let (class, mark) = match index.level {
        DriftLevel::TooFew => ("psi psi-few", "?"),
        DriftLevel::Stable => ("psi psi-stable", ""),
        DriftLevel::Moderate => ("psi psi-moderate", "▲"),
        DriftLevel::Large => ("psi psi-large", "▲▲"),
    };
    let missing = index.missing.map(|share| tf!("{share} unknown", share = format::share(share)));
    view! {
        <span class=class title=missing>
            {format::number(psi, 2)}
            <span aria-hidden="true">{mark}</span>
            <span class="visually-hidden">", " {t(index.level.label())}</span>
        </span>
    }
    .into_any()
}

/// The weeks as little columns, full at twice a large drift; the cells beside say the same.
#[component]
fn Course(course: Vec<Option<f64>>, large_from: f64) -> impl IntoView {
    const HEIGHT: f64 = 20.0;
    let scale = |psi: f64| (psi / (2.0 * large_from)).min(1.0) * HEIGHT;
    let width = course.len() * 5;
    let columns: Vec<_> = course
        .into_iter()
        .enumerate()
        .filter_map(|(week, psi)| {
            let height = scale(psi?).max(1.0);
            let (x, y) = (week * 5, HEIGHT - height);
            Some(view! { <rect x=x y=y width="4" height=height></rect> })
        })
        .collect();
    let line = HEIGHT - scale(large_from);
    view! {
        <svg class="spark" viewBox=format!("0 0 {width} {HEIGHT}") width=width height="20" aria-hidden="true">
            <path d=format!("M0 {line}H{width}")></path>
            {columns}
        </svg>
    }
}
