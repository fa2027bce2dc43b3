//! A record on one page of paper: for the chart, or for the patient in plain words.

use leptos::prelude::*;
use leptos_router::{components::A, hooks::use_params_map};
use shared::{
    INTENDED_USE,
    access::Permission,
    id::PatientId,
    observation::{Observation, ObservationCode},
    patient::Patient,
    prediction::{Prediction, PredictionResult},
    problem::{Problem, ProblemKind},
};

use crate::{
    api,
    app::set_title,
    components::{
        async_view::{AsyncView, Skeleton},
        course_picture::CoursePicture,
        facts::CurrentTherapies,
        natural_frequency::PeopleArray,
        patient_header::sex_label,
        problem_note::ProblemNote,
    },
    format,
    language::{around, t},
    record::{self, Record},
    session, tf, tn,
};

pub mod chart;
pub mod plain;

/// The page.
#[component]
pub fn ReportPage() -> impl IntoView {
    set_title(t("Report"));
    let params = use_params_map();
    let id = Memo::new(move |_| params.with(|params| params.get("id")));
    let patient = LocalResource::new(move || {
        let id = id.get().and_then(|id| id.parse::<PatientId>().ok());
        async move {
            match id {
                Some(id) => api::patients::read(id).await,
                None => Err(Problem::new(ProblemKind::NotFound)),
            }
        }
    });
    view! {
        <div class="page report">
            <AsyncView resource=patient rows=12 render=|patient| view! { <Report patient /> } />
        </div>
    }
}

/// What the report is written from, complete.
#[derive(Clone, PartialEq)]
pub struct Content {
    patient: Patient,
    observations: Vec<Observation>,
    /// The latest prediction that succeeded, with its answer.
    prediction: Option<(Prediction, PredictionResult)>,
}

impl Content {
    /// Everything that the record has loaded: nothing is printed before all of it is there.
    fn of(record: Record) -> Option<api::Result<Self>> {
        let (observations, predictions) = (record.observations.get()?, record.predictions.get()?);
        let therapies = record.therapies.get()?;
        if let Some(problem) = predictions.err().or(therapies.err()) {
            return Some(Err(problem));
        }
        Some(observations.map(|observations| Self {
            patient: record.patient.get(),
            observations,
            prediction: record.latest_prediction().and_then(|prediction| {
                prediction.result.clone().map(|result| (prediction, result))
            }),
        }))
    }
}

#[component]
fn Report(patient: Patient) -> impl IntoView {
    let record = Record::provide(patient);
    // Patients get their own record in plain words; clinicians choose.
    let chooses = Memo::new(|_| session::allows(Permission::ListPatients));
    let plain = RwSignal::new(!chooses.get_untracked());
    let content = Memo::new(move |_| Content::of(record));
    view! {
        <div class="report-tools no-print">
            <A href=record::address(record.id) attr:class="btn btn-quiet">{t("Back to the record")}</A>
            {move || chooses.get().then(|| view! { <Audience plain /> })}
            <button
                type="button"
                class="btn btn-primary"
                disabled=move || !content.with(|content| matches!(content, Some(Ok(_))))
                on:click=|_| {
                    // A browser that cannot print says so itself.
                    let _ = window().print();
                }
            >
                {t("Print")}
            </button>
        </div>
        <article class="sheet" aria-labelledby="report-title">
            {move || match content.get() {
                None => view! { <Skeleton rows=14 /> }.into_any(),
                Some(Err(problem)) => view! { <ProblemNote problem /> }.into_any(),
                Some(Ok(content)) if plain.get() => view! { <plain::Plain content /> }.into_any(),
                Some(Ok(content)) => view! { <chart::Chart content /> }.into_any(),
            }}
        </article>
    }
}

/// For whom it is written.
#[component]
fn Audience(plain: RwSignal<bool>) -> impl IntoView {
    let choices =
        [(false, t("For the chart")), (true, t("For the patient"))].map(|(value, text)| {
            view! {
                <label class="segment">
                    <input
                        type="radio"
                        name="audience"
                        prop:checked=move || plain.get() == value
                        on:change=move |_| plain.set(value)
                    />
                    <span>{text}</span>
                </label>
            }
        });
    view! { <fieldset class="segments" aria-label=t("Written for")>{choices}</fieldset> }
}

/// The head of both kinds: whose it is and from when.
#[component]
fn Head(title: &'static str, patient: Patient) -> impl IntoView {
    let age = format::age_years(patient.birth_date, format::today());
    let sex = sex_label(patient.sex);
    let [record, mrn, behind] = around(&tf!("Record *{mrn}*", mrn = patient.mrn));
    view! {
        <header class="sheet-head">
            <div>
                <h1 id="report-title">{title}</h1>
                <p class="sheet-who">
                    <strong class="identifying">{patient.given_name} " " {patient.family_name}</strong>
                    {tn!(age, ", {sex}, {n} year, born", ", {sex}, {n} years, born", sex = sex)} " "
                    <span class="identifying">{format::date(patient.birth_date)}</span>
                </p>
            </div>
            <p class="fine">
                {record} <span class="identifying">{mrn}</span> {behind} <br />
                {tf!("Printed {day}", day = format::date(format::today()))} <br /> "Nephrocast"
            </p>
        </header>
    }
}

/// What it is not for, at the foot of both kinds.
#[component]
fn Foot(prediction: Option<Prediction>) -> impl IntoView {
    let rests = prediction.map(|prediction| {
        let day = format::date(prediction.inputs.as_of);
        match prediction.model {
            Some(model) => tf!(
                "Risk as of {day}, network {name} {version}.",
                day = day,
                name = model.name,
                version = model.version
            ),
            None => tf!("Risk as of {day}.", day = day),
        }
    });
    view! {
        <footer class="sheet-foot fine">{rests.map(|rests| rests + " ")} {t(INTENDED_USE)}</footer>
    }
}

/// The latest value of a code, with its unit, and its day.
fn latest(record: Record, code: ObservationCode) -> Option<(String, String)> {
    record
        .latest(code)
        .map(|value| (format::amount(code, value.value), format::date_of(value.effective_at)))
}
