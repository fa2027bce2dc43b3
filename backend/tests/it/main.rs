//! The API, as its callers meet it, over a real PostgreSQL.

mod support;

mod openapi;
mod session;
mod tidy;

mod access;

mod biopsies;
mod observations;
mod outcomes;
mod patients;
mod predictions;
mod seed;
mod therapies;
mod worker;
