//! The clinical engine against other people's software, at its boundaries, and on random inputs.

mod assessment;
mod boundaries;
mod properties;
mod vectors;
