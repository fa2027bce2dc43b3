//! Documents of a record: added whole, read, removed.

use anyhow::Context;
use axum::{
    body::Bytes,
    extract::{FromRequest, Multipart, Request, State, multipart::MultipartError},
    http::{HeaderName, StatusCode, header},
    response::IntoResponse,
};
use serde_json::json;
use sha2::{Digest, Sha256};
use shared::{
    document::{Document, DocumentKind, LARGEST, TITLE},
    id::{DocumentId, PatientId},
    page::Page,
    phrase, sentence,
};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    auth::{Allowed, Caller, EditPatients, ReadPatients},
    db::{
        self,
        audit::{Event, Outcome},
        documents::Stored,
    },
    documents::content::{self, Refusal},
    error::{Error, Result},
    extract::{Created, Json, Path, Query, RequestKey, request_key},
    input::Faults,
    openapi::Problems,
    page,
    routes::{audit::AccessQuery, changed, keep, replay, unknown},
    state::AppState,
};

/// What an upload may hold beside its file.
const AROUND: usize = 64 * 1024;
/// The most of a whole upload.
pub const UPLOAD_LIMIT: usize = LARGEST + AROUND;

/// A document to add.
#[derive(Debug, ToSchema)]
pub struct NewDocument {
    /// The file: PDF, PNG, JPEG, TIFF or DICOM, at most 25 MiB.
    #[schema(value_type = String, format = Binary, content_media_type = "application/octet-stream")]
    pub file: Bytes,
    /// What to call it; the file's name if it is left out.
    #[schema(max_length = 200, nullable = false)]
    pub title: Option<String>,
    /// What it is; `other` if it is left out.
    #[schema(inline, nullable = false)]
    pub kind: Option<DocumentKind>,
}

/// What came of an upload.
struct Upload {
    content: Bytes,
    file_name: String,
    title: Option<String>,
    kind: DocumentKind,
}

/// Add a document to a patient's record.
///
/// The content decides what it is: something else is refused with 415; a file that is cut off, is
/// two things at once, or is a PDF that plainly acts (scripts, programs, files in it) with 422.
#[utoipa::path(post, path = "/api/v1/patients/{id}/documents", tag = "documents",
    security(("bearer" = [])),
    params(("id" = PatientId, Path, description = "The patient"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition safe")),
    request_body(content = NewDocument, content_type = "multipart/form-data"),
    responses((status = 201, description = "The new document", body = Document,
        headers(("Location" = String, description = "The document"))), Problems))]
pub async fn create_document(
    Allowed { caller, .. }: Allowed<EditPatients>,
    State(state): State<AppState>,
    Path(id): Path<PatientId>,
    request: Request,
) -> Result<Created> {
    let now = state.clock.now();
    let _place = state.documents.place().await?;
    let (new, key) = upload(request, &state).await?;
    let judged = tokio::task::spawn_blocking(move || (checked(&new), new));
    let (found, new) = judged.await.context("looking at a document panicked")?;
    let (title, media_type) = found?;
    refuse_malware(&state, &caller, id, &new).await?;
    let mut tx = state.begin(&caller).await?;
    if let Some(first) = replay(&mut tx, &state, &caller, key.as_ref()).await? {
        tx.commit().await?;
        return Ok(first);
    }
    caller.patient_to_change(&mut tx, id).await?;
    let sha256 = Sha256::digest(&new.content);
    let document = Document {
        id: DocumentId(state.clock.new_id()),
        patient_id: id,
        title,
        kind: new.kind,
        file_name: new.file_name,
        media_type: media_type.to_owned(),
        size: i64::try_from(new.content.len()).unwrap_or(i64::MAX),
        sha256: hex::encode(sha256),
        uploaded_by: caller.user_id,
        uploaded_at: now,
    };
    // The content first: a row without it would be a document that cannot be read. Content without
    // a row is swept.
    let stored = Stored { name: Uuid::new_v4(), sha256: sha256.to_vec() };
    state.documents.keep(stored.name, new.content).await?;
    db::documents::insert(&mut tx, &document, &stored).await?;
    let event = Event::new("document.create").object(document.id.0).patient(id);
    let event = event.details(changed(&(), &document)?);
    db::audit::record(&mut tx, &caller.actor(), event, now).await?;
    let location = format!("/api/v1/documents/{}", document.id);
    let created = Created::new(Some(location), None, &document)?;
    let created = keep(&mut tx, &caller, key, created).await?;
    tx.commit().await?;
    Ok(created)
}

/// Refuses malware, which is on record: somebody's machine is not well, or worse.
async fn refuse_malware(
    state: &AppState,
    caller: &Caller,
    patient: PatientId,
    new: &Upload,
) -> Result<()> {
    let Some(malware) = state.documents.malware(&new.content).await? else { return Ok(()) };
    let mut tx = state.begin(caller).await?;
    caller.patient(&mut tx, patient).await?;
    let event = Event::new("document.create").outcome(Outcome::Refused).patient(patient);
    let sha256 = hex::encode(Sha256::digest(&new.content));
    let details = json!({ "malware": malware, "file_name": new.file_name, "sha256": sha256 });
    let event = event.details(details);
    db::audit::record(&mut tx, &caller.actor(), event, state.clock.now()).await?;
    tx.commit().await?;
    Err(Error::field("/file", sentence!("holds malware: {malware}")))
}

/// The title and the content's type, or everything that is wrong with an upload.
fn checked(new: &Upload) -> Result<(String, &'static str)> {
    let mut faults = Faults::default();
    let title = match &new.title {
        Some(title) => faults.line("/title", title, TITLE),
        None => new.file_name.clone(),
    };
    let found = content::media_type(&new.content);
    match found {
        Err(Refusal::Unknown) => {
            return Err(Error::UnsupportedMediaType(Refusal::Unknown.reason()));
        }
        Err(refusal) => faults.add("/file", refusal.reason()),
        Ok(_) => {}
    }
    faults.refuse()?;
    Ok((title, found.unwrap_or_default()))
}

/// Reads an upload to its end, and names everything that is wrong with its parts.
async fn upload(request: Request, state: &AppState) -> Result<(Upload, Option<RequestKey>)> {
    let key = request_key(&request)?;
    let mut parts = Multipart::from_request(request, state)
        .await
        .map_err(|_| Error::UnsupportedMediaType("multipart/form-data"))?;
    let mut faults = Faults::default();
    let (mut file, mut title, mut kind) = (None, None, None);
    while let Some(part) = parts.next_field().await.map_err(|error| broken(&error))? {
        let name = part.name().unwrap_or_default().to_owned();
        let file_name = part.file_name().map(content::file_name);
        let bytes = part.bytes().await.map_err(|error| broken(&error))?;
        let text = || String::from_utf8_lossy(&bytes).into_owned();
        let again = match name.as_str() {
            "file" if LARGEST < bytes.len() => return Err(Error::TooLarge),
            "file" => file.replace((bytes.clone(), file_name.unwrap_or_default())).is_some(),
            "title" => title.replace(text()).is_some(),
            "kind" => kind.replace(text()).is_some(),
            _ => {
                faults.add(format!("/{}", pointer(&name)), phrase!("is not a part of an upload"));
                false
            }
        };
        if again {
            faults.add(format!("/{name}"), phrase!("must be given once"));
        }
    }
    let kind = kind.unwrap_or_else(|| DocumentKind::Other.as_str().to_owned());
    let known = DocumentKind::parse(kind.trim());
    if known.is_none() {
        let names = DocumentKind::ALL.map(DocumentKind::as_str).join(", ");
        faults.add("/kind", sentence!("must be one of {names}"));
    }
    if file.is_none() {
        faults.add("/file", phrase!("is required"));
    }
    faults.refuse()?;
    let (content, file_name) = file.unwrap_or_default();
    let file_name = if file_name.is_empty() { content::file_name("") } else { file_name };
    let kind = known.unwrap_or(DocumentKind::Other);
    let mut used = Sha256::new();
    for part in
        [&content[..], title.as_deref().unwrap_or("\0").as_bytes(), kind.as_str().as_bytes()]
    {
        used.update(Sha256::digest(part));
    }
    let key = key.map(|key| key.used_for(&used.finalize()));
    Ok((Upload { content, file_name, title, kind }, key))
}

/// A part's name as a JSON pointer has it, cut where it grows too long.
fn pointer(name: &str) -> String {
    let short: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
    short.replace('~', "~0").replace('/', "~1")
}

fn broken(error: &MultipartError) -> Error {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        Error::TooLarge
    } else {
        Error::Malformed(format!("the upload cannot be read: {}", error.body_text()))
    }
}

/// List a patient's documents, newest first.
#[utoipa::path(get, path = "/api/v1/patients/{id}/documents", tag = "documents",
    security(("bearer" = [])),
    params(("id" = PatientId, Path, description = "The patient"), AccessQuery),
    responses((status = 200, description = "A page", body = Page<Document>), Problems))]
pub async fn list_documents(
    Allowed { caller, .. }: Allowed<ReadPatients>,
    State(state): State<AppState>,
    Path(id): Path<PatientId>,
    Query(query): Query<AccessQuery>,
) -> Result<Json<Page<Document>>> {
    let limit = page::limit(query.limit)?;
    let after = page::position(query.cursor.as_deref())?;
    let mut tx = state.begin(&caller).await?;
    caller.patient(&mut tx, id).await?;
    let found = db::documents::list(&mut *tx, id, after, page::rows(limit)).await?;
    let page = page::page(found, limit, |last| last.id)?;
    let event = Event::new("document.list").patient(id);
    db::audit::record(&mut tx, &caller.actor(), event, state.clock.now()).await?;
    tx.commit().await?;
    Ok(Json(page))
}

/// Read what is known of a document.
#[utoipa::path(get, path = "/api/v1/documents/{id}", tag = "documents",
    security(("bearer" = [])),
    params(("id" = DocumentId, Path, description = "The document")),
    responses((status = 200, description = "The document", body = Document), Problems))]
pub async fn get_document(
    Allowed { caller, .. }: Allowed<ReadPatients>,
    State(state): State<AppState>,
    Path(id): Path<DocumentId>,
) -> Result<Json<Document>> {
    let mut tx = state.begin(&caller).await?;
    let document = db::documents::find(&mut *tx, id).await?.ok_or(Error::NotFound("document"))?;
    caller.patient(&mut tx, document.patient_id).await.map_err(unknown("document"))?;
    let event = Event::new("document.read").object(id.0).patient(document.patient_id);
    db::audit::record(&mut tx, &caller.actor(), event, state.clock.now()).await?;
    tx.commit().await?;
    Ok(Json(document))
}

/// Read a document's content. A browser that is led there saves it and runs nothing of it.
#[utoipa::path(get, path = "/api/v1/documents/{id}/content", tag = "documents",
    security(("bearer" = [])),
    params(("id" = DocumentId, Path, description = "The document")),
    responses((status = 200, description = "The content, with its own type", content(
        (Vec<u8> = "application/pdf"), (Vec<u8> = "image/png"), (Vec<u8> = "image/jpeg"),
        (Vec<u8> = "image/tiff"), (Vec<u8> = "application/dicom"))), Problems))]
pub async fn get_document_content(
    Allowed { caller, .. }: Allowed<ReadPatients>,
    State(state): State<AppState>,
    Path(id): Path<DocumentId>,
) -> Result<impl IntoResponse> {
    let _place = state.documents.place().await?;
    let mut tx = state.begin(&caller).await?;
    let document = db::documents::find(&mut *tx, id).await?.ok_or(Error::NotFound("document"))?;
    caller.patient(&mut tx, document.patient_id).await.map_err(unknown("document"))?;
    let stored = db::documents::stored_as(&mut *tx, id).await?;
    let stored = stored.ok_or(Error::NotFound("document"))?;
    let event = Event::new("document.open").object(id.0).patient(document.patient_id);
    db::audit::record(&mut tx, &caller.actor(), event, state.clock.now()).await?;
    tx.commit().await?;
    let content = state.documents.open(stored.name, &stored.sha256).await?;
    Ok((headers(&document), content))
}

fn headers(document: &Document) -> [(HeaderName, String); 3] {
    let encoded: String = form_urlencoded::byte_serialize(document.file_name.as_bytes()).collect();
    // RFC 8187; a space is a plus sign only in forms.
    let saved_as =
        format!("attachment; filename*=UTF-8''{}", encoded.replace('+', "%20").replace('*', "%2A"));
    [
        (header::CONTENT_TYPE, document.media_type.clone()),
        (header::CONTENT_DISPOSITION, saved_as),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox".to_owned()),
    ]
}

/// Remove a document: its content is destroyed, and the audit log keeps what it was.
#[utoipa::path(delete, path = "/api/v1/documents/{id}", tag = "documents",
    security(("bearer" = [])),
    params(("id" = DocumentId, Path, description = "The document")),
    responses((status = 204, description = "Removed"), Problems))]
pub async fn delete_document(
    Allowed { caller, .. }: Allowed<EditPatients>,
    State(state): State<AppState>,
    Path(id): Path<DocumentId>,
) -> Result<StatusCode> {
    let now = state.clock.now();
    let mut tx = state.begin(&caller).await?;
    let document = db::documents::find(&mut *tx, id).await?.ok_or(Error::NotFound("document"))?;
    caller.patient_to_change(&mut tx, document.patient_id).await.map_err(unknown("document"))?;
    let stored = db::documents::stored_as(&mut *tx, id).await?;
    let stored = stored.ok_or(Error::NotFound("document"))?;
    db::documents::delete(&mut tx, id, now).await?;
    let event = Event::new("document.delete").object(id.0).patient(document.patient_id);
    let event = event.details(changed(&document, &())?);
    db::audit::record(&mut tx, &caller.actor(), event, now).await?;
    tx.commit().await?;
    if let Err(error) = state.documents.remove(stored.name).await {
        // It is deleted all the same: the sweep tries again.
        tracing::warn!(error = format!("{error:#}"), "a deleted document's content is still there");
    }
    Ok(StatusCode::NO_CONTENT)
}
