//! Asking for predictions, reading them, calling them off; what a worker stores.

use backend::{
    db::predictions::{Answer, Which, claim, succeed},
    jobs::{answer::answers, predict},
};
use chrono::TimeDelta;
use futures::future::join_all;
use serde_json::{Value, json};
use shared::{
    access::Role,
    id::{PatientId, PredictionId},
    prediction::PredictionInputs,
};
use uuid::Uuid;

use crate::{
    care_teams::colleague,
    support::{TestApp, start},
    worker::wait_until,
};

/// KFRE-4, North America, of the care-plan persona: a woman of 60, eGFR 28, uACR 742 mg/g.
pub const PERSONA_2Y: f64 = 0.124185;
pub const PERSONA_5Y: f64 = 0.338988;

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

pub async fn execute(app: &TestApp, statement: &str) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned())).execute(&app.db).await.unwrap();
}

pub async fn count(app: &TestApp, query: &str) -> i64 {
    sqlx::query_scalar(sqlx::AssertSqlSafe(query.to_owned())).fetch_one(&app.db).await.unwrap()
}

pub fn requests(patient: PatientId) -> String {
    format!("/api/v1/patients/{patient}/predictions")
}

pub fn address(prediction: &Value) -> String {
    format!("/api/v1/predictions/{}", prediction["id"].as_str().unwrap())
}

fn id_of(prediction: &Value) -> PredictionId {
    prediction["id"].as_str().unwrap().parse().unwrap()
}

#[track_caller]
pub fn assert_close(actual: &Value, expected: f64) {
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
