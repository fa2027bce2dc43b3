//! A trace from the click to the result, as a collector of the test's own receives it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, common::v1::any_value::Value as Attribute,
    trace::v1::Span,
};
use prost::Message;
use serde_json::{Value, json};
use shared::id::PatientId;
use tokio::{
    net::TcpListener,
    time::{Instant, sleep},
};

use crate::{predictions::persona, serve::Server, support::TestApp, worker::Worker};

/// The number that the click has given the trace, and the span.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CLICK: &str = "b7ad6b7169203331";

/// What was told, with the name of the service that did.
type Told = Arc<Mutex<Vec<(String, Span)>>>;

async fn collector() -> (String, Told) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let told = Told::default();
    let router = Router::new().route("/v1/traces", post(receive)).with_state(told.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, told)
}

async fn receive(State(told): State<Told>, body: Bytes) {
    let sent = ExportTraceServiceRequest::decode(body).unwrap();
    for of_service in sent.resource_spans {
        let resource = of_service.resource.unwrap();
        let mut attributes = resource.attributes.into_iter();
        let name = attributes.find(|one| one.key == "service.name").unwrap();
        let Some(Attribute::StringValue(service)) = name.value.unwrap().value else { panic!() };
        for span in of_service.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            told.lock().unwrap().push((service.clone(), span));
        }
    }
}

fn find(told: &Told, service: &str, name: &str) -> Option<Span> {
    let told = told.lock().unwrap();
    let mut spans = told.iter().filter(|(by, span)| by == service && span.name == name);
    spans.find(|(_, span)| hex::encode(&span.trace_id) == TRACE).map(|(_, span)| span.clone())
}

/// A server and a worker that tell the collector, and a patient.
struct Site {
    _app: TestApp,
    told: Told,
    patient: PatientId,
    server: Server,
    worker: Worker,
}

impl Site {
    async fn start() -> Self {
        let app = TestApp::new().await;
        let (address, told) = collector().await;
        let settings =
            [("NEPHROCAST_OTLP_ENDPOINT", address.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "100")];
        let patient = persona(&app, "T-1").await;
        let server = Server::start_with(&app, &settings).await;
        let worker = Worker::start_with(&app, &settings);
        Self { _app: app, told, patient, server, worker }
    }
}

/// The span of the request and those of the worker, once all of them have been told.
async fn traced(told: &Told, work: &[&str]) -> (Span, Vec<Span>) {
    traced_by(told, "nephrocast-worker", work).await
}

async fn traced_by(told: &Told, worker: &str, work: &[&str]) -> (Span, Vec<Span>) {
    let since = Instant::now();
    loop {
        let request = find(told, "nephrocast-serve", "request");
        let job: Option<Vec<_>> = work.iter().map(|step| find(told, worker, step)).collect();
        if let (Some(request), Some(job)) = (request, job) {
            return (request, job);
        }
        assert!(since.elapsed() < Duration::from_mins(1), "{told:?}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// Sends a request that belongs to the trace.
async fn click(server: &Server, path: &str, body: &Value) {
    let traceparent = format!("traceparent: 00-{TRACE}-{CLICK}-01\r\n");
    let asked = server.send_with("POST", path, body, &traceparent).await.text().await;
    assert!(asked.starts_with("HTTP/1.1 202"), "{asked}");
}

/// Nothing of a patient's leaves, and no line of the log.
fn no_patient_is_in(told: &Told, patient: PatientId) {
    let told = told.lock().unwrap();
    let everything = format!("{told:?}");
    for secret in [patient.to_string().as_str(), "T-1", "Ada", "Testwell", "example.org"] {
        assert!(!everything.contains(secret), "{secret}");
    }
    assert!(told.iter().all(|(_, span)| span.events.is_empty()));
}

#[tokio::test]
async fn one_trace_holds_the_request_the_job_and_the_inference() {
    let Site { _app, told, patient, server, worker } = Site::start().await;
    click(&server, &format!("/api/v1/patients/{patient}/predictions"), &json!({})).await;

    let (request, job) = traced(&told, &["prediction", "claim", "inference", "write"]).await;
    assert_eq!(hex::encode(&request.parent_span_id), CLICK);
    assert_eq!(job[0].parent_span_id, request.span_id, "the job follows from the request");
    for step in &job[1..] {
        assert_eq!(step.parent_span_id, job[0].span_id, "{} is a part of the job", step.name);
        assert!(step.start_time_unix_nano <= step.end_time_unix_nano);
    }
    assert!(
        request.start_time_unix_nano <= job[1].start_time_unix_nano.max(job[0].end_time_unix_nano)
    );
    let keys =
        |span: &Span| -> Vec<_> { span.attributes.iter().map(|one| one.key.clone()).collect() };
    assert!(keys(&request).contains(&"http.response.status_code".to_owned()), "{request:?}");

    drop(worker);
    no_patient_is_in(&told, patient);
}

#[tokio::test]
async fn one_trace_holds_the_request_and_what_a_server_with_a_worker_does_at_once() {
    let app = TestApp::new().await;
    let (address, told) = collector().await;
    let settings = [
        ("NEPHROCAST_OTLP_ENDPOINT", address.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ("NEPHROCAST_WITH_WORKER", "true"),
    ];
    let patient = persona(&app, "T-1").await;
    let server = Server::start_with(&app, &settings).await;
    click(&server, &format!("/api/v1/patients/{patient}/predictions"), &json!({})).await;

    let steps = ["prediction", "freeze", "inference", "write"];
    let (request, job) = traced_by(&told, "nephrocast-serve", &steps).await;
    assert_eq!(job[0].parent_span_id, request.span_id, "the work is a part of the request");
    for step in &job[1..] {
        assert_eq!(step.parent_span_id, job[0].span_id, "{} is a part of the work", step.name);
        assert!(step.start_time_unix_nano <= step.end_time_unix_nano);
    }
    no_patient_is_in(&told, patient);
}

#[tokio::test]
async fn one_trace_holds_the_request_of_a_batch_and_its_steps() {
    let Site { _app, told, patient, server, worker } = Site::start().await;
    click(&server, "/api/v1/prediction-batches", &json!({ "filter": {} })).await;

    let (request, job) = traced(&told, &["list", "freeze", "inference", "write"]).await;
    assert_eq!(hex::encode(&request.parent_span_id), CLICK);
    let since = Instant::now();
    for part in &job {
        assert!(part.start_time_unix_nano <= part.end_time_unix_nano);
        // A step is told when all its parts have been.
        let step = loop {
            let found = told
                .lock()
                .unwrap()
                .iter()
                .map(|(_, span)| span.clone())
                .find(|span| span.span_id == part.parent_span_id);
            if let Some(step) = found {
                break step;
            }
            assert!(since.elapsed() < Duration::from_mins(1), "{told:?}");
            sleep(Duration::from_millis(50)).await;
        };
        assert_eq!(step.name, "batch", "{} is a part of a step", part.name);
        assert_eq!(step.parent_span_id, request.span_id, "a step follows from the request");
    }
    drop(worker);
    no_patient_is_in(&told, patient);
}
