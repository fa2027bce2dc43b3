//! `nephrocast`: serve, worker, migrate, seed, openapi.

fn main() {}
