//! The API, as its callers meet it, over a real PostgreSQL.

#![expect(
    unreachable_pub,
    clippy::unwrap_used,
    reason = "a test may panic, and its helpers are nobody else's"
)]

mod support;

mod limits;
mod metrics;
mod openapi;
mod session;
mod tidy;

mod access;
mod attacks;
mod audit;
mod backups;
mod lockout;
mod passwords;
mod sealing;
mod second_factors;
mod users;
mod walls;

mod at_once;
mod biopsies;
mod care_teams;
mod dashboard;
mod disclosure;
mod documents;
mod erasures;
mod imports;
mod models;
mod observations;
mod outcomes;
mod patients;
mod prediction_batches;
mod prediction_inputs;
mod prediction_streams;
mod predictions;
mod preferences;
mod reconstruction;
mod records;
mod replica;
mod s3;
mod seed;
mod serve;
mod settings;
mod summaries;
mod therapies;
mod tokens;
mod traces;
mod views;
mod what_ifs;
mod worker;
mod worklist;
