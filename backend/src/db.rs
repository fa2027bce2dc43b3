//! SQL: plain functions over an executor, one file per noun. No HTTP here.

pub mod audit;
pub mod audit_tree;
pub mod backups;
pub mod idempotency;
pub mod password_links;
pub mod preferences;
pub mod replicas;
pub mod second_factors;
pub mod sessions;
pub mod settings;
pub mod sign_in_delays;
pub mod tokens;
pub mod users;
pub mod views;

pub mod biopsies;
pub mod care_teams;
pub mod dashboards;
pub mod documents;
pub mod emergency_accesses;
pub mod erasures;
pub mod observations;
pub mod outcomes;
pub mod patient_lines;
pub mod patient_list;
pub mod patients;
pub mod prediction_batches;
pub mod prediction_inputs;
pub mod predictions;
pub mod therapies;
pub mod threshold_crossings;
pub mod worklist;

pub mod models;
pub mod privacy;
pub mod queue;
pub mod summaries;
pub mod walls;

mod numbered;

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, PgExecutor, PgPool, PgTransaction};
use tracing::Instrument;

/// Begins a transaction, whole or not at all.
///
/// sqlx forgets to end a transaction whose `begin` is given up while it is under way, as when a caller
/// goes away. The next one to get the connection would be in the middle of it, with its role, and
/// nobody would commit what they do. So it goes on until it has begun, and then ends.
pub async fn begin(db: &PgPool) -> sqlx::Result<PgTransaction<'static>> {
    begin_with(db, "begin".to_owned()).await
}

/// The same by a statement of one's own; nothing in it may come from outside.
pub async fn begin_with(db: &PgPool, statement: String) -> sqlx::Result<PgTransaction<'static>> {
    let db = db.clone();
    let beginning = async move { db.begin_with(AssertSqlSafe(statement)).await };
    // Nobody aborts the task, and it does not panic.
    tokio::spawn(beginning.in_current_span()).await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
}

/// What time the database has, whatever transaction asks.
pub async fn time(db: impl PgExecutor<'_>) -> sqlx::Result<DateTime<Utc>> {
    sqlx::query_scalar("select clock_timestamp()").fetch_one(db).await
}

/// A migration that has been applied.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Applied {
    /// Its number.
    pub version: i64,
    /// The rest of its file's name, in words.
    pub description: String,
}

/// The migrations that have been applied.
pub async fn applied(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<Applied>> {
    // The table belongs to the migrator and is not there when queries are checked at compile time.
    sqlx::query_as("select version, description from _sqlx_migrations where success")
        .fetch_all(db)
        .await
}

/// Whether what this role asks for is ever given up.
pub async fn statements_are_bounded(db: impl PgExecutor<'_>) -> sqlx::Result<bool> {
    sqlx::query_scalar!(r#"select current_setting('statement_timeout') <> '0' as "bounded!""#)
        .fetch_one(db)
        .await
}
