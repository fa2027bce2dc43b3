//! Predicts for everybody in a batch: its patients are written down, then taken a chunk at a time.
//!
//! One job is one step, and its transaction enqueues the next: whatever dies, a step has happened
//! with all that belongs to it, or not at all. A step freezes inputs, computes, and stores finished
//! predictions; when it cannot compute, it leaves predictions to the queue, where each is tried by
//! itself. Steps of one batch go on side by side, in lanes, so that one computes while another is
//! being stored; and behind everything else in the queue.

use std::iter;

use anyhow::Context;
use chrono::{DateTime, Utc};
use graphile_worker::{IntoTaskHandlerResult, JobSpec, TaskHandler, WorkerContext, WorkerUtils};
use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::{
    access::Permission,
    clinical::assessment::missing_or_out_of_scope,
    id::{PatientId, PredictionBatchId, PredictionId, SessionId},
    patient::{Patient, PatientFilter, PatientSort},
};
use sqlx::{PgConnection, PgPool, PgTransaction};
use uuid::Uuid;

use super::predict::{self, Done, Engine, Networks};
use crate::{
    auth::{Caller, Shown},
    db::{
        self,
        audit::{Event, Look},
        patient_list::{self, Filter},
        prediction_batches::{self as batches, Asked, Unfinished},
        predictions::{Answer, Priority, Requested},
    },
    state::AppState,
    telemetry::traces::Steps,
};

/// The most patients of one batch.
pub const MOST_PATIENTS: usize = 50_000;
/// The most patients of one step.
const CHUNK: i64 = 500;
/// How many steps of a batch go on side by side, if there are as many workers for them.
const LANES: u8 = 3;
/// How often steps may fail, with none that did something in between, before the batch does: five times
/// in each lane.
const MAX_ATTEMPTS: i32 = 5 * LANES as i32;
/// Where in the queue a step stands: behind everything that has no number.
const BEHIND: i16 = 10;

/// Why nothing was asked for, for patients whose record may no longer be read or changed.
const OUT_OF_REACH: &str = "the record is archived, or you no longer see it";
const GAVE_UP: &str = "Asking for the predictions failed again and again. Request the batch again; if \
                       it fails again, give its id to whoever runs this installation.";
const NOT_ALLOWED: &str = "The account that asked may no longer request predictions.";

/// The job: one step of a batch.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct AskForBatch {
    /// The batch.
    pub batch_id: PredictionBatchId,
    /// In which lane.
    #[serde(default)]
    pub lane: u8,
    /// Whether to leave the computing to the queue, because a worker has died of it before.
    #[serde(default)]
    pub careful: bool,
}

impl AskForBatch {
    /// A step in the first lane.
    pub const fn of(batch_id: PredictionBatchId) -> Self {
        Self { batch_id, lane: 0, careful: false }
    }

    /// The same, which leaves the computing to the queue.
    #[must_use]
    pub const fn careful(self) -> Self {
        Self { careful: true, ..self }
    }

    /// The first step in every lane.
    fn lanes(self) -> impl Iterator<Item = Self> {
        (0..LANES).map(move |lane| Self { lane, ..self })
    }

    /// The step after this one.
    const fn next(self) -> Self {
        Self { careful: false, ..self }
    }

    fn key(self) -> String {
        format!("batch-{}-{}", self.batch_id, self.lane)
    }
}

impl TaskHandler for AskForBatch {
    const IDENTIFIER: &'static str = "ask_for_batch";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        let engine = context.get_ext::<Engine>().ok_or("the worker has no engine")?.clone();
        let Err(error) = step(&engine, self).await else { return Ok(()) };
        tracing::warn!(batch = %self.batch_id, error = format!("{error:#}"), "step of a batch");
        match count_failure(&engine, self.batch_id).await {
            Ok(()) => Err("see the worker's log"),
            Err(error) => {
                tracing::warn!(batch = %self.batch_id, error = format!("{error:#}"), "uncounted");
                Err("see the worker's log")
            }
        }
    }
}

/// Puts a step into the queue, in the transaction of whatever made it necessary.
pub async fn enqueue(
    db: &mut PgConnection,
    pool: &PgPool,
    step: AskForBatch,
) -> anyhow::Result<()> {
    // One key for each lane: whoever else enqueues it makes no second one.
    let spec = JobSpec::builder().job_key(step.key()).priority(BEHIND);
    WorkerUtils::new(pool, "graphile_worker")
        .with_executor(db)
        .add_job(step, spec.max_attempts(1).build())
        .await
        .context("the job cannot be put into the queue")?;
    Ok(())
}

/// Enqueues steps of a batch that was forgotten: its worker died, or could not reach the database.
/// Should the worker have died of what it computed, the next one leaves that to the queue.
pub async fn knock(engine: &Engine) -> anyhow::Result<()> {
    let since = engine.clock().now() - engine.lease();
    let Some(id) = batches::forgotten(engine.db(), since).await? else { return Ok(()) };
    let steps: Vec<AskForBatch> = AskForBatch::of(id).careful().lanes().collect();
    let keys: Vec<String> = steps.iter().map(|step| step.key()).collect();
    // Not forgotten, but behind others.
    if db::queue::waits(engine.db(), &keys).await? {
        return Ok(());
    }
    let mut connection = engine.db().acquire().await?;
    for step in steps {
        enqueue(&mut connection, engine.db(), step).await?;
    }
    Ok(())
}

/// Takes a batch one step further, as a worker would, and says whether that was not the last.
pub async fn advance(state: &AppState, job: AskForBatch) -> anyhow::Result<bool> {
    step(&Engine::of(state), job).await?;
    Ok(batches::find_unfinished(&state.db, job.batch_id).await?.is_some())
}

async fn count_failure(engine: &Engine, id: PredictionBatchId) -> anyhow::Result<()> {
    let now = engine.clock().now();
    let attempts = batches::count_failure(engine.db(), id, now).await?;
    if MAX_ATTEMPTS <= attempts {
        give_up(engine, id, GAVE_UP).await?;
    }
    Ok(())
}

async fn give_up(engine: &Engine, id: PredictionBatchId, error: &str) -> anyhow::Result<()> {
    let mut connection = engine.db().acquire().await?;
    batches::fail(&mut connection, id, error, engine.clock().now()).await?;
    Ok(())
}

async fn step(engine: &Engine, job: AskForBatch) -> anyhow::Result<()> {
    let id = job.batch_id;
    let Some(batch) = batches::find_unfinished(engine.db(), id).await? else { return Ok(()) };
    if !batch.active || !batch.role.allows_at(Permission::RequestPredictions, batch.site) {
        return give_up(engine, id, NOT_ALLOWED).await;
    }
    let now = engine.clock().now();
    let step = Step { engine, id, job, now, batch };
    let went_on = if step.batch.is_listed { step.predict().await? } else { step.list().await? };
    if went_on {
        let now = engine.clock().now();
        batches::touch(engine.db(), id, now - engine.lease() / 4, now).await?;
    }
    Ok(())
}

struct Step<'a> {
    engine: &'a Engine,
    id: PredictionBatchId,
    job: AskForBatch,
    now: DateTime<Utc>,
    batch: Unfinished,
}

impl Step<'_> {
    /// Whoever asked: the step sees and asks for what they would.
    fn caller(&self) -> Caller {
        let Unfinished { requested_by, role, site, actor, .. } = &self.batch;
        let shown = match (actor.session_id, actor.token_id) {
            (_, Some(id)) => Shown::Token { id, scopes: Vec::new() },
            (session, None) => Shown::Session(session.unwrap_or(SessionId(Uuid::nil()))),
        };
        Caller {
            user_id: *requested_by,
            role: *role,
            shown,
            patient_id: None,
            site: *site,
            at: self.now,
            must_enrol: false,
            address: actor.address.clone(),
        }
    }

    /// Writes the patients of the batch down; like the others, says whether that took it further.
    async fn list(&self) -> anyhow::Result<bool> {
        let caller = self.caller();
        let mut tx = self.begin().await?;
        // Whoever waited here beside another lane finds it done, and the next steps in the queue.
        if !batches::lock(&mut tx, self.id).await? || batches::is_listed(&mut tx, self.id).await? {
            return Ok(true);
        }
        let filter = filter(&self.batch.filter, &caller);
        let mut steps = Steps::begin(self.engine.clock());
        let most = i64::try_from(MOST_PATIENTS)? + 1;
        let found = patient_list::find(&mut tx, &filter, PatientSort::Name, None, most).await?;
        if MOST_PATIENTS < found.len() {
            tx.rollback().await?;
            let error = format!("More than {MOST_PATIENTS} patients: narrow the filter.");
            give_up(self.engine, self.id, &error).await?;
            return Ok(true);
        }
        let patients: Vec<PatientId> = found.iter().map(|found| found.id).collect();
        batches::add_patients(&mut tx, self.id, &patients, self.now).await?;
        for step in self.job.lanes() {
            enqueue(&mut tx, self.engine.db(), step).await?;
        }
        tx.commit().await?;
        steps.ended("list");
        self.tell(&steps, patients.len());
        Ok(true)
    }

    /// Tells what was done for so many patients to the trace of the request.
    fn tell(&self, steps: &Steps, patients: usize) {
        steps.tell("batch", patients, self.batch.traceparent.as_slice());
    }

    /// A transaction that sees what the requester sees.
    async fn begin(&self) -> sqlx::Result<PgTransaction<'static>> {
        db::walls::begin(self.engine.db(), self.caller().sight(), self.now).await
    }

    /// Predicts for one chunk; when none is left, ends the batch.
    async fn predict(&self) -> anyhow::Result<bool> {
        let networks = self.engine.networks().await;
        let mut steps = Steps::begin(self.engine.clock());
        let mut tx = self.begin().await?;
        if !batches::join(&mut tx, self.id).await? {
            return Ok(true);
        }
        let waiting = batches::waiting(&mut tx, self.id, CHUNK).await?;
        if waiting.is_empty() {
            tx.rollback().await?;
            return self.close().await;
        }
        let patients = db::patients::lock_in_use(&mut tx, &waiting).await?;
        let (mut asked, requested) = self.sort_out(&mut tx, &patients).await?;
        let reached: Vec<PatientId> = patients.iter().map(|patient| patient.id).collect();
        let gone = waiting.iter().filter(|id| reached.binary_search(id).is_err());
        asked.extend(gone.map(|id| (*id, Asked::Refused(vec![OUT_OF_REACH.to_owned()]))));
        steps.ended("freeze");
        let answered = self.answer(networks, &requested).await;
        steps.ended("inference");
        match &answered {
            Some((networks, done)) => self.store(&mut tx, networks, &requested, done).await?,
            None => self.request(&mut tx, &requested).await?,
        }
        batches::settle(&mut tx, self.id, &asked).await?;
        enqueue(&mut tx, self.engine.db(), self.job.next()).await?;
        if let Some((networks, done)) = &answered {
            db::walls::lift(&mut tx).await?;
            let times = (self.now, self.engine.clock().now());
            networks.show(&mut tx, self.entries(&requested), done, times).await?;
        }
        tx.commit().await?;
        steps.ended("write");
        self.tell(&steps, asked.len());
        if let Some((networks, done)) = answered {
            self.engine.stored(&networks, done).await;
        }
        Ok(true)
    }

    /// The answers of the active network; none when this step is a careful one, or when it cannot
    /// answer for all of them.
    async fn answer(
        &self,
        networks: anyhow::Result<Networks>,
        requested: &[Requested],
    ) -> Option<(Networks, Vec<Done>)> {
        if self.job.careful || requested.is_empty() {
            return None;
        }
        let answered = async {
            let networks = networks?;
            let done = self.engine.answer(&networks, requested).await?;
            anyhow::Ok((networks, done))
        };
        let failed = |error: &anyhow::Error| {
            tracing::warn!(batch = %self.id, error = format!("{error:#}"), "left to the queue");
        };
        answered.await.inspect_err(failed).ok()
    }

    /// Who gets a new prediction, whose is open already, and who gets none.
    async fn sort_out(
        &self,
        tx: &mut PgConnection,
        patients: &[Patient],
    ) -> anyhow::Result<(Vec<(PatientId, Asked)>, Vec<Requested>)> {
        let ids: Vec<PatientId> = patients.iter().map(|patient| patient.id).collect();
        let open = db::predictions::open_of(tx, &ids).await?;
        let chosen = db::preferences::read(&mut *tx, self.batch.requested_by).await?;
        let region = chosen.in_force.kfre_region;
        let frozen = db::prediction_inputs::freeze(tx, patients, region, self.now).await?;
        let mut asked = Vec::with_capacity(patients.len());
        let mut requested = Vec::with_capacity(patients.len());
        for (patient_id, inputs) in iter::zip(ids, frozen) {
            if let Some(id) = open.get(&patient_id) {
                asked.push((patient_id, Asked::Open(*id)));
                continue;
            }
            let reasons = missing_or_out_of_scope(&inputs);
            if reasons.is_empty() {
                let id = PredictionId(self.engine.clock().new_id());
                asked.push((patient_id, Asked::Requested(id)));
                let requested_by = self.batch.requested_by;
                // What becomes of them is told to the batch's own place in its trace.
                let traceparent = None;
                requested.push(Requested { id, patient_id, requested_by, inputs, traceparent });
            } else {
                let reasons = reasons.into_iter().map(|reason| reason.message).collect();
                asked.push((patient_id, Asked::Refused(reasons)));
            }
        }
        Ok((asked, requested))
    }

    /// Finished predictions.
    async fn store(
        &self,
        tx: &mut PgConnection,
        networks: &Networks,
        requested: &[Requested],
        done: &[Done],
    ) -> anyhow::Result<()> {
        let answers: Vec<&Answer> = done.iter().map(|done| &done.answer).collect();
        let (model, priority) = (networks.active.predictor.version(), Priority::Batch);
        let times = (self.now, self.engine.clock().now());
        db::predictions::insert_answered(tx, requested, &answers, model, priority, times).await?;
        Ok(())
    }

    /// Predictions that wait, a job for them, and the audit entries of their requests.
    async fn request(&self, tx: &mut PgConnection, requested: &[Requested]) -> anyhow::Result<()> {
        let Some(first) = requested.first() else { return Ok(()) };
        db::predictions::insert_many(tx, requested, Priority::Batch, self.now).await?;
        predict::enqueue_batch(tx, self.engine.db(), first.id).await?;
        db::audit::record_looks(tx, &self.entries(requested)).await?;
        Ok(())
    }

    /// The audit entries of requests.
    fn entries(&self, requested: &[Requested]) -> Vec<Look> {
        let entry = |requested: &Requested| Look {
            actor: self.batch.actor.clone(),
            event: Event::new("prediction.request")
                .object(requested.id.0)
                .patient(requested.patient_id)
                .details(json!({ "batch": self.id })),
            at: self.now,
        };
        requested.iter().map(entry).collect()
    }

    /// Ends the batch. Whoever is left is out of the requester's sight, so it is not done in it.
    async fn close(&self) -> anyhow::Result<bool> {
        let mut tx = self.begin().await?;
        if !batches::lock(&mut tx, self.id).await? {
            return Ok(true);
        }
        let is_done = batches::waiting(&mut tx, self.id, 1).await?.is_empty();
        if is_done {
            db::walls::lift(&mut tx).await?;
            batches::close(&mut tx, self.id, OUT_OF_REACH, self.now).await?;
        } else {
            // Those of another step, which has failed in the meantime.
            enqueue(&mut tx, self.engine.db(), self.job).await?;
        }
        tx.commit().await?;
        Ok(is_done)
    }
}

/// The list's filter, of the records in use that the caller sees.
fn filter(filter: &PatientFilter, caller: &Caller) -> Filter {
    Filter::new(filter, caller.in_care_of(), caller.at)
}
