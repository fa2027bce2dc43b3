//! Predictions that are answered in the transaction that asks for them.
//!
//! A process that is a worker as well need not tell itself by way of the queue what it was just
//! asked for: it freezes inputs, computes, and stores finished predictions in one commit. Nothing is
//! claimed and read back, a prediction has one version of its row, and whoever asked has the result
//! in the answer to their request. What it cannot answer waits in the queue, as everything does that
//! other servers are asked for, and is tried there by itself; so does what comes when it answers as
//! many as it may already, as each of them holds a connection and records.
//!
//! A computation that killed the process would kill it whenever somebody asks again, as a what-if
//! would: nothing of it is stored, so no attempts are counted. Panics and failures do not; the queue
//! takes what they were about.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use shared::prediction::{Prediction, PredictionStatus};
use sqlx::{PgConnection, PgPool};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::predict::{self, Done, Engine, Networks};
use crate::{
    db::{
        self,
        audit::Look,
        predictions::{Answer, Priority, Requested},
    },
    telemetry::traces::Steps,
};

/// How many transactions may compute at the same time.
const MOST: usize = 4;

/// What answers at once, if this process may.
#[derive(Clone, Debug)]
pub struct AtOnce(Option<(Engine, Arc<Semaphore>)>);

impl AtOnce {
    /// A process that leaves everything to workers.
    pub const fn never() -> Self {
        Self(None)
    }

    /// A process that is a worker as well, with this engine.
    pub fn by(engine: Engine) -> Self {
        Self(Some((engine, Arc::new(Semaphore::new(MOST)))))
    }

    /// Begins a transaction's predictions: before it, as this reads by itself which network answers now.
    pub async fn begin(&self) -> sqlx::Result<Begun> {
        let Some((engine, places)) = &self.0 else { return Ok(Begun(None)) };
        let Ok(place) = Arc::clone(places).try_acquire_owned() else { return Ok(Begun(None)) };
        let steps = Steps::begin(engine.clock());
        let roles = db::models::roles(engine.db()).await?;
        let answering = match engine.networks_of(&roles) {
            // Nobody who asks waits for what is never shown.
            Ok(networks) if networks.shadow.is_some() => None,
            Ok(networks) => {
                Some(Answering { engine: engine.clone(), networks, steps, _place: place })
            }
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "left to the queue");
                None
            }
        };
        Ok(Begun(answering))
    }
}

/// What is about to be asked for.
#[derive(Debug)]
pub struct Begun(Option<Answering>);

#[derive(Debug)]
struct Answering {
    engine: Engine,
    networks: Networks,
    steps: Steps,
    _place: OwnedSemaphorePermit,
}

impl Begun {
    /// Stores what is asked for `now`: answered, or waiting, with a job. The records are locked.
    pub async fn store(
        self,
        tx: &mut PgConnection,
        pool: &PgPool,
        requested: &[Requested],
        now: DateTime<Utc>,
    ) -> anyhow::Result<Placed> {
        let Some(first) = requested.first() else { return Ok(Placed(None)) };
        if let Some(mut answering) = self.0 {
            answering.steps.ended("freeze");
            match answering.engine.answer(&answering.networks, requested).await {
                Ok(done) => return answering.store(tx, requested, done, now).await,
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), "left to the queue");
                }
            }
        }
        db::predictions::insert_many(tx, requested, Priority::Single, now).await?;
        // One job for all of them: whoever gets it runs everything that waits.
        predict::enqueue(tx, pool, first.id).await?;
        Ok(Placed(None))
    }
}

impl Answering {
    async fn store(
        mut self,
        tx: &mut PgConnection,
        requested: &[Requested],
        done: Vec<Done>,
        now: DateTime<Utc>,
    ) -> anyhow::Result<Placed> {
        self.steps.ended("inference");
        let answers: Vec<&Answer> = done.iter().map(|done| &done.answer).collect();
        let (model, priority) = (self.networks.active.predictor.version(), Priority::Single);
        let times = (now, self.engine.clock().now());
        db::predictions::insert_answered(tx, requested, &answers, model, priority, times).await?;
        let traced = requested.iter().filter_map(|one| one.traceparent.clone()).collect();
        Ok(Placed(Some(Answered { answering: self, done, times, traced })))
    }
}

/// What became of what was asked for: stored, in a transaction that has not ended yet.
#[derive(Debug)]
pub struct Placed(Option<Answered>);

#[derive(Debug)]
struct Answered {
    answering: Answering,
    done: Vec<Done>,
    /// When the inputs were frozen, and when the answers were there.
    times: (DateTime<Utc>, DateTime<Utc>),
    traced: Vec<String>,
}

impl Placed {
    /// What was asked for `now`, as it is stored.
    pub fn predictions(&self, requested: Vec<Requested>, now: DateTime<Utc>) -> Vec<Prediction> {
        let waiting = requested.into_iter().map(|one| one.waiting(now));
        let Some(Answered { answering, done, times: (_, completed_at), .. }) = &self.0 else {
            return waiting.collect();
        };
        let model = answering.networks.active.predictor.version();
        let answered = waiting.zip(done).map(|(waiting, done)| Prediction {
            status: PredictionStatus::Succeeded,
            completed_at: Some(*completed_at),
            model: Some(model.clone()),
            result: Some(done.answer.result.clone()),
            ..waiting
        });
        answered.collect()
    }

    /// Records the requests and, last in the transaction, what goes with answers: headlines, entries, and
    /// what the inputs looked like. It does that beyond what the caller sees: lift the walls before.
    pub async fn record(&self, tx: &mut PgConnection, asked: Vec<Look>) -> sqlx::Result<()> {
        match &self.0 {
            Some(Answered { answering, done, times, .. }) => {
                answering.networks.show(tx, asked, done, *times).await
            }
            None => db::audit::record_looks(tx, &asked).await,
        }
    }

    /// What follows when the transaction is committed.
    pub async fn committed(self) {
        let Some(Answered { mut answering, done, traced, .. }) = self.0 else { return };
        answering.steps.ended("write");
        answering.steps.tell("prediction", done.len(), &traced);
        answering.engine.stored(&answering.networks, done).await;
    }
}
