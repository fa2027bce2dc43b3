//! The committed OpenAPI document is the one that the code makes, and it is whole.

use std::collections::BTreeSet;

use crate::support::TestApp;

const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../openapi/openapi.json");

#[test]
fn the_committed_document_is_current() {
    let current = backend::openapi::text();
    let committed = std::fs::read_to_string(COMMITTED).unwrap_or_default();
    assert!(
        committed == current,
        "openapi/openapi.json has drifted: run `cargo run -p backend -- openapi > openapi/openapi.json`"
    );
}

#[test]
fn every_reference_points_to_something() {
    let document = backend::openapi::json();
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"").skip(1) {
        let pointer = reference.split('"').next().unwrap().strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer} is missing");
    }
    assert!(document.pointer("/components/schemas/Problem").is_some());
}

#[test]
fn operation_ids_are_unique_and_described() {
    let document = backend::openapi::json();
    let mut seen = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(seen.insert(id), "{id} twice");
            assert!(operation["summary"].is_string(), "{method} {path} has no summary");
        }
    }
}

#[tokio::test]
async fn the_document_and_its_page_are_served_offline() {
    let app = TestApp::new().await;
    let client = app.anonymous();
    assert_eq!(client.get("/api/v1/openapi.json").await.ok(), backend::openapi::json());
    let page = client.get("/api/docs/").await.ok();
    let page = page.as_str().unwrap();
    assert!(page.contains("swagger-ui"));
    assert!(!page.contains("src=\"http") && !page.contains("href=\"http"), "loads from elsewhere");
}

#[tokio::test]
async fn the_service_says_that_it_lives_and_is_ready() {
    let app = TestApp::new().await;
    app.anonymous().get("/healthz").await.expect(204);
    app.anonymous().get("/readyz").await.expect(204);
    app.anonymous().get("/api/v1/nothing").await.expect(404);
    let answer = app.anonymous().delete("/api/v1/me").await;
    assert_eq!(answer.expect(405)["type"], "/problems/method-not-allowed");
}
