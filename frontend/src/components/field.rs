//! Labelled inputs, each with the server's complaint about it right beside it.

use leptos::prelude::*;
use shared::problem::Problem;

use crate::language::{said, t};

/// What the server says about the field at `pointer`, if anything (reactive).
fn complaint(problem: Signal<Option<Problem>>, pointer: &str) -> Option<String> {
    problem.with(|problem| {
        let messages: Vec<String> = problem
            .iter()
            .flat_map(|problem| &problem.errors)
            .filter(|error| error.pointer == pointer)
            .map(|error| said(&error.message))
            .collect();
        (!messages.is_empty()).then(|| messages.join(" "))
    })
}

/// An element id from a JSON pointer: unique on the page, as long as each form has its own prefix.
fn element_id(form: &str, pointer: &str) -> String {
    format!("{form}{}", pointer.replace('/', "-"))
}

/// The error line of a field.
#[component]
fn Complaint(id: String, message: Memo<Option<String>>) -> impl IntoView {
    move || {
        let id = id.clone();
        message.get().map(|message| view! { <p class="field-error" id=id>{message}</p> })
    }
}

/// A labelled input; what is typed stays in `value` whatever the server says.
#[component]
pub fn TextField(
    /// The label.
    label: &'static str,
    /// Where the value stands in the request's body: `/given_name`, `/observations/0/value`.
    #[prop(into)]
    pointer: String,
    /// What is typed.
    value: RwSignal<String>,
    /// The last attempt's problem.
    #[prop(into)]
    problem: Signal<Option<Problem>>,
    /// The input's type: `text`, `date`, `number`, `email`, `password`, `datetime-local`.
    #[prop(default = "text")]
    kind: &'static str,
    /// A word of help under the label.
    #[prop(optional)]
    hint: &'static str,
    /// Marks the field as needed.
    #[prop(optional)]
    required: bool,
    /// What the browser may fill in.
    #[prop(default = "off")]
    autocomplete: &'static str,
    /// Tells apart forms on one page.
    #[prop(default = "field")]
    form: &'static str,
) -> impl IntoView {
    let id = element_id(form, &pointer);
    let hint_id = format!("{id}-hint");
    let error_id = format!("{id}-error");
    let message = Memo::new(move |_| complaint(problem, &pointer));
    let described_by = {
        let (hint_id, error_id) = (hint_id.clone(), error_id.clone());
        move || match (hint.is_empty(), message.with(Option::is_some)) {
            (true, false) => None,
            (false, false) => Some(hint_id.clone()),
            (true, true) => Some(error_id.clone()),
            (false, true) => Some(format!("{hint_id} {error_id}")),
        }
    };
    view! {
        <div class="field" class:field-faulty=move || message.with(Option::is_some)>
            <label for=id.clone()>
                {label}
                {required.then(|| view! { <span class="required" aria-hidden="true">" *"</span> })}
            </label>
            {(!hint.is_empty()).then(|| view! { <p class="field-hint" id=hint_id>{hint}</p> })}
            <input
                id=id
                name=label
                type=kind
                required=required
                step=(kind == "number").then_some("any")
                autocomplete=autocomplete
                aria-invalid=move || message.with(Option::is_some).then_some("true")
                aria-describedby=described_by
                bind:value=value
            />
            <Complaint id=error_id message />
        </div>
    }
}

/// A labelled choice from a list.
#[component]
pub fn SelectField(
    /// The label.
    label: &'static str,
    /// Where the value stands in the request's body.
    #[prop(into)]
    pointer: String,
    /// The chosen option's value.
    value: RwSignal<String>,
    /// Every option: value and text.
    #[prop(into)]
    options: Vec<(String, String)>,
    /// The last attempt's problem.
    #[prop(into)]
    problem: Signal<Option<Problem>>,
    /// A word of help under the label.
    #[prop(optional)]
    hint: &'static str,
    /// Marks the field as needed.
    #[prop(optional)]
    required: bool,
    /// Tells apart forms on one page.
    #[prop(default = "field")]
    form: &'static str,
) -> impl IntoView {
    let id = element_id(form, &pointer);
    let error_id = format!("{id}-error");
    let message = Memo::new(move |_| complaint(problem, &pointer));
    let options: Vec<_> = options
        .into_iter()
        .map(|(option, text)| {
            let this = option.clone();
            view! {
                <option value=option selected=move || value.with(|value| *value == this)>
                    {text}
                </option>
            }
        })
        .collect();
    let described_by = {
        let error_id = error_id.clone();
        move || message.with(Option::is_some).then(|| error_id.clone())
    };
    view! {
        <div class="field" class:field-faulty=move || message.with(Option::is_some)>
            <label for=id.clone()>
                {label}
                {required.then(|| view! { <span class="required" aria-hidden="true">" *"</span> })}
            </label>
            {(!hint.is_empty()).then(|| view! { <p class="field-hint">{hint}</p> })}
            <select
                id=id
                name=label
                required=required
                aria-invalid=move || message.with(Option::is_some).then_some("true")
                aria-describedby=described_by
                on:change:target=move |event| value.set(event.target().value())
            >
                {options}
            </select>
            <Complaint id=error_id message />
        </div>
    }
}

/// A fact that is true, false or not known: three states, none of them a default of the others.
#[component]
pub fn FactField(
    /// The fact, as a label.
    label: &'static str,
    /// Where the value stands in the request's body.
    #[prop(into)]
    pointer: String,
    /// What is known.
    value: RwSignal<Option<bool>>,
    /// The last attempt's problem.
    #[prop(into)]
    problem: Signal<Option<Problem>>,
    /// A word of help beside the label.
    #[prop(optional)]
    hint: &'static str,
    /// Tells apart forms on one page.
    #[prop(default = "field")]
    form: &'static str,
) -> impl IntoView {
    let group = element_id(form, &pointer);
    let error_id = format!("{group}-error");
    let message = Memo::new(move |_| complaint(problem, &pointer));
    let choices = [(t("Yes"), Some(true)), (t("No"), Some(false)), (t("Unknown"), None)].map(
        |(text, choice)| {
            let group = group.clone();
            view! {
                <label class="segment" class:segment-unknown=choice.is_none()>
                    <input
                        type="radio"
                        name=group
                        prop:checked=move || value.get() == choice
                        on:change=move |_| value.set(choice)
                    />
                    <span>{text}</span>
                </label>
            }
        },
    );
    view! {
        <fieldset class="field fact" class:field-faulty=move || message.with(Option::is_some)>
            <legend>{label}</legend>
            {(!hint.is_empty()).then(|| view! { <p class="field-hint">{hint}</p> })}
            <div class="segments">{choices}</div>
            <Complaint id=error_id message />
        </fieldset>
    }
}
