//! The demo data.

use std::{collections::HashSet, process::Command, sync::Arc};

use backend::{clock::Clock, models::Releases, seed};
use chrono::Utc;
use serde_json::{Value, json};
use shared::access::Role;

use crate::support::{Client, ENDED_ONCE, TestApp, start};

/// A demo account, signed in.
async fn demo(app: &TestApp, email: &str) -> Client {
    let mut client = app.anonymous();
    let credentials = json!({ "email": email, "password": "nephrocast-demo" });
    let answer = client.post("/api/v1/auth/login", credentials).await.ok();
    client.token = Some(answer["access_token"].as_str().unwrap().to_owned());
    client
}

/// The demo data stand on an empty database: the test accounts go first.
async fn seeded() -> TestApp {
    let app = TestApp::new().await;
    sqlx::query("delete from users").execute(&app.db).await.unwrap();
    seed_once(&app, &app.clock).await;
    app
}

async fn seed_once(app: &TestApp, clock: &Clock) {
    let releases: Arc<Releases> = Arc::clone(&app.state.releases);
    seed::run(&app.db, clock, releases).await.unwrap();
}

async fn count(app: &TestApp, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(&app.db).await.unwrap()
}

#[tokio::test]
async fn two_hundred_patients_of_every_stage_come_with_predictions() {
    let app = seeded().await;
    assert_eq!(count(&app, "select count(*) from patients").await, 200);
    let names = "select count(distinct (given_name, family_name)) from patients";
    assert_eq!(count(&app, names).await, 200, "no two patients share a name");
    let answered = "select count(*) from predictions where status = 'succeeded'";
    assert_eq!(count(&app, answered).await, 200);
    assert_eq!(count(&app, ENDED_ONCE).await, 200);
    let counted = "select sum(predictions)::bigint from model_input_weeks";
    assert_eq!(count(&app, counted).await, 200, "the drift page has something to show");
    let short = "select count(*) from (
            select max(effective_at) - min(effective_at) as span, min(effective_at) as first
            from observations group by patient_id
        ) as stories
        where $1::timestamptz - first < interval '730 days'
            or interval '3660 days' < $1::timestamptz - first";
    let short: i64 = sqlx::query_scalar(short).bind(start()).fetch_one(&app.db).await.unwrap();
    assert_eq!(short, 0, "every history is two to ten years long");
    let future = "select count(*) from observations where $1::timestamptz < effective_at";
    let future: i64 = sqlx::query_scalar(future).bind(start()).fetch_one(&app.db).await.unwrap();
    assert_eq!(future, 0);

    let clinician = demo(&app, "clinician@example.org").await;
    let page = clinician.get("/api/v1/patients?limit=200").await.ok();
    let items = page["items"].as_array().unwrap();
    let all = |read: fn(&Value) -> &Value| -> HashSet<String> {
        items.iter().map(|item| read(item).as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(all(|item| &item["kdigo"]["g"]).len(), 6, "G1 to G5");
    assert_eq!(all(|item| &item["risk"]["category"]).len(), 4, "low to very high");
    assert!(items.iter().all(|item| item["mrn"].as_str().unwrap().starts_with("DEMO-")));
}

#[tokio::test]
async fn each_account_has_its_role_and_the_patient_reads_their_own_record() {
    let app = seeded().await;
    for role in Role::ALL {
        let email = match role {
            Role::Administrator => "admin@example.org".to_owned(),
            role => format!("{}@example.org", role.label().to_lowercase()),
        };
        let me = demo(&app, &email).await.get("/api/v1/me").await.ok();
        assert_eq!(me["role"], json!(role));
        if role == Role::Patient {
            let id = me["patient_id"].as_str().unwrap();
            let own = demo(&app, &email).await.get(&format!("/api/v1/patients/{id}")).await.ok();
            assert_eq!(own["own_access"], true);
            let risk = format!("/api/v1/patients/{id}/predictions");
            demo(&app, &email).await.get(&risk).await.ok();
        }
    }
    assert_eq!(count(&app, "select count(*) from patients where own_access").await, 1);
}

#[tokio::test]
async fn a_database_with_accounts_is_left_as_it_is() {
    let app = TestApp::new().await;
    seed_once(&app, &app.clock).await;
    assert_eq!(count(&app, "select count(*) from patients").await, 0);
    assert_eq!(count(&app, "select count(*) from users").await, 4);
}

#[tokio::test]
async fn the_same_moment_gives_the_same_patients() {
    let (one, other) = (seeded().await, seeded().await);
    let fingerprint = "select md5(string_agg(
            concat_ws('|', mrn, birth_date, code, value_as_given, unit_as_given, effective_at),
            ',' order by mrn, effective_at, code, value_as_given))
        from observations join patients on patients.id = patient_id";
    let of = async |app: &TestApp| -> String {
        sqlx::query_scalar(fingerprint).fetch_one(&app.db).await.unwrap()
    };
    assert_eq!(of(&one).await, of(&other).await);
    let latest: chrono::DateTime<Utc> =
        sqlx::query_scalar("select max(effective_at) from observations")
            .fetch_one(&one.db)
            .await
            .unwrap();
    assert!(start() - latest < chrono::TimeDelta::days(100), "the histories reach today");
}

/// What the program says when it does not start with these settings.
fn refusal(app: &TestApp, command: &str, settings: &[(&str, &str)]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_nephrocast"))
        .arg(command)
        .env_remove("NEPHROCAST_DEMO")
        .env("NEPHROCAST_DATABASE_URL", &app.database_url)
        .env("NEPHROCAST_SECRET_KEY_FILE", "/nowhere/secret-key")
        .envs(settings.iter().copied())
        .output()
        .unwrap();
    assert!(!output.status.success(), "{command} {settings:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn well_known_passwords_are_made_in_demo_mode_only_and_never_leave_the_machine() {
    let app = TestApp::new().await;
    sqlx::query("delete from users").execute(&app.db).await.unwrap();
    let said = refusal(&app, "seed", &[]);
    assert!(said.contains(seed::DEMO_ONLY), "{said}");
    assert!(refusal(&app, "seed", &[("NEPHROCAST_DEMO", "false")]).contains(seed::DEMO_ONLY));
    assert_eq!(count(&app, "select count(*) from users").await, 0);

    let demo = |listen| [("NEPHROCAST_DEMO", "true"), ("NEPHROCAST_LISTEN", listen)];
    for listen in ["0.0.0.0:0", "192.0.2.1:8081", "[::]:0"] {
        let said = refusal(&app, "serve", &demo(listen));
        assert!(said.contains("listens on loopback only"), "{said}");
    }
    // What is missing then is the key.
    let said = refusal(&app, "serve", &demo("127.0.0.1:0"));
    assert!(!said.contains("loopback") && said.contains("secret-key"), "{said}");
}
