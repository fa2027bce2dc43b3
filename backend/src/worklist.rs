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
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};
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
    written: Arc<RawValue>,
}

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.written.serialize(serializer)
    }
}

/// A line, and how long it is true: while this transaction is the last that wrote the record, and
/// on this day.
struct Kept {
    written_by: i64,
    day: NaiveDate,
    line: Line,
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
    /// The lines of these records as they are on a day; a record that is gone meanwhile has none.
    pub async fn of(
        &self,
        db: &mut PgConnection,
        found: &[Found],
        today: NaiveDate,
    ) -> Result<HashMap<PatientId, Line>> {
        let mut lines = self.kept(found, today);
        let missing: HashSet<PatientId> =
            found.iter().map(|found| found.id).filter(|id| !lines.contains_key(id)).collect();
        if !missing.is_empty() {
            let missing: Vec<PatientId> = missing.into_iter().collect();
            let read = patient_lines::read(db, &missing, today).await?;
            // From before courses were kept, or changed by a program of the release before.
            let due: Vec<Uuid> =
                read.iter().filter(|line| line.course_is_due).map(|line| line.id.0).collect();
            if !due.is_empty() {
                db::worklist::keep_courses(db, &due).await?;
            }
            let mut new = Vec::with_capacity(read.len());
            for read in read {
                let (id, written_by) = (read.id, read.written_by);
                let written = to_raw_value(&read.shown(today)).context("a line is no JSON")?;
                let line = Line { id, written: written.into() };
                lines.insert(id, line.clone());
                new.push(Kept { written_by, day: today, line });
            }
            // Everybody with a list waits for the lock: nothing is written under it.
            let mut kept = self.0.lock().expect("no holder of the lock panics");
            for new in new {
                kept.put(new.line.id, new);
            }
        }
        Ok(lines)
    }

    /// Those that are kept and still true.
    fn kept(&self, found: &[Found], today: NaiveDate) -> HashMap<PatientId, Line> {
        let mut kept = self.0.lock().expect("no holder of the lock panics");
        let mut line = |found: &Found| {
            let kept = kept.get(&found.id)?;
            let is_true = kept.written_by == found.written_by && kept.day == today;
            is_true.then(|| (found.id, kept.line.clone()))
        };
        found.iter().filter_map(&mut line).collect()
    }
}
