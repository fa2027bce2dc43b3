//! SQL of biopsies.
