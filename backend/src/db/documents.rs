//! What is known of documents; their content is in the store.

use chrono::{DateTime, Utc};
use shared::{
    document::{Document, DocumentKind},
    id::{DocumentId, PatientId, UserId},
};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

/// Where a document's content is, and what it must be.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its name in the store.
    pub name: Uuid,
    /// SHA-256 of the content.
    pub sha256: Vec<u8>,
}

/// The query of whole rows, with what comes after `from`.
macro_rules! documents {
    ($rest:tt, $($argument:expr),+ $(,)?) => {
        sqlx::query_as!(
            Document,
            r#"select id as "id: DocumentId", patient_id as "patient_id: PatientId", title,
                kind as "kind: DocumentKind", file_name, media_type, size,
                encode(sha256, 'hex') as "sha256!", uploaded_by as "uploaded_by: UserId",
                uploaded_at
            from documents "# + $rest,
            $($argument),+
        )
    };
}

/// A patient's documents, newest first, after one when it is given.
pub async fn list(
    db: impl PgExecutor<'_>,
    patient: PatientId,
    after: Option<DocumentId>,
    limit: i64,
) -> sqlx::Result<Vec<Document>> {
    // UUIDv7: the order of the ids is the order of the uploads.
    documents!(
        "where patient_id = $1 and deleted_at is null and ($2::uuid is null or id < $2)
        order by id desc
        limit $3",
        patient as PatientId,
        after as Option<DocumentId>,
        limit,
    )
    .fetch_all(db)
    .await
}

/// The document, unless it was deleted.
pub async fn find(db: impl PgExecutor<'_>, id: DocumentId) -> sqlx::Result<Option<Document>> {
    documents!("where id = $1 and deleted_at is null", id as DocumentId).fetch_optional(db).await
}

/// Where the document's content is.
pub async fn stored_as(db: impl PgExecutor<'_>, id: DocumentId) -> sqlx::Result<Option<Stored>> {
    sqlx::query_as!(
        Stored,
        "select stored_as as name, sha256 from documents where id = $1 and deleted_at is null",
        id as DocumentId,
    )
    .fetch_optional(db)
    .await
}

/// Which of these names in the store belong to documents.
pub async fn stored(db: impl PgExecutor<'_>, names: &[Uuid]) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "select stored_as from documents where stored_as = any($1) and deleted_at is null",
        names,
    )
    .fetch_all(db)
    .await
}

/// Adds a document whose content is in the store.
pub async fn insert(db: &mut PgConnection, new: &Document, stored: &Stored) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into documents
            (id, patient_id, title, kind, file_name, media_type, size, sha256, stored_as,
             uploaded_by, uploaded_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        new.id as DocumentId,
        new.patient_id as PatientId,
        new.title,
        new.kind as DocumentKind,
        new.file_name,
        new.media_type,
        new.size,
        stored.sha256,
        stored.name,
        new.uploaded_by as UserId,
        new.uploaded_at,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Marks a document as deleted; its row stays, its content goes.
pub async fn delete(db: &mut PgConnection, id: DocumentId, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query!(
        "update documents set deleted_at = $2 where id = $1 and deleted_at is null",
        id as DocumentId,
        now
    )
    .execute(db)
    .await?;
    Ok(())
}
