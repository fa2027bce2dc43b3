//! What a hospital's records hold of a course: irregular visits, noise, gaps, units of the country.

use rand::{Rng, rngs::StdRng};
use shared::{
    clinical::{
        albuminuria::acr_from_pcr_log_sd,
        egfr::creatinine_for_egfr,
        quantity::{AcrMgG, CreatinineMgDl, Egfr},
    },
    observation::ObservationCode,
    patient::{RenalDisease, Sex},
    therapy::TherapyKind,
};

use super::{
    BiopsyScores, LatentState, SimulatedObservation, SimulatedPatient,
    course::{Latent, PAST_MONTHS, Past},
    happens, normal,
};
use crate::dataset::Outcome;

/// How a hospital reports: its units, and whether it measures protein instead of albumin.
struct Laboratory {
    molar: bool,
    protein: bool,
}

/// Everything measured in the past, oldest first; the last visit is mostly some weeks ago.
pub(super) fn observe(latent: &Latent, past: &Past, rng: &mut StdRng) -> Vec<SimulatedObservation> {
    let laboratory = Laboratory { molar: happens(rng, 0.45), protein: happens(rng, 0.12) };
    let mut observations = Vec::new();
    for month in visit_months(latent, &past.acute_months, rng) {
        let index = PAST_MONTHS - (month.round() as usize).min(PAST_MONTHS);
        visit(latent, &laboratory, past.levels[index], month, rng, &mut observations);
    }
    observations
}

/// Months before now of each visit, oldest first. One in nine has been seen only once, and one in
/// sixteen not for a while.
fn visit_months(latent: &Latent, acute_months: &[usize], rng: &mut StdRng) -> Vec<f64> {
    let last = if happens(rng, 0.06) { 3.0..15.0 } else { 0.05..3.0 };
    let last = rng.random_range(last);
    if happens(rng, 0.11) {
        return vec![last];
    }
    // The network reads five years; some records are shorter, a few longer.
    let history = rng.random_range(12.0..72.0);
    // KDIGO's frequency by category, with everybody's own punctuality; who gets worse is seen
    // more often.
    let usual = match latent.egfr {
        60.0.. => 11.0,
        45.0.. => 8.0,
        30.0.. => 5.5,
        15.0.. => 3.6,
        _ => 2.4,
    };
    let own = usual * (0.35 * normal(rng)).exp() * if latent.referred { 0.9 } else { 1.1 };
    let own = own * (0.03 * latent.slope.clamp(-10.0, 0.0)).exp();
    let mut months = vec![last];
    let mut month = last;
    loop {
        month += own * (0.3 * normal(rng)).exp();
        if history < month || months.len() == 48 {
            break;
        }
        months.push(month);
    }
    // Half of the acute injuries are noticed, by a measurement that was not planned.
    for acute in acute_months {
        let at = *acute as f64;
        if last < at && at < history && happens(rng, 0.5) {
            months.push(at);
        }
    }
    months.sort_by(|a, b| b.total_cmp(a));
    months
}

fn visit(
    latent: &Latent,
    laboratory: &Laboratory,
    egfr: f64,
    months_before: f64,
    rng: &mut StdRng,
    out: &mut Vec<SimulatedObservation>,
) {
    let age = ((latent.age - months_before / 12.0) as u32).max(18);
    let mut add = |code, value: f64, unit| {
        out.push(SimulatedObservation { months_before, code, value, unit });
    };
    let measured = (egfr * (0.07 * normal(rng)).exp()).clamp(3.0, 140.0);
    let creatinine = Egfr::new(measured)
        .and_then(|egfr| creatinine_for_egfr(egfr, age, sex(latent)))
        .map_or(1.0, CreatinineMgDl::get);
    let creatinine = creatinine.clamp(0.3, 20.0);
    if laboratory.molar {
        add(ObservationCode::Creatinine, (creatinine * 88.4).round(), "umol/L");
    } else {
        add(ObservationCode::Creatinine, round(creatinine, 2), "mg/dL");
    }
    let asked =
        if latent.diabetes { 0.8 } else { 0.52 } + 0.15 * f64::from(u8::from(latent.referred));
    if happens(rng, asked) {
        // Albuminuria grew with the years; day-to-day variation is 48.8 % (0.46 in logarithms).
        let acr = (latent.ln_acr - 0.006 * months_before + 0.46 * normal(rng)).exp();
        let acr = acr.clamp(1.0, 20_000.0);
        if laboratory.protein {
            let pcr = protein(latent, acr, rng);
            add(ObservationCode::Upcr, round(pcr / 8.84, 1).max(0.2), "mg/mmol{creat}");
        } else if laboratory.molar {
            add(ObservationCode::Uacr, round(acr / 8.84, 1).max(0.1), "mg/mmol{creat}");
        } else {
            add(ObservationCode::Uacr, round(acr, 0).max(1.0), "mg/g{creat}");
        }
    }
    chemistry(latent, laboratory, egfr, rng, &mut add);
}

/// Blood chemistry and what a nurse measures; the lower the eGFR the more is asked for.
fn chemistry(
    latent: &Latent,
    laboratory: &Laboratory,
    egfr: f64,
    rng: &mut StdRng,
    add: &mut impl FnMut(ObservationCode, f64, &'static str),
) {
    let [haemoglobin, phosphate, bicarbonate, albumin, calcium] = latent.residuals;
    let noise = |rng: &mut StdRng, spread: f64| spread * normal(rng);
    let below = |limit: f64| (limit - egfr).max(0.0);
    let asked = match egfr {
        45.0.. => 0.3,
        30.0.. => 0.5,
        _ => 0.8,
    };
    if happens(rng, asked + 0.3) {
        let mean = if latent.male { 14.2 } else { 13.0 };
        let value = mean - 0.075 * below(45.0) + 1.1 * haemoglobin + noise(rng, 0.4);
        let value = value.clamp(5.5, 18.5);
        if laboratory.molar {
            add(ObservationCode::Haemoglobin, round(value * 10.0, 0), "g/L");
        } else {
            add(ObservationCode::Haemoglobin, round(value, 1), "g/dL");
        }
        let value = 4.4 + 0.016 * below(45.0) + noise(rng, 0.4);
        add(ObservationCode::Potassium, round(value.clamp(2.8, 6.9), 1), "mmol/L");
    }
    if happens(rng, asked) {
        let value =
            (3.5 + 0.032 * below(40.0) + 0.45 * phosphate + noise(rng, 0.25)).clamp(1.8, 9.5);
        if laboratory.molar {
            add(ObservationCode::Phosphate, round(value / 3.097, 2), "mmol/L");
        } else {
            add(ObservationCode::Phosphate, round(value, 1), "mg/dL");
        }
        let value = 26.3 - 0.14 * below(40.0) + 2.0 * bicarbonate + noise(rng, 1.2);
        add(ObservationCode::Bicarbonate, round(value.clamp(10.0, 37.0), 0), "mmol/L");
        let value = (9.4 - 0.03 * below(22.0) + 0.35 * calcium + noise(rng, 0.2)).clamp(6.8, 11.4);
        if laboratory.molar {
            add(ObservationCode::Calcium, round(value / 4.008, 2), "mmol/L");
        } else {
            add(ObservationCode::Calcium, round(value, 1), "mg/dL");
        }
        let loss = 0.22 * (latent.ln_acr - 6.0).max(0.0);
        let value = (4.1 - loss + 0.3 * albumin + noise(rng, 0.12)).clamp(1.8, 5.2);
        if laboratory.molar {
            add(ObservationCode::Albumin, round(value * 10.0, 0), "g/L");
        } else {
            add(ObservationCode::Albumin, round(value, 1), "g/dL");
        }
    }
    if happens(rng, 0.75) {
        let systolic = (latent.systolic + noise(rng, 9.0)).clamp(85.0, 230.0).round();
        let diastolic = (systolic * 0.56 + noise(rng, 6.0)).clamp(42.0, systolic - 15.0).round();
        add(ObservationCode::SystolicBp, systolic, "mm[Hg]");
        add(ObservationCode::DiastolicBp, diastolic, "mm[Hg]");
    }
    if happens(rng, 0.4) {
        add(ObservationCode::Weight, round(latent.weight + noise(rng, 1.5), 1), "kg");
    }
    if latent.diabetes && happens(rng, 0.6) {
        let value = (latent.hba1c + noise(rng, 0.35)).clamp(4.3, 13.8);
        add(ObservationCode::HbA1c, round(value, 1), "%");
    }
}

/// A PCR, mg/g, that goes with an ACR: the published estimate of ACR from PCR, read backwards,
/// with its published error.
fn protein(latent: &Latent, acr: f64, rng: &mut StdRng) -> f64 {
    let error = AcrMgG::new(acr).map_or(0.0, |acr| {
        acr_from_pcr_log_sd(acr, sex(latent), latent.diabetes, latent.hypertension)
    });
    let flag = |set: bool| f64::from(u8::from(set));
    // ln ACR = 5.2659 + 1.5643·ln(PCR/500) below 500 mg/g, 1.1109 above, and three shifts.
    let offset = acr.ln() + error * normal(rng) - 5.2659 + 0.0773 * flag(!latent.male)
        - 0.0797 * flag(latent.diabetes)
        - 0.1265 * flag(latent.hypertension);
    let exponent = if offset < 0.0 { offset / 1.5643 } else { offset / 1.1109 };
    (500.0 * exponent.exp()).clamp(20.0, 25_000.0)
}

fn round(value: f64, decimals: i32) -> f64 {
    let factor = 10_f64.powi(decimals);
    (value * factor).round() / factor
}

fn sex(latent: &Latent) -> Sex {
    if latent.male { Sex::Male } else { Sex::Female }
}

/// The record that a hospital has of the patient.
pub(super) fn record(
    latent: &Latent,
    observations: Vec<SimulatedObservation>,
    outcome: Outcome,
    (true_risk_2y, true_risk_5y): (f64, f64),
    rng: &mut StdRng,
) -> SimulatedPatient {
    let mut therapies = Vec::new();
    let drugs = [
        (latent.ras_inhibitor, TherapyKind::RasInhibitor),
        (latent.sglt2_inhibitor, TherapyKind::Sglt2Inhibitor),
        (latent.immunosuppression, TherapyKind::Immunosuppression),
    ];
    for (takes, kind) in drugs {
        if takes {
            therapies.push((kind, rng.random_range(2.0..60.0)));
        }
    }
    let biopsy = latent.mest.map(|[m, e, s, t]| {
        let c = happens(rng, 0.7).then(|| u8::from(happens(rng, 0.2)));
        (BiopsyScores { m, e, s, t, c }, rng.random_range(4.0..90.0))
    });
    // The cause is not always on record.
    let unknown = happens(rng, 0.25) && latent.mest.is_none();
    SimulatedPatient {
        age_years: latent.age as u32,
        sex: sex(latent),
        diabetes: latent.diabetes,
        hypertension: latent.hypertension,
        cardiovascular_disease: latent.cardiovascular,
        heart_failure: latent.heart_failure,
        smoker: happens(rng, 0.8).then_some(latent.smoker),
        renal_disease: if unknown { RenalDisease::Unknown } else { latent.disease },
        therapies,
        biopsy,
        observations,
        latent: LatentState {
            egfr: latent.egfr,
            uacr_mg_g: latent.ln_acr.exp(),
            slope: latent.slope,
        },
        outcome,
        true_risk_2y,
        true_risk_5y,
    }
}
