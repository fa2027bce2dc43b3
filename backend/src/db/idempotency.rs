//! The first answer to each `Idempotency-Key`, in the transaction of what it created.

use chrono::{DateTime, Utc};
use serde_json::Value;
use shared::id::UserId;
use sqlx::PgConnection;

/// What an earlier request with the same key was answered.
#[derive(Clone, Debug)]
pub struct FirstAnswer {
    /// SHA-256 of that request's method, path and body.
    pub fingerprint: Vec<u8>,
    /// Its status.
    pub status: i16,
    /// Its `Location`.
    pub location: Option<String>,
    /// Its version.
    pub version: Option<i32>,
    /// Its body.
    pub body: Value,
}

/// Claims a key for this transaction: `None` when it is new. A second request with the same key
/// waits here until the first has committed or gone, then sees its answer.
pub async fn claim(
    db: &mut PgConnection,
    user: UserId,
    key: &str,
    fingerprint: &[u8],
    now: DateTime<Utc>,
) -> sqlx::Result<Option<FirstAnswer>> {
    let claimed = sqlx::query!(
        "insert into idempotency_keys (user_id, key, fingerprint, created_at)
        values ($1, $2, $3, $4)
        on conflict (user_id, key) do nothing",
        user as UserId,
        key,
        fingerprint,
        now,
    )
    .execute(&mut *db)
    .await?;
    if claimed.rows_affected() == 1 {
        return Ok(None);
    }
    let first = sqlx::query_as!(
        FirstAnswer,
        r#"select fingerprint, status as "status!", location, version, body as "body!"
        from idempotency_keys
        where user_id = $1 and key = $2"#,
        user as UserId,
        key,
    )
    .fetch_one(db)
    .await?;
    Ok(Some(first))
}

/// Keeps the answer under a key that this transaction claimed.
pub async fn keep(
    db: &mut PgConnection,
    user: UserId,
    key: &str,
    answer: &FirstAnswer,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update idempotency_keys
        set status = $3, location = $4, version = $5, body = $6
        where user_id = $1 and key = $2",
        user as UserId,
        key,
        answer.status,
        answer.location,
        answer.version,
        answer.body,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets keys that were used before this moment.
pub async fn forget(db: &mut PgConnection, before: DateTime<Utc>) -> sqlx::Result<u64> {
    let gone = sqlx::query!("delete from idempotency_keys where created_at < $1", before)
        .execute(db)
        .await?;
    Ok(gone.rows_affected())
}
