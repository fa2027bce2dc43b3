//! What attackers try. The walks go over the whole OpenAPI document, so a new operation is attacked
//! as soon as it is documented.

use std::{future::pending, net::SocketAddr, task::Poll, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{Request, header},
};
use backend::server::serve;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use futures::stream;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use shared::{
    access::{Role, Scope},
    id::PatientId,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use uuid::Uuid;

use crate::{
    access::fixture,
    support::{Answer, Client, PASSWORD, PDF, TestApp, email, new_token, start, with_json},
};

/// An operation of the document.
struct Operation {
    id: String,
    method: String,
    path: String,
    /// The schema of its JSON body, if it takes one.
    body: Option<Value>,
}

/// Every operation of the document.
fn operations() -> Vec<Operation> {
    let document = backend::openapi::json();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let schema = match schema["$ref"].as_str() {
                Some(reference) => document.pointer(&reference[1..]).unwrap(),
                None => schema,
            };
            found.push(Operation {
                id: operation["operationId"].as_str().unwrap().to_owned(),
                method: method.to_uppercase(),
                path: path.clone(),
                body: schema.is_object().then(|| schema.clone()),
            });
        }
    }
    assert!(30 < found.len());
    found
}

impl Operation {
    /// A request for it, with these ids in its path and this body.
    fn request(&self, client: &Client, path: &str, body: &Value) -> Request<Body> {
        let request = client.request(&self.method, path).header(header::IF_MATCH, "\"1\"");
        if self.body.is_some() {
            with_json(request, body)
        } else {
            request.body(Body::empty()).unwrap()
        }
    }

    /// Its path with this id in every place of one.
    fn path_with(&self, id: &str) -> String {
        let mut path = self.path.clone();
        while let (Some(from), Some(to)) = (path.find('{'), path.find('}')) {
            path.replace_range(from..=to, id);
        }
        path
    }
}

/// What an answer tells, without the request's own id.
fn told(answer: &Answer) -> (u16, Value) {
    let mut body = answer.body.clone();
    if let Some(body) = body.as_object_mut() {
        body.remove("instance");
    }
    (answer.status.as_u16(), body)
}

async fn refresh(client: &mut Client, address: &str) -> u16 {
    let request = client.request("POST", "/api/v1/auth/refresh").header("x-forwarded-for", address);
    let answer = client.send(request.body(Body::empty()).unwrap()).await;
    if let Some(cookie) = answer.refresh_cookie() {
        client.cookie = Some(cookie);
        client.token = answer.body["access_token"].as_str().map(str::to_owned);
    }
    answer.status.as_u16()
}

#[tokio::test]
async fn a_stolen_cookie_used_on_another_device_ends_the_session_of_both() {
    let app = TestApp::new().await;
    let mut owner = app.sign_in(Role::Clinician).await;
    let elsewhere = app.sign_in(Role::Clinician).await;
    let mut thief = Client { token: None, ..owner.clone() };

    assert_eq!(refresh(&mut thief, "198.51.100.9").await, 200, "the thief came first");
    thief.get("/api/v1/me").await.ok();
    app.clock.advance(TimeDelta::seconds(60));
    assert_eq!(refresh(&mut owner, "192.0.2.1").await, 401, "which is noticed now");
    thief.get("/api/v1/me").await.expect(401);
    assert_eq!(refresh(&mut thief, "198.51.100.9").await, 401);
    elsewhere.get("/api/v1/me").await.ok();
    assert!(app.audit_trail().await.contains(&"clinician session.refresh refused".to_owned()));
}

/// The key of the test application.
fn key() -> Vec<u8> {
    (0..32).collect()
}

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn sign(header: &Header, claims: &Value, key: &[u8]) -> String {
    jsonwebtoken::encode(header, claims, &EncodingKey::from_secret(key)).unwrap()
}

#[tokio::test]
async fn a_forged_access_token_is_refused_whatever_its_header_says() {
    let app = TestApp::new().await;
    let client = app.sign_in(Role::Patient).await;
    let token = client.token.clone().unwrap();
    let claims = part(&token, 1);
    let kid = part(&token, 0)["kid"].as_str().unwrap().to_owned();
    let header = |alg| Header { kid: Some(kid.clone()), ..Header::new(alg) };
    let with = async |token: &str| {
        let bearer = Client { token: Some(token.to_owned()), cookie: None, ..client.clone() };
        told(&bearer.get("/api/v1/me").await)
    };
    assert_eq!(with(&sign(&header(Algorithm::HS256), &claims, &key())).await.0, 200);

    let unsigned = |alg: &str| {
        let header = json!({ "alg": alg, "typ": "JWT", "kid": kid }).to_string();
        let header = BASE64_URL_SAFE_NO_PAD.encode(header);
        format!("{header}.{}.", token.split('.').nth(1).unwrap())
    };
    let mut other_claims = claims.clone();
    other_claims["sub"] = json!(Uuid::now_v7());
    let signature = token.rsplit('.').next().unwrap();
    let swapped = sign(&header(Algorithm::HS256), &other_claims, b"another key");
    let swapped = format!("{}.{signature}", swapped.rsplit_once('.').unwrap().0);
    let other_kid = Header { kid: Some("other".to_owned()), ..Header::new(Algorithm::HS256) };
    let forged = [
        String::new(),
        "x".to_owned(),
        "nct_000000000000000000000000000000000".to_owned(),
        unsigned("none"),
        unsigned("None"),
        unsigned("HS256"),
        unsigned("EdDSA"),
        sign(&header(Algorithm::HS512), &claims, &key()),
        sign(&header(Algorithm::HS256), &claims, b""),
        sign(&header(Algorithm::HS256), &claims, &[0; 32]),
        sign(&other_kid, &claims, &key()),
        sign(&Header::new(Algorithm::HS256), &claims, &key()),
        swapped,
    ];
    let expected = with("no token at all").await;
    assert_eq!(expected.0, 401);
    for token in forged {
        assert_eq!(with(&token).await, expected, "{token}");
    }
}

#[tokio::test]
async fn a_token_of_another_time_issuer_audience_or_session_is_refused() {
    let app = TestApp::new().await;
    let client = app.sign_in(Role::Clinician).await;
    let token = client.token.clone().unwrap();
    let kid = part(&token, 0)["kid"].as_str().map(str::to_owned);
    let now = start().timestamp();
    let changed = [
        ("exp", json!(now - 6)),
        ("nbf", json!(now + 60)),
        ("iss", json!("somebody else")),
        ("aud", json!("another-api")),
        ("sid", json!(Uuid::now_v7())),
        ("sub", json!(Uuid::now_v7())),
        ("exp", Value::Null),
        ("exp", json!("never")),
    ];
    for (claim, value) in changed {
        let mut claims = part(&token, 1);
        claims[claim] = value;
        let header = Header { kid: kid.clone(), ..Header::new(Algorithm::HS256) };
        let token = Some(sign(&header, &claims, &key()));
        let forger = Client { token, cookie: None, ..client.clone() };
        let answer = forger.get("/api/v1/me").await;
        assert_eq!(answer.status.as_u16(), 401, "{claim} {:?}", claims[claim]);
    }
}

#[tokio::test]
async fn the_tokens_of_a_deactivated_account_are_worth_nothing() {
    let app = TestApp::new().await;
    let mut client = app.sign_in(Role::Clinician).await;
    let program = client.token(&[Scope::PatientsRead]).await;
    program.get("/api/v1/patients").await.ok();
    sqlx::query("update users set active = false where role = 'clinician'")
        .execute(&app.db)
        .await
        .unwrap();
    client.get("/api/v1/patients").await.expect(401);
    program.get("/api/v1/patients").await.expect(401);
    assert_eq!(refresh(&mut client, "192.0.2.1").await, 401);
}

#[tokio::test]
async fn signing_in_hashes_once_whoever_does_not_exist() {
    let app = TestApp::new().await;
    sqlx::query("update users set active = false where role = 'researcher'")
        .execute(&app.db)
        .await
        .unwrap();
    let deactivated = email(Role::Researcher);
    let mut answers = Vec::new();
    for address in ["clinician@example.org", "nobody@example.org", &deactivated] {
        let before = app.state.hasher.computed();
        let credentials = json!({ "email": address, "password": format!("{PASSWORD}!") });
        answers.push(told(&app.anonymous().post("/api/v1/auth/login", credentials).await));
        assert_eq!(app.state.hasher.computed() - before, 1, "{address}");
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], answers[2]);
}

/// Ids of things that belong to somebody else than the patient and the researcher of the tests.
struct Foreign {
    patient: String,
    observation: String,
    therapy: String,
    biopsy: String,
    document: String,
    prediction: String,
    batch: String,
    token: String,
    view: String,
    user: String,
    session: String,
}

impl Foreign {
    async fn new(clinician: &Client) -> Self {
        let id = |value: &Value| value["id"].as_str().unwrap().to_owned();
        let patient = json!({ "mrn": "foreign", "given_name": "Ada", "family_name": "Testwell",
            "birth_date": "1960-01-01", "sex": "female", "own_access": true });
        let patient = id(&clinician.post("/api/v1/patients", patient).await.created());
        let under = |rest: &str| format!("/api/v1/patients/{patient}/{rest}");
        let values = json!({ "observations": [{ "code": "egfr", "value": 30.0,
            "unit": "mL/min/{1.73_m2}", "effective_at": "2026-05-01T08:00:00Z" }] });
        let values = clinician.post(&under("observations"), values).await.created();
        let therapy = json!({ "kind": "statin", "started_on": "2026-01-01" });
        let biopsy = json!({ "performed_on": "2020-01-01", "diagnosis": "IgA nephropathy" });
        let token = clinician.post("/api/v1/tokens", new_token(&[Scope::PatientsRead])).await;
        Self {
            observation: id(&values["items"][0]),
            therapy: id(&clinician.post(&under("therapies"), therapy).await.created()),
            biopsy: id(&clinician.post(&under("biopsies"), biopsy).await.created()),
            document: id(&clinician.upload(&patient, &[("file", None, PDF)]).await.created()),
            prediction: id(&clinician.post(&under("predictions"), json!({})).await.expect(202)),
            batch: id(&clinician
                .post("/api/v1/prediction-batches", json!({ "filter": {} }))
                .await
                .expect(202)),
            token: id(&token.created()["token"]),
            view: id(&clinician
                .post("/api/v1/me/views", json!({ "name": "foreign" }))
                .await
                .created()),
            user: id(&clinician.get("/api/v1/me").await.ok()),
            session: part(clinician.token.as_ref().unwrap(), 1)["sid"].as_str().unwrap().to_owned(),
            patient,
        }
    }

    /// The foreign id for a path, by the noun before its id; `None` for what names no object of
    /// somebody's.
    fn id(&self, path: &str) -> Option<&str> {
        let before = path.split("/{").next().unwrap();
        match before.rsplit('/').next().unwrap() {
            // An emergency is a clinician's own, which `care_teams.rs` tests; these callers have none.
            "patients" | "emergency-accesses" => Some(&self.patient),
            "observations" => Some(&self.observation),
            "therapies" => Some(&self.therapy),
            "biopsies" => Some(&self.biopsy),
            "documents" => Some(&self.document),
            "predictions" => Some(&self.prediction),
            "prediction-batches" => Some(&self.batch),
            "tokens" => Some(&self.token),
            "views" => Some(&self.view),
            "users" => Some(&self.user),
            "sessions" => Some(&self.session),
            // Entries of the audit log are numbered from 1.
            "audit-events" => Some("1"),
            // Public by nature: the card of a model is for everybody.
            "models" => None,
            _ => panic!("{path}: which id of somebody else's could be tried here?"),
        }
    }
}

#[tokio::test]
async fn an_id_of_somebody_else_is_as_good_as_one_that_does_not_exist() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let foreign = Foreign::new(&clinician).await;
    let own = json!({ "mrn": "own", "given_name": "Bea", "family_name": "Exampleby",
        "birth_date": "1970-01-01", "sex": "female", "own_access": true });
    let own = clinician.post("/api/v1/patients", own).await.created()["id"].clone();
    app.link_patient(PatientId(own.as_str().unwrap().parse().unwrap())).await;
    let patient = app.sign_in(Role::Patient).await;
    let researcher = app.sign_in(Role::Researcher).await;
    let program = researcher.token(&[Scope::SummariesRead]).await;
    let mut tried = 0;
    for operation in operations().iter().filter(|operation| operation.path.contains('{')) {
        let Some(id) = foreign.id(&operation.path) else { continue };
        for (who, client) in
            [("patient", &patient), ("researcher", &researcher), ("token", &program)]
        {
            let ask = async |id: &str| {
                let path = operation.path_with(id);
                told(&client.send(operation.request(client, &path, &json!({}))).await)
            };
            let (theirs, unknown) = (ask(id).await, ask(&Uuid::now_v7().to_string()).await);
            let named = format!("{} as {who}", operation.id);
            assert!(matches!(theirs.0, 403 | 404), "{named}: {}", theirs.0);
            assert_eq!(theirs, unknown, "{named} tells whether it exists");
            tried += 1;
        }
    }
    assert!(60 < tried, "only {tried}");
    // The owner of all that still has it: nothing was changed on the way to the refusals.
    clinician.get(&format!("/api/v1/patients/{}", foreign.patient)).await.ok();
    clinician.get(&format!("/api/v1/predictions/{}", foreign.prediction)).await.ok();
}

/// Every operation with a JSON body, with a client that is let through to its body.
async fn bodies(app: &TestApp) -> Vec<(Operation, Client)> {
    let mut clients = vec![app.anonymous()];
    for role in Role::ALL {
        clients.push(app.sign_in(role).await);
    }
    let mut found = Vec::new();
    for operation in operations().into_iter().filter(|operation| operation.body.is_some()) {
        let path = operation.path_with(&Uuid::nil().to_string());
        for client in &clients {
            let answer = client.send(operation.request(client, &path, &json!([]))).await;
            if !matches!(answer.status.as_u16(), 401 | 403) {
                assert_eq!(answer.status.as_u16(), 422, "{}: {:#}", operation.id, answer.body);
                found.push((operation, client.clone()));
                break;
            }
        }
    }
    assert!(10 < found.len());
    found
}

#[tokio::test]
async fn no_body_takes_a_field_that_is_not_its_own() {
    let app = TestApp::new().await;
    let smuggled = [
        "role",
        "id",
        "user_id",
        "patient_id",
        "version",
        "active",
        "password_hash",
        "created_at",
        "archived_at",
        "actor_id",
        "__proto__",
        "$where",
    ];
    for (operation, client) in bodies(&app).await {
        let path = operation.path_with(&Uuid::nil().to_string());
        let schema = operation.body.as_ref().unwrap();
        for field in smuggled {
            if schema["properties"].get(field).is_some() {
                continue;
            }
            let body = json!({ (field): "administrator" });
            let answer = client.send(operation.request(&client, &path, &body)).await;
            let faults = answer.faults();
            let pointer = format!("/{field}");
            assert!(faults.contains_key(&pointer), "{} takes {field}", operation.id);
        }
    }
}

#[tokio::test]
async fn a_body_beyond_its_limit_is_refused_everywhere() {
    let app = TestApp::new().await;
    let large = json!({ "padding": "x".repeat(3 * 1024 * 1024) });
    for (operation, client) in bodies(&app).await {
        let path = operation.path_with(&Uuid::nil().to_string());
        let answer = client.send(operation.request(&client, &path, &large)).await;
        assert_eq!(answer.status.as_u16(), 413, "{}", operation.id);
        assert_eq!(answer.body["type"], "/problems/too-large");
    }
}

#[tokio::test]
async fn quotes_and_statements_are_only_text() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let hostile = [
        "'; drop table patients; --",
        "\" or \"\"=\"",
        "' or '1'='1",
        "\\'; select pg_sleep(30); --",
        "%' union select password_hash from users --",
        "$1",
        "{{7*7}}${7*7}<script>alert(1)</script>",
    ];
    for (index, text) in hostile.into_iter().enumerate() {
        let patient = json!({ "mrn": format!("{index}"), "given_name": text, "family_name": text,
            "birth_date": "1960-01-01", "sex": "female" });
        let created = clinician.post("/api/v1/patients", patient).await.created();
        assert_eq!(created["family_name"], text);
        let query: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let found = clinician.get(&format!("/api/v1/patients?q={query}")).await.ok();
        let found = found["items"].as_array().unwrap();
        assert!(found.iter().all(|item| item["family_name"] == text), "{text}: {found:#?}");
        for field in ["sort", "risk_category", "cursor", "limit"] {
            clinician.get(&format!("/api/v1/patients?{field}={query}")).await.expect(422);
        }
        let path = format!("/api/v1/patients/{query}");
        clinician.get(&path).await.expect(404);
        let request = clinician
            .request("PATCH", &format!("/api/v1/patients/{}", created["id"].as_str().unwrap()));
        let request = request.header(header::IF_MATCH, format!("\"1{text}\""));
        clinician.send(with_json(request, &json!({ "smoker": true }))).await.expect(412);
        let credentials = json!({ "email": text, "password": text });
        app.anonymous().post("/api/v1/auth/login", credentials).await.expect(401);
    }
    let left: i64 =
        sqlx::query_scalar("select count(*) from patients").fetch_one(&app.db).await.unwrap();
    assert_eq!(left, 7);
}

#[tokio::test]
async fn line_breaks_and_control_characters_get_in_nowhere() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    for name in ["Ada\r\nSet-Cookie: a=b", "Ada\nLovely", "Ada\u{0}", "Ada\u{1b}[31m", "Ada\u{85}"]
    {
        let patient = json!({ "mrn": "1", "given_name": name, "family_name": "Testwell",
            "birth_date": "1960-01-01", "sex": "female" });
        let answer = clinician.post("/api/v1/patients", patient).await;
        assert!(matches!(answer.status.as_u16(), 400 | 422), "{name:?}: {}", answer.status);
        let query: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
        let answer = clinician.get(&format!("/api/v1/patients?q={query}")).await;
        assert!(matches!(answer.status.as_u16(), 200 | 422), "{name:?}: {}", answer.status);
    }
    // What a caller says about itself ends up in the log and in the audit log only if it is plain.
    let request = clinician
        .request("GET", "/api/v1/patients")
        .header("x-request-id", "abcdefgh\",\"level\":\"ERROR")
        .header("x-forwarded-for", "192.0.2.1, \"forged\"");
    let answer = clinician.send(request.body(Body::empty()).unwrap()).await;
    let id = answer.header("x-request-id").unwrap();
    assert!(id.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id}");
    let addresses: i64 =
        sqlx::query_scalar("select count(*) from audit_events where address is not null")
            .fetch_one(&app.db)
            .await
            .unwrap();
    assert_eq!(addresses, 0);
}

#[tokio::test]
async fn what_the_database_cannot_hold_is_a_fault_of_whoever_sends_it() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let admin = app.sign_in(Role::Administrator).await;
    let on = fixture(&clinician, "M-1", false).await;
    for title in ["a\0b", "a\u{1b}[31mb"] {
        let parts = [("file", None, PDF), ("title", None, title.as_bytes())];
        assert!(clinician.upload(&on.patient, &parts).await.faults().contains_key("/title"));
    }
    let values = format!("/api/v1/patients/{}/observations", on.patient);
    for time in ["-10000-01-01T00:00:00Z", "0000-01-01T00:00:00Z", "+10000-01-01T00:00:00Z"] {
        let time: String = form_urlencoded::byte_serialize(time.as_bytes()).collect();
        for end in ["from", "to"] {
            let log = format!("/api/v1/audit-events?{end}={time}");
            let export = format!("/api/v1/audit-events/export?{end}={time}");
            for path in [&format!("{values}?{end}={time}"), &log, &export] {
                let faults = admin.get(path).await.faults();
                assert!(faults.contains_key(&format!("/{end}")), "{path}: {faults:?}");
            }
        }
    }
    clinician.get("/api/v1/patients?q=-10000-01-01").await.ok();
    // Cursors are made by nobody but us, which keeps nobody from making one.
    let long_ago = json!(["-10000-01-01T00:00:00Z", Uuid::nil()]);
    for (list, position) in [
        (&*values, &long_ago),
        ("/api/v1/archived-records", &long_ago),
        ("/api/v1/patients", &json!(["updated_at", { "Time": long_ago }])),
    ] {
        let cursor = BASE64_URL_SAFE_NO_PAD.encode(position.to_string());
        let sort = if list.ends_with("patients") { "sort=updated_at&" } else { "" };
        let faults = admin.get(&format!("{list}?{sort}cursor={cursor}")).await.faults();
        assert!(faults.contains_key("/cursor"), "{list}: {faults:?}");
    }
}

#[tokio::test]
async fn a_handler_that_panics_answers_all_the_same_and_tells_nothing() {
    let app = TestApp::new().await;
    let body = stream::poll_fn(|_| -> Poll<Option<Result<Bytes, std::io::Error>>> {
        panic!("what only the log may know")
    });
    let request = app.anonymous().request("POST", "/api/v1/auth/login");
    let request = request.header(header::CONTENT_TYPE, "application/json");
    let answer = app.anonymous().send(request.body(Body::from_stream(body)).unwrap()).await;
    let told = answer.expect(500);
    assert_eq!(told["type"], "/problems/internal");
    assert!(!told.to_string().contains("the log may know"), "{told:#}");
    app.sign_in(Role::Clinician).await;
}

#[tokio::test]
async fn a_parameter_given_twice_or_made_up_is_refused() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    for query in ["limit=1&limit=2", "q=a&q=b", "role=administrator", "limit[]=1"] {
        clinician.get(&format!("/api/v1/patients?{query}")).await.expect(422);
    }
}

#[tokio::test]
async fn no_address_leads_out_of_the_service() {
    let app = TestApp::new().await;
    let ways = [
        "/../../../../etc/passwd",
        "/api/v1/../../../../etc/passwd",
        "/api/docs/../../../../etc/passwd",
        "/api/docs/..%2f..%2f..%2fetc%2fpasswd",
        "/api/docs/%2e%2e/%2e%2e/etc/passwd",
        "/api/docs/....//....//etc/passwd",
        "/api/v1/patients/..%2f..%2f..%2fetc%2fpasswd",
        "/api/v1/openapi.json/..%5c..%5cetc%5cpasswd",
    ];
    for client in [app.anonymous(), app.sign_in(Role::Clinician).await] {
        for way in ways {
            let answer = client.get(way).await;
            assert!(matches!(answer.status.as_u16(), 401 | 404), "{way}: {}", answer.status);
            assert!(!answer.body.to_string().contains("root:"), "{way}");
        }
    }
}

/// The service on a port of its own.
async fn listening(app: &TestApp) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = app.router.clone();
    tokio::spawn(serve(listener, router, pending()));
    address
}

#[tokio::test]
async fn whoever_is_refused_before_the_body_has_come_still_gets_the_answer() {
    let app = TestApp::new().await;
    let researcher = app.sign_in(Role::Researcher).await;
    let size = 8 * 1024 * 1024;
    let head = format!(
        "POST /api/v1/predictions/preview HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\
         Authorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n",
        researcher.token.unwrap()
    );
    let mut stream = TcpStream::connect(listening(&app).await).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    // The refusal is on its way before most of the body is.
    for piece in vec![b'x'; size].chunks(64 * 1024) {
        stream.write_all(piece).await.expect("the connection stays until the body is there");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
}

#[tokio::test]
async fn a_body_that_dribbles_does_not_hold_a_place_for_long() {
    let app = TestApp::new().await;
    let mut stream = TcpStream::connect(listening(&app).await).await.unwrap();
    let head = "POST /api/v1/auth/login HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\
        Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    tokio::time::timeout(Duration::from_secs(15), read).await.expect("an end").unwrap();
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(answer.contains("/problems/malformed-request"), "{answer}");
}
