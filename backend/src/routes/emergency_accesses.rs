//! Breaking the glass: a record opened in an emergency by somebody outside its care team, for a
//! reason, for a time, and for all who are responsible to see.

use std::collections::BTreeSet;

use axum::{extract::State, http::StatusCode};
use serde::Deserialize;
use serde_json::json;
use shared::{
    care_team::{EmergencyAccess, NewEmergencyAccess},
    id::{EmergencyAccessId, PatientId},
    page::Page,
    phrase,
};
use sqlx::PgConnection;
use utoipa::IntoParams;

use crate::{
    auth::{Allowed, BreakGlass, Caller, ReadAudit, ReadCareTeams, guesses, lockout::Attempt},
    db::{
        self,
        audit::{Event, Outcome},
        emergency_accesses::NewAccess,
    },
    error::{Error, Result},
    extract::{Created, Creation, Json, Path, Query},
    input::Faults,
    openapi::Problems,
    page,
    routes::{keep, replay},
    state::AppState,
};

/// The most characters of a medical record number.
const MRN: usize = 64;
/// The most characters of a reason.
const REASON: usize = 500;

/// Open a record in an emergency: without belonging to the care team, for a limited time.
///
/// It is on record with its reason, as is everything done while it lasts, and the care team and the
/// administrators see it. After five numbers that no record has, each further one has to wait
/// longer.
#[utoipa::path(post, path = "/api/v1/emergency-accesses", tag = "care-teams",
    security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition safe")),
    request_body = NewEmergencyAccess,
    responses((status = 201, description = "The record is open", body = EmergencyAccess,
        headers(("Location" = String, description = "The record"))), Problems))]
pub async fn create_emergency_access(
    Allowed { caller, .. }: Allowed<BreakGlass>,
    State(state): State<AppState>,
    Creation { new, key }: Creation<NewEmergencyAccess>,
) -> Result<Created> {
    let wanted = checked(&new)?;
    if caller.in_care_of().is_none() {
        let message = phrase!("every clinician sees every record here; there is nothing to open");
        return Err(Error::Conflict(message.to_owned()));
    }
    let attempt = counted(&state, &caller).await?;
    // The record is out of the caller's sight until it is open.
    let mut tx = state.begin_beyond(&caller).await?;
    if let Some(first) = replay(&mut tx, &state, &caller, key.as_ref()).await? {
        attempt.taken_back(&mut tx).await?;
        tx.commit().await?;
        return Ok(first);
    }
    let Some(id) = db::emergency_accesses::patient_with_mrn(&mut *tx, &wanted.mrn).await? else {
        tx.rollback().await?;
        return refused(&state, &caller, &wanted).await;
    };
    attempt.taken_back(&mut tx).await?;
    let opened = open(&mut tx, &state, &caller, id, &wanted).await?;
    let location = format!("/api/v1/patients/{id}");
    let created = Created::new(Some(location), None, &opened)?;
    let created = keep(&mut tx, &caller, key, created).await?;
    tx.commit().await?;
    Ok(created)
}

fn checked(new: &NewEmergencyAccess) -> Result<NewEmergencyAccess> {
    let mut faults = Faults::default();
    let mrn = faults.line("/mrn", &new.mrn, MRN);
    let reason = faults.text("/reason", &new.reason, REASON);
    faults.refuse()?;
    Ok(NewEmergencyAccess { mrn, reason })
}

/// Counts the attempt before it is made, so that many at once are many.
async fn counted(state: &AppState, caller: &Caller) -> Result<Attempt> {
    let mut tx = state.begin(caller).await?;
    let user = db::users::find(&mut *tx, caller.user_id).await?.ok_or(Error::NotSignedIn)?;
    let place = guesses::PLACE.to_owned();
    let attempt = Attempt::at(&mut tx, &user.email, place, state.clock.now()).await?;
    tx.commit().await?;
    Ok(attempt)
}

/// A number that no record has; it is on record, because it may be a guess.
async fn refused<T>(state: &AppState, caller: &Caller, wanted: &NewEmergencyAccess) -> Result<T> {
    let mut tx = state.begin(caller).await?;
    let event = Event::new("emergency_access.open").outcome(Outcome::Refused);
    let event = event.details(json!({ "mrn": wanted.mrn, "reason": wanted.reason }));
    db::audit::record(&mut tx, &caller.actor(), event, state.clock.now()).await?;
    tx.commit().await?;
    Err(Error::field("/mrn", phrase!("belongs to no record; it must be given exactly")))
}

async fn open(
    tx: &mut PgConnection,
    state: &AppState,
    caller: &Caller,
    patient: PatientId,
    wanted: &NewEmergencyAccess,
) -> Result<EmergencyAccess> {
    let members = db::care_teams::members(&mut *tx, patient).await?;
    if members.iter().any(|member| member.user_id == caller.user_id) {
        let message = phrase!("you belong to this patient's care team; search for the record");
        return Err(Error::Conflict(message.to_owned()));
    }
    let id = EmergencyAccessId(state.clock.new_id());
    let opened_at = state.clock.now();
    let new = NewAccess { id, patient, user: caller.user_id, reason: &wanted.reason, opened_at };
    db::emergency_accesses::insert(&mut *tx, &new).await?;
    let opened = db::emergency_accesses::find(&mut *tx, id).await?;
    let opened = opened.ok_or(Error::NotFound("emergency access"))?;
    let event = Event::new("emergency_access.open").object(id.0).patient(patient);
    let details = json!({ "reason": opened.reason, "expires_at": opened.expires_at });
    db::audit::record(tx, &caller.actor(), event.details(details), opened_at).await?;
    Ok(opened)
}

/// End one's own emergency access before its time is up. One that is over, or somebody else's, is not
/// found.
#[utoipa::path(delete, path = "/api/v1/emergency-accesses/{id}", tag = "care-teams",
    security(("bearer" = [])),
    params(("id" = EmergencyAccessId, Path, description = "The emergency access")),
    responses((status = 204, description = "The record is closed again"), Problems))]
pub async fn end_emergency_access(
    Allowed { caller, .. }: Allowed<BreakGlass>,
    State(state): State<AppState>,
    Path(id): Path<EmergencyAccessId>,
) -> Result<StatusCode> {
    let now = state.clock.now();
    let mut tx = state.begin(&caller).await?;
    let ended = db::emergency_accesses::end(&mut tx, id, caller.user_id, now).await?;
    let patient = ended.ok_or(Error::NotFound("emergency access"))?;
    let event = Event::new("emergency_access.end").object(id.0).patient(patient);
    db::audit::record(&mut tx, &caller.actor(), event, now).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which part of a list of emergency accesses to answer.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EmergencyAccessQuery {
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Items per page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<u32>,
}

/// List records that were opened in an emergency, the newest first.
#[utoipa::path(get, path = "/api/v1/emergency-accesses", tag = "care-teams",
    security(("bearer" = [])), params(EmergencyAccessQuery),
    responses((status = 200, description = "A page", body = Page<EmergencyAccess>), Problems))]
pub async fn list_emergency_accesses(
    Allowed { caller, .. }: Allowed<ReadAudit>,
    State(state): State<AppState>,
    Query(query): Query<EmergencyAccessQuery>,
) -> Result<Json<Page<EmergencyAccess>>> {
    let mut tx = state.begin(&caller).await?;
    let page = listed(&mut tx, None, query).await?;
    let shown: Vec<_> = page.items.iter().map(|item| item.id).collect();
    let patients: BTreeSet<_> = page.items.iter().map(|item| item.patient_id).collect();
    let event = Event::new("emergency_access.list");
    let event = event.details(json!({ "accesses": shown, "patients": patients }));
    db::audit::record(&mut tx, &caller.actor(), event, state.clock.now()).await?;
    tx.commit().await?;
    Ok(Json(page))
}

/// List when a patient's record was opened in an emergency, the newest first.
#[utoipa::path(get, path = "/api/v1/patients/{id}/emergency-accesses", tag = "care-teams",
    security(("bearer" = [])),
    params(("id" = PatientId, Path, description = "The patient"), EmergencyAccessQuery),
    responses((status = 200, description = "A page", body = Page<EmergencyAccess>), Problems))]
pub async fn list_patient_emergency_accesses(
    Allowed { caller, .. }: Allowed<ReadCareTeams>,
    State(state): State<AppState>,
    Path(id): Path<PatientId>,
    Query(query): Query<EmergencyAccessQuery>,
) -> Result<Json<Page<EmergencyAccess>>> {
    let mut tx = state.begin(&caller).await?;
    caller.patient(&mut tx, id).await?;
    let page = listed(&mut tx, Some(id), query).await?;
    let event = Event::new("emergency_access.list").patient(id);
    db::audit::record(&mut tx, &caller.actor(), event, state.clock.now()).await?;
    tx.commit().await?;
    Ok(Json(page))
}

async fn listed(
    tx: &mut PgConnection,
    patient: Option<PatientId>,
    query: EmergencyAccessQuery,
) -> Result<Page<EmergencyAccess>> {
    let limit = page::limit(query.limit)?;
    let before = page::position(query.cursor.as_deref())?;
    let rows = page::rows(limit);
    let found = db::emergency_accesses::list(tx, patient, before, rows).await?;
    page::page(found, limit, |last| last.id)
}
