//! Estimated glomerular filtration rate, mL/min/1.73 m². Adults only.

use crate::patient::Sex;

/// The youngest age that these equations speak for, years.
pub const YOUNGEST: u32 = 18;

struct Creatinine2021 {
    kappa: f64,
    alpha: f64,
    factor: f64,
}

const fn creatinine_2021(sex: Sex) -> Creatinine2021 {
    match sex {
        Sex::Female => Creatinine2021 { kappa: 0.7, alpha: -0.241, factor: 1.012 },
        Sex::Male => Creatinine2021 { kappa: 0.9, alpha: -0.302, factor: 1.0 },
    }
}

/// CKD-EPI 2021 from creatinine (Inker et al., N Engl J Med 2021;385:1737), without race.
/// Creatinine in mg/dL; `None` under 18 years.
pub fn ckd_epi_2021_creatinine(creatinine_mg_dl: f64, age_years: u32, sex: Sex) -> Option<f64> {
    if age_years < YOUNGEST {
        return None;
    }
    let Creatinine2021 { kappa, alpha, factor } = creatinine_2021(sex);
    let ratio = creatinine_mg_dl / kappa;
    let age = 0.9938_f64.powi(age_years.cast_signed());
    Some(142.0 * ratio.min(1.0).powf(alpha) * ratio.max(1.0).powf(-1.200) * age * factor)
}

/// The creatinine (mg/dL) at which CKD-EPI 2021 gives this eGFR: the equation solved for
/// creatinine. `None` under 18 years.
pub fn creatinine_for_egfr(egfr: f64, age_years: u32, sex: Sex) -> Option<f64> {
    // At creatinine = κ both branches meet.
    let Creatinine2021 { kappa, alpha, .. } = creatinine_2021(sex);
    let at_kappa = ckd_epi_2021_creatinine(kappa, age_years, sex)?;
    let exponent = if egfr <= at_kappa { -1.200 } else { alpha };
    Some(kappa * (egfr / at_kappa).powf(1.0 / exponent))
}

/// CKD-EPI 2021 from creatinine (mg/dL) and cystatin C (mg/L) (Inker et al. 2021).
/// `None` under 18 years.
pub fn ckd_epi_2021_creatinine_cystatin_c(
    creatinine_mg_dl: f64,
    cystatin_c_mg_l: f64,
    age_years: u32,
    sex: Sex,
) -> Option<f64> {
    if age_years < YOUNGEST {
        return None;
    }
    let (kappa, alpha, factor) = match sex {
        Sex::Female => (0.7, -0.219, 0.963),
        Sex::Male => (0.9, -0.144, 1.0),
    };
    let creatinine = creatinine_mg_dl / kappa;
    let cystatin = cystatin_c_mg_l / 0.8;
    let age = 0.9961_f64.powi(age_years.cast_signed());
    Some(
        135.0
            * creatinine.min(1.0).powf(alpha)
            * creatinine.max(1.0).powf(-0.544)
            * cystatin.min(1.0).powf(-0.323)
            * cystatin.max(1.0).powf(-0.778)
            * age
            * factor,
    )
}

/// CKD-EPI 2012 from cystatin C in mg/L (Inker et al., N Engl J Med 2012;367:20).
/// `None` under 18 years.
pub fn ckd_epi_2012_cystatin_c(cystatin_c_mg_l: f64, age_years: u32, sex: Sex) -> Option<f64> {
    if age_years < YOUNGEST {
        return None;
    }
    let factor = match sex {
        Sex::Female => 0.932,
        Sex::Male => 1.0,
    };
    let cystatin = cystatin_c_mg_l / 0.8;
    let age = 0.996_f64.powi(age_years.cast_signed());
    Some(133.0 * cystatin.min(1.0).powf(-0.499) * cystatin.max(1.0).powf(-1.328) * age * factor)
}

/// CKD-EPI 2009 from creatinine in mg/dL (Levey et al., Ann Intern Med 2009;150:604), without its
/// race coefficient; for comparison with old records only. `None` under 18 years.
pub fn ckd_epi_2009_creatinine(creatinine_mg_dl: f64, age_years: u32, sex: Sex) -> Option<f64> {
    if age_years < YOUNGEST {
        return None;
    }
    let (kappa, alpha, factor) = match sex {
        Sex::Female => (0.7, -0.329, 1.018),
        Sex::Male => (0.9, -0.411, 1.0),
    };
    let ratio = creatinine_mg_dl / kappa;
    let age = 0.993_f64.powi(age_years.cast_signed());
    Some(141.0 * ratio.min(1.0).powf(alpha) * ratio.max(1.0).powf(-1.209) * age * factor)
}

/// EKFC 2021 from creatinine in mg/dL (Pottel et al., Ann Intern Med 2021;174:183).
/// `None` under 18 years.
pub fn ekfc_2021(creatinine_mg_dl: f64, age_years: u32, sex: Sex) -> Option<f64> {
    if age_years < YOUNGEST {
        return None;
    }
    let age = f64::from(age_years);
    let (young, adult) = match sex {
        Sex::Female => ([3.080, 0.177, -0.223, -0.00596, 0.0000686], 62.0),
        Sex::Male => ([3.200, 0.259, -0.543, -0.00763, 0.0000790], 80.0),
    };
    let q = if age_years <= 25 {
        let [a, b, c, d, e] = young;
        (a + b * age + c * age.ln() + d * age.powi(2) + e * age.powi(3)).exp()
    } else {
        adult
    };
    let ratio = creatinine_mg_dl * super::units::CREATININE_UMOL_L_PER_MG_DL / q;
    let exponent = if ratio < 1.0 { -0.322 } else { -1.132 };
    let decline = 0.990_f64.powf((age - 40.0).max(0.0));
    Some(107.3 * ratio.powf(exponent) * decline)
}
