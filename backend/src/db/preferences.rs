//! What each account chooses for itself, and what holds for it.

use shared::{
    id::UserId,
    prediction::KfreRegion,
    preferences::{InForce, Preferences},
    settings::{Language, Units},
};
use sqlx::{PgConnection, PgExecutor};

/// What an account has chosen, and what holds for it as the site's settings are now.
pub async fn read(db: impl PgExecutor<'_>, user: UserId) -> sqlx::Result<Preferences> {
    let found = sqlx::query!(
        r#"select coalesce(chosen.version, 1) as "version!",
            chosen.language as "language?: Language", chosen.units as "units?: Units",
            chosen.kfre_region as "kfre_region?: KfreRegion",
            settings.language as "site_language: Language", settings.units as "site_units: Units",
            settings.kfre_region as "site_kfre_region: KfreRegion"
        from settings
        left join user_preferences as chosen on user_id = $1"#,
        user as UserId,
    )
    .fetch_one(db)
    .await?;
    Ok(Preferences {
        version: found.version,
        language: found.language,
        units: found.units,
        kfre_region: found.kfre_region,
        in_force: InForce {
            language: found.language.unwrap_or(found.site_language),
            units: found.units.unwrap_or(found.site_units),
            kfre_region: found.kfre_region.unwrap_or(found.site_kfre_region),
        },
    })
}

/// The same, with the account locked until the transaction ends: an account that has chosen
/// nothing has no row of its own to lock.
pub async fn read_for_update(db: &mut PgConnection, user: UserId) -> sqlx::Result<Preferences> {
    super::users::lock(&mut *db, user).await?;
    read(db, user).await
}

/// Stores what an account chose.
pub async fn update(
    db: &mut PgConnection,
    user: UserId,
    changed: &Preferences,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into user_preferences (user_id, version, language, units, kfre_region)
        values ($1, $2, $3, $4, $5)
        on conflict (user_id) do update
        set version = excluded.version, language = excluded.language, units = excluded.units,
            kfre_region = excluded.kfre_region",
        user as UserId,
        changed.version,
        changed.language as Option<Language>,
        changed.units as Option<Units>,
        changed.kfre_region as Option<KfreRegion>,
    )
    .execute(db)
    .await?;
    Ok(())
}
