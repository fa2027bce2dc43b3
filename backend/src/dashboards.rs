//! What the dashboard counts. Over very many patients that takes a second: then the counts over
//! everybody are kept for a while, and made anew behind the answer.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};
use shared::{
    clinical::kdigo::cell,
    dashboard::{CategoryCount, DataGap, GapCount, KdigoCount, RiskCount, ThresholdCount},
    id::UserId,
    prediction::{ACategory, GCategory, RiskCategory},
};
use sqlx::PgConnection;

use crate::{
    clock::Clock,
    db::{self, dashboards::Group},
    error::Result,
    replica::Reads,
    summaries::row::RISK_EDGES,
};

/// From so many patients on, counts are kept: fewer are counted in a few milliseconds.
pub const MANY: i64 = 20_000;
/// Counts that are older than this still answer, while they are made anew…
const FRESH: TimeDelta = TimeDelta::minutes(1);
/// … unless they are older than this.
const OLDEST: TimeDelta = TimeDelta::minutes(10);

/// The patients in use, counted.
#[derive(Clone, Debug)]
pub struct Counts {
    /// When.
    pub at: DateTime<Utc>,
    /// How many there are.
    pub patients: i64,
    /// The cells of the heat map, in the dashboard's order.
    pub kdigo: Vec<KdigoCount>,
    /// The bars of the 2-year risk.
    pub risk_2y: Vec<RiskCount>,
    /// The bars of the 5-year risk.
    pub risk_5y: Vec<RiskCount>,
    /// The categories.
    pub risk_categories: Vec<CategoryCount>,
    /// What the records lack.
    pub data_gaps: Vec<GapCount>,
    /// The first day of the month.
    pub since: NaiveDate,
    /// How many have crossed each threshold since then.
    pub crossings: Vec<ThresholdCount>,
}

impl Counts {
    /// Counts everybody, or those whom a clinician cares for.
    pub async fn make(
        db: &mut PgConnection,
        in_care_of: Option<UserId>,
        now: DateTime<Utc>,
    ) -> sqlx::Result<Self> {
        let since = month(now);
        let groups = db::dashboards::count(&mut *db, in_care_of, now).await?;
        let crossings = db::dashboards::count_crossings(db, since, in_care_of, now).await?;
        Ok(Self { crossings, ..Self::of(&groups, now) })
    }

    fn of(groups: &[Group], at: DateTime<Utc>) -> Self {
        let bars = |bar: fn(&Group) -> Option<i32>| {
            let edges = (0..).zip(RISK_EDGES.windows(2));
            let count = |number| total(groups, |group| bar(group) == Some(number));
            edges
                .map(|(number, edge)| RiskCount {
                    from: edge[0],
                    to: edge[1],
                    patients: count(number),
                })
                .collect()
        };
        let category = |category| CategoryCount {
            category,
            patients: total(groups, |group| group.category == Some(category)),
        };
        let gap = |gap| GapCount { gap, patients: total(groups, |group| has(group, gap)) };
        Self {
            at,
            patients: total(groups, |_| true),
            kdigo: kdigo(groups),
            risk_2y: bars(|group| group.bar_2y),
            risk_5y: bars(|group| group.bar_5y),
            risk_categories: CATEGORIES.map(category).to_vec(),
            data_gaps: DataGap::ALL.map(gap).to_vec(),
            since: month(at),
            crossings: Vec::new(),
        }
    }
}

/// The first day of a moment's month.
pub fn month(at: DateTime<Utc>) -> NaiveDate {
    let today = at.date_naive();
    today.with_day(1).unwrap_or(today)
}

fn total(groups: &[Group], is_in: impl Fn(&Group) -> bool) -> i64 {
    groups.iter().filter(|group| is_in(group)).map(|group| group.patients).sum()
}

const CATEGORIES: [RiskCategory; 4] =
    [RiskCategory::Low, RiskCategory::Moderate, RiskCategory::High, RiskCategory::VeryHigh];

fn kdigo(groups: &[Group]) -> Vec<KdigoCount> {
    // The steps go up from G5, the heat map down from G1.
    let rows = GCategory::ALL.into_iter().zip((0..6).rev());
    let rows: Vec<_> =
        rows.map(|(g, number)| (Some(g), Some(number))).chain([(None, None)]).collect();
    let columns = ACategory::ALL.into_iter().zip(0..);
    let columns: Vec<_> =
        columns.map(|(a, number)| (Some(a), Some(number))).chain([(None, None)]).collect();
    let cells = rows.iter().flat_map(|row| columns.iter().map(move |column| (row, column)));
    cells
        .map(|(&(g, row), &(a, column))| KdigoCount {
            g,
            a,
            risk: g.zip(a).map(|(g, a)| cell(g, a).risk),
            patients: total(groups, |group| (group.g, group.a) == (row, column)),
        })
        .collect()
}

const fn has(group: &Group, gap: DataGap) -> bool {
    match gap {
        DataGap::MissingEgfr => group.g.is_none(),
        DataGap::MissingAlbuminuria => group.a.is_none(),
        DataGap::PcrOnly => group.is_pcr,
        DataGap::Stale => group.is_stale,
        DataGap::NeverPredicted => group.category.is_none(),
    }
}

/// The counts over everybody that this process has.
#[derive(Debug)]
pub struct KeptCounts {
    many: i64,
    latest: Mutex<Option<Arc<Counts>>>,
    /// Held by whoever counts: the others wait for that, instead of counting as well.
    turn: tokio::sync::Mutex<()>,
}

impl KeptCounts {
    /// Nothing counted yet; counts are kept from so many patients on.
    pub fn new(many: i64) -> Arc<Self> {
        Arc::new(Self { many, latest: Mutex::default(), turn: tokio::sync::Mutex::default() })
    }

    /// How everybody stands now, or did a moment ago.
    pub async fn everybody(self: &Arc<Self>, reads: &Reads, clock: &Clock) -> Result<Arc<Counts>> {
        match self.younger_than(OLDEST, clock) {
            Some(counts) => {
                if counts.at + FRESH <= clock.now() {
                    self.count_behind(reads.clone(), clock.clone());
                }
                Ok(counts)
            }
            None => self.count(reads, clock).await,
        }
    }

    fn younger_than(&self, age: TimeDelta, clock: &Clock) -> Option<Arc<Counts>> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone();
        latest.filter(|counts| self.many <= counts.patients && clock.now() < counts.at + age)
    }

    async fn count(&self, reads: &Reads, clock: &Clock) -> Result<Arc<Counts>> {
        let _turn = self.turn.lock().await;
        if let Some(counts) = self.younger_than(FRESH, clock) {
            return Ok(counts);
        }
        let now = clock.now();
        let counts = reads.read(|db| async move {
            let mut connection = db.acquire().await?;
            Ok(Arc::new(Counts::make(&mut connection, None, now).await?))
        });
        let counts = counts.await?;
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&counts));
        Ok(counts)
    }

    /// Counts anew, unless somebody does already.
    fn count_behind(self: &Arc<Self>, reads: Reads, clock: Clock) {
        if self.turn.try_lock().is_err() {
            return;
        }
        let kept = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(error) = kept.count(&reads, &clock).await {
                tracing::warn!(%error, "the dashboard's counts could not be made anew");
            }
        });
    }
}
