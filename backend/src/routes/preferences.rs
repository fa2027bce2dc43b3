//! What each account chooses for itself: language, units, KFRE baseline.

use axum::extract::State;
use shared::preferences::{Preferences, PreferencesPatch};

use crate::{
    auth::{Allowed, UseOwnAccount},
    db::{self, audit::Event},
    error::{Error, Result},
    extract::{IfMatch, Json, Versioned},
    openapi::Problems,
    routes::changed,
    state::AppState,
};

/// Read one's own language, units and KFRE baseline, and what holds where none is chosen.
#[utoipa::path(get, path = "/api/v1/me/preferences", tag = "account", security(("bearer" = [])),
    responses((status = 200, description = "The choices", body = Preferences,
        headers(("ETag" = String, description = "Their version"))), Problems))]
pub async fn get_preferences(
    Allowed { caller, .. }: Allowed<UseOwnAccount>,
    State(state): State<AppState>,
) -> Result<Versioned<Preferences>> {
    let mut tx = state.begin(&caller).await?;
    let preferences = db::preferences::read(&mut *tx, caller.user_id).await?;
    tx.commit().await?;
    Ok(Versioned { version: preferences.version, body: preferences })
}

/// Choose one's own language, units and KFRE baseline; `null` takes the site's again.
///
/// The baseline counts for what this account asks for from then on: predictions keep theirs.
#[utoipa::path(patch, path = "/api/v1/me/preferences", tag = "account", security(("bearer" = [])),
    params(("If-Match" = String, Header, description = "The version that the change is based on")),
    request_body = PreferencesPatch,
    responses((status = 200, description = "The changed choices", body = Preferences,
        headers(("ETag" = String, description = "Their version"))), Problems))]
pub async fn update_preferences(
    Allowed { caller, .. }: Allowed<UseOwnAccount>,
    State(state): State<AppState>,
    IfMatch(version): IfMatch,
    Json(patch): Json<PreferencesPatch>,
) -> Result<Versioned<Preferences>> {
    let mut tx = state.begin(&caller).await?;
    let before = db::preferences::read_for_update(&mut tx, caller.user_id).await?;
    if before.version != version {
        return Err(Error::Stale);
    }
    let wanted = patched(before, patch);
    if wanted != before {
        let event = Event::new("preferences.update").object(caller.user_id.0);
        let event = event.details(changed(&before, &wanted)?);
        let wanted = Preferences { version: before.version + 1, ..wanted };
        db::preferences::update(&mut tx, caller.user_id, &wanted).await?;
        db::audit::record(&mut tx, &caller.actor(), event, state.clock.now()).await?;
    }
    let after = db::preferences::read(&mut *tx, caller.user_id).await?;
    tx.commit().await?;
    Ok(Versioned { version: after.version, body: after })
}

fn patched(before: Preferences, patch: PreferencesPatch) -> Preferences {
    Preferences {
        language: patch.language.unwrap_or(before.language),
        units: patch.units.unwrap_or(before.units),
        kfre_region: patch.kfre_region.unwrap_or(before.kfre_region),
        ..before
    }
}
