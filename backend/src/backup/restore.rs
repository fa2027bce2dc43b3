//! Restores a backup into an empty database, and proves the result equal.

use std::{fs, path::Path};

use anyhow::{Context, bail, ensure};
use axum::body::Bytes;
use sqlx::PgPool;

use super::{CHECKPOINT, DUMP, FORMAT, MANIFEST, Manifest, Part, Tools, document};
use crate::{
    MIGRATOR,
    audit::{
        checkpoint::{Checkpoint, TrustedKeys},
        verify::verify,
    },
    db,
    documents::Documents,
};

/// What was restored, and is proven to be what was backed up.
#[derive(Clone, Debug)]
pub struct Restored {
    /// What the backup held.
    pub manifest: Manifest,
    /// How many entries of the audit log were checked.
    pub audited: i64,
    /// Whether the database has all migrations of this program.
    pub current: bool,
}

/// Restores a backup. Nothing is touched before every file of it is known to be what was written,
/// and the database known to be empty. The dump is read in one transaction; documents come first, as
/// content without a row does no harm.
pub async fn restore(
    db: &PgPool,
    tools: &Tools,
    documents: &Documents,
    trusted: &TrustedKeys,
    folder: &Path,
) -> anyhow::Result<Restored> {
    let manifest = read(folder)?;
    check_files(&manifest, folder)?;
    let checkpoint = read_checkpoint(&manifest, trusted, folder)?;
    check_target(db).await?;
    for name in manifest.documents.keys() {
        let content = fs::read(document(folder, *name)).context("a document cannot be read")?;
        documents.keep(*name, Bytes::from(content)).await.map_err(anyhow::Error::new)?;
    }
    tools.load(&folder.join(DUMP)).await?;
    compare(db, documents, &manifest).await?;
    let audited = audit(db, trusted, checkpoint.as_ref()).await?;
    let current = MIGRATOR.iter().all(|known| manifest.migrations.contains(&known.version));
    if current {
        // Privileges on the database itself are in no dump.
        db::walls::build(db).await.context("privileges could not be set up")?;
    }
    Ok(Restored { manifest, audited, current })
}

fn read(folder: &Path) -> anyhow::Result<Manifest> {
    let file = folder.join(MANIFEST);
    let text = fs::read(&file).with_context(|| {
        format!("{} cannot be read: the backup was not finished, or is none", file.display())
    })?;
    let manifest: Manifest =
        serde_json::from_slice(&text).with_context(|| format!("{} is damaged", file.display()))?;
    ensure!(manifest.format == FORMAT, "the backup has form {}", manifest.format);
    for version in &manifest.migrations {
        ensure!(
            MIGRATOR.iter().any(|known| known.version == *version),
            "the backup is newer than this program (it does not know migration {version}): use the \
             program that made it ({}), or a newer one",
            manifest.program
        );
    }
    Ok(manifest)
}

/// Whether every file is what was written.
fn check_files(manifest: &Manifest, folder: &Path) -> anyhow::Result<()> {
    let checkpoint = manifest.checkpoint.as_ref().map(|part| (folder.join(CHECKPOINT), part));
    let documents = manifest.documents.iter().map(|(name, part)| (document(folder, *name), part));
    let files = std::iter::once((folder.join(DUMP), &manifest.database));
    for (file, written) in files.chain(checkpoint).chain(documents) {
        let found = Part::of(&file).with_context(|| {
            format!("the backup lacks {}: nothing was restored", file.display())
        })?;
        ensure!(
            found == *written,
            "{} is not what was written ({} bytes, SHA-256 {}): the backup is damaged, and nothing \
             was restored",
            file.display(),
            written.bytes,
            written.sha256
        );
    }
    Ok(())
}

fn read_checkpoint(
    manifest: &Manifest,
    trusted: &TrustedKeys,
    folder: &Path,
) -> anyhow::Result<Option<Checkpoint>> {
    if manifest.checkpoint.is_none() {
        return Ok(None);
    }
    let note = fs::read_to_string(folder.join(CHECKPOINT))?;
    let opened = trusted.open(&note).context(
        "the backup's checkpoint of the audit log is not to be relied on: give the key that signed \
         it; nothing was restored",
    )?;
    Ok(Some(opened))
}

async fn check_target(db: &PgPool) -> anyhow::Result<()> {
    ensure!(
        db::backups::is_empty(db).await?,
        "the database is not empty: a backup is restored into a new one (createdb), and nothing \
         was changed"
    );
    ensure!(
        db::backups::roles_exist(db).await?,
        "the roles nephrocast_app and nephrocast_restricted do not exist: make them first \
         (docs/OPERATIONS.md, \"Database roles\")"
    );
    Ok(())
}

/// Whether the database holds what the backup's did, row by row, and the store every document.
async fn compare(db: &PgPool, documents: &Documents, manifest: &Manifest) -> anyhow::Result<()> {
    let mut tx = db::backups::snapshot(db).await?;
    let found = db::backups::tables(&mut tx).await?;
    let names = found.keys().chain(manifest.tables.keys());
    for name in names {
        let (was, is) = (manifest.tables.get(name), found.get(name));
        if was != is {
            let rows = |table: Option<&db::backups::Rows>| table.map_or(0, |table| table.rows);
            bail!(
                "what was restored is not what was backed up: {name} had {} rows and has {}, or \
                 they differ; do not use this database",
                rows(was),
                rows(is)
            );
        }
    }
    for (name, part) in &manifest.documents {
        let sha256 = hex::decode(&part.sha256).context("the manifest is damaged")?;
        documents.read(*name, &sha256).await.context("a document was not restored")?;
    }
    Ok(())
}

async fn audit(
    db: &PgPool,
    trusted: &TrustedKeys,
    checkpoint: Option<&Checkpoint>,
) -> anyhow::Result<i64> {
    let found = verify(db, trusted, checkpoint, None).await?;
    if let Some(fault) = found.fault {
        bail!("everything was restored, but the audit log is not whole: {}", fault.message);
    }
    Ok(found.checked)
}
