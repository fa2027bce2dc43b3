//! The released network, and what made it.

mod cohort;
mod dataset;
mod predictor;
mod support;
mod train;
