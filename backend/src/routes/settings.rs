//! What an administrator decides for the whole site.

use axum::extract::State;
use serde_json::{Value, json};
use shared::{
    phrase,
    settings::{Settings, SettingsPatch},
};

use crate::{
    auth::{Allowed, ManageSettings},
    db::{self, audit::Event},
    error::{Error, Result},
    extract::{IfMatch, Json, Versioned},
    input::Faults,
    openapi::Problems,
    routes::changes,
    state::AppState,
};

/// Read the site's settings.
#[utoipa::path(get, path = "/api/v1/settings", tag = "settings", security(("bearer" = [])),
    responses((status = 200, description = "The settings", body = Settings,
        headers(("ETag" = String, description = "Their version"))), Problems))]
pub async fn get_settings(
    _: Allowed<ManageSettings>,
    State(state): State<AppState>,
) -> Result<Versioned<Settings>> {
    let settings = db::settings::read(&state.db).await?;
    Ok(Versioned { version: settings.version, body: settings })
}

/// Change the site's settings. The change counts from the next request on, in every process.
#[utoipa::path(patch, path = "/api/v1/settings", tag = "settings", security(("bearer" = [])),
    params(("If-Match" = String, Header, description = "The version that the change is based on")),
    request_body = SettingsPatch,
    responses((status = 200, description = "The changed settings", body = Settings,
        headers(("ETag" = String, description = "Their version"))), Problems))]
pub async fn update_settings(
    Allowed { caller, .. }: Allowed<ManageSettings>,
    State(state): State<AppState>,
    IfMatch(version): IfMatch,
    Json(patch): Json<SettingsPatch>,
) -> Result<Versioned<Settings>> {
    let now = state.clock.now();
    let mut tx = state.begin(&caller).await?;
    let before = db::settings::read_for_update(&mut tx).await?;
    if before.version != version {
        return Err(Error::Stale);
    }
    let mut after = checked(patched(before.clone(), patch))?;
    let changed = changes(&before, &after)?;
    if !changed.is_empty() {
        (after.version, after.changed_at) = (before.version + 1, Some(now));
        db::settings::update(&mut tx, &after).await?;
        let event = Event::new("settings.update");
        let event = event.details(json!({ "changed": Value::Object(changed) }));
        db::audit::record(&mut tx, &caller.actor(), event, now).await?;
    }
    tx.commit().await?;
    Ok(Versioned { version: after.version, body: after })
}

fn patched(before: Settings, patch: SettingsPatch) -> Settings {
    Settings {
        version: before.version,
        second_factor_required: patch
            .second_factor_required
            .unwrap_or(before.second_factor_required),
        session_idle_minutes: patch.session_idle_minutes.unwrap_or(before.session_idle_minutes),
        session_hours: patch.session_hours.unwrap_or(before.session_hours),
        kfre_region: patch.kfre_region.unwrap_or(before.kfre_region),
        language: patch.language.unwrap_or(before.language),
        units: patch.units.unwrap_or(before.units),
        patients_see_risk: patch.patients_see_risk.unwrap_or(before.patients_see_risk),
        minimum_cell_size: patch.minimum_cell_size.unwrap_or(before.minimum_cell_size),
        token_privacy_budget: patch.token_privacy_budget.unwrap_or(before.token_privacy_budget),
        account_privacy_budget: patch
            .account_privacy_budget
            .unwrap_or(before.account_privacy_budget),
        visibility: patch.visibility.unwrap_or(before.visibility),
        emergency_access_minutes: patch
            .emergency_access_minutes
            .unwrap_or(before.emergency_access_minutes),
        retention_years: patch.retention_years.unwrap_or(before.retention_years),
        changed_at: before.changed_at,
    }
}

/// The settings as they are kept, or everything that is wrong with them.
fn checked(mut settings: Settings) -> Result<Settings> {
    // Each role once, in the policy's own order: the same roles are the same setting.
    let wanted = std::mem::take(&mut settings.second_factor_required);
    settings.second_factor_required =
        shared::access::Role::ALL.into_iter().filter(|role| wanted.contains(role)).collect();
    let mut faults = Faults::default();
    if settings.session_hours * 60 < settings.session_idle_minutes {
        let message =
            phrase!("must not be longer than session_hours: the session would have ended before");
        faults.add("/session_idle_minutes", message);
    }
    faults.refuse()?;
    Ok(settings)
}
