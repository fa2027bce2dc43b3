//! Courses of drugs.

use leptos::prelude::*;
use shared::{
    id::TherapyId,
    problem::{FieldProblem, Problem, ProblemKind},
    therapy::{NewTherapy, Therapy, TherapyKind, TherapyPatch},
};

use super::{
    async_view::AsyncView,
    dialog::{Confirm, Dialog},
    field::{SelectField, TextField},
    record_form::{RecordForm, incomplete, read_day, wire_name},
    therapy_course::{therapy_course, time},
};
use crate::{api, format, kept::Kept, language::t, record::Record, tf};

/// What is to be done with a course.
#[derive(Clone)]
enum Change {
    Add,
    End(Therapy),
    Delete(Therapy),
}

/// The list, and ways to add to it, end a course, and delete one recorded in error.
#[component]
pub fn Therapies() -> impl IntoView {
    let record = Record::here();
    let change = RwSignal::new(None::<Change>);
    let close = Callback::new(move |()| change.set(None));
    view! {
        <section class="card" aria-labelledby="therapies">
            <div class="card-head">
                <h2 id="therapies">{t("Therapies")}</h2>
                {move || record.editable().then(|| view! {
                    <button type="button" class="btn btn-small no-print" on:click=move |_| change.set(Some(Change::Add))>
                        {t("Add therapy")}
                    </button>
                })}
            </div>
            <AsyncView
                resource=record.therapies
                render=move |therapies| {
                    if therapies.items.is_empty() {
                        return view! {
                            <p class="muted">{t("None recorded. Predictions use the classes of drugs in use.")}</p>
                        }
                        .into_any();
                    }
                    let course = therapy_course(&therapies.items);
                    let lines: Vec<_> =
                        therapies.items.into_iter().map(|therapy| view! { <Line therapy change /> }).collect();
                    view! {
                        {course}
                        <ul class="records">{lines}</ul>
                    }
                    .into_any()
                }
            />
            {move || change.get().map(|asked| match asked {
                Change::Add => view! { <Add close /> }.into_any(),
                Change::End(therapy) => view! { <End therapy close /> }.into_any(),
                Change::Delete(therapy) => view! { <Delete therapy close /> }.into_any(),
            })}
        </section>
    }
}

#[component]
fn Line(therapy: Therapy, change: RwSignal<Option<Change>>) -> impl IntoView {
    let record = Record::here();
    let goes_on = therapy.ended_on.is_none();
    let time = time(&therapy);
    let name = t(therapy.kind.label());
    let (ending, deleting) = (therapy.clone(), therapy.clone());
    let (end_label, delete_label) =
        (tf!("End {therapy}", therapy = name), tf!("Delete {therapy}", therapy = name));
    view! {
        <li class="record" class:gone=!goes_on>
            <div>
                <p><strong>{name}</strong></p>
                <p class="fine">{time}</p>
                {therapy.note.map(|note| view! { <p class="fine">{note}</p> })}
            </div>
            {move || record.editable().then(|| {
                let (ending, deleting) = (ending.clone(), deleting.clone());
                view! {
                    <div class="record-actions no-print">
                        {goes_on.then(|| view! {
                            <button
                                type="button"
                                class="btn btn-small"
                                aria-label=end_label.clone()
                                on:click=move |_| change.set(Some(Change::End(ending.clone())))
                            >
                                {t("End")}
                            </button>
                        })}
                        <button
                            type="button"
                            class="btn btn-small btn-quiet"
                            aria-label=delete_label.clone()
                            on:click=move |_| change.set(Some(Change::Delete(deleting.clone())))
                        >
                            {t("Delete")}
                        </button>
                    </div>
                }
            })}
        </li>
    }
}

/// Loads the list again after a change and closes the dialog.
fn after_change(record: Record, close: Callback<()>) {
    record.changed.set(true);
    record.therapies.refetch();
    close.run(());
}

/// What kept a change from being saved. If somebody else has changed the course meanwhile, says what
/// it is now; the next attempt then is based on that.
async fn met(record: Record, id: TherapyId, version: RwSignal<i32>, failed: Problem) -> Problem {
    if failed.kind != ProblemKind::Stale {
        return failed;
    }
    let now = match api::therapies::list(record.id).await {
        Ok(therapies) => therapies.items.into_iter().find(|one| one.id == id),
        Err(unread) => return unread,
    };
    record.therapies.refetch();
    let detail = match now {
        Some(now) => {
            let _ = version.try_set(now.version);
            tf!(
                "It is recorded now as: {therapy}, {time}. If you still want your change, press the button again.",
                therapy = t(now.kind.label()),
                time = time(&now),
            )
        }
        None => t("Somebody has deleted this course. Nothing is left to change.").to_owned(),
    };
    Problem { detail: Some(detail), ..failed }
}

#[component]
fn Add(close: Callback<()>) -> impl IntoView {
    let record = Record::here();
    let kind = RwSignal::new(wire_name(TherapyKind::RasInhibitor));
    let started = RwSignal::new(format::today().to_string());
    let ended = RwSignal::new(String::new());
    let note = RwSignal::new(String::new());
    let kept = Kept::of(&format!("therapy.{}", record.id)).fields(&[kind, started, ended, note]);
    let close = kept.closing(close);
    let problem = RwSignal::new(None::<Problem>);
    let read = move || {
        let mut errors = Vec::new();
        let started_on = read_day("/started_on", &started.get_untracked());
        let ended_on = Some(ended.get_untracked())
            .filter(|text| !text.is_empty())
            .map(|text| read_day("/ended_on", &text))
            .transpose();
        let kind = TherapyKind::ALL.into_iter().find(|one| wire_name(one) == kind.get_untracked());
        let kind = kind.ok_or_else(|| FieldProblem::new("/kind", t("Choose a class.")));
        let note = Some(note.get_untracked().trim().to_owned()).filter(|note| !note.is_empty());
        let started_on = started_on.map_err(|wrong| errors.push(wrong));
        let ended_on = ended_on.map_err(|wrong| errors.push(wrong));
        let kind = kind.map_err(|wrong| errors.push(wrong));
        match (kind, started_on, ended_on) {
            (Ok(kind), Ok(started_on), Ok(ended_on)) => {
                Ok(NewTherapy { kind, started_on, ended_on, note })
            }
            _ => Err(incomplete(errors)),
        }
    };
    let save = Action::new_local(move |(): &()| async move {
        let saved = match read() {
            Ok(new) => api::therapies::create(record.id, &new).await,
            Err(incomplete) => Err(incomplete),
        };
        match saved {
            Ok(_) => after_change(record, close),
            Err(failed) => problem.set(Some(failed)),
        }
    });
    let kinds: Vec<(String, String)> =
        TherapyKind::ALL.map(|kind| (wire_name(kind), t(kind.label()).to_owned())).into();
    let before = untrack(|| record.therapies.get());
    let before = before.and_then(Result::ok).map(|therapies| therapies.items).unwrap_or_default();
    view! {
        <Dialog title=t("Add therapy") id="add-therapy" close>
            {therapy_course(&before)}
            <RecordForm save verb=t("Save") close problem>
                <SelectField label=t("Class") pointer="/kind" value=kind options=kinds problem form="therapy" />
                <div class="grid-2">
                    <TextField label=t("First day") pointer="/started_on" kind="date" value=started problem form="therapy" required=true />
                    <TextField label=t("Last day") pointer="/ended_on" kind="date" value=ended problem form="therapy" hint=t("Empty while it goes on") />
                </div>
                <TextField label=t("Drug and dose") pointer="/note" value=note problem form="therapy" />
            </RecordForm>
        </Dialog>
    }
}

#[component]
fn End(therapy: Therapy, close: Callback<()>) -> impl IntoView {
    let record = Record::here();
    let ended = RwSignal::new(format::today().to_string());
    let problem = RwSignal::new(None::<Problem>);
    let (id, version) = (therapy.id, RwSignal::new(therapy.version));
    let save = Action::new_local(move |(): &()| async move {
        let saved = match read_day("/ended_on", &ended.get_untracked()) {
            Ok(day) => {
                let patch = TherapyPatch { ended_on: Some(Some(day)), ..TherapyPatch::default() };
                api::therapies::update(id, version.get_untracked(), &patch).await
            }
            Err(wrong) => Err(incomplete(vec![wrong])),
        };
        match saved {
            Ok(_) => after_change(record, close),
            Err(failed) => problem.set(Some(met(record, id, version, failed).await)),
        }
    });
    view! {
        <Dialog title=tf!("End {therapy}", therapy = t(therapy.kind.label())) id="end-therapy" close>
            <RecordForm save verb=t("End therapy") close problem>
                <TextField label=t("Last day") pointer="/ended_on" kind="date" value=ended problem form="end" required=true />
            </RecordForm>
        </Dialog>
    }
}

#[component]
fn Delete(therapy: Therapy, close: Callback<()>) -> impl IntoView {
    let record = Record::here();
    let (id, version) = (therapy.id, RwSignal::new(therapy.version));
    let action = Action::new_local(move |(): &()| async move {
        match api::therapies::delete(id, version.get_untracked()).await {
            Ok(()) => {
                after_change(record, close);
                Ok(())
            }
            Err(failed) => Err(met(record, id, version, failed).await),
        }
    });
    view! {
        <Confirm
            title=tf!("Delete {therapy}?", therapy = t(therapy.kind.label()))
            id="delete-therapy"
            verb=t("Delete therapy")
            action
            close
        >
            <p>{t("Only for a course that was recorded in error. One that is over is ended instead.")}</p>
        </Confirm>
    }
}
