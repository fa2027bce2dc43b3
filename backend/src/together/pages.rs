//! Pages of the list, as they are answered.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use anyhow::Context;
use axum::body::Bytes;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::{page::Page, patient::PatientSort};

use crate::{
    db::{
        patient_list::{self, Filter, Found, Position},
        walls::Reading,
    },
    error::Result,
    page,
    routes::patients::PatientQuery,
    worklist::{KeptLines, Line},
};

/// In how many lanes searches are asked side by side.
const LANES: u64 = 2;

/// About how many bytes of a page are around its lines.
const AROUND: usize = 256;

/// What whoever sees every record has asked for, and on which day: the same page, if it is the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PageKey {
    /// The request's parameters.
    pub query: PatientQuery,
    /// What is overdue depends on it.
    pub day: NaiveDate,
}

/// A page of the list.
#[derive(Clone, Debug)]
pub struct PageWanted {
    /// Which records.
    pub filter: Filter,
    /// In which order.
    pub sort: PatientSort,
    /// Where the page before ended.
    pub after: Option<Position>,
    /// How many lines.
    pub limit: usize,
    /// Its search is known to find many.
    pub finds_many: bool,
}

/// A cursor of the list: it belongs to one order.
#[derive(Debug, Serialize, Deserialize)]
pub struct Cursor(pub PatientSort, pub Position);

/// A page of the list, written already.
#[derive(Clone, Debug)]
pub struct WrittenPage {
    /// A [`Page`] of [`PatientListItem`](shared::patient::PatientListItem), in JSON.
    pub body: Bytes,
    /// Whom it shows, as an entry of the audit log says it.
    pub shown: Arc<Value>,
}

/// Searches that differ in their texts only, in one of the lanes in which they are asked: a long one
/// holds up its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SearchKey {
    page: PageKey,
    lane: u64,
}

impl PageKey {
    /// Searches that are asked together with this one. Those for the same share a lane.
    pub fn search(&self) -> SearchKey {
        let mut page = self.clone();
        let mut lane = DefaultHasher::new();
        page.query.q.take().hash(&mut lane);
        SearchKey { page, lane: lane.finish() % LANES }
    }
}

/// Reads a page, of what is seen.
pub async fn read(
    mut reading: Reading,
    wanted: &PageWanted,
    lines: &KeptLines,
) -> Result<WrittenPage> {
    let PageWanted { filter, sort, after, limit, finds_many } = wanted;
    let (db, after, rows) = (&mut *reading, after.as_ref(), page::rows(*limit));
    let found = if *finds_many {
        patient_list::walk(db, filter, *sort, after, rows).await?
    } else {
        patient_list::find(db, filter, *sort, after, rows).await?
    };
    let page = cut(wanted, found)?;
    let lines = lines.of(&mut reading, &page.items, filter.at.date_naive()).await?;
    reading.end().await?;
    write(&page, &lines)
}

/// Reads a page for each of these, which differ in the text they search for only; `None` for one that
/// finds many, and has to be read by itself.
pub async fn search(
    mut reading: Reading,
    wanted: &[PageWanted],
    lines: &KeptLines,
) -> Result<Vec<Option<Arc<WrittenPage>>>> {
    let Some(first) = wanted.first() else { return Ok(Vec::new()) };
    let PageWanted { filter, sort, after, limit, .. } = first;
    let text = |wanted: &PageWanted| wanted.filter.text.clone().unwrap_or_default();
    let texts: Vec<String> = wanted.iter().map(text).collect();
    let mut different: Vec<&str> = texts.iter().map(String::as_str).collect();
    different.sort_unstable();
    different.dedup();
    let rows = page::rows(*limit);
    let found =
        patient_list::search(&mut reading, &different, filter, *sort, after.as_ref(), rows).await?;
    let mut pages = Vec::with_capacity(different.len());
    for (text, found) in different.into_iter().zip(found) {
        if let Some(found) = found {
            pages.push((text, cut(first, found)?));
        }
    }
    let shown: Vec<Found> = pages.iter().flat_map(|(_, page)| &page.items).cloned().collect();
    let lines = lines.of(&mut reading, &shown, filter.at.date_naive()).await?;
    reading.end().await?;
    let mut written = HashMap::with_capacity(pages.len());
    let mut rest = &lines[..];
    for (text, page) in pages {
        let (own, others) = rest.split_at(page.items.len());
        written.insert(text, Arc::new(write(&page, own)?));
        rest = others;
    }
    Ok(texts.iter().map(|text| written.get(text.as_str()).cloned()).collect())
}

/// A page of those who were found.
fn cut(wanted: &PageWanted, found: Vec<Found>) -> Result<Page<Found>> {
    let sort = wanted.sort;
    page::page(found, wanted.limit, |row| Cursor(sort, row.position(sort)))
}

/// Writes a page as [`Page`] would be, of lines that are written already.
fn write(page: &Page<Found>, lines: &[Option<Line>]) -> Result<WrittenPage> {
    let length: usize = lines.iter().flatten().map(|line| line.written.len() + 1).sum();
    let mut body = Vec::with_capacity(length + AROUND);
    body.extend_from_slice(br#"{"items":["#);
    let mut shown = Vec::with_capacity(lines.len());
    for line in lines.iter().flatten() {
        if !shown.is_empty() {
            body.push(b',');
        }
        body.extend_from_slice(&line.written);
        shown.push(line.id);
    }
    body.extend_from_slice(br#"],"next_cursor":"#);
    serde_json::to_writer(&mut body, &page.next_cursor).context("a cursor is no JSON")?;
    body.push(b'}');
    Ok(WrittenPage { body: body.into(), shown: Arc::new(json!({ "patients": shown })) })
}
