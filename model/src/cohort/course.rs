//! The latent course of kidney function, and what ends it.

use rand::{Rng, rngs::StdRng};
use shared::patient::RenalDisease;

use super::{Population, happens, normal};
use crate::dataset::{Event, Outcome};

/// Months of past that a course holds.
pub(super) const PAST_MONTHS: usize = 120;
const FUTURE_MONTHS: usize = 72;
/// Time constant of the slow fluctuation, months.
const FLUCTUATION_MONTHS: f64 = 18.0;

/// Everything that drives a patient's course, known to nobody.
#[derive(Clone, Debug)]
pub(super) struct Latent {
    pub age: f64,
    pub male: bool,
    pub diabetes: bool,
    pub hypertension: bool,
    pub cardiovascular: bool,
    pub heart_failure: bool,
    pub smoker: bool,
    pub disease: RenalDisease,
    /// Kidney function today, mL/min/1.73 m².
    pub egfr: f64,
    /// Natural logarithm of the true uACR in mg/g.
    pub ln_acr: f64,
    pub systolic: f64,
    pub hba1c: f64,
    pub weight: f64,
    /// Deviations of haemoglobin, phosphate, bicarbonate, albumin and calcium from what eGFR
    /// explains, in standard deviations.
    pub residuals: [f64; 5],
    pub ras_inhibitor: bool,
    pub sglt2_inhibitor: bool,
    pub immunosuppression: bool,
    /// IgA nephropathy's MEST scores: M, E, S, T.
    pub mest: Option<[u8; 4]>,
    /// mL/min/1.73 m² a year.
    pub slope: f64,
    /// Spread of the slow fluctuation.
    pub fluctuation: f64,
    /// Cared for by a nephrologist.
    pub referred: bool,
}

/// Kidney function of the past.
#[derive(Clone, Debug)]
pub(super) struct Past {
    /// Month by month, oldest first, today last.
    pub levels: Vec<f64>,
    /// Months before now in which an acute injury began.
    pub acute_months: Vec<usize>,
}

fn softplus(x: f64) -> f64 {
    if 30.0 < x { x } else { x.exp().ln_1p() }
}

fn flag(set: bool) -> f64 {
    f64::from(u8::from(set))
}

/// Draws until a value lies within bounds.
fn truncated(rng: &mut StdRng, mean: f64, spread: f64, low: f64, high: f64) -> f64 {
    for _ in 0..64 {
        let value = mean + spread * normal(rng);
        if (low..=high).contains(&value) {
            return value;
        }
    }
    mean.clamp(low, high)
}

/// Mean, spread and bounds of eGFR by population.
fn egfr_now(rng: &mut StdRng, population: Population) -> f64 {
    match population {
        Population::PrimaryCare => truncated(rng, 46.0, 11.0, 12.0, 68.0),
        Population::Referral | Population::Mixed => truncated(rng, 33.0, 13.0, 8.0, 65.0),
        Population::Advanced => truncated(rng, 19.0, 6.0, 7.0, 30.0),
        Population::Early => truncated(rng, 80.0, 14.0, 58.0, 120.0),
    }
}

impl Latent {
    /// A patient of a population.
    pub(super) fn draw(rng: &mut StdRng, population: Population) -> Self {
        let population = match population {
            Population::Mixed => match rng.random_range(0..100) {
                0..48 => Population::PrimaryCare,
                48..80 => Population::Referral,
                80..90 => Population::Advanced,
                _ => Population::Early,
            },
            other => other,
        };
        let referred = matches!(population, Population::Referral | Population::Advanced);
        let disease = match rng.random_range(0..100) {
            0..33 => RenalDisease::Diabetic,
            33..63 => RenalDisease::Hypertensive,
            63..76 => RenalDisease::Glomerular,
            76..81 => RenalDisease::Polycystic,
            _ => RenalDisease::Other,
        };
        let young = matches!(disease, RenalDisease::Glomerular | RenalDisease::Polycystic);
        let (mean, spread) = if young { (53.0, 14.0) } else { (72.0, 11.0) };
        let shift = match population {
            Population::Early => -14.0,
            _ if referred => -5.0,
            _ => 7.0,
        };
        let age = truncated(rng, mean + shift, spread, 18.5, 97.0);
        let egfr = egfr_now(rng, population);
        let diabetes = disease == RenalDisease::Diabetic || happens(rng, 0.15);
        let hypertension = disease == RenalDisease::Hypertensive || happens(rng, 0.74);
        let low = flag(egfr < 45.0) + flag(egfr < 30.0);
        let old = (age / 72.0).powi(2);
        let cardiovascular = happens(rng, (0.22 + 0.07 * low) * old);
        let heart_failure =
            happens(rng, (0.08 + 0.05 * low) * old * if cardiovascular { 2.0 } else { 0.7 });
        let by_disease = match disease {
            RenalDisease::Glomerular => 1.6,
            RenalDisease::Hypertensive => -0.5,
            RenalDisease::Polycystic => -0.3,
            _ => 0.0,
        };
        let setting = match population {
            Population::Early => 2.5,
            _ if referred => 4.1,
            _ => 2.8,
        };
        // Skewed: most have little albuminuria, some very much.
        let own = 1.1 * normal(rng) + 1.3 * (-(1.0 - rng.random::<f64>()).ln() - 1.0);
        let ln_acr =
            setting + 0.75 * flag(diabetes) + by_disease + 0.03 * (45.0 - egfr).clamp(-30.0, 45.0)
                - 0.008 * (age - 68.0)
                + own;
        let ras_inhibitor = happens(rng, 0.45 + 0.2 * flag(diabetes) + 0.1 * flag(3.4 < ln_acr));
        let mut latent = Self {
            age,
            male: happens(rng, 0.55),
            diabetes,
            hypertension,
            cardiovascular,
            heart_failure,
            smoker: happens(rng, 0.14),
            disease,
            egfr,
            ln_acr: ln_acr.clamp(0.7, 9.3),
            systolic: truncated(rng, 134.0 + 6.0 * flag(hypertension), 17.0, 90.0, 220.0),
            hba1c: if diabetes {
                truncated(rng, 7.3, 1.2, 5.0, 13.0)
            } else {
                truncated(rng, 5.6, 0.3, 4.5, 6.4)
            },
            weight: truncated(rng, 80.0, 16.0, 40.0, 170.0),
            residuals: residuals(rng),
            ras_inhibitor,
            sglt2_inhibitor: happens(rng, if diabetes { 0.3 } else { 0.12 }),
            immunosuppression: disease == RenalDisease::Glomerular && happens(rng, 0.35),
            mest: (disease == RenalDisease::Glomerular && happens(rng, 0.4)).then(|| {
                let positive = |rng: &mut StdRng, p| u8::from(happens(rng, p));
                let t = rng.random_range(0..100);
                let t = if t < 70 { 0 } else { 1 + u8::from(90 <= t) };
                [positive(rng, 0.38), positive(rng, 0.25), positive(rng, 0.72), t]
            }),
            slope: 0.0,
            fluctuation: 0.0,
            referred,
        };
        let mean = latent.mean_slope();
        // Heavy tails: a t distribution with 4 degrees of freedom, standardised.
        let chi = -2.0 * ((1.0 - rng.random::<f64>()) * (1.0 - rng.random::<f64>())).ln();
        let heavy = normal(rng) / (chi / 4.0).sqrt() / std::f64::consts::SQRT_2;
        latent.slope = (mean + (1.0 + 0.36 * (-mean).clamp(0.0, 8.0)) * heavy).clamp(-30.0, 5.0);
        latent.fluctuation = 1.5 + 0.28 * latent.slope.abs().min(8.0);
        latent
    }

    /// What a patient like this loses a year, on average.
    fn mean_slope(&self) -> f64 {
        let [haemoglobin, phosphate, bicarbonate, albumin, calcium] = self.residuals;
        let sglt2 = flag(self.sglt2_inhibitor);
        let diabetic = flag(self.diabetes);
        let pace = 1.6 * softplus(1.2 * (self.ln_acr - 4.6));
        let mest = self.mest.map_or(0.0, |[m, e, _, t]| {
            0.3 * f64::from(m) + 0.2 * f64::from(e) + 0.7 * f64::from(t)
        });
        let loss = 0.15
            + pace
            + 0.35 * diabetic * (self.ln_acr - 5.0).clamp(0.0, 3.0)
            + 1.5 * flag(self.disease == RenalDisease::Polycystic)
            + 0.4 * flag(self.disease == RenalDisease::Glomerular)
            + mest
            - 0.03 * (self.age - 62.0).clamp(-25.0, 25.0)
            + 0.03 * (self.systolic - 138.0).clamp(0.0, 50.0) * (1.0 + 0.3 * diabetic)
            + (0.15 * (phosphate - haemoglobin - albumin) - 0.2 * bicarbonate - 0.1 * calcium)
                * (1.0 + 0.4 * pace)
            + 0.25 * flag(self.smoker)
            + 0.15 * flag(self.male)
            + 0.18 * diabetic * (self.hba1c - 7.2).abs().min(3.0);
        let factor = 0.75 + 0.25 * (self.egfr / 45.0).clamp(0.3, 1.6);
        // SGLT2 inhibitors take about a third off what is lost (hazard ratio 0.64 to 0.68).
        let benefit = 1.0 - 0.33 * sglt2;
        -loss * factor * if 0.0 < loss { benefit } else { 1.0 }
    }

    /// Kidney function of the past.
    pub(super) fn past(&self, rng: &mut StdRng) -> Past {
        let mut acute_months = Vec::new();
        let mut backwards = Vec::with_capacity(PAST_MONTHS + 1);
        let mut wave = 0.0;
        let mut dip = 0.0_f64;
        for month in 0..=PAST_MONTHS {
            // Slopes flatten towards the past: few people lost 10 a year for a decade.
            let flattened = self.slope * 8.0 * (1.0 - (-(month as f64) / 96.0).exp());
            let level = (self.egfr - flattened + wave).min(135.0);
            dip = if month == 0 { 0.0 } else { dip * 0.535 };
            if 0 < month && happens(rng, self.acute_hazard(level) / 12.0) {
                dip = rng.random_range(0.2..0.5);
                acute_months.push(month);
            }
            backwards.push((level * (1.0 - dip)).max(4.0));
            wave = self.fluctuate(wave, rng);
        }
        backwards.reverse();
        Past { levels: backwards, acute_months }
    }

    fn fluctuate(&self, wave: f64, rng: &mut StdRng) -> f64 {
        let keep = (-1.0 / FLUCTUATION_MONTHS).exp();
        wave * keep + self.fluctuation * (1.0 - keep * keep).sqrt() * normal(rng)
    }

    /// Acute kidney injuries a year.
    fn acute_hazard(&self, egfr: f64) -> f64 {
        let exponent = 0.03 * (60.0 - egfr)
            + 0.10 * (self.ln_acr - 4.0)
            + 0.018 * (self.age - 65.0)
            + 0.45 * flag(self.heart_failure)
            + 0.25 * flag(self.diabetes);
        0.022 * exponent.exp()
    }

    /// Sudden lasting accelerations a year.
    fn crash_hazard(&self) -> f64 {
        let exponent = 0.38 * (self.ln_acr - 4.0)
            + 0.7 * flag(self.disease == RenalDisease::Glomerular)
            + 0.3 * flag(self.diabetes);
        0.003 * exponent.exp()
    }

    /// Beginnings of dialysis or transplantation a year.
    fn replacement_hazard(egfr: f64, age: f64) -> f64 {
        if 20.0 <= egfr {
            return 0.0;
        }
        let by_age = if 80.0 < age { 0.45 } else { 1.0 } * if age < 65.0 { 1.3 } else { 1.0 };
        (0.80 * (0.42 * (10.0 - egfr)).exp()).min(8.0) * by_age
    }

    fn death_hazard(&self, egfr: f64, age: f64, acute: bool) -> f64 {
        let exponent = 0.085 * (age - 70.0)
            + 0.22 * flag(self.male)
            + 0.28 * flag(self.diabetes)
            + 0.60 * flag(self.heart_failure)
            + 0.35 * flag(self.cardiovascular)
            + 0.30 * flag(self.smoker)
            + 0.025 * (50.0 - egfr).clamp(0.0, 45.0)
            + 0.15 * (self.ln_acr - 4.0)
            + 0.25 * flag(self.residuals[3] < -1.5)
            + 1.2 * flag(acute)
            // The frail are seldom referred.
            - 0.5 * flag(self.referred);
        0.022 * exponent.exp()
    }

    /// One future from today.
    pub(super) fn future(&self, now: f64, rng: &mut StdRng) -> End {
        let (mut level, mut wave, mut dip) = (now, 0.0, 0.0_f64);
        let mut crashing = 0_u8;
        for month in 1..=FUTURE_MONTHS {
            let years = month as f64 / 12.0;
            let age = self.age + years;
            let slope = if 0 < crashing { self.slope.min(0.0) - 18.0 } else { self.slope };
            crashing = crashing.saturating_sub(1);
            level += slope / 12.0;
            wave = self.fluctuate(wave, rng);
            dip *= 0.535;
            let acute = happens(rng, self.acute_hazard(level) / 12.0);
            if acute {
                dip = if happens(rng, 0.05) {
                    level *= 1.0 - rng.random_range(0.35..0.85);
                    0.0
                } else {
                    // Beta(1.2, 9), by Kumaraswamy's distribution, which it is close to.
                    let u: f64 = rng.random();
                    level *= 1.0 - (1.0 - (1.0 - u).powf(1.0 / 9.0)).powf(1.0 / 1.2);
                    0.45
                };
            }
            if crashing == 0 && happens(rng, self.crash_hazard() / 12.0) {
                crashing = 9;
            }
            level = level.clamp(2.0, 135.0);
            let egfr = (level + wave).max(2.0) * (1.0 - dip);
            // Replacement follows the steady level: an acute dip alone starts no chronic dialysis.
            let steady = (level + wave).max(2.0);
            let monthly = |hazard: f64| 1.0 - (-hazard / 12.0).exp();
            if happens(rng, monthly(Self::replacement_hazard(steady, age))) {
                return End::KidneyFailure(years - rng.random::<f64>() / 12.0);
            }
            if happens(rng, monthly(self.death_hazard(egfr, age, acute))) {
                return End::Death(years - rng.random::<f64>() / 12.0);
            }
        }
        End::Neither
    }
}

/// Correlated residuals: sicker patients are off in several values.
fn residuals(rng: &mut StdRng) -> [f64; 5] {
    let common = normal(rng);
    let mut draw = |sign: f64| sign * 0.4 * common + 0.917 * normal(rng);
    [draw(-1.0), draw(1.0), draw(-1.0), draw(-1.0), draw(-1.0)]
}

/// How a future ended, years from today.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    KidneyFailure(f64),
    Death(f64),
    Neither,
}

impl End {
    pub(super) fn kidney_failure_by(self, years: f64) -> bool {
        matches!(self, Self::KidneyFailure(at) if at <= years)
    }

    /// What a follow-up sees of it: six years at most, and one in ten moves away before.
    pub(super) fn outcome(self, rng: &mut StdRng) -> Outcome {
        let followed = if happens(rng, 0.1) { rng.random_range(0.5..6.0) } else { 6.0 };
        let (years, event) = match self {
            Self::KidneyFailure(at) => (at, Event::KidneyFailure),
            Self::Death(at) => (at, Event::Death),
            Self::Neither => (6.0, Event::Censored),
        };
        if followed < years {
            return Outcome { years: followed, event: Event::Censored };
        }
        Outcome { years: years.max(0.001), event }
    }
}
