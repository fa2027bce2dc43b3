//! Putting a value right, and taking one out: both with a reason, both leaving a trace.

use leptos::prelude::*;
use shared::{
    observation::{Observation, ObservationCorrection, ObservationVoid},
    problem::{FieldProblem, Problem, ProblemKind},
};

use super::{
    dialog::Dialog,
    field::{SelectField, TextField},
    observation_row::{read_value, unit_options},
    problem_note::FormProblem,
};
use crate::{api, format, kept::Kept, language::t, record::Record, tf};

/// What is to be done with a value.
#[derive(Clone)]
pub enum Change {
    /// Puts the right one in its place.
    Correct(Observation),
    /// Takes it out.
    Void(Observation),
}

impl Change {
    /// The dialog that asks for what is needed.
    pub fn dialog(self, close: Callback<()>) -> AnyView {
        match self {
            Self::Correct(value) => view! { <Correct value close /> }.into_any(),
            Self::Void(value) => view! { <Void value close /> }.into_any(),
        }
    }
}

fn about(value: &Observation) -> String {
    tf!(
        "{what} of {when}: {value}",
        what = t(value.code.label()),
        when = format::date_time(value.effective_at),
        value = format::quantity(value.value_as_given, &value.unit_as_given)
    )
}

fn incomplete(errors: Vec<FieldProblem>) -> Problem {
    Problem { errors, ..Problem::new(ProblemKind::Invalid) }
}

fn reason_missing(reason: &str) -> Option<FieldProblem> {
    reason.is_empty().then(|| FieldProblem::new("/reason", t("Say why.")))
}

/// What a change of one value leads to: everything that rests on it is loaded again.
fn after_change(record: Record, close: Callback<()>) {
    record.changed.set(true);
    record.observations.refetch();
    close.run(());
}

#[component]
fn Correct(value: Observation, close: Callback<()>) -> impl IntoView {
    let record = Record::here();
    let typed = RwSignal::new(value.value_as_given.to_string());
    let unit = RwSignal::new(value.unit_as_given.clone());
    let reason = RwSignal::new(String::new());
    let problem = RwSignal::new(None::<Problem>);
    let (id, code) = (value.id, value.code);
    let close = Kept::of(&format!("correct.{id}")).fields(&[typed, unit, reason]).closing(close);
    let save = Action::new_local(move |(): &()| async move {
        let why = reason.get_untracked().trim().to_owned();
        let mut errors: Vec<FieldProblem> = reason_missing(&why).into_iter().collect();
        let number = read_value(code, &typed.get_untracked(), &unit.get_untracked());
        let number = number.map_err(|message| errors.push(FieldProblem::new("/value", message)));
        let saved = match number {
            Ok(value) if errors.is_empty() => {
                let unit = unit.get_untracked();
                let right = ObservationCorrection { value, unit, reason: why };
                api::observations::correct(id, &right).await
            }
            _ => Err(incomplete(errors)),
        };
        match saved {
            Ok(_) => after_change(record, close),
            Err(failed) => problem.set(Some(failed)),
        }
    });
    view! {
        <Dialog title=t("Correct a value") id="correct-value" close>
            <p>{about(&value)}</p>
            <form class="stack" novalidate=true on:submit=move |event| {
                event.prevent_default();
                save.dispatch_local(());
            }>
                <FormProblem problem />
                <div class="grid-2">
                    <TextField label=t("Right value") pointer="/value" kind="number" value=typed problem form="correct" required=true />
                    <SelectField
                        label=t("Unit")
                        pointer="/unit"
                        value=unit
                        options=unit_options(code, &value.unit_as_given)
                        problem
                        form="correct"
                    />
                </div>
                <TextField
                    label=t("Reason")
                    pointer="/reason"
                    value=reason
                    problem
                    form="correct"
                    required=true
                    hint=t("Why the recorded value was wrong. It stays, marked as corrected.")
                />
                <Buttons pending=save.pending() verb=t("Save the correction") close danger=false />
            </form>
        </Dialog>
    }
}

#[component]
fn Void(value: Observation, close: Callback<()>) -> impl IntoView {
    let record = Record::here();
    let reason = RwSignal::new(String::new());
    let problem = RwSignal::new(None::<Problem>);
    let id = value.id;
    let close = Kept::of(&format!("void.{id}")).fields(&[reason]).closing(close);
    let save = Action::new_local(move |(): &()| async move {
        let why = reason.get_untracked().trim().to_owned();
        let saved = match reason_missing(&why) {
            Some(missing) => Err(incomplete(vec![missing])),
            None => api::observations::void(id, &ObservationVoid { reason: why }).await,
        };
        match saved {
            Ok(_) => after_change(record, close),
            Err(failed) => problem.set(Some(failed)),
        }
    });
    view! {
        <Dialog title=t("Void a value") id="void-value" close>
            <p>{about(&value)}</p>
            <form class="stack" novalidate=true on:submit=move |event| {
                event.prevent_default();
                save.dispatch_local(());
            }>
                <FormProblem problem />
                <TextField
                    label=t("Reason")
                    pointer="/reason"
                    value=reason
                    problem
                    form="void"
                    required=true
                    hint=t("Why it should never have been recorded. It stays, struck through, and counts \
                          no more; neither does what was computed from it.")
                />
                <Buttons pending=save.pending() verb=t("Void the value") close danger=true />
            </form>
        </Dialog>
    }
}

#[component]
fn Buttons(
    pending: Memo<bool>,
    verb: &'static str,
    close: Callback<()>,
    danger: bool,
) -> impl IntoView {
    view! {
        <div class="form-actions">
            <button
                type="submit"
                class=if danger { "btn btn-danger" } else { "btn btn-primary" }
                disabled=move || pending.get()
            >
                {verb}
            </button>
            <button type="button" class="btn btn-quiet" on:click=move |_| close.run(())>
                {t("Cancel")}
            </button>
        </div>
    }
}
