//! Patients and laboratory values from files.

use axum::{body::Body, http::header};
use serde_json::{Value, json};
use shared::access::Role;

use crate::{
    care_teams::{colleague, confine},
    support::{Answer, Client, TestApp},
    worker::count,
};

const CSV: &str = "text/csv; charset=utf-8";
const NDJSON: &str = "application/x-ndjson";
const PATIENTS: &str = "select count(*) from patients";
const VALUES: &str = "select count(*) from observations where method = 'reported'";

async fn send(client: &Client, query: &str, content_type: &str, file: impl Into<Body>) -> Answer {
    let request = client.request("POST", &format!("/api/v1/patients/import{query}"));
    let request = request.header(header::CONTENT_TYPE, content_type);
    client.send(request.body(file.into()).unwrap()).await
}

/// What became of each row: its number and outcome.
fn fates(report: &Value) -> Vec<(u64, &str)> {
    let rows = report["rows"].as_array().unwrap().iter();
    rows.map(|row| (row["row"].as_u64().unwrap(), row["outcome"].as_str().unwrap())).collect()
}

/// The columns in which a row is faulty.
fn columns(report: &Value, row: usize) -> Vec<&str> {
    let errors = report["rows"][row]["errors"].as_array();
    errors.into_iter().flatten().map(|error| error["column"].as_str().unwrap()).collect()
}

const PEOPLE: &str = "\u{FEFF}MRN;Cognome;Nome;Data di nascita;Sesso;Diabetes\r\n\
    00017;Testwell;Ada;1960-01-01;F;yes\r\n\
    00018;Testwell;=cmd;01/02/1960;x;maybe\r\n\
    00017;Testwell;Again;1960-01-01;F;\r\n\
    00019;Exampleby;Bea;1970-01-01;m;\r\n";

#[tokio::test]
async fn sound_rows_are_taken_and_faulty_ones_told_whole() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let rehearsal = send(&clinician, "?dry_run=true", CSV, PEOPLE).await.ok();
    let expected = [(2, "created"), (3, "faulty"), (4, "faulty"), (5, "created")];
    assert_eq!(fates(&rehearsal), expected);
    assert_eq!(columns(&rehearsal, 1), ["given_name", "birth_date", "sex", "diabetes"]);
    assert_eq!(columns(&rehearsal, 2), ["mrn"]);
    assert_eq!(rehearsal["rows"][1]["cells"][2], "=cmd");
    assert_eq!(rehearsal["columns"][1]["field"], "family_name");
    assert_eq!(rehearsal["columns"][1]["samples"][2], "Testwell");
    assert_eq!((&rehearsal["kind"], &rehearsal["created"]), (&json!("patients"), &json!(2)));
    assert_eq!(count(&app, PATIENTS).await, 0, "a rehearsal changes nothing");

    let report = send(&clinician, "", CSV, PEOPLE).await.ok();
    assert_eq!(fates(&report), expected);
    assert_eq!(report["dry_run"], false);
    let list = clinician.get("/api/v1/patients?q=00017").await.ok();
    assert_eq!(list["items"][0]["family_name"], "Testwell");
    let path = format!("/api/v1/patients/{}", list["items"][0]["id"].as_str().unwrap());
    let made = clinician.get(&path).await.ok();
    assert_eq!((&made["diabetes"], &made["smoker"]), (&json!(true), &Value::Null));
    let team = clinician.get(&format!("{path}/care-team")).await.ok();
    assert_eq!(team.get("members").or(team.get("items")).unwrap().as_array().unwrap().len(), 1);

    let again = send(&clinician, "", CSV, PEOPLE).await.ok();
    let expected = [(2, "existing"), (3, "faulty"), (4, "faulty"), (5, "existing")];
    assert_eq!(fates(&again), expected);
    assert_eq!(count(&app, PATIENTS).await, 2, "nothing twice");
    let trail = app.audit_trail().await;
    let entries = |wanted: &str| trail.iter().filter(|entry| entry.contains(wanted)).count();
    assert_eq!((entries("patient.import success"), entries("patient.create success")), (3, 2));
    let details = app.audit_details("patient.import").await;
    assert_eq!((&details["existing"], &details["faulty"]), (&json!(2), &json!(2)));
}

#[tokio::test]
async fn values_are_converted_computed_from_and_taken_once() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    send(&clinician, "", CSV, PEOPLE).await.ok();
    let file = "mrn,code,value,unit,effective_at,note\n\
        00017,creatinine,\"150,5\",µmol/L,2026-05-02T08:00:00+02:00,\n\
        00017,9318-7,84,mg/mmol,2026-05-02,from the referral\n\
        00017,creatinine,\"150,5\",umol/L,2026-05-02T06:00:00Z,\n\
        00017,potassium,45,mmol/L,2026-05-02,\n\
        99999,potassium,4.5,mmol/L,2026-05-02,\n\
        00017,systolic_bp,80,mmHg,2026-05-02,\n\
        00017,diastolic_bp,120,mmHg,2026-05-02,\n\
        00019,uacr,<5,mg/d,2027-01-01,\n";
    let report = send(&clinician, "?dry_run=true", CSV, file).await.ok();
    let expected = [
        (2, "created"),
        (3, "created"),
        (4, "existing"),
        (5, "faulty"),
        (6, "faulty"),
        (7, "created"),
        (8, "faulty"),
        (9, "faulty"),
    ];
    assert_eq!(fates(&report), expected, "{report:#}");
    assert_eq!(report["kind"], "observations");
    assert_eq!(columns(&report, 3), ["value"]);
    assert_eq!(columns(&report, 4), ["mrn"]);
    assert_eq!(columns(&report, 6), ["value"]);
    assert_eq!(count(&app, VALUES).await, 0);
    // It tells which values are on record: those whom its rows name find that.
    let look = app.audit_details("observation.compare").await;
    let list = clinician.get("/api/v1/patients?q=00017").await.ok();
    let looked_at = list["items"][0]["id"].as_str().unwrap();
    assert!(look["patients"].as_array().unwrap().contains(&json!(looked_at)), "{look}");
    let path = format!("/api/v1/patients/{looked_at}/audit-events");
    let looks = clinician.get(&path).await.ok();
    let looks = looks["items"].as_array().unwrap();
    assert!(looks.iter().any(|look| look["action"] == "observation.compare"), "{looks:?}");
    assert_eq!(fates(&send(&clinician, "", CSV, file).await.ok()), expected);
    assert_eq!(count(&app, VALUES).await, 3);

    let patient = &clinician.get("/api/v1/patients?q=00017").await.ok()["items"][0];
    let egfr = patient["egfr"]["value"].as_f64().unwrap();
    assert!((30.0..36.0).contains(&egfr), "computed from the creatinine: {egfr}");
    assert!((patient["uacr"]["value"].as_f64().unwrap() - 742.56).abs() < 1e-9);
    let path = format!("/api/v1/patients/{}/observations", patient["id"].as_str().unwrap());
    let values = clinician.get(&format!("{path}?code=uacr")).await.ok();
    assert_eq!(values["items"][0]["unit_as_given"], "mg/mmol");
    assert_eq!(values["items"][0]["note"], "from the referral");

    // What somebody took out does not come back.
    let wrong = values["items"][0]["id"].as_str().unwrap();
    let reason = json!({ "reason": "another patient's" });
    clinician.post(&format!("/api/v1/observations/{wrong}/void"), reason).await.ok();
    let again = send(&clinician, "", CSV, file).await.ok();
    assert_eq!((&again["created"], &again["existing"]), (&json!(0), &json!(4)));
    assert_eq!(count(&app, VALUES).await, 3);
    let entries = "select count(*) from audit_events
        where action = 'observation.create' and patient_id is not null";
    assert_eq!(count(&app, entries).await, 1, "one for each patient and chunk");
}

#[tokio::test]
async fn json_lines_and_chosen_columns_are_taken_too() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let lines = "{\"mrn\":\"N-1\",\"given_name\":\"Ada\",\"family_name\":\"Testwell\",\
        \"birth_date\":\"1960-01-01\",\"sex\":\"female\",\"smoker\":false}\n\
        {\"mrn\":\"N-2\"}\nnot json\n";
    let report = send(&clinician, "", NDJSON, lines).await.ok();
    assert_eq!(fates(&report), [(1, "created"), (2, "faulty"), (3, "faulty")]);
    let needed = ["given_name", "family_name", "birth_date", "sex"];
    assert_eq!(columns(&report, 1), needed);

    let file = "Number,First,Last,Born,S,Ward\nC-1,Ada,Testwell,1960-01-01,f,7\n";
    let faults = send(&clinician, "", CSV, file).await.faults();
    assert!(faults.contains_key("/columns/0") && faults.contains_key("/columns"), "{faults:?}");
    let shown = send(&clinician, "?dry_run=true", CSV, file).await.ok();
    assert_eq!((&shown["total"], &shown["columns"][5]["head"]), (&json!(0), &json!("Ward")));
    assert!(!shown["problems"].as_array().unwrap().is_empty());
    let chosen = "?columns=mrn,given_name,family_name,birth_date,sex,-";
    let report = send(&clinician, chosen, CSV, file).await.ok();
    assert_eq!(fates(&report), [(2, "created")]);
}

#[tokio::test]
async fn a_file_that_is_none_is_refused_in_one_sentence() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    send(&clinician, "", "application/json", "{}").await.expect(415);
    send(&clinician, "", CSV, vec![b'x'; 8 * 1024 * 1024 + 1]).await.expect(413);
    send(&clinician, "?dry=true", CSV, "a").await.expect(422);
    let many = format!("mrn,code,value,unit,effective_at\n{}", "1,egfr,1,x,y\n".repeat(10_001));
    for (file, told) in [
        (Vec::new(), "at least one row"),
        (b"mrn,sex\n".to_vec(), "at least one row"),
        (b"\xFF\xFEm\0".to_vec(), "UTF-16"),
        (b"mrn\nM\xFCller\n".to_vec(), "line 2"),
        (many.into_bytes(), "10000 rows"),
    ] {
        let faults = send(&clinician, "?dry_run=true", CSV, file).await.faults();
        assert!(faults.values().any(|message| message.contains(told)), "{told}: {faults:?}");
    }
    assert_eq!(count(&app, PATIENTS).await, 0);
}

#[tokio::test]
async fn an_import_reaches_no_further_than_whoever_sends_it() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let (other, _) = colleague(&app, "Bea").await;
    confine(&app).await;
    send(&clinician, "", CSV, PEOPLE).await.ok();
    let value = "mrn,code,value,unit,effective_at\n00017,egfr,30,mL/min,2026-05-01\n";
    let report = send(&other, "", CSV, value).await.ok();
    assert_eq!(fates(&report), [(2, "faulty")]);
    assert_eq!(columns(&report, 0), ["mrn"]);
    assert_eq!(count(&app, VALUES).await, 0);
    assert_eq!(send(&clinician, "", CSV, value).await.ok()["created"], 1);
    // A rehearsal tells nothing of records that they do not see.
    let rehearsed = send(&other, "?dry_run=true", CSV, PEOPLE).await.ok();
    assert_eq!((&rehearsed["created"], &rehearsed["existing"]), (&json!(2), &json!(0)));
    // In earnest the number is taken, whoever sees the record: that is said, and on record.
    let report = send(&other, "", CSV, PEOPLE).await.ok();
    assert_eq!((&report["created"], &report["existing"]), (&json!(0), &json!(0)));
    assert_eq!(fates(&report), [2, 3, 4, 5].map(|row| (row, "faulty")));
    assert_eq!((columns(&report, 0), columns(&report, 3)), (vec!["mrn"], vec!["mrn"]));
    let guessed = app.audit_details("patient.create").await;
    assert_eq!(guessed["mrns"].as_array().unwrap().len(), 2);
    // Guesses by file and one by one are counted together, and too many have to wait.
    let guess = json!({ "mrn": "00017", "given_name": "Guess", "family_name": "Work",
        "birth_date": "1960-01-01", "sex": "female" });
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(other.post("/api/v1/patients", guess.clone()).await.status.as_u16());
    }
    assert_eq!(statuses, [422, 422, 422, 429]);
    send(&other, "?dry_run=true", CSV, PEOPLE).await.expect(429);
    clinician.post("/api/v1/patients", guess).await.expect(422);
}

/// More rows than one transaction takes.
#[tokio::test]
async fn a_file_of_many_chunks_is_taken_whole() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let row = |number| format!("L-{number},Ada,Testwell,1960-01-01,f");
    let mut file = vec!["mrn,given_name,family_name,birth_date,sex".to_owned()];
    file.extend((0..1200).chain([3]).map(row));
    let report = send(&clinician, "", CSV, file.join("\n")).await.ok();
    assert_eq!((&report["created"], &report["faulty"]), (&json!(1200), &json!(1)));
    let message = report["rows"][1200]["errors"][0]["message"].as_str().unwrap();
    assert_eq!(message, "stands in row 5 already");
    assert_eq!(count(&app, PATIENTS).await, 1200);
}
