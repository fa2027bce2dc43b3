//! Makes publications: the only place where researchers' figures touch records.

use std::time::Duration;

use anyhow::{Context, anyhow};
use chrono::{Datelike, NaiveDate, TimeDelta};
use serde_json::json;
use shared::summary::VoicePerformance;
use sqlx::{Connection, PgConnection, PgPool};
use tokio::task::spawn_blocking;

use crate::{
    clock::Clock,
    db::{
        self,
        audit::{Actor, Event},
        summaries::{self, Latest},
    },
    summaries::{
        anonymity::{Anonymisation, Classes},
        disclosure::Rules,
        performance::{Followed, Followers},
        publication::{Gathered, PublishedCell, lattice},
        row::{Facts, Row},
        trend::{self, Trend, YearFacts},
    },
};

/// How often a worker looks whether a publication is due.
const LOOK: Duration = Duration::from_mins(1);
/// How often the records are published anew.
const EVERY: TimeDelta = TimeDelta::hours(24);
/// How many patients are in memory at once.
const BATCH: i64 = 5000;

/// Publishes whenever it is due, for ever.
pub async fn run(db: PgPool, clock: Clock) {
    loop {
        tokio::time::sleep(LOOK).await;
        if let Err(error) = publish_if_due(&db, &clock).await {
            tracing::warn!(error = format!("{error:#}"), "summaries are not published");
        }
    }
}

async fn publish_if_due(db: &PgPool, clock: &Clock) -> anyhow::Result<()> {
    let latest = summaries::latest(db).await?;
    let minimum = db::settings::read(db).await?.minimum_cell_size;
    let is_current = |latest: &Latest| {
        clock.now() < latest.checked_at + EVERY
            && latest.minimum_cell_size == minimum
            && latest.performance.is_some()
    };
    if !latest.as_ref().is_some_and(is_current) {
        publish(db, clock).await?;
    }
    Ok(())
}

/// Publishes now, unless another worker does, or too few people have changed since the last time:
/// then the difference between two publications would speak of these few. Answers whether it did.
pub async fn publish(db: &PgPool, clock: &Clock) -> anyhow::Result<bool> {
    let mut connection = db.acquire().await?;
    let mut tx = connection.begin().await?;
    if !summaries::lead(&mut tx).await? {
        return Ok(false);
    }
    let now = clock.now();
    let previous = summaries::latest(&mut *tx).await?;
    let minimum = db::settings::read(&mut *tx).await?.minimum_cell_size;
    let rules = rules(&mut tx, minimum).await?;
    let id = summaries::begin(&mut tx, minimum, now).await?;
    let pass = pass(&mut tx, id, &rules, clock).await?;
    if let Some(previous) = &previous
        && previous.minimum_cell_size == minimum
        && previous.performance.is_some()
        && summaries::changed(&mut tx, previous.id, id).await? < minimum.into()
    {
        tx.rollback().await?;
        summaries::keep(&mut *connection, previous.id, now).await?;
        return Ok(false);
    }
    let Published { cells, anonymisation, performance } =
        spawn_blocking(move || pass.end(&rules)).await?;
    let previous = previous.map(|previous| previous.id);
    summaries::complete(&mut tx, id, previous, &anonymisation, &performance, &cells).await?;
    let details = json!({ "publication": id, "minimum_cell_size": minimum, "cells": cells.len() });
    let event = Event::new("summary.publish").details(details);
    db::audit::record(&mut tx, &Actor::default(), event, now).await?;
    tx.commit().await?;
    tracing::info!(publication = id, cells = cells.len(), "summaries published");
    Ok(true)
}

async fn rules(tx: &mut PgConnection, minimum: i32) -> anyhow::Result<Rules> {
    let mut fresh = [0; 32];
    getrandom::fill(&mut fresh).map_err(|error| anyhow!("no random bits: {error}"))?;
    let secret = summaries::secret(tx, &fresh).await?;
    let secret = secret.try_into().map_err(|_| anyhow!("the secret has not 32 bytes"))?;
    Ok(Rules { minimum: minimum.try_into().context("the minimum is positive")?, secret })
}

/// Everybody, once, a batch at a time.
async fn pass(
    tx: &mut PgConnection,
    publication: i32,
    rules: &Rules,
    clock: &Clock,
) -> anyhow::Result<Pass> {
    let today = clock.today();
    let secret = rules.secret;
    let mut pass = Pass::new(today);
    let mut after = None;
    loop {
        let facts: Vec<Facts> = summaries::facts(tx, after, BATCH).await?;
        let (Some(first), Some(last)) = (facts.first(), facts.last()) else { return Ok(pass) };
        after = Some(last.id);
        let since = trend::first_year(today.year());
        let years = summaries::years(tx, first.id, last.id, since).await?;
        let rows;
        (pass, rows) = spawn_blocking(move || {
            let rows: Vec<Row> =
                facts.iter().map(|facts| Row::new(facts, &secret, today)).collect();
            pass.add(&facts, &rows, &years);
            (pass, rows)
        })
        .await?;
        summaries::add_rows(tx, publication, &rows).await?;
    }
}

/// What one pass over everybody gathers.
#[derive(Debug)]
struct Pass {
    today: NaiveDate,
    gathered: Gathered,
    trend: Trend,
    followers: Followers,
    classes: Classes,
}

/// What comes of it.
struct Published {
    cells: Vec<PublishedCell>,
    anonymisation: Anonymisation,
    performance: Vec<VoicePerformance>,
}

impl Pass {
    fn new(today: NaiveDate) -> Self {
        Self {
            today,
            gathered: Gathered::new(lattice(today.year())),
            trend: Trend::new(today.year()),
            followers: Followers::default(),
            classes: Classes::default(),
        }
    }

    /// Adds people, and the years of them and perhaps others, both in the order of their ids.
    fn add(&mut self, facts: &[Facts], rows: &[Row], years: &[YearFacts]) {
        let mut years = years.chunk_by(|a, b| a.patient_id == b.patient_id).peekable();
        for (facts, row) in facts.iter().zip(rows) {
            self.gathered.add(row);
            self.classes.add(&row.values);
            if let Some(followed) = Followed::new(facts, row.number()) {
                self.followers.add(followed);
            }
            // Records that are archived have values, too.
            while years.next_if(|years| years[0].patient_id < facts.id).is_some() {}
            let known = years.next_if(|years| years[0].patient_id == facts.id).unwrap_or_default();
            self.trend.add(facts, row, known, self.today);
        }
    }

    fn end(self, rules: &Rules) -> Published {
        let mut cells = self.gathered.publish(rules);
        cells.extend(self.trend.publish(&self.gathered, rules));
        let all = self.gathered.counts(&[], &[]);
        let (all, failures) = all.map_or((0, 0), |all| (all.people, all.kidney_failure));
        Published {
            cells,
            anonymisation: self.classes.anonymise(rules.minimum),
            performance: self.followers.publish(all, failures, rules),
        }
    }
}
