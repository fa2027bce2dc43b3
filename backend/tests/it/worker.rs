//! Worker processes, as they are started, stopped and killed in the field.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::json;
use shared::{access::Role, id::PatientId};
use tokio::time::{Instant, sleep};

use crate::{
    models::{ModelFolder, NEXT},
    predictions::persona,
    support::{ARTIFACTS, TestApp, audit_key_file},
};

/// Far longer than anything here takes: only a hang reaches it.
const PATIENCE: Duration = Duration::from_mins(1);

/// A worker process of its own; killed at the latest when the test ends.
pub struct Worker(Child);

impl Worker {
    pub fn start(app: &TestApp) -> Self {
        Self::start_with(app, &[])
    }

    /// With further settings.
    pub fn start_with(app: &TestApp, settings: &[(&str, &str)]) -> Self {
        Self::spawn(app, ARTIFACTS.as_ref(), settings)
    }

    fn with_models(app: &TestApp, folder: &Path) -> Self {
        Self::spawn(app, folder, &[])
    }

    fn spawn(app: &TestApp, folder: &Path, settings: &[(&str, &str)]) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_nephrocast"))
            .arg("worker")
            .env("NEPHROCAST_DATABASE_URL", &app.database_url)
            .env("NEPHROCAST_DATABASE_CONNECTIONS", "4")
            .env("NEPHROCAST_MODEL_DIR", folder)
            .env("NEPHROCAST_AUDIT_KEY_FILE", audit_key_file())
            .env("NEPHROCAST_WORKER_LEASE_SECONDS", "1")
            .env("NEPHROCAST_WORKER_SWEEP_SECONDS", "1")
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// SIGKILL: no goodbye.
    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// SIGTERM, and whether it ended by itself.
    pub async fn stop(mut self) -> bool {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").arg(pid).status().unwrap().success());
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.success();
            }
            sleep(Duration::from_millis(20)).await;
        }
        false
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

async fn request_many(app: &TestApp, count: usize) -> Vec<PatientId> {
    let clinician = app.sign_in(Role::Clinician).await;
    let mut patients = Vec::with_capacity(count);
    for number in 0..count {
        let patient = persona(app, &format!("W-{number}")).await;
        let path = format!("/api/v1/patients/{patient}/predictions");
        clinician.post(&path, json!({})).await.expect(202);
        patients.push(patient);
    }
    patients
}

pub async fn count(app: &TestApp, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(&app.db).await.unwrap()
}

pub async fn wait_until(app: &TestApp, query: &'static str, wanted: i64) {
    let since = Instant::now();
    while count(app, query).await != wanted {
        assert!(since.elapsed() < PATIENCE, "{query} did not become {wanted}");
        sleep(Duration::from_millis(20)).await;
    }
}

const SUCCEEDED: &str = "select count(*) from predictions where status = 'succeeded'";
const RUNNING: &str = "select count(*) from predictions where status = 'running'";
const FINISHED: &str = "select count(*) from audit_events where action = 'prediction.finish'";
const FINISHED_ONCE: &str =
    "select count(distinct object_id) from audit_events where action = 'prediction.finish'";

async fn assert_each_finished_once(app: &TestApp, predictions: i64) {
    assert_eq!(count(app, SUCCEEDED).await, predictions);
    assert_eq!(count(app, "select count(*) from predictions").await, predictions);
    assert_eq!(count(app, FINISHED).await, predictions);
    assert_eq!(count(app, FINISHED_ONCE).await, predictions);
}

#[tokio::test]
async fn a_worker_hears_of_a_request_and_answers_it() {
    let app = TestApp::new().await;
    let worker = Worker::start(&app);
    request_many(&app, 3).await;
    wait_until(&app, SUCCEEDED, 3).await;
    assert!(worker.stop().await, "a told worker ends by itself");
    assert_each_finished_once(&app, 3).await;
}

/// The worker is held exactly between taking the predictions and storing the answers: it waits
/// for a record that this test has locked.
#[tokio::test]
async fn a_worker_killed_in_the_middle_loses_nothing_and_doubles_nothing() {
    let app = TestApp::new().await;
    let patients = request_many(&app, 12).await;
    let mut lock = app.db.begin().await.unwrap();
    sqlx::query("select from patients where id = $1 for update")
        .bind(patients[0])
        .execute(&mut *lock)
        .await
        .unwrap();
    let worker = Worker::start(&app);
    wait_until(&app, RUNNING, 12).await;
    worker.kill();
    lock.rollback().await.unwrap();
    assert_eq!(count(&app, SUCCEEDED).await, 0);
    assert_eq!(count(&app, FINISHED).await, 0);

    let successor = Worker::start(&app);
    wait_until(&app, SUCCEEDED, 12).await;
    assert!(successor.stop().await);
    assert_each_finished_once(&app, 12).await;
}

/// Wherever the blow falls: four kills at moments that spread over a worker's life, fewer than
/// the attempts that a prediction has.
#[tokio::test]
async fn workers_killed_at_any_moment_lose_nothing_and_double_nothing() {
    let app = TestApp::new().await;
    let patients = request_many(&app, 30).await;
    for milliseconds in [40, 90, 160, 320] {
        let worker = Worker::start(&app);
        sleep(Duration::from_millis(milliseconds)).await;
        worker.kill();
    }
    let last = Worker::start(&app);
    wait_until(&app, SUCCEEDED, 30).await;
    // Those before may have answered everything: one more, so that the last one is surely up.
    let path = format!("/api/v1/patients/{}/predictions", patients[0]);
    app.sign_in(Role::Clinician).await.post(&path, json!({})).await.expect(202);
    wait_until(&app, SUCCEEDED, 31).await;
    assert!(last.stop().await);
    assert_each_finished_once(&app, 31).await;
}

#[tokio::test]
async fn two_workers_share_the_work_without_doing_it_twice() {
    let app = TestApp::new().await;
    request_many(&app, 40).await;
    let workers = [Worker::start(&app), Worker::start(&app)];
    wait_until(&app, SUCCEEDED, 40).await;
    for worker in workers {
        assert!(worker.stop().await);
    }
    assert_each_finished_once(&app, 40).await;
}

/// The worker is never restarted: the row in the database is all it hears of an activation.
#[tokio::test]
async fn a_running_worker_changes_its_network_between_two_batches() {
    let folder = ModelFolder::new().with_next();
    let app = TestApp::with_models(folder.path()).await;
    let worker = Worker::with_models(&app, folder.path());
    request_many(&app, 3).await;
    wait_until(&app, SUCCEEDED, 3).await;
    let admin = app.sign_in(Role::Administrator).await;
    admin.post(&format!("/api/v1/models/{NEXT}/activate"), json!({})).await.ok();
    let clinician = app.sign_in(Role::Clinician).await;
    let patient = persona(&app, "W-after").await;
    let path = format!("/api/v1/patients/{patient}/predictions");
    clinician.post(&path, json!({})).await.expect(202);
    wait_until(&app, SUCCEEDED, 4).await;
    assert!(worker.stop().await);
    let versions: Vec<(String, i64)> = sqlx::query_as(
        "select model_version, count(*) from predictions group by 1 order by count(*)",
    )
    .fetch_all(&app.db)
    .await
    .unwrap();
    assert_eq!(versions[0], (NEXT.to_owned(), 1));
    assert_eq!(versions[1].1, 3);
}
