//! Reads that a copy of the database may answer: two addresses of one database, one of which only
//! reads. scripts/scale-check does it with a copy that PostgreSQL streams to.

use backend::{
    config::ReplicaConfig,
    metrics::{Metrics, Observed},
    replica::Reads,
    router::router,
    state::{AppState, Parts},
};
use serde_json::{Value, json};
use shared::access::Role;

use crate::support::{Client, TestApp};

const QUESTIONS: [&str; 4] = [
    "/api/v1/summaries/cohort?group_by=sex",
    "/api/v1/summaries/risk-distribution",
    "/api/v1/summaries/trends",
    "/api/v1/summaries/export",
];

/// The same application with a copy at an address.
fn with_replica(app: &TestApp, address: &str) -> AppState {
    let config = ReplicaConfig {
        replica_database_url: Some(address.to_owned()),
        replica_most_behind_seconds: 30,
    };
    let metrics = Metrics::default();
    let reads = Reads::new(app.db.clone(), config.open(4).unwrap(), metrics.clone());
    app.state.with(|state| (state.reads, state.metrics) = (reads, metrics))
}

async fn told(state: &AppState) -> String {
    let Parts { db, metrics, reads, clock, .. } = Parts::clone(state);
    Observed { metrics, db, further: None, works: false, reads, clock }.text().await.unwrap()
}

fn at(state: &AppState, client: &Client) -> Client {
    Client { router: router(state.clone()), ..client.clone() }
}

async fn answers(state: &AppState, researcher: &Client) -> Vec<Value> {
    let researcher = at(state, researcher);
    let mut answers = Vec::new();
    for question in QUESTIONS {
        answers.push(researcher.get(question).await.ok());
    }
    answers
}

#[tokio::test]
async fn a_copy_answers_what_may_be_a_moment_behind_and_writes_nothing() {
    let (app, researcher) = crate::summaries::published(300).await;
    let clinician = app.sign_in(Role::Clinician).await;
    let before = answers(&app.state, &researcher).await;
    let state = with_replica(&app, &app.database_url);
    assert_eq!(answers(&state, &researcher).await, before);
    let dashboard = at(&state, &clinician).get("/api/v1/dashboard").await.ok();
    assert_eq!(dashboard["patients"], 300);
    let told = told(&state).await;
    // The rows of an export are read until there are no more.
    assert!(told.contains("nephrocast_replica_reads_total{answered_by=\"replica\"} 6"), "{told}");
    assert!(!told.contains("answered_by=\"primary\""), "{told}");
    assert!(told.contains("nephrocast_replica_up 1") && told.contains("replica_lag_seconds 0"));
    // Looks are on record all the same, in the database itself.
    let trail = app.audit_trail().await;
    let reads = trail.iter().filter(|line| *line == "researcher summary.read success").count();
    assert_eq!(reads, 6, "{trail:?}");
    // What was just written is there at once.
    let patient = crate::documents::record(&at(&state, &clinician)).await;
    at(&state, &clinician).get(&format!("/api/v1/patients/{patient}")).await.ok();
}

#[tokio::test]
async fn while_the_copy_does_not_answer_the_database_does() {
    let (app, researcher) = crate::summaries::published(300).await;
    let before = answers(&app.state, &researcher).await;
    let address = app.database_url.split('?').next().unwrap();
    let gone = address.replace("@localhost", "@127.0.0.1:1");
    let state = with_replica(&app, &gone);
    assert_eq!(answers(&state, &researcher).await, before);
    let told = told(&state).await;
    assert!(told.contains("nephrocast_replica_reads_total{answered_by=\"primary\"} 5"), "{told}");
    assert!(told.contains("nephrocast_replica_up 0"), "{told}");
    assert!(!told.contains("replica_lag"), "{told}");
}

#[tokio::test]
async fn a_copy_without_what_was_published_does_not_hide_it() {
    let (app, researcher) = crate::summaries::published(300).await;
    // A copy from before the first publication.
    let earlier = TestApp::new().await;
    let state = with_replica(&app, &earlier.database_url);
    assert_eq!(answers(&state, &researcher).await, answers(&app.state, &researcher).await);
    assert_eq!(json!(told(&state).await.contains("answered_by=\"replica\"")), json!(false));
}
