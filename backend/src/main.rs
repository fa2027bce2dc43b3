//! `nephrocast`: serve, worker, migrate, seed, publish, user, openapi, audit, backup, restore.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use backend::{
    accounts,
    audit::{
        checkpoint::{Checkpoint, SealingKey, TrustedKeys},
        verify::verify,
    },
    auth::password::Hasher,
    backup::{self, Tools},
    clock::Clock,
    config::{
        AuditTrustConfig, BackupConfig, DatabaseConfig, MetricsConfig, MigrateConfig, ModelConfig,
        PaceConfig, RestoreConfig, SealingConfig, SeedConfig, ServeConfig, UserCommand, UserConfig,
        WorkerConfig,
    },
    dashboards::{KeptCounts, MANY},
    db,
    documents::Documents,
    jobs::{
        self, at_once::AtOnce, events::PredictionEvents, predict::Engine, seal::Sealer, worker,
    },
    limits::Limits,
    metrics::{Metrics, Observed},
    models::Releases,
    openapi,
    replica::Reads,
    router::{self, router},
    seed, server,
    state::{AppState, Parts},
    telemetry,
    together::Together,
    worklist::KeptLines,
};
use chrono::TimeDelta;
use clap::{Parser, Subcommand};
use shared::user::PasswordLink;
use sqlx::PgPool;
use tikv_jemallocator::Jemalloc;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// What a sign-in or a batch of predictions took is given back, where the system's own allocator keeps
/// most of it.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;
// Its build reads from there how soon, and says nothing when it finds nothing.
const _: &str = env!(
    "JEMALLOC_SYS_WITH_MALLOC_CONF",
    "to be built within the repository: .cargo/config.toml says how the allocator works"
);

/// How long a server that is told to stop goes on, for others to notice.
const LEAVING: Duration = Duration::from_secs(1);
/// How long open requests may take to end after a stop.
const GRACE: Duration = Duration::from_secs(8);

/// Who is heading for kidney failure, why, and what the guidelines say to do.
#[derive(Parser)]
#[command(version, about, after_help = shared::INTENDED_USE)]
struct Cli {
    /// What is logged, in env-filter syntax.
    #[arg(
        long,
        global = true,
        env = "NEPHROCAST_LOG",
        default_value = "info,graphile_worker=warn,graphile_worker_queries=warn"
    )]
    log: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Answer the API.
    Serve(ServeConfig),
    /// Run predictions; start as many workers as wanted.
    Worker(WorkerConfig),
    /// Bring the database to this program's schema.
    Migrate(MigrateConfig),
    /// Fill an empty database with demo accounts and fictional patients.
    Seed(SeedConfig),
    /// Publish summaries for researchers now, if enough people have changed since the last time.
    Publish(DatabaseConfig),
    /// Make, list and rescue accounts.
    User(UserConfig),
    /// Write everything into a folder: the database, the documents, the audit log's checkpoint.
    Backup(BackupConfig),
    /// Restore such a folder into an empty database, and check that nothing differs.
    Restore(RestoreConfig),
    /// Print the OpenAPI document.
    Openapi,
    /// Check the audit log, or print what is needed to check it elsewhere.
    #[command(subcommand)]
    Audit(AuditCommand),
}

#[derive(Subcommand)]
enum AuditCommand {
    /// Check that every entry is as it was sealed; names the first one that is not.
    Verify {
        /// Database settings.
        #[command(flatten)]
        database: DatabaseConfig,
        /// Whom to believe.
        #[command(flatten)]
        trust: AuditTrustConfig,
        /// A checkpoint that was kept elsewhere: shows whether the log's end was cut off.
        #[arg(long)]
        checkpoint: Option<PathBuf>,
    },
    /// Print the latest signed checkpoint.
    Checkpoint(DatabaseConfig),
    /// Print the public half of the key that signs checkpoints.
    PublicKey(SealingConfig),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&anyhow::Error::new(error).context("no async runtime")),
    };
    let ended = runtime.block_on(run(cli));
    // A computation that is still going belongs to a batch that somebody else will do.
    runtime.shutdown_timeout(Duration::from_millis(500));
    ended.map_or_else(|error| failed(&error), |()| ExitCode::SUCCESS)
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("nephrocast: {error:#}");
    ExitCode::FAILURE
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Openapi => {
            print!("{}", openapi::text());
            Ok(())
        }
        Command::Serve(config) => {
            let traces = config.traces.start("nephrocast-serve")?;
            telemetry::start_with(&cli.log, traces.as_ref());
            serve(config).await
        }
        Command::Worker(config) => {
            let traces = config.traces.start("nephrocast-worker")?;
            telemetry::start_with(&cli.log, traces.as_ref());
            work(config).await
        }
        Command::Audit(command) => {
            telemetry::start(&cli.log);
            audit(command).await
        }
        Command::Migrate(config) => {
            telemetry::start(&cli.log);
            jobs::migrate(&config.connect().await?).await
        }
        Command::Publish(config) => {
            telemetry::start(&cli.log);
            let db = config.connect().await?;
            jobs::check_schema(&db).await?;
            let published = jobs::summarise::publish(&db, &Clock::machine()).await?;
            println!("{}", if published { "Published." } else { "The last publication stays." });
            Ok(())
        }
        Command::User(config) => user(config).await,
        Command::Backup(config) => {
            telemetry::start(&cli.log);
            back_up(config).await
        }
        Command::Restore(config) => {
            telemetry::start(&cli.log);
            restore(config).await
        }
        Command::Seed(config) => {
            telemetry::start(&cli.log);
            anyhow::ensure!(config.demo, "{}", seed::DEMO_ONLY);
            let db = config.database.connect().await?;
            jobs::check_database(&db).await?;
            let releases = load(&config.model, &db).await?;
            db::settings::set_defaults(&db, config.site.defaults()).await?;
            seed::run(&db, &Clock::machine(), releases).await
        }
    }
}

async fn back_up(config: BackupConfig) -> anyhow::Result<()> {
    let tools = Tools::new(config.database.address()?, config.tools.postgres_bin)?;
    let (db, documents) = (config.database.connect().await?, config.documents.open()?);
    documents.check_reading().await?;
    let now = Clock::machine().now();
    let made = backup::make(&db, &tools, &documents, &config.folder, now).await?;
    println!(
        "Backed up: {} rows in {} tables, {} documents. It holds data of patients and no key: \
         encrypt it, and keep the keys elsewhere.",
        made.rows(),
        made.tables.len(),
        made.documents.len()
    );
    anyhow::ensure!(
        made.missing.is_empty(),
        "the content of {} documents is lost, which the backup's manifest names; all else is in it",
        made.missing.len()
    );
    Ok(())
}

async fn restore(config: RestoreConfig) -> anyhow::Result<()> {
    let trusted = config.audit.keys()?;
    let tools = Tools::new(config.database.address()?, config.tools.postgres_bin)?;
    let (db, documents) = (config.database.connect().await?, config.documents.open()?);
    documents.check().await?;
    let restored = backup::restore(&db, &tools, &documents, &trusted, &config.folder).await?;
    println!(
        "Restored the backup of {}: {} rows in {} tables and {} documents are what was backed up; the \
         audit log is whole, {} sealed entries checked.",
        restored.manifest.made_at.format("%Y-%m-%d %H:%M UTC"),
        restored.manifest.rows(),
        restored.manifest.tables.len(),
        restored.manifest.documents.len(),
        restored.audited
    );
    if !restored.current {
        println!("It is of an older program: run `nephrocast migrate`.");
    }
    Ok(())
}

async fn audit(command: AuditCommand) -> anyhow::Result<()> {
    match command {
        AuditCommand::Verify { database, trust, checkpoint } => {
            let trusted = trust.keys()?;
            let elsewhere = checkpoint.map(|file| read_checkpoint(&file, &trusted)).transpose()?;
            let db = database.connect().await?;
            jobs::check_schema(&db).await?;
            let found = verify(&db, &trusted, elsewhere.as_ref(), None).await?;
            if let Some(fault) = found.fault {
                anyhow::bail!("the audit log is not whole: {}", fault.message);
            }
            println!("The audit log is whole: {} sealed entries checked.", found.checked);
            if let Some(since) = found.unsealed_since {
                println!("{} entries wait to be sealed, the oldest since {since}.", found.unsealed);
            }
            Ok(())
        }
        AuditCommand::Checkpoint(database) => {
            let latest = db::audit_tree::latest_checkpoint(&database.connect().await?).await?;
            print!("{}", latest.context("nothing is sealed yet: is a worker running?")?.note);
            Ok(())
        }
        AuditCommand::PublicKey(config) => {
            println!("{}", config.key()?.public());
            Ok(())
        }
    }
}

fn read_checkpoint(file: &Path, trusted: &TrustedKeys) -> anyhow::Result<Checkpoint> {
    let note = std::fs::read_to_string(file)
        .with_context(|| format!("{} cannot be read", file.display()))?;
    trusted.open(&note).with_context(|| format!("{} is not to be relied on", file.display()))
}

async fn user(config: UserConfig) -> anyhow::Result<()> {
    let db = config.database.connect().await?;
    jobs::check_database(&db).await?;
    let clock = Clock::machine();
    match config.command {
        UserCommand::Create { role, email, name, site } => {
            let link = accounts::create_by_hand(&db, &clock, role, email, name).await?;
            show(&site, &link);
        }
        UserCommand::ResetPassword { email, site } => {
            show(&site, &accounts::reset_by_hand(&db, &clock, &email).await?);
        }
        UserCommand::List => {
            for account in accounts::list_by_hand(&db, &clock).await? {
                let (role, state) = (account.role.label(), account.state.label());
                println!("{}\t{role}\t{state}\t{}", account.email, account.display_name);
            }
        }
    }
    Ok(())
}

/// Prints a link where only whoever sits there sees it; it is stored nowhere.
fn show(site: &str, link: &PasswordLink) {
    println!("{}{}", site.trim_end_matches('/'), link.path);
    eprintln!("Good once, until {}.", link.expires_at.format("%Y-%m-%d %H:%M UTC"));
}

async fn serve(config: ServeConfig) -> anyhow::Result<()> {
    config.check()?;
    let mut stop = stop_signal()?;
    let listener = listen(config.listen).await?;
    let key = config.sealing_key()?;
    let state = state(&config).await?;
    let events = state.events.clone();
    let worker = match key {
        Some(key) => Some(Box::pin(worker_of(&config, &state, key)).await?),
        None => None,
    };
    let observed = Observed {
        metrics: state.metrics.clone(),
        db: state.db.clone(),
        further: worker.as_ref().map(|worker| worker.engine.db().clone()),
        works: worker.is_some(),
        reads: state.reads.clone(),
        clock: state.clock.clone(),
    };
    let working = worker.map(|worker| Box::pin(worker.run(stop.clone())));
    tell(config.metrics, observed, stop.clone()).await?;
    tracing::info!(address = %config.listen, "listening");
    let mut stopping = stop.clone();
    let service = router::leaving(router(state), stop.clone());
    let server = server::serve(listener, service, async move {
        stopped(&mut stopping).await;
        tokio::time::sleep(LEAVING).await;
        // Streams of events never end by themselves.
        events.close();
    });
    let overtime = async {
        stopped(&mut stop).await;
        tokio::time::sleep(GRACE).await;
    };
    let serving = async {
        tokio::select! {
            ended = server => ended.context("the server failed"),
            () = overtime => {
                tracing::warn!("some requests did not end in time");
                Ok(())
            }
        }
    };
    let working = async {
        match working {
            Some(working) => working.await,
            None => Ok(()),
        }
    };
    tokio::try_join!(serving, working).map(drop)
}

/// The worker in a server. It has connections of its own: whoever waits for a page does not wait for it.
async fn worker_of(
    config: &ServeConfig,
    state: &AppState,
    key: SealingKey,
) -> anyhow::Result<Worker> {
    let db = config.database.connect().await?;
    let Parts { clock, releases, metrics, documents, .. } = &**state;
    let engine = Engine::new(db, clock.clone(), Arc::clone(releases), lease(config.pace));
    let engine = engine.counting(metrics.clone());
    Worker::connect(engine, &config.database, documents.clone(), key, config.pace).await
}

/// Tells whoever watches the installation what this process counts, if there is an address for it.
async fn tell(
    config: MetricsConfig,
    observed: Observed,
    mut stop: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let Some(address) = config.metrics_listen else { return Ok(()) };
    let service = router::metrics(observed).into_make_service();
    let server = axum::serve(listen(address).await?, service);
    let server = server.with_graceful_shutdown(async move { stopped(&mut stop).await });
    tokio::spawn(server.into_future());
    Ok(())
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.with_context(|| format!("cannot listen on {address}"))
}

async fn state(config: &ServeConfig) -> anyhow::Result<AppState> {
    let (keys, vault) = config.keys()?;
    let audit_keys = config.audit.keys()?;
    let documents = config.documents.open()?;
    documents.check().await?;
    let db = config.database.connect().await?;
    jobs::check_database(&db).await?;
    db::settings::set_defaults(&db, config.site.defaults()).await?;
    accounts::reseal(&db, &vault).await?;
    let releases = load(&config.model, &db).await?;
    let direct = config.database.connect_directly(&db, 1).await?;
    let events = PredictionEvents::listen(&direct).await.context("the database sends no news")?;
    let (clock, metrics) = (Clock::of_database(db.clone()).await?, Metrics::default());
    let replica = config.replica.open(config.database.database_connections)?;
    let at_once = if config.with_worker {
        let (db, clock, releases) = (db.clone(), clock.clone(), Arc::clone(&releases));
        let engine = Engine::new(db, clock, releases, lease(config.pace));
        AtOnce::by(engine.counting(metrics.clone()))
    } else {
        AtOnce::never()
    };
    Ok(AppState::from(Parts {
        together: Together::start(&db, &clock, KeptLines::default(), at_once.clone()),
        at_once,
        reads: Reads::new(db.clone(), replica, metrics.clone()),
        db,
        clock,
        keys: Arc::new(keys),
        audit_keys: Arc::new(audit_keys),
        vault: Arc::new(vault),
        hasher: Hasher::new()?,
        documents: documents.counting(metrics.clone()),
        releases,
        events,
        dashboards: KeptCounts::new(MANY),
        limits: Arc::new(Limits::new(config.limits.rates(config.demo))),
        metrics,
    }))
}

async fn work(config: WorkerConfig) -> anyhow::Result<()> {
    let stop = stop_signal()?;
    let key = config.sealing.key()?;
    let documents = config.documents.open()?;
    documents.check().await?;
    let db = config.database.connect().await?;
    jobs::check_database(&db).await?;
    let releases = load(&config.model, &db).await?;
    let clock = Clock::of_database(db.clone()).await?;
    let metrics = Metrics::default();
    let observed = Observed {
        metrics: metrics.clone(),
        db: db.clone(),
        further: None,
        works: true,
        reads: Reads::new(db.clone(), None, metrics.clone()),
        clock: clock.clone(),
    };
    let engine = Engine::new(db, clock, releases, lease(config.pace)).counting(metrics);
    let worker = Worker::connect(engine, &config.database, documents, key, config.pace).await?;
    tell(config.metrics, observed, stop.clone()).await?;
    worker.run(stop).await
}

fn lease(pace: PaceConfig) -> TimeDelta {
    TimeDelta::seconds(pace.worker_lease_seconds.into())
}

/// What runs predictions and seals the audit log, in a process of its own or in a server's.
struct Worker {
    engine: Engine,
    queue: PgPool,
    documents: Documents,
    key: SealingKey,
    pace: PaceConfig,
}

impl Worker {
    async fn connect(
        engine: Engine,
        database: &DatabaseConfig,
        documents: Documents,
        key: SealingKey,
        pace: PaceConfig,
    ) -> anyhow::Result<Self> {
        // What the queue takes for its jobs, to be told of new ones, and to say that it lives.
        let queue = database.connect_directly(engine.db(), pace.worker_concurrency + 3).await?;
        Ok(Self { engine, queue, documents, key, pace })
    }

    /// Works until `stop` turns true.
    async fn run(self, stop: watch::Receiver<bool>) -> anyhow::Result<()> {
        let Self { engine, queue, documents, key, pace } = self;
        let (address, clock) = (queue.connect_options().as_ref().clone(), engine.clock().clone());
        tokio::spawn(Sealer::new(address, clock, Arc::new(key)).run(stop.clone()));
        let pace = worker::Pace {
            concurrency: pace.worker_concurrency as usize,
            sweep: Duration::from_secs(pace.worker_sweep_seconds.into()),
        };
        tracing::info!("waiting for jobs");
        let working = worker::run(engine, queue, documents, pace, stop.clone());
        let overtime = async {
            stopped(&mut stop.clone()).await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            ended = working => ended?,
            () = overtime => {
                tracing::warn!("a batch did not end in time; another worker will do it");
            }
        }
        // Whoever supervises the process starts it anew then, and the server in it too.
        anyhow::ensure!(*stop.borrow(), "the worker ended by itself");
        Ok(())
    }
}

async fn load(config: &ModelConfig, db: &PgPool) -> anyhow::Result<Arc<Releases>> {
    let releases = Releases::load(&config.model_dir)?;
    releases.check(db).await?;
    Ok(Arc::new(releases))
}

/// Turns true at SIGTERM or SIGINT.
fn stop_signal() -> anyhow::Result<watch::Receiver<bool>> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be heard")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be heard")?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        sender.send_replace(true);
        // The channel stays open for those who look later.
        sender.closed().await;
    });
    Ok(receiver)
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}
