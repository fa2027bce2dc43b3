//! Documents of a record. An upload goes by `XMLHttpRequest`, the one way to hear how far it is.

use js_sys::Promise;
use leptos::prelude::*;
use shared::{
    document::{Document, DocumentKind},
    id::{DocumentId, PatientId},
    page::Page,
    problem::{Problem, ProblemKind},
};
use uuid::Uuid;
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::JsFuture;
use web_sys::{File, FormData, ProgressEvent, XmlHttpRequest};

use super::{Call, Result, as_person, download, opened, query, request, transport};
use crate::connection;

/// A page of a patient's documents, newest first.
pub async fn list(patient: PatientId, cursor: &str) -> Result<Page<Document>> {
    let query = query(&[("cursor", cursor)]);
    request(Call::get(format!("/patients/{patient}/documents{query}"))).await
}

/// Removes a document for good.
pub async fn remove(id: DocumentId) -> Result<()> {
    request(Call::delete(format!("/documents/{id}"))).await
}

/// Saves a document as a file.
pub async fn save(document: &Document) -> Result<()> {
    download(&content(document.id), &document.file_name).await
}

/// An address of the content that is good in this page only.
pub async fn address(id: DocumentId) -> Result<String> {
    let call = content(id);
    let response = connection::persist(false, async || opened(&call).await).await?;
    transport::address(&response).await.ok_or_else(transport::unreachable_server)
}

fn content(id: DocumentId) -> Call {
    Call::get(format!("/documents/{id}/content"))
}

/// Sends a file; `share` tells how much of it has been sent, from 0 to 1.
pub async fn upload(
    patient: PatientId,
    file: &File,
    kind: DocumentKind,
    share: RwSignal<f64>,
) -> Result<Document> {
    // The same for every attempt: a lost answer leads to no second document.
    let key = transport::random_uuid();
    let once = async |token: String| upload_once(patient, file, kind, share, &token, key).await;
    connection::persist(true, async || as_person(&once).await).await
}

async fn upload_once(
    patient: PatientId,
    file: &File,
    kind: DocumentKind,
    share: RwSignal<f64>,
    token: &str,
    key: Uuid,
) -> Result<Document> {
    let sent = send(patient, file, kind, share, token, key).await;
    let (status, text) = sent.map_err(|_| transport::unreachable_server())?;
    match status {
        201 => serde_json::from_str(&text).map_err(|_| Problem::new(ProblemKind::Internal)),
        0 => Err(transport::unreachable_server()),
        status => Err(transport::problem(status, &text)),
    }
}

async fn send(
    patient: PatientId,
    file: &File,
    kind: DocumentKind,
    share: RwSignal<f64>,
    token: &str,
    key: Uuid,
) -> std::result::Result<(u16, String), JsValue> {
    let form = FormData::new()?;
    form.append_with_str("kind", kind.as_str())?;
    form.append_with_blob_and_filename("file", file, &file.name())?;
    let request = XmlHttpRequest::new()?;
    request.open("POST", &transport::url(&format!("/patients/{patient}/documents")))?;
    request.set_request_header("Authorization", &format!("Bearer {token}"))?;
    request.set_request_header("Idempotency-Key", &key.to_string())?;
    let told = Closure::<dyn FnMut(ProgressEvent)>::new(move |event: ProgressEvent| {
        if 0.0 < event.total() {
            // Whoever looked may have left the page.
            let _ = share.try_set(event.loaded() / event.total());
        }
    });
    request.upload()?.set_onprogress(Some(told.as_ref().unchecked_ref()));
    let ended = Promise::new(&mut |done, _| request.set_onloadend(Some(&done)));
    request.send_with_opt_form_data(Some(&form))?;
    JsFuture::from(ended).await?;
    Ok((request.status()?, request.response_text()?.unwrap_or_default()))
}
