//! Every category from both sides, every unit, every code.

use shared::{
    clinical::{
        Plausibility, assessment::category, egfr, from_canonical, kdigo, plausibility, to_canonical,
    },
    observation::ObservationCode,
    patient::Sex,
    prediction::{ACategory, GCategory, KdigoRisk, RiskCategory},
};

#[test]
fn g_categories_change_where_the_shown_number_does() {
    let cases = [
        (90.0, GCategory::G1),
        (89.5, GCategory::G1),
        (89.49, GCategory::G2),
        (59.5, GCategory::G2),
        (59.49, GCategory::G3a),
        (44.5, GCategory::G3a),
        (44.49, GCategory::G3b),
        (29.5, GCategory::G3b),
        (29.49, GCategory::G4),
        (14.5, GCategory::G4),
        (14.49, GCategory::G5),
    ];
    for (egfr, expected) in cases {
        assert_eq!(kdigo::g_category(egfr), expected, "{egfr}");
    }
}

#[test]
fn a_categories_hold_30_and_300() {
    let cases = [
        (29.99, ACategory::A1),
        (30.0, ACategory::A2),
        (300.0, ACategory::A2),
        (300.01, ACategory::A3),
    ];
    for (acr, expected) in cases {
        assert_eq!(kdigo::a_category(acr), expected, "{acr}");
    }
}

#[test]
fn the_heat_map_has_its_18_cells() {
    use KdigoRisk::{High, Low, Moderate, VeryHigh};
    let egfr = [95.0, 75.0, 50.0, 40.0, 20.0, 10.0];
    let acr = [10.0, 100.0, 1000.0];
    let colours = [
        [Low, Moderate, High],
        [Low, Moderate, High],
        [Moderate, High, VeryHigh],
        [High, VeryHigh, VeryHigh],
        [VeryHigh, VeryHigh, VeryHigh],
        [VeryHigh, VeryHigh, VeryHigh],
    ];
    let times = [[1, 1, 3], [1, 1, 3], [1, 2, 3], [2, 3, 3], [3, 3, 4], [4, 4, 4]];
    for (row, egfr) in egfr.into_iter().enumerate() {
        for (column, acr) in acr.into_iter().enumerate() {
            let kdigo = kdigo::kdigo(egfr, Some(acr));
            assert_eq!(kdigo.risk, Some(colours[row][column]), "{egfr} {acr}");
            let cell = kdigo::cell(kdigo.g, kdigo.a.unwrap());
            assert_eq!(cell.monitor_per_year, times[row][column], "{egfr} {acr}");
        }
    }
    let unknown = kdigo::kdigo(40.0, None);
    assert_eq!((unknown.a, unknown.risk), (None, None));
}

#[test]
fn risk_categories_change_at_their_thresholds() {
    let cases = [
        (0.0, 0.0299, RiskCategory::Low),
        (0.0, 0.03, RiskCategory::Moderate),
        (0.10, 0.30, RiskCategory::Moderate),
        (0.1001, 0.30, RiskCategory::High),
        (0.40, 0.90, RiskCategory::High),
        (0.4001, 0.90, RiskCategory::VeryHigh),
    ];
    for (risk_2y, risk_5y, expected) in cases {
        assert_eq!(category(risk_2y, risk_5y), expected, "{risk_2y} {risk_5y}");
    }
}

#[test]
fn minors_are_never_extrapolated() {
    assert_eq!(egfr::ckd_epi_2021_creatinine(1.0, 17, Sex::Male), None);
    assert!(egfr::ckd_epi_2021_creatinine(1.0, 18, Sex::Male).is_some());
    assert_eq!(egfr::ckd_epi_2012_cystatin_c(1.0, 17, Sex::Male), None);
    assert_eq!(egfr::creatinine_for_egfr(50.0, 17, Sex::Male), None);
}

#[test]
fn laboratories_units_are_understood() {
    let cases = [
        (ObservationCode::Creatinine, 88.4, "µmol/L", 1.0),
        (ObservationCode::Creatinine, 88.4, "umol/l", 1.0),
        (ObservationCode::Creatinine, 1.0, "MG/DL", 1.0),
        (ObservationCode::Egfr, 28.0, "mL/min/1.73m2", 28.0),
        (ObservationCode::Egfr, 28.0, "mL/min/1.73 m²", 28.0),
        (ObservationCode::Uacr, 30.0, "mg/mmol", 265.2),
        (ObservationCode::Uacr, 0.3, "mg/mg", 300.0),
        (ObservationCode::Uacr, 742.0, "mg/g", 742.0),
        (ObservationCode::Upcr, 50.0, "g/mol", 442.0),
        (ObservationCode::Phosphate, 1.0, "mmol/L", 3.097),
        (ObservationCode::Calcium, 2.5, "mmol/L", 10.02),
        (ObservationCode::Albumin, 40.0, "g/L", 4.0),
        (ObservationCode::Bicarbonate, 24.0, "mEq/L", 24.0),
        (ObservationCode::Haemoglobin, 120.0, "g/L", 12.0),
        (ObservationCode::SystolicBp, 140.0, "mmHg", 140.0),
        (ObservationCode::Weight, 100.0, "lb", 45.359237),
        (ObservationCode::Height, 1.8, "m", 180.0),
    ];
    for (code, value, unit, expected) in cases {
        let canonical = to_canonical(code, value, unit).unwrap();
        assert!((canonical - expected).abs() < 1e-9, "{value} {unit}: {canonical}");
    }
    let hba1c = to_canonical(ObservationCode::HbA1c, 53.0, "mmol/mol").unwrap();
    assert!((hba1c - 7.0).abs() < 0.01, "{hba1c}");
    let refused = to_canonical(ObservationCode::Creatinine, 1.0, "kg").unwrap_err().to_string();
    assert!(refused.contains("umol/L"), "{refused}");
}

#[test]
fn every_code_has_a_unit_a_name_and_a_loinc_code_that_leads_back() {
    for code in ObservationCode::ALL {
        assert_eq!(ObservationCode::parse(code.as_str()), Some(code));
        assert_eq!(ObservationCode::parse(code.loinc()), Some(code));
        let on_the_wire = serde_json::to_value(code).unwrap();
        assert_eq!(on_the_wire, code.as_str());
        for unit in code.units() {
            let there = to_canonical(code, 7.0, unit).unwrap();
            let back = from_canonical(code, there, unit).unwrap();
            assert!((back - 7.0).abs() < 1e-9, "{} {unit}", code.as_str());
        }
    }
    assert_eq!(ObservationCode::parse("14682-9"), Some(ObservationCode::Creatinine));
    assert_eq!(ObservationCode::parse("kreatinin"), None);
}

#[test]
fn a_value_in_the_wrong_unit_is_recognised() {
    let creatinine = plausibility(ObservationCode::Creatinine, 132.0);
    assert!(matches!(creatinine, Plausibility::Implausible { hint: Some("umol/L"), .. }));
    assert!(creatinine.to_string().contains("0.1 to 30 mg/dL"));
    assert_eq!(plausibility(ObservationCode::Creatinine, 1.5), Plausibility::Plausible);
    let unusual = plausibility(ObservationCode::Potassium, 7.0);
    assert!(matches!(unusual, Plausibility::Unusual(_)));
    for code in ObservationCode::ALL {
        for value in [f64::NAN, f64::INFINITY, -1.0, 0.0] {
            let verdict = plausibility(code, value);
            assert!(matches!(verdict, Plausibility::Implausible { .. }), "{code:?} {value}");
        }
    }
}
