//! Tests of therapies.
