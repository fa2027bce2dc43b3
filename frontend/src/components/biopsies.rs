//! Kidney biopsies with their MEST-C scores.

use leptos::prelude::*;
use shared::{
    biopsy::{Biopsy, NewBiopsy},
    problem::{FieldProblem, Problem},
};

use super::{
    async_view::AsyncView,
    dialog::{Confirm, Dialog},
    field::{SelectField, TextField},
    prediction_inputs::mest_c,
    record_form::{RecordForm, incomplete, read_day},
};
use crate::{api, format, record::Record};

#[derive(Clone)]
enum Change {
    Add,
    Delete(Biopsy),
}

/// The list, and ways to add to it and to delete a biopsy recorded in error.
#[component]
pub fn Biopsies() -> impl IntoView {
    let record = Record::here();
    let change = RwSignal::new(None::<Change>);
    let close = Callback::new(move |()| change.set(None));
    view! {
        <section class="card" aria-labelledby="biopsies">
            <div class="card-head">
                <h2 id="biopsies">"Biopsies"</h2>
                {move || record.editable().then(|| view! {
                    <button type="button" class="btn btn-small no-print" on:click=move |_| change.set(Some(Change::Add))>
                        "Add biopsy"
                    </button>
                })}
            </div>
            <AsyncView
                resource=record.biopsies
                render=move |biopsies| {
                    if biopsies.items.is_empty() {
                        return view! {
                            <p class="muted">
                                "None recorded. In IgA nephropathy, add the MEST-C scores."
                            </p>
                        }
                        .into_any();
                    }
                    let lines: Vec<_> =
                        biopsies.items.into_iter().map(|biopsy| view! { <Line biopsy change /> }).collect();
                    view! { <ul class="records">{lines}</ul> }.into_any()
                }
            />
            {move || change.get().map(|asked| match asked {
                Change::Add => view! { <Add close /> }.into_any(),
                Change::Delete(biopsy) => view! { <Delete biopsy close /> }.into_any(),
            })}
        </section>
    }
}

#[component]
fn Line(biopsy: Biopsy, change: RwSignal<Option<Change>>) -> impl IntoView {
    let record = Record::here();
    let day = format::date(biopsy.performed_on);
    let Biopsy { m, e, s, t, c, .. } = biopsy;
    let any = [m, e, s, t, c].iter().any(Option::is_some);
    let scores = any.then(|| mest_c([("M", m), ("E", e), ("S", s), ("T", t), ("C", c)]));
    let label = format!("Delete the biopsy of {day}");
    let diagnosis = biopsy.diagnosis.clone();
    view! {
        <li class="record">
            <div>
                <p><strong>{diagnosis}</strong></p>
                <p class="fine">{day}</p>
                {scores.map(|scores| view! {
                    <p class="fine"><span class="visually-hidden">"MEST-C "</span><code>{scores}</code></p>
                })}
            </div>
            {move || record.editable().then(|| {
                let biopsy = biopsy.clone();
                view! {
                    <div class="record-actions no-print">
                        <button
                            type="button"
                            class="btn btn-small btn-quiet"
                            aria-label=label.clone()
                            on:click=move |_| change.set(Some(Change::Delete(biopsy.clone())))
                        >
                            "Delete"
                        </button>
                    </div>
                }
            })}
        </li>
    }
}

fn after_change(record: Record, close: Callback<()>) {
    record.changed.set(true);
    record.biopsies.refetch();
    close.run(());
}

/// The scores: name, where they stand in the request, and the highest.
const SCORES: [(&str, &str, u8); 5] = [
    ("M: mesangial hypercellularity", "/m", 1),
    ("E: endocapillary hypercellularity", "/e", 1),
    ("S: segmental sclerosis", "/s", 1),
    ("T: tubular atrophy, fibrosis", "/t", 2),
    ("C: crescents", "/c", 2),
];

#[component]
fn Add(close: Callback<()>) -> impl IntoView {
    let record = Record::here();
    let day = RwSignal::new(String::new());
    let diagnosis = RwSignal::new(String::new());
    let scores = SCORES.map(|_| RwSignal::new(String::new()));
    let problem = RwSignal::new(None::<Problem>);
    let read = move || {
        let mut errors = Vec::new();
        let performed_on =
            read_day("/performed_on", &day.get_untracked()).map_err(|wrong| errors.push(wrong));
        let diagnosis = diagnosis.get_untracked().trim().to_owned();
        if diagnosis.is_empty() {
            errors.push(FieldProblem::new("/diagnosis", "Enter the diagnosis."));
        }
        // An empty choice is an unknown score, which is not 0.
        let [m, e, s, t, c] = scores.map(|score| score.get_untracked().parse().ok());
        match performed_on {
            Ok(performed_on) if errors.is_empty() => {
                Ok(NewBiopsy { performed_on, diagnosis, m, e, s, t, c })
            }
            _ => Err(incomplete(errors)),
        }
    };
    let save = Action::new_local(move |(): &()| async move {
        let saved = match read() {
            Ok(new) => api::biopsies::create(record.id, &new).await,
            Err(incomplete) => Err(incomplete),
        };
        match saved {
            Ok(_) => after_change(record, close),
            Err(failed) => problem.set(Some(failed)),
        }
    });
    let fields: Vec<_> = SCORES
        .into_iter()
        .zip(scores)
        .map(|((label, pointer, most), value)| {
            let unknown = (String::new(), "not known".to_owned());
            let known = (0..=most).map(|score| (score.to_string(), score.to_string()));
            let options: Vec<(String, String)> = std::iter::once(unknown).chain(known).collect();
            view! { <SelectField label pointer value options problem form="biopsy" /> }
        })
        .collect();
    view! {
        <Dialog title="Add biopsy" id="add-biopsy" close>
            <RecordForm save verb="Save" close problem>
                <TextField label="Day of the biopsy" pointer="/performed_on" kind="date" value=day problem form="biopsy" required=true />
                <TextField label="Diagnosis" pointer="/diagnosis" value=diagnosis problem form="biopsy" required=true />
                <fieldset class="stack">
                    <legend><strong>"MEST-C scores"</strong></legend>
                    {fields}
                </fieldset>
            </RecordForm>
        </Dialog>
    }
}

#[component]
fn Delete(biopsy: Biopsy, close: Callback<()>) -> impl IntoView {
    let record = Record::here();
    let (id, version) = (biopsy.id, biopsy.version);
    let action = Action::new_local(move |(): &()| async move {
        api::biopsies::delete(id, version).await?;
        after_change(record, close);
        Ok(())
    });
    view! {
        <Confirm
            title=format!("Delete the biopsy of {}?", format::date(biopsy.performed_on))
            id="delete-biopsy"
            verb="Delete biopsy"
            action
            close
        >
            <p>"Only for a biopsy that was recorded in error."</p>
        </Confirm>
    }
}
