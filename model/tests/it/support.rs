//! Inputs to predict from.

use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use model::predictor::Predictor;
use shared::{
    observation::{ObservationCode, ObservationMethod},
    patient::{RenalDisease, Sex},
    prediction::{InputValue, KfreRegion, PredictionInputs},
};

pub fn released() -> Predictor {
    Predictor::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("artifacts")).unwrap()
}

pub fn today() -> NaiveDate {
    "2026-06-01".parse().unwrap()
}

fn noon() -> DateTime<Utc> {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

pub fn value(code: ObservationCode, value: f64, days_ago: i64) -> InputValue {
    InputValue {
        code,
        value,
        unit: code.canonical_unit().to_owned(),
        effective_at: noon() - TimeDelta::days(days_ago),
        method: ObservationMethod::Reported,
    }
}

/// The published care-plan persona.
pub fn persona() -> PredictionInputs {
    PredictionInputs {
        as_of: today(),
        age_years: 60,
        sex: Sex::Female,
        diabetes: Some(true),
        hypertension: Some(true),
        cardiovascular_disease: None,
        heart_failure: None,
        smoker: None,
        renal_disease: RenalDisease::Unknown,
        region: KfreRegion::NorthAmerica,
        therapies: Vec::new(),
        biopsy: None,
        outcomes: Vec::new(),
        values: vec![value(ObservationCode::Egfr, 28.0, 0), value(ObservationCode::Uacr, 742.0, 0)],
    }
}

/// A longer story: eGFR falling from `from` to `to` over four years, everything measured.
pub fn course(from: f64, to: f64) -> PredictionInputs {
    let mut values = Vec::new();
    for visit in 0..12 {
        let days_ago = (11 - visit) * 120;
        let share = visit as f64 / 11.0;
        values.push(value(ObservationCode::Egfr, from + (to - from) * share, days_ago));
        values.push(value(ObservationCode::Uacr, 300.0, days_ago));
        values.push(value(ObservationCode::Haemoglobin, 11.5, days_ago));
        values.push(value(ObservationCode::Albumin, 3.8, days_ago));
        values.push(value(ObservationCode::Phosphate, 4.1, days_ago));
        values.push(value(ObservationCode::Bicarbonate, 23.0, days_ago));
        values.push(value(ObservationCode::Calcium, 9.1, days_ago));
        values.push(value(ObservationCode::SystolicBp, 142.0, days_ago));
    }
    PredictionInputs { values, ..persona() }
}

/// A folder of this test's own, gone when it ends.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("nephrocast-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}
