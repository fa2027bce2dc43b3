//! The Nephrocast classifier: numbers in, risk out. It knows no database and no HTTP.
//!
//! A temporal convolution over the course of the laboratory values beside a dense net for the
//! fixed facts, with a discrete-time competing-risks head; an ensemble of five.
//! **Trained on simulated patients** (see `README.md`, the model card).

pub mod config;

pub mod features;
pub mod network;

pub mod calibration;
pub mod explain;
pub mod inference;
pub mod predictor;

pub mod cohort;
pub mod dataset;
pub mod loss;
pub mod metrics;
mod optimizer;
pub mod reference;

pub mod checkpoint;
pub mod train;

pub mod card;
pub mod evaluate;
