//! How often a caller may ask, and how often a sign-in may fail.
//!
//! Counted in this process: two servers allow twice as much. The counts are small and bounded, and
//! a restart forgets them; what must outlast a restart is the database's business.
//!
//! The method is the generic cell rate algorithm: for each key one moment, the one at which its
//! allowance is whole again. The time is an argument, so that tests can move it; a sign-in that
//! succeeds gives its place back, which ready-made limiters cannot.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    net::IpAddr,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use axum::{
    extract::{Request, State},
    http::{Extensions, HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, TimeDelta, Utc};
use shared::id::{TokenId, UserId};

use crate::{
    auth,
    error::{Error, Result},
    state::AppState,
};

/// Allowances are per minute.
const WINDOW: Duration = Duration::from_mins(1);
/// How many keys one limit remembers at most; beyond that, new ones share an allowance.
const MOST_KEYS: usize = 100_000;
/// How often keys are forgotten while there are as many.
const SWEEP: Duration = Duration::from_secs(1);
/// The shared allowance's key.
const THE_REST: u64 = 0;

static RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
static RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// How many requests a minute.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// Sign-ins that fail, of one account from one address.
    pub sign_in: u32,
    /// Requests of one account.
    pub account: u32,
    /// Requests with one API token.
    pub token: u32,
    /// Requests from one address, whoever sends them.
    pub address: u32,
}

impl Default for Rates {
    fn default() -> Self {
        Self { sign_in: 5, account: 600, token: 600, address: 6000 }
    }
}

impl Rates {
    /// So many that no test and no demonstration meets them, except for guessing passwords.
    pub const DEMO: Self = Self { sign_in: 5, account: 60_000, token: 60_000, address: 600_000 };
}

/// The limits of this process.
#[derive(Debug)]
pub struct Limits {
    sign_in: Limit,
    sign_in_address: Limit,
    account: Limit,
    token: Limit,
    address: Limit,
}

impl Limits {
    /// Limits with nothing counted yet.
    pub fn new(rates: Rates) -> Self {
        Self {
            sign_in: Limit::new("sign-in", rates.sign_in),
            // A clinic behind one address signs in at eight o'clock.
            sign_in_address: Limit::new("sign-in-address", rates.sign_in.saturating_mul(10)),
            account: Limit::new("account", rates.account),
            token: Limit::new("token", rates.token),
            address: Limit::new("address", rates.address),
        }
    }

    /// Takes a place for a request of an account.
    pub fn account(&self, id: UserId, now: DateTime<Utc>) -> Standing {
        self.account.take(key(&id), now)
    }

    /// Takes a place for a request with an API token.
    pub fn token(&self, id: TokenId, now: DateTime<Utc>) -> Standing {
        self.token.take(key(&id), now)
    }

    /// Takes a place for an attempt to sign in. It is kept if the attempt fails.
    pub fn sign_in(&self, email: &str, address: Option<&str>, now: DateTime<Utc>) -> Attempt<'_> {
        let pair = key(&(email.trim().to_lowercase(), network(address)));
        let address = key(&network(address));
        let standing = self.sign_in.take(pair, now);
        let by_address = self.sign_in_address.take(address, now);
        let standing = if by_address.wait.is_some() { by_address } else { standing };
        Attempt { limits: self, pair, address, standing }
    }
}

/// An attempt to sign in that has taken its place.
#[derive(Debug)]
pub struct Attempt<'a> {
    limits: &'a Limits,
    pair: u64,
    address: u64,
    standing: Standing,
}

impl Attempt<'_> {
    /// How the allowance stands.
    pub const fn standing(&self) -> Standing {
        self.standing
    }

    /// The person knew the password: what they used comes back.
    pub fn succeeded(self) {
        self.limits.sign_in.give_back(self.pair);
        self.limits.sign_in_address.give_back(self.address);
    }
}

/// How an allowance stands after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    policy: &'static str,
    quota: u32,
    remaining: u32,
    /// Until the allowance is whole again.
    reset: TimeDelta,
    /// When the request is one too many: until the next one is let through.
    wait: Option<TimeDelta>,
}

impl Standing {
    /// Refuses the request that is one too many.
    pub fn check(self) -> Result<()> {
        match self.wait {
            Some(wait) => Err(Error::TooManyRequests(seconds(wait).max(1))),
            None => Ok(()),
        }
    }

    /// As the fields of the IETF's draft (draft-ietf-httpapi-ratelimit-headers).
    fn write(self, headers: &mut HeaderMap) {
        let Self { policy, quota, remaining, reset, .. } = self;
        let window = WINDOW.as_secs();
        let value = |text: String| {
            HeaderValue::try_from(text).expect("a name and numbers are a header's value")
        };
        headers.insert(&RATE_LIMIT_POLICY, value(format!("\"{policy}\";q={quota};w={window}")));
        let reset = seconds(reset);
        headers.insert(&RATE_LIMIT, value(format!("\"{policy}\";r={remaining};t={reset}")));
    }
}

fn seconds(time: TimeDelta) -> u32 {
    let whole = (time.num_milliseconds() + 999) / 1000;
    u32::try_from(whole).unwrap_or_default()
}

/// One limit: so many a minute for each key.
#[derive(Debug)]
struct Limit {
    policy: &'static str,
    quota: u32,
    keys: Mutex<Keys>,
}

/// The callers of the last minute.
#[derive(Debug, Default)]
struct Keys {
    /// When each key's allowance is whole again, in microseconds.
    whole_at: HashMap<u64, i64>,
    /// Not before this moment those whose allowance is whole are looked for again.
    sweep_at: i64,
}

impl Limit {
    fn new(policy: &'static str, quota: u32) -> Self {
        Self { policy, quota: quota.max(1), keys: Mutex::default() }
    }

    fn interval(&self) -> i64 {
        // Whoever allows more than one a microsecond has no limit in mind.
        (WINDOW.as_micros() as i64 / i64::from(self.quota)).max(1)
    }

    fn take(&self, key: u64, now: DateTime<Utc>) -> Standing {
        let (now, interval) = (now.timestamp_micros(), self.interval());
        let most = interval * i64::from(self.quota);
        let mut keys = self.keys.lock().expect("no holder of the lock panics");
        let Keys { whole_at, sweep_at } = &mut *keys;
        // Everybody waits while all keys are looked at: a flood of new ones must not ask for it each time.
        if MOST_KEYS <= whole_at.len() && *sweep_at <= now {
            whole_at.retain(|_, moment| now < *moment);
            *sweep_at = now + SWEEP.as_micros() as i64;
        }
        let key =
            if whole_at.contains_key(&key) || whole_at.len() < MOST_KEYS { key } else { THE_REST };
        let entry = whole_at.entry(key).or_insert(now);
        let used = (*entry - now).max(0) + interval;
        let wait = (most < used).then(|| used - most);
        let used = if wait.is_some() { used - interval } else { used };
        *entry = now + used;
        drop(keys);
        Standing {
            policy: self.policy,
            quota: self.quota,
            remaining: u32::try_from((most - used) / interval).unwrap_or_default(),
            reset: TimeDelta::microseconds(used),
            wait: wait.map(TimeDelta::microseconds),
        }
    }

    fn give_back(&self, key: u64) {
        let whole_at = &mut self.keys.lock().expect("no holder of the lock panics").whole_at;
        let key = if whole_at.contains_key(&key) { key } else { THE_REST };
        if let Some(moment) = whole_at.get_mut(&key) {
            *moment -= self.interval();
        }
    }
}

/// Keys are hashes with this process's own seed: of one size, whatever was sent.
fn key(of: &impl Hash) -> u64 {
    static SEED: OnceLock<RandomState> = OnceLock::new();
    SEED.get_or_init(RandomState::new).hash_one(of).max(1)
}

/// The address, or for IPv6 its network of 64 bits, which is one household's or one machine's.
fn network(address: Option<&str>) -> Option<IpAddr> {
    match address?.parse().ok()? {
        IpAddr::V6(address) => Some(IpAddr::V6((address.to_bits() & !0 << 64).into())),
        address @ IpAddr::V4(_) => Some(address),
    }
}

/// Where whoever counts a request leaves how its allowance stands, for the answer's headers.
#[derive(Clone, Debug, Default)]
pub struct Note(Arc<Mutex<Option<Standing>>>);

/// Notes how a request's allowance stands, and refuses the request that is one too many.
pub fn note(extensions: &Extensions, standing: Standing) -> Result<()> {
    if let Some(note) = extensions.get::<Note>() {
        *note.0.lock().expect("no holder of the lock panics") = Some(standing);
    }
    standing.check()
}

/// Counts every request for its address, and says in the answer's headers how the allowance that
/// counted last stands.
pub async fn guard(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let now = state.clock.now();
    let address = auth::address(request.headers());
    let standing = state.limits.address.take(key(&network(address.as_deref())), now);
    let noted = Note::default();
    let mut response = match note_in(&noted, standing) {
        Ok(()) => {
            request.extensions_mut().insert(noted.clone());
            next.run(request).await
        }
        Err(error) => error.into_response(),
    };
    let standing = *noted.0.lock().expect("no holder of the lock panics");
    if let Some(standing) = standing {
        standing.write(response.headers_mut());
    }
    response
}

fn note_in(noted: &Note, standing: Standing) -> Result<()> {
    *noted.0.lock().expect("no holder of the lock panics") = Some(standing);
    standing.check()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_800_000_000_000 + milliseconds).unwrap()
    }

    #[test]
    fn so_many_at_once_then_one_at_a_time() {
        let limit = Limit::new("test", 5);
        for remaining in (0..5).rev() {
            let standing = limit.take(1, at(0));
            assert_eq!((standing.wait, standing.remaining), (None, remaining));
        }
        let refused = limit.take(1, at(0));
        assert_eq!(refused.wait, Some(TimeDelta::seconds(12)));
        assert_eq!(refused.reset, TimeDelta::seconds(60));
        assert!(matches!(refused.check(), Err(Error::TooManyRequests(12))));
        assert_eq!(limit.take(2, at(0)).wait, None, "another key has its own allowance");
        assert_eq!(limit.take(1, at(12_000)).wait, None);
        assert!(limit.take(1, at(12_001)).wait.is_some());
        // Refused ones cost nothing: a minute later everything is there again.
        assert_eq!(limit.take(1, at(72_000)).remaining, 4);
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let limit = Limit::new("test", 2);
        for _ in 0..10 {
            assert_eq!(limit.take(1, at(0)).wait, None);
            limit.give_back(1);
        }
    }

    #[test]
    fn a_flood_of_keys_takes_no_memory_and_locks_nobody_known_out() {
        let limit = Limit::new("test", 3);
        assert_eq!(limit.take(7, at(0)).wait, None);
        for key in 0..200_000 {
            limit.take(1_000 + key, at(0));
        }
        assert!(limit.keys.lock().unwrap().whole_at.len() <= MOST_KEYS + 1);
        assert_eq!(limit.take(7, at(0)).wait, None);
        assert_eq!(limit.take(1, at(61_000)).wait, None, "a minute later they are forgotten");
        assert_eq!(limit.keys.lock().unwrap().whole_at.len(), 1);
    }

    #[test]
    fn a_flood_of_keys_does_not_make_everybody_wait_while_it_is_looked_through() {
        let limit = Limit::new("test", 3);
        for key in 0..MOST_KEYS as u64 {
            limit.take(1_000 + key, at(0));
        }
        let kept = || limit.keys.lock().unwrap().whole_at.len();
        // They are whole again after 20 seconds, but were looked through half a second before.
        for moment in [19_500, 20_400] {
            limit.take(7, at(moment));
            assert!(MOST_KEYS <= kept());
        }
        limit.take(7, at(20_600));
        assert_eq!(kept(), 2, "the new one, and what the others shared");
    }

    #[test]
    fn an_account_is_limited_from_one_address_and_not_from_others() {
        let limits = Limits::new(Rates::default());
        let attempt = |email: &str, address: &str| {
            limits.sign_in(email, Some(address), at(0)).standing().check().is_ok()
        };
        for _ in 0..5 {
            assert!(attempt("ada@example.org", "192.0.2.1"));
        }
        assert!(!attempt(" Ada@Example.org", "192.0.2.1"), "written otherwise, still the same");
        assert!(attempt("ada@example.org", "192.0.2.2"));
        assert!(attempt("bea@example.org", "192.0.2.1"));
        assert!(attempt("ada@example.org", "2001:db8::1"));
    }

    #[test]
    fn one_address_cannot_try_many_accounts() {
        let limits = Limits::new(Rates::default());
        let tried = (0..100).filter(|account| {
            let email = format!("{account}@example.org");
            // Addresses of one IPv6 network are one.
            let address = format!("2001:db8::{account}");
            limits.sign_in(&email, Some(&address), at(0)).standing().check().is_ok()
        });
        assert_eq!(tried.count(), 50);
    }

    #[test]
    fn the_headers_are_those_of_the_draft() {
        let mut headers = HeaderMap::new();
        Limit::new("account", 600).take(1, at(0)).write(&mut headers);
        assert_eq!(headers["ratelimit-policy"], "\"account\";q=600;w=60");
        assert_eq!(headers["ratelimit"], "\"account\";r=599;t=1");
    }
}
