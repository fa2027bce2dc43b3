//! Links with which somebody sets their password, once.

use chrono::{DateTime, Utc};
use shared::{
    access::Role,
    id::{PatientId, UserId},
    user::User,
};
use sqlx::{PgConnection, PgExecutor};

/// Adds a link; earlier ones of the account are good no more.
pub async fn insert(
    db: &mut PgConnection,
    user: UserId,
    hash: &[u8],
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!("delete from password_links where user_id = $1", user as UserId)
        .execute(&mut *db)
        .await?;
    sqlx::query!(
        "insert into password_links (hash, user_id, created_at, expires_at)
        values ($1, $2, $3, $4)",
        hash,
        user as UserId,
        now,
        expires_at,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Whose link it is, if it is still good.
pub async fn find_user(
    db: impl PgExecutor<'_>,
    hash: &[u8],
    now: DateTime<Utc>,
) -> sqlx::Result<Option<User>> {
    sqlx::query_as!(
        User,
        r#"select users.id as "id: UserId", email, display_name, role as "role: Role",
            patient_id as "patient_id: PatientId"
        from password_links
        join users on users.id = password_links.user_id
        where hash = $1 and used_at is null and $2 < expires_at and active"#,
        hash,
        now,
    )
    .fetch_optional(db)
    .await
}

/// Uses a link up; `false` when somebody was faster or its time is over.
pub async fn use_up(db: &mut PgConnection, hash: &[u8], now: DateTime<Utc>) -> sqlx::Result<bool> {
    let used = sqlx::query!(
        "update password_links set used_at = $2
        where hash = $1 and used_at is null and $2 < expires_at",
        hash,
        now,
    )
    .execute(db)
    .await?;
    Ok(used.rows_affected() == 1)
}

/// Withdraws every link of an account.
pub async fn withdraw(db: &mut PgConnection, user: UserId) -> sqlx::Result<()> {
    sqlx::query!("delete from password_links where user_id = $1", user as UserId)
        .execute(db)
        .await?;
    Ok(())
}
