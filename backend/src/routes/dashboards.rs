//! The dashboard: how the patients stand whom a caller sees.

use std::sync::Arc;

use axum::extract::State;
use serde_json::json;
use shared::dashboard::{Crossing, Crossings, Dashboard};

use crate::{
    auth::{Allowed, ListPatients},
    dashboards::{Counts, month},
    db::{self, audit::Event},
    error::Result,
    extract::Json,
    openapi::Problems,
    state::AppState,
};

/// Count the patients in use: KDIGO cells, latest risks, thresholds crossed this month, data gaps.
///
/// Only those whom you see are counted. Over 20,000 and more patients the counts may be up to ten
/// minutes old and say so; who crossed a threshold is always of now.
#[utoipa::path(get, path = "/api/v1/dashboard", tag = "patients",
    security(("bearer" = [])),
    responses((status = 200, description = "The counts", body = Dashboard), Problems))]
pub async fn get_dashboard(
    Allowed { caller, .. }: Allowed<ListPatients>,
    State(state): State<AppState>,
) -> Result<Json<Dashboard>> {
    let (now, in_care_of) = (state.clock.now(), caller.in_care_of());
    let mut tx = state.begin(&caller).await?;
    let crossed = db::dashboards::crossings(&mut *tx, month(now), in_care_of, now).await?;
    let own = match in_care_of {
        Some(_) => Some(Arc::new(Counts::make(&mut tx, in_care_of, now).await?)),
        None => None,
    };
    tx.commit().await?;
    // Whoever waits for the counts over everybody holds no connection.
    let counts = match own {
        Some(counts) => counts,
        None => state.dashboards.everybody(&state.reads, &state.clock).await?,
    };
    let shown: Vec<_> = crossed.iter().map(|crossing| crossing.patient_id).collect();
    let event = Event::new("dashboard.read").details(json!({ "patients": shown }));
    state.record_look(&caller, event).await?;
    Ok(Json(dashboard(&counts, crossed)))
}

fn dashboard(counts: &Counts, crossed: Vec<Crossing>) -> Dashboard {
    Dashboard {
        counted_at: counts.at,
        patients: counts.patients,
        kdigo: counts.kdigo.clone(),
        risk_2y: counts.risk_2y.clone(),
        risk_5y: counts.risk_5y.clone(),
        risk_categories: counts.risk_categories.clone(),
        crossings: Crossings {
            since: counts.since,
            thresholds: counts.crossings.clone(),
            patients: crossed,
        },
        data_gaps: counts.data_gaps.clone(),
    }
}
