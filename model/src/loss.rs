//! The likelihood of discrete-time competing risks with censoring; for simulated patients, whose
//! futures can be counted, also the cross-entropy with the share that ended in kidney failure.

use candle_core::{D, DType, Result, Tensor};

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

/// Years (from 0) at which futures are counted: within two years and within five.
pub const COUNTED_YEARS: [usize; 2] = [1, 4];

/// Mean cross-entropy between the cumulative incidence of kidney failure and the share of futures
/// that it happened in, over [`COUNTED_YEARS`]: one future says as much as a coin, many say what
/// the risk was. `shares` and `weights` are `[rows, 2]`; a row without futures weighs nothing.
pub fn share_cross_entropy(
    log_probabilities: &Tensor,
    shares: &Tensor,
    weights: &Tensor,
) -> Result<Tensor> {
    let rows = log_probabilities.dim(0)?;
    let device = log_probabilities.device();
    let mut log_free = Tensor::zeros((rows, 1), DType::F32, device)?;
    let mut failed = log_free.clone();
    let mut said = Vec::with_capacity(COUNTED_YEARS.len());
    for year in 0..YEARS {
        let of = |cause| log_probabilities.narrow(1, year, 1)?.narrow(2, cause, 1)?.squeeze(1);
        failed = (failed + (&log_free + of(0)?)?.exp()?)?;
        log_free = (log_free + of(2)?)?;
        if COUNTED_YEARS.contains(&year) {
            said.push(failed.clone());
        }
    }
    // Away from 0 and 1 by what single precision resolves, so that a logarithm stays finite.
    let said = Tensor::cat(&said, D::Minus1)?.clamp(1e-6_f32, 1.0 - 1e-6_f32)?;
    let of_failed = (shares * said.log()?)?;
    let of_free = (shares.affine(-1.0, 1.0)? * said.affine(-1.0, 1.0)?.log()?)?;
    ((of_failed + of_free)? * weights)?.sum_all()? / -(rows as f64)
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

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
    #[test]
    fn the_shares_of_futures_are_what_it_is_lowest_at() {
        let device = Device::Cpu;
        let shares = Tensor::new(&[[0.1_f32, 0.4]], &device).unwrap();
        let weights = Tensor::ones((1, 2), DType::F32, &device).unwrap();
        let logits = Var::from_tensor(&Tensor::zeros((1, YEARS, 3), DType::F32, &device).unwrap());
        let logits = logits.unwrap();
        let said = || candle_nn::ops::log_softmax(logits.as_tensor(), D::Minus1).unwrap();
        for _ in 0..4000 {
            let loss = share_cross_entropy(&said(), &shares, &weights).unwrap();
            let gradients = loss.backward().unwrap();
            let step = gradients.get(logits.as_tensor()).unwrap();
            logits.set(&(logits.as_tensor() - step).unwrap()).unwrap();
        }
        let values = said().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let risks = crate::calibration::cumulative_incidence(&values);
        assert!((risks[1] - 0.1).abs() < 1e-3 && (risks[4] - 0.4).abs() < 1e-3, "{risks:?}");
    }

    #[test]
    fn a_row_without_futures_and_a_saturated_one_do_no_harm() {
        let device = Device::Cpu;
        let mut logits = [0.0_f32; 2 * YEARS * 3];
        logits[0] = 200.0;
        let logits = Var::from_slice(&logits, (2, YEARS, 3), &device).unwrap();
        let said = candle_nn::ops::log_softmax(logits.as_tensor(), D::Minus1).unwrap();
        let shares = Tensor::new(&[[0.0_f32, 0.0], [0.5, 0.5]], &device).unwrap();
        let weights = Tensor::new(&[[1.0_f32, 1.0], [0.0, 0.0]], &device).unwrap();
        let loss = share_cross_entropy(&said, &shares, &weights).unwrap();
        let gradients = loss.backward().unwrap();
        let loss = loss.to_scalar::<f32>().unwrap();
        assert!(loss.is_finite() && 10.0 < loss, "{loss}");
        let steps = gradients.get(logits.as_tensor()).unwrap().to_vec3::<f32>().unwrap();
        assert!(steps.iter().flatten().flatten().all(|step| step.is_finite()), "{steps:?}");
        assert!(steps[1].iter().flatten().all(|step| *step == 0.0), "{steps:?}");
    }
}
