//! Released networks: cards, which one answers, the shadow, the drift.

use shared::{
    model::{ModelCard, ModelComparison, ModelDrift, ModelSummary},
    page::Items,
};

use super::{Call, Result, query, request};

fn path(version: &str, rest: &str) -> String {
    format!("/models/{}{rest}", String::from(js_sys::encode_uri_component(version)))
}

/// Every release.
pub async fn list() -> Result<Items<ModelSummary>> {
    request(Call::get("/models")).await
}

/// A release's card.
pub async fn card(version: &str) -> Result<ModelCard> {
    request(Call::get(path(version, ""))).await
}

/// Makes a release the one that answers.
pub async fn activate(version: &str) -> Result<ModelSummary> {
    request(Call::post(path(version, "/activate"))).await
}

/// Runs a release unseen beside the active one.
pub async fn set_shadow(version: &str) -> Result<ModelSummary> {
    request(Call::post(path(version, "/shadow"))).await
}

/// Runs a release unseen no longer.
pub async fn clear_shadow(version: &str) -> Result<()> {
    request(Call::delete(path(version, "/shadow"))).await
}

/// What a shadow said beside what the active release showed, over the last 90 days.
pub async fn compare(version: &str) -> Result<ModelComparison> {
    request(Call::get(path(version, "/comparison"))).await
}

/// The drift of a release's inputs over so many weeks.
pub async fn drift(version: &str, weeks: u32) -> Result<ModelDrift> {
    let parameters = query(&[("weeks", &weeks.to_string())]);
    request(Call::get(path(version, &format!("/drift{parameters}")))).await
}
