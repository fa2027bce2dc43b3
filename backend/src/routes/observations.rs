//! Laboratory values and measurements: recorded, corrected, voided, listed.

use axum::extract::State;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::{
    clinical::{Plausibility, plausibility, to_canonical},
    id::{ObservationId, PatientId, UserId},
    observation::{
        NewObservation, NewObservations, Observation, ObservationCode, ObservationCorrection,
        ObservationMethod, ObservationStatus, ObservationVoid,
    },
    page::{Items, Page},
    patient::Patient,
    phrase, sentence,
};
use sqlx::PgConnection;
use utoipa::IntoParams;

use crate::{
    auth::{Allowed, Caller, EditPatients, ReadPatients},
    clock::Clock,
    db::{self, audit::Event, observations::Filter},
    derived,
    error::{Error, Result},
    extract::{Created, Creation, Json, Path, Query},
    input::{Faults, is_storable},
    openapi::Problems,
    page,
    routes::{keep, replay, unknown},
    state::AppState,
};

/// The most characters of a remark.
const NOTE: usize = 1000;
/// The most characters of a reason.
const REASON: usize = 500;

/// Which values to list.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ObservationQuery {
    /// One quantity: its code, or a LOINC code.
    pub code: Option<String>,
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

/// A cursor of the list.
#[derive(Debug, Serialize, Deserialize)]
struct Cursor(DateTime<Utc>, ObservationId);

/// List a patient's values, newest first, corrected and voided ones included.
#[utoipa::path(get, path = "/api/v1/patients/{id}/observations", tag = "observations",
    security(("bearer" = [])),
    params(("id" = PatientId, Path, description = "The patient"), ObservationQuery),
    responses((status = 200, description = "A page", body = Page<Observation>), Problems))]
pub async fn list_observations(
    Allowed { caller, .. }: Allowed<ReadPatients>,
    State(state): State<AppState>,
    Path(id): Path<PatientId>,
    Query(query): Query<ObservationQuery>,
) -> Result<Json<Page<Observation>>> {
    let limit = page::limit(query.limit)?;
    let after = match page::position(query.cursor.as_deref())? {
        Some(Cursor(at, _)) if !is_storable(at) => return Err(page::bad_cursor()),
        after => after.map(|Cursor(at, id)| (at, id)),
    };
    let filter = filter(&query)?;
    let mut reading = state.reading(&caller).await?;
    caller.patient(&mut reading, id).await?;
    let rows = page::rows(limit);
    let found = db::observations::list(&mut *reading, id, filter, after, rows).await?;
    let page = page::page(found, limit, |last| Cursor(last.effective_at, last.id))?;
    reading.end().await?;
    let event = Event::new("observation.list").patient(id);
    state.record_look(&caller, event).await?;
    Ok(Json(page))
}

fn filter(query: &ObservationQuery) -> Result<Filter> {
    let mut faults = Faults::default();
    let code = query.code.as_deref().and_then(|code| parsed("/code", code, &mut faults));
    let (from, to) = (query.from, query.to);
    faults.span(from, to);
    faults.refuse()?;
    Ok(Filter { code, from, to })
}

fn parsed(pointer: impl Into<String>, code: &str, faults: &mut Faults) -> Option<ObservationCode> {
    let fault = |reason| faults.add(pointer, reason);
    ObservationCode::parse_or_reason(code).map_err(fault).ok()
}

/// Record values: all of them, or none.
///
/// An eGFR is computed (CKD-EPI 2021) from each creatinine of an adult; the computed values follow
/// the given ones in `items`.
#[utoipa::path(post, path = "/api/v1/patients/{id}/observations", tag = "observations",
    security(("bearer" = [])),
    params(("id" = PatientId, Path, description = "The patient"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition safe")),
    request_body = NewObservations,
    responses((status = 201, description = "What was recorded", body = Items<Observation>),
        Problems))]
pub async fn create_observations(
    Allowed { caller, .. }: Allowed<EditPatients>,
    State(state): State<AppState>,
    Path(id): Path<PatientId>,
    Creation { new, key }: Creation<NewObservations>,
) -> Result<Created> {
    let mut tx = state.begin(&caller).await?;
    if let Some(first) = replay(&mut tx, &state, &caller, key.as_ref()).await? {
        tx.commit().await?;
        return Ok(first);
    }
    let patient = caller.patient_to_change(&mut tx, id).await?;
    let entry = Entry { patient: &patient, by: caller.user_id, clock: &state.clock };
    let mut items = entry.observations(&new.observations)?;
    check_pressures(&mut tx, &items, |index| format!("/observations/{index}/value")).await?;
    let computed: Vec<_> = items.iter().filter_map(|item| entry.egfr(item)).collect();
    items.extend(computed);
    db::observations::insert_many(&mut tx, &items).await?;
    db::worklist::refresh(&mut tx, &[id], Some(state.clock.now())).await?;
    let ids: Vec<_> = items.iter().map(|item| item.id).collect();
    let event = Event::new("observation.create").patient(id);
    let event = event.details(json!({ "observations": ids, "recorded": items }));
    db::audit::record(&mut tx, &caller.actor(), event, state.clock.now()).await?;
    let created = Created::new(None, None, &Items { items })?;
    let created = keep(&mut tx, &caller, key, created).await?;
    tx.commit().await?;
    Ok(created)
}

/// Whose values are entered, by whom and when.
pub(super) struct Entry<'a> {
    pub(super) patient: &'a Patient,
    pub(super) by: UserId,
    pub(super) clock: &'a Clock,
}

impl Entry<'_> {
    /// The values as they are kept, or everything that is wrong with all of them.
    fn observations(&self, new: &[NewObservation]) -> Result<Vec<Observation>> {
        let mut faults = Faults::default();
        let checked = new.iter().enumerate();
        let checked = checked.filter_map(|(index, new)| self.observation(index, new, &mut faults));
        let checked = checked.collect();
        faults.refuse()?;
        Ok(checked)
    }

    /// One value; `None` only with a fault.
    pub(super) fn observation(
        &self,
        index: usize,
        new: &NewObservation,
        faults: &mut Faults,
    ) -> Option<Observation> {
        let at = format!("/observations/{index}");
        let now = self.clock.now();
        // PostgreSQL keeps microseconds.
        let effective_at = new.effective_at.trunc_subsecs(6);
        if now < effective_at {
            faults.add(format!("{at}/effective_at"), phrase!("must not be in the future"));
        } else if effective_at.date_naive() < self.patient.birth_date {
            let message =
                sentence!("must not be before birth on {day}", day = self.patient.birth_date);
            faults.add(format!("{at}/effective_at"), message);
        }
        let note = faults.note(format!("{at}/note"), new.note.as_deref(), NOTE);
        let code = parsed(format!("{at}/code"), &new.code, faults)?;
        let value = canonical(code, new.value, &new.unit, &at, faults)?;
        Some(Observation {
            id: ObservationId(self.clock.new_id()),
            patient_id: self.patient.id,
            code,
            value,
            unit: code.canonical_unit().to_owned(),
            value_as_given: new.value,
            unit_as_given: new.unit.trim().to_owned(),
            effective_at,
            method: ObservationMethod::Reported,
            derived_from: None,
            supersedes: None,
            status: ObservationStatus::Final,
            status_reason: None,
            warning: derived::warning(code, value),
            note,
            recorded_by: self.by,
            recorded_at: now,
        })
    }

    /// The eGFR that a value gives, if it gives one.
    pub(super) fn egfr(&self, from: &Observation) -> Option<Observation> {
        let id = ObservationId(self.clock.new_id());
        derived::egfr(from, self.patient.birth_date, self.patient.sex, id)
    }
}

/// Refuses blood pressures of one moment, new or recorded before, of which the diastolic one is not
/// below the systolic one: each alone is plausible, together they were mixed up. `pointer` says
/// where each new value stands in the request.
pub(super) async fn check_pressures(
    tx: &mut PgConnection,
    new: &[Observation],
    pointer: impl Fn(usize) -> String,
) -> Result<()> {
    let mut faults = Faults::default();
    for (index, value) in new.iter().enumerate() {
        let (other, is_diastolic) = match value.code {
            ObservationCode::DiastolicBp => (ObservationCode::SystolicBp, true),
            ObservationCode::SystolicBp => (ObservationCode::DiastolicBp, false),
            _ => continue,
        };
        let mut others = recorded_then(tx, value, other).await?;
        // Two new ones are one fault, at the diastolic.
        let beside = |beside: &&Observation| {
            is_diastolic && beside.code == other && beside.effective_at == value.effective_at
        };
        others.extend(new.iter().filter(beside).map(|beside| beside.value));
        let crosses = |o: &&f64| if is_diastolic { **o <= value.value } else { value.value <= **o };
        if let Some(found) = others.iter().find(crosses) {
            let (order, name) =
                if is_diastolic { ("below", "systolic") } else { ("above", "diastolic") };
            let message =
                sentence!("must be {order} the {name} pressure of that moment, {found} mmHg");
            faults.add(pointer(index), message);
        }
    }
    faults.refuse()
}

/// The values of a quantity that count and are on record for the same moment as another value.
async fn recorded_then(
    tx: &mut PgConnection,
    value: &Observation,
    code: ObservationCode,
) -> Result<Vec<f64>> {
    let from = value.effective_at;
    let to = from + TimeDelta::microseconds(1);
    let filter = Filter { code: Some(code), from: Some(from), to: Some(to) };
    let found = db::observations::list(tx, value.patient_id, filter, None, i64::MAX).await?;
    let counts = |found: &Observation| found.status == ObservationStatus::Final;
    Ok(found.iter().filter(|found| counts(found)).map(|found| found.value).collect())
}

/// The value in the canonical unit; `None` with a fault at `/value` or `/unit` below `at`.
fn canonical(
    code: ObservationCode,
    value: f64,
    unit: &str,
    at: &str,
    faults: &mut Faults,
) -> Option<f64> {
    let value = match to_canonical(code, value, unit) {
        Ok(value) => value,
        Err(problem) => {
            faults.add(format!("{at}/unit"), problem.to_string());
            return None;
        }
    };
    let plausibility = plausibility(code, value);
    if let Plausibility::Implausible { .. } = plausibility {
        faults.add(format!("{at}/value"), plausibility.to_string());
        return None;
    }
    Some(value)
}

/// Put the right value in place of a wrong one.
///
/// The wrong one stays, marked as corrected; so does an eGFR that was computed from it, and a new
/// one is computed.
#[utoipa::path(post, path = "/api/v1/observations/{id}/correct", tag = "observations",
    security(("bearer" = [])),
    params(("id" = ObservationId, Path, description = "The wrong value"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition safe")),
    request_body = ObservationCorrection,
    responses((status = 201, description = "The right value", body = Observation), Problems))]
pub async fn correct_observation(
    Allowed { caller, .. }: Allowed<EditPatients>,
    State(state): State<AppState>,
    Path(id): Path<ObservationId>,
    Creation { new, key }: Creation<ObservationCorrection>,
) -> Result<Created> {
    let mut tx = state.begin(&caller).await?;
    if let Some(first) = replay(&mut tx, &state, &caller, key.as_ref()).await? {
        tx.commit().await?;
        return Ok(first);
    }
    let (patient, old) = to_change(&mut tx, &caller, id).await?;
    if old.method != ObservationMethod::Reported {
        let message = phrase!("the value was computed here; correct the one it was computed from");
        return Err(Error::Conflict(message.to_owned()));
    }
    let entry = Entry { patient: &patient, by: caller.user_id, clock: &state.clock };
    let (right, reason) = entry.corrected(&old, &new)?;
    check_pressures(&mut tx, std::slice::from_ref(&right), |_| "/value".to_owned()).await?;
    replace(&mut tx, &entry, &old, &right, &reason).await?;
    let event = Event::new("observation.correct").object(old.id.0).patient(patient.id);
    let event = event.details(json!({
        "changed": {
            "value": { "from": old.value, "to": right.value },
            "value_as_given": { "from": old.value_as_given, "to": right.value_as_given },
            "unit_as_given": { "from": old.unit_as_given, "to": right.unit_as_given },
        },
        "reason": reason,
        "superseded_by": right.id,
    }));
    db::audit::record(&mut tx, &caller.actor(), event, right.recorded_at).await?;
    let created = keep(&mut tx, &caller, key, Created::new(None, None, &right)?).await?;
    tx.commit().await?;
    Ok(created)
}

impl Entry<'_> {
    /// The right value in place of the old one, and the reason as it is kept.
    fn corrected(
        &self,
        old: &Observation,
        new: &ObservationCorrection,
    ) -> Result<(Observation, String)> {
        let mut faults = Faults::default();
        let reason = faults.text("/reason", &new.reason, REASON);
        let value = canonical(old.code, new.value, &new.unit, "", &mut faults);
        faults.refuse()?;
        let value = value.ok_or_else(|| anyhow::anyhow!("no value and no fault"))?;
        let right = Observation {
            id: ObservationId(self.clock.new_id()),
            value,
            value_as_given: new.value,
            unit_as_given: new.unit.trim().to_owned(),
            supersedes: Some(old.id),
            warning: derived::warning(old.code, value),
            recorded_by: self.by,
            recorded_at: self.clock.now(),
            ..old.clone()
        };
        Ok((right, reason))
    }
}

/// Marks the old value and what was computed from it, and adds the right ones.
async fn replace(
    tx: &mut PgConnection,
    entry: &Entry<'_>,
    old: &Observation,
    right: &Observation,
    reason: &str,
) -> Result<()> {
    let computed: Vec<_> = db::observations::derived(&mut *tx, old.id).await?;
    let mut outdated = vec![old.id];
    outdated.extend(computed.iter().map(|value| value.id));
    db::observations::mark(tx, &outdated, ObservationStatus::Corrected, reason).await?;
    let mut rows = vec![right.clone()];
    rows.extend(
        entry
            .egfr(right)
            .map(|egfr| Observation { supersedes: computed.first().map(|value| value.id), ..egfr }),
    );
    db::observations::insert_many(tx, &rows).await?;
    db::worklist::refresh(tx, &[right.patient_id], Some(entry.clock.now())).await?;
    Ok(())
}

/// Take out a value that was entered in error, and what was computed from it. It stays, marked.
#[utoipa::path(post, path = "/api/v1/observations/{id}/void", tag = "observations",
    security(("bearer" = [])),
    params(("id" = ObservationId, Path, description = "The value")),
    request_body = ObservationVoid,
    responses((status = 200, description = "The voided value", body = Observation), Problems))]
pub async fn void_observation(
    Allowed { caller, .. }: Allowed<EditPatients>,
    State(state): State<AppState>,
    Path(id): Path<ObservationId>,
    Json(void): Json<ObservationVoid>,
) -> Result<Json<Observation>> {
    let mut tx = state.begin(&caller).await?;
    let (patient, old) = to_change(&mut tx, &caller, id).await?;
    let mut faults = Faults::default();
    let reason = faults.text("/reason", &void.reason, REASON);
    faults.refuse()?;
    let mut outdated = vec![id];
    let computed = db::observations::derived(&mut *tx, id).await?;
    outdated.extend(computed.iter().map(|value| value.id));
    db::observations::mark(&mut tx, &outdated, ObservationStatus::Voided, &reason).await?;
    db::worklist::refresh(&mut tx, &[patient.id], Some(state.clock.now())).await?;
    let event = Event::new("observation.void").object(id.0).patient(patient.id).details(json!({
        "changed": { "status": { "from": old.status, "to": ObservationStatus::Voided } },
        "reason": reason,
        "voided": outdated,
    }));
    db::audit::record(&mut tx, &caller.actor(), event, state.clock.now()).await?;
    tx.commit().await?;
    let status_reason = Some(reason);
    Ok(Json(Observation { status: ObservationStatus::Voided, status_reason, ..old }))
}

/// The value and its record, locked; a value that counts no more cannot be changed.
async fn to_change(
    tx: &mut PgConnection,
    caller: &Caller,
    id: ObservationId,
) -> Result<(Patient, Observation)> {
    const WHAT: &str = "observation";
    let found = db::observations::find(&mut *tx, id).await?.ok_or(Error::NotFound(WHAT))?;
    let patient = caller.patient_to_change(tx, found.patient_id).await.map_err(unknown(WHAT))?;
    // Read again: somebody may have changed it before the record was locked.
    let found = db::observations::find(&mut *tx, id).await?.ok_or(Error::NotFound(WHAT))?;
    match found.status {
        ObservationStatus::Final => Ok((patient, found)),
        ObservationStatus::Corrected => {
            Err(Error::Conflict(phrase!("the value was corrected already").to_owned()))
        }
        ObservationStatus::Voided => {
            Err(Error::Conflict(phrase!("the value was voided already").to_owned()))
        }
    }
}
