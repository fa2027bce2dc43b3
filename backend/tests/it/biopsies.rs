//! Tests of biopsies.
