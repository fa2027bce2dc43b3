//! What the short forms of therapies, biopsies and outcomes have in common.

use chrono::NaiveDate;
use leptos::prelude::*;
use serde_json::Value;
use shared::problem::{FieldProblem, Problem, ProblemKind};

use super::problem_note::FormProblem;
use crate::connection;

use crate::language::t;

/// A day as an input holds it, or what is wrong with it.
pub fn read_day(pointer: &str, text: &str) -> Result<NaiveDate, FieldProblem> {
    text.parse().map_err(|_| FieldProblem::new(pointer, t("Enter a date.")))
}

/// A problem made of what is wrong with fields.
pub fn incomplete(errors: Vec<FieldProblem>) -> Problem {
    Problem { errors, ..Problem::new(ProblemKind::Invalid) }
}

/// The name of a unit-like enum on the wire, for the values of options.
pub fn wire_name(value: impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(name)) => name,
        _ => String::new(),
    }
}

/// A short form in a dialog: fields, problem, save and cancel.
#[component]
pub fn RecordForm(
    /// Saves what is typed.
    save: Action<(), ()>,
    /// What the button says.
    verb: &'static str,
    /// Takes the dialog off the page.
    close: Callback<()>,
    /// The last attempt's problem.
    problem: RwSignal<Option<Problem>>,
    /// The fields.
    children: Children,
) -> impl IntoView {
    let pending = save.pending();
    // Who closes the form does not want sent what still waits for the server.
    on_cleanup(move || {
        if pending.try_get_untracked() == Some(true) {
            connection::give_up();
        }
    });
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        if !pending.get_untracked() {
            problem.set(None);
            save.dispatch_local(());
        }
    };
    view! {
        <form class="stack" novalidate=true on:submit=submit>
            <FormProblem problem />
            {children()}
            <div class="form-actions">
                <button type="submit" class="btn btn-primary" disabled=move || pending.get()>
                    {verb}
                </button>
                <button type="button" class="btn btn-quiet" on:click=move |_| close.run(())>
                    {t("Cancel")}
                </button>
            </div>
        </form>
    }
}
