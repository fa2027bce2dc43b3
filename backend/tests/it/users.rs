//! Accounts, run by administrators.

use backend::accounts;
use chrono::TimeDelta;
use serde_json::{Value, json};
use shared::access::Role;

use crate::support::{Client, PASSWORD, TestApp, email};

const USERS: &str = "/api/v1/users";
const NEW_PASSWORD: &str = "seven lazy otters juggle";

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn token(link: &Value) -> String {
    link["path"].as_str().unwrap().strip_prefix("/set-password#").unwrap().to_owned()
}

async fn set(app: &TestApp, token: &str, password: &str) -> crate::support::Answer {
    let body = json!({ "token": token, "password": password });
    app.anonymous().post("/api/v1/auth/set-password", body).await
}

async fn id_of(administrator: &Client, role: Role) -> String {
    let page = administrator.get(&format!("{USERS}?q={}", email(role))).await.ok();
    text(&page["items"][0]["id"])
}

#[tokio::test]
async fn a_new_person_sets_a_password_with_a_link_that_is_good_once() {
    let app = TestApp::new().await;
    let administrator = app.sign_in(Role::Administrator).await;
    let new = json!({ "email": " Ada.Testwell@Example.org", "display_name": "Ada Testwell",
        "role": "clinician" });
    let answer = administrator.post(USERS, new).await;
    assert_eq!(answer.header("etag"), Some("\"1\""));
    let location = answer.header("location").unwrap().to_owned();
    let created = answer.created();
    assert_eq!(created["email"], "ada.testwell@example.org");
    assert_eq!(created["state"], "pending");
    let token = token(&created["password_link"]);
    assert_eq!(token.len(), 43, "256 bits");
    let stored: Vec<u8> =
        sqlx::query_scalar("select hash from password_links").fetch_one(&app.db).await.unwrap();
    assert_ne!(stored, token.as_bytes(), "the secret itself is not stored");

    assert!(set(&app, &token, "short").await.faults().contains_key("/password"));
    assert!(set(&app, &token, "ada testwell").await.faults()["/password"].contains("guess"));
    set(&app, &token, NEW_PASSWORD).await.expect(204);
    let used = set(&app, &token, "another long password here").await.faults();
    assert_eq!(used, set(&app, "unknown", NEW_PASSWORD).await.faults());

    let ada = app.try_at("192.0.2.1", "ada.testwell@example.org", NEW_PASSWORD).await;
    ada.signed_in(&app).get("/api/v1/patients").await.ok();
    let account = administrator.get(&location).await.ok();
    assert_eq!(account["state"], "active");
    assert!(account["last_sign_in_at"].is_string());
    let trail = app.audit_trail().await;
    assert_eq!(
        trail,
        [
            "administrator user.create success",
            "clinician password.set success",
            "nobody password.set refused",
            "nobody password.set refused",
            "clinician patient.list success"
        ]
    );
    let all: String = sqlx::query_scalar("select string_agg(details::text, ' ') from audit_events")
        .fetch_one(&app.db)
        .await
        .unwrap();
    assert!(!all.contains(&token) && !all.contains(NEW_PASSWORD));
}

#[tokio::test]
async fn a_link_ends_after_three_days_and_when_there_is_a_newer_one() {
    let app = TestApp::new().await;
    let administrator = app.sign_in(Role::Administrator).await;
    let id = id_of(&administrator, Role::Researcher).await;
    let reset = format!("{USERS}/{id}/password-reset");
    let first = token(&administrator.post(&reset, json!({})).await.ok());
    let second = token(&administrator.post(&reset, json!({})).await.ok());
    assert!(set(&app, &first, NEW_PASSWORD).await.faults().contains_key("/token"));
    app.clock.advance(TimeDelta::hours(72));
    assert!(set(&app, &second, NEW_PASSWORD).await.faults().contains_key("/token"));
}

#[tokio::test]
async fn a_link_is_withdrawn_with_its_account_and_does_not_come_back_with_it() {
    let app = TestApp::new().await;
    let administrator = app.sign_in(Role::Administrator).await;
    let path = format!("{USERS}/{}", id_of(&administrator, Role::Researcher).await);
    let reset = administrator.post(&format!("{path}/password-reset"), json!({})).await.ok();
    let (link, unknown) = (token(&reset), set(&app, "unknown", NEW_PASSWORD).await.faults());
    administrator.delete(&path).await.expect(204);
    assert_eq!(set(&app, &link, NEW_PASSWORD).await.faults(), unknown);
    let version = administrator.get(&path).await.ok()["version"].as_i64().unwrap();
    administrator.patch(&path, version, json!({ "active": true })).await.ok();
    assert_eq!(set(&app, &link, NEW_PASSWORD).await.faults(), unknown);
}

#[tokio::test]
async fn a_reset_ends_the_old_password_and_its_sessions_at_once() {
    let app = TestApp::new().await;
    let administrator = app.sign_in(Role::Administrator).await;
    let clinician = app.sign_in(Role::Clinician).await;
    let id = id_of(&administrator, Role::Clinician).await;
    let link = administrator.post(&format!("{USERS}/{id}/password-reset"), json!({})).await.ok();
    clinician.get("/api/v1/me").await.expect(401);
    app.try_at("192.0.2.1", &email(Role::Clinician), PASSWORD).await.expect(401);
    set(&app, &token(&link), NEW_PASSWORD).await.expect(204);
    app.try_at("192.0.2.1", &email(Role::Clinician), NEW_PASSWORD).await.ok();
}

#[tokio::test]
async fn a_repeated_creation_makes_one_account_and_keeps_no_secret() {
    let app = TestApp::new().await;
    let administrator = app.sign_in(Role::Administrator).await;
    let new = json!({ "email": "bea@example.org", "display_name": "Bea", "role": "researcher" });
    let first = administrator.post_once("key", USERS, new.clone()).await.created();
    let again = administrator.post_once("key", USERS, new.clone()).await.created();
    assert_eq!(first["id"], again["id"]);
    assert!(again["password_link"].is_null());
    let trail = app.audit_trail().await;
    assert_eq!(trail.last().unwrap(), "administrator request.repeat success");
    let kept: String = sqlx::query_scalar("select body::text from idempotency_keys")
        .fetch_one(&app.db)
        .await
        .unwrap();
    assert!(!kept.contains(&token(&first["password_link"])));
    assert!(administrator.post(USERS, new).await.faults()["/email"].contains("already"));
}

#[tokio::test]
async fn every_faulty_field_of_an_account_is_named() {
    let app = TestApp::new().await;
    let administrator = app.sign_in(Role::Administrator).await;
    let wrong = json!({ "email": "nobody", "display_name": " ", "role": "clinician",
        "patient_id": uuid::Uuid::nil() });
    let faults = administrator.post(USERS, wrong).await.faults();
    let mut pointers: Vec<_> = faults.keys().map(String::as_str).collect();
    pointers.sort_unstable();
    assert_eq!(pointers, ["/display_name", "/email", "/patient_id"]);
    let own = json!({ "email": "a@example.org", "display_name": "A", "role": "researcher",
        "password_hash": "x", "active": true });
    let faults = administrator.post(USERS, own).await.faults();
    assert!(faults.contains_key("/password_hash") && faults.contains_key("/active"));
}

#[tokio::test]
async fn another_role_counts_on_the_next_request_and_ends_sessions() {
    let app = TestApp::new().await;
    let administrator = app.sign_in(Role::Administrator).await;
    let clinician = app.sign_in(Role::Clinician).await;
    let path = format!("{USERS}/{}", id_of(&administrator, Role::Clinician).await);
    let changed = administrator.patch(&path, 1, json!({ "role": "researcher" })).await.ok();
    assert_eq!((&changed["role"], &changed["version"]), (&json!("researcher"), &json!(2)));
    clinician.get("/api/v1/patients").await.expect(401);
    let again = app.try_at("192.0.2.1", &email(Role::Clinician), PASSWORD).await.signed_in(&app);
    again.get("/api/v1/patients").await.expect(403);
    let audited = app.audit_details("user.update").await;
    assert_eq!(audited["changed"]["role"], json!({ "from": "clinician", "to": "researcher" }));
    administrator.patch(&path, 1, json!({ "role": "clinician" })).await.expect(412);
}

#[tokio::test]
async fn a_deactivated_account_is_out_at_once_and_can_be_opened_again() {
    let app = TestApp::new().await;
    let administrator = app.sign_in(Role::Administrator).await;
    let clinician = app.sign_in(Role::Clinician).await;
    let path = format!("{USERS}/{}", id_of(&administrator, Role::Clinician).await);
    administrator.delete(&path).await.expect(204);
    clinician.get("/api/v1/me").await.expect(401);
    app.try_at("192.0.2.1", &email(Role::Clinician), PASSWORD).await.expect(401);
    assert_eq!(administrator.get(&path).await.ok()["state"], "deactivated");
    let page = administrator.get(&format!("{USERS}?state=deactivated")).await.ok();
    assert_eq!(page["items"].as_array().unwrap().len(), 1);

    administrator.patch(&path, 2, json!({ "active": true })).await.ok();
    clinician.get("/api/v1/me").await.expect(401);
    app.try_at("192.0.2.1", &email(Role::Clinician), PASSWORD).await.ok();
}

#[tokio::test]
async fn somebody_who_runs_accounts_remains_and_nobody_changes_their_own_role() {
    let app = TestApp::new().await;
    let administrator = app.sign_in(Role::Administrator).await;
    let own = format!("{USERS}/{}", id_of(&administrator, Role::Administrator).await);
    let refused = administrator.patch(&own, 1, json!({ "role": "clinician" })).await.expect(409);
    assert!(text(&refused["detail"]).contains("own role"));
    let last = administrator.delete(&own).await.expect(409);
    assert!(text(&last["detail"]).contains("last active administrator"));
    administrator.patch(&own, 1, json!({ "active": false })).await.expect(409);

    // An administrator who has never set a password cannot take over.
    let new = json!({ "email": "next@example.org", "display_name": "Next",
        "role": "administrator" });
    let created = administrator.post(USERS, new).await.created();
    administrator.delete(&own).await.expect(409);
    set(&app, &token(&created["password_link"]), NEW_PASSWORD).await.expect(204);
    administrator.delete(&own).await.expect(204);
    administrator.get(USERS).await.expect(401);
}

#[tokio::test]
async fn the_list_is_searched_filtered_and_paged_by_name() {
    let app = TestApp::new().await;
    let administrator = app.sign_in(Role::Administrator).await;
    let mut names = Vec::new();
    let mut path = format!("{USERS}?limit=3");
    loop {
        let page = administrator.get(&path).await.ok();
        names.extend(page["items"].as_array().unwrap().iter().map(|it| text(&it["display_name"])));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("{USERS}?limit=3&cursor={cursor}");
    }
    assert_eq!(names, ["Test Administrator", "Test Clinician", "Test Patient", "Test Researcher"]);
    for query in ["q=RESEARCHER", "role=researcher", "q=researcher@example.org"] {
        let page = administrator.get(&format!("{USERS}?{query}")).await.ok();
        let items = page["items"].as_array().unwrap();
        assert_eq!((items.len(), &items[0]["role"]), (1, &json!("researcher")), "{query}");
    }
    assert_eq!(administrator.get(&format!("{USERS}?q=%25")).await.ok()["items"], json!([]));
    assert!(administrator.get(&format!("{USERS}?cursor=x")).await.faults().contains_key("/cursor"));
}

#[tokio::test]
async fn the_command_line_makes_the_first_administrator() {
    let app = TestApp::new().await;
    let role = accounts::role("administrator").unwrap();
    let make = async |email: &str| {
        let name = "First Administrator".to_owned();
        accounts::create_by_hand(&app.db, &app.clock, role, email.to_owned(), name).await
    };
    let link = make("first@example.org").await.unwrap();
    let secret = link.path.strip_prefix("/set-password#").unwrap();
    set(&app, secret, NEW_PASSWORD).await.expect(204);
    let first = app.try_at("192.0.2.1", "first@example.org", NEW_PASSWORD).await.signed_in(&app);
    first.get(USERS).await.ok();

    assert!(make("first@example.org").await.unwrap_err().to_string().contains("already"));
    assert!(make("nonsense").await.unwrap_err().to_string().contains("e-mail address"));
    let link = accounts::reset_by_hand(&app.db, &app.clock, "first@example.org").await.unwrap();
    first.get(USERS).await.expect(401);
    let secret = link.path.strip_prefix("/set-password#").unwrap();
    set(&app, secret, "another long password here").await.expect(204);
    assert!(accounts::reset_by_hand(&app.db, &app.clock, "nobody@example.org").await.is_err());
    assert_eq!(accounts::list_by_hand(&app.db, &app.clock).await.unwrap().len(), 5);
}
