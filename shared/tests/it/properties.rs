//! What holds for every plausible input.

use proptest::prelude::*;
use shared::{
    clinical::{
        albuminuria::{acr_from_pcr, acr_from_pcr_log_sd},
        egfr, from_canonical,
        kfre::{self, FourVariables},
        to_canonical,
    },
    observation::ObservationCode,
    patient::Sex,
    prediction::KfreRegion,
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

proptest! {
    #[test]
    fn units_go_there_and_back(code in 0..16_usize, unit in 0..5_usize, value in 0.001..1e5_f64) {
        let code = ObservationCode::ALL[code];
        let units = code.units();
        let unit = units[unit % units.len()];
        let back = from_canonical(code, to_canonical(code, value, unit).unwrap(), unit).unwrap();
        prop_assert!((back - value).abs() <= 1e-9 * value.max(1.0));
    }

    #[test]
    fn egfr_falls_with_creatinine_and_age(
        creatinine in 0.1..29.0_f64, more in 0.01..1.0_f64, age in 18..119_u32, sex in sex(),
    ) {
        type Equation = fn(f64, u32, Sex) -> Option<f64>;
        let equations: [Equation; 2] =
            [egfr::ckd_epi_2021_creatinine, egfr::ckd_epi_2009_creatinine];
        for equation in equations {
            let value = equation(creatinine, age, sex).unwrap();
            prop_assert!(value.is_finite() && 0.0 < value);
            prop_assert!(equation(creatinine + more, age, sex).unwrap() < value);
            prop_assert!(equation(creatinine, age + 1, sex).unwrap() < value);
        }
        let value = egfr::ckd_epi_2021_creatinine(creatinine, age, sex).unwrap();
        let back = egfr::creatinine_for_egfr(value, age, sex).unwrap();
        prop_assert!((back / creatinine - 1.0).abs() < 1e-9);
    }

    #[test]
    fn kfre_is_a_probability_that_grows_as_it_should(
        age in 18.0..110.0_f64, sex in sex(), egfr in 1.0..59.0_f64, acr in 0.1..30_000.0_f64,
        region in region(),
    ) {
        let v = FourVariables { age_years: age, sex, egfr, acr_mg_g: acr };
        let risks = kfre::four(&v, region);
        prop_assert!((0.0..=1.0).contains(&risks.risk_2y) && (0.0..=1.0).contains(&risks.risk_5y));
        prop_assert!(risks.risk_2y <= risks.risk_5y);
        let better = kfre::four(&FourVariables { egfr: egfr + 1.0, ..v }, region);
        prop_assert!(better.risk_5y <= risks.risk_5y);
        let worse = kfre::four(&FourVariables { acr_mg_g: acr * 2.0, ..v }, region);
        prop_assert!(risks.risk_5y <= worse.risk_5y);
        let older = kfre::four(&FourVariables { age_years: age + 1.0, ..v }, region);
        prop_assert!(older.risk_5y <= risks.risk_5y);
    }

    #[test]
    fn acr_from_pcr_is_positive_and_grows(
        pcr in 1.0..50_000.0_f64, sex in sex(), diabetes: bool, hypertension: bool,
    ) {
        let acr = acr_from_pcr(pcr, sex, diabetes, hypertension);
        prop_assert!(acr.is_finite() && 0.0 < acr);
        prop_assert!(acr <= acr_from_pcr(pcr * 1.1, sex, diabetes, hypertension));
        let sd = acr_from_pcr_log_sd(acr, sex, diabetes, hypertension);
        prop_assert!(sd.is_finite() && 0.0 < sd);
    }
}
