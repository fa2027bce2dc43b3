//! The audit log: complete, and readable by those who may.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde_json::{Value, json};
use shared::{access::Role, id::PatientId};

use crate::{
    access::{self, ACCESS, CALLERS, fixture},
    sealing::{seal, write},
    support::{Client, TestApp},
    worker::count,
};

/// Operations that neither read nor change a record; of a shadow there is none to set or clear
/// here, which `models.rs` tests.
const NOT_ON_RECORD: [&str; 6] = [
    "refresh_session",
    "preview_prediction",
    "set_shadow_model",
    "clear_shadow_model",
    "list_colleagues",
    "get_privacy_budgets",
];

/// Changes that need more than the table's fixture (a link, a code, another session): the tests of
/// `users.rs`, `passwords.rs`, `second_factors.rs` and `care_teams.rs` look at their entries.
const ELSEWHERE: [&str; 8] = [
    "end_emergency_access",
    "create_emergency_access",
    "login_second_factor",
    "set_password",
    "change_password",
    "revoke_session",
    "confirm_second_factor",
    "renew_recovery_codes",
];

/// Whether an operation must leave an entry: every change does, and every read but of the service
/// itself and of accounts.
fn is_on_record(method: &str, operation: &Value) -> bool {
    let own = ["session", "account", "users", "tokens", "settings", "models", "service"];
    let tag = operation["tags"][0].as_str().unwrap();
    let id = operation["operationId"].as_str().unwrap();
    let walked = !NOT_ON_RECORD.contains(&id) && !ELSEWHERE.contains(&id);
    walked && (method != "get" || !own.contains(&tag))
}

#[tokio::test]
async fn every_operation_that_reads_or_changes_something_leaves_an_entry() {
    let app = TestApp::new().await;
    app.let_patients_see_risk().await;
    app.sign_in(Role::Clinician).await;
    seal(&app).await;
    app.publish().await;
    let document = backend::openapi::json();
    let mut walked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if !is_on_record(method, operation) {
                continue;
            }
            let id = operation["operationId"].as_str().unwrap();
            let (_, answers) = ACCESS.iter().find(|(listed, _)| *listed == id).unwrap();
            // Whoever may do it, the clinician first.
            let who = [2, 1, 4, 3, 0].into_iter().find(|caller| answers[*caller] < 300);
            let who = who.unwrap_or_else(|| panic!("nobody may {id}"));
            // Anew each time: some operations end the sessions of whoever asks.
            let clinician = app.sign_in(Role::Clinician).await;
            let on = access::ready(&app, &clinician, id, id).await;
            access::link(&app, id, &on.patient).await;
            let client = access::caller(&app, CALLERS[who]).await;
            let answer = client.send(access::request(id, &client, &on, id)).await;
            let request = answer.header("x-request-id").unwrap().to_owned();
            assert_eq!(answer.status.as_u16(), answers[who], "{id}: {:#}", answer.body);
            let entries: Vec<(String, Option<PatientId>, bool)> = sqlx::query_as(
                "select outcome, patient_id, (session_id is not null or token_id is not null) and actor_role is not null
                from audit_events where request_id = $1",
            )
            .bind(request)
            .fetch_all(&app.db)
            .await
            .unwrap();
            assert!(!entries.is_empty(), "{method} {path} ({id}) left no entry");
            let whole = entries.iter().all(|(outcome, _, whole)| outcome == "success" && *whole);
            assert!(whole, "{id}: {entries:?}");
            if path.starts_with("/api/v1/patients/{id}") {
                let patient = entries[0].1.unwrap().to_string();
                assert_eq!(patient, on.patient, "{id} does not say whose record it was");
            }
            walked += 1;
        }
    }
    assert!(30 < walked, "{walked} operations");
}

#[tokio::test]
async fn entries_say_what_was_there_before_and_after() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let on = access::fixture(&clinician, "M-1", false).await;
    let path = format!("/api/v1/patients/{}", on.patient);
    let made = app.audit_details("patient.create").await;
    assert_eq!(made["changed"]["mrn"], json!({ "from": null, "to": "M-1" }));
    let made = app.audit_details("observation.create").await;
    assert_eq!(made["recorded"][0]["value"], 30.0);

    clinician.patch(&path, 1, json!({ "smoker": true })).await.ok();
    let changed = app.audit_details("patient.update").await;
    assert_eq!(changed, json!({ "changed": { "smoker": { "from": null, "to": true } } }));
    clinician.delete(&format!("/api/v1/biopsies/{}", on.biopsy)).await.expect(204);
    let gone = app.audit_details("biopsy.delete").await;
    assert_eq!(gone["changed"]["diagnosis"], json!({ "from": "IgA nephropathy", "to": null }));
    clinician.delete(&path).await.expect(204);
    let archived = app.audit_details("patient.archive").await;
    assert_eq!(archived["changed"]["archived_at"]["from"], Value::Null);
    assert!(archived["changed"]["archived_at"]["to"].is_string());
}

#[tokio::test]
async fn what_a_role_may_not_do_is_on_record_as_refused() {
    let app = TestApp::new().await;
    let researcher = app.sign_in(Role::Researcher).await;
    researcher.get(&format!("/api/v1/patients/{}", uuid::Uuid::nil())).await.expect(403);
    let trail = app.audit_trail().await;
    assert_eq!(trail, ["researcher request.refuse refused"]);
    let details = app.audit_details("request.refuse").await;
    let route = "/api/v1/patients/{id}";
    assert_eq!(details, json!({ "method": "GET", "route": route, "status": 403 }));
}

#[tokio::test]
async fn what_is_not_there_for_somebody_is_on_record_with_what_they_asked_for() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let unknown = uuid::Uuid::from_u128(7);
    clinician.get(&format!("/api/v1/patients/{unknown}/therapies")).await.expect(404);
    clinician.get("/api/v1/tokens?everybody=true").await.expect(403);
    app.anonymous().get(&format!("/api/v1/patients/{unknown}")).await.expect(401);
    let refused: Vec<(Option<uuid::Uuid>, Option<uuid::Uuid>, String, Value)> = sqlx::query_as(
        "select object_id, patient_id, details ->> 'route', details -> 'status'
        from audit_events where action = 'request.refuse' order by id",
    )
    .fetch_all(&app.db)
    .await
    .unwrap();
    let therapies = "/api/v1/patients/{id}/therapies".to_owned();
    assert_eq!(
        refused,
        [
            (Some(unknown), Some(unknown), therapies, json!(404)),
            (None, None, "/api/v1/tokens".to_owned(), json!(403)),
        ]
    );
}

#[tokio::test]
async fn a_repeated_request_shows_the_record_again_and_says_so() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let on = access::fixture(&clinician, "M-1", false).await;
    let path = format!("/api/v1/patients/{}/therapies", on.patient);
    let therapy = json!({ "kind": "esa", "started_on": "2026-01-01" });
    let first = clinician.post_once("once", &path, therapy.clone()).await.created();
    assert_eq!(clinician.post_once("once", &path, therapy).await.created(), first);
    assert_eq!(app.audit_trail().await.last().unwrap(), "clinician request.repeat success");
    let whose: Option<PatientId> =
        sqlx::query_scalar("select patient_id from audit_events where action = 'request.repeat'")
            .fetch_one(&app.db)
            .await
            .unwrap();
    assert_eq!(whose.unwrap().to_string(), on.patient);
}

#[tokio::test]
async fn an_administrator_searches_the_log() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let on = access::fixture(&clinician, "M-1", false).await;
    app.clock.advance(TimeDelta::minutes(5));
    clinician.get(&format!("/api/v1/patients/{}", on.patient)).await.ok();
    let admin = app.sign_in(Role::Administrator).await;
    let list = async |query: &str| -> Vec<Value> {
        let page = admin.get(&format!("/api/v1/audit-events?{query}")).await.ok();
        page["items"].as_array().unwrap().clone()
    };
    let actions = |entries: &[Value]| -> Vec<String> {
        entries.iter().map(|entry| entry["action"].as_str().unwrap().to_owned()).collect()
    };

    let found = list(&format!("patient={}&action=patient", on.patient)).await;
    assert_eq!(actions(&found), ["patient.read", "patient.create"], "the newest first");
    assert_eq!(found[0]["actor"]["display_name"], "Test Clinician");
    assert_eq!(found[0]["actor_role"], "clinician");
    assert_eq!(found[0]["patient_name"], "Testwell, Ada");
    assert!(found[0]["session_id"].is_string() && found[0]["request_id"].is_string());
    assert_eq!(found[0]["sequence"], Value::Null, "not sealed yet");
    assert_eq!(found[1]["details"]["changed"]["mrn"]["to"], "M-1");

    let recent = list("from=2026-06-01T12:01:00Z&action=patient.read").await;
    assert_eq!(actions(&recent), ["patient.read"]);
    assert!(list("to=2026-06-01T12:00:00Z").await.is_empty());
    let own = list("actor=administrator@example.org&outcome=success").await;
    assert_eq!(actions(&own)[..2], ["audit.list", "audit.list"], "looking is on record too");
    assert!(list("outcome=failure").await.is_empty());

    let id = found[0]["id"].as_i64().unwrap();
    assert_eq!(admin.get(&format!("/api/v1/audit-events/{id}")).await.ok(), found[0]);
    admin.get("/api/v1/audit-events/999999").await.expect(404);
    admin.get("/api/v1/audit-events/x").await.expect(404);
}

#[tokio::test]
async fn pages_of_the_log_follow_one_another() {
    let app = TestApp::new().await;
    write(&app, 25).await;
    let admin = app.sign_in(Role::Administrator).await;
    let mut seen = BTreeSet::new();
    let mut cursor = String::new();
    loop {
        let query = format!("action=test.entry&limit=10{cursor}");
        let page = admin.get(&format!("/api/v1/audit-events?{query}")).await.ok();
        for entry in page["items"].as_array().unwrap() {
            assert!(seen.insert(entry["id"].as_i64().unwrap()), "twice");
        }
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen.len(), 25);
}

#[tokio::test]
async fn faulty_filters_are_all_named() {
    let app = TestApp::new().await;
    let admin = app.sign_in(Role::Administrator).await;
    let query = "actor=nobody@example.org&action=Patient%20Read&from=2026-02-01T00:00:00Z\
                 &to=2026-01-01T00:00:00Z";
    let faults = admin.get(&format!("/api/v1/audit-events?{query}")).await.faults();
    let mut pointers: Vec<_> = faults.keys().map(String::as_str).collect();
    pointers.sort_unstable();
    assert_eq!(pointers, ["/action", "/actor", "/to"]);
    for (query, pointer) in [
        ("limit=0", "/limit"),
        ("cursor=x", "/cursor"),
        ("from=yesterday", "/from"),
        ("outcome=maybe", "/outcome"),
    ] {
        let faults = admin.get(&format!("/api/v1/audit-events?{query}")).await.faults();
        assert!(faults.contains_key(pointer), "{query}: {faults:?}");
    }
    let query = "/api/v1/audit-events/export?from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z";
    assert!(admin.get(query).await.faults().contains_key("/to"));
}

#[tokio::test]
async fn who_looked_at_a_record_is_there_for_those_who_care_for_it() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let on = access::fixture(&clinician, "M-1", false).await;
    access::fixture(&clinician, "M-2", false).await;
    let admin = app.sign_in(Role::Administrator).await;
    admin.get(&format!("/api/v1/patients/{}", on.patient)).await.ok();

    let path = format!("/api/v1/patients/{}/audit-events", on.patient);
    let page = clinician.get(&path).await.ok();
    let items = page["items"].as_array().unwrap();
    assert_eq!(items.len(), 7, "of this record only: {items:#?}");
    let mut fields: Vec<_> = items[0].as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["action", "actor_name", "actor_role", "at", "emergency", "id", "outcome"]);
    assert_eq!(items[0]["actor_name"], "Test Administrator");
    assert_eq!(items[0]["action"], "patient.read");
    assert_eq!(items[6]["action"], "patient.create");
    assert_eq!(app.audit_trail().await.last().unwrap(), "clinician audit.list success");

    let first = clinician.get(&format!("{path}?limit=4")).await.ok();
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = clinician.get(&format!("{path}?limit=4&cursor={cursor}")).await.ok();
    assert_eq!(second["items"].as_array().unwrap().len(), 4, "this look is on record by now");
    let unknown = format!("/api/v1/patients/{}/audit-events", uuid::Uuid::nil());
    clinician.get(&unknown).await.expect(404);
}

/// Whom a list showed waits to be sorted into its index. Whoever looks does not sort it: whoever
/// seals does.
#[tokio::test]
async fn whoever_seals_sorts_whom_lists_showed() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let on = access::fixture(&clinician, "M-1", true).await;
    // In pages of what waited.
    let sorted = || count(&app, "select sort_shown_patients()");

    clinician.get("/api/v1/patients").await.ok();
    assert_eq!(sorted().await, 1);
    assert_eq!(sorted().await, 0);
    clinician.get("/api/v1/patients").await.ok();
    app.sealer().try_lead().await.unwrap().expect("nobody else seals").seal().await.unwrap();
    assert_eq!(sorted().await, 0);

    let path = format!("/api/v1/patients/{}/audit-events", on.patient);
    let looks = clinician.get(&path).await.ok();
    let lists = looks["items"].as_array().unwrap().iter();
    assert_eq!(lists.filter(|look| look["action"] == "patient.list").count(), 2, "{looks:#}");
}

#[tokio::test]
async fn a_list_is_a_look_at_everybody_in_it_and_at_nobody_else() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let on = access::fixture(&clinician, "M-1", true).await;
    let other = access::fixture(&clinician, "M-2", true).await;
    let admin = app.sign_in(Role::Administrator).await;
    admin.get("/api/v1/patients?q=M-1").await.ok();
    app.link_patient(PatientId(on.patient.parse().unwrap())).await;
    let patient = app.sign_in(Role::Patient).await;

    let lists = async |client: &Client, patient: &str| -> Vec<String> {
        let path = format!("/api/v1/patients/{patient}/audit-events?limit=200");
        let page = client.get(&path).await.ok();
        let looks = page["items"].as_array().unwrap().iter();
        let lists = looks.filter(|look| look["action"] == "patient.list");
        lists.map(|look| look["actor_name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(lists(&clinician, &on.patient).await, ["Test Administrator"]);
    assert!(lists(&clinician, &other.patient).await.is_empty());
    // The patient reads who looked, but not the entry that names other patients.
    assert_eq!(lists(&patient, &on.patient).await, ["Test Administrator"]);
    patient.get(&format!("/api/v1/patients/{}/audit-events", other.patient)).await.expect(404);

    let query = format!("/api/v1/audit-events?patient={}&action=patient.list", on.patient);
    let found = admin.get(&query).await.ok();
    assert_eq!(found["items"][0]["details"]["patients"], json!([on.patient]));
    let query = format!("/api/v1/audit-events?patient={}&action=patient.list", other.patient);
    assert!(admin.get(&query).await.ok()["items"].as_array().unwrap().is_empty());

    // A page of the audit log is a look at those of whom it tells.
    admin.get("/api/v1/audit-events?action=patient.create&limit=1").await.ok();
    assert_eq!(app.audit_details("audit.list").await["patients"], json!([other.patient]));
    admin.get(&format!("/api/v1/audit-events?patient={}", on.patient)).await.ok();
    assert!(app.audit_details("audit.list").await["patients"].is_null());

    // Pages of both kinds of looks follow one another.
    let path = format!("/api/v1/patients/{}/audit-events", on.patient);
    let whole = clinician.get(&format!("{path}?limit=200")).await.ok();
    let ids = |page: &Value| -> Vec<i64> {
        page["items"].as_array().unwrap().iter().map(|look| look["id"].as_i64().unwrap()).collect()
    };
    let (whole, mut paged) = (ids(&whole), Vec::new());
    let mut query = format!("{path}?limit=3");
    loop {
        let page = clinician.get(&query).await.ok();
        paged.extend(ids(&page));
        let Some(next) = page["next_cursor"].as_str() else { break };
        query = format!("{path}?limit=3&cursor={next}");
    }
    // Reading the whole and the first page of it is on record by now.
    assert_eq!(paged[1..], whole[..]);
}

#[tokio::test]
async fn looks_that_share_a_commit_are_each_on_record_before_their_answers() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let (first, second) =
        (fixture(&clinician, "M-1", true).await, fixture(&clinician, "M-2", true).await);
    let looks = "select count(*) from audit_events
        where action = 'patient.read' and actor_role = 'clinician' and patient_id = $1::uuid
            and object_id = patient_id and session_id is not null and at = $2";
    let many: Vec<_> = (0..60)
        .map(|number| {
            let (client, db, now) = (clinician.clone(), app.db.clone(), app.clock.now());
            let patient =
                if number % 3 == 0 { first.patient.clone() } else { second.patient.clone() };
            tokio::spawn(async move {
                client.get(&format!("/api/v1/patients/{patient}")).await.ok();
                let found: i64 =
                    sqlx::query_scalar(looks).bind(patient).bind(now).fetch_one(&db).await.unwrap();
                assert!(0 < found, "answered before it was on record");
            })
        })
        .collect();
    for one in many {
        one.await.unwrap();
    }
    let mut counts = Vec::new();
    for patient in [&first.patient, &second.patient] {
        let count: i64 = sqlx::query_scalar(looks)
            .bind(patient)
            .bind(app.clock.now())
            .fetch_one(&app.db)
            .await
            .unwrap();
        counts.push(count);
    }
    assert_eq!(counts, [20, 40]);
}

#[tokio::test]
async fn what_cannot_be_put_on_record_is_not_answered() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let on = fixture(&clinician, "M-1", true).await;
    let mut owner = app.owner().await;
    let (close, open) = (
        "revoke insert on audit_events from nephrocast_app, nephrocast_restricted",
        "grant insert on audit_events to nephrocast_app, nephrocast_restricted",
    );
    sqlx::raw_sql(close).execute(&mut owner).await.unwrap();
    let patient = format!("/api/v1/patients/{}", on.patient);
    for rest in ["", "/observations", "/therapies", "/biopsies", "/outcomes", "/predictions"] {
        let refused = clinician.get(&format!("{patient}{rest}")).await;
        assert_eq!(refused.status.as_u16(), 503, "{rest}: {:#}", refused.body);
    }
    sqlx::raw_sql(open).execute(&mut owner).await.unwrap();
    clinician.get(&patient).await.ok();
}
