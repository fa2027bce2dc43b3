//! Signing in, staying signed in, signing out.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{Extensions, HeaderMap, StatusCode, header},
    response::IntoResponse,
};
use axum_extra::extract::cookie::CookieJar;
use chrono::TimeDelta;
use serde_json::{Value, json};
use shared::{
    id::{SessionId, UserId},
    page::Items,
    session::{Credentials, Session, SignedIn},
    user::User,
};
use sqlx::PgConnection;
use zeroize::Zeroizing;

use crate::{
    accounts,
    auth::{
        self, Allowed, UseOwnAccount, lockout,
        password::is_outdated,
        secret::Secret,
        session::{check_origin, cookie, received, removal},
        token::ACCESS_LIFETIME,
    },
    db::{
        self,
        audit::{Actor, Event, Outcome},
        sessions::EndReason,
    },
    error::{Error, Result},
    extract::{Json, Path},
    limits,
    openapi::Problems,
    refusals,
    routes::second_factors::challenge,
    state::AppState,
    telemetry,
};

/// A refresh token shown again this soon, by the client that showed it before, is a lost answer's
/// repetition, not theft.
const GRACE: TimeDelta = TimeDelta::seconds(10);

/// Sign in.
///
/// The refresh token travels in an `HttpOnly` cookie. For an account with a second factor the
/// answer is 401 `/problems/second-factor-required` with a `challenge`.
#[utoipa::path(post, path = "/api/v1/auth/login", tag = "session", request_body = Credentials,
    responses((status = 200, description = "Signed in", body = SignedIn), Problems))]
pub async fn login(
    State(state): State<AppState>,
    extensions: Extensions,
    headers: HeaderMap,
    jar: CookieJar,
    Json(Credentials { email, password }): Json<Credentials>,
) -> Result<(CookieJar, Json<SignedIn>)> {
    check_origin(&headers)?;
    let password = Zeroizing::new(password);
    let place = place(&state, &extensions, &headers, &email).await?;
    let (now, email) = (state.clock.now(), accounts::address(&email));
    let account = db::users::find_for_sign_in(&state.db, &email).await?;
    let (user_id, hash) = account.unzip();
    let attempt = admit(&state, &headers, user_id, &email).await?;
    let matches = state.hasher.verify(password.clone(), hash.clone()).await?;
    let (true, Some(user_id), Some(hash)) = (matches, user_id, hash) else {
        refuse(&state, &headers, user_id, "wrong credentials").await?;
        return Err(Error::WrongCredentials);
    };
    place.succeeded();
    strengthen(&state, user_id, password, hash).await?;
    let mut tx = db::begin(&state.db).await?;
    let address = auth::address(&headers);
    if let Some(challenge) = challenge(&mut tx, user_id, address.as_deref(), now).await? {
        let actor = visitor(&headers, Some(user_id));
        let event = Event::new("session.ask_second_factor").object(user_id.0);
        db::audit::record(&mut tx, &actor, event, now).await?;
        tx.commit().await?;
        return Err(Error::SecondFactorRequired(challenge));
    }
    attempt.succeeded(&mut tx).await?;
    let (token, signed_in) = open(&mut tx, &state, user_id, &headers, None).await?;
    tx.commit().await?;
    Ok((jar.add(cookie(&token)), Json(signed_in)))
}

/// Takes a place for an attempt to sign in; the one that is one too many is refused and audited
/// before any password is looked at.
async fn place<'a>(
    state: &'a AppState,
    extensions: &Extensions,
    headers: &HeaderMap,
    email: &str,
) -> Result<limits::Attempt<'a>> {
    let (now, address) = (state.clock.now(), auth::address(headers));
    let attempt = state.limits.sign_in(email, address.as_deref(), now);
    if let Err(error) = limits::note(extensions, attempt.standing()) {
        let actor = Actor { address, request_id: telemetry::request_id(), ..Actor::default() };
        let event = Event::new("session.sign_in").outcome(Outcome::Refused);
        let event = event.details(json!({ "reason": "too many failures" }));
        refusals::record(state, &actor, event).await?;
        return Err(error);
    }
    Ok(attempt)
}

/// Counts the attempt; the one that comes during a delay is refused before any password is looked
/// at, whether there is such an account or not.
async fn admit(
    state: &AppState,
    headers: &HeaderMap,
    user_id: Option<UserId>,
    email: &str,
) -> Result<lockout::Attempt> {
    let (now, address) = (state.clock.now(), auth::address(headers));
    let mut tx = db::begin(&state.db).await?;
    match lockout::Attempt::to_sign_in(&mut tx, email, address.as_deref(), now).await {
        Ok(attempt) => {
            tx.commit().await?;
            Ok(attempt)
        }
        Err(error) => {
            drop(tx);
            if matches!(error, Error::TooManyRequests(_)) {
                refuse(state, headers, user_id, "too many failures").await?;
            }
            Err(error)
        }
    }
}

fn visitor(headers: &HeaderMap, user_id: Option<UserId>) -> Actor {
    Actor {
        user_id,
        address: auth::address(headers),
        request_id: telemetry::request_id(),
        ..Actor::default()
    }
}

async fn refuse(
    state: &AppState,
    headers: &HeaderMap,
    user_id: Option<UserId>,
    reason: &str,
) -> Result<()> {
    let event = Event::new("session.sign_in").outcome(Outcome::Refused);
    let event = event.details(json!({ "reason": reason }));
    refusals::record(state, &visitor(headers, user_id), event).await
}

/// Hashes a password anew that was hashed with less than what is used now.
async fn strengthen(
    state: &AppState,
    id: UserId,
    password: Zeroizing<String>,
    weak: String,
) -> Result<()> {
    if is_outdated(&weak) {
        let strong = state.hasher.hash(password).await?;
        let mut connection = state.db.acquire().await?;
        db::users::strengthen(&mut connection, id, &weak, &strong).await?;
    }
    Ok(())
}

/// Opens a session for somebody who has proved who they are, and notes that in the audit log.
pub(super) async fn open(
    tx: &mut PgConnection,
    state: &AppState,
    user_id: UserId,
    headers: &HeaderMap,
    details: Option<Value>,
) -> Result<(Secret, SignedIn)> {
    let now = state.clock.now();
    let session = SessionId(state.clock.new_id());
    db::sessions::insert(tx, session, user_id, &auth::origin(headers), now).await?;
    db::users::signed_in(tx, user_id, now).await?;
    let (token, signed_in) = continue_session(tx, state, session, user_id).await?;
    let actor = Actor {
        session_id: Some(session),
        role: Some(signed_in.user.role),
        ..visitor(headers, Some(user_id))
    };
    let mut event = Event::new("session.sign_in").object(session.0);
    event.details = details.map(Arc::new);
    db::audit::record(tx, &actor, event, now).await?;
    Ok((token, signed_in))
}

/// Get a fresh access token for the refresh cookie.
///
/// The cookie is replaced; showing an old one again ends the session.
#[utoipa::path(post, path = "/api/v1/auth/refresh", tag = "session",
    responses((status = 200, description = "Still signed in", body = SignedIn), Problems))]
pub async fn refresh_session(
    State(state): State<AppState>,
    headers: HeaderMap,
    jar: CookieJar,
) -> Result<(CookieJar, Json<SignedIn>)> {
    check_origin(&headers)?;
    let hash = received(&jar).ok_or(Error::NotSignedIn)?.hash();
    let now = state.clock.now();
    let mut tx = db::begin(&state.db).await?;
    let found = db::sessions::find_refresh_token(&mut tx, &hash).await?;
    let found = found.ok_or(Error::NotSignedIn)?;
    let client = client(&headers);
    let again = found.used_at.is_some_and(|used_at| {
        used_at + GRACE < now || found.used_from.as_deref() != Some(&client)
    });
    if again {
        if db::sessions::end(&mut tx, found.session_id, EndReason::TokenReused, now).await? {
            let actor = Actor {
                session_id: Some(found.session_id),
                role: Some(found.role),
                ..visitor(&headers, Some(found.user_id))
            };
            let event = Event::new("session.refresh").object(found.session_id.0);
            db::audit::record(&mut tx, &actor, event.outcome(Outcome::Refused), now).await?;
        }
        tx.commit().await?;
        return Err(Error::NotSignedIn);
    }
    let live = db::sessions::find_live(&mut *tx, &[found.session_id], now).await?;
    let live = live.into_iter().next().flatten().ok_or(Error::NotSignedIn)?;
    if found.used_at.is_none() {
        db::sessions::use_refresh_token(&mut tx, &hash, &client, now).await?;
    }
    let (token, signed_in) =
        continue_session(&mut tx, &state, found.session_id, live.user_id).await?;
    tx.commit().await?;
    Ok((jar.add(cookie(&token)), Json(signed_in)))
}

/// What is recognised of the program that shows a cookie: its address and what it calls itself.
fn client(headers: &HeaderMap) -> String {
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    let address = auth::address(headers);
    format!("{} {}", address.as_deref().unwrap_or("unknown"), agent.unwrap_or("unknown"))
}

/// Sign out: the session ends, its tokens count no more.
#[utoipa::path(post, path = "/api/v1/auth/logout", tag = "session", security(("bearer" = [])),
    responses((status = 204, description = "Signed out"), Problems))]
pub async fn logout(
    Allowed { caller, .. }: Allowed<UseOwnAccount>,
    State(state): State<AppState>,
    jar: CookieJar,
) -> Result<impl IntoResponse> {
    let session = caller.session()?;
    let now = state.clock.now();
    let mut tx = state.begin(&caller).await?;
    db::sessions::end(&mut tx, session, EndReason::SignedOut, now).await?;
    let event = Event::new("session.sign_out").object(session.0);
    db::audit::record(&mut tx, &caller.actor(), event, now).await?;
    tx.commit().await?;
    Ok((StatusCode::NO_CONTENT, jar.add(removal())))
}

/// List one's own sessions, last used first.
#[utoipa::path(get, path = "/api/v1/auth/sessions", tag = "session", security(("bearer" = [])),
    responses((status = 200, description = "All live sessions", body = Items<Session>), Problems))]
pub async fn list_sessions(
    Allowed { caller, .. }: Allowed<UseOwnAccount>,
    State(state): State<AppState>,
) -> Result<Json<Items<Session>>> {
    let now = state.clock.now();
    let (user, current) = (caller.user_id, caller.session()?);
    let items = db::sessions::list(&state.db, user, current, now).await?;
    Ok(Json(Items { items }))
}

/// End one of one's own sessions: its tokens count no more.
#[utoipa::path(delete, path = "/api/v1/auth/sessions/{id}", tag = "session",
    security(("bearer" = [])),
    params(("id" = SessionId, Path, description = "The session")),
    responses((status = 204, description = "Ended"), Problems))]
pub async fn revoke_session(
    Allowed { caller, .. }: Allowed<UseOwnAccount>,
    State(state): State<AppState>,
    Path(id): Path<SessionId>,
) -> Result<StatusCode> {
    let now = state.clock.now();
    let mut tx = state.begin(&caller).await?;
    let own = db::sessions::list(&mut *tx, caller.user_id, caller.session()?, now).await?;
    if !own.iter().any(|session| session.id == id) {
        return Err(Error::NotFound("session"));
    }
    db::sessions::end(&mut tx, id, EndReason::Revoked, now).await?;
    let event = Event::new("session.revoke").object(id.0);
    db::audit::record(&mut tx, &caller.actor(), event, now).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// End every other session of one's own account.
#[utoipa::path(delete, path = "/api/v1/auth/sessions", tag = "session", security(("bearer" = [])),
    responses((status = 204, description = "Ended"), Problems))]
pub async fn revoke_other_sessions(
    Allowed { caller, .. }: Allowed<UseOwnAccount>,
    State(state): State<AppState>,
) -> Result<StatusCode> {
    let (now, kept) = (state.clock.now(), Some(caller.session()?));
    let mut tx = state.begin(&caller).await?;
    let reason = EndReason::Revoked;
    let ended = db::sessions::end_all(&mut tx, caller.user_id, kept, reason, now).await?;
    let event = Event::new("session.revoke_others").details(json!({ "ended_sessions": ended }));
    db::audit::record(&mut tx, &caller.actor(), event, now).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Read one's own account.
#[utoipa::path(get, path = "/api/v1/me", tag = "session", operation_id = "get_me",
    security(("bearer" = [])),
    responses((status = 200, description = "The account", body = User), Problems))]
pub async fn get_me(
    Allowed { caller, .. }: Allowed<UseOwnAccount>,
    State(state): State<AppState>,
) -> Result<Json<User>> {
    let user = db::users::find(&state.db, caller.user_id).await?;
    user.map(Json).ok_or(Error::NotSignedIn)
}

/// A new refresh token and a new access token for a session.
async fn continue_session(
    tx: &mut PgConnection,
    state: &AppState,
    session: SessionId,
    user_id: UserId,
) -> Result<(Secret, SignedIn)> {
    let now = state.clock.now();
    let token = Secret::random();
    db::sessions::add_refresh_token(tx, session, &token.hash(), now).await?;
    let user = db::users::find(&mut *tx, user_id).await?.ok_or(Error::NotSignedIn)?;
    let signed_in = SignedIn {
        access_token: state.keys.issue(user_id, session, now)?,
        token_type: "Bearer".to_owned(),
        expires_in: ACCESS_LIFETIME.num_seconds() as u32,
        user,
        session: db::sessions::terms(&mut *tx, session).await?,
        preferences: db::preferences::read(&mut *tx, user_id).await?,
    };
    Ok((token, signed_in))
}
