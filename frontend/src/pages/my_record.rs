//! A patient's own record: what clinicians see on theirs, in plain words.

use leptos::{prelude::*, task::spawn_local};
use leptos_router::components::{A, Redirect};
use shared::{
    INTENDED_USE,
    access::Permission,
    clinical::kdigo::g_category,
    document::Document,
    id::PatientId,
    observation::ObservationCode,
    patient::Patient,
    prediction::{GCategory, Prediction},
    problem::Problem,
};

use crate::{
    api,
    app::set_title,
    charts::own_course::OwnCourse,
    components::{
        access_log::AccessLog,
        async_view::AsyncView,
        patient_header::sex_label,
        plain_words::{Albumin, Function, Future, Questions, WhatHelps},
        problem_note::ProblemNote,
    },
    format,
    language::t,
    record::Record,
    session, tf, tn,
};

pub mod topics;
pub mod values;

/// The page; whoever has no record of their own is led to where their work is.
#[component]
pub fn MyRecordPage() -> impl IntoView {
    set_title(t("My record"));
    let own = untrack(|| {
        session::user()
            .filter(|_| !session::allows(Permission::ListPatients))
            .and_then(|user| user.patient_id)
    });
    match own {
        Some(id) => view! { <Own id /> }.into_any(),
        None => view! { <Redirect path="/" /> }.into_any(),
    }
}

#[component]
fn Own(id: PatientId) -> impl IntoView {
    let patient = LocalResource::new(move || api::patients::read(id));
    view! {
        <div class="page page-narrow own">
            <AsyncView resource=patient rows=10 render=|patient| view! { <Parts patient /> } />
        </div>
    }
}

/// The page, once the record may be read.
#[component]
fn Parts(patient: Patient) -> impl IntoView {
    let record = Record::provide(patient);
    let shows_risk = Memo::new(|_| Record::shows_risk());
    view! {
        <Head />
        <Part id="function" title=t("How well your kidneys work")>
            <AsyncView
                resource=record.observations
                rows=6
                render=|observations| view! {
                    <Function />
                    <Meaning />
                    <OwnCourse observations />
                }
            />
        </Part>
        <Part id="albumin" title=t("Protein in your urine")>
            <AsyncView resource=record.observations rows=2 render=|_| view! { <Albumin /> } />
        </Part>
        {move || shows_risk.get().then(|| view! {
            <Part id="future" title=t("What may come")>
                <AsyncView
                    resource=record.predictions
                    rows=4
                    render=move |_| view! { <Risk prediction=record.latest_prediction() /> }
                />
            </Part>
        })}
        <Part id="topics" title=t("What you can talk about with your doctor")>
            <topics::Topics />
            <h3>{t("Questions that you may want to ask")}</h3>
            <Questions />
        </Part>
        <Part id="helps" title=t("What helps")><WhatHelps /></Part>
        <Part id="values" title=t("Your values")>
            <AsyncView resource=record.observations rows=6 render=|_| view! { <values::Values /> } />
        </Part>
        <Part id="documents" title=t("Your documents")>
            <AsyncView
                resource=record.documents
                rows=2
                render=|documents| view! { <Documents documents /> }
            />
        </Part>
        <AccessLog />
        <p class="fine">{t(INTENDED_USE)}</p>
    }
}

/// Who it is, and the way to paper.
#[component]
fn Head() -> impl IntoView {
    let record = Record::here();
    let who = move || {
        record.patient.with(|patient| {
            let age = format::age_years(patient.birth_date, format::today());
            let sex = sex_label(patient.sex);
            view! {
                <p>
                    <strong class="identifying">
                        {patient.given_name.clone()} " " {patient.family_name.clone()}
                    </strong>
                    ", " {tn!(age, "{n} year, {sex}", "{n} years, {sex}", sex = sex)}
                </p>
            }
        })
    };
    view! {
        <header class="page-head">
            <div>
                <h1>{t("My record")}</h1>
                {who}
            </div>
            <A href=format!("/patients/{}/report", record.id) attr:class="btn no-print">{t("Print on one page")}</A>
        </header>
    }
}

#[component]
fn Part(id: &'static str, title: &'static str, children: Children) -> impl IntoView {
    view! {
        <section class="card stack" aria-labelledby=id>
            <h2 id=id>{title}</h2>
            {children()}
        </section>
    }
}

/// What a stage means for one's life, without alarm and without a promise.
fn meaning(g: GCategory) -> &'static str {
    match g {
        GCategory::G1 | GCategory::G2 => t(
            "By itself this is no disease: many healthy people have such a value. Together with protein in the urine it can be an early sign, and then it is worth keeping an eye on.",
        ),
        GCategory::G3a => t(
            "Your kidneys do most of their work. Most people at this stage feel nothing of it, and many never come to a later one.",
        ),
        GCategory::G3b => t(
            "Your kidneys do about a third to a little less than half of their work. Many people stay at this stage for years; tests show early if something changes.",
        ),
        GCategory::G4 => t(
            "Your kidneys do much less than healthy ones, and still enough for everyday life. There is time to talk, without haste, about what helps and about what may come.",
        ),
        GCategory::G5 => t(
            "Your kidneys do only a small part of their work. There are treatments that take over for them; when one is needed depends on how you feel as well as on numbers. Your doctors plan it together with you.",
        ),
    }
}

#[component]
fn Meaning() -> impl IntoView {
    let record = Record::here();
    move || match record.latest(ObservationCode::Egfr) {
        Some(value) => value.quantity().map(|egfr| view! { <p>{meaning(g_category(egfr))}</p> }),
        None => Some(view! {
            <p>{t("It is not known yet: a blood test for creatinine tells how well the kidneys work.")}</p>
        }),
    }
}

/// The risk that clinicians see, as people; from when it is.
#[component]
fn Risk(prediction: Option<Prediction>) -> impl IntoView {
    let day = prediction.as_ref().map(|prediction| format::date(prediction.inputs.as_of));
    let Some((day, result)) = day.zip(prediction.and_then(|prediction| prediction.result)) else {
        return view! {
            <p>{t("Your clinic has not worked out a risk for you yet. You can ask for it at your next visit.")}</p>
        }
        .into_any();
    };
    view! {
        <Future risks=[2, 5].map(|years| result.risk_within(years)) />
        <p class="fine">{tf!("Worked out on {day} from your values until then.", day = day)}</p>
    }
    .into_any()
}

/// Letters and reports, to look at or to keep.
#[component]
fn Documents(documents: Vec<Document>) -> impl IntoView {
    let record = Record::here();
    if documents.is_empty() {
        return view! { <p>{t("There are no documents in your record.")}</p> }.into_any();
    }
    let problem = RwSignal::new(None::<Problem>);
    let lines: Vec<_> = documents
        .into_iter()
        .map(|document| {
            let about = format!(
                "{} · {}",
                t(document.kind.label()),
                format::date_of(document.uploaded_at)
            );
            let title = document.title.clone();
            let label = tf!("Save {name}", name = title);
            let save = move |_| {
                let document = document.clone();
                spawn_local(async move {
                    let _ = problem.try_set(api::documents::save(&document).await.err());
                });
            };
            view! {
                <li class="record">
                    <div>
                        <p><strong class="identifying">{title}</strong></p>
                        <p class="fine">{about}</p>
                    </div>
                    <button type="button" class="btn btn-small" aria-label=label on:click=save>{t("Save")}</button>
                </li>
            }
        })
        .collect();
    view! {
        {move || problem.get().map(|problem| view! { <ProblemNote problem /> })}
        <ul class="records">{lines}</ul>
        <p><A href=format!("/patients/{}/documents", record.id)>{t("Look at the documents here")}</A></p>
    }
    .into_any()
}
