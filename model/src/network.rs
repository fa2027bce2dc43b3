//! One member of the ensemble: a masked, dilated temporal convolution over the visits, beside a
//! dense net for the fixed facts, and a head of discrete-time competing risks.
//!
//! The head reads the last visit only, so every layer is computed only where something later
//! looks: the receptive cone of the last visit, a quarter of the work of the whole course.

use std::collections::BTreeSet;

use candle_core::{D, Device, Result, Tensor};
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
    pub(crate) temporal: Vec<Temporal>,
    pub(crate) facts: Linear,
    pub(crate) joint: Linear,
    pub(crate) head: Linear,
}

/// One layer of the convolution, at the visits where it is needed.
#[derive(Clone, Debug)]
pub(crate) struct Temporal {
    pub(crate) linear: Linear,
    /// Which visits it is computed at, as their places in a course.
    visits: Tensor,
    /// What each of them reads of the layer below, oldest first: `visits × KERNEL` places among
    /// those the layer below is computed at.
    taps: Tensor,
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
    layers.push(("joint".to_owned(), shape.channels + shape.facts, shape.joint));
    layers.push(("head".to_owned(), shape.joint, YEARS * CAUSES));
    layers
}

/// The visits at which each layer is computed, lowest layer first: those that the last visit of
/// the uppermost layer reaches. A tap before the oldest visit reads nothing.
pub fn cone(dilations: &[usize]) -> Vec<Vec<usize>> {
    let mut needed = BTreeSet::from([VISITS - 1]);
    let mut cone = Vec::new();
    for dilation in dilations.iter().rev() {
        cone.push(needed.iter().copied().collect());
        needed = needed
            .iter()
            .flat_map(|visit| (0..KERNEL).filter_map(|tap| visit.checked_sub(tap * dilation)))
            .collect();
    }
    cone.reverse();
    cone
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
        let mut below: Vec<usize> = (0..VISITS).collect();
        let mut temporal = Vec::with_capacity(shape.dilations.len());
        for (dilation, visits) in shape.dilations.iter().zip(cone(&shape.dilations)) {
            temporal.push(Temporal::new(next()?, &below, &visits, *dilation)?);
            below = visits;
        }
        Ok(Self { temporal, facts: next()?, joint: next()?, head: next()? })
    }

    /// Log-probabilities `[rows, YEARS, 3]` of kidney failure, death, neither within each year,
    /// given neither before. `visits` is `[rows, VISITS, VISIT_WIDTH]`, `facts` is
    /// `[rows, FACTS_WIDTH]`.
    pub fn forward(&self, visits: &Tensor, facts: &Tensor) -> Result<Tensor> {
        let rows = visits.dim(0)?;
        let marks = visits.narrow(2, VISIT_WIDTH - 1, 1)?.contiguous()?;
        let mut course = visits.clone();
        for layer in &self.temporal {
            course = layer.forward(&course, &marks)?;
        }
        let last = course.squeeze(1)?;
        let facts = self.facts.forward(facts)?.relu()?;
        let joint = Tensor::cat(&[last, facts], 1)?;
        let joint = self.joint.forward(&joint)?.relu()?;
        let logits = self.head.forward(&joint)?.reshape((rows, YEARS, CAUSES))?;
        candle_nn::ops::log_softmax(&logits, D::Minus1)
    }
}

impl Temporal {
    fn new(linear: Linear, below: &[usize], visits: &[usize], dilation: usize) -> Result<Self> {
        // The place after the last is a visit of zeros: what lies before the oldest.
        let nothing = below.len();
        let taps: Vec<u32> = visits
            .iter()
            .flat_map(|visit| (0..KERNEL).rev().map(move |tap| visit.checked_sub(tap * dilation)))
            .map(|visit| {
                let place = visit.and_then(|visit| below.iter().position(|below| *below == visit));
                place.unwrap_or(nothing) as u32
            })
            .collect();
        let visits: Vec<u32> = visits.iter().map(|visit| *visit as u32).collect();
        Ok(Self {
            linear,
            visits: Tensor::new(visits, &Device::Cpu)?,
            taps: Tensor::new(taps, &Device::Cpu)?,
        })
    }

    fn forward(&self, below: &Tensor, marks: &Tensor) -> Result<Tensor> {
        let (rows, _, width) = below.dims3()?;
        let count = self.visits.dim(0)?;
        let taps = below.pad_with_zeros(1, 0, 1)?.index_select(&self.taps, 1)?;
        // One matrix product for all visits of all rows, which is what the gemm likes.
        let taps = taps.reshape((rows * count, KERNEL * width))?;
        let out = self.linear.forward(&taps)?.relu()?.reshape((rows, count, ()))?;
        out.broadcast_mul(&marks.index_select(&self.visits, 1)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cone_halves_with_every_layer() {
        let expected = [vec![3, 5, 7, 9, 11, 13, 15], vec![7, 11, 15], vec![15]];
        assert_eq!(cone(&[1, 2, 4]), expected);
        assert_eq!(cone(&[1, 20]).last(), Some(&vec![15]));
    }
}
