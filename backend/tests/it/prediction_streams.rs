//! Predictions followed by server-sent events.

use backend::jobs::predict;
use serde_json::{Value, json};
use shared::access::Role;

use crate::{
    predictions::{address, execute, persona, requests},
    support::TestApp,
};

/// The events of a stream: name and data of each, and whether it asked to connect again.
fn events_of(body: &str) -> (Vec<(String, Value)>, bool) {
    let mut events = Vec::new();
    let mut retry = false;
    for block in body.split("\n\n") {
        let field = |name: &str| {
            let prefix = format!("{name}: ");
            block.lines().find_map(|line| line.strip_prefix(&prefix).map(str::to_owned))
        };
        if let (Some(event), Some(data)) = (field("event"), field("data")) {
            events.push((event, serde_json::from_str(&data).unwrap()));
        }
        retry |= field("retry").is_some();
    }
    (events, retry)
}

async fn wait_for_reader(app: &TestApp) {
    for _ in 0..500 {
        if app.audit_trail().await.iter().any(|line| line.ends_with("prediction.read success")) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("nobody began to read");
}

#[tokio::test]
async fn a_stream_shows_each_change_and_ends_with_the_final_one() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let requested =
        clinician.post(&requests(persona(&app, "P-1").await), json!({})).await.expect(202);
    let path = format!("{}/events", address(&requested));
    let reader = tokio::spawn({
        let clinician = clinician.clone();
        async move { clinician.get(&path).await }
    });
    wait_for_reader(&app).await;
    predict::drain(&app.state).await.unwrap();
    let answer = tokio::time::timeout(std::time::Duration::from_secs(20), reader).await;
    let answer = answer.expect("the stream ends").unwrap();
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert_eq!(answer.header("x-accel-buffering"), Some("no"));
    let body = answer.ok();
    let (events, retry) = events_of(body.as_str().unwrap());
    let statuses: Vec<_> =
        events.iter().map(|(_, data)| data["status"].as_str().unwrap()).collect();
    assert!(events.iter().all(|(name, _)| name == "prediction"));
    assert_eq!(statuses.first(), Some(&"queued"));
    assert_eq!(statuses.last(), Some(&"succeeded"));
    assert!(statuses.len() <= 3, "{statuses:?}");
    let last = &events.last().unwrap().1;
    assert_eq!(*last, clinician.get(&address(&requested)).await.ok());
    assert!(!retry);
    let reads = app.audit_trail().await;
    let reads = reads.iter().filter(|line| line.ends_with("prediction.read success")).count();
    assert_eq!(reads, 2, "one entry for the stream, one for the read");
}

#[tokio::test]
async fn a_stream_asks_to_connect_again_when_the_server_stops_or_the_session_ends() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let requested =
        clinician.post(&requests(persona(&app, "P-1").await), json!({})).await.expect(202);
    let path = format!("{}/events", address(&requested));
    let follow = || {
        let (clinician, path) = (clinician.clone(), path.clone());
        tokio::spawn(async move { clinician.get(&path).await.ok() })
    };
    let reader = follow();
    wait_for_reader(&app).await;
    execute(&app, "update sessions set ended_at = now(), end_reason = 'signed_out'").await;
    predict::drain(&app.state).await.unwrap();
    let body = reader.await.unwrap();
    let (events, retry) = events_of(body.as_str().unwrap());
    assert_eq!(events.len(), 1, "the change is not shown to an ended session");
    assert!(retry);

    let clinician = app.sign_in(Role::Clinician).await;
    let requested =
        clinician.post(&requests(persona(&app, "P-2").await), json!({})).await.expect(202);
    app.state.events.close();
    let body = clinician.get(&format!("{}/events", address(&requested))).await.ok();
    let (events, retry) = events_of(body.as_str().unwrap());
    assert_eq!(events.len(), 1);
    assert!(retry);
}
