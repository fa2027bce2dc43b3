//! Predictions for a whole list: ask, follow, call off.

use shared::{
    id::PredictionBatchId,
    patient::PatientFilter,
    prediction_batch::{NewPredictionBatch, PredictionBatch},
};

use super::{Call, Result, request, stream};

/// Asks for a prediction of everybody whom the list shows under a filter.
pub async fn create(filter: PatientFilter) -> Result<PredictionBatch> {
    request(Call::create("/prediction-batches", &NewPredictionBatch { filter })).await
}

/// Calls a batch off.
pub async fn cancel(id: PredictionBatchId) -> Result<PredictionBatch> {
    request(Call::post(format!("/prediction-batches/{id}/cancel"))).await
}

/// Follows a batch to its end, calling `on_change` with every state on the way, the last included.
/// Dropping the future closes the connection.
pub async fn events(
    id: PredictionBatchId,
    on_change: impl FnMut(&PredictionBatch),
) -> Result<PredictionBatch> {
    let ended = |batch: &PredictionBatch| batch.status.is_final();
    stream::to_the_end(&format!("/prediction-batches/{id}"), ended, on_change).await
}
