//! Backups: everything that an installation keeps, in one folder, and whether what was restored from
//! it is the same.
//!
//! A backup is of one moment: the dump, the counts, the audit log's checkpoint and the list of
//! documents come from one snapshot of the database. Roles, passwords and keys are not in it.

mod make;
mod restore;
mod tools;

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

pub use self::{
    make::make,
    restore::{Restored, restore},
    tools::Tools,
};
use crate::db::backups::Rows;

/// The form of the manifest that this program writes and reads.
const FORMAT: u32 = 1;
/// What says that a backup is whole: written last.
const MANIFEST: &str = "manifest.json";
/// What `pg_dump` wrote.
const DUMP: &str = "database.dump";
/// How the audit log stood, signed.
const CHECKPOINT: &str = "checkpoint.txt";
/// The folder of the documents' content.
const DOCUMENTS: &str = "documents";

/// What a backup holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The form of this text.
    pub format: u32,
    /// When it was begun.
    pub made_at: DateTime<Utc>,
    /// The version of the program that made it.
    pub program: String,
    /// The migrations that its database had.
    pub migrations: Vec<i64>,
    /// The dump.
    pub database: Part,
    /// The audit log's checkpoint; absent if nothing was ever sealed.
    pub checkpoint: Option<Part>,
    /// Every table and what it held.
    pub tables: BTreeMap<String, Rows>,
    /// The documents' content, by its name in the store.
    pub documents: BTreeMap<Uuid, Part>,
    /// Documents whose content was not in the store, or was not what had been put there.
    pub missing: Vec<Uuid>,
}

impl Manifest {
    /// How many rows there are in all tables together.
    pub fn rows(&self) -> i64 {
        self.tables.values().map(|table| table.rows).sum()
    }
}

/// A file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its content, in hexadecimal digits.
    pub sha256: String,
}

impl Part {
    /// A file as it is now; read in pieces, so that it may be large.
    fn of(file: &Path) -> io::Result<Self> {
        let (mut hash, mut file) = (Sha256::new(), File::open(file)?);
        let bytes = io::copy(&mut file, &mut hash)?;
        Ok(Self { bytes, sha256: hex::encode(hash.finalize()) })
    }

    /// Writes a file that stays, and says what it is.
    fn write(file: &Path, content: &[u8]) -> anyhow::Result<Self> {
        let written = (|| {
            let mut file = File::create_new(file)?;
            file.write_all(content)?;
            file.sync_all()
        })();
        written.with_context(|| format!("{} cannot be written", file.display()))?;
        let sha256 = hex::encode(Sha256::digest(content));
        Ok(Self { bytes: content.len() as u64, sha256 })
    }
}

/// Where a document's content is in a backup: as in the store, in one of 256 folders.
fn document(folder: &Path, name: Uuid) -> PathBuf {
    let name = name.simple().to_string();
    folder.join(DOCUMENTS).join(&name[..2]).join(name)
}
