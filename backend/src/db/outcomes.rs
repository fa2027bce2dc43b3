//! End points.

use shared::{
    id::{OutcomeId, PatientId},
    outcome::{Outcome, OutcomeKind},
};
use sqlx::{PgConnection, PgExecutor};

/// The patient's end points, the last first.
pub async fn list(db: impl PgExecutor<'_>, patient: PatientId) -> sqlx::Result<Vec<Outcome>> {
    sqlx::query_as!(
        Outcome,
        r#"select id as "id: OutcomeId", patient_id as "patient_id: PatientId",
            kind as "kind: OutcomeKind", occurred_on, created_at
        from outcomes
        where patient_id = $1
        order by occurred_on desc, id desc"#,
        patient as PatientId,
    )
    .fetch_all(db)
    .await
}

/// Adds an end point.
pub async fn insert(db: &mut PgConnection, new: &Outcome) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into outcomes (id, patient_id, kind, occurred_on, created_at)
        values ($1, $2, $3, $4, $5)",
        new.id as OutcomeId,
        new.patient_id as PatientId,
        new.kind as OutcomeKind,
        new.occurred_on,
        new.created_at,
    )
    .execute(db)
    .await?;
    Ok(())
}
