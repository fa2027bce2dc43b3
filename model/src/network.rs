//! One member of the ensemble: a masked, dilated temporal convolution over the visits, beside a
//! dense net for the fixed facts, and a head of discrete-time competing risks.

use candle_core::{D, Result, Tensor};
use candle_nn::{Linear, Module, VarBuilder};

use crate::{
    config::{Shape, YEARS},
    features::{FACTS_WIDTH, VISIT_WIDTH, VISITS},
};

/// Each temporal layer sees a visit and two earlier ones.
pub const KERNEL: usize = 3;
/// Kidney failure, death before it, neither.
pub const CAUSES: usize = 3;

/// One network; see the module.
#[derive(Clone, Debug)]
pub struct Network {
    pub(crate) temporal: Vec<(usize, Linear)>,
    pub(crate) facts: Linear,
    pub(crate) joint: Linear,
    pub(crate) head: Linear,
}

/// The name, input and output width of every linear layer of a shape, in order.
pub fn layers(shape: &Shape) -> Vec<(String, usize, usize)> {
    let mut layers = Vec::new();
    let mut width = VISIT_WIDTH;
    for index in 0..shape.dilations.len() {
        layers.push((format!("temporal.{index}"), KERNEL * width, shape.channels));
        width = shape.channels;
    }
    layers.push(("facts".to_owned(), FACTS_WIDTH, shape.facts));
    layers.push(("joint".to_owned(), 2 * shape.channels + shape.facts, shape.joint));
    layers.push(("head".to_owned(), shape.joint, YEARS * CAUSES));
    layers
}

impl Network {
    /// Builds the network over weights: those being trained, or released ones.
    pub fn new(vb: &VarBuilder<'_>, shape: &Shape) -> Result<Self> {
        let mut built = layers(shape).into_iter().map(|(name, input, output)| -> Result<Linear> {
            let vb = vb.pp(name);
            let weight = vb.get((output, input), "weight")?;
            Ok(Linear::new(weight, Some(vb.get(output, "bias")?)))
        });
        let mut next = || built.next().expect("layers() lists every layer that is built here");
        Ok(Self {
            temporal: shape
                .dilations
                .iter()
                .map(|dilation| Ok((*dilation, next()?)))
                .collect::<Result<_>>()?,
            facts: next()?,
            joint: next()?,
            head: next()?,
        })
    }

    /// Log-probabilities `[rows, YEARS, 3]` of kidney failure, death, neither within each year,
    /// given neither before. `visits` is `[rows, VISITS, VISIT_WIDTH]`, `facts` is
    /// `[rows, FACTS_WIDTH]`.
    pub fn forward(&self, visits: &Tensor, facts: &Tensor) -> Result<Tensor> {
        let rows = visits.dim(0)?;
        let mark = visits.narrow(2, VISIT_WIDTH - 1, 1)?;
        let mut course = visits.clone();
        for (dilation, layer) in &self.temporal {
            let width = course.dim(2)?;
            let taps = [earlier(&course, 2 * dilation)?, earlier(&course, *dilation)?, course];
            let taps = Tensor::cat(&taps, 2)?.reshape((rows * VISITS, KERNEL * width))?;
            // One matrix product for all visits of all rows, which is what the gemm likes.
            let out = layer.forward(&taps)?.relu()?;
            course = out.reshape((rows, VISITS, ()))?.broadcast_mul(&mark)?;
        }
        let last = course.narrow(1, VISITS - 1, 1)?.squeeze(1)?;
        let count = mark.sum(1)?.clamp(1.0, VISITS as f64)?;
        let mean = course.sum(1)?.broadcast_div(&count)?;
        let facts = self.facts.forward(facts)?.relu()?;
        let joint = Tensor::cat(&[last, mean, facts], 1)?;
        let joint = self.joint.forward(&joint)?.relu()?;
        let logits = self.head.forward(&joint)?.reshape((rows, YEARS, CAUSES))?;
        candle_nn::ops::log_softmax(&logits, D::Minus1)
    }
}

/// The course as it was `by` visits earlier, zero before the first.
fn earlier(course: &Tensor, by: usize) -> Result<Tensor> {
    course.narrow(1, 0, VISITS - by)?.pad_with_zeros(1, by, 0)
}
