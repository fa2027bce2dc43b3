//! Changing one's own password, and one's own sessions.

use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, Version};
use chrono::TimeDelta;
use serde_json::json;
use shared::access::Role;

use crate::support::{PASSWORD, TestApp, email};

const CHANGE: &str = "/api/v1/auth/password";
const SESSIONS: &str = "/api/v1/auth/sessions";
const NEW_PASSWORD: &str = "seven lazy otters juggle";

#[tokio::test]
async fn a_change_needs_the_current_password_and_ends_the_other_sessions() {
    let app = TestApp::new().await;
    let here = app.sign_in(Role::Clinician).await;
    let there = app.sign_in(Role::Clinician).await;
    let change = |current: &str, new: &str| {
        here.post(CHANGE, json!({ "current_password": current, "new_password": new }))
    };
    assert!(change("wrong", NEW_PASSWORD).await.faults().contains_key("/current_password"));
    assert!(change(PASSWORD, "clinician").await.faults().contains_key("/new_password"));
    assert!(change(PASSWORD, PASSWORD).await.faults().contains_key("/new_password"));
    there.get("/api/v1/me").await.ok();

    change(PASSWORD, NEW_PASSWORD).await.expect(204);
    here.get("/api/v1/me").await.ok();
    there.get("/api/v1/me").await.expect(401);
    app.try_at("192.0.2.1", &email(Role::Clinician), PASSWORD).await.expect(401);
    app.try_at("192.0.2.1", &email(Role::Clinician), NEW_PASSWORD).await.ok();
    assert_eq!(app.audit_details("password.change").await, json!({ "ended_sessions": 1 }));
}

#[tokio::test]
async fn guessing_the_current_password_in_a_session_slows_down_that_session_only() {
    let app = TestApp::new().await;
    let here = app.sign_in(Role::Clinician).await;
    let wrong = json!({ "current_password": "wrong", "new_password": NEW_PASSWORD });
    for _ in 0..5 {
        here.post(CHANGE, wrong.clone()).await.expect(422);
    }
    let answer = here.post(CHANGE, wrong).await;
    assert_eq!(answer.header("retry-after"), Some("31"));
    answer.expect(429);
    app.sign_in(Role::Clinician).await.get("/api/v1/me").await.ok();
}

#[tokio::test]
async fn the_same_characters_are_the_same_password_however_they_are_composed() {
    let app = TestApp::new().await;
    let here = app.sign_in(Role::Clinician).await;
    let new = json!({ "current_password": PASSWORD, "new_password": "sieben mu\u{308}de Ottern" });
    here.post(CHANGE, new).await.expect(204);
    app.try_at("192.0.2.1", &email(Role::Clinician), "sieben müde Ottern").await.ok();
}

#[tokio::test]
async fn a_weak_hash_is_replaced_at_the_next_sign_in() {
    let app = TestApp::new().await;
    let params = Params::new(8 * 1024, 1, 1, None).unwrap();
    let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let salt = argon2::password_hash::SaltString::encode_b64(b"sixteen bytes...").unwrap();
    let weak = weak.hash_password(PASSWORD.as_bytes(), &salt).unwrap().to_string();
    sqlx::query("update users set password_hash = $1 where role = 'clinician'")
        .bind(&weak)
        .execute(&app.db)
        .await
        .unwrap();
    app.sign_in(Role::Clinician).await;
    let hash: String =
        sqlx::query_scalar("select password_hash from users where role = 'clinician'")
            .fetch_one(&app.db)
            .await
            .unwrap();
    assert!(hash.contains("m=19456,t=2"), "{hash}");
    app.sign_in(Role::Clinician).await;
}

#[tokio::test]
async fn sessions_are_listed_and_ended_by_their_owner() {
    let app = TestApp::new().await;
    let here = app.sign_in(Role::Clinician).await;
    app.clock.advance(TimeDelta::minutes(1));
    let there = app.try_at("192.0.2.7", &email(Role::Clinician), PASSWORD).await.signed_in(&app);
    let listed = here.get(SESSIONS).await.ok()["items"].clone();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_eq!(listed[0]["address"], "192.0.2.7");
    assert_eq!((&listed[0]["current"], &listed[1]["current"]), (&json!(false), &json!(true)));
    let other = format!("{SESSIONS}/{}", listed[0]["id"].as_str().unwrap());
    app.sign_in(Role::Researcher).await.delete(&other).await.expect(404);
    there.get("/api/v1/me").await.ok();

    here.delete(&other).await.expect(204);
    let trail = app.audit_trail().await;
    assert!(trail.last().is_some_and(|last| last.ends_with("session.revoke success")), "{trail:?}");
    there.get("/api/v1/me").await.expect(401);
    here.delete(&other).await.expect(404);
    let (third, fourth) = (app.sign_in(Role::Clinician).await, app.sign_in(Role::Clinician).await);
    here.delete(SESSIONS).await.expect(204);
    for ended in [third, fourth] {
        ended.get("/api/v1/me").await.expect(401);
    }
    assert_eq!(here.get(SESSIONS).await.ok()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn nobody_gives_themselves_another_role() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let body = json!({ "current_password": PASSWORD, "new_password": NEW_PASSWORD,
        "role": "administrator" });
    assert!(clinician.post(CHANGE, body).await.faults().contains_key("/role"));
    let id = clinician.get("/api/v1/me").await.ok()["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/users/{id}");
    clinician.patch(&path, 1, json!({ "role": "administrator" })).await.expect(403);
    clinician.patch("/api/v1/me", 1, json!({ "role": "administrator" })).await.expect(405);
    assert_eq!(clinician.get("/api/v1/me").await.ok()["role"], "clinician");
}
