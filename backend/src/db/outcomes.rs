//! SQL of outcomes.
