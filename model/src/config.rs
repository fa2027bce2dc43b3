//! What fixes a network's shape, and what a released folder holds beside its weights.

use serde::{Deserialize, Serialize};
use shared::prediction::ModelVersion;

use crate::calibration::Calibration;

/// Years that the head speaks of.
pub const YEARS: usize = 5;

/// A network's shape; training and serving build it from the same values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Channels of each temporal layer.
    pub channels: usize,
    /// Dilation of each temporal layer, in visits.
    pub dilations: Vec<usize>,
    /// Width of the dense net for the fixed facts.
    pub facts: usize,
    /// Width of the joint layer before the head.
    pub joint: usize,
}

impl Default for Shape {
    fn default() -> Self {
        Self { channels: 32, dilations: vec![1, 2, 4], facts: 64, joint: 64 }
    }
}

/// `config.json` of a released folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name and version.
    pub model: ModelVersion,
    /// How many members the ensemble has.
    pub members: usize,
    /// The members' shape.
    pub shape: Shape,
    /// What turns the ensemble's output into a calibrated risk with an interval.
    pub calibration: Calibration,
    /// What it was trained on, in words.
    pub trained_on: String,
    /// The seed of the training.
    pub seed: u64,
    /// SHA-256 of the weights' file, hexadecimal: config and weights belong together.
    pub weights_sha256: String,
}
