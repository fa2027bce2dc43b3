//! What Prometheus is told, and what its rules and the dashboard make of it.

use std::{collections::BTreeSet, fs, net::TcpListener, path::Path, time::Duration};

use axum::body::Body;
use backend::{
    clock::Clock,
    jobs::predict,
    metrics::{Answers, Metrics, Observed},
    replica::{Reads, Replica},
};
use serde_json::json;
use shared::access::Role;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep},
};
use uuid::Uuid;

use crate::{
    predictions::persona,
    support::{TestApp, email},
    worker::Worker,
};

fn observed(app: &TestApp) -> Observed {
    let (metrics, db) = (app.state.metrics.clone(), app.db.clone());
    let (clock, reads) = (app.clock.clone(), app.state.reads.clone());
    Observed { metrics, db, further: None, works: false, reads, clock }
}

async fn text(app: &TestApp) -> String {
    observed(app).text().await.unwrap()
}

/// The value of one line.
#[track_caller]
fn value(text: &str, line: &str) -> f64 {
    let found = text.lines().find_map(|one| one.strip_prefix(line));
    let found = found.unwrap_or_else(|| panic!("no {line} in {text}"));
    found.trim().parse().unwrap()
}

#[tokio::test]
async fn requests_and_predictions_are_counted() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let path = format!("/api/v1/patients/{}/predictions", persona(&app, "W-1").await);
    let wanted = clinician.post(&path, json!({})).await.expect(202);
    let waiting = text(&app).await;
    assert_eq!(value(&waiting, "nephrocast_queue_predictions{status=\"queued\"}"), 1.0);
    app.clock.advance(chrono::TimeDelta::seconds(45));
    assert_eq!(value(&text(&app).await, "nephrocast_queue_oldest_seconds"), 45.0);
    predict::drain(&app.state).await.unwrap();
    clinician.get(&format!("/api/v1/predictions/{}", wanted["id"].as_str().unwrap())).await.ok();
    let again = clinician.post(&path, json!({})).await.expect(202);
    let cancel = format!("/api/v1/predictions/{}/cancel", again["id"].as_str().unwrap());
    clinician.post(&cancel, json!({})).await.ok();

    let told = text(&app).await;
    let requests = "nephrocast_requests_total";
    let asked = r#"{route="/api/v1/patients/{id}/predictions",method="POST",status="202"}"#;
    assert_eq!(value(&told, &format!("{requests}{asked}")), 2.0);
    let read = r#"{route="/api/v1/predictions/{id}",method="GET",status="200"}"#;
    assert_eq!(value(&told, &format!("{requests}{read}")), 1.0);
    let timed =
        r#"nephrocast_request_seconds_count{route="/api/v1/predictions/{id}",method="GET"}"#;
    assert_eq!(value(&told, timed), 1.0);
    for (outcome, count) in [("succeeded", 1.0), ("failed", 0.0), ("cancelled", 1.0)] {
        let line = format!("nephrocast_predictions_total{{outcome=\"{outcome}\"}}");
        assert_eq!(value(&told, &line), count, "{outcome}");
    }
    assert_eq!(value(&told, "nephrocast_inference_batch_predictions_sum"), 1.0);
    assert_eq!(value(&told, "nephrocast_queue_predictions{status=\"queued\"}"), 0.0);
    assert_eq!(value(&told, "nephrocast_queue_oldest_seconds"), 0.0);
}

#[tokio::test]
async fn what_is_not_sealed_is_told_until_it_is() {
    let app = TestApp::new().await;
    app.sign_in(Role::Clinician).await;
    app.clock.advance(chrono::TimeDelta::seconds(30));
    app.sign_in(Role::Clinician).await;
    let before = text(&app).await;
    let entries = app.audit_trail().await.len() as f64 + 2.0;
    assert_eq!(value(&before, "nephrocast_audit_unsealed_entries"), entries);
    assert_eq!(value(&before, "nephrocast_audit_unsealed_oldest_seconds"), 30.0);
    app.sealer().try_lead().await.unwrap().unwrap().seal().await.unwrap();
    let after = text(&app).await;
    assert_eq!(value(&after, "nephrocast_audit_unsealed_entries"), 0.0);
    assert_eq!(value(&after, "nephrocast_audit_unsealed_oldest_seconds"), 0.0);
}

/// Whatever is asked for, and however it is refused: neither a patient nor what a caller made up.
#[tokio::test]
async fn no_label_holds_what_a_caller_sent() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let patient = persona(&app, "SECRET-MRN").await.0.to_string();
    let absent = Uuid::from_u128(0xdead_beef).to_string();
    clinician.get(&format!("/api/v1/patients/{patient}?q=SECRET-MRN")).await;
    clinician.get(&format!("/api/v1/patients/{absent}")).await.expect(404);
    clinician.get("/api/v1/patients?q=SECRET-MRN").await.ok();
    clinician.get(&format!("/api/v1/nowhere/{patient}")).await.expect(404);
    clinician.get("/SECRET-MRN").await.expect(404);
    let path = format!("/api/v1/patients/{patient}");
    clinician.send(clinician.request("SECRETVERB", &path).body(Body::empty()).unwrap()).await;
    app.try_at("192.0.2.7", "secret@example.org", "SECRET-MRN SECRET-MRN").await.expect(401);

    let told = text(&app).await;
    assert!(told.contains(r#"route="unmatched""#) && told.contains(r#"method="other""#), "{told}");
    let clinician = email(Role::Clinician);
    for secret in [&*patient, &absent, "SECRET", "secret", "192.0.2.7", &clinician] {
        assert!(!told.contains(secret), "{secret} in {told}");
    }
    let routes = told.lines().filter_map(|line| line.split_once("route=\"")?.1.split('"').next());
    for route in routes {
        assert!(!route.bytes().any(|byte| byte.is_ascii_digit() && byte != b'1'), "{route}");
    }
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_told_and_nothing_else_is_made_up() {
    let app = TestApp::new().await;
    let up = "nephrocast_database_up";
    assert_eq!(value(&text(&app).await, up), 1.0);
    let gone = sqlx::PgPool::connect(&app.database_url).await.unwrap();
    gone.close().await;
    let told = Observed { db: gone, ..observed(&app) }.text().await.unwrap();
    assert_eq!(value(&told, up), 0.0);
    assert!(!told.contains("nephrocast_queue") && !told.contains("nephrocast_audit"), "{told}");
}

/// Every name that rules and dashboard read is one that a process tells, and each alert has its
/// paragraph.
#[tokio::test]
async fn alerts_and_dashboard_read_what_there_is() {
    let app = TestApp::new().await;
    let metrics = Metrics::default();
    metrics.answered("/healthz", &axum::http::Method::GET, 204, Duration::ZERO);
    metrics.computed(1, Duration::ZERO);
    metrics.read_from(Answers::Replica);
    let replica = Some(Replica::new(app.db.clone(), 30));
    let reads = Reads::new(app.db.clone(), replica, metrics.clone());
    let clock = Clock::of_database(app.db.clone()).await.unwrap();
    let told = Observed { metrics, db: app.db.clone(), further: None, works: false, reads, clock }
        .text()
        .await
        .unwrap();
    let ahead = value(&told, "nephrocast_machine_clock_ahead_seconds");
    assert!(ahead.abs() < 1.0, "the database is on this machine: {ahead}");
    let told: BTreeSet<&str> =
        told.lines().filter_map(|line| line.split(['{', ' ']).next()).collect();
    let docker = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docker");
    let mut read = BTreeSet::new();
    for file in ["prometheus/alerts.yml", "grafana/nephrocast.json"] {
        let text = fs::read_to_string(docker.join(file)).unwrap();
        let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        let names =
            words.filter(|word| word.starts_with("nephrocast_") || word.starts_with("process_"));
        read.extend(names.map(str::to_owned));
    }
    assert!(10 < read.len(), "{read:?}");
    for name in &read {
        assert!(told.contains(&**name), "{name} is not among {told:?}");
    }
    let rules = fs::read_to_string(docker.join("prometheus/alerts.yml")).unwrap();
    let manual = fs::read_to_string(docker.join("../docs/OPERATIONS.md")).unwrap();
    let alerts: Vec<_> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(10 < alerts.len(), "{alerts:?}");
    for alert in alerts {
        assert!(manual.contains(&format!("**{alert}**")), "nobody says what to do about {alert}");
    }
    let dashboard = fs::read_to_string(docker.join("grafana/nephrocast.json")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    assert!(dashboard["panels"].as_array().is_some_and(|panels| 10 < panels.len()));
}

#[tokio::test]
async fn the_listener_of_a_worker_tells_and_nothing_but_that() {
    let app = TestApp::new().await;
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let worker = Worker::start_with(&app, &[("NEPHROCAST_METRICS_LISTEN", &address.to_string())]);
    let begun = Instant::now();
    let ask = async |path: &str| {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    while ask("/healthz").await.is_err() {
        assert!(begun.elapsed() < Duration::from_mins(1), "the worker does not listen");
        sleep(Duration::from_millis(20)).await;
    }
    assert!(ask("/healthz").await.unwrap().starts_with("HTTP/1.1 204"));
    let told = ask("/metrics").await.unwrap();
    assert!(told.starts_with("HTTP/1.1 200"), "{told}");
    assert!(told.contains("content-type: application/openmetrics-text; version=1.0.0"), "{told}");
    assert!(told.contains("nephrocast_database_up 1") && told.trim_end().ends_with("# EOF"));
    assert!(ask("/api/v1/patients").await.unwrap().starts_with("HTTP/1.1 404"));
    assert!(worker.stop().await);
}

/// The API's own address, which NGINX passes on to, tells nobody.
#[tokio::test]
async fn the_api_itself_tells_no_metrics() {
    let app = TestApp::new().await;
    app.sign_in(Role::Administrator).await.get("/metrics").await.expect(404);
    app.anonymous().get("/api/v1/metrics").await.expect(404);
}
