//! What predictions rest on.

use std::{iter, slice};

use backend::{db, jobs::predict};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use shared::{
    access::Role,
    patient::Patient,
    prediction::{KfreRegion, PredictionInputs},
};

use crate::{
    predictions::{
        PERSONA_2Y, address, assert_close, execute, measure, patient, persona, requests,
    },
    support::{TestApp, start},
};

#[tokio::test]
async fn everything_on_the_record_that_counts_is_frozen_and_nothing_else() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let id = persona(&app, "P-1").await;
    measure(&app, id, "potassium", 4.9, 100).await;
    measure(&app, id, "egfr", 61.0, 6 * 366).await;
    let wrong = measure(&app, id, "potassium", 9.9, 1).await;
    execute(
        &app,
        &format!(
            "update observations set status = 'voided', status_reason = 'a slip'
                where id = '{wrong}';
            update patients set smoker = false, renal_disease = 'glomerular';
            insert into therapies (id, patient_id, kind, started_on, ended_on, created_at,
                deleted_at)
            values
                (gen_random_uuid(), '{id}', 'ras_inhibitor', '2026-06-01', null, now(), null),
                (gen_random_uuid(), '{id}', 'ras_inhibitor', '2025-01-01', null, now(), null),
                (gen_random_uuid(), '{id}', 'mra', '2025-01-01', '2026-06-01', now(), null),
                (gen_random_uuid(), '{id}', 'fish_oil', '2025-01-01', '2026-05-31', now(), null),
                (gen_random_uuid(), '{id}', 'glp1_agonist', '2026-06-02', null, now(), null),
                (gen_random_uuid(), '{id}', 'sglt2_inhibitor', '2025-01-01', null, now(), now());
            insert into biopsies (id, patient_id, performed_on, diagnosis, m, t, created_at)
            values
                (gen_random_uuid(), '{id}', '2020-01-01', 'first', 0, 0, now()),
                (gen_random_uuid(), '{id}', '2025-01-01', 'second', 1, 2, now())"
        ),
    )
    .await;
    let prediction = clinician.post(&requests(id), json!({})).await.expect(202);
    let measured: DateTime<Utc> = start() - TimeDelta::days(2);
    let earlier: DateTime<Utc> = start() - TimeDelta::days(100);
    let value = |code: &str, value: f64, unit: &str, at: DateTime<Utc>| {
        json!({ "code": code, "value": value, "unit": unit, "effective_at": at,
            "method": "reported" })
    };
    assert_eq!(
        prediction["inputs"],
        json!({
            "as_of": "2026-06-01",
            "age_years": 60,
            "sex": "female",
            "diabetes": true,
            "hypertension": true,
            "cardiovascular_disease": null,
            "heart_failure": null,
            "smoker": false,
            "renal_disease": "glomerular",
            "region": "north_america",
            "therapies": ["mra", "ras_inhibitor"],
            "biopsy": { "performed_on": "2025-01-01", "m": 1, "e": null, "s": null, "t": 2,
                "c": null },
            "outcomes": [],
            "values": [
                value("potassium", 4.9, "mmol/L", earlier),
                value("egfr", 28.0, "mL/min/{1.73_m2}", measured),
                value("uacr", 742.0, "mg/g{creat}", measured),
            ],
        })
    );
}

/// Patients whose inputs are frozen by one statement each keep what is theirs.
#[tokio::test]
async fn what_is_frozen_together_is_what_is_frozen_alone() {
    let app = TestApp::new().await;
    let (one, other) = (persona(&app, "P-1").await, persona(&app, "P-2").await);
    let without_values = patient(&app, "P-3", "1950-01-01", "male").await;
    measure(&app, other, "potassium", 4.9, 100).await;
    execute(
        &app,
        &format!(
            "insert into therapies (id, patient_id, kind, started_on, created_at)
            values
                (gen_random_uuid(), '{one}', 'ras_inhibitor', '2025-01-01', now()),
                (gen_random_uuid(), '{other}', 'sglt2_inhibitor', '2025-01-01', now()),
                (gen_random_uuid(), '{other}', 'mra', '2025-01-01', now());
            insert into biopsies (id, patient_id, performed_on, diagnosis, m, created_at)
            values
                (gen_random_uuid(), '{one}', '2024-01-01', 'one', 0, now()),
                (gen_random_uuid(), '{without_values}', '2025-01-01', 'third', 1, now());
            insert into outcomes (id, patient_id, kind, occurred_on, created_at)
            values (gen_random_uuid(), '{without_values}', 'dialysis', '2026-01-01', now())"
        ),
    )
    .await;
    let mut db = app.db.acquire().await.unwrap();
    let patients = db::patients::find_all(&mut *db, &[one, other, without_values]).await.unwrap();
    let patients: Vec<Patient> = patients.into_iter().flatten().collect();
    let (region, now) = (KfreRegion::default(), app.clock.now());
    let together = db::prediction_inputs::freeze(&mut db, &patients, region, now).await.unwrap();
    let found = |of: usize| {
        let inputs: &PredictionInputs = &together[of];
        let performed_on = inputs.biopsy.as_ref().map(|biopsy| biopsy.performed_on.to_string());
        (inputs.therapies.len(), performed_on, inputs.outcomes.len(), inputs.values.len())
    };
    assert_eq!(found(0), (1, Some("2024-01-01".into()), 0, 2));
    assert_eq!(found(1), (2, None, 0, 3));
    assert_eq!(found(2), (0, Some("2025-01-01".into()), 1, 0));
    for (patient, together) in iter::zip(&patients, &together) {
        let patient = slice::from_ref(patient);
        let alone = db::prediction_inputs::freeze(&mut db, patient, region, now).await.unwrap();
        assert_eq!(alone.first(), Some(together));
    }
}

#[tokio::test]
async fn a_later_change_of_the_record_changes_no_requested_prediction() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let patient = persona(&app, "P-1").await;
    let requested = clinician.post(&requests(patient), json!({})).await.expect(202);
    measure(&app, patient, "egfr", 55.0, 0).await;
    execute(&app, "update patients set birth_date = '1940-01-01', sex = 'male'").await;
    predict::drain(&app.state).await.unwrap();
    let done = clinician.get(&address(&requested)).await.ok();
    assert_eq!(done["inputs"], requested["inputs"]);
    assert_close(&done["result"]["kfre"]["risk_2y"], PERSONA_2Y);
}
