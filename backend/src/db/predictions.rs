//! SQL of predictions.
