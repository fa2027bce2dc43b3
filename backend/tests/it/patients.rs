//! Patients' records: found, read, made, changed, archived, restored.

use std::collections::BTreeSet;

use axum::{body::Body, http::header};
use backend::db::patient_list::{self, Filter};
use chrono::TimeDelta;
use serde_json::{Value, json};
use shared::{
    access::Role,
    id::PatientId,
    patient::{PatientSort, RenalDisease},
    prediction::GCategory,
};
use sqlx::PgConnection;

use crate::{
    access::fixture,
    care_teams::{colleague, confine},
    support::{Answer, Client, TestApp},
};

const PATIENTS: &str = "/api/v1/patients";

fn new(mrn: &str, family_name: &str) -> Value {
    json!({
        "mrn": mrn, "given_name": "Ada", "family_name": family_name,
        "birth_date": "1966-01-15", "sex": "female",
    })
}

/// Registers a patient and answers the record's address.
pub(crate) async fn register(clinician: &Client, new: Value) -> String {
    let created = clinician.post(PATIENTS, new).await.created();
    format!("{PATIENTS}/{}", created["id"].as_str().unwrap())
}

async fn delete_based_on(client: &Client, path: &str, version: &str) -> Answer {
    let request = client.request("DELETE", path).header(header::IF_MATCH, version);
    client.send(request.body(Body::empty()).unwrap()).await
}

/// The values of a field, over all pages of `limit`.
async fn pages(client: &Client, query: &str, limit: usize, field: &str) -> Vec<Value> {
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = client.get(&format!("{PATIENTS}?limit={limit}{query}{cursor}")).await.ok();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= limit);
        seen.extend(items.iter().map(|item| item[field].clone()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return seen,
        }
    }
}

async fn execute(app: &TestApp, statement: &str) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned())).execute(&app.db).await.unwrap();
}

#[tokio::test]
async fn a_new_record_is_answered_whole_and_read_again_the_same() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let answer = clinician.post(PATIENTS, new("A-1", "Testwell")).await;
    assert_eq!(answer.header("etag"), Some("\"1\""));
    let location = answer.header("location").unwrap().to_owned();
    let created = answer.created();
    assert_eq!(location, format!("{PATIENTS}/{}", created["id"].as_str().unwrap()));
    assert_eq!(created["diabetes"], Value::Null, "unknown is not false");
    assert_eq!(created["renal_disease"], "unknown");
    assert_eq!(created["own_access"], false);
    let read = clinician.get(&location).await;
    assert_eq!(read.header("etag"), Some("\"1\""));
    assert_eq!(read.ok(), created);
}

#[tokio::test]
async fn text_is_kept_trimmed_and_composed() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let created = clinician.post(PATIENTS, new("  A-1 ", " Mu\u{308}ller ")).await.created();
    assert_eq!(created["mrn"], "A-1");
    assert_eq!(created["family_name"], "Müller");
}

#[tokio::test]
async fn every_faulty_field_of_a_new_record_is_named() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let faults = clinician
        .post(
            PATIENTS,
            json!({ "mrn": "  ", "given_name": "a\nb", "family_name": "\t",
                "birth_date": "2026-06-02", "sex": "female" }),
        )
        .await
        .faults();
    let faulty: BTreeSet<_> = faults.keys().map(String::as_str).collect();
    assert_eq!(faulty, BTreeSet::from(["/birth_date", "/family_name", "/given_name", "/mrn"]));
    let faults = clinician.post(PATIENTS, json!({ "mnr": "A-1" })).await.faults();
    for pointer in ["/mnr", "/mrn", "/given_name", "/family_name", "/birth_date", "/sex"] {
        assert!(faults.contains_key(pointer), "{pointer} is not among {faults:?}");
    }
}

#[tokio::test]
async fn a_birth_date_is_at_most_today_and_at_most_120_years_ago() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let born = |mrn: &str, on: &str| {
        let mut patient = new(mrn, "Testwell");
        patient["birth_date"] = json!(on);
        patient
    };
    clinician.post(PATIENTS, born("A-1", "2026-06-01")).await.created();
    clinician.post(PATIENTS, born("A-2", "1906-06-01")).await.created();
    for on in ["2026-06-02", "1906-05-31"] {
        let faults = clinician.post(PATIENTS, born("A-3", on)).await.faults();
        assert!(faults.contains_key("/birth_date"), "{on}");
    }
}

#[tokio::test]
async fn a_medical_record_number_belongs_to_one_record() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    register(&clinician, new("A-1", "Testwell")).await;
    let second = register(&clinician, new("A-2", "Testwell")).await;
    let faults = clinician.post(PATIENTS, new(" A-1 ", "Other")).await.faults();
    assert_eq!(faults["/mrn"], "belongs to another record already");
    let faults = clinician.patch(&second, 1, json!({ "mrn": "A-1" })).await.faults();
    assert!(faults.contains_key("/mrn"));
    assert_eq!(clinician.get(&second).await.ok()["version"], 1);
}

#[tokio::test]
async fn a_repeated_registration_answers_the_first_record() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let first = clinician.post_once("k", PATIENTS, new("A-1", "Testwell")).await;
    let etag = first.header("etag").map(str::to_owned);
    let first = first.created();
    let again = clinician.post_once("k", PATIENTS, new("A-1", "Testwell")).await;
    assert_eq!(again.header("etag").map(str::to_owned), etag);
    assert_eq!(again.created(), first);
    let other = clinician.post_once("k", PATIENTS, new("A-2", "Testwell")).await.expect(422);
    assert_eq!(other["type"], "/problems/idempotency-key-reused");
    assert_eq!(pages(&clinician, "", 50, "mrn").await, [json!("A-1")]);
}

#[tokio::test]
async fn a_change_keeps_what_it_leaves_out_and_null_makes_unknown() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let mut patient = new("A-1", "Testwell");
    patient["diabetes"] = json!(true);
    patient["smoker"] = json!(true);
    let path = register(&clinician, patient).await;
    app.clock.advance(TimeDelta::minutes(5));
    let patch = json!({ "smoker": null, "heart_failure": false });
    let answer = clinician.patch(&path, 1, patch).await;
    assert_eq!(answer.header("etag"), Some("\"2\""));
    let changed = answer.ok();
    assert_eq!(changed["diabetes"], true);
    assert_eq!(changed["smoker"], Value::Null);
    assert_eq!(changed["heart_failure"], false);
    assert_eq!(changed["updated_at"], "2026-06-01T12:05:00Z");
    assert_eq!(clinician.get(&path).await.ok(), changed);
    let details = app.audit_details("patient.update").await;
    assert_eq!(
        details,
        json!({ "changed": {
            "smoker": { "from": true, "to": null },
            "heart_failure": { "from": null, "to": false },
        } })
    );
    let faults = clinician.patch(&path, 2, json!({ "sex": null, "mrn": null })).await.faults();
    assert_eq!(faults.len(), 2, "{faults:?}");
}

#[tokio::test]
async fn a_change_needs_the_current_version() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let path = register(&clinician, new("A-1", "Testwell")).await;
    let request = clinician.request("PATCH", &path);
    let request = crate::support::with_json(request, &json!({ "smoker": true }));
    clinician.send(request).await.expect(428);
    clinician.patch(&path, 1, json!({ "smoker": true })).await.ok();
    clinician.patch(&path, 1, json!({ "smoker": false })).await.expect(412);
    let read = clinician.get(&path).await.ok();
    assert_eq!((&read["version"], &read["smoker"]), (&json!(2), &json!(true)));
}

#[tokio::test]
async fn a_change_of_nothing_makes_no_version() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let path = register(&clinician, new("A-1", "Testwell")).await;
    let same = clinician.patch(&path, 1, json!({ "family_name": " Testwell" })).await.ok();
    assert_eq!(same["version"], 1);
    assert_eq!(app.audit_trail().await.last().unwrap(), "clinician patient.read success");
}

#[tokio::test]
async fn birth_is_not_after_the_first_entry_of_the_record() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let path = register(&clinician, new("A-1", "Testwell")).await;
    let therapy = json!({ "kind": "statin", "started_on": "1990-03-02" });
    clinician.post(&format!("{path}/therapies"), therapy).await.created();
    let faults = clinician.patch(&path, 1, json!({ "birth_date": "1990-03-03" })).await.faults();
    assert!(faults["/birth_date"].contains("1990-03-02"), "{faults:?}");
    clinician.patch(&path, 1, json!({ "birth_date": "1990-03-02" })).await.ok();
}

#[tokio::test]
async fn an_archived_record_is_read_only_until_it_is_restored() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let path = register(&clinician, new("A-1", "Testwell")).await;
    delete_based_on(&clinician, &path, "\"7\"").await.expect(412);
    delete_based_on(&clinician, &path, "\"1\"").await.expect(204);
    let archived = clinician.get(&path).await.ok();
    assert_eq!(archived["archived_at"], "2026-06-01T12:00:00Z");
    assert_eq!(archived["version"], 2);
    clinician.patch(&path, 2, json!({ "smoker": true })).await.expect(409);
    clinician.delete(&path).await.expect(409);
    let therapy = json!({ "kind": "statin", "started_on": "2020-01-01" });
    clinician.post(&format!("{path}/therapies"), therapy).await.expect(409);
    assert!(pages(&clinician, "", 50, "mrn").await.is_empty());
    assert_eq!(pages(&clinician, "&archived=true", 50, "mrn").await, [json!("A-1")]);

    let restore = format!("{path}/restore");
    let restored = clinician.post(&restore, json!({})).await;
    assert_eq!(restored.header("etag"), Some("\"3\""));
    assert_eq!(restored.ok()["archived_at"], Value::Null);
    assert_eq!(clinician.post(&restore, json!({})).await.ok()["version"], 3);
    clinician.patch(&path, 3, json!({ "smoker": true })).await.ok();
    assert_eq!(pages(&clinician, "&archived=false", 50, "mrn").await, [json!("A-1")]);
}

#[tokio::test]
async fn every_look_and_every_change_is_in_the_audit_log() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let path = register(&clinician, new("A-1", "Testwell")).await;
    clinician.get(PATIENTS).await.ok();
    clinician.get(&path).await.ok();
    clinician.patch(&path, 1, json!({ "smoker": true })).await.ok();
    clinician.delete(&path).await.expect(204);
    clinician.post(&format!("{path}/restore"), json!({})).await.ok();
    app.sign_in(Role::Administrator).await.get(&path).await.ok();
    assert_eq!(
        app.audit_trail().await,
        [
            "clinician patient.create success",
            "clinician patient.list success",
            "clinician patient.read success",
            "clinician patient.update success",
            "clinician patient.archive success",
            "clinician patient.restore success",
            "administrator patient.read success",
        ]
    );
    let listed = app.audit_details("patient.list").await;
    assert_eq!(listed["patients"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn patients_are_found_by_part_of_a_name_or_number() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    for (mrn, given, family) in
        [("K-100", "Zoë", "Ångström"), ("K-200", "Uwe", "Müller"), ("X_1", "Ann", "Percent%")]
    {
        let mut patient = new(mrn, family);
        patient["given_name"] = json!(given);
        register(&clinician, patient).await;
    }
    let found = async |q: &str| {
        let q: String = form_urlencoded::byte_serialize(q.as_bytes()).collect();
        pages(&clinician, &format!("&q={q}"), 50, "mrn").await
    };
    for (q, mrns) in [
        ("müll", vec!["K-200"]),
        ("MÜLL", vec!["K-200"]),
        ("mu\u{308}ll", vec!["K-200"]),
        ("ångström zoë", vec!["K-100"]),
        ("Zoë  Ångström ", vec!["K-100"]),
        ("muller", vec!["K-200"]),
        ("ZOE", vec!["K-100"]),
        ("k-", vec!["K-200", "K-100"]),
        ("-10", vec!["K-100"]),
        // One or two characters are how a word begins: not how `Muller` ends.
        ("m", vec!["K-200"]),
        ("MÜ", vec!["K-200"]),
        ("er", vec![]),
        ("ler", vec!["K-200"]),
        // None of them stands for anything else.
        ("ent%", vec!["X_1"]),
        ("x_", vec!["X_1"]),
        ("%", vec![]),
        ("_", vec![]),
        ("\\", vec![]),
        ("nobody", vec![]),
        ("   ", vec!["K-200", "X_1", "K-100"]),
    ] {
        let expected: Vec<_> = mrns.into_iter().map(Value::from).collect();
        assert_eq!(found(q).await, expected, "{q:?}");
    }
}

/// Nine records with ties: three families of three, three risks, three eGFRs, some unknown.
async fn nine(app: &TestApp, clinician: &Client) {
    for index in 0..9 {
        let family = ["Apple", "Berry", "cherry"][index % 3];
        register(clinician, new(&format!("N-{index}"), family)).await;
    }
    execute(
        app,
        "update patients
        set risk_5y = case when mrn < 'N-3' then null when mrn < 'N-7' then 0.25 else 0.5 end,
            risk_2y = case when mrn >= 'N-3' then 0.1 end,
            risk_category = case when mrn < 'N-3' then null when mrn < 'N-7' then 'high'
                else 'very_high' end,
            risk_source = case when mrn >= 'N-3' then 'kfre' end,
            risk_at = case when mrn >= 'N-3' then created_at end,
            latest_egfr = case when mrn < 'N-4' then 30.5 when mrn < 'N-8' then 12 end,
            latest_egfr_at = case when mrn < 'N-8' then created_at end,
            updated_at = case when mrn < 'N-5' then updated_at else timestamptz '2026-07-01' end",
    )
    .await;
}

#[tokio::test]
async fn pages_hold_every_record_once_in_every_order_whatever_the_ties() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    nine(&app, &clinician).await;
    for key in ["name", "risk", "egfr", "updated_at"] {
        let up = pages(&clinician, &format!("&sort={key}"), 50, "mrn").await;
        let mut down = pages(&clinician, &format!("&sort=-{key}"), 50, "mrn").await;
        down.reverse();
        assert_eq!(up, down, "{key} backwards is {key} reversed");
        assert_eq!(up.iter().map(Value::to_string).collect::<BTreeSet<_>>().len(), 9);
        for limit in [1, 2, 4, 9] {
            for direction in ["", "-"] {
                let sort = format!("&sort={direction}{key}");
                let whole = pages(&clinician, &sort, 50, "mrn").await;
                assert_eq!(pages(&clinician, &sort, limit, "mrn").await, whole, "{sort} {limit}");
            }
        }
    }
    let whole = pages(&clinician, "", 50, "mrn").await;
    assert_eq!(whole, pages(&clinician, "&sort=name", 2, "mrn").await, "name is the default");
}

#[tokio::test]
async fn orders_are_by_name_risk_egfr_and_time_with_the_unknown_at_their_end() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    nine(&app, &clinician).await;
    let families = pages(&clinician, "&sort=name", 50, "family_name").await;
    let expected = ["Apple", "Apple", "Apple", "Berry", "Berry", "Berry"];
    assert_eq!(families[..6], expected);
    assert_eq!(families[8], "cherry", "case does not count");
    let risks = pages(&clinician, "&sort=-risk", 50, "risk").await;
    let risks: Vec<_> = risks.iter().map(|risk| risk["risk_5y"].as_f64()).collect();
    let (half, quarter) = (Some(0.5), Some(0.25));
    assert_eq!(risks, [half, half, quarter, quarter, quarter, quarter, None, None, None]);
    let values = pages(&clinician, "&sort=egfr", 50, "egfr").await;
    let values: Vec<_> = values.iter().map(|egfr| egfr["value"].as_f64()).collect();
    let (low, high) = (Some(12.0), Some(30.5));
    assert_eq!(values, [low, low, low, low, high, high, high, high, None]);
    let changed = pages(&clinician, "&sort=-updated_at", 4, "mrn").await;
    let first: BTreeSet<_> = changed[..4].iter().map(|mrn| mrn.as_str().unwrap()).collect();
    assert_eq!(first, BTreeSet::from(["N-5", "N-6", "N-7", "N-8"]));
}

#[tokio::test]
async fn the_list_is_filtered_by_risk_category() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    nine(&app, &clinician).await;
    let high = pages(&clinician, "&risk_category=high&q=n-&sort=-risk", 1, "mrn").await;
    assert_eq!(high.len(), 4);
    let low = pages(&clinician, "&risk_category=low", 50, "mrn").await;
    assert!(low.is_empty());
    let item = &clinician.get(&format!("{PATIENTS}?q=N-7")).await.ok()["items"][0];
    assert_eq!(item["risk"]["category"], "very_high");
    assert_eq!(item["risk"]["source"], "kfre");
    assert_eq!(item["egfr"]["unit"], "mL/min/{1.73_m2}");
    assert_eq!(item["kdigo"], json!({ "g": "G5", "a": null, "risk": null, "a_from_pcr": false }));
    assert_eq!(item["uacr"], Value::Null);
}

#[tokio::test]
async fn the_list_is_filtered_by_cause_and_stage_and_searched_by_birth_date() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    nine(&app, &clinician).await;
    execute(
        &app,
        "update patients set renal_disease = 'polycystic', birth_date = '1970-02-03'
        where mrn in ('N-1', 'N-6');
        update patients set latest_egfr = 89.5 where mrn = 'N-0';
        update patients set latest_egfr = 29.5 where mrn = 'N-1';
        update patients set latest_egfr = 29.49 where mrn = 'N-2'",
    )
    .await;
    for (query, expected) in [
        ("&renal_disease=polycystic", vec!["N-1", "N-6"]),
        ("&renal_disease=diabetic", vec![]),
        ("&kdigo_g=G3b", vec!["N-1", "N-3"]),
        ("&kdigo_g=G4", vec!["N-2"]),
        ("&kdigo_g=G5", vec!["N-4", "N-5", "N-6", "N-7"]),
        ("&kdigo_g=G5&renal_disease=polycystic", vec!["N-6"]),
        // Whoever has no eGFR stands above all others in that order, and in no category.
        ("&kdigo_g=G1&sort=egfr", vec!["N-0"]),
        ("&kdigo_g=G1&sort=-egfr", vec!["N-0"]),
        ("&kdigo_g=G3b&sort=egfr", vec!["N-1", "N-3"]),
        ("&kdigo_g=G4&sort=egfr", vec!["N-2"]),
        ("&kdigo_g=G5&sort=-egfr", vec!["N-4", "N-5", "N-6", "N-7"]),
        ("&q=1970-02-03", vec!["N-1", "N-6"]),
        ("&q=1970-02-04", vec![]),
        ("&q=1970-02", vec![]),
    ] {
        let mut found = pages(&clinician, query, 1, "mrn").await;
        found.sort_by_key(Value::to_string);
        assert_eq!(found, expected, "{query}");
    }
}

/// How many records this connection has read since it last told the others.
async fn records_read(db: &mut PgConnection) -> i64 {
    let read = "select seq_tup_read + idx_tup_fetch from pg_stat_xact_user_tables
        where relname = 'patients'";
    sqlx::query_scalar(read).fetch_one(db).await.unwrap()
}

/// Whoever stands at the other end of a long list, or is rare, would be looked for among all others.
#[tokio::test]
async fn a_page_of_a_stage_or_a_cause_does_not_read_all_others() {
    let app = TestApp::new().await;
    execute(
        &app,
        "insert into patients (id, mrn, given_name, family_name, birth_date, sex, created_at,
            updated_at, renal_disease, latest_egfr, latest_egfr_at, risk_2y, risk_5y, risk_category,
            risk_source, risk_at)
        select gen_random_uuid(), 'F-' || n, 'Many', 'Fictional', '1960-01-01', 'male', now(), now(),
            case when n % 100 = 0 then 'polycystic' else 'diabetic' end,
            case when n % 10 <> 1 then 5 + n / 50.0 end, now(), 0, 1 - n / 5000.0, 'low', 'kfre', now()
        from generate_series(1, 5000) n",
    )
    .await;
    sqlx::query("vacuum analyze patients").execute(&mut app.owner().await).await.unwrap();
    let at = app.clock.now();
    let of = |kdigo_g, renal_disease| Filter { kdigo_g, renal_disease, at, ..Filter::default() };
    let (g1, g5) = (of(Some(GCategory::G1), None), of(Some(GCategory::G5), None));
    let polycystic = of(None, Some(RenalDisease::Polycystic));
    for (filter, sort) in
        [(g1, PatientSort::Egfr), (g5, PatientSort::EgfrDown), (polycystic, PatientSort::RiskDown)]
    {
        // What was read is told, and no longer counted, at the end of a transaction only.
        let mut tx = app.db.begin().await.unwrap();
        let before = records_read(&mut tx).await;
        let found = patient_list::walk(&mut tx, &filter, sort, None, 21).await.unwrap();
        assert_eq!(found.len(), 21);
        let read = records_read(&mut tx).await - before;
        // A stage may be read whole and put in order then.
        assert!(read < 800, "{read} records were read for {filter:?}");
    }
}

#[tokio::test]
async fn a_faulty_query_is_named() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    nine(&app, &clinician).await;
    let page = clinician.get(&format!("{PATIENTS}?limit=2")).await.ok();
    let cursor = page["next_cursor"].as_str().unwrap();
    for (query, pointer) in [
        ("limit=0".to_owned(), "/limit"),
        ("limit=201".to_owned(), "/limit"),
        ("sort=shoe_size".to_owned(), "/sort"),
        ("risk_category=none".to_owned(), "/risk_category"),
        ("renal_disease=none".to_owned(), "/renal_disease"),
        ("kdigo_g=G3".to_owned(), "/kdigo_g"),
        ("archived=perhaps".to_owned(), "/archived"),
        ("cursor=nonsense".to_owned(), "/cursor"),
        ("cursor=bnVsbA".to_owned(), "/cursor"),
        (format!("sort=-name&cursor={cursor}"), "/cursor"),
        (format!("sort=egfr&cursor={cursor}"), "/cursor"),
    ] {
        let faults = clinician.get(&format!("{PATIENTS}?{query}")).await.faults();
        assert!(faults.contains_key(pointer), "{query}: {faults:?}");
    }
    clinician.get(&format!("{PATIENTS}?page=2")).await.expect(422);
}

#[tokio::test]
async fn patients_reach_their_own_record_only_and_change_nothing() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let mut allowed = new("A-1", "Testwell");
    allowed["own_access"] = json!(true);
    let own = register(&clinician, allowed.clone()).await;
    allowed["mrn"] = json!("A-2");
    let other = register(&clinician, allowed).await;
    let id = own.rsplit('/').next().unwrap().parse().unwrap();
    app.link_patient(PatientId(id)).await;
    let patient = app.sign_in(Role::Patient).await;
    patient.get(&own).await.ok();
    patient.get(&other).await.expect(404);
    for list in ["observations", "therapies", "biopsies", "outcomes"] {
        patient.get(&format!("{own}/{list}")).await.ok();
        patient.get(&format!("{other}/{list}")).await.expect(404);
    }
    patient.get(PATIENTS).await.expect(403);
    patient.patch(&own, 1, json!({ "smoker": false })).await.expect(403);
    patient.delete(&own).await.expect(403);
}

#[tokio::test]
async fn those_who_ask_together_each_get_their_own_answer() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let gone = app.sign_in(Role::Clinician).await;
    gone.post("/api/v1/auth/logout", json!({})).await.expect(204);
    let mut ids = Vec::new();
    for number in 0..3 {
        ids.push(fixture(&clinician, &format!("T-{number}"), false).await.patient);
    }
    ids.push(uuid::Uuid::nil().to_string());
    let many: Vec<_> = (0..80)
        .map(|number| {
            let id = ids[number % ids.len()].clone();
            let is_known = number % ids.len() != 3;
            let client = if number % 5 == 0 { gone.clone() } else { clinician.clone() };
            let expected = if number % 5 == 0 {
                401
            } else if is_known {
                200
            } else {
                404
            };
            tokio::spawn(async move {
                let answer = client.get(&format!("/api/v1/patients/{id}")).await.expect(expected);
                assert!(expected != 200 || answer["id"] == id.as_str(), "{answer:#}");
            })
        })
        .collect();
    for one in many {
        one.await.unwrap();
    }
}

#[tokio::test]
async fn those_who_read_the_same_page_together_see_what_they_may_and_are_each_on_record() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let (other, _) = colleague(&app, "Other").await;
    let mut own = Vec::new();
    for (number, client) in [&clinician, &clinician, &other].into_iter().enumerate() {
        own.push(fixture(client, &format!("P-{number}"), false).await.patient);
    }
    confine(&app).await;
    let administrator = app.sign_in(Role::Administrator).await;
    let sights = [(&administrator, &own[..]), (&clinician, &own[..2]), (&other, &own[2..])];
    let many: Vec<_> = (0..90)
        .map(|number| {
            let (client, expected) = sights[number % 3];
            let (client, expected) = (client.clone(), expected.to_vec());
            // The smallest page has the first of them only.
            let limit = if number % 2 == 0 { 50 } else { 1 };
            tokio::spawn(async move {
                let page = client.get(&format!("{PATIENTS}?sort=name&limit={limit}")).await.ok();
                let items = page["items"].as_array().unwrap();
                assert_eq!(items.len(), expected.len().min(limit), "{page:#}");
                assert!(
                    items.iter().all(|item| expected.iter().any(|id| item["id"] == id.as_str()))
                );
                assert_eq!(page["next_cursor"].is_string(), limit < expected.len());
            })
        })
        .collect();
    for one in many {
        one.await.unwrap();
    }
    let on_record: Vec<(String, i64, i64)> = sqlx::query_as(
        "select actor_role, jsonb_array_length(details -> 'patients')::bigint, count(*)
        from audit_events where action = 'patient.list' group by 1, 2 order by 1, 2",
    )
    .fetch_all(&app.db)
    .await
    .unwrap();
    let looks = |role: &str, patients, count| (role.to_owned(), patients, count);
    let expected = [
        looks("administrator", 1, 15),
        looks("administrator", 3, 15),
        // Of the one who sees two, and of the one who sees one.
        looks("clinician", 1, 15 + 30),
        looks("clinician", 2, 15),
    ];
    assert_eq!(on_record, expected);
}

#[tokio::test]
async fn a_page_holds_what_was_changed_before_it_was_asked_for() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let path = register(&clinician, new("C-1", "Testwell")).await;
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let clinician = clinician.clone();
            tokio::spawn(async move {
                for _ in 0..40 {
                    clinician.get(PATIENTS).await.ok();
                }
            })
        })
        .collect();
    for version in 1..20 {
        let name = format!("Testwell{version}");
        clinician.patch(&path, version, json!({ "family_name": name })).await.ok();
        let page = clinician.get(PATIENTS).await.ok();
        assert_eq!(page["items"][0]["family_name"], name.as_str());
    }
    for reader in readers {
        reader.await.unwrap();
    }
}
