//! International IgAN Prediction Tool, post-biopsy form without race (Barbour et al., Kidney Int
//! 2022;102:160). Experimental: the coefficients come from a secondary source.

use std::ops::RangeInclusive;

use super::quantity::{DiastolicMmHg, Egfr, ProteinuriaGDay, SystolicMmHg};

/// The months after its baseline that the tool is asked about here. Under 2 months its published
/// baseline survival passes 1.
pub const MONTHS: RangeInclusive<f64> = 2.0..=80.0;

/// The tool's inputs at its baseline, one to two years after the biopsy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inputs {
    /// eGFR.
    pub egfr: Egfr,
    /// Systolic blood pressure.
    pub systolic: SystolicMmHg,
    /// Diastolic blood pressure.
    pub diastolic: DiastolicMmHg,
    /// Proteinuria.
    pub proteinuria: ProteinuriaGDay,
    /// Completed years of age, 18 or more.
    pub age_years: u32,
    /// Mesangial hypercellularity, 0 or 1.
    pub m: u8,
    /// Endocapillary hypercellularity, 0 or 1.
    pub e: u8,
    /// Segmental sclerosis, 0 or 1.
    pub s: u8,
    /// Tubular atrophy and interstitial fibrosis, 0 to 2.
    pub t: u8,
    /// On a RAS inhibitor.
    pub ras_inhibitor: bool,
    /// On immunosuppression.
    pub immunosuppression: bool,
}

impl Inputs {
    const fn in_scope(&self) -> bool {
        super::egfr::YOUNGEST <= self.age_years
            && self.m <= 1
            && self.e <= 1
            && self.s <= 1
            && self.t <= 2
            && self.diastolic.get() < self.systolic.get()
    }
}

/// Probability of a 50 % fall of eGFR or kidney failure within so many months after the baseline:
/// 1 − S0(t)^exp(LP), with MAP = DBP + (SBP − DBP)/3 in mmHg, P the proteinuria in g/day, and
///
/// LP = −0.5862 (√eGFR − 8.8) − 0.0012 (MAP − 97) + 0.1225 (ln P − 0.09) +
/// 0.0055 (MAP ln P − 8.73) + 0.2693 M + 0.2447 E − 0.0050 S + 0.3237 T1 + 0.4221 T2 −
/// 0.1732 T1 ln P − 0.3120 T2 ln P − 0.0227 (age − 38) + 0.2675 RASB − 0.0478 RASB ln P −
/// 0.3266 immunosuppression.
///
/// `None` for a score that the classification has not, a diastolic pressure not below the systolic
/// one, under 18 years, and outside [`MONTHS`].
pub fn risk(v: &Inputs, months: f64) -> Option<f64> {
    if !v.in_scope() || !MONTHS.contains(&months) {
        return None;
    }
    let flag = |set: bool| f64::from(u8::from(set));
    let (systolic, diastolic) = (v.systolic.get(), v.diastolic.get());
    let map = diastolic + (systolic - diastolic) / 3.0;
    let ln_p = v.proteinuria.get().ln();
    let (t1, t2) = (flag(v.t == 1), flag(v.t == 2));
    let ras = flag(v.ras_inhibitor);
    let lp = -0.5862 * (v.egfr.get().sqrt() - 8.8) - 0.0012 * (map - 97.0)
        + 0.1225 * (ln_p - 0.09)
        + 0.0055 * (map * ln_p - 8.73)
        + 0.2693 * f64::from(v.m)
        + 0.2447 * f64::from(v.e)
        - 0.0050 * f64::from(v.s)
        + 0.3237 * t1
        + 0.4221 * t2
        - 0.1732 * t1 * ln_p
        - 0.3120 * t2 * ln_p
        - 0.0227 * (f64::from(v.age_years) - 38.0)
        + 0.2675 * ras
        - 0.0478 * ras * ln_p
        - 0.3266 * flag(v.immunosuppression);
    Some(1.0 - baseline_survival(months).powf(lp.exp()))
}

/// Probability of a 50 % fall of eGFR or kidney failure within 60 months; see [`risk`].
pub fn risk_5y(v: &Inputs) -> Option<f64> {
    risk(v, 60.0)
}

/// Baseline survival so many months after the tool's baseline. A fractional polynomial of
/// (t + 0.1)/10 under 12 months, from then on a straight line and a restricted cubic spline.
fn baseline_survival(months: f64) -> f64 {
    if months < 12.0 {
        let u = (months + 0.1) / 10.0;
        return 0.9983872 - 0.0033270 * u.sqrt() - 0.0039851 * u.sqrt() * u.ln();
    }
    let cube = |x: f64| (x / 38.41871).max(0.0).powi(3);
    let spline = cube(months - 2.73)
        + (46.94 * cube(months - 240.86) - 238.13 * cube(months - 49.67)) / 191.19;
    1.00651 - 0.00105 * months - 0.00281 * spline
}
