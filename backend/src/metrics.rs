//! What a process counts for whoever watches the installation, and what it finds in the database
//! when it is asked. Labels are routes, methods and outcomes, never anything that a caller sent: no
//! patient can end up in one.

use std::{borrow::Cow, sync::Arc, time::Duration};

use axum::http::Method;
use chrono::{DateTime, Utc};
use prometheus_client::{
    encoding::text::{encode_eof, encode_registry},
    metrics::{
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::ConstGauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::Registry,
};
use shared::prediction::PredictionStatus;
use sqlx::PgPool;
use tokio::time::timeout;

use crate::{
    clock::Clock,
    db::{self, audit_tree::Backlog, predictions::Open},
    replica::Reads,
    telemetry::traces,
};

/// How long the database may take to tell how it stands: whoever asks for metrics does not wait for
/// ever, least of all while the database is in trouble.
const PATIENCE: Duration = Duration::from_secs(2);

/// Seconds, from what the fastest request takes to the longest that one may.
const SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

type Labels<const N: usize> = [(&'static str, Cow<'static, str>); N];

/// What a process counts. Handles are cheap to clone, and count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    requests: Family<Labels<3>, Counter>,
    latency: Family<Labels<2>, Histogram>,
    predictions: Family<Labels<1>, Counter>,
    inference: Histogram,
    batches: Histogram,
    reads: Family<Labels<1>, Counter>,
    documents: Counter,
}

/// Who answered what may be a moment behind.
#[derive(Clone, Copy, Debug)]
pub enum Answers {
    /// The copy.
    Replica,
    /// The database itself, although there is a copy.
    Primary,
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Arc::default(),
            requests: Family::default(),
            latency: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            predictions: Family::default(),
            inference: Histogram::new(SECONDS),
            batches: Histogram::new(exponential_buckets(1.0, 2.0, 9)),
            reads: Family::default(),
            documents: Counter::default(),
        };
        // From the start, so that the first one that fails is seen as a rise from nothing.
        for outcome in
            [PredictionStatus::Succeeded, PredictionStatus::Failed, PredictionStatus::Cancelled]
        {
            metrics.predictions_ended(outcome, 0);
        }
        Self { registry: Arc::new(metrics.registry()), ..metrics }
    }
}

impl Metrics {
    fn registry(&self) -> Registry {
        let mut registry = Registry::default();
        let version: Labels<1> = [("version", Cow::Borrowed(env!("CARGO_PKG_VERSION")))];
        registry.register("nephrocast_build", "The program", Info::new(version));
        registry.register(
            "nephrocast_requests",
            "Requests that were answered, by matched route",
            self.requests.clone(),
        );
        registry.register(
            "nephrocast_request_seconds",
            "Seconds until a request was answered; of a stream of events, until it began",
            self.latency.clone(),
        );
        registry.register(
            "nephrocast_predictions",
            "Predictions that became final in this process",
            self.predictions.clone(),
        );
        registry.register(
            "nephrocast_inference_seconds",
            "Seconds that a batch of predictions was computed for",
            self.inference.clone(),
        );
        registry.register(
            "nephrocast_inference_batch_predictions",
            "Predictions that were computed together",
            self.batches.clone(),
        );
        registry.register(
            "nephrocast_replica_reads",
            "Reads that a replica may answer, by who did",
            self.reads.clone(),
        );
        registry.register(
            "nephrocast_document_failures",
            "Documents that their store did not take, or did not give as they were",
            self.documents.clone(),
        );
        registry
    }

    /// The documents' store failed somebody.
    pub fn document_failed(&self) {
        self.documents.inc();
    }

    /// Something was read that a replica may answer.
    pub fn read_from(&self, who: Answers) {
        let who = match who {
            Answers::Replica => "replica",
            Answers::Primary => "primary",
        };
        self.reads.get_or_create(&[("answered_by", Cow::Borrowed(who))]).inc();
    }

    /// A request was answered.
    pub fn answered(&self, route: &str, method: &Method, status: u16, took: Duration) {
        let route = || ("route", Cow::Owned(route.to_owned()));
        let method = || ("method", Cow::Borrowed(usual(method)));
        let status = ("status", Cow::Owned(status.to_string()));
        self.requests.get_or_create(&[route(), method(), status]).inc();
        self.latency.get_or_create(&[route(), method()]).observe(took.as_secs_f64());
    }

    /// Predictions became final.
    pub fn predictions_ended(&self, outcome: PredictionStatus, count: usize) {
        self.predictions.get_or_create(&[("outcome", named(outcome))]).inc_by(count as u64);
    }

    /// A batch of predictions was computed.
    pub fn computed(&self, predictions: usize, took: Duration) {
        self.inference.observe(took.as_secs_f64());
        self.batches.observe(predictions as f64);
    }
}

/// A caller may make up methods, each of which would be a line for ever.
fn usual(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

fn named(status: PredictionStatus) -> Cow<'static, str> {
    Cow::Borrowed(match status {
        PredictionStatus::Queued => "queued",
        PredictionStatus::Running => "running",
        PredictionStatus::Succeeded => "succeeded",
        PredictionStatus::Failed => "failed",
        PredictionStatus::Cancelled => "cancelled",
    })
}

/// A process, as whoever watches the installation sees it.
#[derive(Clone, Debug)]
pub struct Observed {
    /// What it counts.
    pub metrics: Metrics,
    /// Its database.
    pub db: PgPool,
    /// Further connections that it has to it: those of the worker in a server.
    pub further: Option<PgPool>,
    /// Whether it runs predictions.
    pub works: bool,
    /// The copy that it may read from.
    pub reads: Reads,
    /// The time.
    pub clock: Clock,
}

impl Observed {
    /// Everything in the text form of `OpenMetrics`.
    pub async fn text(&self) -> anyhow::Result<String> {
        let mut text = String::new();
        encode_registry(&mut text, &self.metrics.registry)?;
        encode_registry(&mut text, &self.now().await)?;
        encode_eof(&mut text)?;
        Ok(text)
    }

    /// What is so at the moment. While the database does not answer, what only it knows is left
    /// out: an old number would look like a good one.
    async fn now(&self) -> Registry {
        let mut now = Registry::default();
        self.describe_process(&mut now);
        self.describe_replica(&mut now).await;
        let found = timeout(PATIENCE, self.look()).await;
        let found = found.map_err(anyhow::Error::from).and_then(|found| Ok(found?));
        gauge(
            &mut now,
            "nephrocast_database_up",
            "1 while the database answers within two seconds",
            f64::from(u8::from(found.is_ok())),
        );
        match found {
            Ok((open, backlog)) => describe_site(&mut now, open, &backlog, &self.clock),
            Err(error) => tracing::warn!(%error, "the database does not tell how it stands"),
        }
        now
    }

    fn describe_process(&self, now: &mut Registry) {
        let pools = [Some(&self.db), self.further.as_ref()];
        let sum = |of: fn(&PgPool) -> u32| pools.iter().flatten().map(|pool| of(pool)).sum::<u32>();
        let (open, idle) = (sum(PgPool::size), sum(|pool| pool.num_idle() as u32));
        let connections: Family<Labels<1>, FloatGauge> = Family::default();
        let of = |state| connections.get_or_create_owned(&[("state", Cow::Borrowed(state))]);
        of("idle").set(idle.into());
        of("in_use").set(open.saturating_sub(idle).into());
        now.register("nephrocast_database_connections", "Connections of this process", connections);
        gauge(
            now,
            "nephrocast_database_connections_most",
            "Connections that this process may open",
            sum(|pool| pool.options().get_max_connections()).into(),
        );
        gauge(
            now,
            "nephrocast_works",
            "1 in a process that runs predictions and stands by to seal the audit log",
            f64::from(u8::from(self.works)),
        );
        now.register(
            "nephrocast_spans_not_told",
            "Spans of traces that could not be told",
            ConstCounter::new(traces::not_told()),
        );
        if let Some(ahead) = self.clock.machine_ahead() {
            gauge(
                now,
                "nephrocast_machine_clock_ahead_seconds",
                "Seconds that this machine's clock is before the database's",
                ahead.as_seconds_f64(),
            );
        }
        if let Some(bytes) = resident_bytes() {
            gauge(now, "process_resident_memory_bytes", "Memory of this process", bytes);
        }
    }

    async fn describe_replica(&self, now: &mut Registry) {
        let Some(lag) = self.reads.lag().await else { return };
        let up = f64::from(u8::from(lag.is_some()));
        gauge(now, "nephrocast_replica_up", "1 while the replica says how it stands", up);
        if let Some(lag) = lag {
            gauge(now, "nephrocast_replica_lag_seconds", "Seconds that the replica is behind", lag);
        }
    }

    async fn look(&self) -> sqlx::Result<(Open, Backlog)> {
        let mut connection = self.db.acquire().await?;
        let open = db::predictions::open(&mut *connection, self.clock.now()).await?;
        Ok((open, db::audit_tree::backlog(&mut *connection).await?))
    }
}

type FloatGauge = prometheus_client::metrics::gauge::Gauge<f64, std::sync::atomic::AtomicU64>;

/// What is so for the whole installation: every process says the same.
fn describe_site(now: &mut Registry, open: Open, backlog: &Backlog, clock: &Clock) {
    let queue: Family<Labels<1>, FloatGauge> = Family::default();
    let of = |status| queue.get_or_create_owned(&[("status", named(status))]);
    of(PredictionStatus::Queued).set(open.queued as f64);
    of(PredictionStatus::Running).set(open.running as f64);
    now.register("nephrocast_queue_predictions", "Predictions that are not final yet", queue);
    let seconds = |since: Option<DateTime<Utc>>| {
        since.map_or(0.0, |since| (clock.now() - since).as_seconds_f64().max(0.0))
    };
    gauge(
        now,
        "nephrocast_queue_oldest_seconds",
        "Seconds that the prediction which is due longest has been waiting for a worker",
        seconds(open.due_since),
    );
    gauge(
        now,
        "nephrocast_audit_unsealed_entries",
        "Entries of the audit log that are not sealed yet",
        backlog.entries as f64,
    );
    gauge(
        now,
        "nephrocast_audit_unsealed_oldest_seconds",
        "Age of the oldest entry of the audit log that is not sealed yet",
        seconds(backlog.since),
    );
}

fn gauge(registry: &mut Registry, name: &str, help: &str, value: f64) {
    registry.register(name, help, ConstGauge::new(value));
}

/// The memory that this process holds, as Linux counts it.
fn resident_bytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0)
}
