//! Patients' records.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use shared::{
    id::{PatientId, UserId},
    patient::{Patient, RenalDisease, Sex},
};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

/// Records, chosen by what comes after `where`.
macro_rules! records {
    ($rest:literal, $($argument:expr),+ $(,)?) => {
        sqlx::query_as!(
            Patient,
            r#"select id as "id: PatientId", version, mrn, given_name, family_name, birth_date,
                sex as "sex: Sex", diabetes, hypertension, cardiovascular_disease, heart_failure,
                smoker, renal_disease as "renal_disease: RenalDisease", own_access, archived_at,
                created_at, updated_at
            from patients
            where "# + $rest,
            $($argument),+
        )
    };
}

/// The record, archived or not.
pub async fn find(db: impl PgExecutor<'_>, id: PatientId) -> sqlx::Result<Option<Patient>> {
    records!("id = $1", id as PatientId).fetch_optional(db).await
}

/// Each of these records, archived or not.
pub async fn find_all(
    db: impl PgExecutor<'_>,
    ids: &[PatientId],
) -> sqlx::Result<Vec<Option<Patient>>> {
    let wanted: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let found = records!("id = any($1)", &wanted).fetch_all(db).await?;
    let found: HashMap<PatientId, Patient> =
        found.into_iter().map(|patient| (patient.id, patient)).collect();
    Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
}

/// The record, locked against changes by others until the transaction ends.
pub async fn find_for_update(
    db: impl PgExecutor<'_>,
    id: PatientId,
) -> sqlx::Result<Option<Patient>> {
    records!(
        "id = $1
        for update",
        id as PatientId,
    )
    .fetch_optional(db)
    .await
}

/// Those of these records that are in use, locked against changes by others until the transaction
/// ends; in one order, so that nobody waits in a circle.
pub async fn lock_in_use(db: &mut PgConnection, ids: &[PatientId]) -> sqlx::Result<Vec<Patient>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    records!(
        "id = any($1) and archived_at is null
        order by id
        for no key update",
        &ids,
    )
    .fetch_all(db)
    .await
}

/// Those of these records in use that nobody else has locked, locked until the transaction ends.
pub async fn lock_free_in_use(
    db: &mut PgConnection,
    ids: &[PatientId],
) -> sqlx::Result<Vec<Patient>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    records!(
        "id = any($1) and archived_at is null
        order by id
        for no key update skip locked",
        &ids,
    )
    .fetch_all(db)
    .await
}

/// Adds a record.
pub async fn insert(db: &mut PgConnection, new: &Patient) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into patients
            (id, version, mrn, given_name, family_name, birth_date, sex, diabetes, hypertension,
             cardiovascular_disease, heart_failure, smoker, renal_disease, own_access,
             archived_at, created_at, updated_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
        new.id as PatientId,
        new.version,
        new.mrn,
        new.given_name,
        new.family_name,
        new.birth_date,
        new.sex as Sex,
        new.diabetes,
        new.hypertension,
        new.cardiovascular_disease,
        new.heart_failure,
        new.smoker,
        new.renal_disease as RenalDisease,
        new.own_access,
        new.archived_at,
        new.created_at,
        new.updated_at,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Adds records in one go.
pub async fn insert_many(db: &mut PgConnection, new: &[Patient]) -> sqlx::Result<()> {
    fn column<T>(rows: &[Patient], of: impl Fn(&Patient) -> T) -> Vec<T> {
        rows.iter().map(of).collect()
    }
    sqlx::query!(
        "insert into patients
            (id, version, mrn, given_name, family_name, birth_date, sex, diabetes, hypertension,
             cardiovascular_disease, heart_failure, smoker, renal_disease, own_access, created_at,
             updated_at)
        select * from unnest($1::uuid[], $2::integer[], $3::text[], $4::text[], $5::text[],
            $6::date[], $7::text[], $8::boolean[], $9::boolean[], $10::boolean[], $11::boolean[],
            $12::boolean[], $13::text[], $14::boolean[], $15::timestamptz[], $16::timestamptz[])",
        &column(new, |row| row.id.0),
        &column(new, |row| row.version),
        &column(new, |row| row.mrn.clone()),
        &column(new, |row| row.given_name.clone()),
        &column(new, |row| row.family_name.clone()),
        &column(new, |row| row.birth_date),
        column(new, |row| row.sex) as _,
        column(new, |row| row.diabetes) as _,
        column(new, |row| row.hypertension) as _,
        column(new, |row| row.cardiovascular_disease) as _,
        column(new, |row| row.heart_failure) as _,
        column(new, |row| row.smoker) as _,
        column(new, |row| row.renal_disease) as _,
        &column(new, |row| row.own_access),
        &column(new, |row| row.created_at),
        &column(new, |row| row.updated_at),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Which of these medical record numbers belong to a record, whoever may see it: a number is
/// unique in the installation.
pub async fn taken_mrns(db: &mut PgConnection, mrns: &[String]) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar!(
        r#"select mrn as "mrn!" from unnest($1::text[]) as mrn
        where patient_with_mrn(mrn) is not null"#,
        mrns,
    )
    .fetch_all(db)
    .await
}

/// The records with these medical record numbers that a caller sees, archived or not, locked
/// against changes by others until the transaction ends; in one order.
pub async fn lock_with_mrns(
    db: &mut PgConnection,
    mrns: &[String],
    in_care_of: Option<UserId>,
    at: DateTime<Utc>,
) -> sqlx::Result<Vec<Patient>> {
    records!(
        "mrn = any($1)
            and ($2::uuid is null or id in (select patients_in_care_of($2, $3)))
        order by id
        for no key update",
        mrns,
        in_care_of as Option<UserId>,
        at,
    )
    .fetch_all(db)
    .await
}

/// Writes a changed record, version and times included, in place of the one that is locked.
pub async fn update(db: &mut PgConnection, changed: &Patient) -> sqlx::Result<()> {
    sqlx::query!(
        "update patients
        set version = $2, mrn = $3, given_name = $4, family_name = $5, birth_date = $6, sex = $7,
            diabetes = $8, hypertension = $9, cardiovascular_disease = $10, heart_failure = $11,
            smoker = $12, renal_disease = $13, own_access = $14, archived_at = $15,
            updated_at = $16
        where id = $1",
        changed.id as PatientId,
        changed.version,
        changed.mrn,
        changed.given_name,
        changed.family_name,
        changed.birth_date,
        changed.sex as Sex,
        changed.diabetes,
        changed.hypertension,
        changed.cardiovascular_disease,
        changed.heart_failure,
        changed.smoker,
        changed.renal_disease as RenalDisease,
        changed.own_access,
        changed.archived_at,
        changed.updated_at,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The first day of which the record says something that counts.
pub async fn first_day(db: impl PgExecutor<'_>, id: PatientId) -> sqlx::Result<Option<NaiveDate>> {
    sqlx::query_scalar!(
        "select min(day) from (
            select min((effective_at at time zone 'UTC')::date) as day
            from observations where patient_id = $1 and status = 'final'
            union all
            select min(started_on) from therapies where patient_id = $1 and deleted_at is null
            union all
            select min(performed_on) from biopsies where patient_id = $1 and deleted_at is null
            union all
            select min(occurred_on) from outcomes where patient_id = $1
        ) as days",
        id as PatientId,
    )
    .fetch_one(db)
    .await
}
