//! SQL of observations.
