//! Backups, as they are made and restored on the command line.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use backend::{
    documents::Documents, jobs, jobs::at_once::AtOnce, jobs::predict, router::router,
    together::Together, worklist::KeptLines,
};
use serde_json::{Value, json};
use shared::access::Role;
use sqlx::{PgPool, postgres::PgPoolOptions};

use crate::{
    access,
    documents::tempdir::Folder,
    s3::Store,
    support::{Client, Database, PDF, TestApp, audit_key_file},
};

/// An application with a patient, predictions, a document in a folder, and a sealed audit log.
struct Site {
    app: TestApp,
    patient: String,
    documents: Folder,
    scratch: Folder,
}

impl Site {
    async fn new() -> Self {
        let (app, documents, scratch) = (TestApp::new().await, Folder::new(), Folder::new());
        let kept = Documents::in_folder(&documents.0, None).unwrap();
        let state = app.state.with(|state| state.documents = kept);
        let clinician = Client { router: router(state), ..app.sign_in(Role::Clinician).await };
        let patient = access::fixture(&clinician, "B-1", false).await.patient;
        predict::drain(&app.state).await.unwrap();
        app.sealer().try_lead().await.unwrap().unwrap().seal().await.unwrap();
        Self { app, patient, documents, scratch }
    }

    fn back_up(&self, address: &str, folder: &Path) -> Output {
        run("backup", address, &self.documents.0, folder)
    }

    /// A backup that was made well.
    fn backup(&self) -> PathBuf {
        let folder = self.scratch.0.join("backup");
        let made = self.back_up(&self.app.owner_url, &folder);
        assert!(made.status.success(), "{made:?}");
        folder
    }
}

fn run(command: &str, address: &str, documents: &Path, folder: &Path) -> Output {
    let documents = [("NEPHROCAST_DOCUMENTS_DIR", documents.display().to_string())];
    run_with(command, address, &documents, folder)
}

fn run_with(
    command: &str,
    address: &str,
    documents: &[(&'static str, String)],
    folder: &Path,
) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nephrocast"))
        .args([command.as_ref(), folder])
        .env("NEPHROCAST_MIGRATE_DATABASE_URL", address)
        .env("NEPHROCAST_AUDIT_KEY_FILE", audit_key_file())
        .envs(documents.iter().cloned())
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

async fn connect(address: &str) -> PgPool {
    PgPoolOptions::new().max_connections(4).connect(address).await.unwrap()
}

/// All that is known of a table, in another way than backups look at it.
async fn content(db: &PgPool, table: &str) -> Option<String> {
    sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
        "select md5(string_agg(line::text, '|' order by line::text)) from {table} as line"
    )))
    .fetch_one(db)
    .await
    .unwrap()
}

async fn tables(db: &PgPool) -> i64 {
    sqlx::query_scalar("select count(*) from pg_tables where schemaname = 'public'")
        .fetch_one(db)
        .await
        .unwrap()
}

#[tokio::test]
async fn what_is_restored_into_an_empty_database_is_the_same_and_works() {
    let mut site = Site::new().await;
    let backup = site.backup();
    // From a folder into a bucket: a backup does not mind where documents were.
    let (database, store) = (Database::empty().await, Store::start());
    let bucket = store.settings(&site.scratch);
    let restored = run_with("restore", &database.owner_url, &bucket, &backup);
    assert!(restored.status.success(), "{}", said(&restored));
    let told = String::from_utf8_lossy(&restored.stdout).into_owned();
    assert!(told.contains("1 documents are what was backed up"), "{told}");

    let db = connect(&database.url).await;
    jobs::check_database(&db).await.unwrap();
    for table in
        ["patients", "observations", "predictions", "audit_events", "audit_leaves", "users"]
    {
        let before = content(&site.app.db, table).await;
        assert!(before.is_some(), "{table} is empty");
        assert_eq!(content(&db, table).await, before, "{table}");
    }
    let together = Together::start(&db, &site.app.clock, KeptLines::default(), AtOnce::never());
    let state = site.app.state.with(|state| {
        (state.db, state.together, state.documents) = (db, together, store.documents());
    });
    site.app.router = router(state);
    let clinician = site.app.sign_in(Role::Clinician).await;
    let record = format!("/api/v1/patients/{}", site.patient);
    clinician.get(&record).await.ok();
    let items = clinician.get(&format!("{record}/documents")).await.ok()["items"].take();
    let file = format!("/api/v1/documents/{}/content", items[0]["id"].as_str().unwrap());
    assert_eq!(clinician.get(&file).await.ok(), Value::String(String::from_utf8_lossy(PDF).into()));
    // A number that an entry of the log has already would be refused.
    clinician.post(&format!("{record}/predictions"), json!({})).await.expect(202);

    let out_of_bucket = site.scratch.0.join("out-of-bucket");
    let made = run_with("backup", &database.owner_url, &bucket, &out_of_bucket);
    assert!(made.status.success(), "{}", said(&made));
    assert_eq!(fs::read(document(&out_of_bucket)).unwrap(), PDF);

    let again = run_with("restore", &database.owner_url, &bucket, &backup);
    assert!(!again.status.success() && said(&again).contains("not empty"), "{}", said(&again));
}

/// Changes one byte in the middle of a file.
fn damage(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(file, bytes).unwrap();
}

fn document(backup: &Path) -> PathBuf {
    let shelf = fs::read_dir(backup.join("documents")).unwrap().next().unwrap().unwrap();
    fs::read_dir(shelf.path()).unwrap().next().unwrap().unwrap().path()
}

#[tokio::test]
async fn a_damaged_backup_is_refused_and_nothing_is_touched() {
    let site = Site::new().await;
    let backup = site.backup();
    let (database, documents) = (Database::empty().await, Folder::new());
    let db = connect(&database.owner_url).await;
    let files = [backup.join("database.dump"), backup.join("checkpoint.txt"), document(&backup)];
    for file in files {
        let whole = fs::read(&file).unwrap();
        damage(&file);
        let refused = run("restore", &database.owner_url, &documents.0, &backup);
        assert!(!refused.status.success());
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(said(&refused).contains(name), "{}", said(&refused));
        assert!(said(&refused).contains("damaged"), "{}", said(&refused));
        fs::remove_file(&file).unwrap();
        let refused = run("restore", &database.owner_url, &documents.0, &backup);
        assert!(said(&refused).contains("lacks"), "{}", said(&refused));
        fs::write(&file, whole).unwrap();
    }
    let manifest = backup.join("manifest.json");
    let whole = fs::read(&manifest).unwrap();
    fs::write(&manifest, &whole[..whole.len() / 2]).unwrap();
    let refused = run("restore", &database.owner_url, &documents.0, &backup);
    assert!(said(&refused).contains("manifest.json is damaged"), "{}", said(&refused));
    fs::remove_file(&manifest).unwrap();
    let refused = run("restore", &database.owner_url, &documents.0, &backup);
    assert!(said(&refused).contains("was not finished"), "{}", said(&refused));
    assert_eq!(tables(&db).await, 0);
    assert_eq!(fs::read_dir(&documents.0).unwrap().count(), 0);

    // What is written down of the rows is held against what is restored.
    let mut told: Value = serde_json::from_slice(&whole).unwrap();
    told["tables"]["public.patients"]["checksum"] = json!("1");
    fs::write(&manifest, told.to_string()).unwrap();
    let refused = run("restore", &database.owner_url, &documents.0, &backup);
    assert!(!refused.status.success() && said(&refused).contains("public.patients"), "{refused:?}");
}

#[tokio::test]
async fn a_backup_is_made_by_the_owner_in_an_empty_folder_and_names_what_is_lost() {
    let site = Site::new().await;
    let folder = site.scratch.0.join("backup");
    let refused = site.back_up(&site.app.database_url, &folder);
    assert!(said(&refused).contains("does not own the tables"), "{}", said(&refused));
    assert!(!folder.exists());
    let backup = site.backup();
    let refused = site.back_up(&site.app.owner_url, &backup);
    assert!(said(&refused).contains("is not empty"), "{}", said(&refused));

    let shelf = fs::read_dir(&site.documents.0).unwrap().next().unwrap().unwrap();
    damage(&fs::read_dir(shelf.path()).unwrap().next().unwrap().unwrap().path());
    let without = site.scratch.0.join("without");
    let incomplete = site.back_up(&site.app.owner_url, &without);
    assert!(!incomplete.status.success());
    assert!(said(&incomplete).contains("content of 1 documents is lost"), "{}", said(&incomplete));
    let (database, documents) = (Database::empty().await, Folder::new());
    let restored = run("restore", &database.owner_url, &documents.0, &without);
    assert!(restored.status.success(), "{}", said(&restored));
}
