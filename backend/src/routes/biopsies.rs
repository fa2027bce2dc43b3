//! Handlers of biopsies.
