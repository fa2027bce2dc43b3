//! Laboratory values: recorded, corrected, voided, listed; and the eGFR that follows them.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde_json::{Value, json};
use shared::{access::Role, id::PatientId};

use crate::{
    patients::register,
    support::{Client, TestApp},
};

/// CKD-EPI 2021 of a creatinine of 1.5 mg/dL, computed apart from this program.
const WOMAN_OF_60: f64 = 39.647_567;
const WOMAN_OF_70: f64 = 37.256_878;
const MAN_OF_60: f64 = 52.967_490;

struct Record {
    /// The record's address.
    patient: String,
    /// The address of its values.
    path: String,
}

impl Record {
    /// A woman born on 15 January 1966.
    async fn new(clinician: &Client) -> Self {
        let patient = json!({ "mrn": "L-1", "given_name": "Ada", "family_name": "Testwell",
            "birth_date": "1966-01-15", "sex": "female" });
        let patient = register(clinician, patient).await;
        let path = format!("{patient}/observations");
        Self { patient, path }
    }

    /// Records one value and answers the items.
    async fn add(&self, clinician: &Client, code: &str, value: f64, unit: &str) -> Vec<Value> {
        let new = one(code, value, unit, "2026-05-01T08:00:00Z");
        items(&clinician.post(&self.path, new).await.created())
    }

    /// All values, newest first.
    async fn all(&self, clinician: &Client, query: &str) -> Vec<Value> {
        items(&clinician.get(&format!("{}?limit=200{query}", self.path)).await.ok())
    }

    /// The patient's line of the list.
    async fn line(&self, clinician: &Client) -> Value {
        clinician.get("/api/v1/patients").await.ok()["items"][0].clone()
    }
}

fn one(code: &str, value: f64, unit: &str, at: &str) -> Value {
    json!({ "observations": [
        { "code": code, "value": value, "unit": unit, "effective_at": at }
    ] })
}

fn items(body: &Value) -> Vec<Value> {
    body["items"].as_array().unwrap().clone()
}

fn of<'a>(rows: &'a [Value], code: &str, status: &str) -> Vec<&'a Value> {
    rows.iter().filter(|row| row["code"] == code && row["status"] == status).collect()
}

fn address(observation: &Value, verb: &str) -> String {
    format!("/api/v1/observations/{}/{verb}", observation["id"].as_str().unwrap())
}

#[track_caller]
fn assert_close(actual: &Value, expected: f64) {
    let actual = actual.as_f64().unwrap();
    assert!((actual - expected).abs() < 5e-4, "{actual} is not {expected}");
}

#[tokio::test]
async fn a_value_is_kept_as_given_beside_the_converted_one() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let record = Record::new(&clinician).await;
    let items = record.add(&clinician, "uacr", 84.0, " mg/mmol ").await;
    assert_eq!(items.len(), 1);
    let uacr = &items[0];
    assert_close(&uacr["value"], 742.56);
    assert_eq!(uacr["unit"], "mg/g{creat}");
    assert_eq!(uacr["value_as_given"], 84.0);
    assert_eq!(uacr["unit_as_given"], "mg/mmol");
    assert_eq!(uacr["method"], "reported");
    assert_eq!(uacr["warning"], Value::Null);
    assert_eq!(record.all(&clinician, "").await, items);
}

#[tokio::test]
async fn a_loinc_code_names_a_quantity() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let record = Record::new(&clinician).await;
    let items = record.add(&clinician, "2823-3", 4.4, "meq/L").await;
    assert_eq!(items[0]["code"], "potassium");
    assert_eq!(record.all(&clinician, "&code=2823-3").await, items);
}

#[tokio::test]
async fn a_creatinine_brings_the_egfr_of_that_day() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let record = Record::new(&clinician).await;
    let items = record.add(&clinician, "creatinine", 132.6, "umol/L").await;
    assert_eq!(items.len(), 2);
    let (creatinine, egfr) = (&items[0], &items[1]);
    assert_eq!(creatinine["code"], "creatinine");
    assert_close(&creatinine["value"], 1.5);
    assert_eq!(egfr["code"], "egfr");
    assert_close(&egfr["value"], WOMAN_OF_60);
    assert_eq!(egfr["method"], "ckd_epi_2021_creatinine");
    assert_eq!(egfr["derived_from"], creatinine["id"]);
    assert_eq!(egfr["effective_at"], creatinine["effective_at"]);
    let line = record.line(&clinician).await;
    assert_eq!(line["egfr"]["value"], egfr["value"]);
    assert_eq!(line["kdigo"]["g"], "G3b");
}

#[tokio::test]
async fn a_child_gets_no_egfr_until_the_18th_birthday() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let record = Record::new(&clinician).await;
    for (at, count) in [("1984-01-14T08:00:00Z", 1), ("1984-01-15T08:00:00Z", 2)] {
        let answer = clinician.post(&record.path, one("creatinine", 1.0, "mg/dL", at)).await;
        assert_eq!(items(&answer.created()).len(), count, "{at}");
    }
}

#[tokio::test]
async fn every_faulty_field_of_every_item_is_named_and_nothing_is_kept() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let record = Record::new(&clinician).await;
    let item = |code: &str, value: f64, unit: &str, at: &str, note: &str| json!({ "code": code, "value": value, "unit": unit, "effective_at": at, "note": note });
    let now = "2026-06-01T12:00:00Z";
    let new = json!({ "observations": [
        item("potassium", 4.4, "mmol/L", now, "fine"),
        item("potassium", 4.4, "furlong", "2026-06-01T12:00:00.000001Z", "  "),
        item("shoe_size", 42.0, "EU", "1966-01-14T23:59:59Z", "fine"),
        item("creatinine", 168.0, "mg/dL", now, "fine"),
    ] });
    let faults = clinician.post(&record.path, new).await.faults();
    let faulty: BTreeSet<_> = faults.keys().map(String::as_str).collect();
    assert_eq!(
        faulty,
        BTreeSet::from([
            "/observations/1/effective_at",
            "/observations/1/note",
            "/observations/1/unit",
            "/observations/2/code",
            "/observations/2/effective_at",
            "/observations/3/value",
        ])
    );
    assert!(faults["/observations/1/unit"].contains("mmol/L"));
    assert_eq!(
        faults["/observations/3/value"],
        "is not plausible: 0.1 to 30 mg/dL is; it looks like umol/L"
    );
    assert!(record.all(&clinician, "").await.is_empty());
    clinician.post(&record.path, json!({ "observations": [] })).await.expect(422);
    let many = vec![item("potassium", 4.4, "mmol/L", now, "fine"); 201];
    clinician.post(&record.path, json!({ "observations": many })).await.expect(422);
}

#[tokio::test]
async fn the_most_values_of_one_request_are_kept() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let record = Record::new(&clinician).await;
    let item = &one("creatinine", 1.5, "mg/dL", "2026-05-01T08:00:00Z")["observations"][0];
    let many = vec![item.clone(); 200];
    let created = clinician.post(&record.path, json!({ "observations": many })).await.created();
    assert_eq!(items(&created).len(), 400);
}

#[tokio::test]
async fn an_unusual_value_is_kept_with_a_warning() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let record = Record::new(&clinician).await;
    let usual = record.add(&clinician, "potassium", 6.5, "mmol/L").await;
    assert_eq!(usual[0]["warning"], Value::Null);
    let unusual = record.add(&clinician, "potassium", 6.6, "mmol/L").await;
    assert_eq!(unusual[0]["warning"], "is unusual: 2.5 to 6.5 mmol/L is usual");
    record.add(&clinician, "potassium", 10.0, "mmol/L").await;
    let beyond = one("potassium", 10.1, "mmol/L", "2026-05-01T08:00:00Z");
    clinician.post(&record.path, beyond).await.expect(422);
}

#[tokio::test]
async fn a_repeated_request_records_once() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let record = Record::new(&clinician).await;
    let new = one("creatinine", 1.5, "mg/dL", "2026-05-01T08:00:00Z");
    let first = clinician.post_once("k", &record.path, new.clone()).await.created();
    assert_eq!(clinician.post_once("k", &record.path, new).await.created(), first);
    assert_eq!(record.all(&clinician, "").await.len(), 2);
    let correct = address(&first["items"][0], "correct");
    let right = json!({ "value": 1.6, "unit": "mg/dL", "reason": "mistyped" });
    let corrected = clinician.post_once("c", &correct, right.clone()).await.created();
    assert_eq!(clinician.post_once("c", &correct, right).await.created(), corrected);
}

#[tokio::test]
async fn a_correction_replaces_the_value_and_its_egfr_and_keeps_both() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let record = Record::new(&clinician).await;
    let old = record.add(&clinician, "creatinine", 5.1, "mg/dL").await;
    app.clock.advance(TimeDelta::minutes(10));
    let right = json!({ "value": 132.6, "unit": "µmol/L", "reason": " digits swapped " });
    let new = clinician.post(&address(&old[0], "correct"), right).await.created();
    assert_close(&new["value"], 1.5);
    assert_eq!(new["value_as_given"], 132.6);
    assert_eq!(new["unit_as_given"], "µmol/L");
    assert_eq!(new["supersedes"], old[0]["id"]);
    assert_eq!(new["effective_at"], old[0]["effective_at"]);
    assert_eq!(new["recorded_at"], "2026-06-01T12:10:00Z");
    assert_eq!(new["status"], "final");
    let all = record.all(&clinician, "").await;
    assert_eq!(all.len(), 4);
    let wrong = of(&all, "creatinine", "corrected");
    assert_eq!((&wrong[0]["id"], &wrong[0]["value"]), (&old[0]["id"], &json!(5.1)));
    assert_eq!(wrong[0]["status_reason"], "digits swapped");
    assert_eq!(of(&all, "egfr", "corrected")[0]["id"], old[1]["id"]);
    let egfr = of(&all, "egfr", "final");
    assert_eq!(egfr.len(), 1);
    assert_close(&egfr[0]["value"], WOMAN_OF_60);
    assert_eq!(egfr[0]["derived_from"], new["id"]);
    assert_eq!(egfr[0]["supersedes"], old[1]["id"]);
    assert_eq!(record.line(&clinician).await["egfr"]["value"], egfr[0]["value"]);
}

#[tokio::test]
async fn only_a_reported_value_that_counts_can_be_corrected() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let record = Record::new(&clinician).await;
    let old = record.add(&clinician, "creatinine", 1.5, "mg/dL").await;
    let right = json!({ "value": 1.6, "unit": "mg/dL", "reason": "mistyped" });
    let egfr = json!({ "value": 50.0, "unit": "mL/min/1.73m2", "reason": "mistyped" });
    clinician.post(&address(&old[1], "correct"), egfr).await.expect(409);
    clinician.post(&address(&old[0], "correct"), right.clone()).await.created();
    clinician.post(&address(&old[0], "correct"), right.clone()).await.expect(409);
    let potassium = record.add(&clinician, "potassium", 4.4, "mmol/L").await;
    let void = address(&potassium[0], "void");
    clinician.post(&void, json!({ "reason": "haemolysed" })).await.ok();
    clinician.post(&address(&potassium[0], "correct"), right.clone()).await.expect(409);
    let absent = format!("/api/v1/observations/{}/correct", uuid::Uuid::nil());
    clinician.post(&absent, right).await.expect(404);
}

#[tokio::test]
async fn every_faulty_field_of_a_correction_is_named_and_nothing_changes() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let record = Record::new(&clinician).await;
    let old = record.add(&clinician, "creatinine", 1.5, "mg/dL").await;
    let path = address(&old[0], "correct");
    for (value, unit, pointer) in [(1.5, "mmHg", "/unit"), (31.0, "mg/dL", "/value")] {
        let wrong = json!({ "value": value, "unit": unit, "reason": "  " });
        let faults = clinician.post(&path, wrong).await.faults();
        let faulty: BTreeSet<_> = faults.keys().map(String::as_str).collect();
        assert_eq!(faulty, BTreeSet::from(["/reason", pointer]));
    }
    assert_eq!(of(&record.all(&clinician, "").await, "creatinine", "final").len(), 1);
}

#[tokio::test]
async fn a_voided_value_takes_its_egfr_along_and_the_one_before_counts_again() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let record = Record::new(&clinician).await;
    let before = one("egfr", 61.0, "mL/min/1.73m2", "2026-04-01T08:00:00Z");
    clinician.post(&record.path, before).await.created();
    let old = record.add(&clinician, "creatinine", 1.5, "mg/dL").await;
    let reason = json!({ "reason": "another patient's tube" });
    let voided = clinician.post(&address(&old[0], "void"), reason.clone()).await.ok();
    assert_eq!(voided["status"], "voided");
    assert_eq!(voided["status_reason"], "another patient's tube");
    let all = record.all(&clinician, "").await;
    assert_eq!(of(&all, "creatinine", "voided"), [&voided]);
    assert_eq!(of(&all, "egfr", "voided")[0]["id"], old[1]["id"]);
    assert_eq!(record.line(&clinician).await["egfr"]["value"], 61.0);
    clinician.post(&address(&old[0], "void"), reason.clone()).await.expect(409);
    clinician.post(&address(&old[1], "void"), reason).await.expect(409);
    let potassium = record.add(&clinician, "potassium", 4.4, "mmol/L").await;
    let blank = json!({ "reason": "\n" });
    let faults = clinician.post(&address(&potassium[0], "void"), blank).await.faults();
    assert!(faults.contains_key("/reason"));
}

#[tokio::test]
async fn the_list_shows_the_newest_values_and_a_computed_egfr_before_a_reported_one() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let record = Record::new(&clinician).await;
    assert_eq!(record.line(&clinician).await["egfr"], Value::Null);
    record.add(&clinician, "creatinine", 1.5, "mg/dL").await;
    record.add(&clinician, "egfr", 77.0, "mL/min/1.73m2").await;
    record.add(&clinician, "uacr", 29.0, "mg/g").await;
    let earlier = one("uacr", 500.0, "mg/g", "2026-04-30T08:00:00Z");
    clinician.post(&record.path, earlier).await.created();
    let line = record.line(&clinician).await;
    assert_close(&line["egfr"]["value"], WOMAN_OF_60);
    assert_eq!(line["uacr"]["value"], 29.0);
    assert_eq!(line["uacr"]["effective_at"], "2026-05-01T08:00:00Z");
    assert_eq!(
        line["kdigo"],
        json!({ "g": "G3b", "a": "A1", "risk": "high", "a_from_pcr": false })
    );
}

#[tokio::test]
async fn another_sex_or_birth_date_computes_every_egfr_anew() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let record = Record::new(&clinician).await;
    record.add(&clinician, "creatinine", 1.5, "mg/dL").await;
    record.add(&clinician, "egfr", 77.0, "mL/min/1.73m2").await;
    clinician.patch(&record.patient, 1, json!({ "sex": "male" })).await.ok();
    assert_close(&record.line(&clinician).await["egfr"]["value"], MAN_OF_60);
    assert_eq!(app.audit_details("patient.update").await["recomputed_egfr"], 1);
    let patch = json!({ "sex": "female", "birth_date": "1956-01-15" });
    clinician.patch(&record.patient, 2, patch).await.ok();
    assert_close(&record.line(&clinician).await["egfr"]["value"], WOMAN_OF_70);
    let all = record.all(&clinician, "").await;
    let corrected = of(&all, "egfr", "corrected");
    assert_eq!(corrected.len(), 2);
    assert!(corrected.iter().all(|row| row["status_reason"].is_string()));
    let counting = of(&all, "egfr", "final");
    assert_eq!(counting.len(), 2, "the reported one stays");
    let computed = counting.iter().find(|row| row["method"] != "reported").unwrap();
    assert!(corrected.iter().any(|row| row["id"] == computed["supersedes"]));

    // The same age on the day: nothing to compute anew.
    clinician.patch(&record.patient, 3, json!({ "birth_date": "1956-01-16" })).await.ok();
    assert_eq!(record.all(&clinician, "").await, all);
    // A child then: the eGFR goes, the creatinine stays.
    clinician.patch(&record.patient, 4, json!({ "birth_date": "2010-01-16" })).await.ok();
    let all = record.all(&clinician, "").await;
    assert_eq!(of(&all, "egfr", "corrected").len(), 3);
    assert_eq!(record.line(&clinician).await["egfr"]["value"], 77.0);
    clinician.patch(&record.patient, 5, json!({ "birth_date": "1966-01-15" })).await.ok();
    assert_close(&record.line(&clinician).await["egfr"]["value"], WOMAN_OF_60);
}

#[tokio::test]
async fn an_egfr_that_was_voided_by_hand_is_not_computed_again() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let record = Record::new(&clinician).await;
    let items = record.add(&clinician, "creatinine", 1.5, "mg/dL").await;
    let reason = json!({ "reason": "acute kidney injury" });
    clinician.post(&address(&items[1], "void"), reason).await.ok();
    clinician.patch(&record.patient, 1, json!({ "sex": "male" })).await.ok();
    let all = record.all(&clinician, "").await;
    assert_eq!(all.len(), 2);
    assert_eq!(of(&all, "creatinine", "final").len(), 1);
    assert_eq!(record.line(&clinician).await["egfr"], Value::Null);
}

#[tokio::test]
async fn pages_hold_every_value_once_newest_first_whatever_the_ties() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let record = Record::new(&clinician).await;
    let item = |day: u32| {
        json!({ "code": "potassium", "value": 4.4, "unit": "mmol/L",
            "effective_at": format!("2026-05-0{day}T08:00:00Z") })
    };
    let new = json!({ "observations": ([1, 2, 2, 2, 1, 3, 2].map(item)) });
    clinician.post(&record.path, new).await.created();
    let whole = record.all(&clinician, "").await;
    let days: Vec<_> = whole.iter().map(|row| row["effective_at"].as_str().unwrap()).collect();
    assert!(days.is_sorted_by(|newer, older| newer >= older), "{days:?}");
    for limit in [1, 2, 3, 7] {
        let mut seen = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("{}?limit={limit}{cursor}", record.path);
            let page = clinician.get(&path).await.ok();
            let next = page["next_cursor"].as_str().map(|next| format!("&cursor={next}"));
            seen.extend(items(&page));
            match next {
                Some(next) => cursor = next,
                None => break,
            }
        }
        assert_eq!(seen, whole, "{limit}");
    }
}

#[tokio::test]
async fn values_are_filtered_by_code_and_time() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let record = Record::new(&clinician).await;
    for day in ["2026-05-01", "2026-05-02", "2026-05-03"] {
        let new = one("creatinine", 1.5, "mg/dL", &format!("{day}T08:00:00Z"));
        clinician.post(&record.path, new).await.created();
    }
    assert_eq!(record.all(&clinician, "&code=egfr").await.len(), 3);
    let window = "&from=2026-05-02T08:00:00Z&to=2026-05-03T08:00:00Z";
    let found = record.all(&clinician, window).await;
    assert_eq!(found.len(), 2, "from is included, to is not");
    assert!(found.iter().all(|row| row["effective_at"] == "2026-05-02T08:00:00Z"));
    for (query, pointer) in [
        ("code=shoe_size", "/code"),
        ("from=yesterday", "/from"),
        ("from=2026-05-02T08:00:00Z&to=2026-05-01T08:00:00Z", "/to"),
        ("cursor=nonsense", "/cursor"),
        ("limit=0", "/limit"),
        ("limit=201", "/limit"),
    ] {
        let faults = clinician.get(&format!("{}?{query}", record.path)).await.faults();
        assert!(faults.contains_key(pointer), "{query}: {faults:?}");
    }
}

#[tokio::test]
async fn values_of_an_archived_record_do_not_change() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let record = Record::new(&clinician).await;
    let potassium = record.add(&clinician, "potassium", 4.4, "mmol/L").await;
    clinician.delete(&record.patient).await.expect(204);
    let new = one("potassium", 4.4, "mmol/L", "2026-05-01T08:00:00Z");
    clinician.post(&record.path, new).await.expect(409);
    let right = json!({ "value": 4.5, "unit": "mmol/L", "reason": "mistyped" });
    clinician.post(&address(&potassium[0], "correct"), right).await.expect(409);
    let reason = json!({ "reason": "haemolysed" });
    clinician.post(&address(&potassium[0], "void"), reason).await.expect(409);
    assert_eq!(record.all(&clinician, "").await, potassium);
}

#[tokio::test]
async fn the_audit_log_names_what_was_recorded_corrected_and_voided() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let record = Record::new(&clinician).await;
    let old = record.add(&clinician, "creatinine", 1.5, "mg/dL").await;
    let ids: Vec<_> = old.iter().map(|item| item["id"].clone()).collect();
    assert_eq!(app.audit_details("observation.create").await["observations"], json!(ids));
    let right = json!({ "value": 1.6, "unit": "mg/dL", "reason": "mistyped" });
    let new = clinician.post(&address(&old[0], "correct"), right).await.created();
    let details = app.audit_details("observation.correct").await;
    assert_eq!(details["changed"]["value"], json!({ "from": 1.5, "to": 1.6 }));
    assert_eq!(details["superseded_by"], new["id"]);
    clinician.post(&address(&new, "void"), json!({ "reason": "other" })).await.ok();
    record.all(&clinician, "").await;
    let details = app.audit_details("observation.void").await;
    assert_eq!(details["changed"]["status"], json!({ "from": "final", "to": "voided" }));
    assert_eq!(details["voided"].as_array().unwrap().len(), 2);
    let verbs = ["create", "correct", "void", "list"];
    let expected = verbs.map(|verb| format!("clinician observation.{verb} success"));
    assert_eq!(app.audit_trail().await[1..], expected);
}

#[tokio::test]
async fn patients_read_their_own_values_only() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let record = Record::new(&clinician).await;
    let values = record.add(&clinician, "potassium", 4.4, "mmol/L").await;
    let id = record.patient.rsplit('/').next().unwrap().parse().unwrap();
    app.link_patient(PatientId(id)).await;
    let patient = app.sign_in(Role::Patient).await;
    patient.get(&record.path).await.expect(404);
    clinician.patch(&record.patient, 1, json!({ "own_access": true })).await.ok();
    assert_eq!(record.all(&patient, "").await, values);
    let new = one("potassium", 4.4, "mmol/L", "2026-05-01T08:00:00Z");
    patient.post(&record.path, new).await.expect(403);
    let reason = json!({ "reason": "mine" });
    patient.post(&address(&values[0], "void"), reason).await.expect(403);
}

fn pressures(systolic: f64, diastolic: f64, at: &str) -> Value {
    let one = |code: &str, value: f64| json!({ "code": code, "value": value, "unit": "mm[Hg]", "effective_at": at });
    json!({ "observations": [one("systolic_bp", systolic), one("diastolic_bp", diastolic)] })
}

#[tokio::test]
async fn a_diastolic_pressure_is_below_the_systolic_one_of_the_same_moment() {
    const AT: &str = "2026-05-01T08:00:00Z";
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let record = Record::new(&clinician).await;
    for (systolic, diastolic) in [(120.0, 120.0), (90.0, 110.0)] {
        let refused = clinician.post(&record.path, pressures(systolic, diastolic, AT)).await;
        assert!(refused.faults().contains_key("/observations/1/value"));
    }
    let kept = items(&clinician.post(&record.path, pressures(121.0, 120.0, AT)).await.created());
    // Beside what is on record, whichever of the two is new; another moment is another matter.
    let one_at = |code: &str, value: f64, at: &str| one(code, value, "mm[Hg]", at);
    let low = one_at("systolic_bp", 119.0, AT);
    assert!(clinician.post(&record.path, low).await.faults().contains_key("/observations/0/value"));
    let later = one_at("systolic_bp", 119.0, "2026-05-01T08:01:00Z");
    clinician.post(&record.path, later).await.created();
    let diastolic = kept[1]["id"].as_str().unwrap();
    let address = format!("/api/v1/observations/{diastolic}/correct");
    let correct = |value: f64| json!({ "value": value, "unit": "mm[Hg]", "reason": "misread" });
    assert!(clinician.post(&address, correct(125.0)).await.faults().contains_key("/value"));
    clinician.post(&address, correct(80.0)).await.created();
    // The wrong one counts no more.
    clinician.post(&record.path, one_at("systolic_bp", 110.0, AT)).await.created();
}

#[tokio::test]
async fn the_list_has_the_category_of_protein_where_no_albumin_was_measured() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let record = Record::new(&clinician).await;
    record.add(&clinician, "egfr", 40.0, "mL/min/{1.73_m2}").await;
    assert_eq!(record.line(&clinician).await["kdigo"]["a"], Value::Null);
    record.add(&clinician, "upcr", 600.0, "mg/g").await;
    let kdigo = record.line(&clinician).await["kdigo"].clone();
    assert_eq!((&kdigo["a"], &kdigo["a_from_pcr"]), (&json!("A3"), &json!(true)));
    record.add(&clinician, "uacr", 100.0, "mg/g").await;
    let kdigo = record.line(&clinician).await["kdigo"].clone();
    assert_eq!((&kdigo["a"], &kdigo["a_from_pcr"]), (&json!("A2"), &json!(false)));
}
