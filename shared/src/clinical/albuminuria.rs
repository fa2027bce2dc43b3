//! Albuminuria from proteinuria, where only the latter was measured.

use super::quantity::{AcrMgG, PcrMgG};
use crate::patient::Sex;

/// Urine ACR estimated from urine PCR (Sumida et al., Ann Intern Med 2020;173:426, the adjusted
/// form), both in mg/g:
///
/// ACR = exp(5.2659 + 0.2934 a + 1.5643 b + 1.1109 c − 0.0773 female + 0.0797 diabetes + 0.1265
/// hypertension), where a = ln(min(PCR/50, 1)), b = ln(max(min(PCR/500, 1), 0.1)) and
/// c = ln(max(PCR/500, 1)).
pub fn acr_from_pcr(pcr: PcrMgG, sex: Sex, diabetes: bool, hypertension: bool) -> AcrMgG {
    let pcr_mg_g = pcr.get();
    let below_50 = (pcr_mg_g / 50.0).min(1.0).ln();
    let to_500 = (pcr_mg_g / 500.0).clamp(0.1, 1.0).ln();
    let above_500 = (pcr_mg_g / 500.0).max(1.0).ln();
    let female = f64::from(u8::from(matches!(sex, Sex::Female)));
    let diabetes = f64::from(u8::from(diabetes));
    let hypertension = f64::from(u8::from(hypertension));
    let ln_acr = 5.2659 + 0.2934 * below_50 + 1.5643 * to_500 + 1.1109 * above_500
        - 0.0773 * female
        + 0.0797 * diabetes
        + 0.1265 * hypertension;
    AcrMgG::computed(ln_acr.exp())
}

/// The standard deviation of that estimate's error, in natural logarithms (same paper), at the
/// estimated ACR.
pub fn acr_from_pcr_log_sd(acr: AcrMgG, sex: Sex, diabetes: bool, hypertension: bool) -> f64 {
    let acr_mg_g = acr.get();
    let below_30 = (acr_mg_g / 30.0).min(1.0).ln();
    let to_300 = (acr_mg_g / 300.0).clamp(0.1, 1.0).ln();
    let above_300 = (acr_mg_g / 300.0).max(1.0).ln();
    let female = f64::from(u8::from(matches!(sex, Sex::Female)));
    let diabetes = f64::from(u8::from(diabetes));
    let hypertension = f64::from(u8::from(hypertension));
    let log_variance = -2.0664 + 0.1658 * below_30 - 0.4599 * to_300 - 0.3084 * above_300
        + 0.0847 * female
        - 0.2553 * diabetes
        - 0.2299 * hypertension;
    log_variance.exp().sqrt()
}
