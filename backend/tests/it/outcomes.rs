//! End points: dialysis, transplant, death.

use serde_json::{Value, json};
use shared::access::Role;

use crate::{
    patients::register,
    support::{Client, TestApp},
};

async fn record(clinician: &Client) -> String {
    let patient = json!({ "mrn": "O-1", "given_name": "Ada", "family_name": "Testwell",
        "birth_date": "1966-01-15", "sex": "female" });
    format!("{}/outcomes", register(clinician, patient).await)
}

fn outcome(kind: &str, occurred_on: &str) -> Value {
    json!({ "kind": kind, "occurred_on": occurred_on })
}

#[tokio::test]
async fn end_points_are_listed_with_the_last_first() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let path = record(&clinician).await;
    let dialysis = clinician.post(&path, outcome("dialysis", "2024-02-01")).await.created();
    let transplant = clinician.post(&path, outcome("transplant", "2025-02-01")).await.created();
    let again = clinician.post(&path, outcome("dialysis", "2026-06-01")).await.created();
    let listed = clinician.get(&path).await.ok();
    assert_eq!(listed, json!({ "items": [again, transplant, dialysis] }));
    let trail = app.audit_trail().await;
    assert_eq!(trail[1], "clinician outcome.create success");
    assert_eq!(trail.last().unwrap(), "clinician outcome.list success");
}

#[tokio::test]
async fn an_end_point_lies_between_birth_and_today() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let path = record(&clinician).await;
    clinician.post(&path, outcome("transplant", "1966-01-15")).await.created();
    clinician.post(&path, outcome("dialysis", "2026-06-01")).await.created();
    for day in ["1966-01-14", "2026-06-02"] {
        let faults = clinician.post(&path, outcome("dialysis", day)).await.faults();
        assert!(faults.contains_key("/occurred_on"), "{day}");
    }
}

#[tokio::test]
async fn nobody_dies_twice() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let path = record(&clinician).await;
    clinician.post(&path, outcome("death", "2026-05-01")).await.created();
    clinician.post(&path, outcome("death", "2026-05-02")).await.expect(409);
}

#[tokio::test]
async fn nothing_happens_after_death() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let path = record(&clinician).await;
    clinician.post(&path, outcome("dialysis", "2026-04-01")).await.created();
    let faults = clinician.post(&path, outcome("death", "2026-03-31")).await.faults();
    assert!(faults["/occurred_on"].contains("2026-04-01"), "{faults:?}");
    clinician.post(&path, outcome("death", "2026-05-01")).await.created();
    let faults = clinician.post(&path, outcome("transplant", "2026-05-02")).await.faults();
    assert!(faults["/occurred_on"].contains("2026-05-01"), "{faults:?}");
    clinician.post(&path, outcome("transplant", "2026-05-01")).await.created();
}

#[tokio::test]
async fn a_repeated_request_records_one_end_point() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let path = record(&clinician).await;
    let first = clinician.post_once("k", &path, outcome("dialysis", "2026-04-01")).await.created();
    let again = clinician.post_once("k", &path, outcome("dialysis", "2026-04-01")).await;
    assert_eq!(again.created(), first);
    assert_eq!(clinician.get(&path).await.ok(), json!({ "items": [first] }));
}
