//! Delays after failed sign-ins: they grow, they hold over processes, and they keep nobody out
//! for long.

use backend::router::router;
use chrono::TimeDelta;
use serde_json::json;
use shared::access::Role;

use crate::support::{PASSWORD, TestApp, email};

const HOME: &str = "192.0.2.1";
const ELSEWHERE: &str = "198.51.100.9";

/// How long a sign-in has to wait, if it has to, in seconds.
async fn wait(app: &TestApp, address: &'static str, account: &str, password: &str) -> Option<i64> {
    let answer = app.try_at(address, account, password).await;
    match answer.status.as_u16() {
        429 => answer.header("retry-after").map(|seconds| seconds.parse().unwrap()),
        401 | 200 => None,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn delays_begin_after_five_failures_and_double_to_a_quarter_of_an_hour() {
    let app = TestApp::new().await;
    let account = email(Role::Clinician);
    for _ in 0..5 {
        assert_eq!(wait(&app, ELSEWHERE, &account, "wrong").await, None);
    }
    let mut delays = Vec::new();
    for _ in 0..8 {
        let seconds = wait(&app, ELSEWHERE, &account, "wrong").await.unwrap();
        delays.push(seconds - 1);
        app.clock.advance(TimeDelta::seconds(seconds));
        assert_eq!(wait(&app, ELSEWHERE, &account, "wrong").await, None, "one more guess");
    }
    assert_eq!(delays, [30, 60, 120, 240, 480, 900, 900, 900]);
}

#[tokio::test]
async fn the_right_password_waits_too_and_another_process_knows() {
    let mut app = TestApp::new().await;
    let account = email(Role::Clinician);
    for _ in 0..5 {
        wait(&app, ELSEWHERE, &account, "wrong").await;
    }
    app.router = router(app.state.clone());
    assert_eq!(wait(&app, ELSEWHERE, &account, PASSWORD).await, Some(31));
    app.clock.advance(TimeDelta::seconds(31));
    app.try_at(ELSEWHERE, &account, PASSWORD).await.ok();
    assert_eq!(wait(&app, ELSEWHERE, &account, "wrong").await, None, "forgiven");
}

#[tokio::test]
async fn a_stranger_elsewhere_keeps_nobody_out() {
    let app = TestApp::new().await;
    let account = email(Role::Clinician);
    let session = app.try_at(HOME, &account, PASSWORD).await.signed_in(&app);
    let addresses: Vec<&'static str> =
        (0..30).map(|n| &*Box::leak(format!("203.0.113.{n}").into_boxed_str())).collect();
    let mut refused = 0;
    for address in addresses {
        for _ in 0..4 {
            refused += i32::from(wait(&app, address, &account, "wrong").await.is_some());
        }
    }
    assert!(60 < refused, "the account is guarded as a whole, too: {refused}");
    session.get("/api/v1/me").await.ok();
    app.try_at(HOME, &account, PASSWORD).await.ok();
    let unknown = wait(&app, "192.0.2.77", &account, PASSWORD).await;
    assert!(unknown.is_some_and(|seconds| seconds <= 121), "two minutes at most: {unknown:?}");
}

#[tokio::test]
async fn one_password_tried_on_account_after_account_has_to_wait() {
    let app = TestApp::new().await;
    let known = email(Role::Clinician);
    app.try_at(ELSEWHERE, &known, PASSWORD).await.ok();
    for number in 0..100 {
        let account = format!("guess{number}@example.org");
        assert_eq!(wait(&app, ELSEWHERE, &account, PASSWORD).await, None, "{account}");
        app.clock.advance(TimeDelta::seconds(2));
    }
    assert_eq!(wait(&app, ELSEWHERE, "one.more@example.org", PASSWORD).await, Some(14));
    assert_eq!(wait(&app, HOME, "one.more@example.org", PASSWORD).await, None, "from there alone");
    app.try_at(ELSEWHERE, &known, PASSWORD).await.ok();
}

#[tokio::test]
async fn an_account_that_is_not_there_behaves_like_one_that_is() {
    let app = TestApp::new().await;
    let of = async |account: &str| {
        let mut answers = Vec::new();
        for _ in 0..7 {
            let mut answer = app.try_at(ELSEWHERE, account, "wrong").await;
            let wait = answer.header("retry-after").map(str::to_owned);
            answer.body["instance"].take();
            answers.push((answer.status, wait, answer.body));
        }
        answers
    };
    assert_eq!(of(&email(Role::Clinician)).await, of("nobody@example.org").await);
}

#[tokio::test]
async fn an_administrator_sees_the_lock_and_ends_it() {
    let app = TestApp::new().await;
    let administrator = app.sign_in(Role::Administrator).await;
    let account = email(Role::Clinician);
    for _ in 0..5 {
        wait(&app, ELSEWHERE, &account, "wrong").await;
    }
    let page = administrator.get("/api/v1/users?state=locked").await.ok();
    assert_eq!(page["items"][0]["email"], account);
    let unlock = format!("/api/v1/users/{}/unlock", page["items"][0]["id"].as_str().unwrap());
    assert_eq!(administrator.post(&unlock, json!({})).await.ok()["state"], "active");
    app.try_at(ELSEWHERE, &account, PASSWORD).await.ok();
    let trail = app.audit_trail().await;
    assert_eq!(trail, ["administrator user.unlock success"]);
    let reasons: Vec<String> = sqlx::query_scalar(
        "select details ->> 'reason' from audit_events where outcome = 'refused' order by id",
    )
    .fetch_all(&app.db)
    .await
    .unwrap();
    assert_eq!(reasons, ["wrong credentials"; 5]);
}

#[tokio::test]
async fn a_thousand_guesses_at_once_are_a_thousand_guesses() {
    let app = TestApp::new().await;
    let account = email(Role::Clinician);
    let guesses = (0..40).map(|_| wait(&app, ELSEWHERE, &account, "wrong"));
    let waits = futures::future::join_all(guesses).await;
    assert_eq!(waits.iter().filter(|wait| wait.is_none()).count(), 5);
}
