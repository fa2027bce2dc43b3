//! Estimated glomerular filtration rate. Adults only: every equation answers `None` under 18
//! years. Age is in completed years on the day of the sample.
//!
//! Results are unrounded, and so they feed KFRE; they are shown, and classified, as whole numbers
//! (see [`super::kdigo::g_category`]).

use super::quantity::{CreatinineMgDl, CystatinCMgL, Egfr};
use crate::patient::Sex;

/// The youngest age that these equations speak for, years.
pub const YOUNGEST: u32 = 18;

/// The shape that the CKD-EPI equations share: a value's ratio to where the curve bends, with one
/// exponent below the bend and another above it.
fn bent(ratio: f64, below: f64, above: f64) -> f64 {
    ratio.min(1.0).powf(below) * ratio.max(1.0).powf(above)
}

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

/// CKD-EPI 2021 from creatinine (Inker et al., N Engl J Med 2021;385:1737), without race:
///
/// 142 · min(Scr/κ, 1)^α · max(Scr/κ, 1)^−1.200 · 0.9938^age · 1.012 (female), with κ 0.7 and
/// α −0.241 for women, κ 0.9 and α −0.302 for men.
pub fn ckd_epi_2021_creatinine(
    creatinine: CreatinineMgDl,
    age_years: u32,
    sex: Sex,
) -> Option<Egfr> {
    if age_years < YOUNGEST {
        return None;
    }
    let Creatinine2021 { kappa, alpha, factor } = creatinine_2021(sex);
    let ratio = creatinine.get() / kappa;
    let age = 0.9938_f64.powi(age_years.cast_signed());
    let egfr = 142.0 * ratio.min(1.0).powf(alpha) * ratio.max(1.0).powf(-1.200) * age * factor;
    Some(Egfr::computed(egfr))
}

/// The creatinine at which CKD-EPI 2021 gives this eGFR: the equation above solved for creatinine.
pub fn creatinine_for_egfr(egfr: Egfr, age_years: u32, sex: Sex) -> Option<CreatinineMgDl> {
    // At creatinine = κ both branches meet.
    let Creatinine2021 { kappa, alpha, .. } = creatinine_2021(sex);
    let at_kappa = ckd_epi_2021_creatinine(CreatinineMgDl::computed(kappa), age_years, sex)?.get();
    let exponent = if egfr.get() <= at_kappa { -1.200 } else { alpha };
    Some(CreatinineMgDl::computed(kappa * (egfr.get() / at_kappa).powf(1.0 / exponent)))
}

/// CKD-EPI 2021 from creatinine and cystatin C (Inker et al., N Engl J Med 2021;385:1737):
///
/// 135 · min(Scr/κ, 1)^α · max(Scr/κ, 1)^−0.544 · min(Cys/0.8, 1)^−0.323 · max(Cys/0.8, 1)^−0.778 ·
/// 0.9961^age · 0.963 (female), with κ 0.7 and α −0.219 for women, κ 0.9 and α −0.144 for men.
pub fn ckd_epi_2021_creatinine_cystatin_c(
    creatinine: CreatinineMgDl,
    cystatin_c: CystatinCMgL,
    age_years: u32,
    sex: Sex,
) -> Option<Egfr> {
    if age_years < YOUNGEST {
        return None;
    }
    let (kappa, alpha, factor) = match sex {
        Sex::Female => (0.7, -0.219, 0.963),
        Sex::Male => (0.9, -0.144, 1.0),
    };
    let creatinine = bent(creatinine.get() / kappa, alpha, -0.544);
    let cystatin = bent(cystatin_c.get() / 0.8, -0.323, -0.778);
    let age = 0.9961_f64.powi(age_years.cast_signed());
    Some(Egfr::computed(135.0 * creatinine * cystatin * age * factor))
}

/// CKD-EPI 2012 from cystatin C (Inker et al., N Engl J Med 2012;367:20):
///
/// 133 · min(Cys/0.8, 1)^−0.499 · max(Cys/0.8, 1)^−1.328 · 0.996^age · 0.932 (female).
pub fn ckd_epi_2012_cystatin_c(cystatin_c: CystatinCMgL, age_years: u32, sex: Sex) -> Option<Egfr> {
    if age_years < YOUNGEST {
        return None;
    }
    let factor = match sex {
        Sex::Female => 0.932,
        Sex::Male => 1.0,
    };
    let cystatin = bent(cystatin_c.get() / 0.8, -0.499, -1.328);
    let age = 0.996_f64.powi(age_years.cast_signed());
    Some(Egfr::computed(133.0 * cystatin * age * factor))
}

/// CKD-EPI 2012 from creatinine and cystatin C (Inker et al., N Engl J Med 2012;367:20), without
/// its race coefficient; for comparison with old records only:
///
/// 135 · min(Scr/κ, 1)^α · max(Scr/κ, 1)^−0.601 · min(Cys/0.8, 1)^−0.375 · max(Cys/0.8, 1)^−0.711 ·
/// 0.995^age · 0.969 (female), with κ 0.7 and α −0.248 for women, κ 0.9 and α −0.207 for men.
pub fn ckd_epi_2012_creatinine_cystatin_c(
    creatinine: CreatinineMgDl,
    cystatin_c: CystatinCMgL,
    age_years: u32,
    sex: Sex,
) -> Option<Egfr> {
    if age_years < YOUNGEST {
        return None;
    }
    let (kappa, alpha, factor) = match sex {
        Sex::Female => (0.7, -0.248, 0.969),
        Sex::Male => (0.9, -0.207, 1.0),
    };
    let creatinine = bent(creatinine.get() / kappa, alpha, -0.601);
    let cystatin = bent(cystatin_c.get() / 0.8, -0.375, -0.711);
    let age = 0.995_f64.powi(age_years.cast_signed());
    Some(Egfr::computed(135.0 * creatinine * cystatin * age * factor))
}

/// CKD-EPI 2009 from creatinine (Levey et al., Ann Intern Med 2009;150:604), without its race
/// coefficient; for comparison with old records only:
///
/// 141 · min(Scr/κ, 1)^α · max(Scr/κ, 1)^−1.209 · 0.993^age · 1.018 (female), with κ 0.7 and
/// α −0.329 for women, κ 0.9 and α −0.411 for men.
pub fn ckd_epi_2009_creatinine(
    creatinine: CreatinineMgDl,
    age_years: u32,
    sex: Sex,
) -> Option<Egfr> {
    if age_years < YOUNGEST {
        return None;
    }
    let (kappa, alpha, factor) = match sex {
        Sex::Female => (0.7, -0.329, 1.018),
        Sex::Male => (0.9, -0.411, 1.0),
    };
    let age = 0.993_f64.powi(age_years.cast_signed());
    Some(Egfr::computed(141.0 * bent(creatinine.get() / kappa, alpha, -1.209) * age * factor))
}

/// EKFC 2021 from creatinine (Pottel et al., Ann Intern Med 2021;174:183), Scr and Q in µmol/L:
///
/// 107.3 · (Scr/Q)^−0.322 (Scr/Q < 1) or ^−1.132 (from 1 on) · 0.990^(age − 40) (age over 40). Q is
/// 62 for women and 80 for men over 25 years; up to 25, ln Q is a polynomial of age.
pub fn ekfc_2021(creatinine: CreatinineMgDl, age_years: u32, sex: Sex) -> Option<Egfr> {
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
    let ratio = creatinine.umol_l() / q;
    let exponent = if ratio < 1.0 { -0.322 } else { -1.132 };
    let decline = 0.990_f64.powf((age - 40.0).max(0.0));
    Some(Egfr::computed(107.3 * ratio.powf(exponent) * decline))
}
