//! From the ensemble's output to a calibrated risk with a 90 % interval.
//!
//! Both steps work on the complementary log-log scale, ln(−ln(1 − risk)), where a proportional
//! change of the hazard is a shift.

use serde::{Deserialize, Serialize};

use crate::{config::YEARS, metrics::Labelled};

/// What was learnt on patients that no member was fitted on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Shift on the complementary log-log scale.
    pub shift: f64,
    /// Factor on the complementary log-log scale; positive, so that the order stays.
    pub factor: f64,
    /// Half-widths of the 90 % interval at 2 and 5 years, in units of [`spread`].
    pub half_width_2y: f64,
    /// See `half_width_2y`.
    pub half_width_5y: f64,
}

impl Default for Calibration {
    fn default() -> Self {
        Self { shift: 0.0, factor: 1.0, half_width_2y: 1.645, half_width_5y: 1.645 }
    }
}

/// Uncertainty that members share, so that their spread does not show it; on the same scale.
const SHARED_SPREAD: f64 = 0.3;

/// ln(−ln(1 − risk)), finite for every risk from 0 to 1.
pub fn cloglog(risk: f64) -> f64 {
    let risk = risk.clamp(1e-9, 1.0 - 1e-9);
    (-(-risk).ln_1p()).ln()
}

fn risk(cloglog: f64) -> f64 {
    -(-cloglog.exp()).exp_m1()
}

/// Mean over the members, and their spread with what they share.
pub fn spread(members: &[f64]) -> (f64, f64) {
    let n = members.len() as f64;
    let mean = members.iter().map(|risk| cloglog(*risk)).sum::<f64>() / n;
    let variance = members.iter().map(|risk| (cloglog(*risk) - mean).powi(2)).sum::<f64>() / n;
    (mean, (variance + SHARED_SPREAD.powi(2)).sqrt())
}

impl Calibration {
    /// Risk, lower and upper end of a year (from 0) from the members' cumulative incidences.
    pub fn apply(&self, year: usize, members: &[f64]) -> (f64, f64, f64) {
        let (mean, spread) = spread(members);
        let centre = self.shift + self.factor * mean;
        let half = self.half_width(year) * spread;
        (risk(centre), risk(centre - half), risk(centre + half))
    }

    /// Between the horizons it was learnt at, in proportion; outside, the nearer one.
    fn half_width(&self, year: usize) -> f64 {
        let share = (year as f64 - 1.0).clamp(0.0, 3.0) / 3.0;
        self.half_width_2y + share * (self.half_width_5y - self.half_width_2y)
    }

    /// Fits shift and factor by likelihood on outcomes at 2 and 5 years (Newton's method on two
    /// parameters).
    pub fn fit(rows: &[(f64, Labelled)]) -> Self {
        let mut parameters = [0.0, 1.0];
        for _ in 0..50 {
            let (mut gradient, mut curvature) = ([0.0; 2], [[1e-6, 0.0], [0.0, 1e-6]]);
            for (mean, labelled) in rows {
                let eta = (parameters[0] + parameters[1] * mean).clamp(-20.0, 4.0);
                let hazard = eta.exp();
                let p = risk(eta).clamp(1e-12, 1.0 - 1e-12);
                // d log-likelihood / d eta of a Bernoulli with a complementary log-log link.
                let slope =
                    labelled.event * hazard * (1.0 - p) / p - (1.0 - labelled.event) * hazard;
                let information = hazard.powi(2) * (1.0 - p) / p;
                let x = [1.0, *mean];
                for i in 0..2 {
                    gradient[i] += labelled.weight * slope * x[i];
                    for j in 0..2 {
                        curvature[i][j] += labelled.weight * information * x[i] * x[j];
                    }
                }
            }
            let [[a, b], [c, d]] = curvature;
            let determinant = a * d - b * c;
            let step = [
                (d * gradient[0] - b * gradient[1]) / determinant,
                (a * gradient[1] - c * gradient[0]) / determinant,
            ];
            parameters[0] += step[0].clamp(-1.0, 1.0);
            parameters[1] = (parameters[1] + step[1].clamp(-0.5, 0.5)).max(0.1);
            if step[0].abs() + step[1].abs() < 1e-9 {
                break;
            }
        }
        Self { shift: parameters[0], factor: parameters[1], ..Self::default() }
    }

    /// Widths that hold the true risk of 90 % of patients; only simulated ones have one.
    #[must_use]
    pub fn with_coverage(self, at_2y: &[(f64, f64, f64)], at_5y: &[(f64, f64, f64)]) -> Self {
        // (mean, spread, true risk): how many spreads the truth is away.
        let width = |rows: &[(f64, f64, f64)]| {
            let mut distances: Vec<f64> = rows
                .iter()
                .map(|(mean, spread, truth)| {
                    (cloglog(*truth) - self.shift - self.factor * mean).abs() / spread
                })
                .collect();
            distances.sort_by(f64::total_cmp);
            let index = ((distances.len() as f64 * 0.9).ceil() as usize).saturating_sub(1);
            distances.get(index).copied().unwrap_or(1.645)
        };
        Self { half_width_2y: width(at_2y), half_width_5y: width(at_5y), ..self }
    }
}

/// Cumulative incidence of kidney failure per year, from one member's log-probabilities of a row.
pub fn cumulative_incidence(log_probabilities: &[f32]) -> [f64; YEARS] {
    let mut free = 1.0;
    let mut failed = 0.0;
    let mut incidence = [0.0; YEARS];
    for (year, causes) in log_probabilities.chunks_exact(3).take(YEARS).enumerate() {
        failed += free * f64::from(causes[0]).exp();
        free *= f64::from(causes[2]).exp();
        incidence[year] = failed;
    }
    incidence
}
