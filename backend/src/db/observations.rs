//! Laboratory values and measurements: added and marked, never overwritten.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use shared::{
    id::{ObservationId, PatientId, UserId},
    observation::{Observation, ObservationCode, ObservationMethod, ObservationStatus},
};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

/// The most rows that one statement adds.
const BATCH: usize = 4000;

/// The query of whole rows, with what comes after `from`.
macro_rules! observations {
    ($rest:tt, $($argument:expr),+ $(,)?) => {
        sqlx::query_as!(
            Observation,
            r#"select id as "id: ObservationId", patient_id as "patient_id: PatientId",
                code as "code: ObservationCode", value, unit, value_as_given, unit_as_given,
                effective_at, method as "method: ObservationMethod",
                derived_from as "derived_from: ObservationId",
                supersedes as "supersedes: ObservationId",
                status as "status: ObservationStatus", status_reason, warning, note,
                recorded_by as "recorded_by: UserId", recorded_at
            from observations "# + $rest,
            $($argument),+
        )
    };
}

/// Which values to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter {
    /// Of this quantity.
    pub code: Option<ObservationCode>,
    /// Not before this time.
    pub from: Option<DateTime<Utc>>,
    /// Before this time.
    pub to: Option<DateTime<Utc>>,
}

/// Where in the list a value stands.
pub type Position = (DateTime<Utc>, ObservationId);

/// A patient's values, corrected and voided ones included, newest first, after a position when it
/// is given.
pub async fn list(
    db: impl PgExecutor<'_>,
    patient: PatientId,
    filter: Filter,
    after: Option<Position>,
    limit: i64,
) -> sqlx::Result<Vec<Observation>> {
    let (at, id) = after.unzip();
    observations!(
        "where patient_id = $1
            and ($2::text is null or code = $2)
            and ($3::timestamptz is null or $3 <= effective_at)
            and ($4::timestamptz is null or effective_at < $4)
            and ($5::timestamptz is null or (effective_at, id) < ($5, $6::uuid))
        order by effective_at desc, id desc
        limit $7",
        patient as PatientId,
        filter.code as Option<ObservationCode>,
        filter.from,
        filter.to,
        at,
        id as Option<ObservationId>,
        limit,
    )
    .fetch_all(db)
    .await
}

/// The value.
pub async fn find(db: impl PgExecutor<'_>, id: ObservationId) -> sqlx::Result<Option<Observation>> {
    observations!("where id = $1", id as ObservationId).fetch_optional(db).await
}

/// The values that were computed from this one and count.
pub async fn derived(
    db: impl PgExecutor<'_>,
    from: ObservationId,
) -> sqlx::Result<Vec<Observation>> {
    observations!("where derived_from = $1 and status = 'final'", from as ObservationId)
        .fetch_all(db)
        .await
}

/// The patient's creatinine values that count, oldest first.
pub async fn creatinines(
    db: impl PgExecutor<'_>,
    patient: PatientId,
) -> sqlx::Result<Vec<Observation>> {
    observations!(
        "where patient_id = $1 and code = 'creatinine' and status = 'final'
        order by effective_at, id",
        patient as PatientId,
    )
    .fetch_all(db)
    .await
}

/// The patient's computed values that count or were voided.
pub async fn computed(
    db: impl PgExecutor<'_>,
    patient: PatientId,
) -> sqlx::Result<Vec<Observation>> {
    observations!(
        "where patient_id = $1 and derived_from is not null and status <> 'corrected'",
        patient as PatientId,
    )
    .fetch_all(db)
    .await
}

/// What says that two values are the same one: whose, of what, when, and the value's bits.
pub type Identity = (PatientId, ObservationCode, DateTime<Utc>, u64);

/// What says that another value is this one.
pub fn identity(value: &Observation) -> Identity {
    (value.patient_id, value.code, value.effective_at, value.value.to_bits())
}

/// Values that are on record for what these are of, whatever became of them: what was corrected or
/// voided was recorded once, too.
pub async fn on_record(
    db: &mut PgConnection,
    values: &[Observation],
) -> sqlx::Result<HashSet<Identity>> {
    let patients: Vec<Uuid> = values.iter().map(|value| value.patient_id.0).collect();
    let codes: Vec<String> = values.iter().map(|value| value.code.as_str().to_owned()).collect();
    let times: Vec<DateTime<Utc>> = values.iter().map(|value| value.effective_at).collect();
    let found = sqlx::query!(
        r#"select patient_id as "patient_id: PatientId", observations.code as "code: ObservationCode",
            effective_at, value
        from unnest($1::uuid[], $2::text[], $3::timestamptz[]) as wanted (patient, code, at)
        join observations
            on patient_id = patient and effective_at = at and observations.code = wanted.code
        where method = 'reported'"#,
        &patients,
        &codes,
        &times,
    )
    .fetch_all(db)
    .await?;
    let found = found.into_iter();
    Ok(found.map(|row| (row.patient_id, row.code, row.effective_at, row.value.to_bits())).collect())
}

/// Adds values, of one patient or of many, in few statements. What a value was derived from or
/// supersedes must be there already, or come before it. The caller refreshes what the
/// records keep of their values with [`refresh`](super::worklist::refresh).
pub async fn insert_many(db: &mut PgConnection, rows: &[Observation]) -> sqlx::Result<()> {
    for batch in rows.chunks(BATCH) {
        insert_batch(db, batch).await?;
    }
    Ok(())
}

async fn insert_batch(db: &mut PgConnection, rows: &[Observation]) -> sqlx::Result<()> {
    fn column<T>(rows: &[Observation], of: impl Fn(&Observation) -> T) -> Vec<T> {
        rows.iter().map(of).collect()
    }
    sqlx::query!(
        "insert into observations
            (id, patient_id, code, value, unit, value_as_given, unit_as_given, effective_at,
             method, derived_from, supersedes, status, status_reason, warning, note, recorded_by,
             recorded_at)
        select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::float8[], $5::text[],
            $6::float8[], $7::text[], $8::timestamptz[], $9::text[], $10::uuid[], $11::uuid[],
            $12::text[], $13::text[], $14::text[], $15::text[], $16::uuid[], $17::timestamptz[])",
        &column(rows, |row| row.id.0),
        &column(rows, |row| row.patient_id.0),
        &column(rows, |row| row.code.as_str().to_owned()),
        &column(rows, |row| row.value),
        &column(rows, |row| row.unit.clone()),
        &column(rows, |row| row.value_as_given),
        &column(rows, |row| row.unit_as_given.clone()),
        &column(rows, |row| row.effective_at),
        column(rows, |row| row.method) as _,
        column(rows, |row| row.derived_from.map(|id| id.0)) as _,
        column(rows, |row| row.supersedes.map(|id| id.0)) as _,
        column(rows, |row| row.status) as _,
        column(rows, |row| row.status_reason.clone()) as _,
        column(rows, |row| row.warning.clone()) as _,
        column(rows, |row| row.note.clone()) as _,
        &column(rows, |row| row.recorded_by.0),
        &column(rows, |row| row.recorded_at),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Marks values that count as corrected or voided, and says why.
pub async fn mark(
    db: &mut PgConnection,
    ids: &[ObservationId],
    status: ObservationStatus,
    reason: &str,
) -> sqlx::Result<()> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    sqlx::query!(
        "update observations
        set status = $2, status_reason = $3
        where id = any($1) and status = 'final'",
        &ids,
        status as ObservationStatus,
        reason,
    )
    .execute(db)
    .await?;
    Ok(())
}
