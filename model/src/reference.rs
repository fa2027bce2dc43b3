//! What the inputs looked like in the training data, and how far others have drifted from it.
//!
//! Each input is cut into bins once: numbers at the deciles of the training rows, choices by what
//! they are, and "unknown" as a bin of its own. A release carries the shares of its training rows
//! as [`REFERENCE`]; what arrives later is counted into the same bins and compared by the
//! population stability index.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use shared::{
    clinical::{albuminuria::acr_from_pcr, quantity::PcrMgG},
    model::{DriftIndex, DriftLevel},
    observation::ObservationCode,
    patient::{RenalDisease, Sex},
    prediction::PredictionInputs,
    therapy::TherapyKind,
};

/// The reference distribution's file in a released folder.
pub const REFERENCE: &str = "reference.json";
/// An index from here on is a moderate drift.
pub const MODERATE_FROM: f64 = 0.1;
/// An index from here on is a large drift.
pub const LARGE_FROM: f64 = 0.25;
/// Where these rules of thumb come from.
pub const RULES_SOURCE: &str = "Siddiqi N. Credit Risk Scorecards (Wiley 2006): under 0.1 no \
significant change, 0.1 to 0.25 a small change to look into, 0.25 or more a significant shift; on \
chance: Yurdakul B. Statistical Properties of Population Stability Index (Western Michigan \
University 2018).";

/// Number of quantile bins that numbers are cut into, ties aside.
const QUANTILES: usize = 10;
/// No share is taken to be smaller, so that an empty bin makes no infinite index.
const SMALLEST_SHARE: f64 = 1e-4;

/// `reference.json` of a released folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// How many training rows it rests on.
    pub rows: u64,
    /// Every input, in the order of [`Input::ALL`].
    pub inputs: Vec<InputReference>,
}

/// One input's bins and the training rows' shares in them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputReference {
    /// The input.
    pub input: Input,
    /// Where numbers are cut: a bin ends before each edge, the last one has no end. Choices have
    /// no edges.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edges: Vec<f64>,
    /// What a choice can be, a bin for each. Numbers have no choices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// The training rows' share in each bin; the last is "unknown".
    pub shares: Vec<f64>,
}

/// An input whose distribution is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "their names say it; `label` says it to people")]
pub enum Input {
    Age,
    Sex,
    Egfr,
    EgfrAge,
    EgfrCount,
    Uacr,
    Albumin,
    Phosphate,
    Calcium,
    Bicarbonate,
    Potassium,
    Haemoglobin,
    SystolicBp,
    Weight,
    Diabetes,
    Hypertension,
    CardiovascularDisease,
    HeartFailure,
    Smoker,
    RenalDisease,
    RasInhibitor,
    Sglt2Inhibitor,
    MraOrGlp1Agonist,
    Immunosuppression,
    Biopsy,
}

/// What an input is in one patient.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Seen {
    Number(f64),
    Choice(&'static str),
    Unknown,
}

const YES_NO: [&str; 2] = ["yes", "no"];
const SEXES: [&str; 2] = ["female", "male"];
const CAUSES: [&str; 5] = ["diabetic", "hypertensive", "glomerular", "polycystic", "other"];

impl Input {
    /// Every input, in the order in which the index shows them.
    pub const ALL: [Self; 25] = [
        Self::Age,
        Self::Sex,
        Self::Egfr,
        Self::EgfrAge,
        Self::EgfrCount,
        Self::Uacr,
        Self::Albumin,
        Self::Phosphate,
        Self::Calcium,
        Self::Bicarbonate,
        Self::Potassium,
        Self::Haemoglobin,
        Self::SystolicBp,
        Self::Weight,
        Self::Diabetes,
        Self::Hypertension,
        Self::CardiovascularDisease,
        Self::HeartFailure,
        Self::Smoker,
        Self::RenalDisease,
        Self::RasInhibitor,
        Self::Sglt2Inhibitor,
        Self::MraOrGlp1Agonist,
        Self::Immunosuppression,
        Self::Biopsy,
    ];

    /// Its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Sex => "sex",
            Self::Egfr => "egfr",
            Self::EgfrAge => "egfr_age",
            Self::EgfrCount => "egfr_count",
            Self::Uacr => "uacr",
            Self::Albumin => "albumin",
            Self::Phosphate => "phosphate",
            Self::Calcium => "calcium",
            Self::Bicarbonate => "bicarbonate",
            Self::Potassium => "potassium",
            Self::Haemoglobin => "haemoglobin",
            Self::SystolicBp => "systolic_bp",
            Self::Weight => "weight",
            Self::Diabetes => "diabetes",
            Self::Hypertension => "hypertension",
            Self::CardiovascularDisease => "cardiovascular_disease",
            Self::HeartFailure => "heart_failure",
            Self::Smoker => "smoker",
            Self::RenalDisease => "renal_disease",
            Self::RasInhibitor => "ras_inhibitor",
            Self::Sglt2Inhibitor => "sglt2_inhibitor",
            Self::MraOrGlp1Agonist => "mra_or_glp1_agonist",
            Self::Immunosuppression => "immunosuppression",
            Self::Biopsy => "biopsy",
        }
    }

    /// Its name, for people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Age => "Age",
            Self::Sex => "Sex",
            Self::Egfr => "eGFR, latest",
            Self::EgfrAge => "eGFR, days since the latest",
            Self::EgfrCount => "eGFR, days measured in 5 years",
            Self::Uacr => "Urine ACR, latest (or from PCR)",
            Self::Albumin => "Albumin, latest",
            Self::Phosphate => "Phosphate, latest",
            Self::Calcium => "Calcium, latest",
            Self::Bicarbonate => "Bicarbonate, latest",
            Self::Potassium => "Potassium, latest",
            Self::Haemoglobin => "Haemoglobin, latest",
            Self::SystolicBp => "Systolic blood pressure, latest",
            Self::Weight => "Weight, latest",
            Self::Diabetes => "Diabetes",
            Self::Hypertension => "Hypertension",
            Self::CardiovascularDisease => "Cardiovascular disease",
            Self::HeartFailure => "Heart failure",
            Self::Smoker => "Smoker",
            Self::RenalDisease => "Primary renal disease",
            Self::RasInhibitor => "RAS inhibitor",
            Self::Sglt2Inhibitor => "SGLT2 inhibitor",
            Self::MraOrGlp1Agonist => "MRA or GLP-1 agonist",
            Self::Immunosuppression => "Immunosuppression or corticosteroid",
            Self::Biopsy => "Biopsy",
        }
    }

    const fn choices(self) -> &'static [&'static str] {
        match self {
            Self::Sex => &SEXES,
            Self::RenalDisease => &CAUSES,
            Self::Age
            | Self::Egfr
            | Self::EgfrAge
            | Self::EgfrCount
            | Self::Uacr
            | Self::Albumin
            | Self::Phosphate
            | Self::Calcium
            | Self::Bicarbonate
            | Self::Potassium
            | Self::Haemoglobin
            | Self::SystolicBp
            | Self::Weight => &[],
            _ => &YES_NO,
        }
    }

    fn seen(self, inputs: &PredictionInputs) -> Seen {
        match self {
            Self::Age => Seen::Number(f64::from(inputs.age_years)),
            Self::Sex => Seen::Choice(match inputs.sex {
                Sex::Female => SEXES[0],
                Sex::Male => SEXES[1],
            }),
            Self::Egfr => latest(inputs, ObservationCode::Egfr),
            Self::EgfrAge => egfr_age(inputs),
            Self::EgfrCount => Seen::Number(egfr_count(inputs)),
            Self::Uacr => uacr(inputs),
            Self::Albumin => latest(inputs, ObservationCode::Albumin),
            Self::Phosphate => latest(inputs, ObservationCode::Phosphate),
            Self::Calcium => latest(inputs, ObservationCode::Calcium),
            Self::Bicarbonate => latest(inputs, ObservationCode::Bicarbonate),
            Self::Potassium => latest(inputs, ObservationCode::Potassium),
            Self::Haemoglobin => latest(inputs, ObservationCode::Haemoglobin),
            Self::SystolicBp => latest(inputs, ObservationCode::SystolicBp),
            Self::Weight => latest(inputs, ObservationCode::Weight),
            Self::Diabetes => known(inputs.diabetes),
            Self::Hypertension => known(inputs.hypertension),
            Self::CardiovascularDisease => known(inputs.cardiovascular_disease),
            Self::HeartFailure => known(inputs.heart_failure),
            Self::Smoker => known(inputs.smoker),
            Self::RenalDisease => cause(inputs.renal_disease),
            Self::RasInhibitor => takes(inputs, &[TherapyKind::RasInhibitor]),
            Self::Sglt2Inhibitor => takes(inputs, &[TherapyKind::Sglt2Inhibitor]),
            Self::MraOrGlp1Agonist => takes(inputs, &[TherapyKind::Mra, TherapyKind::Glp1Agonist]),
            Self::Immunosuppression => {
                takes(inputs, &[TherapyKind::Immunosuppression, TherapyKind::Corticosteroid])
            }
            Self::Biopsy => known(Some(inputs.biopsy.is_some())),
        }
    }
}

fn known(fact: Option<bool>) -> Seen {
    match fact {
        Some(true) => Seen::Choice(YES_NO[0]),
        Some(false) => Seen::Choice(YES_NO[1]),
        None => Seen::Unknown,
    }
}

fn takes(inputs: &PredictionInputs, kinds: &[TherapyKind]) -> Seen {
    known(Some(kinds.iter().any(|kind| inputs.therapies.contains(kind))))
}

const fn cause(disease: RenalDisease) -> Seen {
    match disease {
        RenalDisease::Diabetic => Seen::Choice(CAUSES[0]),
        RenalDisease::Hypertensive => Seen::Choice(CAUSES[1]),
        RenalDisease::Glomerular => Seen::Choice(CAUSES[2]),
        RenalDisease::Polycystic => Seen::Choice(CAUSES[3]),
        RenalDisease::Other => Seen::Choice(CAUSES[4]),
        RenalDisease::Unknown => Seen::Unknown,
    }
}

fn latest(inputs: &PredictionInputs, code: ObservationCode) -> Seen {
    let values = inputs.values.iter().filter(|value| value.code == code);
    values
        .max_by_key(|value| value.effective_at)
        .map_or(Seen::Unknown, |latest| Seen::Number(latest.value))
}

/// The latest of both ratios, a PCR as the ACR that it stands for (Sumida 2020).
fn uacr(inputs: &PredictionInputs) -> Seen {
    let is_ratio =
        |code: ObservationCode| matches!(code, ObservationCode::Uacr | ObservationCode::Upcr);
    let ratios = inputs.values.iter().filter(|value| is_ratio(value.code));
    let Some(latest) = ratios.max_by_key(|value| value.effective_at) else { return Seen::Unknown };
    let Some(pcr) = latest.quantity::<PcrMgG>() else { return Seen::Number(latest.value) };
    let (diabetes, hypertension) =
        (inputs.diabetes.unwrap_or(false), inputs.hypertension.unwrap_or(false));
    Seen::Number(acr_from_pcr(pcr, inputs.sex, diabetes, hypertension).get())
}

fn egfr_days(inputs: &PredictionInputs) -> impl Iterator<Item = chrono::NaiveDate> {
    let values = inputs.values.iter().filter(|value| value.code == ObservationCode::Egfr);
    values.map(|value| value.effective_at.date_naive())
}

fn egfr_age(inputs: &PredictionInputs) -> Seen {
    egfr_days(inputs)
        .max()
        .map_or(Seen::Unknown, |day| Seen::Number((inputs.as_of - day).num_days() as f64))
}

fn egfr_count(inputs: &PredictionInputs) -> f64 {
    egfr_days(inputs).collect::<BTreeSet<_>>().len() as f64
}

/// Why a reference distribution cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReferenceError {
    /// It is not what this program knows.
    #[error("line {}, column {}: {json}", json.line(), json.column())]
    Json {
        /// The cause.
        #[from]
        json: serde_json::Error,
    },
    /// Its inputs are not those that are watched, in their order.
    #[error("the inputs are not those that this program watches")]
    Inputs,
    /// Its bins and shares do not belong together.
    #[error("the bins and shares of {} do not belong together", .0.name())]
    Bins(Input),
}

impl Reference {
    /// The distribution of training rows.
    pub fn of(rows: &[PredictionInputs]) -> Self {
        let inputs = Input::ALL.into_iter().map(|input| InputReference::of(input, rows)).collect();
        Self { rows: rows.len() as u64, inputs }
    }

    /// Reads `reference.json`.
    pub fn from_json(json: &[u8]) -> Result<Self, ReferenceError> {
        let reference: Self = serde_json::from_slice(json)?;
        let named = reference.inputs.iter().map(|one| one.input);
        if !named.eq(Input::ALL) {
            return Err(ReferenceError::Inputs);
        }
        match reference.inputs.iter().find(|one| !one.is_sound()) {
            Some(faulty) => Err(ReferenceError::Bins(faulty.input)),
            None => Ok(reference),
        }
    }

    /// Writes `reference.json`.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a reference is always JSON") + "\n"
    }

    /// How many bins all inputs have together: the length of what [`Reference::count`] fills.
    pub fn bins(&self) -> usize {
        self.inputs.iter().map(InputReference::bins).sum()
    }

    /// Counts one patient into the bins of every input, one input's bins after the other's.
    pub fn count(&self, inputs: &PredictionInputs, counts: &mut [i64]) {
        let mut start = 0;
        for one in &self.inputs {
            counts[start + one.bin(one.input.seen(inputs))] += 1;
            start += one.bins();
        }
    }

    /// The index of every input, from what [`Reference::count`] has counted.
    pub fn drift(&self, counts: &[i64]) -> Vec<DriftIndex> {
        let mut rest = counts;
        let index = |one: &InputReference| {
            let (own, others) = rest.split_at_checked(one.bins()).unwrap_or((&[], &[]));
            rest = others;
            drift_index(&one.shares, self.rows, own)
        };
        self.inputs.iter().map(index).collect()
    }
}

impl InputReference {
    fn of(input: Input, rows: &[PredictionInputs]) -> Self {
        let seen: Vec<Seen> = rows.iter().map(|row| input.seen(row)).collect();
        let mut reference = Self {
            input,
            edges: edges(&seen),
            choices: input.choices().iter().map(|choice| (*choice).to_owned()).collect(),
            shares: Vec::new(),
        };
        let mut counts = vec![0_u64; reference.bins()];
        for seen in &seen {
            counts[reference.bin(*seen)] += 1;
        }
        let rows = rows.len().max(1) as f64;
        reference.shares = counts.into_iter().map(|count| count as f64 / rows).collect();
        reference
    }

    fn bins(&self) -> usize {
        // Numbers have a bin after the last edge; both kinds have one for "unknown".
        if self.choices.is_empty() { self.edges.len() + 2 } else { self.choices.len() + 1 }
    }

    fn bin(&self, seen: Seen) -> usize {
        let unknown = self.bins() - 1;
        match seen {
            Seen::Number(value) => self.edges.partition_point(|edge| *edge <= value),
            Seen::Choice(choice) => {
                self.choices.iter().position(|one| one == choice).unwrap_or(unknown)
            }
            Seen::Unknown => unknown,
        }
    }

    fn is_sound(&self) -> bool {
        let total: f64 = self.shares.iter().sum();
        self.choices.iter().eq(self.input.choices())
            && (self.choices.is_empty() || self.edges.is_empty())
            && self.edges.is_sorted_by(|a, b| a < b)
            && self.shares.len() == self.bins()
            && self.shares.iter().all(|share| (0.0..=1.0).contains(share))
            && (total - 1.0).abs() < 1e-6
    }
}

/// Where the known numbers are cut so that each bin holds a tenth; equal edges fall together, as
/// with counts.
fn edges(seen: &[Seen]) -> Vec<f64> {
    let number = |seen: &Seen| if let Seen::Number(value) = seen { Some(*value) } else { None };
    let mut values: Vec<f64> = seen.iter().filter_map(number).collect();
    values.sort_by(f64::total_cmp);
    let Some(first) = values.first().copied() else { return Vec::new() };
    let mut edges: Vec<f64> =
        (1..QUANTILES).map(|cut| values[cut * values.len() / QUANTILES]).collect();
    edges.dedup();
    // Nothing is below the smallest value.
    edges.retain(|edge| first < *edge);
    edges
}

/// The population stability index, Σ (actual − expected) · ln(actual / expected) over the bins.
///
/// By chance alone it is on average (bins − 1)(1/n + 1/m) for n patients against m training rows
/// (Yurdakul 2018); where that alone would look like a drift, nothing can be told.
pub fn drift_index(expected: &[f64], rows: u64, counts: &[i64]) -> DriftIndex {
    let total: i64 = counts.iter().sum();
    if total <= 0 || counts.len() != expected.len() {
        return DriftIndex { psi: None, level: DriftLevel::TooFew, missing: None };
    }
    let actual: Vec<f64> = counts.iter().map(|count| *count as f64 / total as f64).collect();
    let term = |(actual, expected): (&f64, &f64)| {
        let (actual, expected) = (actual.max(SMALLEST_SHARE), expected.max(SMALLEST_SHARE));
        (actual - expected) * (actual / expected).ln()
    };
    let psi: f64 = actual.iter().zip(expected).map(term).sum();
    let is_used = |(actual, expected): (&f64, &f64)| 0.0 < *actual || 0.0 < *expected;
    let used = actual.iter().zip(expected).filter(|pair| is_used(*pair)).count();
    let by_chance = used.saturating_sub(1) as f64 * (1.0 / total as f64 + 1.0 / rows.max(1) as f64);
    let level = match psi {
        _ if MODERATE_FROM <= by_chance => DriftLevel::TooFew,
        LARGE_FROM.. => DriftLevel::Large,
        MODERATE_FROM.. => DriftLevel::Moderate,
        _ => DriftLevel::Stable,
    };
    DriftIndex { psi: Some(psi), level, missing: actual.last().copied() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(expected: &[f64], counts: &[i64]) -> DriftIndex {
        drift_index(expected, 1_000_000, counts)
    }

    /// By hand: (0.5 − 0.4) ln(0.5/0.4) + (0.3 − 0.4) ln(0.3/0.4) + (0.2 − 0.2) ln 1
    /// = 0.1 · 0.223144 + 0.1 · 0.287682 + 0 = 0.051083.
    #[test]
    fn the_index_is_that_of_a_hand_computed_example() {
        let found = index(&[0.4, 0.4, 0.2], &[500, 300, 200]);
        assert!((found.psi.unwrap_or_default() - 0.051_082_6).abs() < 1e-7, "{found:?}");
        assert_eq!(found.level, DriftLevel::Stable);
        assert_eq!(found.missing, Some(0.2));
    }

    /// By hand: (0.7 − 0.5) ln(0.7/0.5) + (0.3 − 0.5) ln(0.3/0.5) = 0.2 · 0.336472 + 0.2 · 0.510826
    /// = 0.169460; and 0.3 · ln(0.8/0.5) + 0.3 · ln(0.5/0.2) = 0.141001 + 0.274887 = 0.415888.
    #[test]
    fn a_moderate_and_a_large_drift_are_told_apart() {
        let moderate = index(&[0.5, 0.5], &[700, 300]);
        assert!((moderate.psi.unwrap_or_default() - 0.169_459_6).abs() < 1e-7, "{moderate:?}");
        assert_eq!(moderate.level, DriftLevel::Moderate);
        let large = index(&[0.5, 0.5], &[800, 200]);
        assert!((large.psi.unwrap_or_default() - 0.415_888_3).abs() < 1e-7, "{large:?}");
        assert_eq!(large.level, DriftLevel::Large);
    }

    #[test]
    fn equal_shares_have_no_drift_and_empty_bins_make_no_infinity() {
        let same = index(&[0.25, 0.75, 0.0], &[250, 750, 0]);
        assert_eq!((same.psi, same.level), (Some(0.0), DriftLevel::Stable));
        let emptied = index(&[0.5, 0.5], &[1000, 0]);
        assert!(emptied.psi.is_some_and(f64::is_finite), "{emptied:?}");
        assert_eq!(emptied.level, DriftLevel::Large);
    }

    /// Ten bins: 9/90 = 0.1 by chance alone with 90 patients, 9/91 with 91.
    #[test]
    fn too_few_patients_are_no_drift_whatever_the_index() {
        let tenths = [0.1; 10];
        let of = |first: i64| {
            let mut counts = [10; 10];
            counts[0] = first;
            drift_index(&tenths, u64::MAX, &counts).level
        };
        assert_eq!(of(0), DriftLevel::TooFew);
        assert_ne!(of(1), DriftLevel::TooFew);
        assert_eq!(index(&tenths, &[0; 10]).psi, None);
    }

    #[test]
    fn numbers_are_cut_into_tenths_and_ties_fall_together() {
        let seen: Vec<Seen> = (0..100).map(|n| Seen::Number(f64::from(n))).collect();
        assert_eq!(edges(&seen), [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0]);
        let tied: Vec<Seen> = (0..100).map(|n| Seen::Number(f64::from(n / 70))).collect();
        assert_eq!(edges(&tied), [1.0]);
        assert!(edges(&[Seen::Unknown]).is_empty());
    }
}
