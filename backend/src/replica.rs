//! A copy of the database that PostgreSQL keeps up to date, to read from what may be a moment behind:
//! publications, and the dashboard's counts over everybody. Never what somebody may just have
//! written, and never who may see what. While the copy does not answer, or is too far behind, the
//! database itself answers.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use sqlx::PgPool;
use tokio::time::{sleep, timeout};

use crate::{
    db,
    error::{Error, Result, is_transient},
    metrics::{Answers, Metrics},
};

/// How long the copy may take to say how it stands.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long what it said is believed.
const FRESH: Duration = Duration::from_secs(5);
/// A copy that catches up within this time is not behind: on a quiet site the last thing that it
/// replayed may be hours old, and the next a millisecond away.
const CATCHING_UP: Duration = Duration::from_millis(200);

/// Where to read what may be a moment behind.
#[derive(Clone, Debug)]
pub struct Reads {
    db: PgPool,
    replica: Option<Replica>,
    metrics: Metrics,
}

/// The copy.
#[derive(Clone, Debug)]
pub struct Replica {
    pool: PgPool,
    most_behind: f64,
    /// Whether it was fit to answer, and when that was found.
    found: Arc<Mutex<Option<(Instant, bool)>>>,
}

impl Replica {
    /// A copy that answers while it is at most so many seconds behind.
    pub fn new(pool: PgPool, most_behind: u32) -> Self {
        Self { pool, most_behind: most_behind.into(), found: Arc::default() }
    }

    fn note(&self, fit: bool) {
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), fit));
    }

    fn noted(&self) -> Option<bool> {
        let found = *self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.and_then(|(at, fit)| (at.elapsed() < FRESH).then_some(fit))
    }

    /// How many seconds it is behind the database.
    async fn lag(&self, db: &PgPool) -> sqlx::Result<f64> {
        let written = db::replicas::written_up_to(db).await?;
        let lag = db::replicas::seconds_behind(&self.pool, &written).await?;
        if lag <= CATCHING_UP.as_secs_f64() {
            return Ok(lag);
        }
        sleep(CATCHING_UP).await;
        db::replicas::seconds_behind(&self.pool, &written).await
    }
}

impl Reads {
    /// From the copy, if there is one.
    pub fn new(db: PgPool, replica: Option<Replica>, metrics: Metrics) -> Self {
        Self { db, replica, metrics }
    }

    /// Reads: from the copy while it is fit, from the database itself otherwise, and when the copy
    /// fails meanwhile.
    pub async fn read<T, F, R>(&self, work: F) -> Result<T>
    where
        F: Fn(PgPool) -> R,
        R: Future<Output = Result<T>>,
    {
        let Some(replica) = &self.replica else { return work(self.db.clone()).await };
        if self.is_fit(replica).await {
            match work(replica.pool.clone()).await {
                // It may not have yet what the database has, be cut off, or give way to replay.
                Err(error @ (Error::Database(_) | Error::NotFound(_))) => {
                    tracing::warn!(%error, "the replica failed; the database itself answers");
                    if matches!(&error, Error::Database(error) if is_transient(error)) {
                        replica.note(false);
                    }
                }
                answered => {
                    self.metrics.read_from(Answers::Replica);
                    return answered;
                }
            }
        }
        self.metrics.read_from(Answers::Primary);
        work(self.db.clone()).await
    }

    async fn is_fit(&self, replica: &Replica) -> bool {
        if let Some(fit) = replica.noted() {
            return fit;
        }
        let fit = match timeout(PATIENCE, replica.lag(&self.db)).await {
            Ok(Ok(lag)) if lag <= replica.most_behind => true,
            Ok(Ok(lag)) => {
                tracing::warn!(lag, "the replica is too far behind; the database itself answers");
                false
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "the replica does not answer; the database itself does");
                false
            }
            Err(_) => {
                tracing::warn!("the replica does not answer in time; the database itself does");
                false
            }
        };
        replica.note(fit);
        fit
    }

    /// How many seconds the copy is behind; nothing while it does not say.
    pub async fn lag(&self) -> Option<Option<f64>> {
        let replica = self.replica.as_ref()?;
        let lag = timeout(PATIENCE, replica.lag(&self.db)).await;
        Some(lag.ok().and_then(std::result::Result::ok).filter(|lag| lag.is_finite()))
    }
}
