//! The lines of the list, as they are written in an answer: read once, and kept while what they say is
//! so.
//!
//! The same patients are looked at all day: a few hundred by one, some thousands by all who work at a
//! hospital. Of the last of them lines are kept as they are written; of all of them packed, which takes a
//! fifth of the room and has to be written each time. A line is made of the record and of what is
//! written together with it only, and of the day; so while the same transaction is the last that
//! wrote the record, the line says the same. Who sees a line, and in which order, is the database's
//! business, each time.

use std::{
    collections::HashMap,
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

/// How many lines a process keeps as they are written: some megabyte.
const WRITTEN: NonZeroUsize = NonZeroUsize::new(1_000).expect("it is not zero");
/// How many it keeps packed, those of everybody whom a hospital works on: up to eight megabytes.
const PACKED: NonZeroUsize = NonZeroUsize::new(20_000).expect("it is not zero");

/// A line of the list: a [`PatientListItem`](shared::patient::PatientListItem), written already.
#[derive(Clone, Debug)]
pub struct Line {
    /// Whose line it is.
    pub id: PatientId,
    /// In JSON.
    pub written: Arc<[u8]>,
}

/// A line in some form, and how long it is true: while this transaction is the last that wrote the
/// record, and on this day.
struct Kept {
    written_by: i64,
    day: NaiveDate,
    line: Arc<[u8]>,
}

/// The lines that were looked at last.
type Latest = Mutex<LruCache<PatientId, Kept>>;

/// The lines that were looked at last: a few as they are written, more packed.
pub struct KeptLines {
    written: Latest,
    packed: Latest,
}

impl Default for KeptLines {
    fn default() -> Self {
        Self::new(WRITTEN, PACKED)
    }
}

impl fmt::Debug for KeptLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptLines").finish_non_exhaustive()
    }
}

impl KeptLines {
    /// Keeps so many lines as they are written, and so many packed, at most.
    pub fn new(written: NonZeroUsize, packed: NonZeroUsize) -> Self {
        Self {
            written: Mutex::new(LruCache::new(written)),
            packed: Mutex::new(LruCache::new(packed)),
        }
    }

    /// The lines of these records as they are on a day, in their order; a record that is gone meanwhile
    /// has none.
    pub async fn of(
        &self,
        db: &mut PgConnection,
        found: &[Found],
        today: NaiveDate,
    ) -> Result<Vec<Option<Line>>> {
        let mut lines = latest(&self.written, found, today);
        // Searches of the same moment may find the same patient.
        let missing: HashMap<PatientId, &Found> = (found.iter().zip(&lines))
            .filter(|(_, line)| line.is_none())
            .map(|(found, _)| (found.id, found))
            .collect();
        if !missing.is_empty() {
            let missing: Vec<Found> = missing.into_values().cloned().collect();
            let new = self.written_anew(db, &missing, today).await?;
            for (found, line) in found.iter().zip(&mut lines) {
                if line.is_none() {
                    *line = new.get(&found.id).cloned();
                }
            }
        }
        let of =
            |(found, written): (&Found, Option<_>)| Some(Line { id: found.id, written: written? });
        Ok(found.iter().zip(lines).map(of).collect())
    }

    /// Writes lines, of what is packed or else of what the database says.
    async fn written_anew(
        &self,
        db: &mut PgConnection,
        missing: &[Found],
        today: NaiveDate,
    ) -> Result<HashMap<PatientId, Arc<[u8]>>> {
        let mut made = Vec::with_capacity(missing.len());
        let mut unread = Vec::new();
        for (found, packed) in missing.iter().zip(latest(&self.packed, missing, today)) {
            match packed.and_then(|packed| patient_lines::Line::unpacked(&packed).ok()) {
                Some(line) => made.push(line),
                None => unread.push(found.id),
            }
        }
        if !unread.is_empty() {
            made.extend(self.read(db, &unread, today).await?);
        }
        // Everybody with a list waits for the lock: nothing is written under it.
        let mut new = HashMap::with_capacity(made.len());
        let mut kept = Vec::with_capacity(made.len());
        for line in made {
            let (id, written_by) = (line.id, line.written_by);
            let written = serde_json::to_vec(&line.shown(today)).context("a line is no JSON")?;
            let written: Arc<[u8]> = written.into();
            new.insert(id, Arc::clone(&written));
            kept.push((id, Kept { written_by, day: today, line: written }));
        }
        keep(&self.written, kept);
        Ok(new)
    }

    /// Reads what lines are made of.
    async fn read(
        &self,
        db: &mut PgConnection,
        ids: &[PatientId],
        today: NaiveDate,
    ) -> Result<Vec<patient_lines::Line>> {
        let read = patient_lines::read(db, ids, today).await?;
        // From before courses were kept, or changed by a program of the release before.
        let due: Vec<Uuid> =
            read.iter().filter(|line| line.course_is_due).map(|line| line.id.0).collect();
        if !due.is_empty() {
            db::worklist::keep_courses(db, &due).await?;
        }
        let mut kept = Vec::with_capacity(read.len());
        for line in &read {
            let packed = line.packed().context("a line cannot be packed")?;
            kept.push((line.id, Kept { written_by: line.written_by, day: today, line: packed }));
        }
        keep(&self.packed, kept);
        Ok(read)
    }
}

/// What is kept of these records' lines, and still true.
fn latest(kept: &Latest, found: &[Found], today: NaiveDate) -> Vec<Option<Arc<[u8]>>> {
    let mut kept = kept.lock().expect("no holder of the lock panics");
    let mut line = |found: &Found| {
        let kept = kept.get(&found.id)?;
        let is_true = kept.written_by == found.written_by && kept.day == today;
        is_true.then(|| Arc::clone(&kept.line))
    };
    found.iter().map(&mut line).collect()
}

fn keep(kept: &Latest, lines: Vec<(PatientId, Kept)>) {
    let mut kept = kept.lock().expect("no holder of the lock panics");
    for (id, line) in lines {
        kept.put(id, line);
    }
}
