//! Handlers of predictions.
