//! What serves says the same as what is trained, whatever the shape and the number of patients.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use model::{
    calibration::{Calibration, cumulative_incidence},
    config::{Config, Shape, YEARS},
    features::{CHANNELS, Input, KNOWN, Patient, VISITS, Visit},
    network::{Network, layers},
    predictor::{Predictor, tensors},
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use shared::{
    patient::{RenalDisease, Sex},
    prediction::{BiopsyInput, ModelVersion, PredictionInputs},
    therapy::TherapyKind,
};

use crate::support::{course, persona, released};

const MEMBERS: usize = 3;

fn member(shape: &Shape, rng: &mut StdRng) -> Network {
    member_with(shape, rng, |_| false)
}

/// Random weights, those of the layers that are `broken` no numbers.
fn member_with(shape: &Shape, rng: &mut StdRng, broken: impl Fn(&str) -> bool) -> Network {
    let mut weights = HashMap::new();
    for (name, input, output) in layers(shape) {
        let mut random = |count: usize, bound: f32| -> Vec<f32> {
            let number = |_| if broken(&name) { f32::NAN } else { rng.random_range(-bound..bound) };
            (0..count).map(number).collect()
        };
        let weight = random(input * output, (6.0 / input as f32).sqrt());
        let weight = Tensor::from_vec(weight, (output, input), &Device::Cpu).unwrap();
        weights.insert(format!("{name}.weight"), weight);
        let bias = Tensor::from_vec(random(output, 0.5), output, &Device::Cpu).unwrap();
        weights.insert(format!("{name}.bias"), bias);
    }
    let vb = VarBuilder::from_tensors(weights, DType::F32, &Device::Cpu);
    Network::new(&vb, shape).unwrap()
}

fn ensemble(shape: &Shape, rng: &mut StdRng) -> (Vec<Network>, Predictor) {
    let members: Vec<Network> = (0..MEMBERS).map(|_| member(shape, rng)).collect();
    let config = Config {
        model: ModelVersion { name: "random".to_owned(), version: "0".to_owned() },
        members: MEMBERS,
        shape: shape.clone(),
        calibration: Calibration::default(),
        trained_on: "nothing".to_owned(),
        seed: 0,
        weights_sha256: String::new(),
    };
    let predictor = Predictor::assemble(config, &members).unwrap();
    (members, predictor)
}

/// A patient with 0 to 16 visits, some of whose channels were measured.
fn patient(rng: &mut StdRng) -> Patient {
    let mut patient = Patient::new(&persona());
    let visits = rng.random_range(0..=VISITS);
    patient.visits = (0..visits)
        .map(|index| Visit {
            months: (visits - index) as f32 * rng.random_range(0.5..3.5),
            values: std::array::from_fn::<_, CHANNELS, _>(|_| {
                rng.random_bool(0.7).then(|| rng.random_range(-5.0..5.0))
            }),
        })
        .collect();
    patient
}

/// Patients half of whom have the visits of the one before, as steps of an explanation do.
fn patients(rng: &mut StdRng, count: usize) -> Vec<Patient> {
    let mut patients: Vec<Patient> = Vec::with_capacity(count);
    for _ in 0..count {
        let mut inputs = persona();
        inputs.age_years = rng.random_range(20..90);
        let mut one = Patient { facts: Patient::new(&inputs).facts, ..patient(rng) };
        if let Some(before) = patients.last().filter(|_| rng.random_bool(0.5)) {
            one.visits.clone_from(&before.visits);
        }
        patients.push(one);
    }
    patients
}

fn shape(channels: usize, dilations: &[usize], facts: usize, joint: usize) -> Shape {
    Shape { channels, dilations: dilations.to_vec(), facts, joint }
}

#[test]
fn every_member_says_what_its_network_says() {
    let mut rng = StdRng::seed_from_u64(3);
    let shapes = [
        Shape::default(),
        shape(24, &[1, 2, 4], 32, 48),
        // Widths that fill no vector, a reach beyond the first visit, layers few and many.
        shape(5, &[1, 2, 5], 3, 7),
        shape(17, &[3], 33, 1),
        shape(8, &[1, 1, 2, 3], 16, 40),
    ];
    for shape in shapes {
        let (members, predictor) = ensemble(&shape, &mut rng);
        let patients = patients(&mut rng, 131);
        let (visits, facts) = tensors(&patients).unwrap();
        let served = predictor.incidences(&patients).unwrap();
        assert_eq!(served.len(), MEMBERS);
        for (network, served) in members.iter().zip(served) {
            let said = network.forward(&visits, &facts).unwrap().flatten_all().unwrap();
            let said = said.to_vec1::<f32>().unwrap();
            assert_eq!(served.len(), patients.len());
            for (said, served) in said.chunks_exact(YEARS * 3).zip(served) {
                for (said, served) in cumulative_incidence(said).into_iter().zip(served) {
                    assert!((said - served).abs() <= 1e-5, "{shape:?}: {said} is not {served}");
                }
            }
        }
    }
}

#[test]
fn the_size_of_a_batch_changes_nothing() {
    let mut rng = StdRng::seed_from_u64(4);
    let (_, predictor) = ensemble(&Shape::default(), &mut rng);
    let patients = patients(&mut rng, 203);
    let alone: Vec<_> = patients
        .iter()
        .flat_map(|patient| predictor.courses(std::slice::from_ref(patient)).unwrap())
        .collect();
    for size in [0, 1, 2, 7, 8, 9, 12, 47, 48, 49, 96, 97, 203] {
        let together = predictor.courses(&patients[..size]).unwrap();
        assert_eq!(together.len(), size);
        let (mut visits, mut facts) = (Vec::new(), Vec::new());
        for patient in &patients[..size] {
            patient.write_visits(&mut visits);
            patient.write_facts(&mut facts);
        }
        assert_eq!(predictor.courses_of(&visits, &facts), together);
        for (alone, together) in alone.iter().zip(together) {
            for (a, b) in alone.iter().zip(together) {
                let distances = [a.0 - b.0, a.1 - b.1, a.2 - b.2];
                assert!(distances.iter().all(|d| d.abs() <= 1e-5), "{size}: {a:?} is not {b:?}");
            }
        }
    }
}

#[test]
fn an_ensemble_of_nobody_is_refused() {
    let config = released().config().clone();
    assert!(Predictor::assemble(config, &[]).is_err());
}

#[test]
fn weights_that_are_no_numbers_give_no_risk() {
    let mut rng = StdRng::seed_from_u64(6);
    let shape = Shape::default();
    for broken in layers(&shape) {
        let (mut members, predictor) = ensemble(&shape, &mut rng);
        members[1] = member_with(&shape, &mut rng, |name| name == broken.0);
        let predictor = Predictor::assemble(predictor.config().clone(), &members).unwrap();
        let course = predictor.courses(&[Patient::new(&course(60.0, 25.0))]).unwrap()[0];
        assert!(course[YEARS - 1].0.is_nan(), "{}: {course:?}", broken.0);
    }
}

#[test]
fn models_of_different_shapes_share_a_thread() {
    let mut rng = StdRng::seed_from_u64(5);
    let (_, large) = ensemble(&shape(40, &[1, 2, 4], 48, 64), &mut rng);
    let (_, small) = ensemble(&shape(6, &[2, 4], 5, 9), &mut rng);
    let patients: Vec<Patient> = [course(60.0, 25.0), persona()].iter().map(Patient::new).collect();
    let expected = small.courses(&patients).unwrap();
    large.courses(&patients).unwrap();
    assert_eq!(small.courses(&patients).unwrap(), expected);
}

/// As they are, with facts of the reference, and with visits of the reference: patients one after the other
/// share visits, or facts, or nothing.
fn relatives(rng: &mut StdRng) -> Vec<Patient> {
    let is_fact = |input: Input| matches!(input, Input::Fact(_));
    let mut relatives = Vec::new();
    for _ in 0..200 {
        let patient = Patient { facts: Patient::new(&facts(rng)).facts, ..patient(rng) };
        let with_facts = patient.with_only(&is_fact);
        let with_visits = patient.with_only(&|input| !is_fact(input));
        relatives.extend([with_facts, patient.with_only(&|_| false), patient, with_visits]);
    }
    relatives
}

/// Any facts, each at times the reference's.
fn facts(rng: &mut StdRng) -> PredictionInputs {
    let mut known = || [None, Some(false), Some(true)][rng.random_range(0..3)];
    let (diabetes, hypertension, cardiovascular_disease) = (known(), known(), known());
    let (heart_failure, smoker) = (known(), known());
    let biopsy = BiopsyInput {
        performed_on: "2024-06-01".parse().unwrap(),
        m: Some(1),
        e: None,
        s: Some(0),
        t: Some(2),
        c: None,
    };
    PredictionInputs {
        age_years: if rng.random_bool(0.2) { 65 } else { rng.random_range(20..90) },
        sex: if rng.random_bool(0.5) { Sex::Male } else { Sex::Female },
        diabetes,
        hypertension,
        cardiovascular_disease,
        heart_failure,
        smoker,
        renal_disease: RenalDisease::ALL[rng.random_range(0..RenalDisease::ALL.len())],
        therapies: TherapyKind::ALL.into_iter().filter(|_| rng.random_bool(0.1)).collect(),
        biopsy: rng.random_bool(0.5).then_some(biopsy),
        ..persona()
    }
}

#[test]
fn an_input_differs_where_it_makes_another_patient_of_the_reference() {
    let inputs = Input::all();
    let mut seen = vec![(0, 0); inputs.len()];
    for patient in relatives(&mut StdRng::seed_from_u64(11)) {
        let reference = patient.with_only(&|_| false);
        for (input, (same, other)) in inputs.iter().zip(&mut seen) {
            let differs = patient.with_only(&|own| own == *input) != reference;
            assert_eq!(patient.differs_in(*input), differs, "{input:?} of {patient:?}");
            *(if differs { other } else { same }) += 1;
        }
    }
    for (input, (same, other)) in inputs.iter().zip(seen) {
        assert!(10 < same && 10 < other, "{input:?}: {same} the same, {other} not");
    }
}

#[test]
fn what_the_network_reads_of_many_is_what_it_reads_of_each() {
    let patients = relatives(&mut StdRng::seed_from_u64(12));
    let (mut visits, mut facts) = (Vec::new(), Vec::new());
    Patient::write_all(&patients, &mut visits, &mut facts);
    let (mut each_visits, mut each_facts) = (Vec::new(), Vec::new());
    for patient in &patients {
        patient.write_visits(&mut each_visits);
        patient.write_facts(&mut each_facts);
    }
    assert_eq!(visits, each_visits);
    assert_eq!(facts, each_facts);
}

#[test]
fn the_last_risk_alone_is_that_of_the_course() {
    let mut rng = StdRng::seed_from_u64(13);
    let calibration = released().config().calibration;
    let known = [0.5; KNOWN];
    for _ in 0..1000 {
        let mut members: Vec<Vec<f64>> = (0..MEMBERS)
            .map(|_| (0..YEARS).map(|_| rng.random_range(0.0..1.0)).collect())
            .collect();
        for years in &mut members {
            years.sort_by(f64::total_cmp);
        }
        let by_year: Vec<f64> =
            (0..YEARS).flat_map(|year| members.iter().map(move |years| years[year])).collect();
        let course = calibration.course(&by_year, &known);
        let alone = calibration.last_risk(&by_year[(YEARS - 1) * MEMBERS..]);
        assert!((alone - course[YEARS - 1].0).abs() < 1e-12, "{alone} and {course:?}");
    }
}
