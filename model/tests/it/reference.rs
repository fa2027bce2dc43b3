use std::path::Path;

use model::reference::{Input, REFERENCE, Reference, ReferenceError};
use shared::{
    model::DriftLevel,
    observation::ObservationCode,
    prediction::{InputValue, PredictionInputs},
};

use crate::support::{persona, value};

/// Patients of every age from 20 to 89 and every eGFR from 15 to 84.
fn rows() -> Vec<PredictionInputs> {
    let row = |number: u32| {
        let egfr = value(ObservationCode::Egfr, f64::from(15 + (number * 37) % 70), 3);
        PredictionInputs { age_years: 20 + number % 70, values: vec![egfr], ..persona() }
    };
    (0..700).map(row).collect()
}

fn counts(reference: &Reference, rows: &[PredictionInputs]) -> Vec<i64> {
    let mut counts = vec![0; reference.bins()];
    for row in rows {
        reference.count(row, &mut counts);
    }
    counts
}

fn at(input: Input) -> usize {
    Input::ALL.iter().position(|one| *one == input).unwrap()
}

#[test]
fn every_row_is_counted_once_for_every_input() {
    let (rows, reference) = (rows(), Reference::of(&rows()));
    let counts = counts(&reference, &rows);
    assert_eq!(counts.iter().sum::<i64>(), 700 * i64::try_from(Input::ALL.len()).unwrap());
    let age = &reference.inputs[at(Input::Age)];
    assert_eq!(age.edges, [27.0, 34.0, 41.0, 48.0, 55.0, 62.0, 69.0, 76.0, 83.0]);
    assert!(age.shares[..10].iter().all(|share| (share - 0.1).abs() < 1e-9), "{age:?}");
    assert_eq!(age.shares[10], 0.0, "an age is never unknown");
    let uacr = &reference.inputs[at(Input::Uacr)];
    assert_eq!(uacr.shares, [0.0, 1.0], "nobody has a uACR");
}

#[test]
fn the_training_rows_themselves_have_no_drift() {
    let (rows, reference) = (rows(), Reference::of(&rows()));
    for (index, input) in reference.drift(&counts(&reference, &rows)).iter().zip(Input::ALL) {
        assert!(index.psi.unwrap() < 1e-9, "{}: {index:?}", input.name());
        assert_eq!(index.level, DriftLevel::Stable, "{}", input.name());
    }
}

#[test]
fn other_units_by_mistake_are_a_large_drift_of_that_input_alone() {
    let reference = Reference::of(&rows());
    let mut wrong = rows();
    for row in &mut wrong {
        row.values = row
            .values
            .iter()
            .map(|given| InputValue { value: given.value / 60.0, ..given.clone() })
            .collect();
    }
    let drift = reference.drift(&counts(&reference, &wrong));
    for (index, input) in drift.iter().zip(Input::ALL) {
        let expected = if input == Input::Egfr { DriftLevel::Large } else { DriftLevel::Stable };
        assert_eq!(index.level, expected, "{}: {index:?}", input.name());
    }
}

#[test]
fn a_value_that_comes_no_more_shows_as_missing() {
    let reference = Reference::of(&rows());
    let mut without = rows();
    for row in &mut without {
        row.diabetes = None;
    }
    let drift = reference.drift(&counts(&reference, &without));
    let diabetes = drift[at(Input::Diabetes)];
    assert_eq!((diabetes.missing, diabetes.level), (Some(1.0), DriftLevel::Large));
}

#[test]
fn what_is_written_is_read_again_and_a_faulty_file_is_refused() {
    let reference = Reference::of(&rows());
    let json = reference.to_json();
    assert_eq!(Reference::from_json(json.as_bytes()).unwrap(), reference);
    for input in Input::ALL {
        assert_eq!(serde_json::to_value(input).unwrap(), input.name());
    }

    let mut fewer = reference.clone();
    fewer.inputs.pop();
    let refused = Reference::from_json(fewer.to_json().as_bytes());
    assert!(matches!(refused, Err(ReferenceError::Inputs)), "{refused:?}");

    let mut unsound = reference;
    unsound.inputs[0].shares.pop();
    let refused = Reference::from_json(unsound.to_json().as_bytes());
    assert!(matches!(refused, Err(ReferenceError::Bins(Input::Age))), "{refused:?}");

    let refused = Reference::from_json(b"{\n  \"rows\": true }").unwrap_err().to_string();
    assert!(refused.starts_with("line 2, column"), "{refused}");
}

#[test]
fn the_released_reference_can_be_used() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("artifacts").join(REFERENCE);
    let reference = Reference::from_json(&std::fs::read(file).unwrap()).unwrap();
    assert!(10_000 <= reference.rows, "{} rows", reference.rows);
}
