//! Predictions for all patients of a list, asked for at once.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    id::{PredictionBatchId, UserId},
    patient::PatientFilter,
};

/// A request for a prediction of every patient whom the list shows under a filter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct NewPredictionBatch {
    /// Which patients; an empty filter is all whom you see.
    pub filter: PatientFilter,
}

/// How far a batch has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub enum PredictionBatchStatus {
    /// Waits for a worker.
    Queued,
    /// Predictions are being asked for and computed.
    Running,
    /// Every prediction is final.
    Completed,
    /// Called off.
    Cancelled,
    /// Given up; `error` says why.
    Failed,
}

impl PredictionBatchStatus {
    /// Whether nothing will change any more.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled | Self::Failed)
    }
}

/// A requested batch. Its counts are of the patients whose records you see now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct PredictionBatch {
    /// The batch's id.
    pub id: PredictionBatchId,
    /// How far it has come.
    pub status: PredictionBatchStatus,
    /// Who asked.
    pub requested_by: UserId,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
    /// When it reached its final status.
    pub completed_at: Option<DateTime<Utc>>,
    /// Which patients.
    pub filter: PatientFilter,
    /// How many patients; `null` until a worker has listed them.
    pub total: Option<i64>,
    /// Predictions that wait for a worker, or are not yet asked for.
    pub queued: i64,
    /// Predictions that a worker has.
    pub running: i64,
    /// Predictions with a result.
    pub succeeded: i64,
    /// Predictions that were given up.
    pub failed: i64,
    /// Predictions that were called off, singly or with the batch.
    pub cancelled: i64,
    /// Patients for whom no prediction was asked for.
    pub refused: i64,
    /// Why not; a patient may have several reasons.
    pub reasons: Vec<PredictionRefusal>,
    /// How much is final, 0 to 1.
    pub progress: f64,
    /// Why it failed; present when it did.
    pub error: Option<String>,
}

/// Why no prediction was asked for, and for how many patients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct PredictionRefusal {
    /// The reason, for a person.
    pub reason: String,
    /// How many patients it holds for.
    pub patients: i64,
}
