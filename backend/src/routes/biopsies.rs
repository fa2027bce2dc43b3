//! Kidney biopsies.

use axum::{extract::State, http::StatusCode};
use chrono::NaiveDate;
use serde_json::{Value, json};
use shared::{
    biopsy::{Biopsy, BiopsyPatch, NewBiopsy},
    id::{BiopsyId, PatientId},
    page::Items,
    patient::Patient,
    sentence,
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

/// The most characters of a diagnosis.
const DIAGNOSIS: usize = 500;

/// List a patient's kidney biopsies, the last first.
#[utoipa::path(get, path = "/api/v1/patients/{id}/biopsies", tag = "biopsies",
    security(("bearer" = [])),
    params(("id" = PatientId, Path, description = "The patient")),
    responses((status = 200, description = "All biopsies", body = Items<Biopsy>), Problems))]
pub async fn list_biopsies(
    Allowed { caller, .. }: Allowed<ReadPatients>,
    State(state): State<AppState>,
    Path(id): Path<PatientId>,
) -> Result<Json<Items<Biopsy>>> {
    let mut reading = state.reading(&caller).await?;
    caller.patient(&mut reading, id).await?;
    let items = db::biopsies::list(&mut *reading, id).await?;
    reading.end().await?;
    let event = Event::new("biopsy.list").patient(id);
    state.record_look(&caller, event).await?;
    Ok(Json(Items { items }))
}

/// Record a kidney biopsy.
#[utoipa::path(post, path = "/api/v1/patients/{id}/biopsies", tag = "biopsies",
    security(("bearer" = [])),
    params(("id" = PatientId, Path, description = "The patient"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition safe")),
    request_body = NewBiopsy,
    responses((status = 201, description = "The new biopsy", body = Biopsy,
        headers(("Location" = String, description = "The biopsy"),
            ("ETag" = String, description = "Its version"))), Problems))]
pub async fn create_biopsy(
    Allowed { caller, .. }: Allowed<EditPatients>,
    State(state): State<AppState>,
    Path(id): Path<PatientId>,
    Creation { new, key }: Creation<NewBiopsy>,
) -> Result<Created> {
    let mut tx = state.begin(&caller).await?;
    if let Some(first) = replay(&mut tx, &state, &caller, key.as_ref()).await? {
        tx.commit().await?;
        return Ok(first);
    }
    let patient = caller.patient_to_change(&mut tx, id).await?;
    let NewBiopsy { performed_on, diagnosis, m, e, s, t, c } = new;
    let (biopsy, created_at) = (BiopsyId(state.clock.new_id()), state.clock.now());
    let biopsy = Biopsy {
        id: biopsy,
        version: 1,
        patient_id: id,
        performed_on,
        diagnosis,
        m,
        e,
        s,
        t,
        c,
        created_at,
    };
    let biopsy = checked(biopsy, &patient, state.clock.today())?;
    db::biopsies::insert(&mut tx, &biopsy).await?;
    let event = Event::new("biopsy.create").object(biopsy.id.0).patient(id);
    let event = event.details(changed(&(), &biopsy)?);
    db::audit::record(&mut tx, &caller.actor(), event, created_at).await?;
    let location = format!("/api/v1/biopsies/{}", biopsy.id);
    let created = Created::new(Some(location), Some(biopsy.version), &biopsy)?;
    let created = keep(&mut tx, &caller, key, created).await?;
    tx.commit().await?;
    Ok(created)
}

/// The biopsy as it is kept, or everything that is wrong with it.
fn checked(mut biopsy: Biopsy, patient: &Patient, today: NaiveDate) -> Result<Biopsy> {
    let mut faults = Faults::default();
    faults.day("/performed_on", biopsy.performed_on, patient.birth_date, today);
    biopsy.diagnosis = faults.text("/diagnosis", &biopsy.diagnosis, DIAGNOSIS);
    let scores = [
        ("/m", biopsy.m, 1),
        ("/e", biopsy.e, 1),
        ("/s", biopsy.s, 1),
        ("/t", biopsy.t, 2),
        ("/c", biopsy.c, 2),
    ];
    for (pointer, score, most) in scores {
        if score.is_some_and(|score| most < score) {
            faults.add(pointer, sentence!("must be from 0 to {most}, or null when it is unknown"));
        }
    }
    faults.refuse()?;
    Ok(biopsy)
}

/// Change a kidney biopsy.
#[utoipa::path(patch, path = "/api/v1/biopsies/{id}", tag = "biopsies",
    security(("bearer" = [])),
    params(("id" = BiopsyId, Path, description = "The biopsy"),
        ("If-Match" = String, Header, description = "The version that the change is based on")),
    request_body = BiopsyPatch,
    responses((status = 200, description = "The changed biopsy", body = Biopsy,
        headers(("ETag" = String, description = "Its version"))), Problems))]
pub async fn update_biopsy(
    Allowed { caller, .. }: Allowed<EditPatients>,
    State(state): State<AppState>,
    Path(id): Path<BiopsyId>,
    version: IfMatch,
    Json(patch): Json<BiopsyPatch>,
) -> Result<Versioned<Biopsy>> {
    let mut tx = state.begin(&caller).await?;
    let (patient, before) = to_change(&mut tx, &caller, id, Some(version)).await?;
    let after = Biopsy {
        performed_on: patch.performed_on.unwrap_or(before.performed_on),
        diagnosis: patch.diagnosis.unwrap_or_else(|| before.diagnosis.clone()),
        m: patch.m.unwrap_or(before.m),
        e: patch.e.unwrap_or(before.e),
        s: patch.s.unwrap_or(before.s),
        t: patch.t.unwrap_or(before.t),
        c: patch.c.unwrap_or(before.c),
        ..before.clone()
    };
    let mut after = checked(after, &patient, state.clock.today())?;
    let changed = changes(&before, &after)?;
    if !changed.is_empty() {
        after.version += 1;
        db::biopsies::update(&mut tx, &after).await?;
    }
    let event = Event::new("biopsy.update").object(id.0).patient(patient.id);
    let event = event.details(json!({ "changed": Value::Object(changed) }));
    db::audit::record(&mut tx, &caller.actor(), event, state.clock.now()).await?;
    tx.commit().await?;
    Ok(Versioned { version: after.version, body: after })
}

/// Delete a kidney biopsy that was recorded in error.
#[utoipa::path(delete, path = "/api/v1/biopsies/{id}", tag = "biopsies",
    security(("bearer" = [])),
    params(("id" = BiopsyId, Path, description = "The biopsy"),
        ("If-Match" = Option<String>, Header, description = "The version that was read")),
    responses((status = 204, description = "Deleted"), Problems))]
pub async fn delete_biopsy(
    Allowed { caller, .. }: Allowed<EditPatients>,
    State(state): State<AppState>,
    Path(id): Path<BiopsyId>,
    version: Option<IfMatch>,
) -> Result<StatusCode> {
    let now = state.clock.now();
    let mut tx = state.begin(&caller).await?;
    let (patient, before) = to_change(&mut tx, &caller, id, version).await?;
    db::biopsies::delete(&mut tx, id, now).await?;
    let event = Event::new("biopsy.delete").object(id.0).patient(patient.id);
    let event = event.details(changed(&before, &())?);
    db::audit::record(&mut tx, &caller.actor(), event, now).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The biopsy and its record, locked, if the version is the one that the caller has read.
async fn to_change(
    tx: &mut PgConnection,
    caller: &Caller,
    id: BiopsyId,
    version: Option<IfMatch>,
) -> Result<(Patient, Biopsy)> {
    const WHAT: &str = "biopsy";
    let found = db::biopsies::find(&mut *tx, id).await?.ok_or(Error::NotFound(WHAT))?;
    let patient = caller.patient_to_change(tx, found.patient_id).await.map_err(unknown(WHAT))?;
    // Read again: somebody may have changed it before the record was locked.
    let found = db::biopsies::find(&mut *tx, id).await?.ok_or(Error::NotFound(WHAT))?;
    if version.is_some_and(|IfMatch(version)| version != found.version) {
        return Err(Error::Stale);
    }
    Ok((patient, found))
}
