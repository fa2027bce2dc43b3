//! The time, as an argument.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use sqlx::PgPool;
use tokio::time::sleep;
use uuid::{NoContext, Timestamp, Uuid};

use crate::db;

/// How often the database is asked what time it is.
const ASKED: Duration = Duration::from_secs(5);
/// An answer that took longer says too little of the time.
const SLOW: Duration = Duration::from_secs(1);

/// Where the time comes from: the database, the machine, or a test.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    Machine,
    Manual(Arc<AtomicI64>),
    Database(Arc<Followed>),
}

impl Clock {
    /// The machine's clock.
    pub const fn machine() -> Self {
        Self(Source::Machine)
    }

    /// The database's clock, for as long as the process lives. All processes have the same, so that
    /// leases, sessions and the order of the audit log depend on no other machine's; and between two
    /// answers it runs evenly, however somebody sets the clock of this one.
    pub async fn of_database(db: PgPool) -> sqlx::Result<Self> {
        let followed = Arc::new(Followed::begin());
        followed.ask(&db).await?;
        tokio::spawn(Arc::clone(&followed).follow(db));
        Ok(Self(Source::Database(followed)))
    }

    /// A clock that stands still until it is moved.
    pub fn manual(start: DateTime<Utc>) -> Self {
        Self(Source::Manual(Arc::new(AtomicI64::new(start.timestamp_micros()))))
    }

    /// The time now, in whole microseconds, which is what PostgreSQL keeps.
    pub fn now(&self) -> DateTime<Utc> {
        let micros = match &self.0 {
            Source::Machine => machine(),
            Source::Manual(micros) => micros.load(Ordering::SeqCst),
            Source::Database(followed) => followed.at(Instant::now()),
        };
        DateTime::from_timestamp_micros(micros).expect("the clock is within chrono's range")
    }

    /// The day now, in UTC.
    pub fn today(&self) -> NaiveDate {
        self.now().date_naive()
    }

    /// A new UUIDv7: sorted by the time now.
    pub fn new_id(&self) -> Uuid {
        let now = self.now();
        let seconds = now.timestamp().unsigned_abs();
        Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos()))
    }

    /// By how much the machine's clock is before the database's, if that is the one that counts.
    pub fn machine_ahead(&self) -> Option<TimeDelta> {
        let Source::Database(followed) = &self.0 else { return None };
        Some(TimeDelta::microseconds(machine() - followed.at(Instant::now())))
    }

    /// Moves a manual clock forward; no other can be moved.
    pub fn advance(&self, by: TimeDelta) {
        if let Source::Manual(micros) = &self.0 {
            let by = by.num_microseconds().expect("tests move the clock by less than centuries");
            micros.fetch_add(by, Ordering::SeqCst);
        }
    }
}

/// The machine's clock.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
fn machine() -> i64 {
    Utc::now().timestamp_micros()
}

/// Another's clock, by what it said and how long ago that was.
#[derive(Debug)]
struct Followed {
    begun: Instant,
    /// What time it was when this one began, in microseconds.
    origin: AtomicI64,
}

impl Followed {
    fn begin() -> Self {
        Self { begun: Instant::now(), origin: AtomicI64::new(0) }
    }

    fn at(&self, moment: Instant) -> i64 {
        self.origin.load(Ordering::Relaxed) + micros(moment.saturating_duration_since(self.begun))
    }

    /// It was `said` between two moments. Answers by how much that moved this clock: not at all, if
    /// it may be right already.
    fn learn(&self, asked: Instant, answered: Instant, said: DateTime<Utc>) -> i64 {
        let unsure = answered.saturating_duration_since(asked) / 2;
        let off = said.timestamp_micros() - self.at(asked + unsure);
        if off.abs() <= micros(unsure) {
            return 0;
        }
        self.origin.fetch_add(off, Ordering::Relaxed);
        off
    }

    async fn ask(&self, db: &PgPool) -> sqlx::Result<()> {
        // Waiting for a connection says nothing of the time.
        let mut connection = db.acquire().await?;
        let asked = Instant::now();
        let said = db::time(&mut *connection).await?;
        let (answered, first) = (Instant::now(), self.origin.load(Ordering::Relaxed) == 0);
        if first || answered.saturating_duration_since(asked) <= SLOW {
            let moved = self.learn(asked, answered, said);
            if !first && micros(SLOW) < moved.abs() {
                tracing::warn!(microseconds = moved, "the database's clock was set");
            }
        }
        Ok(())
    }

    /// While the database does not answer, the clock runs on.
    async fn follow(self: Arc<Self>, db: PgPool) {
        while !db.is_closed() {
            sleep(ASKED).await;
            if let Err(error) = self.ask(&db).await {
                tracing::debug!(%error, "the database does not say what time it is");
            }
        }
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_clock_says_counts_as_exactly_as_it_can_be_known() {
        let followed = Followed::begin();
        let after = |millis| followed.begun + Duration::from_millis(millis);
        let said =
            |millis: i64| DateTime::from_timestamp_millis(1_800_000_000_000 + millis).unwrap();
        followed.learn(after(0), after(20), said(10));
        assert_eq!(followed.at(after(1000)), said(1000).timestamp_micros());
        // Within what the way there and back leaves open, it stays.
        assert_eq!(followed.learn(after(2000), after(2100), said(2090)), 0);
        // Beyond, it follows: an hour forward, and back again.
        let hour = 3_600_000;
        assert_eq!(followed.learn(after(3000), after(3000), said(3000 + hour)), 3_600_000_000);
        assert_eq!(followed.at(after(4000)), said(4000 + hour).timestamp_micros());
        assert_eq!(followed.learn(after(5000), after(5000), said(5000)), -3_600_000_000);
        assert_eq!(followed.at(after(6000)), said(6000).timestamp_micros());
    }
}
