//! International IgAN Prediction Tool, post-biopsy form without race (Barbour et al., Kidney Int
//! 2022;102:160). Experimental: the coefficients come from a secondary source.

/// The tool's inputs, one to two years after the biopsy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inputs {
    /// eGFR, mL/min/1.73 m².
    pub egfr: f64,
    /// Systolic blood pressure, mmHg.
    pub systolic_mmhg: f64,
    /// Diastolic blood pressure, mmHg.
    pub diastolic_mmhg: f64,
    /// Proteinuria, g/day; more than 0.
    pub proteinuria_g_day: f64,
    /// Completed years.
    pub age_years: f64,
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

/// Probability of a 50 % fall of eGFR or kidney failure within 60 months.
pub fn risk_5y(v: &Inputs) -> f64 {
    let flag = |set: bool| f64::from(u8::from(set));
    let map = v.diastolic_mmhg + (v.systolic_mmhg - v.diastolic_mmhg) / 3.0;
    let ln_p = v.proteinuria_g_day.ln();
    let (t1, t2) = (flag(v.t == 1), flag(v.t == 2));
    let ras = flag(v.ras_inhibitor);
    let lp = -0.5862 * (v.egfr.sqrt() - 8.8) - 0.0012 * (map - 97.0)
        + 0.1225 * (ln_p - 0.09)
        + 0.0055 * (map * ln_p - 8.73)
        + 0.2693 * f64::from(v.m)
        + 0.2447 * f64::from(v.e)
        - 0.0050 * f64::from(v.s)
        + 0.3237 * t1
        + 0.4221 * t2
        - 0.1732 * t1 * ln_p
        - 0.3120 * t2 * ln_p
        - 0.0227 * (v.age_years - 38.0)
        + 0.2675 * ras
        - 0.0478 * ras * ln_p
        - 0.3266 * flag(v.immunosuppression);
    1.0 - baseline_survival(60.0).powf(lp.exp())
}

/// Baseline survival `months` after the tool's baseline, from 12 months on.
fn baseline_survival(months: f64) -> f64 {
    let cube = |x: f64| (x / 38.41871).max(0.0).powi(3);
    let spline = cube(months - 2.73)
        + (46.94 * cube(months - 240.86) - 238.13 * cube(months - 49.67)) / 191.19;
    1.00651 - 0.00105 * months - 0.00281 * spline
}
