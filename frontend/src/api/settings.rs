//! What an administrator decides for the whole site.

use shared::settings::{Settings, SettingsPatch};

use super::{Call, Result, request};

/// The settings as they are.
pub async fn read() -> Result<Settings> {
    request(Call::get("/settings")).await
}

/// Changes settings that were read at `version`.
pub async fn update(version: i32, patch: &SettingsPatch) -> Result<Settings> {
    request(Call::patch("/settings", version, patch)).await
}
