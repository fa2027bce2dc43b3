//! Records values: several at once, all of them or none.

use leptos::prelude::*;
use shared::{
    observation::{NewObservations, ObservationCode},
    problem::{Problem, ProblemKind},
};

use super::{
    observation_row::{Row, RowFields},
    problem_note::FormProblem,
};
use crate::{api, format, record::Record};

/// What follows what, when several values of one visit are typed.
const USUAL: [ObservationCode; 8] = [
    ObservationCode::Creatinine,
    ObservationCode::Uacr,
    ObservationCode::Potassium,
    ObservationCode::Bicarbonate,
    ObservationCode::Albumin,
    ObservationCode::Phosphate,
    ObservationCode::Calcium,
    ObservationCode::Haemoglobin,
];

/// The rows that are being filled in.
#[derive(Clone, Copy)]
struct Draft {
    rows: RwSignal<Vec<Row>>,
    next: StoredValue<usize>,
}

impl Draft {
    fn new() -> Self {
        let draft = Self { rows: RwSignal::new(Vec::new()), next: StoredValue::new(0) };
        draft.add();
        draft
    }

    /// One more row, of the same time as the last.
    fn add(self) {
        let key = self.next.get_value();
        self.next.set_value(key + 1);
        let (taken, at) = self.rows.with_untracked(|rows| {
            let taken: Vec<String> = rows.iter().map(|row| row.code.get_untracked()).collect();
            (taken, rows.last().map(|row| row.at.get_untracked()))
        });
        let code = USUAL.into_iter().find(|code| !taken.iter().any(|one| one == code.as_str()));
        let at = at.unwrap_or_else(|| format::to_input(format::now()));
        let row = Row::new(key, code.unwrap_or(ObservationCode::Creatinine), at);
        self.rows.update(|rows| rows.push(row));
    }

    fn remove(self, key: usize) {
        self.rows.update(|rows| rows.retain(|row| row.key != key));
    }

    fn clear(self) {
        self.rows.set(Vec::new());
        self.add();
    }

    /// What is typed, or everything that is wrong with it.
    fn read(self) -> api::Result<NewObservations> {
        let mut observations = Vec::new();
        let mut errors = Vec::new();
        for row in self.rows.get_untracked() {
            match row.read() {
                Ok(new) => observations.push(new),
                Err(wrong) => errors.extend(wrong),
            }
        }
        if errors.is_empty() {
            Ok(NewObservations { observations })
        } else {
            Err(Problem { errors, ..Problem::new(ProblemKind::Invalid) })
        }
    }

    /// The server counts rows (`/observations/0/value`); rows know themselves by key.
    fn by_row(self, mut problem: Problem) -> Problem {
        let rows = self.rows.get_untracked();
        for error in &mut problem.errors {
            let place = error.pointer.strip_prefix("/observations/").and_then(|rest| {
                let (index, field) = rest.split_once('/')?;
                Some((rows.get(index.parse::<usize>().ok()?)?, field))
            });
            if let Some((row, field)) = place {
                error.pointer = row.pointer(field);
            }
        }
        problem
    }
}

/// The form.
#[component]
pub fn ObservationForm() -> impl IntoView {
    let record = Record::here();
    let draft = Draft::new();
    let problem = RwSignal::new(None::<Problem>);
    let saved = RwSignal::new(None::<usize>);
    let save = Action::new_local(move |(): &()| async move {
        problem.set(None);
        saved.set(None);
        let recorded = match draft.read() {
            Ok(new) => api::observations::create(record.id, &new).await,
            Err(incomplete) => Err(incomplete),
        };
        match recorded {
            Ok(items) => {
                saved.set(Some(items.items.len()));
                draft.clear();
                record.changed.set(true);
                record.observations.refetch();
            }
            Err(failed) => {
                problem.set(Some(draft.by_row(failed)));
                crate::app::focus("new-values-problem");
            }
        }
    });
    let pending = save.pending();
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        if !pending.get_untracked() {
            save.dispatch_local(());
        }
    };
    view! {
        <form class="stack value-form no-print" novalidate=true on:submit=submit aria-label="Record values">
            <div id="new-values-problem" tabindex="-1"><FormProblem problem /></div>
            <For each=move || draft.rows.get() key=|row| row.key let:row>
                <RowFields
                    row
                    problem
                    place=Signal::derive(move || {
                        draft.rows.with(|rows| {
                            rows.iter().position(|one| one.key == row.key).map_or(1, |place| place + 1)
                        })
                    })
                    remove=Signal::derive(move || {
                        (1 < draft.rows.with(Vec::len))
                            .then(|| Callback::new(move |()| draft.remove(row.key)))
                    })
                />
            </For>
            <div class="form-actions">
                <button
                    type="submit"
                    class="btn btn-primary"
                    aria-disabled=move || pending.get().to_string()
                >
                    {move || pending.get().then(|| {
                        view! { <span class="spinner" aria-hidden="true"></span> }
                    })}
                    "Record"
                </button>
                <button type="button" class="btn" on:click=move |_| draft.add()>
                    "Add another value"
                </button>
                <span class="fine" role="status">
                    {move || saved.get().map(|count| match count {
                        1 => "1 value recorded.".to_owned(),
                        count => format!("{count} values recorded, computed ones included."),
                    })}
                </span>
            </div>
        </form>
    }
}
