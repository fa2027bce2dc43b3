//! `AdamW` (Loshchilov and Hutter 2019) over the weights of a member.
//!
//! candle's own keeps its moments to itself, so a training could not be taken up again where it
//! was interrupted and come to the same bytes.

use std::collections::BTreeMap;

use candle_core::{Result, Tensor, Var, backprop::GradStore};

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// The optimiser's state: every weight with its two moments.
#[derive(Debug)]
pub(crate) struct AdamW {
    weights: BTreeMap<String, Weight>,
    step: usize,
    decay: f64,
}

#[derive(Debug)]
struct Weight {
    var: Var,
    mean: Vec<f32>,
    square: Vec<f32>,
}

impl AdamW {
    pub(crate) fn new(weights: BTreeMap<String, Var>, decay: f64) -> Self {
        let weights = weights.into_iter().map(|(name, var)| {
            let count = var.as_tensor().elem_count();
            (name, Weight { var, mean: vec![0.0; count], square: vec![0.0; count] })
        });
        Self { weights: weights.collect(), step: 0, decay }
    }

    /// One step against the gradients.
    pub(crate) fn step(&mut self, gradients: &GradStore, rate: f64) -> Result<()> {
        self.step += 1;
        // Long before the end of `i32` the power is nothing.
        let step = i32::try_from(self.step).unwrap_or(i32::MAX);
        let unbiased = |beta: f64| 1.0 - beta.powi(step);
        let rate_of_step = (rate * unbiased(BETA_2).sqrt() / unbiased(BETA_1)) as f32;
        let kept = (1.0 - rate * self.decay) as f32;
        let (beta_1, beta_2, epsilon) = (BETA_1 as f32, BETA_2 as f32, EPSILON as f32);
        for weight in self.weights.values_mut() {
            let Some(gradient) = gradients.get(weight.var.as_tensor()) else { continue };
            let gradient = gradient.flatten_all()?.to_vec1::<f32>()?;
            let mut values = weight.var.as_tensor().flatten_all()?.to_vec1::<f32>()?;
            let moments = weight.mean.iter_mut().zip(&mut weight.square);
            for ((value, gradient), (mean, square)) in values.iter_mut().zip(gradient).zip(moments)
            {
                *mean = beta_1 * *mean + (1.0 - beta_1) * gradient;
                *square = beta_2 * *square + (1.0 - beta_2) * gradient * gradient;
                *value = kept * *value - rate_of_step * *mean / (square.sqrt() + epsilon);
            }
            weight.set(values)?;
        }
        Ok(())
    }

    /// The weights as they are now, apart from what later steps make of them.
    pub(crate) fn weights(&self) -> Result<BTreeMap<String, Tensor>> {
        let copy = |(name, weight): (&String, &Weight)| {
            Ok((name.clone(), weight.var.as_tensor().copy()?.detach()))
        };
        self.weights.iter().map(copy).collect()
    }

    /// Everything needed to go on later, by name.
    pub(crate) fn state(&self) -> Result<BTreeMap<String, Tensor>> {
        let mut state = BTreeMap::new();
        for (name, weight) in &self.weights {
            let device = weight.var.device();
            let shape = weight.var.shape();
            state.insert(format!("weight.{name}"), weight.var.as_tensor().copy()?.detach());
            let mean = Tensor::from_slice(&weight.mean, shape, device)?;
            state.insert(format!("mean.{name}"), mean);
            let square = Tensor::from_slice(&weight.square, shape, device)?;
            state.insert(format!("square.{name}"), square);
        }
        Ok(state)
    }

    /// Goes on from a state after `step` steps.
    pub(crate) fn restore(&mut self, state: &BTreeMap<String, Tensor>, step: usize) -> Result<()> {
        let of = |kind: &str, name: &str| -> Result<Vec<f32>> {
            let tensor = state
                .get(&format!("{kind}.{name}"))
                .ok_or_else(|| candle_core::Error::Msg(format!("{kind}.{name} is missing")))?;
            tensor.flatten_all()?.to_vec1::<f32>()
        };
        for (name, weight) in &mut self.weights {
            weight.set(of("weight", name)?)?;
            weight.mean = of("mean", name)?;
            weight.square = of("square", name)?;
        }
        self.step = step;
        Ok(())
    }
}

impl Weight {
    fn set(&self, values: Vec<f32>) -> Result<()> {
        self.var.set(&Tensor::from_vec(values, self.var.shape(), self.var.device())?)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn square_of_distance(var: &Var) -> Tensor {
        let target = Tensor::new(&[3.0_f32, -2.0], &Device::Cpu).unwrap();
        (var.as_tensor() - target).unwrap().sqr().unwrap().sum_all().unwrap()
    }

    fn optimizer() -> (Var, AdamW) {
        let var = Var::new(&[0.0_f32, 0.0], &Device::Cpu).unwrap();
        let weights = BTreeMap::from([("w".to_owned(), var.clone())]);
        (var, AdamW::new(weights, 0.0))
    }

    #[test]
    fn steps_lead_to_the_least_loss() {
        let (var, mut optimizer) = optimizer();
        for _ in 0..600 {
            let gradients = square_of_distance(&var).backward().unwrap();
            optimizer.step(&gradients, 0.05).unwrap();
        }
        let loss = square_of_distance(&var).to_scalar::<f32>().unwrap();
        assert!(loss < 1e-3, "{loss}");
    }

    #[test]
    fn a_restored_state_goes_on_to_the_same_bits() {
        let run = |var: &Var, optimizer: &mut AdamW, steps: usize| {
            for _ in 0..steps {
                let gradients = square_of_distance(var).backward().unwrap();
                optimizer.step(&gradients, 0.1).unwrap();
            }
        };
        let (var, mut whole) = optimizer();
        run(&var, &mut whole, 20);
        let (first_var, mut first) = optimizer();
        run(&first_var, &mut first, 8);
        let (second_var, mut second) = optimizer();
        second.restore(&first.state().unwrap(), 8).unwrap();
        run(&second_var, &mut second, 12);
        let bits = |var: &Var| var.as_tensor().to_vec1::<f32>().unwrap();
        assert_eq!(bits(&var), bits(&second_var));
    }
}
