//! Views of the patient list that somebody keeps under a name.

use serde_json::{Value, json};
use shared::access::Role;
use uuid::Uuid;

use crate::{
    care_teams::confine,
    support::{Answer, Client, TestApp, with_json},
};

const VIEWS: &str = "/api/v1/me/views";

async fn keep(client: &Client, name: &str) -> Value {
    client.post(VIEWS, json!({ "name": name })).await.created()
}

async fn replace(client: &Client, view: &Value, body: Value) -> Answer {
    client.send(with_json(client.request("PUT", &address(view)), &body)).await
}

fn address(view: &Value) -> String {
    format!("{VIEWS}/{}", view["id"].as_str().unwrap())
}

async fn names(client: &Client) -> Vec<String> {
    let items = client.get(VIEWS).await.ok()["items"].clone();
    let items = items.as_array().unwrap().iter();
    items.map(|view| view["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_view_is_kept_listed_by_name_changed_and_deleted() {
    let app = TestApp::new().await;
    // As whoever sees a part of the records only.
    confine(&app).await;
    let clinician = app.sign_in(Role::Clinician).await;
    keep(&clinician, "zebra").await;
    let wanted = json!({ "name": "  Overdue and grave ", "sort": "-risk",
        "filter": { "risk_category": "very_high", "kdigo_g": "G4", "overdue": true, "q": " " } });
    let answer = clinician.post(VIEWS, wanted).await;
    let location = answer.header("location").unwrap().to_owned();
    let view = answer.created();
    assert_eq!(location, address(&view));
    assert_eq!(
        view,
        json!({ "id": view["id"], "name": "Overdue and grave", "sort": "-risk", "archived": false,
            "filter": { "risk_category": "very_high", "kdigo_g": "G4", "overdue": true } })
    );
    assert_eq!(names(&clinician).await, ["Overdue and grave", "zebra"]);
    let created = app.audit_details("view.create").await;
    assert_eq!(created["changed"]["name"], json!({ "from": null, "to": "Overdue and grave" }));

    let other = json!({ "name": "overdue and grave", "archived": true });
    let changed = replace(&clinician, &view, other).await.ok();
    assert_eq!((&changed["id"], &changed["sort"]), (&view["id"], &json!("name")));
    assert_eq!(clinician.get(VIEWS).await.ok()["items"][0], changed);
    let updated = app.audit_details("view.update").await;
    assert_eq!(updated["changed"]["archived"], json!({ "from": false, "to": true }));

    clinician.delete(&address(&view)).await.expect(204);
    clinician.delete(&address(&view)).await.expect(404);
    assert_eq!(names(&clinician).await, ["zebra"]);
    let deleted = app.audit_details("view.delete").await;
    assert_eq!(deleted["changed"]["name"]["from"], "overdue and grave");
}

#[tokio::test]
async fn a_repeated_request_keeps_one_view() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let view = json!({ "name": "mine" });
    let first = clinician.post_once("once", VIEWS, view.clone()).await.created();
    assert_eq!(clinician.post_once("once", VIEWS, view).await.created(), first);
    assert_eq!(names(&clinician).await, ["mine"]);
}

#[tokio::test]
async fn a_name_is_taken_once_whatever_its_case() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    keep(&clinician, "Überfällig").await;
    let second = keep(&clinician, "second").await;
    let again = clinician.post(VIEWS, json!({ "name": "überfällig" })).await.expect(409);
    assert!(again["detail"].as_str().unwrap().contains("überfällig"), "{again}");
    replace(&clinician, &second, json!({ "name": "ÜBERFÄLLIG" })).await.expect(409);
    assert_eq!(names(&clinician).await.len(), 2);
    // Another account's names are its own.
    keep(&app.sign_in(Role::Administrator).await, "second").await;
}

#[tokio::test]
async fn every_faulty_field_of_a_view_is_named() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let wrong = json!({ "name": "", "sort": "age", "archived": "no",
        "filter": { "risk_category": "extreme", "age": 7, "overdue": "yes" } });
    let faults = clinician.post(VIEWS, wrong).await.faults();
    let mut pointers: Vec<_> = faults.keys().map(String::as_str).collect();
    pointers.sort_unstable();
    assert_eq!(
        pointers,
        ["/archived", "/filter/age", "/filter/overdue", "/filter/risk_category", "/name", "/sort"]
    );
    for name in [" ".to_owned(), "x".repeat(61), "two\nlines".to_owned()] {
        let faults = clinician.post(VIEWS, json!({ "name": name })).await.faults();
        assert!(faults.contains_key("/name"), "{name:?}: {faults:?}");
    }
    keep(&clinician, &"ü".repeat(60)).await;
}

#[tokio::test]
async fn an_account_keeps_fifty_views() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    for number in 0..50 {
        keep(&clinician, &format!("view {number}")).await;
    }
    let full = clinician.post(VIEWS, json!({ "name": "one more" })).await.expect(409);
    assert!(full["detail"].as_str().unwrap().contains("50"), "{full}");
    assert_eq!(names(&clinician).await.len(), 50);
}

#[tokio::test]
async fn views_are_their_owners_alone() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let view = keep(&clinician, "mine").await;
    let administrator = app.sign_in(Role::Administrator).await;
    assert!(names(&administrator).await.is_empty());
    let nowhere = json!({ "id": Uuid::now_v7() });
    for view in [&view, &nowhere] {
        let answer = replace(&administrator, view, json!({ "name": "theirs" })).await.expect(404);
        assert_eq!(answer["detail"], "no such view");
        administrator.delete(&address(view)).await.expect(404);
    }
    assert_eq!(names(&clinician).await, ["mine"]);
}
