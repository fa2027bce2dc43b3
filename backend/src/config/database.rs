//! How to reach the database.

use std::{future, time::Duration};

use anyhow::{Context, ensure};
use clap::Args;
use sqlx::{
    Connection,
    postgres::{PgConnectOptions, PgPool, PgPoolOptions},
};

use crate::{db, replica::Replica};

/// The database, needed by every subcommand that touches data.
#[derive(Args, Clone, Debug)]
pub struct DatabaseConfig {
    /// PostgreSQL address, such as `postgres://nephrocast_app@host/nephrocast`, of a role that owns
    /// nothing.
    #[arg(long, env = "NEPHROCAST_DATABASE_URL", hide_env_values = true)]
    pub database_url: String,
    /// PostgreSQL's own address, where the other one is that of a pooler by transaction, such as
    /// `PgBouncer`: for what needs a session of its own.
    #[arg(long, env = "NEPHROCAST_DIRECT_DATABASE_URL", hide_env_values = true)]
    pub direct_database_url: Option<String>,
    /// Most connections this process opens.
    #[arg(long, env = "NEPHROCAST_DATABASE_CONNECTIONS", default_value_t = 16,
        value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub database_connections: u32,
}

impl DatabaseConfig {
    /// Opens the pool; fails at once when the database cannot be reached.
    pub async fn connect(&self) -> anyhow::Result<PgPool> {
        let options: PgConnectOptions =
            self.database_url.parse().context("NEPHROCAST_DATABASE_URL is not an address")?;
        if self.direct_database_url.is_none() {
            return open(bounded(options), self.database_connections).await;
        }
        // A pooler takes no settings of a session, which is not one's own: they must be the role's.
        let db = open(options.extra_float_digits(None), self.database_connections).await?;
        ensure!(
            db::statements_are_bounded(&db).await.context("the pooler does not pass a query on")?,
            "behind a pooler the database role needs a statement_timeout of its own: run \
             docker/postgres/roles.sql (docs/OPERATIONS.md, \"A pooler\")"
        );
        Ok(db)
    }

    /// Connections past the pooler; where there is none, the same ones.
    pub async fn connect_directly(&self, db: &PgPool, connections: u32) -> anyhow::Result<PgPool> {
        let Some(direct) = &self.direct_database_url else { return Ok(db.clone()) };
        let options = direct.parse().context("NEPHROCAST_DIRECT_DATABASE_URL is not an address")?;
        open(bounded(options), connections).await
    }
}

/// No query of ours needs longer; a stuck one must not hold a connection for ever. And none is worth
/// compiling: what is estimated to look at much, as into a long audit log, would be each time it runs.
fn bounded(options: PgConnectOptions) -> PgConnectOptions {
    options.options([
        ("statement_timeout", "30s"),
        ("lock_timeout", "10s"),
        ("idle_in_transaction_session_timeout", "60s"),
        ("jit", "off"),
    ])
}

/// The database, for whoever changes its schema.
#[derive(Args, Clone, Debug)]
pub struct MigrateConfig {
    /// PostgreSQL address of the role that owns the database; the programs' own address if it is
    /// not given.
    #[arg(
        long,
        env = "NEPHROCAST_MIGRATE_DATABASE_URL",
        hide_env_values = true,
        required_unless_present = "database_url"
    )]
    pub migrate_database_url: Option<String>,
    /// PostgreSQL address.
    #[arg(long, env = "NEPHROCAST_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
}

impl MigrateConfig {
    /// Opens a pool in which a migration may take its time, but keeps nobody waiting for long.
    pub async fn connect(&self) -> anyhow::Result<PgPool> {
        let options: PgConnectOptions =
            self.address()?.parse().context("NEPHROCAST_MIGRATE_DATABASE_URL is not an address")?;
        open(options.options([("lock_timeout", "10s")]), 4).await
    }

    /// The address.
    pub fn address(&self) -> anyhow::Result<&str> {
        let given = self.migrate_database_url.as_ref().or(self.database_url.as_ref());
        Ok(given.context("NEPHROCAST_MIGRATE_DATABASE_URL is missing")?)
    }
}

/// A copy of the database to read from.
#[derive(Args, Clone, Debug)]
pub struct ReplicaConfig {
    /// PostgreSQL address of a streaming replica: summaries, exports for research and the
    /// dashboard's counts are read there while it keeps up.
    #[arg(long, env = "NEPHROCAST_REPLICA_DATABASE_URL", hide_env_values = true)]
    pub replica_database_url: Option<String>,
    /// Seconds that the replica may be behind; beyond them the database itself answers.
    #[arg(long, env = "NEPHROCAST_REPLICA_MOST_BEHIND_SECONDS", default_value_t = 30,
        value_parser = clap::value_parser!(u32).range(1..=600))]
    pub replica_most_behind_seconds: u32,
}

impl ReplicaConfig {
    /// The replica, if there is one. It need not be there yet: whoever starts does not depend on it.
    pub fn open(&self, connections: u32) -> anyhow::Result<Option<Replica>> {
        let Some(address) = &self.replica_database_url else { return Ok(None) };
        let options: PgConnectOptions =
            address.parse().context("NEPHROCAST_REPLICA_DATABASE_URL is not an address")?;
        // Even if the address is that of the database itself: nothing is written here.
        let options = bounded(options).options([("default_transaction_read_only", "on")]);
        let pool = pool(connections, Duration::from_secs(2))
            .connect_lazy_with(options.application_name("nephrocast"));
        Ok(Some(Replica::new(pool, self.replica_most_behind_seconds)))
    }
}

async fn open(options: PgConnectOptions, connections: u32) -> anyhow::Result<PgPool> {
    pool(connections, Duration::from_secs(5))
        .connect_with(options.application_name("nephrocast"))
        .await
        .context("PostgreSQL cannot be reached")
}

/// How long a connection may have been idle before it is asked whether it still lives. Asking each time
/// would cost every request a journey to the database and back.
const TRUSTED: Duration = Duration::from_secs(1);

fn pool(connections: u32, patience: Duration) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(patience)
        .test_before_acquire(false)
        .before_acquire(|connection, about| {
            Box::pin(async move {
                // One that does not answer is replaced.
                Ok(about.idle_for < TRUSTED || connection.ping().await.is_ok())
            })
        })
        // A connection would keep the room of the most that it ever sent or read.
        .after_release(|connection, _| {
            connection.shrink_buffers();
            Box::pin(future::ready(Ok(true)))
        })
}
