//! Predictions for all patients of a list: asked for, followed, called off.

use std::{convert::Infallible, time::Duration};

use anyhow::{Context, anyhow};
use axum::{
    extract::State,
    http::header::HeaderName,
    response::{
        IntoResponse,
        sse::{Event as Sent, KeepAlive, Sse},
    },
};
use futures::{Stream, stream};
use serde_json::json;
use shared::{
    id::PredictionBatchId,
    phrase,
    prediction::PredictionStatus,
    prediction_batch::{NewPredictionBatch, PredictionBatch},
};
use sqlx::PgConnection;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::Instant,
};

use crate::{
    auth::{Allowed, Caller, ReadPredictions, RequestPredictions},
    db::{self, audit::Event},
    error::{Error, Result},
    extract::{Created, Creation, Json, Path},
    jobs::{
        batch::{self, AskForBatch},
        events::News,
    },
    openapi::Problems,
    routes::{keep, replay},
    state::AppState,
    telemetry::traces,
};

/// The longest a stream of events lasts; a client that wants more connects again.
const STREAM_LIFETIME: Duration = Duration::from_mins(15);
/// How often a stream looks: its counts change too often to be told of each change.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long a client should wait before it connects again.
const RETRY: Duration = Duration::from_secs(2);
/// How many streams there may be in this process.
static STREAMS: Semaphore = Semaphore::const_new(100);

/// Ask for predictions of all patients whom the list shows under a filter.
///
/// A worker asks for them on your behalf, for at most 50,000 patients whose records you see then.
/// Whose prediction is open already gets no second one; who cannot be predicted is counted with the
/// reasons. They go behind predictions that are asked for singly.
#[utoipa::path(post, path = "/api/v1/prediction-batches", tag = "predictions",
    security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition safe")),
    request_body = NewPredictionBatch,
    responses((status = 202, description = "Requested", body = PredictionBatch,
        headers(("Location" = String, description = "The batch"))), Problems))]
pub async fn create_prediction_batch(
    Allowed { caller, .. }: Allowed<RequestPredictions>,
    State(state): State<AppState>,
    Creation { new: NewPredictionBatch { filter }, key }: Creation<NewPredictionBatch>,
) -> Result<Created> {
    let (id, now) = (PredictionBatchId(state.clock.new_id()), state.clock.now());
    let mut tx = state.begin(&caller).await?;
    if let Some(first) = replay(&mut tx, &state, &caller, key.as_ref()).await? {
        tx.commit().await?;
        return Ok(first);
    }
    let (actor, traceparent) = (caller.actor(), traces::traceparent());
    let traceparent = traceparent.as_deref();
    db::prediction_batches::insert(&mut tx, id, caller.user_id, &filter, &actor, traceparent, now)
        .await?;
    batch::enqueue(&mut tx, &state.db, AskForBatch::of(id)).await?;
    let event = Event::new("prediction_batch.request").object(id.0);
    let event = event.details(json!({ "filter": filter }));
    db::audit::record(&mut tx, &actor, event, now).await?;
    let batch = db::prediction_batches::find(&mut tx, id).await?;
    let batch = batch.context("the batch that was just added")?;
    let created = Created::accepted(format!("/api/v1/prediction-batches/{id}"), &batch)?;
    let created = keep(&mut tx, &caller, key, created).await?;
    tx.commit().await?;
    Ok(created)
}

/// Read a batch of your own: how many predictions wait, run and ended, and who was refused why.
#[utoipa::path(get, path = "/api/v1/prediction-batches/{id}", tag = "predictions",
    security(("bearer" = [])),
    params(("id" = PredictionBatchId, Path, description = "The batch")),
    responses((status = 200, description = "The batch", body = PredictionBatch), Problems))]
pub async fn get_prediction_batch(
    Allowed { caller, .. }: Allowed<ReadPredictions>,
    State(state): State<AppState>,
    Path(id): Path<PredictionBatchId>,
) -> Result<Json<PredictionBatch>> {
    read(&state, &caller, id).await.map(Json)
}

/// Call a batch of your own off: nothing further is asked for, and its open predictions are called
/// off, but for those that somebody has asked for singly, too.
#[utoipa::path(post, path = "/api/v1/prediction-batches/{id}/cancel", tag = "predictions",
    security(("bearer" = [])),
    params(("id" = PredictionBatchId, Path, description = "The batch")),
    responses((status = 200, description = "Cancelled", body = PredictionBatch), Problems))]
pub async fn cancel_prediction_batch(
    Allowed { caller, .. }: Allowed<RequestPredictions>,
    State(state): State<AppState>,
    Path(id): Path<PredictionBatchId>,
) -> Result<Json<PredictionBatch>> {
    let now = state.clock.now();
    let mut tx = state.begin(&caller).await?;
    let before = own(&mut tx, &caller, id).await?;
    if before.status.is_final() || !db::prediction_batches::cancel(&mut tx, id, now).await? {
        return Err(Error::Conflict(phrase!("the batch is final already").to_owned()));
    }
    let cancelled = db::prediction_batches::cancel_predictions(&mut tx, id, now).await?;
    let count = cancelled.len();
    let mut events = vec![Event::new("prediction_batch.cancel").object(id.0)];
    events.extend(cancelled.into_iter().map(|(prediction, patient)| {
        let event = Event::new("prediction.cancel").object(prediction.0).patient(patient);
        event.details(json!({ "batch": id }))
    }));
    db::audit::record_all(&mut tx, &caller.actor(), &events, now).await?;
    let batch = own(&mut tx, &caller, id).await?;
    tx.commit().await?;
    state.metrics.predictions_ended(PredictionStatus::Cancelled, count);
    Ok(Json(batch))
}

/// Follow a batch of your own until it is final.
///
/// Server-sent events: `batch`, with the whole batch as data, at once and whenever its counts have
/// changed, twice a second at most. The stream ends after the final one, or after 15 minutes.
#[utoipa::path(get, path = "/api/v1/prediction-batches/{id}/events", tag = "predictions",
    security(("bearer" = [])),
    params(("id" = PredictionBatchId, Path, description = "The batch")),
    responses((status = 200, description = "The events", body = String,
        content_type = "text/event-stream"), Problems))]
pub async fn stream_prediction_batch(
    Allowed { caller, .. }: Allowed<ReadPredictions>,
    State(state): State<AppState>,
    Path(id): Path<PredictionBatchId>,
) -> Result<impl IntoResponse> {
    let busy = |_| Error::Unavailable(anyhow!("too many streams"));
    let place = STREAMS.try_acquire().map_err(busy)?;
    let news = state.events.subscribe();
    let first = read(&state, &caller, id).await?;
    let ends_at = Instant::now() + STREAM_LIFETIME;
    let follower = Follower { state, caller, news, ends_at, shown: first, _place: place };
    let alive = KeepAlive::new().interval(Duration::from_secs(15)).text("still here");
    // NGINX passes each event on at once.
    let unbuffered = [(HeaderName::from_static("x-accel-buffering"), "no")];
    Ok((unbuffered, Sse::new(events(follower)).keep_alive(alive)))
}

/// One reader of one batch's counts.
struct Follower {
    state: AppState,
    caller: Caller,
    news: News,
    ends_at: Instant,
    shown: PredictionBatch,
    _place: SemaphorePermit<'static>,
}

/// Where a stream stands.
enum Step {
    Show(Box<Follower>),
    Wait(Box<Follower>),
    End,
}

fn events(follower: Follower) -> impl Stream<Item = Result<Sent, Infallible>> {
    stream::unfold(Step::Show(Box::new(follower)), |step| async {
        let follower = match step {
            Step::Show(follower) => follower,
            Step::Wait(follower) => match follower.change().await {
                Some(follower) => follower,
                None => return Some((Ok(Sent::default().retry(RETRY)), Step::End)),
            },
            Step::End => return None,
        };
        let sent = Sent::default().event("batch").json_data(&follower.shown).ok()?;
        let is_final = follower.shown.status.is_final();
        Some((Ok(sent), if is_final { Step::End } else { Step::Wait(follower) }))
    })
}

impl Follower {
    /// The next change; `None` when the stream must end and the client should connect again.
    async fn change(mut self: Box<Self>) -> Option<Box<Self>> {
        while Instant::now() < self.ends_at {
            if !self.news.pause(LOOK_EVERY).await || !self.caller.still_lives(&self.state).await {
                return None;
            }
            // Somebody may have left a care team while the stream goes on.
            self.caller.at = self.state.clock.now();
            let batch = look(&self.state, &self.caller, self.shown.id).await.ok()?;
            if batch != self.shown {
                self.shown = batch;
                return Some(self);
            }
        }
        None
    }
}

/// The batch, if it is the caller's own: anybody else's is none.
async fn own(
    tx: &mut PgConnection,
    caller: &Caller,
    id: PredictionBatchId,
) -> Result<PredictionBatch> {
    let batch = db::prediction_batches::find(tx, id).await?;
    batch.filter(|batch| batch.requested_by == caller.user_id).ok_or(Error::NotFound("batch"))
}

async fn look(state: &AppState, caller: &Caller, id: PredictionBatchId) -> Result<PredictionBatch> {
    let mut tx = state.begin(caller).await?;
    let batch = own(&mut tx, caller, id).await?;
    tx.commit().await?;
    Ok(batch)
}

/// The batch, with an audit entry of the look.
async fn read(state: &AppState, caller: &Caller, id: PredictionBatchId) -> Result<PredictionBatch> {
    let batch = look(state, caller, id).await?;
    let event = Event::new("prediction_batch.read").object(id.0);
    state.record_look(caller, event).await?;
    Ok(batch)
}
