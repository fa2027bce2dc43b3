//! One patient's record.

use gloo_timers::future::TimeoutFuture;
use leptos::{prelude::*, task::spawn_local};
use leptos_router::hooks::use_params_map;
use shared::{
    id::PatientId,
    patient::Patient,
    problem::{Problem, ProblemKind},
};

use crate::{
    api,
    app::set_title,
    charts::course::CourseChart,
    components::{
        access_log::AccessLog, async_view::AsyncView, biopsies::Biopsies, facts::Facts,
        key_figures::KeyFigures, observation_form::ObservationForm, observation_row::Typed,
        observation_table::ObservationTable, outcomes::Outcomes, patient_header::PatientHeader,
        prediction_panel::PredictionPanel, therapies::Therapies,
    },
    kept::Kept,
    language::t,
    record::Record,
};

/// The page of one patient.
#[component]
pub fn PatientPage() -> impl IntoView {
    set_title(t("Patient"));
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
        <div class="page patient">
            <AsyncView resource=patient rows=8 render=|patient| view! { <Parts patient /> } />
        </div>
    }
}

/// The page, once it is known whose it is.
#[component]
fn Parts(patient: Patient) -> impl IntoView {
    let record = Record::provide(patient);
    let shows_risk = Memo::new(|_| Record::shows_risk());
    // A record without values begins with recording some.
    let entering = record.entering;
    Effect::new(move |_| {
        if record.observations.get().is_some_and(|values| values.is_ok_and(|all| all.is_empty())) {
            entering.set(true);
        }
    });
    // So does one whose values were being typed when the page was loaded again.
    if Kept::of(&format!("values.{}", record.id)).read::<Vec<Typed>>().is_some() {
        entering.set(true);
    }
    // One part at a time, from the top, when what is above it is there: a slow telephone answers in
    // between, and nothing moves.
    let there = RwSignal::new(0);
    spawn_local(async move {
        for part in 1..=6 {
            TimeoutFuture::new(0).await;
            // The page may have gone.
            let _ = there.try_set(part);
            match part {
                1 => _ = record.observations.await,
                2 => _ = record.predictions.await,
                _ => {}
            }
        }
    });
    let [figures, risk, course, facts, values, log] =
        [1, 2, 3, 4, 5, 6].map(|part| Memo::new(move |_| part <= there.get()));
    view! {
        <PatientHeader />
        {move || figures.get().then(|| view! { <KeyFigures /> })}
        {move || (risk.get() && shows_risk.get()).then(|| view! { <PredictionPanel /> })}
        <div class="course">
            {move || course.get().then(|| view! {
                <section class="card" aria-labelledby="course">
                    <div class="card-head"><h2 id="course">{t("Course")}</h2></div>
                    <CourseChart />
                </section>
            })}
            {move || facts.get().then(|| view! {
                <div class="course-side">
                    <Facts />
                    <Therapies />
                    <Biopsies />
                    <Outcomes />
                </div>
            })}
        </div>
        {move || values.get().then(|| view! { <Values record /> })}
        {move || log.get().then(|| view! { <AccessLog /> })}
    }
}

/// What was measured, and the form for more.
#[component]
fn Values(record: Record) -> impl IntoView {
    let entering = record.entering;
    view! {
        <section class="card" aria-labelledby="values">
            <div class="card-head"><h2 id="values">{t("Values")}</h2></div>
            <div class="stack">
                {move || record.editable().then(|| view! {
                    <details
                        class="entry"
                        prop:open=move || entering.get()
                        on:toggle:target=move |event| entering.set(event.target().open())
                    >
                        <summary>{t("Record values")}</summary>
                        <ObservationForm />
                    </details>
                })}
                <ObservationTable />
            </div>
        </section>
    }
}
