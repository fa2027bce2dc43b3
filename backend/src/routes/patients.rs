//! Handlers of patients.
