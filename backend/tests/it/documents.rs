//! Documents: what is taken, how it comes back, how it goes.

use std::time::Duration;

use axum::body::Bytes;
use backend::{
    clock::Clock,
    documents::{Documents, clamd::Clamd},
    router::router,
};
use chrono::TimeDelta;
use serde_json::json;
use shared::{access::Role, document::LARGEST};
use sqlx::Row;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixListener,
};
use uuid::Uuid;

use crate::{
    patients::register,
    support::{Client, PDF, Part, TestApp, with_parts},
};

/// A PNG of one grey pixel.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0:~\x9bU\
    \0\0\0\nIDATx\x9cch\0\0\0\x82\0\x81w\xcdr\xb6\0\0\0\0IEND\xaeB`\x82";

/// A new patient's id.
pub async fn record(client: &Client) -> String {
    let new = json!({ "mrn": "D-1", "given_name": "Ada", "family_name": "Testwell",
        "birth_date": "1960-01-01", "sex": "female" });
    register(client, new).await.rsplit('/').next().unwrap().to_owned()
}

fn file(content: &[u8]) -> [Part<'_>; 1] {
    [("file", Some("a file"), content)]
}

async fn stored(app: &TestApp) -> Vec<(Uuid, Vec<u8>)> {
    let rows = sqlx::query("select stored_as, sha256 from documents").fetch_all(&app.db).await;
    rows.unwrap().into_iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[tokio::test]
async fn a_document_comes_back_as_it_was_sent_and_runs_nothing() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let patient = record(&clinician).await;
    let parts: [Part<'_>; 3] = [
        ("title", None, "  Arztbrief Mu\u{308}ller ".as_bytes()),
        ("file", Some("../../Brief 1.pdf"), PDF),
        ("kind", None, b"letter"),
    ];
    let answer = clinician.upload(&patient, &parts).await;
    let location = answer.header("location").unwrap().to_owned();
    let created = answer.created();
    assert_eq!(created["title"], "Arztbrief Müller");
    assert_eq!(created["file_name"], "Brief 1.pdf");
    assert_eq!(
        (&created["media_type"], &created["kind"]),
        (&json!("application/pdf"), &json!("letter"))
    );
    assert_eq!(created["size"], PDF.len());
    assert_eq!(clinician.get(&location).await.ok(), created);

    let content = clinician.get(&format!("{location}/content")).await;
    assert_eq!(content.header("content-type").unwrap(), "application/pdf");
    let saved_as = "attachment; filename*=UTF-8''Brief%201.pdf";
    assert_eq!(content.header("content-disposition").unwrap(), saved_as);
    assert_eq!(content.header("content-security-policy").unwrap(), "default-src 'none'; sandbox");
    assert_eq!(content.header("x-content-type-options").unwrap(), "nosniff");
    assert_eq!(content.ok().as_str().unwrap().as_bytes(), PDF);
    let trail = app.audit_trail().await;
    for entry in ["create", "read", "open"] {
        assert!(trail.contains(&format!("clinician document.{entry} success")), "{trail:?}");
    }
}

#[tokio::test]
async fn the_content_decides_and_what_is_something_else_is_refused() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let patient = record(&clinician).await;
    let named = [("file", Some("photo.exe"), PNG)];
    assert_eq!(clinician.upload(&patient, &named).await.created()["media_type"], "image/png");
    let hidden = [PNG, b"<script>alert(1)</script>"].concat();
    let archive = [PDF, b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"].concat();
    let others: [&[u8]; 4] = [
        b"",
        b"PK\x03\x04 posing as an image",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<!doctype html><script>alert(1)</script>",
    ];
    for content in others {
        clinician.upload(&patient, &[("file", Some("photo.png"), content)]).await.expect(415);
    }
    let posing: [&[u8]; 3] = [
        b"%PDF-1.7\n1 0 obj<</OpenAction<</S/JavaScript/JS(app.alert(1))>>>>endobj\n%%EOF",
        &hidden,
        &archive,
    ];
    for content in posing {
        let faults =
            clinician.upload(&patient, &[("file", Some("photo.png"), content)]).await.faults();
        assert!(faults.contains_key("/file"), "{faults:?}");
    }
    assert_eq!(stored(&app).await.len(), 1, "nothing of it was kept");
}

#[tokio::test]
async fn every_faulty_part_is_named() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let patient = record(&clinician).await;
    let parts: [Part<'_>; 5] = [
        ("kind", None, b"novel"),
        ("title", None, b"one"),
        ("title", None, b"two"),
        ("role", None, b"administrator"),
        ("title~/x", None, b""),
    ];
    let faults = clinician.upload(&patient, &parts).await.faults();
    let mut pointers: Vec<&str> = faults.keys().map(String::as_str).collect();
    pointers.sort_unstable();
    assert_eq!(pointers, ["/file", "/kind", "/role", "/title", "/title~0~1x"]);
    let long = "x".repeat(201);
    let parts: [Part<'_>; 2] = [("file", None, PDF), ("title", None, long.as_bytes())];
    assert!(clinician.upload(&patient, &parts).await.faults().contains_key("/title"));

    let path = format!("/api/v1/patients/{patient}/documents");
    assert_eq!(
        clinician.post(&path, json!({})).await.expect(415)["type"],
        "/problems/unsupported-media-type"
    );
    let torn = with_parts(clinician.request("POST", &path), &file(PDF));
    let torn = torn.map(|_| {
        axum::body::Body::from(
            "--limit\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nabc",
        )
    });
    clinician.send(torn).await.expect(400);
}

#[tokio::test]
async fn a_file_beyond_the_limit_is_refused() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let patient = record(&clinician).await;
    for size in [LARGEST + 1, LARGEST + 200_000] {
        let answer = clinician.upload(&patient, &file(&vec![b'x'; size])).await.expect(413);
        assert_eq!(answer["type"], "/problems/too-large");
    }
}

#[tokio::test]
async fn a_repeated_upload_adds_nothing() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let patient = record(&clinician).await;
    let path = format!("/api/v1/patients/{patient}/documents");
    let send = async |content: &'static [u8]| {
        let request = clinician.request("POST", &path).header("idempotency-key", "once");
        clinician.send(with_parts(request, &file(content))).await
    };
    let first = send(PDF).await.created();
    assert_eq!(send(PDF).await.created(), first);
    send(PNG).await.expect(422);
    let listed = clinician.get(&path).await.ok();
    assert_eq!(listed["items"], json!([first]));
}

#[tokio::test]
async fn a_removed_document_is_gone_with_its_content() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let patient = record(&clinician).await;
    let id = clinician.upload(&patient, &file(PDF)).await.created()["id"].clone();
    let path = format!("/api/v1/documents/{}", id.as_str().unwrap());
    let (name, hash) = stored(&app).await.remove(0);
    app.state.documents.read(name, &hash).await.unwrap();
    clinician.delete(&path).await.expect(204);
    assert!(app.state.documents.read(name, &hash).await.is_err());
    for path in [path.clone(), format!("{path}/content")] {
        clinician.get(&path).await.expect(404);
    }
    clinician.delete(&path).await.expect(404);
    let listed = clinician.get(&format!("/api/v1/patients/{patient}/documents")).await.ok();
    assert_eq!(listed["items"], json!([]));
    assert_eq!(app.audit_details("document.delete").await["changed"]["size"]["from"], PDF.len());
}

#[tokio::test]
async fn an_archived_record_takes_no_document_and_loses_none() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let patient = record(&clinician).await;
    let id = clinician.upload(&patient, &file(PDF)).await.created()["id"].clone();
    let path = format!("/api/v1/documents/{}", id.as_str().unwrap());
    clinician.delete(&format!("/api/v1/patients/{patient}")).await.expect(204);
    clinician.upload(&patient, &file(PDF)).await.expect(409);
    clinician.delete(&path).await.expect(409);
    clinician.get(&path).await.ok();
}

#[tokio::test]
async fn pages_hold_every_document_once_newest_first() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let patient = record(&clinician).await;
    let mut added = Vec::new();
    for _ in 0..5 {
        // Ids are in order of time, by the millisecond.
        app.clock.advance(TimeDelta::milliseconds(1));
        added.insert(0, clinician.upload(&patient, &file(PDF)).await.created()["id"].clone());
    }
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/patients/{patient}/documents?limit=2{cursor}");
        let page = clinician.get(&path).await.ok();
        found.extend(page["items"].as_array().unwrap().iter().map(|item| item["id"].clone()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(found, added);
}

#[tokio::test]
async fn the_sweep_takes_old_content_without_a_row_and_nothing_else() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let patient = record(&clinician).await;
    clinician.upload(&patient, &file(PDF)).await.created();
    let orphan = Uuid::now_v7();
    app.state.documents.keep(orphan, Bytes::from_static(b"left behind")).await.unwrap();
    // The store dates content by the machine's clock.
    let now = Clock::machine().now();
    let found = app.state.documents.sweep(&app.db, now, Duration::ZERO).await.unwrap();
    assert_eq!(found, 0, "it may be on its way");
    let later = now + TimeDelta::hours(25);
    assert_eq!(app.state.documents.sweep(&app.db, later, Duration::ZERO).await.unwrap(), 1);
    let (name, hash) = stored(&app).await.remove(0);
    app.state.documents.read(name, &hash).await.unwrap();
}

/// A daemon that gives one answer to everything that is sent whole.
fn daemon(answer: &'static str) -> (Documents, tempdir::Folder) {
    let folder = tempdir::Folder::new();
    let socket = folder.0.join("clamd.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut sent = [0; 4096];
            let mut all = Vec::new();
            while !all.ends_with(&[0; 4]) {
                let Ok(read @ 1..) = stream.read(&mut sent).await else { break };
                all.extend(&sent[..read]);
            }
            assert!(all.starts_with(b"zINSTREAM\0"));
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (Documents::in_memory(Some(Clamd::at(socket))), folder)
}

/// Folders that go when the test ends.
pub mod tempdir {
    pub struct Folder(pub std::path::PathBuf);

    impl Folder {
        pub fn new() -> Self {
            let path = std::env::temp_dir().join(format!("nephrocast-{}", uuid::Uuid::new_v4()));
            std::fs::create_dir(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            // Nothing depends on it any more.
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

#[tokio::test]
async fn what_the_scanner_finds_or_cannot_judge_is_not_taken() {
    let content = Bytes::from_static(PDF);
    let (clean, _folder) = daemon("stream: OK\0");
    assert_eq!(clean.malware(&content).await.unwrap(), None);
    let (infected, _folder) = daemon("stream: Eicar-Signature FOUND\0");
    assert_eq!(infected.malware(&content).await.unwrap().unwrap(), "Eicar-Signature");
    let (broken, _folder) = daemon("");
    assert!(broken.malware(&content).await.is_err());
    let absent = Documents::in_memory(Some(Clamd::at("/nowhere/clamd.sock".into())));
    let refused =
        tokio::time::timeout(Duration::from_secs(5), absent.malware(&content)).await.unwrap();
    assert!(matches!(refused, Err(backend::error::Error::Unavailable(_))));
}

#[tokio::test]
async fn malware_is_refused_and_on_record() {
    let app = TestApp::new().await;
    let clinician = app.sign_in(Role::Clinician).await;
    let on = crate::access::fixture(&clinician, "M-1", false).await;
    let (documents, _folder) = daemon("stream: Eicar-Signature FOUND\0");
    let state = app.state.with(|state| state.documents = documents);
    let refusing = Client { router: router(state), ..clinician.clone() };
    let faults = refusing.upload(&on.patient, &[("file", Some("letter.pdf"), PDF)]).await.faults();
    assert!(faults["/file"].contains("Eicar-Signature"), "{faults:?}");
    assert_eq!(app.audit_trail().await.last().unwrap(), "clinician document.create refused");
    let details = app.audit_details("document.create").await;
    assert_eq!(
        (&details["malware"], &details["file_name"]),
        (&"Eicar-Signature".into(), &"letter.pdf".into())
    );
    let list = format!("/api/v1/patients/{}/documents", on.patient);
    assert_eq!(clinician.get(&list).await.ok()["items"].as_array().unwrap().len(), 1);
    let unknown = Uuid::now_v7().to_string();
    refusing.upload(&unknown, &[("file", None, PDF)]).await.expect(404);
}

#[tokio::test]
async fn a_folder_keeps_what_is_put_into_it() {
    let folder = tempdir::Folder::new();
    let name = Uuid::now_v7();
    let hash: Vec<u8> = {
        use sha2::Digest;
        sha2::Sha256::digest(PDF).to_vec()
    };
    let first = Documents::in_folder(&folder.0, None).unwrap();
    first.keep(name, Bytes::from_static(PDF)).await.unwrap();
    drop(first);
    let again = Documents::in_folder(&folder.0, None).unwrap();
    assert_eq!(again.read(name, &hash).await.unwrap(), PDF);
    again.remove(name).await.unwrap();
    again.remove(name).await.unwrap();
    assert!(again.read(name, &hash).await.is_err());
}
