//! What the list says is due, which way the risk went, and the filters by it.

use std::{num::NonZeroUsize, slice};

use axum::http::Method;
use backend::{
    db::patient_list::{self, Filter},
    derived,
    jobs::{
        at_once::AtOnce,
        batch::{self, AskForBatch},
        predict,
    },
    router::router,
    together::Together,
    worklist::KeptLines,
};
use chrono::TimeDelta;
use serde_json::{Value, json};
use shared::{
    access::Role,
    id::PatientId,
    patient::{PatientFilter, PatientSort},
};
use sqlx::PgConnection;

use crate::{
    access::{self, ACCESS},
    care_teams::{colleague, confine},
    predictions::{measure, patient, persona},
    support::{Client, TestApp},
};

const PATIENTS: &str = "/api/v1/patients";

/// A patient with these values: code, value, how many days ago.
async fn measured(app: &TestApp, mrn: &str, values: &[(&str, f64, i64)]) -> PatientId {
    let id = patient(app, mrn, "1960-02-01", "female").await;
    for (code, value, days_ago) in values {
        measure(app, id, code, *value, *days_ago).await;
    }
    // Values that somebody wrote past the program are what an older version left behind.
    derived::catch_up(&app.db).await.unwrap();
    id
}

/// Records an eGFR or a urine ACR by the API, measured now.
async fn record(app: &TestApp, client: &Client, id: PatientId, code: &str, value: f64) {
    let unit = if code == "egfr" { "mL/min/{1.73_m2}" } else { "mg/g" };
    let at = app.clock.now();
    let value = json!({ "code": code, "value": value, "unit": unit, "effective_at": at });
    let path = format!("{PATIENTS}/{id}/observations");
    client.post(&path, json!({ "observations": [value] })).await.created();
}

async fn predicted(app: &TestApp, client: &Client, id: PatientId) {
    client.post(&format!("{PATIENTS}/{id}/predictions"), json!({})).await.expect(202);
    assert_eq!(predict::drain(&app.state).await.unwrap(), 1);
}

async fn line(client: &Client, mrn: &str) -> Value {
    let page = client.get(&format!("{PATIENTS}?q={mrn}")).await.ok();
    assert_eq!(page["items"].as_array().unwrap().len(), 1, "{page:#}");
    page["items"][0].clone()
}

/// The kinds of what is due, in the order of the answer.
fn kinds(line: &Value) -> Vec<&str> {
    line["due"].as_array().unwrap().iter().map(|due| due["kind"].as_str().unwrap()).collect()
}

async fn mrns(client: &Client, query: &str) -> Vec<String> {
    let page = client.get(&format!("{PATIENTS}?{query}")).await.ok();
    let items = page["items"].as_array().unwrap();
    items.iter().map(|item| item["mrn"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn monitoring_is_overdue_after_the_day_that_the_heat_map_says() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    // Today is 2026-06-01. G4 A3 is measured 4 times a year, G3a A1 once, G4 A? 3 times.
    measured(&app, "W-1", &[("egfr", 28.0, 92), ("uacr", 742.0, 92)]).await;
    measured(&app, "W-2", &[("egfr", 28.0, 93), ("uacr", 742.0, 1)]).await;
    measured(&app, "W-3", &[("egfr", 28.0, 1), ("uacr", 742.0, 93)]).await;
    measured(&app, "W-4", &[("egfr", 50.0, 365), ("uacr", 10.0, 10)]).await;
    measured(&app, "W-5", &[("egfr", 50.0, 366), ("upcr", 60.0, 366)]).await;
    measured(&app, "W-6", &[("egfr", 28.0, 121)]).await;
    measured(&app, "W-7", &[]).await;
    for (mrn, due_on, due) in [
        ("W-1", json!("2026-06-01"), vec![]),
        ("W-2", json!("2026-05-28"), vec!["monitoring_overdue"]),
        ("W-3", json!("2026-05-28"), vec!["monitoring_overdue"]),
        ("W-4", json!("2026-06-01"), vec![]),
        ("W-5", json!("2026-05-31"), vec!["monitoring_overdue"]),
        ("W-6", json!("2026-05-31"), vec!["monitoring_overdue", "albuminuria_missing"]),
        ("W-7", Value::Null, vec!["egfr_missing"]),
    ] {
        let line = line(&clinician, mrn).await;
        assert_eq!((&line["monitoring_due_on"], kinds(&line)), (&due_on, due), "{mrn}");
    }
    assert_eq!(mrns(&clinician, "overdue=true").await, ["W-2", "W-3", "W-5", "W-6"]);
    assert_eq!(mrns(&clinician, "overdue=false").await, ["W-1", "W-4", "W-7"]);
    app.clock.advance(TimeDelta::days(1));
    let clinician = app.sign_in(Role::Clinician).await;
    assert_eq!(mrns(&clinician, "overdue=false").await, ["W-7"]);
    record(&app, &clinician, PatientId(id_of(&line(&clinician, "W-4").await)), "egfr", 51.0).await;
    assert_eq!(kinds(&line(&clinician, "W-4").await), Vec::<&str>::new(), "measured again");
}

fn id_of(line: &Value) -> uuid::Uuid {
    line["id"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn nothing_is_due_after_an_end_point_or_in_the_archive() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let values = [("egfr", 9.0, 200), ("uacr", 742.0, 200)];
    let ended = measured(&app, "E-1", &values).await;
    measured(&app, "E-2", &values).await;
    assert_eq!(mrns(&clinician, "overdue=true").await, ["E-1", "E-2"]);
    let outcome = json!({ "kind": "dialysis", "occurred_on": "2026-05-30" });
    clinician.post(&format!("{PATIENTS}/{ended}/outcomes"), outcome).await.created();
    assert_eq!(mrns(&clinician, "overdue=true").await, ["E-2"]);
    let ended = line(&clinician, "E-1").await;
    assert_eq!((&ended["monitoring_due_on"], kinds(&ended)), (&Value::Null, vec![]));
    let archive = "update patients set archived_at = now() where mrn = 'E-2'";
    sqlx::query(archive).execute(&app.db).await.unwrap();
    let archived = clinician.get(&format!("{PATIENTS}?archived=true")).await.ok();
    assert_eq!(kinds(&archived["items"][0]), Vec::<&str>::new());
}

#[tokio::test]
async fn a_prediction_is_outdated_by_newer_values_and_old_after_a_year() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let id = persona(&app, "P-1").await;
    derived::catch_up(&app.db).await.unwrap();
    predicted(&app, &clinician, id).await;
    assert_eq!(kinds(&line(&clinician, "P-1").await), Vec::<&str>::new());
    app.clock.advance(TimeDelta::seconds(1));
    record(&app, &clinician, id, "egfr", 27.0).await;
    let outdated = line(&clinician, "P-1").await;
    let frozen = "2026-06-01T12:00:00Z";
    assert_eq!(outdated["due"], json!([{ "kind": "prediction_outdated", "since": frozen }]));
    predicted(&app, &clinician, id).await;
    assert_eq!(kinds(&line(&clinician, "P-1").await), Vec::<&str>::new());

    app.clock.advance(TimeDelta::days(365));
    let clinician = app.sign_in(Role::Clinician).await;
    assert_eq!(kinds(&line(&clinician, "P-1").await), ["monitoring_overdue"]);
    app.clock.advance(TimeDelta::days(1));
    let clinician = app.sign_in(Role::Clinician).await;
    let old = line(&clinician, "P-1").await;
    assert_eq!(kinds(&old), ["monitoring_overdue", "prediction_old"]);
}

#[tokio::test]
async fn a_voided_value_outdates_the_prediction_that_rests_on_it() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let id = persona(&app, "P-1").await;
    let wrong = measure(&app, id, "egfr", 12.0, 1).await;
    derived::catch_up(&app.db).await.unwrap();
    predicted(&app, &clinician, id).await;
    app.clock.advance(TimeDelta::seconds(1));
    let path = format!("/api/v1/observations/{wrong}/void");
    clinician.post(&path, json!({ "reason": "another patient's" })).await.ok();
    assert_eq!(kinds(&line(&clinician, "P-1").await), ["prediction_outdated"]);
}

#[tokio::test]
async fn a_crossed_threshold_stays_for_90_days_and_the_trend_compares_one_voice() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let id = measured(&app, "T-1", &[("egfr", 50.0, 2), ("uacr", 20.0, 2)]).await;
    predicted(&app, &clinician, id).await;
    let first = line(&clinician, "T-1").await;
    assert_eq!((&first["risk_trend"], kinds(&first)), (&Value::Null, vec![]));

    app.clock.advance(TimeDelta::minutes(1));
    record(&app, &clinician, id, "egfr", 28.0).await;
    record(&app, &clinician, id, "uacr", 742.0).await;
    predicted(&app, &clinician, id).await;
    let line_now = line(&clinician, "T-1").await;
    // 44 % less within days is no course but suspected acute injury: KFRE falls silent.
    assert_eq!(line_now["risk"]["source"], "network");
    assert_eq!(line_now["risk_trend"], Value::Null, "two voices are not compared");

    app.clock.advance(TimeDelta::minutes(1));
    let update = "update patients set previous_risk_source = 'network', previous_risk_5y = 0.004,
        risk_5y = $1 where mrn = 'T-1'";
    for (risk, direction) in [(0.0139, "steady"), (0.0141, "rising"), (0.0, "steady")] {
        sqlx::query(update).bind(risk).execute(&app.db).await.unwrap();
        let trend = &line(&clinician, "T-1").await["risk_trend"];
        assert_eq!(trend["direction"], direction, "{risk}");
        assert_eq!(trend["previous_risk_5y"], 0.004);
        assert_eq!(trend["previous_at"], "2026-06-01T12:00:00Z");
    }
    let crossed = "insert into threshold_crossings values ($1, $2, $3, 0.01, 0.2)
        on conflict (patient_id, threshold) do update set crossed_at = excluded.crossed_at";
    for (threshold, days_ago) in
        [("consider_referral", 90), ("refer", 90), ("multidisciplinary", 91)]
    {
        let at = app.clock.now() - TimeDelta::days(days_ago);
        let insert = sqlx::query(crossed).bind(id).bind(threshold).bind(at);
        insert.execute(&app.db).await.unwrap();
    }
    let delete = "delete from threshold_crossings where threshold = 'prepare_replacement'";
    sqlx::query(delete).execute(&app.db).await.unwrap();
    let due = &line(&clinician, "T-1").await["due"][0];
    assert_eq!(due["kind"], "threshold_crossed");
    assert_eq!(due["threshold"], "refer", "the gravest of the last 90 days");
}

#[tokio::test]
async fn rapid_progression_is_kept_and_the_last_eight_values_are_shown() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let falling: Vec<_> = (0..10).map(|n| ("egfr", 70.0 - 4.0 * n as f64, 180 * (9 - n))).collect();
    measured(&app, "R-1", &falling).await;
    measured(&app, "R-2", &[("egfr", 70.0, 360), ("egfr", 69.0, 180), ("egfr", 69.0, 0)]).await;
    let blood_pressure = json!({ "observations": [
        { "code": "systolic_bp", "value": 140, "unit": "mm[Hg]", "effective_at": app.clock.now() },
    ] });
    let stable = line(&clinician, "R-2").await;
    assert_eq!(stable["rapid_progression"], false);
    let path = format!("{PATIENTS}/{}/observations", id_of(&stable));
    app.clock.advance(TimeDelta::minutes(5));
    clinician.post(&path, blood_pressure).await.created();
    assert_eq!(line(&clinician, "R-2").await["last_value_at"], "2026-06-01T12:00:00Z");

    let rapid = line(&clinician, "R-1").await;
    assert_eq!(rapid["rapid_progression"], true);
    let course = rapid["egfr_course"].as_array().unwrap();
    let values: Vec<_> = course.iter().map(|point| point["value"].as_f64().unwrap()).collect();
    assert_eq!(values, [62.0, 58.0, 54.0, 50.0, 46.0, 42.0, 38.0, 34.0]);
    assert_eq!(course[7]["at"], "2026-06-01T12:00:00Z");
    assert_eq!(mrns(&clinician, "rapid_progression=true").await, ["R-1"]);
    assert_eq!(mrns(&clinician, "rapid_progression=false").await, ["R-2"]);

    let batch = json!({ "filter": { "rapid_progression": true, "overdue": false } });
    let batch = clinician.post("/api/v1/prediction-batches", batch).await.expect(202);
    let id = batch["id"].as_str().unwrap().parse().unwrap();
    while batch::advance(&app.state, AskForBatch::of(id)).await.unwrap() {}
    let batch = clinician.get(&format!("/api/v1/prediction-batches/{id}")).await.ok();
    assert_eq!(batch["total"], 1, "{batch:#}");
    assert_eq!(batch["filter"], json!({ "rapid_progression": true, "overdue": false }));
}

#[tokio::test]
async fn filtered_pages_hold_every_line_once_and_only_what_the_caller_sees() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    for number in 0..7 {
        measured(&app, &format!("K-{number}"), &[("egfr", 20.0, 150 * (number % 2))]).await;
    }
    let overdue = ["K-1", "K-3", "K-5"];
    let mut seen = Vec::new();
    let mut query = "overdue=true&sort=-risk&limit=1".to_owned();
    loop {
        let page = clinician.get(&format!("{PATIENTS}?{query}")).await.ok();
        let items = page["items"].as_array().unwrap();
        seen.extend(items.iter().map(|item| item["mrn"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        query = format!("overdue=true&sort=-risk&limit=1&cursor={cursor}");
    }
    seen.sort();
    assert_eq!(seen, overdue);

    confine(&app).await;
    let (doctor, id) = colleague(&app, "Doctor").await;
    assert!(mrns(&doctor, "overdue=true").await.is_empty());
    sqlx::query(
        "insert into care_team_members (patient_id, user_id, since)
        select id, $1::uuid, now() from patients where mrn in ('K-2', 'K-3')",
    )
    .bind(&id)
    .execute(&app.db)
    .await
    .unwrap();
    assert_eq!(mrns(&doctor, "overdue=true").await, ["K-3"]);
    let line = line(&doctor, "K-3").await;
    assert_eq!(line["egfr_course"].as_array().unwrap().len(), 1);
    assert_eq!(kinds(&line), ["monitoring_overdue", "albuminuria_missing"]);
    // What a caller of restricted sight records is worked out as well.
    record(&app, &doctor, PatientId(id_of(&line)), "egfr", 21.0).await;
    assert!(mrns(&doctor, "overdue=true").await.is_empty());
}

#[tokio::test]
async fn faulty_filters_are_named() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    for name in ["overdue", "rapid_progression"] {
        let faults = clinician.get(&format!("{PATIENTS}?{name}=perhaps")).await.faults();
        assert!(faults.contains_key(&format!("/{name}")), "{faults:?}");
    }
}

/// The file's lines, without the head.
async fn exported(client: &Client, query: &str) -> Vec<csv::StringRecord> {
    let answer = client.get(&format!("{PATIENTS}/export?{query}")).await;
    assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
    let text = answer.ok().as_str().unwrap().to_owned();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    assert_eq!(reader.headers().unwrap().len(), 22);
    reader.records().map(Result::unwrap).collect()
}

#[tokio::test]
async fn the_view_is_exported_in_its_order_on_record_and_without_formulas() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    measured(&app, "=1+1", &[("egfr", 28.0, 93), ("uacr", 742.0, 93)]).await;
    let id = measured(&app, "X-2", &[("egfr", 28.0, 3)]).await;
    predicted(&app, &clinician, id).await;
    let lines = exported(&clinician, "sort=-risk").await;
    let mrns: Vec<_> = lines.iter().map(|line| line[0].to_owned()).collect();
    assert_eq!(mrns, ["X-2", "'=1+1"]);
    assert_eq!(&lines[1][18], "93");
    assert_eq!(&lines[1][20], "monitoring_overdue");
    assert_eq!(&lines[0][20], "albuminuria_missing");
    let overdue = exported(&clinician, "overdue=true&sort=name").await;
    assert_eq!(overdue.len(), 1);
    let details = app.audit_details("patient.export_list").await;
    assert_eq!(details["filter"], json!({ "overdue": true }));
    assert_eq!(details["patients"], json!([&overdue[0][21]]));
    assert!(exported(&clinician, "q=nobody").await.is_empty());
    for name in ["limit=3", "cursor=x"] {
        let faults = clinician.get(&format!("{PATIENTS}/export?{name}")).await.faults();
        assert_eq!(faults.len(), 1, "{faults:?}");
    }

    confine(&app).await;
    let (doctor, _) = colleague(&app, "Doctor").await;
    assert!(exported(&doctor, "").await.is_empty(), "nobody is in this doctor's care");
}

#[tokio::test]
async fn an_export_of_several_batches_holds_every_line_once() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    sqlx::query(
        "insert into patients (id, mrn, given_name, family_name, birth_date, sex, created_at,
            updated_at)
        select gen_random_uuid(), 'M-' || n, 'Vera', 'Testwell', '1960-01-01', 'female', now(), now()
        from generate_series(1, 1001) as n",
    )
    .execute(&app.db)
    .await
    .unwrap();
    let lines = exported(&clinician, "sort=-risk").await;
    let mrns: std::collections::BTreeSet<_> = lines.iter().map(|line| line[0].to_owned()).collect();
    assert_eq!((lines.len(), mrns.len()), (1001, 1001));
    let entries = app.audit_trail().await;
    let exports = entries.iter().filter(|entry| entry.contains("patient.export_list")).count();
    assert_eq!(exports, 3, "one entry for each 500 lines: {entries:?}");
}

/// Compares every kept course with the values; how many there are.
async fn courses_are_kept(app: &TestApp) -> usize {
    let differing: Vec<String> = sqlx::query_scalar(
        "select mrn from patients
        left join patient_courses as kept on patient_id = id,
            lateral patient_course(id) as course
        where values_changed_at is not null
            and (kept.values_at, kept.last_value_at, kept.egfr_at, kept.egfr)
                is distinct from
                (values_changed_at, course.last_value_at, course.egfr_at, course.egfr)",
    )
    .fetch_all(&app.db)
    .await
    .unwrap();
    assert_eq!(differing, Vec::<String>::new());
    let kept: i64 = sqlx::query_scalar("select count(*) from patient_courses")
        .fetch_one(&app.db)
        .await
        .unwrap();
    usize::try_from(kept).unwrap()
}

#[tokio::test]
async fn a_course_that_the_release_before_did_not_keep_is_read_from_the_values() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let id = measured(&app, "O-1", &[("egfr", 50.0, 9)]).await;
    assert_eq!(courses_are_kept(&app).await, 1);
    app.clock.advance(TimeDelta::seconds(1));
    measure(&app, id, "egfr", 48.0, 3).await;
    let changed = "update patients set values_changed_at = $1, latest_egfr = 48";
    sqlx::query(changed).bind(app.clock.now()).execute(&app.db).await.unwrap();
    let values = |line: &Value| {
        let course = line["egfr_course"].as_array().unwrap().clone();
        course.iter().map(|point| point["value"].as_f64().unwrap()).collect::<Vec<_>>()
    };
    let of_values = line(&clinician, "O-1").await;
    assert_eq!(values(&of_values), [50.0, 48.0]);
    // Whoever looked has kept it, and it is what the next one reads.
    assert_eq!(courses_are_kept(&app).await, 1);
    let forged = "update patient_courses set egfr = array[50, 47]";
    sqlx::query(forged).execute(&app.db).await.unwrap();
    let (_, new) = kept_and_new(&app, &clinician, "q=O-1").await;
    assert_eq!(values(&new[0]), [50.0, 47.0]);

    // So does who sees a part of the records.
    confine(&app).await;
    let (doctor, user) = colleague(&app, "Doctor").await;
    let care =
        "insert into care_team_members (patient_id, user_id, since) values ($1, $2::uuid, $3)";
    let (care, now) = (sqlx::query(care).bind(id).bind(&user), app.clock.now());
    care.bind(now).execute(&app.db).await.unwrap();
    let later = now + TimeDelta::seconds(1);
    sqlx::query(changed).bind(later).execute(&app.db).await.unwrap();
    assert_eq!(values(&line(&doctor, "O-1").await), [50.0, 48.0]);
    assert_eq!(courses_are_kept(&app).await, 1);
}

#[tokio::test]
async fn a_line_whose_course_is_kept_reads_no_values() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    measured(&app, "O-2", &[("egfr", 50.0, 9), ("egfr", 48.0, 3)]).await;
    let refusing = "create or replace function patient_course(
            patient uuid, out last_value_at timestamptz, out egfr_at timestamptz[],
            out egfr double precision[]
        ) language plpgsql stable as $$ begin raise 'values are read'; end $$";
    sqlx::query(refusing).execute(&mut app.owner().await).await.unwrap();
    let kept = line(&clinician, "O-2").await;
    assert_eq!(kept["egfr_course"].as_array().unwrap().len(), 2);
    // Without the kept one they would be.
    sqlx::query("delete from patient_courses").execute(&app.db).await.unwrap();
    let touched = "update patients set updated_at = updated_at + interval '1 second'";
    sqlx::query(touched).execute(&app.db).await.unwrap();
    clinician.get(&format!("{PATIENTS}?q=O-2")).await.expect(500);
}

#[tokio::test]
async fn searches_at_the_same_moment_each_find_their_own_on_record() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    for number in 0..40 {
        measured(&app, &format!("S-{number:04}"), &[("egfr", f64::from(20 + number), 3)]).await;
    }
    let crowd = "insert into patients (id, mrn, given_name, family_name, birth_date, sex, created_at,
            updated_at)
        select gen_random_uuid(), 'C-' || n, 'Vera', 'Manyfold', '1950-02-03', 'female', now(), now()
        from generate_series(1, 2001) as n";
    sqlx::query(crowd).execute(&app.db).await.unwrap();
    let mut queries: Vec<String> = (0..40).map(|number| format!("q=S-{number:04}")).collect();
    queries.extend((0..40).map(|number| format!("q=S-{number:04}&sort=-egfr&limit=1")));
    // The same twice; many, by number and by name; by date of birth; nobody; nothing that is sought.
    let others = [
        "q=S-0001",
        "q=S-",
        "q=S-&limit=3",
        "q=manyfold",
        "q=manyfold&limit=2",
        "q=%20",
        "q=1950-02-03&limit=2",
        "q=1960-02-01",
        "q=nobody",
        "q=s-003&overdue=true",
        "q=S-001&sort=-egfr",
        "q=S-000&sort=-egfr",
        // What `like` takes for wildcards, and more than anybody is called.
        "q=_____",
        "q=%25%25%25%25%25",
        &format!("q={}", "S-0001".repeat(1000)),
    ];
    queries.extend(others.map(str::to_owned));
    let page = clinician.get(&format!("{PATIENTS}?q=S-001&sort=-egfr&limit=4")).await.ok();
    let cursor = page["next_cursor"].as_str().unwrap();
    queries.push(format!("q=S-001&sort=-egfr&limit=4&cursor={cursor}"));
    let paths: Vec<String> = queries.iter().map(|query| format!("{PATIENTS}?{query}")).collect();
    let mut alone = Vec::new();
    for path in &paths {
        alone.push(clinician.get(path).await.ok());
    }
    let looks = app.audit_trail().await.len();
    // Of a server that has kept no line yet, whose courses are due.
    sqlx::query("delete from patient_courses").execute(&app.db).await.unwrap();
    let together = Together::start(&app.db, &app.clock, KeptLines::default(), AtOnce::never());
    let state = app.state.with(|state| state.together = together);
    let stranger = Client { router: router(state), ..clinician.clone() };
    let together = futures::future::join_all(paths.iter().map(|path| stranger.get(path))).await;
    for ((query, together), alone) in queries.iter().zip(together).zip(&alone) {
        assert_eq!(&together.ok(), alone, "{query}");
    }
    assert_eq!(app.audit_trail().await.len(), looks + queries.len());
    let found = |place: usize| alone[place]["items"].as_array().unwrap().len();
    assert_eq!(alone[7]["items"][0]["mrn"], "S-0007");
    assert_eq!(alone[47]["items"][0]["egfr"]["value"], 27.0);
    let counts: Vec<_> = (80..queries.len()).map(found).collect();
    assert_eq!(counts, [1, 40, 3, 50, 2, 50, 2, 40, 0, 0, 10, 10, 0, 0, 0, 4]);
    let values = |place: usize| -> Vec<f64> {
        let items = alone[place]["items"].as_array().unwrap();
        items.iter().map(|item| item["egfr"]["value"].as_f64().unwrap()).collect()
    };
    let down = |from: u32| (0..10).map(|less| f64::from(from - less)).collect::<Vec<_>>();
    assert_eq!((values(90), values(91)), (down(39), down(29)));
    assert_eq!(values(95), down(39)[4..8]);
    // Each entry names whom its own answer showed.
    let shown = "select details -> 'patients' from audit_events where action = 'patient.list'
        order by id desc limit $1";
    let entries: Vec<Value> = sqlx::query_scalar(shown)
        .bind(i64::try_from(queries.len()).unwrap())
        .fetch_all(&app.db)
        .await
        .unwrap();
    let sorted = |ids: Vec<Value>| {
        let mut all: Vec<String> = ids.iter().map(Value::to_string).collect();
        all.sort();
        all
    };
    let ids = |page: &Value| -> Value {
        page["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect()
    };
    assert_eq!(sorted(entries), sorted(alone.iter().map(ids).collect()));
}

/// Pieces of what somebody is called, of every length, and what `like` takes for wildcards, with a date of birth
/// or without: the function of the release before looks up every piece.
const AGREE: &str = r"
    with asked as (
        select row_number() over () as place, text, day
        from (values ('Élodie-Marguerite Œuvrard'), ('Straßenbäcker-Łukasiewicz von der Ähre zu Österreich-Ungarn und Böhmen'),
                ('M-0123456789-0123456789'), ('ab_de%fg\hij'), ('％klmno＿p'), ('nobody is called so')) as called (name),
            generate_series(1, 75) as length,
            generate_series(1, 70, 3) as first,
            lateral (select '%' || substr(name, first, length) || '%' as text) as pieces,
            (values (null::date), ('1960-02-01')) as days (day)
        where first + length <= length(name) + 3
    ), together as (
        select place, ids
        from few_patients_called_each(
            (select array_agg(text order by place) from asked),
            (select array_agg(day order by place) from asked), 2000)
    ), both_ways as (
        select text, day, together.ids, few_patients_called(text, day, 2000) as one_by_one
        from asked
        left join together using (place)
    )
    select count(*), count(*) filter (where 0 < cardinality(ids) and day is null),
        array_agg(text) filter (where
            (select array_agg(id order by id) from unnest(ids) as id)
            is distinct from (select array_agg(id order by id) from unnest(one_by_one) as id)
            or (ids is null) <> (one_by_one is null))
    from both_ways";

#[tokio::test]
async fn all_texts_at_once_find_whom_each_finds_by_itself() {
    let app = TestApp::new().await;
    for (number, (given, family)) in [
        (
            "Élodie-Marguerite Œuvrard",
            "Straßenbäcker-Łukasiewicz von der Ähre zu Österreich-Ungarn und Böhmen",
        ),
        ("Elodie", "Strassenbacker"),
        (r"ab_de%fg\hij", "％klmno＿p"),
        ("Other", "Person"),
    ]
    .into_iter()
    .enumerate()
    {
        let id =
            patient(&app, &format!("M-0123456789-012345678{number}"), "1960-02-01", "female").await;
        let name = "update patients set given_name = $2, family_name = $3 where id = $1";
        sqlx::query(name).bind(id).bind(given).bind(family).execute(&app.db).await.unwrap();
    }
    let (asked, found, differ): (i64, i64, Option<Vec<String>>) =
        sqlx::query_as(AGREE).fetch_one(&app.db).await.unwrap();
    assert_eq!(differ, None);
    assert!(2000 < asked && 1000 < found, "{asked} {found}");
}

#[tokio::test]
async fn a_packed_line_says_what_it_said_when_it_was_read() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    // With everything that a line can say, and with nothing.
    let full =
        measured(&app, "K-1", &[("egfr", 50.0, 400), ("egfr", 45.5, 2), ("uacr", 20.25, 2)]).await;
    predicted(&app, &clinician, full).await;
    app.clock.advance(TimeDelta::minutes(1));
    record(&app, &clinician, full, "egfr", 18.123_456_789).await;
    record(&app, &clinician, full, "uacr", 1742.0).await;
    predicted(&app, &clinician, full).await;
    let crossed = "insert into threshold_crossings values ($1, 'refer', $2, 0.01, 0.2)
        on conflict do nothing";
    let at = app.clock.now();
    sqlx::query(crossed).bind(full).bind(at).execute(&app.db).await.unwrap();
    // Two voices are not compared.
    let before = "update patients set previous_risk_source = risk_source, previous_risk_5y = 0.25,
        previous_risk_at = $1 where mrn = 'K-1'";
    sqlx::query(before).bind(at).execute(&app.db).await.unwrap();
    measured(&app, "K-2", &[]).await;
    measured(&app, "K-3", &[("uacr", 3.0, 1)]).await;

    let mut db = app.db.acquire().await.unwrap();
    let (filter, today) = (Filter::new(&PatientFilter::default(), None, at), at.date_naive());
    let found =
        patient_list::walk(&mut db, &filter, PatientSort::RiskDown, None, 10).await.unwrap();
    assert_eq!(found.len(), 3);
    let lines = KeptLines::new(NonZeroUsize::MIN, NonZeroUsize::new(10).unwrap());
    // One by one: as one of them is kept as it was written, all are unpacked the second time.
    let said = async |db: &mut PgConnection, today| -> Vec<Value> {
        let mut said = Vec::new();
        for one in &found {
            let line = lines.of(db, slice::from_ref(one), today).await.unwrap().remove(0).unwrap();
            assert_eq!(line.id, one.id);
            said.push(serde_json::from_slice(&line.written).unwrap());
        }
        said
    };
    let read = said(&mut db, today).await;
    assert_eq!(read[0]["due"][0]["kind"], "threshold_crossed", "{:#}", read[0]);
    assert_eq!(read[0]["egfr_course"].as_array().unwrap().len(), 3);
    assert!(read[0]["risk_trend"].is_object());
    assert!(read[1]["risk"].is_null() && read[2]["risk"].is_null());

    // While the same transaction is said to have written them, nobody is asked again; the next day, they are.
    sqlx::query("update patients set given_name = 'Later'").execute(&app.db).await.unwrap();
    assert_eq!(said(&mut db, today).await, read);
    let next = said(&mut db, today + TimeDelta::days(1)).await;
    assert!(next.iter().all(|line| line["given_name"] == "Later"));
}

/// The list as it is answered, and as somebody answers it who has never seen a line before.
async fn kept_and_new(app: &TestApp, client: &Client, query: &str) -> (Value, Value) {
    let together = Together::start(&app.db, &app.clock, KeptLines::default(), AtOnce::never());
    let state = app.state.with(|state| state.together = together);
    let stranger = Client { router: router(state), ..client.clone() };
    let path = format!("{PATIENTS}?{query}");
    (client.get(&path).await.ok()["items"].take(), stranger.get(&path).await.ok()["items"].take())
}

#[tokio::test]
async fn a_kept_line_says_what_a_new_one_would_after_every_operation() {
    let app = TestApp::new().await;
    let mut clinician = app.sign_in(Role::Clinician).await;
    // Of a server that has to unpack all but one.
    let lines = KeptLines::new(NonZeroUsize::MIN, NonZeroUsize::new(1000).unwrap());
    let together = Together::start(&app.db, &app.clock, lines, AtOnce::never());
    let packing = app.state.with(|state| state.together = together);
    let packed = async |client: &Client| {
        let client = Client { router: router(packing.clone()), ..client.clone() };
        client.get(&format!("{PATIENTS}?limit=200")).await.ok()["items"].take()
    };
    let mut changed = 0;
    for (operation, expected) in ACCESS {
        let mrn = format!("L-{operation}");
        let on = access::ready(&app, &clinician, operation, &mrn).await;
        predict::drain(&app.state).await.unwrap();
        // Who may: administrators stand second in the table, clinicians third.
        let may = if expected[2] < 300 { "clinician" } else { "administrator" };
        let client = access::caller(&app, may).await;
        let request = access::request(operation, &client, &on, &mrn);
        if request.method() == Method::GET {
            continue;
        }
        let (before, _) = kept_and_new(&app, &clinician, &format!("q={mrn}")).await;
        packed(&clinician).await;
        client.send(request).await;
        predict::drain(&app.state).await.unwrap();
        if operation == &"revoke_other_sessions" {
            clinician = app.sign_in(Role::Clinician).await;
        }
        for query in [format!("q={mrn}"), format!("q={mrn}&archived=true")] {
            let (kept, new) = kept_and_new(&app, &clinician, &query).await;
            assert_eq!(kept, new, "after {operation}");
            changed += usize::from(!query.contains("archived") && kept != before);
        }
        let (_, new) = kept_and_new(&app, &clinician, "limit=200").await;
        assert_eq!(packed(&clinician).await, new, "packed, after {operation}");
    }
    assert!(5 < changed, "only {changed} operations changed a line");
    assert!(5 < courses_are_kept(&app).await);

    app.clock.advance(TimeDelta::days(400));
    let clinician = app.sign_in(Role::Clinician).await;
    let (kept, new) = kept_and_new(&app, &clinician, "limit=200").await;
    assert_eq!(kept, new, "another day");
    assert!(kept.to_string().contains("monitoring_overdue"));
}
