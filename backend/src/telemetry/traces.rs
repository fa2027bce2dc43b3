//! Traces from the click to the result, told to an OpenTelemetry collector. Only spans leave, with the
//! request's id, route, method and status, and how many predictions went together: never a log line,
//! an address or anything of a patient's.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use opentelemetry::{
    Context, KeyValue, global,
    propagation::TextMapPropagator,
    trace::{SpanKind, TraceContextExt, Tracer},
};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    propagation::TraceContextPropagator,
    trace::{Sampler, SdkTracerProvider, SpanData, SpanExporter as Exporter},
};
use tokio::time::Duration;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use url::Url;

use crate::{clock::Clock, tls};

/// The header, and the name of its kind, in W3C Trace Context.
pub const TRACEPARENT: &str = "traceparent";
/// Who makes the spans.
pub const SCOPE: &str = "nephrocast";
/// How long a collector may take, and how long an ending process waits for it.
const PATIENCE: Duration = Duration::from_secs(2);

/// What tells traces; what is left is told when it is dropped.
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Begins to tell a share of all traces to a collector: OTLP over HTTP, at its own address.
    pub fn to(collector: &Url, share: f64, service: &'static str) -> anyhow::Result<Self> {
        tls::prepare();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/v1/traces", collector.as_str().trim_end_matches('/')))
            .with_timeout(PATIENCE)
            .build()
            .context("traces cannot be told to NEPHROCAST_OTLP_ENDPOINT")?;
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        // By the trace's own number, so that a server and a worker decide alike.
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(Counting(exporter))
            .with_sampler(Sampler::TraceIdRatioBased(share))
            .with_resource(
                Resource::builder_empty()
                    .with_service_name(service)
                    .with_attribute(version)
                    .build(),
            )
            .build();
        global::set_tracer_provider(provider.clone());
        Ok(Self(provider))
    }

    /// The provider, for the layer that turns spans of `tracing` into told ones.
    pub(super) const fn provider(&self) -> &SdkTracerProvider {
        &self.0
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown_with_timeout(PATIENCE) {
            tracing::warn!(%error, "the last traces were not told");
        }
    }
}

/// Spans that could not be told; of the process, as what tells them is.
static NOT_TOLD: AtomicU64 = AtomicU64::new(0);

/// How many spans could not be told.
pub fn not_told() -> u64 {
    NOT_TOLD.load(Ordering::Relaxed)
}

/// Tells spans, and counts those that it could not tell.
#[derive(Debug)]
struct Counting(SpanExporter);

impl Exporter for Counting {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        let told = self.0.export(batch).await;
        if told.is_err() {
            NOT_TOLD.fetch_add(spans, Ordering::Relaxed);
        }
        told
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

/// Makes a request's span a part of the trace that the caller has begun.
pub fn continue_in(span: &Span, traceparent: &str) {
    // Without a collector there is nothing to be a part of.
    drop(span.set_parent(parent(traceparent)));
}

/// The status of a request's answer.
pub fn answered(span: &Span, status: u16) {
    span.set_attribute("http.response.status_code", i64::from(status));
}

/// Where what runs now is in its trace, for whoever goes on with it elsewhere; nothing, if the trace
/// is not told.
pub fn traceparent() -> Option<String> {
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&Span::current().context(), &mut carrier);
    carrier.remove(TRACEPARENT).filter(|told| told.ends_with("-01"))
}

fn parent(traceparent: &str) -> Context {
    let carrier = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
    TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier)
}

/// The steps of work that is done for many at once, each of whom belongs to a trace of their own.
#[derive(Debug)]
pub struct Steps {
    clock: Clock,
    begun: DateTime<Utc>,
    /// The name of each step, and when it ended: the next begins then.
    ended: Vec<(&'static str, DateTime<Utc>)>,
}

impl Steps {
    /// The first begins.
    pub fn begin(clock: &Clock) -> Self {
        Self { clock: clock.clone(), begun: clock.now(), ended: Vec::new() }
    }

    /// One has ended.
    pub fn ended(&mut self, name: &'static str) {
        self.ended.push((name, self.clock.now()));
    }

    /// Tells them to each trace that they are a part of.
    pub fn tell(&self, work: &'static str, together: usize, traceparents: &[String]) {
        let tracer = global::tracer(SCOPE);
        let together = KeyValue::new("together", i64::try_from(together).unwrap_or(i64::MAX));
        for traceparent in traceparents {
            let whole = tracer
                .span_builder(work)
                .with_kind(SpanKind::Consumer)
                .with_start_time(self.begun)
                .with_attributes([together.clone()])
                .start_with_context(&tracer, &parent(traceparent));
            let whole = Context::new().with_span(whole);
            let mut begun = self.begun;
            for &(name, ended) in &self.ended {
                let step = tracer
                    .span_builder(name)
                    .with_start_time(begun)
                    .start_with_context(&tracer, &whole);
                Context::new().with_span(step).span().end_with_timestamp(ended.into());
                begun = ended;
            }
            whole.span().end_with_timestamp(begun.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{Span as _, TracerProvider as _};

    use super::*;

    #[test]
    fn what_no_collector_takes_is_counted() {
        let nobody = Url::parse("http://127.0.0.1:9").unwrap();
        let traces = Traces::to(&nobody, 1.0, "test").unwrap();
        traces.provider().tracer(SCOPE).start("work").end();
        drop(traces.provider().force_flush());
        assert_eq!(not_told(), 1);
    }
}
