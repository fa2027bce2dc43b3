//! What a worker does.

pub mod events;
pub mod predict;
