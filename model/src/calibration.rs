//! From the ensemble's output to a calibrated risk with a 90 % interval.
//!
//! Both steps work on the complementary log-log scale, ln(−ln(1 − risk)), where a proportional
//! change of the hazard is a shift.

use serde::{Deserialize, Deserializer, Serialize, de::Error};

use crate::{config::YEARS, features::KNOWN, metrics::Labelled};

/// Cumulative incidence by year, calibrated: (risk, lower, upper).
pub type Course = [(f64, f64, f64); YEARS];

/// What was learnt on patients that no member was fitted on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Shift on the complementary log-log scale.
    pub shift: f64,
    /// Factor on the complementary log-log scale; positive, so that the order stays.
    #[serde(deserialize_with = "positive")]
    pub factor: f64,
    /// Half-width of the 90 % interval at 2 years.
    pub width_2y: Width,
    /// The same at 5 years.
    pub width_5y: Width,
}

fn positive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let factor = f64::deserialize(deserializer)?;
    if 0.0 < factor { Ok(factor) } else { Err(D::Error::custom("the factor is not above 0")) }
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
/// The share of truths that the interval is to hold.
const COVERED: f64 = 0.9;
/// The least distance that is told from none, when a logarithm is taken of it.
const LEAST_DISTANCE: f64 = 0.02;
/// The least that a row is off its quantile, so that none weighs everything.
const LEAST_OFF: f64 = 0.01;
/// Rounds after which the quantile's terms rest.
const QUANTILE_ROUNDS: usize = 60;
/// Halvings after which a width is exact enough.
const BISECTIONS: usize = 20;

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

/// What was said of a patient beside the truth, which only simulated ones have.
#[derive(Clone, Copy, Debug)]
pub struct Judged {
    /// What the members say of each year.
    pub estimates: [Estimate; YEARS],
    /// What was known of the patient.
    pub known: [f64; KNOWN],
    /// The true risks at 2 and 5 years.
    pub truths: [f64; 2],
}

/// The years, from 0, whose true risks are known.
const JUDGED_YEARS: [usize; 2] = [1, 4];

impl Judged {
    /// The truth at the first or second of [`JUDGED_YEARS`]. Futures are counted, so a risk of
    /// nothing is below one in a few hundred: no distance.
    fn truth(&self, horizon: usize) -> Option<f64> {
        Some(self.truths[horizon]).filter(|truth| 0.0 < *truth)
    }
}

impl Width {
    /// Half of the interval's width on the complementary log-log scale.
    fn at(&self, terms: &[f64; TERMS]) -> f64 {
        self.half * sum_of_products(&self.terms, terms).clamp(-4.0, 3.0).exp()
    }

    /// The distance that nine in ten are within, by what it depends on: a regression of the
    /// distances' logarithms on their 90 % quantile (Koenker and Bassett 1978), by least squares
    /// that are weighted anew until they rest (Hunter and Lange 2000).
    fn fit(rows: &[([f64; TERMS], f64)]) -> Self {
        let mut terms = [0.0; TERMS];
        for round in 0..QUANTILE_ROUNDS {
            let mut equations = Equations::default();
            for (row, distance) in rows {
                let wanted = distance.max(LEAST_DISTANCE).ln();
                let off = wanted - sum_of_products(&terms, row);
                let weight = if round == 0 { 1.0 } else { 1.0 / (off.abs() + LEAST_OFF) };
                let lift = if round == 0 { 0.0 } else { 2.0 * COVERED - 1.0 };
                equations.add(row, weight, weight * wanted + lift);
            }
            terms = equations.solve();
        }
        Self { terms, half: 1.0 }
    }
}

fn sum_of_products(one: &[f64; TERMS], other: &[f64; TERMS]) -> f64 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
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
    /// A row's weight, and what it wants times its weight.
    fn add(&mut self, terms: &[f64; TERMS], weight: f64, wanted: f64) {
        for ((row, right), term) in self.matrix.iter_mut().zip(&mut self.right).zip(terms) {
            *right += term * wanted;
            for (cell, other) in row.iter_mut().zip(terms) {
                *cell += weight * term * other;
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
    /// Risk and interval of every year from the members' cumulative incidences, year by year, and
    /// from what is known of the patient.
    pub fn course(&self, incidences: &[f64], known: &[f64; KNOWN]) -> Course {
        let by_year = incidences.chunks_exact(incidences.len() / YEARS);
        let mut estimates = [Estimate::default(); YEARS];
        for (estimate, members) in estimates.iter_mut().zip(by_year) {
            *estimate = Estimate::of(members);
        }
        self.course_of(&estimates, known)
    }

    /// The last year's risk alone, from that year's incidences: as no member's incidence falls with the
    /// years, it is what [`course`](Self::course) says.
    pub fn last_risk(&self, incidences: &[f64]) -> f64 {
        risk(self.centre(Estimate::of(incidences).mean))
    }

    /// Nothing ever falls with the years: what a risk is above now it is above later, and what it
    /// is below later it is below now, so that every year narrows the others.
    fn course_of(&self, estimates: &[Estimate; YEARS], known: &[f64; KNOWN]) -> Course {
        let mut course = Course::default();
        let mut before = (0.0, 0.0);
        for ((year, said), estimate) in course.iter_mut().enumerate().zip(estimates) {
            let centre = self.centre(estimate.mean);
            let half = self.half_width(year, &estimate.terms(known));
            before = (rising(risk(centre), before.0), rising(risk(centre - half), before.1));
            *said = (before.0, before.1, risk(centre + half));
        }
        let mut after = f64::INFINITY;
        for (risk, _, upper) in course.iter_mut().rev() {
            // Rounding must not part them where both are next to 1.
            after = rising(*risk, if after < *upper { after } else { *upper });
            *upper = after;
        }
        course
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

    /// Widths that hold the true risk of 90 % of patients, by what is known of them as near as can
    /// be (conformal prediction of a quantile: Romano and others 2019); only simulated ones have
    /// a true risk.
    #[must_use]
    pub fn with_coverage(self, rows: &[Judged]) -> Self {
        let usual = |horizon: usize| {
            let judged = rows.iter().filter_map(|row| Some((row, row.truth(horizon)?)));
            let distances: Vec<([f64; TERMS], f64)> = judged
                .map(|(row, truth)| {
                    let estimate = row.estimates[JUDGED_YEARS[horizon]];
                    let distance = (cloglog(truth) - self.centre(estimate.mean)).abs();
                    (estimate.terms(&row.known), distance)
                })
                .collect();
            Width::fit(&distances)
        };
        let mut fitted = Self { width_2y: usual(0), width_5y: usual(1), ..self };
        // Each horizon's interval narrows the other's, so they are settled in turn.
        for horizon in [1, 0, 1, 0] {
            let (mut narrow, mut wide) = (0.2, 5.0);
            for _ in 0..BISECTIONS {
                let half = f64::midpoint(narrow, wide);
                *fitted.half_mut(horizon) = half;
                let bound = if fitted.covers(rows, horizon) { &mut wide } else { &mut narrow };
                *bound = half;
            }
            *fitted.half_mut(horizon) = wide;
        }
        fitted
    }

    const fn half_mut(&mut self, horizon: usize) -> &mut f64 {
        if horizon == 0 { &mut self.width_2y.half } else { &mut self.width_5y.half }
    }

    /// Whether the intervals of a horizon hold as many truths as they are to.
    fn covers(&self, rows: &[Judged], horizon: usize) -> bool {
        let (mut inside, mut counted) = (0_usize, 0_usize);
        for (row, truth) in rows.iter().filter_map(|row| Some((row, row.truth(horizon)?))) {
            let course = self.course_of(&row.estimates, &row.known);
            let (_, lower, upper) = course[JUDGED_YEARS[horizon]];
            counted += 1;
            inside += usize::from((lower..=upper).contains(&truth));
        }
        COVERED * counted as f64 <= inside as f64
    }
}

/// The larger of both; what is no number stays so, where `f64::max` would hide it.
fn rising(now: f64, before: f64) -> f64 {
    if now < before { before } else { now }
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

    /// Patients whose estimates of every year are off by a distance that depends on what is known.
    fn judged(
        count: usize,
        off_by: impl Fn(usize) -> f64,
        known_of: impl Fn(usize) -> f64,
    ) -> Vec<Judged> {
        let row = |index: usize| {
            // Evenly spread over ±√3: a distance of known quantiles.
            let place = ((index / 2) as f64 + 0.5) / (count / 2) as f64;
            let off = off_by(index) * (2.0 * place - 1.0) * 3.0_f64.sqrt();
            let mean = |year: usize| year as f64 - 5.0 - (index % 7) as f64 / 3.0;
            let mut known = [0.0; KNOWN];
            known[0] = known_of(index);
            Judged {
                estimates: std::array::from_fn(|year| Estimate {
                    mean: mean(year),
                    spread: SHARED_SPREAD,
                }),
                known,
                truths: JUDGED_YEARS.map(|year| risk(mean(year) + off)),
            }
        };
        (0..count).map(row).collect()
    }

    fn share_inside(calibration: &Calibration, rows: &[&Judged], horizon: usize) -> f64 {
        let inside = |row: &&&Judged| {
            let course = calibration.course_of(&row.estimates, &row.known);
            let (_, lower, upper) = course[JUDGED_YEARS[horizon]];
            (lower..=upper).contains(&row.truths[horizon])
        };
        rows.iter().filter(inside).count() as f64 / rows.len() as f64
    }

    #[test]
    fn who_is_less_known_has_the_wider_interval() {
        let little = |index: usize| index.is_multiple_of(2);
        let rows = judged(
            4000,
            |index| if little(index) { 0.8 } else { 0.2 },
            |index| if little(index) { 0.7 } else { 2.5 },
        );
        let calibration = Calibration::default().with_coverage(&rows);
        for (wanted, horizon) in [(true, 0), (false, 0), (true, 1), (false, 1)] {
            let in_group = |(index, _): &(usize, &Judged)| little(*index) == wanted;
            let group: Vec<&Judged> =
                rows.iter().enumerate().filter(in_group).map(|(_, row)| row).collect();
            let share = share_inside(&calibration, &group, horizon);
            assert!((share - COVERED).abs() < 0.02, "{wanted}, {horizon}: {share}");
        }
    }

    #[test]
    fn a_risk_of_which_no_future_was_counted_widens_nothing() {
        let mut rows = judged(2000, |_| 0.4, |_| 1.0);
        let without = Calibration::default().with_coverage(&rows);
        rows.extend(rows.clone().into_iter().map(|row| Judged { truths: [0.0; 2], ..row }));
        assert_eq!(Calibration::default().with_coverage(&rows), without);
    }

    #[test]
    fn every_year_narrows_the_others() {
        let mut terms = [0.0; TERMS];
        terms[0] = 1.0;
        let wide_at_2y = Calibration {
            width_2y: Width { terms, half: 2.0 },
            width_5y: Width { terms, half: 0.2 },
            ..Calibration::default()
        };
        let estimates: [Estimate; YEARS] = std::array::from_fn(|year| Estimate {
            mean: year as f64 / 2.0 - 4.0,
            spread: SHARED_SPREAD,
        });
        let course = wide_at_2y.course_of(&estimates, &[1.0; KNOWN]);
        let last = course[YEARS - 1];
        assert!((last.2 - risk(-2.0 + 0.2 * 1_f64.exp())).abs() < 1e-12, "{course:?}");
        assert_eq!(course[1].2, last.2, "a bound of 5 years is one of 2 years");
        for pair in course.windows(2) {
            assert!(pair[0].0 <= pair[1].0 && pair[0].1 <= pair[1].1 && pair[0].2 <= pair[1].2);
        }
        assert!(course.iter().all(|(risk, lower, upper)| lower <= risk && risk <= upper));
    }

    #[test]
    fn the_interval_holds_the_risk_and_the_fit_finds_what_it_was_made_of() {
        let members = [0.1, 0.12, 0.09, 0.11, 0.1].repeat(YEARS);
        let course = Calibration::default().course(&members, &[0.5; KNOWN]);
        let (middle, lower, upper) = course[YEARS - 1];
        assert!(0.0 < lower && lower < middle && middle < upper && upper < 1.0);
        assert!((middle - 0.104).abs() < 2e-3, "{middle}");
        let mut equations = Equations::default();
        for row in 0..200 {
            let terms: [f64; TERMS] =
                std::array::from_fn(|term| ((row * (term + 3)) % 101) as f64 / 101.0);
            let wanted: f64 = terms.iter().enumerate().map(|(term, x)| term as f64 * x).sum();
            equations.add(&terms, 2.0, 2.0 * wanted);
        }
        for (term, found) in equations.solve().into_iter().enumerate() {
            assert!((found - term as f64).abs() < 0.05, "{term}: {found}");
        }
    }
}
