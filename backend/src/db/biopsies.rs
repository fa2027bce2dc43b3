//! Kidney biopsies.

use chrono::{DateTime, NaiveDate, Utc};
use shared::{
    biopsy::Biopsy,
    id::{BiopsyId, PatientId},
};
use sqlx::{PgConnection, PgExecutor};

struct Row {
    id: BiopsyId,
    version: i32,
    patient_id: PatientId,
    performed_on: NaiveDate,
    diagnosis: String,
    m: Option<i16>,
    e: Option<i16>,
    s: Option<i16>,
    t: Option<i16>,
    c: Option<i16>,
    created_at: DateTime<Utc>,
}

impl From<Row> for Biopsy {
    fn from(row: Row) -> Self {
        // The table's checks keep every score between 0 and 2.
        let score = |score: Option<i16>| score.and_then(|score| u8::try_from(score).ok());
        Self {
            id: row.id,
            version: row.version,
            patient_id: row.patient_id,
            performed_on: row.performed_on,
            diagnosis: row.diagnosis,
            m: score(row.m),
            e: score(row.e),
            s: score(row.s),
            t: score(row.t),
            c: score(row.c),
            created_at: row.created_at,
        }
    }
}

/// The patient's biopsies, the last first.
pub async fn list(db: impl PgExecutor<'_>, patient: PatientId) -> sqlx::Result<Vec<Biopsy>> {
    let found = sqlx::query_as!(
        Row,
        r#"select id as "id: BiopsyId", version, patient_id as "patient_id: PatientId",
            performed_on, diagnosis, m, e, s, t, c, created_at
        from biopsies
        where patient_id = $1 and deleted_at is null
        order by performed_on desc, id desc"#,
        patient as PatientId,
    )
    .fetch_all(db)
    .await?;
    Ok(found.into_iter().map(Biopsy::from).collect())
}

/// The biopsy, unless it was deleted.
pub async fn find(db: impl PgExecutor<'_>, id: BiopsyId) -> sqlx::Result<Option<Biopsy>> {
    let found = sqlx::query_as!(
        Row,
        r#"select id as "id: BiopsyId", version, patient_id as "patient_id: PatientId",
            performed_on, diagnosis, m, e, s, t, c, created_at
        from biopsies
        where id = $1 and deleted_at is null"#,
        id as BiopsyId,
    )
    .fetch_optional(db)
    .await?;
    Ok(found.map(Biopsy::from))
}

/// Adds a biopsy.
pub async fn insert(db: &mut PgConnection, new: &Biopsy) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into biopsies
            (id, version, patient_id, performed_on, diagnosis, m, e, s, t, c, created_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        new.id as BiopsyId,
        new.version,
        new.patient_id as PatientId,
        new.performed_on,
        new.diagnosis,
        new.m.map(i16::from),
        new.e.map(i16::from),
        new.s.map(i16::from),
        new.t.map(i16::from),
        new.c.map(i16::from),
        new.created_at,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Writes a changed biopsy in place of the one it was.
pub async fn update(db: &mut PgConnection, changed: &Biopsy) -> sqlx::Result<()> {
    sqlx::query!(
        "update biopsies
        set version = $2, performed_on = $3, diagnosis = $4, m = $5, e = $6, s = $7, t = $8,
            c = $9
        where id = $1",
        changed.id as BiopsyId,
        changed.version,
        changed.performed_on,
        changed.diagnosis,
        changed.m.map(i16::from),
        changed.e.map(i16::from),
        changed.s.map(i16::from),
        changed.t.map(i16::from),
        changed.c.map(i16::from),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Deletes a biopsy; the row stays for the record's history.
pub async fn delete(db: &mut PgConnection, id: BiopsyId, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query!(
        "update biopsies set version = version + 1, deleted_at = $2 where id = $1",
        id as BiopsyId,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}
