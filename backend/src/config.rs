//! Settings: every one a flag and an environment variable; `--help` is the reference.

mod database;
mod documents;
mod traces;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use clap::{Args, Subcommand};
use shared::{access::Role, prediction::KfreRegion};
use zeroize::Zeroizing;

pub use self::{
    database::{DatabaseConfig, MigrateConfig, ReplicaConfig},
    documents::{DocumentsConfig, S3Config},
    traces::TracesConfig,
};
use crate::{
    accounts,
    audit::checkpoint::{PublicKey, SealingKey, TrustedKeys},
    auth::{token::Keys, vault::Vault},
    db::settings::Defaults,
    limits::Rates,
};

/// The networks to predict with.
#[derive(Args, Clone, Debug)]
pub struct ModelConfig {
    /// Folder of the released network; every folder in it is another version.
    #[arg(long, env = "NEPHROCAST_MODEL_DIR", default_value = "model/artifacts")]
    pub model_dir: PathBuf,
}

/// The site's settings until an administrator changes them.
#[derive(Args, Clone, Debug)]
pub struct SiteConfig {
    /// Minutes without use after which a session ends, until an administrator changes it.
    #[arg(long, env = "NEPHROCAST_SESSION_IDLE_MINUTES", default_value_t = 30,
        value_parser = clap::value_parser!(i32).range(16..=1440))]
    pub session_idle_minutes: i32,
    /// Hours after which a session ends whatever happens, until an administrator changes it.
    #[arg(long, env = "NEPHROCAST_SESSION_HOURS", default_value_t = 12,
        value_parser = clap::value_parser!(i32).range(1..=168))]
    pub session_hours: i32,
    /// Which baseline KFRE uses, until an administrator changes it: `north_america`, `other` or
    /// `united_kingdom`.
    #[arg(long, env = "NEPHROCAST_KFRE_REGION", default_value = "north_america", value_parser = region)]
    pub kfre_region: KfreRegion,
}

impl SiteConfig {
    /// The same for the database.
    pub const fn defaults(&self) -> Defaults {
        let Self { session_idle_minutes, session_hours, kfre_region } = *self;
        Defaults { session_idle_minutes, session_hours, kfre_region }
    }
}

/// The key that seals the audit log.
#[derive(Args, Clone, Debug)]
pub struct SealingConfig {
    /// File with the 256-bit key that signs the audit log's checkpoints, as 64 hexadecimal digits.
    #[arg(long, env = "NEPHROCAST_AUDIT_KEY_FILE")]
    pub audit_key_file: PathBuf,
}

impl SealingConfig {
    /// Reads the key.
    pub fn key(&self) -> anyhow::Result<SealingKey> {
        sealing_key(&self.audit_key_file)
    }
}

/// The keys whose signatures on the audit log count.
#[derive(Args, Clone, Debug)]
pub struct AuditTrustConfig {
    /// File with the key that signs the audit log's checkpoints; its public half is used.
    #[arg(long, env = "NEPHROCAST_AUDIT_KEY_FILE")]
    pub audit_key_file: Option<PathBuf>,
    /// Public keys, with commas in between: instead of the file, and for checkpoints that earlier
    /// keys have signed.
    #[arg(long, env = "NEPHROCAST_AUDIT_PUBLIC_KEYS", value_delimiter = ',')]
    pub audit_public_keys: Vec<PublicKey>,
}

impl AuditTrustConfig {
    /// The keys; at least one.
    pub fn keys(&self) -> anyhow::Result<TrustedKeys> {
        let mut keys = self.audit_public_keys.clone();
        if let Some(file) = &self.audit_key_file {
            keys.push(sealing_key(file)?.public());
        }
        TrustedKeys::new(keys)
    }
}

fn sealing_key(file: &Path) -> anyhow::Result<SealingKey> {
    let text = std::fs::read_to_string(file)
        .map(Zeroizing::new)
        .with_context(|| format!("the audit log's key {} cannot be read", file.display()))?;
    SealingKey::from_hex(&text)
}

/// Where a process tells what it counts.
#[derive(Args, Clone, Copy, Debug)]
pub struct MetricsConfig {
    /// Address on which `/metrics` and `/healthz` answer whoever can reach it, without a sign-in:
    /// loopback, or a network of the installation's own. Without it, nothing listens.
    #[arg(long, env = "NEPHROCAST_METRICS_LISTEN")]
    pub metrics_listen: Option<SocketAddr>,
}

/// The API server.
#[derive(Args, Clone, Debug)]
pub struct ServeConfig {
    /// Database settings.
    #[command(flatten)]
    pub database: DatabaseConfig,
    /// What may be read elsewhere.
    #[command(flatten)]
    pub replica: ReplicaConfig,
    /// Network settings.
    #[command(flatten)]
    pub model: ModelConfig,
    /// Where documents are.
    #[command(flatten)]
    pub documents: DocumentsConfig,
    /// Whom to believe about the audit log.
    #[command(flatten)]
    pub audit: AuditTrustConfig,
    /// Address to listen on; NGINX stands before it.
    #[arg(long, env = "NEPHROCAST_LISTEN", default_value = "127.0.0.1:8081")]
    pub listen: SocketAddr,
    /// Where it tells what it counts.
    #[command(flatten)]
    pub metrics: MetricsConfig,
    /// Where it tells traces.
    #[command(flatten)]
    pub traces: TracesConfig,
    /// File with the 256-bit key that signs access tokens, as 64 hexadecimal digits. Keys on
    /// further lines sign no more, but the tokens that they signed still count.
    #[arg(long, env = "NEPHROCAST_SECRET_KEY_FILE")]
    pub secret_key_file: PathBuf,
    /// How often callers may ask.
    #[command(flatten)]
    pub limits: LimitsConfig,
    /// The site's settings at first.
    #[command(flatten)]
    pub site: SiteConfig,
    /// Run predictions and seal the audit log as well, as a worker would: a small site needs no other process
    /// then. Give it the file of the audit log's key.
    #[arg(long, env = "NEPHROCAST_WITH_WORKER", default_value_t = false,
        num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub with_worker: bool,
    /// How the worker in it works.
    #[command(flatten)]
    pub pace: PaceConfig,
    /// Demo mode: well-known accounts; refuses any address but loopback.
    #[arg(long, env = "NEPHROCAST_DEMO", default_value_t = false, action = clap::ArgAction::Set)]
    pub demo: bool,
}

impl ServeConfig {
    /// The key that seals the audit log, if this server is a worker as well.
    pub fn sealing_key(&self) -> anyhow::Result<Option<SealingKey>> {
        if !self.with_worker {
            return Ok(None);
        }
        let file = self.audit.audit_key_file.as_deref();
        let file =
            file.context("a worker seals the audit log: NEPHROCAST_AUDIT_KEY_FILE is missing")?;
        sealing_key(file).map(Some)
    }

    /// Refuses settings that would be unsafe together.
    pub fn check(&self) -> anyhow::Result<()> {
        ensure!(
            !self.demo || self.listen.ip().is_loopback(),
            "demo mode has well-known passwords and listens on loopback only, not on {}",
            self.listen
        );
        Ok(())
    }

    /// Reads the signing keys, and derives from them what seals the secrets of second factors.
    pub fn keys(&self) -> anyhow::Result<(Keys, Vault)> {
        let text =
            std::fs::read_to_string(&self.secret_key_file).map(Zeroizing::new).with_context(
                || format!("the signing key {} cannot be read", self.secret_key_file.display()),
            )?;
        Ok((Keys::from_hex(&text)?, Vault::new(&text)?))
    }
}

/// How often callers may ask, per minute and per process.
#[derive(Args, Clone, Copy, Debug)]
pub struct LimitsConfig {
    /// Sign-ins that fail, of one account from one address; ten times as many from one address in
    /// all. [default: 5]
    #[arg(long, env = "NEPHROCAST_SIGN_IN_LIMIT", value_parser = clap::value_parser!(u32).range(1..))]
    pub sign_in_limit: Option<u32>,
    /// Requests of one account. [default: 600; in demo mode 60000]
    #[arg(long, env = "NEPHROCAST_ACCOUNT_LIMIT", value_parser = clap::value_parser!(u32).range(1..))]
    pub account_limit: Option<u32>,
    /// Requests with one API token. [default: 600; in demo mode 60000]
    #[arg(long, env = "NEPHROCAST_TOKEN_LIMIT", value_parser = clap::value_parser!(u32).range(1..))]
    pub token_limit: Option<u32>,
    /// Requests from one address, whoever sends them. [default: 6000; in demo mode 600000]
    #[arg(long, env = "NEPHROCAST_ADDRESS_LIMIT", value_parser = clap::value_parser!(u32).range(1..))]
    pub address_limit: Option<u32>,
}

impl LimitsConfig {
    /// What was set, and the defaults for the rest.
    pub fn rates(self, demo: bool) -> Rates {
        let usual = if demo { Rates::DEMO } else { Rates::default() };
        Rates {
            sign_in: self.sign_in_limit.unwrap_or(usual.sign_in),
            account: self.account_limit.unwrap_or(usual.account),
            token: self.token_limit.unwrap_or(usual.token),
            address: self.address_limit.unwrap_or(usual.address),
        }
    }
}

/// How a worker works.
#[derive(Args, Clone, Copy, Debug)]
pub struct PaceConfig {
    /// How many jobs this worker does at the same time.
    #[arg(long, alias = "concurrency", env = "NEPHROCAST_WORKER_CONCURRENCY", default_value_t = 4,
        value_parser = clap::value_parser!(u32).range(1..=64))]
    pub worker_concurrency: u32,
    /// Seconds that a worker has for a batch before others may take it to be dead.
    #[arg(long, alias = "lease-seconds", env = "NEPHROCAST_WORKER_LEASE_SECONDS", default_value_t = 30,
        value_parser = clap::value_parser!(u32).range(1..=600))]
    pub worker_lease_seconds: u32,
    /// Seconds between looks for predictions that a dead worker left behind.
    #[arg(long, alias = "sweep-seconds", env = "NEPHROCAST_WORKER_SWEEP_SECONDS", default_value_t = 5,
        value_parser = clap::value_parser!(u32).range(1..=600))]
    pub worker_sweep_seconds: u32,
}

/// A worker.
#[derive(Args, Clone, Debug)]
pub struct WorkerConfig {
    /// Database settings.
    #[command(flatten)]
    pub database: DatabaseConfig,
    /// Network settings.
    #[command(flatten)]
    pub model: ModelConfig,
    /// Where documents are.
    #[command(flatten)]
    pub documents: DocumentsConfig,
    /// The audit log's key.
    #[command(flatten)]
    pub sealing: SealingConfig,
    /// Where it tells what it counts.
    #[command(flatten)]
    pub metrics: MetricsConfig,
    /// Where it tells traces.
    #[command(flatten)]
    pub traces: TracesConfig,
    /// How it works.
    #[command(flatten)]
    pub pace: PaceConfig,
}

/// PostgreSQL's own programs.
#[derive(Args, Clone, Debug)]
pub struct ToolsConfig {
    /// Folder of `pg_dump` and `pg_restore`; the newest that Debian's packages have installed, else
    /// those that the shell finds, if it is not given.
    #[arg(long, env = "NEPHROCAST_POSTGRES_BIN")]
    pub postgres_bin: Option<PathBuf>,
}

/// A backup to make.
#[derive(Args, Clone, Debug)]
pub struct BackupConfig {
    /// The database, as its owner.
    #[command(flatten)]
    pub database: MigrateConfig,
    /// Where documents are.
    #[command(flatten)]
    pub documents: DocumentsConfig,
    /// What writes the dump.
    #[command(flatten)]
    pub tools: ToolsConfig,
    /// Folder to make it in: empty, or not there yet.
    pub folder: PathBuf,
}

/// A backup to restore.
#[derive(Args, Clone, Debug)]
pub struct RestoreConfig {
    /// An empty database, as its owner.
    #[command(flatten)]
    pub database: MigrateConfig,
    /// Where documents go.
    #[command(flatten)]
    pub documents: DocumentsConfig,
    /// What reads the dump.
    #[command(flatten)]
    pub tools: ToolsConfig,
    /// Whom to believe about the audit log.
    #[command(flatten)]
    pub audit: AuditTrustConfig,
    /// Folder of the backup.
    pub folder: PathBuf,
}

/// Demo data.
#[derive(Args, Clone, Debug)]
pub struct SeedConfig {
    /// Database settings.
    #[command(flatten)]
    pub database: DatabaseConfig,
    /// Network settings.
    #[command(flatten)]
    pub model: ModelConfig,
    /// The site's settings at first.
    #[command(flatten)]
    pub site: SiteConfig,
    /// Demo mode; without it no account with a well-known password is made.
    #[arg(long, env = "NEPHROCAST_DEMO", default_value_t = false, action = clap::ArgAction::Set)]
    pub demo: bool,
}

/// Accounts, from the command line: the first administrator, and a way back in.
#[derive(Args, Clone, Debug)]
pub struct UserConfig {
    /// Database settings.
    #[command(flatten)]
    pub database: DatabaseConfig,
    /// What to do.
    #[command(subcommand)]
    pub command: UserCommand,
}

/// What to do with accounts.
#[derive(Clone, Debug, Subcommand)]
pub enum UserCommand {
    /// Make an account and print the link with which the person sets the password.
    Create {
        /// What the account may do: `administrator`, `clinician`, `researcher` or `patient`.
        #[arg(long, value_parser = accounts::role)]
        role: Role,
        /// The address the person signs in with.
        #[arg(long)]
        email: String,
        /// The name to show.
        #[arg(long)]
        name: String,
        /// Where the installation is, such as `https://nephrocast.example.org`, for the link.
        #[arg(long, env = "NEPHROCAST_SITE", default_value = "")]
        site: String,
    },
    /// List accounts.
    List,
    /// Make an account forget its password and print a link to set a new one.
    ResetPassword {
        /// The address the person signs in with.
        #[arg(long)]
        email: String,
        /// Where the installation is, for the link.
        #[arg(long, env = "NEPHROCAST_SITE", default_value = "")]
        site: String,
    },
}

fn region(text: &str) -> Result<KfreRegion, String> {
    serde_json::from_value(serde_json::Value::String(text.to_owned()))
        .map_err(|_| "must be north_america, other or united_kingdom".to_owned())
}
