//! Demo data: accounts and fictional patients.
