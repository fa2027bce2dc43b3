//! SQL of therapies.
