//! What is said of a whole patient, and what is not.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use shared::{
    clinical::assessment::{Assessment, assess, kfre_for, missing_or_out_of_scope},
    observation::{ObservationCode, ObservationMethod},
    outcome::OutcomeKind,
    patient::{RenalDisease, Sex},
    prediction::{
        ACategory, BiopsyInput, InputValue, KfreRegion, PredictionInputs, RiskCategory, RiskSource,
        YearRisk,
    },
    therapy::TherapyKind,
};

fn today() -> NaiveDate {
    "2026-06-01".parse().unwrap()
}

fn days_ago(days: i64) -> DateTime<Utc> {
    (today() - TimeDelta::days(days)).and_hms_opt(8, 0, 0).unwrap().and_utc()
}

fn value(code: ObservationCode, value: f64, days: i64) -> InputValue {
    InputValue {
        code,
        value,
        unit: code.canonical_unit().to_owned(),
        effective_at: days_ago(days),
        method: ObservationMethod::Reported,
    }
}

/// The published care-plan persona: a woman of 60 with diabetes and hypertension.
fn persona() -> PredictionInputs {
    PredictionInputs {
        as_of: today(),
        age_years: 60,
        sex: Sex::Female,
        diabetes: Some(true),
        hypertension: Some(true),
        cardiovascular_disease: None,
        heart_failure: None,
        smoker: None,
        renal_disease: RenalDisease::Diabetic,
        region: KfreRegion::NorthAmerica,
        therapies: vec![],
        biopsy: None,
        outcomes: vec![],
        values: vec![
            value(ObservationCode::Egfr, 28.0, 10),
            value(ObservationCode::Uacr, 742.0, 10),
        ],
    }
}

fn network(risk_2y: f64, risk_5y: f64) -> Vec<YearRisk> {
    [(2, risk_2y), (5, risk_5y)]
        .map(|(year, probability)| YearRisk { year, probability, lower: 0.0, upper: 1.0 })
        .to_vec()
}

fn warned(assessment: &Assessment, code: &str) -> bool {
    assessment.warnings.iter().any(|warning| warning.code == code)
}

fn advised(assessment: &Assessment, code: &str) -> bool {
    assessment.advice.iter().any(|advice| advice.code == code)
}

#[track_caller]
fn refused(inputs: &PredictionInputs, code: &str) {
    let reasons = kfre_for(inputs).unwrap_err();
    assert!(reasons.iter().any(|reason| reason.code() == code), "{reasons:?}");
    let Ok(assessment) = assess(inputs, &network(0.01, 0.02)) else {
        assert!(!missing_or_out_of_scope(inputs).is_empty());
        return;
    };
    assert_eq!(assessment.kfre, None);
    assert_eq!(assessment.category_source, RiskSource::Network);
    assert!(warned(&assessment, code));
}

#[test]
fn the_persona_has_its_published_risk() {
    let mut inputs = persona();
    let kfre = kfre_for(&inputs).unwrap();
    assert_eq!(kfre.variables, 4);
    assert!((kfre.risk_2y - 0.124_185_036_434_845_13).abs() < 1e-12);
    assert!((kfre.risk_5y - 0.338_988_383_493_197_15).abs() < 1e-12);
    inputs.region = KfreRegion::Other;
    let kfre = kfre_for(&inputs).unwrap();
    assert!((kfre.risk_2y - 0.084_913_280_130_423_65).abs() < 1e-12);
    assert!((kfre.risk_5y - 0.290_791_740_172_777_1).abs() < 1e-12);
}

#[test]
fn the_persona_is_referred_to_multidisciplinary_care() {
    let assessment = assess(&persona(), &network(0.5, 0.9)).unwrap();
    assert_eq!(assessment.category, RiskCategory::High, "from KFRE, not from the network");
    assert_eq!(assessment.category_source, RiskSource::Kfre);
    for code in ["multidisciplinary_care", "refer", "monitor", "confirm_chronicity"] {
        assert!(advised(&assessment, code), "{code}");
    }
    assert!(!advised(&assessment, "prepare_replacement"));
    assert!(assessment.advice.iter().all(|advice| !advice.source.is_empty()));
    assert!(warned(&assessment, "network_simulated"));
}

#[test]
fn eight_variables_speak_when_all_are_known_and_fresh() {
    let mut inputs = persona();
    let chemistry = [
        (ObservationCode::Albumin, 4.0),
        (ObservationCode::Phosphate, 3.9),
        (ObservationCode::Bicarbonate, 25.0),
        (ObservationCode::Calcium, 9.4),
    ];
    inputs.values.extend(chemistry.map(|(code, number)| value(code, number, 20)));
    assert_eq!(kfre_for(&inputs).unwrap().variables, 8);
    inputs.region = KfreRegion::UnitedKingdom;
    assert_eq!(kfre_for(&inputs).unwrap().variables, 4, "recalibrated for 4 variables only");
    inputs.region = KfreRegion::NorthAmerica;
    inputs.values.last_mut().unwrap().effective_at = days_ago(400);
    assert_eq!(kfre_for(&inputs).unwrap().variables, 4, "a stale calcium counts as unknown");
    let assessment = assess(&inputs, &network(0.1, 0.2)).unwrap();
    let stale = assessment.warnings.iter().find(|warning| warning.code == "stale_calcium");
    assert!(stale.is_some_and(|warning| warning.text.contains("13 months")), "{stale:?}");
}

#[test]
fn kfre_never_extrapolates() {
    let with = |change: fn(&mut PredictionInputs)| {
        let mut inputs = persona();
        change(&mut inputs);
        inputs
    };
    refused(&with(|inputs| inputs.values[0].value = 60.0), "egfr_60_or_more");
    assert!(kfre_for(&with(|inputs| inputs.values[0].value = 59.99)).is_ok());
    refused(&with(|inputs| inputs.values.truncate(1)), "no_albuminuria");
    refused(&with(|inputs| inputs.values[1].value = 0.0), "albuminuria_not_positive");
    refused(&with(|inputs| inputs.age_years = 17), "age_under_18");
    refused(&with(|inputs| inputs.outcomes.push(OutcomeKind::Dialysis)), "kidney_failure_reached");
    refused(
        &with(|inputs| inputs.values.push(value(ObservationCode::Egfr, 55.0, 40))),
        "aki_suspected",
    );
}

#[test]
fn every_reason_against_a_prediction_is_named_at_once() {
    let mut inputs = persona();
    assert_eq!(missing_or_out_of_scope(&inputs), []);
    inputs.values.clear();
    inputs.age_years = 12;
    inputs.outcomes.push(OutcomeKind::Transplant);
    let problems = missing_or_out_of_scope(&inputs);
    let pointers: Vec<_> = problems.iter().map(|problem| problem.pointer.as_str()).collect();
    assert_eq!(pointers, ["/inputs/age", "/inputs/outcomes", "/inputs/egfr"]);
    assert_eq!(assess(&inputs, &network(0.1, 0.2)).unwrap_err(), problems);
}

#[test]
fn a_value_that_is_estimated_old_or_at_the_edge_is_said() {
    let mut inputs = persona();
    inputs.values[1] = value(ObservationCode::Upcr, 1200.0, 500);
    inputs.values[0] = value(ObservationCode::Egfr, 9.0, 500);
    inputs.age_years = 80;
    inputs.diabetes = None;
    let assessment = assess(&inputs, &network(0.1, 0.2)).unwrap();
    assert!(assessment.kfre.is_some());
    for code in [
        "uacr_estimated_from_upcr",
        "comorbidity_unknown",
        "stale_upcr",
        "stale_egfr",
        "age_80_or_more",
        "egfr_under_10",
    ] {
        assert!(warned(&assessment, code), "{code}");
    }
    let stale = assessment.warnings.iter().find(|w| w.code == "stale_egfr").unwrap();
    assert!(stale.text.contains("16 months"), "{}", stale.text);
}

#[test]
fn a_computed_egfr_wins_over_a_reported_one_of_the_same_instant() {
    let mut inputs = persona();
    let mut computed = value(ObservationCode::Egfr, 33.0, 10);
    computed.method = ObservationMethod::CkdEpi2021Creatinine;
    inputs.values.insert(0, computed);
    let higher_egfr = kfre_for(&inputs).unwrap().risk_5y;
    assert!(higher_egfr < kfre_for(&persona()).unwrap().risk_5y);
}

#[test]
fn a_steep_steady_course_is_rapid_progression_and_one_dip_is_not() {
    let course = |values: &[(f64, i64)]| {
        let mut inputs = persona();
        inputs.values.truncate(0);
        inputs
            .values
            .extend(values.iter().map(|(egfr, days)| value(ObservationCode::Egfr, *egfr, *days)));
        assess(&inputs, &network(0.1, 0.2)).unwrap()
    };
    let steep = course(&[(58.0, 1095), (52.0, 730), (44.0, 365), (37.0, 5)]);
    assert!(advised(&steep, "rapid_progression"));
    let dip = course(&[(50.0, 1095), (49.0, 730), (22.0, 400), (48.0, 365), (47.0, 5)]);
    assert!(!advised(&dip, "rapid_progression"));
    assert!(advised(&course(&[(50.0, 300), (38.0, 5)]), "egfr_change"));
    assert!(!advised(&course(&[(50.0, 300), (48.0, 5)]), "confirm_chronicity"));
}

#[test]
fn each_threshold_of_the_risk_leads_to_its_advice() {
    let codes = ["prepare_replacement", "multidisciplinary_care", "refer", "consider_referral"];
    let said = |egfr: f64, acr: f64| {
        let mut inputs = persona();
        inputs.values[0].value = egfr;
        inputs.values[1].value = acr;
        let assessment = assess(&inputs, &network(0.1, 0.2)).unwrap();
        let kfre = assessment.kfre.clone().unwrap();
        (codes.map(|code| advised(&assessment, code)), kfre.risk_2y, kfre.risk_5y)
    };
    let mut seen = [false; 4];
    for step in 0..200 {
        let egfr = 59.0 - 0.25 * f64::from(step);
        let (advised, risk_2y, risk_5y) = said(egfr, 500.0);
        let expected =
            [0.40 < risk_2y, 0.10 < risk_2y, 0.05 <= risk_5y, (0.03..0.05).contains(&risk_5y)];
        assert_eq!(advised, expected, "eGFR {egfr}: {risk_2y}, {risk_5y}");
        for (seen, advised) in seen.iter_mut().zip(advised) {
            *seen |= advised;
        }
    }
    assert_eq!(seen, [true; 4], "every threshold was crossed");
}

#[test]
fn albuminuria_alone_leads_to_referral() {
    let with = |acr: f64| {
        let mut inputs = persona();
        inputs.values[1].value = acr;
        assess(&inputs, &network(0.1, 0.2)).unwrap()
    };
    assert!(advised(&with(618.8), "refer_albuminuria"), "70 mg/mmol");
    assert!(!advised(&with(618.7), "refer_albuminuria"));
    assert!(advised(&with(618.7), "refer_with_haematuria"));
    assert!(advised(&with(265.3), "refer_with_haematuria"));
    assert!(!advised(&with(265.2), "refer_with_haematuria"), "30 mg/mmol");
}

#[test]
fn a_doubled_acr_is_said() {
    let with = |before: f64| {
        let mut inputs = persona();
        inputs.values.push(value(ObservationCode::Uacr, before, 200));
        assess(&inputs, &network(0.1, 0.2)).unwrap()
    };
    assert!(advised(&with(371.0), "uacr_doubled"));
    assert!(!advised(&with(371.1), "uacr_doubled"));
}

#[test]
fn a_change_since_the_test_before_is_said() {
    let with = |before: f64, therapies: &[TherapyKind]| {
        let mut inputs = persona();
        inputs.values.push(value(ObservationCode::Egfr, before, 300));
        inputs.therapies = therapies.to_vec();
        assess(&inputs, &network(0.1, 0.2)).unwrap()
    };
    assert!(!advised(&with(35.0, &[]), "egfr_change"), "a fall by 20 %");
    assert!(advised(&with(35.1, &[]), "egfr_change"));
    assert!(advised(&with(23.3, &[]), "egfr_change"), "a rise by more than 20 %");
    let drug = [TherapyKind::RasInhibitor];
    assert!(!advised(&with(40.0, &drug), "egfr_fall_on_drug"), "a fall by 30 %");
    assert!(advised(&with(40.1, &drug), "egfr_fall_on_drug"));
    assert!(!advised(&with(40.1, &[TherapyKind::Statin]), "egfr_fall_on_drug"));
}

#[test]
fn a_rise_of_creatinine_within_two_days_silences_kfre_and_the_course() {
    let mut inputs = persona();
    inputs.values.extend([
        value(ObservationCode::Creatinine, 2.0, 12),
        value(ObservationCode::Creatinine, 2.3, 10),
    ]);
    refused(&inputs, "aki_suspected");
    let assessment = assess(&inputs, &network(0.1, 0.2)).unwrap();
    assert!(advised(&assessment, "evaluate_aki"));
    inputs.values.pop();
    assert!(kfre_for(&inputs).is_ok());
}

#[test]
fn a_pcr_alone_has_the_guidelines_category_and_an_estimated_risk() {
    let mut inputs = persona();
    inputs.values[1] = value(ObservationCode::Upcr, 501.0, 10);
    let assessment = assess(&inputs, &network(0.1, 0.2)).unwrap();
    // Sumida's estimate, 221 mg/g, would be A2.
    assert_eq!(assessment.kdigo.a, Some(ACategory::A3));
    assert!(assessment.kfre.is_some());
    assert!(warned(&assessment, "uacr_estimated_from_upcr"));
}

#[test]
fn the_igan_tool_speaks_from_fresh_values_a_year_after_the_biopsy() {
    let with = |days: i64, stale_days: i64| {
        let mut inputs = persona();
        inputs.values.extend([
            value(ObservationCode::Upcr, 1200.0, stale_days),
            value(ObservationCode::SystolicBp, 150.0, 10),
            value(ObservationCode::DiastolicBp, 90.0, 10),
        ]);
        let performed_on = today() - TimeDelta::days(days);
        inputs.biopsy = Some(BiopsyInput {
            performed_on,
            m: Some(1),
            e: Some(1),
            s: Some(1),
            t: Some(1),
            c: None,
        });
        assess(&inputs, &network(0.1, 0.2)).unwrap()
    };
    let spoken = with(365, 10);
    assert!(spoken.igan.as_ref().is_some_and(|igan| igan.experimental), "{:?}", spoken.igan);
    assert!(advised(&spoken, "disease_specific_tool"));
    assert_eq!(with(364, 10).igan, None, "too early");
    assert_eq!(with(731, 10).igan, None, "too late");
    assert_eq!(with(365, 400).igan, None, "a stale proteinuria");
}

#[test]
fn green_is_disease_only_with_another_marker() {
    let mut inputs = persona();
    inputs.values[0].value = 95.0;
    inputs.values[1].value = 10.0;
    let assessment = assess(&inputs, &network(0.01, 0.02)).unwrap();
    assert!(advised(&assessment, "marker_of_damage"));
    assert!(!advised(&assess(&persona(), &network(0.1, 0.2)).unwrap(), "marker_of_damage"));
}

#[test]
fn a_year_that_the_network_did_not_give_is_no_risk_of_none() {
    let mut inputs = persona();
    inputs.values.retain(|value| value.code == ObservationCode::Egfr);
    let only = |year: u8| {
        let mut risks = network(0.1, 0.2);
        risks.retain(|risk| risk.year == year);
        risks
    };
    for (given, missing) in [(only(2), "5 years"), (only(5), "2 years"), (Vec::new(), "2 years")] {
        let problems = assess(&inputs, &given).unwrap_err();
        assert!(problems[0].message.contains(missing), "{problems:?}");
    }
    // Where KFRE speaks, the category is KFRE's.
    assert_eq!(assess(&persona(), &[]).unwrap().category_source, RiskSource::Kfre);
}
