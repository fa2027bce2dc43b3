//! Courses of drugs.

use leptos::prelude::*;
use shared::{
    problem::{FieldProblem, Problem},
    therapy::{NewTherapy, Therapy, TherapyKind, TherapyPatch},
};

use super::{
    async_view::AsyncView,
    dialog::{Confirm, Dialog},
    field::{SelectField, TextField},
    record_form::{RecordForm, incomplete, read_day, wire_name},
};
use crate::{api, format, record::Record};

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
                <h2 id="therapies">"Therapies"</h2>
                {move || record.editable().then(|| view! {
                    <button type="button" class="btn btn-small no-print" on:click=move |_| change.set(Some(Change::Add))>
                        "Add therapy"
                    </button>
                })}
            </div>
            <AsyncView
                resource=record.therapies
                render=move |therapies| {
                    if therapies.items.is_empty() {
                        return view! {
                            <p class="muted">"None recorded. Predictions use the classes of drugs in use."</p>
                        }
                        .into_any();
                    }
                    let lines: Vec<_> =
                        therapies.items.into_iter().map(|therapy| view! { <Line therapy change /> }).collect();
                    view! { <ul class="records">{lines}</ul> }.into_any()
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
    let from = format::date(therapy.started_on);
    let time = therapy
        .ended_on
        .map_or_else(|| format!("since {from}"), |end| format!("{from} to {}", format::date(end)));
    let name = therapy.kind.label();
    let (ending, deleting) = (therapy.clone(), therapy.clone());
    let (end_label, delete_label) = (format!("End {name}"), format!("Delete {name}"));
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
                                "End"
                            </button>
                        })}
                        <button
                            type="button"
                            class="btn btn-small btn-quiet"
                            aria-label=delete_label.clone()
                            on:click=move |_| change.set(Some(Change::Delete(deleting.clone())))
                        >
                            "Delete"
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

#[component]
fn Add(close: Callback<()>) -> impl IntoView {
    let record = Record::here();
    let kind = RwSignal::new(wire_name(TherapyKind::RasInhibitor));
    let started = RwSignal::new(format::today().to_string());
    let ended = RwSignal::new(String::new());
    let note = RwSignal::new(String::new());
    let problem = RwSignal::new(None::<Problem>);
    let read = move || {
        let mut errors = Vec::new();
        let started_on = read_day("/started_on", &started.get_untracked());
        let ended_on = Some(ended.get_untracked())
            .filter(|text| !text.is_empty())
            .map(|text| read_day("/ended_on", &text))
            .transpose();
        let kind = TherapyKind::ALL.into_iter().find(|one| wire_name(one) == kind.get_untracked());
        let kind = kind.ok_or_else(|| FieldProblem::new("/kind", "Choose a class."));
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
        TherapyKind::ALL.map(|kind| (wire_name(kind), kind.label().to_owned())).into();
    view! {
        <Dialog title="Add therapy" id="add-therapy" close>
            <RecordForm save verb="Save" close problem>
                <SelectField label="Class" pointer="/kind" value=kind options=kinds problem form="therapy" />
                <div class="grid-2">
                    <TextField label="First day" pointer="/started_on" kind="date" value=started problem form="therapy" required=true />
                    <TextField label="Last day" pointer="/ended_on" kind="date" value=ended problem form="therapy" hint="Empty while it goes on" />
                </div>
                <TextField label="Drug and dose" pointer="/note" value=note problem form="therapy" />
            </RecordForm>
        </Dialog>
    }
}

#[component]
fn End(therapy: Therapy, close: Callback<()>) -> impl IntoView {
    let record = Record::here();
    let ended = RwSignal::new(format::today().to_string());
    let problem = RwSignal::new(None::<Problem>);
    let (id, version) = (therapy.id, therapy.version);
    let save = Action::new_local(move |(): &()| async move {
        let saved = match read_day("/ended_on", &ended.get_untracked()) {
            Ok(day) => {
                let patch = TherapyPatch { ended_on: Some(Some(day)), ..TherapyPatch::default() };
                api::therapies::update(id, version, &patch).await
            }
            Err(wrong) => Err(incomplete(vec![wrong])),
        };
        match saved {
            Ok(_) => after_change(record, close),
            Err(failed) => problem.set(Some(failed)),
        }
    });
    view! {
        <Dialog title=format!("End {}", therapy.kind.label()) id="end-therapy" close>
            <RecordForm save verb="End therapy" close problem>
                <TextField label="Last day" pointer="/ended_on" kind="date" value=ended problem form="end" required=true />
            </RecordForm>
        </Dialog>
    }
}

#[component]
fn Delete(therapy: Therapy, close: Callback<()>) -> impl IntoView {
    let record = Record::here();
    let (id, version) = (therapy.id, therapy.version);
    let action = Action::new_local(move |(): &()| async move {
        api::therapies::delete(id, version).await?;
        after_change(record, close);
        Ok(())
    });
    view! {
        <Confirm
            title=format!("Delete {}?", therapy.kind.label())
            id="delete-therapy"
            verb="Delete therapy"
            action
            close
        >
            <p>"Only for a course that was recorded in error. One that is over is ended instead."</p>
        </Confirm>
    }
}
