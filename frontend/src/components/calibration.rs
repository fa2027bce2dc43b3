//! How the risks that were told compare with what happened since.

use leptos::prelude::*;
use shared::{
    phrase,
    prediction::RiskSource,
    summary::{CalibrationGroup, ModelPerformance, VoicePerformance},
};

use super::async_view::AsyncView;
use crate::{api, format, language::t, tf, tn};

/// The section of the page.
#[component]
pub fn Performance() -> impl IntoView {
    let performance = LocalResource::new(api::summaries::performance);
    view! {
        <section class="card stack" aria-labelledby="performance">
            <h2 id="performance">{t("Told and observed")}</h2>
            <p class="muted">
                {t("Of everybody the first answer in which both voices spoke, beside what happened within 2 and 5 \
                 years. Death without kidney failure is a competing end; whoever is lost counts until then.")}
            </p>
            <AsyncView resource=performance rows=6 render=|found| view! { <Voices found /> } />
        </section>
    }
}

const fn english_name(source: RiskSource) -> &'static str {
    match source {
        RiskSource::Kfre => "KFRE",
        RiskSource::Network => phrase!("Network"),
    }
}

fn name(source: RiskSource) -> &'static str {
    t(english_name(source))
}

fn share(value: Option<f64>) -> String {
    value.map_or_else(|| t("withheld").to_owned(), format::percent_precise)
}

#[component]
fn Voices(found: ModelPerformance) -> impl IntoView {
    let ModelPerformance { publication, voices } = found;
    if voices.is_empty() {
        let minimum = publication.minimum_cell_size;
        return view! {
            <p class="empty">
                {tf!(
                    "Nothing to compare yet: at least {minimum} people must have reached kidney failure after a \
                     prediction, and as many be seen 2 years after theirs.",
                    minimum = minimum,
                )}
            </p>
        }
        .into_any();
    }
    let rows = voices.iter().map(|voice| {
        let VoicePerformance { source, years, people, kidney_failure, c_statistic, .. } = voice;
        let cells = [
            format::number(f64::from(*people), 0),
            kidney_failure.map_or_else(
                || t("withheld").to_owned(),
                |count| format::number(f64::from(count), 0),
            ),
            format::number(*c_statistic, 3),
            share(voice.expected),
            share(Some(voice.observed)),
            voice.ratio.map_or_else(|| t("withheld").to_owned(), |ratio| format::number(ratio, 2)),
        ];
        view! {
            <tr>
                <th scope="row">{name(*source)} ", " {tn!(*years, "{n} year", "{n} years")}</th>
                {cells.map(|cell| view! { <td class="number">{cell}</td> })}
            </tr>
        }
    });
    let heads = [
        t("People"),
        t("Kidney failure"),
        t("C statistic"),
        t("Expected"),
        t("Observed"),
        t("Observed : expected"),
    ];
    let rows = rows.collect_view();
    let file = csv(&voices);
    let save = move |_| {
        let _ = api::summaries::save_figures(&file);
    };
    let plots = [RiskSource::Kfre, RiskSource::Network].map(|source| {
        let of_source = voices.iter().filter(|voice| voice.source == source);
        view! { <Calibration source voices=of_source.cloned().collect() /> }
    });
    view! {
        <div class="table-scroll" tabindex="0" role="region" aria-label=t("Performance")>
            <table class="table">
                <thead>
                    <tr>
                        <th scope="col">{t("Risk")}</th>
                        {heads.map(|head| view! { <th scope="col" class="number">{head}</th> })}
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        <div class="histograms">{plots}</div>
        <div class="row">
            <button type="button" class="btn" on:click=save>{t("Download these figures")}</button>
        </div>
    }
    .into_any()
}

/// All figures as a file, one line for everybody and for each band.
fn csv(voices: &[VoicePerformance]) -> String {
    let mut lines = vec!["source,years,from,to,people,expected,observed,c_statistic".to_owned()];
    let text = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    for voice in voices {
        let VoicePerformance { years, people, expected, observed, c_statistic, .. } = voice;
        // A file for programs: the same in every language.
        let source = english_name(voice.source);
        let expected = text(*expected);
        lines.push(format!("{source},{years},0,1,{people},{expected},{observed},{c_statistic}"));
        for CalibrationGroup { from, to, people, expected, observed } in &voice.groups {
            let expected = text(*expected);
            lines.push(format!("{source},{years},{from},{to},{people},{expected},{observed},"));
        }
    }
    lines.join("\n") + "\n"
}

/// One voice: a line for each time with a point for each band of risk, right where it is on the
/// diagonal.
#[component]
fn Calibration(source: RiskSource, voices: Vec<VoicePerformance>) -> impl IntoView {
    let groups = || voices.iter().flat_map(|voice| &voice.groups);
    if groups().next().is_none() {
        return ().into_any();
    }
    let highest = groups().map(|group| group.observed.max(group.expected.unwrap_or_default()));
    let most = highest.fold(0.05, f64::max);
    let lines: Vec<_> = voices
        .iter()
        .map(|voice| view! { <Points years=voice.years groups=voice.groups.clone() most /> })
        .collect();
    let key = voices.iter().enumerate().map(|(place, voice)| {
        view! {
            <li>
                <svg class="lines swatch" viewBox="0 0 24 8" aria-hidden="true">
                    <g class=format!("series series-{place}")><polyline points="0,4 24,4"></polyline></g>
                </svg>
                {tn!(voice.years, "within {n} year", "within {n} years")}
            </li>
        }
    });
    let key = key.collect_view();
    let title = name(source);
    view! {
        <figure class="stack-tight drawn">
            <figcaption>
                <h3>{title}</h3>
                <p class="fine">
                    {tf!(
                        "Observed (upwards) against expected (to the right), both up to {most}. On the line, risks are right; \
                         below it, too much was told.",
                        most = format::percent(most),
                    )}
                </p>
            </figcaption>
            <svg
                class="lines calibration" viewBox="-4 -4 108 108" role="img"
                aria-label=tf!(
                    "{title}: observed over expected, with the diagonal; the table holds the figures",
                    title = title
                )
            >
                <polyline class="rule" fill="none" points="0,0 0,100 100,100"></polyline>
                <line class="rule" x1="0" y1="100" x2="100" y2="0"></line>
                {lines}
            </svg>
            <ul class="legend">{key}</ul>
            <Bands title voices />
        </figure>
    }
    .into_any()
}

#[component]
fn Points(years: i32, groups: Vec<CalibrationGroup>, most: f64) -> impl IntoView {
    let points = groups.iter().filter_map(|group| Some((group.expected?, group.observed)));
    let points: Vec<_> =
        points.map(|(told, seen)| (100.0 * told / most, 100.0 - 100.0 * seen / most)).collect();
    let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let dots =
        points.into_iter().map(|(x, y)| view! { <circle cx=x cy=y r="2"></circle> }).collect_view();
    let class = if years == 2 { "series series-0" } else { "series series-1" };
    view! { <g class=class><polyline points=path.join(" ")></polyline> {dots}</g> }
}

/// The figures of one voice's bands, which are the same for every time.
#[component]
fn Bands(title: &'static str, voices: Vec<VoicePerformance>) -> impl IntoView {
    let heads = voices.iter().flat_map(|voice| {
        [
            tf!("{years} y, expected", years = voice.years),
            tf!("{years} y, observed", years = voice.years),
        ]
    });
    let heads =
        heads.map(|head| view! { <th scope="col" class="number">{head}</th> }).collect_view();
    let bands = voices.first().map(|voice| voice.groups.clone()).unwrap_or_default();
    let rows = bands.into_iter().enumerate().map(|(place, band)| {
        let shares = voices
            .iter()
            .filter_map(|voice| voice.groups.get(place))
            .flat_map(|group| [share(group.expected), share(Some(group.observed))]);
        let shares = shares.map(|share| view! { <td class="number">{share}</td> }).collect_view();
        let name = tf!(
            "{lower} to {upper}",
            lower = format::percent(band.from),
            upper = format::percent(band.to)
        );
        view! {
            <tr>
                <th scope="row" class="nowrap">{name}</th>
                <td class="number">{format::number(f64::from(band.people), 0)}</td>
                {shares}
            </tr>
        }
    });
    let rows = rows.collect_view();
    view! {
        <details class="twin">
            <summary>{t("Figures by told risk")}</summary>
            <div class="table-scroll" tabindex="0" role="region" aria-label=tf!("{title}, figures", title = title)>
                <table class="table table-tight">
                    <thead>
                        <tr>
                            <th scope="col">{t("Told 5-year risk")}</th>
                            <th scope="col" class="number">{t("People")}</th>
                            {heads}
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </details>
    }
}
