//! How a copy of the database stands that PostgreSQL keeps up to date.

use sqlx::PgExecutor;

/// Up to where the database has written its log.
pub async fn written_up_to(db: impl PgExecutor<'_>) -> sqlx::Result<String> {
    sqlx::query_scalar!(r#"select pg_current_wal_lsn()::text as "written!""#).fetch_one(db).await
}

/// How many seconds a copy is behind that has to have replayed so much; without end, if it has
/// replayed nothing.
pub async fn seconds_behind(db: impl PgExecutor<'_>, written: &str) -> sqlx::Result<f64> {
    sqlx::query_scalar!(
        r#"select coalesce(
            case when not pg_is_in_recovery() or $1::text::pg_lsn <= pg_last_wal_replay_lsn() then 0
                else extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp())
            end::float8,
            'infinity'
        ) as "seconds!""#,
        written,
    )
    .fetch_one(db)
    .await
}
