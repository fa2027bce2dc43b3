//! Signing in, staying signed in, signing out.

use axum::{body::Body, http::header};
use chrono::TimeDelta;
use serde_json::{Value, json};
use shared::access::Role;

use crate::support::{Client, PASSWORD, TestApp, email, with_json};

async fn refresh(client: &mut Client) -> u16 {
    let request = client.request("POST", "/api/v1/auth/refresh").body(Body::empty()).unwrap();
    let answer = client.send(request).await;
    if let Some(cookie) = answer.refresh_cookie() {
        client.cookie = Some(cookie);
        client.token = answer.body["access_token"].as_str().map(str::to_owned);
    }
    answer.status.as_u16()
}

#[tokio::test]
async fn signing_in_gives_a_token_a_user_and_a_hardened_cookie() {
    let app = TestApp::new().await;
    let credentials = json!({ "email": " Clinician@Example.org ", "password": PASSWORD });
    let answer = app.anonymous().post("/api/v1/auth/login", credentials).await;

    let cookie = answer.header("set-cookie").unwrap().to_owned();
    assert!(cookie.starts_with("__Host-nephrocast-refresh="), "{cookie}");
    for attribute in ["HttpOnly", "Secure", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(answer.header("x-request-id").is_some());
    let body = answer.ok();
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 900);
    assert_eq!(body["user"]["role"], "clinician");
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_account_are_told_apart_by_nothing() {
    let app = TestApp::new().await;
    let try_with = async |email: &str, password: &str| {
        let credentials = json!({ "email": email, "password": password });
        let mut answer = app.anonymous().post("/api/v1/auth/login", credentials).await;
        answer.body["instance"].take();
        (answer.status, answer.body)
    };
    let wrong_password = try_with("clinician@example.org", "not the password").await;
    let unknown = try_with("nobody@example.org", PASSWORD).await;
    assert_eq!(wrong_password, unknown);
    assert_eq!(unknown.1["type"], "/problems/wrong-credentials");
    let refused: i64 = sqlx::query_scalar(
        "select count(*) from audit_events where action = 'session.sign_in' and outcome = 'refused'",
    )
    .fetch_one(&app.db)
    .await
    .unwrap();
    assert_eq!(refused, 2);
}

#[tokio::test]
async fn every_faulty_field_of_a_sign_in_is_named_at_once() {
    let app = TestApp::new().await;
    let body = json!({ "email": "", "passwort": "x" });
    let faults = app.anonymous().post("/api/v1/auth/login", body).await.faults();
    let mut pointers: Vec<_> = faults.keys().map(String::as_str).collect();
    pointers.sort_unstable();
    assert_eq!(pointers, ["/email", "/password", "/passwort"]);
}

#[tokio::test]
async fn a_body_that_is_no_json_says_where() {
    let app = TestApp::new().await;
    let client = app.anonymous();
    let request = client.request("POST", "/api/v1/auth/login");
    let request = request.header(header::CONTENT_TYPE, "application/json");
    let answer = client.send(request.body(Body::from("{\"email\": ")).unwrap()).await;
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert!(answer.expect(400)["detail"].as_str().unwrap().contains("line 1"));

    let request = client.request("POST", "/api/v1/auth/login");
    let request = request.header(header::CONTENT_TYPE, "text/plain");
    client.send(request.body(Body::from("{}")).unwrap()).await.expect(415);
}

#[tokio::test]
async fn an_access_token_ends_after_a_quarter_of_an_hour_and_the_cookie_renews_it() {
    let app = TestApp::new().await;
    let mut client = app.sign_in(Role::Clinician).await;
    client.get("/api/v1/me").await.ok();

    app.clock.advance(TimeDelta::minutes(16));
    client.get("/api/v1/me").await.expect(401);
    assert_eq!(refresh(&mut client).await, 200);
    assert_eq!(client.get("/api/v1/me").await.ok()["email"], "clinician@example.org");
}

#[tokio::test]
async fn a_session_ends_when_it_is_idle_and_in_any_case_after_its_limit() {
    let app = TestApp::new().await;
    let mut idle = app.sign_in(Role::Clinician).await;
    let mut busy = app.sign_in(Role::Clinician).await;
    for _ in 0..28 {
        app.clock.advance(TimeDelta::minutes(25));
        assert_eq!(refresh(&mut busy).await, 200);
    }
    assert_eq!(refresh(&mut idle).await, 401);
    app.clock.advance(TimeDelta::minutes(25));
    assert_eq!(refresh(&mut busy).await, 401, "twelve hours are over");
}

#[tokio::test]
async fn a_session_is_idle_from_its_last_use_not_from_its_last_renewal() {
    let app = TestApp::new().await;
    let mut client = app.sign_in(Role::Clinician).await;
    app.clock.advance(TimeDelta::minutes(14));
    client.get("/api/v1/me").await.ok();
    app.clock.advance(TimeDelta::minutes(25));
    assert_eq!(refresh(&mut client).await, 200);
}

#[tokio::test]
async fn a_refresh_token_used_twice_ends_the_session() {
    let app = TestApp::new().await;
    let mut owner = app.sign_in(Role::Clinician).await;
    let mut thief = owner.clone();

    assert_eq!(refresh(&mut owner).await, 200);
    app.clock.advance(TimeDelta::seconds(60));
    assert_eq!(refresh(&mut thief).await, 401);
    owner.get("/api/v1/me").await.expect(401);
    assert_eq!(refresh(&mut owner).await, 401);
    assert!(app.audit_trail().await.contains(&"clinician session.refresh refused".to_owned()));
}

#[tokio::test]
async fn a_lost_answer_may_be_asked_for_again_at_once() {
    let app = TestApp::new().await;
    let mut client = app.sign_in(Role::Clinician).await;
    let mut repeated = client.clone();
    assert_eq!(refresh(&mut client).await, 200);
    app.clock.advance(TimeDelta::seconds(5));
    assert_eq!(refresh(&mut repeated).await, 200);
    assert_eq!(refresh(&mut client).await, 200);
}

#[tokio::test]
async fn a_lost_answer_is_repeated_to_nobody_but_who_lost_it() {
    let app = TestApp::new().await;
    let mut client = app.sign_in(Role::Clinician).await;
    let thief = client.clone();
    assert_eq!(refresh(&mut client).await, 200);
    let request = thief
        .request("POST", "/api/v1/auth/refresh")
        .header(header::USER_AGENT, "another program")
        .body(Body::empty())
        .unwrap();
    assert_eq!(thief.send(request).await.status, 401);
    assert_eq!(refresh(&mut client).await, 401, "the family has ended");
}

#[tokio::test]
async fn signing_out_ends_the_session_at_once() {
    let app = TestApp::new().await;
    let mut client = app.sign_in(Role::Clinician).await;
    let other = app.sign_in(Role::Clinician).await;
    let answer = client.post("/api/v1/auth/logout", json!({})).await;
    assert!(answer.header("set-cookie").unwrap().contains("Max-Age=0"));
    answer.expect(204);
    client.get("/api/v1/me").await.expect(401);
    assert_eq!(refresh(&mut client).await, 401);
    other.get("/api/v1/me").await.ok();
}

#[tokio::test]
async fn a_deactivated_account_is_out_on_its_next_request() {
    let app = TestApp::new().await;
    let client = app.sign_in(Role::Clinician).await;
    sqlx::query("update users set active = false where role = 'clinician'")
        .execute(&app.db)
        .await
        .unwrap();
    client.get("/api/v1/me").await.expect(401);
    let credentials = json!({ "email": "clinician@example.org", "password": PASSWORD });
    client.post("/api/v1/auth/login", credentials).await.expect(401);
}

#[tokio::test]
async fn a_page_of_somebody_else_can_neither_use_the_cookie_nor_set_one() {
    let app = TestApp::new().await;
    let client = app.sign_in(Role::Clinician).await;
    let credentials = json!({ "email": email(Role::Clinician), "password": PASSWORD });
    let code = json!({ "challenge": "unknown", "code": "123456" });
    let from = async |origin: &str| {
        let ask = |path: &str, body: &Value| {
            let request = client.request("POST", &format!("/api/v1/auth/{path}"));
            let request = request.header(header::HOST, "nephrocast.example");
            client.send(with_json(request.header(header::ORIGIN, origin), body))
        };
        [
            ask("login", &credentials).await,
            ask("login/second-factor", &code).await,
            ask("refresh", &json!({})).await,
        ]
        .map(|answer| (answer.status.as_u16(), answer.refresh_cookie().is_some()))
    };
    assert_eq!(from("https://elsewhere.example").await, [(403, false); 3]);
    assert_eq!(from("null").await, [(403, false); 3]);
    let own = [(200, true), (401, false), (200, true)];
    assert_eq!(from("https://nephrocast.example").await, own);
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let app = TestApp::new().await;
    let client = app.anonymous();
    let large = json!({ "email": "x".repeat(300_000), "password": "x" });
    let request = client.request("POST", "/api/v1/auth/login");
    client.send(with_json(request, &large)).await.expect(413);
}
