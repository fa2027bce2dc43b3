//! Runs predictions: many at a time, each exactly once.
//!
//! A prediction's row is the truth; a job only says that there is work. Whoever takes predictions
//! raises their attempt number and gets a lease: an answer counts only while its attempt is the
//! last one, so that a worker that was thought dead can neither double nor overwrite anything.

use std::{
    collections::HashSet,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use anyhow::{Context, anyhow};
use chrono::{DateTime, TimeDelta, Utc};
use graphile_worker::{IntoTaskHandlerResult, JobSpec, TaskHandler, WorkerContext, WorkerUtils};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::{
    id::PredictionId,
    prediction::{PredictionInputs, PredictionResult, PredictionStatus},
};
use sqlx::{PgConnection, PgPool};
use tokio::sync::Semaphore;

use super::{answer::answers, shadow};
use crate::{
    clock::Clock,
    db::{
        self,
        audit::{Actor, Event, Look, Outcome},
        models::Roles,
        predictions::{Answer, Claimed, Closed, Requested, Which},
    },
    drift,
    metrics::Metrics,
    models::{Release, Releases, Watched},
    state::{AppState, Parts},
    telemetry::traces::Steps,
};

/// How often a prediction is tried before it fails.
pub const MAX_ATTEMPTS: i32 = 5;
/// The most predictions that go through the network together.
pub const BATCH: i64 = 256;
/// How long a worker has for a batch before others may take it to be dead.
pub const LEASE: TimeDelta = TimeDelta::seconds(30);
/// How long a prediction may be overdue before somebody knocks for it.
const OVERDUE: TimeDelta = TimeDelta::seconds(2);
/// How often the queue tries a job that could not even begin, such as without a database.
const JOB_ATTEMPTS: i16 = 5;

/// Where in the queue the jobs of batches stand: behind those that have no number.
const BEHIND: i16 = 5;

/// The job: there is a prediction to run. Whoever gets it runs everything that waits.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Predict {
    /// The prediction.
    pub prediction_id: PredictionId,
}

impl TaskHandler for Predict {
    const IDENTIFIER: &'static str = "predict";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        let engine = context.get_ext::<Engine>().ok_or("the worker has no engine")?.clone();
        engine.serve(self.prediction_id).await.map_err(|error| {
            tracing::warn!(prediction = %self.prediction_id, error = format!("{error:#}"), "job");
            "see the worker's log"
        })
    }
}

/// Puts the job into the queue, in the transaction of whatever made it necessary.
pub async fn enqueue(db: &mut PgConnection, pool: &PgPool, id: PredictionId) -> anyhow::Result<()> {
    add_job(db, pool, id, JobSpec::builder()).await
}

/// The same for the predictions of a batch: behind the jobs of single ones.
pub async fn enqueue_batch(
    db: &mut PgConnection,
    pool: &PgPool,
    id: PredictionId,
) -> anyhow::Result<()> {
    add_job(db, pool, id, JobSpec::builder().priority(BEHIND)).await
}

async fn add_job(
    db: &mut PgConnection,
    pool: &PgPool,
    prediction_id: PredictionId,
    spec: graphile_worker::JobSpecBuilder,
) -> anyhow::Result<()> {
    let spec = spec.job_key(key(prediction_id));
    WorkerUtils::new(pool, "graphile_worker")
        .with_executor(db)
        .add_job(Predict { prediction_id }, spec.max_attempts(JOB_ATTEMPTS).build())
        .await
        .context("the job cannot be put into the queue")?;
    Ok(())
}

/// What the job of a prediction is called: whoever takes the prediction takes it out of the queue.
fn key(id: PredictionId) -> String {
    format!("predict-{id}")
}

/// Runs everything that waits, as a worker would, and says how many predictions that were.
pub async fn drain(state: &AppState) -> anyhow::Result<usize> {
    Engine::of(state).drain().await
}

/// What runs predictions.
#[derive(Clone)]
pub struct Engine {
    db: PgPool,
    clock: Clock,
    releases: Arc<Releases>,
    lease: TimeDelta,
    /// One batch at a time: what arrives meanwhile makes the next batch larger.
    turn: Arc<Semaphore>,
    stopping: Arc<AtomicBool>,
    metrics: Metrics,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("lease", &self.lease).finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine over a database and the released networks.
    pub fn new(db: PgPool, clock: Clock, releases: Arc<Releases>, lease: TimeDelta) -> Self {
        let turn = Arc::new(Semaphore::new(1));
        let (stopping, metrics) = (Arc::default(), Metrics::default());
        Self { db, clock, releases, lease, turn, stopping, metrics }
    }

    /// The same, which counts together with the rest of its process.
    #[must_use]
    pub fn counting(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// The engine of a process that has a server's state.
    pub fn of(state: &AppState) -> Self {
        let Parts { db, clock, releases, metrics, .. } = Parts::clone(state);
        Self::new(db, clock, releases, LEASE).counting(metrics)
    }

    /// The database.
    pub fn db(&self) -> &PgPool {
        &self.db
    }

    /// The time.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// How long a worker has before others may take it to be dead.
    pub const fn lease(&self) -> TimeDelta {
        self.lease
    }

    /// Begins no further batch.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Does a job: runs everything that waits, unless nothing does any more.
    async fn serve(&self, id: PredictionId) -> anyhow::Result<()> {
        let now = self.clock.now();
        // The job may be others', too, while its own prediction was called off, or taken.
        if db::predictions::is_due(&self.db, id, now).await?
            || db::predictions::any_due(&self.db, now).await?.is_some()
        {
            self.drain().await?;
        }
        Ok(())
    }

    /// Runs everything that waits and says how many predictions that were.
    pub async fn drain(&self) -> anyhow::Result<usize> {
        let mut total = 0;
        while !self.stopping.load(Ordering::Relaxed) {
            let _turn = self.turn.acquire().await?;
            let ran = self.run_batch().await?;
            if ran == 0 {
                break;
            }
            total += ran;
        }
        Ok(total)
    }

    /// Enqueues a job when predictions wait although every job for them is gone: their worker
    /// died, or could not reach the database.
    pub async fn knock(&self) -> anyhow::Result<()> {
        let since = self.clock.now() - OVERDUE;
        if let Some(id) = db::predictions::any_due(&self.db, since).await? {
            let mut connection = self.db.acquire().await?;
            // Its key is the prediction's: many workers that knock make one job.
            add_job(&mut connection, &self.db, id, JobSpec::builder()).await?;
        }
        Ok(())
    }

    /// The networks that answer now.
    pub async fn networks(&self) -> anyhow::Result<Networks> {
        self.networks_of(&db::models::roles(&self.db).await?)
    }

    /// The networks that have these roles; this process may not have the active one while releases are
    /// rolled out.
    pub fn networks_of(&self, roles: &Roles) -> anyhow::Result<Networks> {
        Ok(Networks { active: self.releases.active(roles)?, shadow: self.releases.shadow(roles) })
    }

    async fn run_batch(&self) -> anyhow::Result<usize> {
        // Read for each batch, so that an activation counts from the next one on; and before
        // anything is claimed, so that a worker without the active network leaves it to others.
        let networks = self.networks().await?;
        let mut steps = Steps::begin(&self.clock);
        let claimed = self.claim().await?;
        if claimed.is_empty() {
            return Ok(0);
        }
        steps.ended("claim");
        let count = claimed.len();
        let traced: Vec<_> = claimed.iter().filter_map(|one| one.traceparent.clone()).collect();
        let begun = Instant::now();
        let (done, failed) = self.compute(&networks.active, claimed).await;
        self.metrics.computed(count, begun.elapsed());
        steps.ended("inference");
        let stored = self.store(&networks, done, failed).await?;
        steps.ended("write");
        steps.tell("prediction", count, &traced);
        self.stored(&networks, stored).await;
        Ok(count)
    }

    /// Answers requests that are not stored yet, all of them or none.
    pub async fn answer(
        &self,
        networks: &Networks,
        requested: &[Requested],
    ) -> anyhow::Result<Vec<Done>> {
        let begun = Instant::now();
        let inputs: Vec<_> = requested.iter().map(|requested| requested.inputs.clone()).collect();
        let inputs = Arc::new(inputs);
        let results = compute_together(&networks.active, Arc::clone(&inputs)).await?;
        self.metrics.computed(requested.len(), begun.elapsed());
        let done = requested.iter().zip(Arc::unwrap_or_clone(inputs)).zip(results).map(
            |((requested, inputs), result)| {
                let Requested { id, patient_id, .. } = *requested;
                Done { answer: Answer { id, patient_id, attempt: 1, result }, inputs }
            },
        );
        Ok(done.collect())
    }

    /// What follows when answers have been stored: they count, and the shadow may see them.
    pub async fn stored(&self, networks: &Networks, done: Vec<Done>) {
        self.metrics.predictions_ended(PredictionStatus::Succeeded, done.len());
        if let Some(release) = &networks.shadow
            && !self.stopping.load(Ordering::Relaxed)
        {
            // The answers are out already: whatever the shadow does cannot touch them.
            shadow::run(&self.db, &self.clock, release, networks.active.version(), done).await;
        }
    }

    /// New predictions go together. One whose worker failed or died is tried alone, so that it
    /// takes no other down with it.
    async fn claim(&self) -> anyhow::Result<Vec<Claimed>> {
        let now = self.clock.now();
        let lease_ends = now + self.lease;
        let mut tx = db::begin(&self.db).await?;
        let lost = db::predictions::give_up(&mut tx, MAX_ATTEMPTS, GAVE_UP, now).await?;
        record_finish(&mut tx, &lost, Outcome::Failure, now).await?;
        let mut claimed =
            db::predictions::claim(&mut tx, Which::New, BATCH, now, lease_ends).await?;
        if claimed.is_empty() {
            claimed = db::predictions::claim(&mut tx, Which::Tried, 1, now, lease_ends).await?;
        }
        // Nobody needs to be told of them any more. A thousand jobs with nothing to do would hold
        // up what stands behind them: the library takes one at a time.
        let keys: Vec<String> = claimed.iter().map(|claimed| key(claimed.id)).collect();
        db::queue::forget(&mut tx, &keys).await?;
        tx.commit().await?;
        self.metrics.predictions_ended(PredictionStatus::Failed, lost.len());
        Ok(claimed)
    }

    /// All in one forward pass; if that fails, one by one, which finds the one to blame.
    async fn compute(
        &self,
        active: &Release,
        claimed: Vec<Claimed>,
    ) -> (Vec<Done>, Vec<(Claimed, anyhow::Error)>) {
        let mut failed = Vec::new();
        let mut readable = Vec::with_capacity(claimed.len());
        for claimed in claimed {
            match serde_json::from_str::<PredictionInputs>(claimed.inputs.0.get()) {
                Ok(inputs) => readable.push((claimed, inputs)),
                // What serde says may quote a value, which belongs in no log.
                Err(_) => failed.push((claimed, anyhow!("the frozen inputs cannot be read"))),
            }
        }
        let inputs = readable.iter().map(|(_, inputs)| inputs.clone()).collect();
        let mut done = Vec::with_capacity(readable.len());
        match compute_together(active, Arc::new(inputs)).await {
            Ok(results) => {
                let pairs = readable.into_iter().zip(results);
                done.extend(
                    pairs.map(|((claimed, inputs), result)| answered(&claimed, inputs, result)),
                );
            }
            Err(_) => {
                for (claimed, inputs) in readable {
                    let alone = compute_together(active, Arc::new(vec![inputs.clone()])).await;
                    match alone.map(|mut one| one.pop()) {
                        Ok(Some(result)) => done.push(answered(&claimed, inputs, result)),
                        Ok(None) => failed.push((claimed, anyhow!("no answer"))),
                        Err(error) => failed.push((claimed, error)),
                    }
                }
            }
        }
        (done, failed)
    }

    /// Results, headlines, failures, audit entries and what the inputs looked like in one commit.
    /// Answers which the done that counted.
    async fn store(
        &self,
        networks: &Networks,
        mut done: Vec<Done>,
        failed: Vec<(Claimed, anyhow::Error)>,
    ) -> anyhow::Result<Vec<Done>> {
        let now = self.clock.now();
        let mut tx = db::begin(&self.db).await?;
        let model = networks.active.predictor.version();
        let answers: Vec<&Answer> = done.iter().map(|done| &done.answer).collect();
        let stored = db::predictions::succeed(&mut tx, &answers, model, now).await?;
        record_finish(&mut tx, &stored, Outcome::Success, now).await?;
        let mut given_up = 0;
        for (claimed, error) in failed {
            let error = format!("{error:#}");
            tracing::error!(prediction = %claimed.id, attempt = claimed.attempt, error, "failed");
            given_up += usize::from(self.retry_or_fail(&mut tx, &claimed, now).await?);
        }
        let stored: HashSet<PredictionId> = stored.iter().map(|closed| closed.id).collect();
        done.retain(|done| stored.contains(&done.answer.id));
        count_inputs(&mut tx, &networks.active, &done, now).await?;
        tx.commit().await?;
        self.metrics.predictions_ended(PredictionStatus::Failed, given_up);
        Ok(done)
    }

    /// `true` when it has failed for good.
    async fn retry_or_fail(
        &self,
        tx: &mut PgConnection,
        claimed: &Claimed,
        now: DateTime<Utc>,
    ) -> anyhow::Result<bool> {
        let Claimed { id, patient_id, attempt, .. } = *claimed;
        if attempt < MAX_ATTEMPTS {
            let due_at = now + pause(attempt);
            if db::predictions::put_back(tx, id, attempt, due_at).await? {
                add_job(tx, &self.db, id, JobSpec::builder().run_at(due_at)).await?;
            }
        } else if db::predictions::fail(tx, id, attempt, GAVE_UP, now).await? {
            record_finish(tx, &[Closed { id, patient_id }], Outcome::Failure, now).await?;
            return Ok(true);
        }
        Ok(false)
    }
}

/// What a person reads on a prediction that failed.
const GAVE_UP: &str = "The computation failed five times. Request the prediction again; if it \
                       fails again, give its id to whoever runs this installation.";

/// The networks that answer.
#[derive(Clone, Debug)]
pub struct Networks {
    /// The one whose answers are shown.
    pub active: Arc<Release>,
    /// The one that runs unseen.
    pub shadow: Option<Arc<Release>>,
}

impl Networks {
    /// What goes with answers that were stored as they were asked for: headlines, the entries of the
    /// requests, and what the inputs, frozen at `frozen_at`, looked like.
    pub async fn show(
        &self,
        tx: &mut PgConnection,
        mut requests: Vec<Look>,
        done: &[Done],
        (frozen_at, now): (DateTime<Utc>, DateTime<Utc>),
    ) -> sqlx::Result<()> {
        let answers: Vec<(&Answer, DateTime<Utc>)> =
            done.iter().map(|done| (&done.answer, frozen_at)).collect();
        db::predictions::show(tx, &answers, now).await?;
        for Look { event, .. } in &mut requests {
            event.details = Some(Arc::new(answered_at_once(event.details.take())));
        }
        db::audit::record_looks(&mut *tx, &requests).await?;
        count_inputs(tx, &self.active, done, now).await
    }
}

/// What the entry of a request says whose answer is stored with it: no other entry tells its end.
fn answered_at_once(details: Option<Arc<Value>>) -> Value {
    let mut details = details.map_or_else(|| json!({}), Arc::unwrap_or_clone);
    details["status"] = json!(PredictionStatus::Succeeded);
    details
}

/// An answer with the inputs that it rests on.
#[derive(Clone, Debug)]
pub struct Done {
    /// The answer.
    pub answer: Answer,
    /// The frozen inputs.
    pub inputs: PredictionInputs,
}

fn answered(claimed: &Claimed, inputs: PredictionInputs, result: PredictionResult) -> Done {
    let Claimed { id, patient_id, attempt, .. } = *claimed;
    Done { answer: Answer { id, patient_id, attempt, result }, inputs }
}

/// The answers of a release, computed off the async threads.
pub async fn compute_together(
    release: &Release,
    inputs: Arc<Vec<PredictionInputs>>,
) -> anyhow::Result<Vec<PredictionResult>> {
    if inputs.is_empty() {
        return Ok(Vec::new());
    }
    let predictor = Arc::clone(&release.predictor);
    tokio::task::spawn_blocking(move || answers(&predictor, &inputs))
        .await
        .context("the computation panicked")?
}

/// Counts the inputs into the bins of what the network was trained on, for their drift to be told.
/// It comes last before the commit: all workers count into one row a week.
async fn count_inputs(
    tx: &mut PgConnection,
    release: &Release,
    done: &[Done],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let Some(Watched { reference, id }) = release.reference.as_ref().filter(|_| !done.is_empty())
    else {
        return Ok(());
    };
    let mut counts = vec![0; reference.bins()];
    for done in done {
        reference.count(&done.inputs, &mut counts);
    }
    let week = drift::week_of(now.date_naive());
    let predictions = i64::try_from(done.len()).unwrap_or(i64::MAX);
    db::models::count_inputs(tx, release.version(), id, week, predictions, &counts).await
}

/// The queue's own back-off: e, e², e³, e⁴ seconds after the first, second, … attempt.
fn pause(attempt: i32) -> TimeDelta {
    TimeDelta::milliseconds((f64::from(attempt.clamp(1, 10)).exp() * 1000.0) as i64)
}

/// That a prediction has become final.
fn finish(closed: Closed, outcome: Outcome) -> Event {
    let status = if outcome == Outcome::Success { "succeeded" } else { "failed" };
    Event::new("prediction.finish")
        .object(closed.id.0)
        .patient(closed.patient_id)
        .outcome(outcome)
        .details(json!({ "status": status }))
}

/// One audit entry for each prediction of the queue that has become final; the worker is nobody's account.
async fn record_finish(
    tx: &mut PgConnection,
    closed: &[Closed],
    outcome: Outcome,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let events: Vec<Event> = closed.iter().map(|closed| finish(*closed, outcome)).collect();
    if events.is_empty() {
        return Ok(());
    }
    db::audit::record_all(tx, &Actor::default(), &events, now).await
}
