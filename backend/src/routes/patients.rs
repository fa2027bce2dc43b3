//! Patients' records: found, read, made, changed, archived, restored.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use chrono::NaiveDate;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use shared::{
    access::Permission,
    dashboard::DataGap,
    id::PatientId,
    page::Page,
    patient::{
        NewPatient, Patient, PatientFilter, PatientListItem, PatientPatch, PatientSort,
        RenalDisease, birth_date_fault,
    },
    phrase,
    prediction::{ACategory, GCategory, RiskCategory},
    sentence,
};
use sqlx::PgConnection;
use utoipa::IntoParams;

use crate::{
    auth::{Allowed, Caller, EditPatients, ListPatients, ReadPatients, guesses},
    db::{
        self,
        audit::Event,
        patient_list::{self, Filter},
        walls::Sight,
    },
    derived,
    error::{Error, Result, violated_constraint},
    extract::{Created, Creation, IfMatch, Json, Path, Query, RequestKey, Versioned, Written},
    input::Faults,
    openapi::Problems,
    page,
    routes::{changed, changes, keep, replay},
    state::AppState,
    together::pages::{self, Cursor, PageKey, PageWanted},
};

/// The most characters of a medical record number.
const MRN: usize = 64;
/// The most characters of a name.
const NAME: usize = 100;

/// Which patients to list, and in which order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PatientQuery {
    /// Part of a name or of a medical record number, in any case, or a date of birth
    /// (`YYYY-MM-DD`). One or two characters are looked for at the beginning of words only.
    pub q: Option<String>,
    /// The order: `name`, `risk`, `egfr` or `updated_at`; with `-` in front, backwards. An
    /// unknown risk sorts below every known one, an unknown eGFR above.
    #[param(inline)]
    pub sort: Option<PatientSort>,
    /// The category of the latest prediction.
    pub risk_category: Option<RiskCategory>,
    /// The primary renal disease.
    #[param(inline)]
    pub renal_disease: Option<RenalDisease>,
    /// The KDIGO category of the latest eGFR.
    #[param(inline)]
    pub kdigo_g: Option<GCategory>,
    /// The KDIGO category of the latest urine ACR, or of a PCR where there is no ACR.
    #[param(inline)]
    pub kdigo_a: Option<ACategory>,
    /// What the record lacks.
    #[param(inline)]
    pub gap: Option<DataGap>,
    /// Whether the day has passed by which KDIGO's heat map wants values measured again.
    pub overdue: Option<bool>,
    /// Whether eGFR falls rapidly.
    pub rapid_progression: Option<bool>,
    /// Archived records instead of those in use.
    pub archived: Option<bool>,
    /// Only records that no active clinician belongs to the care team of.
    pub without_care_team: Option<bool>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Items per page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<u32>,
}

impl PatientQuery {
    /// What the list is narrowed by, of the records in use.
    pub(super) fn wanted(&self) -> PatientFilter {
        PatientFilter {
            q: self.q.clone(),
            risk_category: self.risk_category,
            renal_disease: self.renal_disease,
            kdigo_g: self.kdigo_g,
            kdigo_a: self.kdigo_a,
            gap: self.gap,
            overdue: self.overdue,
            rapid_progression: self.rapid_progression,
        }
    }

    /// The records that the caller sees of those asked for.
    pub(super) fn filter(&self, caller: &Caller) -> Filter {
        Filter {
            archived: self.archived.unwrap_or(false),
            without_care_team: self.without_care_team.unwrap_or(false),
            ..Filter::new(&self.wanted(), caller.in_care_of(), caller.at)
        }
    }
}

/// List patients with their latest eGFR, urine ACR, KDIGO category and risk, and what is due.
#[utoipa::path(get, path = "/api/v1/patients", tag = "patients",
    security(("bearer" = [])), params(PatientQuery),
    responses((status = 200, description = "A page", body = Page<PatientListItem>), Problems))]
pub async fn list_patients(
    Allowed { caller, .. }: Allowed<ListPatients>,
    State(state): State<AppState>,
    Query(query): Query<PatientQuery>,
) -> Result<Written> {
    let limit = page::limit(query.limit)?;
    let sort = query.sort.unwrap_or_default();
    let after = match page::position(query.cursor.as_deref())? {
        Some(Cursor(of, position)) if of == sort && position.fits(sort) => Some(position),
        Some(_) => return Err(page::bad_cursor()),
        None => None,
    };
    let filter = query.filter(&caller);
    let mut wanted = PageWanted { filter, sort, after, limit, finds_many: false };
    let page = match caller.sight() {
        Sight::Everything => {
            let key = PageKey { query, day: caller.at.date_naive() };
            let mut found = None;
            if wanted.filter.text.as_deref().is_some_and(patient_list::is_quick) {
                found = state.together.searches.ask(key.search(), wanted.clone()).await?;
                wanted.finds_many = found.is_none();
            }
            match found {
                Some(page) => page,
                None => state.together.pages.ask(key, wanted).await?,
            }
        }
        Sight::InCare(_) | Sight::OwnRecord(_) | Sight::Nothing(_) => {
            let reading = state.reading(&caller).await?;
            Box::pin(pages::read(reading, &wanted, &state.together.lines)).await?.into()
        }
    };
    let event = Event::new("patient.list").details(Arc::clone(&page.shown));
    state.record_look(&caller, event).await?;
    Ok(Written(page.body.clone()))
}

/// Register a patient.
#[utoipa::path(post, path = "/api/v1/patients", tag = "patients",
    security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition safe")),
    request_body = NewPatient,
    responses((status = 201, description = "The new record", body = Patient,
        headers(("Location" = String, description = "The record"),
            ("ETag" = String, description = "Its version"))), Problems))]
pub async fn create_patient(
    Allowed { caller, .. }: Allowed<EditPatients>,
    State(state): State<AppState>,
    Creation { new, key }: Creation<NewPatient>,
) -> Result<Created> {
    guesses::admit(&state, &caller).await?;
    let patient = checked(record(new, &state), state.clock.today())?;
    let mrn = patient.mrn.clone();
    let created = register(&state, &caller, patient, key).await;
    unless_taken(created, &state, &caller, mrn).await
}

async fn register(
    state: &AppState,
    caller: &Caller,
    patient: Patient,
    key: Option<RequestKey>,
) -> Result<Created> {
    let mut tx = state.begin(caller).await?;
    if let Some(first) = replay(&mut tx, state, caller, key.as_ref()).await? {
        tx.commit().await?;
        return Ok(first);
    }
    db::patients::insert(&mut tx, &patient).await.map_err(mrn_is_taken)?;
    // Whoever registers a patient is the first of the care team.
    let (id, by) = (patient.id, caller.user_id);
    db::care_teams::insert(&mut tx, id, by, Some(by), patient.created_at).await?;
    let event = Event::new("patient.create").object(patient.id.0).patient(patient.id);
    let event = event.details(changed(&(), &patient)?);
    db::audit::record(&mut tx, &caller.actor(), event, patient.created_at).await?;
    let location = format!("/api/v1/patients/{}", patient.id);
    let created = Created::new(Some(location), Some(patient.version), &patient)?;
    let created = keep(&mut tx, caller, key, created).await?;
    tx.commit().await?;
    Ok(created)
}

/// A number that is taken by a record out of the caller's sight is a guess.
async fn unless_taken<T>(
    answer: Result<T>,
    state: &AppState,
    caller: &Caller,
    mrn: String,
) -> Result<T> {
    if let Err(Error::Invalid(faults)) = &answer
        && faults.iter().any(|fault| fault.message == TAKEN)
    {
        guesses::met(state, caller, &[mrn]).await?;
    }
    answer
}

/// A new record with what was sent.
pub(super) fn record(new: NewPatient, state: &AppState) -> Patient {
    let now = state.clock.now();
    Patient {
        id: PatientId(state.clock.new_id()),
        version: 1,
        mrn: new.mrn,
        given_name: new.given_name,
        family_name: new.family_name,
        birth_date: new.birth_date,
        sex: new.sex,
        diabetes: new.diabetes,
        hypertension: new.hypertension,
        cardiovascular_disease: new.cardiovascular_disease,
        heart_failure: new.heart_failure,
        smoker: new.smoker,
        renal_disease: new.renal_disease,
        own_access: new.own_access,
        archived_at: None,
        created_at: now,
        updated_at: now,
    }
}

/// The record with its text as it is kept, or everything that is wrong with it.
pub(super) fn checked(mut patient: Patient, today: NaiveDate) -> Result<Patient> {
    let mut faults = Faults::default();
    patient.mrn = faults.line("/mrn", &patient.mrn, MRN);
    patient.given_name = faults.line("/given_name", &patient.given_name, NAME);
    patient.family_name = faults.line("/family_name", &patient.family_name, NAME);
    if let Some(fault) = birth_date_fault(patient.birth_date, today) {
        faults.add("/birth_date", fault);
    }
    faults.refuse()?;
    Ok(patient)
}

/// What is said of a number that is taken.
pub(super) const TAKEN: &str = "belongs to another record already";

fn mrn_is_taken(error: sqlx::Error) -> Error {
    if violated_constraint(&error) == Some("patients_mrn_key") {
        Error::field("/mrn", TAKEN)
    } else {
        error.into()
    }
}

/// Read a patient's record.
#[utoipa::path(get, path = "/api/v1/patients/{id}", tag = "patients",
    security(("bearer" = [])),
    params(("id" = PatientId, Path, description = "The patient")),
    responses((status = 200, description = "The record", body = Patient,
        headers(("ETag" = String, description = "Its version"))), Problems))]
pub async fn get_patient(
    Allowed { caller, .. }: Allowed<ReadPatients>,
    State(state): State<AppState>,
    Path(id): Path<PatientId>,
) -> Result<Versioned<Patient>> {
    read(&state, &caller, id).await
}

/// A record, once the look at it is on record.
pub async fn read(state: &AppState, caller: &Caller, id: PatientId) -> Result<Versioned<Patient>> {
    let patient = match caller.sight() {
        Sight::Everything => {
            state.together.patients.ask(id).await?.ok_or(Error::NotFound("patient"))?
        }
        Sight::InCare(_) | Sight::OwnRecord(_) | Sight::Nothing(_) => {
            Box::pin(async {
                let mut reading = state.reading(caller).await?;
                let patient = caller.patient(&mut reading, id).await?;
                reading.end().await?;
                Ok::<_, Error>(patient)
            })
            .await?
        }
    };
    let event = Event::new("patient.read").object(id.0).patient(id);
    state.record_look(caller, event).await?;
    Ok(Versioned { version: patient.version, body: patient })
}

/// Change a patient's record.
///
/// With another date of birth or sex every eGFR that was computed here is computed anew; the old
/// ones stay, marked as corrected.
#[utoipa::path(patch, path = "/api/v1/patients/{id}", tag = "patients",
    security(("bearer" = [])),
    params(("id" = PatientId, Path, description = "The patient"),
        ("If-Match" = String, Header, description = "The version that the change is based on")),
    request_body = PatientPatch,
    responses((status = 200, description = "The changed record", body = Patient,
        headers(("ETag" = String, description = "Its version"))), Problems))]
pub async fn update_patient(
    Allowed { caller, .. }: Allowed<EditPatients>,
    State(state): State<AppState>,
    Path(id): Path<PatientId>,
    IfMatch(version): IfMatch,
    Json(patch): Json<PatientPatch>,
) -> Result<Versioned<Patient>> {
    caller.may_also(Permission::ReadPatients)?;
    guesses::admit(&state, &caller).await?;
    let mut tx = state.begin(&caller).await?;
    let before = caller.patient_to_change(&mut tx, id).await?;
    if before.version != version {
        return Err(Error::Stale);
    }
    let wanted = checked(patched(before.clone(), patch), state.clock.today())?;
    let mrn = wanted.mrn.clone();
    let after = change(&mut tx, &state, &caller, &before, wanted).await;
    if after.is_ok() {
        tx.commit().await?;
    } else {
        tx.rollback().await?;
    }
    let after = unless_taken(after, &state, &caller, mrn).await?;
    Ok(Versioned { version: after.version, body: after })
}

/// The change with all that follows from it, and its audit entry.
async fn change(
    tx: &mut PgConnection,
    state: &AppState,
    caller: &Caller,
    before: &Patient,
    mut after: Patient,
) -> Result<Patient> {
    let now = state.clock.now();
    let changed = changes(before, &after)?;
    if changed.is_empty() {
        let event = Event::new("patient.read").object(after.id.0).patient(after.id);
        db::audit::record(tx, &caller.actor(), event, now).await?;
        return Ok(after);
    }
    (after.version, after.updated_at) = (before.version + 1, now);
    db::patients::update(tx, &after).await.map_err(mrn_is_taken)?;
    let mut details = Map::new();
    if (before.birth_date, before.sex) != (after.birth_date, after.sex) {
        nothing_before_birth(tx, &after).await?;
        let reason = phrase!("computed anew: the date of birth or the sex was changed");
        let count = derived::recompute(tx, &after, reason, caller.user_id, &state.clock).await?;
        details.insert("recomputed_egfr".to_owned(), json!(count));
    }
    details.insert("changed".to_owned(), Value::Object(changed));
    let event = Event::new("patient.update").object(after.id.0).patient(after.id);
    let event = event.details(Value::Object(details));
    db::audit::record(tx, &caller.actor(), event, now).await?;
    Ok(after)
}

async fn nothing_before_birth(tx: &mut PgConnection, patient: &Patient) -> Result<()> {
    match db::patients::first_day(tx, patient.id).await? {
        Some(day) if day < patient.birth_date => {
            let message = sentence!("must not be after {day}, of which the record has an entry");
            Err(Error::field("/birth_date", message))
        }
        _ => Ok(()),
    }
}

fn patched(mut patient: Patient, patch: PatientPatch) -> Patient {
    fn set<T>(field: &mut T, wanted: Option<T>) {
        if let Some(wanted) = wanted {
            *field = wanted;
        }
    }
    set(&mut patient.mrn, patch.mrn);
    set(&mut patient.given_name, patch.given_name);
    set(&mut patient.family_name, patch.family_name);
    set(&mut patient.birth_date, patch.birth_date);
    set(&mut patient.sex, patch.sex);
    set(&mut patient.diabetes, patch.diabetes);
    set(&mut patient.hypertension, patch.hypertension);
    set(&mut patient.cardiovascular_disease, patch.cardiovascular_disease);
    set(&mut patient.heart_failure, patch.heart_failure);
    set(&mut patient.smoker, patch.smoker);
    set(&mut patient.renal_disease, patch.renal_disease);
    set(&mut patient.own_access, patch.own_access);
    patient
}

/// Archive a patient's record: it stays whole, read-only and restorable.
#[utoipa::path(delete, path = "/api/v1/patients/{id}", tag = "patients",
    security(("bearer" = [])),
    params(("id" = PatientId, Path, description = "The patient"),
        ("If-Match" = Option<String>, Header, description = "The version that was read")),
    responses((status = 204, description = "Archived"), Problems))]
pub async fn archive_patient(
    Allowed { caller, .. }: Allowed<EditPatients>,
    State(state): State<AppState>,
    Path(id): Path<PatientId>,
    version: Option<IfMatch>,
) -> Result<StatusCode> {
    let now = state.clock.now();
    let mut tx = state.begin(&caller).await?;
    let before = caller.patient_to_change(&mut tx, id).await?;
    if version.is_some_and(|IfMatch(version)| version != before.version) {
        return Err(Error::Stale);
    }
    let mut patient = before.clone();
    patient.version += 1;
    (patient.archived_at, patient.updated_at) = (Some(now), now);
    db::patients::update(&mut tx, &patient).await?;
    let event = Event::new("patient.archive").object(id.0).patient(id);
    let event = event.details(changed(&before, &patient)?);
    db::audit::record(&mut tx, &caller.actor(), event, now).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Take an archived record into use again; one that is in use stays as it is.
#[utoipa::path(post, path = "/api/v1/patients/{id}/restore", tag = "patients",
    security(("bearer" = [])),
    params(("id" = PatientId, Path, description = "The patient")),
    responses((status = 200, description = "The record", body = Patient,
        headers(("ETag" = String, description = "Its version"))), Problems))]
pub async fn restore_patient(
    Allowed { caller, .. }: Allowed<EditPatients>,
    State(state): State<AppState>,
    Path(id): Path<PatientId>,
) -> Result<Versioned<Patient>> {
    caller.may_also(Permission::ReadPatients)?;
    let now = state.clock.now();
    let mut tx = state.begin(&caller).await?;
    let before = caller.patient_locked(&mut tx, id).await?;
    if db::erasures::is_erased(&mut *tx, id).await? {
        return Err(Error::Conflict(
            phrase!("the record was erased; nobody can restore it").to_owned(),
        ));
    }
    let mut patient = before.clone();
    let was_archived = patient.archived_at.take().is_some();
    if was_archived {
        patient.version += 1;
        patient.updated_at = now;
        db::patients::update(&mut tx, &patient).await?;
    }
    let action = if was_archived { "patient.restore" } else { "patient.read" };
    let event = Event::new(action).object(id.0).patient(id);
    let event = event.details(changed(&before, &patient)?);
    db::audit::record(&mut tx, &caller.actor(), event, now).await?;
    tx.commit().await?;
    Ok(Versioned { version: patient.version, body: patient })
}
