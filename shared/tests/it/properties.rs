//! What holds for every plausible input.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use proptest::prelude::*;
use shared::{
    clinical::{
        Plausibility,
        albuminuria::{acr_from_pcr, acr_from_pcr_log_sd},
        assessment::assess,
        course::{self, Point},
        egfr, from_canonical, igan, kdigo,
        kfre::{self, Chemistry, Comorbidities, FourVariables},
        plausibility,
        quantity::{
            AcrMgG, AlbuminGDl, BicarbonateMmolL, CalciumMgDl, CreatinineMgDl, CystatinCMgL,
            DiastolicMmHg, Egfr, PcrMgG, PhosphateMgDl, ProteinuriaGDay, SystolicMmHg,
        },
        to_canonical,
    },
    observation::{ObservationCode, ObservationMethod},
    patient::{RenalDisease, Sex},
    prediction::{BiopsyInput, InputValue, KfreRegion, PredictionInputs, YearRisk},
    therapy::TherapyKind,
};

fn sex() -> impl Strategy<Value = Sex> {
    prop_oneof![Just(Sex::Female), Just(Sex::Male)]
}

fn region() -> impl Strategy<Value = KfreRegion> {
    prop_oneof![
        Just(KfreRegion::NorthAmerica),
        Just(KfreRegion::Other),
        Just(KfreRegion::UnitedKingdom)
    ]
}

fn code() -> impl Strategy<Value = ObservationCode> {
    (0..ObservationCode::ALL.len()).prop_map(|index| ObservationCode::ALL[index])
}

fn four_variables() -> impl Strategy<Value = FourVariables> {
    (18..110_u32, sex(), 1.0..59.9_f64, 0.1..30_000.0_f64)
        .prop_map(|(age, sex, egfr, acr)| four(age, sex, egfr, acr))
}

fn four(age: u32, sex: Sex, egfr: f64, acr: f64) -> FourVariables {
    let (egfr, acr) = (Egfr::new(egfr).unwrap(), AcrMgG::new(acr).unwrap());
    FourVariables::new(age, sex, egfr, acr).unwrap()
}

prop_compose! {
    fn chemistry()(
        albumin in 0.5..7.0_f64, phosphate in 0.5..20.0_f64, bicarbonate in 3.0..50.0_f64,
        calcium in 3.0..20.0_f64,
    ) -> Chemistry {
        Chemistry {
            albumin: AlbuminGDl::new(albumin).unwrap(),
            phosphate: PhosphateMgDl::new(phosphate).unwrap(),
            bicarbonate: BicarbonateMmolL::new(bicarbonate).unwrap(),
            calcium: CalciumMgDl::new(calcium).unwrap(),
        }
    }
}

fn today() -> NaiveDate {
    "2026-06-01".parse().unwrap()
}

fn hours_ago(hours: i64) -> DateTime<Utc> {
    today().and_hms_opt(8, 0, 0).unwrap().and_utc() - TimeDelta::hours(hours)
}

/// A value of any code from one end of the plausible range to the other, of the last five years.
fn input_value() -> impl Strategy<Value = InputValue> {
    (code(), 0.0..=1.0_f64, 0..43_000_i64, any::<bool>()).prop_map(|(code, place, hours, tied)| {
        let value = match plausibility(code, f64::NAN) {
            // Evenly on the scale of ratios: ranges span decades.
            Plausibility::Implausible { low, high, .. } => {
                (low * (high / low).powf(place)).clamp(low, high)
            }
            other => panic!("NaN {other}"),
        };
        InputValue {
            code,
            value,
            unit: code.canonical_unit().to_owned(),
            // Many at the same instant, as on one visit.
            effective_at: hours_ago(if tied { hours / 2_000 * 2_000 } else { hours }),
            method: ObservationMethod::Reported,
        }
    })
}

fn fact() -> impl Strategy<Value = Option<bool>> {
    proptest::option::of(any::<bool>())
}

fn biopsy() -> impl Strategy<Value = Option<BiopsyInput>> {
    let score = |highest: u8| proptest::option::weighted(0.9, 0..=highest);
    let scores = (score(1), score(1), score(1), score(2), score(2), 0..900_i64);
    proptest::option::of(scores.prop_map(|(m, e, s, t, c, days)| BiopsyInput {
        performed_on: today() - TimeDelta::days(days),
        m,
        e,
        s,
        t,
        c,
    }))
}

prop_compose! {
    fn inputs()(
        age_years in 18..=110_u32, sex in sex(), region in region(), diabetes in fact(),
        hypertension in fact(), biopsy in biopsy(),
        therapies in proptest::sample::subsequence(TherapyKind::ALL.to_vec(), 0..5),
        mut values in proptest::collection::vec(input_value(), 0..60),
        egfr in 1.0..250.0_f64,
    ) -> PredictionInputs {
        values.push(InputValue {
            code: ObservationCode::Egfr,
            value: egfr,
            unit: ObservationCode::Egfr.canonical_unit().to_owned(),
            effective_at: hours_ago(100),
            method: ObservationMethod::CkdEpi2021Creatinine,
        });
        PredictionInputs {
            as_of: today(), age_years, sex, diabetes, hypertension,
            cardiovascular_disease: None, heart_failure: None, smoker: None,
            renal_disease: RenalDisease::Unknown, region, therapies, biopsy,
            outcomes: vec![], values,
        }
    }
}

fn network() -> Vec<YearRisk> {
    let risk = |year: u8| {
        let probability = f64::from(year) / 100.0;
        YearRisk { year, probability, lower: 0.0, upper: 1.0 }
    };
    (1..=5).map(risk).collect()
}

fn points() -> impl Strategy<Value = Vec<Point>> {
    proptest::collection::vec((1.0..150.0_f64, 0..1_800_i64), 0..15).prop_map(|values| {
        let mut points: Vec<Point> = values
            .into_iter()
            .map(|(egfr, days)| Point { at: hours_ago(24 * days), egfr: Egfr::new(egfr).unwrap() })
            .collect();
        points.sort_by_key(|point| point.at);
        points.dedup_by_key(|point| point.at);
        points
    })
}

proptest! {
    #[test]
    fn units_go_there_and_back(code in code(), value in 0.001..1e5_f64) {
        for unit in code.units() {
            let canonical = to_canonical(code, value, unit).unwrap();
            let back = from_canonical(code, canonical, unit).unwrap();
            prop_assert!((back - value).abs() <= 1e-9 * value.max(1.0), "{} {unit}", code.as_str());
        }
    }

    #[test]
    fn typed_conversions_are_those_of_the_units(value in 0.001..1e5_f64) {
        use ObservationCode::{Albumin, Calcium, Creatinine, Phosphate, Uacr, Upcr};
        let by_unit = |code, unit| to_canonical(code, value, unit).unwrap();
        let pairs = [
            (CreatinineMgDl::from_umol_l(value).unwrap().get(), by_unit(Creatinine, "umol/L")),
            (AcrMgG::from_mg_mmol(value).unwrap().get(), by_unit(Uacr, "mg/mmol")),
            (PcrMgG::from_mg_mmol(value).unwrap().get(), by_unit(Upcr, "mg/mmol")),
            (AlbuminGDl::from_g_l(value).unwrap().get(), by_unit(Albumin, "g/L")),
            (PhosphateMgDl::from_mmol_l(value).unwrap().get(), by_unit(Phosphate, "mmol/L")),
            (CalciumMgDl::from_mmol_l(value).unwrap().get(), by_unit(Calcium, "mmol/L")),
        ];
        for (typed, by_unit) in pairs {
            prop_assert!((typed / by_unit - 1.0).abs() < 1e-12);
        }
        let acr = AcrMgG::from_mg_mmol(value).unwrap();
        prop_assert!((acr.mg_mmol() / value - 1.0).abs() < 1e-12);
    }

    #[test]
    fn egfr_falls_with_creatinine_and_age(
        creatinine in 0.1..29.0_f64, more in 0.01..1.0_f64, age in 18..119_u32, sex in sex(),
    ) {
        type Equation = fn(CreatinineMgDl, u32, Sex) -> Option<Egfr>;
        // EKFC does not fall with age before 40, and rises with Q up to 25.
        let equations: [(Equation, u32); 3] = [
            (egfr::ckd_epi_2021_creatinine, 18),
            (egfr::ckd_epi_2009_creatinine, 18),
            (egfr::ekfc_2021, 40),
        ];
        let higher = CreatinineMgDl::new(creatinine + more).unwrap();
        let creatinine = CreatinineMgDl::new(creatinine).unwrap();
        for (equation, falls_from) in equations {
            let value = equation(creatinine, age, sex).unwrap();
            prop_assert!(value.get().is_finite());
            prop_assert!(equation(higher, age, sex).unwrap() < value);
            prop_assert!(age < falls_from || equation(creatinine, age + 1, sex).unwrap() < value);
        }
        let value = egfr::ckd_epi_2021_creatinine(creatinine, age, sex).unwrap();
        let back = egfr::creatinine_for_egfr(value, age, sex).unwrap();
        prop_assert!((back.get() / creatinine.get() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn egfr_falls_with_cystatin_c(
        creatinine in 0.1..29.0_f64, cystatin in 0.1..15.0_f64, more in 0.01..1.0_f64,
        age in 18..119_u32, sex in sex(),
    ) {
        let creatinine = CreatinineMgDl::new(creatinine).unwrap();
        let higher = CystatinCMgL::new(cystatin + more).unwrap();
        let cystatin = CystatinCMgL::new(cystatin).unwrap();
        let equations = |cystatin, age| [
            egfr::ckd_epi_2012_cystatin_c(cystatin, age, sex).unwrap(),
            egfr::ckd_epi_2012_creatinine_cystatin_c(creatinine, cystatin, age, sex).unwrap(),
            egfr::ckd_epi_2021_creatinine_cystatin_c(creatinine, cystatin, age, sex).unwrap(),
        ];
        let values = equations(cystatin, age);
        for (value, lower) in values.into_iter().zip(equations(higher, age)) {
            prop_assert!(value.get().is_finite() && lower < value);
        }
        for (value, lower) in values.into_iter().zip(equations(cystatin, age + 1)) {
            prop_assert!(lower < value);
        }
    }

    #[test]
    fn kfre_is_a_probability_that_grows_with_time(
        v in four_variables(), chemistry in chemistry(), diabetes: bool, hypertension: bool,
        region in region(),
    ) {
        let comorbidities = Comorbidities { diabetes, hypertension };
        let forms = [
            Some(kfre::four(&v, region)),
            kfre::six(&v, comorbidities, region),
            kfre::eight(&v, &chemistry, region),
        ];
        prop_assert_eq!(forms[1].is_none(), region == KfreRegion::UnitedKingdom);
        prop_assert_eq!(forms[2].is_none(), region == KfreRegion::UnitedKingdom);
        for risks in forms.into_iter().flatten() {
            prop_assert!((0.0..=1.0).contains(&risks.risk_2y), "{risks:?}");
            prop_assert!((0.0..=1.0).contains(&risks.risk_5y), "{risks:?}");
            prop_assert!(risks.risk_2y <= risks.risk_5y, "{risks:?}");
        }
    }

    #[test]
    fn kfre_falls_with_egfr_and_age_and_grows_with_albuminuria(
        age in 18..110_u32, sex in sex(), egfr in 1.0..58.0_f64, acr in 0.1..15_000.0_f64,
        chemistry in chemistry(), region in region(),
    ) {
        let c = Comorbidities { diabetes: true, hypertension: true };
        let forms = |v: &FourVariables| {
            let forms = [
                Some(kfre::four(v, region)), kfre::six(v, c, region),
                kfre::eight(v, &chemistry, region),
            ];
            forms.map(|risks| risks.map_or((0.0, 0.0), |risks| (risks.risk_2y, risks.risk_5y)))
        };
        let here = forms(&four(age, sex, egfr, acr));
        for better in [four(age, sex, egfr + 1.0, acr), four(age + 1, sex, egfr, acr)] {
            for (here, better) in here.into_iter().zip(forms(&better)) {
                prop_assert!(better.0 <= here.0 && better.1 <= here.1);
            }
        }
        for (here, worse) in here.into_iter().zip(forms(&four(age, sex, egfr, acr * 2.0))) {
            prop_assert!(here.0 <= worse.0 && here.1 <= worse.1);
        }
    }

    /// Baselines order the regions; the 8-variable 5-year one the other way round, as published.
    #[test]
    fn regions_are_in_their_published_order(v in four_variables(), chemistry in chemistry()) {
        let (na, other) = (KfreRegion::NorthAmerica, KfreRegion::Other);
        let four = |region| kfre::four(&v, region);
        let uk = four(KfreRegion::UnitedKingdom);
        prop_assert!(uk.risk_2y <= four(other).risk_2y && four(other).risk_2y <= four(na).risk_2y);
        prop_assert!(uk.risk_5y <= four(other).risk_5y && four(other).risk_5y <= four(na).risk_5y);
        let c = Comorbidities { diabetes: false, hypertension: true };
        let six = |region| kfre::six(&v, c, region).unwrap();
        prop_assert!(six(other).risk_2y <= six(na).risk_2y);
        prop_assert!(six(other).risk_5y <= six(na).risk_5y);
        let eight = |region| kfre::eight(&v, &chemistry, region).unwrap();
        prop_assert!(eight(other).risk_2y <= eight(na).risk_2y);
        prop_assert!(eight(na).risk_5y <= eight(other).risk_5y, "as published");
    }

    #[test]
    fn acr_from_pcr_is_positive_and_grows(
        pcr in 1.0..50_000.0_f64, sex in sex(), diabetes: bool, hypertension: bool,
    ) {
        let acr_of = |pcr| acr_from_pcr(PcrMgG::new(pcr).unwrap(), sex, diabetes, hypertension);
        let acr = acr_of(pcr);
        prop_assert!(acr.get().is_finite());
        prop_assert!(acr <= acr_of(pcr * 1.1));
        let sd = acr_from_pcr_log_sd(acr, sex, diabetes, hypertension);
        prop_assert!(sd.is_finite() && 0.0 < sd);
    }

    #[test]
    fn an_equation_never_leaves_the_numbers(value in proptest::num::f64::POSITIVE) {
        prop_assume!(value.is_finite() && 0.0 < value);
        let creatinine = CreatinineMgDl::new(value).unwrap();
        let egfr = egfr::ckd_epi_2021_creatinine(creatinine, 50, Sex::Female).unwrap();
        prop_assert!(Egfr::new(egfr.get()).is_some());
        let back = egfr::creatinine_for_egfr(Egfr::new(value).unwrap(), 50, Sex::Male).unwrap();
        prop_assert!(CreatinineMgDl::new(back.get()).is_some());
        let acr = acr_from_pcr(PcrMgG::new(value).unwrap(), Sex::Male, true, true);
        prop_assert!(AcrMgG::new(acr.get()).is_some());
    }

    #[test]
    fn the_igan_tool_is_a_probability_that_grows_with_time(
        egfr in 5.0..120.0_f64, systolic in 90.0..200.0_f64, pulse in 20.0..80.0_f64,
        proteinuria in 0.05..15.0_f64, age_years in 18..80_u32, m in 0..2_u8, e in 0..2_u8,
        s in 0..2_u8, t in 0..3_u8, ras_inhibitor: bool, immunosuppression: bool,
    ) {
        let v = igan::Inputs {
            egfr: Egfr::new(egfr).unwrap(),
            systolic: SystolicMmHg::new(systolic).unwrap(),
            diastolic: DiastolicMmHg::new(systolic - pulse).unwrap(),
            proteinuria: ProteinuriaGDay::new(proteinuria).unwrap(),
            age_years, m, e, s, t, ras_inhibitor, immunosuppression,
        };
        let mut before = 0.0;
        for months in 2..=80 {
            let risk = igan::risk(&v, f64::from(months)).unwrap();
            prop_assert!((before..=1.0).contains(&risk), "{months} months: {risk} after {before}");
            before = risk;
        }
    }

    #[test]
    fn a_slope_is_a_number_inside_its_interval(points in points()) {
        if let Some(slope) = course::slope(&points) {
            prop_assert!(slope.per_year.is_finite() && slope.values <= points.len());
            prop_assert!(slope.lower <= slope.per_year && slope.per_year <= slope.upper);
        }
        prop_assert_eq!(course::suspected_acute(&points).len(), points.len());
    }

    #[test]
    fn categories_follow_the_number_shown(egfr in 0.5..200.0_f64) {
        let category = |value| kdigo::g_category(Egfr::new(value).unwrap());
        prop_assert_eq!(category(egfr), category(egfr.round().max(0.5)));
    }

    #[test]
    fn an_assessment_is_whole_for_every_plausible_input(inputs in inputs()) {
        let assessment = assess(&inputs, &network()).unwrap();
        let mut probabilities = vec![];
        if let Some(kfre) = &assessment.kfre {
            probabilities.extend([kfre.risk_2y, kfre.risk_5y]);
            prop_assert!(kfre.risk_2y <= kfre.risk_5y);
        }
        probabilities.extend(assessment.igan.map(|igan| igan.risk_5y));
        for probability in probabilities {
            prop_assert!((0.0..=1.0).contains(&probability));
        }
        let texts = assessment.advice.iter().map(|advice| {
            assert!(!advice.source.is_empty(), "{advice:?}");
            &advice.text
        });
        for text in texts.chain(assessment.warnings.iter().map(|warning| &warning.text)) {
            prop_assert!(!text.contains("NaN") && !text.contains("inf "), "{text}");
        }
        let mut codes: Vec<_> = assessment.advice.iter().map(|advice| &advice.code).collect();
        codes.sort();
        codes.dedup();
        prop_assert_eq!(codes.len(), assessment.advice.len(), "said once each");
    }
}
