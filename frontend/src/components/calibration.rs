//! How the risks that were told compare with what happened since.

use leptos::prelude::*;
use shared::{
    phrase,
    prediction::RiskSource,
    summary::{CalibrationGroup, ModelPerformance, VoicePerformance},
};

use super::async_view::AsyncView;
use crate::{
    api,
    charts::{
        Chart, ChartKind, Twin,
        lines::{Axis, Line, Lines, Point},
    },
    format,
    language::t,
    tf, tn,
};

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
    value.map_or_else(|| t("withheld").to_owned(), format::percent)
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
    let most = 100.0 * highest.fold(0.05, f64::max);
    let title = name(source);
    let summary = tf!(
        "{title}: observed over expected, with the diagonal; the table holds the figures",
        title = title
    );
    let axis = |name: &str| Axis {
        name: name.to_owned(),
        percent: true,
        from: Some(0.0),
        to: Some((most / 5.0).ceil() * 5.0),
        ..Axis::default()
    };
    let lines = Lines {
        summary,
        x: axis(t("Expected")),
        y: axis(t("Observed")),
        bands: Vec::new(),
        diagonal: true,
        lines: voices.iter().map(line).collect(),
    };
    let (data, legend, twin) = (lines.json(), lines.legend(), twin(&voices));
    let caption = t(
        "Observed (upwards) against expected (to the right). On the line, risks are right; below it, too much was told.",
    );
    view! {
        <div class="stack-tight calibration">
            <h3>{title}</h3>
            <Chart kind=ChartKind::Lines caption data twin legend />
        </div>
    }
    .into_any()
}

fn line(voice: &VoicePerformance) -> Line {
    let within = tn!(voice.years, "within {n} year", "within {n} years");
    let points = voice.groups.iter().filter_map(|group| {
        let CalibrationGroup { from, to, people, expected, observed } = *group;
        let expected = expected?;
        let told = tf!(
            "expected {expected}, observed {observed}",
            expected = format::percent(expected),
            observed = format::percent(observed)
        );
        let who = tn!(
            people,
            "{n} person told {risk}",
            "{n} people told {risk}",
            risk = format::shares(from, to)
        );
        let tip = vec![within.clone(), told, who];
        Some(Point { x: 100.0 * expected, y: Some(100.0 * observed), tip })
    });
    Line { points: points.collect(), name: within.clone() }
}

/// The figures of one voice's bands, which are the same for every time.
fn twin(voices: &[VoicePerformance]) -> Twin {
    let of_voices = voices.iter().flat_map(|voice| {
        [
            tf!("{years} y, expected", years = voice.years),
            tf!("{years} y, observed", years = voice.years),
        ]
    });
    let heads = [t("Told 5-year risk"), t("People")].map(str::to_owned);
    let bands = voices.first().map(|voice| voice.groups.as_slice()).unwrap_or_default();
    let rows = bands.iter().enumerate().map(|(place, band)| {
        let shares = voices
            .iter()
            .filter_map(|voice| voice.groups.get(place))
            .flat_map(|group| [share(group.expected), share(Some(group.observed))]);
        let people = format::number(f64::from(band.people), 0);
        [format::shares(band.from, band.to), people].into_iter().chain(shares).collect()
    });
    Twin { heads: heads.into_iter().chain(of_voices).collect(), rows: rows.collect() }
}
