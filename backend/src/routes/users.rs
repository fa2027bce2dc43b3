//! Accounts, run by administrators.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    access::{Permission, Reach, Role},
    id::{PatientId, UserId},
    page::Page,
    phrase,
    user::{Account, AccountPatch, AccountState, CreatedAccount, NewAccount, PasswordLink, User},
};
use sqlx::PgConnection;
use utoipa::IntoParams;

use crate::{
    accounts,
    auth::{Allowed, Caller, ManageUsers, lockout, secret::Secret},
    db::{
        self,
        audit::Event,
        sessions::EndReason,
        users::{Filter, Position},
    },
    error::{Error, Result},
    extract::{Created, Creation, IfMatch, Json, Path, Query, Versioned},
    input::{Faults, searched},
    openapi::Problems,
    page,
    routes::{changes, keep, replay},
    state::AppState,
};

/// Which accounts to list.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UserQuery {
    /// Part of a name or of an e-mail address, in any case.
    pub q: Option<String>,
    /// With this role.
    pub role: Option<Role>,
    /// In this state.
    pub state: Option<AccountState>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Items per page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<u32>,
}

/// List accounts by name.
#[utoipa::path(get, path = "/api/v1/users", tag = "users", security(("bearer" = [])),
    params(UserQuery),
    responses((status = 200, description = "A page", body = Page<Account>), Problems))]
pub async fn list_users(
    _: Allowed<ManageUsers>,
    State(state): State<AppState>,
    Query(query): Query<UserQuery>,
) -> Result<Json<Page<Account>>> {
    let limit = page::limit(query.limit)?;
    let after = page::position::<Position>(query.cursor.as_deref())?;
    // PostgreSQL knows no text with a NUL in it.
    if after.as_ref().is_some_and(|Position(name, _)| name.contains('\0')) {
        return Err(page::bad_cursor());
    }
    let filter = Filter {
        text: query.q.as_deref().and_then(searched),
        role: query.role,
        state: query.state,
    };
    let (rows, now) = (page::rows(limit), state.clock.now());
    let found = db::users::list(&state.db, &filter, after.as_ref(), rows, now).await?;
    let position = |account: &Account| Position(account.display_name.to_lowercase(), account.id);
    page::page(found, limit, position).map(Json)
}

/// Make an account. The answer holds a link with which the person sets the password.
#[utoipa::path(post, path = "/api/v1/users", tag = "users", security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition safe")),
    request_body = NewAccount,
    responses((status = 201, description = "The new account and its link", body = CreatedAccount,
        headers(("Location" = String, description = "The account"),
            ("ETag" = String, description = "Its version"))), Problems))]
pub async fn create_user(
    Allowed { caller, .. }: Allowed<ManageUsers>,
    State(state): State<AppState>,
    Creation { new, key }: Creation<NewAccount>,
) -> Result<Created> {
    let unusable = state.hasher.hash(Secret::random().as_str().to_owned()).await?;
    let mut tx = state.begin(&caller).await?;
    if let Some(first) = replay(&mut tx, &state, &caller, key.as_ref()).await? {
        tx.commit().await?;
        return Ok(first);
    }
    let user = wanted(&mut tx, &state, new).await?;
    let link = accounts::invite(&mut tx, &state.clock, &user, &unusable).await?;
    let taken = || Error::field("/email", phrase!("belongs to another account already"));
    let link = link.ok_or_else(taken)?;
    let details = json!({ "email": user.email, "role": user.role });
    audit(&mut tx, &state, &caller, "user.create", user.id, details).await?;
    let account = find(&mut tx, &state, user.id).await?;
    let created = answer(account.clone(), None)?;
    keep(&mut tx, &caller, key, created).await?;
    tx.commit().await?;
    answer(account, Some(link))
}

/// The secret of the link is in the first answer only: it is not kept.
fn answer(account: Account, password_link: Option<PasswordLink>) -> Result<Created> {
    let location = format!("/api/v1/users/{}", account.id);
    let version = account.version;
    Created::new(Some(location), Some(version), &CreatedAccount { account, password_link })
}

async fn wanted(tx: &mut PgConnection, state: &AppState, new: NewAccount) -> Result<User> {
    let mut faults = Faults::default();
    let NewAccount { email, display_name, role, patient_id } = new;
    let id = UserId(state.clock.new_id());
    let user = User { id, email, display_name, role, patient_id };
    let user = accounts::checked(&mut faults, user);
    check_link(tx, &mut faults, role, patient_id).await?;
    faults.refuse()?;
    Ok(user)
}

/// Only the account of somebody who reads their own record is linked to one.
async fn check_link(
    tx: &mut PgConnection,
    faults: &mut Faults,
    role: Role,
    patient: Option<PatientId>,
) -> Result<()> {
    let Some(id) = patient else { return Ok(()) };
    if role.reach() != Reach::OwnRecord {
        faults.add("/patient_id", phrase!("is for accounts of patients only"));
    } else if db::patients::find(tx, id).await?.is_none() {
        faults.add("/patient_id", phrase!("is no patient's record"));
    }
    Ok(())
}

/// Read an account.
#[utoipa::path(get, path = "/api/v1/users/{id}", tag = "users", security(("bearer" = [])),
    params(("id" = UserId, Path, description = "The account")),
    responses((status = 200, description = "The account", body = Account,
        headers(("ETag" = String, description = "Its version"))), Problems))]
pub async fn get_user(
    _: Allowed<ManageUsers>,
    State(state): State<AppState>,
    Path(id): Path<UserId>,
) -> Result<Versioned<Account>> {
    let found = db::users::find_account(&state.db, id, state.clock.now()).await?;
    let account = found.ok_or(Error::NotFound("account"))?;
    Ok(Versioned { version: account.version, body: account })
}

/// Change an account. Another role counts from its next request on, and ends its sessions.
#[utoipa::path(patch, path = "/api/v1/users/{id}", tag = "users", security(("bearer" = [])),
    params(("id" = UserId, Path, description = "The account"),
        ("If-Match" = String, Header, description = "The version that the change is based on")),
    request_body = AccountPatch,
    responses((status = 200, description = "The changed account", body = Account,
        headers(("ETag" = String, description = "Its version"))), Problems))]
pub async fn update_user(
    Allowed { caller, .. }: Allowed<ManageUsers>,
    State(state): State<AppState>,
    Path(id): Path<UserId>,
    version: IfMatch,
    Json(patch): Json<AccountPatch>,
) -> Result<Versioned<Account>> {
    let mut tx = state.begin(&caller).await?;
    let (before, managers) = to_change(&mut tx, &state, id, Some(version)).await?;
    let was_active = before.state != AccountState::Deactivated;
    let active = patch.active.unwrap_or(was_active);
    let after = patched(&mut tx, &before, patch).await?;
    let loses = !active || !after.role.allows(Permission::ManageUsers);
    check_change(&caller, &before, after.role, loses, &managers)?;
    change(&mut tx, &state, &caller, &before, after, (was_active, active)).await?;
    let account = find(&mut tx, &state, id).await?;
    tx.commit().await?;
    Ok(Versioned { version: account.version, body: account })
}

async fn patched(tx: &mut PgConnection, before: &Account, patch: AccountPatch) -> Result<Account> {
    let mut faults = Faults::default();
    let mut after = before.clone();
    if let Some(name) = patch.display_name {
        after.display_name = accounts::name(&mut faults, &name);
    }
    after.role = patch.role.unwrap_or(before.role);
    after.patient_id = match patch.patient_id {
        Some(wanted) => wanted,
        // A link means nothing to a role that does not read its own record.
        None => before.patient_id.filter(|_| after.role.reach() == Reach::OwnRecord),
    };
    check_link(tx, &mut faults, after.role, after.patient_id).await?;
    faults.refuse()?;
    Ok(after)
}

/// Somebody must remain who can run accounts; nobody raises or lowers themselves.
fn check_change(
    caller: &Caller,
    before: &Account,
    role: Role,
    loses: bool,
    managers: &[UserId],
) -> Result<()> {
    if before.id == caller.user_id && role != before.role {
        let reason = phrase!("nobody changes their own role; another administrator can");
        return Err(Error::Conflict(reason.to_owned()));
    }
    if loses && managers.contains(&before.id) && managers.len() < 2 {
        let reason = phrase!("this is the last active administrator; make another one first");
        return Err(Error::Conflict(reason.to_owned()));
    }
    Ok(())
}

/// The change, what follows from it, and its audit entry.
async fn change(
    tx: &mut PgConnection,
    state: &AppState,
    caller: &Caller,
    before: &Account,
    mut after: Account,
    (was_active, active): (bool, bool),
) -> Result<()> {
    let mut changed = changes(before, &after)?;
    if was_active != active {
        changed.insert("active".to_owned(), json!({ "from": was_active, "to": active }));
    }
    if changed.is_empty() {
        return Ok(());
    }
    after.version += 1;
    db::users::update(tx, &after, active).await?;
    let reason = match (active, before.role == after.role) {
        (false, _) => Some(EndReason::Deactivated),
        (true, false) => Some(EndReason::RoleChanged),
        (true, true) => None,
    };
    if let Some(reason) = reason {
        db::sessions::end_all(tx, after.id, None, reason, state.clock.now()).await?;
    }
    if !active {
        db::password_links::withdraw(tx, after.id).await?;
    }
    let details = json!({ "changed": Value::Object(changed) });
    audit(tx, state, caller, "user.update", after.id, details).await
}

/// Deactivate an account: its sessions end, and nobody signs in with it any more.
#[utoipa::path(delete, path = "/api/v1/users/{id}", tag = "users", security(("bearer" = [])),
    params(("id" = UserId, Path, description = "The account"),
        ("If-Match" = Option<String>, Header, description = "The version that was read")),
    responses((status = 204, description = "Deactivated"), Problems))]
pub async fn deactivate_user(
    Allowed { caller, .. }: Allowed<ManageUsers>,
    State(state): State<AppState>,
    Path(id): Path<UserId>,
    version: Option<IfMatch>,
) -> Result<StatusCode> {
    let mut tx = state.begin(&caller).await?;
    let (before, managers) = to_change(&mut tx, &state, id, version).await?;
    check_change(&caller, &before, before.role, true, &managers)?;
    let was_active = before.state != AccountState::Deactivated;
    change(&mut tx, &state, &caller, &before, before.clone(), (was_active, false)).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Reset a password: the old one counts no more, the account's sessions end, and the answer holds
/// a link with which the person sets a new one.
#[utoipa::path(post, path = "/api/v1/users/{id}/password-reset", tag = "users",
    security(("bearer" = [])),
    params(("id" = UserId, Path, description = "The account")),
    responses((status = 200, description = "The link, shown once", body = PasswordLink), Problems))]
pub async fn reset_password(
    Allowed { caller, .. }: Allowed<ManageUsers>,
    State(state): State<AppState>,
    Path(id): Path<UserId>,
) -> Result<Json<PasswordLink>> {
    let unusable = state.hasher.hash(Secret::random().as_str().to_owned()).await?;
    let now = state.clock.now();
    let mut tx = state.begin(&caller).await?;
    let (account, _) = to_change(&mut tx, &state, id, None).await?;
    if account.state == AccountState::Deactivated {
        return Err(Error::Conflict(
            phrase!("the account is deactivated; open it first").to_owned(),
        ));
    }
    if id == caller.user_id {
        let reason = phrase!("change your own password under your account instead");
        return Err(Error::Conflict(reason.to_owned()));
    }
    let link = accounts::reset(&mut tx, &state.clock, id, &unusable).await?;
    db::sessions::end_all(&mut tx, id, None, EndReason::PasswordReset, now).await?;
    audit(&mut tx, &state, &caller, "user.reset_password", id, Value::Null).await?;
    tx.commit().await?;
    Ok(Json(link))
}

/// End the delays after failed sign-ins.
#[utoipa::path(post, path = "/api/v1/users/{id}/unlock", tag = "users", security(("bearer" = [])),
    params(("id" = UserId, Path, description = "The account")),
    responses((status = 200, description = "The account", body = Account,
        headers(("ETag" = String, description = "Its version"))), Problems))]
pub async fn unlock_user(
    Allowed { caller, .. }: Allowed<ManageUsers>,
    State(state): State<AppState>,
    Path(id): Path<UserId>,
) -> Result<Versioned<Account>> {
    let mut tx = state.begin(&caller).await?;
    let (account, _) = to_change(&mut tx, &state, id, None).await?;
    lockout::unlock(&mut tx, &account.email).await?;
    audit(&mut tx, &state, &caller, "user.unlock", id, Value::Null).await?;
    let account = find(&mut tx, &state, id).await?;
    tx.commit().await?;
    Ok(Versioned { version: account.version, body: account })
}

/// Remove somebody's second factor, for when the telephone and the recovery codes are lost.
#[utoipa::path(delete, path = "/api/v1/users/{id}/totp", tag = "users",
    operation_id = "remove_user_second_factor", security(("bearer" = [])),
    params(("id" = UserId, Path, description = "The account")),
    responses((status = 204, description = "Removed, or there was none"), Problems))]
pub async fn remove_user_second_factor(
    Allowed { caller, .. }: Allowed<ManageUsers>,
    State(state): State<AppState>,
    Path(id): Path<UserId>,
) -> Result<StatusCode> {
    let mut tx = state.begin(&caller).await?;
    to_change(&mut tx, &state, id, None).await?;
    if id == caller.user_id {
        let reason = phrase!("remove your own under your account instead");
        return Err(Error::Conflict(reason.to_owned()));
    }
    let removed = db::second_factors::remove(&mut tx, id).await?;
    let details = json!({ "removed": removed });
    audit(&mut tx, &state, &caller, "user.remove_second_factor", id, details).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The account, locked, if it is at the version that the caller has read; and who can run
/// accounts, locked too.
async fn to_change(
    tx: &mut PgConnection,
    state: &AppState,
    id: UserId,
    version: Option<IfMatch>,
) -> Result<(Account, Vec<UserId>)> {
    let roles = Role::all_that_may(Permission::ManageUsers);
    let managers = db::users::lock_usable(&mut *tx, &roles).await?;
    db::users::lock(&mut *tx, id).await?;
    let account = find(tx, state, id).await?;
    if version.is_some_and(|IfMatch(version)| version != account.version) {
        return Err(Error::Stale);
    }
    Ok((account, managers))
}

async fn find(tx: &mut PgConnection, state: &AppState, id: UserId) -> Result<Account> {
    let found = db::users::find_account(tx, id, state.clock.now()).await?;
    found.ok_or(Error::NotFound("account"))
}

async fn audit(
    tx: &mut PgConnection,
    state: &AppState,
    caller: &Caller,
    action: &'static str,
    id: UserId,
    details: Value,
) -> Result<()> {
    let mut event = Event::new(action).object(id.0);
    event.details = Some(details).filter(|details| !details.is_null()).map(Arc::new);
    Ok(db::audit::record(tx, &caller.actor(), event, state.clock.now()).await?)
}
