//! The site's settings: one row.

use shared::{
    access::{Role, Visibility},
    prediction::KfreRegion,
    settings::{Language, Settings, Units},
};
use sqlx::{PgConnection, PgExecutor};

/// The settings as they are now.
pub async fn read(db: impl PgExecutor<'_>) -> sqlx::Result<Settings> {
    sqlx::query_as!(
        Settings,
        r#"select version,
            second_factor_required as "second_factor_required: Vec<Role>", session_idle_minutes,
            session_hours, kfre_region as "kfre_region: KfreRegion",
            language as "language: Language", units as "units: Units", patients_see_risk,
            minimum_cell_size, token_privacy_budget, account_privacy_budget,
            visibility as "visibility: Visibility", emergency_access_minutes, retention_years,
            changed_at
        from settings"#,
    )
    .fetch_one(db)
    .await
}

/// The settings, locked against changes by others until the transaction ends.
pub async fn read_for_update(db: &mut PgConnection) -> sqlx::Result<Settings> {
    sqlx::query!("select version from settings for update").fetch_one(&mut *db).await?;
    read(db).await
}

/// Stores changed settings.
pub async fn update(db: &mut PgConnection, changed: &Settings) -> sqlx::Result<()> {
    sqlx::query!(
        "update settings
        set version = $1, second_factor_required = $2, session_idle_minutes = $3,
            session_hours = $4, kfre_region = $5, patients_see_risk = $6,
            minimum_cell_size = $7, changed_at = $8,
             visibility = $9, emergency_access_minutes = $10,
             token_privacy_budget = $11, account_privacy_budget = $12, retention_years = $13,
             language = $14, units = $15",
        changed.version,
        &changed.second_factor_required as &[Role],
        changed.session_idle_minutes,
        changed.session_hours,
        changed.kfre_region as KfreRegion,
        changed.patients_see_risk,
        changed.minimum_cell_size,
        changed.changed_at,
        changed.visibility as Visibility,
        changed.emergency_access_minutes,
        changed.token_privacy_budget,
        changed.account_privacy_budget,
        changed.retention_years,
        changed.language as Language,
        changed.units as Units,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// What a process was started with; it counts until an administrator changes the settings.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// Minutes without use after which a session ends.
    pub session_idle_minutes: i32,
    /// Hours after which a session ends whatever happens.
    pub session_hours: i32,
    /// Which baseline KFRE uses.
    pub kfre_region: KfreRegion,
}

/// Brings settings that nobody has changed yet to a process's defaults.
pub async fn set_defaults(db: impl PgExecutor<'_>, defaults: Defaults) -> sqlx::Result<()> {
    sqlx::query!(
        "update settings
        set version = version + 1, session_idle_minutes = $1, session_hours = $2, kfre_region = $3
        where changed_at is null
            and (session_idle_minutes, session_hours, kfre_region) is distinct from ($1, $2, $3)",
        defaults.session_idle_minutes,
        defaults.session_hours,
        defaults.kfre_region as KfreRegion,
    )
    .execute(db)
    .await?;
    Ok(())
}
