//! What each account chooses for itself: language, units, KFRE baseline.

use axum::body::Body;
use backend::jobs::batch::{self, AskForBatch};
use chrono::TimeDelta;
use serde_json::{Value, json};
use shared::access::Role;

use crate::{
    care_teams::confine,
    predictions::persona,
    support::{Client, TestApp, with_json},
};

const PREFERENCES: &str = "/api/v1/me/preferences";
const SETTINGS: &str = "/api/v1/settings";

/// What the session says of its person's choices.
async fn in_session(client: &Client) -> Value {
    let request = client.request("POST", "/api/v1/auth/refresh").body(Body::empty()).unwrap();
    client.send(request).await.ok()["preferences"].clone()
}

#[tokio::test]
async fn whoever_has_chosen_nothing_takes_everything_from_the_site() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let read = clinician.get(PREFERENCES).await;
    assert_eq!(read.header("etag"), Some("\"1\""));
    let site = json!({ "language": "en", "units": "conventional", "kfre_region": "north_america" });
    assert_eq!(
        read.ok(),
        json!({ "version": 1, "language": null, "units": null, "kfre_region": null,
            "in_force": site })
    );

    let administrator = app.sign_in(Role::Administrator).await;
    let site = json!({ "language": "it", "units": "si", "kfre_region": "other" });
    administrator.patch(SETTINGS, 1, site.clone()).await.ok();
    let read = clinician.get(PREFERENCES).await.ok();
    assert_eq!((&read["version"], &read["in_force"]), (&json!(1), &site));
}

#[tokio::test]
async fn a_choice_holds_for_its_account_alone_and_is_part_of_its_session() {
    let app = TestApp::new().await;
    // As whoever sees a part of the records only.
    confine(&app).await;
    let clinician = app.sign_in(Role::Clinician).await;
    let wanted = json!({ "language": "it", "units": "si" });
    let chosen = clinician.patch(PREFERENCES, 1, wanted).await.ok();
    let in_force = json!({ "language": "it", "units": "si", "kfre_region": "north_america" });
    assert_eq!((&chosen["version"], &chosen["in_force"]), (&json!(2), &in_force));
    assert_eq!(in_session(&clinician).await, chosen);
    let audited = app.audit_details("preferences.update").await;
    let changed = json!({ "language": { "from": null, "to": "it" },
        "units": { "from": null, "to": "si" } });
    assert_eq!(audited, json!({ "changed": changed }));

    let researcher = app.sign_in(Role::Researcher).await;
    assert_eq!(in_session(&researcher).await["in_force"]["language"], "en");
    // What is left out stays; null is the site's again.
    let back = clinician.patch(PREFERENCES, 2, json!({ "language": null })).await.ok();
    assert_eq!((&back["language"], &back["units"]), (&Value::Null, &json!("si")));
    assert_eq!(back["in_force"]["language"], "en");
    // What changes nothing raises no version and leaves no entry.
    let same = clinician.patch(PREFERENCES, 3, json!({ "units": "si" })).await.ok();
    assert_eq!(same["version"], 3);
    let entries = app.audit_trail().await;
    let entries = entries.iter().filter(|entry| entry.contains("preferences")).count();
    assert_eq!(entries, 2);
}

#[tokio::test]
async fn every_faulty_choice_is_named_and_an_old_version_changes_nothing() {
    let app = TestApp::new().await;
    let patient = app.sign_in(Role::Patient).await;
    let wrong = json!({ "language": "fr", "units": "imperial", "kfre_region": 7, "version": 2 });
    let faults = patient.patch(PREFERENCES, 1, wrong).await.faults();
    let mut pointers: Vec<_> = faults.keys().map(String::as_str).collect();
    pointers.sort_unstable();
    assert_eq!(pointers, ["/kfre_region", "/language", "/units", "/version"]);

    let without = with_json(patient.request("PATCH", PREFERENCES), &json!({ "language": "it" }));
    patient.send(without).await.expect(428);
    patient.patch(PREFERENCES, 1, json!({ "language": "it" })).await.ok();
    patient.patch(PREFERENCES, 1, json!({ "language": "en" })).await.expect(412);
    assert_eq!(patient.get(PREFERENCES).await.ok()["language"], "it");
}

#[tokio::test]
async fn ones_own_baseline_counts_for_what_one_asks_for() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    clinician.patch(PREFERENCES, 1, json!({ "kfre_region": "united_kingdom" })).await.ok();
    let patient = persona(&app, "REGION-1").await;
    let predictions = format!("/api/v1/patients/{patient}/predictions");
    let first = clinician.post(&predictions, json!({})).await.expect(202);
    assert_eq!(first["inputs"]["region"], "united_kingdom");
    backend::jobs::predict::drain(&app.state).await.unwrap();

    // What was asked for later stands first.
    app.clock.advance(TimeDelta::seconds(1));
    let filter = json!({ "filter": { "q": "REGION-1" } });
    let batch = clinician.post("/api/v1/prediction-batches", filter).await.expect(202);
    let id = batch["id"].as_str().unwrap().parse().unwrap();
    while batch::advance(&app.state, AskForBatch::of(id)).await.unwrap() {}
    let second = clinician.get(&predictions).await.ok()["items"][0].clone();
    assert_ne!(second["id"], first["id"]);
    assert_eq!(second["inputs"]["region"], "united_kingdom");
    backend::jobs::predict::drain(&app.state).await.unwrap();

    clinician.patch(PREFERENCES, 2, json!({ "kfre_region": null })).await.ok();
    let third = clinician.post(&predictions, json!({})).await.expect(202);
    assert_eq!(third["inputs"]["region"], "north_america");
}

#[tokio::test]
async fn everybody_knows_the_language_of_the_site() {
    let app = TestApp::new().await;
    let anyone = app.anonymous();
    assert_eq!(anyone.get("/api/v1/site").await.ok(), json!({ "language": "en" }));
    let administrator = app.sign_in(Role::Administrator).await;
    administrator.patch(SETTINGS, 1, json!({ "language": "it" })).await.ok();
    assert_eq!(anyone.get("/api/v1/site").await.ok(), json!({ "language": "it" }));
}
