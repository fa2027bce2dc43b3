//! Second factors, their recovery codes, and sign-ins that wait for one.

use chrono::{DateTime, Utc};
use shared::id::UserId;
use sqlx::{PgConnection, PgExecutor};

/// A second factor as it is stored.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The sealed secret.
    pub secret: Vec<u8>,
    /// Whether signing in asks for it.
    pub is_confirmed: bool,
    /// The step of the last code that was used.
    pub last_step: i64,
}

/// The account's second factor, locked until the transaction ends: two codes at once come one
/// after the other.
pub async fn find(db: &mut PgConnection, user: UserId) -> sqlx::Result<Option<Stored>> {
    sqlx::query_as!(
        Stored,
        r#"select secret, confirmed_at is not null as "is_confirmed!", last_step
        from second_factors
        where user_id = $1
        for update"#,
        user as UserId,
    )
    .fetch_optional(db)
    .await
}

/// Begins to set one up, or begins again; `false` when there is one already.
pub async fn begin(
    db: &mut PgConnection,
    user: UserId,
    secret: &[u8],
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let begun = sqlx::query!(
        "insert into second_factors as known (user_id, secret, created_at)
        values ($1, $2, $3)
        on conflict (user_id) do update
        set secret = $2, created_at = $3, last_step = 0
        where known.confirmed_at is null",
        user as UserId,
        secret,
        now,
    )
    .execute(db)
    .await?;
    Ok(begun.rows_affected() == 1)
}

/// From now on signing in asks for it; a code can be used for this once, too.
pub async fn confirm(
    db: &mut PgConnection,
    user: UserId,
    step: i64,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update second_factors set confirmed_at = $3, last_step = $2 where user_id = $1",
        user as UserId,
        step,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Notes that the code of a step was used.
pub async fn use_step(db: &mut PgConnection, user: UserId, step: i64) -> sqlx::Result<()> {
    sqlx::query!(
        "update second_factors set last_step = $2 where user_id = $1",
        user as UserId,
        step,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Every sealed secret with its owner.
pub async fn sealed(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<(UserId, Vec<u8>)>> {
    let found = sqlx::query!(r#"select user_id as "user_id: UserId", secret from second_factors"#)
        .fetch_all(db)
        .await?;
    Ok(found.into_iter().map(|row| (row.user_id, row.secret)).collect())
}

/// Replaces a sealed secret by the same one sealed anew, unless it has changed.
pub async fn reseal(
    db: impl PgExecutor<'_>,
    user: UserId,
    before: &[u8],
    after: &[u8],
) -> sqlx::Result<()> {
    sqlx::query!(
        "update second_factors set secret = $3 where user_id = $1 and secret = $2",
        user as UserId,
        before,
        after,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Removes the second factor and its recovery codes; `false` when there is none.
pub async fn remove(db: &mut PgConnection, user: UserId) -> sqlx::Result<bool> {
    let removed = sqlx::query!("delete from second_factors where user_id = $1", user as UserId)
        .execute(db)
        .await?;
    Ok(removed.rows_affected() == 1)
}

/// Whether the account has a second factor, whether the site requires one of it, and how many
/// recovery codes are left.
pub async fn standing(db: impl PgExecutor<'_>, user: UserId) -> sqlx::Result<(bool, bool, i64)> {
    let found = sqlx::query!(
        r#"select
            exists(select from second_factors
                where user_id = users.id and confirmed_at is not null) as "enabled!",
            role = any(second_factor_required) as "required!",
            (select count(*) from recovery_codes
                where user_id = users.id and used_at is null) as "left!"
        from users
        cross join settings
        where id = $1"#,
        user as UserId,
    )
    .fetch_one(db)
    .await?;
    Ok((found.enabled, found.required, found.left))
}

/// Puts fresh recovery codes, by their hashes, in the place of all earlier ones.
pub async fn set_recovery_codes(
    db: &mut PgConnection,
    user: UserId,
    hashes: &[Vec<u8>],
) -> sqlx::Result<()> {
    sqlx::query!("delete from recovery_codes where user_id = $1", user as UserId)
        .execute(&mut *db)
        .await?;
    sqlx::query!(
        "insert into recovery_codes (user_id, hash) select $1, * from unnest($2::bytea[])",
        user as UserId,
        hashes,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Uses a recovery code up; `false` when it is none, or used.
pub async fn use_recovery_code(
    db: &mut PgConnection,
    user: UserId,
    hash: &[u8],
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let used = sqlx::query!(
        "update recovery_codes set used_at = $3
        where user_id = $1 and hash = $2 and used_at is null",
        user as UserId,
        hash,
        now,
    )
    .execute(db)
    .await?;
    Ok(used.rows_affected() == 1)
}

/// Lets a sign-in wait for the second factor.
pub async fn add_challenge(
    db: &mut PgConnection,
    hash: &[u8],
    user: UserId,
    address: Option<&str>,
    expires_at: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into sign_in_challenges (hash, user_id, address, expires_at)
        values ($1, $2, $3, $4)",
        hash,
        user as UserId,
        address,
        expires_at,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Counts an attempt at a challenge and says whose it is, while it is good at this address.
pub async fn try_challenge(
    db: &mut PgConnection,
    hash: &[u8],
    address: Option<&str>,
    attempts: i32,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<UserId>> {
    sqlx::query_scalar!(
        r#"update sign_in_challenges set attempts = attempts + 1
        where hash = $1 and address is not distinct from $2 and attempts < $3
            and $4 < expires_at and used_at is null
        returning user_id as "user_id: UserId""#,
        hash,
        address,
        attempts,
        now,
    )
    .fetch_optional(db)
    .await
}

/// Uses a challenge up; `false` when somebody was faster.
pub async fn use_challenge(
    db: &mut PgConnection,
    hash: &[u8],
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let used = sqlx::query!(
        "update sign_in_challenges set used_at = $2 where hash = $1 and used_at is null",
        hash,
        now,
    )
    .execute(db)
    .await?;
    Ok(used.rows_affected() == 1)
}

/// Forgets challenges whose time is over.
pub async fn forget_challenges(db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query!("delete from sign_in_challenges where expires_at < $1", now).execute(db).await?;
    Ok(())
}
