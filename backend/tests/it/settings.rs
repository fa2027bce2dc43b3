//! The site's settings: who changes them, and that a change counts at once and everywhere.

use axum::body::Body;
use backend::{db, db::settings::Defaults, router::router};
use chrono::TimeDelta;
use serde_json::{Value, json};
use shared::{access::Role, id::PatientId, prediction::KfreRegion};

use crate::support::{Client, TestApp};

const SETTINGS: &str = "/api/v1/settings";

/// A patient with an eGFR, who may read their own record.
async fn own_record(app: &TestApp, clinician: &Client) -> String {
    let patient = json!({
        "mrn": "SETTINGS-1", "given_name": "Ada", "family_name": "Testwell",
        "birth_date": "1960-01-01", "sex": "female", "own_access": true,
    });
    let id = clinician.post("/api/v1/patients", patient).await.created();
    let id = id["id"].as_str().unwrap().to_owned();
    let egfr = json!({ "observations": [{ "code": "egfr", "value": 30.0,
        "unit": "mL/min/{1.73_m2}", "effective_at": "2026-05-01T08:00:00Z" }] });
    clinician.post(&format!("/api/v1/patients/{id}/observations"), egfr).await.created();
    app.link_patient(PatientId(id.parse().unwrap())).await;
    id
}

async fn refresh(client: &mut Client) -> Value {
    let request = client.request("POST", "/api/v1/auth/refresh").body(Body::empty()).unwrap();
    let answer = client.send(request).await;
    client.cookie = answer.refresh_cookie();
    let body = answer.ok();
    client.token = body["access_token"].as_str().map(str::to_owned);
    body
}

#[tokio::test]
async fn an_administrator_changes_them_on_the_version_that_was_read() {
    let app = TestApp::new().await;
    let administrator = app.sign_in(Role::Administrator).await;
    let read = administrator.get(SETTINGS).await;
    assert_eq!(read.header("etag"), Some("\"1\""));
    assert_eq!(
        read.ok(),
        json!({ "version": 1, "second_factor_required": [],
            "session_idle_minutes": 30, "session_hours": 12, "kfre_region": "north_america",
            "language": "en", "units": "conventional", "patients_see_risk": false, "minimum_cell_size": 10, "token_privacy_budget": 1,
            "account_privacy_budget": 4, "visibility": "organisation",
            "emergency_access_minutes": 60, "retention_years": 10, "changed_at": null })
    );

    let wanted = json!({ "session_hours": 10, "patients_see_risk": true,
        "second_factor_required": ["researcher", "clinician", "researcher"] });
    let changed = administrator.patch(SETTINGS, 1, wanted.clone()).await.ok();
    assert_eq!(changed["version"], 2);
    assert_eq!(changed["session_hours"], 10);
    assert_eq!(changed["second_factor_required"], json!(["clinician", "researcher"]));
    assert_eq!(changed["session_idle_minutes"], 30, "what is left out stays");
    let audited = app.audit_details("settings.update").await;
    assert_eq!(audited["changed"]["session_hours"], json!({ "from": 12, "to": 10 }));
    assert_eq!(audited["changed"].as_object().unwrap().len(), 3, "{audited}");

    administrator.patch(SETTINGS, 1, json!({ "session_hours": 8 })).await.expect(412);
    assert_eq!(administrator.get(SETTINGS).await.ok()["session_hours"], 10);
}

#[tokio::test]
async fn every_faulty_setting_is_named() {
    let app = TestApp::new().await;
    let administrator = app.sign_in(Role::Administrator).await;
    let wrong = json!({ "language": "fr", "units": null, "session_idle_minutes": 15, "session_hours": 169, "visibility": "everyone",
        "second_factor_required": ["janitor"], "patients_see_risk": null, "version": 7 });
    let faults = administrator.patch(SETTINGS, 1, wrong).await.faults();
    let mut pointers: Vec<_> = faults.keys().map(String::as_str).collect();
    pointers.sort_unstable();
    assert_eq!(
        pointers,
        [
            "/language",
            "/patients_see_risk",
            "/second_factor_required/0",
            "/session_hours",
            "/session_idle_minutes",
            "/units",
            "/version",
            "/visibility"
        ]
    );
    let longer = json!({ "session_idle_minutes": 90, "session_hours": 1 });
    let faults = administrator.patch(SETTINGS, 1, longer).await.faults();
    assert!(faults["/session_idle_minutes"].contains("session_hours"));
}

#[tokio::test]
async fn shorter_sessions_count_from_the_next_request_on_in_every_process() {
    let app = TestApp::new().await;
    let administrator = app.sign_in(Role::Administrator).await;
    let mut clinician = app.sign_in(Role::Clinician).await;
    let shorter = json!({ "session_idle_minutes": 16, "session_hours": 1 });
    administrator.patch(SETTINGS, 1, shorter).await.ok();

    // Another process over the same database.
    clinician.router = router(app.state.clone());
    app.clock.advance(TimeDelta::minutes(10));
    let terms = refresh(&mut clinician).await["session"].clone();
    assert_eq!(terms["idle_minutes"], 16);
    assert_eq!(terms["expires_at"], "2026-06-01T13:00:00Z", "an older session ends earlier, too");
    for _ in 0..4 {
        app.clock.advance(TimeDelta::minutes(12));
        refresh(&mut clinician).await;
    }
    app.clock.advance(TimeDelta::minutes(3));
    clinician.get("/api/v1/me").await.expect(401);
}

#[tokio::test]
async fn a_session_idle_for_longer_than_the_new_limit_has_ended() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    app.clock.advance(TimeDelta::minutes(20));
    let administrator = app.sign_in(Role::Administrator).await;
    administrator.patch(SETTINGS, 1, json!({ "session_idle_minutes": 16 })).await.ok();
    let request = clinician.request("POST", "/api/v1/auth/refresh").body(Body::empty()).unwrap();
    clinician.send(request).await.expect(401);
}

#[tokio::test]
async fn the_region_is_frozen_into_the_next_prediction() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let id = own_record(&app, &clinician).await;
    let predictions = format!("/api/v1/patients/{id}/predictions");
    let first = clinician.post(&predictions, json!({})).await.expect(202);
    assert_eq!(first["inputs"]["region"], "north_america");
    backend::jobs::predict::drain(&app.state).await.unwrap();

    let administrator = app.sign_in(Role::Administrator).await;
    administrator.patch(SETTINGS, 1, json!({ "kfre_region": "united_kingdom" })).await.ok();
    let second = clinician.post(&predictions, json!({})).await.expect(202);
    assert_eq!(second["inputs"]["region"], "united_kingdom");
    let first = format!("/api/v1/predictions/{}", first["id"].as_str().unwrap());
    let first = clinician.get(&first).await.ok();
    assert_eq!(first["inputs"]["region"], "north_america", "what was asked before stays");
}

#[tokio::test]
async fn patients_see_values_but_no_risk_unless_the_site_turns_it_on() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let id = own_record(&app, &clinician).await;
    let predictions = format!("/api/v1/patients/{id}/predictions");
    let prediction = clinician.post(&predictions, json!({})).await.expect(202);
    let prediction = format!("/api/v1/predictions/{}", prediction["id"].as_str().unwrap());
    let events = format!("{prediction}/events");
    backend::jobs::predict::drain(&app.state).await.unwrap();
    let mut patient = app.sign_in(Role::Patient).await;
    assert_eq!(refresh(&mut patient).await["session"]["site"]["patients_see_risk"], false);
    for path in [&predictions, &prediction, &events] {
        patient.get(path).await.expect(403);
        clinician.get(path).await.ok();
    }
    patient.get(&format!("/api/v1/patients/{id}/observations")).await.ok();

    let administrator = app.sign_in(Role::Administrator).await;
    administrator.patch(SETTINGS, 1, json!({ "patients_see_risk": true })).await.ok();
    for path in [&predictions, &prediction, &events] {
        patient.get(path).await.ok();
    }
    assert_eq!(refresh(&mut patient).await["session"]["site"]["patients_see_risk"], true);
}

#[tokio::test]
async fn a_process_brings_its_defaults_along_until_somebody_decides() {
    let app = TestApp::new().await;
    let defaults =
        Defaults { session_idle_minutes: 20, session_hours: 8, kfre_region: KfreRegion::Other };
    db::settings::set_defaults(&app.db, defaults).await.unwrap();
    let administrator = app.sign_in(Role::Administrator).await;
    let read = administrator.get(SETTINGS).await.ok();
    assert_eq!((&read["session_hours"], &read["version"]), (&json!(8), &json!(2)));
    db::settings::set_defaults(&app.db, defaults).await.unwrap();
    administrator.patch(SETTINGS, 2, json!({ "session_hours": 10 })).await.ok();

    db::settings::set_defaults(&app.db, defaults).await.unwrap();
    assert_eq!(administrator.get(SETTINGS).await.ok()["session_hours"], 10);
}
