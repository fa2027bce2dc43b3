//! One's own second factor, and the second step of signing in.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
};
use axum_extra::extract::cookie::CookieJar;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use shared::{
    id::UserId,
    phrase,
    second_factor::{
        Confirmation, Enrolment, NewSecondFactor, Proof, RecoveryCodes, SecondFactor, SecondStep,
    },
    session::SignedIn,
    user::User,
};
use sqlx::PgConnection;

use crate::{
    auth::{
        self, Allowed, Caller, UseOwnAccount, lockout,
        lockout::Attempt,
        secret::Secret,
        session::{check_origin, cookie},
        totp,
    },
    db::{
        self,
        audit::{Actor, Event, Outcome},
    },
    error::{Error, Result},
    extract::Json,
    openapi::Problems,
    refusals,
    routes::{passwords::prove, session::open},
    state::AppState,
    telemetry,
};

/// How long somebody who knew the password has for the code.
const CHALLENGE_LIFETIME: TimeDelta = TimeDelta::minutes(5);
/// How many codes may be tried for one challenge.
const CHALLENGE_ATTEMPTS: i32 = 5;
/// Where wrong codes are counted: only who knows the password gets there.
const PLACE: &str = "second factor";

/// Read how one's own second factor stands.
#[utoipa::path(get, path = "/api/v1/auth/totp", tag = "session",
    operation_id = "get_second_factor", security(("bearer" = [])),
    responses((status = 200, description = "How it stands", body = SecondFactor), Problems))]
pub async fn get_second_factor(
    Allowed { caller, .. }: Allowed<UseOwnAccount>,
    State(state): State<AppState>,
) -> Result<Json<SecondFactor>> {
    let found = db::second_factors::standing(&state.db, caller.user_id).await?;
    let (enabled, required, recovery_codes_left) = found;
    Ok(Json(SecondFactor { enabled, required, recovery_codes_left }))
}

/// Begin to set up a second factor. It counts once a code of it has been confirmed.
#[utoipa::path(post, path = "/api/v1/auth/totp", tag = "session",
    operation_id = "begin_second_factor", security(("bearer" = [])),
    request_body = NewSecondFactor,
    responses((status = 200, description = "What the app needs", body = Enrolment), Problems))]
pub async fn begin_second_factor(
    Allowed { caller, .. }: Allowed<UseOwnAccount>,
    State(state): State<AppState>,
    Json(NewSecondFactor { password }): Json<NewSecondFactor>,
) -> Result<Json<Enrolment>> {
    let user = prove(&state, &caller, password, "/password").await?;
    let now = state.clock.now();
    let secret = totp::random_secret();
    let sealed = state.vault.seal(&secret, user.id.0.as_bytes())?;
    let mut tx = state.begin(&caller).await?;
    if !db::second_factors::begin(&mut tx, user.id, &sealed, now).await? {
        return Err(Error::Conflict(
            phrase!("there is a second factor; remove it first").to_owned(),
        ));
    }
    let event = Event::new("second_factor.begin").object(user.id.0);
    db::audit::record(&mut tx, &caller.actor(), event, now).await?;
    tx.commit().await?;
    Ok(Json(totp::enrolment(secret, &user.email)?))
}

/// Confirm a second factor with a code of it. The answer holds recovery codes, shown once.
#[utoipa::path(post, path = "/api/v1/auth/totp/confirm", tag = "session",
    operation_id = "confirm_second_factor", security(("bearer" = [])),
    request_body = Confirmation,
    responses((status = 200, description = "Signing in asks for it", body = RecoveryCodes),
        Problems))]
pub async fn confirm_second_factor(
    Allowed { caller, .. }: Allowed<UseOwnAccount>,
    State(state): State<AppState>,
    Json(Confirmation { code }): Json<Confirmation>,
) -> Result<Json<RecoveryCodes>> {
    let now = state.clock.now();
    let (user, attempt) = counted(&state, &caller, now).await?;
    let mut tx = state.begin(&caller).await?;
    let stored = db::second_factors::find(&mut tx, user.id).await?;
    let begun = stored.filter(|stored| !stored.is_confirmed);
    let begun = begun
        .ok_or_else(|| Error::Conflict(phrase!("nothing waits to be confirmed").to_owned()))?;
    let secret = state.vault.open(&begun.secret, user.id.0.as_bytes())?;
    let step = totp::step(&secret, &totp::bare(&code), begun.last_step, now)?;
    let Some(step) = step else {
        drop(tx);
        return Err(put_wrong_code_on_record(&state, &caller, "second_factor.confirm").await?);
    };
    db::second_factors::confirm(&mut tx, user.id, step, now).await?;
    let recovery_codes = fresh_codes(&mut tx, user.id).await?;
    attempt.succeeded(&mut tx).await?;
    let event = Event::new("second_factor.confirm").object(user.id.0);
    db::audit::record(&mut tx, &caller.actor(), event, now).await?;
    tx.commit().await?;
    Ok(Json(RecoveryCodes { recovery_codes }))
}

/// Replace one's recovery codes by fresh ones, shown once; the earlier ones count no more.
#[utoipa::path(post, path = "/api/v1/auth/totp/recovery-codes", tag = "session",
    operation_id = "renew_recovery_codes", security(("bearer" = [])),
    request_body = NewSecondFactor,
    responses((status = 200, description = "The codes", body = RecoveryCodes), Problems))]
pub async fn renew_recovery_codes(
    Allowed { caller, .. }: Allowed<UseOwnAccount>,
    State(state): State<AppState>,
    Json(NewSecondFactor { password }): Json<NewSecondFactor>,
) -> Result<Json<RecoveryCodes>> {
    let user = prove(&state, &caller, password, "/password").await?;
    let mut tx = state.begin(&caller).await?;
    let stored = db::second_factors::find(&mut tx, user.id).await?;
    if !stored.is_some_and(|stored| stored.is_confirmed) {
        return Err(Error::Conflict(
            phrase!("there is no second factor; set one up first").to_owned(),
        ));
    }
    let recovery_codes = fresh_codes(&mut tx, user.id).await?;
    let event = Event::new("second_factor.renew_codes").object(user.id.0);
    db::audit::record(&mut tx, &caller.actor(), event, state.clock.now()).await?;
    tx.commit().await?;
    Ok(Json(RecoveryCodes { recovery_codes }))
}

/// Puts fresh recovery codes in the place of the account's earlier ones.
async fn fresh_codes(tx: &mut PgConnection, user: UserId) -> Result<Vec<String>> {
    let codes = totp::recovery_codes();
    let hashes: Vec<_> = codes.iter().map(|code| totp::recovery_hash(code).to_vec()).collect();
    db::second_factors::set_recovery_codes(tx, user, &hashes).await?;
    Ok(codes)
}

/// Remove one's own second factor, with the password or with a code.
#[utoipa::path(delete, path = "/api/v1/auth/totp", tag = "session",
    operation_id = "remove_second_factor", security(("bearer" = [])), request_body = Proof,
    responses((status = 204, description = "Removed, or there was none"), Problems))]
pub async fn remove_second_factor(
    Allowed { caller, .. }: Allowed<UseOwnAccount>,
    State(state): State<AppState>,
    Json(Proof { password, code }): Json<Proof>,
) -> Result<StatusCode> {
    let now = state.clock.now();
    match (password, code) {
        (Some(password), _) => {
            prove(&state, &caller, password, "/password").await?;
        }
        (None, Some(code)) => prove_by_code(&state, &caller, &code, now).await?,
        (None, None) => return Err(Error::field("/password", phrase!("or code is required"))),
    }
    let mut tx = state.begin(&caller).await?;
    let removed = db::second_factors::remove(&mut tx, caller.user_id).await?;
    let event = Event::new("second_factor.remove").object(caller.user_id.0);
    let event = event.details(json!({ "removed": removed }));
    db::audit::record(&mut tx, &caller.actor(), event, now).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn prove_by_code(
    state: &AppState,
    caller: &Caller,
    code: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    let (user, attempt) = counted(state, caller, now).await?;
    let mut tx = state.begin(caller).await?;
    if used(&mut tx, state, user.id, code, now).await?.is_none() {
        drop(tx);
        return Err(put_wrong_code_on_record(state, caller, "second_factor.remove").await?);
    }
    attempt.succeeded(&mut tx).await?;
    Ok(tx.commit().await?)
}

/// The caller's account and one more attempt at its codes.
async fn counted(state: &AppState, caller: &Caller, now: DateTime<Utc>) -> Result<(User, Attempt)> {
    let mut tx = state.begin(caller).await?;
    let user = db::users::find(&mut *tx, caller.user_id).await?.ok_or(Error::NotSignedIn)?;
    let attempt = Attempt::at(&mut tx, &user.email, PLACE.to_owned(), now).await?;
    tx.commit().await?;
    Ok((user, attempt))
}

/// A wrong code, with which somebody in a session tried to do this.
async fn put_wrong_code_on_record(
    state: &AppState,
    caller: &Caller,
    action: &'static str,
) -> Result<Error> {
    let event = Event::new(action).object(caller.user_id.0).outcome(Outcome::Refused);
    refusals::record(state, &caller.actor(), event).await?;
    let message =
        phrase!("is not the code of this moment; check that the telephone's clock is right");
    Ok(Error::field("/code", message))
}

/// What a code was; none is good twice.
#[derive(Clone, Copy, Debug)]
enum Used {
    Code,
    Recovery,
}

impl Used {
    const fn name(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Recovery => "recovery code",
        }
    }
}

/// Uses a code or a recovery code up; `None` when it is neither.
async fn used(
    tx: &mut PgConnection,
    state: &AppState,
    user: UserId,
    code: &str,
    now: DateTime<Utc>,
) -> Result<Option<Used>> {
    let Some(stored) = db::second_factors::find(tx, user).await?.filter(|it| it.is_confirmed)
    else {
        return Ok(None);
    };
    let code = totp::bare(code);
    match state.vault.open(&stored.secret, user.0.as_bytes()) {
        Ok(secret) => {
            if let Some(step) = totp::step(&secret, &code, stored.last_step, now)? {
                db::second_factors::use_step(tx, user, step).await?;
                return Ok(Some(Used::Code));
            }
        }
        // After a leak the key that sealed it is gone for good: recovery codes need no key.
        Err(error) => tracing::error!(%error, %user, "a second factor cannot be opened"),
    }
    let hash = totp::recovery_hash(&code);
    let is_recovery = db::second_factors::use_recovery_code(tx, user, &hash, now).await?;
    Ok(is_recovery.then_some(Used::Recovery))
}

/// Lets whoever knew the password show a code; `None` when the account needs none.
pub(super) async fn challenge(
    tx: &mut PgConnection,
    user: UserId,
    address: Option<&str>,
    now: DateTime<Utc>,
) -> Result<Option<Secret>> {
    let stored = db::second_factors::find(&mut *tx, user).await?;
    if !stored.is_some_and(|stored| stored.is_confirmed) {
        return Ok(None);
    }
    let secret = Secret::random();
    let expires_at = now + CHALLENGE_LIFETIME;
    db::second_factors::add_challenge(tx, &secret.hash(), user, address, expires_at).await?;
    Ok(Some(secret))
}

/// Finish signing in with a code or a recovery code.
#[utoipa::path(post, path = "/api/v1/auth/login/second-factor", tag = "session",
    operation_id = "login_second_factor", request_body = SecondStep,
    responses((status = 200, description = "Signed in", body = SignedIn), Problems))]
pub async fn login_second_factor(
    State(state): State<AppState>,
    headers: HeaderMap,
    jar: CookieJar,
    Json(SecondStep { challenge, code }): Json<SecondStep>,
) -> Result<(CookieJar, Json<SignedIn>)> {
    check_origin(&headers)?;
    let now = state.clock.now();
    let (address, hash) = (auth::address(&headers), Secret::received(challenge).hash());
    let (user, attempt) = match challenged(&state, &hash, address.as_deref(), now).await {
        Err(error @ (Error::ChallengeOver | Error::TooManyRequests(_))) => {
            let reason = if matches!(error, Error::ChallengeOver) {
                "no such challenge any more"
            } else {
                "too many failures"
            };
            refused(&state, None, address, reason).await?;
            return Err(error);
        }
        challenged => challenged?,
    };
    let mut tx = db::begin(&state.db).await?;
    let used = used(&mut tx, &state, user.id, &code, now).await?;
    let is_first = db::second_factors::use_challenge(&mut tx, &hash, now).await?;
    let Some(used) = used.filter(|_| is_first) else {
        drop(tx);
        refused(&state, Some(&user), address, "wrong code").await?;
        return Err(Error::WrongCode);
    };
    attempt.succeeded(&mut tx).await?;
    lockout::signed_in(&mut tx, &user.email, address.as_deref(), now).await?;
    let details = json!({ "second_factor": used.name() });
    let (token, signed_in) = open(&mut tx, &state, user.id, &headers, Some(details)).await?;
    tx.commit().await?;
    Ok((jar.add(cookie(&token)), Json(signed_in)))
}

/// Whose challenge it is, with one more attempt at it counted.
async fn challenged(
    state: &AppState,
    hash: &[u8],
    address: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(User, Attempt)> {
    let mut tx = db::begin(&state.db).await?;
    let attempts = CHALLENGE_ATTEMPTS;
    let id = db::second_factors::try_challenge(&mut tx, hash, address, attempts, now).await?;
    let id = id.ok_or(Error::ChallengeOver)?;
    let user = db::users::find_active(&mut *tx, id).await?.ok_or(Error::ChallengeOver)?;
    let attempt = Attempt::at(&mut tx, &user.email, PLACE.to_owned(), now).await?;
    tx.commit().await?;
    Ok((user, attempt))
}

async fn refused(
    state: &AppState,
    user: Option<&User>,
    address: Option<String>,
    reason: &str,
) -> Result<()> {
    let actor = Actor {
        user_id: user.map(|user| user.id),
        role: user.map(|user| user.role),
        address,
        request_id: telemetry::request_id(),
        ..Actor::default()
    };
    let event = Event::new("session.second_factor").outcome(Outcome::Refused);
    refusals::record(state, &actor, event.details(json!({ "reason": reason }))).await
}
