//! Courses of drugs.

use axum::{body::Body, http::header};
use serde_json::{Value, json};
use shared::access::Role;

use crate::{
    patients::register,
    support::{Client, TestApp, with_json},
};

async fn record(clinician: &Client) -> String {
    let patient = json!({ "mrn": "T-1", "given_name": "Ada", "family_name": "Testwell",
        "birth_date": "1966-01-15", "sex": "female" });
    format!("{}/therapies", register(clinician, patient).await)
}

fn address(therapy: &Value) -> String {
    format!("/api/v1/therapies/{}", therapy["id"].as_str().unwrap())
}

#[tokio::test]
async fn courses_are_listed_with_the_last_begun_first() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let path = record(&clinician).await;
    let early = json!({ "kind": "ras_inhibitor", "started_on": "2019-04-01",
        "ended_on": "2019-04-01", "note": "  ramipril 5 mg\nat night " });
    let late = json!({ "kind": "sglt2_inhibitor", "started_on": "2024-01-01" });
    let answer = clinician.post(&path, early).await;
    assert_eq!(answer.header("etag"), Some("\"1\""));
    let location = answer.header("location").unwrap().to_owned();
    let early = answer.created();
    assert_eq!(location, address(&early));
    assert_eq!(early["note"], "ramipril 5 mg\nat night");
    let late = clinician.post(&path, late).await.created();
    assert_eq!(late["ended_on"], Value::Null);
    assert_eq!(clinician.get(&path).await.ok(), json!({ "items": [late, early] }));
}

#[tokio::test]
async fn a_course_lies_between_birth_and_today_and_ends_after_it_began() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let path = record(&clinician).await;
    let course = |from: &str, to: Value| json!({ "kind": "statin", "started_on": from, "ended_on": to, "note": "x" });
    clinician.post(&path, course("1966-01-15", json!("2026-06-01"))).await.created();
    clinician.post(&path, course("2026-06-01", Value::Null)).await.created();
    for (from, to, pointer) in [
        ("1966-01-14", Value::Null, "/started_on"),
        ("2026-06-02", Value::Null, "/started_on"),
        ("2026-05-01", json!("2026-06-02"), "/ended_on"),
        ("2026-05-02", json!("2026-05-01"), "/ended_on"),
    ] {
        let faults = clinician.post(&path, course(from, to.clone())).await.faults();
        assert_eq!(faults.keys().collect::<Vec<_>>(), [pointer], "{from} to {to}");
    }
    let everything = json!({ "kind": "statin", "started_on": "2026-06-03",
        "ended_on": "2026-06-02", "note": " " });
    assert_eq!(clinician.post(&path, everything).await.faults().len(), 3);
}

#[tokio::test]
async fn a_course_is_ended_and_reopened() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let path = record(&clinician).await;
    let new = json!({ "kind": "statin", "started_on": "2020-01-01", "note": "40 mg" });
    let at = address(&clinician.post(&path, new).await.created());
    let ended = clinician.patch(&at, 1, json!({ "ended_on": "2021-01-01" })).await;
    assert_eq!(ended.header("etag"), Some("\"2\""));
    let ended = ended.ok();
    assert_eq!((&ended["ended_on"], &ended["note"]), (&json!("2021-01-01"), &json!("40 mg")));
    assert_eq!(
        app.audit_details("therapy.update").await,
        json!({ "changed": { "ended_on": { "from": null, "to": "2021-01-01" } } })
    );
    let faults = clinician.patch(&at, 2, json!({ "started_on": "2021-01-02" })).await.faults();
    assert!(faults.contains_key("/ended_on"), "{faults:?}");
    let open = clinician.patch(&at, 2, json!({ "ended_on": null, "note": null })).await.ok();
    assert_eq!((&open["ended_on"], &open["note"]), (&Value::Null, &Value::Null));
    assert_eq!(clinician.get(&path).await.ok()["items"], json!([open]));
}

#[tokio::test]
async fn a_change_of_a_course_needs_the_current_version() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let path = record(&clinician).await;
    let new = json!({ "kind": "statin", "started_on": "2020-01-01" });
    let at = address(&clinician.post(&path, new).await.created());
    let patch = json!({ "kind": "esa" });
    clinician.send(with_json(clinician.request("PATCH", &at), &patch)).await.expect(428);
    clinician.patch(&at, 2, patch.clone()).await.expect(412);
    clinician.patch(&at, 1, patch).await.ok();
    let stale = clinician.request("DELETE", &at).header(header::IF_MATCH, "\"1\"");
    clinician.send(stale.body(Body::empty()).unwrap()).await.expect(412);
    assert_eq!(clinician.get(&path).await.ok()["items"][0]["kind"], "esa");
}

#[tokio::test]
async fn a_deleted_course_is_shown_nowhere() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let path = record(&clinician).await;
    let new = json!({ "kind": "statin", "started_on": "2020-01-01" });
    let at = address(&clinician.post(&path, new).await.created());
    clinician.delete(&at).await.expect(204);
    clinician.delete(&at).await.expect(404);
    clinician.patch(&at, 2, json!({ "kind": "esa" })).await.expect(404);
    assert_eq!(clinician.get(&path).await.ok(), json!({ "items": [] }));
    let trail = app.audit_trail().await;
    assert_eq!(
        trail[1..],
        [
            "clinician therapy.create success",
            "clinician therapy.delete success",
            "clinician request.refuse refused",
            "clinician request.refuse refused",
            "clinician therapy.list success",
        ]
    );
}

#[tokio::test]
async fn a_repeated_request_records_one_course() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let path = record(&clinician).await;
    let new = json!({ "kind": "statin", "started_on": "2020-01-01" });
    let first = clinician.post_once("k", &path, new.clone()).await.created();
    assert_eq!(clinician.post_once("k", &path, new).await.created(), first);
    assert_eq!(clinician.get(&path).await.ok(), json!({ "items": [first] }));
}
