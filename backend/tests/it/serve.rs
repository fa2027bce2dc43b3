//! Server processes, as they are stopped in the field.

use std::{
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    time::Duration,
};

use backend::{audit::checkpoint::SealingKey, jobs};
use serde_json::{Value, json};
use shared::access::Role;
use sqlx::PgConnection;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use crate::{
    documents::tempdir::Folder,
    predictions::persona,
    support::{ARTIFACTS, PASSWORD, SECRET_KEY, TestApp, audit_key_file, email},
    worker::wait_until,
};

/// Far longer than anything here takes: only a hang reaches it.
const PATIENCE: Duration = Duration::from_mins(1);
/// The longest that a stop may take.
const STOPPED_IN: Duration = Duration::from_secs(10);

/// A server process of its own; killed at the latest when the test ends.
pub struct Server {
    child: Child,
    address: SocketAddr,
    token: String,
    _scratch: Folder,
}

impl Server {
    async fn start(app: &TestApp) -> Self {
        Self::start_with(app, &[]).await
    }

    /// With further settings.
    pub async fn start_with(app: &TestApp, settings: &[(&str, &str)]) -> Self {
        let scratch = Folder::new();
        let key = scratch.0.join("secret-key");
        std::fs::write(&key, SECRET_KEY).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_nephrocast"))
            .arg("serve")
            .env("NEPHROCAST_DATABASE_URL", &app.database_url)
            .env("NEPHROCAST_DATABASE_CONNECTIONS", "4")
            .env("NEPHROCAST_LISTEN", address.to_string())
            .env("NEPHROCAST_MODEL_DIR", ARTIFACTS)
            .env("NEPHROCAST_DOCUMENTS_DIR", scratch.0.join("documents"))
            .env("NEPHROCAST_SECRET_KEY_FILE", key)
            .env("NEPHROCAST_AUDIT_KEY_FILE", audit_key_file())
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Self { child, address, token: String::new(), _scratch: scratch };
        let begun = Instant::now();
        while TcpStream::connect(address).await.is_err() {
            assert!(server.child.try_wait().unwrap().is_none(), "the server ended");
            assert!(begun.elapsed() < PATIENCE, "the server does not listen");
            sleep(Duration::from_millis(20)).await;
        }
        // It has the machine's time, and tokens of the test's time are over by then.
        let credentials = json!({ "email": email(Role::Clinician), "password": PASSWORD });
        let answer = server.send("POST", "/api/v1/auth/login", &credentials).await.rest().await;
        answer["access_token"].as_str().unwrap().clone_into(&mut server.token);
        server
    }

    /// Sends a request; the answer may take its time.
    async fn send(&self, method: &str, path: &str, body: &Value) -> Asked {
        self.send_with(method, path, body, "").await
    }

    /// The same with further lines in its head.
    pub async fn send_with(&self, method: &str, path: &str, body: &Value, lines: &str) -> Asked {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let (body, token) = (body.to_string(), &self.token);
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: test\r\nOrigin: http://test\r\nConnection: close\r\n\
             Authorization: Bearer {token}\r\nIf-Match: \"1\"\r\nContent-Type: application/json\r\n\
             {lines}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        Asked(stream)
    }

    /// The head of the answer to somebody who would keep the connection.
    async fn kept(&self, path: &str) -> String {
        self.connected(path).await.0
    }

    /// The same, and the connection.
    async fn connected(&self, path: &str) -> (String, TcpStream) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = [0; 1024];
        let read = timeout(PATIENCE, stream.read(&mut head)).await.unwrap().unwrap();
        (String::from_utf8_lossy(&head[..read]).into_owned(), stream)
    }

    /// The memory that it has for itself, kB.
    fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let own = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        own.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// SIGTERM.
    fn tell_to_stop(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(pid).status().unwrap().success());
    }

    /// How long it still lives; it must end well.
    async fn ended(&mut self) -> Duration {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(status.success(), "{status}");
                return begun.elapsed();
            }
            assert!(begun.elapsed() < PATIENCE, "the server does not end");
            sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A request that was sent.
pub struct Asked(TcpStream);

impl Asked {
    /// Everything until the server ends the answer.
    pub async fn text(mut self) -> String {
        let mut text = String::new();
        timeout(PATIENCE, self.0.read_to_string(&mut text)).await.unwrap().unwrap();
        text
    }

    /// What is answered with 200, as JSON.
    async fn rest(self) -> Value {
        let text = self.text().await;
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{text}");
        serde_json::from_str(body).unwrap()
    }

    /// Reads until this has come.
    async fn until(&mut self, wanted: &str) {
        let mut text = String::new();
        while !text.contains(wanted) {
            let mut piece = [0; 4096];
            let read = timeout(PATIENCE, self.0.read(&mut piece)).await.unwrap().unwrap();
            assert_ne!(read, 0, "the answer ended: {text}");
            text.push_str(&String::from_utf8_lossy(&piece[..read]));
        }
    }
}

/// Whoever keeps a connection open, as NGINX and browsers do, must not take the server's memory.
#[tokio::test]
async fn open_connections_take_little_memory() {
    const CONNECTIONS: u64 = 100;
    let app = TestApp::new().await;
    let server = Server::start(&app).await;
    let mut open = vec![server.connected("/healthz").await];
    let before = server.memory();
    for _ in 0..CONNECTIONS {
        open.push(server.connected("/healthz").await);
    }
    // Too many requests of one address are answered, too.
    assert!(open.iter().all(|(head, _)| head.starts_with("HTTP/1.1 ")));
    let each = server.memory().saturating_sub(before) / CONNECTIONS;
    // 14 were measured of a release; with all the routes anew for each, 525.
    assert!(each < 100, "{each} kB a connection");
}

/// The request is held where it waits for a record that this test has locked.
#[tokio::test]
async fn a_server_told_to_stop_answers_what_it_has_begun_and_ends_its_streams() {
    let app = TestApp::new().await;
    let patient = persona(&app, "S-1").await;
    let clinician = app.sign_in(Role::Clinician).await;
    let path = format!("/api/v1/patients/{patient}/predictions");
    let open = clinician.post(&path, json!({})).await.expect(202);
    let mut server = Server::start(&app).await;
    let events = format!("/api/v1/predictions/{}/events", open["id"].as_str().unwrap());
    let mut stream = server.send("GET", &events, &Value::Null).await;
    stream.until("event: prediction").await;

    let mut lock = app.db.begin().await.unwrap();
    sqlx::query("select from patients where id = $1 for update")
        .bind(patient)
        .execute(&mut *lock)
        .await
        .unwrap();
    let record = format!("/api/v1/patients/{patient}");
    let change = server.send("PATCH", &record, &json!({ "given_name": "Late" })).await;
    let waits = "select count(*) from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'";
    wait_until(&app, waits, 1).await;

    server.tell_to_stop();
    let told = Instant::now();
    // For a moment it still answers, but is not ready for more, and keeps no connection.
    while server.kept("/readyz").await.starts_with("HTTP/1.1 204") {
        assert!(told.elapsed() < PATIENCE, "the server has not heard");
    }
    assert!(server.kept("/readyz").await.starts_with("HTTP/1.1 503"));
    let last = server.kept("/healthz").await;
    assert!(last.starts_with("HTTP/1.1 204") && last.contains("connection: close"), "{last}");
    let rest = stream.text().await;
    assert!(rest.contains("retry:"), "a reader is told to come back: {rest}");
    assert!(told.elapsed() < STOPPED_IN);
    // Streams end a moment before nothing new is begun.
    while TcpStream::connect(server.address).await.is_ok() {
        assert!(told.elapsed() < STOPPED_IN, "something new is begun");
    }
    lock.rollback().await.unwrap();
    assert_eq!(change.rest().await["given_name"], "Late");
    assert!(server.ended().await < STOPPED_IN && told.elapsed() < STOPPED_IN);
}

/// A small site's only process: it answers, predicts, seals and says so, and told to stop it ends all of
/// that.
#[tokio::test]
async fn a_server_with_a_worker_needs_no_other_process() {
    let app = TestApp::new().await;
    let patient = persona(&app, "S-1").await;
    let metrics = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = [
        ("NEPHROCAST_WITH_WORKER", "true"),
        ("NEPHROCAST_WORKER_CONCURRENCY", "2"),
        ("NEPHROCAST_METRICS_LISTEN", &metrics.to_string()),
    ];
    let mut server = Server::start_with(&app, &settings).await;
    let mut told = TcpStream::connect(metrics).await.unwrap();
    told.write_all(b"GET /metrics HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let told = Asked(told).text().await;
    // Four connections of the server, and as many of the worker in it.
    for line in ["nephrocast_works 1.0\n", "nephrocast_database_connections_most 8.0\n"] {
        assert!(told.contains(line), "{told}");
    }
    let path = format!("/api/v1/patients/{patient}/predictions");
    // What it is asked for it answers at once; what another server was asked for, as a worker.
    let answered = server.send("POST", &path, &json!({})).await.text().await;
    assert!(answered.contains("\"status\":\"succeeded\""), "{answered}");
    let elsewhere = persona(&app, "S-2").await;
    let clinician = app.sign_in(Role::Clinician).await;
    let path = format!("/api/v1/patients/{elsewhere}/predictions");
    assert_eq!(clinician.post(&path, json!({})).await.expect(202)["status"], "queued");
    let succeeded = "select count(*) from predictions where status = 'succeeded'";
    wait_until(&app, succeeded, 2).await;
    let unsealed = "select count(*) from audit_events
        where not exists (select from audit_leaves where event_id = audit_events.id)";
    wait_until(&app, unsealed, 0).await;
    server.tell_to_stop();
    assert!(server.ended().await < STOPPED_IN);
}

/// The public half is enough for a server, but seals nothing.
#[tokio::test]
async fn a_server_with_a_worker_does_not_begin_without_the_key_that_seals() {
    let app = TestApp::new().await;
    let scratch = Folder::new();
    let key = scratch.0.join("secret-key");
    std::fs::write(&key, SECRET_KEY).unwrap();
    let sealing = std::fs::read_to_string(audit_key_file()).unwrap();
    let mut server = Command::new(env!("CARGO_BIN_EXE_nephrocast"))
        .args(["serve", "--with-worker", "--listen", "127.0.0.1:0"])
        .env_remove("NEPHROCAST_AUDIT_KEY_FILE")
        .env(
            "NEPHROCAST_AUDIT_PUBLIC_KEYS",
            SealingKey::from_hex(&sealing).unwrap().public().to_string(),
        )
        .env("NEPHROCAST_DATABASE_URL", &app.database_url)
        .env("NEPHROCAST_MODEL_DIR", ARTIFACTS)
        .env("NEPHROCAST_DOCUMENTS_DIR", scratch.0.join("documents"))
        .env("NEPHROCAST_SECRET_KEY_FILE", key)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while server.try_wait().unwrap().is_none() && begun.elapsed() < PATIENCE {
        sleep(Duration::from_millis(10)).await;
    }
    drop(server.kill());
    let ended = server.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(said.contains("a worker seals the audit log: NEPHROCAST_AUDIT_KEY_FILE"), "{said}");
}

#[tokio::test]
async fn an_old_program_goes_on_with_what_a_newer_one_has_added_and_not_with_what_it_took_away() {
    let app = TestApp::new().await;
    let mut owner = app.owner().await;
    migrated(&mut owner, 20_990_101_000_000, "a column more").await;
    jobs::check_database(&app.db).await.unwrap();
    migrated(&mut owner, 20_990_101_000_001, "contract the old column").await;
    let refused = jobs::check_database(&app.db).await.unwrap_err().to_string();
    assert!(refused.contains("newer than this program"), "{refused}");
    assert!(refused.contains("[20990101000001]"), "{refused}");

    let first = "delete from _sqlx_migrations
        where version = (select min(version) from _sqlx_migrations)";
    sqlx::query(first).execute(&mut owner).await.unwrap();
    let refused = jobs::check_database(&app.db).await.unwrap_err().to_string();
    assert!(refused.contains("older than this program"), "{refused}");
}

/// Notes a migration as applied.
async fn migrated(owner: &mut PgConnection, version: i64, description: &str) {
    sqlx::query(
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
        values ($1, $2, true, '', 0)",
    )
    .bind(version)
    .bind(description)
    .execute(owner)
    .await
    .unwrap();
}
