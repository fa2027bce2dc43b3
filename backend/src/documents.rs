//! Documents: where their content is kept, and what may be one.

pub mod clamd;
pub mod content;
pub mod s3;

use std::{
    collections::HashSet,
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::{Context, ensure};
use axum::body::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures::TryStreamExt;
use object_store::{
    ObjectStore, ObjectStoreExt, PutPayload, local::LocalFileSystem, memory::InMemory,
    path::Path as Key,
};
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{sleep, timeout},
};
use uuid::Uuid;

use self::{clamd::Clamd, s3::Bucket};
use crate::{
    db,
    error::{Error, Result},
    metrics::Metrics,
};

/// How many documents are in memory at a time: what comes in or goes out is checked whole.
const AT_A_TIME: usize = 4;
/// How long one waits for a place, where people wait.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long content may be in the store without its row: an upload is long over by then.
const ORPHANS_KEPT: TimeDelta = TimeDelta::hours(24);

/// The content of documents, each under a random name.
#[derive(Clone, Debug)]
pub struct Documents {
    store: Arc<dyn ObjectStore>,
    places: Arc<Semaphore>,
    /// How long one waits for a place.
    patience: Duration,
    scanner: Option<Clamd>,
    metrics: Metrics,
    /// Where the content is, if that is a folder of this machine.
    folder: Option<PathBuf>,
}

impl Documents {
    /// In a folder of this machine, which is made if need be, for this user only; scanned for malware, if there is
    /// somebody to do it.
    pub fn in_folder(folder: &Path, scanner: Option<Clamd>) -> anyhow::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(|| {
            format!("the documents' folder {} cannot be made", folder.display())
        })?;
        let store = LocalFileSystem::new_with_prefix(folder)
            .with_context(|| format!("the documents' folder {} cannot be used", folder.display()))?
            .with_fsync(true);
        let folder = Some(folder.to_owned());
        Ok(Self { folder, ..Self::new(Arc::new(store), scanner) })
    }

    /// In a bucket of an S3-compatible store; [`Self::check`] tells whether it is there.
    pub fn in_bucket(bucket: &Bucket, scanner: Option<Clamd>) -> anyhow::Result<Self> {
        Ok(Self::new(Arc::new(s3::open(bucket)?), scanner))
    }

    /// In memory, for tests, which have less patience.
    pub fn in_memory(scanner: Option<Clamd>) -> Self {
        let patience = Duration::from_millis(500);
        Self { patience, ..Self::new(Arc::new(InMemory::new()), scanner) }
    }

    fn new(store: Arc<dyn ObjectStore>, scanner: Option<Clamd>) -> Self {
        let places = Arc::new(Semaphore::new(AT_A_TIME));
        let metrics = Metrics::default();
        Self { store, places, patience: PATIENCE, scanner, metrics, folder: None }
    }

    /// The same, which counts together with the rest of its process.
    #[must_use]
    pub fn counting(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// Whether the store can be read. Of a folder that is known since it was opened.
    pub async fn check_reading(&self) -> anyhow::Result<()> {
        if self.folder.is_none() {
            let first = self.store.list(None).try_next().await;
            first.context("the documents' store cannot be read")?;
        }
        Ok(())
    }

    /// Whether content can be put into the store, read and removed: a key that may not is better
    /// found at the start than with somebody's document.
    pub async fn check(&self) -> anyhow::Result<()> {
        self.check_reading().await?;
        if self.folder.is_some() {
            return Ok(());
        }
        let (name, content) = (Uuid::new_v4(), Bytes::from_static(b"whether this can be stored"));
        let hash = Sha256::digest(&content);
        self.put(name, content).await?;
        self.read(name, &hash).await?;
        self.remove(name).await
    }

    /// A place among those whose document is in memory.
    pub async fn place(&self) -> Result<SemaphorePermit<'_>> {
        let place = timeout(self.patience, self.places.acquire()).await;
        let busy = |_| Error::Unavailable(anyhow::anyhow!("too many documents are on their way"));
        Ok(place.map_err(busy)?.context("the semaphore is never closed")?)
    }

    /// The malware that the scanner finds in content. While there is a scanner that does not answer,
    /// nothing is taken.
    pub async fn malware(&self, content: &Bytes) -> Result<Option<String>> {
        let Some(scanner) = &self.scanner else { return Ok(None) };
        let unsure = |error: anyhow::Error| error.context("the scanner for malware");
        scanner.scan(content).await.map_err(|error| Error::Unavailable(unsure(error)))
    }

    /// Keeps content under a name; it is whole in the store, or not at all.
    pub async fn keep(&self, name: Uuid, content: Bytes) -> Result<()> {
        // Whatever is wrong with the store, people have to come again.
        let kept = self.put(name, content).await;
        kept.inspect_err(|_| self.metrics.document_failed()).map_err(Error::Unavailable)
    }

    async fn put(&self, name: Uuid, content: Bytes) -> anyhow::Result<()> {
        let kept = self.store.put(&key(name), PutPayload::from_bytes(content)).await;
        kept.context("a document cannot be stored")?;
        Ok(())
    }

    /// The content under a name, for whoever waits for it: a store that does not answer now may do
    /// so in a moment, content that is gone or was changed stays so.
    pub async fn open(&self, name: Uuid, sha256: &[u8]) -> Result<Bytes> {
        let opened = self.read(name, sha256).await;
        opened.inspect_err(|_| self.metrics.document_failed()).map_err(|error| {
            match error.downcast_ref() {
                None | Some(object_store::Error::NotFound { .. }) => Error::Internal(error),
                Some(_) => Error::Unavailable(error),
            }
        })
    }

    /// The content under a name, if it is what was kept.
    pub async fn read(&self, name: Uuid, sha256: &[u8]) -> anyhow::Result<Bytes> {
        let found = self.store.get(&key(name)).await.context("a document is not in the store")?;
        let content = found.bytes().await.context("a document cannot be read")?;
        ensure!(Sha256::digest(&content)[..] == *sha256, "a document in the store was changed");
        Ok(content)
    }

    /// Removes content; it may be gone already.
    pub async fn remove(&self, name: Uuid) -> anyhow::Result<()> {
        match self.store.delete(&key(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error).context("a document cannot be removed from the store"),
        }
    }

    /// Removes content that belongs to nothing: an upload that was not finished, a document that
    /// was deleted while the store did not answer. Answers how much that was. Whoever dates content
    /// may have a clock that is wrong by days, so it also has to be without its row for as long as
    /// an `upload` can take at most.
    pub async fn sweep(
        &self,
        db: &PgPool,
        now: DateTime<Utc>,
        upload: Duration,
    ) -> anyhow::Result<usize> {
        let mut removed = 0;
        let listed = self
            .store
            .list(None)
            .try_filter(|found| std::future::ready(found.last_modified < now - ORPHANS_KEPT));
        let mut batches = listed.try_chunks(500);
        while let Some(batch) = batches.try_next().await.map_err(|error| error.1)? {
            let names = batch.iter().filter_map(|found| name(&found.location)).collect();
            let mut orphans = without_row(db, names).await?;
            if !orphans.is_empty() {
                sleep(upload).await;
                orphans = without_row(db, orphans).await?;
            }
            for orphan in orphans {
                self.remove(orphan).await?;
                removed += 1;
            }
        }
        let Some(folder) = self.folder.clone() else { return Ok(removed) };
        let before = SystemTime::from(now - ORPHANS_KEPT);
        let staged = tokio::task::spawn_blocking(move || sweep_staged(&folder, before)).await?;
        Ok(removed + staged.context("the documents' folder cannot be looked through")?)
    }
}

/// Those of some names that no document has.
async fn without_row(db: &PgPool, mut names: Vec<Uuid>) -> sqlx::Result<Vec<Uuid>> {
    let known: HashSet<Uuid> = db::documents::stored(db, &names).await?.into_iter().collect();
    names.retain(|name| !known.contains(name));
    Ok(names)
}

/// Removes what was being written when a program was killed: the store writes content under its name
/// with `#` and a number, gives it its name when it is whole, and never lists it before.
fn sweep_staged(folder: &Path, before: SystemTime) -> std::io::Result<usize> {
    let mut removed = 0;
    for shelf in std::fs::read_dir(folder)? {
        let shelf = shelf?;
        if !shelf.file_type()?.is_dir() {
            continue;
        }
        for found in std::fs::read_dir(shelf.path())? {
            let found = found?;
            let name = found.file_name();
            let staged = name.to_str().and_then(|name| name.split_once('#'));
            if staged.is_none_or(|(name, _)| name.parse::<Uuid>().is_err()) {
                continue;
            }
            // It may have got its name meanwhile.
            let old = found.metadata().and_then(|data| data.modified());
            if old.is_ok_and(|modified| modified < before) {
                std::fs::remove_file(found.path())?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}

/// Where content is: in one of 256 folders, so that none grows without end.
fn key(name: Uuid) -> Key {
    let name = name.simple().to_string();
    Key::from_iter([&name[..2], &name])
}

/// The name of what is there.
fn name(key: &Key) -> Option<Uuid> {
    key.filename()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn content_that_was_changed_is_not_answered() {
        let documents = Documents::in_memory(None);
        let name = Uuid::from_u128(42);
        documents.keep(name, Bytes::from_static(b"before")).await.unwrap();
        let hash = Sha256::digest(b"before");
        assert_eq!(documents.read(name, &hash).await.unwrap(), "before");
        documents.keep(name, Bytes::from_static(b"after")).await.unwrap();
        let error = documents.read(name, &hash).await.unwrap_err();
        assert!(error.to_string().contains("was changed"));
    }

    #[test]
    fn what_a_killed_program_was_writing_is_swept_after_a_while() {
        let folder = std::env::temp_dir().join(format!("nephrocast-{}", Uuid::new_v4()));
        let shelf = folder.join("ab");
        std::fs::create_dir_all(&shelf).unwrap();
        let whole = "ab000000000000000000000000000007";
        let names = [format!("{whole}#1"), format!("{whole}#2"), whole.into(), "notes#1".into()];
        for name in &names {
            let file = std::fs::File::create(shelf.join(name)).unwrap();
            if *name != names[1] {
                file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
            }
        }
        let before = SystemTime::UNIX_EPOCH + Duration::from_mins(1);
        assert_eq!(sweep_staged(&folder, before).unwrap(), 1);
        let left = names.map(|name| shelf.join(name).exists());
        assert_eq!(left, [false, true, true, true]);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn names_are_found_again() {
        let one = Uuid::from_u128(0xab << 120 | 7);
        assert_eq!(key(one).as_ref(), "ab/ab000000000000000000000000000007");
        assert_eq!(name(&key(one)), Some(one));
    }
}
