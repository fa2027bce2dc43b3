//! What every handler shares.

use std::sync::Arc;

use model::predictor::Predictor;
use sqlx::PgPool;

use crate::{
    auth::{password::Hasher, token::Keys},
    clock::Clock,
    jobs::events::PredictionEvents,
    limits::Limits,
};

/// The state of the API server: handles that are cheap to clone. Settings are in the database.
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
}
