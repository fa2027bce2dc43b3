//! Discrimination and calibration at a horizon, with death before kidney failure as no event.
//!
//! Patients censored before the horizon are left out, and the others weighted by the inverse
//! probability of not being censored (Kaplan–Meier of the censoring).

use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::dataset::{Event, Outcome};

/// One patient's status at a horizon, with the weight of those like them who were censored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Labelled {
    /// 1 for kidney failure by the horizon, otherwise 0.
    pub event: f64,
    /// Inverse probability of not being censored; 0 for who was.
    pub weight: f64,
}

/// Every patient's status at `years`.
pub fn label(outcomes: &[Outcome], years: f64) -> Vec<Labelled> {
    let uncensored = uncensored(outcomes);
    outcomes
        .iter()
        .map(|outcome| {
            let ended = outcome.event != Event::Censored && outcome.years <= years;
            if !ended && outcome.years < years {
                return Labelled { event: 0.0, weight: 0.0 };
            }
            let failed = ended && outcome.event == Event::KidneyFailure;
            let weight = 1.0 / uncensored(outcome.years.min(years)).max(0.05);
            Labelled { event: f64::from(u8::from(failed)), weight }
        })
        .collect()
}

/// The probability of still being followed up just before a time.
fn uncensored(outcomes: &[Outcome]) -> impl Fn(f64) -> f64 + use<> {
    let mut times: Vec<(f64, bool)> =
        outcomes.iter().map(|outcome| (outcome.years, outcome.event == Event::Censored)).collect();
    times.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut steps = Vec::new();
    let mut survival = 1.0;
    for (index, (time, censored)) in times.iter().enumerate() {
        if *censored {
            survival *= 1.0 - 1.0 / (times.len() - index) as f64;
            steps.push((*time, survival));
        }
    }
    move |time| {
        let before = steps.partition_point(|(step, _)| *step < time);
        before.checked_sub(1).map_or(1.0, |index| steps[index].1)
    }
}

/// Area under the ROC curve: how often an event has the higher risk; ties count half. `None`
/// without both kinds.
pub fn auroc(risks: &[f64], labels: &[Labelled]) -> Option<f64> {
    let mut rows: Vec<(f64, Labelled)> = risks
        .iter()
        .copied()
        .zip(labels.iter().copied())
        .filter(|(_, labelled)| 0.0 < labelled.weight)
        .collect();
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    auroc_of_sorted(&rows)
}

fn auroc_of_sorted(rows: &[(f64, Labelled)]) -> Option<f64> {
    let (mut below, mut wins, mut events, mut others) = (0.0, 0.0, 0.0, 0.0);
    for tied in rows.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
        let weight = |event: f64| -> f64 {
            tied.iter().filter(|(_, l)| l.event == event).map(|(_, l)| l.weight).sum()
        };
        let (tied_events, tied_others) = (weight(1.0), weight(0.0));
        wins += tied_events * (below + tied_others / 2.0);
        below += tied_others;
        events += tied_events;
        others += tied_others;
    }
    (0.0 < events && 0.0 < others).then(|| wins / events / others)
}

/// Mean of risk, and share of events: calibration in the large.
pub fn mean_predicted_and_observed(risks: &[f64], labels: &[Labelled]) -> (f64, f64) {
    let total: f64 = labels.iter().map(|labelled| labelled.weight).sum();
    let weighted = |value: &dyn Fn(usize) -> f64| -> f64 {
        (0..labels.len()).map(|index| labels[index].weight * value(index)).sum::<f64>() / total
    };
    (weighted(&|index| risks[index]), weighted(&|index| labels[index].event))
}

/// Mean squared error of the risk.
pub fn brier(risks: &[f64], labels: &[Labelled]) -> f64 {
    let total: f64 = labels.iter().map(|labelled| labelled.weight).sum();
    let squares = risks.iter().zip(labels).map(|(r, l)| l.weight * (r - l.event).powi(2));
    squares.sum::<f64>() / total
}

/// Slope of a logistic regression of the event on the logit of the risk: 1 is calibrated.
pub fn calibration_slope(risks: &[f64], labels: &[Labelled]) -> f64 {
    let logits: Vec<f64> = risks
        .iter()
        .map(|risk| {
            let risk = risk.clamp(1e-6, 1.0 - 1e-6);
            (risk / (1.0 - risk)).ln()
        })
        .collect();
    let (mut intercept, mut slope) = (0.0, 1.0);
    for _ in 0..50 {
        let (mut g0, mut g1, mut h00, mut h01, mut h11) = (0.0, 0.0, 1e-9, 0.0, 1e-9);
        for (x, labelled) in logits.iter().zip(labels) {
            let p = 1.0 / (1.0 + (-(intercept + slope * x)).exp());
            let error = labelled.weight * (labelled.event - p);
            let information = labelled.weight * p * (1.0 - p);
            g0 += error;
            g1 += error * x;
            h00 += information;
            h01 += information * x;
            h11 += information * x * x;
        }
        let determinant = h00 * h11 - h01 * h01;
        let (d0, d1) = ((h11 * g0 - h01 * g1) / determinant, (h00 * g1 - h01 * g0) / determinant);
        intercept += d0;
        slope += d1;
        if d0.abs() + d1.abs() < 1e-10 {
            break;
        }
    }
    slope
}

/// Mean risk and share of events in tenths of the risk, for a calibration plot.
pub fn tenths(risks: &[f64], labels: &[Labelled]) -> Vec<(f64, f64)> {
    let mut order: Vec<usize> = (0..risks.len()).filter(|i| 0.0 < labels[*i].weight).collect();
    order.sort_by(|a, b| risks[*a].total_cmp(&risks[*b]));
    let size = order.len().div_ceil(10).max(1);
    order
        .chunks(size)
        .map(|tenth| {
            let risks: Vec<f64> = tenth.iter().map(|index| risks[*index]).collect();
            let labels: Vec<Labelled> = tenth.iter().map(|index| labels[*index]).collect();
            mean_predicted_and_observed(&risks, &labels)
        })
        .collect()
}

/// AUROC with a 95 % interval from `resamples` bootstrap samples of the patients (percentiles).
pub fn auroc_interval(
    risks: &[f64],
    labels: &[Labelled],
    resamples: usize,
    seed: u64,
) -> Option<(f64, f64)> {
    let mut order: Vec<usize> = (0..risks.len()).filter(|i| 0.0 < labels[*i].weight).collect();
    order.sort_by(|a, b| risks[*a].total_cmp(&risks[*b]));
    let mut rng = StdRng::seed_from_u64(seed);
    let mut found: Vec<f64> = (0..resamples)
        .filter_map(|_| {
            let mut drawn = vec![0_u32; order.len()];
            for _ in 0..order.len() {
                drawn[rng.random_range(0..order.len())] += 1;
            }
            let sample = order.iter().zip(drawn).map(|(index, times)| {
                let Labelled { event, weight } = labels[*index];
                (risks[*index], Labelled { event, weight: weight * f64::from(times) })
            });
            auroc_of_sorted(&sample.collect::<Vec<_>>())
        })
        .collect();
    found.sort_by(f64::total_cmp);
    let at = |share: f64| found.get((share * found.len() as f64) as usize).copied();
    at(0.025).zip(at(0.975))
}

/// Harrell's C with death before kidney failure as never failing (Wolbers 2009): among pairs of
/// which one failed by the horizon and the other was known to be free of it then, how often the
/// one who failed had the higher risk; ties count half.
pub fn c_index(risks: &[f64], outcomes: &[Outcome], horizon: f64) -> Option<f64> {
    let mut ranked: Vec<f64> = risks.to_vec();
    ranked.sort_by(f64::total_cmp);
    ranked.dedup();
    let rank = |risk: f64| ranked.partition_point(|known| *known < risk);
    // Latest first: whoever is still free when somebody fails has been counted by then.
    let free_until = |outcome: &Outcome| match outcome.event {
        Event::Death => f64::INFINITY,
        Event::KidneyFailure | Event::Censored => outcome.years,
    };
    let mut order: Vec<usize> = (0..risks.len()).collect();
    order.sort_by(|a, b| free_until(&outcomes[*b]).total_cmp(&free_until(&outcomes[*a])));
    let mut counted = Counts::new(ranked.len());
    let (mut wins, mut pairs) = (0.0, 0.0);
    for same_time in order.chunk_by(|a, b| free_until(&outcomes[*a]) == free_until(&outcomes[*b])) {
        for index in same_time {
            let outcome = &outcomes[*index];
            if outcome.event == Event::KidneyFailure && outcome.years <= horizon {
                let rank = rank(risks[*index]);
                let below = counted.below(rank);
                let tied = counted.below(rank + 1) - below;
                wins += below as f64 + tied as f64 / 2.0;
                pairs += counted.total as f64;
            }
        }
        for index in same_time {
            counted.add(rank(risks[*index]));
        }
    }
    (0.0 < pairs).then(|| wins / pairs)
}

/// How many were counted below a rank (Fenwick's tree).
struct Counts {
    tree: Vec<usize>,
    total: usize,
}

impl Counts {
    fn new(ranks: usize) -> Self {
        Self { tree: vec![0; ranks + 1], total: 0 }
    }

    fn add(&mut self, rank: usize) {
        self.total += 1;
        let mut place = rank + 1;
        while place < self.tree.len() {
            self.tree[place] += 1;
            place += place & place.wrapping_neg();
        }
    }

    fn below(&self, rank: usize) -> usize {
        let (mut place, mut sum) = (rank, 0);
        while 0 < place {
            sum += self.tree[place];
            place &= place - 1;
        }
        sum
    }
}

/// Scaled Brier score (index of prediction accuracy): 1 − Brier / Brier of the mean for everybody.
pub fn scaled_brier(risks: &[f64], labels: &[Labelled]) -> f64 {
    let (_, observed) = mean_predicted_and_observed(risks, labels);
    let null = brier(&vec![observed; risks.len()], labels);
    1.0 - brier(risks, labels) / null
}

/// Mean distance between predicted and observed risk over tenths of the risk.
pub fn calibration_error(risks: &[f64], labels: &[Labelled]) -> f64 {
    let tenths = tenths(risks, labels);
    tenths.iter().map(|(predicted, observed)| (predicted - observed).abs()).sum::<f64>()
        / tenths.len() as f64
}

/// Net benefit of treating who is above the threshold (Vickers and Elkin 2006).
pub fn net_benefit(risks: &[f64], labels: &[Labelled], threshold: f64) -> f64 {
    let total: f64 = labels.iter().map(|labelled| labelled.weight).sum();
    let treated = risks.iter().zip(labels).filter(|(risk, _)| threshold <= **risk);
    let odds = threshold / (1.0 - threshold);
    let benefit = treated.map(|(_, l)| l.weight * (l.event - (1.0 - l.event) * odds));
    benefit.sum::<f64>() / total
}

/// Hazard ratios of an event for a step of 1 in each covariate, from a proportional model with a
/// constant baseline (Newton's method); any other end of a follow-up censors.
pub fn hazard_ratios<const K: usize>(
    rows: &[[f64; K]],
    outcomes: &[Outcome],
    event: Event,
) -> [f64; K] {
    let years: f64 = outcomes.iter().map(|outcome| outcome.years).sum();
    let events = outcomes.iter().filter(|outcome| outcome.event == event).count() as f64;
    let mut baseline = (events / years).max(1e-9).ln();
    let mut ratios = [0.0; K];
    for _ in 0..30 {
        // Position K is the baseline's.
        let mut gradient = vec![0.0; K + 1];
        let mut curvature = vec![vec![0.0; K + 1]; K + 1];
        for (row, outcome) in rows.iter().zip(outcomes) {
            let x = |index: usize| row.get(index).copied().unwrap_or(1.0);
            let eta: f64 = row.iter().zip(&ratios).map(|(x, b)| x * b).sum();
            let expected = (baseline + eta).exp() * outcome.years;
            let error = f64::from(u8::from(outcome.event == event)) - expected;
            for (i, (slope, row)) in gradient.iter_mut().zip(&mut curvature).enumerate() {
                *slope += error * x(i);
                for (j, value) in row.iter_mut().enumerate() {
                    *value += expected * x(i) * x(j);
                }
            }
        }
        let step = solve(curvature, gradient);
        for (ratio, step) in ratios.iter_mut().zip(&step) {
            *ratio += step;
        }
        baseline += step[K];
        if step.iter().all(|step| step.abs() < 1e-9) {
            break;
        }
    }
    ratios.map(f64::exp)
}

/// Solves a positive definite system by elimination.
fn solve(mut matrix: Vec<Vec<f64>>, mut right: Vec<f64>) -> Vec<f64> {
    let n = right.len();
    for pivot in 0..n {
        let (above, below) = matrix.split_at_mut(pivot + 1);
        for (offset, row) in below.iter_mut().enumerate() {
            let factor = row[pivot] / above[pivot][pivot];
            for (value, pivot_value) in row.iter_mut().zip(&above[pivot]) {
                *value -= factor * pivot_value;
            }
            right[pivot + 1 + offset] -= factor * right[pivot];
        }
    }
    for row in (0..n).rev() {
        let known: f64 = (row + 1..n).map(|column| matrix[row][column] * right[column]).sum();
        right[row] = (right[row] - known) / matrix[row][row];
    }
    right
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labelled(events: &[f64]) -> Vec<Labelled> {
        events.iter().map(|event| Labelled { event: *event, weight: 1.0 }).collect()
    }

    #[test]
    fn auroc_counts_pairs() {
        let labels = labelled(&[0.0, 1.0, 0.0, 1.0]);
        assert_eq!(auroc(&[0.1, 0.9, 0.2, 0.8], &labels), Some(1.0));
        assert_eq!(auroc(&[0.9, 0.1, 0.8, 0.2], &labels), Some(0.0));
        assert_eq!(auroc(&[0.5; 4], &labels), Some(0.5));
        assert_eq!(auroc(&[0.1, 0.3, 0.2, 0.2], &labels), Some(0.875));
        assert_eq!(auroc(&[0.5; 2], &labelled(&[0.0, 0.0])), None);
    }

    #[test]
    fn who_was_censored_counts_through_those_who_were_not() {
        let outcome = |years, event| Outcome { years, event };
        let outcomes = [
            outcome(1.0, Event::Censored),
            outcome(1.5, Event::KidneyFailure),
            outcome(3.0, Event::Censored),
            outcome(1.8, Event::Death),
        ];
        let labels = label(&outcomes, 2.0);
        assert_eq!(labels[0].weight, 0.0);
        assert!((labels[1].weight - 4.0 / 3.0).abs() < 1e-12);
        assert_eq!((labels[1].event, labels[2].event, labels[3].event), (1.0, 0.0, 0.0));
        let total: f64 = labels.iter().map(|labelled| labelled.weight).sum();
        assert!((total - 4.0).abs() < 1e-12, "the weights stand for everybody");
    }

    #[test]
    fn a_calibrated_risk_has_slope_one() {
        let mut risks = Vec::new();
        let mut events = Vec::new();
        for tenth in 1..10 {
            for index in 0..100 {
                risks.push(f64::from(tenth) / 10.0);
                events.push(f64::from(u8::from(index < tenth * 10)));
            }
        }
        let slope = calibration_slope(&risks, &labelled(&events));
        assert!((slope - 1.0).abs() < 1e-9, "{slope}");
    }

    #[test]
    fn a_concordance_counts_pairs_in_time_and_the_dead_as_never_failing() {
        let outcome = |years, event| Outcome { years, event };
        let outcomes = [
            outcome(1.0, Event::KidneyFailure),
            outcome(2.0, Event::KidneyFailure),
            outcome(0.5, Event::Death),
            outcome(1.5, Event::Censored),
            outcome(6.0, Event::Censored),
        ];
        // The first against four others, the second against the dead and the last.
        assert_eq!(c_index(&[0.9, 0.8, 0.1, 0.1, 0.1], &outcomes, 5.0), Some(1.0));
        assert_eq!(c_index(&[0.9, 0.1, 0.5, 0.1, 0.1], &outcomes, 5.0), Some(4.5 / 6.0));
        assert_eq!(c_index(&[0.9, 0.1, 0.5, 0.1, 0.1], &outcomes, 1.0), Some(1.0));
        assert_eq!(c_index(&[0.9; 5], &outcomes, 5.0), Some(0.5));
        assert_eq!(c_index(&[0.9; 5], &outcomes, 0.1), None);
    }

    #[test]
    fn a_bootstrap_interval_holds_the_estimate() {
        let risks: Vec<f64> = (0..400).map(|index| f64::from(index % 97)).collect();
        let events: Vec<f64> =
            (0..400).map(|index| f64::from(u8::from(40 < (index * 7 + index % 97) % 97))).collect();
        let labels = labelled(&events);
        let estimate = auroc(&risks, &labels).unwrap();
        let (low, high) = auroc_interval(&risks, &labels, 100, 1).unwrap();
        assert!(low < estimate && estimate < high && high - low < 0.2, "{low} {estimate} {high}");
        assert_eq!(auroc_interval(&risks, &labels, 100, 1), Some((low, high)));
    }

    #[test]
    fn net_benefit_weighs_the_falsely_treated() {
        let labels = labelled(&[1.0, 0.0, 0.0, 0.0]);
        assert_eq!(net_benefit(&[0.9, 0.1, 0.1, 0.1], &labels, 0.2), 0.25);
        assert_eq!(net_benefit(&[0.9, 0.5, 0.1, 0.1], &labels, 0.2), 0.25 - 0.25 * 0.25);
        assert_eq!(net_benefit(&[0.0; 4], &labels, 0.2), 0.0);
    }

    #[test]
    fn the_mean_for_everybody_has_a_scaled_brier_score_of_nothing() {
        let labels = labelled(&[1.0, 0.0, 0.0, 0.0]);
        assert!(scaled_brier(&[0.25; 4], &labels).abs() < 1e-12);
        assert_eq!(scaled_brier(&[1.0, 0.0, 0.0, 0.0], &labels), 1.0);
    }

    #[test]
    fn a_hazard_ratio_is_that_of_the_rates() {
        // Twenty years each; 2 events without the factor, 6 with it.
        let mut rows = Vec::new();
        let mut outcomes = Vec::new();
        for (with, events) in [(0.0, 2), (1.0, 6)] {
            for index in 0..10 {
                rows.push([with]);
                let event = if index < events { Event::KidneyFailure } else { Event::Censored };
                outcomes.push(Outcome { years: 2.0, event });
            }
        }
        let [ratio] = hazard_ratios(&rows, &outcomes, Event::KidneyFailure);
        assert!((ratio - 3.0).abs() < 1e-6, "{ratio}");
    }
}
