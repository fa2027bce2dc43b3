//! Failed attempts to sign in, and until when the next one has to wait.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};

/// Counts an attempt and answers how many there are; `None`, uncounted, while a delay lasts.
/// Attempts that come at once are counted one after the other.
pub async fn count(
    db: impl PgExecutor<'_>,
    account: &[u8],
    place: &str,
    now: DateTime<Utc>,
    forget_before: DateTime<Utc>,
) -> sqlx::Result<Option<i32>> {
    sqlx::query_scalar!(
        "insert into sign_in_delays as known (account, place, failures, last_failed_at)
        values ($1, $2, 1, $3)
        on conflict (account, place) do update
        set failures = case when known.last_failed_at < $4 then 1 else known.failures + 1 end,
            last_failed_at = $3,
            blocked_until = null
        where known.blocked_until is null or known.blocked_until <= $3
        returning failures",
        account,
        place,
        now,
        forget_before,
    )
    .fetch_optional(db)
    .await
}

/// Lets nobody try again before a moment.
pub async fn block(
    db: &mut PgConnection,
    account: &[u8],
    place: &str,
    until: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update sign_in_delays set blocked_until = $3 where account = $1 and place = $2",
        account,
        place,
        until,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Until when the next attempt has to wait.
pub async fn blocked_until(
    db: &mut PgConnection,
    account: &[u8],
    place: &str,
) -> sqlx::Result<Option<DateTime<Utc>>> {
    let found = sqlx::query_scalar!(
        "select blocked_until from sign_in_delays where account = $1 and place = $2",
        account,
        place,
    )
    .fetch_optional(db)
    .await?;
    Ok(found.flatten())
}

/// Takes one attempt back, and the delay that it caused.
pub async fn take_back(db: &mut PgConnection, account: &[u8], place: &str) -> sqlx::Result<()> {
    sqlx::query!(
        "update sign_in_delays
        set failures = greatest(failures - 1, 0), blocked_until = null
        where account = $1 and place = $2",
        account,
        place,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets the failures of an account at one place.
pub async fn forget(db: &mut PgConnection, account: &[u8], place: &str) -> sqlx::Result<()> {
    sqlx::query!("delete from sign_in_delays where account = $1 and place = $2", account, place,)
        .execute(db)
        .await?;
    Ok(())
}

/// Forgets the failures of an account everywhere.
pub async fn forget_all(db: &mut PgConnection, account: &[u8]) -> sqlx::Result<()> {
    sqlx::query!("delete from sign_in_delays where account = $1", account).execute(db).await?;
    Ok(())
}

/// Forgets what failed last before this moment.
pub async fn forget_before(db: &mut PgConnection, before: DateTime<Utc>) -> sqlx::Result<u64> {
    let gone = sqlx::query!("delete from sign_in_delays where last_failed_at < $1", before)
        .execute(db)
        .await?;
    Ok(gone.rows_affected())
}
