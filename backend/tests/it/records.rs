//! Whole records: one's own, and the export of everything that is kept about a patient.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shared::{access::Role, id::PatientId};

use crate::{
    access::fixture,
    support::{Client, TestApp},
};

const OWN: &str = "/api/v1/me/record";

/// The lines of an export, by kind.
async fn exported(client: &Client, path: &str) -> BTreeMap<String, Vec<Value>> {
    let answer = client.get(path).await;
    assert_eq!(answer.status.as_u16(), 200, "{:#}", answer.body);
    assert_eq!(answer.headers["content-type"], "application/x-ndjson");
    let mut kinds = BTreeMap::<String, Vec<Value>>::new();
    for line in answer.body.as_str().unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        kinds
            .entry(line["kind"].as_str().unwrap().to_owned())
            .or_default()
            .push(line["value"].clone());
    }
    kinds
}

/// A patient's account with a record of its own.
async fn patient(app: &TestApp, own_access: bool) -> (Client, String) {
    let clinician = app.sign_in(Role::Clinician).await;
    let id = fixture(&clinician, "own", own_access).await.patient;
    fixture(&clinician, "other", true).await;
    app.link_patient(PatientId(id.parse().unwrap())).await;
    (app.sign_in(Role::Patient).await, id)
}

#[tokio::test]
async fn patients_read_their_own_record_and_its_predictions() {
    let app = TestApp::new().await;
    app.let_patients_see_risk().await;
    let (patient, id) = patient(&app, true).await;
    assert_eq!(patient.get(OWN).await.ok()["id"], id);
    let predictions = patient.get(&format!("{OWN}/predictions")).await.ok();
    assert_eq!(predictions["items"].as_array().unwrap().len(), 1);
    assert_eq!(predictions["items"][0]["patient_id"], id);
}

#[tokio::test]
async fn nobody_else_has_an_own_record_and_one_that_is_closed_is_as_none() {
    let app = TestApp::new().await;
    let (patient, _) = patient(&app, false).await;
    patient.get(OWN).await.expect(404);
    patient.get(&format!("{OWN}/export")).await.expect(404);
    app.sign_in(Role::Administrator).await.get(OWN).await.expect(404);
}

#[tokio::test]
async fn an_export_holds_everything_once_and_is_on_record() {
    let app = TestApp::new().await;
    app.let_patients_see_risk().await;
    let (patient, id) = patient(&app, true).await;
    let clinician = app.sign_in(Role::Clinician).await;
    // More than one batch, so that the export goes on where it stopped.
    for day in 0..6 {
        let values: Vec<Value> = (0..100)
            .map(|minute| json!({ "code": "potassium", "value": 4.5, "unit": "mmol/L",
                "effective_at": format!("2026-04-{:02}T08:{:02}:{:02}Z", day + 1, minute / 60, minute % 60) }))
            .collect();
        let path = format!("/api/v1/patients/{id}/observations");
        clinician.post(&path, json!({ "observations": values })).await.created();
    }
    let lines = exported(&patient, &format!("{OWN}/export")).await;
    let count = |kind: &str| lines.get(kind).map_or(0, Vec::len);
    assert_eq!((count("exported_at"), count("patient")), (1, 1));
    assert_eq!((count("therapy"), count("biopsy"), count("prediction")), (1, 1, 1));
    assert_eq!(count("document"), 1);
    assert_eq!(count("observation"), 601);
    assert_eq!(lines["patient"][0]["id"], id);
    assert!(lines["observation"].iter().all(|value| value["patient_id"] == id));
    assert_eq!(lines["access"][0]["action"], "patient.export", "the newest look is this one");
    assert!(7 < count("access"));

    let by_clinic = exported(&clinician, &format!("/api/v1/patients/{id}/export")).await;
    assert_eq!(by_clinic["observation"], lines["observation"]);
    assert!(app.audit_trail().await.contains(&"patient patient.export success".to_owned()));
}

#[tokio::test]
async fn an_export_shows_no_risk_where_the_site_does_not() {
    let app = TestApp::new().await;
    let (patient, _) = patient(&app, true).await;
    let lines = exported(&patient, &format!("{OWN}/export")).await;
    assert!(!lines.contains_key("prediction") && lines.contains_key("observation"));
}
