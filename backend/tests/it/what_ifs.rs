//! What-ifs: predictions of inputs of one's own.

use backend::jobs::predict;
use serde_json::{Value, json};
use shared::access::Role;

use crate::{
    predictions::{address, assert_close, count, persona, requests},
    support::TestApp,
};

#[tokio::test]
async fn a_what_if_gives_the_same_result_and_stores_nothing() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let requested =
        clinician.post(&requests(persona(&app, "P-1").await), json!({})).await.expect(202);
    predict::drain(&app.state).await.unwrap();
    let done = clinician.get(&address(&requested)).await.ok();
    let trail = app.audit_trail().await;
    let preview = "/api/v1/predictions/preview";
    let result = clinician.post(preview, done["inputs"].clone()).await.ok();
    assert_eq!(result, done["result"]);
    let mut inputs = done["inputs"].clone();
    inputs["region"] = json!("other");
    let elsewhere = clinician.post(preview, inputs.clone()).await.ok();
    assert_close(&elsewhere["kfre"]["risk_2y"], 0.084913);
    assert_close(&elsewhere["kfre"]["risk_5y"], 0.290792);
    assert_eq!(count(&app, "select count(*) from predictions").await, 1);
    assert_eq!(app.audit_trail().await, trail);
    app.sign_in(Role::Administrator).await.post(preview, inputs.clone()).await.ok();
    app.sign_in(Role::Researcher).await.post(preview, inputs.clone()).await.expect(403);
    app.sign_in(Role::Patient).await.post(preview, inputs).await.expect(403);
}

#[tokio::test]
async fn a_what_if_names_every_faulty_field() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let value = |code: &str, value: f64, unit: &str, at: &str| {
        json!({ "code": code, "value": value, "unit": unit, "effective_at": at,
            "method": "reported" })
    };
    let inputs = json!({
        "as_of": "2026-06-01",
        "age_years": 130,
        "sex": "female",
        "diabetes": true,
        "hypertension": null,
        "cardiovascular_disease": null,
        "heart_failure": null,
        "smoker": null,
        "renal_disease": "unknown",
        "region": "other",
        "biopsy": { "performed_on": "2026-06-02", "m": 2, "e": 0, "s": null, "t": 2, "c": 3 },
        "values": [
            value("egfr", 28.0, "mL/min/{1.73_m2}", "2026-05-30T08:00:00Z"),
            value("uacr", 84.0, "mg/mmol", "2026-05-30T08:00:00Z"),
            value("potassium", 44.0, "mmol/L", "2026-05-30T08:00:00Z"),
            value("potassium", 4.4, "mmol/L", "2026-06-02T08:00:00Z"),
            value("potassium", 4.4, "mmol/L", "2021-05-31T08:00:00Z"),
        ],
    });
    let preview = "/api/v1/predictions/preview";
    let mut faults: Vec<_> =
        clinician.post(preview, inputs.clone()).await.faults().into_keys().collect();
    faults.sort();
    assert_eq!(
        faults,
        [
            "/age_years",
            "/biopsy/c",
            "/biopsy/m",
            "/biopsy/performed_on",
            "/values/1/unit",
            "/values/2/value",
            "/values/3/effective_at",
            "/values/4/effective_at",
        ]
    );
    let mut inputs = inputs;
    inputs["age_years"] = json!(17);
    inputs["biopsy"] = Value::Null;
    inputs["values"] = json!([]);
    let answer = clinician.post(preview, inputs).await;
    assert_eq!(answer.body["type"], "/problems/out-of-scope");
    let mut faults: Vec<_> = answer.faults().into_keys().collect();
    faults.sort();
    assert_eq!(faults, ["/age_years", "/values"]);
}
