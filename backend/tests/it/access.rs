//! Who may do what: every operation of the OpenAPI document, with every kind of caller.

use std::collections::BTreeSet;

use axum::{
    body::Body,
    http::{Request, header},
};
use serde_json::{Value, json};
use shared::{
    access::{Role, Scope},
    id::{PatientId, UserId},
    user::User,
};
use uuid::Uuid;

use crate::support::{Client, PDF, TestApp, new_token, with_json, with_parts};

/// The kinds of caller, in the order of the table's columns. The patient's account is linked to
/// the record `own`, which allows it; `stranger` asks with the same account for another record.
pub const CALLERS: [&str; 6] =
    ["anonymous", "administrator", "clinician", "researcher", "patient", "stranger"];

#[rustfmt::skip]
pub const ACCESS: &[(&str, [u16; 6])] = &[
    // operation              anonymous admin clinician researcher patient stranger
    ("login",                 [200,      200,  200,      200,       200,    200]),
    ("refresh_session",       [401,      200,  200,      200,       200,    200]),
    ("logout",                [401,      204,  204,      204,       204,    204]),
    ("get_me",                [401,      200,  200,      200,       200,    200]),
    ("get_preferences",       [401,      200,  200,      200,       200,    200]),
    ("update_preferences",    [401,      200,  200,      200,       200,    200]),
    ("list_views",            [401,      200,  200,      403,       403,    403]),
    ("create_view",           [401,      201,  201,      403,       403,    403]),
    // A view is its owner's alone: here a clinician's.
    ("replace_view",          [401,      404,  200,      403,       403,    403]),
    ("delete_view",           [401,      404,  204,      403,       403,    403]),
    ("list_tokens",           [401,      200,  200,      200,       403,    403]),
    ("create_token",          [401,      201,  201,      201,       403,    403]),
    ("revoke_token",          [401,      204,  204,      404,       403,    403]),
    ("login_second_factor",   [401,      401,  401,      401,       401,    401]),
    ("set_password",          [422,      422,  422,      422,       422,    422]),
    ("change_password",       [401,      422,  422,      422,       422,    422]),
    ("list_sessions",         [401,      200,  200,      200,       200,    200]),
    ("revoke_session",        [401,      404,  404,      404,       404,    404]),
    ("revoke_other_sessions", [401,      204,  204,      204,       204,    204]),
    ("get_second_factor",     [401,      200,  200,      200,       200,    200]),
    ("begin_second_factor",   [401,      200,  200,      200,       200,    200]),
    ("confirm_second_factor", [401,      422,  422,      422,       422,    422]),
    ("renew_recovery_codes",  [401,      409,  409,      409,       409,    409]),
    ("remove_second_factor",  [401,      204,  204,      204,       204,    204]),
    ("list_users",            [401,      200,  403,      403,       403,    403]),
    ("create_user",           [401,      201,  403,      403,       403,    403]),
    ("get_user",              [401,      200,  403,      403,       403,    403]),
    ("update_user",           [401,      200,  403,      403,       403,    403]),
    ("deactivate_user",       [401,      204,  403,      403,       403,    403]),
    ("reset_password",        [401,      200,  403,      403,       403,    403]),
    ("unlock_user",           [401,      200,  403,      403,       403,    403]),
    ("remove_user_second_factor", [401,  204,  403,      403,       403,    403]),
    ("get_settings",          [401,      200,  403,      403,       403,    403]),
    ("update_settings",       [401,      200,  403,      403,       403,    403]),
    ("get_site",              [200,      200,  200,      200,       200,    200]),
    ("get_openapi",           [200,      200,  200,      200,       200,    200]),
    ("list_patients",         [401,      200,  200,      403,       403,    403]),
    ("export_patients",       [401,      200,  200,      403,       403,    403]),
    ("get_dashboard",         [401,      200,  200,      403,       403,    403]),
    ("create_patient",        [401,      403,  201,      403,       403,    403]),
    ("import_patients",       [401,      403,  200,      403,       403,    403]),
    ("get_patient",           [401,      200,  200,      403,       200,    404]),
    ("update_patient",        [401,      403,  200,      403,       403,    403]),
    ("archive_patient",       [401,      403,  204,      403,       403,    403]),
    ("restore_patient",       [401,      403,  200,      403,       403,    403]),
    ("export_patient",        [401,      200,  200,      403,       200,    404]),
    // What is the caller's own is the caller's own, whatever the record is called.
    ("get_own_record",        [401,      404,  404,      403,       200,    200]),
    ("list_own_predictions",  [401,      404,  404,      403,       200,    200]),
    ("export_own_record",     [401,      404,  404,      403,       200,    200]),
    ("list_observations",     [401,      200,  200,      403,       200,    404]),
    ("create_observations",   [401,      403,  201,      403,       403,    403]),
    ("correct_observation",   [401,      403,  201,      403,       403,    403]),
    ("void_observation",      [401,      403,  200,      403,       403,    403]),
    ("list_therapies",        [401,      200,  200,      403,       200,    404]),
    ("create_therapy",        [401,      403,  201,      403,       403,    403]),
    ("update_therapy",        [401,      403,  200,      403,       403,    403]),
    ("delete_therapy",        [401,      403,  204,      403,       403,    403]),
    ("list_biopsies",         [401,      200,  200,      403,       200,    404]),
    ("create_biopsy",         [401,      403,  201,      403,       403,    403]),
    ("update_biopsy",         [401,      403,  200,      403,       403,    403]),
    ("delete_biopsy",         [401,      403,  204,      403,       403,    403]),
    ("list_outcomes",         [401,      200,  200,      403,       200,    404]),
    ("create_outcome",        [401,      403,  201,      403,       403,    403]),
    ("list_documents",        [401,      200,  200,      403,       200,    404]),
    ("create_document",       [401,      403,  201,      403,       403,    403]),
    ("get_document",          [401,      200,  200,      403,       200,    404]),
    ("get_document_content",  [401,      200,  200,      403,       200,    404]),
    ("delete_document",       [401,      403,  204,      403,       403,    403]),
    ("create_prediction",     [401,      403,  202,      403,       403,    403]),
    ("list_predictions",      [401,      200,  200,      403,       200,    404]),
    ("get_prediction",        [401,      200,  200,      403,       200,    404]),
    ("stream_prediction",     [401,      200,  200,      403,       200,    404]),
    ("cancel_prediction",     [401,      403,  200,      403,       403,    403]),
    // A batch is its requester's alone.
    ("create_prediction_batch", [401,    403,  202,      403,       403,    403]),
    ("get_prediction_batch",  [401,      404,  200,      403,       404,    404]),
    ("stream_prediction_batch", [401,    404,  200,      403,       404,    404]),
    ("cancel_prediction_batch", [401,    403,  200,      403,       403,    403]),
    ("preview_prediction",    [401,      200,  200,      403,       403,    403]),
    ("list_models",           [401,      200,  200,      403,       200,    200]),
    ("get_model",             [401,      200,  200,      403,       200,    200]),
    ("activate_model",        [401,      200,  403,      403,       403,    403]),
    // The only release is the active one, which cannot be its own shadow.
    ("set_shadow_model",      [401,      409,  403,      403,       403,    403]),
    ("clear_shadow_model",    [401,      204,  403,      403,       403,    403]),
    ("compare_model",         [401,      200,  403,      403,       403,    403]),
    ("get_model_drift",       [401,      200,  403,      403,       403,    403]),
    ("get_cohort",            [401,      200,  200,      200,       403,    403]),
    ("get_risk_distribution", [401,      200,  200,      200,       403,    403]),
    ("export_rows",           [401,      200,  200,      200,       403,    403]),
    ("get_export_report",     [401,      200,  200,      200,       403,    403]),
    ("get_trends",            [401,      200,  200,      200,       403,    403]),
    ("get_model_performance", [401,      200,  200,      200,       403,    403]),
    ("count_privately",       [401,      200,  200,      200,       403,    403]),
    ("get_privacy_budgets",   [401,      200,  200,      200,       403,    403]),
    ("list_audit_events",     [401,      200,  403,      403,       403,    403]),
    ("get_audit_event",       [401,      200,  403,      403,       403,    403]),
    ("get_audit_event_proof", [401,      200,  403,      403,       403,    403]),
    ("verify_audit_events",   [401,      200,  403,      403,       403,    403]),
    ("export_audit_events",   [401,      200,  403,      403,       403,    403]),
    ("list_patient_audit_events", [401,  200,  200,      403,       200,    404]),
    ("get_care_team",         [401,      200,  200,      403,       403,    403]),
    // An administrator puts people into teams that nobody is left in, and hands nothing over.
    ("add_care_team_member",  [401,      409,  201,      403,       403,    403]),
    ("remove_care_team_member", [401,    409,  204,      403,       403,    403]),
    ("hand_over_patient",     [401,      409,  200,      403,       403,    403]),
    ("list_colleagues",       [401,      200,  200,      403,       403,    403]),
    // Every clinician sees every record here; care_teams.rs tests the other setting.
    ("create_emergency_access", [401,    403,  409,      403,       403,    403]),
    ("end_emergency_access",  [401,      403,  404,      403,       403,    403]),
    ("list_emergency_accesses", [401,    200,  403,      403,       403,    403]),
    ("list_patient_emergency_accesses", [401, 200, 200,  403,       403,    403]),
    ("list_archived_records", [401,      200,  403,      403,       403,    403]),
    ("erase_patient",         [401,      200,  403,      403,       403,    403]),
];

/// An account that nobody signs in with.
pub async fn add_account(app: &TestApp, role: Role) -> String {
    let id = UserId(Uuid::now_v7());
    let user = User {
        id,
        email: format!("{id}@example.org"),
        display_name: "Ada Testwell".to_owned(),
        role,
        patient_id: None,
    };
    let mut connection = app.db.acquire().await.unwrap();
    backend::db::users::insert(&mut connection, &user, "no hash", app.clock.now()).await.unwrap();
    id.to_string()
}

/// Operations on somebody's account, which each need one of their own.
const USERS_CHANGED: [&str; 6] = [
    "get_user",
    "update_user",
    "deactivate_user",
    "reset_password",
    "unlock_user",
    "remove_user_second_factor",
];

/// Operations with a colleague.
const TEAMS_CHANGED: [&str; 3] =
    ["add_care_team_member", "remove_care_team_member", "hand_over_patient"];

/// What an API token can do: each operation with the scope that opens it. Every other operation
/// that needs a caller is closed to tokens, whatever their scopes.
#[rustfmt::skip]
const TOKEN_SCOPES: &[(&str, Scope)] = &[
    ("list_patients",       Scope::PatientsRead),
    ("export_patients",     Scope::PatientsRead),
    ("get_dashboard",       Scope::PatientsRead),
    ("get_patient",         Scope::PatientsRead),
    ("export_patient",      Scope::PatientsRead),
    ("get_own_record",      Scope::PatientsRead),
    ("export_own_record",   Scope::PatientsRead),
    ("list_observations",   Scope::PatientsRead),
    ("list_therapies",      Scope::PatientsRead),
    ("list_biopsies",       Scope::PatientsRead),
    ("list_outcomes",       Scope::PatientsRead),
    ("create_patient",      Scope::PatientsWrite),
    ("import_patients",     Scope::PatientsWrite),
    ("archive_patient",     Scope::PatientsWrite),
    ("create_observations", Scope::PatientsWrite),
    ("correct_observation", Scope::PatientsWrite),
    ("void_observation",    Scope::PatientsWrite),
    ("create_therapy",      Scope::PatientsWrite),
    ("update_therapy",      Scope::PatientsWrite),
    ("delete_therapy",      Scope::PatientsWrite),
    ("create_biopsy",       Scope::PatientsWrite),
    ("update_biopsy",       Scope::PatientsWrite),
    ("delete_biopsy",       Scope::PatientsWrite),
    ("create_outcome",      Scope::PatientsWrite),
    ("list_documents",      Scope::PatientsRead),
    ("get_document",        Scope::PatientsRead),
    ("get_document_content", Scope::PatientsRead),
    ("create_document",     Scope::PatientsWrite),
    ("delete_document",     Scope::PatientsWrite),
    ("list_predictions",    Scope::PredictionsRead),
    ("list_own_predictions", Scope::PredictionsRead),
    ("get_prediction",      Scope::PredictionsRead),
    ("stream_prediction",   Scope::PredictionsRead),
    ("create_prediction",   Scope::PredictionsWrite),
    ("cancel_prediction",   Scope::PredictionsWrite),
    ("get_prediction_batch", Scope::PredictionsRead),
    ("stream_prediction_batch", Scope::PredictionsRead),
    ("create_prediction_batch", Scope::PredictionsWrite),
    ("cancel_prediction_batch", Scope::PredictionsWrite),
    ("preview_prediction",  Scope::PredictionsWrite),
    ("get_cohort",          Scope::SummariesRead),
    ("get_risk_distribution", Scope::SummariesRead),
    ("export_rows",         Scope::SummariesRead),
    ("get_export_report",   Scope::SummariesRead),
    ("get_trends",          Scope::SummariesRead),
    ("get_model_performance", Scope::SummariesRead),
    ("count_privately",     Scope::SummariesRead),
    ("get_privacy_budgets", Scope::SummariesRead),
];

const PREFERENCES: &str = "/api/v1/me/preferences";
const VIEWS: &str = "/api/v1/me/views";
const BATCHES: &str = "/api/v1/prediction-batches";

/// A batch of nobody.
fn no_one() -> Value {
    json!({ "filter": { "q": "nobody is called so" } })
}

/// A record of which every operation has something to act on, and somebody's API token.
pub struct Fixture {
    token: String,
    view: String,
    pub patient: String,
    observation: String,
    therapy: String,
    pub biopsy: String,
    document: String,
    pub prediction: String,
    batch: String,
    model: String,
    user: String,
}

impl Fixture {
    /// The same with ids that nothing of a record has.
    pub fn elsewhere(&self) -> Self {
        let nowhere = || Uuid::now_v7().to_string();
        Self {
            token: self.token.clone(),
            view: self.view.clone(),
            patient: nowhere(),
            observation: nowhere(),
            therapy: nowhere(),
            biopsy: nowhere(),
            document: nowhere(),
            prediction: nowhere(),
            batch: self.batch.clone(),
            model: self.model.clone(),
            user: self.user.clone(),
        }
    }
}

pub async fn fixture(clinician: &Client, mrn: &str, own_access: bool) -> Fixture {
    let patient = json!({
        "mrn": mrn, "given_name": "Ada", "family_name": "Testwell", "birth_date": "1960-01-01",
        "sex": "female", "own_access": own_access,
    });
    let id = |value: &Value| value["id"].as_str().unwrap().to_owned();
    let patient = id(&clinician.post("/api/v1/patients", patient).await.created());
    let under = |rest: &str| format!("/api/v1/patients/{patient}/{rest}");
    let egfr = json!({ "observations": [{ "code": "egfr", "value": 30.0,
        "unit": "mL/min/{1.73_m2}", "effective_at": "2026-05-01T08:00:00Z" }] });
    let observations = clinician.post(&under("observations"), egfr).await.created();
    let therapy = json!({ "kind": "statin", "started_on": "2026-01-01" });
    let biopsy = json!({ "performed_on": "2020-01-01", "diagnosis": "IgA nephropathy" });
    let models = clinician.get("/api/v1/models").await.ok();
    let model = models["items"][0]["version"].as_str().unwrap().to_owned();
    Fixture {
        token: Uuid::nil().to_string(),
        view: Uuid::nil().to_string(),
        observation: id(&observations["items"][0]),
        therapy: id(&clinician.post(&under("therapies"), therapy).await.created()),
        biopsy: id(&clinician.post(&under("biopsies"), biopsy).await.created()),
        document: id(&clinician.upload(&patient, &[("file", None, PDF)]).await.created()),
        prediction: id(&clinician.post(&under("predictions"), json!({})).await.expect(202)),
        batch: id(&clinician.post(BATCHES, no_one()).await.expect(202)),
        user: Uuid::nil().to_string(),
        patient,
        model,
    }
}

/// A well-formed request for an operation on a record.
#[expect(clippy::too_many_lines, reason = "one line for each operation, and the table is whole")]
pub fn request(operation: &str, client: &Client, on: &Fixture, mrn: &str) -> Request<Body> {
    let empty =
        |method: &str, path: String| client.request(method, &path).body(Body::empty()).unwrap();
    let post = |path: String, body: Value| with_json(client.request("POST", &path), &body);
    let patch = |path: String, body: Value| {
        with_json(client.request("PATCH", &path).header(header::IF_MATCH, "\"1\""), &body)
    };
    let patient = |rest: &str| format!("/api/v1/patients/{}{rest}", on.patient);
    let observation = |rest: &str| format!("/api/v1/observations/{}/{rest}", on.observation);
    let therapy = format!("/api/v1/therapies/{}", on.therapy);
    let biopsy = format!("/api/v1/biopsies/{}", on.biopsy);
    let document = |rest: &str| format!("/api/v1/documents/{}{rest}", on.document);
    let prediction = |rest: &str| format!("/api/v1/predictions/{}{rest}", on.prediction);
    let batch = |rest: &str| format!("{BATCHES}/{}{rest}", on.batch);
    let model = |rest: &str| format!("/api/v1/models/{}{rest}", on.model);
    let user = |rest: &str| format!("/api/v1/users/{}{rest}", on.user);
    match operation {
        "login" => post(
            "/api/v1/auth/login".into(),
            json!({
            "email": "clinician@example.org", "password": crate::support::PASSWORD }),
        ),
        "refresh_session" => empty("POST", "/api/v1/auth/refresh".into()),
        "logout" => empty("POST", "/api/v1/auth/logout".into()),
        "get_me" => empty("GET", "/api/v1/me".into()),
        "get_preferences" => empty("GET", PREFERENCES.into()),
        "update_preferences" => patch(PREFERENCES.into(), json!({ "language": "it" })),
        "list_views" => empty("GET", VIEWS.into()),
        "create_view" => post(VIEWS.into(), json!({ "name": mrn })),
        "replace_view" => with_json(
            client.request("PUT", &format!("{VIEWS}/{}", on.view)),
            &json!({ "name": format!("{mrn} again") }),
        ),
        "delete_view" => empty("DELETE", format!("{VIEWS}/{}", on.view)),
        "login_second_factor" => post(
            "/api/v1/auth/login/second-factor".into(),
            json!({ "challenge": "unknown", "code": "123456" }),
        ),
        "set_password" => post(
            "/api/v1/auth/set-password".into(),
            json!({ "token": "unknown", "password": "seven lazy otters" }),
        ),
        "change_password" => post(
            "/api/v1/auth/password".into(),
            json!({ "current_password": "wrong", "new_password": "seven lazy otters" }),
        ),
        "list_sessions" => empty("GET", "/api/v1/auth/sessions".into()),
        "revoke_session" => empty("DELETE", format!("/api/v1/auth/sessions/{}", on.patient)),
        "revoke_other_sessions" => empty("DELETE", "/api/v1/auth/sessions".into()),
        "get_second_factor" => empty("GET", "/api/v1/auth/totp".into()),
        "begin_second_factor" => {
            post("/api/v1/auth/totp".into(), json!({ "password": crate::support::PASSWORD }))
        }
        "confirm_second_factor" => {
            post("/api/v1/auth/totp/confirm".into(), json!({ "code": "no code" }))
        }
        "remove_second_factor" => with_json(
            client.request("DELETE", "/api/v1/auth/totp"),
            &json!({ "password": crate::support::PASSWORD }),
        ),
        "renew_recovery_codes" => post(
            "/api/v1/auth/totp/recovery-codes".into(),
            json!({ "password": crate::support::PASSWORD }),
        ),
        "list_users" => empty("GET", "/api/v1/users".into()),
        "create_user" => post(
            "/api/v1/users".into(),
            json!({ "email": format!("{mrn}@example.org"), "display_name": "Ada Testwell",
                "role": "researcher" }),
        ),
        "get_user" => empty("GET", user("")),
        "update_user" => patch(user(""), json!({ "display_name": "Ada Otherwise" })),
        "deactivate_user" => empty("DELETE", user("")),
        "reset_password" => empty("POST", user("/password-reset")),
        "unlock_user" => empty("POST", user("/unlock")),
        "remove_user_second_factor" => empty("DELETE", user("/totp")),
        "get_settings" => empty("GET", "/api/v1/settings".into()),
        "update_settings" => patch("/api/v1/settings".into(), json!({ "session_hours": 10 })),
        "get_site" => empty("GET", "/api/v1/site".into()),
        "get_openapi" => empty("GET", "/api/v1/openapi.json".into()),
        "list_tokens" => empty("GET", "/api/v1/tokens".into()),
        "create_token" => post("/api/v1/tokens".into(), new_token(&[Scope::SummariesRead])),
        "revoke_token" => empty("DELETE", format!("/api/v1/tokens/{}", on.token)),
        "list_patients" => empty("GET", "/api/v1/patients".into()),
        "export_patients" => empty("GET", "/api/v1/patients/export".into()),
        "get_dashboard" => empty("GET", "/api/v1/dashboard".into()),
        "create_patient" => post(
            "/api/v1/patients".into(),
            json!({
            "mrn": format!("{mrn}-new"), "given_name": "Bea", "family_name": "Exampleby",
            "birth_date": "1970-01-01", "sex": "male" }),
        ),
        "import_patients" => {
            let row = format!("{mrn}-file,Bea,Exampleby,1970-01-01,male\n");
            client
                .request("POST", "/api/v1/patients/import")
                .header(header::CONTENT_TYPE, "text/csv")
                .body(Body::from(format!("mrn,given_name,family_name,birth_date,sex\n{row}")))
                .unwrap()
        }
        "get_patient" => empty("GET", patient("")),
        "update_patient" => patch(patient(""), json!({ "smoker": true })),
        "archive_patient" => empty("DELETE", patient("")),
        "restore_patient" => empty("POST", patient("/restore")),
        "export_patient" => empty("GET", patient("/export")),
        "get_own_record" => empty("GET", "/api/v1/me/record".into()),
        "list_own_predictions" => empty("GET", "/api/v1/me/record/predictions".into()),
        "export_own_record" => empty("GET", "/api/v1/me/record/export".into()),
        "list_observations" => empty("GET", patient("/observations")),
        "create_observations" => post(
            patient("/observations"),
            json!({ "observations": [{
            "code": "potassium", "value": 4.5, "unit": "mmol/L",
            "effective_at": "2026-05-02T08:00:00Z" }] }),
        ),
        "correct_observation" => post(
            observation("correct"),
            json!({
            "value": 31.0, "unit": "mL/min/{1.73_m2}", "reason": "mistyped" }),
        ),
        "void_observation" => post(observation("void"), json!({ "reason": "another patient's" })),
        "list_therapies" => empty("GET", patient("/therapies")),
        "create_therapy" => post(
            patient("/therapies"),
            json!({
            "kind": "ras_inhibitor", "started_on": "2025-01-01" }),
        ),
        "update_therapy" => patch(therapy, json!({ "ended_on": "2026-02-01" })),
        "delete_therapy" => empty("DELETE", therapy),
        "list_biopsies" => empty("GET", patient("/biopsies")),
        "create_biopsy" => post(
            patient("/biopsies"),
            json!({
            "performed_on": "2021-01-01", "diagnosis": "IgA nephropathy", "m": 1 }),
        ),
        "update_biopsy" => patch(biopsy, json!({ "t": 2 })),
        "delete_biopsy" => empty("DELETE", biopsy),
        "list_outcomes" => empty("GET", patient("/outcomes")),
        "create_outcome" => post(
            patient("/outcomes"),
            json!({
            "kind": "dialysis", "occurred_on": "2026-05-20" }),
        ),
        "list_documents" => empty("GET", patient("/documents")),
        "create_document" => with_parts(
            client.request("POST", &patient("/documents")),
            &[
                ("file", Some("letter.pdf"), PDF),
                ("title", None, b"A letter"),
                ("kind", None, b"letter"),
            ],
        ),
        "get_document" => empty("GET", document("")),
        "get_document_content" => empty("GET", document("/content")),
        "delete_document" => empty("DELETE", document("")),
        "create_prediction" => post(patient("/predictions"), json!({})),
        "list_predictions" => empty("GET", patient("/predictions")),
        "get_prediction" => empty("GET", prediction("")),
        "stream_prediction" => empty("GET", prediction("/events")),
        "cancel_prediction" => empty("POST", prediction("/cancel")),
        "create_prediction_batch" => post(BATCHES.into(), no_one()),
        "get_prediction_batch" => empty("GET", batch("")),
        "stream_prediction_batch" => empty("GET", batch("/events")),
        "cancel_prediction_batch" => empty("POST", batch("/cancel")),
        "preview_prediction" => post("/api/v1/predictions/preview".into(), preview()),
        "get_cohort" => empty("GET", "/api/v1/summaries/cohort?group_by=stage".into()),
        "get_risk_distribution" => empty("GET", "/api/v1/summaries/risk-distribution".into()),
        "export_rows" => empty("GET", "/api/v1/summaries/export?format=ndjson".into()),
        "get_export_report" => empty("GET", "/api/v1/summaries/export-report".into()),
        "get_trends" => empty("GET", "/api/v1/summaries/trends?group_by=sex".into()),
        "get_model_performance" => empty("GET", "/api/v1/summaries/model-performance".into()),
        "count_privately" => post(
            "/api/v1/summaries/private-counts".into(),
            json!({ "group_by": ["sex"], "epsilon": 0.01 }),
        ),
        "get_privacy_budgets" => empty("GET", "/api/v1/summaries/privacy-budgets".into()),
        "list_models" => empty("GET", "/api/v1/models".into()),
        "get_model" => empty("GET", model("")),
        "activate_model" => empty("POST", model("/activate")),
        "set_shadow_model" => empty("POST", model("/shadow")),
        "clear_shadow_model" => empty("DELETE", model("/shadow")),
        "compare_model" => empty("GET", model("/comparison")),
        "get_model_drift" => empty("GET", model("/drift")),
        "list_audit_events" => empty("GET", "/api/v1/audit-events".into()),
        "get_audit_event" => empty("GET", "/api/v1/audit-events/1".into()),
        "get_audit_event_proof" => empty("GET", "/api/v1/audit-events/1/proof".into()),
        "verify_audit_events" => empty("GET", "/api/v1/audit-events/verify".into()),
        "export_audit_events" => empty("GET", "/api/v1/audit-events/export".into()),
        "list_patient_audit_events" => empty("GET", patient("/audit-events")),
        "get_care_team" => empty("GET", patient("/care-team")),
        "add_care_team_member" => post(patient("/care-team"), json!({ "user_id": on.user })),
        "remove_care_team_member" => empty("DELETE", patient(&format!("/care-team/{}", on.user))),
        "hand_over_patient" => post(patient("/care-team/hand-over"), json!({ "user_id": on.user })),
        "list_colleagues" => empty("GET", "/api/v1/colleagues".into()),
        "create_emergency_access" => post(
            "/api/v1/emergency-accesses".into(),
            json!({ "mrn": mrn, "reason": "unconscious in the emergency room" }),
        ),
        "end_emergency_access" => {
            empty("DELETE", format!("/api/v1/emergency-accesses/{}", Uuid::nil()))
        }
        "list_archived_records" => empty("GET", "/api/v1/archived-records".into()),
        "erase_patient" => post(patient("/erase"), json!({ "mrn": mrn, "reason": "request 17" })),
        "list_emergency_accesses" => empty("GET", "/api/v1/emergency-accesses".into()),
        "list_patient_emergency_accesses" => empty("GET", patient("/emergency-accesses")),
        _ => panic!("no request for {operation}"),
    }
}

fn preview() -> Value {
    json!({
        "as_of": "2026-06-01", "age_years": 60, "sex": "female", "diabetes": true,
        "hypertension": true, "cardiovascular_disease": null, "heart_failure": null,
        "smoker": null, "renal_disease": "unknown", "region": "north_america",
        "values": [{ "code": "egfr", "value": 28.0, "unit": "mL/min/{1.73_m2}",
            "effective_at": "2026-05-01T08:00:00Z", "method": "reported" }],
    })
}

/// Signs in anew, so that a caller who signs out or refreshes takes nobody else along.
pub async fn caller(app: &TestApp, kind: &str) -> Client {
    match kind {
        "anonymous" => app.anonymous(),
        "administrator" => app.sign_in(Role::Administrator).await,
        "clinician" => app.sign_in(Role::Clinician).await,
        "researcher" => app.sign_in(Role::Researcher).await,
        _ => app.sign_in(Role::Patient).await,
    }
}

/// Links the patient's account to a record, unless the operation would close the account with it.
pub async fn link(app: &TestApp, operation: &str, patient: &str) {
    if operation != "erase_patient" {
        app.link_patient(PatientId(patient.parse().unwrap())).await;
    }
}

/// A record on which an operation can be tried by whoever may.
pub async fn ready(app: &TestApp, clinician: &Client, operation: &str, mrn: &str) -> Fixture {
    let mut on = fixture(clinician, mrn, true).await;
    if operation == "revoke_token" {
        let made = clinician.post("/api/v1/tokens", new_token(&[Scope::PatientsRead])).await;
        made.created()["token"]["id"].as_str().unwrap().clone_into(&mut on.token);
    }
    if ["replace_view", "delete_view"].contains(&operation) {
        let kept = clinician.post(VIEWS, json!({ "name": mrn })).await.created();
        kept["id"].as_str().unwrap().clone_into(&mut on.view);
    }
    // Each caller changes the first version.
    if operation == "update_preferences" {
        sqlx::query("delete from user_preferences").execute(&app.db).await.unwrap();
    }
    if USERS_CHANGED.contains(&operation) {
        on.user = add_account(app, Role::Researcher).await;
    }
    if TEAMS_CHANGED.contains(&operation) {
        on.user = add_account(app, Role::Clinician).await;
    }
    if operation == "remove_care_team_member" {
        let team = format!("/api/v1/patients/{}/care-team", on.patient);
        clinician.post(&team, json!({ "user_id": on.user })).await.created();
    }
    if operation == "erase_patient" {
        clinician.delete(&format!("/api/v1/patients/{}", on.patient)).await.expect(204);
        sqlx::query("update settings set retention_years = 0").execute(&app.db).await.unwrap();
    }
    // A stream ends with the prediction's final status, and a new prediction answers an open one.
    if ["stream_prediction", "create_prediction"].contains(&operation) {
        let cancel = format!("/api/v1/predictions/{}/cancel", on.prediction);
        clinician.post(&cancel, json!({})).await.ok();
    }
    end_batch(clinician, operation, &on).await;
    on
}

/// A stream ends with the batch's final status.
async fn end_batch(clinician: &Client, operation: &str, on: &Fixture) {
    if operation == "stream_prediction_batch" {
        clinician.post(&format!("{BATCHES}/{}/cancel", on.batch), json!({})).await.ok();
    }
}

async fn check(app: &TestApp, operation: &str, expected: [u16; 6]) {
    let mut clinician = app.sign_in(Role::Clinician).await;
    for (kind, status) in CALLERS.into_iter().zip(expected) {
        let mrn = format!("{operation}-{kind}");
        let on = ready(app, &clinician, operation, &mrn).await;
        // For `stranger` the account is linked to another record, which allows it.
        let linked = match kind {
            "stranger" => fixture(&clinician, &format!("{mrn}-linked"), true).await.patient,
            _ => on.patient.clone(),
        };
        link(app, operation, &linked).await;
        let client = caller(app, kind).await;
        let answer = client.send(request(operation, &client, &on, &mrn)).await;
        assert_eq!(answer.status.as_u16(), status, "{operation} as {kind}: {:#}", answer.body);
        if operation == "revoke_other_sessions" {
            clinician = app.sign_in(Role::Clinician).await;
        }
    }
}

#[test]
fn every_operation_is_in_the_table() {
    let document = backend::openapi::json();
    let documented: BTreeSet<&str> = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|item| item.as_object().unwrap().values())
        .map(|operation| operation["operationId"].as_str().unwrap())
        .collect();
    let tabled: BTreeSet<&str> = ACCESS.iter().map(|(operation, _)| *operation).collect();
    assert_eq!(documented, tabled);
}

#[tokio::test]
async fn every_operation_answers_every_caller_as_the_table_says() {
    let app = TestApp::new().await;
    // The table is that of a site whose patients see their risk; settings.rs tests the other.
    app.let_patients_see_risk().await;
    // Only what is sealed can be proved.
    app.sign_in(Role::Clinician).await;
    app.sealer().try_lead().await.unwrap().unwrap().seal().await.unwrap();
    app.publish().await;
    for (operation, expected) in ACCESS {
        check(&app, operation, *expected).await;
    }
}

#[tokio::test]
async fn a_token_opens_what_its_scope_names_and_nothing_else() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let closed = fixture(&clinician, "closed", true).await;
    app.publish().await;
    for scope in Scope::ALL {
        let token = clinician.token(&[scope]).await;
        // What asks nobody who they are is open to everybody.
        let asking = ACCESS.iter().filter(|(_, expected)| expected[0] == 401);
        for (operation, expected) in asking {
            let mrn = format!("{operation}-{}", scope.name());
            let (status, allowed) = if TOKEN_SCOPES.contains(&(operation, scope)) {
                let on = opened(&clinician, operation, &mrn).await;
                (token.send(request(operation, &token, &on, &mrn)).await.status, expected[2])
            } else {
                (token.send(request(operation, &token, &closed, &mrn)).await.status, 403)
            };
            // Without its cookie a session cannot be refreshed, whoever asks.
            // Nor does a token finish signing in.
            let cookie_or_challenge = ["refresh_session", "login_second_factor"];
            let allowed = if cookie_or_challenge.contains(operation) { 401 } else { allowed };
            assert_eq!(status.as_u16(), allowed, "{operation} with {}", scope.name());
        }
    }
}

#[tokio::test]
async fn a_token_that_may_only_write_is_not_answered_a_whole_record() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let path = format!("/api/v1/patients/{}", fixture(&clinician, "W-1", false).await.patient);
    let writes = clinician.token(&[Scope::PatientsWrite]).await;
    writes.patch(&path, 1, json!({})).await.expect(403);
    writes.post(&format!("{path}/restore"), json!({})).await.expect(403);
    let both = clinician.token(&[Scope::PatientsRead, Scope::PatientsWrite]).await;
    both.patch(&path, 1, json!({ "smoker": true })).await.ok();
    both.post(&format!("{path}/restore"), json!({})).await.ok();
    let exported = both.get(&format!("{path}/export")).await;
    assert!(
        !exported.body.as_str().unwrap().contains("\"kind\":\"access\""),
        "no scope opens who looked"
    );
}

/// A record for an operation that the scope opens.
async fn opened(clinician: &Client, operation: &str, mrn: &str) -> Fixture {
    let on = fixture(clinician, mrn, true).await;
    if matches!(operation, "stream_prediction" | "create_prediction") {
        let cancel = format!("/api/v1/predictions/{}/cancel", on.prediction);
        clinician.post(&cancel, json!({})).await.ok();
    }
    end_batch(clinician, operation, &on).await;
    on
}

#[tokio::test]
async fn a_patient_whose_clinic_does_not_allow_it_reads_nothing() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let own = fixture(&clinician, "own", false).await;
    app.link_patient(PatientId(own.patient.parse().unwrap())).await;
    let patient = app.sign_in(Role::Patient).await;
    let path = format!("/api/v1/patients/{}", own.patient);
    let refused = patient.get(&path).await.expect(404);
    let unknown = patient.get(&format!("/api/v1/patients/{}", Uuid::nil())).await.expect(404);
    assert_eq!(refused["detail"], unknown["detail"], "an outsider learns nothing");

    clinician.patch(&path, 1, json!({ "own_access": true })).await.ok();
    patient.get(&path).await.ok();
}
