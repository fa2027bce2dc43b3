//! Asks for the predictions of a batch: its patients are written down, then asked for a chunk at a
//! time.
//!
//! One job is one step, and its transaction enqueues the next: whatever dies, a step has happened
//! with all that belongs to it, or not at all. Steps go behind everything else in the queue, and
//! what they ask for goes behind what somebody waits for.

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
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::predict::{self, Engine};
use crate::{
    auth::{Caller, Shown},
    db::{
        self,
        audit::Event,
        patient_list::{self, Filter},
        prediction_batches::{self as batches, Asked, Unfinished},
        predictions::{Priority, Requested},
    },
    state::AppState,
};

/// The most patients of one batch.
pub const MOST_PATIENTS: usize = 50_000;
/// The most patients that one transaction asks for.
const CHUNK: i64 = 250;
/// How often a step may fail before the batch does.
const MAX_ATTEMPTS: i32 = 5;
/// Where in the queue a step stands: behind everything that has no number.
const BEHIND: i16 = 10;

/// Why nothing was asked for, for patients whose record may no longer be read or changed.
const OUT_OF_REACH: &str = "the record is archived, or you no longer see it";
const GAVE_UP: &str = "Asking for the predictions failed five times. Request the batch again; if \
                       it fails again, give its id to whoever runs this installation.";
const NOT_ALLOWED: &str = "The account that asked may no longer request predictions.";

/// The job: one step of a batch.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct AskForBatch {
    /// The batch.
    pub batch_id: PredictionBatchId,
}

impl TaskHandler for AskForBatch {
    const IDENTIFIER: &'static str = "ask_for_batch";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        let engine = context.get_ext::<Engine>().ok_or("the worker has no engine")?.clone();
        let Err(error) = step(&engine, self.batch_id).await else { return Ok(()) };
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

/// Puts the next step into the queue, in the transaction of whatever made it necessary.
pub async fn enqueue(
    db: &mut PgConnection,
    pool: &PgPool,
    batch_id: PredictionBatchId,
) -> anyhow::Result<()> {
    // One key: whoever else enqueues it makes no second one.
    let spec = JobSpec::builder().job_key(format!("batch-{batch_id}")).priority(BEHIND);
    WorkerUtils::new(pool, "graphile_worker")
        .with_executor(db)
        .add_job(AskForBatch { batch_id }, spec.max_attempts(1).build())
        .await
        .context("the job cannot be put into the queue")?;
    Ok(())
}

/// Enqueues a step of a batch that was forgotten: its worker died, or could not reach the database.
pub async fn knock(engine: &Engine) -> anyhow::Result<()> {
    let since = engine.clock().now() - engine.lease();
    if let Some(id) = batches::forgotten(engine.db(), since).await? {
        let mut connection = engine.db().acquire().await?;
        enqueue(&mut connection, engine.db(), id).await?;
    }
    Ok(())
}

/// Takes a batch one step further, as a worker would, and says whether that was not the last.
pub async fn advance(state: &AppState, id: PredictionBatchId) -> anyhow::Result<bool> {
    step(&Engine::of(state), id).await?;
    Ok(batches::find_unfinished(&state.db, id).await?.is_some())
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

async fn step(engine: &Engine, id: PredictionBatchId) -> anyhow::Result<()> {
    let Some(batch) = batches::find_unfinished(engine.db(), id).await? else { return Ok(()) };
    if !batch.active || !batch.role.allows_at(Permission::RequestPredictions, batch.site) {
        return give_up(engine, id, NOT_ALLOWED).await;
    }
    let step = Step { engine, id, now: engine.clock().now(), batch };
    if step.batch.is_listed { step.ask().await } else { step.list().await }
}

struct Step<'a> {
    engine: &'a Engine,
    id: PredictionBatchId,
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

    /// Writes the patients of the batch down.
    async fn list(&self) -> anyhow::Result<()> {
        let caller = self.caller();
        let mut tx = db::walls::begin(self.engine.db(), caller.sight(), self.now).await?;
        if !batches::lock(&mut tx, self.id).await? {
            return Ok(());
        }
        let filter = filter(&self.batch.filter, &caller);
        let most = i64::try_from(MOST_PATIENTS)? + 1;
        let found = patient_list::find(&mut tx, &filter, PatientSort::Name, None, most).await?;
        if MOST_PATIENTS < found.len() {
            tx.rollback().await?;
            let error = format!("More than {MOST_PATIENTS} patients: narrow the filter.");
            return give_up(self.engine, self.id, &error).await;
        }
        let patients: Vec<PatientId> = found.iter().map(|found| found.id).collect();
        batches::add_patients(&mut tx, self.id, &patients, self.now).await?;
        enqueue(&mut tx, self.engine.db(), self.id).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Asks for one chunk; when none is left, ends the asking.
    async fn ask(&self) -> anyhow::Result<()> {
        let mut tx = db::walls::begin(self.engine.db(), self.caller().sight(), self.now).await?;
        if !batches::lock(&mut tx, self.id).await? {
            return Ok(());
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
        self.request(&mut tx, &requested).await?;
        batches::settle(&mut tx, self.id, &asked, self.now).await?;
        enqueue(&mut tx, self.engine.db(), self.id).await?;
        tx.commit().await?;
        Ok(())
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
        let frozen = db::predictions::freeze(tx, patients, region, self.now).await?;
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
                requested.push(Requested { id, patient_id, inputs });
            } else {
                let reasons = reasons.into_iter().map(|reason| reason.message).collect();
                asked.push((patient_id, Asked::Refused(reasons)));
            }
        }
        Ok((asked, requested))
    }

    /// Predictions, a job for them, and their audit entries.
    async fn request(&self, tx: &mut PgConnection, requested: &[Requested]) -> anyhow::Result<()> {
        let Some(first) = requested.first() else { return Ok(()) };
        let by = self.batch.requested_by;
        db::predictions::insert_many(tx, requested, by, Priority::Batch, self.now).await?;
        predict::enqueue_batch(tx, self.engine.db(), first.id).await?;
        let event = |requested: &Requested| {
            Event::new("prediction.request")
                .object(requested.id.0)
                .patient(requested.patient_id)
                .details(json!({ "batch": self.id }))
        };
        let events: Vec<Event> = requested.iter().map(event).collect();
        db::audit::record_all(tx, &self.batch.actor, &events, self.now).await?;
        Ok(())
    }

    /// Ends the asking. Whoever is left is out of the requester's sight, so it is not done in it.
    async fn close(&self) -> anyhow::Result<()> {
        let mut tx = db::begin(self.engine.db()).await?;
        if batches::lock(&mut tx, self.id).await? {
            batches::close(&mut tx, self.id, OUT_OF_REACH, self.now).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

/// The list's filter, of the records in use that the caller sees.
fn filter(filter: &PatientFilter, caller: &Caller) -> Filter {
    Filter::new(filter, caller.in_care_of(), caller.at)
}
