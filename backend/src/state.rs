//! What every handler shares.

use std::{ops::Deref, sync::Arc};

use sqlx::{PgPool, PgTransaction};

use crate::{
    audit::checkpoint::TrustedKeys,
    auth::{Caller, password::Hasher, token::Keys, vault::Vault},
    clock::Clock,
    dashboards::KeptCounts,
    db,
    db::{
        audit::{Event, Look},
        walls::Reading,
    },
    documents::Documents,
    error::{Error, Result},
    jobs::{at_once::AtOnce, events::PredictionEvents},
    limits::Limits,
    metrics::Metrics,
    models::{Release, Releases},
    replica::Reads,
    together::Together,
};

/// The state of the API server. Each layer of a request's way clones it: one count, not one a handle.
#[derive(Clone)]
pub struct AppState(Arc<Parts>);

impl Deref for AppState {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl From<Parts> for AppState {
    fn from(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

/// What it holds: handles that are cheap to clone. Settings are in the database.
#[derive(Clone)]
pub struct Parts {
    /// The database.
    pub db: PgPool,
    /// What may be read from a copy of it.
    pub reads: Reads,
    /// The time.
    pub clock: Clock,
    /// The keys that sign access tokens.
    pub keys: Arc<Keys>,
    /// The keys whose signatures on the audit log count.
    pub audit_keys: Arc<TrustedKeys>,
    /// What callers ask of the database together.
    pub together: Together,
    /// What seals the secrets of second factors.
    pub vault: Arc<Vault>,
    /// Password hashing, bounded.
    pub hasher: Hasher,
    /// The content of documents.
    pub documents: Documents,
    /// The released networks.
    pub releases: Arc<Releases>,
    /// News of predictions whose status changed.
    pub events: PredictionEvents,
    /// What answers predictions as they are asked for, if this process does.
    pub at_once: AtOnce,
    /// The dashboard's counts over everybody.
    pub dashboards: Arc<KeptCounts>,
    /// How often callers may ask.
    pub limits: Arc<Limits>,
    /// What this process counts.
    pub metrics: Metrics,
}

impl AppState {
    /// The same but for these parts.
    #[must_use]
    pub fn with(&self, change: impl FnOnce(&mut Parts)) -> Self {
        let mut parts = Parts::clone(&self.0);
        change(&mut parts);
        parts.into()
    }

    /// The transaction in which a handler does what a caller asked for: it sees no more of the
    /// records than the caller may, even where a query forgets to say so.
    pub async fn begin(&self, caller: &Caller) -> Result<PgTransaction<'static>> {
        let begun = db::walls::begin(&self.db, caller.sight(), self.clock.now());
        // Boxed: it is large, and would be a part of every handler's future.
        Ok(Box::pin(begun).await?)
    }

    /// The same for a handler that only looks.
    pub async fn reading(&self, caller: &Caller) -> Result<Reading> {
        let begun = Reading::begin(&self.db, caller.sight(), self.clock.now());
        // Boxed, as above.
        Ok(Box::pin(begun).await?)
    }

    /// Puts a caller's look on record, for good, before it is answered: after the transaction in
    /// which they looked has ended, as whoever waits may hold no connection.
    pub async fn record_look(&self, caller: &Caller, event: Event) -> Result<()> {
        let (actor, at) = (caller.actor(), self.clock.now());
        self.together.looks.ask(Look { actor, event, at }).await
    }

    /// A transaction of a handler that must look beyond what its caller sees, and itself decides
    /// what of it is answered. The tests name the few files that may.
    pub async fn begin_beyond(&self, caller: &Caller) -> Result<PgTransaction<'static>> {
        tracing::debug!(sight = ?caller.sight(), "a handler looks beyond its caller's sight");
        Ok(db::begin(&self.db).await?)
    }

    /// The network that answers now; this process may not have it while releases are rolled out.
    pub async fn active_release(&self) -> Result<Arc<Release>> {
        let roles = db::models::roles(&self.db).await?;
        self.releases.active(&roles).map_err(Error::Unavailable)
    }
}
