//! The likelihood of discrete-time competing risks with censoring.

use candle_core::{Result, Tensor};

use crate::{
    config::YEARS,
    dataset::{Event, Outcome},
};

/// Which log-probability counts for each year of a follow-up, `YEARS × 3`: surviving every whole
/// year, then what ended it. A year in which somebody was censored says nothing.
pub fn targets(outcome: Outcome) -> [f32; YEARS * 3] {
    let mut counts = [0.0; YEARS * 3];
    for year in 0..YEARS {
        let end = (year + 1) as f64;
        let cause = match outcome.event {
            Event::KidneyFailure if outcome.years <= end => 0,
            Event::Death if outcome.years <= end => 1,
            _ if end <= outcome.years => 2,
            _ => break,
        };
        counts[year * 3 + cause] = 1.0;
        if cause != 2 {
            break;
        }
    }
    counts
}

/// Mean negative log-likelihood. `log_probabilities` come out of a log-softmax, so they are
/// finite however saturated the logits are.
pub fn negative_log_likelihood(log_probabilities: &Tensor, targets: &Tensor) -> Result<Tensor> {
    let rows = log_probabilities.dim(0)? as f64;
    (log_probabilities * targets)?.sum_all()? / -rows
}

#[cfg(test)]
mod tests {
    use candle_core::{D, Device};

    use super::*;

    #[test]
    fn a_follow_up_counts_year_by_year() {
        let of = |years, event| targets(Outcome { years, event });
        let mut failed_in_second = [0.0; 15];
        failed_in_second[2] = 1.0;
        failed_in_second[3] = 1.0;
        assert_eq!(of(1.4, Event::KidneyFailure), failed_in_second);
        let mut died_in_first = [0.0; 15];
        died_in_first[1] = 1.0;
        assert_eq!(of(0.2, Event::Death), died_in_first);
        let mut censored_in_second = [0.0; 15];
        censored_in_second[2] = 1.0;
        assert_eq!(of(1.9, Event::Censored), censored_in_second);
        assert_eq!(of(9.0, Event::Death).iter().sum::<f32>(), 5.0);
    }

    #[test]
    fn a_saturated_logit_gives_a_finite_loss() {
        let mut logits = [0.0_f32; 15];
        logits[0] = 100.0;
        logits[4] = -100.0;
        let logits = Tensor::from_slice(&logits, (1, 5, 3), &Device::Cpu).unwrap();
        let log_probabilities = candle_nn::ops::log_softmax(&logits, D::Minus1).unwrap();
        let counts = targets(Outcome { years: 0.5, event: Event::Death });
        let counts = Tensor::from_slice(&counts, (1, 5, 3), &Device::Cpu).unwrap();
        let loss = negative_log_likelihood(&log_probabilities, &counts).unwrap();
        let loss = loss.to_scalar::<f32>().unwrap();
        assert!(loss.is_finite() && 99.0 < loss, "{loss}");
    }
}
