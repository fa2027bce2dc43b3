//! The audit log made tamper-evident: every entry is a leaf of a Merkle tree whose root is signed.
//!
//! Writers only insert rows (`db::audit`). A worker seals them (`jobs::seal`), at most a second
//! later; here is what sealing and checking have in common.

pub mod merkle;

pub mod checkpoint;
pub mod proof;
pub mod verify;

/// How entries are written down for hashing: the JSON object of all columns that are not null, as
/// PostgreSQL writes `jsonb`. A column that is added later changes nothing for older entries.
pub const LEAF_FORMAT: i16 = 1;
