//! The clinical engine against other people's software, at its boundaries, and on random inputs.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod assessment;
mod boundaries;
mod course;
mod properties;
mod vectors;
