//! Released networks: the list, the cards, which one answers, which one runs unseen, drift.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::json;
use shared::{
    model::{ModelCard, ModelComparison, ModelDrift, ModelSummary},
    page::Items,
    phrase, sentence,
};
use utoipa::IntoParams;

use crate::{
    auth::{Allowed, ManageModels, ReadModels},
    db::{self, audit::Event, models::ModelRole},
    drift,
    error::{Error, Result},
    extract::{Json, Path, Query},
    input::Faults,
    models::Release,
    openapi::Problems,
    state::AppState,
};

/// The most weeks of drift: a year.
const MOST_WEEKS: u32 = 53;
/// Weeks of drift when the caller does not say.
const WEEKS: u32 = 12;
/// Days that a comparison looks back when the caller does not say.
const COMPARED_DAYS: i64 = 90;

/// List the released networks.
#[utoipa::path(get, path = "/api/v1/models", tag = "models", security(("bearer" = [])),
    responses((status = 200, description = "All releases", body = Items<ModelSummary>), Problems))]
pub async fn list_models(
    _: Allowed<ReadModels>,
    State(state): State<AppState>,
) -> Result<Json<Items<ModelSummary>>> {
    let roles = db::models::roles(&state.db).await?;
    Ok(Json(Items { items: state.releases.summaries(&roles) }))
}

/// Read a released network's card.
#[utoipa::path(get, path = "/api/v1/models/{version}", tag = "models", security(("bearer" = [])),
    params(("version" = String, Path, description = "The version")),
    responses((status = 200, description = "The card", body = ModelCard), Problems))]
pub async fn get_model(
    _: Allowed<ReadModels>,
    State(state): State<AppState>,
    Path(version): Path<String>,
) -> Result<Json<ModelCard>> {
    let release = loaded(&state, &version)?;
    release.card.clone().map(Json).ok_or(Error::NotFound("card: this release came without one"))
}

/// Make a released network the one that answers, from the next prediction on.
#[utoipa::path(post, path = "/api/v1/models/{version}/activate", tag = "models",
    security(("bearer" = [])),
    params(("version" = String, Path, description = "The version")),
    responses((status = 200, description = "It is active", body = ModelSummary), Problems))]
pub async fn activate_model(
    Allowed { caller, .. }: Allowed<ManageModels>,
    State(state): State<AppState>,
    Path(version): Path<String>,
) -> Result<Json<ModelSummary>> {
    loaded(&state, &version)?;
    let now = state.clock.now();
    let mut tx = state.begin(&caller).await?;
    let before = db::models::roles_for_update(&mut tx).await?;
    db::models::give(&mut tx, ModelRole::Active, &version, caller.user_id, now).await?;
    if before.shadow.as_ref() == Some(&version) {
        db::models::clear_shadow(&mut tx).await?;
    }
    let from = state.releases.active_version(&before);
    let event = Event::new("model.activate").details(json!({ "from": from, "to": version }));
    db::audit::record(&mut tx, &caller.actor(), event, now).await?;
    let roles = db::models::roles(&mut *tx).await?;
    tx.commit().await?;
    Ok(Json(state.releases.summary(&version, &roles)))
}

/// Run a released network unseen beside the active one, in place of the shadow before.
#[utoipa::path(post, path = "/api/v1/models/{version}/shadow", tag = "models",
    security(("bearer" = [])),
    params(("version" = String, Path, description = "The version")),
    responses((status = 200, description = "It is the shadow", body = ModelSummary), Problems))]
pub async fn set_shadow_model(
    Allowed { caller, .. }: Allowed<ManageModels>,
    State(state): State<AppState>,
    Path(version): Path<String>,
) -> Result<Json<ModelSummary>> {
    loaded(&state, &version)?;
    let now = state.clock.now();
    let mut tx = state.begin(&caller).await?;
    let before = db::models::roles_for_update(&mut tx).await?;
    if state.releases.active_version(&before) == Some(&version) {
        let message = sentence!("version {version} is the active one; it cannot be its own shadow");
        return Err(Error::Conflict(message));
    }
    db::models::give(&mut tx, ModelRole::Shadow, &version, caller.user_id, now).await?;
    let event = Event::new("model.shadow").details(json!({ "from": before.shadow, "to": version }));
    db::audit::record(&mut tx, &caller.actor(), event, now).await?;
    let roles = db::models::roles(&mut *tx).await?;
    tx.commit().await?;
    Ok(Json(state.releases.summary(&version, &roles)))
}

/// Run a released network unseen no longer. What it has said so far stays.
#[utoipa::path(delete, path = "/api/v1/models/{version}/shadow", tag = "models",
    security(("bearer" = [])),
    params(("version" = String, Path, description = "The version")),
    responses((status = 204, description = "It is not the shadow"), Problems))]
pub async fn clear_shadow_model(
    Allowed { caller, .. }: Allowed<ManageModels>,
    State(state): State<AppState>,
    Path(version): Path<String>,
) -> Result<StatusCode> {
    let mut tx = state.begin(&caller).await?;
    let before = db::models::roles_for_update(&mut tx).await?;
    if before.shadow.as_ref() == Some(&version) {
        db::models::clear_shadow(&mut tx).await?;
        let event = Event::new("model.shadow").details(json!({ "from": version, "to": null }));
        db::audit::record(&mut tx, &caller.actor(), event, state.clock.now()).await?;
        tx.commit().await?;
    } else {
        known(&state, &version)?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Which predictions to compare.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ComparisonQuery {
    /// The version that was shown; the active one when it is left out.
    pub against: Option<String>,
    /// The first moment; 90 days before `to` when it is left out.
    pub from: Option<DateTime<Utc>>,
    /// The end; now when it is left out.
    pub to: Option<DateTime<Utc>>,
}

/// Compare what a shadow said with what was shown.
#[utoipa::path(get, path = "/api/v1/models/{version}/comparison", tag = "models",
    security(("bearer" = [])),
    params(("version" = String, Path, description = "The shadow's version"), ComparisonQuery),
    responses((status = 200, description = "The comparison", body = ModelComparison), Problems))]
pub async fn compare_model(
    _: Allowed<ManageModels>,
    State(state): State<AppState>,
    Path(version): Path<String>,
    Query(query): Query<ComparisonQuery>,
) -> Result<Json<ModelComparison>> {
    known(&state, &version)?;
    let mut faults = Faults::default();
    faults.span(query.from, query.to);
    faults.refuse()?;
    let to = query.to.unwrap_or_else(|| state.clock.now());
    let from = query.from.unwrap_or(to - TimeDelta::days(COMPARED_DAYS));
    if to <= from {
        return Err(Error::field("/from", phrase!("must be before to")));
    }
    let against = match query.against {
        Some(against) => against,
        None => state.active_release().await?.version().to_owned(),
    };
    let comparison = db::models::compare(&state.db, &version, &against, from, to).await?;
    Ok(Json(comparison))
}

/// How many weeks.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DriftQuery {
    /// Weeks, the current one included.
    #[param(minimum = 1, maximum = 53, default = 12)]
    pub weeks: Option<u32>,
}

/// Tell how far the inputs of a network's predictions have drifted from its training data.
#[utoipa::path(get, path = "/api/v1/models/{version}/drift", tag = "models",
    security(("bearer" = [])),
    params(("version" = String, Path, description = "The version"), DriftQuery),
    responses((status = 200, description = "The drift", body = ModelDrift), Problems))]
pub async fn get_model_drift(
    _: Allowed<ManageModels>,
    State(state): State<AppState>,
    Path(version): Path<String>,
    Query(query): Query<DriftQuery>,
) -> Result<Json<ModelDrift>> {
    let weeks = query.weeks.unwrap_or(WEEKS);
    if !(1..=MOST_WEEKS).contains(&weeks) {
        return Err(Error::field("/weeks", sentence!("must be from 1 to {MOST_WEEKS}")));
    }
    let release = loaded(&state, &version)?;
    let watched = release.reference.as_ref();
    let watched =
        watched.ok_or(Error::NotFound("reference distribution: this release came without one"))?;
    let today = state.clock.today();
    let since = drift::first_of(weeks, today);
    let counted = db::models::input_weeks(&state.db, &version, &watched.id, since).await?;
    Ok(Json(drift::of_weeks(&version, watched, &counted, weeks, today)))
}

/// The release of a version; 404 when there is none, 409 when there is one that cannot be used.
fn loaded(state: &AppState, version: &str) -> Result<Arc<Release>> {
    if let Some(release) = state.releases.get(version) {
        return Ok(Arc::clone(release));
    }
    let problem = state.releases.problem(version).ok_or(Error::NotFound("model version"))?;
    Err(Error::Conflict(sentence!("version {version} is not loaded: {problem}")))
}

/// Refuses a version that nobody has heard of.
fn known(state: &AppState, version: &str) -> Result<()> {
    match loaded(state, version) {
        Ok(_) | Err(Error::Conflict(_)) => Ok(()),
        Err(error) => Err(error),
    }
}
