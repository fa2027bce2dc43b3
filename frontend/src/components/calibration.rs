//! How the risks that were told compare with what happened since.

use leptos::prelude::*;
use shared::{
    prediction::RiskSource,
    summary::{CalibrationGroup, ModelPerformance, VoicePerformance},
};

use super::async_view::AsyncView;
use crate::{api, format};

/// The section of the page.
#[component]
pub fn Performance() -> impl IntoView {
    let performance = LocalResource::new(api::summaries::performance);
    view! {
        <section class="card stack" aria-labelledby="performance">
            <h2 id="performance">"Told and observed"</h2>
            <p class="muted">
                "Of everybody the first answer in which both voices spoke, beside what happened within 2 and 5 \
                 years. Death without kidney failure is a competing end; whoever is lost counts until then."
            </p>
            <AsyncView resource=performance rows=6 render=|found| view! { <Voices found /> } />
        </section>
    }
}

const fn name(source: RiskSource) -> &'static str {
    match source {
        RiskSource::Kfre => "KFRE",
        RiskSource::Network => "Network",
    }
}

fn share(value: Option<f64>) -> String {
    value.map_or_else(|| "withheld".to_owned(), format::percent_precise)
}

#[component]
fn Voices(found: ModelPerformance) -> impl IntoView {
    let ModelPerformance { publication, voices } = found;
    if voices.is_empty() {
        let minimum = publication.minimum_cell_size;
        return view! {
            <p class="empty">
                {format!(
                    "Nothing to compare yet: at least {minimum} people must have reached kidney failure after a \
                     prediction, and as many be seen 2 years after theirs.",
                )}
            </p>
        }
        .into_any();
    }
    let rows = voices.iter().map(|voice| {
        let VoicePerformance { source, years, people, kidney_failure, c_statistic, .. } = voice;
        let cells = [
            format::number(f64::from(*people), 0),
            kidney_failure
                .map_or_else(|| "withheld".to_owned(), |count| format::number(f64::from(count), 0)),
            format::number(*c_statistic, 3),
            share(voice.expected),
            share(Some(voice.observed)),
            voice.ratio.map_or_else(|| "withheld".to_owned(), |ratio| format::number(ratio, 2)),
        ];
        view! {
            <tr>
                <th scope="row">{name(*source)} ", " {*years} " years"</th>
                {cells.map(|cell| view! { <td class="number">{cell}</td> })}
            </tr>
        }
    });
    let heads =
        ["People", "Kidney failure", "C statistic", "Expected", "Observed", "Observed : expected"];
    let rows = rows.collect_view();
    let plots = voices.into_iter().map(|voice| view! { <Calibration voice /> }).collect_view();
    view! {
        <div class="table-scroll" tabindex="0" role="region" aria-label="Performance">
            <table class="table">
                <thead>
                    <tr>
                        <th scope="col">"Risk"</th>
                        {heads.map(|head| view! { <th scope="col" class="number">{head}</th> })}
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        <div class="histograms">{plots}</div>
    }
    .into_any()
}

/// One voice at one horizon: a point for each group of risk, right where it is on the diagonal.
#[component]
fn Calibration(voice: VoicePerformance) -> impl IntoView {
    let VoicePerformance { source, years, groups, .. } = voice;
    let title = format!("{}, within {years} years", name(source));
    let highest = groups.iter().map(|group| group.observed.max(group.expected.unwrap_or_default()));
    let most = highest.fold(0.05, f64::max) * 1.1;
    let points = groups.iter().filter_map(|group| Some((group.expected?, group.observed)));
    let points: Vec<_> =
        points.map(|(told, seen)| (100.0 * told / most, 100.0 - 100.0 * seen / most)).collect();
    let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let dots =
        points.into_iter().map(|(x, y)| view! { <circle cx=x cy=y r="2"></circle> }).collect_view();
    let rows = groups.into_iter().map(|group| {
        let CalibrationGroup { from, to, people, expected, observed } = group;
        view! {
            <tr>
                <th scope="row">{format!("{} to {}", format::percent(from), format::percent(to))}</th>
                <td class="number">{format::number(f64::from(people), 0)}</td>
                <td class="number">{share(expected)}</td>
                <td class="number">{share(Some(observed))}</td>
            </tr>
        }
    });
    let rows = rows.collect_view();
    view! {
        <div>
            <table class="table table-tight">
                <caption>{title.clone()}</caption>
                <thead>
                    <tr>
                        <th scope="col">"Told"</th>
                        <th scope="col" class="number">"People"</th>
                        <th scope="col" class="number">"Expected"</th>
                        <th scope="col" class="number">"Observed"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
            <svg
                class="lines calibration" viewBox="-2 -2 104 104" role="img"
                aria-label=format!("{title}: observed over expected, with the diagonal; the table holds the figures")
            >
                <line class="rule" x1="0" y1="100" x2="100" y2="0"></line>
                <g class="series series-0"><polyline points=path.join(" ")></polyline> {dots}</g>
            </svg>
        </div>
    }
}
