//! End points: dialysis, transplant, death.

use axum::extract::State;
use shared::{
    id::{OutcomeId, PatientId},
    outcome::{NewOutcome, Outcome, OutcomeKind},
    page::Items,
    sentence,
};

use crate::{
    auth::{Allowed, EditPatients, ReadPatients},
    db::{self, audit::Event},
    error::{Error, Result},
    extract::{Created, Creation, Json, Path},
    input::Faults,
    openapi::Problems,
    routes::{changed, keep, replay},
    state::AppState,
};

/// List a patient's end points, the last first.
#[utoipa::path(get, path = "/api/v1/patients/{id}/outcomes", tag = "outcomes",
    security(("bearer" = [])),
    params(("id" = PatientId, Path, description = "The patient")),
    responses((status = 200, description = "All end points", body = Items<Outcome>), Problems))]
pub async fn list_outcomes(
    Allowed { caller, .. }: Allowed<ReadPatients>,
    State(state): State<AppState>,
    Path(id): Path<PatientId>,
) -> Result<Json<Items<Outcome>>> {
    let mut reading = state.reading(&caller).await?;
    caller.patient(&mut reading, id).await?;
    let items = db::outcomes::list(&mut *reading, id).await?;
    reading.end().await?;
    let event = Event::new("outcome.list").patient(id);
    state.record_look(&caller, event).await?;
    Ok(Json(Items { items }))
}

/// Record an end point.
#[utoipa::path(post, path = "/api/v1/patients/{id}/outcomes", tag = "outcomes",
    security(("bearer" = [])),
    params(("id" = PatientId, Path, description = "The patient"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition safe")),
    request_body = NewOutcome,
    responses((status = 201, description = "The new end point", body = Outcome), Problems))]
pub async fn create_outcome(
    Allowed { caller, .. }: Allowed<EditPatients>,
    State(state): State<AppState>,
    Path(id): Path<PatientId>,
    Creation { new, key }: Creation<NewOutcome>,
) -> Result<Created> {
    let now = state.clock.now();
    let mut tx = state.begin(&caller).await?;
    if let Some(first) = replay(&mut tx, &state, &caller, key.as_ref()).await? {
        tx.commit().await?;
        return Ok(first);
    }
    let patient = caller.patient_to_change(&mut tx, id).await?;
    let mut faults = Faults::default();
    faults.day("/occurred_on", new.occurred_on, patient.birth_date, state.clock.today());
    faults.refuse()?;
    fits(&new, &db::outcomes::list(&mut *tx, id).await?)?;
    let outcome = Outcome {
        id: OutcomeId(state.clock.new_id()),
        patient_id: id,
        kind: new.kind,
        occurred_on: new.occurred_on,
        created_at: now,
    };
    db::outcomes::insert(&mut tx, &outcome).await?;
    db::worklist::refresh(&mut tx, &[id], Some(now)).await?;
    let event = Event::new("outcome.create").object(outcome.id.0).patient(id);
    let event = event.details(changed(&(), &outcome)?);
    db::audit::record(&mut tx, &caller.actor(), event, now).await?;
    let created = keep(&mut tx, &caller, key, Created::new(None, None, &outcome)?).await?;
    tx.commit().await?;
    Ok(created)
}

/// Nobody dies twice, and nothing else happens after death.
fn fits(new: &NewOutcome, recorded: &[Outcome]) -> Result<()> {
    let dies = new.kind == OutcomeKind::Death;
    if let Some(death) = recorded.iter().find(|outcome| outcome.kind == OutcomeKind::Death) {
        if dies {
            return Err(Error::Conflict(sentence!(
                "death on {day} is recorded",
                day = death.occurred_on
            )));
        }
        if death.occurred_on < new.occurred_on {
            let message = sentence!("must not be after death on {day}", day = death.occurred_on);
            return Err(Error::field("/occurred_on", message));
        }
    }
    match recorded.iter().map(|outcome| outcome.occurred_on).max() {
        Some(last) if dies && new.occurred_on < last => {
            let message = sentence!("must not be before {last}, of which another end point is");
            Err(Error::field("/occurred_on", message))
        }
        _ => Ok(()),
    }
}
