//! Accounts.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::{
    access::Role,
    id::{PatientId, UserId},
    user::{Account, AccountState, User},
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

/// Notes that somebody has signed in.
pub async fn signed_in(db: &mut PgConnection, id: UserId, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query!("update users set last_sign_in_at = $2 where id = $1", id as UserId, now)
        .execute(db)
        .await?;
    Ok(())
}

/// The account, if it is open, as its owner sees it.
pub async fn find_active(db: impl PgExecutor<'_>, id: UserId) -> sqlx::Result<Option<User>> {
    sqlx::query_as!(
        User,
        r#"select id as "id: UserId", email, display_name, role as "role: Role",
            patient_id as "patient_id: PatientId"
        from users
        where id = $1 and active"#,
        id as UserId,
    )
    .fetch_optional(db)
    .await
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
        "insert into users
            (id, email, display_name, role, patient_id, password_hash, password_set_at, created_at)
        values ($1, lower($2), $3, $4, $5, $6, $7, $7)
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

/// The hash of the account's password.
pub async fn password_hash(db: impl PgExecutor<'_>, id: UserId) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!("select password_hash from users where id = $1", id as UserId)
        .fetch_optional(db)
        .await
}

/// Sets the password.
pub async fn set_password(
    db: &mut PgConnection,
    id: UserId,
    hash: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    forget_challenges(&mut *db, id).await?;
    sqlx::query!(
        "update users set password_hash = $2, password_set_at = $3 where id = $1",
        id as UserId,
        hash,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Puts a hash that nobody knows the password of in the place of the password.
pub async fn forget_password(db: &mut PgConnection, id: UserId, hash: &str) -> sqlx::Result<()> {
    forget_challenges(&mut *db, id).await?;
    sqlx::query!(
        "update users set password_hash = $2, password_set_at = null where id = $1",
        id as UserId,
        hash,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Who knew the password that was has nothing to finish signing in with.
async fn forget_challenges(db: &mut PgConnection, id: UserId) -> sqlx::Result<()> {
    sqlx::query!("delete from sign_in_challenges where user_id = $1", id as UserId)
        .execute(db)
        .await?;
    Ok(())
}

/// Replaces the hash of the same password by a stronger one, unless the password has changed.
pub async fn strengthen(
    db: &mut PgConnection,
    id: UserId,
    weak: &str,
    strong: &str,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update users set password_hash = $3 where id = $1 and password_hash = $2",
        id as UserId,
        weak,
        strong,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Accounts as administrators see them, with a condition and an order.
macro_rules! accounts {
    ($db:expr, $fetch:ident, $now:expr, $condition:tt $(, $argument:expr)*) => {
        sqlx::query_as!(
            Account,
            r#"select id as "id!: UserId", version as "version!", email as "email!",
                display_name as "display_name!", role as "role!: Role",
                patient_id as "patient_id: PatientId", state as "state!: AccountState",
                created_at as "created_at!", last_sign_in_at, second_factor as "second_factor!"
            from (
                select users.*,
                    exists(
                        select from second_factors
                        where user_id = users.id and confirmed_at is not null
                    ) as second_factor,
                    case
                        when not active then 'deactivated'
                        when password_set_at is null then 'pending'
                        when exists(
                            select from sign_in_delays
                            where account = sha256(convert_to(email, 'UTF8'))
                                and $1 < blocked_until
                        ) then 'locked'
                        else 'active'
                    end as state
                from users
            ) as accounts
            where "# + $condition,
            $now
            $(, $argument)*
        )
        .$fetch($db)
        .await
    };
}

/// The account, as administrators see it.
pub async fn find_account(
    db: impl PgExecutor<'_>,
    id: UserId,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<Account>> {
    accounts!(db, fetch_optional, now, "id = $2", id as UserId)
}

/// Which accounts to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Part of the name or of the e-mail address, in any case.
    pub text: Option<String>,
    /// With this role.
    pub role: Option<Role>,
    /// In this state.
    pub state: Option<AccountState>,
}

/// Where in the list an account stands: its name in lower case, and its id.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Position(pub String, pub UserId);

/// Accounts by name, after a position when it is given.
pub async fn list(
    db: impl PgExecutor<'_>,
    filter: &Filter,
    after: Option<&Position>,
    limit: i64,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Account>> {
    accounts!(
        db,
        fetch_all,
        now,
        "($2::text is null or searchable(display_name || ' ' || email) like searchable($2))
            and ($3::text is null or role = $3)
            and ($4::text is null or state = $4)
            and ($5::text is null or (lower(display_name), id) > ($5, $6::uuid))
        order by lower(display_name), id
        limit $7",
        filter.text.as_deref().map(super::patient_list::pattern),
        filter.role as Option<Role>,
        filter.state as Option<AccountState>,
        after.map(|Position(name, _)| name.as_str()),
        after.map(|Position(_, id)| id.0),
        limit
    )
}

/// Locks every open account of these roles, in one order, so that two changes cannot each rely on
/// what the other one takes away; answers those that somebody can sign in with.
pub async fn lock_usable(db: &mut PgConnection, roles: &[Role]) -> sqlx::Result<Vec<UserId>> {
    let found = sqlx::query!(
        r#"select id as "id: UserId", password_set_at is not null as "has_password!"
        from users
        where role = any($1) and active
        order by id
        for update"#,
        roles as &[Role],
    )
    .fetch_all(db)
    .await?;
    Ok(found.into_iter().filter(|row| row.has_password).map(|row| row.id).collect())
}

/// Stores what an administrator changed of an account.
pub async fn update(db: &mut PgConnection, changed: &Account, active: bool) -> sqlx::Result<()> {
    sqlx::query!(
        "update users
        set version = $2, display_name = $3, role = $4, patient_id = $5, active = $6
        where id = $1",
        changed.id as UserId,
        changed.version,
        changed.display_name,
        changed.role as Role,
        changed.patient_id as Option<PatientId>,
        active,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Locks one account against changes by others until the transaction ends.
pub async fn lock(db: &mut PgConnection, id: UserId) -> sqlx::Result<()> {
    sqlx::query!("select version from users where id = $1 for update", id as UserId)
        .fetch_optional(db)
        .await?;
    Ok(())
}
