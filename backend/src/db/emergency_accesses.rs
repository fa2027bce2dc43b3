//! Records that were opened in an emergency by somebody outside the care team.

use chrono::{DateTime, Utc};
use shared::{
    care_team::EmergencyAccess,
    id::{EmergencyAccessId, PatientId, UserId},
};
use sqlx::{PgConnection, PgExecutor};

/// The record with exactly this medical record number, whoever may see it.
pub async fn patient_with_mrn(
    db: impl PgExecutor<'_>,
    mrn: &str,
) -> sqlx::Result<Option<PatientId>> {
    sqlx::query_scalar!(r#"select patient_with_mrn($1) as "id: PatientId""#, mrn)
        .fetch_one(db)
        .await
}

/// The query of whole rows, with what comes after the joins.
macro_rules! accesses {
    ($rest:literal, $($argument:expr),+ $(,)?) => {
        sqlx::query_as!(
            EmergencyAccess,
            r#"select emergency_accesses.id as "id: EmergencyAccessId",
                patients.id as "patient_id: PatientId",
                family_name || ', ' || given_name as "patient_name!",
                users.id as "user_id: UserId", display_name, reason, opened_at, expires_at,
                ended_at
            from emergency_accesses
            join patients on patients.id = emergency_accesses.patient_id
            join users on users.id = emergency_accesses.user_id
            "# + $rest,
            $($argument),+
        )
    };
}

/// An access to open.
#[derive(Clone, Debug)]
pub struct NewAccess<'a> {
    /// Its id.
    pub id: EmergencyAccessId,
    /// Whose record.
    pub patient: PatientId,
    /// For whom.
    pub user: UserId,
    /// Why.
    pub reason: &'a str,
    /// From when.
    pub opened_at: DateTime<Utc>,
}

/// Opens a record to somebody for as long as the site's settings say.
pub async fn insert(db: &mut PgConnection, new: &NewAccess<'_>) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into emergency_accesses (id, patient_id, user_id, reason, opened_at, expires_at)
        select $1, $2, $3, $4, $5,
            $5::timestamptz + make_interval(mins => emergency_access_minutes)
        from settings",
        new.id as EmergencyAccessId,
        new.patient as PatientId,
        new.user as UserId,
        new.reason,
        new.opened_at,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// One access.
pub async fn find(
    db: impl PgExecutor<'_>,
    id: EmergencyAccessId,
) -> sqlx::Result<Option<EmergencyAccess>> {
    accesses!("where emergency_accesses.id = $1", id as EmergencyAccessId).fetch_optional(db).await
}

/// Accesses, the newest first: to one record, or to all of them.
pub async fn list(
    db: impl PgExecutor<'_>,
    patient: Option<PatientId>,
    before: Option<EmergencyAccessId>,
    limit: i64,
) -> sqlx::Result<Vec<EmergencyAccess>> {
    accesses!(
        "where ($1::uuid is null or emergency_accesses.patient_id = $1)
            and ($2::uuid is null or emergency_accesses.id < $2)
        order by emergency_accesses.id desc
        limit $3",
        patient as Option<PatientId>,
        before as Option<EmergencyAccessId>,
        limit,
    )
    .fetch_all(db)
    .await
}

/// Ends an access of its holder's before its time is up; `None` when they have no such access that
/// is still open, otherwise whose record it was.
pub async fn end(
    db: &mut PgConnection,
    id: EmergencyAccessId,
    holder: UserId,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<PatientId>> {
    sqlx::query_scalar!(
        r#"update emergency_accesses
        set ended_at = greatest($3, opened_at)
        where id = $1 and user_id = $2 and $3 < open_until
        returning patient_id as "patient_id: PatientId""#,
        id as EmergencyAccessId,
        holder as UserId,
        now,
    )
    .fetch_optional(db)
    .await
}
