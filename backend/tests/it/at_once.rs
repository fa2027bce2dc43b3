//! Predictions that are answered as they are asked for, in a process that is a worker as well.

use backend::jobs::predict;
use chrono::TimeDelta;
use futures::future::join_all;
use serde_json::{Value, json};
use shared::{access::Role, id::PatientId};
use uuid::Uuid;

use crate::{
    care_teams::{colleague, confine},
    models::{ModelFolder, NEXT, POISONED},
    predictions::{count, measure, patient, persona, requests},
    support::{Client, ENDED_ONCE, TestApp},
};

/// The prediction as whoever reads it finds it.
async fn read(client: &Client, prediction: &Value) -> Value {
    client.get(&format!("/api/v1/predictions/{}", prediction["id"].as_str().unwrap())).await.ok()
}

/// How many different headlines there are.
const HEADLINES: &str =
    "select count(distinct (risk_2y, risk_5y, risk_category, risk_source, risk_at,
        risk_inputs_at, previous_risk_5y, previous_risk_source, previous_risk_at))
    from patients where risk_5y is not null";

#[tokio::test]
async fn an_answer_is_what_the_queue_would_have_made_of_it() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let (one, other) = (persona(&app, "A-1").await, persona(&app, "A-2").await);
    let queued = clinician.post(&requests(one), json!({})).await.expect(202);
    assert_eq!(predict::drain(&app.state).await.unwrap(), 1);
    let by_queue = read(&clinician, &queued).await;

    let here = app.at_a_worker(&clinician);
    let asked = here.post(&requests(other), json!({})).await;
    let location = asked.header("location").unwrap().to_owned();
    let answered = asked.expect(202);
    assert_eq!(answered["status"], "succeeded");
    assert_eq!(clinician.get(&location).await.ok(), answered, "what is answered is stored");
    for same in
        ["status", "requested_by", "requested_at", "completed_at", "model", "inputs", "result"]
    {
        assert!(!by_queue[same].is_null());
        assert_eq!(answered[same], by_queue[same], "{same}");
    }
    assert_eq!(count(&app, HEADLINES).await, 1);
    assert_eq!(count(&app, "select count(*) from patients where risk_5y is not null").await, 2);
    let rows = "select count(distinct (status, attempts, due_at, priority, model_version))
        from predictions";
    assert_eq!(count(&app, rows).await, 1);
    let values_as_rows = "select count(*) from predictions
        where jsonb_typeof(inputs -> 'values' -> 0) = 'array'";
    assert_eq!(count(&app, values_as_rows).await, 2);
    assert_eq!(count(&app, "select count(*) from graphile_worker.jobs").await, 0);
    assert_eq!(predict::drain(&app.state).await.unwrap(), 0);
    let looked_like = "select sum(predictions)::bigint from model_input_weeks";
    assert_eq!(count(&app, looked_like).await, 2);

    let trail = app.audit_trail().await;
    let of = |line: &str| trail.iter().filter(|entry| *entry == line).count();
    assert_eq!(of("clinician prediction.request success"), 2);
    assert_eq!(of("nobody prediction.finish success"), 1, "the queue's");
    let about = "select count(*) from audit_events join predictions
        on predictions.id = object_id and predictions.patient_id = audit_events.patient_id
        where action in ('prediction.request', 'prediction.finish')";
    assert_eq!(count(&app, about).await, 3);
    assert_eq!(count(&app, ENDED_ONCE).await, 2);
    let answered = json!({ "status": "succeeded" });
    assert_eq!(app.audit_details("prediction.request").await, answered, "its only entry");
    // Worse values for both: each comes over thresholds, by either way.
    app.clock.advance(TimeDelta::seconds(1));
    for (client, patient) in [(&clinician, one), (&here, other)] {
        measure(&app, patient, "egfr", 9.0, 0).await;
        measure(&app, patient, "uacr", 3000.0, 0).await;
        client.post(&requests(patient), json!({})).await.expect(202);
        assert!(predict::drain(&app.state).await.unwrap() <= 1);
    }
    let crossings = "select count(distinct (threshold, crossed_at, risk_before, risk_after))
        from threshold_crossings";
    let crossed = count(&app, crossings).await;
    assert!(0 < crossed);
    assert_eq!(count(&app, "select count(*) from threshold_crossings").await, 2 * crossed);
    assert_eq!(count(&app, HEADLINES).await, 1);
    // It can be followed like any other, and called off no more.
    let stream = clinician.get(&format!("{location}/events")).await.expect(200);
    assert!(stream.as_str().unwrap().contains("succeeded"), "{stream}");
    clinician.post(&format!("{location}/cancel"), json!({})).await.expect(409);
}

/// They share a transaction, and nothing else.
#[tokio::test]
async fn whoever_asks_at_the_same_moment_is_answered_as_alone() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let (other, other_id) = colleague(&app, "Bea").await;
    let region = json!({ "kfre_region": "united_kingdom" });
    other.patch("/api/v1/me/preferences", 1, region).await.ok();
    let here = app.at_a_worker(&clinician);
    let there = Client { router: here.router.clone(), ..other.clone() };
    let mut paths = Vec::new();
    for number in 0..12 {
        paths.push(requests(persona(&app, &format!("A-{number}")).await));
    }
    let young = requests(patient(&app, "A-young", "2015-01-01", "male").await);
    let unknown = requests(PatientId(Uuid::nil()));
    let ask = |number: usize| {
        let client = if number.is_multiple_of(2) { &here } else { &there };
        client.post(&paths[number], json!({}))
    };
    let (asked, again, refused, missing) = tokio::join!(
        join_all((0..12).map(ask)),
        join_all((0..5).map(|_| here.post(&paths[0], json!({})))),
        there.post(&young, json!({})),
        here.post(&unknown, json!({})),
    );
    let transactions = "select count(distinct predictions.xmin::text) from predictions
        join patients on patients.id = patient_id where mrn <> 'A-0'";
    assert!(count(&app, transactions).await < 11, "nobody shared a transaction");
    // As many as may answer at once; others of the crowd wait for a worker.
    predict::drain(&app.state).await.unwrap();
    refused.expect(422);
    missing.expect(404);
    let asked: Vec<Value> = asked.into_iter().map(|answer| answer.expect(202)).collect();
    assert!(asked.iter().any(|prediction| prediction["status"] == "succeeded"));
    for (number, answered) in asked.iter().enumerate() {
        let by_other = number % 2 == 1;
        let prediction = read(&clinician, answered).await;
        assert!(answered["status"] == "queued" || *answered == prediction);
        assert_eq!(prediction["inputs"]["region"] == "united_kingdom", by_other);
        assert_eq!(prediction["result"]["kfre"]["region"] == "united_kingdom", by_other);
        assert_eq!(prediction["requested_by"] == json!(other_id), by_other);
    }
    for prediction in again {
        let prediction = read(&clinician, &prediction.expect(202)).await;
        assert_eq!(prediction["patient_id"], asked[0]["patient_id"]);
        assert_eq!(prediction["status"], "succeeded");
    }
    let unfinished = "select count(*) from predictions where status <> 'succeeded'";
    assert_eq!(count(&app, unfinished).await, 0);
    let entries = "select count(*) from audit_events
        join predictions on predictions.id = object_id and actor_id = requested_by
        where action = 'prediction.request' and request_id is not null and session_id is not null
            and audit_events.patient_id = predictions.patient_id";
    let predictions = count(&app, "select count(*) from predictions").await;
    assert!(12 <= predictions);
    assert_eq!(count(&app, entries).await, predictions);
    assert_eq!(count(&app, ENDED_ONCE).await, predictions);
}

#[tokio::test]
async fn a_repeated_key_answers_the_first_answer_with_its_result() {
    let app = TestApp::new().await;
    let here = app.at_a_worker(&app.sign_in(Role::Clinician).await);
    let path = requests(persona(&app, "A-1").await);
    let first = here.post_once("key", &path, json!({})).await.expect(202);
    assert_eq!(first["status"], "succeeded");
    app.clock.advance(TimeDelta::seconds(1));
    assert_eq!(here.post_once("key", &path, json!({})).await.expect(202), first);
    assert_eq!(count(&app, "select count(*) from predictions").await, 1);
}

#[tokio::test]
async fn whoever_sees_only_their_own_patients_is_answered_at_once_about_those() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let here = app.at_a_worker(&clinician);
    let new = json!({ "mrn": "A-1", "given_name": "Ada", "family_name": "Testwell",
        "birth_date": "1966-01-01", "sex": "female" });
    let id = clinician.post("/api/v1/patients", new).await.expect(201)["id"].clone();
    let id: PatientId = serde_json::from_value(id).unwrap();
    measure(&app, id, "egfr", 30.0, 1).await;
    let others = persona(&app, "A-2").await;
    confine(&app).await;
    here.post(&requests(others), json!({})).await.expect(404);
    let answered = here.post(&requests(id), json!({})).await.expect(202);
    assert_eq!(answered["status"], "succeeded");
    assert_eq!(read(&clinician, &answered).await, answered);
    assert_eq!(count(&app, "select count(*) from patients where risk_5y is not null").await, 1);
    assert_eq!(count(&app, "select count(*) from predictions").await, 1);

    // What is done in an emergency says so, whoever is named in it.
    let emergency = json!({ "mrn": "A-2", "reason": "unconscious in the emergency room" });
    let opened = here.post("/api/v1/emergency-accesses", emergency).await.created();
    let answered = here.post(&requests(others), json!({})).await.expect(202);
    assert_eq!(answered["status"], "succeeded");
    let entries: Vec<Option<Uuid>> = sqlx::query_scalar(
        "select emergency_access_id from audit_events
        where patient_id = $1 and action = 'prediction.request'",
    )
    .bind(others)
    .fetch_all(&app.db)
    .await
    .unwrap();
    assert_eq!(entries, [opened["id"].as_str().unwrap().parse().ok()]);
}

#[tokio::test]
async fn what_cannot_be_answered_waits_for_a_worker() {
    let folder = ModelFolder::new().with_poisoned();
    let app = TestApp::with_models(folder.path()).await;
    let admin = app.sign_in(Role::Administrator).await;
    let clinician = app.sign_in(Role::Clinician).await;
    let here = app.at_a_worker(&clinician);
    admin.post(&format!("/api/v1/models/{POISONED}/activate"), json!({})).await.ok();
    let mut asked = Vec::new();
    for (number, key) in [None, None, Some("key")].into_iter().enumerate() {
        let path = requests(persona(&app, &format!("A-{number}")).await);
        let answer = match key {
            Some(key) => here.post_once(key, &path, json!({})).await,
            None => here.post(&path, json!({})).await,
        };
        let waiting = answer.expect(202);
        assert_eq!(waiting["status"], "queued");
        assert_eq!(waiting["result"], Value::Null);
        // While one is open, a second request answers it.
        assert_eq!(here.post(&path, json!({})).await.expect(202)["id"], waiting["id"]);
        asked.push(waiting);
    }
    assert_eq!(count(&app, "select count(*) from graphile_worker.jobs").await, 3);
    let entries = "select count(*) from audit_events join predictions on predictions.id = object_id
        where action = 'prediction.request' and actor_id = requested_by";
    assert_eq!(count(&app, entries).await, 3);
    let standard = app.standard().version().to_owned();
    admin.post(&format!("/api/v1/models/{standard}/activate"), json!({})).await.ok();
    assert_eq!(predict::drain(&app.state).await.unwrap(), 3);
    for waiting in asked {
        assert_eq!(read(&clinician, &waiting).await["status"], "succeeded");
    }
    assert_eq!(count(&app, ENDED_ONCE).await, 3, "by the queue alone");
}

#[tokio::test]
async fn nobody_waits_for_a_shadow() {
    let folder = ModelFolder::new().with_next();
    let app = TestApp::with_models(folder.path()).await;
    let admin = app.sign_in(Role::Administrator).await;
    let here = app.at_a_worker(&app.sign_in(Role::Clinician).await);
    admin.post(&format!("/api/v1/models/{NEXT}/shadow"), json!({})).await.ok();
    let path = requests(persona(&app, "A-1").await);
    assert_eq!(here.post(&path, json!({})).await.expect(202)["status"], "queued");
    assert_eq!(predict::drain(&app.state).await.unwrap(), 1);
    assert_eq!(count(&app, "select count(*) from shadow_predictions").await, 1);
    admin.delete(&format!("/api/v1/models/{NEXT}/shadow")).await.expect(204);
    assert_eq!(here.post(&path, json!({})).await.expect(202)["status"], "succeeded");
    assert_eq!(count(&app, "select count(*) from shadow_predictions").await, 1);
}
