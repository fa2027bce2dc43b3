//! Tests of observations.
