//! Courses of drugs.

use axum::{extract::State, http::StatusCode};
use chrono::NaiveDate;
use serde_json::{Value, json};
use shared::{
    id::{PatientId, TherapyId},
    page::Items,
    patient::Patient,
    phrase,
    therapy::{NewTherapy, Therapy, TherapyPatch},
};
use sqlx::PgConnection;

use crate::{
    auth::{Allowed, Caller, EditPatients, ReadPatients},
    db::{self, audit::Event},
    error::{Error, Result},
    extract::{Created, Creation, IfMatch, Json, Path, Versioned},
    input::Faults,
    openapi::Problems,
    routes::{changed, changes, keep, replay, unknown},
    state::AppState,
};

/// The most characters of a remark.
const NOTE: usize = 500;

/// List a patient's courses of drugs, the last begun first.
#[utoipa::path(get, path = "/api/v1/patients/{id}/therapies", tag = "therapies",
    security(("bearer" = [])),
    params(("id" = PatientId, Path, description = "The patient")),
    responses((status = 200, description = "All courses", body = Items<Therapy>), Problems))]
pub async fn list_therapies(
    Allowed { caller, .. }: Allowed<ReadPatients>,
    State(state): State<AppState>,
    Path(id): Path<PatientId>,
) -> Result<Json<Items<Therapy>>> {
    let mut reading = state.reading(&caller).await?;
    caller.patient(&mut reading, id).await?;
    let items = db::therapies::list(&mut *reading, id).await?;
    reading.end().await?;
    let event = Event::new("therapy.list").patient(id);
    state.record_look(&caller, event).await?;
    Ok(Json(Items { items }))
}

/// Record a course of a drug.
#[utoipa::path(post, path = "/api/v1/patients/{id}/therapies", tag = "therapies",
    security(("bearer" = [])),
    params(("id" = PatientId, Path, description = "The patient"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition safe")),
    request_body = NewTherapy,
    responses((status = 201, description = "The new course", body = Therapy,
        headers(("Location" = String, description = "The course"),
            ("ETag" = String, description = "Its version"))), Problems))]
pub async fn create_therapy(
    Allowed { caller, .. }: Allowed<EditPatients>,
    State(state): State<AppState>,
    Path(id): Path<PatientId>,
    Creation { new, key }: Creation<NewTherapy>,
) -> Result<Created> {
    let mut tx = state.begin(&caller).await?;
    if let Some(first) = replay(&mut tx, &state, &caller, key.as_ref()).await? {
        tx.commit().await?;
        return Ok(first);
    }
    let patient = caller.patient_to_change(&mut tx, id).await?;
    let therapy = Therapy {
        id: TherapyId(state.clock.new_id()),
        version: 1,
        patient_id: id,
        kind: new.kind,
        started_on: new.started_on,
        ended_on: new.ended_on,
        note: new.note,
        created_at: state.clock.now(),
    };
    let therapy = checked(therapy, &patient, state.clock.today())?;
    db::therapies::insert(&mut tx, &therapy).await?;
    let event = Event::new("therapy.create").object(therapy.id.0).patient(id);
    let event = event.details(changed(&(), &therapy)?);
    db::audit::record(&mut tx, &caller.actor(), event, therapy.created_at).await?;
    let location = format!("/api/v1/therapies/{}", therapy.id);
    let created = Created::new(Some(location), Some(therapy.version), &therapy)?;
    let created = keep(&mut tx, &caller, key, created).await?;
    tx.commit().await?;
    Ok(created)
}

/// The course as it is kept, or everything that is wrong with it.
fn checked(mut therapy: Therapy, patient: &Patient, today: NaiveDate) -> Result<Therapy> {
    let mut faults = Faults::default();
    faults.day("/started_on", therapy.started_on, patient.birth_date, today);
    match therapy.ended_on {
        Some(end) if end < therapy.started_on => {
            faults.add("/ended_on", phrase!("must not be before started_on"));
        }
        Some(end) => faults.day("/ended_on", end, patient.birth_date, today),
        None => {}
    }
    therapy.note = faults.note("/note", therapy.note.as_deref(), NOTE);
    faults.refuse()?;
    Ok(therapy)
}

/// Change a course of a drug.
#[utoipa::path(patch, path = "/api/v1/therapies/{id}", tag = "therapies",
    security(("bearer" = [])),
    params(("id" = TherapyId, Path, description = "The course"),
        ("If-Match" = String, Header, description = "The version that the change is based on")),
    request_body = TherapyPatch,
    responses((status = 200, description = "The changed course", body = Therapy,
        headers(("ETag" = String, description = "Its version"))), Problems))]
pub async fn update_therapy(
    Allowed { caller, .. }: Allowed<EditPatients>,
    State(state): State<AppState>,
    Path(id): Path<TherapyId>,
    version: IfMatch,
    Json(patch): Json<TherapyPatch>,
) -> Result<Versioned<Therapy>> {
    let mut tx = state.begin(&caller).await?;
    let (patient, before) = to_change(&mut tx, &caller, id, Some(version)).await?;
    let after = Therapy {
        kind: patch.kind.unwrap_or(before.kind),
        started_on: patch.started_on.unwrap_or(before.started_on),
        ended_on: patch.ended_on.unwrap_or(before.ended_on),
        note: patch.note.unwrap_or_else(|| before.note.clone()),
        ..before.clone()
    };
    let mut after = checked(after, &patient, state.clock.today())?;
    let changed = changes(&before, &after)?;
    if !changed.is_empty() {
        after.version += 1;
        db::therapies::update(&mut tx, &after).await?;
    }
    let event = Event::new("therapy.update").object(id.0).patient(patient.id);
    let event = event.details(json!({ "changed": Value::Object(changed) }));
    db::audit::record(&mut tx, &caller.actor(), event, state.clock.now()).await?;
    tx.commit().await?;
    Ok(Versioned { version: after.version, body: after })
}

/// Delete a course that was recorded in error.
#[utoipa::path(delete, path = "/api/v1/therapies/{id}", tag = "therapies",
    security(("bearer" = [])),
    params(("id" = TherapyId, Path, description = "The course"),
        ("If-Match" = Option<String>, Header, description = "The version that was read")),
    responses((status = 204, description = "Deleted"), Problems))]
pub async fn delete_therapy(
    Allowed { caller, .. }: Allowed<EditPatients>,
    State(state): State<AppState>,
    Path(id): Path<TherapyId>,
    version: Option<IfMatch>,
) -> Result<StatusCode> {
    let now = state.clock.now();
    let mut tx = state.begin(&caller).await?;
    let (patient, before) = to_change(&mut tx, &caller, id, version).await?;
    db::therapies::delete(&mut tx, id, now).await?;
    let event = Event::new("therapy.delete").object(id.0).patient(patient.id);
    let event = event.details(changed(&before, &())?);
    db::audit::record(&mut tx, &caller.actor(), event, now).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The course and its record, locked, if the version is the one that the caller has read.
async fn to_change(
    tx: &mut PgConnection,
    caller: &Caller,
    id: TherapyId,
    version: Option<IfMatch>,
) -> Result<(Patient, Therapy)> {
    const WHAT: &str = "course";
    let found = db::therapies::find(&mut *tx, id).await?.ok_or(Error::NotFound(WHAT))?;
    let patient = caller.patient_to_change(tx, found.patient_id).await.map_err(unknown(WHAT))?;
    // Read again: somebody may have changed it before the record was locked.
    let found = db::therapies::find(&mut *tx, id).await?.ok_or(Error::NotFound(WHAT))?;
    if version.is_some_and(|IfMatch(version)| version != found.version) {
        return Err(Error::Stale);
    }
    Ok((patient, found))
}
