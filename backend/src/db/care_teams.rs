//! Who cares for a patient.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::{
    access::{Permission, Role},
    care_team::{CareTeamMember, Colleague},
    id::{PatientId, UserId},
};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

/// The roles of those who can care for a patient.
pub fn carers() -> Vec<Role> {
    Role::all_that_may(Permission::EditPatients)
}

/// Whether somebody belongs to a patient's care team, or has opened the record in an emergency that
/// lasts.
pub async fn cares_for(
    db: &mut PgConnection,
    user: UserId,
    patient: PatientId,
    at: DateTime<Utc>,
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select cares_for($1, $2, $3) as "cares_for!""#,
        user as UserId,
        patient as PatientId,
        at,
    )
    .fetch_one(db)
    .await
}

/// A patient's care team, the longest members first.
pub async fn members(
    db: impl PgExecutor<'_>,
    patient: PatientId,
) -> sqlx::Result<Vec<CareTeamMember>> {
    sqlx::query_as!(
        CareTeamMember,
        r#"select users.id as "user_id: UserId", users.display_name, since,
            users.active and users.role = any($2) as "active!",
            adders.display_name as "added_by?"
        from care_team_members
        join users on users.id = care_team_members.user_id
        left join users as adders on adders.id = added_by
        where care_team_members.patient_id = $1
        order by since, users.id"#,
        patient as PatientId,
        &carers() as &[Role],
    )
    .fetch_all(db)
    .await
}

/// Adds somebody to a care team that they do not belong to.
pub async fn insert(
    db: &mut PgConnection,
    patient: PatientId,
    user: UserId,
    added_by: Option<UserId>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into care_team_members (patient_id, user_id, since, added_by)
        values ($1, $2, $3, $4)",
        patient as PatientId,
        user as UserId,
        now,
        added_by as Option<UserId>,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Makes somebody who has registered patients the first of their care teams.
pub async fn insert_first(
    db: &mut PgConnection,
    patients: &[PatientId],
    user: UserId,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let patients: Vec<Uuid> = patients.iter().map(|patient| patient.0).collect();
    sqlx::query!(
        "insert into care_team_members (patient_id, user_id, since, added_by)
        select patient, $2, $3, $2 from unnest($1::uuid[]) as patient",
        &patients,
        user as UserId,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Takes somebody out of a care team.
pub async fn delete(db: &mut PgConnection, patient: PatientId, user: UserId) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from care_team_members where patient_id = $1 and user_id = $2",
        patient as PatientId,
        user as UserId,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Where in the directory a colleague stands: the name in lower case, and the id.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Position(pub String, pub UserId);

/// The account as a colleague; `None` when it is closed or not of somebody who cares for patients.
pub async fn find_colleague(db: &mut PgConnection, id: UserId) -> sqlx::Result<Option<Colleague>> {
    sqlx::query_as!(
        Colleague,
        r#"select id as "id: UserId", display_name
        from users
        where id = $1 and active and role = any($2)"#,
        id as UserId,
        &carers() as &[Role],
    )
    .fetch_optional(db)
    .await
}

/// Those who can care for a patient, by name, after a position when it is given.
pub async fn colleagues(
    db: impl PgExecutor<'_>,
    text: Option<&str>,
    after: Option<&Position>,
    limit: i64,
) -> sqlx::Result<Vec<Colleague>> {
    sqlx::query_as!(
        Colleague,
        r#"select id as "id: UserId", display_name
        from users
        where active and role = any($1)
            and ($2::text is null or searchable(display_name) like searchable($2))
            and ($3::text is null or (lower(display_name), id) > ($3, $4::uuid))
        order by lower(display_name), id
        limit $5"#,
        &carers() as &[Role],
        text.map(super::patient_list::pattern),
        after.map(|Position(name, _)| name.as_str()),
        after.map(|Position(_, id)| id.0),
        limit,
    )
    .fetch_all(db)
    .await
}
