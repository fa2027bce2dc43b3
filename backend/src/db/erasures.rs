//! Archived records, and taking out of one whose it was.

use chrono::{DateTime, Utc};
use shared::{
    erasure::ArchivedRecord,
    id::{PatientId, UserId},
};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::sessions::{self, EndReason};

/// The query of whole rows, with what comes after the joins.
macro_rules! archived {
    ($rest:literal, $($argument:expr),+ $(,)?) => {
        sqlx::query_as!(
            ArchivedRecord,
            r#"select patients.id as "patient_id: PatientId", mrn,
                family_name || ', ' || given_name as "patient_name!",
                archived_at as "archived_at!",
                archived_at + make_interval(years => retention_years) as "keep_until!",
                erased_at as "erased_at?", display_name as "erased_by?", reason as "reason?"
            from patients
            cross join settings
            left join erasures on erasures.patient_id = patients.id
            left join users on users.id = erased_by
            where archived_at is not null and "# + $rest,
            $($argument),+
        )
    };
}

/// Archived records, the longest first, after one when it is given: those that are erased, or those
/// that are not.
pub async fn list(
    db: impl PgExecutor<'_>,
    erased: bool,
    after: Option<(DateTime<Utc>, PatientId)>,
    limit: i64,
) -> sqlx::Result<Vec<ArchivedRecord>> {
    let (at, id) = after.unzip();
    archived!(
        "(erased_at is not null) = $1
            and ($2::timestamptz is null or ($2, $3::uuid) < (archived_at, patients.id))
        order by archived_at, patients.id
        limit $4",
        erased,
        at,
        id as Option<PatientId>,
        limit,
    )
    .fetch_all(db)
    .await
}

/// One record, if it is archived.
pub async fn find(
    db: impl PgExecutor<'_>,
    patient: PatientId,
) -> sqlx::Result<Option<ArchivedRecord>> {
    archived!("patients.id = $1", patient as PatientId).fetch_optional(db).await
}

/// Whether a record was erased.
pub async fn is_erased(db: impl PgExecutor<'_>, patient: PatientId) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists(select from erasures where patient_id = $1) as "erased!""#,
        patient as PatientId
    )
    .fetch_one(db)
    .await
}

/// Takes out of a record, for good, whose it was: names, number, day of birth, every text that
/// somebody wrote, the documents, the patient's own account. What was measured and predicted stays,
/// and so does the audit log. Answers under which names the store has the documents' content.
pub async fn erase(
    db: &mut PgConnection,
    patient: PatientId,
    by: UserId,
    reason: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query!(
        "insert into erasures (patient_id, erased_by, erased_at, reason) values ($1, $2, $3, $4)",
        patient as PatientId,
        by as UserId,
        now,
        reason,
    )
    .execute(&mut *db)
    .await?;
    // While the record still says whom they name.
    erase_views(&mut *db, patient).await?;
    // The first day of the year is never after anything that the record says.
    sqlx::query!(
        "update patients
        set version = version + 1, updated_at = $2, given_name = 'record', family_name = 'Erased',
            mrn = 'erased-' || id, own_access = false,
            birth_date = make_date(extract(year from birth_date)::integer, 1, 1)
        where id = $1",
        patient as PatientId,
        now,
    )
    .execute(&mut *db)
    .await?;
    erase_texts(&mut *db, patient).await?;
    close_account(&mut *db, patient, now).await?;
    sqlx::query_scalar!(
        "delete from documents where patient_id = $1 returning stored_as",
        patient as PatientId
    )
    .fetch_all(db)
    .await
}

/// What people wrote may name anybody.
async fn erase_texts(db: &mut PgConnection, patient: PatientId) -> sqlx::Result<()> {
    let patient = patient.0;
    sqlx::query!(
        "update observations
        set note = null, status_reason = case when status = 'final' then null else 'erased' end
        where patient_id = $1",
        patient
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!("update therapies set note = null where patient_id = $1", patient)
        .execute(&mut *db)
        .await?;
    sqlx::query!("update biopsies set diagnosis = 'erased' where patient_id = $1", patient)
        .execute(&mut *db)
        .await?;
    sqlx::query!("update emergency_accesses set reason = 'erased' where patient_id = $1", patient)
        .execute(&mut *db)
        .await?;
    sqlx::query!("delete from care_team_members where patient_id = $1", patient)
        .execute(&mut *db)
        .await?;
    // What was searched for to find the patient, among others, may be the name.
    sqlx::query!(
        "update prediction_batches
        set filter = filter - 'q'
        where id in (select batch_id from prediction_batch_patients where patient_id = $1)",
        patient
    )
    .execute(&mut *db)
    .await?;
    // First answers to requests hold what was answered.
    sqlx::query!(
        "delete from idempotency_keys where position($1 in body::text) <> 0",
        patient.to_string()
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A view of the list that names somebody, whosever it is, shows nothing but them.
async fn erase_views(db: &mut PgConnection, patient: PatientId) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from views
        using patients
        where patients.id = $1
            and exists(
                select from unnest(array[family_name, mrn, birth_date::text]) as telling
                where position(
                    lower(telling) in lower(views.name || ' ' || coalesce(filter ->> 'q', ''))
                ) <> 0
            )",
        patient as PatientId,
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn close_account(
    db: &mut PgConnection,
    patient: PatientId,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let closed = sqlx::query_scalar!(
        r#"update users
        set version = version + 1, patient_id = null, active = false, display_name = 'Erased',
            email = 'erased-' || id
        where patient_id = $1
        returning id as "id: UserId""#,
        patient as PatientId,
    )
    .fetch_optional(&mut *db)
    .await?;
    if let Some(user) = closed {
        sessions::end_all(db, user, None, EndReason::Deactivated, now).await?;
    }
    Ok(())
}
