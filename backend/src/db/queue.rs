//! The queue's own table, which the queue's library makes and mostly keeps to itself.

use sqlx::{PgConnection, PgExecutor};

/// Takes the jobs with these keys out of the queue, except those that a worker is just doing. The
/// library's `remove_job` would also keep those from being tried again.
pub async fn forget(db: &mut PgConnection, keys: &[String]) -> sqlx::Result<()> {
    // Asked without the macro: no migration of ours makes the table.
    sqlx::query(
        "delete from graphile_worker._private_jobs where key = any($1) and locked_at is null",
    )
    .bind(keys)
    .execute(db)
    .await?;
    Ok(())
}

/// Whether a job with one of these keys waits for a worker.
pub async fn waits(db: impl PgExecutor<'_>, keys: &[String]) -> sqlx::Result<bool> {
    sqlx::query_scalar(
        "select exists(
            select from graphile_worker._private_jobs
            where key = any($1) and locked_at is null and attempts < max_attempts
        )",
    )
    .bind(keys)
    .fetch_one(db)
    .await
}
