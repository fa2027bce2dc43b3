//! Asking for predictions, following them, calling them off; what-ifs.

use std::{iter, slice};

use backend::{
    db::{
        self,
        predictions::{Answer, Which, claim, succeed},
    },
    jobs::{answer::answers, predict},
};
use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
use serde_json::{Value, json};
use shared::{
    access::Role,
    id::{PatientId, PredictionId},
    patient::Patient,
    prediction::{KfreRegion, PredictionInputs},
};
use uuid::Uuid;

use crate::{
    care_teams::colleague,
    support::{TestApp, start},
    worker::wait_until,
};

/// KFRE-4, North America, of the care-plan persona: a woman of 60, eGFR 28, uACR 742 mg/g.
const PERSONA_2Y: f64 = 0.124185;
const PERSONA_5Y: f64 = 0.338988;

/// The care-plan persona, measured two days ago.
pub async fn persona(app: &TestApp, mrn: &str) -> PatientId {
    let id = patient(app, mrn, "1966-01-15", "female").await;
    measure(app, id, "egfr", 28.0, 2).await;
    measure(app, id, "uacr", 742.0, 2).await;
    id
}

pub async fn patient(app: &TestApp, mrn: &str, birth_date: &str, sex: &str) -> PatientId {
    let id = PatientId(Uuid::now_v7());
    sqlx::query(
        "insert into patients (id, mrn, given_name, family_name, birth_date, sex, diabetes,
            hypertension, created_at, updated_at)
        values ($1, $2, 'Vera', 'Testwell', $3::date, $4, true, true, $5, $5)",
    )
    .bind(id)
    .bind(mrn)
    .bind(birth_date)
    .bind(sex)
    .bind(start())
    .execute(&app.db)
    .await
    .unwrap();
    id
}

pub async fn measure(
    app: &TestApp,
    patient: PatientId,
    code: &str,
    value: f64,
    days_ago: i64,
) -> Uuid {
    let unit = match code {
        "egfr" => "mL/min/{1.73_m2}",
        "uacr" | "upcr" => "mg/g{creat}",
        "potassium" => "mmol/L",
        code => panic!("no unit for {code}"),
    };
    sqlx::query_scalar(
        "insert into observations (id, patient_id, code, value, unit, value_as_given,
            unit_as_given, effective_at, method, recorded_by, recorded_at)
        select $1, $2, $3, $4, $5, $4, $5, $6, 'reported', id, $7
        from users where role = 'clinician' order by id limit 1
        returning id",
    )
    .bind(Uuid::now_v7())
    .bind(patient)
    .bind(code)
    .bind(value)
    .bind(unit)
    .bind(start() - TimeDelta::days(days_ago))
    .bind(start())
    .fetch_one(&app.db)
    .await
    .unwrap()
}

async fn execute(app: &TestApp, statement: &str) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned())).execute(&app.db).await.unwrap();
}

async fn count(app: &TestApp, query: &str) -> i64 {
    sqlx::query_scalar(sqlx::AssertSqlSafe(query.to_owned())).fetch_one(&app.db).await.unwrap()
}

fn requests(patient: PatientId) -> String {
    format!("/api/v1/patients/{patient}/predictions")
}

fn address(prediction: &Value) -> String {
    format!("/api/v1/predictions/{}", prediction["id"].as_str().unwrap())
}

fn id_of(prediction: &Value) -> PredictionId {
    prediction["id"].as_str().unwrap().parse().unwrap()
}

#[track_caller]
fn assert_close(actual: &Value, expected: f64) {
    let actual = actual.as_f64().unwrap();
    assert!((actual - expected).abs() < 5e-7, "{actual} is not {expected}");
}

#[tokio::test]
async fn a_request_becomes_a_result() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let patient = persona(&app, "P-1").await;
    let answer = clinician.post(&requests(patient), json!({})).await;
    let location = answer.header("location").unwrap().to_owned();
    let requested = answer.expect(202);
    assert_eq!(location, address(&requested));
    assert_eq!(requested["status"], "queued");
    assert_eq!(requested["patient_id"], json!(patient));
    assert_eq!(requested["inputs"]["age_years"], 60);
    assert_eq!(requested["inputs"]["region"], "north_america");
    assert_eq!(requested["result"], Value::Null);

    assert_eq!(predict::drain(&app.state).await.unwrap(), 1);

    let done = clinician.get(&location).await.ok();
    assert_eq!(done["status"], "succeeded");
    assert_eq!(done["error"], Value::Null);
    assert_eq!(done["inputs"], requested["inputs"]);
    assert_eq!(done["model"], json!(app.standard().predictor.version()));
    let result = &done["result"];
    assert_eq!(result["kfre"]["variables"], 4);
    assert_close(&result["kfre"]["risk_2y"], PERSONA_2Y);
    assert_close(&result["kfre"]["risk_5y"], PERSONA_5Y);
    assert_eq!(result["category"], "high");
    assert_eq!(result["category_source"], "kfre");
    assert_eq!(
        result["kdigo"],
        json!({ "g": "G4", "a": "A3", "risk": "very_high", "a_from_pcr": false })
    );
    let risks = result["risk"].as_array().unwrap();
    let risks: Vec<f64> = risks.iter().map(|r| r["probability"].as_f64().unwrap()).collect();
    assert_eq!(risks.len(), 5);
    assert!(risks.is_sorted(), "{risks:?}");
    let sum: f64 = result["contributions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|contribution| contribution["effect"].as_f64().unwrap())
        .sum();
    let difference = risks[4] - result["reference_risk_5y"].as_f64().unwrap();
    assert!((sum - difference).abs() < 1e-3, "{sum} is not {difference}");

    let shown: (f64, f64, String, String) = sqlx::query_as(
        "select risk_2y, risk_5y, risk_category, risk_source from patients where id = $1",
    )
    .bind(patient)
    .fetch_one(&app.db)
    .await
    .unwrap();
    assert!((shown.0 - PERSONA_2Y).abs() < 5e-7 && (shown.1 - PERSONA_5Y).abs() < 5e-7);
    assert_eq!((shown.2.as_str(), shown.3.as_str()), ("high", "kfre"));
    assert_eq!(
        app.audit_trail().await,
        [
            "clinician prediction.request success",
            "nobody prediction.finish success",
            "clinician prediction.read success",
        ]
    );
    assert_eq!(predict::drain(&app.state).await.unwrap(), 0);
}

#[tokio::test]
async fn what_is_out_of_scope_is_refused_with_every_reason() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let child = patient(&app, "P-1", "2016-01-15", "male").await;
    execute(
        &app,
        &format!(
            "insert into outcomes (id, patient_id, kind, occurred_on, created_at)
            values (gen_random_uuid(), '{child}', 'dialysis', '2026-05-01', '2026-05-01')"
        ),
    )
    .await;
    let answer = clinician.post(&requests(child), json!({})).await;
    assert_eq!(answer.body["type"], "/problems/out-of-scope");
    let mut faults: Vec<_> = answer.faults().into_keys().collect();
    faults.sort();
    assert_eq!(faults, ["/inputs/age", "/inputs/egfr", "/inputs/outcomes"]);
    assert_eq!(count(&app, "select count(*) from predictions").await, 0);
    assert_eq!(count(&app, "select count(*) from graphile_worker.jobs").await, 0);
    assert!(app.audit_trail().await.is_empty());
}

#[tokio::test]
async fn a_second_request_answers_the_open_one_even_at_the_same_moment() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let patient = persona(&app, "P-1").await;
    let path = requests(patient);
    let answers = join_all((0..12).map(|_| clinician.post(&path, json!({})))).await;
    let ids: Vec<Value> =
        answers.into_iter().map(|answer| answer.expect(202)["id"].clone()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(count(&app, "select count(*) from predictions").await, 1);
    assert_eq!(count(&app, "select count(*) from graphile_worker.jobs").await, 1);

    predict::drain(&app.state).await.unwrap();
    app.clock.advance(TimeDelta::seconds(1));
    let next = clinician.post(&path, json!({})).await.expect(202);
    assert_ne!(next["id"], ids[0]);
}

/// They share a transaction, and nothing else.
#[tokio::test]
async fn whoever_asks_at_the_same_moment_gets_what_they_would_get_alone() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let (other, other_id) = colleague(&app, "Bea").await;
    let region = json!({ "kfre_region": "united_kingdom" });
    other.patch("/api/v1/me/preferences", 1, region).await.ok();
    let mut paths = Vec::new();
    for number in 0..6 {
        paths.push(requests(persona(&app, &format!("T-{number}")).await));
    }
    let young = requests(patient(&app, "T-young", "2015-01-01", "male").await);
    let unknown = requests(PatientId(Uuid::nil()));
    let ask = |number: usize| {
        let client = if number.is_multiple_of(2) { &clinician } else { &other };
        client.post(&paths[number], json!({}))
    };
    let (asked, again, refused, missing) = tokio::join!(
        join_all((0..6).map(ask)),
        clinician.post(&paths[0], json!({})),
        other.post(&young, json!({})),
        clinician.post(&unknown, json!({})),
    );
    let asked: Vec<Value> = asked.into_iter().map(|answer| answer.expect(202)).collect();
    assert_eq!(again.expect(202)["id"], asked[0]["id"]);
    refused.expect(422);
    missing.expect(404);
    for (number, prediction) in asked.iter().enumerate() {
        let (by_other, shown) = (number % 2 == 1, &prediction["inputs"]["region"]);
        assert_eq!(shown == "united_kingdom", by_other, "{prediction:#}");
        assert_eq!(prediction["requested_by"] == json!(other_id), by_other);
        let read = clinician.get(&address(prediction)).await.ok();
        assert_eq!(&read, prediction, "what was answered is what is stored");
    }
    assert_eq!(count(&app, "select count(*) from predictions").await, 6);
    let entries = "select count(*) from audit_events
        join predictions on predictions.id = object_id and actor_id = requested_by
        where action = 'prediction.request' and request_id is not null and session_id is not null
            and audit_events.patient_id = predictions.patient_id";
    assert_eq!(count(&app, entries).await, 6);
    assert_eq!(predict::drain(&app.state).await.unwrap(), 6);
}

#[tokio::test]
async fn whoever_takes_predictions_takes_their_jobs_out_of_the_queue() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    for number in 0..8 {
        let patient = persona(&app, &format!("P-{number}")).await;
        clinician.post(&requests(patient), json!({})).await.expect(202);
    }
    let jobs = "select count(*) from graphile_worker.jobs";
    assert_eq!(count(&app, jobs).await, 8);
    // One of them is being done: its worker must find it again.
    execute(
        &app,
        "update graphile_worker._private_jobs set locked_at = now(), locked_by = 'worker'
        where id = (select min(id) from graphile_worker._private_jobs)",
    )
    .await;
    assert_eq!(predict::drain(&app.state).await.unwrap(), 8);
    assert_eq!(count(&app, &format!("{jobs} where locked_at is not null")).await, 1);
    assert_eq!(count(&app, jobs).await, 1);
}

#[tokio::test]
async fn a_repeated_key_answers_the_first_answer() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let path = requests(persona(&app, "P-1").await);
    let first = clinician.post_once("key", &path, json!({})).await.expect(202);
    predict::drain(&app.state).await.unwrap();
    let again = clinician.post_once("key", &path, json!({})).await.expect(202);
    assert_eq!(again, first);
    let elsewhere = requests(persona(&app, "P-2").await);
    let reused = clinician.post_once("key", &elsewhere, json!({})).await;
    assert_eq!(reused.expect(422)["type"], "/problems/idempotency-key-reused");
    assert_eq!(count(&app, "select count(*) from predictions").await, 1);
}

#[tokio::test]
async fn an_unknown_field_is_refused() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let path = requests(persona(&app, "P-1").await);
    let faults = clinician.post(&path, json!({ "urgent": true })).await.faults();
    assert_eq!(faults.keys().collect::<Vec<_>>(), ["/urgent"]);
}

#[tokio::test]
async fn an_archived_record_gets_no_prediction() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let patient = persona(&app, "P-1").await;
    execute(&app, "update patients set archived_at = now()").await;
    clinician.post(&requests(patient), json!({})).await.expect(409);
    assert_eq!(count(&app, "select count(*) from predictions").await, 0);
}

#[tokio::test]
async fn everything_on_the_record_that_counts_is_frozen_and_nothing_else() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let id = persona(&app, "P-1").await;
    measure(&app, id, "potassium", 4.9, 100).await;
    measure(&app, id, "egfr", 61.0, 6 * 366).await;
    let wrong = measure(&app, id, "potassium", 9.9, 1).await;
    execute(
        &app,
        &format!(
            "update observations set status = 'voided', status_reason = 'a slip'
                where id = '{wrong}';
            update patients set smoker = false, renal_disease = 'glomerular';
            insert into therapies (id, patient_id, kind, started_on, ended_on, created_at,
                deleted_at)
            values
                (gen_random_uuid(), '{id}', 'ras_inhibitor', '2026-06-01', null, now(), null),
                (gen_random_uuid(), '{id}', 'ras_inhibitor', '2025-01-01', null, now(), null),
                (gen_random_uuid(), '{id}', 'mra', '2025-01-01', '2026-06-01', now(), null),
                (gen_random_uuid(), '{id}', 'fish_oil', '2025-01-01', '2026-05-31', now(), null),
                (gen_random_uuid(), '{id}', 'glp1_agonist', '2026-06-02', null, now(), null),
                (gen_random_uuid(), '{id}', 'sglt2_inhibitor', '2025-01-01', null, now(), now());
            insert into biopsies (id, patient_id, performed_on, diagnosis, m, t, created_at)
            values
                (gen_random_uuid(), '{id}', '2020-01-01', 'first', 0, 0, now()),
                (gen_random_uuid(), '{id}', '2025-01-01', 'second', 1, 2, now())"
        ),
    )
    .await;
    let prediction = clinician.post(&requests(id), json!({})).await.expect(202);
    let measured: DateTime<Utc> = start() - TimeDelta::days(2);
    let earlier: DateTime<Utc> = start() - TimeDelta::days(100);
    let value = |code: &str, value: f64, unit: &str, at: DateTime<Utc>| {
        json!({ "code": code, "value": value, "unit": unit, "effective_at": at,
            "method": "reported" })
    };
    assert_eq!(
        prediction["inputs"],
        json!({
            "as_of": "2026-06-01",
            "age_years": 60,
            "sex": "female",
            "diabetes": true,
            "hypertension": true,
            "cardiovascular_disease": null,
            "heart_failure": null,
            "smoker": false,
            "renal_disease": "glomerular",
            "region": "north_america",
            "therapies": ["mra", "ras_inhibitor"],
            "biopsy": { "performed_on": "2025-01-01", "m": 1, "e": null, "s": null, "t": 2,
                "c": null },
            "outcomes": [],
            "values": [
                value("potassium", 4.9, "mmol/L", earlier),
                value("egfr", 28.0, "mL/min/{1.73_m2}", measured),
                value("uacr", 742.0, "mg/g{creat}", measured),
            ],
        })
    );
}

/// Patients whose inputs are frozen by one statement each keep what is theirs.
#[tokio::test]
async fn what_is_frozen_together_is_what_is_frozen_alone() {
    let app = TestApp::new().await;
    let (one, other) = (persona(&app, "P-1").await, persona(&app, "P-2").await);
    let without_values = patient(&app, "P-3", "1950-01-01", "male").await;
    measure(&app, other, "potassium", 4.9, 100).await;
    execute(
        &app,
        &format!(
            "insert into therapies (id, patient_id, kind, started_on, created_at)
            values
                (gen_random_uuid(), '{one}', 'ras_inhibitor', '2025-01-01', now()),
                (gen_random_uuid(), '{other}', 'sglt2_inhibitor', '2025-01-01', now()),
                (gen_random_uuid(), '{other}', 'mra', '2025-01-01', now());
            insert into biopsies (id, patient_id, performed_on, diagnosis, m, created_at)
            values
                (gen_random_uuid(), '{one}', '2024-01-01', 'one', 0, now()),
                (gen_random_uuid(), '{without_values}', '2025-01-01', 'third', 1, now());
            insert into outcomes (id, patient_id, kind, occurred_on, created_at)
            values (gen_random_uuid(), '{without_values}', 'dialysis', '2026-01-01', now())"
        ),
    )
    .await;
    let mut db = app.db.acquire().await.unwrap();
    let patients = db::patients::find_all(&mut *db, &[one, other, without_values]).await.unwrap();
    let patients: Vec<Patient> = patients.into_iter().flatten().collect();
    let (region, now) = (KfreRegion::default(), app.clock.now());
    let together = db::prediction_inputs::freeze(&mut db, &patients, region, now).await.unwrap();
    let found = |of: usize| {
        let inputs: &PredictionInputs = &together[of];
        let performed_on = inputs.biopsy.as_ref().map(|biopsy| biopsy.performed_on.to_string());
        (inputs.therapies.len(), performed_on, inputs.outcomes.len(), inputs.values.len())
    };
    assert_eq!(found(0), (1, Some("2024-01-01".into()), 0, 2));
    assert_eq!(found(1), (2, None, 0, 3));
    assert_eq!(found(2), (0, Some("2025-01-01".into()), 1, 0));
    for (patient, together) in iter::zip(&patients, &together) {
        let patient = slice::from_ref(patient);
        let alone = db::prediction_inputs::freeze(&mut db, patient, region, now).await.unwrap();
        assert_eq!(alone.first(), Some(together));
    }
}

#[tokio::test]
async fn a_later_change_of_the_record_changes_no_requested_prediction() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let patient = persona(&app, "P-1").await;
    let requested = clinician.post(&requests(patient), json!({})).await.expect(202);
    measure(&app, patient, "egfr", 55.0, 0).await;
    execute(&app, "update patients set birth_date = '1940-01-01', sex = 'male'").await;
    predict::drain(&app.state).await.unwrap();
    let done = clinician.get(&address(&requested)).await.ok();
    assert_eq!(done["inputs"], requested["inputs"]);
    assert_close(&done["result"]["kfre"]["risk_2y"], PERSONA_2Y);
}

#[tokio::test]
async fn a_waiting_prediction_can_be_cancelled_once() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let requested =
        clinician.post(&requests(persona(&app, "P-1").await), json!({})).await.expect(202);
    let cancel = format!("{}/cancel", address(&requested));
    let cancelled = clinician.post(&cancel, json!({})).await.ok();
    assert_eq!(cancelled["status"], "cancelled");
    assert!(cancelled["completed_at"].is_string());
    clinician.post(&cancel, json!({})).await.expect(409);
    assert_eq!(predict::drain(&app.state).await.unwrap(), 0);
    assert_eq!(
        app.audit_trail().await,
        ["clinician prediction.request success", "clinician prediction.cancel success"]
    );
}

#[tokio::test]
async fn a_finished_prediction_cannot_be_cancelled() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let requested =
        clinician.post(&requests(persona(&app, "P-1").await), json!({})).await.expect(202);
    predict::drain(&app.state).await.unwrap();
    clinician.post(&format!("{}/cancel", address(&requested)), json!({})).await.expect(409);
    assert_eq!(clinician.get(&address(&requested)).await.ok()["status"], "succeeded");
}

#[tokio::test]
async fn the_result_of_a_cancelled_or_newly_claimed_prediction_is_dropped() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let cancelled =
        clinician.post(&requests(persona(&app, "P-1").await), json!({})).await.expect(202);
    let kept = clinician.post(&requests(persona(&app, "P-2").await), json!({})).await.expect(202);
    let mut db = app.db.acquire().await.unwrap();
    let now = app.clock.now();
    let lease = now + TimeDelta::seconds(30);
    let claimed = claim(&mut db, Which::New, 10, now, lease).await.unwrap();
    assert_eq!(claimed.len(), 2);
    assert!(claim(&mut db, Which::New, 10, now, lease).await.unwrap().is_empty());
    clinician.post(&format!("{}/cancel", address(&cancelled)), json!({})).await.ok();
    let answered: Vec<Answer> = claimed
        .into_iter()
        .map(|claimed| {
            let inputs: PredictionInputs = serde_json::from_str(claimed.inputs.0.get()).unwrap();
            let result = answers(&app.standard().predictor, &[inputs]).unwrap().pop().unwrap();
            let (id, patient_id, attempt) = (claimed.id, claimed.patient_id, claimed.attempt);
            Answer { id, patient_id, attempt, result }
        })
        .collect();

    // The lease ends, somebody else takes the other one: the first worker's answer counts no more.
    let again = claim(&mut db, Which::Tried, 10, lease, lease + TimeDelta::seconds(30)).await;
    let again = again.unwrap();
    assert_eq!(again.len(), 1);
    assert_eq!((again[0].id, again[0].attempt), (id_of(&kept), 2));
    let standard = app.standard();
    let version = standard.predictor.version();
    assert!(
        succeed(&mut db, &answered.iter().collect::<Vec<_>>(), version, now)
            .await
            .unwrap()
            .is_empty()
    );
    let second: Vec<Answer> =
        answered.into_iter().map(|answer| Answer { attempt: 2, ..answer }).collect();
    let stored = succeed(&mut db, &second.iter().collect::<Vec<_>>(), version, now).await.unwrap();
    assert_eq!(stored.iter().map(|closed| closed.id).collect::<Vec<_>>(), [id_of(&kept)]);
    assert_eq!(clinician.get(&address(&cancelled)).await.ok()["status"], "cancelled");
    let shown = "select count(*) from patients where risk_5y is not null";
    assert_eq!(count(&app, shown).await, 1);
}

#[tokio::test]
async fn a_poisonous_input_is_retried_then_fails_alone() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let sound = clinician.post(&requests(persona(&app, "P-1").await), json!({})).await.expect(202);
    let poisoned =
        clinician.post(&requests(persona(&app, "P-2").await), json!({})).await.expect(202);
    execute(
        &app,
        &format!(
            "update predictions set inputs = jsonb_set(inputs, '{{values}}', '[]')
            where id = '{}'",
            id_of(&poisoned)
        ),
    )
    .await;

    assert_eq!(predict::drain(&app.state).await.unwrap(), 2);
    assert_eq!(clinician.get(&address(&sound)).await.ok()["status"], "succeeded");
    for attempt in 1..5 {
        let waiting = clinician.get(&address(&poisoned)).await.ok();
        assert_eq!(waiting["status"], "queued", "attempt {attempt}");
        let jobs = "select count(*) from graphile_worker.jobs where now() < run_at
            or run_at = (select due_at from predictions where status = 'queued')";
        assert!(0 < count(&app, jobs).await, "no job will try again");
        assert_eq!(predict::drain(&app.state).await.unwrap(), 0, "no pause");
        app.clock.advance(TimeDelta::seconds(60));
        assert_eq!(predict::drain(&app.state).await.unwrap(), 1);
    }
    let failed = clinician.get(&address(&poisoned)).await.ok();
    assert_eq!(failed["status"], "failed");
    assert!(failed["error"].as_str().unwrap().contains("failed five times"), "{failed:#}");
    assert_eq!(failed["result"], Value::Null);
    let trail = app.audit_trail().await;
    let of = |line: &str| trail.iter().filter(|entry| *entry == line).count();
    assert_eq!(of("nobody prediction.finish failure"), 1);
    assert_eq!(of("nobody prediction.finish success"), 1);
}

#[tokio::test]
async fn a_prediction_whose_workers_all_died_fails() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let requested =
        clinician.post(&requests(persona(&app, "P-1").await), json!({})).await.expect(202);
    let mut db = app.db.acquire().await.unwrap();
    for attempt in 1..=5 {
        let which = if attempt == 1 { Which::New } else { Which::Tried };
        let now = app.clock.now();
        let lease = now + TimeDelta::seconds(30);
        let claimed = claim(&mut db, which, 1, now, lease).await.unwrap();
        assert_eq!(claimed[0].attempt, attempt);
        app.clock.advance(TimeDelta::seconds(30));
    }
    assert_eq!(predict::drain(&app.state).await.unwrap(), 0);
    let failed = clinician.get(&address(&requested)).await.ok();
    assert_eq!(failed["status"], "failed");
    let trail = app.audit_trail().await;
    assert!(trail.contains(&"nobody prediction.finish failure".to_owned()), "{trail:?}");
}

#[tokio::test]
async fn a_list_goes_from_the_newest_to_the_oldest_in_pages() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let path = requests(persona(&app, "P-1").await);
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(clinician.post(&path, json!({})).await.expect(202)["id"].clone());
        predict::drain(&app.state).await.unwrap();
        app.clock.advance(TimeDelta::seconds(1));
    }
    ids.reverse();
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = clinician.get(&format!("{path}?limit=2{cursor}")).await.ok();
        seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["id"].clone()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, ids);
    clinician.get(&format!("{path}?limit=0")).await.expect(422);
    clinician.get(&format!("{path}?limit=201")).await.expect(422);
    clinician.get(&format!("{path}?cursor=nonsense")).await.expect(422);
}

#[tokio::test]
async fn patients_see_their_own_predictions_only() {
    let app = TestApp::new().await;
    app.let_patients_see_risk().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let own = persona(&app, "P-1").await;
    let other = persona(&app, "P-2").await;
    let mine = clinician.post(&requests(own), json!({})).await.expect(202);
    let theirs = clinician.post(&requests(other), json!({})).await.expect(202);
    predict::drain(&app.state).await.unwrap();
    app.link_patient(own).await;
    let patient = app.sign_in(Role::Patient).await;
    patient.get(&address(&mine)).await.expect(404);
    execute(&app, "update patients set own_access = true").await;
    assert_eq!(patient.get(&address(&mine)).await.ok()["status"], "succeeded");
    let page = patient.get(&requests(own)).await.ok();
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    patient.get(&format!("{}/events", address(&mine))).await.expect(200);
    let hidden = patient.get(&address(&theirs)).await.expect(404);
    let absent = format!("/api/v1/predictions/{}", Uuid::now_v7());
    assert_eq!(hidden["detail"], patient.get(&absent).await.expect(404)["detail"]);
    patient.get(&requests(other)).await.expect(404);
    patient.get(&format!("{}/events", address(&theirs))).await.expect(404);
    patient.post(&requests(own), json!({})).await.expect(403);
    patient.post(&format!("{}/cancel", address(&mine)), json!({})).await.expect(403);
}

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

#[tokio::test]
async fn a_what_if_gives_the_same_result_and_stores_nothing() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let requested =
        clinician.post(&requests(persona(&app, "P-1").await), json!({})).await.expect(202);
    predict::drain(&app.state).await.unwrap();
    let done = clinician.get(&address(&requested)).await.ok();
    let trail = app.audit_trail().await;
    let preview = "/api/v1/predictions/preview";
    let result = clinician.post(preview, done["inputs"].clone()).await.ok();
    assert_eq!(result, done["result"]);
    let mut inputs = done["inputs"].clone();
    inputs["region"] = json!("other");
    let elsewhere = clinician.post(preview, inputs.clone()).await.ok();
    assert_close(&elsewhere["kfre"]["risk_2y"], 0.084913);
    assert_close(&elsewhere["kfre"]["risk_5y"], 0.290792);
    assert_eq!(count(&app, "select count(*) from predictions").await, 1);
    assert_eq!(app.audit_trail().await, trail);
    app.sign_in(Role::Administrator).await.post(preview, inputs.clone()).await.ok();
    app.sign_in(Role::Researcher).await.post(preview, inputs.clone()).await.expect(403);
    app.sign_in(Role::Patient).await.post(preview, inputs).await.expect(403);
}

#[tokio::test]
async fn a_what_if_names_every_faulty_field() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let value = |code: &str, value: f64, unit: &str, at: &str| {
        json!({ "code": code, "value": value, "unit": unit, "effective_at": at,
            "method": "reported" })
    };
    let inputs = json!({
        "as_of": "2026-06-01",
        "age_years": 130,
        "sex": "female",
        "diabetes": true,
        "hypertension": null,
        "cardiovascular_disease": null,
        "heart_failure": null,
        "smoker": null,
        "renal_disease": "unknown",
        "region": "other",
        "biopsy": { "performed_on": "2026-06-02", "m": 2, "e": 0, "s": null, "t": 2, "c": 3 },
        "values": [
            value("egfr", 28.0, "mL/min/{1.73_m2}", "2026-05-30T08:00:00Z"),
            value("uacr", 84.0, "mg/mmol", "2026-05-30T08:00:00Z"),
            value("potassium", 44.0, "mmol/L", "2026-05-30T08:00:00Z"),
            value("potassium", 4.4, "mmol/L", "2026-06-02T08:00:00Z"),
            value("potassium", 4.4, "mmol/L", "2021-05-31T08:00:00Z"),
        ],
    });
    let preview = "/api/v1/predictions/preview";
    let mut faults: Vec<_> =
        clinician.post(preview, inputs.clone()).await.faults().into_keys().collect();
    faults.sort();
    assert_eq!(
        faults,
        [
            "/age_years",
            "/biopsy/c",
            "/biopsy/m",
            "/biopsy/performed_on",
            "/values/1/unit",
            "/values/2/value",
            "/values/3/effective_at",
            "/values/4/effective_at",
        ]
    );
    let mut inputs = inputs;
    inputs["age_years"] = json!(17);
    inputs["biopsy"] = Value::Null;
    inputs["values"] = json!([]);
    let answer = clinician.post(preview, inputs).await;
    assert_eq!(answer.body["type"], "/problems/out-of-scope");
    let mut faults: Vec<_> = answer.faults().into_keys().collect();
    faults.sort();
    assert_eq!(faults, ["/age_years", "/values"]);
}

/// A step of a batch has its patients' records for as long as it computes.
#[tokio::test]
async fn a_record_that_somebody_has_holds_up_its_own_request_only() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let (taken, free) = (persona(&app, "P-1").await, persona(&app, "P-2").await);
    let mut holder = app.db.begin().await.unwrap();
    sqlx::query("select from patients where id = $1 for no key update")
        .bind(taken)
        .execute(&mut *holder)
        .await
        .unwrap();
    let request = |patient: PatientId| {
        let clinician = clinician.clone();
        async move {
            let path = format!("/api/v1/patients/{patient}/predictions");
            clinician.post(&path, json!({})).await.expect(202)
        }
    };
    let others = async {
        let waits = "select count(*) from pg_stat_activity
            where datname = current_database() and wait_event = 'transactionid'";
        wait_until(&app, waits, 1).await;
        request(free).await;
        // It was answered while the other one was still waiting.
        assert_eq!(count(&app, waits).await, 1);
        holder.rollback().await.unwrap();
    };
    let (late, ()) = tokio::join!(request(taken), others);
    assert_eq!(late["patient_id"], json!(taken));
}
