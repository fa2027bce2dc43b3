//! Makes a backup.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder},
    os::unix::fs::DirBuilderExt,
    path::Path,
};

use anyhow::{Context, ensure};
use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::{CHECKPOINT, DUMP, FORMAT, MANIFEST, Manifest, Part, Tools, document};
use crate::{
    db::{self, documents::Stored},
    documents::Documents,
};

/// Makes a backup in a folder that is empty or not there yet.
pub async fn make(
    db: &PgPool,
    tools: &Tools,
    documents: &Documents,
    folder: &Path,
    now: DateTime<Utc>,
) -> anyhow::Result<Manifest> {
    let standing = db::walls::standing(db).await.context("there is nothing to back up")?;
    ensure!(
        standing.owns,
        "the database role {:?} does not own the tables, and sees only a part of them: give backups \
         the address of the one that does (docs/OPERATIONS.md, \"Database roles\")",
        standing.role
    );
    prepare(folder)?;
    // Everything below is of the moment in which this transaction begins.
    let mut tx = db::backups::snapshot(db).await?;
    let snapshot = db::backups::export(&mut tx).await?;
    tools.dump(&snapshot, &folder.join(DUMP)).await?;
    let checkpoint = write_checkpoint(&mut tx, folder).await?;
    let (copied, missing) = copy_documents(&mut tx, db, documents, folder).await?;
    let manifest = Manifest {
        format: FORMAT,
        made_at: now,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        migrations: db::applied(&mut *tx).await?.iter().map(|one| one.version).collect(),
        database: Part::of(&folder.join(DUMP)).context("the dump cannot be read")?,
        checkpoint,
        tables: db::backups::tables(&mut tx).await?,
        documents: copied,
        missing,
    };
    let text = serde_json::to_vec_pretty(&manifest)?;
    Part::write(&folder.join(MANIFEST), &text)?;
    Ok(manifest)
}

/// A folder for this user only: a backup holds everything.
fn prepare(folder: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| format!("the folder {} cannot be made", folder.display()))?;
    let mut entries = fs::read_dir(folder)
        .with_context(|| format!("the folder {} cannot be read", folder.display()))?;
    ensure!(entries.next().is_none(), "the folder {} is not empty", folder.display());
    Ok(())
}

async fn write_checkpoint(db: &mut PgConnection, folder: &Path) -> anyhow::Result<Option<Part>> {
    let latest = db::audit_tree::latest_checkpoint(db).await?;
    let write = |latest: db::audit_tree::KeptCheckpoint| {
        Part::write(&folder.join(CHECKPOINT), latest.note.as_bytes())
    };
    latest.map(write).transpose()
}

/// Copies the content of every document that the snapshot knows. One that is broken keeps the rest
/// from no backup; one that was deleted meanwhile is no loss.
async fn copy_documents(
    snapshot: &mut PgConnection,
    db: &PgPool,
    documents: &Documents,
    folder: &Path,
) -> anyhow::Result<(BTreeMap<Uuid, Part>, Vec<Uuid>)> {
    let (mut copied, mut missing) = (BTreeMap::new(), Vec::new());
    let mut after = Uuid::nil();
    loop {
        let some = db::backups::documents(&mut *snapshot, after).await?;
        let Some(last) = some.last() else { break };
        after = last.name;
        for Stored { name, sha256 } in some {
            match documents.read(name, &sha256).await {
                Ok(content) => {
                    let file = document(folder, name);
                    fs::create_dir_all(file.parent().context("a document has a folder")?)?;
                    copied.insert(name, Part::write(&file, &content)?);
                }
                Err(error) if db::documents::stored(db, &[name]).await?.is_empty() => {
                    tracing::info!(%name, %error, "a document was deleted meanwhile");
                }
                Err(error) => {
                    tracing::error!(%name, error = format!("{error:#}"), "a document is lost");
                    missing.push(name);
                }
            }
        }
    }
    Ok((copied, missing))
}
