//! One value on its way into the record.

use leptos::prelude::*;
use shared::{
    clinical::units::{Plausibility, plausibility, to_canonical},
    observation::{NewObservation, ObservationCode},
    problem::{FieldProblem, Problem, ProblemKind},
};

use wasm_bindgen::JsCast;

use super::field::{SelectField, TextField};
use crate::{
    format,
    language::{said, t},
    session, tf,
};

/// What stands in a row: code, value, unit, time, note.
pub type Typed = [String; 5];

/// What is typed of one value.
#[derive(Clone, Copy, PartialEq)]
pub struct Row {
    /// Tells rows apart, whatever is added or removed.
    pub key: usize,
    /// The code on the wire.
    pub code: RwSignal<String>,
    /// The number as typed.
    pub value: RwSignal<String>,
    /// The UCUM unit.
    pub unit: RwSignal<String>,
    /// When, as a `datetime-local` input has it.
    pub at: RwSignal<String>,
    /// A remark.
    pub note: RwSignal<String>,
}

impl Row {
    /// An empty row for a code, at a time.
    pub fn new(key: usize, code: ObservationCode, at: String) -> Self {
        Self {
            key,
            code: RwSignal::new(code.as_str().to_owned()),
            value: RwSignal::new(String::new()),
            unit: RwSignal::new(code.unit_in(session::units()).to_owned()),
            at: RwSignal::new(at),
            note: RwSignal::new(String::new()),
        }
    }

    /// A row as it was typed before, or as it was pasted.
    pub fn typed(key: usize, [code, value, unit, at, note]: Typed) -> Self {
        let [code, value, unit, at, note] = [code, value, unit, at, note].map(RwSignal::new);
        Self { key, code, value, unit, at, note }
    }

    /// Everything that stands in the row (reactive).
    pub fn texts(self) -> Typed {
        [self.code, self.value, self.unit, self.at, self.note].map(|field| field.get())
    }

    /// Whether somebody has typed something (reactive).
    pub fn is_typed(self) -> bool {
        [self.value, self.note].into_iter().any(|field| field.with(|text| !text.trim().is_empty()))
    }

    /// Where a field of this row stands, however many rows there are before it.
    pub fn pointer(self, field: &str) -> String {
        format!("/rows/{}/{field}", self.key)
    }

    fn quantity(self) -> Option<ObservationCode> {
        self.code.with(|code| ObservationCode::parse(code))
    }

    /// What is typed, or everything that is wrong with it (not reactive).
    pub fn read(self) -> Result<NewObservation, Vec<FieldProblem>> {
        untrack(|| {
            let unit = self.unit.get();
            let mut errors = Vec::new();
            let mut wrong = |field: &str, message: String| {
                errors.push(FieldProblem::new(self.pointer(field), message));
            };
            let code = self.quantity();
            let value = match code {
                Some(code) => read_value(code, &self.value.get(), &unit),
                None => Err(t("Choose what was measured.").to_owned()),
            };
            let value = value.map_err(|message| wrong("value", message)).ok();
            let effective_at = format::from_input(&self.at.get());
            match effective_at {
                None => wrong("effective_at", t("Enter a date and a time.").to_owned()),
                Some(at) if format::now() < at => {
                    wrong("effective_at", t("This is in the future.").to_owned());
                }
                Some(_) => {}
            }
            let note = Some(self.note.get().trim().to_owned()).filter(|note| !note.is_empty());
            match (code, value, effective_at) {
                (Some(code), Some(value), Some(effective_at)) if errors.is_empty() => {
                    let code = code.as_str().to_owned();
                    Ok(NewObservation { code, value, unit, effective_at, note })
                }
                _ => Err(errors),
            }
        })
    }

    /// What is odd about the number as it stands (reactive).
    fn oddity(self) -> Option<Plausibility> {
        let number = self.value.with(|text| number(text))?;
        let code = self.quantity()?;
        let canonical = self.unit.with(|unit| to_canonical(code, number, unit)).ok()?;
        Some(plausibility(code, canonical)).filter(|found| *found != Plausibility::Plausible)
    }
}

/// A typed number; a comma is a point.
pub fn number(text: &str) -> Option<f64> {
    text.trim().replace(',', ".").parse().ok().filter(|number: &f64| number.is_finite())
}

/// A typed value that can be, or what is wrong with it.
pub fn read_value(code: ObservationCode, text: &str, unit: &str) -> Result<f64, String> {
    let number = number(text).ok_or(t("Enter a number."))?;
    let canonical =
        to_canonical(code, number, unit).map_err(|problem| said(&problem.to_string()))?;
    match plausibility(code, canonical) {
        found @ Plausibility::Implausible { .. } => Err(sentence(&found)),
        _ => Ok(number),
    }
}

fn sentence(found: &Plausibility) -> String {
    let Plausibility::Implausible { low, high, unit, hint } = found else {
        return tf!("This {warning}.", warning = said(&found.to_string()));
    };
    let range = tf!(
        "This cannot be: {low} to {high} is plausible.",
        low = format::measured(*low),
        high = format::quantity(*high, unit)
    );
    hint.map_or_else(
        || range.clone(),
        |hint| format!("{range} {}", tf!("It looks like {unit}.", unit = format::unit(hint))),
    )
}

/// The units of a code, canonical first; one that is in use already is among them.
pub fn unit_options(code: ObservationCode, used: &str) -> Vec<(String, String)> {
    let mut units = code.units();
    if !used.is_empty() && !units.contains(&used) {
        units.push(used);
    }
    units.into_iter().map(|unit| (unit.to_owned(), format::unit(unit))).collect()
}

/// The fields of one value.
#[component]
pub fn RowFields(
    /// What is typed.
    row: Row,
    /// Its place among the rows, from 1.
    #[prop(into)]
    place: Signal<usize>,
    /// The last attempt's problem, its pointers by row.
    #[prop(into)]
    problem: Signal<Option<Problem>>,
    /// Takes the row away; not there for the only one.
    #[prop(into)]
    remove: Signal<Option<Callback<()>>>,
    /// Takes what is pasted into the row, if it is more than one cell.
    paste: Callback<String, bool>,
) -> impl IntoView {
    let codes: Vec<(String, String)> = ObservationCode::ALL
        .map(|code| (code.as_str().to_owned(), t(code.label()).to_owned()))
        .into();
    // Another quantity has other units: begin with the one in force.
    Effect::watch(
        move || row.code.get(),
        move |code, _, _| {
            if let Some(code) = ObservationCode::parse(code) {
                row.unit.set(code.unit_in(session::units()).to_owned());
            }
        },
        false,
    );
    let oddity = Memo::new(move |_| row.oddity());
    let problem = Signal::derive(move || {
        let mut problem = problem.get();
        if let Some(found @ Plausibility::Implausible { .. }) = oddity.get() {
            let pointer = row.pointer("value");
            let message = sentence(&found);
            let shown = problem.get_or_insert_with(|| Problem::new(ProblemKind::Invalid));
            shown.errors.retain(|error| error.pointer != pointer);
            shown.errors.push(FieldProblem::new(pointer, message));
        }
        problem
    });
    let unit_field = move || {
        let options = row.quantity().map(|code| unit_options(code, "")).unwrap_or_default();
        view! {
            <SelectField label=t("Unit") pointer=row.pointer("unit") value=row.unit options problem form="new-value" />
        }
    };
    view! {
        <fieldset class="value-row" on:paste=move |event| {
            let event: web_sys::ClipboardEvent = event.unchecked_into();
            let text = event.clipboard_data().and_then(|pasted| pasted.get_data("text/plain").ok());
            if text.is_some_and(|text| paste.run(text)) {
                event.prevent_default();
            }
        }>
            <legend class="visually-hidden">{move || tf!("Entry {place}", place = place.get())}</legend>
            <SelectField label=t("Quantity") pointer=row.pointer("code") value=row.code options=codes problem form="new-value" />
            <div>
                <TextField label=t("Value") pointer=row.pointer("value") kind="number" value=row.value problem form="new-value" required=true />
                {move || match oddity.get() {
                    Some(found @ Plausibility::Unusual(_)) => {
                        Some(view! { <p class="field-warning" role="status">{sentence(&found)}</p> })
                    }
                    _ => None,
                }}
            </div>
            {unit_field}
            <TextField label=t("Date and time") pointer=row.pointer("effective_at") kind="datetime-local" value=row.at problem form="new-value" required=true />
            <TextField label=t("Note") pointer=row.pointer("note") value=row.note problem form="new-value" />
            {move || remove.get().map(|remove| view! {
                <button
                    type="button"
                    class="btn btn-quiet value-remove"
                    aria-label=move || tf!("Remove entry {place}", place = place.get())
                    on:click=move |_| remove.run(())
                >
                    {t("Remove")}
                </button>
            })}
        </fieldset>
    }
}
