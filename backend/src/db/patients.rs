//! Patients' records.

use shared::{
    id::PatientId,
    patient::{Patient, RenalDisease, Sex},
};
use sqlx::PgExecutor;

/// The record, archived or not.
pub async fn find(db: impl PgExecutor<'_>, id: PatientId) -> sqlx::Result<Option<Patient>> {
    sqlx::query_as!(
        Patient,
        r#"select id as "id: PatientId", version, mrn, given_name, family_name, birth_date,
            sex as "sex: Sex", diabetes, hypertension, cardiovascular_disease, heart_failure,
            smoker, renal_disease as "renal_disease: RenalDisease", own_access, archived_at,
            created_at, updated_at
        from patients
        where id = $1"#,
        id as PatientId,
    )
    .fetch_optional(db)
    .await
}

/// The record, locked against changes by others until the transaction ends.
pub async fn find_for_update(
    db: impl PgExecutor<'_>,
    id: PatientId,
) -> sqlx::Result<Option<Patient>> {
    sqlx::query_as!(
        Patient,
        r#"select id as "id: PatientId", version, mrn, given_name, family_name, birth_date,
            sex as "sex: Sex", diabetes, hypertension, cardiovascular_disease, heart_failure,
            smoker, renal_disease as "renal_disease: RenalDisease", own_access, archived_at,
            created_at, updated_at
        from patients
        where id = $1
        for update"#,
        id as PatientId,
    )
    .fetch_optional(db)
    .await
}
