//! Discrimination and calibration at a horizon, with death before kidney failure as no event.
//!
//! Patients censored before the horizon are left out, and the others weighted by the inverse
//! probability of not being censored (Kaplan–Meier of the censoring).

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
}
