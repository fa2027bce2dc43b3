//! A patient's facts while they are typed, and what they differ from.

use leptos::prelude::*;
use shared::{
    patient::{NewPatient, Patient, PatientPatch, RenalDisease, Sex, birth_date_fault},
    problem::{FieldProblem, Problem, ProblemKind},
};

use super::patient_header::sex_label;
use crate::{format, language::t};

/// What stands in the form, as typed.
#[derive(Clone, Copy)]
pub struct Draft {
    /// Medical record number.
    pub mrn: RwSignal<String>,
    /// Given name.
    pub given_name: RwSignal<String>,
    /// Family name.
    pub family_name: RwSignal<String>,
    /// Date of birth, `YYYY-MM-DD`.
    pub birth_date: RwSignal<String>,
    /// `female`, `male`, or nothing chosen yet.
    pub sex: RwSignal<String>,
    /// Diabetes mellitus.
    pub diabetes: RwSignal<Option<bool>>,
    /// Arterial hypertension.
    pub hypertension: RwSignal<Option<bool>>,
    /// Artery disease.
    pub cardiovascular_disease: RwSignal<Option<bool>>,
    /// Heart failure.
    pub heart_failure: RwSignal<Option<bool>>,
    /// Smokes now.
    pub smoker: RwSignal<Option<bool>>,
    /// Primary renal disease, as on the wire.
    pub renal_disease: RwSignal<String>,
    /// Whether the patient may read the record.
    pub own_access: RwSignal<bool>,
}

/// A fact that somebody else has changed meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The fact.
    pub label: &'static str,
    /// What was recorded before.
    pub before: String,
    /// What is recorded now.
    pub theirs: String,
    /// What stands in the form, if that is something else again.
    pub ours: Option<String>,
}

impl Draft {
    /// An empty form: every fact unknown.
    pub fn empty() -> Self {
        Self {
            mrn: RwSignal::new(String::new()),
            given_name: RwSignal::new(String::new()),
            family_name: RwSignal::new(String::new()),
            birth_date: RwSignal::new(String::new()),
            sex: RwSignal::new(String::new()),
            diabetes: RwSignal::new(None),
            hypertension: RwSignal::new(None),
            cardiovascular_disease: RwSignal::new(None),
            heart_failure: RwSignal::new(None),
            smoker: RwSignal::new(None),
            renal_disease: RwSignal::new(disease_name(RenalDisease::Unknown).to_owned()),
            own_access: RwSignal::new(false),
        }
    }

    /// A form that shows a record.
    pub fn of(patient: &Patient) -> Self {
        let draft = Self::empty();
        draft.take(NewPatient::from_record(patient));
        draft
    }

    /// What is typed, or every field that keeps it from being sent.
    pub fn read(&self) -> Result<NewPatient, Problem> {
        let mut errors = Vec::new();
        let mut text = |pointer: &str, signal: RwSignal<String>, missing: &'static str| {
            let text = signal.get_untracked().trim().to_owned();
            if text.is_empty() {
                errors.push(FieldProblem::new(pointer, missing));
            }
            text
        };
        let mrn = text("/mrn", self.mrn, t("Enter the record number."));
        let given_name = text("/given_name", self.given_name, t("Enter the given name."));
        let family_name = text("/family_name", self.family_name, t("Enter the family name."));
        let birth_date = self.birth_date.get_untracked().parse();
        let fault = match &birth_date {
            Ok(birth_date) => birth_date_fault(*birth_date, format::today()),
            Err(_) => Some(t("Enter the date of birth.").to_owned()),
        };
        errors.extend(fault.map(|fault| FieldProblem::new("/birth_date", fault)));
        let sex = sex_of(&self.sex.get_untracked());
        if sex.is_none() {
            errors.push(FieldProblem::new("/sex", t("Choose the sex assigned at birth.")));
        }
        let (Ok(birth_date), Some(sex), true) = (birth_date, sex, errors.is_empty()) else {
            return Err(Problem { errors, ..Problem::new(ProblemKind::Invalid) });
        };
        Ok(NewPatient {
            mrn,
            given_name,
            family_name,
            birth_date,
            sex,
            diabetes: self.diabetes.get_untracked(),
            hypertension: self.hypertension.get_untracked(),
            cardiovascular_disease: self.cardiovascular_disease.get_untracked(),
            heart_failure: self.heart_failure.get_untracked(),
            smoker: self.smoker.get_untracked(),
            renal_disease: disease_of(&self.renal_disease.get_untracked()),
            own_access: self.own_access.get_untracked(),
        })
    }

    /// Everything that stands in the form, to be kept until it is saved (reactive).
    pub fn texts(self) -> Vec<String> {
        let facts =
            self.facts().map(|fact| fact.get().map_or_else(String::new, |yes| yes.to_string()));
        let own_access = self.own_access.get().to_string();
        self.words().map(|word| word.get()).into_iter().chain(facts).chain([own_access]).collect()
    }

    /// Puts back what was typed before.
    pub fn put(self, texts: &[String]) {
        let (words, facts) = (self.words(), self.facts());
        let rest = texts.get(words.len()..).unwrap_or_default();
        for (word, text) in words.iter().zip(texts) {
            word.set(text.clone());
        }
        for (fact, text) in facts.iter().zip(rest) {
            fact.set(text.parse().ok());
        }
        if let Some(own_access) = rest.get(facts.len()) {
            self.own_access.set(own_access.parse().unwrap_or_default());
        }
    }

    const fn words(self) -> [RwSignal<String>; 6] {
        [self.mrn, self.given_name, self.family_name, self.birth_date, self.sex, self.renal_disease]
    }

    const fn facts(self) -> [RwSignal<Option<bool>>; 5] {
        [
            self.diabetes,
            self.hypertension,
            self.cardiovascular_disease,
            self.heart_failure,
            self.smoker,
        ]
    }

    /// Puts facts into the form.
    pub fn take(&self, facts: NewPatient) {
        self.mrn.set(facts.mrn);
        self.given_name.set(facts.given_name);
        self.family_name.set(facts.family_name);
        self.birth_date.set(facts.birth_date.to_string());
        self.sex.set(sex_name(facts.sex).to_owned());
        self.diabetes.set(facts.diabetes);
        self.hypertension.set(facts.hypertension);
        self.cardiovascular_disease.set(facts.cardiovascular_disease);
        self.heart_failure.set(facts.heart_failure);
        self.smoker.set(facts.smoker);
        self.renal_disease.set(disease_name(facts.renal_disease).to_owned());
        self.own_access.set(facts.own_access);
    }
}

/// The facts of a record that a form can change.
pub trait FromRecord {
    /// Takes them from the record.
    fn from_record(patient: &Patient) -> Self;
}

impl FromRecord for NewPatient {
    fn from_record(patient: &Patient) -> Self {
        Self {
            mrn: patient.mrn.clone(),
            given_name: patient.given_name.clone(),
            family_name: patient.family_name.clone(),
            birth_date: patient.birth_date,
            sex: patient.sex,
            diabetes: patient.diabetes,
            hypertension: patient.hypertension,
            cardiovascular_disease: patient.cardiovascular_disease,
            heart_failure: patient.heart_failure,
            smoker: patient.smoker,
            renal_disease: patient.renal_disease,
            own_access: patient.own_access,
        }
    }
}

/// The change that leads from one state of the facts to another; what is equal is left out.
pub fn patch(from: &NewPatient, to: &NewPatient) -> PatientPatch {
    fn changed<T: PartialEq + Clone>(from: &T, to: &T) -> Option<T> {
        (from != to).then(|| to.clone())
    }
    PatientPatch {
        mrn: changed(&from.mrn, &to.mrn),
        given_name: changed(&from.given_name, &to.given_name),
        family_name: changed(&from.family_name, &to.family_name),
        birth_date: changed(&from.birth_date, &to.birth_date),
        sex: changed(&from.sex, &to.sex),
        diabetes: changed(&from.diabetes, &to.diabetes),
        hypertension: changed(&from.hypertension, &to.hypertension),
        cardiovascular_disease: changed(&from.cardiovascular_disease, &to.cardiovascular_disease),
        heart_failure: changed(&from.heart_failure, &to.heart_failure),
        smoker: changed(&from.smoker, &to.smoker),
        renal_disease: changed(&from.renal_disease, &to.renal_disease),
        own_access: changed(&from.own_access, &to.own_access),
    }
}

/// Brings a form that was opened on `base` up to `theirs`: facts that the form did not change
/// follow the record, those that it did stay as typed. What they changed comes back.
pub fn merge(
    base: &NewPatient,
    ours: &NewPatient,
    theirs: &NewPatient,
) -> (NewPatient, Vec<Change>) {
    let mut changes = Vec::new();
    let mut merged = ours.clone();
    macro_rules! fact {
        ($field:ident, $label:expr, $shown:expr) => {
            if ours.$field == base.$field {
                merged.$field.clone_from(&theirs.$field);
            }
            if theirs.$field != base.$field {
                let differs = ours.$field != base.$field && ours.$field != theirs.$field;
                changes.push(Change {
                    label: $label,
                    before: $shown(&base.$field),
                    theirs: $shown(&theirs.$field),
                    ours: differs.then(|| $shown(&ours.$field)),
                });
            }
        };
    }
    let known = |fact: &Option<bool>| known(*fact).to_owned();
    fact!(mrn, t("Record number"), String::clone);
    fact!(given_name, t("Given name"), String::clone);
    fact!(family_name, t("Family name"), String::clone);
    fact!(birth_date, t("Date of birth"), |day: &_| format::date(*day));
    fact!(sex, t("Sex assigned at birth"), |sex: &_| sex_label(*sex).to_owned());
    fact!(diabetes, t("Diabetes"), known);
    fact!(hypertension, t("Hypertension"), known);
    fact!(cardiovascular_disease, t("Cardiovascular disease"), known);
    fact!(heart_failure, t("Heart failure"), known);
    fact!(smoker, t("Smokes now"), known);
    fact!(renal_disease, t("Cause"), |cause: &RenalDisease| t(cause.label()).to_owned());
    fact!(own_access, t("Own access"), |yes: &_| known(&Some(*yes)));
    (merged, changes)
}

/// A three-state fact in a word.
pub fn known(fact: Option<bool>) -> &'static str {
    match fact {
        Some(true) => t("yes"),
        Some(false) => t("no"),
        None => t("unknown"),
    }
}

/// A sex on the wire.
const fn sex_name(sex: Sex) -> &'static str {
    match sex {
        Sex::Female => "female",
        Sex::Male => "male",
    }
}

fn sex_of(name: &str) -> Option<Sex> {
    [Sex::Female, Sex::Male].into_iter().find(|sex| sex_name(*sex) == name)
}

/// A cause's name on the wire.
pub const fn disease_name(disease: RenalDisease) -> &'static str {
    match disease {
        RenalDisease::Diabetic => "diabetic",
        RenalDisease::Hypertensive => "hypertensive",
        RenalDisease::Glomerular => "glomerular",
        RenalDisease::Polycystic => "polycystic",
        RenalDisease::Other => "other",
        RenalDisease::Unknown => "unknown",
    }
}

fn disease_of(name: &str) -> RenalDisease {
    RenalDisease::ALL.into_iter().find(|one| disease_name(*one) == name).unwrap_or_default()
}
