//! Handlers: HTTP in and out, nothing else. One file per noun.

pub mod service;
pub mod session;

pub mod biopsies;
pub mod observations;
pub mod outcomes;
pub mod patients;
pub mod predictions;
pub mod therapies;

use axum::http::StatusCode;
use sqlx::PgConnection;

use crate::{
    auth::Caller,
    db::idempotency::{self, FirstAnswer},
    error::{Error, Result},
    extract::{Created, RequestKey},
    state::AppState,
};

/// Answers a repeated request with its first answer; `None` when this is the first.
pub async fn replay(
    db: &mut PgConnection,
    state: &AppState,
    caller: &Caller,
    key: Option<&RequestKey>,
) -> Result<Option<Created>> {
    let Some(RequestKey { key, fingerprint }) = key else { return Ok(None) };
    let now = state.clock.now();
    let Some(first) = idempotency::claim(db, caller.user_id, key, fingerprint, now).await? else {
        return Ok(None);
    };
    if first.fingerprint != fingerprint {
        return Err(Error::KeyReused);
    }
    let status = StatusCode::from_u16(first.status.cast_unsigned()).map_err(anyhow::Error::from)?;
    let FirstAnswer { location, version, body, .. } = first;
    Ok(Some(Created { status, location, version, body }))
}

/// Keeps an answer under its request's key, in the transaction of what it created.
pub async fn keep(
    db: &mut PgConnection,
    caller: &Caller,
    key: Option<RequestKey>,
    created: Created,
) -> Result<Created> {
    let Some(RequestKey { key, fingerprint }) = key else { return Ok(created) };
    let answer = FirstAnswer {
        fingerprint: fingerprint.to_vec(),
        status: created.status.as_u16().cast_signed(),
        location: created.location.clone(),
        version: created.version,
        body: created.body.clone(),
    };
    idempotency::keep(db, caller.user_id, &key, &answer).await?;
    Ok(created)
}
