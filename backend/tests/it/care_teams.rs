//! Care teams, and records that are opened in an emergency: who sees what, and for how long.

use backend::auth::password;
use chrono::TimeDelta;
use serde_json::{Value, json};
use shared::{
    access::{Role, Scope},
    id::UserId,
    user::User,
};
use tokio::time::{Duration, timeout};
use uuid::Uuid;

use crate::{
    access::{self, Fixture},
    support::{Client, PASSWORD, PDF, TestApp, with_parts},
};

const EMERGENCIES: &str = "/api/v1/emergency-accesses";

/// A site in which only a patient's care team sees the record.
pub async fn confine(app: &TestApp) {
    visibility(app, "care_team").await;
}

async fn visibility(app: &TestApp, wanted: &str) {
    let admin = app.sign_in(Role::Administrator).await;
    let version = admin.get("/api/v1/settings").await.ok()["version"].as_i64().unwrap();
    let changed = json!({ "visibility": wanted });
    admin.patch("/api/v1/settings", version, changed).await.ok();
}

/// Another clinician, signed in, and the account's id.
pub async fn colleague(app: &TestApp, name: &str) -> (Client, String) {
    let id = UserId(Uuid::now_v7());
    let email = format!("{}@example.org", name.to_lowercase());
    let user = User {
        id,
        email: email.clone(),
        display_name: name.to_owned(),
        role: Role::Clinician,
        patient_id: None,
    };
    let hash = password::hash(PASSWORD.as_bytes()).unwrap();
    let mut connection = app.db.acquire().await.unwrap();
    backend::db::users::insert(&mut connection, &user, &hash, app.clock.now()).await.unwrap();
    let credentials = json!({ "email": email, "password": PASSWORD });
    let client = app.anonymous().post("/api/v1/auth/login", credentials).await.signed_in(app);
    (client, id.to_string())
}

async fn me(client: &Client) -> String {
    client.get("/api/v1/me").await.ok()["id"].as_str().unwrap().to_owned()
}

fn team_of(on: &Fixture) -> String {
    format!("/api/v1/patients/{}/care-team", on.patient)
}

fn member(id: &str) -> Value {
    json!({ "user_id": id })
}

fn emergency(mrn: &str) -> Value {
    json!({ "mrn": mrn, "reason": "unconscious in the emergency room" })
}

async fn names(client: &Client, path: &str) -> Vec<String> {
    let list = client.get(path).await.ok();
    let items = list.get("items").or_else(|| list.get("members")).unwrap().as_array().unwrap();
    let name = |item: &Value| {
        let name = item.get("display_name").or_else(|| item.get("mrn")).unwrap();
        name.as_str().unwrap().to_owned()
    };
    items.iter().map(name).collect()
}

/// Everything of a record that can be asked for, with what a clinician who sees it is answered.
const OF_A_RECORD: [&str; 9] = [
    "get_patient",
    "list_observations",
    "list_therapies",
    "list_biopsies",
    "list_outcomes",
    "list_predictions",
    "get_prediction",
    "list_patient_audit_events",
    "get_care_team",
];

async fn assert_sees(client: &Client, on: &Fixture, status: u16) {
    for operation in OF_A_RECORD {
        let answer = client.send(access::request(operation, client, on, "x")).await;
        assert_eq!(answer.status.as_u16(), status, "{operation}: {:#}", answer.body);
    }
}

#[tokio::test]
async fn the_setting_says_who_sees_a_record_from_the_next_request_on() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let (other, _) = colleague(&app, "Bea").await;
    let on = access::fixture(&clinician, "M-1", true).await;
    assert_sees(&other, &on, 200).await;

    confine(&app).await;
    assert_sees(&clinician, &on, 200).await;
    assert_sees(&other, &on, 404).await;
    let admin = app.sign_in(Role::Administrator).await;
    admin.get(&format!("/api/v1/patients/{}", on.patient)).await.ok();
    visibility(&app, "organisation").await;
    assert_sees(&other, &on, 200).await;
}

#[tokio::test]
async fn an_outsider_cannot_tell_a_record_from_none() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let (other, _) = colleague(&app, "Bea").await;
    confine(&app).await;
    let mut walked = 0;
    for (operation, expected) in access::ACCESS {
        let document = backend::openapi::json();
        let paths = document["paths"].as_object().unwrap();
        let path = paths.iter().find_map(|(path, item)| {
            let mut operations = item.as_object().unwrap().values();
            operations.any(|one| one["operationId"] == *operation).then_some(path)
        });
        let nouns =
            ["patients", "observations", "therapies", "biopsies", "documents", "predictions"];
        let is_of_a_record =
            nouns.iter().any(|noun| path.unwrap().starts_with(&format!("/api/v1/{noun}/{{id}}")));
        if !is_of_a_record || 300 <= expected[2] {
            continue;
        }
        let on = access::ready(&app, &clinician, operation, operation).await;
        let ask = async |on: &Fixture| {
            let answer = other.send(access::request(operation, &other, on, "x")).await;
            assert_eq!(answer.status.as_u16(), 404, "{operation}: {:#}", answer.body);
            let mut body = answer.body;
            // The request's id.
            body.as_object_mut().unwrap().remove("instance");
            body
        };
        assert_eq!(ask(&on).await, ask(&on.elsewhere()).await, "{operation}");
        walked += 1;
    }
    assert!(30 < walked, "{walked}");
}

#[tokio::test]
async fn lists_pages_and_searches_hold_one_s_own_patients_only() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let (other, _) = colleague(&app, "Bea").await;
    for number in 0..5 {
        access::fixture(&clinician, &format!("M-{number}"), false).await;
    }
    access::fixture(&other, "O-1", false).await;
    access::fixture(&other, "O-2", false).await;
    confine(&app).await;
    for sort in ["name", "-name", "risk", "-risk", "egfr", "-egfr", "updated_at", "-updated_at"] {
        let path = format!("/api/v1/patients?sort={sort}&limit=1");
        let mut seen = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = other.get(&format!("{path}{cursor}")).await.ok();
            seen.push(page["items"][0]["mrn"].as_str().unwrap().to_owned());
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        seen.sort();
        assert_eq!(seen, ["O-1", "O-2"], "{sort}");
    }
    // A cursor from somebody else's list opens nothing of it.
    let page = clinician.get("/api/v1/patients?limit=1").await.ok();
    let stolen = format!("/api/v1/patients?cursor={}", page["next_cursor"].as_str().unwrap());
    assert!(names(&other, &stolen).await.iter().all(|mrn| mrn.starts_with('O')));
    assert!(names(&other, "/api/v1/patients?q=M-1").await.is_empty());
    assert_eq!(names(&clinician, "/api/v1/patients?q=M-1").await, ["M-1"]);
    let token = other.token(&[Scope::PatientsRead]).await;
    assert_eq!(
        names(&token, "/api/v1/patients").await.len(),
        2,
        "a token sees what its owner sees"
    );
    let admin = app.sign_in(Role::Administrator).await;
    assert_eq!(names(&admin, "/api/v1/patients").await.len(), 7);
}

#[tokio::test]
async fn care_is_shared_handed_over_and_left() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let (bea, bea_id) = colleague(&app, "Bea").await;
    let (_, cleo_id) = colleague(&app, "Cleo").await;
    let on = access::fixture(&clinician, "M-1", false).await;
    let (team, own) = (team_of(&on), me(&clinician).await);
    confine(&app).await;
    assert_eq!(names(&clinician, &team).await, ["Test Clinician"]);

    let last = clinician.delete(&format!("{team}/{own}")).await.expect(409);
    assert!(last["detail"].as_str().unwrap().contains("hand the patient over"));
    clinician.post(&team, member(&bea_id)).await.created();
    clinician.post(&team, member(&bea_id)).await.expect(409);
    assert_sees(&bea, &on, 200).await;
    bea.post(&team, member(&cleo_id)).await.created();
    bea.delete(&format!("{team}/{cleo_id}")).await.expect(204);
    bea.delete(&format!("{team}/{cleo_id}")).await.expect(404);

    clinician.delete(&format!("{team}/{own}")).await.expect(204);
    assert_sees(&clinician, &on, 404).await;
    assert_eq!(names(&bea, &team).await, ["Bea"]);
    let handed = bea.post(&format!("{team}/hand-over"), member(&own)).await.ok();
    assert_eq!(handed["members"][0]["user_id"], own.as_str());
    assert_eq!(handed["members"].as_array().unwrap().len(), 1);
    assert_sees(&bea, &on, 404).await;
    assert_sees(&clinician, &on, 200).await;
    let changes: Vec<_> = app
        .audit_trail()
        .await
        .into_iter()
        .filter(|line| line.contains("care_team.") && !line.contains("care_team.read"))
        .collect();
    let expected = ["add", "add", "remove", "leave", "hand_over"];
    assert_eq!(changes, expected.map(|verb| format!("clinician care_team.{verb} success")));
}

#[tokio::test]
async fn only_active_clinicians_join_a_team_and_only_members_change_it() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let (bea, bea_id) = colleague(&app, "Bea").await;
    let on = access::fixture(&clinician, "M-1", false).await;
    let team = team_of(&on);
    for role in [Role::Administrator, Role::Researcher, Role::Patient] {
        let id = me(&app.sign_in(role).await).await;
        let faults = clinician.post(&team, member(&id)).await.faults();
        assert!(faults.contains_key("/user_id"), "{role:?}");
    }
    let nobody = Uuid::now_v7().to_string();
    assert!(clinician.post(&team, member(&nobody)).await.faults().contains_key("/user_id"));
    let to_self = member(&me(&clinician).await);
    let faults = clinician.post(&format!("{team}/hand-over"), to_self).await.faults();
    assert!(faults.contains_key("/user_id"));
    // Where everybody sees the record, its team is still its members' own.
    bea.post(&team, member(&bea_id)).await.expect(409);
    bea.post(&format!("{team}/hand-over"), member(&bea_id)).await.expect(409);
    assert_eq!(bea.get(&team).await.ok()["may_change"], false);
    assert_eq!(clinician.get(&team).await.ok()["may_change"], true);
}

#[tokio::test]
async fn a_team_in_which_nobody_is_left_is_an_administrators_matter() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let (bea, bea_id) = colleague(&app, "Bea").await;
    let on = access::fixture(&bea, "M-1", false).await;
    access::fixture(&clinician, "M-2", false).await;
    let (team, own) = (team_of(&on), me(&clinician).await);
    let admin = app.sign_in(Role::Administrator).await;
    admin.post(&team, member(&own)).await.expect(409);
    assert!(names(&admin, "/api/v1/patients?without_care_team=true").await.is_empty());
    admin.delete(&format!("/api/v1/users/{bea_id}")).await.expect(204);

    confine(&app).await;
    assert_eq!(names(&admin, "/api/v1/patients?without_care_team=true").await, ["M-1"]);
    clinician.post(EMERGENCIES, emergency("M-1")).await.created();
    let refused = clinician.post(&team, member(&own)).await.expect(409);
    assert!(refused["detail"].as_str().unwrap().contains("administrator"));
    admin.post(&team, member(&own)).await.created();
    admin.delete(&format!("{team}/{bea_id}")).await.expect(409);
    clinician.delete(&format!("{team}/{bea_id}")).await.expect(204);
    assert_eq!(names(&clinician, &team).await, ["Test Clinician"]);
}

#[tokio::test]
async fn an_emergency_opens_a_record_for_a_time_and_everybody_concerned_sees_it() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let (bea, bea_id) = colleague(&app, "Bea").await;
    let on = access::fixture(&clinician, "M-1", false).await;
    access::fixture(&clinician, "M-2", false).await;
    confine(&app).await;
    let opened = bea.post(EMERGENCIES, emergency("M-1")).await.created();
    assert_eq!(opened["patient_id"], on.patient.as_str());
    assert_eq!(opened["expires_at"], "2026-06-01T13:00:00Z");
    assert_sees(&bea, &on, 200).await;
    assert_eq!(names(&bea, "/api/v1/patients").await, ["M-1"]);
    let values = json!({ "observations": [{ "code": "potassium", "value": 6.5, "unit": "mmol/L",
        "effective_at": "2026-05-02T08:00:00Z" }] });
    let path = format!("/api/v1/patients/{}", on.patient);
    bea.post(&format!("{path}/observations"), values).await.created();
    bea.post(&team_of(&on), member(&bea_id)).await.expect(409);

    for (client, list) in [
        (&clinician, format!("{path}/emergency-accesses")),
        (&app.sign_in(Role::Administrator).await, EMERGENCIES.to_owned()),
    ] {
        let item = client.get(&list).await.ok()["items"][0].clone();
        assert_eq!((&item["id"], &item["display_name"]), (&opened["id"], &json!("Bea")));
        assert_eq!(item["reason"], "unconscious in the emergency room");
    }
    let looks = clinician.get(&format!("{path}/audit-events")).await.ok();
    let looks = looks["items"].as_array().unwrap();
    assert!(looks.iter().all(|look| look["emergency"] == (look["actor_name"] == "Bea")));
    let admin = app.sign_in(Role::Administrator).await;
    let flagged = admin.get("/api/v1/audit-events?emergency=true").await.ok();
    let flagged = flagged["items"].as_array().unwrap();
    let actions: Vec<_> = flagged.iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(flagged[0]["emergency_access_id"], opened["id"]);
    assert_eq!(actions[0], "observation.create");
    assert!(actions.contains(&"emergency_access.open") && actions.contains(&"patient.read"));

    app.clock.advance(TimeDelta::minutes(59));
    let credentials = json!({ "email": "bea@example.org", "password": PASSWORD });
    let bea = app.anonymous().post("/api/v1/auth/login", credentials).await.signed_in(&app);
    assert_sees(&bea, &on, 200).await;
    app.clock.advance(TimeDelta::minutes(1));
    assert_sees(&bea, &on, 404).await;
    assert!(names(&bea, "/api/v1/patients").await.is_empty());
}

#[tokio::test]
async fn an_emergency_ends_when_its_holder_says_so_and_nobody_else() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let (bea, _) = colleague(&app, "Bea").await;
    let on = access::fixture(&clinician, "M-1", false).await;
    confine(&app).await;
    let opened = bea.post(EMERGENCIES, emergency("M-1")).await.created();
    assert_eq!(opened["ended_at"], Value::Null);
    let path = format!("{EMERGENCIES}/{}", opened["id"].as_str().unwrap());
    let unknown = format!("{EMERGENCIES}/{}", Uuid::now_v7());
    let theirs = clinician.delete(&path).await.expect(404);
    assert_eq!(theirs["detail"], clinician.delete(&unknown).await.expect(404)["detail"]);
    assert_sees(&bea, &on, 200).await;

    app.clock.advance(TimeDelta::minutes(5));
    bea.delete(&path).await.expect(204);
    assert_eq!(app.audit_trail().await.last().unwrap(), "clinician emergency_access.end success");
    assert_sees(&bea, &on, 404).await;
    assert!(names(&bea, "/api/v1/patients").await.is_empty());
    bea.delete(&path).await.expect(404);
    let list = format!("/api/v1/patients/{}/emergency-accesses", on.patient);
    let item = clinician.get(&list).await.ok()["items"][0].clone();
    assert_eq!(item["ended_at"], "2026-06-01T12:05:00Z");
    assert_eq!(item["expires_at"], "2026-06-01T13:00:00Z");

    // It is no bar to opening the record again.
    bea.post(EMERGENCIES, emergency("M-1")).await.created();
    assert_sees(&bea, &on, 200).await;
}

#[tokio::test]
async fn guessing_numbers_gets_slower_and_is_on_record() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let (bea, _) = colleague(&app, "Bea").await;
    access::fixture(&clinician, "M-1", false).await;
    bea.post(EMERGENCIES, emergency("M-1")).await.expect(409);
    confine(&app).await;
    clinician.post(EMERGENCIES, emergency("M-1")).await.expect(409);
    let faults = bea.post(EMERGENCIES, json!({ "mrn": " ", "reason": "\n " })).await.faults();
    assert!(faults.contains_key("/mrn") && faults.contains_key("/reason"));
    for guess in 0..4 {
        let faults = bea.post(EMERGENCIES, emergency(&format!("G-{guess}"))).await.faults();
        assert!(faults.contains_key("/mrn"));
        // A right number in between forgives no wrong one.
        bea.post(EMERGENCIES, emergency("M-1")).await.created();
    }
    bea.post(EMERGENCIES, emergency("G-5")).await.expect(422);
    let wait = bea.post(EMERGENCIES, emergency("G-6")).await;
    assert!(wait.header("retry-after").is_some());
    wait.expect(429);
    let trail = app.audit_trail().await;
    let refused = "clinician emergency_access.open refused";
    assert_eq!(trail.iter().filter(|line| *line == refused).count(), 5);
    assert_eq!(app.audit_details("emergency_access.open").await["mrn"], "G-5");
}

#[tokio::test]
async fn of_two_hand_overs_at_once_one_is_too_late() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let (bea, bea_id) = colleague(&app, "Bea").await;
    let (cleo, cleo_id) = colleague(&app, "Cleo").await;
    let on = access::fixture(&clinician, "M-1", false).await;
    confine(&app).await;
    let path = format!("{}/hand-over", team_of(&on));
    let (first, second) = tokio::join!(
        clinician.post(&path, member(&bea_id)),
        clinician.post(&path, member(&cleo_id))
    );
    let mut answers = [first.status.as_u16(), second.status.as_u16()];
    answers.sort_unstable();
    assert_eq!(answers, [200, 404]);
    let winner = if first.status.as_u16() == 200 { &bea } else { &cleo };
    assert_eq!(names(winner, &team_of(&on)).await.len(), 1, "one team, one member");
}

#[tokio::test]
async fn two_members_who_leave_at_once_do_not_leave_the_patient_alone() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let (bea, bea_id) = colleague(&app, "Bea").await;
    let on = access::fixture(&clinician, "M-1", false).await;
    let (team, own) = (team_of(&on), me(&clinician).await);
    clinician.post(&team, member(&bea_id)).await.created();
    confine(&app).await;
    let (own, bea_path) = (format!("{team}/{own}"), format!("{team}/{bea_id}"));
    let (first, second) = tokio::join!(clinician.delete(&own), bea.delete(&bea_path));
    let mut answers = [first.status.as_u16(), second.status.as_u16()];
    answers.sort_unstable();
    assert_eq!(answers, [204, 409]);
}

#[tokio::test]
async fn a_repeated_request_shows_nothing_that_is_out_of_sight_by_now() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let (_, bea_id) = colleague(&app, "Bea").await;
    let (_, cleo_id) = colleague(&app, "Cleo").await;
    let on = access::ready(&app, &clinician, "create_prediction", "M-1").await;
    let under = |rest: &str| format!("/api/v1/patients/{}/{rest}", on.patient);
    let therapy = json!({ "kind": "esa", "started_on": "2026-01-01" });
    let repeat = async || {
        let upload = clinician.request("POST", &under("documents")).header("idempotency-key", "d");
        let answers = [
            clinician.post_once("t", &under("therapies"), therapy.clone()).await,
            clinician.post_once("c", &under("care-team"), member(&cleo_id)).await,
            clinician.post_once("p", &under("predictions"), json!({})).await,
            clinician.send(with_parts(upload, &[("file", None, PDF)])).await,
        ];
        answers.map(|answer| answer.status.as_u16())
    };
    assert_eq!(repeat().await, [201, 201, 202, 201]);
    confine(&app).await;
    assert_eq!(repeat().await, [201, 201, 202, 201]);
    clinician.post(&format!("{}/hand-over", team_of(&on)), member(&bea_id)).await.ok();
    assert_eq!(repeat().await, [404; 4]);
}

#[tokio::test]
async fn a_stream_ends_when_its_reader_leaves_the_team() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let (_, bea_id) = colleague(&app, "Bea").await;
    let on = access::fixture(&clinician, "M-1", false).await;
    confine(&app).await;
    let events = format!("/api/v1/predictions/{}/events", on.prediction);
    let follower = clinician.clone();
    let stream = tokio::spawn(async move { follower.get(&events).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    clinician.post(&format!("{}/hand-over", team_of(&on)), member(&bea_id)).await.ok();
    backend::jobs::predict::drain(&app.state).await.unwrap();
    let seen = timeout(Duration::from_secs(20), stream).await.unwrap().unwrap();
    let seen = seen.expect(200).as_str().unwrap().to_owned();
    assert!(seen.contains("queued") && !seen.contains("succeeded"), "{seen}");
}

#[tokio::test]
async fn colleagues_are_names_and_nothing_more() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    colleague(&app, "Bea").await;
    let (_, gone) = colleague(&app, "Abel").await;
    let admin = app.sign_in(Role::Administrator).await;
    admin.delete(&format!("/api/v1/users/{gone}")).await.expect(204);
    confine(&app).await;
    assert_eq!(names(&clinician, "/api/v1/colleagues").await, ["Bea", "Test Clinician"]);
    assert_eq!(names(&clinician, "/api/v1/colleagues?q=BE").await, ["Bea"]);
    let page = clinician.get("/api/v1/colleagues?limit=1").await.ok();
    let fields: Vec<_> = page["items"][0].as_object().unwrap().keys().cloned().collect();
    assert_eq!(fields.len(), 2, "{fields:?}");
    let next = format!("/api/v1/colleagues?cursor={}", page["next_cursor"].as_str().unwrap());
    assert_eq!(names(&clinician, &next).await, ["Test Clinician"]);
}

#[tokio::test]
async fn another_role_takes_the_sight_away() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let (_, bea_id) = colleague(&app, "Bea").await;
    let on = access::fixture(&clinician, "M-1", false).await;
    clinician.post(&team_of(&on), member(&bea_id)).await.created();
    confine(&app).await;
    let admin = app.sign_in(Role::Administrator).await;
    let user = format!("/api/v1/users/{bea_id}");
    admin.patch(&user, 1, json!({ "role": "researcher" })).await.ok();
    let credentials = json!({ "email": "bea@example.org", "password": PASSWORD });
    let bea = app.anonymous().post("/api/v1/auth/login", credentials).await.signed_in(&app);
    assert_sees(&bea, &on, 403).await;
    let team = clinician.get(&team_of(&on)).await.ok();
    assert_eq!(team["members"][1]["active"], false);
    let own = format!("{}/{}", team_of(&on), me(&clinician).await);
    clinician.delete(&own).await.expect(409);
}
