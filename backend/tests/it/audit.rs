//! The audit log: complete, readable by those who may, and no change of it goes unnoticed.

use std::{
    collections::BTreeSet,
    process::{Command, Output},
    sync::Arc,
    time::Duration,
};

use axum::body::Body;
use backend::{
    audit::{
        checkpoint::{Checkpoint, SealingKey},
        merkle::{Tree, leaf_hash},
        proof::{self, ProofProblem},
        verify::verify,
    },
    db::{
        self,
        audit::{Actor, Event},
    },
    jobs::seal::Sealer,
};
use chrono::TimeDelta;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use shared::{
    access::Role,
    audit::{AuditFault, AuditFaultKind, AuditVerdict, AuditVerification},
    id::PatientId,
};
use tokio::time::{Instant, sleep};
use tower::ServiceExt;

use crate::{
    access::{self, ACCESS, CALLERS, fixture},
    support::{Client, TestApp, audit_key_file, sealing_key},
    worker::{Worker, count},
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

/// Adds entries, each in a transaction of its own.
async fn write(app: &TestApp, count: usize) {
    for number in 0..count {
        let mut connection = app.db.acquire().await.unwrap();
        let event = Event::new("test.entry").details(json!({ "number": number, "value": 1.50 }));
        let now = app.clock.now();
        db::audit::record(&mut connection, &Actor::default(), event, now).await.unwrap();
    }
}

async fn seal(app: &TestApp) {
    app.sealer().try_lead().await.unwrap().expect("nobody else seals").seal().await.unwrap();
}

async fn check(app: &TestApp, elsewhere: Option<&Checkpoint>) -> AuditVerification {
    verify(&app.db, &app.state.audit_keys, elsewhere, None).await.unwrap()
}

#[track_caller]
fn fault(found: AuditVerification) -> AuditFault {
    assert_eq!(found.verdict, AuditVerdict::Broken, "{found:?}");
    found.fault.unwrap()
}

/// Three batches of five entries, sealed ten minutes apart, and the last checkpoint.
async fn sealed_log() -> (TestApp, Checkpoint) {
    let app = TestApp::new().await;
    for _ in 0..3 {
        write(&app, 5).await;
        seal(&app).await;
        app.clock.advance(TimeDelta::minutes(10));
    }
    let found = check(&app, None).await;
    assert_eq!((found.verdict, found.checked, found.unsealed), (AuditVerdict::Whole, 15, 0));
    let checkpoint = app.state.audit_keys.open(&found.checkpoint.unwrap()).unwrap();
    assert_eq!(checkpoint.tree_size, 15);
    assert_eq!(check(&app, Some(&checkpoint)).await.verdict, AuditVerdict::Whole);
    (app, checkpoint)
}

/// What the database's owner can do: everything.
async fn tamper(app: &TestApp, statements: &str) {
    let mut connection = app.owner().await;
    for table in ["audit_events", "audit_leaves", "audit_checkpoints"] {
        let refused = sqlx::query(sqlx::AssertSqlSafe(format!("delete from {table}")));
        let error = refused.execute(&mut connection).await.unwrap_err().to_string();
        assert!(error.contains("append-only"), "{error}");
    }
    let script = format!(
        "alter table audit_events disable trigger user;
        alter table audit_leaves disable trigger user;
        alter table audit_checkpoints disable trigger user;
        {statements};
        alter table audit_events enable trigger user;
        alter table audit_leaves enable trigger user;
        alter table audit_checkpoints enable trigger user"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(script)).execute(&mut connection).await.unwrap();
}

#[tokio::test]
async fn an_edited_entry_is_named() {
    for statement in [
        "update audit_events set actor_role = 'clinician' where id = 7",
        "update audit_events set outcome = 'refused' where id >= 7",
        "update audit_events set at = at + interval '1 microsecond' where id = 7",
        "update audit_events set details = '{\"number\": 1, \"value\": 1.50}' where id = 7",
        "update audit_events set details = null where id = 7",
        "update audit_leaves set leaf_hash = sha256('x') where event_id = 7",
    ] {
        let (app, _) = sealed_log().await;
        tamper(&app, statement).await;
        let fault = fault(check(&app, None).await);
        let named = (fault.kind, fault.id, fault.sequence);
        assert_eq!(named, (AuditFaultKind::Edited, Some(7), Some(6)), "{statement}");
    }
}

#[tokio::test]
async fn a_deleted_entry_is_named() {
    let (app, _) = sealed_log().await;
    tamper(&app, "delete from audit_events where id in (9, 12)").await;
    let found = fault(check(&app, None).await);
    assert_eq!((found.kind, found.id, found.sequence), (AuditFaultKind::Deleted, Some(9), Some(8)));

    tamper(&app, "delete from audit_leaves where event_id = 9").await;
    let found = fault(check(&app, None).await);
    assert_eq!((found.kind, found.sequence), (AuditFaultKind::Deleted, Some(8)));
}

const BACKDATED: &str = "insert into audit_events (id, at, action, outcome)
    overriding system value values (1000, '2026-06-01T12:00:00Z', 'patient.read', 'success')";

#[tokio::test]
async fn an_inserted_entry_is_named_before_and_after_it_is_sealed() {
    let (app, _) = sealed_log().await;
    tamper(&app, BACKDATED).await;
    let found = fault(check(&app, None).await);
    assert_eq!(
        (found.kind, found.id, found.sequence),
        (AuditFaultKind::Inserted, Some(1000), None)
    );

    seal(&app).await;
    let found = fault(check(&app, None).await);
    let named = (found.kind, found.id, found.sequence);
    assert_eq!(named, (AuditFaultKind::Inserted, Some(1000), Some(15)));
}

#[tokio::test]
async fn an_entry_that_is_put_into_the_tree_as_well_is_found() {
    let (app, _) = sealed_log().await;
    tamper(
        &app,
        "insert into audit_leaves (sequence, event_id, format, leaf_hash)
        values (15, 1000, 1, sha256('x'))",
    )
    .await;
    let found = fault(check(&app, None).await);
    assert_eq!((found.kind, found.sequence), (AuditFaultKind::Inserted, Some(15)));
}

#[tokio::test]
async fn entries_that_changed_places_are_named() {
    let swap_numbers = "update audit_events set id = -4 where id = 4;
        update audit_events set id = 4 where id = 8;
        update audit_events set id = 8 where id = -4";
    let (app, _) = sealed_log().await;
    // The column is an identity: its owner can make it an ordinary one.
    tamper(&app, "alter table audit_events alter column id drop identity").await;
    tamper(&app, swap_numbers).await;
    let found = fault(check(&app, None).await);
    assert_eq!((found.kind, found.id, found.sequence), (AuditFaultKind::Edited, Some(4), Some(3)));
}

#[tokio::test]
async fn leaves_that_changed_places_are_named() {
    let (app, _) = sealed_log().await;
    tamper(
        &app,
        "alter table audit_leaves drop constraint audit_leaves_sequence_check;
        update audit_leaves set sequence = -7 where sequence = 6;
        update audit_leaves set sequence = 6 where sequence = 8;
        update audit_leaves set sequence = 8 where sequence = -7",
    )
    .await;
    let found = fault(check(&app, None).await);
    let named = (found.kind, found.id, found.sequence);
    assert_eq!(named, (AuditFaultKind::Reordered, Some(8), Some(7)));
}

#[tokio::test]
async fn a_tail_that_was_cut_off_is_found() {
    let (app, checkpoint) = sealed_log().await;
    tamper(
        &app,
        "delete from audit_events where id > 10;
        delete from audit_leaves where sequence >= 10",
    )
    .await;
    let found = fault(check(&app, None).await);
    assert_eq!((found.kind, found.sequence), (AuditFaultKind::Truncated, Some(10)));

    tamper(&app, "delete from audit_checkpoints where tree_size > 10").await;
    let alone = check(&app, None).await;
    assert_eq!((alone.verdict, alone.checked), (AuditVerdict::Whole, 10), "nothing inside tells");
    let found = fault(check(&app, Some(&checkpoint)).await);
    assert_eq!((found.kind, found.sequence), (AuditFaultKind::Truncated, Some(10)));
    assert_eq!(found.last_sequence, Some(14));
}

/// Puts other leaves in place of the entries' own, as an owner who knows how would.
async fn reseal(app: &TestApp, key: SealingKey) {
    tamper(app, "delete from audit_leaves where sequence >= 5").await;
    tamper(app, "delete from audit_checkpoints where tree_size > 5").await;
    let database = app.db.connect_options().as_ref().clone();
    let sealer = Sealer::new(database, app.clock.clone(), Arc::new(key));
    sealer.try_lead().await.unwrap().unwrap().seal().await.unwrap();
}

#[tokio::test]
async fn hashes_that_were_made_anew_do_not_hide_a_change() {
    let (app, _) = sealed_log().await;
    tamper(&app, "update audit_events set outcome = 'refused' where id = 7").await;
    let leaf: String = sqlx::query_scalar(
        "select (select jsonb_object_agg(key, value)::text
            from jsonb_each(to_jsonb(audit_events)) where value <> 'null')
        from audit_events where id = 7",
    )
    .fetch_one(&app.db)
    .await
    .unwrap();
    let hash = hex::encode(leaf_hash(leaf.as_bytes()));
    let anew = format!("update audit_leaves set leaf_hash = '\\x{hash}' where event_id = 7");
    tamper(&app, &anew).await;
    let found = fault(check(&app, None).await);
    let named = (found.kind, found.sequence, found.last_sequence);
    assert_eq!(named, (AuditFaultKind::Rewritten, Some(5), Some(9)), "the batch it is in");
}

#[tokio::test]
async fn a_log_that_was_sealed_anew_contradicts_the_checkpoint_from_elsewhere() {
    let (app, checkpoint) = sealed_log().await;
    tamper(&app, "update audit_events set outcome = 'refused' where id = 7").await;
    reseal(&app, sealing_key()).await;
    let found = fault(check(&app, Some(&checkpoint)).await);
    assert_eq!((found.kind, found.sequence), (AuditFaultKind::Rewritten, Some(5)));

    let (app, _) = sealed_log().await;
    let another = SealingKey::from_hex(&"0123456789abcdef".repeat(4)).unwrap();
    tamper(&app, "update audit_events set outcome = 'refused' where id = 7").await;
    reseal(&app, another).await;
    let found = fault(check(&app, None).await);
    assert_eq!((found.kind, found.sequence), (AuditFaultKind::Forged, Some(14)));
}

#[tokio::test]
async fn the_check_answers_in_words_and_is_on_record() {
    let (app, _) = sealed_log().await;
    let admin = app.sign_in(Role::Administrator).await;
    let found = admin.get("/api/v1/audit-events/verify").await.ok();
    assert_eq!(found["verdict"], "whole");
    assert_eq!(found["checked"], 15);
    assert_eq!(found["unsealed"], 1, "the sign-in");
    assert!(found["checkpoint"].as_str().unwrap().starts_with("nephrocast-audit-log\n15\n"));
    assert_eq!(app.audit_trail().await.last().unwrap(), "administrator audit.verify success");

    tamper(&app, "update audit_events set address = '192.0.2.1' where id = 3").await;
    let found = admin.get("/api/v1/audit-events/verify").await.ok();
    assert_eq!(found["verdict"], "broken");
    assert_eq!(found["fault"]["id"], 3);
    assert!(found["fault"]["message"].as_str().unwrap().starts_with("entry 3 does not say"));
    assert_eq!(app.audit_trail().await.last().unwrap(), "administrator audit.verify failure");

    let none = verify(&app.db, &app.state.audit_keys, None, Some(Duration::ZERO)).await.unwrap();
    assert_eq!((none.verdict, none.checked), (AuditVerdict::Unfinished, 0));
}

#[tokio::test]
async fn an_entry_is_proved_to_whoever_trusts_the_key() {
    let (app, _) = sealed_log().await;
    let admin = app.sign_in(Role::Administrator).await;
    for id in [1, 7, 15] {
        let proof = admin.get(&format!("/api/v1/audit-events/{id}/proof")).await.ok();
        let mut proof: shared::audit::AuditProof = serde_json::from_value(proof).unwrap();
        assert_eq!(proof::check(&proof, &app.state.audit_keys), Ok(()));
        proof.leaf = proof.leaf.replace("success", "refused");
        assert_eq!(proof::check(&proof, &app.state.audit_keys), Err(ProofProblem::NotIncluded));
    }
    let latest: i64 =
        sqlx::query_scalar("select max(id) from audit_events").fetch_one(&app.db).await.unwrap();
    admin.get(&format!("/api/v1/audit-events/{latest}/proof")).await.expect(409);
    admin.get("/api/v1/audit-events/999999/proof").await.expect(404);
}

#[tokio::test]
async fn an_export_streams_the_very_lines_that_were_hashed() {
    let app = TestApp::new().await;
    write(&app, 1234).await;
    seal(&app).await;
    let admin = app.sign_in(Role::Administrator).await;
    let request = admin.request("GET", "/api/v1/audit-events/export").body(Body::empty()).unwrap();
    let response = app.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    let mut body = response.into_body();
    let mut pieces = Vec::new();
    while let Some(frame) = body.frame().await {
        pieces.push(frame.unwrap().into_data().unwrap());
    }
    assert_eq!(pieces.len(), 3, "it comes in batches");
    let text = String::from_utf8(pieces.concat()).unwrap();
    let mut tree = Tree::default();
    text.lines().for_each(|line| tree.push(leaf_hash(line.as_bytes())));
    let note = check(&app, None).await.checkpoint.unwrap();
    let checkpoint = app.state.audit_keys.open(&note).unwrap();
    assert_eq!((tree.size(), tree.root()), (checkpoint.tree_size, checkpoint.root));
    let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(first["action"], "test.entry");
    assert_eq!(first.get("actor_id"), None, "what is not known is left out");
    assert_eq!(app.audit_trail().await.last().unwrap(), "administrator audit.export success");

    let none = admin.get("/api/v1/audit-events/export?from=2026-06-02T00:00:00Z").await.ok();
    assert_eq!(none, "");
}

/// Every entry has exactly one place, and the places have no gap.
async fn assert_sealed_once(app: &TestApp) {
    let (entries, leaves, last): (i64, i64, i64) = sqlx::query_as(
        "select (select count(*) from audit_events), (select count(*) from audit_leaves),
            (select max(sequence) + 1 from audit_leaves)",
    )
    .fetch_one(&app.db)
    .await
    .unwrap();
    assert_eq!((leaves, last), (entries, entries));
    let found = check(app, None).await;
    assert_eq!((found.verdict, found.unsealed), (AuditVerdict::Whole, 0), "{found:?}");
}

#[tokio::test]
async fn whoever_commits_late_is_sealed_all_the_same() {
    let app = TestApp::new().await;
    let mut leader = app.sealer().try_lead().await.unwrap().unwrap();
    let mut late = app.db.begin().await.unwrap();
    let event = Event::new("test.late");
    db::audit::record(&mut late, &Actor::default(), event, app.clock.now()).await.unwrap();
    // Many rounds go by with entries of higher numbers, and one that never commits.
    for round in 0..12 {
        let mut gone = app.db.begin().await.unwrap();
        let event = Event::new("test.gone");
        db::audit::record(&mut gone, &Actor::default(), event, app.clock.now()).await.unwrap();
        gone.rollback().await.unwrap();
        write(&app, 3).await;
        leader.seal().await.unwrap();
        let sealed: i64 = sqlx::query_scalar("select count(*) from audit_leaves")
            .fetch_one(&app.db)
            .await
            .unwrap();
        assert_eq!(sealed, 3 * (round + 1), "nobody waits for the late one");
    }
    late.commit().await.unwrap();
    leader.seal().await.unwrap();
    assert_sealed_once(&app).await;
    // And when nothing is open, old numbers are not looked at again, yet new ones are.
    for _ in 0..3 {
        leader.seal().await.unwrap();
        write(&app, 2).await;
    }
    leader.seal().await.unwrap();
    assert_sealed_once(&app).await;
}

#[tokio::test]
async fn many_writers_and_a_sealer_leave_nothing_out() {
    let app = Arc::new(TestApp::new().await);
    let writers: Vec<_> = (0..6_u64)
        .map(|writer| {
            let app = Arc::clone(&app);
            tokio::spawn(async move {
                for number in 0..60_u64 {
                    let mut tx = app.db.begin().await.unwrap();
                    let event = Event::new("test.entry");
                    let now = app.clock.now();
                    db::audit::record(&mut tx, &Actor::default(), event, now).await.unwrap();
                    // Numbers become visible out of order.
                    sleep(Duration::from_millis((writer * 7 + number * 3) % 11)).await;
                    if (writer + number) % 9 == 0 {
                        tx.rollback().await.unwrap();
                    } else {
                        tx.commit().await.unwrap();
                    }
                }
            })
        })
        .collect();
    let mut leader = app.sealer().try_lead().await.unwrap().unwrap();
    assert!(app.sealer().try_lead().await.unwrap().is_none(), "one seals at a time");
    while writers.iter().any(|writer| !writer.is_finished()) {
        leader.seal().await.unwrap();
    }
    for writer in writers {
        writer.await.unwrap();
    }
    leader.seal().await.unwrap();
    assert_sealed_once(&app).await;
    let checkpoints: i64 = sqlx::query_scalar("select count(*) from audit_checkpoints")
        .fetch_one(&app.db)
        .await
        .unwrap();
    assert!(5 < checkpoints, "it sealed while they wrote: {checkpoints}");
}

#[tokio::test]
async fn an_entry_is_sealed_within_a_second() {
    let app = TestApp::new().await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let sealing = tokio::spawn(app.sealer().run(stopped));
    let unsealed = "select exists(select from audit_events
        where id not in (select event_id from audit_leaves))";
    let mut waits = Vec::new();
    // Each comes when the one before has just been sealed: it waits for a whole round.
    for _ in 0..5 {
        write(&app, 1).await;
        let since = Instant::now();
        while sqlx::query_scalar(unsealed).fetch_one(&app.db).await.unwrap() {
            assert!(since.elapsed() < Duration::from_secs(20), "nobody seals");
            sleep(Duration::from_millis(10)).await;
        }
        waits.push(since.elapsed());
    }
    stop.send_replace(true);
    sealing.await.unwrap();
    // Whoever else uses the machine at the moment delays some of them, but hardly all.
    waits.sort_unstable();
    assert!(waits[1] < Duration::from_secs(1), "{waits:?}");
}

#[tokio::test]
async fn a_sealer_that_is_killed_is_followed_by_another() {
    let app = TestApp::new().await;
    for milliseconds in [250, 420, 700] {
        let worker = Worker::start(&app);
        let since = Instant::now();
        while since.elapsed() < Duration::from_millis(milliseconds) {
            write(&app, 5).await;
        }
        worker.kill();
    }
    let last = Worker::start(&app);
    let since = Instant::now();
    let unsealed =
        "select count(*) from audit_events where id not in (select event_id from audit_leaves)";
    while 0_i64 < sqlx::query_scalar(unsealed).fetch_one(&app.db).await.unwrap() {
        assert!(since.elapsed() < Duration::from_mins(1), "nobody seals");
        sleep(Duration::from_millis(50)).await;
    }
    last.kill();
    let mut leader = None;
    while leader.is_none() {
        sleep(Duration::from_millis(50)).await;
        leader = app.sealer().try_lead().await.unwrap();
    }
    let (entries, leaves, places): (i64, i64, i64) = sqlx::query_as(
        "select (select count(*) from audit_events), count(distinct event_id), max(sequence) + 1
        from audit_leaves",
    )
    .fetch_one(&app.db)
    .await
    .unwrap();
    assert_eq!((leaves, places), (entries, entries));
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

fn nephrocast(app: &TestApp, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nephrocast"))
        .args(arguments)
        .env("NEPHROCAST_DATABASE_URL", &app.database_url)
        .env("NEPHROCAST_AUDIT_KEY_FILE", audit_key_file())
        .output()
        .unwrap()
}

#[tokio::test]
async fn the_command_line_checks_against_a_checkpoint_that_was_kept() {
    let (app, _) = sealed_log().await;
    let text = |output: &Output| String::from_utf8(output.stdout.clone()).unwrap();
    let key = text(&nephrocast(&app, &["audit", "public-key"]));
    assert_eq!(key.trim(), sealing_key().public().to_string());

    let note = text(&nephrocast(&app, &["audit", "checkpoint"]));
    let file = std::env::temp_dir().join(format!("nephrocast-checkpoint-{}", std::process::id()));
    std::fs::write(&file, &note).unwrap();
    let verify = ["audit", "verify", "--checkpoint", file.to_str().unwrap()];
    let whole = nephrocast(&app, &verify);
    assert!(whole.status.success(), "{whole:?}");
    assert_eq!(text(&whole), "The audit log is whole: 15 sealed entries checked.\n");

    tamper(
        &app,
        "delete from audit_events where id > 10;
        delete from audit_leaves where sequence >= 10;
        delete from audit_checkpoints where tree_size > 10",
    )
    .await;
    assert!(nephrocast(&app, &["audit", "verify"]).status.success());
    let cut = nephrocast(&app, &verify);
    assert!(!cut.status.success());
    let said = String::from_utf8(cut.stderr).unwrap();
    assert!(said.contains("ends after 10 sealed entries"), "{said}");

    std::fs::write(&file, note.replace("\n15\n", "\n10\n")).unwrap();
    let forged = nephrocast(&app, &verify);
    let said = String::from_utf8(forged.stderr).unwrap();
    assert!(said.contains("no trusted key has signed it"), "{said}");
    std::fs::remove_file(file).unwrap();
}
