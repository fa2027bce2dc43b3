//! Documents in a bucket: over HTTP, in a store of the test's own that checks every signature.

use std::{
    collections::BTreeMap,
    process::{Command, Output},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use backend::{
    clock::Clock,
    documents::{Documents, s3::Bucket},
    metrics::Observed,
    router::router,
    state::AppState,
};
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shared::access::Role;
use tokio::{net::TcpListener, sync::Notify, time::timeout};
use zeroize::Zeroizing;

use crate::{
    documents::{record, tempdir::Folder},
    support::{ARTIFACTS, Client, PDF, SECRET_KEY, TestApp, audit_key_file},
};

const BUCKET: &str = "documents";
const KEY_ID: &str = "nephrocast";
const SECRET: &str = "a secret for tests only";

/// Content and its date, by name.
type Objects = BTreeMap<String, (Bytes, DateTime<Utc>)>;

/// A store with one bucket.
#[derive(Clone, Default)]
pub struct Store {
    objects: Arc<Mutex<Objects>>,
    mood: Arc<Mutex<Mood>>,
    stored: Arc<Notify>,
    endpoint: String,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Mood {
    #[default]
    Well,
    /// Everything fails.
    Broken,
    /// What comes is stored, and nobody is told.
    Silent,
    /// The key may read, and no more.
    ReadOnly,
}

impl Store {
    /// On a thread of its own: processes ask it, for which tests wait without a runtime.
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let store = Self { endpoint, ..Self::default() };
        let router = Router::new().fallback(answer).with_state(store.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                axum::serve(listener, router).await
            })
        });
        store
    }

    /// The store, for whoever has the key.
    pub fn documents(&self) -> Documents {
        let bucket = Bucket {
            name: BUCKET.into(),
            endpoint: self.endpoint.parse().unwrap(),
            region: "eu-south-1".into(),
            key_id: KEY_ID.into(),
            secret: Zeroizing::new(SECRET.into()),
        };
        Documents::in_bucket(&bucket, None).unwrap()
    }

    /// The settings with which a process finds it.
    pub fn settings(&self, scratch: &Folder) -> Vec<(&'static str, String)> {
        let file = scratch.0.join("s3-secret");
        std::fs::write(&file, format!("{SECRET}\n")).unwrap();
        vec![
            ("NEPHROCAST_DOCUMENTS_S3_BUCKET", BUCKET.into()),
            ("NEPHROCAST_DOCUMENTS_S3_ENDPOINT", self.endpoint.clone()),
            ("NEPHROCAST_DOCUMENTS_S3_KEY_ID", KEY_ID.into()),
            ("NEPHROCAST_DOCUMENTS_S3_SECRET_FILE", file.display().to_string()),
        ]
    }

    /// What it holds, by name.
    pub fn names(&self) -> Vec<String> {
        self.objects.lock().unwrap().keys().cloned().collect()
    }

    fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }
}

async fn answer(State(store): State<Store>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 30 << 20).await.unwrap();
    let mood = *store.mood.lock().unwrap();
    if mood == Mood::Broken {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if !is_signed(&head.method, &head.uri, &head.headers, &body) {
        return (StatusCode::FORBIDDEN, "<Error><Code>SignatureDoesNotMatch</Code></Error>")
            .into_response();
    }
    let path = head.uri.path().to_owned();
    let Some(name) = path.strip_prefix(&format!("/{BUCKET}")) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let name = name.trim_start_matches('/').to_owned();
    if mood == Mood::ReadOnly && head.method != Method::GET {
        return StatusCode::FORBIDDEN.into_response();
    }
    let done = store.act(&head.method, &head.uri, name, body);
    if mood == Mood::Silent {
        store.stored.notify_one();
        std::future::pending::<()>().await;
    }
    done
}

impl Store {
    fn act(&self, method: &Method, uri: &Uri, name: String, body: Bytes) -> Response {
        let mut objects = self.objects.lock().unwrap();
        match *method {
            Method::PUT => {
                objects.insert(name, (body, Clock::machine().now()));
                [(header::ETAG, "\"1\"")].into_response()
            }
            Method::DELETE => {
                objects.remove(&name);
                StatusCode::NO_CONTENT.into_response()
            }
            Method::GET if name.is_empty() => page(&objects, uri.query().unwrap_or_default()),
            Method::GET => match objects.get(&name) {
                Some((content, at)) => {
                    let headers = [
                        (header::ETAG, "\"1\"".to_owned()),
                        (header::LAST_MODIFIED, at.format("%a, %d %b %Y %T GMT").to_string()),
                    ];
                    (headers, content.clone()).into_response()
                }
                None => StatusCode::NOT_FOUND.into_response(),
            },
            _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
        }
    }
}

/// Two names at a time, so that whoever wants all has to come again.
fn page(objects: &Objects, query: &str) -> Response {
    let fields: BTreeMap<String, String> = serde_urlencoded::from_str(query).unwrap();
    let after = fields.get("continuation-token").cloned().unwrap_or_default();
    let mut rest = objects.iter().filter(|(name, _)| **name > after);
    let found: Vec<_> = rest.by_ref().take(2).collect();
    let contents: Vec<String> = found
        .iter()
        .map(|(name, (content, at))| {
            format!(
                "<Contents><Key>{name}</Key><LastModified>{}</LastModified><ETag>1</ETag>\
                 <Size>{}</Size></Contents>",
                at.format("%FT%T.000Z"),
                content.len()
            )
        })
        .collect();
    let next = match (rest.next(), found.last()) {
        (Some(_), Some((last, _))) => {
            format!("<NextContinuationToken>{last}</NextContinuationToken>")
        }
        _ => String::new(),
    };
    let contents = contents.concat();
    format!("<ListBucketResult>{contents}{next}</ListBucketResult>").into_response()
}

/// AWS Signature Version 4, as the store's side computes it.
fn is_signed(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(signed), Some(hash), Some(at)) =
        (text("authorization"), text("x-amz-content-sha256"), text("x-amz-date"))
    else {
        return false;
    };
    let Some(fields) = signed.strip_prefix("AWS4-HMAC-SHA256 ") else { return false };
    let field = |name: &str| {
        let mut fields = fields.split(',').map(str::trim);
        fields.find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
    };
    let (Some(credential), Some(names), Some(signature)) =
        (field("Credential"), field("SignedHeaders"), field("Signature"))
    else {
        return false;
    };
    let Some(scope) = credential.strip_prefix(&format!("{KEY_ID}/")) else { return false };
    let mut query: Vec<_> = uri.query().unwrap_or_default().split('&').collect();
    query.sort_unstable();
    let lines: Vec<String> = names
        .split(';')
        .map(|name| format!("{name}:{}\n", text(name).unwrap_or_default().trim()))
        .collect();
    let lines = lines.concat();
    let canonical =
        format!("{method}\n{}\n{}\n{lines}\n{names}\n{hash}", uri.path(), query.join("&"));
    let canonical = hex::encode(Sha256::digest(canonical));
    let to_sign = format!("AWS4-HMAC-SHA256\n{at}\n{scope}\n{canonical}");
    let key =
        scope.split('/').fold(format!("AWS4{SECRET}").into_bytes(), |key, part| code(&key, part));
    hash == hex::encode(Sha256::digest(body)) && signature == hex::encode(code(&key, &to_sign))
}

fn code(key: &[u8], text: &str) -> Vec<u8> {
    let mut code = Hmac::<Sha256>::new_from_slice(key).unwrap();
    code.update(text.as_bytes());
    code.finalize().into_bytes().to_vec()
}

/// A clinician of an application whose documents are in the store, with a patient and their record.
async fn at_work(app: &TestApp, store: &Store) -> (Client, String, AppState) {
    let documents = store.documents().counting(app.state.metrics.clone());
    let state = app.state.with(|state| state.documents = documents);
    let clinician = Client { router: router(state.clone()), ..app.sign_in(Role::Clinician).await };
    let patient = record(&clinician).await;
    (clinician, patient, state)
}

fn content_of(document: &Value) -> String {
    format!("/api/v1/documents/{}/content", document["id"].as_str().unwrap())
}

const LETTER: [(&str, Option<&str>, &[u8]); 1] = [("file", Some("letter.pdf"), PDF)];

#[tokio::test]
async fn a_document_goes_to_the_bucket_and_comes_back_the_same() {
    let (app, store) = (TestApp::new().await, Store::start());
    let (clinician, patient, state) = at_work(&app, &store).await;
    state.documents.check().await.unwrap();
    assert_eq!(store.names(), [""; 0], "the trial is removed");
    let document = clinician.upload(&patient, &LETTER).await.created();
    assert_eq!(store.names().len(), 1);
    let text = String::from_utf8_lossy(PDF).into_owned();
    assert_eq!(clinician.get(&content_of(&document)).await.ok(), Value::String(text));

    // Whoever changes the store's content is found out.
    for (content, _) in store.objects.lock().unwrap().values_mut() {
        *content = Bytes::from_static(b"something else");
    }
    clinician.get(&content_of(&document)).await.expect(500);
    let removed = format!("/api/v1/documents/{}", document["id"].as_str().unwrap());
    clinician.delete(&removed).await.expect(204);
    assert_eq!(store.names(), [""; 0]);
}

#[tokio::test]
async fn while_the_store_fails_nothing_is_taken_and_nothing_is_lost() {
    let (app, store) = (TestApp::new().await, Store::start());
    let (clinician, patient, _) = at_work(&app, &store).await;
    let document = clinician.upload(&patient, &LETTER).await.created();
    store.is(Mood::Broken);
    let refused = clinician.upload(&patient, &LETTER).await;
    assert!(refused.header("retry-after").is_some());
    assert_eq!(refused.expect(503)["type"], "/problems/unavailable");
    clinician.get(&content_of(&document)).await.expect(503);
    let (metrics, db) = (app.state.metrics.clone(), app.db.clone());
    let (reads, clock) = (app.state.reads.clone(), app.clock.clone());
    let told =
        Observed { metrics, db, further: None, works: false, reads, clock }.text().await.unwrap();
    assert!(told.contains("nephrocast_document_failures_total 2\n"), "{told}");
    let trail = app.audit_trail().await;
    let created = trail.iter().filter(|line| line.contains("document.create")).count();
    assert_eq!(created, 1, "{trail:?}");
    store.is(Mood::Well);
    let list = format!("/api/v1/patients/{patient}/documents");
    assert_eq!(clinician.get(&list).await.ok()["items"], json!([document]));
    clinician.get(&content_of(&document)).await.ok();
    clinician.upload(&patient, &LETTER).await.created();
}

#[tokio::test]
async fn what_an_upload_left_behind_that_was_killed_is_swept_from_the_bucket() {
    let (app, store) = (TestApp::new().await, Store::start());
    let (clinician, patient, state) = at_work(&app, &store).await;
    for _ in 0..3 {
        clinician.upload(&patient, &LETTER).await.created();
    }
    let kept = store.names();
    store.is(Mood::Silent);
    let upload = tokio::spawn(async move { clinician.upload(&patient, &LETTER).await });
    timeout(Duration::from_secs(10), store.stored.notified()).await.unwrap();
    upload.abort();
    store.is(Mood::Well);
    assert_eq!(store.names().len(), 4);
    let now = Clock::machine().now();
    let found = state.documents.sweep(&app.db, now, Duration::ZERO).await.unwrap();
    assert_eq!(found, 0, "it may be on its way");
    let later = now + TimeDelta::hours(25);
    assert_eq!(state.documents.sweep(&app.db, later, Duration::ZERO).await.unwrap(), 1);
    assert_eq!(store.names(), kept);
}

fn serve(app: &TestApp, scratch: &Folder, settings: &[(&str, String)]) -> Output {
    let key = scratch.0.join("secret-key");
    std::fs::write(&key, SECRET_KEY).unwrap();
    Command::new(env!("CARGO_BIN_EXE_nephrocast"))
        .arg("serve")
        .env("NEPHROCAST_DATABASE_URL", &app.database_url)
        .env("NEPHROCAST_LISTEN", "127.0.0.1:0")
        .env("NEPHROCAST_MODEL_DIR", ARTIFACTS)
        .env("NEPHROCAST_SECRET_KEY_FILE", key)
        .env("NEPHROCAST_AUDIT_KEY_FILE", audit_key_file())
        .envs(settings.iter().cloned())
        .output()
        .unwrap()
}

#[tokio::test]
async fn a_server_does_not_start_with_a_key_that_the_store_refuses() {
    let (app, store, scratch) = (TestApp::new().await, Store::start(), Folder::new());
    let settings = store.settings(&scratch);
    std::fs::write(scratch.0.join("s3-secret"), "another secret").unwrap();
    let said = |settings: &[(&'static str, String)]| {
        let ended = serve(&app, &scratch, settings);
        assert!(!ended.status.success());
        String::from_utf8_lossy(&ended.stderr).into_owned()
    };
    let refused = said(&settings);
    assert!(refused.contains("the documents' store cannot be read"), "{refused}");
    assert!(!refused.contains("another secret"), "{refused}");
    let incomplete = said(&settings[..3]);
    assert!(incomplete.contains("NEPHROCAST_DOCUMENTS_S3_SECRET_FILE is missing"), "{incomplete}");
    let mut elsewhere = settings.clone();
    elsewhere[1].1 = "ftp://127.0.0.1".into();
    let refused = said(&elsewhere);
    assert!(refused.contains("must begin with https://"), "{refused}");
}

#[tokio::test]
async fn a_key_that_may_only_read_is_good_for_backups_alone() {
    let store = Store::start();
    let documents = store.documents();
    documents.check().await.unwrap();
    store.is(Mood::ReadOnly);
    documents.check_reading().await.unwrap();
    let refused = documents.check().await.unwrap_err();
    assert!(refused.to_string().contains("cannot be stored"), "{refused:#}");
    assert_eq!(store.names(), [""; 0]);
}
