//! Pages of the list, as they are answered.

use std::sync::Arc;

use anyhow::Context;
use axum::body::Bytes;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::{page::Page, patient::PatientSort};

use crate::{
    db::{
        patient_list::{self, Filter, Position},
        walls::Reading,
    },
    error::Result,
    page,
    routes::patients::PatientQuery,
    worklist::KeptLines,
};

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

/// Reads a page, of what is seen.
pub async fn read(
    mut reading: Reading,
    wanted: &PageWanted,
    lines: &KeptLines,
) -> Result<WrittenPage> {
    let PageWanted { filter, sort, after, limit } = wanted;
    let rows = page::rows(*limit);
    let found = patient_list::find(&mut reading, filter, *sort, after.as_ref(), rows).await?;
    let Page { items, next_cursor } =
        page::page(found, *limit, |row| Cursor(*sort, row.position(*sort)))?;
    let items = lines.of(&mut reading, &items, filter.at.date_naive()).await?;
    reading.end().await?;
    let shown: Vec<_> = items.iter().map(|line| line.id).collect();
    let body = serde_json::to_vec(&Page { items, next_cursor }).context("a page is no JSON")?;
    Ok(WrittenPage { body: body.into(), shown: Arc::new(json!({ "patients": shown })) })
}
