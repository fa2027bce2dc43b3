//! Predictions: ask, follow, call off, look back, ask what if.

use shared::{
    id::{PatientId, PredictionId},
    page::Page,
    prediction::{NewPrediction, Prediction, PredictionInputs, PredictionResult},
};

use super::{Call, Result, query, request, stream};

/// Asks for a prediction; answers the open one if there is one.
pub async fn create(patient: PatientId) -> Result<Prediction> {
    request(Call::create(format!("/patients/{patient}/predictions"), &NewPrediction {})).await
}

/// One page of a patient's predictions, latest first.
pub async fn list(patient: PatientId, cursor: &str) -> Result<Page<Prediction>> {
    let parameters = query(&[("cursor", cursor)]);
    request(Call::get(format!("/patients/{patient}/predictions{parameters}"))).await
}

/// One prediction.
pub async fn read(id: PredictionId) -> Result<Prediction> {
    request(Call::get(format!("/predictions/{id}"))).await
}

/// Calls off a prediction that has not ended.
pub async fn cancel(id: PredictionId) -> Result<Prediction> {
    request(Call::post(format!("/predictions/{id}/cancel"))).await
}

/// The answer for given inputs; nothing is stored.
pub async fn preview(inputs: &PredictionInputs) -> Result<PredictionResult> {
    request(Call::post("/predictions/preview").json(inputs)).await
}

/// Follows a prediction to its end, calling `on_change` with every state on the way, the last
/// included. Dropping the future closes the connection.
pub async fn events(id: PredictionId, on_change: impl FnMut(&Prediction)) -> Result<Prediction> {
    let ended = |prediction: &Prediction| prediction.status.is_final();
    stream::to_the_end(&format!("/predictions/{id}"), ended, on_change).await
}
