//! Every fact of a patient as a field.

use leptos::prelude::*;
use shared::{patient::RenalDisease, problem::Problem};

use super::{
    field::{FactField, SelectField, TextField},
    patient_draft::{Draft, disease_name},
};

use crate::language::t;

/// The fields of a patient's form.
#[component]
pub fn PatientFields(
    /// What stands in them.
    draft: Draft,
    /// The last attempt's problem.
    #[prop(into)]
    problem: Signal<Option<Problem>>,
) -> impl IntoView {
    let sexes = [("", t("Choose…")), ("female", t("Female")), ("male", t("Male"))]
        .map(|(value, text)| (value.to_owned(), text.to_owned()));
    let causes = RenalDisease::ALL
        .map(|cause| (disease_name(cause).to_owned(), t(cause.label()).to_owned()));
    view! {
        <section class="card stack identifying-fields" aria-labelledby="identity">
            <h2 id="identity">{t("Who it is")}</h2>
            <div class="grid-2">
                <TextField label=t("Family name") pointer="/family_name" value=draft.family_name problem required=true />
                <TextField label=t("Given name") pointer="/given_name" value=draft.given_name problem required=true />
                <TextField
                    label=t("Medical record number")
                    pointer="/mrn"
                    value=draft.mrn
                    problem
                    required=true
                />
                <TextField
                    label=t("Date of birth")
                    pointer="/birth_date"
                    kind="date"
                    value=draft.birth_date
                    problem
                    required=true
                />
                <SelectField
                    label=t("Sex assigned at birth")
                    pointer="/sex"
                    value=draft.sex
                    options=Vec::from(sexes)
                    problem
                    required=true
                />
            </div>
        </section>
        <section class="card stack" aria-labelledby="facts">
            <h2 id="facts">{t("What predictions use")}</h2>
            <p class="muted">{t("Unknown is an answer of its own: it is never counted as “no”.")}</p>
            <SelectField
                label=t("Primary renal disease")
                pointer="/renal_disease"
                value=draft.renal_disease
                options=Vec::from(causes)
                problem
            />
            <div class="grid-2">
                <FactField label=t("Diabetes") hint=t("Any type") pointer="/diabetes" value=draft.diabetes problem />
                <FactField
                    label=t("Hypertension")
                    hint=t("Treated or not")
                    pointer="/hypertension"
                    value=draft.hypertension
                    problem
                />
                <FactField
                    label=t("Cardiovascular disease")
                    hint=t("Coronary, cerebral or peripheral")
                    pointer="/cardiovascular_disease"
                    value=draft.cardiovascular_disease
                    problem
                />
                <FactField
                    label=t("Heart failure")
                    hint=t("Any ejection fraction")
                    pointer="/heart_failure"
                    value=draft.heart_failure
                    problem
                />
                <FactField
                    label=t("Smoking")
                    hint=t("Smokes now")
                    pointer="/smoker"
                    value=draft.smoker
                    problem
                />
            </div>
        </section>
        <section class="card stack-tight" aria-labelledby="access">
            <h2 id="access">{t("The patient’s own access")}</h2>
            <label class="check">
                <input type="checkbox" bind:checked=draft.own_access />
                {t("The patient may read this record with an account of their own")}
            </label>
        </section>
    }
}
