//! From the ensemble's output to a calibrated risk with a 90 % interval.
//!
//! Both steps work on the complementary log-log scale, ln(−ln(1 − risk)), where a proportional
//! change of the hazard is a shift.

use serde::{Deserialize, Serialize};

use crate::{config::YEARS, features::KNOWN, metrics::Labelled};

/// What was learnt on patients that no member was fitted on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Shift on the complementary log-log scale.
    pub shift: f64,
    /// Factor on the complementary log-log scale; positive, so that the order stays.
    pub factor: f64,
    /// Half-width of the 90 % interval at 2 years.
    pub width_2y: Width,
    /// The same at 5 years.
    pub width_5y: Width,
}

/// How far the truth is from an estimate: a usual distance, which depends on the estimate and on
/// what is known of the patient, and how many of it hold nine in ten.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Width {
    /// The usual distance's logarithm, as a sum over [`Estimate::terms`].
    pub terms: [f64; TERMS],
    /// Usual distances to either side of the estimate.
    pub half: f64,
}

/// What a usual distance is made of.
pub const TERMS: usize = 4 + KNOWN;

impl Default for Calibration {
    fn default() -> Self {
        Self { shift: 0.0, factor: 1.0, width_2y: Width::default(), width_5y: Width::default() }
    }
}

impl Default for Width {
    /// As wide as the members differ, and no wider for what is not known.
    fn default() -> Self {
        let mut terms = [0.0; TERMS];
        terms[3] = 1.0;
        Self { terms, half: 1.645 }
    }
}

/// Uncertainty that members share, so that their spread does not show it; on the same scale.
const SHARED_SPREAD: f64 = 0.3;
/// Where the width stops following the estimate: the risks that counted futures tell apart.
const TOLD_APART: (f64, f64) = (-5.3, 1.5);
/// The least distance that is told from none, when a logarithm is taken of it.
const LEAST_DISTANCE: f64 = 0.02;

/// ln(−ln(1 − risk)), finite for every risk from 0 to 1.
pub fn cloglog(risk: f64) -> f64 {
    let risk = risk.clamp(1e-9, 1.0 - 1e-9);
    (-(-risk).ln_1p()).ln()
}

fn risk(cloglog: f64) -> f64 {
    -(-cloglog.exp()).exp_m1()
}

/// What the members say of one year, on the complementary log-log scale.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// Their mean.
    pub mean: f64,
    /// Their spread with what they share.
    pub spread: f64,
}

impl Estimate {
    /// From the members' cumulative incidences.
    pub fn of(members: &[f64]) -> Self {
        let n = members.len() as f64;
        let (mut sum, mut squares) = (0.0, 0.0);
        for risk in members {
            let said = cloglog(*risk);
            sum += said;
            squares += said * said;
        }
        let mean = sum / n;
        let variance = (squares / n - mean * mean).max(0.0);
        Self { mean, spread: (variance + SHARED_SPREAD.powi(2)).sqrt() }
    }

    /// What the usual distance from the truth depends on.
    fn terms(self, known: &[f64; KNOWN]) -> [f64; TERMS] {
        let level = self.mean.clamp(TOLD_APART.0, TOLD_APART.1);
        let own = [1.0, level, level * level, self.spread.ln()];
        std::array::from_fn(|term| own.get(term).copied().unwrap_or_else(|| known[term - 4]))
    }
}

/// An estimate beside the truth, which only simulated patients have.
#[derive(Clone, Copy, Debug)]
pub struct Judged {
    /// The estimate.
    pub estimate: Estimate,
    /// What was known of the patient.
    pub known: [f64; KNOWN],
    /// The true risk.
    pub truth: f64,
}

impl Width {
    /// Half of the interval's width on the complementary log-log scale.
    fn at(&self, terms: &[f64; TERMS]) -> f64 {
        let log: f64 = self.terms.iter().zip(terms).map(|(factor, term)| factor * term).sum();
        self.half * log.clamp(-4.0, 3.0).exp()
    }

    /// Least squares on the distances' logarithms, then as many of these usual distances as hold
    /// 90 % of the truths (Lei and others 2018: conformal prediction with a local scale).
    fn fit(rows: &[Judged], centre: impl Fn(f64) -> f64) -> Self {
        let distance = |row: &Judged| (cloglog(row.truth) - centre(row.estimate.mean)).abs();
        let mut equations = Equations::default();
        for row in rows {
            let log = distance(row).max(LEAST_DISTANCE).ln();
            equations.add(&row.estimate.terms(&row.known), log);
        }
        let usual = Self { terms: equations.solve(), half: 1.0 };
        let mut distances: Vec<f64> = rows
            .iter()
            .map(|row| distance(row) / usual.at(&row.estimate.terms(&row.known)))
            .collect();
        distances.sort_by(f64::total_cmp);
        let index = ((distances.len() as f64 * 0.9).ceil() as usize).saturating_sub(1);
        Self { half: distances.get(index).copied().unwrap_or(1.645), ..usual }
    }
}

/// The normal equations of a least-squares fit.
struct Equations {
    matrix: [[f64; TERMS]; TERMS],
    right: [f64; TERMS],
}

impl Default for Equations {
    /// A grain on the diagonal, so that a term that never varies has a solution: none.
    fn default() -> Self {
        let row = |row| std::array::from_fn(|column| f64::from(u8::from(row == column)) * 1e-3);
        Self { matrix: std::array::from_fn(row), right: [0.0; TERMS] }
    }
}

impl Equations {
    fn add(&mut self, terms: &[f64; TERMS], wanted: f64) {
        for ((row, right), term) in self.matrix.iter_mut().zip(&mut self.right).zip(terms) {
            *right += term * wanted;
            for (cell, other) in row.iter_mut().zip(terms) {
                *cell += term * other;
            }
        }
    }

    /// Gauss and Jordan; the matrix is symmetric and positive definite, so no pivot is nought.
    fn solve(mut self) -> [f64; TERMS] {
        for pivot in 0..TERMS {
            let (row, right) = (self.matrix[pivot], self.right[pivot]);
            for other in (0..TERMS).filter(|other| *other != pivot) {
                let factor = self.matrix[other][pivot] / row[pivot];
                for (cell, of_pivot) in self.matrix[other].iter_mut().zip(row) {
                    *cell -= factor * of_pivot;
                }
                self.right[other] -= factor * right;
            }
        }
        std::array::from_fn(|index| self.right[index] / self.matrix[index][index])
    }
}

impl Calibration {
    /// Risk, lower and upper end of a year (from 0) from the members' cumulative incidences and
    /// from what is known of the patient.
    pub fn apply(&self, year: usize, members: &[f64], known: &[f64; KNOWN]) -> (f64, f64, f64) {
        let estimate = Estimate::of(members);
        let centre = self.centre(estimate.mean);
        let half = self.half_width(year, &estimate.terms(known));
        (risk(centre), risk(centre - half), risk(centre + half))
    }

    fn centre(&self, mean: f64) -> f64 {
        self.shift + self.factor * mean
    }

    /// Between the horizons it was learnt at, in proportion; outside, the nearer one.
    fn half_width(&self, year: usize, terms: &[f64; TERMS]) -> f64 {
        let share = (year as f64 - 1.0).clamp(0.0, 3.0) / 3.0;
        let (at_2y, at_5y) = (self.width_2y.at(terms), self.width_5y.at(terms));
        at_2y + share * (at_5y - at_2y)
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
    pub fn with_coverage(self, at_2y: &[Judged], at_5y: &[Judged]) -> Self {
        let width = |rows| Width::fit(rows, |mean| self.centre(mean));
        Self { width_2y: width(at_2y), width_5y: width(at_5y), ..self }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Patients whose estimates are off by a distance that depends on what is known of them.
    fn judged(
        count: usize,
        off_by: impl Fn(usize) -> f64,
        known_of: impl Fn(usize) -> f64,
    ) -> Vec<Judged> {
        let row = |index: usize| {
            // Evenly spread over ±√3: a distance of known quantiles.
            let place = ((index / 2) as f64 + 0.5) / (count / 2) as f64;
            let mean = -1.0 - (index % 7) as f64 / 3.0;
            let mut known = [0.0; KNOWN];
            known[0] = known_of(index);
            let truth = risk(mean + off_by(index) * (2.0 * place - 1.0) * 3.0_f64.sqrt());
            Judged { estimate: Estimate { mean, spread: SHARED_SPREAD }, known, truth }
        };
        (0..count).map(row).collect()
    }

    #[test]
    fn who_is_less_known_has_the_wider_interval() {
        let little = |index: usize| index % 2 == 0;
        let rows = judged(
            4000,
            |index| if little(index) { 0.8 } else { 0.2 },
            |index| if little(index) { 0.7 } else { 2.5 },
        );
        let calibration = Calibration::default().with_coverage(&rows, &rows);
        for wanted in [true, false] {
            let inside = |row: &&Judged| {
                let half = calibration.width_5y.at(&row.estimate.terms(&row.known));
                (cloglog(row.truth) - row.estimate.mean).abs() <= half
            };
            let group: Vec<&Judged> = rows
                .iter()
                .enumerate()
                .filter(|(index, _)| little(*index) == wanted)
                .map(|(_, row)| row)
                .collect();
            let share = group.iter().copied().filter(inside).count() as f64 / group.len() as f64;
            assert!((share - 0.9).abs() < 0.02, "{share}");
        }
    }

    #[test]
    fn the_interval_holds_the_risk_and_the_fit_finds_what_it_was_made_of() {
        let members = [0.1, 0.12, 0.09, 0.11, 0.1];
        let (middle, lower, upper) = Calibration::default().apply(4, &members, &[0.5; KNOWN]);
        assert!(0.0 < lower && lower < middle && middle < upper && upper < 1.0);
        assert!((middle - 0.104).abs() < 2e-3, "{middle}");
        let mut equations = Equations::default();
        for row in 0..200 {
            let terms: [f64; TERMS] =
                std::array::from_fn(|term| ((row * (term + 3)) % 11) as f64 / 11.0);
            let wanted = terms.iter().enumerate().map(|(term, x)| term as f64 * x).sum();
            equations.add(&terms, wanted);
        }
        for (term, found) in equations.solve().into_iter().enumerate() {
            assert!((found - term as f64).abs() < 0.05, "{term}: {found}");
        }
    }
}
