//! Sessions and the refresh tokens that keep them alive.

use chrono::{DateTime, Utc};
use shared::{
    access::{Role, SitePolicy, Visibility},
    id::{PatientId, SessionId, UserId},
    session::{Session, SessionTerms},
};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

/// Whom a live session speaks for, as the account stands now.
#[derive(Clone, Debug)]
pub struct LiveSession {
    id: SessionId,
    /// The account.
    pub user_id: UserId,
    /// Its role.
    pub role: Role,
    /// The record it is linked to.
    pub patient_id: Option<PatientId>,
    /// The site requires a second factor of the role, and the account has none.
    pub must_enrol: bool,
    /// When it was last used, to the minute.
    pub last_used_at: DateTime<Utc>,
    patients_see_risk: bool,
    visibility: Visibility,
}

impl LiveSession {
    /// What the site's settings leave of the policy.
    pub const fn site(&self) -> SitePolicy {
        SitePolicy { patients_see_risk: self.patients_see_risk, visibility: self.visibility }
    }
}

/// Each of these sessions, if neither it nor its account has ended by the site's settings as they are
/// now.
pub async fn find_live(
    db: impl PgExecutor<'_>,
    ids: &[SessionId],
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Option<LiveSession>>> {
    let wanted: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let found = sqlx::query_as!(
        LiveSession,
        r#"select sessions.id as "id: SessionId", users.id as "user_id: UserId", role as "role: Role",
            patient_id as "patient_id: PatientId", patients_see_risk, last_used_at,
            visibility as "visibility: Visibility",
            role = any(second_factor_required) and not exists(
                select from second_factors
                where second_factors.user_id = users.id and confirmed_at is not null
            ) as "must_enrol!"
        from sessions
        join users on users.id = sessions.user_id
        cross join settings
        where sessions.id = any($1)
            and ended_at is null
            and $2 < last_used_at + make_interval(mins => session_idle_minutes)
            and $2 < expires_at
            and $2 < sessions.created_at + make_interval(hours => session_hours)
            and users.active"#,
        &wanted,
        now,
    )
    .fetch_all(db)
    .await?;
    let found_as = |id: &SessionId| found.iter().find(|session| session.id == *id).cloned();
    Ok(ids.iter().map(found_as).collect())
}

/// Notes a use: from it on the session is idle.
pub async fn mark_used(
    db: impl PgExecutor<'_>,
    id: SessionId,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update sessions set last_used_at = $2 where id = $1 and last_used_at < $2",
        id as SessionId,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// What holds for a session as the site's settings are now.
pub async fn terms(db: impl PgExecutor<'_>, id: SessionId) -> sqlx::Result<SessionTerms> {
    let found = sqlx::query!(
        r#"select least(expires_at, sessions.created_at + make_interval(hours => session_hours))
                as "expires_at!",
            session_idle_minutes, patients_see_risk, visibility as "visibility: Visibility",
            role = any(second_factor_required) and not exists(
                select from second_factors
                where second_factors.user_id = users.id and confirmed_at is not null
            ) as "must_enrol!"
        from sessions
        join users on users.id = sessions.user_id
        cross join settings
        where sessions.id = $1"#,
        id as SessionId,
    )
    .fetch_one(db)
    .await?;
    Ok(SessionTerms {
        id,
        expires_at: found.expires_at,
        idle_minutes: found.session_idle_minutes,
        must_enrol: found.must_enrol,
        site: SitePolicy {
            patients_see_risk: found.patients_see_risk,
            visibility: found.visibility,
        },
    })
}

/// Where a session begins, and with what.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The address.
    pub address: Option<String>,
    /// The program and the system, such as `Firefox on Linux`.
    pub device: Option<String>,
}

/// Opens a session; its absolute limit is the site's.
pub async fn insert(
    db: &mut PgConnection,
    id: SessionId,
    user: UserId,
    origin: &Origin,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into sessions
            (id, user_id, created_at, last_used_at, expires_at, address, device)
        select $1, $2, $3, $3, $3::timestamptz + make_interval(hours => session_hours), $4, $5
        from settings",
        id as SessionId,
        user as UserId,
        now,
        origin.address,
        origin.device,
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
    /// The account.
    pub user_id: UserId,
    /// Its role.
    pub role: Role,
    /// When it was used; a token has one use.
    pub used_at: Option<DateTime<Utc>>,
    /// The client that used it.
    pub used_from: Option<String>,
}

/// The token, locked until the transaction ends: two uses at once come one after the other.
pub async fn find_refresh_token(
    db: &mut PgConnection,
    hash: &[u8],
) -> sqlx::Result<Option<FoundToken>> {
    sqlx::query_as!(
        FoundToken,
        r#"select session_id as "session_id: SessionId", users.id as "user_id: UserId",
            role as "role: Role", used_at, used_from
        from refresh_tokens
        join sessions on sessions.id = session_id
        join users on users.id = sessions.user_id
        where hash = $1
        for update of refresh_tokens"#,
        hash,
    )
    .fetch_optional(db)
    .await
}

/// Marks a refresh token as used; `used_from` is the client that showed it.
pub async fn use_refresh_token(
    db: &mut PgConnection,
    hash: &[u8],
    used_from: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update refresh_tokens set used_at = $2, used_from = $3 where hash = $1",
        hash,
        now,
        used_from,
    )
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
    /// Its owner ended it from another session.
    Revoked,
    /// Its owner changed the password in another session.
    PasswordChanged,
    /// An administrator reset the password.
    PasswordReset,
    /// An administrator changed the role.
    RoleChanged,
    /// An administrator closed the account.
    Deactivated,
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

/// The live sessions of an account, last used first; `current` is the one that asks.
pub async fn list(
    db: impl PgExecutor<'_>,
    user: UserId,
    current: SessionId,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Session>> {
    sqlx::query_as!(
        Session,
        r#"select id as "id: SessionId", created_at as started_at, last_used_at,
            least(expires_at, created_at + make_interval(hours => session_hours))
                as "expires_at!",
            address, device, id = $2 as "current!"
        from sessions
        cross join settings
        where user_id = $1
            and ended_at is null
            and $3 < last_used_at + make_interval(mins => session_idle_minutes)
            and $3 < expires_at
            and $3 < created_at + make_interval(hours => session_hours)
        order by last_used_at desc, id desc
        limit 200"#,
        user as UserId,
        current as SessionId,
        now,
    )
    .fetch_all(db)
    .await
}

/// Ends every session of an account except one, if one is named; answers how many.
pub async fn end_all(
    db: &mut PgConnection,
    user: UserId,
    except: Option<SessionId>,
    reason: EndReason,
    now: DateTime<Utc>,
) -> sqlx::Result<u64> {
    let ended = sqlx::query!(
        "update sessions set ended_at = $3, end_reason = $4
        where user_id = $1 and id is distinct from $2 and ended_at is null",
        user as UserId,
        except as Option<SessionId>,
        now,
        reason as EndReason,
    )
    .execute(db)
    .await?;
    Ok(ended.rows_affected())
}

/// Whether a session of the account has begun at an address lately.
pub async fn has_begun_at(
    db: impl PgExecutor<'_>,
    email: &str,
    address: &str,
    since: DateTime<Utc>,
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists(
            select from sessions
            join users on users.id = sessions.user_id
            where email = lower($1) and address = $2 and $3 < sessions.created_at
        ) as "begun!""#,
        email,
        address,
        since,
    )
    .fetch_one(db)
    .await
}
