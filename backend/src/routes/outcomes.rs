//! Handlers of outcomes.
