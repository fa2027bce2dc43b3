//! Handlers of observations.
