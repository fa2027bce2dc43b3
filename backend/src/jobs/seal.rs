//! Seals the audit log: gives every entry its place in the Merkle tree and signs the tree's root.
//!
//! Writers never wait for it. Entries become visible out of order, so a place is given when an
//! entry is sealed and not when it is written: nothing can slip in before what was sealed, and
//! whatever commits late is found because no number counts as settled before every transaction
//! that might have taken it has ended.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, ensure};
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use crate::{
    audit::{
        LEAF_FORMAT,
        checkpoint::{Checkpoint, SealingKey, TrustedKeys},
        merkle::{Tree, leaf_hash},
    },
    clock::Clock,
    db::audit_tree,
};

/// How often the leader looks for new entries: well within the second that is promised.
const ROUND: Duration = Duration::from_millis(400);
/// How often it looks meanwhile whether there are many already, and how many those are: to seal a crowd
/// at once holds a core of the database for so long that callers would notice.
const GLANCE: Duration = Duration::from_millis(50);
const CROWD: i64 = 50;
/// How often others look whether the leader is gone.
const STAND_BY: Duration = Duration::from_secs(2);
/// Before a lost connection is made anew.
const RECONNECT: Duration = Duration::from_secs(1);
/// How often whom entries showed is sorted into its index: the more at once, the less it costs.
const SORT: Duration = Duration::from_millis(250);
/// How far behind sealing may be before the log says so.
const LAG: Duration = Duration::from_secs(10);
/// The most entries that are sealed in one transaction, and hashes that are read at once.
const BATCH: i64 = 1000;

/// What seals.
#[derive(Clone, Debug)]
pub struct Sealer {
    database: PgConnectOptions,
    clock: Clock,
    key: Arc<SealingKey>,
}

impl Sealer {
    /// A sealer of this database's log. It opens a connection of its own.
    pub fn new(database: PgConnectOptions, clock: Clock, key: Arc<SealingKey>) -> Self {
        Self { database, clock, key }
    }

    /// Seals until `stop` turns true, or stands by while another worker does.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut lag = Lag::new();
        let sealing = async {
            loop {
                if let Err(error) = self.lead(&mut lag).await {
                    tracing::warn!(error = format!("{error:#}"), "the audit log is not sealed");
                }
                lag.warn();
                sleep(RECONNECT).await;
            }
        };
        tokio::select! {
            () = sealing => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    async fn lead(&self, lag: &mut Lag) -> anyhow::Result<()> {
        let mut connection = PgConnection::connect_with(&self.database).await?;
        while !audit_tree::lead(&mut connection).await? {
            // Whoever leads watches its own lag.
            lag.caught_up();
            sleep(STAND_BY).await;
        }
        let mut leader = self.take_over(connection).await?;
        tracing::info!(entries = leader.tree.size(), "sealing the audit log");
        loop {
            while leader.seal_batch().await? {
                lag.warn();
                leader.sort_shown_if_due().await?;
            }
            lag.caught_up();
            leader.sort_shown_if_due().await?;
            leader.rest().await?;
        }
    }

    /// Becomes the leader at once, if nobody is.
    pub async fn try_lead(&self) -> anyhow::Result<Option<Leader>> {
        let mut connection = PgConnection::connect_with(&self.database).await?;
        if !audit_tree::lead(&mut connection).await? {
            return Ok(None);
        }
        self.take_over(connection).await.map(Some)
    }

    /// Reads where the log stands.
    async fn take_over(&self, mut connection: PgConnection) -> anyhow::Result<Leader> {
        let mut tree = Tree::default();
        loop {
            let place = i64::try_from(tree.size())?;
            let hashes = audit_tree::leaf_hashes(&mut connection, place, BATCH).await?;
            if hashes.is_empty() {
                break;
            }
            for hash in hashes {
                tree.push(hash.as_slice().try_into().context("a leaf's hash is too short")?);
            }
        }
        let latest = audit_tree::latest_checkpoint(&mut connection).await?;
        let trusted = TrustedKeys::new(vec![self.key.public()])?;
        // Sealing goes on in any case: whoever changed the log must not get it silenced too.
        match latest.map(|latest| trusted.open(&latest.note)) {
            Some(Ok(checkpoint))
                if (checkpoint.tree_size, checkpoint.root) != (tree.size(), tree.root()) =>
            {
                tracing::error!(
                    "the audit log is not the one that was sealed: run `nephrocast audit verify`"
                );
            }
            Some(Err(error)) => tracing::warn!(%error, "the latest checkpoint has another key"),
            _ => {}
        }
        let Self { clock, key, .. } = self.clone();
        let sorted = Instant::now();
        Ok(Leader { connection, clock, key, tree, settled: 0, candidate: None, pass: None, sorted })
    }
}

/// The one that seals, until its connection ends.
#[derive(Debug)]
pub struct Leader {
    connection: PgConnection,
    clock: Clock,
    key: Arc<SealingKey>,
    tree: Tree,
    /// Every entry with a number up to this one is sealed, or will never be.
    settled: i64,
    candidate: Option<Candidate>,
    /// A pass over what is not settled that has not come to its end.
    pass: Option<Pass>,
    /// When whom entries showed was last sorted into its index.
    sorted: Instant,
}

/// A way through the entries that are not settled, lowest number first, a batch at a time.
#[derive(Clone, Copy, Debug)]
struct Pass {
    /// The number up to which it has come. What is committed late below it is the next pass's.
    reached: i64,
    /// What is settled when it comes to its end: all of that was visible when it began.
    settling: Option<i64>,
}

/// A number that is settled once everyone who may hold a lower one back has ended.
#[derive(Debug)]
struct Candidate {
    number: i64,
    writers: Vec<String>,
}

impl Leader {
    /// Seals everything that is visible now, and sorts whom it showed into its index.
    pub async fn seal(&mut self) -> anyhow::Result<()> {
        while self.seal_batch().await? {}
        self.sort_shown().await
    }

    /// Seals up to a thousand entries; `false` when there are no more.
    pub async fn seal_batch(&mut self) -> anyhow::Result<bool> {
        let pass = match self.pass.take() {
            Some(pass) => pass,
            None => Pass { reached: self.settled, settling: self.watch_writers().await? },
        };
        let mut tx = self.connection.begin().await?;
        let entries = audit_tree::unsealed(&mut tx, pass.reached, BATCH).await?;
        let more = i64::try_from(entries.len())? == BATCH;
        if !entries.is_empty() {
            let mut tree = self.tree.clone();
            let first = i64::try_from(tree.size())?;
            let hashes: Vec<_> =
                entries.iter().map(|entry| leaf_hash(entry.leaf.as_bytes())).collect();
            for hash in &hashes {
                tree.push(*hash);
            }
            let (tree_size, root) = (tree.size(), tree.root());
            let note = self.key.sign(&Checkpoint { tree_size, root, sealed_at: self.clock.now() });
            let events: Vec<_> = entries.iter().map(|entry| entry.id).collect();
            let hashes: Vec<_> = hashes.iter().map(|hash| hash.to_vec()).collect();
            audit_tree::add_leaves(&mut tx, first, &events, &hashes, LEAF_FORMAT).await?;
            audit_tree::add_checkpoint(&mut tx, i64::try_from(tree_size)?, &note).await?;
            tx.commit().await?;
            self.tree = tree;
        }
        match (entries.last(), pass.settling) {
            (Some(last), _) if more => self.pass = Some(Pass { reached: last.id, ..pass }),
            (_, Some(settled)) => self.settled = settled,
            _ => {}
        }
        Ok(more)
    }

    /// Waits for more, for a round at most.
    async fn rest(&mut self) -> anyhow::Result<()> {
        let begun = Instant::now();
        let before = audit_tree::last_number(&mut self.connection).await?;
        while begun.elapsed() < ROUND {
            sleep(GLANCE).await;
            if before + CROWD <= audit_tree::last_number(&mut self.connection).await? {
                break;
            }
        }
        Ok(())
    }

    /// Spares whoever looks at lists to sort whom they showed.
    async fn sort_shown(&mut self) -> anyhow::Result<()> {
        audit_tree::sort_shown(&mut self.connection).await?;
        self.sorted = Instant::now();
        Ok(())
    }

    async fn sort_shown_if_due(&mut self) -> anyhow::Result<()> {
        if SORT < self.sorted.elapsed() { self.sort_shown().await } else { Ok(()) }
    }

    /// The number that is settled as soon as all that is visible from now on is sealed.
    ///
    /// The order matters: a number that was taken before it was read here belongs to a transaction
    /// that holds its lock when the writers are read, or to one that has ended before.
    async fn watch_writers(&mut self) -> anyhow::Result<Option<i64>> {
        let number = audit_tree::last_number(&mut self.connection).await?;
        ensure!(self.settled <= number, "the audit log's numbers have gone back");
        let writers = audit_tree::writers(&mut self.connection).await?;
        let reached = match &self.candidate {
            Some(candidate) if candidate.writers.iter().any(|one| writers.contains(one)) => {
                return Ok(None);
            }
            candidate => candidate.as_ref().map(|candidate| candidate.number),
        };
        self.candidate = Some(Candidate { number, writers });
        Ok(reached)
    }
}

/// Says when sealing falls behind.
struct Lag {
    caught_up: Instant,
    said: Instant,
}

impl Lag {
    fn new() -> Self {
        let now = Instant::now();
        Self { caught_up: now, said: now }
    }

    fn caught_up(&mut self) {
        self.caught_up = Instant::now();
    }

    fn warn(&mut self) {
        if LAG < self.caught_up.elapsed() && LAG < self.said.elapsed() {
            let seconds = self.caught_up.elapsed().as_secs();
            tracing::warn!(seconds, "sealing of the audit log is behind");
            self.said = Instant::now();
        }
    }
}
