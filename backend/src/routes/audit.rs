//! The audit log: searched, proved, given out. Looking at it is on record too.

use std::{collections::BTreeSet, time::Duration};

use anyhow::anyhow;
use axum::{
    body::{Body, Bytes},
    extract::State,
    http::header,
    response::IntoResponse,
};
use chrono::{DateTime, Utc};
use futures::{Stream, stream};
use serde::Deserialize;
use serde_json::json;
use shared::{
    audit::{AccessEvent, AuditEvent, AuditOutcome, AuditProof, AuditVerdict, AuditVerification},
    id::{PatientId, UserId},
    page::Page,
    phrase,
};
use sqlx::{PgConnection, PgPool};
use tokio::sync::{Semaphore, SemaphorePermit};
use utoipa::IntoParams;

use crate::{
    audit::{proof, verify},
    auth::{Allowed, ReadAccessLog, ReadAudit},
    db::{
        self,
        audit::{Event, Filter, Outcome},
        audit_tree::{self, Export},
    },
    error::{Error, Result},
    extract::{Json, Path, Query},
    input::Faults,
    openapi::Problems,
    page,
    state::AppState,
};

/// How long a check may take within a request; the command line has no limit.
const CHECK_AT_MOST: Duration = Duration::from_secs(20);
/// How many passes over the whole log there may be at a time.
static PASSES: Semaphore = Semaphore::const_new(2);
/// How many entries of an export are in memory at once.
const EXPORT_BATCH: i64 = 500;

/// Which entries to list.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Done by this account: its id or its e-mail address.
    pub actor: Option<String>,
    /// In this patient's record.
    pub patient: Option<PatientId>,
    /// One action such as `patient.read`, or a noun such as `patient` for all of its actions.
    pub action: Option<String>,
    /// With this end.
    pub outcome: Option<AuditOutcome>,
    /// `true` for what was done in an emergency by somebody outside the care team, `false` for all
    /// else.
    pub emergency: Option<bool>,
    /// Not before this time.
    pub from: Option<DateTime<Utc>>,
    /// Before this time.
    pub to: Option<DateTime<Utc>>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Items per page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<u32>,
}

/// List entries of the audit log, the newest first.
#[utoipa::path(get, path = "/api/v1/audit-events", tag = "audit",
    security(("bearer" = [])), params(AuditQuery),
    responses((status = 200, description = "A page", body = Page<AuditEvent>), Problems))]
pub async fn list_audit_events(
    Allowed { caller, .. }: Allowed<ReadAudit>,
    State(state): State<AppState>,
    Query(query): Query<AuditQuery>,
) -> Result<Json<Page<AuditEvent>>> {
    let limit = page::limit(query.limit)?;
    let before = page::position(query.cursor.as_deref())?;
    let mut tx = state.begin(&caller).await?;
    let filter = filter(&mut tx, query).await?;
    let found = db::audit::list(&mut *tx, &filter, before, page::rows(limit)).await?;
    let page = page::page(found, limit, |last| last.id)?;
    // Entries tell what was in records: without a patient to look for, that is a look at many.
    let shown: BTreeSet<PatientId> = page.items.iter().filter_map(|it| it.patient_id).collect();
    let shown = filter.patient.is_none().then_some(shown);
    let details = json!({
        "actor": filter.actor, "action": filter.action, "outcome": filter.outcome,
        "emergency": filter.emergency,
        "from": filter.from, "to": filter.to, "patients": shown,
    });
    let event = Event { patient_id: filter.patient, ..Event::new("audit.list") };
    let event = event.details(details);
    db::audit::record(&mut tx, &caller.actor(), event, state.clock.now()).await?;
    tx.commit().await?;
    Ok(Json(page))
}

async fn filter(tx: &mut PgConnection, query: AuditQuery) -> Result<Filter> {
    let AuditQuery { actor, patient, action, outcome, emergency, from, to, .. } = query;
    let mut faults = Faults::default();
    let actor = match actor {
        Some(actor) => {
            let found = account(tx, &actor).await?;
            if found.is_none() {
                faults.add(
                    "/actor",
                    phrase!("is neither the id nor the e-mail address of an account"),
                );
            }
            found
        }
        None => None,
    };
    if let Some(action) = &action {
        let is_plain = |c: char| c.is_ascii_lowercase() || matches!(c, '_' | '.');
        if action.is_empty() || 100 < action.len() || !action.chars().all(is_plain) {
            faults.add(
                "/action",
                phrase!("must be an action such as patient.read, or a noun such as patient"),
            );
        }
    }
    faults.span(from, to);
    faults.refuse()?;
    Ok(Filter { actor, patient, action, outcome, emergency, from, to })
}

async fn account(tx: &mut PgConnection, text: &str) -> Result<Option<UserId>> {
    let text = text.trim();
    if let Ok(id) = text.parse::<UserId>() {
        return Ok(Some(id));
    }
    Ok(db::users::find_by_email(tx, &text.replace('\0', "")).await?)
}

/// Read one entry of the audit log.
#[utoipa::path(get, path = "/api/v1/audit-events/{id}", tag = "audit",
    security(("bearer" = [])),
    params(("id" = i64, Path, description = "The entry's number")),
    responses((status = 200, description = "The entry", body = AuditEvent), Problems))]
pub async fn get_audit_event(
    Allowed { caller, .. }: Allowed<ReadAudit>,
    State(state): State<AppState>,
    Path(id): Path<i64>,
) -> Result<Json<AuditEvent>> {
    let mut tx = state.begin(&caller).await?;
    let found = db::audit::find(&mut *tx, id).await?.ok_or(Error::NotFound(ENTRY))?;
    let event = Event { patient_id: found.patient_id, ..Event::new("audit.read") };
    let event = event.details(json!({ "entry": id }));
    db::audit::record(&mut tx, &caller.actor(), event, state.clock.now()).await?;
    tx.commit().await?;
    Ok(Json(found))
}

/// What a number of the log stands for.
const ENTRY: &str = "audit entry";

/// Prove that an entry is in the log that the latest signed checkpoint speaks of.
#[utoipa::path(get, path = "/api/v1/audit-events/{id}/proof", tag = "audit",
    operation_id = "get_audit_event_proof", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The entry's number")),
    responses((status = 200, description = "The proof", body = AuditProof), Problems))]
pub async fn get_audit_event_proof(
    Allowed { caller, .. }: Allowed<ReadAudit>,
    State(state): State<AppState>,
    Path(id): Path<i64>,
) -> Result<Json<AuditProof>> {
    let _pass = pass()?;
    db::audit::find(&state.db, id).await?.ok_or(Error::NotFound(ENTRY))?;
    let proof = match audit_tree::sealed_event(&state.db, id).await? {
        Some(entry) => proof::prove(&state.db, &state.audit_keys, entry).await?,
        None => None,
    };
    let unsealed =
        || Error::Conflict(phrase!("the entry is not sealed yet; try again in a second").into());
    let proof = proof.ok_or_else(unsealed)?;
    let mut tx = state.begin(&caller).await?;
    let event = Event::new("audit.prove").details(json!({ "entry": id }));
    db::audit::record(&mut tx, &caller.actor(), event, state.clock.now()).await?;
    tx.commit().await?;
    Ok(Json(proof))
}

/// Check that the log is whole: every entry as it was sealed, every checkpoint signed.
///
/// Where it is not, the first such entry is named. To find out whether its end was cut off, use
/// `nephrocast audit verify --checkpoint` with a checkpoint that was kept elsewhere.
#[utoipa::path(get, path = "/api/v1/audit-events/verify", tag = "audit",
    security(("bearer" = [])),
    responses((status = 200, description = "The finding", body = AuditVerification), Problems))]
pub async fn verify_audit_events(
    Allowed { caller, .. }: Allowed<ReadAudit>,
    State(state): State<AppState>,
) -> Result<Json<AuditVerification>> {
    let _pass = pass()?;
    let found = verify::verify(&state.db, &state.audit_keys, None, Some(CHECK_AT_MOST)).await?;
    let broken = found.verdict == AuditVerdict::Broken;
    let outcome = if broken { Outcome::Failure } else { Outcome::Success };
    let event = Event::new("audit.verify").outcome(outcome);
    let event = event.details(json!({ "verdict": found.verdict, "checked": found.checked }));
    let mut tx = state.begin(&caller).await?;
    db::audit::record(&mut tx, &caller.actor(), event, state.clock.now()).await?;
    tx.commit().await?;
    Ok(Json(found))
}

/// A place among those who pass over the whole log.
fn pass() -> Result<SemaphorePermit<'static>> {
    PASSES.try_acquire().map_err(|_| Error::Unavailable(anyhow!("the log is being checked")))
}

/// Which entries to export.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExportQuery {
    /// Not before this time.
    pub from: Option<DateTime<Utc>>,
    /// Before this time.
    pub to: Option<DateTime<Utc>>,
}

/// Export sealed entries, one JSON object per line, in the order in which they were sealed.
///
/// Each line is the entry exactly as it was hashed: SHA-256 of a zero byte and the line is its
/// leaf in the log's Merkle tree (RFC 6962).
#[utoipa::path(get, path = "/api/v1/audit-events/export", tag = "audit",
    security(("bearer" = [])), params(ExportQuery),
    responses((status = 200, description = "The entries", body = String,
        content_type = "application/x-ndjson"), Problems))]
pub async fn export_audit_events(
    Allowed { caller, .. }: Allowed<ReadAudit>,
    State(state): State<AppState>,
    Query(ExportQuery { from, to }): Query<ExportQuery>,
) -> Result<impl IntoResponse> {
    let mut faults = Faults::default();
    faults.span(from, to);
    faults.refuse()?;
    let mut tx = state.begin(&caller).await?;
    let end = audit_tree::ends(&mut *tx).await?.checkpoint;
    let event = Event::new("audit.export").details(json!({ "from": from, "to": to, "end": end }));
    db::audit::record(&mut tx, &caller.actor(), event, state.clock.now()).await?;
    tx.commit().await?;
    let headers = [
        (header::CONTENT_TYPE, "application/x-ndjson"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"audit-events.ndjson\""),
    ];
    let wanted = Export { first: 0, end, from, to };
    Ok((headers, Body::from_stream(lines(state.db.clone(), wanted))))
}

/// The lines of an export, a batch at a time: whoever reads slowly keeps nothing waiting.
fn lines(db: PgPool, wanted: Export) -> impl Stream<Item = sqlx::Result<Bytes>> {
    stream::try_unfold((db, Some(wanted)), |(db, wanted)| async move {
        let Some(wanted) = wanted else { return Ok(None) };
        let rows = audit_tree::exported(&db, wanted, EXPORT_BATCH).await?;
        let Some(last) = rows.last() else { return Ok(None) };
        let first = last.sequence + 1;
        let next = (first < wanted.end).then_some(Export { first, ..wanted });
        let mut text = String::new();
        for leaf in rows.into_iter().filter_map(|row| row.leaf) {
            text.push_str(&leaf);
            text.push('\n');
        }
        Ok(Some((Bytes::from(text), (db, next))))
    })
}

/// Which part of a list to answer.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AccessQuery {
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Items per page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<u32>,
}

/// List who looked at a patient's record or changed it, the newest first.
#[utoipa::path(get, path = "/api/v1/patients/{id}/audit-events", tag = "audit",
    security(("bearer" = [])),
    params(("id" = PatientId, Path, description = "The patient"), AccessQuery),
    responses((status = 200, description = "A page", body = Page<AccessEvent>), Problems))]
pub async fn list_patient_audit_events(
    Allowed { caller, .. }: Allowed<ReadAccessLog>,
    State(state): State<AppState>,
    Path(id): Path<PatientId>,
    Query(query): Query<AccessQuery>,
) -> Result<Json<Page<AccessEvent>>> {
    let limit = page::limit(query.limit)?;
    let before = page::position(query.cursor.as_deref())?;
    let mut tx = state.begin(&caller).await?;
    caller.patient(&mut tx, id).await?;
    let found = db::audit::accesses(&mut *tx, id, before, page::rows(limit)).await?;
    let page = page::page(found, limit, |last| last.id)?;
    let event = Event::new("audit.list").patient(id);
    db::audit::record(&mut tx, &caller.actor(), event, state.clock.now()).await?;
    tx.commit().await?;
    Ok(Json(page))
}
