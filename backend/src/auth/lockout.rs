//! Growing delays after failed sign-ins: enough to make guessing hopeless, never enough for a
//! stranger to keep somebody out for long.
//!
//! Attempts are counted before they are checked, so that a thousand at once are a thousand, and
//! taken back when they succeed. An account that does not exist is counted like one that does.

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;

use crate::{
    accounts, db,
    error::{Error, Result},
};

/// After so long without a failure the count begins anew.
pub const MEMORY: TimeDelta = TimeDelta::hours(24);
/// Whoever signed in from an address within this time is known there.
const ACQUAINTANCE: TimeDelta = TimeDelta::days(30);
/// Guesses from everywhere together.
const ANYWHERE: &str = "anywhere";
/// What stands for all accounts where the guesses from one address are counted.
const ANYBODY: &str = "anybody";

/// How many failures are free, and how the delay grows after them.
#[derive(Clone, Copy, Debug)]
struct Rule {
    free: i32,
    first: TimeDelta,
    longest: TimeDelta,
}

/// For one account from one address, and for one session that is asked for its password again.
const ONE_PLACE: Rule =
    Rule { free: 5, first: TimeDelta::seconds(30), longest: TimeDelta::minutes(15) };
/// For one account from everywhere: softer, because strangers can cause it. It does not bind
/// those who signed in from the same address lately.
const EVERYWHERE: Rule =
    Rule { free: 50, first: TimeDelta::seconds(15), longest: TimeDelta::minutes(2) };

/// For all accounts together from one address: many sit behind one address of a hospital, so it is
/// far softer for each of them, but one password cannot be tried on account after account.
const FROM_ONE_ADDRESS: Rule =
    Rule { free: 100, first: TimeDelta::seconds(15), longest: TimeDelta::minutes(2) };

impl Rule {
    /// The delay after so many failures, this one included.
    fn delay(self, failures: i32) -> Option<TimeDelta> {
        let beyond = u32::try_from(failures.checked_sub(self.free)?).ok()?;
        let doubled = 1_i32.checked_shl(beyond.min(20)).unwrap_or(i32::MAX);
        Some(self.first.checked_mul(doubled).map_or(self.longest, |delay| delay.min(self.longest)))
    }
}

/// An attempt to prove who one is, counted until it succeeds.
#[derive(Clone, Debug)]
pub struct Attempt {
    account: [u8; 32],
    place: String,
    counts_everywhere: bool,
}

impl Attempt {
    /// An attempt to sign in; refused while a delay lasts.
    pub async fn to_sign_in(
        db: &mut PgConnection,
        email: &str,
        address: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Self> {
        let place = address.unwrap_or("unknown").to_owned();
        let is_known = is_known(db, email, address, now).await?;
        let attempt = Self { account: account(email), place, counts_everywhere: !is_known };
        count(db, &attempt.account, &attempt.place, ONE_PLACE, now).await?;
        if attempt.counts_everywhere {
            count(db, &attempt.account, ANYWHERE, EVERYWHERE, now).await?;
            count(db, &account(ANYBODY), &attempt.place, FROM_ONE_ADDRESS, now).await?;
        }
        Ok(attempt)
    }

    /// An attempt to prove it again, in a session or at another place that strangers do not reach.
    pub async fn at(
        db: &mut PgConnection,
        email: &str,
        place: String,
        now: DateTime<Utc>,
    ) -> Result<Self> {
        let attempt = Self { account: account(email), place, counts_everywhere: false };
        count(db, &attempt.account, &attempt.place, ONE_PLACE, now).await?;
        Ok(attempt)
    }

    /// Refuses whoever has to wait at a place, and counts nothing.
    pub async fn admit(
        db: &mut PgConnection,
        email: &str,
        place: &str,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let until = db::sign_in_delays::blocked_until(db, &account(email), place).await?;
        match until.filter(|until| now < *until) {
            Some(until) => Err(wait(until, now)),
            None => Ok(()),
        }
    }

    /// It was who they said: the attempt counts no more, nor do the failures at this place.
    pub async fn succeeded(&self, db: &mut PgConnection) -> Result<()> {
        db::sign_in_delays::forget(&mut *db, &self.account, &self.place).await?;
        if self.counts_everywhere {
            db::sign_in_delays::take_back(&mut *db, &self.account, ANYWHERE).await?;
            db::sign_in_delays::take_back(db, &account(ANYBODY), &self.place).await?;
        }
        Ok(())
    }

    /// It was right: the attempt counts no more, but the failures before it do.
    pub async fn taken_back(&self, db: &mut PgConnection) -> Result<()> {
        Ok(db::sign_in_delays::take_back(db, &self.account, &self.place).await?)
    }
}

async fn count(
    db: &mut PgConnection,
    account: &[u8; 32],
    place: &str,
    rule: Rule,
    now: DateTime<Utc>,
) -> Result<()> {
    let forget = now - MEMORY;
    let counted = db::sign_in_delays::count(&mut *db, account, place, now, forget).await?;
    let Some(failures) = counted else {
        let until = db::sign_in_delays::blocked_until(db, account, place).await?;
        return Err(wait(until.unwrap_or(now), now));
    };
    if let Some(delay) = rule.delay(failures) {
        db::sign_in_delays::block(db, account, place, now + delay).await?;
    }
    Ok(())
}

fn wait(until: DateTime<Utc>, now: DateTime<Utc>) -> Error {
    let seconds = (until - now).num_seconds() + 1;
    Error::TooManyRequests(u32::try_from(seconds).unwrap_or(1))
}

/// Somebody has signed in after a second step: the first step's attempt counts no more either.
/// Whether it counted everywhere is asked again: nothing has changed that since.
pub async fn signed_in(
    db: &mut PgConnection,
    email: &str,
    address: Option<&str>,
    now: DateTime<Utc>,
) -> Result<()> {
    let counts_everywhere = !is_known(db, email, address, now).await?;
    let place = address.unwrap_or("unknown").to_owned();
    Attempt { account: account(email), place, counts_everywhere }.succeeded(db).await
}

/// Whether somebody signed in to the account from this address lately.
async fn is_known(
    db: &mut PgConnection,
    email: &str,
    address: Option<&str>,
    now: DateTime<Utc>,
) -> Result<bool> {
    let Some(address) = address else { return Ok(false) };
    Ok(db::sessions::has_begun_at(db, email, address, now - ACQUAINTANCE).await?)
}

/// Ends every delay of an account.
pub async fn unlock(db: &mut PgConnection, email: &str) -> Result<()> {
    Ok(db::sign_in_delays::forget_all(db, &account(email)).await?)
}

/// What stands for an account in the table of delays.
fn account(email: &str) -> [u8; 32] {
    Sha256::digest(accounts::address(email).as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_begin_late_double_and_end_growing() {
        let seconds: Vec<_> = (3..=12)
            .map(|failures| ONE_PLACE.delay(failures).map(|delay| delay.num_seconds()))
            .collect();
        let expected = [None, None]
            .into_iter()
            .chain([30, 60, 120, 240, 480, 900, 900, 900].map(Some))
            .collect::<Vec<_>>();
        assert_eq!(seconds, expected);
        assert_eq!(ONE_PLACE.delay(i32::MAX), Some(TimeDelta::minutes(15)));
        assert_eq!(EVERYWHERE.delay(49), None);
        assert_eq!(EVERYWHERE.delay(500), Some(TimeDelta::minutes(2)));
    }
}
