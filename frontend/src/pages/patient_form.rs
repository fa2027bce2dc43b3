//! Registering a patient, and changing what is recorded about one.

use leptos::prelude::*;
use leptos_router::{
    NavigateOptions,
    components::A,
    hooks::{use_navigate, use_params_map},
};
use shared::{
    id::PatientId,
    patient::{NewPatient, Patient},
    problem::{Problem, ProblemKind},
};

use crate::{
    api,
    app::set_title,
    components::{
        async_view::AsyncView,
        patient_draft::{Change, Draft, FromRecord, merge, patch},
        patient_fields::PatientFields,
        perhaps_known::PerhapsKnown,
        problem_note::FormProblem,
    },
    format,
    kept::Kept,
    language::t,
    tf,
};

/// Registers a patient.
#[component]
pub fn NewPatientPage() -> impl IntoView {
    set_title(t("New patient"));
    let draft = Draft::empty();
    let kept = Kept::of("new-patient");
    draft.put(&kept.read::<Vec<String>>().unwrap_or_default());
    let keep = kept.clone();
    Effect::watch(move || draft.texts(), move |texts, _, _| keep.write(texts), false);
    let forget = {
        let kept = kept.clone();
        Callback::new(move |()| kept.forget())
    };
    let problem = RwSignal::new(None::<Problem>);
    let navigate = use_navigate();
    let save = Action::new_local(move |(): &()| {
        let navigate = navigate.clone();
        async move {
            problem.set(None);
            let created = match draft.read() {
                Ok(new) => api::patients::create(&new).await,
                Err(incomplete) => Err(incomplete),
            };
            match created {
                Ok(patient) => {
                    forget.run(());
                    navigate(&format!("/patients/{}", patient.id), NavigateOptions::default());
                }
                Err(failed) => show(problem, failed),
            }
        }
    });
    view! {
        <div class="page page-narrow">
            <h1>{t("New patient")}</h1>
            <PatientForm draft problem save forget back="/patients".to_owned() verb=t("Register") />
            <PerhapsKnown draft />
        </div>
    }
}

/// Changes a patient's facts.
#[component]
pub fn EditPatientPage() -> impl IntoView {
    set_title(t("Change facts"));
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
        <div class="page page-narrow">
            <AsyncView resource=patient rows=8 render=|patient| view! { <EditPatient patient /> } />
        </div>
    }
}

#[component]
fn EditPatient(patient: Patient) -> impl IntoView {
    let id = patient.id;
    let kept = Kept::of(&format!("facts.{id}"));
    // What was typed before the page was loaded again, and the record that it was typed upon: if
    // that has changed since, saving finds out.
    let (patient, draft) = if let Some((texts, before)) = kept.read::<(Vec<String>, Patient)>() {
        let draft = Draft::of(&before);
        draft.put(&texts);
        (before, draft)
    } else {
        let draft = Draft::of(&patient);
        (patient, draft)
    };
    let name = format!("{} {}", patient.given_name, patient.family_name);
    let recorded = RwSignal::new(patient);
    let keep = kept.clone();
    Effect::watch(
        move || (draft.texts(), recorded.get()),
        move |typed, _, _| keep.write(typed),
        false,
    );
    let forget = Callback::new(move |()| kept.forget());
    let problem = RwSignal::new(None::<Problem>);
    let newer = RwSignal::new(None::<Vec<Change>>);
    let page = format!("/patients/{id}");
    let navigate = use_navigate();
    let save = Action::new_local(move |(): &()| {
        let navigate = navigate.clone();
        async move {
            problem.set(None);
            newer.set(None);
            let saved = match draft.read() {
                Ok(ours) => save_changes(recorded, &ours).await,
                Err(incomplete) => Err(incomplete),
            };
            let saved = match saved {
                Err(stale) if stale.kind == ProblemKind::Stale => {
                    catch_up(recorded, draft).await.map(Some)
                }
                saved => saved.map(|()| None),
            };
            match saved {
                Ok(None) => {
                    forget.run(());
                    navigate(&format!("/patients/{id}"), NavigateOptions::default());
                }
                Ok(Some(changes)) => {
                    newer.set(Some(changes));
                    request_animation_frame(|| crate::app::focus("newer"));
                }
                Err(failed) => show(problem, failed),
            }
        }
    });
    view! {
        <div class="page-head">
            <h1>{t("Facts about")} " " <span class="identifying">{name}</span></h1>
        </div>
        {move || newer.get().map(|changes| {
            let changed_at = recorded.with_untracked(|recorded| recorded.updated_at);
            let take_over = Callback::new(move |()| {
                draft.take(recorded.with_untracked(NewPatient::from_record));
                newer.set(None);
            });
            view! { <ChangedMeanwhile changes changed_at take_over /> }
        })}
        <PatientForm draft problem save forget back=page verb=t("Save") />
        <Archive recorded />
    }
}

/// The form itself, the same for a new patient and a known one.
#[component]
fn PatientForm(
    draft: Draft,
    problem: RwSignal<Option<Problem>>,
    save: Action<(), ()>,
    /// What is typed is thrown away.
    forget: Callback<()>,
    back: String,
    verb: &'static str,
) -> impl IntoView {
    let pending = save.pending();
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        if !pending.get_untracked() {
            save.dispatch_local(());
        }
    };
    // The browser's own checks would stop at the first field: ours name them all.
    view! {
        <form class="stack" novalidate=true on:submit=submit>
            <div id="form-problem" tabindex="-1"><FormProblem problem /></div>
            <PatientFields draft problem />
            <div class="form-actions">
                <button
                    type="submit"
                    class="btn btn-primary"
                    aria-disabled=move || pending.get().to_string()
                >
                    {move || {
                        pending.get().then(|| view! { <span class="spinner" aria-hidden="true"></span> })
                    }}
                    {verb}
                </button>
                <A href=back attr:class="btn btn-quiet" on:click=move |_| forget.run(())>{t("Cancel")}</A>
            </div>
        </form>
    }
}

/// Somebody else was faster: what they changed is in the form now, and the own changes still are.
#[component]
fn ChangedMeanwhile(
    changes: Vec<Change>,
    changed_at: chrono::DateTime<chrono::Utc>,
    /// Puts the record as it is now into the form.
    take_over: Callback<()>,
) -> impl IntoView {
    let lines: Vec<_> = changes
        .into_iter()
        .map(|Change { label, before, theirs, ours }| {
            let says = match ours {
                None => tf!("was “{before}”, is recorded now as “{theirs}”", before = before, theirs = theirs),
                Some(ours) => tf!(
                    "was “{before}”, is recorded now as “{theirs}”; yours is “{ours}”, and stands in the form",
                    before = before,
                    theirs = theirs,
                    ours = ours,
                ),
            };
            view! { <li><strong>{label}</strong> ": " <span class="identifying">{says}</span></li> }
        })
        .collect();
    view! {
        <div class="notice notice-warning" role="alert" id="newer" tabindex="-1">
            <p class="notice-title">{t("Somebody changed this record while you were editing")}</p>
            <p>
                {tf!(
                    "It was last changed on {time}. Their changes are in the form below now, and yours are kept. Nothing of yours has been saved yet.",
                    time = format::date_time(changed_at),
                )}
            </p>
            <ul>{lines}</ul>
            <p>{t("Look it over, then press Save again to keep what the form shows.")}</p>
            <button type="button" class="btn btn-small" on:click=move |_| take_over.run(())>
                {t("Take over the record as it is now")}
            </button>
        </div>
    }
}

/// Taking a record out of use, and into use again.
#[component]
fn Archive(recorded: RwSignal<Patient>) -> impl IntoView {
    let problem = RwSignal::new(None::<Problem>);
    let toggle = Action::new_local(move |archive: &bool| {
        let archive = *archive;
        async move {
            problem.set(None);
            let (id, version) = recorded.with_untracked(|patient| (patient.id, patient.version));
            let changed = if archive {
                match api::patients::archive(id, version).await {
                    Ok(()) => api::patients::read(id).await,
                    Err(failed) => Err(failed),
                }
            } else {
                api::patients::restore(id).await
            };
            match changed {
                Ok(patient) => recorded.set(patient),
                Err(failed) => problem.set(Some(failed)),
            }
        }
    });
    let pending = toggle.pending();
    let archived_at = move || recorded.with(|patient| patient.archived_at);
    view! {
        <section class="card stack-tight" aria-labelledby="archive">
            <h2 id="archive">{move || if archived_at().is_some() { t("Archived") } else { t("Archive") }}</h2>
            <FormProblem problem />
            <p class="muted" role="status">
                {move || match archived_at() {
                    Some(moment) => {
                        tf!("Out of use since {moment}. Everything in it is kept.", moment = format::date_time(moment))
                    }
                    None => t("Takes the record out of the list. Everything in it is kept, and it can \
                             be restored at any time.")
                        .to_owned(),
                }}
            </p>
            <div>
                <button
                    type="button"
                    class="btn"
                    class:btn-danger=move || archived_at().is_none()
                    disabled=move || pending.get()
                    on:click=move |_| {
                        toggle.dispatch_local(archived_at().is_none());
                    }
                >
                    {move || if archived_at().is_some() { t("Restore this record") } else { t("Archive this record") }}
                </button>
            </div>
        </section>
    }
}

/// Sends what differs from the record; nothing, if nothing does.
async fn save_changes(recorded: RwSignal<Patient>, ours: &NewPatient) -> api::Result<()> {
    let (id, version, base) = recorded
        .with_untracked(|patient| (patient.id, patient.version, NewPatient::from_record(patient)));
    if *ours == base {
        return Ok(());
    }
    api::patients::update(id, version, &patch(&base, ours)).await.map(|_| ())
}

/// Loads the newer record and brings the form up to it; answers what the other side changed.
async fn catch_up(recorded: RwSignal<Patient>, draft: Draft) -> api::Result<Vec<Change>> {
    let newer = api::patients::read(recorded.with_untracked(|patient| patient.id)).await?;
    let base = recorded.with_untracked(NewPatient::from_record);
    let ours = draft.read()?;
    let (merged, changes) = merge(&base, &ours, &NewPatient::from_record(&newer));
    draft.take(merged);
    recorded.set(newer);
    Ok(changes)
}

/// Shows a problem above the form and moves there, so that nobody waits for what will not come.
fn show(problem: RwSignal<Option<Problem>>, failed: Problem) {
    problem.set(Some(failed));
    crate::app::focus("form-problem");
}
