//! API tokens: only their hashes.

use chrono::{DateTime, NaiveDate, Utc};
use shared::{
    access::{Role, Scope, SitePolicy, Visibility},
    id::{PatientId, TokenId, UserId},
    token::{Token, TokenOwner},
};
use sqlx::{PgConnection, PgExecutor};

/// Whom a live token speaks for, as the account stands now.
#[derive(Clone, Debug)]
pub struct LiveToken {
    /// The token.
    pub id: TokenId,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// The account.
    pub user_id: UserId,
    /// Its role.
    pub role: Role,
    /// The record it is linked to.
    pub patient_id: Option<PatientId>,
    /// The day of its latest use.
    pub last_used_on: Option<NaiveDate>,
    /// Where it was used from.
    pub last_used_address: Option<String>,
    /// The site requires a second factor of the role, and the account has none.
    pub must_enrol: bool,
    patients_see_risk: bool,
    visibility: Visibility,
}

impl LiveToken {
    /// What the site's settings leave of the policy.
    pub const fn site(&self) -> SitePolicy {
        SitePolicy { patients_see_risk: self.patients_see_risk, visibility: self.visibility }
    }
}

/// The token with this hash, if neither it nor its account has ended.
pub async fn find_live(
    db: impl PgExecutor<'_>,
    hash: &[u8],
    now: DateTime<Utc>,
) -> sqlx::Result<Option<LiveToken>> {
    sqlx::query_as!(
        LiveToken,
        r#"select api_tokens.id as "id: TokenId", scopes as "scopes: Vec<Scope>",
            users.id as "user_id: UserId", role as "role: Role",
            patient_id as "patient_id: PatientId", last_used_on, last_used_address,
            patients_see_risk, visibility as "visibility: Visibility",
            role = any(second_factor_required) and not exists(
                select from second_factors
                where second_factors.user_id = users.id and confirmed_at is not null
            ) as "must_enrol!"
        from api_tokens
        join users on users.id = api_tokens.user_id
        cross join settings
        where hash = $1
            and revoked_at is null
            and $2 < expires_at
            and users.active"#,
        hash,
        now,
    )
    .fetch_optional(db)
    .await
}

/// The role of a token's owner, the site's policy and whether a second factor is missing now, if
/// neither the token nor the account has ended.
pub async fn standing_of_live(
    db: impl PgExecutor<'_>,
    id: TokenId,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<(Role, SitePolicy, bool)>> {
    let found = sqlx::query!(
        r#"select role as "role: Role", patients_see_risk, visibility as "visibility: Visibility",
            role = any(second_factor_required) and not exists(
                select from second_factors
                where second_factors.user_id = users.id and confirmed_at is not null
            ) as "must_enrol!"
        from api_tokens
        join users on users.id = api_tokens.user_id
        cross join settings
        where api_tokens.id = $1 and revoked_at is null and $2 < expires_at and users.active"#,
        id as TokenId,
        now,
    )
    .fetch_optional(db)
    .await?;
    Ok(found.map(|row| {
        let (patients_see_risk, visibility) = (row.patients_see_risk, row.visibility);
        (row.role, SitePolicy { patients_see_risk, visibility }, row.must_enrol)
    }))
}

/// Notes a use.
pub async fn mark_used(
    db: impl PgExecutor<'_>,
    id: TokenId,
    on: NaiveDate,
    address: Option<&str>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update api_tokens set last_used_on = $2, last_used_address = $3 where id = $1",
        id as TokenId,
        on,
        address,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Adds a token.
pub async fn insert(db: &mut PgConnection, token: &Token, hash: &[u8]) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into api_tokens (id, user_id, name, hash, scopes, created_at, expires_at)
        values ($1, $2, $3, $4, $5, $6, $7)",
        token.id as TokenId,
        token.owner.id as UserId,
        token.name,
        hash,
        &token.scopes as _,
        token.created_at,
        token.expires_at,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// How many of an account's tokens are in use. The account is locked until the transaction ends,
/// so that two requests at once do not both take the last place.
pub async fn count_live(
    db: &mut PgConnection,
    user: UserId,
    now: DateTime<Utc>,
) -> sqlx::Result<i64> {
    sqlx::query!("select id from users where id = $1 for update", user as UserId)
        .fetch_one(&mut *db)
        .await?;
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from api_tokens
        where user_id = $1 and revoked_at is null and $2 < expires_at"#,
        user as UserId,
        now,
    )
    .fetch_one(db)
    .await
}

struct Row {
    id: TokenId,
    name: String,
    scopes: Vec<Scope>,
    owner_id: UserId,
    display_name: String,
    role: Role,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    last_used_on: Option<NaiveDate>,
    last_used_address: Option<String>,
    revoked_at: Option<DateTime<Utc>>,
}

impl From<Row> for Token {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            name: row.name,
            scopes: row.scopes,
            owner: TokenOwner { id: row.owner_id, display_name: row.display_name, role: row.role },
            created_at: row.created_at,
            expires_at: row.expires_at,
            last_used_on: row.last_used_on,
            last_used_address: row.last_used_address,
            revoked_at: row.revoked_at,
        }
    }
}

/// Tokens, newest first: an account's, or everybody's.
pub async fn list(
    db: impl PgExecutor<'_>,
    owner: Option<UserId>,
    before: Option<TokenId>,
    rows: i64,
) -> sqlx::Result<Vec<Token>> {
    let rows = sqlx::query_as!(
        Row,
        r#"select api_tokens.id as "id: TokenId", name, scopes as "scopes: Vec<Scope>",
            users.id as "owner_id: UserId", display_name, role as "role: Role",
            api_tokens.created_at, expires_at, last_used_on, last_used_address, revoked_at
        from api_tokens
        join users on users.id = api_tokens.user_id
        where ($1::uuid is null or user_id = $1) and ($2::uuid is null or api_tokens.id < $2)
        order by api_tokens.id desc
        limit $3"#,
        owner as Option<UserId>,
        before as Option<TokenId>,
        rows,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(Token::from).collect())
}

/// Revokes a token, of this owner or of anybody: its name, or `None` when there is no such token
/// in use.
pub async fn revoke(
    db: &mut PgConnection,
    id: TokenId,
    owner: Option<UserId>,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!(
        "update api_tokens set revoked_at = $3
        where id = $1 and ($2::uuid is null or user_id = $2) and revoked_at is null
        returning name",
        id as TokenId,
        owner as Option<UserId>,
        now,
    )
    .fetch_optional(db)
    .await
}
