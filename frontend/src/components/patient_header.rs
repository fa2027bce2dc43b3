//! Whose record it is, and what can be done with it as a whole.

use leptos::{prelude::*, task::spawn_local};
use leptos_router::components::A;
use shared::{
    access::Permission,
    patient::{Patient, Sex},
    problem::Problem,
};

use super::{dialog::Confirm, problem_note::ProblemNote};
use crate::{api, format, language::t, record::Record, session, tf, tn};

/// A sex as people say it.
pub fn sex_label(sex: Sex) -> &'static str {
    match sex {
        Sex::Female => t("female"),
        Sex::Male => t("male"),
    }
}

/// Name, number, age, sex, cause; edit and archive.
#[component]
pub fn PatientHeader() -> impl IntoView {
    let record = Record::here();
    let asking = RwSignal::new(false);
    let name = move || {
        record.patient.with(|patient| format!("{} {}", patient.given_name, patient.family_name))
    };
    view! {
        <header class="patient-head">
            <div class="patient-who">
                <h1 class="identifying">{name}</h1>
                {move || record.patient.with(|patient| view! { <Identity patient=patient.clone() /> })}
            </div>
            <div class="row no-print">
                <A href=format!("/patients/{}/report", record.id) attr:class="btn">{t("Report")}</A>
                <A href=format!("/patients/{}/documents", record.id) attr:class="btn">{t("Documents")}</A>
                {move || session::allows(Permission::ReadCareTeams).then(|| view! {
                    <A href=format!("/patients/{}/care-team", record.id) attr:class="btn">{t("Care team")}</A>
                })}
                {move || record.editable().then(|| view! {
                    <A href=format!("/patients/{}/edit", record.id) attr:class="btn">{t("Edit")}</A>
                    <button type="button" class="btn btn-quiet" on:click=move |_| asking.set(true)>
                        {t("Archive")}
                    </button>
                })}
            </div>
        </header>
        <Archived />
        {move || asking.get().then(|| view! { <AskArchive name=name() asking /> })}
    }
}

#[component]
fn Identity(patient: Patient) -> impl IntoView {
    let age = format::age_years(patient.birth_date, format::today());
    view! {
        <ul class="identity">
            <li><span class="visually-hidden">{t("Medical record number")} " "</span><code class="identifying">{patient.mrn}</code></li>
            <li>{tn!(age, "{n} year, {sex}", "{n} years, {sex}", sex = sex_label(patient.sex))}</li>
            <li>{t("born")} " " <span class="identifying">{format::date(patient.birth_date)}</span></li>
            <li>{t(patient.renal_disease.label())}</li>
        </ul>
    }
}

/// Says that the record is out of use, and takes it back.
#[component]
fn Archived() -> impl IntoView {
    let record = Record::here();
    let problem = RwSignal::new(None::<Problem>);
    let waiting = RwSignal::new(false);
    let restore = move |_| {
        waiting.set(true);
        spawn_local(async move {
            match api::patients::restore(record.id).await {
                Ok(patient) => {
                    problem.try_set(None);
                    record.patient.try_set(patient);
                }
                Err(failed) => {
                    problem.try_set(Some(failed));
                }
            }
            waiting.try_set(false);
        });
    };
    let archived = move || record.patient.with(|patient| patient.archived_at);
    move || {
        archived().map(|moment| {
            view! {
                <div class="notice notice-warning">
                    <p class="notice-title" role="status">
                        {tf!("This record is archived since {day}", day = format::date_of(moment))}
                    </p>
                    <p>{t("It can be read, and neither changed nor used for predictions.")}</p>
                    {move || problem.get().map(|problem| view! { <ProblemNote problem /> })}
                    {move || session::allows(Permission::EditPatients).then(|| view! {
                        <button type="button" class="btn" disabled=move || waiting.get() on:click=restore>
                            {t("Restore")}
                        </button>
                    })}
                </div>
            }
        })
    }
}

#[component]
fn AskArchive(name: String, asking: RwSignal<bool>) -> impl IntoView {
    let record = Record::here();
    let archive = Action::new_local(move |(): &()| async move {
        let version = record.patient.with_untracked(|patient| patient.version);
        api::patients::archive(record.id, version).await?;
        record.patient.set(api::patients::read(record.id).await?);
        asking.set(false);
        Ok(())
    });
    view! {
        <Confirm
            title=t("Archive this record?")
            id="ask-archive"
            verb=t("Archive the record")
            action=archive
            close=move |()| asking.set(false)
        >
            <p><strong class="identifying">{name}</strong></p>
            <p>
                {t("The record leaves the list of patients and takes no more changes. Everything in \
                it is kept, and it can be restored at any time.")}
            </p>
        </Confirm>
    }
}
