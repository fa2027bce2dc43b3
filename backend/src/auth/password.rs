//! Passwords: argon2id, off the async threads, a bounded number at a time. What was typed is wiped
//! from memory when the work is done.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use anyhow::{Context, anyhow};
use argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordHasher as _, PasswordVerifier as _, Version,
    password_hash::SaltString,
};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::{
    auth::password_rules::{fault, normalised},
    error::{Error, Result},
};

/// Memory in KiB, passes and lanes: OWASP's first recommendation for argon2id.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// How many hashes may run, and how many may wait, before a sign-in is told to come back: a
/// flood of them takes neither the memory nor the cores.
const RUNNING: usize = 2;
const WAITING: usize = 64;

/// Hashes and checks passwords.
#[derive(Clone, Debug)]
pub struct Hasher {
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// How many hashes were computed.
    computed: Arc<AtomicU64>,
    /// The hash of a random password, checked when there is no account: the answer takes the
    /// same time.
    decoy: Arc<str>,
}

impl Hasher {
    /// A hasher with its own bounds.
    pub fn new() -> anyhow::Result<Self> {
        let mut nobody_knows = [0_u8; 32];
        getrandom::fill(&mut nobody_knows).expect("the system gives random bits");
        Ok(Self {
            running: Arc::new(Semaphore::new(RUNNING)),
            waiting: Arc::new(Semaphore::new(WAITING)),
            computed: Arc::default(),
            decoy: hash(&nobody_knows)?.into(),
        })
    }

    /// The hash of a password that somebody chose, if it is good enough; `about` are words that
    /// belong to the account.
    pub async fn hash_new(
        &self,
        pointer: &'static str,
        password: impl Into<Zeroizing<String>>,
        about: Vec<String>,
    ) -> Result<String> {
        let password = password.into();
        let hashed = self.work(move || {
            let password = normalised(&password);
            match fault(&password, &about) {
                Some(fault) => Ok(Err(fault)),
                None => hash(password.as_bytes()).map(Ok),
            }
        });
        hashed.await?.map_err(|fault| Error::field(pointer, fault))
    }

    /// Whether the password belongs to the hash in PHC format; without a hash, never, in the same
    /// time.
    pub async fn verify(
        &self,
        password: impl Into<Zeroizing<String>>,
        phc: Option<String>,
    ) -> Result<bool> {
        let (password, known) = (password.into(), phc.is_some());
        let phc = phc.unwrap_or_else(|| self.decoy.to_string());
        let matches = self.work(move || verify(normalised(&password).as_bytes(), &phc)).await?;
        Ok(matches && known)
    }

    /// The password's hash in PHC format.
    pub async fn hash(&self, password: impl Into<Zeroizing<String>>) -> Result<String> {
        let password = password.into();
        self.work(move || hash(normalised(&password).as_bytes())).await
    }

    /// How many hashes this process has computed: the same for a wrong password as for an account
    /// that does not exist.
    pub fn computed(&self) -> u64 {
        self.computed.load(Ordering::Relaxed)
    }

    async fn work<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce() -> anyhow::Result<T> + Send + 'static,
    {
        let busy = |_| Error::Unavailable(anyhow!("too many sign-ins wait"));
        let _place = self.waiting.try_acquire().map_err(busy)?;
        let _turn = self.running.acquire().await.context("the semaphore is never closed")?;
        self.computed.fetch_add(1, Ordering::Relaxed);
        let done = tokio::task::spawn_blocking(work).await.context("hashing panicked")?;
        Ok(done?)
    }
}

/// The password's argon2id hash in PHC format, on this thread.
pub fn hash(password: &[u8]) -> anyhow::Result<String> {
    let mut salt = [0_u8; 16];
    getrandom::fill(&mut salt).expect("the system gives random bits");
    let salt = SaltString::encode_b64(&salt).map_err(|error| anyhow!("salt: {error}"))?;
    let hash = argon2id()?
        .hash_password(password, &salt)
        .map_err(|error| anyhow!("hashing a password: {error}"))?;
    Ok(hash.to_string())
}

fn verify(password: &[u8], phc: &str) -> anyhow::Result<bool> {
    let parsed = PasswordHash::new(phc).map_err(|error| anyhow!("a stored hash: {error}"))?;
    Ok(argon2id()?.verify_password(password, &parsed).is_ok())
}

/// Whether a hash was made with less than what is used now.
pub fn is_outdated(phc: &str) -> bool {
    let Ok(parsed) = PasswordHash::new(phc) else { return false };
    let Ok(params) = Params::try_from(&parsed) else { return true };
    parsed.algorithm != Algorithm::Argon2id.ident()
        || params.m_cost() < MEMORY_KIB
        || params.t_cost() < PASSES
}

fn argon2id() -> anyhow::Result<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)
        .map_err(|error| anyhow!("argon2 parameters: {error}"))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}
