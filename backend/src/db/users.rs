//! Accounts.

use chrono::{DateTime, Utc};
use shared::{
    access::Role,
    id::{PatientId, UserId},
    user::User,
};
use sqlx::{PgConnection, PgExecutor};

/// The account and its password's hash, for signing in. Deactivated accounts are not found.
pub async fn find_for_sign_in(
    db: impl PgExecutor<'_>,
    email: &str,
) -> sqlx::Result<Option<(UserId, String)>> {
    let found = sqlx::query!(
        r#"select id as "id: UserId", password_hash
        from users
        where email = lower($1) and active"#,
        email,
    )
    .fetch_optional(db)
    .await?;
    Ok(found.map(|row| (row.id, row.password_hash)))
}

/// The account, as its owner sees it.
pub async fn find(db: impl PgExecutor<'_>, id: UserId) -> sqlx::Result<Option<User>> {
    sqlx::query_as!(
        User,
        r#"select id as "id: UserId", email, display_name, role as "role: Role",
            patient_id as "patient_id: PatientId"
        from users
        where id = $1"#,
        id as UserId,
    )
    .fetch_optional(db)
    .await
}

/// Adds an account; `false` when the address is taken.
pub async fn insert(
    db: &mut PgConnection,
    user: &User,
    password_hash: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let added = sqlx::query!(
        "insert into users (id, email, display_name, role, patient_id, password_hash, created_at)
        values ($1, lower($2), $3, $4, $5, $6, $7)
        on conflict (email) do nothing",
        user.id as UserId,
        user.email,
        user.display_name,
        user.role as Role,
        user.patient_id as Option<PatientId>,
        password_hash,
        now,
    )
    .execute(db)
    .await?;
    Ok(added.rows_affected() == 1)
}

/// Whether there is any account at all.
pub async fn any(db: impl PgExecutor<'_>) -> sqlx::Result<bool> {
    sqlx::query_scalar!(r#"select exists(select from users) as "any!""#).fetch_one(db).await
}

/// The account with this e-mail address, active or not.
pub async fn find_by_email(db: impl PgExecutor<'_>, email: &str) -> sqlx::Result<Option<UserId>> {
    sqlx::query_scalar!(r#"select id as "id: UserId" from users where email = lower($1)"#, email)
        .fetch_optional(db)
        .await
}
