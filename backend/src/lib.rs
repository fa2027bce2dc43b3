//! The Nephrocast API and worker.
//!
//! `router → routes → {auth, extract, db, error}`; `jobs → {db, model}`; `db → sqlx + shared`.
//! `db` knows no HTTP, `routes` hold no SQL; a test checks both.

pub mod clock;
pub mod config;
pub mod error;
pub mod metrics;
pub mod replica;
pub mod state;
pub mod telemetry;
pub mod tls;
pub mod together;

pub mod accounts;
pub mod auth;
pub mod body;
pub mod extract;
pub mod input;
pub mod limits;
pub mod page;

pub mod audit;
pub mod backup;
pub mod dashboards;
pub mod db;
pub mod derived;
pub mod documents;
pub mod drift;
pub mod imports;
pub mod jobs;
pub mod models;
pub mod routes;
pub mod summaries;
pub mod worklist;

pub mod openapi;
pub mod refusals;
pub mod router;
pub mod seed;
pub mod server;

/// The migrations, compiled into the binary.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("../migrations");
