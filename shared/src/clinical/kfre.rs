//! The Kidney Failure Risk Equation (Tangri et al., JAMA 2011;305:1553, JAMA 2016;315:164; United
//! Kingdom baseline: Major et al., `PLoS` Med 2019;16:e1002955).
//!
//! risk(t) = 1 − S0(t)^exp(LP); LP is the sum of coefficient × (value − centre).

use crate::{patient::Sex, prediction::KfreRegion};

/// The variables of every form: age in years, eGFR in mL/min/1.73 m², ACR in mg/g.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FourVariables {
    /// Completed years.
    pub age_years: f64,
    /// Sex assigned at birth.
    pub sex: Sex,
    /// eGFR, mL/min/1.73 m².
    pub egfr: f64,
    /// Urine albumin-to-creatinine ratio, mg/g; more than 0.
    pub acr_mg_g: f64,
}

/// What the 6-variable form adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comorbidities {
    /// Diabetes mellitus.
    pub diabetes: bool,
    /// Arterial hypertension.
    pub hypertension: bool,
}

/// What the 8-variable form adds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chemistry {
    /// Serum albumin, g/dL.
    pub albumin_g_dl: f64,
    /// Serum phosphate, mg/dL.
    pub phosphate_mg_dl: f64,
    /// Serum bicarbonate, mEq/L.
    pub bicarbonate_meq_l: f64,
    /// Total serum calcium, mg/dL.
    pub calcium_mg_dl: f64,
}

/// Risks of kidney failure within 2 and within 5 years, 0 to 1; the published horizons only.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Risks {
    /// Within 2 years.
    pub risk_2y: f64,
    /// Within 5 years.
    pub risk_5y: f64,
}

/// Baseline survival at 2 and 5 years.
struct Baseline(f64, f64);

impl Baseline {
    fn risks(&self, lp: f64) -> Risks {
        // 1 − S0^e = −expm1(e·ln S0): exact for small risks too.
        let risk = |survival: f64| -(lp.exp() * survival.ln()).exp_m1();
        Risks { risk_2y: risk(self.0), risk_5y: risk(self.1) }
    }
}

const fn male(sex: Sex) -> f64 {
    match sex {
        Sex::Female => 0.0,
        Sex::Male => 1.0,
    }
}

/// The 4-variable equation (2016 coefficients).
pub fn four(v: &FourVariables, region: KfreRegion) -> Risks {
    let lp = -0.2201 * (v.age_years / 10.0 - 7.036) + 0.2467 * (male(v.sex) - 0.5642)
        - 0.5567 * (v.egfr / 5.0 - 7.222)
        + 0.4510 * (v.acr_mg_g.ln() - 5.137);
    let baseline = match region {
        KfreRegion::NorthAmerica => Baseline(0.9750, 0.9240),
        KfreRegion::Other => Baseline(0.9832, 0.9365),
        KfreRegion::UnitedKingdom => Baseline(0.9878, 0.9570),
    };
    baseline.risks(lp)
}

/// The 6-variable equation; `None` for the United Kingdom, which recalibrated 4 variables only.
pub fn six(v: &FourVariables, c: Comorbidities, region: KfreRegion) -> Option<Risks> {
    let lp = -0.2218 * (v.age_years / 10.0 - 7.036) + 0.2553 * (male(v.sex) - 0.5642)
        - 0.5541 * (v.egfr / 5.0 - 7.222)
        + 0.4562 * (v.acr_mg_g.ln() - 5.137)
        - 0.1475 * (f64::from(u8::from(c.diabetes)) - 0.5106)
        + 0.1426 * (f64::from(u8::from(c.hypertension)) - 0.8501);
    let baseline = match region {
        KfreRegion::NorthAmerica => Baseline(0.9750, 0.9240),
        KfreRegion::Other => Baseline(0.9830, 0.9370),
        KfreRegion::UnitedKingdom => return None,
    };
    Some(baseline.risks(lp))
}

/// The 8-variable equation; `None` for the United Kingdom, which recalibrated 4 variables only.
/// Its 5-year baseline outside North America is below the North American one, unlike all others:
/// that is what is published.
pub fn eight(v: &FourVariables, c: &Chemistry, region: KfreRegion) -> Option<Risks> {
    let lp = -0.1992 * (v.age_years / 10.0 - 7.036) + 0.1602 * (male(v.sex) - 0.5642)
        - 0.4919 * (v.egfr / 5.0 - 7.222)
        + 0.3364 * (v.acr_mg_g.ln() - 5.137)
        - 0.3441 * (c.albumin_g_dl - 3.997)
        + 0.2604 * (c.phosphate_mg_dl - 3.916)
        - 0.07354 * (c.bicarbonate_meq_l - 25.57)
        - 0.2228 * (c.calcium_mg_dl - 9.355);
    let baseline = match region {
        KfreRegion::NorthAmerica => Baseline(0.9780, 0.9301),
        KfreRegion::Other => Baseline(0.9827, 0.9245),
        KfreRegion::UnitedKingdom => return None,
    };
    Some(baseline.risks(lp))
}
