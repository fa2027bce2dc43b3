//! Every category from both sides, every unit, every code.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use shared::{
    clinical::{
        Plausibility,
        aki::{self, Sample, Stage},
        assessment::category,
        egfr, from_canonical,
        kdigo::{self, Action},
        kfre::{FourVariables, Refusal},
        plausibility,
        quantity::{AcrMgG, CreatinineMgDl, CystatinCMgL, Egfr, PcrMgG},
        shown_in, to_canonical,
    },
    observation::ObservationCode,
    patient::Sex,
    prediction::{ACategory, GCategory, Kdigo, KdigoRisk, RiskCategory},
    settings::Units,
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
        assert_eq!(kdigo::g_category(Egfr::new(egfr).unwrap()), expected, "{egfr}");
        for category in [
            GCategory::G1,
            GCategory::G2,
            GCategory::G3a,
            GCategory::G3b,
            GCategory::G4,
            GCategory::G5,
        ] {
            let (from, below) = kdigo::egfr_range(category);
            let within = from <= egfr && below.is_none_or(|below| egfr < below);
            assert_eq!(within, category == expected, "{egfr} as {category:?}");
        }
    }
}

#[test]
fn a_categories_hold_30_and_300() {
    let cases = [
        (0.1, ACategory::A1),
        (29.99, ACategory::A1),
        (30.0, ACategory::A2),
        (300.0, ACategory::A2),
        (300.01, ACategory::A3),
    ];
    for (acr, expected) in cases {
        assert_eq!(kdigo::a_category(AcrMgG::new(acr).unwrap()), expected, "{acr}");
        for category in ACategory::ALL {
            let (from, below) = kdigo::acr_range(category);
            let within = from <= acr && below.is_none_or(|below| acr < below);
            assert_eq!(within, category == expected, "{acr} as {category:?}");
        }
    }
}

#[test]
fn a_categories_of_a_pcr_are_the_guidelines_equivalents() {
    let cases = [
        (149.99, ACategory::A1),
        (150.0, ACategory::A2),
        (500.0, ACategory::A2),
        (500.01, ACategory::A3),
    ];
    for (pcr, expected) in cases {
        let pcr = PcrMgG::new(pcr).unwrap();
        assert_eq!(kdigo::a_category_of_pcr(pcr), expected, "{pcr:?}");
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
    let actions = {
        use Action::{Screen as S, Treat as T, TreatAndRefer as R};
        [[S, T, R], [S, T, R], [T, T, R], [T, R, R], [R, R, R], [R, R, R]]
    };
    let times = [[1, 1, 3], [1, 1, 3], [1, 2, 3], [2, 3, 3], [3, 3, 4], [4, 4, 4]];
    for (row, egfr) in egfr.into_iter().enumerate() {
        for (column, acr) in acr.into_iter().enumerate() {
            let a = kdigo::a_category(AcrMgG::new(acr).unwrap());
            let kdigo = kdigo::kdigo(Egfr::new(egfr).unwrap(), Some(a));
            assert_eq!(kdigo.risk, Some(colours[row][column]), "{egfr} {acr}");
            let cell = kdigo::cell(kdigo.g, kdigo.a.unwrap());
            assert_eq!(cell.monitor_per_year, times[row][column], "{egfr} {acr}");
            assert_eq!(cell.action, actions[row][column], "{egfr} {acr}");
        }
    }
    let unknown = kdigo::kdigo(Egfr::new(40.0).unwrap(), None);
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
    let creatinine = CreatinineMgDl::new(1.0).unwrap();
    let cystatin = CystatinCMgL::new(1.0).unwrap();
    let equations = |age| {
        [
            egfr::ckd_epi_2021_creatinine(creatinine, age, Sex::Male),
            egfr::ckd_epi_2021_creatinine_cystatin_c(creatinine, cystatin, age, Sex::Male),
            egfr::ckd_epi_2012_cystatin_c(cystatin, age, Sex::Male),
            egfr::ckd_epi_2012_creatinine_cystatin_c(creatinine, cystatin, age, Sex::Male),
            egfr::ckd_epi_2009_creatinine(creatinine, age, Sex::Male),
            egfr::ekfc_2021(creatinine, age, Sex::Male),
        ]
    };
    assert!(equations(17).iter().all(Option::is_none));
    assert!(equations(18).iter().all(Option::is_some));
    let egfr = Egfr::new(50.0).unwrap();
    assert_eq!(egfr::creatinine_for_egfr(egfr, 17, Sex::Male), None);
}

#[test]
fn kfre_is_refused_outside_its_range() {
    let acr = AcrMgG::new(30.0).unwrap();
    let with = |age, egfr| FourVariables::new(age, Sex::Male, Egfr::new(egfr).unwrap(), acr);
    assert_eq!(with(17, 30.0), Err(Refusal::Under18));
    assert_eq!(with(50, 60.0), Err(Refusal::Egfr60OrMore));
    assert!(with(18, 59.99).is_ok());
}

#[test]
fn a_quantity_is_a_number_above_0() {
    for value in [0.0, -0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(AcrMgG::new(value), None, "{value}");
        assert_eq!(CreatinineMgDl::from_umol_l(value), None, "{value}");
    }
    assert_eq!(AcrMgG::new(0.1).map(AcrMgG::get), Some(0.1));
    assert_eq!(size_of::<AcrMgG>(), size_of::<f64>());
}

#[test]
fn acute_kidney_injury_has_its_stages() {
    let start: DateTime<Utc> = "2026-06-01T08:00:00Z".parse().unwrap();
    let stage = |values: &[(f64, i64)]| {
        let samples: Vec<Sample> = values
            .iter()
            .map(|(value, hours)| Sample {
                at: start + TimeDelta::hours(*hours),
                creatinine: CreatinineMgDl::new(*value).unwrap(),
            })
            .collect();
        aki::stage(&samples)
    };
    assert_eq!(stage(&[]), None);
    assert_eq!(stage(&[(5.0, 0)]), None, "one value says nothing");
    assert_eq!(stage(&[(2.0, 0), (2.29, 48)]), None);
    assert_eq!(stage(&[(2.0, 0), (2.3, 48)]), Some(Stage::One));
    assert_eq!(stage(&[(2.0, 0), (2.3, 49)]), None, "48 hours");
    assert_eq!(stage(&[(1.0, 0), (1.49, 160)]), None);
    assert_eq!(stage(&[(1.0, 0), (1.5, 168)]), Some(Stage::One));
    assert_eq!(stage(&[(1.0, 0), (1.5, 169)]), None, "7 days");
    assert_eq!(stage(&[(1.0, 0), (2.0, 100)]), Some(Stage::Two));
    assert_eq!(stage(&[(1.0, 0), (3.0, 100)]), Some(Stage::Three));
    assert_eq!(stage(&[(3.7, 0), (4.0, 24)]), Some(Stage::Three), "4.0 mg/dL");
    assert_eq!(stage(&[(1.0, 0), (2.0, 24), (1.0, 48)]), None, "over by now");
}

#[test]
fn laboratories_units_are_understood() {
    let cases = [
        (ObservationCode::Creatinine, 88.4, "µmol/L", 1.0),
        (ObservationCode::Creatinine, 88.4, "umol/l", 1.0),
        (ObservationCode::Creatinine, 1.0, "MG/DL", 1.0),
        (ObservationCode::Egfr, 28.0, "mL/min/1.73m2", 28.0),
        (ObservationCode::Egfr, 28.0, "mL/min/1.73 m²", 28.0),
        (ObservationCode::Creatinine, 0.0884, "mmol/L", 1.0),
        (ObservationCode::Creatinine, 10.0, "mg/L", 1.0),
        (ObservationCode::CystatinC, 0.13, "mg/dL", 1.3),
        (ObservationCode::Egfr, 28.0, "ml/min/1,73m²", 28.0),
        (ObservationCode::Egfr, 28.0, "ml/min/1.73.m2", 28.0),
        (ObservationCode::Uacr, 742.0, "mg/g creatinine", 742.0),
        (ObservationCode::Uacr, 742.0, "mg/g{creat}", 742.0),
        (ObservationCode::Uacr, 742.0, "µg/mg", 742.0),
        (ObservationCode::Uacr, 3.0, "mg/mmol Kreatinin", 26.52),
        (ObservationCode::Upcr, 1.5, "g/g", 1500.0),
        (ObservationCode::Calcium, 5.0, "meq/L", 10.02),
        (ObservationCode::Albumin, 600.0, "umol/L", 3.99),
        (ObservationCode::Potassium, 4.5, "meq/L", 4.5),
        (ObservationCode::Haemoglobin, 7.0, "mmol/L", 11.2798),
        (ObservationCode::HbA1c, 7.0, "%", 7.0),
        (ObservationCode::DiastolicBp, 10.0, "kPa", 75.006158),
        (ObservationCode::Weight, 70_000.0, "g", 70.0),
        (ObservationCode::Height, 70.0, "in", 177.8),
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
fn what_is_no_ratio_is_not_misread_as_one() {
    let refused = |unit| to_canonical(ObservationCode::Uacr, 300.0, unit).unwrap_err().to_string();
    for unit in ["mg/(24.h)", "mg/24h", "mg/24 h", "g/d", "mg/day"] {
        assert!(refused(unit).contains("an amount per day"), "{unit}: {}", refused(unit));
    }
    for unit in ["mg/L", "mg/dl"] {
        assert!(refused(unit).contains("a concentration"), "{unit}: {}", refused(unit));
    }
    assert!(refused("mg/L").contains("mg/mmol{creat}"), "{}", refused("mg/L"));
    let near = [
        ("1755-8", "24-hour"),
        ("2889-4", "24-hour"),
        ("14957-5", "concentration"),
        ("2161-8", "in urine"),
        ("85354-9", "systolic_bp"),
        ("2731-8", "no equation"),
        ("nonsense", "creatinine, egfr"),
    ];
    for (code, reason) in near {
        let told = ObservationCode::parse_or_reason(code).unwrap_err();
        assert!(told.contains(reason), "{code}: {told}");
    }
    assert_eq!(ObservationCode::parse_or_reason("2160-0"), Ok(ObservationCode::Creatinine));
}

/// Every code of a laboratory that the design lists, beside the quantity it is.
#[test]
fn every_loinc_code_of_the_list_leads_to_its_quantity() {
    use ObservationCode::{
        Albumin, Bicarbonate, Calcium, Creatinine, CystatinC, DiastolicBp, Egfr, Haemoglobin,
        HbA1c, Height, Phosphate, Potassium, SystolicBp, Uacr, Upcr, Weight,
    };
    let codes: [(ObservationCode, &[&str]); 16] = [
        (Creatinine, &["2160-0", "14682-9"]),
        (
            Egfr,
            &[
                "98979-8", "98980-6", "62238-1", "88293-6", "94677-2", "50210-4", "33914-3",
                "48642-3", "48643-1", "69405-9", "77147-7", "50044-7", "70969-1",
            ],
        ),
        (CystatinC, &["33863-2"]),
        (
            Uacr,
            &[
                "9318-7", "14959-1", "32294-1", "14585-4", "13705-9", "14958-3", "44292-1",
                "30000-4", "30001-2", "59159-4", "76401-9", "77253-3", "77254-1", "89998-9",
            ],
        ),
        (Upcr, &["2890-2", "34366-5", "13801-6"]),
        (Albumin, &["1751-7"]),
        (Phosphate, &["2777-1", "14879-1"]),
        (Calcium, &["17861-6", "2000-8"]),
        (Bicarbonate, &["1963-8", "2028-9"]),
        (Potassium, &["2823-3", "6298-4"]),
        (Haemoglobin, &["718-7"]),
        (HbA1c, &["4548-4", "59261-8"]),
        (SystolicBp, &["8480-6"]),
        (DiastolicBp, &["8462-4"]),
        (Weight, &["29463-7"]),
        (Height, &["8302-2"]),
    ];
    for (quantity, loinc) in codes {
        for code in loinc {
            assert_eq!(ObservationCode::parse(code), Some(quantity), "{code}");
        }
    }
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
    for (code, value, unit) in [
        (ObservationCode::Creatinine, 25.0, "umol/L"),
        (ObservationCode::Calcium, 3.2, "mmol/L"),
        (ObservationCode::Phosphate, 1.2, "mmol/L"),
    ] {
        let odd = plausibility(code, value);
        assert!(matches!(&odd, Plausibility::Unusual(why) if why.contains(unit)), "{odd}");
    }
    let unusual = plausibility(ObservationCode::Potassium, 7.0);
    assert!(matches!(unusual, Plausibility::Unusual(_)));
    for code in ObservationCode::ALL {
        for value in [f64::NAN, f64::INFINITY, -1.0, 0.0] {
            let verdict = plausibility(code, value);
            assert!(matches!(verdict, Plausibility::Implausible { .. }), "{code:?} {value}");
        }
    }
}

#[test]
fn values_are_wanted_again_by_the_heat_map_counted_from_the_older_one() {
    let day = |text: &str| text.parse::<NaiveDate>().unwrap();
    let due = |g, a, egfr_on, albuminuria_on: Option<&str>| {
        let categories = Kdigo { g, a, risk: None, a_from_pcr: false };
        kdigo::monitoring_due(categories, day(egfr_on), albuminuria_on.map(day)).unwrap()
    };
    let both = Some("2026-01-31");
    for (g, a, expected) in [
        (GCategory::G1, Some(ACategory::A1), "2027-01-31"),
        (GCategory::G3a, Some(ACategory::A2), "2026-07-31"),
        (GCategory::G3b, Some(ACategory::A2), "2026-05-31"),
        (GCategory::G4, Some(ACategory::A3), "2026-04-30"),
        (GCategory::G5, Some(ACategory::A1), "2026-04-30"),
    ] {
        assert_eq!(due(g, a, "2026-01-31", both), day(expected), "{g:?} {a:?}");
    }
    let (g, a) = (GCategory::G3a, Some(ACategory::A1));
    assert_eq!(due(g, a, "2026-01-10", Some("2025-03-01")), day("2026-03-01"));
    assert_eq!(due(g, a, "2025-03-01", Some("2026-01-10")), day("2026-03-01"));
    assert_eq!(due(GCategory::G4, None, "2026-01-10", None), day("2026-05-10"));
}

#[test]
fn a_system_of_units_shows_the_same_amount_in_a_unit_of_the_quantity() {
    for units in Units::ALL {
        for code in ObservationCode::ALL {
            let unit = code.unit_in(units);
            assert!(code.units().contains(&unit), "{code:?}: {unit}");
            let (value, shown) = shown_in(units, code, 4.2);
            assert_eq!(shown, unit);
            let back = to_canonical(code, value, shown).unwrap();
            assert!((back - 4.2).abs() < 1e-9, "{code:?}: 4.2 came back as {back}");
        }
    }
    let cases = [
        (ObservationCode::Creatinine, 2.0, 176.8, "umol/L"),
        (ObservationCode::Uacr, 300.0, 33.936_651_6, "mg/mmol{creat}"),
        (ObservationCode::HbA1c, 7.0, 52.995_190_2, "mmol/mol"),
        (ObservationCode::CystatinC, 1.3, 1.3, "mg/L"),
        (ObservationCode::Egfr, 28.0, 28.0, "mL/min/{1.73_m2}"),
    ];
    for (code, conventional, si, unit) in cases {
        assert_eq!(shown_in(Units::Conventional, code, conventional).0, conventional, "{code:?}");
        let (value, shown) = shown_in(Units::Si, code, conventional);
        assert!((value - si).abs() < 1e-6 && shown == unit, "{code:?}: {value} {shown}");
    }
}
