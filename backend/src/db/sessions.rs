//! Sessions and the refresh tokens that keep them alive.

use chrono::{DateTime, Utc};
use shared::{
    access::Role,
    id::{PatientId, SessionId, UserId},
};
use sqlx::{PgConnection, PgExecutor};

/// Whom a live session speaks for, as the account stands now.
#[derive(Clone, Debug)]
pub struct LiveSession {
    /// The account.
    pub user_id: UserId,
    /// Its role.
    pub role: Role,
    /// The record it is linked to.
    pub patient_id: Option<PatientId>,
}

/// The session, if neither it nor its account has ended.
pub async fn find_live(
    db: impl PgExecutor<'_>,
    id: SessionId,
    idle_since: DateTime<Utc>,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<LiveSession>> {
    sqlx::query_as!(
        LiveSession,
        r#"select users.id as "user_id: UserId", role as "role: Role",
            patient_id as "patient_id: PatientId"
        from sessions
        join users on users.id = sessions.user_id
        where sessions.id = $1
            and ended_at is null
            and $2 < last_used_at
            and $3 < expires_at
            and users.active"#,
        id as SessionId,
        idle_since,
        now,
    )
    .fetch_optional(db)
    .await
}

/// Opens a session.
pub async fn insert(
    db: &mut PgConnection,
    id: SessionId,
    user: UserId,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into sessions (id, user_id, created_at, last_used_at, expires_at)
        values ($1, $2, $3, $3, $4)",
        id as SessionId,
        user as UserId,
        now,
        expires_at,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Stores a refresh token's hash and marks the session as used.
pub async fn add_refresh_token(
    db: &mut PgConnection,
    session: SessionId,
    hash: &[u8],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into refresh_tokens (hash, session_id, issued_at) values ($1, $2, $3)",
        hash,
        session as SessionId,
        now,
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!("update sessions set last_used_at = $2 where id = $1", session as SessionId, now)
        .execute(db)
        .await?;
    Ok(())
}

/// A refresh token and the state of its session.
#[derive(Clone, Debug)]
pub struct FoundToken {
    /// The session it belongs to.
    pub session_id: SessionId,
    /// When it was used; a token has one use.
    pub used_at: Option<DateTime<Utc>>,
}

/// The token, locked until the transaction ends: two uses at once come one after the other.
pub async fn find_refresh_token(
    db: &mut PgConnection,
    hash: &[u8],
) -> sqlx::Result<Option<FoundToken>> {
    sqlx::query_as!(
        FoundToken,
        r#"select session_id as "session_id: SessionId", used_at
        from refresh_tokens
        where hash = $1
        for update"#,
        hash,
    )
    .fetch_optional(db)
    .await
}

/// Marks a refresh token as used.
pub async fn use_refresh_token(
    db: &mut PgConnection,
    hash: &[u8],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!("update refresh_tokens set used_at = $2 where hash = $1", hash, now)
        .execute(db)
        .await?;
    Ok(())
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum EndReason {
    /// The person signed out.
    SignedOut,
    /// A refresh token was used twice: somebody has a copy.
    TokenReused,
}

/// Ends a session, if it has not ended already; its access tokens count no more.
pub async fn end(
    db: &mut PgConnection,
    id: SessionId,
    reason: EndReason,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let ended = sqlx::query!(
        "update sessions set ended_at = $2, end_reason = $3 where id = $1 and ended_at is null",
        id as SessionId,
        now,
        reason as EndReason,
    )
    .execute(db)
    .await?;
    Ok(ended.rows_affected() == 1)
}
