//! Proof that one entry is in the log that a signed checkpoint speaks of.

use anyhow::Context;
use shared::audit::AuditProof;
use sqlx::PgPool;

use super::{
    checkpoint::{Checkpoint, NoteProblem, TrustedKeys},
    merkle::{Hash, PathBuilder, includes, leaf_hash},
};
use crate::db::audit_tree::{self, Sealed};

/// How many hashes are read at once.
const BATCH: i64 = 10_000;

/// The proof for a sealed entry; `None` while no checkpoint covers it, or when it is gone.
pub async fn prove(
    db: &PgPool,
    trusted: &TrustedKeys,
    entry: Sealed,
) -> anyhow::Result<Option<AuditProof>> {
    let Some(latest) = audit_tree::latest_checkpoint(db).await? else { return Ok(None) };
    let Checkpoint { tree_size, .. } =
        trusted.open(&latest.note).context("the latest checkpoint cannot be relied on")?;
    let builder = PathBuilder::new(u64::try_from(entry.sequence)?, tree_size);
    let (Some(mut builder), Some(leaf)) = (builder, entry.leaf) else { return Ok(None) };
    let size = i64::try_from(tree_size)?;
    let mut place = 0;
    while place < size {
        let hashes = audit_tree::leaf_hashes(db, place, BATCH.min(size - place)).await?;
        anyhow::ensure!(!hashes.is_empty(), "the tree has fewer leaves than its checkpoint says");
        for hash in hashes {
            builder.push(hash.as_slice().try_into().context("a leaf's hash is too short")?);
            place += 1;
        }
    }
    Ok(Some(AuditProof {
        id: entry.event_id,
        sequence: entry.sequence,
        leaf,
        path: builder.path().iter().map(hex::encode).collect(),
        checkpoint: latest.note,
    }))
}

/// Why a proof proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofProblem {
    /// Its checkpoint is none, or nobody who is trusted signed it.
    #[error("its checkpoint: {0}")]
    Checkpoint(#[from] NoteProblem),
    /// A hash of its path is none.
    #[error("its path cannot be read")]
    Malformed,
    /// The path does not lead from the entry to the checkpoint's root.
    #[error("the entry is not in the log that the checkpoint speaks of")]
    NotIncluded,
}

/// Checks a proof with nothing but the trusted keys.
pub fn check(proof: &AuditProof, trusted: &TrustedKeys) -> Result<(), ProofProblem> {
    let Checkpoint { tree_size, root, .. } = trusted.open(&proof.checkpoint)?;
    let path: Option<Vec<Hash>> = proof.path.iter().map(|hash| read(hash)).collect();
    let path = path.ok_or(ProofProblem::Malformed)?;
    let index = u64::try_from(proof.sequence).map_err(|_| ProofProblem::Malformed)?;
    let leaf = leaf_hash(proof.leaf.as_bytes());
    let holds = includes(&leaf, index, tree_size, &path, &root);
    holds.then_some(()).ok_or(ProofProblem::NotIncluded)
}

fn read(hash: &str) -> Option<Hash> {
    let mut bytes = Hash::default();
    hex::decode_to_slice(hash, &mut bytes).ok()?;
    Some(bytes)
}
