//! Handlers: HTTP in and out, nothing else. One file per noun.

pub mod service;
pub mod session;
pub mod settings;
pub mod tokens;

pub mod biopsies;
pub mod models;
pub mod observations;
pub mod outcomes;
pub mod patients;
pub mod predictions;
pub mod therapies;

use axum::http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value, json};
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

/// What differs between two versions of something, for the audit log: each field's name with
/// `from` and `to`.
pub fn changes<T: Serialize>(before: &T, after: &T) -> Result<Map<String, Value>> {
    let before = serde_json::to_value(before).map_err(anyhow::Error::from)?;
    let after = serde_json::to_value(after).map_err(anyhow::Error::from)?;
    let fields = after.as_object().into_iter().flatten();
    let changed = fields.filter(|(name, to)| before[name.as_str()] != **to);
    Ok(changed
        .map(|(name, to)| (name.clone(), json!({ "from": before[name.as_str()], "to": to })))
        .collect())
}

/// An entry of a record that the caller does not reach is as unknown as one that is not there.
pub fn unknown(what: &'static str) -> impl FnOnce(Error) -> Error {
    move |error| match error {
        Error::NotFound(_) => Error::NotFound(what),
        error => error,
    }
}
