//! How often callers may ask.

use std::{task::Poll, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{Request, header},
};
use backend::limits::Rates;
use chrono::TimeDelta;
use futures::{poll, stream};
use serde_json::json;
use shared::access::{Role, Scope};
use tokio::{task::JoinSet, time::sleep};

use crate::{
    access::fixture,
    support::{Answer, Client, PASSWORD, PDF, TestApp, with_json},
};

async fn sign_in(client: &Client, email: &str, password: &str, address: &str) -> Answer {
    let request = client.request("POST", "/api/v1/auth/login").header("x-forwarded-for", address);
    client.send(with_json(request, &json!({ "email": email, "password": password }))).await
}

#[tokio::test]
async fn the_sixth_wrong_password_in_a_minute_is_not_looked_at() {
    let app = TestApp::limited(Rates::default()).await;
    let client = app.anonymous();
    let attempt = async |password: &str, address: &str| {
        sign_in(&client, "clinician@example.org", password, address).await
    };
    for left in (0..5).rev() {
        let answer = attempt("wrong", "192.0.2.1").await;
        assert_eq!(answer.header("ratelimit-policy"), Some("\"sign-in\";q=5;w=60"));
        assert!(answer.header("ratelimit").unwrap().contains(&format!(";r={left};")));
        answer.expect(401);
    }
    let refused = attempt(PASSWORD, "192.0.2.1").await;
    assert_eq!(refused.header("retry-after"), Some("12"));
    assert_eq!(refused.expect(429)["type"], "/problems/too-many-requests");
    let details = app.audit_details("session.sign_in").await;
    assert_eq!(details["reason"], "too many failures");

    // Nobody can lock the person out from elsewhere, nor for long.
    attempt(PASSWORD, "192.0.2.2").await.ok();
    // The delay that the database keeps is longer than the minute's rate.
    app.clock.advance(TimeDelta::seconds(31));
    attempt(PASSWORD, "192.0.2.1").await.ok();
}

#[tokio::test]
async fn signing_in_rightly_uses_nothing_up() {
    let app = TestApp::limited(Rates::default()).await;
    let client = app.anonymous();
    for _ in 0..8 {
        sign_in(&client, "clinician@example.org", PASSWORD, "192.0.2.1").await.ok();
    }
}

#[tokio::test]
async fn an_account_that_does_not_exist_is_limited_in_the_same_way() {
    let app = TestApp::limited(Rates::default()).await;
    let client = app.anonymous();
    let mut statuses = Vec::new();
    for email in ["clinician@example.org", "nobody@example.org"] {
        for _ in 0..6 {
            statuses.push(sign_in(&client, email, "wrong", "192.0.2.1").await.status.as_u16());
        }
    }
    assert_eq!(statuses[..6], statuses[6..]);
}

#[tokio::test]
async fn an_account_and_its_token_have_allowances_of_their_own() {
    let rates = Rates { account: 3, token: 2, ..Rates::DEMO };
    let app = TestApp::limited(rates).await;
    let clinician = app.sign_in(Role::Clinician).await;
    let program = clinician.token(&[Scope::PatientsRead]).await;
    let second_device = app.sign_in(Role::Clinician).await;

    clinician.get("/api/v1/me").await.ok();
    let last = second_device.get("/api/v1/me").await;
    assert_eq!(last.header("ratelimit-policy"), Some("\"account\";q=3;w=60"));
    assert_eq!(last.header("ratelimit"), Some("\"account\";r=0;t=60"));
    last.ok();
    let refused = clinician.get("/api/v1/me").await;
    assert_eq!(refused.header("retry-after"), Some("20"));
    refused.expect(429);

    program.get("/api/v1/patients").await.ok();
    let last = program.get("/api/v1/patients").await;
    assert_eq!(last.header("ratelimit"), Some("\"token\";r=0;t=60"));
    program.get("/api/v1/patients").await.expect(429);
    app.sign_in(Role::Administrator).await.get("/api/v1/me").await.ok();

    app.clock.advance(TimeDelta::seconds(60));
    clinician.get("/api/v1/me").await.ok();
    program.get("/api/v1/patients").await.ok();
}

#[tokio::test]
async fn an_address_is_limited_whoever_asks_and_health_is_not() {
    let app = TestApp::limited(Rates { address: 4, ..Rates::DEMO }).await;
    let client = app.anonymous();
    let ask = async |path: &str, address: &str| {
        let request = client.request("GET", path).header("x-forwarded-for", address);
        client.send(request.body(Body::empty()).unwrap()).await.status.as_u16()
    };
    for _ in 0..4 {
        assert_eq!(ask("/api/v1/me", "192.0.2.1").await, 401);
    }
    assert_eq!(ask("/api/v1/me", "192.0.2.1").await, 429);
    assert_eq!(ask("/api/v1/nothing", "192.0.2.1").await, 429);
    assert_eq!(ask("/healthz", "192.0.2.1").await, 204);
    assert_eq!(ask("/api/v1/me", "192.0.2.2").await, 401);
}

/// Too much at once: nothing was done, and it is worth trying again.
#[track_caller]
fn assert_full(answer: Answer) {
    let seconds: u32 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    assert_eq!(answer.expect(503)["type"], "/problems/unavailable");
}

#[tokio::test]
async fn too_many_sign_ins_at_once_are_told_to_come_back() {
    let app = TestApp::new().await;
    let credentials = json!({ "email": "clinician@example.org", "password": PASSWORD });
    let sign_in = async || app.anonymous().post("/api/v1/auth/login", credentials.clone()).await;
    let mut waiting = Vec::new();
    loop {
        let mut next = Box::pin(app.state.hasher.verify("wrong".to_owned(), None));
        match poll!(&mut next) {
            Poll::Pending => waiting.push(next),
            Poll::Ready(refused) => break assert!(refused.is_err()),
        }
        assert!(waiting.len() < 1000, "they are bounded");
    }
    assert_full(sign_in().await);
    // They gave up.
    drop(waiting);
    sign_in().await.ok();
}

#[tokio::test]
async fn too_many_documents_at_once_are_told_to_come_back() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let on = fixture(&clinician, "M-1", false).await;
    let list = format!("/api/v1/patients/{}/documents", on.patient);
    let id = clinician.get(&list).await.ok()["items"][0]["id"].as_str().unwrap().to_owned();
    let content = format!("/api/v1/documents/{id}/content");
    let mut places = Vec::new();
    while let Ok(place) = app.state.documents.place().await {
        places.push(place);
        assert!(places.len() < 100, "they are bounded");
    }
    assert_full(clinician.get(&content).await);
    assert_full(clinician.upload(&on.patient, &[("file", None, PDF)]).await);
    drop(places);
    clinician.get(&content).await.ok();
}

#[tokio::test]
async fn too_many_imports_at_once_are_told_to_come_back() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let import = |body: Body| -> Request<Body> {
        let request = clinician.request("POST", "/api/v1/patients/import");
        request.header(header::CONTENT_TYPE, "text/csv").body(body).unwrap()
    };
    let small = || import("mrn,sex\n".into());
    let mut endless = JoinSet::new();
    for _ in 0..4 {
        let body = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        let (client, request) = (clinician.clone(), import(body));
        endless.spawn(async move { client.send(request).await });
    }
    let mut tries = 0;
    let refused = loop {
        let answer = clinician.send(small()).await;
        if answer.status.as_u16() == 503 {
            break answer;
        }
        answer.expect(422);
        tries += 1;
        assert!(tries < 500, "more than four files are worked on");
        sleep(Duration::from_millis(10)).await;
    };
    assert_full(refused);
    endless.shutdown().await;
    clinician.send(small()).await.expect(422);
}
