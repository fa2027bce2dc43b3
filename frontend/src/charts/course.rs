//! A patient's course: eGFR on the KDIGO bands, and below it the risk, albuminuria, blood pressure
//! and whatever else was measured, on one axis of time.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use leptos::prelude::*;
use serde::Serialize;
use shared::{
    observation::{Observation, ObservationCode, ObservationMethod, ObservationStatus},
    phrase,
    prediction::Prediction,
    therapy::Therapy,
};

use super::{
    Chart, ChartKind, Legend, Twin,
    egfr::{Egfr, SUSPECTED, category, method_label},
    therapies::{self, Bar},
};
use crate::{components::async_view::Skeleton, format, language::t, record::Record, tf, tn};

/// What is always shown below eGFR, where there is any.
const FIRST: [(&str, &[ObservationCode]); 3] = [
    (phrase!("uACR"), &[ObservationCode::Uacr]),
    (phrase!("uPCR"), &[ObservationCode::Upcr]),
    (
        phrase!("Blood pressure, systolic and diastolic"),
        &[ObservationCode::SystolicBp, ObservationCode::DiastolicBp],
    ),
];

/// What is shown when somebody asks for it.
const OTHERS: [(&str, &[ObservationCode]); 9] = [
    (phrase!("Haemoglobin"), &[ObservationCode::Haemoglobin]),
    (phrase!("Potassium"), &[ObservationCode::Potassium]),
    (phrase!("Bicarbonate"), &[ObservationCode::Bicarbonate]),
    (phrase!("Phosphate"), &[ObservationCode::Phosphate]),
    (phrase!("Calcium"), &[ObservationCode::Calcium]),
    (phrase!("Albumin"), &[ObservationCode::Albumin]),
    (phrase!("HbA1c"), &[ObservationCode::HbA1c]),
    (phrase!("Cystatin C"), &[ObservationCode::CystatinC]),
    (phrase!("Weight"), &[ObservationCode::Weight]),
];

/// How far back one can look, in years.
const SPANS: [i64; 3] = [1, 2, 5];

#[derive(Debug, Serialize)]
struct Data {
    summary: String,
    from: i64,
    to: i64,
    egfr: Egfr,
    events: Vec<Event>,
    panels: Vec<Panel>,
    therapies: Vec<Bar>,
}

/// Something that happened.
#[derive(Debug, Serialize)]
struct Event {
    at: i64,
    tip: [String; 2],
}

/// One strip with an axis of its own.
#[derive(Debug, Serialize)]
struct Panel {
    name: String,
    logarithmic: bool,
    /// Whether the axis begins at 0, whatever the values.
    from_zero: bool,
    lines: Vec<Line>,
    guides: Vec<Guide>,
}

/// Values of one kind; the second kind in a strip has another symbol.
#[derive(Debug, Serialize)]
struct Line {
    points: Vec<Mark>,
}

#[derive(Debug, Serialize)]
struct Mark {
    at: i64,
    value: f64,
    tip: [String; 2],
}

/// A value worth a line across the strip.
#[derive(Debug, Serialize)]
struct Guide {
    at: f64,
    name: &'static str,
}

/// The picture and its table.
#[derive(Clone, PartialEq)]
struct Picture {
    data: String,
    caption: String,
    legend: Legend,
    twin: Twin,
}

/// How far the course of a record is.
#[derive(Clone, PartialEq)]
enum Course {
    Coming,
    NoEgfr,
    Drawn(Picture),
}

/// Since 1970, as the drawing has its time.
pub fn millis(moment: DateTime<Utc>) -> i64 {
    moment.timestamp_millis()
}

/// The course of the record on this page.
#[component]
pub fn CourseChart() -> impl IntoView {
    let record = Record::here();
    let span = RwSignal::new(None::<i64>);
    let everything = RwSignal::new(false);
    let course = Memo::new(move |_| course(record, span.get(), everything.get()));
    view! {
        // Not drawn anew with the picture: whoever chooses by keyboard keeps their place.
        {move || {
            let values = record.observations.get()?.ok()?;
            Some(view! { <Tools values span everything /> })
        }}
        {move || match course.get() {
            Course::Coming => view! { <Skeleton rows=8 /> }.into_any(),
            Course::NoEgfr => view! {
                <p class="muted">
                    {t("No eGFR yet. Record a creatinine: the eGFR is computed from it by CKD-EPI 2021.")}
                </p>
            }
            .into_any(),
            Course::Drawn(Picture { data, caption, legend, twin }) => view! {
                <Chart kind=ChartKind::Course caption data twin legend />
            }
            .into_any(),
        }}
    }
}

/// How far back to look, and how much of it; nothing where there is nothing to choose.
#[component]
fn Tools(
    values: Vec<Observation>,
    span: RwSignal<Option<i64>>,
    everything: RwSignal<bool>,
) -> impl IntoView {
    let by_code = by_code(&values);
    if !by_code.contains_key(&ObservationCode::Egfr) {
        return None;
    }
    let moments = || values.iter().filter(|value| counts(value)).map(|value| value.effective_at);
    let known =
        moments().max().zip(moments().min()).map_or(0, |(last, first)| (last - first).num_days());
    let choice = move |years: Option<i64>, text: String| {
        view! {
            <button
                type="button"
                class="btn btn-small"
                aria-pressed=move || (span.get() == years).to_string()
                on:click=move |_| span.set(years)
            >
                {text}
            </button>
        }
    };
    let shorter: Vec<_> = SPANS
        .into_iter()
        .filter(|years| 366 * years < known)
        .map(|years| choice(Some(years), tn!(years, "{n} year", "{n} years")))
        .collect();
    let more = OTHERS.iter().any(|(_, codes)| codes.iter().any(|code| by_code.contains_key(code)));
    Some(view! {
        <div class="row chart-tools no-print">
            {(!shorter.is_empty()).then(|| view! {
                <div class="row" role="group" aria-label=t("Time shown")>
                    {choice(None, t("All").to_owned())}
                    {shorter}
                </div>
            })}
            {more.then(|| view! {
                <button
                    type="button"
                    class="btn btn-small"
                    aria-pressed=move || everything.get().to_string()
                    on:click=move |_| everything.update(|shown| *shown = !*shown)
                >
                    {t("All values")}
                </button>
            })}
        </div>
    })
}

fn counts(value: &Observation) -> bool {
    value.status == ObservationStatus::Final
}

/// The values of each kind, oldest first; at one moment the computed one first.
type ByCode<'a> = BTreeMap<ObservationCode, Vec<&'a Observation>>;

/// What is drawn of the record (reactive).
fn course(record: Record, span: Option<i64>, everything: bool) -> Course {
    // What cannot be read says so in its own place on the page; the rest is drawn without it.
    let picture = || {
        let observations = record.observations.get()?.unwrap_or_default();
        let predictions = record.predictions.get()?.unwrap_or_default();
        let events = events(record)?;
        let therapies = record.therapies.get()?.map(|all| all.items).unwrap_or_default();
        Some(drawn(&observations, &predictions, &therapies, events, span, everything))
    };
    match picture() {
        None => Course::Coming,
        Some(None) => Course::NoEgfr,
        Some(Some(picture)) => Course::Drawn(picture),
    }
}

fn drawn(
    observations: &[Observation],
    predictions: &[Prediction],
    therapies: &[Therapy],
    events: Vec<(NaiveDate, String)>,
    span: Option<i64>,
    everything: bool,
) -> Option<Picture> {
    let by_code = by_code(observations);
    let values = by_code.get(&ObservationCode::Egfr)?;
    let egfr = Egfr::of(values)?;
    let mut legend = egfr.legend();
    let mut panels: Vec<Panel> = risk_panel(predictions).into_iter().collect();
    if !panels.is_empty() {
        legend.push(("key-network", t("risk by the network").into()));
        legend.push(("key-kfre", t("risk by KFRE").into()));
    }
    let others = if everything { &OTHERS[..] } else { &[] };
    let shown = FIRST.iter().chain(others);
    panels.extend(shown.clone().filter_map(|(name, codes)| value_panel(name, codes, &by_code)));
    let codes: Vec<ObservationCode> = shown.flat_map(|(_, codes)| codes.iter().copied()).collect();
    let twin = Twin {
        heads: [t("Date"), t("What"), t("Value"), t("Remark")].map(str::to_owned).into(),
        rows: rows(&by_code, &codes, &egfr, predictions, &events),
    };
    let trend = egfr
        .trend
        .as_deref()
        .unwrap_or(t("No trend yet: it takes three steady values over 90 days or more."));
    let unit = format::unit(ObservationCode::Egfr.canonical_unit());
    let axis = tf!("eGFR in {unit} on the KDIGO categories G1 to G5.", unit = unit);
    let caption = format!("{axis} {trend}");
    let (from, to) = ends(&egfr, &panels, values, span)?;
    let events = events
        .into_iter()
        .map(|(day, what)| Event { at: noon(day), tip: [what, format::date(day)] });
    let therapies = therapies::bars(therapies, noon, (from, to), millis(format::now()));
    let (summary, events) = (summary(values)?, events.collect());
    let data = Data { summary, from, to, egfr, events, panels, therapies };
    let data = serde_json::to_string(&data).unwrap_or_default();
    Some(Picture { data, caption, legend, twin })
}

fn by_code(observations: &[Observation]) -> ByCode<'_> {
    let mut by_code = ByCode::new();
    for value in observations.iter().filter(|value| counts(value)) {
        by_code.entry(value.code).or_default().push(value);
    }
    for values in by_code.values_mut() {
        let reported = |value: &Observation| value.method == ObservationMethod::Reported;
        values.sort_by_key(|value| (value.effective_at, reported(value)));
    }
    by_code
}

fn summary(values: &[&Observation]) -> Option<String> {
    let (first, last) = (values.first()?, values.last()?);
    Some(tf!(
        "{count} eGFR values from {first_day} to {last_day}, from {first} to {last}.",
        count = values.len(),
        first_day = format::date_of(first.effective_at),
        last_day = format::date_of(last.effective_at),
        first = format::measured(first.value),
        last = format::quantity(last.value, &last.unit),
    ))
}

/// Where the axis of time begins and ends: with what is drawn, a little wider.
fn ends(
    egfr: &Egfr,
    panels: &[Panel],
    values: &[&Observation],
    span: Option<i64>,
) -> Option<(i64, i64)> {
    let marks = panels.iter().flat_map(|panel| &panel.lines).flat_map(|line| &line.points);
    let moments = || {
        let egfr_moments = values.iter().map(|value| millis(value.effective_at));
        marks.clone().map(|mark| mark.at).chain(egfr_moments)
    };
    let last = moments().max()?;
    let begin = span.map(|years| last - TimeDelta::days(366 * years).num_milliseconds());
    let begin = begin.max(moments().min())?;
    let end = last.max(egfr.end());
    let margin = ((end - begin) / 40).max(TimeDelta::days(7).num_milliseconds());
    Some((begin - margin, end + margin))
}

/// The day of a moment that has none.
fn noon(day: NaiveDate) -> i64 {
    millis(day.and_time(NaiveTime::MIN).and_utc() + TimeDelta::hours(12))
}

/// What happened beside the values (reactive): nothing while it is on its way.
fn events(record: Record) -> Option<Vec<(NaiveDate, String)>> {
    let therapies = record.therapies.get()?.map(|all| all.items).unwrap_or_default();
    let biopsies = record.biopsies.get()?.map(|all| all.items).unwrap_or_default();
    let outcomes = record.outcomes.get()?.map(|all| all.items).unwrap_or_default();
    let documents = record.documents.get()?.unwrap_or_default();
    let mut events = Vec::new();
    for therapy in therapies {
        let name = t(therapy.kind.label());
        events.push((therapy.started_on, tf!("{therapy} started", therapy = name)));
        events.extend(therapy.ended_on.map(|end| (end, tf!("{therapy} ended", therapy = name))));
    }
    events.extend(biopsies.into_iter().map(|one| (one.performed_on, t("Biopsy").to_owned())));
    events
        .extend(outcomes.into_iter().map(|one| (one.occurred_on, t(one.kind.label()).to_owned())));
    events.extend(documents.into_iter().map(|one| {
        (
            format::local_date(one.uploaded_at),
            tf!("Document added: {kind}", kind = t(one.kind.label())),
        )
    }));
    events.sort();
    Some(events)
}

/// Every prediction so far.
fn risk_panel(predictions: &[Prediction]) -> Option<Panel> {
    let mut lines = [Vec::new(), Vec::new()];
    for prediction in predictions.iter().rev() {
        let (network, kfre) = risks(prediction);
        let at = millis(prediction.requested_at);
        for (line, risk, voice) in [(0, network, t("network")), (1, kfre, "KFRE")] {
            lines[line].extend(risk.map(|risk| Mark {
                at,
                value: 100.0 * risk,
                tip: [
                    tf!(
                        "{risk} within 5 years · {voice}",
                        risk = format::percent(risk),
                        voice = voice
                    ),
                    format::date_of(prediction.requested_at),
                ],
            }));
        }
    }
    let lines: Vec<Line> = lines.into_iter().map(|points| Line { points }).collect();
    let there = lines.iter().any(|line| !line.points.is_empty());
    let name = t("Risk within 5 years (%)").to_owned();
    there.then_some(Panel { name, logarithmic: false, from_zero: true, lines, guides: Vec::new() })
}

/// The 5-year risk of both voices.
fn risks(prediction: &Prediction) -> (Option<f64>, Option<f64>) {
    let Some(result) = &prediction.result else { return (None, None) };
    let network = result.risk.iter().find(|risk| risk.year == 5).map(|risk| risk.probability);
    (network, result.kfre.as_ref().map(|kfre| kfre.risk_5y))
}

fn value_panel(
    name: &'static str,
    codes: &[ObservationCode],
    by_code: &ByCode<'_>,
) -> Option<Panel> {
    let lines: Vec<Line> = codes
        .iter()
        .map(|code| by_code.get(code).map(Vec::as_slice).unwrap_or_default())
        .map(|values| Line { points: values.iter().map(|value| mark(value)).collect() })
        .collect();
    let unit = format::unit_of(*codes.first()?);
    let uacr = codes.contains(&ObservationCode::Uacr);
    let guides = if uacr {
        let guide =
            |at: f64, name| Guide { at: format::in_force(ObservationCode::Uacr, at).0, name };
        vec![guide(30.0, "A2"), guide(300.0, "A3")]
    } else {
        Vec::new()
    };
    let logarithmic = uacr || codes.contains(&ObservationCode::Upcr);
    let there = lines.iter().any(|line| !line.points.is_empty());
    there.then(|| Panel {
        name: format!("{} ({unit})", t(name)),
        logarithmic,
        from_zero: false,
        lines,
        guides,
    })
}

fn mark(value: &Observation) -> Mark {
    let (amount, unit) = format::in_force(value.code, value.value);
    let what = format!("{} · {}", format::quantity(amount, unit), t(value.code.label()));
    let tip = [what, format::date_of(value.effective_at)];
    Mark { at: millis(value.effective_at), value: amount, tip }
}

/// All that is drawn, the latest first.
fn rows(
    by_code: &ByCode<'_>,
    codes: &[ObservationCode],
    egfr: &Egfr,
    predictions: &[Prediction],
    events: &[(NaiveDate, String)],
) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for value in
        [ObservationCode::Egfr].iter().chain(codes).filter_map(|code| by_code.get(code)).flatten()
    {
        let remark = match value.code {
            ObservationCode::Egfr if egfr.suspects(value) => t(SUSPECTED).to_owned(),
            ObservationCode::Egfr => format!("{}, {}", category(value), method_label(value.method)),
            _ => String::new(),
        };
        let amount = format::amount(value.code, value.value);
        let when = format::date_of(value.effective_at);
        rows.push((
            millis(value.effective_at),
            vec![when, t(value.code.label()).to_owned(), amount, remark],
        ));
    }
    for prediction in predictions {
        let (network, kfre) = risks(prediction);
        let when = prediction.requested_at;
        for (risk, voice) in [(network, t("network")), (kfre, "KFRE")] {
            let Some(risk) = risk else { continue };
            let what = t("Risk within 5 years").to_owned();
            rows.push((
                millis(when),
                vec![format::date_of(when), what, format::percent(risk), voice.to_owned()],
            ));
        }
    }
    for (day, what) in events {
        rows.push((
            noon(*day),
            vec![format::date(*day), what.clone(), String::new(), String::new()],
        ));
    }
    rows.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    rows.into_iter().map(|(_, row)| row).collect()
}
