//! Tests of patients.
