//! What a worker does: it takes jobs from the queue until it is told to stop.

use std::time::Duration;

use anyhow::Context;
use chrono::TimeDelta;
use graphile_worker::{Worker, WorkerOptions, WorkerRecoveryConfig, WorkerShutdownConfig};
use sqlx::PgPool;
use tokio::sync::watch;

use super::{
    batch::{self, AskForBatch},
    predict::{Engine, Predict},
    summarise,
};
use crate::{auth::lockout::MEMORY, db, documents::Documents};

/// How long a batch may take to end after the worker is told to stop.
const GRACE: Duration = Duration::from_secs(6);
/// How long an answer is kept under its idempotency key.
const KEYS_KEPT: TimeDelta = TimeDelta::hours(24);

/// How often the document store is looked through.
const DOCUMENTS_SWEPT: Duration = Duration::from_hours(1);

/// How long an upload can take at most, from its content in the store to its row: a request ends after
/// half a minute, and so does a statement.
const LONGEST_UPLOAD: Duration = Duration::from_mins(2);

/// How often a worker looks for jobs that it was not told of: the library drops news that come too fast,
/// and with a look a second 90 small batches took two minutes on an idle machine.
const LOOKED_FOR: Duration = Duration::from_millis(100);

/// How a worker works.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How many jobs it does at the same time.
    pub concurrency: usize,
    /// How often it looks for predictions that nobody does.
    pub sweep: Duration,
}

/// Works until `stop` turns true. A lost database connection is made anew. The queue has connections
/// that a pooler does not share out: it listens on one.
pub async fn run(
    engine: Engine,
    queue: PgPool,
    documents: Documents,
    pace: Pace,
    mut stop: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let mut worker =
        set_up(&engine, &queue, pace, &stop).await.context("the queue cannot be set up")?;
    let sweeper = tokio::spawn(sweep(engine.clone(), pace.sweep));
    let cleaner = tokio::spawn(sweep_documents(engine.clone(), documents));
    let publisher = tokio::spawn(summarise::run(engine.db().clone(), engine.clock().clone()));
    let stopper = tokio::spawn({
        let (engine, mut stop) = (engine.clone(), stop.clone());
        async move {
            stopped(&mut stop).await;
            engine.stop();
        }
    });
    while let Err(error) = worker.run().await {
        tracing::warn!(error = error.to_string(), "the queue is lost; trying again");
        loop {
            tokio::select! {
                () = stopped(&mut stop) => break,
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
            match set_up(&engine, &queue, pace, &stop).await {
                Ok(again) => {
                    worker = again;
                    break;
                }
                Err(error) => tracing::warn!(error = format!("{error:#}"), "no queue yet"),
            }
        }
        if *stop.borrow() {
            break;
        }
    }
    sweeper.abort();
    cleaner.abort();
    publisher.abort();
    stopper.abort();
    Ok(())
}

async fn set_up(
    engine: &Engine,
    queue: &PgPool,
    pace: Pace,
    stop: &watch::Receiver<bool>,
) -> anyhow::Result<Worker> {
    let mut stop = stop.clone();
    let shutdown = WorkerShutdownConfig::default()
        .listen_os_shutdown_signals(false)
        .grace_period(GRACE)
        .interrupted_job_retry_delay(Duration::ZERO)
        .shutdown_signal(async move { stopped(&mut stop).await });
    let recovery = WorkerRecoveryConfig::default()
        .heartbeat_interval(Duration::from_secs(5))
        .sweep_interval(Duration::from_secs(10))
        .sweep_threshold(Duration::from_secs(30))
        .recovery_delay(Duration::ZERO);
    let worker = WorkerOptions::default()
        .pg_pool(queue.clone())
        .concurrency(pace.concurrency)
        .poll_interval(LOOKED_FOR)
        .worker_shutdown(shutdown)
        .worker_recovery(recovery)
        .add_extension(engine.clone())
        .define_job::<Predict>()
        .define_job::<AskForBatch>()
        .init()
        .await?;
    Ok(worker)
}

/// Waits until the worker is told to stop.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Whoever could tell it is gone: that is the end, too.
    drop(stop.wait_for(|stop| *stop).await);
}

/// Looks after what no job does: predictions and batches whose worker died, old idempotency keys, failed
/// sign-ins that are forgiven, and sign-ins that were never finished.
async fn sweep(engine: Engine, every: Duration) {
    let mut interval = tokio::time::interval(every);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        if let Err(error) = sweep_once(&engine).await {
            tracing::warn!(error = format!("{error:#}"), "sweep");
        }
    }
}

/// Looks after the document store.
async fn sweep_documents(engine: Engine, documents: Documents) {
    let mut interval = tokio::time::interval(DOCUMENTS_SWEPT);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        match documents.sweep(engine.db(), engine.clock().now(), LONGEST_UPLOAD).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "content without a document"),
            Err(error) => tracing::warn!(error = format!("{error:#}"), "sweep of documents"),
        }
    }
}

async fn sweep_once(engine: &Engine) -> anyhow::Result<()> {
    engine.knock().await?;
    batch::knock(engine).await?;
    let mut connection = engine.db().acquire().await?;
    let now = engine.clock().now();
    db::idempotency::forget(&mut connection, now - KEYS_KEPT).await?;
    db::sign_in_delays::forget_before(&mut connection, now - MEMORY).await?;
    db::second_factors::forget_challenges(&mut connection, now).await?;
    Ok(())
}
