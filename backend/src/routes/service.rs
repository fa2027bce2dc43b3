//! Whether the service lives and is ready, and its own description.

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use serde_json::value::RawValue;
use shared::settings::{Settings, Site};

use crate::{
    MIGRATOR, db, error::Result, extract::Json, metrics::Observed, openapi, openapi::Problems,
    state::AppState,
};

/// Alive: the process answers.
pub async fn get_health() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// Ready: the database answers, it is migrated to this binary's schema to the end, privileges included,
/// and the active network is loaded here.
pub async fn get_readiness(State(state): State<AppState>) -> Result<StatusCode> {
    let newest = MIGRATOR.iter().map(|migration| migration.version).max();
    if db::walls::built_for(&state.db).await? < newest {
        let error = anyhow::anyhow!("`nephrocast migrate` has not come to its end");
        return Err(crate::error::Error::Unavailable(error));
    }
    state.active_release().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What this process counts, for Prometheus.
pub async fn get_metrics(State(observed): State<Observed>) -> Result<impl IntoResponse> {
    let form = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, form)], observed.text().await?))
}

/// Read what everybody may know of the site: the language that its sign-in page speaks.
#[utoipa::path(get, path = "/api/v1/site", tag = "service",
    responses((status = 200, description = "The site", body = Site), Problems))]
pub async fn get_site(State(state): State<AppState>) -> Result<Json<Site>> {
    let Settings { language, .. } = db::settings::read(&state.db).await?;
    Ok(Json(Site { language }))
}

/// The OpenAPI document.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "service", operation_id = "get_openapi",
    responses((status = 200, description = "This document", body = Value)))]
pub async fn get_openapi() -> Json<&'static RawValue> {
    Json(openapi::written())
}
