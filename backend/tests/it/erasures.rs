//! Erasure: when a record may be erased, and what is left of it.

use chrono::TimeDelta;
use serde_json::{Value, json};
use shared::{access::Role, id::PatientId};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::{
    access::{self, Fixture},
    support::{Client, PASSWORD, TestApp, email},
};

const MRN: &str = "Secret-4711";

/// A record with something personal in every place that takes text, archived.
async fn archived(app: &TestApp, clinician: &Client) -> Fixture {
    let on = access::fixture(clinician, MRN, true).await;
    let path = format!("/api/v1/patients/{}", on.patient);
    let value = json!({ "observations": [{ "code": "potassium", "value": 4.0, "unit": "mmol/L",
        "effective_at": "2026-05-01T08:00:00Z", "note": "Secret: told by the Secret family" }] });
    let value = clinician.post(&format!("{path}/observations"), value).await.created();
    let value = value["items"][0]["id"].as_str().unwrap().to_owned();
    let void = json!({ "reason": "Secret's twin" });
    clinician.post(&format!("/api/v1/observations/{value}/void"), void).await.ok();
    let therapy = json!({ "kind": "esa", "started_on": "2026-01-01", "note": "Secret" });
    clinician.post_once("once", &format!("{path}/therapies"), therapy).await.created();
    let biopsy = json!({ "performed_on": "2021-01-01", "diagnosis": "Secret syndrome" });
    clinician.post(&format!("{path}/biopsies"), biopsy).await.created();
    let named = json!({ "given_name": "Secret", "family_name": "Secret" });
    clinician.patch(&path, 1, named).await.ok();
    sqlx::query(
        r#"with batch as (
            insert into prediction_batches (id, requested_by, requested_at, filter, touched_at)
            select gen_random_uuid(), id, now(), '{"q": "Secret", "kdigo_g": "g3a"}', now()
            from users where role = 'clinician'
            returning id
        )
        insert into prediction_batch_patients (batch_id, patient_id) select id, $1 from batch"#,
    )
    .bind(PatientId(on.patient.parse().unwrap()))
    .execute(&app.db)
    .await
    .unwrap();
    for view in [
        json!({ "name": "Mr. Secret" }),
        json!({ "name": "call back", "filter": { "q": "secret-4711" } }),
        json!({ "name": "born then", "filter": { "q": "1960-01-01" } }),
        json!({ "name": "overdue", "filter": { "overdue": true } }),
    ] {
        clinician.post("/api/v1/me/views", view).await.created();
    }
    app.link_patient(PatientId(on.patient.parse().unwrap())).await;
    clinician.delete(&path).await.expect(204);
    on
}

fn erase(on: &Fixture) -> String {
    format!("/api/v1/patients/{}/erase", on.patient)
}

fn wanted(mrn: &str) -> Value {
    json!({ "mrn": mrn, "reason": "request 17" })
}

async fn keep_for(app: &TestApp, years: i32) {
    let admin = app.sign_in(Role::Administrator).await;
    let version = admin.get("/api/v1/settings").await.ok()["version"].as_i64().unwrap();
    let changed = json!({ "retention_years": years });
    admin.patch("/api/v1/settings", version, changed).await.ok();
}

#[tokio::test]
async fn nothing_that_tells_whose_it_was_is_left() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let on = archived(&app, &clinician).await;
    let content: Uuid =
        sqlx::query_scalar("select stored_as from documents").fetch_one(&app.db).await.unwrap();
    let hash: Vec<u8> =
        sqlx::query_scalar("select sha256 from documents").fetch_one(&app.db).await.unwrap();
    app.state.documents.read(content, &hash).await.unwrap();
    let patient = app.sign_in(Role::Patient).await;
    keep_for(&app, 0).await;
    let admin = app.sign_in(Role::Administrator).await;
    let left = admin.post(&erase(&on), wanted(MRN)).await.ok();
    assert_eq!(left["patient_name"], "Erased, record");
    assert_eq!(left["mrn"], format!("erased-{}", on.patient));
    assert_eq!(
        (&left["erased_by"], &left["reason"]),
        (&json!("Test Administrator"), &json!("request 17"))
    );
    assert_eq!(app.audit_trail().await.last().unwrap(), "administrator patient.erase success");
    let details = app.audit_details("patient.erase").await;
    assert_eq!(details, json!({ "reason": "request 17", "documents": 1 }));

    // In no table of the database, but in the audit log, which nobody can change.
    let tables: Vec<String> = sqlx::query_scalar(
        "select table_name::text from information_schema.tables
        where table_schema = 'public' and table_type = 'BASE TABLE'",
    )
    .fetch_all(&app.db)
    .await
    .unwrap();
    for table in tables {
        let query = format!("select count(*) from {table} where {table}::text ~* 'secret'");
        let rows: i64 = sqlx::query_scalar(AssertSqlSafe(query))
            .fetch_one(&mut app.owner().await)
            .await
            .unwrap();
        assert_eq!(rows != 0, table == "audit_events", "{table}: {rows}");
    }
    assert!(app.state.documents.read(content, &hash).await.is_err());
    let views = clinician.get("/api/v1/me/views").await.ok();
    assert_eq!(views["items"].as_array().unwrap().len(), 1, "{views:#}");
    assert_eq!(views["items"][0]["name"], "overdue");

    // The patient's account is closed; what was measured is there, of nobody.
    patient.get("/api/v1/me").await.expect(401);
    let again = json!({ "email": email(Role::Patient), "password": PASSWORD });
    app.anonymous().post("/api/v1/auth/login", again).await.expect(401);
    let path = format!("/api/v1/patients/{}", on.patient);
    let record = admin.get(&path).await.ok();
    assert_eq!(record["birth_date"], "1960-01-01");
    assert_eq!(record["own_access"], false);
    let values = admin.get(&format!("{path}/observations")).await.ok();
    assert!(values["items"].as_array().unwrap().iter().any(|value| value["value"] == 30.0));

    // And that is the end of it.
    admin.post(&erase(&on), wanted(left["mrn"].as_str().unwrap())).await.expect(409);
    clinician.post(&format!("{path}/restore"), json!({})).await.expect(409);
}

#[tokio::test]
async fn a_record_is_kept_for_as_long_as_the_site_says() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let on = archived(&app, &clinician).await;
    let in_use = access::fixture(&clinician, "M-2", false).await;
    let admin = app.sign_in(Role::Administrator).await;
    let refused = admin.post(&erase(&on), wanted(MRN)).await.expect(409);
    assert!(refused["detail"].as_str().unwrap().contains("2036-06-01"), "{refused}");
    let listed = admin.get("/api/v1/archived-records").await.ok();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    assert_eq!(listed["items"][0]["keep_until"], "2036-06-01T12:00:00Z");

    keep_for(&app, 1).await;
    app.clock.advance(TimeDelta::days(364));
    let admin = app.sign_in(Role::Administrator).await;
    admin.post(&erase(&on), wanted(MRN)).await.expect(409);
    app.clock.advance(TimeDelta::days(1));
    let admin = app.sign_in(Role::Administrator).await;
    let faults = admin.post(&erase(&on), wanted("M-2")).await.faults();
    assert!(faults.contains_key("/mrn"));
    let faults = admin.post(&erase(&on), json!({ "mrn": " ", "reason": " " })).await.faults();
    assert!(faults.contains_key("/mrn") && faults.contains_key("/reason"), "{faults:?}");
    admin.post(&erase(&in_use), wanted("M-2")).await.expect(409);
    admin.post(&format!("/api/v1/patients/{}/erase", Uuid::nil()), wanted(MRN)).await.expect(404);
    admin.post(&erase(&on), wanted(MRN)).await.ok();
    assert!(admin.get("/api/v1/archived-records").await.ok()["items"][0].is_null());
    let erased = admin.get("/api/v1/archived-records?erased=true").await.ok();
    assert_eq!(erased["items"][0]["patient_id"], on.patient.as_str());
}

#[tokio::test]
async fn the_list_goes_on_where_it_ended() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let mut expected = Vec::new();
    for mrn in ["M-1", "M-2", "M-3"] {
        let on = access::fixture(&clinician, mrn, false).await;
        clinician.delete(&format!("/api/v1/patients/{}", on.patient)).await.expect(204);
        expected.push(on.patient);
        app.clock.advance(TimeDelta::seconds(1));
    }
    let admin = app.sign_in(Role::Administrator).await;
    let mut seen: Vec<String> = Vec::new();
    let mut query = "/api/v1/archived-records?limit=2".to_owned();
    loop {
        let page = admin.get(&query).await.ok();
        let items = page["items"].as_array().unwrap().iter();
        seen.extend(items.map(|item| item["patient_id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        query = format!("/api/v1/archived-records?limit=2&cursor={next}");
    }
    assert_eq!(seen, expected);
    assert_eq!(app.audit_details("patient.list_archived").await["patients"], json!([expected[2]]));
}
