//! A person as a publication sees them: no identifier, no date, values in classes.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use sha2::{Digest, Sha256};
use shared::{
    clinical::{
        age_on,
        kdigo::{a_category, g_category},
        quantity::{AcrMgG, Egfr},
    },
    id::PatientId,
    patient::{RenalDisease, Sex},
    prediction::{ACategory, GCategory, RiskCategory},
    summary::{SummaryField, SummaryMeasure, year_place},
};

/// The fields of the lattice: those of questions, and the bars of the risk histogram.
pub const FIELDS: usize = SummaryField::ALL.len() + 1;
/// The place of the bars among the fields.
pub const RISK_BAR: usize = SummaryField::ALL.len();
/// The place that a trend's year has in the tables that are kept, after all fields.
pub const CALENDAR_YEAR: usize = FIELDS;
/// Where the bars of the risk histogram begin and end.
pub const RISK_EDGES: [f64; 11] = [0.0, 0.01, 0.03, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0];
/// From this age on, an age says 90 (HIPAA, 45 CFR 164.514(b)(2)(i)(C)).
const OLDEST: u32 = 90;
const DAYS_A_YEAR: f64 = 365.25;

/// What the record says of a patient.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The patient.
    pub id: PatientId,
    /// Birth.
    pub birth_date: NaiveDate,
    /// Sex.
    pub sex: Sex,
    /// Cause of kidney disease.
    pub renal_disease: RenalDisease,
    /// Diabetes, where it is known.
    pub diabetes: Option<bool>,
    /// The latest eGFR.
    pub egfr: Option<f64>,
    /// The latest uACR.
    pub uacr: Option<f64>,
    /// The latest 5-year risk.
    pub risk_5y: Option<f64>,
    /// Its category.
    pub risk_category: Option<RiskCategory>,
    /// The first eGFR.
    pub first_egfr_at: Option<DateTime<Utc>>,
    /// The latest value of any kind.
    pub last_value_at: Option<DateTime<Utc>>,
    /// The yearly change of eGFR.
    pub egfr_slope: Option<f64>,
    /// The latest systolic blood pressure.
    pub systolic_bp: Option<f64>,
    /// The latest haemoglobin.
    pub haemoglobin: Option<f64>,
    /// The latest HbA1c.
    pub hba1c: Option<f64>,
    /// The first dialysis or transplant.
    pub kidney_failure_on: Option<NaiveDate>,
    /// Death.
    pub died_on: Option<NaiveDate>,
    /// When both voices first told a risk.
    pub told_at: Option<DateTime<Utc>>,
    /// The equation's, within 2 years.
    pub kfre_2y: Option<f64>,
    /// … and within 5.
    pub kfre_5y: Option<f64>,
    /// The network's, within 2 years.
    pub network_2y: Option<f64>,
    /// … and within 5.
    pub network_5y: Option<f64>,
}

/// The same person in a publication.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Says nothing to whoever does not have the secret; the same in every publication.
    pub key: [u8; 16],
    /// The place of the value of each field.
    pub values: [u8; FIELDS],
    /// Whether they reached kidney failure.
    pub kidney_failure: bool,
    /// Whether they died.
    pub died: bool,
    /// The measures, in their order.
    pub measures: [Option<f64>; SummaryMeasure::ALL.len()],
}

impl Row {
    /// The number that stands for the person in the keys of cells.
    pub fn number(&self) -> u64 {
        let (first, _) = self.key.split_first_chunk::<8>().expect("a key has 16 bytes");
        u64::from_be_bytes(*first)
    }

    /// A person as of a day.
    pub fn new(facts: &Facts, secret: &[u8; 32], on: NaiveDate) -> Self {
        let age = age_at(facts, on);
        let first_year = facts.first_egfr_at.map(|first| first.year());
        let values = [
            sex_place(facts.sex),
            age_place(age),
            egfr_place(facts.egfr),
            uacr_place(facts.uacr),
            place(cause_place(facts.renal_disease)),
            diabetes_place(facts.diabetes),
            place(match facts.risk_category {
                Some(RiskCategory::Low) => 0,
                Some(RiskCategory::Moderate) => 1,
                Some(RiskCategory::High) => 2,
                Some(RiskCategory::VeryHigh) => 3,
                None => 4,
            }),
            place(year_place(first_year, on.year())),
            place(facts.risk_5y.map_or(RISK_EDGES.len() - 1, risk_bar)),
        ];
        Self {
            key: key(secret, facts.id),
            values,
            kidney_failure: facts.kidney_failure_on.is_some(),
            died: facts.died_on.is_some(),
            measures: [
                Some(f64::from(age)),
                facts.egfr,
                facts.egfr_slope,
                facts.uacr,
                facts.systolic_bp,
                facts.haemoglobin,
                facts.hba1c,
                facts.risk_5y,
                follow_up(facts),
            ],
        }
    }
}

/// How many values each field of the lattice has.
pub fn sizes(published_in: i32) -> Vec<usize> {
    let bars = RISK_EDGES.len();
    SummaryField::ALL.iter().map(|field| field.values(published_in).len()).chain([bars]).collect()
}

fn key(secret: &[u8; 32], id: PatientId) -> [u8; 16] {
    let digest = Sha256::new().chain_update(secret).chain_update(id.0.as_bytes()).finalize();
    *digest.first_chunk().expect("a digest has 32 bytes")
}

fn place(place: usize) -> u8 {
    u8::try_from(place).expect("fields have few values")
}

/// The age on a day; whoever died stays as old as they became.
pub fn age_at(facts: &Facts, on: NaiveDate) -> u32 {
    let until = facts.died_on.map_or(on, |died| died.min(on));
    age_on(facts.birth_date, until).unwrap_or_default().min(OLDEST)
}

/// The place of a sex.
pub fn sex_place(sex: Sex) -> u8 {
    place(match sex {
        Sex::Female => 0,
        Sex::Male => 1,
    })
}

/// The place of an eGFR's category.
pub fn egfr_place(egfr: Option<f64>) -> u8 {
    place(egfr.and_then(Egfr::new).map_or(6, |egfr| stage_place(g_category(egfr))))
}

/// The place of an albuminuria's category.
pub fn uacr_place(uacr: Option<f64>) -> u8 {
    place(uacr.and_then(AcrMgG::new).map_or(3, |acr| match a_category(acr) {
        ACategory::A1 => 0,
        ACategory::A2 => 1,
        ACategory::A3 => 2,
    }))
}

fn diabetes_place(diabetes: Option<bool>) -> u8 {
    place(match diabetes {
        Some(true) => 0,
        Some(false) => 1,
        None => 2,
    })
}

/// The place of an age's band.
pub fn age_place(age: u32) -> u8 {
    place(match age {
        ..18 => 0,
        18..30 => 1,
        30.. => age as usize / 10 - 1,
    })
}

const fn stage_place(stage: GCategory) -> usize {
    match stage {
        GCategory::G1 => 0,
        GCategory::G2 => 1,
        GCategory::G3a => 2,
        GCategory::G3b => 3,
        GCategory::G4 => 4,
        GCategory::G5 => 5,
    }
}

const fn cause_place(cause: RenalDisease) -> usize {
    match cause {
        RenalDisease::Diabetic => 0,
        RenalDisease::Hypertensive => 1,
        RenalDisease::Glomerular => 2,
        RenalDisease::Polycystic => 3,
        RenalDisease::Other => 4,
        RenalDisease::Unknown => 5,
    }
}

fn risk_bar(risk: f64) -> usize {
    RISK_EDGES[1..RISK_EDGES.len() - 1].partition_point(|edge| *edge <= risk)
}

/// Years from the first eGFR to the first end point or, without one, the latest value.
fn follow_up(facts: &Facts) -> Option<f64> {
    let first = facts.first_egfr_at?.date_naive();
    let last = facts.last_value_at?.date_naive();
    let ends = [facts.kidney_failure_on, facts.died_on];
    let end = ends.into_iter().flatten().min().unwrap_or(last);
    Some((end - first).num_days().max(0) as f64 / DAYS_A_YEAR)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::summaries) fn facts() -> Facts {
        Facts {
            id: PatientId(uuid::Uuid::nil()),
            birth_date: "1930-01-01".parse().unwrap(),
            sex: Sex::Male,
            renal_disease: RenalDisease::Polycystic,
            diabetes: None,
            egfr: Some(59.5),
            uacr: Some(300.0),
            risk_5y: Some(0.05),
            risk_category: Some(RiskCategory::Moderate),
            first_egfr_at: Some("2020-03-01T08:00:00Z".parse().unwrap()),
            last_value_at: Some("2026-03-01T08:00:00Z".parse().unwrap()),
            egfr_slope: None,
            systolic_bp: None,
            haemoglobin: None,
            hba1c: None,
            kidney_failure_on: Some("2024-03-01".parse().unwrap()),
            died_on: None,
            told_at: None,
            kfre_2y: None,
            kfre_5y: None,
            network_2y: None,
            network_5y: None,
        }
    }

    #[test]
    fn each_value_has_the_place_that_its_field_names() {
        let on = "2026-06-01".parse().unwrap();
        let row = Row::new(&facts(), &[1; 32], on);
        let named: Vec<String> = SummaryField::ALL
            .iter()
            .map(|field| field.values(2026)[usize::from(row.values[*field as usize])].clone())
            .collect();
        assert_eq!(named, ["male", "90+", "G2", "A2", "polycystic", "unknown", "moderate", "2020"]);
        assert_eq!(row.values[RISK_BAR], 3, "0.05 begins the bar from 0.05 to 0.1");
        assert_eq!(row.measures[0], Some(90.0), "96 years are not told");
        assert!((row.measures[8].unwrap() - 4.0).abs() < 0.01);
        assert!(row.kidney_failure && !row.died);
        assert!(row.values.iter().zip(sizes(2026)).all(|(value, size)| usize::from(*value) < size));
    }

    #[test]
    fn bands_of_age_begin_where_they_say() {
        let at = |age| SummaryField::AgeBand.values(2026)[usize::from(age_place(age))].clone();
        let bands = [0, 17, 18, 29, 30, 39, 40, 89, 90].map(at);
        let named = ["0-17", "0-17", "18-29", "18-29", "30-39", "30-39", "40-49", "80-89", "90+"];
        assert_eq!(bands, named);
    }

    #[test]
    fn a_key_is_the_persons_and_the_secrets() {
        let key = |secret: u8, id: u128| key(&[secret; 32], PatientId(uuid::Uuid::from_u128(id)));
        assert_eq!(key(1, 1), key(1, 1));
        assert_ne!(key(1, 1), key(1, 2));
        assert_ne!(key(1, 1), key(2, 1));
    }
}
