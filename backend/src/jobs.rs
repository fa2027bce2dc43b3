//! What a worker does, and the queue it takes its work from.

pub mod answer;
pub mod events;
pub mod predict;
pub mod seal;
pub mod shadow;
pub mod worker;

use anyhow::{Context, ensure};
use graphile_worker::{WorkerOptions, WorkerShutdownConfig};
use sqlx::{PgPool, migrate::MigrateError};

use crate::{MIGRATOR, db};

/// Brings the database to this program's schema, the queue's tables included; refuses a database
/// that a newer program has migrated.
pub async fn migrate(db: &PgPool) -> anyhow::Result<()> {
    MIGRATOR.run(db).await.map_err(|error| match error {
        MigrateError::VersionMissing(version) => too_new(&[version]),
        error => anyhow::Error::new(error).context("a migration failed"),
    })?;
    // The library migrates its own tables when a worker is set up.
    let shutdown = WorkerShutdownConfig::default().listen_os_shutdown_signals(false);
    WorkerOptions::default()
        .pg_pool(db.clone())
        .worker_shutdown(shutdown)
        .define_job::<predict::Predict>()
        .init()
        .await
        .context("the queue's migrations failed")?;
    Ok(())
}

/// Refuses a database whose schema is not this program's.
pub async fn check_schema(db: &PgPool) -> anyhow::Result<()> {
    let applied = match db::applied_versions(db).await {
        Ok(applied) => applied,
        // 42P01: no such table, so nothing has ever been migrated.
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P01") => Vec::new(),
        Err(error) => return Err(error).context("the database's schema cannot be read"),
    };
    let known: Vec<i64> = MIGRATOR.iter().map(|migration| migration.version).collect();
    let unknown: Vec<i64> =
        applied.iter().copied().filter(|version| !known.contains(version)).collect();
    if !unknown.is_empty() {
        return Err(too_new(&unknown));
    }
    ensure!(
        known.iter().all(|version| applied.contains(version)),
        "the database is older than this program: run `nephrocast migrate`"
    );
    Ok(())
}

fn too_new(versions: &[i64]) -> anyhow::Error {
    anyhow::anyhow!(
        "the database is newer than this program (it does not know migration {versions:?}): use \
         the program that migrated it, or a newer one"
    )
}
