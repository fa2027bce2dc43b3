//! Predictions: asked for, followed, called off; and what-ifs.

use std::{convert::Infallible, slice, time::Duration};

use anyhow::{Context, anyhow};
use axum::{
    extract::State,
    http::header::HeaderName,
    response::{
        IntoResponse,
        sse::{Event as Sent, KeepAlive, Sse},
    },
};
use chrono::Months;
use futures::{Stream, stream};
use serde::Deserialize;
use serde_json::json;
use shared::{
    clinical::{self, Plausibility, assessment::missing_or_out_of_scope},
    id::{PatientId, PredictionId},
    page::{DEFAULT_LIMIT, MAX_LIMIT, Page},
    patient::Patient,
    phrase,
    prediction::{
        InputValue, NewPrediction, Prediction, PredictionInputs, PredictionResult, PredictionStatus,
    },
    problem::FieldProblem,
    sentence,
};
use sqlx::{PgConnection, PgTransaction};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::Instant,
};
use utoipa::IntoParams;

use crate::{
    auth::{Allowed, Caller, PreviewPredictions, ReadPredictions, RequestPredictions},
    db::{
        self,
        audit::{Event, Look},
        predictions::Requested,
        walls::Sight,
    },
    error::{Error, Result},
    extract::{Created, Creation, Json, Path, Query, RequestKey},
    jobs::{answer::answers, at_once::Begun, events::News},
    openapi::Problems,
    routes::{keep, replay},
    state::AppState,
    telemetry::traces,
    together::requests::Wish,
};

/// The longest a stream of events lasts; a client that wants more connects again.
const STREAM_LIFETIME: Duration = Duration::from_mins(15);
/// How often a stream looks for itself, whatever it hears.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How long a client should wait before it connects again.
const RETRY: Duration = Duration::from_secs(2);
/// How many streams there may be in this process.
static STREAMS: Semaphore = Semaphore::const_new(1000);
/// How far back the values of a what-if may reach.
const FIVE_YEARS: Months = Months::new(60);
/// How many what-ifs may compute, and how many may wait.
static PREVIEWS_RUNNING: Semaphore = Semaphore::const_new(2);
static PREVIEWS_WAITING: Semaphore = Semaphore::const_new(64);

/// Ask for a prediction of a patient's risk.
///
/// It rests on the record as it is now. While one is open, a second request answers the open one.
/// Mostly it is `queued`: follow it. A server that is a worker as well mostly answers with the result; two
/// requests at the same moment may then get one each.
#[utoipa::path(post, path = "/api/v1/patients/{id}/predictions", tag = "predictions",
    security(("bearer" = [])),
    params(("id" = PatientId, Path, description = "The patient"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition safe")),
    request_body = NewPrediction,
    responses((status = 202, description = "Requested, or open already", body = Prediction,
        headers(("Location" = String, description = "The prediction"))), Problems))]
pub async fn create_prediction(
    Allowed { caller, .. }: Allowed<RequestPredictions>,
    State(state): State<AppState>,
    Path(id): Path<PatientId>,
    Creation { new: NewPrediction {}, key }: Creation<NewPrediction>,
) -> Result<Created> {
    if key.is_none()
        && let Some(prediction) = ask_together(&state, &caller, id).await?
    {
        return created(&prediction);
    }
    let begun = state.at_once.begin().await?;
    let mut tx = state.begin(&caller).await?;
    if let Some(first) = replay(&mut tx, &state, &caller, key.as_ref()).await? {
        tx.commit().await?;
        return Ok(first);
    }
    let patient = caller.patient_to_change(&mut tx, id).await?;
    // The lock on the record makes requests for one patient come one after the other.
    let Some(open) = db::predictions::find_open(&mut *tx, id).await? else {
        return request(tx, begun, &state, &caller, &patient, key).await;
    };
    let event = Event::new("prediction.read").object(open.id.0).patient(id);
    db::audit::record(&mut tx, &caller.actor(), event, state.clock.now()).await?;
    db::predictions::hurry(&mut tx, open.id).await?;
    let created = keep(&mut tx, &caller, key, created(&open)?).await?;
    tx.commit().await?;
    Ok(created)
}

fn created(prediction: &Prediction) -> Result<Created> {
    Created::accepted(format!("/api/v1/predictions/{}", prediction.id), prediction)
}

/// The short way: in one transaction with what others ask for at the same moment. It is open to
/// whoever sees every record.
async fn ask_together(
    state: &AppState,
    caller: &Caller,
    patient_id: PatientId,
) -> Result<Option<Prediction>> {
    if caller.sight() != Sight::Everything {
        return Ok(None);
    }
    let (user_id, traceparent) = (caller.user_id, traces::traceparent());
    let wish = Wish { actor: caller.actor(), user_id, patient_id, traceparent };
    state.together.requests.ask(wish).await
}

/// Inputs, prediction, its answer or a job for it, and audit entries: all of them, or none.
async fn request(
    mut tx: PgTransaction<'static>,
    begun: Begun,
    state: &AppState,
    caller: &Caller,
    patient: &Patient,
    key: Option<RequestKey>,
) -> Result<Created> {
    let now = state.clock.now();
    let region = db::preferences::read(&mut *tx, caller.user_id).await?.in_force.kfre_region;
    let frozen =
        db::prediction_inputs::freeze(&mut tx, slice::from_ref(patient), region, now).await?;
    let inputs = frozen.into_iter().next().context("one patient has one set of inputs")?;
    let reasons = missing_or_out_of_scope(&inputs);
    if !reasons.is_empty() {
        return Err(Error::OutOfScope(reasons));
    }
    let (id, traceparent) = (PredictionId(state.clock.new_id()), traces::traceparent());
    let (patient_id, requested_by) = (patient.id, caller.user_id);
    let requested = vec![Requested { id, patient_id, requested_by, inputs, traceparent }];
    let placed = begun.store(&mut tx, &state.db, &requested, now).await?;
    let prediction = placed.predictions(requested, now).pop();
    let prediction = prediction.context("one request has one prediction")?;
    let created = keep(&mut tx, caller, key, created(&prediction)?).await?;
    let event = Event::new("prediction.request").object(id.0).patient(patient_id);
    // A headline and what inputs look like are the program's own account.
    db::walls::lift(&mut tx).await?;
    placed.record(&mut tx, vec![Look { actor: caller.actor(), event, at: now }]).await?;
    tx.commit().await?;
    placed.committed().await;
    Ok(created)
}

/// Which part of a list of predictions to answer.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PredictionQuery {
    /// `next_cursor` of the page before.
    #[param(value_type = Option<String>)]
    pub cursor: Option<PredictionId>,
    /// Items per page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<u32>,
}

/// List a patient's predictions, newest first.
#[utoipa::path(get, path = "/api/v1/patients/{id}/predictions", tag = "predictions",
    security(("bearer" = [])),
    params(("id" = PatientId, Path, description = "The patient"), PredictionQuery),
    responses((status = 200, description = "A page", body = Page<Prediction>), Problems))]
pub async fn list_predictions(
    Allowed { caller, .. }: Allowed<ReadPredictions>,
    State(state): State<AppState>,
    Path(id): Path<PatientId>,
    Query(query): Query<PredictionQuery>,
) -> Result<Json<Page<Prediction>>> {
    list(&state, &caller, id, query).await
}

/// A page of the predictions in a record.
pub async fn list(
    state: &AppState,
    caller: &Caller,
    id: PatientId,
    PredictionQuery { cursor, limit }: PredictionQuery,
) -> Result<Json<Page<Prediction>>> {
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Error::field("/limit", sentence!("must be from 1 to {MAX_LIMIT}")));
    }
    let mut reading = state.reading(caller).await?;
    caller.patient(&mut reading, id).await?;
    let more = i64::from(limit) + 1;
    let mut items = db::predictions::list(&mut *reading, id, cursor, more).await?;
    let has_more = limit < items.len() as u32;
    items.truncate(limit as usize);
    let next_cursor = items.last().filter(|_| has_more).map(|last| last.id.to_string());
    reading.end().await?;
    let event = Event::new("prediction.list").patient(id);
    state.record_look(caller, event).await?;
    Ok(Json(Page { items, next_cursor }))
}

/// Read a prediction.
#[utoipa::path(get, path = "/api/v1/predictions/{id}", tag = "predictions",
    security(("bearer" = [])),
    params(("id" = PredictionId, Path, description = "The prediction")),
    responses((status = 200, description = "The prediction", body = Prediction), Problems))]
pub async fn get_prediction(
    Allowed { caller, .. }: Allowed<ReadPredictions>,
    State(state): State<AppState>,
    Path(id): Path<PredictionId>,
) -> Result<Json<Prediction>> {
    read(&state, &caller, id).await.map(Json)
}

/// Call a prediction off. What a worker may still compute for it is dropped.
#[utoipa::path(post, path = "/api/v1/predictions/{id}/cancel", tag = "predictions",
    security(("bearer" = [])),
    params(("id" = PredictionId, Path, description = "The prediction")),
    responses((status = 200, description = "Cancelled", body = Prediction), Problems))]
pub async fn cancel_prediction(
    Allowed { caller, .. }: Allowed<RequestPredictions>,
    State(state): State<AppState>,
    Path(id): Path<PredictionId>,
) -> Result<Json<Prediction>> {
    let now = state.clock.now();
    let mut tx = state.begin(&caller).await?;
    let before = reachable(&mut tx, &caller, id).await?;
    if !db::predictions::cancel(&mut tx, id, now).await? {
        return Err(Error::Conflict(phrase!("the prediction is final already").to_owned()));
    }
    let cancelled = db::predictions::find(&mut *tx, id).await?;
    let cancelled = cancelled.ok_or(Error::NotFound("prediction"))?;
    let event = Event::new("prediction.cancel").object(id.0).patient(before.patient_id);
    let changed = json!({ "status": { "from": before.status, "to": cancelled.status } });
    let event = event.details(json!({ "changed": changed }));
    db::audit::record(&mut tx, &caller.actor(), event, now).await?;
    tx.commit().await?;
    state.metrics.predictions_ended(PredictionStatus::Cancelled, 1);
    Ok(Json(cancelled))
}

/// Answer a what-if: the same result for inputs of your own. Nothing is stored.
#[utoipa::path(post, path = "/api/v1/predictions/preview", tag = "predictions",
    security(("bearer" = [])), request_body = PredictionInputs,
    responses((status = 200, description = "The result", body = PredictionResult), Problems))]
pub async fn preview_prediction(
    _: Allowed<PreviewPredictions>,
    State(state): State<AppState>,
    Json(inputs): Json<PredictionInputs>,
) -> Result<Json<PredictionResult>> {
    check(&inputs)?;
    let busy = |_| Error::Unavailable(anyhow!("too many what-ifs wait"));
    let _place = PREVIEWS_WAITING.try_acquire().map_err(busy)?;
    let _turn = PREVIEWS_RUNNING.acquire().await.context("the semaphore is never closed")?;
    let active = state.active_release().await?;
    let results = tokio::task::spawn_blocking(move || answers(&active.predictor, &[inputs]));
    let result = results.await.context("the computation panicked")??.pop();
    Ok(result.map(Json).context("one input has one answer")?)
}

/// Everything that is wrong with inputs that somebody made up.
fn check(inputs: &PredictionInputs) -> Result<()> {
    let mut faults = Vec::new();
    if 120 < inputs.age_years {
        faults.push(FieldProblem::new("/age_years", phrase!("must be at most 120")));
    }
    if let Some(biopsy) = &inputs.biopsy {
        let scores = [
            ("m", biopsy.m, 1),
            ("e", biopsy.e, 1),
            ("s", biopsy.s, 1),
            ("t", biopsy.t, 2),
            ("c", biopsy.c, 2),
        ];
        for (name, score, most) in scores {
            if score.is_some_and(|score| most < score) {
                let message = sentence!("must be from 0 to {most}, or null when it is unknown");
                faults.push(FieldProblem::new(format!("/biopsy/{name}"), message));
            }
        }
        if inputs.as_of < biopsy.performed_on {
            let message = phrase!("must not be after as_of");
            faults.push(FieldProblem::new("/biopsy/performed_on", message));
        }
    }
    for (index, value) in inputs.values.iter().enumerate() {
        check_value(inputs, index, value, &mut faults);
    }
    if !faults.is_empty() {
        return Err(Error::Invalid(faults));
    }
    let reasons = missing_or_out_of_scope(inputs);
    if reasons.is_empty() { Ok(()) } else { Err(Error::OutOfScope(at_the_body(reasons))) }
}

fn check_value(
    inputs: &PredictionInputs,
    index: usize,
    value: &InputValue,
    faults: &mut Vec<FieldProblem>,
) {
    let mut fault = |field: &str, message: String| {
        faults.push(FieldProblem::new(format!("/values/{index}/{field}"), message));
    };
    let unit = value.code.canonical_unit();
    if value.unit != unit {
        fault(
            "unit",
            sentence!("must be {unit}, the canonical unit of {value}", value = value.code.label()),
        );
    } else if let wrong @ Plausibility::Implausible { .. } =
        clinical::plausibility(value.code, value.value)
    {
        fault("value", wrong.to_string());
    }
    let day = value.effective_at.date_naive();
    if inputs.as_of < day {
        fault("effective_at", "must not be after as_of".to_owned());
    } else if inputs.as_of.checked_sub_months(FIVE_YEARS).is_some_and(|first| day < first) {
        fault("effective_at", "must be within the five years before as_of".to_owned());
    }
}

/// Reasons name a prediction's inputs; here the body is the inputs.
fn at_the_body(reasons: Vec<FieldProblem>) -> Vec<FieldProblem> {
    let here = |reason: FieldProblem| match reason.pointer.as_str() {
        "/inputs/age" => FieldProblem::new("/age_years", reason.message),
        "/inputs/egfr" => FieldProblem::new(
            "/values",
            phrase!("an eGFR of the last five years is needed among the values"),
        ),
        pointer => {
            let pointer = pointer.strip_prefix("/inputs").unwrap_or(pointer);
            FieldProblem::new(pointer, reason.message)
        }
    };
    reasons.into_iter().map(here).collect()
}

/// Follow a prediction until it is final.
///
/// Server-sent events: `prediction`, with the whole prediction as data, at once and at each
/// change. The stream ends after the final one, or after 15 minutes.
#[utoipa::path(get, path = "/api/v1/predictions/{id}/events", tag = "predictions",
    security(("bearer" = [])),
    params(("id" = PredictionId, Path, description = "The prediction")),
    responses((status = 200, description = "The events", body = String,
        content_type = "text/event-stream"), Problems))]
pub async fn stream_prediction(
    Allowed { caller, .. }: Allowed<ReadPredictions>,
    State(state): State<AppState>,
    Path(id): Path<PredictionId>,
) -> Result<impl IntoResponse> {
    let busy = |_| Error::Unavailable(anyhow!("too many streams"));
    let place = STREAMS.try_acquire().map_err(busy)?;
    // Listening begins before reading, so that no change falls between.
    let news = state.events.subscribe();
    let first = read(&state, &caller, id).await?;
    let ends_at = Instant::now() + STREAM_LIFETIME;
    let shown = first.status;
    let follower = Follower { state, caller, news, ends_at, id, shown, _place: place };
    let alive = KeepAlive::new().interval(Duration::from_secs(15)).text("still here");
    // NGINX passes each event on at once.
    let unbuffered = [(HeaderName::from_static("x-accel-buffering"), "no")];
    Ok((unbuffered, Sse::new(events(first, follower)).keep_alive(alive)))
}

/// One reader of one prediction's changes.
struct Follower {
    state: AppState,
    caller: Caller,
    news: News,
    ends_at: Instant,
    id: PredictionId,
    shown: PredictionStatus,
    _place: SemaphorePermit<'static>,
}

/// Where a stream stands.
enum Step {
    Show(Box<Prediction>, Follower),
    Wait(Follower),
    End,
}

fn events(first: Prediction, follower: Follower) -> impl Stream<Item = Result<Sent, Infallible>> {
    stream::unfold(Step::Show(Box::new(first), follower), |step| async {
        let (prediction, follower) = match step {
            Step::Show(prediction, follower) => (prediction, follower),
            Step::Wait(follower) => match follower.change().await {
                Some(change) => change,
                None => return Some((Ok(Sent::default().retry(RETRY)), Step::End)),
            },
            Step::End => return None,
        };
        let sent = Sent::default().event("prediction").json_data(&*prediction).ok()?;
        let is_final = prediction.status.is_final();
        Some((Ok(sent), if is_final { Step::End } else { Step::Wait(follower) }))
    })
}

impl Follower {
    /// The prediction as it is now, if the caller still sees it.
    async fn look(&self) -> Result<Prediction> {
        let mut tx = self.state.begin(&self.caller).await?;
        let prediction = reachable(&mut tx, &self.caller, self.id).await?;
        tx.commit().await?;
        Ok(prediction)
    }

    /// The next change; `None` when the stream must end and the client should connect again.
    async fn change(mut self) -> Option<(Box<Prediction>, Self)> {
        loop {
            let goes_on = tokio::select! {
                goes_on = self.news.of(self.id) => goes_on,
                () = tokio::time::sleep(LOOK_EVERY) => true,
                () = tokio::time::sleep_until(self.ends_at) => false,
            };
            if !goes_on || !self.caller.still_lives(&self.state).await {
                return None;
            }
            // Somebody may have left the care team, and an emergency ends, while the stream goes on.
            self.caller.at = self.state.clock.now();
            let prediction = self.look().await.ok()?;
            if prediction.status != self.shown {
                self.shown = prediction.status;
                return Some((Box::new(prediction), self));
            }
        }
    }
}

/// The prediction, if there is one on a record that the caller reaches.
async fn reachable(tx: &mut PgConnection, caller: &Caller, id: PredictionId) -> Result<Prediction> {
    let prediction = db::predictions::find(&mut *tx, id).await?;
    let prediction = prediction.ok_or(Error::NotFound("prediction"))?;
    match caller.patient(tx, prediction.patient_id).await {
        Ok(_) => Ok(prediction),
        Err(Error::NotFound(_)) => Err(Error::NotFound("prediction")),
        Err(error) => Err(error),
    }
}

/// The prediction, with an audit entry of the look.
async fn read(state: &AppState, caller: &Caller, id: PredictionId) -> Result<Prediction> {
    let mut reading = state.reading(caller).await?;
    let prediction = reachable(&mut reading, caller, id).await?;
    reading.end().await?;
    let event = Event::new("prediction.read").object(id.0).patient(prediction.patient_id);
    state.record_look(caller, event).await?;
    Ok(prediction)
}
