//! Handlers: HTTP in and out, nothing else. One file per noun.

pub mod passwords;
pub mod preferences;
pub mod second_factors;
pub mod service;
pub mod session;
pub mod settings;
pub mod tokens;
pub mod users;
pub mod views;

pub mod audit;

pub mod biopsies;
pub mod care_teams;
pub mod dashboards;
pub mod documents;
pub mod emergency_accesses;
pub mod erasures;
pub mod imports;
pub mod models;
pub mod observations;
pub mod outcomes;
pub mod patient_exports;
pub mod patients;
pub mod prediction_batches;
pub mod predictions;
pub mod records;
pub mod therapies;

pub mod privacy;
pub mod summaries;

use axum::http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value, json};
use shared::id::PatientId;
use sqlx::PgConnection;

use crate::{
    auth::Caller,
    db::{
        self,
        audit::Event,
        idempotency::{self, FirstAnswer},
    },
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
    // The answer shows again what was recorded then: that is another look at it, for those who
    // still see the record.
    let patient_id = patient_in(&first);
    if let Some(id) = patient_id {
        caller.patient(db, id).await?;
    }
    let event = Event { patient_id, ..Event::new("request.repeat") };
    let event = event.details(json!({ "answer": first.location }));
    db::audit::record(db, &caller.actor(), event, now).await?;
    let status = StatusCode::from_u16(first.status.cast_unsigned()).map_err(anyhow::Error::from)?;
    let FirstAnswer { location, version, body, .. } = first;
    let body = serde_json::to_vec(&body).map_err(anyhow::Error::from)?;
    Ok(Some(Created { status, location, version, body }))
}

/// Whose record an answer shows.
fn patient_in(first: &FirstAnswer) -> Option<PatientId> {
    let body = &first.body;
    let location = first.location.as_deref().and_then(|at| at.strip_prefix("/api/v1/patients/"));
    let id = location.and_then(|at| at.split('/').next());
    let in_body = || [&body["patient_id"], &body["items"][0]["patient_id"]];
    id.or_else(|| in_body().into_iter().find_map(Value::as_str)).and_then(|id| id.parse().ok())
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
        body: serde_json::from_slice(&created.body).map_err(anyhow::Error::from)?,
    };
    idempotency::keep(db, caller.user_id, &key, &answer).await?;
    Ok(created)
}

/// What differs between two versions of something, for the audit log: each field's name with
/// `from` and `to`. Before something is made, and after it is removed, it is `&()`.
pub fn changes<B: Serialize, A: Serialize>(before: &B, after: &A) -> Result<Map<String, Value>> {
    let before = serde_json::to_value(before).map_err(anyhow::Error::from)?;
    let after = serde_json::to_value(after).map_err(anyhow::Error::from)?;
    let fields = after.as_object().or_else(|| before.as_object()).into_iter().flatten();
    let values = fields.map(|(name, _)| (name, &before[name.as_str()], &after[name.as_str()]));
    let changed = values.filter(|(_, from, to)| from != to);
    Ok(changed.map(|(name, from, to)| (name.clone(), json!({ "from": from, "to": to }))).collect())
}

/// The same, as an audit entry's details.
pub fn changed<B: Serialize, A: Serialize>(before: &B, after: &A) -> Result<Value> {
    Ok(json!({ "changed": changes(before, after)? }))
}

/// An entry of a record that the caller does not reach is as unknown as one that is not there.
pub fn unknown(what: &'static str) -> impl FnOnce(Error) -> Error {
    move |error| match error {
        Error::NotFound(_) => Error::NotFound(what),
        error => error,
    }
}
