//! The lines of the list, as they are written in an answer: made once, and kept while what they say is
//! so.
//!
//! The same few hundred patients are looked at all day. A line is made of the record and of what is
//! written together with it only, and of the day; so while the same transaction is the last that
//! wrote the record, the line says the same. Who sees a line, and in which order, is the database's
//! business, each time.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    num::NonZeroUsize,
    sync::{Arc, Mutex},
};

use anyhow::Context;
use chrono::NaiveDate;
use lru::LruCache;
use shared::id::PatientId;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    db::{self, patient_lines, patient_list::Found},
    error::Result,
};

/// How many lines a process keeps: some two megabytes.
const KEPT: NonZeroUsize = NonZeroUsize::new(2_000).expect("it is not zero");

/// A line of the list: a [`PatientListItem`](shared::patient::PatientListItem), written already.
#[derive(Clone, Debug)]
pub struct Line {
    /// Whose line it is.
    pub id: PatientId,
    /// In JSON.
    pub written: Arc<[u8]>,
}

/// A line, and how long it is true: while this transaction is the last that wrote the record, and
/// on this day.
struct Kept {
    written_by: i64,
    day: NaiveDate,
    written: Arc<[u8]>,
}

impl Kept {
    fn line(&self, id: PatientId) -> Line {
        Line { id, written: Arc::clone(&self.written) }
    }
}

/// The lines that were looked at last.
pub struct KeptLines(Mutex<LruCache<PatientId, Kept>>);

impl Default for KeptLines {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(KEPT)))
    }
}

impl fmt::Debug for KeptLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptLines").finish_non_exhaustive()
    }
}

impl KeptLines {
    /// The lines of these records as they are on a day, in their order; a record that is gone meanwhile
    /// has none.
    pub async fn of(
        &self,
        db: &mut PgConnection,
        found: &[Found],
        today: NaiveDate,
    ) -> Result<Vec<Option<Line>>> {
        let mut lines = self.kept(found, today);
        // Searches of the same moment may find the same patient.
        let missing: HashSet<PatientId> = (found.iter().zip(&lines))
            .filter(|(_, line)| line.is_none())
            .map(|(found, _)| found.id)
            .collect();
        if missing.is_empty() {
            return Ok(lines);
        }
        let missing: Vec<PatientId> = missing.into_iter().collect();
        let read = patient_lines::read(db, &missing, today).await?;
        // From before courses were kept, or changed by a program of the release before.
        let due: Vec<Uuid> =
            read.iter().filter(|line| line.course_is_due).map(|line| line.id.0).collect();
        if !due.is_empty() {
            db::worklist::keep_courses(db, &due).await?;
        }
        let mut new = HashMap::with_capacity(read.len());
        for read in read {
            let (id, written_by) = (read.id, read.written_by);
            let written = serde_json::to_vec(&read.shown(today)).context("a line is no JSON")?;
            new.insert(id, Kept { written_by, day: today, written: written.into() });
        }
        for (found, line) in found.iter().zip(&mut lines) {
            if line.is_none() {
                *line = new.get(&found.id).map(|kept| kept.line(found.id));
            }
        }
        // Everybody with a list waits for the lock: nothing is written under it.
        let mut kept = self.0.lock().expect("no holder of the lock panics");
        for (id, line) in new {
            kept.put(id, line);
        }
        Ok(lines)
    }

    /// Those that are kept and still true.
    fn kept(&self, found: &[Found], today: NaiveDate) -> Vec<Option<Line>> {
        let mut kept = self.0.lock().expect("no holder of the lock panics");
        let mut line = |found: &Found| {
            let kept = kept.get(&found.id)?;
            let is_true = kept.written_by == found.written_by && kept.day == today;
            is_true.then(|| kept.line(found.id))
        };
        found.iter().map(&mut line).collect()
    }
}
