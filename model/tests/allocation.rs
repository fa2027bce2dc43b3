//! Serving holds no more memory after many calls than after a few.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;

use chrono::TimeDelta;
use dhat::{Alloc, HeapStats, Profiler};
use model::{features::Patient, predictor::Predictor};
use shared::{
    observation::{ObservationCode, ObservationMethod},
    patient::{RenalDisease, Sex},
    prediction::{InputValue, KfreRegion, PredictionInputs},
};

#[global_allocator]
static ALLOCATOR: Alloc = Alloc;

const CALLS: usize = 1000;
/// What threads may still take for themselves on the way: a few blocks, or larger ones. Calls that kept
/// anything would keep a block each, or add to one.
const SLACK_BLOCKS: usize = CALLS / 10;
const SLACK: usize = 1000 * CALLS;

fn inputs(visits: i64) -> PredictionInputs {
    let values = (0..visits).flat_map(|visit| {
        [(ObservationCode::Egfr, 30.0 + visit as f64), (ObservationCode::Uacr, 300.0)].map(
            |(code, value)| InputValue {
                code,
                value,
                unit: code.canonical_unit().to_owned(),
                effective_at: "2026-06-01T12:00:00Z".parse::<chrono::DateTime<_>>().unwrap()
                    - TimeDelta::days(90 * visit),
                method: ObservationMethod::Reported,
            },
        )
    });
    PredictionInputs {
        as_of: "2026-06-01".parse().unwrap(),
        age_years: 60,
        sex: Sex::Female,
        diabetes: Some(true),
        hypertension: None,
        cardiovascular_disease: None,
        heart_failure: None,
        smoker: None,
        renal_disease: RenalDisease::Unknown,
        region: KfreRegion::NorthAmerica,
        therapies: Vec::new(),
        biopsy: None,
        outcomes: Vec::new(),
        values: values.collect(),
    }
}

#[test]
fn memory_does_not_grow_with_the_number_of_calls() {
    let artifacts = Path::new(env!("CARGO_MANIFEST_DIR")).join("artifacts");
    let predictor = Predictor::load(&artifacts).unwrap();
    let inputs: Vec<PredictionInputs> = (0..100).map(|index| inputs(1 + index % 16)).collect();
    let patients: Vec<Patient> = inputs.iter().map(Patient::new).collect();
    let _profiler = Profiler::builder().testing().build();
    let call = |index: usize| {
        let size = index % patients.len();
        assert_eq!(predictor.courses(&patients[..size]).unwrap().len(), size);
        if index.is_multiple_of(20) {
            assert_eq!(predictor.predict(&inputs[..size / 4]).unwrap().len(), size / 4);
        }
    };
    (0..200).for_each(call);
    let before = HeapStats::get();
    (0..CALLS).for_each(call);
    let after = HeapStats::get();
    assert!(after.curr_blocks < before.curr_blocks + SLACK_BLOCKS, "{before:?} {after:?}");
    assert!(after.curr_bytes < before.curr_bytes + SLACK, "{before:?} {after:?}");

    // Few patients stay on the thread that asks: one block for the answer, and no other.
    let (mut visits, mut facts) = (Vec::new(), Vec::new());
    for patient in &patients[..4] {
        patient.write_visits(&mut visits);
        patient.write_facts(&mut facts);
    }
    let before = HeapStats::get();
    for _ in 0..CALLS {
        assert_eq!(predictor.courses_of(&visits, &facts).len(), 4);
    }
    assert_eq!(HeapStats::get().total_blocks - before.total_blocks, CALLS as u64);
}
