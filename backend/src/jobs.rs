//! What a worker does, and the queue it takes its work from.

pub mod answer;
pub mod at_once;
pub mod batch;
pub mod events;
pub mod predict;
pub mod seal;
pub mod shadow;
pub mod summarise;
pub mod worker;

use anyhow::{Context, ensure};
use graphile_worker::{WorkerOptions, WorkerShutdownConfig};
use sqlx::{PgPool, migrate::MigrateError};

use crate::{MIGRATOR, db, db::walls::Standing, derived};

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
        .define_job::<batch::AskForBatch>()
        .init()
        .await
        .context("the queue's migrations failed")?;
    db::walls::build(db).await.context("privileges and row-level security could not be set up")?;
    derived::catch_up(db).await.context("what follows from recorded values could not be worked out")
}

/// Refuses a database that this program is not made for, and a role that could do too much in it.
pub async fn check_database(db: &PgPool) -> anyhow::Result<()> {
    check_schema(db).await?;
    check_role(db).await
}

/// How the name of a migration begins that takes away what the release before it still reads. All
/// others only add (docs/OPERATIONS.md, "Upgrade").
const CONTRACTING: &str = "contract";

/// Refuses a database whose schema this program cannot work with: one that is older, or one from
/// which a newer release has taken something away. What a newer one has added does not matter: in
/// the middle of an upgrade an old program may have to start once more.
pub async fn check_schema(db: &PgPool) -> anyhow::Result<()> {
    let applied = match db::applied(db).await {
        Ok(applied) => applied,
        // 42P01: no such table, so nothing has ever been migrated.
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P01") => Vec::new(),
        Err(error) => return Err(error).context("the database's schema cannot be read"),
    };
    let known: Vec<i64> = MIGRATOR.iter().map(|migration| migration.version).collect();
    let (known_there, added): (Vec<_>, Vec<_>) =
        applied.iter().partition(|applied| known.contains(&applied.version));
    ensure!(
        known_there.len() == known.len(),
        "the database is older than this program: run `nephrocast migrate`"
    );
    let (taking, adding): (Vec<_>, Vec<_>) =
        added.into_iter().partition(|applied| applied.description.starts_with(CONTRACTING));
    let versions = |applied: &[&db::Applied]| -> Vec<i64> {
        applied.iter().map(|applied| applied.version).collect()
    };
    if !taking.is_empty() {
        return Err(too_new(&versions(&taking)));
    }
    if !adding.is_empty() {
        let versions = format!("{:?}", versions(&adding));
        tracing::warn!(versions, "the database is newer than this program, which goes on with it");
    }
    Ok(())
}

/// Refuses a role that could undo what the database guards: its tables, its audit log, its walls
/// between patients.
async fn check_role(db: &PgPool) -> anyhow::Result<()> {
    let standing = db::walls::standing(db).await.context("the role's privileges cannot be read")?;
    let could = match standing {
        Standing { owns: true, .. } => "owns the tables",
        Standing { rewrites_audit: true, .. } => "may change the audit log",
        Standing { passes_walls: true, .. } => "passes row-level security",
        _ => return Ok(()),
    };
    anyhow::bail!(
        "the database role {:?} {could}: only `nephrocast migrate` needs such a role; give this \
         process one that is a member of nephrocast_app (docs/OPERATIONS.md, \"Database roles\")",
        standing.role
    )
}

fn too_new(versions: &[i64]) -> anyhow::Error {
    anyhow::anyhow!(
        "the database is newer than this program (it does not know migration {versions:?}): use \
         the program that migrated it, or a newer one"
    )
}
