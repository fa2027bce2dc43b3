//! Setting a password with a link, and changing one's own.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde_json::json;
use shared::{
    phrase,
    user::{NewPassword, PasswordChange, User},
};
use zeroize::Zeroizing;

use crate::{
    accounts,
    auth::{self, Allowed, Caller, UseOwnAccount, lockout, lockout::Attempt, secret::Secret},
    db::{
        self,
        audit::{Actor, Event, Outcome},
        sessions::EndReason,
    },
    error::{Error, Result},
    extract::Json,
    openapi::Problems,
    refusals,
    state::AppState,
    telemetry,
};

/// Set a password with the link that an administrator passed on. The link is good once.
#[utoipa::path(post, path = "/api/v1/auth/set-password", tag = "session",
    request_body = NewPassword,
    responses((status = 204, description = "Set; sign in with it"), Problems))]
pub async fn set_password(
    State(state): State<AppState>,
    headers: HeaderMap,
    Json(NewPassword { token, password }): Json<NewPassword>,
) -> Result<StatusCode> {
    let (now, password) = (state.clock.now(), Zeroizing::new(password));
    let hash = Secret::received(token).hash();
    let Some(user) = db::password_links::find_user(&state.db, &hash, now).await? else {
        return Err(put_bad_link_on_record(&state, &headers).await?);
    };
    let password = state.hasher.hash_new("/password", password, accounts::about(&user)).await?;
    let mut tx = db::begin(&state.db).await?;
    if !db::password_links::use_up(&mut tx, &hash, now).await? {
        drop(tx);
        return Err(put_bad_link_on_record(&state, &headers).await?);
    }
    db::users::set_password(&mut tx, user.id, &password, now).await?;
    lockout::unlock(&mut tx, &user.email).await?;
    let actor = Actor {
        user_id: Some(user.id),
        role: Some(user.role),
        address: auth::address(&headers),
        request_id: telemetry::request_id(),
        ..Actor::default()
    };
    let event = Event::new("password.set").object(user.id.0);
    db::audit::record(&mut tx, &actor, event, now).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Unknown, used and expired links are told apart by nothing.
async fn put_bad_link_on_record(state: &AppState, headers: &HeaderMap) -> Result<Error> {
    let actor = Actor {
        address: auth::address(headers),
        request_id: telemetry::request_id(),
        ..Actor::default()
    };
    let event = Event::new("password.set").outcome(Outcome::Refused);
    refusals::record(state, &actor, event).await?;
    let message = phrase!("is unknown, used or expired: ask an administrator for a new link");
    Ok(Error::field("/token", message))
}

/// Change one's own password; every other session of the account ends.
#[utoipa::path(post, path = "/api/v1/auth/password", tag = "session", security(("bearer" = [])),
    request_body = PasswordChange,
    responses((status = 204, description = "Changed"), Problems))]
pub async fn change_password(
    Allowed { caller, .. }: Allowed<UseOwnAccount>,
    State(state): State<AppState>,
    Json(PasswordChange { current_password, new_password }): Json<PasswordChange>,
) -> Result<StatusCode> {
    let (current_password, new_password) =
        (Zeroizing::new(current_password), Zeroizing::new(new_password));
    let user = prove(&state, &caller, current_password.clone(), "/current_password").await?;
    if new_password == current_password {
        return Err(Error::field("/new_password", phrase!("must differ from the current one")));
    }
    let hash = state.hasher.hash_new("/new_password", new_password, accounts::about(&user)).await?;
    let (now, others) = (state.clock.now(), Some(caller.session()?));
    let mut tx = state.begin(&caller).await?;
    db::users::set_password(&mut tx, user.id, &hash, now).await?;
    db::password_links::withdraw(&mut tx, user.id).await?;
    let reason = EndReason::PasswordChanged;
    let ended = db::sessions::end_all(&mut tx, user.id, others, reason, now).await?;
    let event = Event::new("password.change").object(user.id.0);
    let event = event.details(json!({ "ended_sessions": ended }));
    db::audit::record(&mut tx, &caller.actor(), event, now).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The caller's account, after they have proved again that they know its password. Guessing is
/// slowed down for the session alone: it keeps nobody out.
pub(super) async fn prove(
    state: &AppState,
    caller: &Caller,
    password: impl Into<Zeroizing<String>>,
    pointer: &str,
) -> Result<User> {
    let (now, password) = (state.clock.now(), password.into());
    let user = db::users::find(&state.db, caller.user_id).await?.ok_or(Error::NotSignedIn)?;
    let mut tx = state.begin(caller).await?;
    let place = format!("session {}", caller.session()?);
    let attempt = match Attempt::at(&mut tx, &user.email, place, now).await {
        Ok(attempt) => attempt,
        Err(error) => {
            drop(tx);
            let event = Event::new("password.check").object(user.id.0).outcome(Outcome::Refused);
            refusals::record(state, &caller.actor(), event).await?;
            return Err(error);
        }
    };
    tx.commit().await?;
    let hash = db::users::password_hash(&state.db, user.id).await?;
    let is_right = state.hasher.verify(password, hash).await?;
    let mut tx = state.begin(caller).await?;
    if is_right {
        attempt.succeeded(&mut tx).await?;
    } else {
        let event = Event::new("password.check").object(user.id.0).outcome(Outcome::Refused);
        db::audit::record(&mut tx, &caller.actor(), event, now).await?;
    }
    tx.commit().await?;
    if is_right {
        Ok(user)
    } else {
        Err(Error::field(pointer, phrase!("is not the current password")))
    }
}
