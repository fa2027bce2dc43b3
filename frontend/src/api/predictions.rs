//! Predictions: ask, follow, call off, look back, ask what if.

use gloo_timers::future::TimeoutFuture;
use shared::{
    id::{PatientId, PredictionId},
    page::Page,
    prediction::{NewPrediction, Prediction, PredictionInputs, PredictionResult},
    problem::{Problem, ProblemKind},
};

use super::{Call, Result, query, request, stream::Events};

/// How often a stream that breaks is opened again before giving up.
const RECONNECTS: u32 = 5;

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
pub async fn events(
    id: PredictionId,
    mut on_change: impl FnMut(&Prediction),
) -> Result<Prediction> {
    for attempt in 1..=RECONNECTS {
        match follow(id, &mut on_change).await {
            Ok(Some(ended)) => return Ok(ended),
            Err(problem) if !passes(problem.kind) => return Err(problem),
            // The server ended the stream before the prediction did, or the network broke it.
            Ok(None) | Err(_) => TimeoutFuture::new(200 * attempt).await,
        }
    }
    let last = read(id).await?;
    on_change(&last);
    if last.status.is_final() { Ok(last) } else { Err(still_open()) }
}

/// Reads one connection's events; `None` if it ends before the prediction does.
async fn follow(
    id: PredictionId,
    on_change: &mut impl FnMut(&Prediction),
) -> Result<Option<Prediction>> {
    let mut events = Events::open(&format!("/predictions/{id}/events")).await?;
    while let Some(data) = events.next().await? {
        // An event of another kind (a hint, a heartbeat) is not a prediction: not for us.
        let Ok(prediction) = serde_json::from_str::<Prediction>(&data) else { continue };
        on_change(&prediction);
        if prediction.status.is_final() {
            return Ok(Some(prediction));
        }
    }
    Ok(None)
}

const fn passes(kind: ProblemKind) -> bool {
    matches!(kind, ProblemKind::Unreachable | ProblemKind::Unavailable)
}

fn still_open() -> Problem {
    Problem {
        detail: Some(
            "The prediction is not ready yet. It goes on on the server: look again in a moment."
                .to_owned(),
        ),
        ..Problem::new(ProblemKind::Unavailable)
    }
}
