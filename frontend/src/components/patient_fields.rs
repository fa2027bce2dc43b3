//! Every fact of a patient as a field.

use leptos::prelude::*;
use shared::{patient::RenalDisease, problem::Problem};

use super::{
    field::{FactField, SelectField, TextField},
    patient_draft::{Draft, disease_name},
};

/// The fields of a patient's form.
#[component]
pub fn PatientFields(
    /// What stands in them.
    draft: Draft,
    /// The last attempt's problem.
    #[prop(into)]
    problem: Signal<Option<Problem>>,
) -> impl IntoView {
    let sexes = [("", "Choose…"), ("female", "Female"), ("male", "Male")]
        .map(|(value, text)| (value.to_owned(), text.to_owned()));
    let causes =
        RenalDisease::ALL.map(|cause| (disease_name(cause).to_owned(), cause.label().to_owned()));
    view! {
        <section class="card stack identifying-fields" aria-labelledby="identity">
            <h2 id="identity">"Who it is"</h2>
            <div class="grid-2">
                <TextField label="Family name" pointer="/family_name" value=draft.family_name problem required=true />
                <TextField label="Given name" pointer="/given_name" value=draft.given_name problem required=true />
                <TextField
                    label="Medical record number"
                    pointer="/mrn"
                    value=draft.mrn
                    problem
                    required=true
                />
                <TextField
                    label="Date of birth"
                    pointer="/birth_date"
                    kind="date"
                    value=draft.birth_date
                    problem
                    required=true
                />
                <SelectField
                    label="Sex assigned at birth"
                    pointer="/sex"
                    value=draft.sex
                    options=Vec::from(sexes)
                    problem
                    required=true
                />
            </div>
        </section>
        <section class="card stack" aria-labelledby="facts">
            <h2 id="facts">"What predictions use"</h2>
            <p class="muted">"Unknown is an answer of its own: it is never counted as “no”."</p>
            <SelectField
                label="Primary renal disease"
                pointer="/renal_disease"
                value=draft.renal_disease
                options=Vec::from(causes)
                problem
            />
            <div class="grid-2">
                <FactField label="Diabetes" hint="Any type" pointer="/diabetes" value=draft.diabetes problem />
                <FactField
                    label="Hypertension"
                    hint="Treated or not"
                    pointer="/hypertension"
                    value=draft.hypertension
                    problem
                />
                <FactField
                    label="Cardiovascular disease"
                    hint="Coronary, cerebral or peripheral"
                    pointer="/cardiovascular_disease"
                    value=draft.cardiovascular_disease
                    problem
                />
                <FactField
                    label="Heart failure"
                    hint="Any ejection fraction"
                    pointer="/heart_failure"
                    value=draft.heart_failure
                    problem
                />
                <FactField
                    label="Smoking"
                    hint="Smokes now"
                    pointer="/smoker"
                    value=draft.smoker
                    problem
                />
            </div>
        </section>
        <section class="card stack-tight" aria-labelledby="access">
            <h2 id="access">"The patient’s own access"</h2>
            <label class="check">
                <input type="checkbox" bind:checked=draft.own_access />
                "The patient may read this record with an account of their own"
            </label>
        </section>
    }
}
