//! Summaries and exports, as researchers meet them.

use std::collections::{BTreeMap, HashSet};

use chrono::TimeDelta;
use parquet::{
    file::reader::{FileReader, SerializedFileReader},
    record::RowAccessor,
};
use serde_json::{Value, json};
use shared::access::{Role, Scope};

use crate::support::{Client, TestApp};

const COHORT: &str = "/api/v1/summaries/cohort";

/// Fictional patients with an eGFR each; number `n` of them differs from the others by rules.
async fn populate(app: &TestApp, first: i32, last: i32) {
    for statement in [
        "insert into patients (id, mrn, given_name, family_name, birth_date, sex, diabetes,
            renal_disease, latest_egfr, latest_uacr, risk_5y, risk_category, created_at, updated_at)
        select gen_random_uuid(), 'S-' || n, 'Ada', 'Testwell-' || n,
            date '1940-01-01' + n * 37 % 18000, case n % 2 when 0 then 'female' else 'male' end,
            case n % 3 when 0 then true when 1 then false end,
            (array['diabetic', 'hypertensive', 'glomerular', 'unknown'])[1 + n % 4],
            10 + n % 90, 5 + n * 7 % 900, (n % 100) / 100.0, case when n % 100 < 3 then 'low' else 'moderate' end,
            '2026-01-01', '2026-01-01'
        from generate_series($1::int, $2::int) n",
        "insert into observations (id, patient_id, code, value, unit, value_as_given, unit_as_given,
            effective_at, method, recorded_by, recorded_at)
        select gen_random_uuid(), patients.id, 'egfr', latest_egfr + 2 - years, 'mL/min/{1.73_m2}',
            latest_egfr, 'mL/min/{1.73_m2}', timestamptz '2022-02-01' + years * interval '1 year',
            'reported', (select id from users limit 1), '2026-01-01'
        from patients, generate_series(0, 2) years
        where substr(mrn, 3)::int between $1 and $2",
    ] {
        sqlx::query(statement).bind(first).bind(last).execute(&app.db).await.unwrap();
    }
}

async fn published(people: i32) -> (TestApp, Client) {
    let app = TestApp::new().await;
    populate(&app, 1, people).await;
    assert!(app.publish().await);
    let researcher = app.sign_in(Role::Researcher).await;
    (app, researcher)
}

#[tokio::test]
async fn a_researcher_counts_and_measures_the_population() {
    let (app, researcher) = published(600).await;
    let all = researcher.get(COHORT).await.ok();
    assert_eq!(all["publication"]["minimum_cell_size"], 10);
    let whole = &all["groups"][0];
    assert!((595..=605).contains(&whole["people"].as_i64().unwrap()), "{whole}");
    assert_eq!(whole["kidney_failure"], Value::Null, "nobody had it");
    let egfr = whole["measures"].as_array().unwrap().iter().find(|one| one["measure"] == "egfr");
    let mean = egfr.unwrap()["mean"].as_f64().unwrap();
    assert!((mean - 54.0).abs() < 3.0, "{mean}");
    let slope =
        whole["measures"].as_array().unwrap().iter().find(|one| one["measure"] == "egfr_slope");
    assert_eq!(slope.unwrap()["mean"], -1.0);

    let query = format!("{COHORT}?group_by=sex,stage&sex=female&stage=G4,unknown");
    let some = researcher.get(&query).await.ok();
    let groups: Vec<_> =
        some["groups"].as_array().unwrap().iter().map(|one| &one["group"]).collect();
    assert_eq!(groups, [&json!({ "sex": "female", "stage": "G4" })]);
    assert_eq!(some["withheld"], 1, "everybody's stage is known");
    let details = app.audit_details("summary.read").await;
    assert_eq!(details["question"]["group_by"], "sex,stage");
    assert_eq!(details["question"]["stage"], "G4,unknown");

    let path = "/api/v1/summaries/risk-distribution?group_by=sex";
    let histograms = researcher.get(path).await.ok()["histograms"].clone();
    assert_eq!(histograms.as_array().unwrap().len(), 2);
    let bars = histograms[0]["bars"].as_array().unwrap();
    assert_eq!(bars.len(), 10);
    let sum: i64 = bars.iter().filter_map(|bar| bar["people"].as_i64()).sum();
    assert!((230..=330).contains(&sum), "{sum} of 300");
}

#[tokio::test]
async fn a_question_that_cannot_be_answered_says_why() {
    let (_app, researcher) = published(30).await;
    let faults = researcher.get(&format!("{COHORT}?group_by=colour&sex=x")).await.faults();
    assert_eq!(faults.len(), 2);
    let four = format!("{COHORT}?group_by=sex,stage,cause&diabetes=yes");
    assert!(researcher.get(&four).await.faults()["/group_by"].contains("at most 3 fields"));
    let sum = format!("{COHORT}?cause=diabetic,other");
    assert!(researcher.get(&sum).await.faults()["/cause"].contains("one value"));
    researcher.get(&format!("{COHORT}?name=Ada")).await.expect(422);
    let risk = "/api/v1/summaries/risk-distribution?group_by=risk_category";
    assert!(researcher.get(risk).await.faults().contains_key("/group_by"));
    researcher.get("/api/v1/summaries/export?format=xlsx").await.expect(422);
}

#[tokio::test]
async fn before_the_first_publication_there_is_nothing() {
    let app = TestApp::new().await;
    let researcher = app.sign_in(Role::Researcher).await;
    researcher.get(COHORT).await.expect(404);
    assert!(app.publish().await);
    assert_eq!(researcher.get(COHORT).await.ok()["groups"], json!([]), "nobody is few people");
    assert_eq!(app.audit_details("summary.publish").await["publication"], 1);
}

#[tokio::test]
async fn a_publication_stays_until_enough_people_have_changed() {
    let (app, researcher) = published(200).await;
    let first = researcher.get(&format!("{COHORT}?group_by=stage")).await.ok();
    populate(&app, 201, 205).await;
    app.clock.advance(TimeDelta::days(2));
    assert!(!app.publish().await, "five new people would be the difference");
    let researcher = app.sign_in(Role::Researcher).await;
    assert_eq!(researcher.get(&format!("{COHORT}?group_by=stage")).await.ok(), first);
    populate(&app, 206, 230).await;
    assert!(app.publish().await);
    let second = researcher.get(&format!("{COHORT}?group_by=stage")).await.ok();
    assert_ne!(second["publication"]["id"], first["publication"]["id"]);
}

#[tokio::test]
async fn the_minimum_is_a_setting_and_counts_from_the_next_publication() {
    let (app, researcher) = published(120).await;
    let stages = format!("{COHORT}?group_by=stage");
    let before = researcher.get(&stages).await.ok()["withheld"].as_i64().unwrap();
    let admin = app.sign_in(Role::Administrator).await;
    admin.patch("/api/v1/settings", 1, json!({ "minimum_cell_size": 4 })).await.expect(422);
    admin.patch("/api/v1/settings", 1, json!({ "minimum_cell_size": 40 })).await.ok();
    assert_eq!(researcher.get(&stages).await.ok()["withheld"], before);
    assert!(app.publish().await);
    let after = researcher.get(&stages).await.ok();
    assert_eq!(after["publication"]["minimum_cell_size"], 40);
    assert!(before < after["withheld"].as_i64().unwrap());
}

fn lines(answer: &Value) -> Vec<Value> {
    answer.as_str().unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// By which an outsider may know somebody.
const KNOWN: [&str; 5] = ["sex", "age_band", "cause", "diabetes", "year"];

#[tokio::test]
async fn nobody_is_found_in_the_rows_by_what_is_known_of_them() {
    let (app, researcher) = published(700).await;
    // Somebody whom everybody would know by these facts.
    sqlx::query("update patients set birth_date = '1928-01-01', renal_disease = 'polycystic' where mrn = 'S-5'")
        .execute(&app.db)
        .await
        .unwrap();
    sqlx::query(
        "update patients set smoker = true, diabetes = true where substr(mrn, 3)::int < 40",
    )
    .execute(&app.db)
    .await
    .unwrap();
    assert!(app.publish().await);
    let rows = lines(&researcher.get("/api/v1/summaries/export?format=ndjson").await.ok());
    assert!(650 < rows.len(), "{} rows", rows.len());
    let mut classes: BTreeMap<String, usize> = BTreeMap::new();
    for row in &rows {
        *classes.entry(KNOWN.map(|field| row[field].to_string()).join(" ")).or_default() += 1;
    }
    assert!(classes.values().all(|people| 10 <= *people), "{classes:#?}");
    assert!(1 < classes.len(), "something is still told");
    let text = serde_json::to_string(&rows).unwrap();
    for word in ["S-5", "Testwell", "1928", "Ada", "polycystic"] {
        let told = text.contains(word) && classes.keys().any(|class| class.contains(word));
        assert!(!told, "{word} is in the rows");
    }
    let report = researcher.get("/api/v1/summaries/export-report").await.ok();
    assert_eq!(report["k"], 10);
    assert_eq!(report["fields"].as_array().unwrap().len(), 5);
    let kept = report["rows"].as_i64().unwrap();
    assert_eq!(kept, i64::try_from(rows.len()).unwrap() / 5 * 5);
    assert_eq!(app.audit_details("summary.export").await["format"], "ndjson");
}

#[tokio::test]
async fn two_tokens_cannot_put_their_rows_together() {
    let (_app, researcher) = published(200).await;
    let pull = async |client: &Client| -> HashSet<String> {
        let rows = lines(&client.get("/api/v1/summaries/export?format=ndjson").await.ok());
        rows.iter().map(|row| row["pseudonym"].as_str().unwrap().to_owned()).collect()
    };
    let first = researcher.token(&[Scope::SummariesRead]).await;
    let second = researcher.token(&[Scope::SummariesRead]).await;
    let (one, other) = (pull(&first).await, pull(&second).await);
    assert_eq!(one, pull(&first).await, "one token follows a person");
    assert!(one.is_disjoint(&other));
    assert!(one.is_disjoint(&pull(&researcher).await));
}

#[tokio::test]
async fn the_three_formats_hold_the_same_rows() {
    let (app, researcher) = published(150).await;
    let rows = lines(&researcher.get("/api/v1/summaries/export?format=ndjson").await.ok());
    let csv = researcher.get("/api/v1/summaries/export").await;
    assert!(csv.header("content-type").unwrap().starts_with("text/csv"));
    let csv = csv.ok();
    let mut csv = csv.as_str().unwrap().lines();
    assert!(csv.next().unwrap().starts_with("pseudonym,sex,age_band,"));
    assert_eq!(csv.clone().count(), rows.len());
    assert!(csv.next().unwrap().starts_with(rows[0]["pseudonym"].as_str().unwrap()));

    let request = researcher.request("GET", "/api/v1/summaries/export?format=parquet");
    let request = request.body(axum::body::Body::empty()).unwrap();
    let response = tower::ServiceExt::oneshot(app.router.clone(), request).await.unwrap();
    let file = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    let reader = SerializedFileReader::new(file).unwrap();
    let read: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
    assert_eq!(read.len(), rows.len());
    assert_eq!(read[3].get_string(0).unwrap(), rows[3]["pseudonym"].as_str().unwrap());
    assert_eq!(read[3].get_double(11).unwrap(), rows[3]["egfr"].as_f64().unwrap());
}
