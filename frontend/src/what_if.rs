//! A what-if: the inputs of a prediction with some of them moved. Nothing of it is kept.

use chrono::NaiveTime;
use shared::{
    clinical::assessment::latest,
    observation::{ObservationCode, ObservationMethod},
    prediction::{InputValue, PredictionInputs},
    therapy::TherapyKind,
};

/// A value that can be moved, and how far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lever {
    /// What is moved.
    pub code: ObservationCode,
    /// The least and the most, in the canonical unit.
    pub range: (f64, f64),
    /// Decimals of what is shown.
    pub decimals: u32,
    /// Whether equal steps are equal ratios, as where values differ a thousandfold.
    pub logarithmic: bool,
    /// Whether it is offered although the record does not have it.
    pub always: bool,
}

const fn lever(code: ObservationCode, low: f64, high: f64, decimals: u32) -> Lever {
    Lever { code, range: (low, high), decimals, logarithmic: false, always: false }
}

/// Everything that can be moved.
pub const LEVERS: [Lever; 8] = [
    Lever { always: true, ..lever(ObservationCode::Egfr, 5.0, 120.0, 0) },
    Lever { always: true, logarithmic: true, ..lever(ObservationCode::Uacr, 1.0, 5000.0, 0) },
    lever(ObservationCode::SystolicBp, 80.0, 220.0, 0),
    lever(ObservationCode::HbA1c, 4.0, 14.0, 1),
    lever(ObservationCode::Albumin, 1.5, 5.5, 1),
    lever(ObservationCode::Phosphate, 1.5, 9.0, 1),
    lever(ObservationCode::Bicarbonate, 8.0, 40.0, 0),
    lever(ObservationCode::Calcium, 5.0, 13.0, 1),
];

/// The drug classes that can be switched.
pub const THERAPIES: [TherapyKind; 5] = [
    TherapyKind::RasInhibitor,
    TherapyKind::Sglt2Inhibitor,
    TherapyKind::Mra,
    TherapyKind::Glp1Agonist,
    TherapyKind::Statin,
];

/// How many positions a slider has.
pub const POSITIONS: f64 = 500.0;

impl Lever {
    /// The slider's position of a value, from 0 to [`POSITIONS`].
    pub fn position(&self, value: f64) -> f64 {
        let (low, high) = self.range;
        let value = value.clamp(low, high);
        let share = if self.logarithmic {
            (value / low).ln() / (high / low).ln()
        } else {
            (value - low) / (high - low)
        };
        (share * POSITIONS).round()
    }

    /// The value of a slider's position, in the canonical unit, with the lever's decimals.
    pub fn value(&self, position: f64) -> f64 {
        let (low, high) = self.range;
        let share = (position / POSITIONS).clamp(0.0, 1.0);
        let value = if self.logarithmic {
            low * (high / low).powf(share)
        } else {
            (high - low).mul_add(share, low)
        };
        let scale = 10_f64.powi(self.decimals.cast_signed());
        (value * scale).round() / scale
    }
}

/// Moves the latest value of a code to `value`, in the canonical unit. The whole course moves by the
/// same factor and keeps its shape: a single value that jumps would say that something happened
/// overnight. A code that the record does not have gets one value, of the day of the prediction.
pub fn moved(inputs: &mut PredictionInputs, code: ObservationCode, value: f64) {
    let Some(before) = latest(inputs, code).map(|known| known.value).filter(|known| 0.0 < *known)
    else {
        let effective_at = inputs.as_of.and_time(NaiveTime::MIN).and_utc();
        let unit = code.canonical_unit().to_owned();
        let method = ObservationMethod::Reported;
        inputs.values.push(InputValue { code, value, unit, effective_at, method });
        return;
    };
    let factor = value / before;
    for known in inputs.values.iter_mut().filter(|known| known.code == code) {
        known.value *= factor;
    }
}

/// Switches a drug class on or off.
pub fn switched(inputs: &mut PredictionInputs, kind: TherapyKind, on: bool) {
    inputs.therapies.retain(|known| *known != kind);
    if on {
        inputs.therapies.push(kind);
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use shared::{
        patient::{RenalDisease, Sex},
        prediction::KfreRegion,
    };

    use super::*;

    fn at(day: &str) -> DateTime<Utc> {
        format!("{day}T08:00:00Z").parse().expect("a time")
    }

    fn egfr(value: f64, day: &str) -> InputValue {
        InputValue {
            code: ObservationCode::Egfr,
            value,
            unit: ObservationCode::Egfr.canonical_unit().to_owned(),
            effective_at: at(day),
            method: ObservationMethod::Reported,
        }
    }

    fn inputs() -> PredictionInputs {
        PredictionInputs {
            as_of: at("2026-06-01").date_naive(),
            age_years: 60,
            sex: Sex::Female,
            diabetes: None,
            hypertension: None,
            cardiovascular_disease: None,
            heart_failure: None,
            smoker: None,
            renal_disease: RenalDisease::Unknown,
            region: KfreRegion::NorthAmerica,
            therapies: vec![TherapyKind::Statin],
            biopsy: None,
            outcomes: Vec::new(),
            values: vec![egfr(40.0, "2025-05-01"), egfr(30.0, "2026-05-01")],
        }
    }

    #[test]
    fn a_course_keeps_its_shape() {
        let mut inputs = inputs();
        moved(&mut inputs, ObservationCode::Egfr, 15.0);
        let values: Vec<f64> = inputs.values.iter().map(|value| value.value).collect();
        assert_eq!(values, [20.0, 15.0]);
    }

    #[test]
    fn a_value_that_is_not_known_is_of_the_day() {
        let mut inputs = inputs();
        moved(&mut inputs, ObservationCode::Uacr, 300.0);
        let added = latest(&inputs, ObservationCode::Uacr).expect("added");
        assert_eq!((added.value, added.unit.as_str()), (300.0, "mg/g{creat}"));
        assert_eq!(added.effective_at.date_naive(), inputs.as_of);
    }

    #[test]
    fn a_drug_class_is_there_once_or_not_at_all() {
        let mut inputs = inputs();
        switched(&mut inputs, TherapyKind::Statin, true);
        assert_eq!(inputs.therapies, [TherapyKind::Statin]);
        switched(&mut inputs, TherapyKind::Statin, false);
        assert!(inputs.therapies.is_empty());
    }

    #[test]
    fn sliders_reach_every_value_and_both_ends() {
        for lever in LEVERS {
            let (low, high) = lever.range;
            assert_eq!((lever.value(0.0), lever.value(POSITIONS)), (low, high));
            for position in 0..=POSITIONS as u32 {
                let value = lever.value(position.into());
                let again = lever.value(lever.position(value));
                // Where decimals are coarser than positions several positions show one value.
                let coarse = 0.51 * 10_f64.powi(-lever.decimals.cast_signed());
                assert!((value - again).abs() <= coarse.max(value * 0.01), "{value} {again}");
            }
        }
    }
}
