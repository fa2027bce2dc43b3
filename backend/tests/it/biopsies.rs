//! Kidney biopsies.

use axum::{body::Body, http::header};
use serde_json::{Value, json};
use shared::access::Role;

use crate::{
    patients::register,
    support::{Client, TestApp, with_json},
};

async fn record(clinician: &Client) -> String {
    let patient = json!({ "mrn": "B-1", "given_name": "Ada", "family_name": "Testwell",
        "birth_date": "1966-01-15", "sex": "female" });
    format!("{}/biopsies", register(clinician, patient).await)
}

fn biopsy(performed_on: &str) -> Value {
    json!({ "performed_on": performed_on, "diagnosis": "IgA nephropathy" })
}

fn address(biopsy: &Value) -> String {
    format!("/api/v1/biopsies/{}", biopsy["id"].as_str().unwrap())
}

#[tokio::test]
async fn biopsies_are_listed_with_the_last_first_and_unknown_scores_stay_unknown() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let path = record(&clinician).await;
    let early = clinician.post(&path, biopsy("2015-01-01")).await.created();
    let mut scored = biopsy("2020-01-01");
    scored["m"] = json!(1);
    scored["e"] = json!(0);
    scored["t"] = json!(2);
    let late = clinician.post(&path, scored).await;
    assert_eq!(late.header("etag"), Some("\"1\""));
    let location = late.header("location").unwrap().to_owned();
    let late = late.created();
    assert_eq!(location, address(&late));
    let scores = |biopsy: &Value| ["m", "e", "s", "t", "c"].map(|score| biopsy[score].clone());
    assert_eq!(scores(&late), [json!(1), json!(0), Value::Null, json!(2), Value::Null]);
    assert_eq!(scores(&early), [const { Value::Null }; 5]);
    assert_eq!(clinician.get(&path).await.ok(), json!({ "items": [late, early] }));
}

#[tokio::test]
async fn scores_end_at_one_or_two() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let path = record(&clinician).await;
    for (score, most) in [("m", 1), ("e", 1), ("s", 1), ("t", 2), ("c", 2)] {
        let mut new = biopsy("2020-01-01");
        new[score] = json!(most);
        clinician.post(&path, new.clone()).await.created();
        new[score] = json!(most + 1);
        let faults = clinician.post(&path, new).await.faults();
        assert_eq!(faults.keys().collect::<Vec<_>>(), [&format!("/{score}")]);
    }
}

#[tokio::test]
async fn a_biopsy_has_a_diagnosis_and_a_day_in_the_patients_life() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let path = record(&clinician).await;
    clinician.post(&path, biopsy("1966-01-15")).await.created();
    clinician.post(&path, biopsy("2026-06-01")).await.created();
    for day in ["1966-01-14", "2026-06-02"] {
        let mut new = biopsy(day);
        new["diagnosis"] = json!("  ");
        let faults = clinician.post(&path, new).await.faults();
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults.contains_key("/performed_on") && faults.contains_key("/diagnosis"));
    }
}

#[tokio::test]
async fn a_score_is_set_and_made_unknown_again() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let path = record(&clinician).await;
    let at = address(&clinician.post(&path, biopsy("2020-01-01")).await.created());
    assert_eq!(clinician.patch(&at, 1, json!({ "t": 2 })).await.ok()["t"], 2);
    assert_eq!(
        app.audit_details("biopsy.update").await,
        json!({ "changed": { "t": { "from": null, "to": 2 } } })
    );
    let unknown = clinician.patch(&at, 2, json!({ "t": null })).await.ok();
    assert_eq!(unknown["t"], Value::Null);
    assert_eq!(unknown["diagnosis"], "IgA nephropathy");
    assert_eq!(clinician.get(&path).await.ok()["items"], json!([unknown]));
    let faults = clinician.patch(&at, 3, json!({ "diagnosis": null, "c": 3 })).await.faults();
    assert_eq!(faults.len(), 2, "{faults:?}");
}

#[tokio::test]
async fn a_change_of_a_biopsy_needs_the_current_version() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let path = record(&clinician).await;
    let at = address(&clinician.post(&path, biopsy("2020-01-01")).await.created());
    let patch = json!({ "m": 1 });
    clinician.send(with_json(clinician.request("PATCH", &at), &patch)).await.expect(428);
    clinician.patch(&at, 2, patch.clone()).await.expect(412);
    clinician.patch(&at, 1, patch).await.ok();
    let stale = clinician.request("DELETE", &at).header(header::IF_MATCH, "\"1\"");
    clinician.send(stale.body(Body::empty()).unwrap()).await.expect(412);
    assert_eq!(clinician.get(&path).await.ok()["items"][0]["version"], 2);
}

#[tokio::test]
async fn a_deleted_biopsy_is_shown_nowhere() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let path = record(&clinician).await;
    let at = address(&clinician.post(&path, biopsy("2020-01-01")).await.created());
    clinician.delete(&at).await.expect(204);
    clinician.delete(&at).await.expect(404);
    clinician.patch(&at, 2, json!({ "m": 1 })).await.expect(404);
    assert_eq!(clinician.get(&path).await.ok(), json!({ "items": [] }));
    let trail = app.audit_trail().await;
    assert_eq!(
        trail[1..],
        [
            "clinician biopsy.create success",
            "clinician biopsy.delete success",
            "clinician request.refuse refused",
            "clinician request.refuse refused",
            "clinician biopsy.list success",
        ]
    );
}

#[tokio::test]
async fn a_repeated_request_records_one_biopsy() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let path = record(&clinician).await;
    let first = clinician.post_once("k", &path, biopsy("2020-01-01")).await.created();
    assert_eq!(clinician.post_once("k", &path, biopsy("2020-01-01")).await.created(), first);
    assert_eq!(clinician.get(&path).await.ok(), json!({ "items": [first] }));
}
