use model::{
    features::{Input, Patient},
    predictor::{Forecast, LoadError, Predictor},
};
use proptest::prelude::*;
use shared::{
    clinical::{Plausibility, plausibility},
    observation::ObservationCode,
    patient::{RenalDisease, Sex},
    prediction::{InputValue, PredictionInputs},
    therapy::TherapyKind,
};

use crate::support::{Folder, course, persona, released, value};

fn forecast(predictor: &Predictor, inputs: PredictionInputs) -> Forecast {
    predictor.predict(&[inputs]).unwrap().pop().unwrap()
}

fn assert_sound(forecast: &Forecast) {
    let years: Vec<u8> = forecast.risk.iter().map(|risk| risk.year).collect();
    assert_eq!(years, [1, 2, 3, 4, 5]);
    for risk in &forecast.risk {
        assert!(0.0 <= risk.lower && risk.lower <= risk.probability, "{risk:?}");
        assert!(risk.probability <= risk.upper && risk.upper <= 1.0, "{risk:?}");
    }
    for pair in forecast.risk.windows(2) {
        assert!(pair[0].probability <= pair[1].probability, "{pair:?}");
        assert!(pair[0].lower <= pair[1].lower && pair[0].upper <= pair[1].upper, "{pair:?}");
    }
    let effects: f64 = forecast.contributions.iter().map(|contribution| contribution.effect).sum();
    let difference = forecast.risk[4].probability - forecast.reference_risk_5y;
    assert!((effects - difference).abs() < 1e-3, "{effects} is not {difference}");
}

#[test]
fn the_released_network_says_what_it_said_when_it_was_released() {
    let golden: Vec<(String, Vec<f64>)> =
        serde_json::from_str(include_str!("golden.json")).unwrap();
    let inputs = [persona(), course(60.0, 25.0), course(32.0, 31.0), course(95.0, 92.0)];
    let forecasts = released().predict(&inputs).unwrap();
    let said: Vec<Vec<f64>> = forecasts
        .iter()
        .map(|forecast| forecast.risk.iter().map(|risk| risk.probability).collect())
        .collect();
    let shown = serde_json::to_string(&said).unwrap();
    assert_eq!(golden.len(), said.len(), "{shown}");
    for ((name, golden), said) in golden.iter().zip(&said) {
        let is_close = golden.iter().zip(said).all(|(then, now)| (then - now).abs() <= 1e-5);
        assert!(is_close && golden.len() == said.len(), "{name}: {shown}");
    }
}

#[test]
fn a_batch_says_what_each_says_alone() {
    let predictor = released();
    let inputs: Vec<PredictionInputs> = (0..70)
        .map(|index| course(40.0 + f64::from(index) / 2.0, 20.0 + f64::from(index) / 3.0))
        .chain([persona()])
        .collect();
    let together = predictor.predict(&inputs).unwrap();
    for (inputs, together) in inputs.into_iter().zip(together) {
        let alone = forecast(&predictor, inputs);
        for (a, b) in alone.risk.iter().zip(&together.risk) {
            assert!((a.probability - b.probability).abs() < 1e-5, "{a:?} {b:?}");
        }
        assert_eq!(alone.contributions.len(), together.contributions.len());
        for (a, b) in alone.contributions.iter().zip(&together.contributions) {
            assert_eq!(a.input, b.input);
            assert!((a.effect - b.effect).abs() < 1e-5, "{a:?} {b:?}");
        }
    }
}

#[test]
fn the_same_inputs_give_the_same_bits() {
    let predictor = released();
    assert_eq!(forecast(&predictor, persona()), forecast(&predictor, persona()));
}

#[test]
fn answers_are_sound() {
    let predictor = released();
    for inputs in [persona(), course(60.0, 25.0), course(15.0, 8.0), course(120.0, 110.0)] {
        assert_sound(&forecast(&predictor, inputs));
    }
}

/// The mean of what each input changes when it becomes the patient's own in one order, and in its reverse.
fn effects(predictor: &Predictor, inputs: &PredictionInputs) -> Vec<(&'static str, f64)> {
    let patient = Patient::new(inputs);
    let reference = patient.with_only(&|_| false);
    let mut order = Input::all();
    order.retain(|input| patient.with_only(&|own| own == *input) != reference);
    let risk = |of: &[Input]| {
        let row = patient.with_only(&|own| of.contains(&own));
        predictor.courses(&[row]).unwrap()[0][4].0
    };
    let effect = |at: usize| {
        let forward = risk(&order[..=at]) - risk(&order[..at]);
        let reverse = risk(&order[at..]) - risk(&order[at + 1..]);
        (order[at].name(), f64::midpoint(forward, reverse))
    };
    (0..order.len()).map(effect).collect()
}

#[test]
fn each_contribution_is_what_its_input_changes() {
    let predictor = released();
    let of = |values: Vec<InputValue>| PredictionInputs { values, ..persona() };
    // Nobody differs in less: the reference's own, then in one input, and in two.
    let nothing = PredictionInputs {
        age_years: 65,
        diabetes: None,
        hypertension: None,
        ..of(vec![value(ObservationCode::Egfr, 45.0, 0)])
    };
    let old = PredictionInputs { age_years: 80, ..nothing.clone() };
    let diabetic = PredictionInputs { diabetes: Some(true), ..old.clone() };
    let full = PredictionInputs {
        sex: Sex::Male,
        smoker: Some(true),
        renal_disease: RenalDisease::Polycystic,
        therapies: vec![TherapyKind::ALL[0]],
        ..course(61.3, 22.9)
    };
    for (inputs, differing) in [
        (nothing, 0),
        (old, 1),
        (diabetic, 2),
        (persona(), 5),
        (course(60.0, 25.0), 12),
        (full, 16),
    ] {
        let expected = effects(&predictor, &inputs);
        let said = forecast(&predictor, inputs).contributions;
        assert_eq!((expected.len(), said.len()), (differing, differing), "{said:?}");
        for ((name, effect), said) in expected.into_iter().zip(said) {
            assert_eq!(said.input, name);
            assert!((said.effect - effect).abs() < 1e-9, "{name}: {} is not {effect}", said.effect);
        }
    }
}

#[test]
fn contributions_name_what_differs_from_the_reference_only() {
    let forecast = forecast(&released(), persona());
    let names: Vec<&str> =
        forecast.contributions.iter().map(|contribution| contribution.input.as_str()).collect();
    assert_eq!(names, ["egfr", "uacr", "age", "diabetes", "hypertension"]);
    let of = |name: &str| {
        let found = forecast.contributions.iter().find(|contribution| contribution.input == name);
        found.unwrap().effect
    };
    assert!(0.0 < of("egfr") && 0.0 < of("uacr"), "low eGFR and albuminuria raise the risk");
}

#[test]
fn a_falling_course_is_riskier_than_a_level_one_that_ends_the_same() {
    let predictor = released();
    let falling = forecast(&predictor, course(60.0, 28.0));
    let level = forecast(&predictor, course(29.0, 28.0));
    assert!(level.risk[4].probability < falling.risk[4].probability);
    let of_course =
        |contribution: &&shared::prediction::Contribution| contribution.input == "egfr_course";
    let effect = falling.contributions.iter().find(of_course).unwrap().effect;
    assert!(0.0 < effect, "{effect}");
}

#[test]
fn nobody_is_judged_without_an_egfr() {
    let mut inputs = persona();
    inputs.values.retain(|value| value.code != ObservationCode::Egfr);
    let refused = released().predict(&[persona(), inputs]);
    assert!(matches!(refused, Err(model::predictor::PredictError::NoEgfr)), "{refused:?}");
}

#[test]
fn nothing_beyond_five_years_or_after_today_counts() {
    let mut inputs = persona();
    let patient = Patient::new(&inputs);
    inputs.values.push(value(ObservationCode::Egfr, 90.0, 6 * 365));
    inputs.values.push(value(ObservationCode::Egfr, 90.0, -60));
    assert_eq!(Patient::new(&inputs), patient);
}

#[test]
fn more_visits_than_the_network_reads_keep_the_latest() {
    let mut inputs = persona();
    inputs.values = (0..40)
        .map(|n| value(ObservationCode::Egfr, 30.0 + f64::from(n), i64::from(n) * 40))
        .collect();
    let patient = Patient::new(&inputs);
    assert_eq!(patient.visits.len(), model::features::VISITS);
    assert_eq!(patient.visits.last().unwrap().months, 0.0);
}

#[test]
fn a_diary_of_blood_pressures_pushes_no_laboratory_value_out() {
    let mut inputs = persona();
    for value in &mut inputs.values {
        value.effective_at -= chrono::TimeDelta::days(200);
    }
    let diary = (0..90).map(|day| value(ObservationCode::SystolicBp, 140.0, day));
    inputs.values.extend(diary);
    let patient = Patient::new(&inputs);
    assert_eq!(patient.visits.len(), model::features::VISITS);
    assert!(patient.has_egfr() && patient.visits[0].values[model::features::UACR].is_some());
}

#[test]
fn a_broken_folder_is_refused_with_its_reason() {
    let folder = Folder::new("broken");
    let load = || Predictor::load(&folder.0).unwrap_err();
    assert!(matches!(load(), LoadError::File { .. }));
    std::fs::write(folder.0.join("config.json"), "{\"model\": }").unwrap();
    assert!(load().to_string().contains("line 1, column 11"), "{}", load());
    let artifacts = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("artifacts");
    let config = std::fs::read_to_string(artifacts.join("config.json")).unwrap();
    let mut reversed: serde_json::Value = serde_json::from_str(&config).unwrap();
    for factor in [-1.0, 0.0] {
        reversed["calibration"]["factor"] = factor.into();
        std::fs::write(folder.0.join("config.json"), reversed.to_string()).unwrap();
        assert!(load().to_string().contains("the factor is not above 0"), "{}", load());
    }
    std::fs::write(folder.0.join("config.json"), config).unwrap();
    let mut weights = std::fs::read(artifacts.join("weights.safetensors")).unwrap();
    let last = weights.len() - 1;
    weights[last] ^= 1;
    std::fs::write(folder.0.join("weights.safetensors"), weights).unwrap();
    assert!(matches!(load(), LoadError::Mismatch(_)));
}

/// A plausible value of any code: from a grid of numbers, those that its plausibility lets pass.
fn any_value() -> impl Strategy<Value = shared::prediction::InputValue> {
    (0..ObservationCode::ALL.len(), 0.0_f64..1.0, 0_i64..2200).prop_map(|(code, share, days)| {
        let code = ObservationCode::ALL[code];
        let grid = (0..200).map(|step| 0.05 * 1.07_f64.powi(step));
        let plausible: Vec<f64> = grid
            .filter(|number| {
                !matches!(plausibility(code, *number), Plausibility::Implausible { .. })
            })
            .collect();
        value(code, plausible[(share * plausible.len() as f64) as usize], days)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_plausible_input_gives_nonsense(
        age in 18_u32..=110,
        male: bool,
        facts: [Option<bool>; 5],
        disease in 0_usize..6,
        egfr in 3.0_f64..140.0,
        values in prop::collection::vec(any_value(), 0..60),
    ) {
        static PREDICTOR: std::sync::OnceLock<Predictor> = std::sync::OnceLock::new();
        let mut inputs = persona();
        inputs.age_years = age;
        inputs.sex = if male { Sex::Male } else { Sex::Female };
        [
            inputs.diabetes,
            inputs.hypertension,
            inputs.cardiovascular_disease,
            inputs.heart_failure,
            inputs.smoker,
        ] = facts;
        inputs.renal_disease = RenalDisease::ALL[disease];
        inputs.values = values;
        inputs.values.push(value(ObservationCode::Egfr, egfr, 10));
        assert_sound(&forecast(PREDICTOR.get_or_init(released), inputs));
    }
}
