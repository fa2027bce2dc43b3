//! Clinical engine: being written.
