//! Logs, request ids and traces. No patient data, no secret is ever logged or told.

pub mod traces;

use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};
use opentelemetry::trace::TracerProvider;
use tracing::Instrument;
use tracing_subscriber::{
    EnvFilter, Layer, filter::dynamic_filter_fn, layer::SubscriberExt, util::SubscriberInitExt,
};
use uuid::Uuid;

use self::traces::Traces;
use crate::metrics::Metrics;

/// The header that carries the request's id, in and out.
pub static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

tokio::task_local! {
    static CURRENT_REQUEST: String;
}

/// The id of the request that is being answered, if one is.
pub fn request_id() -> Option<String> {
    CURRENT_REQUEST.try_with(Clone::clone).ok()
}

/// Starts logging to standard error, as JSON lines; `filter` is in env-filter syntax.
pub fn start(filter: &str) {
    start_with(filter, None);
}

/// The same, and tells traces where there is somebody to tell them to. What is logged and what is
/// told have nothing to do with each other.
pub fn start_with(filter: &str, traces: Option<&Traces>) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    // Ours are not within each other: a list of them would say each twice.
    let logs = tracing_subscriber::fmt::layer().json().with_span_list(false);
    let logs = logs.with_writer(std::io::stderr);
    let told = traces.map(|traces| {
        tracing_opentelemetry::layer()
            .with_tracer(traces.provider().tracer(traces::SCOPE))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            // Asked anew for each span. Where both filters have said "always" they are not asked, and what a
            // library has merely asked about on the same thread (whether something would be logged) is taken
            // for their answer: a server with a worker lost spans of requests so.
            .with_filter(dynamic_filter_fn(|about, _| {
                about.is_span() && about.target().starts_with("backend")
            }))
    });
    tracing_subscriber::registry().with(logs.with_filter(filter)).with(told).init();
}

/// Gives every request an id (NGINX's, if it is a plain one), answers with it, logs one line
/// and counts it. Both name the matched route, not the path: an identifier stays out of them.
pub async fn trace(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    let id = request
        .headers()
        .get(&REQUEST_ID)
        .and_then(|id| id.to_str().ok())
        .filter(|id| (8..=64).contains(&id.len()) && id.bytes().all(is_plain))
        .map_or_else(|| Uuid::new_v4().simple().to_string(), str::to_owned);
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<axum::extract::MatchedPath>()
        .map_or("unmatched", axum::extract::MatchedPath::as_str)
        .to_owned();
    let span = tracing::info_span!("request", id, %method, route = &*route);
    let caller = request.headers().get(traces::TRACEPARENT).and_then(|sent| sent.to_str().ok());
    if let Some(caller) = caller {
        traces::continue_in(&span, caller);
    }
    let header = HeaderValue::from_str(&id).expect("a plain id is a header value");
    let answer = async {
        let started = std::time::Instant::now();
        let mut response = next.run(request).await;
        let (status, took) = (response.status().as_u16(), started.elapsed());
        let milliseconds = took.as_millis() as u64;
        tracing::info!(status, milliseconds, "answered");
        traces::answered(&tracing::Span::current(), status);
        metrics.answered(&route, &method, status, took);
        response.headers_mut().insert(REQUEST_ID.clone(), header);
        response
    };
    CURRENT_REQUEST.scope(id, answer.instrument(span)).await
}

const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}
