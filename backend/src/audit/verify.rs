//! Checks the whole log against its signed checkpoints, in one pass and in constant memory.

use std::{collections::VecDeque, time::Duration};

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use shared::{
    audit::{AuditFault, AuditFaultKind, AuditVerdict, AuditVerification},
    phrase, sentence,
};
use sqlx::PgPool;
use tokio::time::Instant;

use super::{
    LEAF_FORMAT,
    checkpoint::{Checkpoint, TrustedKeys},
    merkle::{Hash, Tree, leaf_hash},
};
use crate::db::audit_tree::{self, KeptCheckpoint, Sealed};

/// How many rows are read at once.
const BATCH: i64 = 1000;
/// How much older than a checkpoint an entry may be that the checkpoint did not see yet: longer
/// than any transaction, and than any two clocks differ.
const LATEST_COMMIT: TimeDelta = TimeDelta::minutes(15);

/// Checks the log, against a checkpoint from elsewhere too if there is one; stops after
/// `at_most`, if that is given.
pub async fn verify(
    db: &PgPool,
    trusted: &TrustedKeys,
    elsewhere: Option<&Checkpoint>,
    at_most: Option<Duration>,
) -> anyhow::Result<AuditVerification> {
    let ends_at = at_most.map(|at_most| Instant::now() + at_most);
    let latest = audit_tree::latest_checkpoint(db).await.context("no checkpoint can be read")?;
    let mut walk = Walk {
        db,
        trusted,
        elsewhere,
        ends_at,
        tree: Tree::default(),
        checkpoints: VecDeque::new(),
        agreed: None,
        previous: None,
    };
    let mut answer = AuditVerification {
        verdict: AuditVerdict::Whole,
        checked: 0,
        unsealed: 0,
        unsealed_since: None,
        fault: None,
        checkpoint: latest.map(|latest| latest.note),
    };
    let ended = match walk.leaves().await? {
        Ended::Whole => walk.rest(&mut answer).await?,
        ended => ended,
    };
    answer.checked = walk.place();
    match ended {
        Ended::Whole => {}
        Ended::OutOfTime => answer.verdict = AuditVerdict::Unfinished,
        Ended::Fault(fault) => {
            answer.verdict = AuditVerdict::Broken;
            answer.fault = Some(fault);
        }
    }
    Ok(answer)
}

/// How a pass ended.
enum Ended {
    Whole,
    OutOfTime,
    Fault(AuditFault),
}

/// One pass over the leaves.
struct Walk<'a> {
    db: &'a PgPool,
    trusted: &'a TrustedKeys,
    elsewhere: Option<&'a Checkpoint>,
    ends_at: Option<Instant>,
    tree: Tree,
    /// Those that were read and lie ahead.
    checkpoints: VecDeque<KeptCheckpoint>,
    /// The last one that the leaves agreed with.
    agreed: Option<Checkpoint>,
    /// The entry in the place before, if both were sealed together.
    previous: Option<i64>,
}

impl Walk<'_> {
    /// The place that comes next.
    fn place(&self) -> i64 {
        i64::try_from(self.tree.size()).unwrap_or(i64::MAX)
    }

    /// The place after the last one that a checkpoint has confirmed.
    fn agreed_place(&self) -> i64 {
        let size = self.agreed.as_ref().map_or(0, |agreed| agreed.tree_size);
        i64::try_from(size).unwrap_or(i64::MAX)
    }

    fn out_of_time(&self) -> bool {
        self.ends_at.is_some_and(|ends_at| ends_at < Instant::now())
    }

    /// Every leaf up to the latest checkpoint, as it was when the pass began.
    async fn leaves(&mut self) -> anyhow::Result<Ended> {
        let ends = audit_tree::ends(self.db).await?;
        while self.place() < ends.checkpoint {
            if self.out_of_time() {
                return Ok(Ended::OutOfTime);
            }
            let rows = audit_tree::sealed(self.db, self.place(), BATCH).await?;
            if rows.is_empty() {
                return Ok(Ended::Fault(self.truncated(ends.checkpoint)));
            }
            let left = ends.checkpoint.saturating_sub(self.place());
            for row in rows.into_iter().take(usize::try_from(left).unwrap_or(usize::MAX)) {
                if let Some(fault) = self.leaf(&row).await? {
                    return Ok(Ended::Fault(fault));
                }
            }
        }
        if ends.checkpoint < ends.leaves {
            let message =
                phrase!("after the latest checkpoint there are leaves that nobody signed");
            return Ok(Ended::Fault(fault(AuditFaultKind::Inserted, message).at(self.place())));
        }
        let size = self.elsewhere.map_or(0, |elsewhere| elsewhere.tree_size);
        if self.tree.size() < size {
            return Ok(Ended::Fault(self.truncated(i64::try_from(size)?)));
        }
        Ok(Ended::Whole)
    }

    /// What is wrong with the leaf in the next place, if something is.
    async fn leaf(&mut self, row: &Sealed) -> anyhow::Result<Option<AuditFault>> {
        if let Some(fault) = self.differs(row) {
            return Ok(Some(fault));
        }
        let hash: Hash =
            row.leaf_hash.as_slice().try_into().context("a leaf's hash is too short")?;
        self.tree.push(hash);
        self.previous = Some(row.event_id);
        if self.elsewhere.is_some_and(|elsewhere| self.contradicts(elsewhere)) {
            return Ok(Some(self.rewritten("the checkpoint from elsewhere")));
        }
        self.checkpoint().await
    }

    fn differs(&self, row: &Sealed) -> Option<AuditFault> {
        use AuditFaultKind::{Deleted, Edited, Reordered};
        let (place, id) = (self.place(), row.event_id);
        if place != row.sequence {
            let message = sentence!("the leaf in place {place} is gone");
            return Some(fault(Deleted, message).at(place));
        }
        let Some(leaf) = &row.leaf else {
            return Some(fault(Deleted, sentence!("entry {id} is gone")).entry(id).at(place));
        };
        if row.format != LEAF_FORMAT || leaf_hash(leaf.as_bytes())[..] != row.leaf_hash[..] {
            let message = sentence!("entry {id} does not say what it said when it was sealed");
            return Some(fault(Edited, message).entry(id).at(place));
        }
        // What is sealed together is sealed in the order of its numbers.
        if self.previous.is_some_and(|previous| id <= previous) {
            let message = sentence!("entry {id} does not stand in the place where it was sealed");
            return Some(fault(Reordered, message).entry(id).at(place));
        }
        let before = self.agreed.as_ref().map(|agreed| agreed.sealed_at);
        if is_backdated(row.at, before) {
            return Some(inserted(id).at(place));
        }
        None
    }

    /// What is wrong with the checkpoint that ends here, if one does and something is.
    async fn checkpoint(&mut self) -> anyhow::Result<Option<AuditFault>> {
        let place = self.place();
        if self.checkpoints.is_empty() {
            self.checkpoints = audit_tree::checkpoints(self.db, place - 1, BATCH).await?.into();
        }
        if self.checkpoints.front().is_none_or(|next| next.tree_size != place) {
            return Ok(None);
        }
        let Some(kept) = self.checkpoints.pop_front() else { return Ok(None) };
        let opened = self.trusted.open(&kept.note);
        let Some(checkpoint) = opened.ok().filter(|opened| opened.tree_size == self.tree.size())
        else {
            let message = sentence!("the checkpoint of {place} entries has no trusted signature");
            return Ok(Some(fault(AuditFaultKind::Forged, message).at(place - 1)));
        };
        if self.contradicts(&checkpoint) {
            return Ok(Some(self.rewritten("the signed checkpoint after them")));
        }
        self.agreed = Some(checkpoint);
        self.previous = None;
        Ok(None)
    }

    fn contradicts(&self, checkpoint: &Checkpoint) -> bool {
        checkpoint.tree_size == self.tree.size() && checkpoint.root != self.tree.root()
    }

    fn rewritten(&self, by: &str) -> AuditFault {
        let (first, last) = (self.agreed_place(), self.place() - 1);
        let message = sentence!("the entries in places {first} to {last} are not those of {by}");
        let mut fault = fault(AuditFaultKind::Rewritten, message).at(first);
        fault.last_sequence = Some(last);
        fault
    }

    fn truncated(&self, size: i64) -> AuditFault {
        let place = self.place();
        let message = sentence!(
            "the log ends after {place} sealed entries, but a signed checkpoint speaks of {size}"
        );
        let mut fault = fault(AuditFaultKind::Truncated, message).at(place);
        fault.last_sequence = Some(size - 1);
        fault
    }

    /// Entries without a place: the newest wait for theirs, an older one was put in.
    async fn rest(&self, answer: &mut AuditVerification) -> anyhow::Result<Ended> {
        let before = self.agreed.as_ref().map(|agreed| agreed.sealed_at - LATEST_COMMIT);
        let mut above = i64::MIN;
        loop {
            if self.out_of_time() {
                return Ok(Ended::OutOfTime);
            }
            let stretch = audit_tree::stretch(self.db, above, 10 * BATCH, before).await?;
            if let Some(id) = stretch.backdated {
                return Ok(Ended::Fault(inserted(id)));
            }
            answer.unsealed += stretch.unsealed;
            answer.unsealed_since =
                [answer.unsealed_since, stretch.since].into_iter().flatten().min();
            match stretch.last {
                Some(last) => above = last,
                None => return Ok(Ended::Whole),
            }
        }
    }
}

/// Whether an entry says that it happened when everything of that time was sealed already.
fn is_backdated(at: Option<DateTime<Utc>>, sealed_at: Option<DateTime<Utc>>) -> bool {
    at.zip(sealed_at).is_some_and(|(at, sealed_at)| at < sealed_at - LATEST_COMMIT)
}

fn inserted(id: i64) -> AuditFault {
    let message = sentence!(
        "entry {id} was put in after everything from the time that it speaks of was sealed"
    );
    fault(AuditFaultKind::Inserted, message).entry(id)
}

fn fault(kind: AuditFaultKind, message: impl Into<String>) -> AuditFault {
    AuditFault { kind, id: None, sequence: None, last_sequence: None, message: message.into() }
}

trait Placed {
    fn at(self, sequence: i64) -> Self;
    fn entry(self, id: i64) -> Self;
}

impl Placed for AuditFault {
    fn at(self, sequence: i64) -> Self {
        Self { sequence: Some(sequence), ..self }
    }

    fn entry(self, id: i64) -> Self {
        Self { id: Some(id), ..self }
    }
}
