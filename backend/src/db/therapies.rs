//! Courses of drugs.

use chrono::{DateTime, Utc};
use shared::{
    id::{PatientId, TherapyId},
    therapy::{Therapy, TherapyKind},
};
use sqlx::{PgConnection, PgExecutor};

/// The patient's courses, the last begun first.
pub async fn list(db: impl PgExecutor<'_>, patient: PatientId) -> sqlx::Result<Vec<Therapy>> {
    sqlx::query_as!(
        Therapy,
        r#"select id as "id: TherapyId", version, patient_id as "patient_id: PatientId",
            kind as "kind: TherapyKind", started_on, ended_on, note, created_at
        from therapies
        where patient_id = $1 and deleted_at is null
        order by started_on desc, id desc"#,
        patient as PatientId,
    )
    .fetch_all(db)
    .await
}

/// The course, unless it was deleted.
pub async fn find(db: impl PgExecutor<'_>, id: TherapyId) -> sqlx::Result<Option<Therapy>> {
    sqlx::query_as!(
        Therapy,
        r#"select id as "id: TherapyId", version, patient_id as "patient_id: PatientId",
            kind as "kind: TherapyKind", started_on, ended_on, note, created_at
        from therapies
        where id = $1 and deleted_at is null"#,
        id as TherapyId,
    )
    .fetch_optional(db)
    .await
}

/// Adds a course.
pub async fn insert(db: &mut PgConnection, new: &Therapy) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into therapies
            (id, version, patient_id, kind, started_on, ended_on, note, created_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8)",
        new.id as TherapyId,
        new.version,
        new.patient_id as PatientId,
        new.kind as TherapyKind,
        new.started_on,
        new.ended_on,
        new.note,
        new.created_at,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Writes a changed course in place of the one it was.
pub async fn update(db: &mut PgConnection, changed: &Therapy) -> sqlx::Result<()> {
    sqlx::query!(
        "update therapies
        set version = $2, kind = $3, started_on = $4, ended_on = $5, note = $6
        where id = $1",
        changed.id as TherapyId,
        changed.version,
        changed.kind as TherapyKind,
        changed.started_on,
        changed.ended_on,
        changed.note,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Deletes a course; the row stays for the record's history.
pub async fn delete(db: &mut PgConnection, id: TherapyId, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query!(
        "update therapies set version = version + 1, deleted_at = $2 where id = $1",
        id as TherapyId,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}
