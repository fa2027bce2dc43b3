//! Signing in, staying signed in, signing out.

use axum::{
    extract::State,
    http::{Extensions, HeaderMap, StatusCode},
    response::IntoResponse,
};
use axum_extra::extract::cookie::CookieJar;
use chrono::TimeDelta;
use serde_json::json;
use shared::{
    id::{SessionId, UserId},
    session::{Credentials, SignedIn},
    user::User,
};
use sqlx::PgConnection;

use crate::{
    auth::{
        self, Allowed, UseOwnAccount,
        session::{check_origin, cookie, received, removal},
        token::{ACCESS_LIFETIME, RefreshToken},
    },
    db::{
        self,
        audit::{Actor, Event, Outcome},
        sessions::EndReason,
    },
    error::{Error, Result},
    extract::Json,
    limits::{self, Attempt},
    openapi::Problems,
    state::AppState,
    telemetry,
};

/// A refresh token shown again this soon is a lost answer's repetition, not theft.
const GRACE: TimeDelta = TimeDelta::seconds(10);

/// Sign in.
///
/// The refresh token travels in an `HttpOnly` cookie.
#[utoipa::path(post, path = "/api/v1/auth/login", tag = "session", request_body = Credentials,
    responses((status = 200, description = "Signed in", body = SignedIn), Problems))]
pub async fn login(
    State(state): State<AppState>,
    extensions: Extensions,
    headers: HeaderMap,
    jar: CookieJar,
    Json(credentials): Json<Credentials>,
) -> Result<(CookieJar, Json<SignedIn>)> {
    check_origin(&headers)?;
    let attempt = attempt(&state, &extensions, &headers, &credentials).await?;
    let account = db::users::find_for_sign_in(&state.db, credentials.email.trim()).await?;
    let (user_id, hash) = account.unzip();
    let matches = state.hasher.verify(credentials.password, hash).await?;
    let mut actor = Actor {
        user_id,
        address: auth::address(&headers),
        request_id: telemetry::request_id(),
        ..Actor::default()
    };
    let now = state.clock.now();
    let mut tx = state.db.begin().await?;
    let (true, Some(user_id)) = (matches, user_id) else {
        let event = Event::new("session.sign_in").outcome(Outcome::Refused);
        db::audit::record(&mut tx, &actor, event, now).await?;
        tx.commit().await?;
        return Err(Error::WrongCredentials);
    };
    attempt.succeeded();
    let session = SessionId(state.clock.new_id());
    db::sessions::insert(&mut tx, session, user_id, now).await?;
    let (token, signed_in) = continue_session(&mut tx, &state, session, user_id).await?;
    actor.session_id = Some(session);
    actor.role = Some(signed_in.user.role);
    let event = Event::new("session.sign_in").object(session.0);
    db::audit::record(&mut tx, &actor, event, now).await?;
    tx.commit().await?;
    Ok((jar.add(cookie(&token)), Json(signed_in)))
}

/// Takes a place for an attempt to sign in; the one that is one too many is refused and audited
/// before any password is looked at.
async fn attempt<'a>(
    state: &'a AppState,
    extensions: &Extensions,
    headers: &HeaderMap,
    credentials: &Credentials,
) -> Result<Attempt<'a>> {
    let (now, address) = (state.clock.now(), auth::address(headers));
    let attempt = state.limits.sign_in(&credentials.email, address.as_deref(), now);
    if let Err(error) = limits::note(extensions, attempt.standing()) {
        let actor = Actor { address, request_id: telemetry::request_id(), ..Actor::default() };
        let event = Event::new("session.sign_in").outcome(Outcome::Refused);
        let event = event.details(json!({ "reason": "too many failures" }));
        let mut connection = state.db.acquire().await?;
        db::audit::record(&mut connection, &actor, event, now).await?;
        return Err(error);
    }
    Ok(attempt)
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
    let mut tx = state.db.begin().await?;
    let found = db::sessions::find_refresh_token(&mut tx, &hash).await?;
    let found = found.ok_or(Error::NotSignedIn)?;
    if found.used_at.is_some_and(|used_at| used_at + GRACE < now) {
        if db::sessions::end(&mut tx, found.session_id, EndReason::TokenReused, now).await? {
            let actor = Actor {
                session_id: Some(found.session_id),
                address: auth::address(&headers),
                request_id: telemetry::request_id(),
                ..Actor::default()
            };
            let event = Event::new("session.refresh").object(found.session_id.0);
            db::audit::record(&mut tx, &actor, event.outcome(Outcome::Refused), now).await?;
        }
        tx.commit().await?;
        return Err(Error::NotSignedIn);
    }
    let live = db::sessions::find_live(&mut *tx, found.session_id, now).await?;
    let live = live.ok_or(Error::NotSignedIn)?;
    if found.used_at.is_none() {
        db::sessions::use_refresh_token(&mut tx, &hash, now).await?;
    }
    let (token, signed_in) =
        continue_session(&mut tx, &state, found.session_id, live.user_id).await?;
    tx.commit().await?;
    Ok((jar.add(cookie(&token)), Json(signed_in)))
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
    let mut tx = state.db.begin().await?;
    db::sessions::end(&mut tx, session, EndReason::SignedOut, now).await?;
    let event = Event::new("session.sign_out").object(session.0);
    db::audit::record(&mut tx, &caller.actor(), event, now).await?;
    tx.commit().await?;
    Ok((StatusCode::NO_CONTENT, jar.add(removal())))
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
) -> Result<(RefreshToken, SignedIn)> {
    let now = state.clock.now();
    let token = RefreshToken::random();
    db::sessions::add_refresh_token(tx, session, &token.hash(), now).await?;
    let user = db::users::find(&mut *tx, user_id).await?.ok_or(Error::NotSignedIn)?;
    let signed_in = SignedIn {
        access_token: state.keys.issue(user_id, session, now)?,
        token_type: "Bearer".to_owned(),
        expires_in: ACCESS_LIFETIME.num_seconds() as u32,
        user,
        session: db::sessions::terms(&mut *tx, session).await?,
    };
    Ok((token, signed_in))
}
