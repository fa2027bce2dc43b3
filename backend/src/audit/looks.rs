//! Puts looks on record, several in one commit.
//!
//! A change and its entry are one transaction. A look changes nothing: its entry only has to be
//! there before the answer leaves. So whoever looked hands the entry over and waits until it is
//! committed; while one commit is under way the entries of others gather, and then share a
//! statement and a wait for the disk. Where looks come together, the next commit waits a moment for
//! more of them: each of many costs less then, and somebody who looks alone never waits. An entry
//! whose answer was sent is as durable as before; when it cannot be written, there is no answer.

use anyhow::anyhow;
use sqlx::PgPool;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Duration, sleep},
};

use crate::{
    db::{self, audit::Look},
    error::{Error, Result},
};

/// How many looks share a commit at most.
const BATCH: usize = 256;
/// How long a commit waits for more looks, when the one before had several.
const GATHERING: Duration = Duration::from_millis(1);
/// How many wait at most for the commit before; others wait for a place.
const WAITING: usize = 1024;

/// A look, and who waits for it to be on record.
struct Waiting {
    look: Look,
    on_record: oneshot::Sender<()>,
}

/// What puts looks on record, until the last handle is gone.
#[derive(Clone, Debug)]
pub struct Looks(mpsc::Sender<Waiting>);

impl Looks {
    /// Begins to write to this database.
    pub fn start(db: PgPool) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::spawn(write(db, receiver));
        Self(sender)
    }

    /// Returns once the look is on record, for good. A caller who goes away meanwhile is on record
    /// all the same. Nobody waits here with a connection of the pool in hand: the writer needs one.
    pub async fn record(&self, look: Look) -> Result<()> {
        let lost = || Error::Unavailable(anyhow!("a look could not be put on record"));
        let (on_record, committed) = oneshot::channel();
        self.0.send(Waiting { look, on_record }).await.map_err(|_| lost())?;
        committed.await.map_err(|_| lost())
    }
}

async fn write(db: PgPool, mut looks: mpsc::Receiver<Waiting>) {
    let mut waiting = Vec::with_capacity(BATCH);
    let mut in_company = false;
    while looks.recv_many(&mut waiting, BATCH).await != 0 {
        if in_company {
            sleep(GATHERING).await;
            while waiting.len() < BATCH
                && let Ok(more) = looks.try_recv()
            {
                waiting.push(more);
            }
        }
        in_company = 1 < waiting.len();
        let (looks, waiters): (Vec<_>, Vec<_>) =
            waiting.drain(..).map(|waiting| (waiting.look, waiting.on_record)).unzip();
        match db::audit::record_looks(&db, &looks).await {
            // Whoever is gone does not hear of it.
            Ok(()) => waiters.into_iter().for_each(|waiter| waiter.send(()).unwrap_or(())),
            // Those who wait hear that nobody will send any more.
            Err(error) => tracing::error!(%error, looks = looks.len(), "looks are not on record"),
        }
    }
}
