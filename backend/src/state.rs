//! What every handler shares.

use std::sync::Arc;

use chrono::TimeDelta;
use model::predictor::Predictor;
use shared::prediction::KfreRegion;
use sqlx::PgPool;

use crate::{
    auth::{password::Hasher, token::Keys},
    clock::Clock,
    jobs::events::PredictionEvents,
    limits::Limits,
};

/// The state of the API server: handles that are cheap to clone, and settings.
#[derive(Clone)]
pub struct AppState {
    /// The database.
    pub db: PgPool,
    /// The time.
    pub clock: Clock,
    /// The keys that sign access tokens.
    pub keys: Arc<Keys>,
    /// Password hashing, bounded.
    pub hasher: Hasher,
    /// The network.
    pub predictor: Arc<Predictor>,
    /// News of predictions whose status changed.
    pub events: PredictionEvents,
    /// How often callers may ask.
    pub limits: Arc<Limits>,
    /// Settings.
    pub settings: Arc<Settings>,
}

/// Settings that handlers read.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Time without use after which a session ends.
    pub session_idle: TimeDelta,
    /// Time after which a session ends whatever happens.
    pub session_limit: TimeDelta,
    /// Which baseline KFRE uses.
    pub kfre_region: KfreRegion,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            session_idle: TimeDelta::minutes(30),
            session_limit: TimeDelta::hours(12),
            kfre_region: KfreRegion::NorthAmerica,
        }
    }
}
