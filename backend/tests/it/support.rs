//! What every test stands on: an application over a database of its own, and clients that speak
//! HTTP as somebody.

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode, header},
};
use backend::{
    MIGRATOR,
    audit::checkpoint::{SealingKey, TrustedKeys},
    auth::{password, password::Hasher, token::Keys, vault::Vault},
    clock::Clock,
    dashboards::{KeptCounts, MANY},
    db,
    db::models::Roles,
    documents::Documents,
    jobs,
    jobs::{at_once::AtOnce, events::PredictionEvents, predict::Engine, seal::Sealer},
    limits::{Limits, Rates},
    metrics::Metrics,
    models::{Release, Releases},
    replica::Reads,
    router::router,
    state::{AppState, Parts},
    together::Together,
    worklist::KeptLines,
};
use chrono::{DateTime, TimeDelta, Utc};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use shared::{
    access::{Role, Scope},
    id::{PatientId, UserId},
    user::User,
};
use sqlx::{
    Connection, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tower::ServiceExt;
use uuid::Uuid;

/// Every test account's password.
pub const PASSWORD: &str = "a password for tests only";

/// The release that the product comes with.
pub const ARTIFACTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../model/artifacts");

/// The key that signs every test's access tokens.
pub const SECRET_KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// The key that seals every test's audit log.
pub const AUDIT_KEY: &str = "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f";

/// When every test begins.
pub fn start() -> DateTime<Utc> {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

/// The application, over a database of its own that goes when the test ends.
pub struct TestApp {
    pub router: Router,
    pub state: AppState,
    pub db: PgPool,
    pub clock: Clock,
    /// The database's address, for processes that a test starts.
    pub database_url: String,
    /// The same, of the database's owner.
    pub owner_url: String,
    /// Dropped with the application.
    _database: Database,
}

impl TestApp {
    /// A fresh application: migrated, one account per role, no patient.
    pub async fn new() -> Self {
        Self::with_models(ARTIFACTS.as_ref()).await
    }

    /// The same over a model folder of the test's own.
    pub async fn with_models(folder: &Path) -> Self {
        // Tests about other things meet no limit.
        Self::start(folder, Rates { sign_in: 100_000, ..Rates::DEMO }).await
    }

    /// A fresh application whose callers may not ask more often than this.
    pub async fn limited(rates: Rates) -> Self {
        Self::start(ARTIFACTS.as_ref(), rates).await
    }

    async fn start(folder: &Path, rates: Rates) -> Self {
        let database = Database::create().await;
        let options: PgConnectOptions = database.url.parse().unwrap();
        let options = options.application_name("nephrocast-test");
        let db = PgPoolOptions::new().max_connections(8).connect_with(options).await.unwrap();
        let clock = Clock::manual(start());
        let metrics = Metrics::default();
        let state = AppState::from(Parts {
            reads: Reads::new(db.clone(), None, metrics.clone()),
            db: db.clone(),
            clock: clock.clone(),
            keys: Arc::new(Keys::from_hex(SECRET_KEY).unwrap()),
            together: Together::start(&db, &clock, KeptLines::default(), AtOnce::never()),
            at_once: AtOnce::never(),
            audit_keys: Arc::new(TrustedKeys::new(vec![sealing_key().public()]).unwrap()),
            vault: Arc::new(Vault::new(SECRET_KEY).unwrap()),
            hasher: Hasher::new().unwrap(),
            documents: Documents::in_memory(None),
            releases: Arc::new(Releases::load(folder).unwrap()),
            events: PredictionEvents::listen(&db).await.unwrap(),
            dashboards: KeptCounts::new(MANY),
            limits: Arc::new(Limits::new(rates)),
            metrics,
        });
        let (database_url, owner_url) = (database.url.clone(), database.owner_url.clone());
        let router = router(state.clone());
        Self { router, state, db, clock, database_url, owner_url, _database: database }
    }

    /// Somebody's requests, sent to a process that is a worker as well.
    pub fn at_a_worker(&self, client: &Client) -> Client {
        let at_once = AtOnce::by(Engine::of(&self.state));
        let together =
            Together::start(&self.db, &self.clock, KeptLines::default(), at_once.clone());
        let state = self.state.with(|parts| {
            parts.at_once = at_once;
            parts.together = together;
        });
        Client { router: router(state), ..client.clone() }
    }

    /// A connection of the database's owner, who may do everything.
    pub async fn owner(&self) -> PgConnection {
        PgConnection::connect(&self.owner_url).await.unwrap()
    }

    /// The release that answers while nobody has chosen another.
    pub fn standard(&self) -> Arc<Release> {
        self.state.releases.active(&Roles::default()).unwrap()
    }

    /// A caller without credentials.
    pub fn anonymous(&self) -> Client {
        Client { router: self.router.clone(), token: None, cookie: None, address: None }
    }

    /// The test account of a role, signed in.
    pub async fn sign_in(&self, role: Role) -> Client {
        let mut client = self.anonymous();
        let credentials = json!({ "email": email(role), "password": PASSWORD });
        let answer = client.post("/api/v1/auth/login", credentials).await;
        client.cookie = answer.refresh_cookie();
        client.token = Some(answer.ok()["access_token"].as_str().unwrap().to_owned());
        client
    }

    /// What seals the audit log, as a worker does.
    pub fn sealer(&self) -> Sealer {
        let database = self.db.connect_options().as_ref().clone();
        Sealer::new(database, self.clock.clone(), Arc::new(sealing_key()))
    }

    /// Publishes summaries, as a worker does; says whether there was anything to publish.
    pub async fn publish(&self) -> bool {
        jobs::summarise::publish(&self.db, &self.clock).await.unwrap()
    }

    /// Somebody who tries to sign in from an address.
    pub async fn try_at(&self, address: &'static str, email: &str, password: &str) -> Answer {
        let client = Client { address: Some(address), ..self.anonymous() };
        let credentials = json!({ "email": email, "password": password });
        client.post("/api/v1/auth/login", credentials).await
    }

    /// Links the patient role's account to a record.
    pub async fn link_patient(&self, id: PatientId) {
        sqlx::query("update users set patient_id = $1 where role = 'patient'")
            .bind(id)
            .execute(&self.db)
            .await
            .unwrap();
    }

    /// A site whose patients see predictions of their own record.
    pub async fn let_patients_see_risk(&self) {
        sqlx::query("update settings set patients_see_risk = true")
            .execute(&self.db)
            .await
            .unwrap();
    }

    /// The audit log as `role action outcome` lines, oldest first, without sign-ins.
    pub async fn audit_trail(&self) -> Vec<String> {
        sqlx::query_scalar(
            "select coalesce(actor_role, 'nobody') || ' ' || action || ' ' || outcome
            from audit_events
            where action <> 'session.sign_in'
            order by id",
        )
        .fetch_all(&self.db)
        .await
        .unwrap()
    }

    /// The details of the latest audit entry with this action.
    pub async fn audit_details(&self, action: &str) -> Value {
        sqlx::query_scalar(
            "select coalesce(details, 'null') from audit_events
            where action = $1
            order by id desc
            limit 1",
        )
        .bind(action)
        .fetch_one(&self.db)
        .await
        .unwrap()
    }
}

/// How many predictions the audit log tells the end of exactly once: of one that was answered as it was asked
/// for, the entry of its request does.
pub const ENDED_ONCE: &str = "select count(*) from (
        select object_id from audit_events
        where action = 'prediction.finish'
            or action = 'prediction.request' and details ->> 'status' = 'succeeded'
        group by object_id having count(*) = 1
    ) as ended";

/// The key that seals every test's audit log.
pub fn sealing_key() -> SealingKey {
    SealingKey::from_hex(AUDIT_KEY).unwrap()
}

/// A file with the key that seals the audit log, for processes that a test starts.
pub fn audit_key_file() -> std::path::PathBuf {
    let file = std::env::temp_dir().join(format!("nephrocast-audit-key-{}", std::process::id()));
    std::fs::write(&file, AUDIT_KEY).unwrap();
    file
}

/// The address of a role's test account.
pub fn email(role: Role) -> String {
    format!("{}@example.org", role.label().to_lowercase())
}

/// Somebody who speaks HTTP to the application.
#[derive(Clone)]
pub struct Client {
    pub router: Router,
    pub token: Option<String>,
    pub cookie: Option<String>,
    /// Where the requests come from, as NGINX would say.
    pub address: Option<&'static str>,
}

impl Client {
    /// A request with this client's credentials.
    pub fn request(&self, method: &str, path: &str) -> axum::http::request::Builder {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        if let Some(address) = self.address {
            request = request.header("x-forwarded-for", address);
        }
        request
    }

    /// A client with a new API token of this client's account.
    pub async fn token(&self, scopes: &[Scope]) -> Self {
        let made = self.post("/api/v1/tokens", new_token(scopes)).await.created();
        let secret = made["secret"].as_str().unwrap().to_owned();
        Self { token: Some(secret), cookie: None, ..self.clone() }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path).body(Body::empty()).unwrap()).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request("DELETE", path).body(Body::empty()).unwrap()).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(with_json(self.request("POST", path), &body)).await
    }

    /// A `POST` that creates, under an idempotency key.
    pub async fn post_once(&self, key: &str, path: &str, body: Value) -> Answer {
        let request = self.request("POST", path).header("idempotency-key", key);
        self.send(with_json(request, &body)).await
    }

    /// A change based on a version.
    pub async fn patch(&self, path: &str, version: i64, body: Value) -> Answer {
        let request =
            self.request("PATCH", path).header(header::IF_MATCH, format!("\"{version}\""));
        self.send(with_json(request, &body)).await
    }

    /// Adds a document to a record.
    pub async fn upload(&self, patient: &str, parts: &[Part<'_>]) -> Answer {
        let path = format!("/api/v1/patients/{patient}/documents");
        self.send(with_parts(self.request("POST", &path), parts)).await
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Answer { status: parts.status, headers: parts.headers, body }
    }
}

/// What makes an API token that is good for 30 days.
pub fn new_token(scopes: &[Scope]) -> Value {
    let expires_at = start() + TimeDelta::days(30);
    json!({ "name": "the laboratory's system", "scopes": scopes, "expires_at": expires_at })
}

/// A request with a JSON body.
pub fn with_json(request: axum::http::request::Builder, body: &Value) -> Request<Body> {
    let request = request.header(header::CONTENT_TYPE, "application/json");
    request.body(Body::from(body.to_string())).unwrap()
}

/// A part of a form with files: its name, the file's name if it is one, the content.
pub type Part<'a> = (&'a str, Option<&'a str>, &'a [u8]);

/// A request with a form with files, as a browser sends it.
pub fn with_parts(request: axum::http::request::Builder, parts: &[Part<'_>]) -> Request<Body> {
    let mut body = Vec::new();
    for (name, file_name, content) in parts {
        body.extend(format!("--limit\r\nContent-Disposition: form-data; name=\"{name}\"").bytes());
        if let Some(file_name) = file_name {
            body.extend(format!("; filename=\"{file_name}\"").bytes());
        }
        body.extend(b"\r\n\r\n");
        body.extend(*content);
        body.extend(b"\r\n");
    }
    body.extend(b"--limit--\r\n");
    let request = request.header(header::CONTENT_TYPE, "multipart/form-data; boundary=limit");
    request.body(Body::from(body)).unwrap()
}

/// A whole PDF of one empty page.
pub const PDF: &[u8] = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n\
    2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n\
    3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>endobj\n\
    trailer<</Root 1 0 R>>\n%%EOF\n";

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    /// The body, after checking the status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{:#}", self.body);
        self.body
    }

    #[track_caller]
    pub fn ok(self) -> Value {
        self.expect(200)
    }

    #[track_caller]
    pub fn created(self) -> Value {
        self.expect(201)
    }

    /// The faulty fields of a 422, by pointer.
    #[track_caller]
    pub fn faults(self) -> HashMap<String, String> {
        let body = self.expect(422);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let errors = body["errors"].as_array().unwrap();
        errors.iter().map(|error| (text(&error["pointer"]), text(&error["message"]))).collect()
    }

    /// A client with what this sign-in answered.
    #[track_caller]
    pub fn signed_in(self, app: &TestApp) -> Client {
        let cookie = self.refresh_cookie();
        let token = self.ok()["access_token"].as_str().map(str::to_owned);
        Client { token, cookie, ..app.anonymous() }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The refresh cookie, as a browser would send it back.
    pub fn refresh_cookie(&self) -> Option<String> {
        let cookie = self.header("set-cookie")?;
        cookie.split(';').next().map(str::to_owned)
    }
}

/// A database that goes when the test ends.
pub struct Database {
    admin: PgConnectOptions,
    /// Its address, as the running program's role.
    pub url: String,
    /// The same, as the owner.
    pub owner_url: String,
    name: String,
}

static COUNTER: AtomicU32 = AtomicU32::new(0);

impl Database {
    /// With the migrated schema and the test accounts.
    async fn create() -> Self {
        Self::with(true).await
    }

    /// With nothing in it.
    pub async fn empty() -> Self {
        Self::with(false).await
    }

    async fn with(schema: bool) -> Self {
        let server = std::env::var("DATABASE_URL").expect("DATABASE_URL names a PostgreSQL server");
        let server_options: PgConnectOptions = server.parse().unwrap();
        let admin = server_options.clone().database("postgres");
        let mut connection = PgConnection::connect_with(&admin).await.unwrap();
        let template = if schema {
            ensure_template(&mut connection, &server_options).await
        } else {
            "template0".to_owned()
        };
        let count = COUNTER.fetch_add(1, Ordering::SeqCst);
        let name = format!("nephrocast_test_{}_{count}", std::process::id());
        execute(&mut connection, format!("drop database if exists {name} with (force)")).await;
        execute(&mut connection, format!("create database {name} template {template}")).await;
        let owner_url = replace_database(&server, &name);
        let user = format!("//{}", server_options.get_username());
        let url = owner_url.replacen(&user, "//nephrocast_app", 1);
        Self { admin, url, owner_url, name }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (admin, name) = (self.admin.clone(), self.name.clone());
        // The test's runtime is about to end: dropping takes a thread and a runtime of its own.
        let dropper = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let mut connection = PgConnection::connect_with(&admin).await.unwrap();
                execute(&mut connection, format!("drop database {name} with (force)")).await;
            });
        });
        drop(dropper.join());
    }
}

/// The template for the migrations and the walls of this binary; made by whichever test comes first.
async fn ensure_template(connection: &mut PgConnection, server: &PgConnectOptions) -> String {
    let walls = include_bytes!("../../src/db/walls.sql").as_slice();
    let migrations = MIGRATOR.iter().map(|migration| &*migration.checksum);
    let mut fingerprint = 0_u64;
    for byte in migrations.chain([walls]).flatten() {
        fingerprint = fingerprint.wrapping_mul(31).wrapping_add(u64::from(*byte));
    }
    let template = format!("nephrocast_template_{fingerprint:016x}");
    // Tests are processes: an advisory lock of the server keeps them apart.
    execute(connection, "select pg_advisory_lock(72077)".to_owned()).await;
    let exists: bool =
        sqlx::query_scalar("select exists(select from pg_database where datname = $1)")
            .bind(&template)
            .fetch_one(&mut *connection)
            .await
            .unwrap();
    if !exists {
        let unfinished = format!("{template}_unfinished");
        execute(connection, format!("drop database if exists {unfinished} with (force)")).await;
        execute(connection, format!("create database {unfinished}")).await;
        let pool = PgPoolOptions::new()
            .max_connections(4)
            .connect_with(server.clone().database(&unfinished))
            .await
            .unwrap();
        jobs::migrate(&pool).await.unwrap();
        add_accounts(&pool).await;
        pool.close().await;
        execute(connection, format!("alter database {unfinished} rename to {template}")).await;
    }
    execute(connection, "select pg_advisory_unlock(72077)".to_owned()).await;
    template
}

async fn add_accounts(pool: &PgPool) {
    let hash = password::hash(PASSWORD.as_bytes()).unwrap();
    let mut connection = pool.acquire().await.unwrap();
    for role in Role::ALL {
        let user = User {
            id: UserId(Uuid::now_v7()),
            email: email(role),
            display_name: format!("Test {}", role.label()),
            role,
            patient_id: None,
        };
        assert!(db::users::insert(&mut connection, &user, &hash, start()).await.unwrap());
    }
}

async fn execute(connection: &mut PgConnection, statement: String) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(connection).await.unwrap();
}

/// The server's address with another database in it.
fn replace_database(server: &str, name: &str) -> String {
    let (base, query) = server.split_once('?').map_or((server, ""), |(base, query)| (base, query));
    let authority_end = base.find("://").unwrap() + 3;
    let path = base[authority_end..].find('/').map_or(base.len(), |at| authority_end + at);
    let separator = if query.is_empty() { "" } else { "?" };
    format!("{}/{name}{separator}{query}", &base[..path])
}
