//! API tokens: made, used, revoked.

use axum::body::Body;
use chrono::TimeDelta;
use serde_json::json;
use shared::access::{Role, Scope};
use uuid::Uuid;

use crate::support::{Client, TestApp, new_token, start};

const TOKENS: &str = "/api/v1/tokens";

/// Makes a token: its id, and a client that uses it.
async fn made(client: &Client, scopes: &[Scope]) -> (String, Client) {
    let body = client.post(TOKENS, new_token(scopes)).await.created();
    let mut program = client.clone();
    program.cookie = None;
    program.token = Some(body["secret"].as_str().unwrap().to_owned());
    (body["token"]["id"].as_str().unwrap().to_owned(), program)
}

#[tokio::test]
async fn a_token_is_shown_once_and_kept_as_a_hash() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let body = clinician.post(TOKENS, new_token(&[Scope::PatientsRead])).await.created();
    let secret = body["secret"].as_str().unwrap();
    assert!(secret.starts_with("nct_") && secret.len() == 37, "{secret}");
    assert_eq!(body["token"]["owner"]["display_name"], "Test Clinician");
    assert_eq!(body["token"]["last_used_on"], json!(null));

    let listed = clinician.get(TOKENS).await.ok();
    assert_eq!(listed["items"], json!([body["token"]]));
    for table in ["api_tokens", "audit_events", "idempotency_keys"] {
        let query = format!("select coalesce(string_agg(t::text, ' '), '') from {table} t");
        let text: String =
            sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_one(&app.db).await.unwrap();
        assert!(!text.contains(&secret[4..]), "{table} holds the secret");
    }
    let details = app.audit_details("token.create").await;
    assert_eq!(details["scopes"], json!(["patients:read"]));
}

#[tokio::test]
async fn a_program_works_with_its_token_and_the_audit_log_names_it() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let (id, program) = made(&clinician, &[Scope::PatientsRead, Scope::PatientsWrite]).await;
    let patient = json!({ "mrn": "1", "given_name": "Ada", "family_name": "Testwell",
        "birth_date": "1960-01-01", "sex": "female" });
    let patient = program.post("/api/v1/patients", patient).await.created();
    let path = format!("/api/v1/patients/{}", patient["id"].as_str().unwrap());
    let request = program.request("GET", &path).header("x-forwarded-for", "192.0.2.7");
    program.send(request.body(Body::empty()).unwrap()).await.ok();

    let acted: Vec<(String, Option<Uuid>, Option<Uuid>)> = sqlx::query_as(
        "select action, token_id, session_id from audit_events
        where action like 'patient.%' order by id",
    )
    .fetch_all(&app.db)
    .await
    .unwrap();
    assert_eq!(acted.len(), 2);
    for (action, token, session) in acted {
        assert_eq!((token, session), (Some(id.parse().unwrap()), None), "{action}");
    }
    let listed = &clinician.get(TOKENS).await.ok()["items"][0];
    assert_eq!(listed["last_used_on"], "2026-06-01");
    assert_eq!(listed["last_used_address"], "192.0.2.7");
}

#[tokio::test]
async fn a_revoked_token_counts_no_more() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let (id, program) = made(&clinician, &[Scope::PatientsRead]).await;
    program.get("/api/v1/patients").await.ok();
    clinician.delete(&format!("{TOKENS}/{id}")).await.expect(204);
    program.get("/api/v1/patients").await.expect(401);
    clinician.delete(&format!("{TOKENS}/{id}")).await.expect(404);
    assert!(clinician.get(TOKENS).await.ok()["items"][0]["revoked_at"].is_string());
    assert!(app.audit_trail().await.contains(&"clinician token.revoke success".to_owned()));
}

#[tokio::test]
async fn a_token_ends_when_it_says() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let (_, program) = made(&clinician, &[Scope::PatientsRead]).await;
    app.clock.advance(TimeDelta::days(30) - TimeDelta::seconds(1));
    program.get("/api/v1/patients").await.ok();
    app.clock.advance(TimeDelta::seconds(1));
    program.get("/api/v1/patients").await.expect(401);
}

#[tokio::test]
async fn a_token_follows_its_owner() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let (_, program) = made(&clinician, &[Scope::PatientsRead, Scope::PatientsWrite]).await;
    let set = async |change: &'static str| {
        let query = format!("update users set {change} where email = 'clinician@example.org'");
        sqlx::query(sqlx::AssertSqlSafe(query)).execute(&app.db).await.unwrap();
    };
    let new = json!({ "mrn": "1", "given_name": "Ada", "family_name": "Testwell",
        "birth_date": "1960-01-01", "sex": "female" });
    set("role = 'administrator'").await;
    program.get("/api/v1/patients").await.ok();
    program.post("/api/v1/patients", new).await.expect(403);
    set("role = 'researcher'").await;
    program.get("/api/v1/patients").await.expect(403);
    set("role = 'patient'").await;
    program.get("/api/v1/patients").await.expect(403);
    set("role = 'clinician'").await;
    program.get("/api/v1/patients").await.ok();
    set("active = false").await;
    program.get("/api/v1/patients").await.expect(401);
}

#[tokio::test]
async fn every_fault_of_a_token_is_named() {
    let app = TestApp::new().await;
    let researcher = app.sign_in(Role::Researcher).await;
    let ask = async |name: &str, scopes: &[&str], days: i64| {
        let expires_at = start() + TimeDelta::days(days);
        let body = json!({ "name": name, "scopes": scopes, "expires_at": expires_at });
        researcher.post(TOKENS, body).await
    };
    let faults = ask("a\nb", &["summaries:read", "patients:read"], 366).await.faults();
    let mut pointers: Vec<_> = faults.keys().map(String::as_str).collect();
    pointers.sort_unstable();
    assert_eq!(pointers, ["/expires_at", "/name", "/scopes/1"]);
    assert!(ask("a", &["summaries:read"], 0).await.faults().contains_key("/expires_at"));
    assert!(
        ask("a", &["summaries:read", "summaries:read"], 1).await.faults().contains_key("/scopes/1")
    );
    assert!(ask("a", &[], 1).await.faults().contains_key("/scopes"));
    assert!(ask("a", &["users:write"], 1).await.faults().contains_key("/scopes/0"));
    ask("a", &["summaries:read"], 365).await.created();
    // An administrator gives away what administrators may: no writing.
    let administrator = app.sign_in(Role::Administrator).await;
    let body = new_token(&[Scope::PatientsRead, Scope::PatientsWrite]);
    assert!(administrator.post(TOKENS, body).await.faults().contains_key("/scopes/1"));
}

#[tokio::test]
async fn an_account_has_a_bounded_number_of_tokens() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let (first, _) = made(&clinician, &[Scope::PatientsRead]).await;
    for _ in 1..50 {
        made(&clinician, &[Scope::PatientsRead]).await;
    }
    clinician.post(TOKENS, new_token(&[Scope::PatientsRead])).await.expect(409);
    clinician.delete(&format!("{TOKENS}/{first}")).await.expect(204);
    made(&clinician, &[Scope::PatientsRead]).await;

    let first = clinician.get(&format!("{TOKENS}?limit=50")).await.ok();
    assert_eq!(first["items"].as_array().unwrap().len(), 50);
    let cursor = first["next_cursor"].as_str().unwrap();
    let last = clinician.get(&format!("{TOKENS}?limit=50&cursor={cursor}")).await.ok();
    assert_eq!(last["items"].as_array().unwrap().len(), 1);
    assert_eq!(last["next_cursor"], json!(null));
}

#[tokio::test]
async fn others_tokens_are_the_administrators_to_see_and_revoke() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let researcher = app.sign_in(Role::Researcher).await;
    let administrator = app.sign_in(Role::Administrator).await;
    let (id, program) = made(&clinician, &[Scope::PatientsRead]).await;
    let all = format!("{TOKENS}?everybody=true");

    researcher.get(&all).await.expect(403);
    let foreign = researcher.delete(&format!("{TOKENS}/{id}")).await.expect(404);
    let unknown = researcher.delete(&format!("{TOKENS}/{}", Uuid::nil())).await.expect(404);
    assert_eq!(foreign["detail"], unknown["detail"], "an outsider learns nothing");
    program.get("/api/v1/patients").await.ok();

    assert_eq!(administrator.get(TOKENS).await.ok()["items"], json!([]));
    assert_eq!(administrator.get(&all).await.ok()["items"][0]["owner"]["role"], "clinician");
    assert_eq!(app.audit_trail().await.last().unwrap(), "administrator token.list success");
    administrator.delete(&format!("{TOKENS}/{id}")).await.expect(204);
    program.get("/api/v1/patients").await.expect(401);
}

#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let (id, program) = made(&clinician, &[Scope::PatientsRead]).await;
    program.get("/api/v1/patients").await.ok();
    let caller = |role| backend::auth::Caller {
        user_id: shared::id::UserId(Uuid::nil()),
        role,
        shown: backend::auth::Shown::Token {
            id: shared::id::TokenId(id.parse().unwrap()),
            scopes: vec![Scope::PatientsRead],
        },
        patient_id: None,
        site: shared::access::SitePolicy {
            patients_see_risk: false,
            visibility: shared::access::Visibility::Organisation,
        },
        at: app.clock.now(),
        must_enrol: false,
        address: None,
    };
    assert!(caller(Role::Clinician).still_lives(&app.state).await);
    assert!(!caller(Role::Administrator).still_lives(&app.state).await, "the role has changed");
    let required = backend::auth::Caller { must_enrol: true, ..caller(Role::Clinician) };
    assert!(!required.still_lives(&app.state).await, "what is required has changed");
    clinician.delete(&format!("{TOKENS}/{id}")).await.expect(204);
    assert!(!caller(Role::Clinician).still_lives(&app.state).await);
}
