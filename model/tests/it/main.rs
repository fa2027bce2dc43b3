//! The released network, and what made it.

#![expect(
    unreachable_pub,
    clippy::unwrap_used,
    reason = "a test may panic, and its helpers are nobody else's"
)]

mod card;
mod cohort;
mod dataset;
mod evaluate;
mod inference;
mod predictor;
mod reference;
mod support;
mod train;
