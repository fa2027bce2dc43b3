//! The second factor: setting it up, signing in with it, losing it.

use std::sync::Arc;

use axum::body::Body;
use backend::{accounts, auth::vault::Vault, router::router};
use chrono::TimeDelta;
use serde_json::{Value, json};
use shared::access::{Role, Scope};
use totp_rs::{Algorithm, Secret, TOTP};

use crate::support::{Answer, Client, PASSWORD, TestApp, email, with_json};

const TOTP_PATH: &str = "/api/v1/auth/totp";
const STEP_TWO: &str = "/api/v1/auth/login/second-factor";

/// What the app on the telephone shows now.
fn code(app: &TestApp, secret: &str) -> String {
    let bytes = Secret::Encoded(secret.to_owned()).to_bytes().unwrap();
    let totp = TOTP::new(Algorithm::SHA1, 6, 0, 30, bytes, None, "somebody".to_owned()).unwrap();
    totp.generate(app.clock.now().timestamp().unsigned_abs())
}

/// Sets up a second factor; answers the secret and the recovery codes.
async fn enrol(app: &TestApp, client: &Client) -> (String, Vec<String>) {
    let begun = client.post(TOTP_PATH, json!({ "password": PASSWORD })).await.ok();
    let secret = begun["secret"].as_str().unwrap().to_owned();
    let code = code(app, &secret);
    let confirmed =
        client.post(&format!("{TOTP_PATH}/confirm"), json!({ "code": code })).await.ok();
    let codes = confirmed["recovery_codes"].as_array().unwrap();
    (secret, codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect())
}

async fn challenge(app: &TestApp, address: &'static str) -> String {
    let answer = app.try_at(address, &email(Role::Clinician), PASSWORD).await;
    assert!(answer.refresh_cookie().is_none());
    let problem = answer.expect(401);
    assert_eq!(problem["type"], "/problems/second-factor-required");
    problem["challenge"].as_str().unwrap().to_owned()
}

async fn second(app: &TestApp, address: &'static str, challenge: &str, code: &str) -> Answer {
    let client = Client { address: Some(address), ..app.anonymous() };
    client.post(STEP_TWO, json!({ "challenge": challenge, "code": code })).await
}

const HOME: &str = "192.0.2.1";

#[tokio::test]
async fn signing_in_asks_for_a_code_that_is_good_once() {
    let app = TestApp::new().await;
    let client = app.sign_in(Role::Clinician).await;
    let (secret, _) = enrol(&app, &client).await;
    let stored: Vec<u8> =
        sqlx::query_scalar("select secret from second_factors").fetch_one(&app.db).await.unwrap();
    let bytes = Secret::Encoded(secret.clone()).to_bytes().unwrap();
    assert!(!stored.windows(8).any(|part| part == &bytes[..8]), "encrypted at rest");

    let first = challenge(&app, HOME).await;
    let used = code(&app, &secret);
    assert_eq!(second(&app, HOME, &first, &used).await.expect(401)["type"], "/problems/wrong-code");
    app.clock.advance(TimeDelta::seconds(30));
    let fresh = code(&app, &secret);
    second(&app, HOME, &first, &fresh).await.signed_in(&app).get("/api/v1/me").await.ok();
    second(&app, HOME, &first, &fresh).await.expect(401);
    let again = challenge(&app, HOME).await;
    second(&app, HOME, &again, &fresh).await.expect(401);
    let refused: i64 = sqlx::query_scalar(
        "select count(*) from audit_events
        where action = 'session.second_factor' and actor_id is not null",
    )
    .fetch_one(&app.db)
    .await
    .unwrap();
    assert_eq!(refused, 2, "the reused challenge belongs to nobody any more");
    let trail = app.audit_trail().await;
    assert!(trail.contains(&"clinician second_factor.confirm success".to_owned()), "{trail:?}");
    let signed_in: i64 = sqlx::query_scalar(
        "select count(*) from audit_events
        where action = 'session.sign_in' and outcome = 'success' and actor_role = 'clinician'",
    )
    .fetch_one(&app.db)
    .await
    .unwrap();
    assert_eq!(signed_in, 2, "before the second factor, and with it");
}

#[tokio::test]
async fn a_challenge_is_good_for_its_address_five_minutes_and_five_codes() {
    let app = TestApp::new().await;
    let client = app.sign_in(Role::Clinician).await;
    let (secret, _) = enrol(&app, &client).await;
    app.clock.advance(TimeDelta::minutes(1));
    let given = challenge(&app, HOME).await;
    let over = |answer: Answer| answer.expect(401)["type"] == "/problems/challenge-over";
    assert!(over(second(&app, "198.51.100.9", &given, &code(&app, &secret)).await));
    assert!(over(second(&app, HOME, "unknown", &code(&app, &secret)).await));
    app.clock.advance(TimeDelta::minutes(5));
    assert!(over(second(&app, HOME, &given, &code(&app, &secret)).await));

    let given = challenge(&app, HOME).await;
    for _ in 0..5 {
        second(&app, HOME, &given, "000000").await.expect(401);
    }
    assert!(over(second(&app, HOME, &given, &code(&app, &secret)).await));
    let trail = app.audit_trail().await;
    assert_eq!(trail.last().unwrap(), "nobody session.second_factor refused");
    let asked = trail.iter().filter(|line| line.contains("session.ask_second_factor success"));
    assert_eq!(asked.count(), 2, "whoever has the password and no code leaves a trace");
    // A fresh challenge does not give five more at once.
    let other = challenge(&app, "192.0.2.2").await;
    second(&app, "192.0.2.2", &other, &code(&app, &secret)).await.expect(429);
    let details = app.audit_details("session.second_factor").await;
    assert_eq!(details["reason"], "too many failures");
    app.clock.advance(TimeDelta::seconds(31));
    second(&app, "192.0.2.2", &other, &code(&app, &secret)).await.ok();
}

#[tokio::test]
async fn a_recovery_code_is_good_once() {
    let app = TestApp::new().await;
    let client = app.sign_in(Role::Clinician).await;
    let (_, codes) = enrol(&app, &client).await;
    assert_eq!(codes.len(), 10);
    let first = challenge(&app, HOME).await;
    let recovered = second(&app, HOME, &first, &codes[3].to_uppercase()).await.signed_in(&app);
    assert_eq!(recovered.get(TOTP_PATH).await.ok()["recovery_codes_left"], 9);
    let again = challenge(&app, HOME).await;
    second(&app, HOME, &again, &codes[3]).await.expect(401);
    second(&app, HOME, &again, &codes[4]).await.ok();
}

#[tokio::test]
async fn fresh_recovery_codes_take_the_place_of_the_earlier_ones() {
    const RENEW: &str = "/api/v1/auth/totp/recovery-codes";
    let app = TestApp::new().await;
    let client = app.sign_in(Role::Clinician).await;
    client.post(RENEW, json!({ "password": PASSWORD })).await.expect(409);
    let (_, earlier) = enrol(&app, &client).await;
    let wrong = client.post(RENEW, json!({ "password": "not the password" })).await;
    assert!(wrong.faults().contains_key("/password"));
    let renewed = client.post(RENEW, json!({ "password": PASSWORD })).await.ok();
    let fresh = renewed["recovery_codes"].as_array().unwrap();
    assert_eq!(fresh.len(), 10);
    assert!(
        app.audit_trail().await.contains(&"clinician second_factor.renew_codes success".to_owned())
    );

    let begun = challenge(&app, HOME).await;
    second(&app, HOME, &begun, &earlier[0]).await.expect(401);
    second(&app, HOME, &begun, fresh[0].as_str().unwrap()).await.ok();
}

#[tokio::test]
async fn setting_up_needs_the_password_and_a_right_code() {
    let app = TestApp::new().await;
    let client = app.sign_in(Role::Clinician).await;
    let refused = client.post(TOTP_PATH, json!({ "password": "wrong" })).await.faults();
    assert!(refused.contains_key("/password"));
    client.post(&format!("{TOTP_PATH}/confirm"), json!({ "code": "123456" })).await.expect(409);
    let begun = client.post(TOTP_PATH, json!({ "password": PASSWORD })).await.ok();
    assert!(begun["uri"].as_str().unwrap().starts_with("otpauth://totp/Nephrocast:clinician"));
    assert!(begun["qr_svg"].as_str().unwrap().contains("<svg"));
    let wrong = client.post(&format!("{TOTP_PATH}/confirm"), json!({ "code": "no" })).await;
    assert!(wrong.faults().contains_key("/code"));
    let trail = app.audit_trail().await;
    assert_eq!(trail.last().unwrap(), "clinician second_factor.confirm refused");
    app.sign_in(Role::Clinician).await;

    enrol(&app, &client).await;
    client.post(TOTP_PATH, json!({ "password": PASSWORD })).await.expect(409);
    let standing = client.get(TOTP_PATH).await.ok();
    assert_eq!(standing, json!({ "enabled": true, "required": false, "recovery_codes_left": 10 }));
}

async fn remove(client: &Client, proof: Value) -> Answer {
    client.send(with_json(client.request("DELETE", TOTP_PATH), &proof)).await
}

#[tokio::test]
async fn removing_needs_the_password_or_a_code() {
    let app = TestApp::new().await;
    let client = app.sign_in(Role::Clinician).await;
    let (secret, _) = enrol(&app, &client).await;
    remove(&client, json!({})).await.expect(422);
    remove(&client, json!({ "password": "wrong" })).await.expect(422);
    remove(&client, json!({ "code": code(&app, &secret) })).await.expect(422);
    let trail = app.audit_trail().await;
    let refused = "clinician second_factor.remove refused";
    assert_eq!(trail[trail.len() - 2..], ["clinician password.check refused", refused]);
    app.clock.advance(TimeDelta::seconds(60));
    remove(&client, json!({ "code": code(&app, &secret) })).await.expect(204);
    app.sign_in(Role::Clinician).await;
    enrol(&app, &client).await;
    remove(&client, json!({ "password": PASSWORD })).await.expect(204);
}

#[tokio::test]
async fn a_role_that_needs_one_does_nothing_else_until_it_is_set_up() {
    let app = TestApp::new().await;
    let administrator = app.sign_in(Role::Administrator).await;
    let mut clinician = app.sign_in(Role::Clinician).await;
    let program = clinician.token(&[Scope::PatientsRead]).await;
    program.get("/api/v1/patients").await.ok();
    let required = json!({ "second_factor_required": ["clinician"] });
    administrator.patch("/api/v1/settings", 1, required).await.ok();
    let refused = clinician.get("/api/v1/patients").await.expect(403);
    assert_eq!(refused["type"], "/problems/second-factor-enrolment-required");
    assert_eq!(app.audit_trail().await.last().unwrap(), "clinician request.refuse refused");
    let refused = program.get("/api/v1/patients").await.expect(403);
    assert_eq!(refused["type"], "/problems/second-factor-enrolment-required");
    clinician.get("/api/v1/me").await.ok();
    administrator.get("/api/v1/patients").await.ok();
    let terms = refresh(&mut clinician).await;
    assert_eq!(terms["session"]["must_enrol"], true);

    enrol(&app, &clinician).await;
    clinician.get("/api/v1/patients").await.ok();
    program.get("/api/v1/patients").await.ok();
    assert_eq!(refresh(&mut clinician).await["session"]["must_enrol"], false);
    let id = clinician.get("/api/v1/me").await.ok()["id"].as_str().unwrap().to_owned();
    let lost = format!("/api/v1/users/{id}/totp");
    administrator.delete(&lost).await.expect(204);
    clinician.get("/api/v1/patients").await.expect(403);
    app.sign_in(Role::Clinician).await;
}

#[tokio::test]
async fn a_replaced_key_can_go_once_a_server_has_started_with_the_new_one() {
    let mut app = TestApp::new().await;
    let client = app.sign_in(Role::Clinician).await;
    let (secret, _) = enrol(&app, &client).await;
    app.clock.advance(TimeDelta::minutes(1));
    let old = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    let new = "100102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    let both = Vault::new(&format!("{new}\n{old}")).unwrap();
    accounts::reseal(&app.db, &both).await.unwrap();

    let vault = Arc::new(Vault::new(new).unwrap());
    let after = app.state.with(|state| state.vault = vault);
    app.router = router(after);
    let given = challenge(&app, HOME).await;
    second(&app, HOME, &given, &code(&app, &secret)).await.ok();
}

#[tokio::test]
async fn recovery_codes_are_good_when_the_key_that_sealed_the_secret_is_gone() {
    let mut app = TestApp::new().await;
    let client = app.sign_in(Role::Clinician).await;
    let (secret, codes) = enrol(&app, &client).await;
    app.clock.advance(TimeDelta::minutes(1));
    let new = "100102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    let vault = Arc::new(Vault::new(new).unwrap());
    let after = app.state.with(|state| state.vault = vault);
    app.router = router(after);
    let given = challenge(&app, HOME).await;
    let refused = second(&app, HOME, &given, &code(&app, &secret)).await.expect(401);
    assert_eq!(refused["type"], "/problems/wrong-code");
    second(&app, HOME, &given, &codes[0]).await.ok();
}

#[tokio::test]
async fn a_reset_of_the_password_ends_what_the_old_one_began() {
    let app = TestApp::new().await;
    let client = app.sign_in(Role::Clinician).await;
    let (_, codes) = enrol(&app, &client).await;
    let begun = challenge(&app, HOME).await;
    let administrator = app.sign_in(Role::Administrator).await;
    let id = client.get("/api/v1/me").await.ok()["id"].as_str().unwrap().to_owned();
    let reset = format!("/api/v1/users/{id}/password-reset");
    administrator.post(&reset, json!({})).await.ok();
    let over = second(&app, HOME, &begun, &codes[0]).await.expect(401);
    assert_eq!(over["type"], "/problems/challenge-over");
}

async fn refresh(client: &mut Client) -> Value {
    let request = client.request("POST", "/api/v1/auth/refresh").body(Body::empty()).unwrap();
    let answer = client.send(request).await;
    client.cookie = answer.refresh_cookie();
    let body = answer.ok();
    client.token = body["access_token"].as_str().map(str::to_owned);
    body
}
