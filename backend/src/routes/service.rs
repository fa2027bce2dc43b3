//! Whether the service lives and is ready, and its own description.

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use serde_json::Value;

use crate::{MIGRATOR, error::Result, extract::Json, metrics::Observed, openapi, state::AppState};

/// Alive: the process answers.
pub async fn get_health() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// Ready: the database answers, its migrations are those of this binary, and the active network is
/// loaded here.
pub async fn get_readiness(State(state): State<AppState>) -> Result<StatusCode> {
    let expected =
        MIGRATOR.iter().filter(|migration| !migration.migration_type.is_down_migration());
    let applied = crate::db::applied_migrations(&state.db).await?;
    if usize::try_from(applied).is_ok_and(|applied| applied < expected.count()) {
        let error = anyhow::anyhow!("the database lacks migrations: run `nephrocast migrate`");
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

/// The OpenAPI document.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "service", operation_id = "get_openapi",
    responses((status = 200, description = "This document", body = Value)))]
pub async fn get_openapi() -> Json<&'static Value> {
    Json(openapi::json())
}
