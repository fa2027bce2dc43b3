//! Runs predictions.
