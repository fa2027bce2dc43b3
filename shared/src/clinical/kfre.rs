//! The Kidney Failure Risk Equation (Tangri et al., JAMA 2011;305:1553, JAMA 2016;315:164; United
//! Kingdom baseline: Major et al., `PLoS` Med 2019;16:e1002955).
//!
//! risk(t) = 1 − S0(t)^exp(LP); LP is the sum of coefficient × (value − centre), with age in years,
//! male 1 and female 0, eGFR in mL/min/1.73 m², ACR in mg/g, albumin in g/dL, phosphate and calcium
//! in mg/dL, bicarbonate in mmol/L. The outcome is kidney failure treated by dialysis or
//! transplantation; death is censored, so the risk of frail old patients is overestimated.

use std::fmt;

use super::quantity::{AcrMgG, AlbuminGDl, BicarbonateMmolL, CalciumMgDl, Egfr, PhosphateMgDl};
use crate::{patient::Sex, prediction::KfreRegion};

/// The eGFR from which on the equation is not valid, mL/min/1.73 m² (KDIGO 2024, practice point
/// 2.2.4). It is compared with the unrounded value, which is what the equation is given.
pub const EGFR_LIMIT: f64 = 60.0;

/// Why KFRE gives no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The patient is under 18.
    Under18,
    /// On dialysis, transplanted, or dead.
    EndPointReached,
    /// No eGFR is known.
    NoEgfr,
    /// eGFR of 60 or more.
    Egfr60OrMore,
    /// Acute kidney injury is suspected.
    AkiSuspected,
    /// Neither ACR nor PCR is known.
    NoAlbuminuria,
    /// An albuminuria of 0 or less, which has no logarithm.
    AlbuminuriaNotPositive,
}

impl Refusal {
    /// A stable name, for programs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Under18 => "age_under_18",
            Self::EndPointReached => "kidney_failure_reached",
            Self::NoEgfr => "no_egfr",
            Self::Egfr60OrMore => "egfr_60_or_more",
            Self::AkiSuspected => "aki_suspected",
            Self::NoAlbuminuria => "no_albuminuria",
            Self::AlbuminuriaNotPositive => "albuminuria_not_positive",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Under18 => phrase!("KFRE speaks for adults only."),
            Self::EndPointReached => phrase!("KFRE does not speak after an end point."),
            Self::NoEgfr => phrase!("KFRE needs an eGFR."),
            Self::Egfr60OrMore => {
                phrase!("KFRE is not valid at an eGFR of 60 or more (KDIGO 2024, practice point 2.2.4).")
            }
            Self::AkiSuspected => {
                phrase!("Kidney function worsened steeply: acute kidney injury is suspected and the \
                 latest value is not steady state. KFRE gives no number until it is.")
            }
            Self::NoAlbuminuria => phrase!("KFRE needs a urine ACR (or a PCR to estimate it from)."),
            Self::AlbuminuriaNotPositive => {
                phrase!("KFRE needs a urine ACR above 0; record the detection limit for a value below it.")
            }
        })
    }
}

/// The variables of every form, in the range that the equation speaks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FourVariables {
    age_years: u32,
    sex: Sex,
    egfr: Egfr,
    acr: AcrMgG,
}

impl FourVariables {
    /// Completed years of age, sex assigned at birth, eGFR and urine ACR; refused under 18 years
    /// and at an eGFR of 60 or more, where the equation would be extrapolated.
    pub fn new(age_years: u32, sex: Sex, egfr: Egfr, acr: AcrMgG) -> Result<Self, Refusal> {
        if age_years < super::egfr::YOUNGEST {
            return Err(Refusal::Under18);
        }
        if EGFR_LIMIT <= egfr.get() {
            return Err(Refusal::Egfr60OrMore);
        }
        Ok(Self { age_years, sex, egfr, acr })
    }

    /// Each variable as the equations take it, less its centre.
    fn centred(&self) -> Centred {
        Centred {
            age: f64::from(self.age_years) / 10.0 - 7.036,
            male: male(self.sex) - 0.5642,
            egfr: self.egfr.get() / 5.0 - 7.222,
            ln_acr: self.acr.get().ln() - 5.137,
        }
    }
}

struct Centred {
    age: f64,
    male: f64,
    egfr: f64,
    ln_acr: f64,
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
    /// Serum albumin.
    pub albumin: AlbuminGDl,
    /// Serum phosphate.
    pub phosphate: PhosphateMgDl,
    /// Serum bicarbonate.
    pub bicarbonate: BicarbonateMmolL,
    /// Total serum calcium as measured, not corrected for albumin.
    pub calcium: CalciumMgDl,
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

/// The 4-variable equation (2016 coefficients; S0 by region):
///
/// LP = −0.2201 (age/10 − 7.036) + 0.2467 (male − 0.5642) − 0.5567 (eGFR/5 − 7.222) +
/// 0.4510 (ln ACR − 5.137).
pub fn four(v: &FourVariables, region: KfreRegion) -> Risks {
    let Centred { age, male, egfr, ln_acr } = v.centred();
    let lp = -0.2201 * age + 0.2467 * male - 0.5567 * egfr + 0.4510 * ln_acr;
    let baseline = match region {
        KfreRegion::NorthAmerica => Baseline(0.9750, 0.9240),
        KfreRegion::Other => Baseline(0.9832, 0.9365),
        KfreRegion::UnitedKingdom => Baseline(0.9878, 0.9570),
    };
    baseline.risks(lp)
}

/// The 6-variable equation (Tangri 2016):
///
/// LP = −0.2218 (age/10 − 7.036) + 0.2553 (male − 0.5642) − 0.5541 (eGFR/5 − 7.222) +
/// 0.4562 (ln ACR − 5.137) − 0.1475 (diabetes − 0.5106) + 0.1426 (hypertension − 0.8501).
///
/// `None` for the United Kingdom, which recalibrated 4 variables only.
pub fn six(v: &FourVariables, c: Comorbidities, region: KfreRegion) -> Option<Risks> {
    let Centred { age, male, egfr, ln_acr } = v.centred();
    let lp = -0.2218 * age + 0.2553 * male - 0.5541 * egfr + 0.4562 * ln_acr
        - 0.1475 * (f64::from(u8::from(c.diabetes)) - 0.5106)
        + 0.1426 * (f64::from(u8::from(c.hypertension)) - 0.8501);
    let baseline = match region {
        KfreRegion::NorthAmerica => Baseline(0.9750, 0.9240),
        KfreRegion::Other => Baseline(0.9830, 0.9370),
        KfreRegion::UnitedKingdom => return None,
    };
    Some(baseline.risks(lp))
}

/// The 8-variable equation (Tangri 2016):
///
/// LP = −0.1992 (age/10 − 7.036) + 0.1602 (male − 0.5642) − 0.4919 (eGFR/5 − 7.222) +
/// 0.3364 (ln ACR − 5.137) − 0.3441 (albumin − 3.997) + 0.2604 (phosphate − 3.916) −
/// 0.07354 (bicarbonate − 25.57) − 0.2228 (calcium − 9.355).
///
/// `None` for the United Kingdom, which recalibrated 4 variables only.
/// Its 5-year baseline outside North America is below the North American one, unlike all others:
/// that is what is published.
pub fn eight(v: &FourVariables, c: &Chemistry, region: KfreRegion) -> Option<Risks> {
    let Centred { age, male, egfr, ln_acr } = v.centred();
    let lp = -0.1992 * age + 0.1602 * male - 0.4919 * egfr + 0.3364 * ln_acr
        - 0.3441 * (c.albumin.get() - 3.997)
        + 0.2604 * (c.phosphate.get() - 3.916)
        - 0.07354 * (c.bicarbonate.get() - 25.57)
        - 0.2228 * (c.calcium.get() - 9.355);
    let baseline = match region {
        KfreRegion::NorthAmerica => Baseline(0.9780, 0.9301),
        KfreRegion::Other => Baseline(0.9827, 0.9245),
        KfreRegion::UnitedKingdom => return None,
    };
    Some(baseline.risks(lp))
}
