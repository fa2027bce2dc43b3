//! Albuminuria from proteinuria, where only the latter was measured.

use crate::patient::Sex;

/// Urine ACR estimated from urine PCR, both mg/g (Sumida et al., Ann Intern Med 2020;173:426, the
/// adjusted form).
pub fn acr_from_pcr(pcr_mg_g: f64, sex: Sex, diabetes: bool, hypertension: bool) -> f64 {
    let below_50 = (pcr_mg_g / 50.0).min(1.0).ln();
    let to_500 = (pcr_mg_g / 500.0).clamp(0.1, 1.0).ln();
    let above_500 = (pcr_mg_g / 500.0).max(1.0).ln();
    let female = f64::from(u8::from(matches!(sex, Sex::Female)));
    let diabetes = f64::from(u8::from(diabetes));
    let hypertension = f64::from(u8::from(hypertension));
    (5.2659 + 0.2934 * below_50 + 1.5643 * to_500 + 1.1109 * above_500 - 0.0773 * female
        + 0.0797 * diabetes
        + 0.1265 * hypertension)
        .exp()
}

/// The standard deviation of the estimate's error, in natural logarithms (same paper).
pub fn acr_from_pcr_log_sd(acr_mg_g: f64, sex: Sex, diabetes: bool, hypertension: bool) -> f64 {
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
