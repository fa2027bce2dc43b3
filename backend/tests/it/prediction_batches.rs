//! Predictions for all patients of a list: asked for, followed, called off, and what becomes of
//! them when a worker dies.

use backend::{
    db::{prediction_batches as batches, predictions::Which},
    jobs::{
        batch::{self, AskForBatch},
        predict,
    },
};
use chrono::TimeDelta;
use serde_json::{Value, json};
use shared::{access::Role, id::PredictionBatchId};
use tokio::time::{Duration, timeout};

use crate::{
    care_teams::{colleague, confine},
    predictions::{patient, persona},
    support::{Client, ENDED_ONCE, TestApp},
    worker::{Worker, count, wait_until},
};

const BATCHES: &str = "/api/v1/prediction-batches";

async fn request(client: &Client, filter: Value) -> Value {
    client.post(BATCHES, json!({ "filter": filter })).await.expect(202)
}

fn id_of(batch: &Value) -> PredictionBatchId {
    batch["id"].as_str().unwrap().parse().unwrap()
}

fn address(batch: &Value) -> String {
    format!("{BATCHES}/{}", id_of(batch))
}

/// One step of it, and whether that was not the last.
async fn advance(app: &TestApp, batch: &Value) -> bool {
    batch::advance(&app.state, AskForBatch::of(id_of(batch))).await.unwrap()
}

/// Everything that a worker does for it.
async fn ask(app: &TestApp, batch: &Value) {
    while advance(app, batch).await {}
}

/// The same, with the computing left to the queue.
async fn ask_carefully(app: &TestApp, batch: &Value) {
    while batch::advance(&app.state, AskForBatch::of(id_of(batch)).careful()).await.unwrap() {}
}

#[track_caller]
fn assert_counts(batch: &Value, expected: &[(&str, i64)]) {
    let names = ["queued", "running", "succeeded", "failed", "cancelled", "refused"];
    for name in names {
        let wanted = expected.iter().find(|(other, _)| *other == name).map_or(0, |(_, n)| *n);
        assert_eq!(batch[name], wanted, "{name}: {batch:#}");
    }
    let sum: i64 = names.iter().map(|name| batch[name].as_i64().unwrap()).sum();
    assert_eq!(batch["total"], sum);
}

#[tokio::test]
async fn a_batch_predicts_everybody_under_the_filter_who_can_be() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    for number in 0..3 {
        persona(&app, &format!("IN-{number}")).await;
    }
    persona(&app, "OUT-1").await;
    patient(&app, "IN-young", "2015-01-01", "male").await;
    let open = persona(&app, "IN-open").await;
    let single = format!("/api/v1/patients/{open}/predictions");
    let single = clinician.post(&single, json!({})).await.expect(202);

    let answer = clinician.post(BATCHES, json!({ "filter": { "q": "in-" } })).await;
    let location = answer.header("location").unwrap().to_owned();
    let requested = answer.expect(202);
    assert_eq!(location, address(&requested));
    assert_eq!(requested["status"], "queued");
    assert_eq!((&requested["total"], &requested["progress"]), (&Value::Null, &json!(0.0)));
    assert_eq!(requested["filter"], json!({ "q": "in-" }));

    ask(&app, &requested).await;
    let asked = clinician.get(&location).await.ok();
    assert_eq!(asked["status"], "running");
    assert_counts(&asked, &[("queued", 1), ("succeeded", 3), ("refused", 1)]);
    assert_eq!(asked["progress"], 0.8);
    let reasons = asked["reasons"].as_array().unwrap();
    assert_eq!(reasons.len(), 2, "too young, and without an eGFR");
    assert!(reasons.iter().all(|reason| reason["patients"] == 1));
    assert_eq!(count(&app, "select count(*) from predictions").await, 4);

    assert_eq!(predict::drain(&app.state).await.unwrap(), 1, "the one that was open");
    let done = clinician.get(&location).await.ok();
    assert_eq!(done["status"], "completed");
    assert_counts(&done, &[("succeeded", 4), ("refused", 1)]);
    assert_eq!(done["progress"], 1.0);
    assert!(done["completed_at"].is_string());
    clinician.post(&format!("{location}/cancel"), json!({})).await.expect(409);

    let entries = "select count(*) from audit_events
        where action = 'prediction.request' and patient_id is not null and session_id is not null
            and details ->> 'batch' is not null and actor_role = 'clinician'";
    assert_eq!(count(&app, entries).await, 3, "one for each that the batch asked for");
    let finishes = "select count(*) from audit_events
        where action = 'prediction.finish' and actor_id is null and patient_id is not null";
    assert_eq!(count(&app, finishes).await, 1, "the one that was open already");
    assert_eq!(count(&app, ENDED_ONCE).await, 4);
    let details = app.audit_details("prediction_batch.request").await;
    assert_eq!(details, json!({ "filter": { "q": "in-" } }));
    let path = format!("/api/v1/predictions/{}", single["id"].as_str().unwrap());
    assert_eq!(clinician.get(&path).await.ok()["status"], "succeeded");
}

#[tokio::test]
async fn a_batch_of_nobody_is_complete_and_a_faulty_filter_is_named() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let requested = request(&clinician, json!({ "q": "nobody" })).await;
    ask(&app, &requested).await;
    let done = clinician.get(&address(&requested)).await.ok();
    assert_eq!(done["status"], "completed");
    assert_eq!((&done["total"], &done["progress"]), (&json!(0), &json!(1.0)));

    let faulty = json!({ "filter": { "risk_category": "dire", "archived": true } });
    let faults = clinician.post(BATCHES, faulty).await.faults();
    assert!(faults.contains_key("/filter/archived"), "{faults:?}");
    assert!(faults.keys().any(|pointer| pointer.starts_with("/filter/risk_category")));
    assert!(clinician.post(BATCHES, json!({})).await.faults().contains_key("/filter"));
    let key = json!({ "filter": { "q": "nobody" } });
    let first = clinician.post_once("k", BATCHES, key.clone()).await.expect(202);
    assert_eq!(clinician.post_once("k", BATCHES, key).await.expect(202)["id"], first["id"]);
}

#[tokio::test]
async fn a_batch_asks_for_no_more_than_its_requester_sees() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let (other, other_id) = colleague(&app, "Bea").await;
    let mut own = Vec::new();
    for (number, client) in [&clinician, &clinician, &other].into_iter().enumerate() {
        let new = json!({ "mrn": format!("B-{number}"), "given_name": "Ada",
            "family_name": "Testwell", "birth_date": "1960-01-01", "sex": "female" });
        let made = client.post("/api/v1/patients", new).await.created();
        let path = format!("/api/v1/patients/{}", made["id"].as_str().unwrap());
        let egfr = json!({ "observations": [{ "code": "egfr", "value": 30.0,
            "unit": "mL/min/{1.73_m2}", "effective_at": "2026-05-01T08:00:00Z" }] });
        client.post(&format!("{path}/observations"), egfr).await.created();
        own.push(path);
    }
    confine(&app).await;
    let requested = request(&clinician, json!({})).await;
    // The patients are written down; then one is handed over and is none of the requester's.
    assert!(advance(&app, &requested).await);
    let listed = clinician.get(&address(&requested)).await.ok();
    assert_eq!((&listed["total"], &listed["status"]), (&json!(2), &json!("running")));
    let handed = json!({ "user_id": other_id });
    clinician.post(&format!("{}/care-team/hand-over", own[0]), handed).await.ok();
    ask(&app, &requested).await;
    let done = clinician.get(&address(&requested)).await.ok();
    assert_counts(&done, &[("succeeded", 1)]);
    let shown = "select count(*) from patients where risk_5y is not null and risk_at is not null";
    assert_eq!(count(&app, shown).await, 1);
    assert_eq!(count(&app, "select count(*) from predictions").await, 1);
    let refused = "select count(*) from prediction_batch_patients where refusals is not null";
    assert_eq!(count(&app, refused).await, 1);
}

#[tokio::test]
async fn another_clinicians_batch_is_unknown() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let (other, _) = colleague(&app, "Bea").await;
    let path = address(&request(&clinician, json!({})).await);
    for confined in [false, true] {
        if confined {
            confine(&app).await;
        }
        other.get(&path).await.expect(404);
        other.get(&format!("{path}/events")).await.expect(404);
        other.post(&format!("{path}/cancel"), json!({})).await.expect(404);
    }
    assert_eq!(clinician.get(&path).await.ok()["status"], "queued");
}

#[tokio::test]
async fn a_cancelled_batch_leaves_what_somebody_else_waits_for() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let mut patients = Vec::new();
    for number in 0..4 {
        patients.push(persona(&app, &format!("C-{number}")).await);
    }
    let single = |number: usize| format!("/api/v1/patients/{}/predictions", patients[number]);
    clinician.post(&single(0), json!({})).await.expect(202);
    let requested = request(&clinician, json!({})).await;
    ask_carefully(&app, &requested).await;
    // Open in the batch already: this one answers it, and takes it out of the batch's hands.
    clinician.post(&single(1), json!({})).await.expect(202);
    let cancel = format!("{}/cancel", address(&requested));
    let cancelled = clinician.post(&cancel, json!({})).await.ok();
    assert_eq!(cancelled["status"], "cancelled");
    assert_counts(&cancelled, &[("queued", 2), ("cancelled", 2)]);
    clinician.post(&cancel, json!({})).await.expect(409);
    assert_eq!(predict::drain(&app.state).await.unwrap(), 2);
    let trail = app.audit_trail().await;
    let entries = |wanted: &str| trail.iter().filter(|entry| entry.contains(wanted)).count();
    assert_eq!(entries("prediction_batch.cancel"), 1);
    assert_eq!(entries("prediction.cancel"), 2);

    // Before anybody was asked for, nobody is.
    let requested = request(&clinician, json!({})).await;
    advance(&app, &requested).await;
    let cancel = format!("{}/cancel", address(&requested));
    let cancelled = clinician.post(&cancel, json!({})).await.ok();
    assert_counts(&cancelled, &[("cancelled", 4)]);
    assert!(!advance(&app, &requested).await);
    assert_eq!(count(&app, "select count(*) from predictions").await, 4);
}

#[tokio::test]
async fn whoever_is_waited_for_goes_before_a_batch() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let early = persona(&app, "F-1").await;
    persona(&app, "F-2").await;
    ask_carefully(&app, &request(&clinician, json!({})).await).await;
    app.clock.advance(TimeDelta::seconds(5));
    let late = persona(&app, "F-3").await;
    for patient in [late, early] {
        clinician.post(&format!("/api/v1/patients/{patient}/predictions"), json!({})).await;
    }
    let now = app.clock.now();
    let mut tx = app.db.begin().await.unwrap();
    let lease = now + TimeDelta::seconds(30);
    let first = backend::db::predictions::claim(&mut tx, Which::New, 2, now, lease).await.unwrap();
    let mut first: Vec<_> = first.iter().map(|claimed| claimed.patient_id).collect();
    first.sort();
    let mut wanted = vec![late, early];
    wanted.sort();
    assert_eq!(first, wanted);
}

#[tokio::test]
async fn whoever_may_no_longer_ask_gets_nothing_further() {
    let app = TestApp::new().await;
    persona(&app, "N-1").await;
    let (clinician, id) = colleague(&app, "Bea").await;
    let requested = request(&clinician, json!({})).await;
    let admin = app.sign_in(Role::Administrator).await;
    admin.delete(&format!("/api/v1/users/{id}")).await.expect(204);
    ask(&app, &requested).await;
    let failed = "select count(*) from prediction_batches
        where failed_at is not null and error like '%may no longer%'";
    assert_eq!(count(&app, failed).await, 1);
    assert_eq!(count(&app, "select count(*) from predictions").await, 0);
}

#[tokio::test]
async fn a_stream_ends_with_the_batch() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    persona(&app, "S-1").await;
    let requested = request(&clinician, json!({})).await;
    let path = format!("{}/events", address(&requested));
    let work = ask(&app, &requested);
    let (answer, ()) = tokio::join!(timeout(Duration::from_secs(20), clinician.get(&path)), work);
    let text = answer.expect("the stream ends").body;
    let text = text.as_str().unwrap();
    assert!(text.starts_with("event: batch\ndata: {"), "{text}");
    let last = text.rsplit("data: ").next().unwrap();
    let last: Value = serde_json::from_str(last.lines().next().unwrap()).unwrap();
    assert_eq!((&last["status"], &last["succeeded"]), (&json!("completed"), &json!(1)));
}

/// Patients with an eGFR, without the detour over HTTP.
async fn many(app: &TestApp, patients: i64) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
        "insert into patients (id, mrn, given_name, family_name, birth_date, sex, created_at,
            updated_at)
        select gen_random_uuid(), 'K-' || n, 'Vera', 'Testwell', '1960-01-01', 'female',
            '2026-06-01', '2026-06-01'
        from generate_series(1, {patients}) as n;
        insert into observations (id, patient_id, code, value, unit, value_as_given,
            unit_as_given, effective_at, method, recorded_by, recorded_at)
        select gen_random_uuid(), patients.id, 'egfr', 30, 'mL/min/{{1.73_m2}}', 30,
            'mL/min/{{1.73_m2}}', '2026-05-01', 'reported', users.id, '2026-06-01'
        from patients, users where role = 'clinician'"
    )))
    .execute(&app.db)
    .await
    .unwrap();
}

const PREDICTIONS: &str = "select count(*) from predictions";
const SUCCEEDED: &str = "select count(*) from predictions where status = 'succeeded'";
const ENDED: &str = "select count(*) from prediction_batches where asked_at is not null";

/// As many predictions as patients, each with its result, its headline and its audit entries.
async fn assert_once_each(app: &TestApp, client: &Client, batch: &Value, patients: i64) {
    let done = client.get(&address(batch)).await.ok();
    assert_eq!(done["status"], "completed");
    assert_counts(&done, &[("succeeded", patients)]);
    for rows in [
        PREDICTIONS,
        SUCCEEDED,
        "select count(distinct patient_id) from predictions",
        "select count(*) from patients where risk_5y is not null",
        "select count(*) from audit_events where action = 'prediction.request'",
        ENDED_ONCE,
        "select sum(predictions)::bigint from model_input_weeks",
    ] {
        assert_eq!(count(app, rows).await, patients, "{rows}");
    }
}

/// The worker has stored a chunk and is held within another: it waits for a record that this test
/// has locked.
#[tokio::test]
async fn a_worker_killed_within_a_batch_loses_nothing_and_doubles_nothing() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    many(&app, 600).await;
    let mut lock = app.db.begin().await.unwrap();
    sqlx::query(
        "select from patients where id = (select max(id::text)::uuid from patients) for no key update",
    )
    .execute(&mut *lock)
    .await
    .unwrap();
    let requested = request(&clinician, json!({})).await;
    let worker = Worker::start(&app);
    wait_until(&app, SUCCEEDED, 500).await;
    wait_until(
        &app,
        "select least(count(*), 1) from pg_locks where not granted and locktype = 'transactionid'",
        1,
    )
    .await;
    worker.kill();
    lock.rollback().await.unwrap();

    let successor = Worker::start(&app);
    wait_until(&app, SUCCEEDED, 600).await;
    wait_until(&app, ENDED, 1).await;
    assert!(successor.stop().await);
    assert_once_each(&app, &clinician, &requested, 600).await;
}

#[tokio::test]
async fn two_workers_on_one_batch_predict_for_nobody_twice() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    many(&app, 1200).await;
    let requested = request(&clinician, json!({})).await;
    let workers = [Worker::start(&app), Worker::start(&app)];
    wait_until(&app, SUCCEEDED, 1200).await;
    wait_until(&app, ENDED, 1).await;
    for worker in workers {
        assert!(worker.stop().await);
    }
    assert_once_each(&app, &clinician, &requested, 1200).await;
}

#[tokio::test]
async fn a_batch_leaves_to_the_queue_what_this_worker_cannot_compute() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    many(&app, 3).await;
    sqlx::query(
        "insert into model_roles (role, version, chosen_at, chosen_by)
        select 'active', '9.9.9', '2026-06-01', id from users limit 1",
    )
    .execute(&app.db)
    .await
    .unwrap();
    let requested = request(&clinician, json!({})).await;
    ask(&app, &requested).await;
    let waiting = clinician.get(&address(&requested)).await.ok();
    assert_counts(&waiting, &[("queued", 3)]);
    sqlx::query("delete from model_roles").execute(&app.db).await.unwrap();
    assert_eq!(predict::drain(&app.state).await.unwrap(), 3);
    assert_once_each(&app, &clinician, &requested, 3).await;
}

#[tokio::test]
async fn a_record_that_cannot_be_computed_takes_nobody_down_with_it() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    many(&app, 3).await;
    sqlx::query("alter table observations drop constraint observations_value_check")
        .execute(&mut app.owner().await)
        .await
        .unwrap();
    sqlx::query(
        "insert into observations (id, patient_id, code, value, unit, value_as_given,
            unit_as_given, effective_at, method, recorded_by, recorded_at)
        select gen_random_uuid(), patients.id, 'haemoglobin', 'NaN', 'g/dL', 1, 'g/dL',
            '2026-05-01', 'reported', users.id, '2026-06-01'
        from patients, users where mrn = 'K-2' and role = 'clinician'",
    )
    .execute(&app.db)
    .await
    .unwrap();
    let requested = request(&clinician, json!({})).await;
    ask(&app, &requested).await;
    for _ in 0..predict::MAX_ATTEMPTS {
        predict::drain(&app.state).await.unwrap();
        app.clock.advance(TimeDelta::minutes(1));
    }
    let done = clinician.get(&address(&requested)).await.ok();
    assert_counts(&done, &[("succeeded", 2), ("failed", 1)]);
    assert_eq!(done["status"], "completed");
}

/// That release has a batch alone by its row, and takes jobs of this one.
#[tokio::test]
async fn a_worker_of_the_release_before_waits_for_a_step() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    many(&app, 1).await;
    let requested = request(&clinician, json!({})).await;
    let id = id_of(&requested);
    let mut step = app.db.begin().await.unwrap();
    assert!(batches::join(&mut step, id).await.unwrap());
    let alone = sqlx::query("select from prediction_batches where id = $1 for update nowait")
        .bind(id)
        .execute(&app.db)
        .await
        .unwrap_err();
    assert_eq!(alone.as_database_error().unwrap().code().unwrap(), "55P03", "{alone}");
    // What steps note of each other on the row holds up nobody.
    sqlx::query("select from prediction_batches where id = $1 for no key update nowait")
        .bind(id)
        .execute(&app.db)
        .await
        .unwrap();
}

/// As after the death of the worker that was to write its patients down.
#[tokio::test]
async fn lanes_that_meet_before_its_patients_are_written_down_do_it_once() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    many(&app, 3).await;
    let requested = request(&clinician, json!({})).await;
    let id = id_of(&requested);
    let mut held = app.db.begin().await.unwrap();
    assert!(batches::lock(&mut held, id).await.unwrap());
    let lane = |lane| batch::advance(&app.state, AskForBatch { lane, ..AskForBatch::of(id) });
    let release = async {
        let waiting = "select count(*) from pg_locks
            where locktype = 'advisory' and not granted
                and database = (select oid from pg_database where datname = current_database())";
        wait_until(&app, waiting, 3).await;
        held.rollback().await.unwrap();
    };
    let (first, second, third, ()) = tokio::join!(lane(0), lane(1), lane(2), release);
    for one in [first, second, third] {
        assert!(one.unwrap());
    }
    assert_eq!(count(&app, "select count(*) from prediction_batch_patients").await, 3);
}

#[tokio::test]
async fn a_batch_whose_steps_always_fail_is_given_up() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    many(&app, 1).await;
    sqlx::raw_sql(
        "create function fail() returns trigger language plpgsql as
            $$ begin raise 'as this test has it'; end $$;
        create trigger fails before update on prediction_batch_patients
            for each row execute function fail()",
    )
    .execute(&mut app.owner().await)
    .await
    .unwrap();
    let requested = request(&clinician, json!({})).await;
    let worker = Worker::start(&app);
    let failed = "select count(*) from prediction_batches where failed_at is not null";
    wait_until(&app, failed, 1).await;
    assert!(worker.stop().await);
    let given_up = clinician.get(&address(&requested)).await.ok();
    assert_eq!(given_up["status"], "failed");
    assert!(given_up["error"].as_str().unwrap().contains("again and again"), "{given_up:#}");
    assert_eq!(count(&app, PREDICTIONS).await, 0);
}
