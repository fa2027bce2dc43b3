//! Batches of predictions: asked for, followed, called off; and a worker's side of them: patients
//! written down, then asked for or refused, a chunk at a time.

use chrono::{DateTime, Utc};
use shared::{
    access::{Role, SitePolicy, Visibility},
    id::{PatientId, PredictionBatchId, PredictionId, SessionId, TokenId, UserId},
    patient::PatientFilter,
    prediction_batch::{PredictionBatch, PredictionBatchStatus, PredictionRefusal},
};
use sqlx::{PgConnection, PgExecutor, types::Json};
use uuid::Uuid;

use super::audit::Actor;

/// Adds a batch that waits for a worker; `traceparent` is where in its trace the request stands.
pub async fn insert(
    db: &mut PgConnection,
    id: PredictionBatchId,
    requested_by: UserId,
    filter: &PatientFilter,
    actor: &Actor,
    traceparent: Option<&str>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into prediction_batches
            (id, requested_by, requested_at, touched_at, filter, session_id, token_id, address,
             request_id, traceparent)
        values ($1, $2, $3, $3, $4, $5, $6, $7, $8, $9)",
        id as PredictionBatchId,
        requested_by as UserId,
        now,
        Json(filter) as _,
        actor.session_id as Option<SessionId>,
        actor.token_id as Option<TokenId>,
        actor.address,
        actor.request_id,
        traceparent,
    )
    .execute(db)
    .await?;
    Ok(())
}

struct Row {
    requested_by: UserId,
    requested_at: DateTime<Utc>,
    filter: Json<PatientFilter>,
    listed_at: Option<DateTime<Utc>>,
    asked_at: Option<DateTime<Utc>>,
    cancelled_at: Option<DateTime<Utc>>,
    failed_at: Option<DateTime<Utc>>,
    error: Option<String>,
}

/// How the patients of a batch stand.
#[derive(Debug)]
struct Counts {
    total: i64,
    refused: i64,
    waiting: i64,
    queued: i64,
    running: i64,
    succeeded: i64,
    failed: i64,
    cancelled: i64,
    ended_at: Option<DateTime<Utc>>,
}

impl Row {
    /// How far it has come, and since when it is final.
    fn standing(&self, counts: &Counts) -> (PredictionBatchStatus, Option<DateTime<Utc>>) {
        if self.cancelled_at.is_some() {
            return (PredictionBatchStatus::Cancelled, self.cancelled_at);
        }
        if self.failed_at.is_some() {
            return (PredictionBatchStatus::Failed, self.failed_at);
        }
        match self.asked_at {
            None if self.listed_at.is_none() => (PredictionBatchStatus::Queued, None),
            Some(asked_at) if counts.queued + counts.running == 0 => {
                let ended_at = counts.ended_at.map_or(asked_at, |ended_at| ended_at.max(asked_at));
                (PredictionBatchStatus::Completed, Some(ended_at))
            }
            _ => (PredictionBatchStatus::Running, None),
        }
    }
}

/// The batch, with the counts of those of its patients whom this transaction sees.
pub async fn find(
    db: &mut PgConnection,
    id: PredictionBatchId,
) -> sqlx::Result<Option<PredictionBatch>> {
    let row = sqlx::query_as!(
        Row,
        r#"select requested_by as "requested_by: UserId", requested_at,
            filter as "filter: Json<PatientFilter>", listed_at, asked_at, cancelled_at, failed_at,
            error
        from prediction_batches
        where id = $1"#,
        id as PredictionBatchId,
    )
    .fetch_optional(&mut *db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let counts = count(db, id).await?;
    let reasons = reasons(db, id).await?;
    let (status, completed_at) = row.standing(&counts);
    // What was not asked for when the batch ended never will be.
    let (queued, dropped) = if status.is_final() {
        (counts.queued, counts.waiting)
    } else {
        (counts.queued + counts.waiting, 0)
    };
    let open = queued + counts.running;
    let total = row.listed_at.map(|_| counts.total);
    Ok(Some(PredictionBatch {
        id,
        status,
        requested_by: row.requested_by,
        requested_at: row.requested_at,
        completed_at,
        filter: row.filter.0,
        total,
        queued,
        running: counts.running,
        succeeded: counts.succeeded,
        failed: counts.failed,
        cancelled: counts.cancelled + dropped,
        refused: counts.refused,
        reasons,
        progress: match total {
            Some(total) if 0 < total => (total - open) as f64 / total as f64,
            _ => f64::from(u8::from(status.is_final())),
        },
        error: row.error,
    }))
}

async fn count(db: &mut PgConnection, id: PredictionBatchId) -> sqlx::Result<Counts> {
    sqlx::query_as!(
        Counts,
        r#"select count(*) as "total!", count(refusals) as "refused!",
            count(*) filter (where prediction_id is null and refusals is null) as "waiting!",
            count(*) filter (where status = 'queued') as "queued!",
            count(*) filter (where status = 'running') as "running!",
            count(*) filter (where status = 'succeeded') as "succeeded!",
            count(*) filter (where status = 'failed') as "failed!",
            count(*) filter (where status = 'cancelled') as "cancelled!",
            max(completed_at) as ended_at
        from prediction_batch_patients
        left join predictions on predictions.id = prediction_id
        where batch_id = $1"#,
        id as PredictionBatchId,
    )
    .fetch_one(db)
    .await
}

async fn reasons(
    db: &mut PgConnection,
    id: PredictionBatchId,
) -> sqlx::Result<Vec<PredictionRefusal>> {
    sqlx::query_as!(
        PredictionRefusal,
        r#"select reason as "reason!", count(*) as "patients!"
        from prediction_batch_patients, unnest(refusals) as reason
        where batch_id = $1
        group by reason
        order by count(*) desc, reason"#,
        id as PredictionBatchId,
    )
    .fetch_all(db)
    .await
}

/// Takes part in a batch until the transaction ends: others may take part, but nobody has it alone.
/// `false` when nothing is left to be done for it.
pub async fn join(db: &mut PgConnection, id: PredictionBatchId) -> sqlx::Result<bool> {
    sqlx::query!("select pg_advisory_xact_lock_shared($1)", lock_of(id))
        .fetch_one(&mut *db)
        .await?;
    is_unfinished(db, id).await
}

/// Waits until nobody takes part in a batch, and has it alone until the transaction ends; `false`
/// when nothing is left to be done for it.
pub async fn lock(db: &mut PgConnection, id: PredictionBatchId) -> sqlx::Result<bool> {
    sqlx::query!("select pg_advisory_xact_lock($1)", lock_of(id)).fetch_one(&mut *db).await?;
    is_unfinished(db, id).await
}

/// The random half of a batch's id. Not its row's lock: those who share that let nobody in between
/// them who wants it alone.
fn lock_of(id: PredictionBatchId) -> i64 {
    id.0.as_u64_pair().1.cast_signed()
}

async fn is_unfinished(db: &mut PgConnection, id: PredictionBatchId) -> sqlx::Result<bool> {
    let found = sqlx::query!(
        "select from prediction_batches
        where id = $1 and asked_at is null and cancelled_at is null and failed_at is null
        -- Workers of the release before have a batch alone by its row, and take jobs of this one.
        for key share",
        id as PredictionBatchId,
    )
    .fetch_optional(db)
    .await?;
    Ok(found.is_some())
}

/// Whether the patients of a batch were written down.
pub async fn is_listed(db: &mut PgConnection, id: PredictionBatchId) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select listed_at is not null as "listed!" from prediction_batches where id = $1"#,
        id as PredictionBatchId,
    )
    .fetch_one(db)
    .await
}

/// Calls a batch off, once nobody takes part in it.
pub async fn cancel(
    db: &mut PgConnection,
    id: PredictionBatchId,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    sqlx::query!("select pg_advisory_xact_lock($1)", lock_of(id)).fetch_one(&mut *db).await?;
    let cancelled = sqlx::query!(
        "update prediction_batches
        set cancelled_at = $2
        where id = $1 and cancelled_at is null and failed_at is null",
        id as PredictionBatchId,
        now,
    )
    .execute(&mut *db)
    .await?;
    Ok(cancelled.rows_affected() == 1)
}

/// Calls off the open predictions that a batch asked for; answers which, with whom they are about.
pub async fn cancel_predictions(
    db: &mut PgConnection,
    id: PredictionBatchId,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<(PredictionId, PatientId)>> {
    let cancelled = sqlx::query!(
        r#"update predictions
        set status = 'cancelled', completed_at = $2, due_at = null
        from prediction_batch_patients as asked
        where batch_id = $1 and prediction_id = predictions.id and not was_open
            and status in ('queued', 'running') and priority = 1
        returning predictions.id as "id: PredictionId",
            predictions.patient_id as "patient_id: PatientId""#,
        id as PredictionBatchId,
        now,
    )
    .fetch_all(db)
    .await?;
    Ok(cancelled.into_iter().map(|row| (row.id, row.patient_id)).collect())
}

/// A batch that a worker takes further, and who asked for it as their account is now.
#[derive(Clone, Debug)]
pub struct Unfinished {
    /// Who asked.
    pub requested_by: UserId,
    /// Their role.
    pub role: Role,
    /// Whether their account is in use.
    pub active: bool,
    /// What the site's settings leave of the policy.
    pub site: SitePolicy,
    /// Which patients.
    pub filter: PatientFilter,
    /// Whether its patients were written down.
    pub is_listed: bool,
    /// Whom the audit log names.
    pub actor: Actor,
    /// Where in its trace the request stood.
    pub traceparent: Option<String>,
}

/// The batch, if something is left to be asked for.
pub async fn find_unfinished(
    db: impl PgExecutor<'_>,
    id: PredictionBatchId,
) -> sqlx::Result<Option<Unfinished>> {
    let row = sqlx::query!(
        r#"select requested_by as "requested_by: UserId", role as "role: Role", active,
            patients_see_risk, visibility as "visibility: Visibility",
            filter as "filter: Json<PatientFilter>", listed_at, session_id as "session_id: SessionId",
            token_id as "token_id: TokenId", address, request_id, traceparent
        from prediction_batches
        join users on users.id = requested_by
        cross join settings
        where prediction_batches.id = $1
            and asked_at is null and cancelled_at is null and failed_at is null"#,
        id as PredictionBatchId,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Unfinished {
        requested_by: row.requested_by,
        role: row.role,
        active: row.active,
        site: SitePolicy { patients_see_risk: row.patients_see_risk, visibility: row.visibility },
        filter: row.filter.0,
        is_listed: row.listed_at.is_some(),
        actor: Actor {
            user_id: Some(row.requested_by),
            role: Some(row.role),
            session_id: row.session_id,
            token_id: row.token_id,
            address: row.address,
            request_id: row.request_id,
        },
        traceparent: row.traceparent,
    }))
}

/// Writes the patients of a batch down.
pub async fn add_patients(
    db: &mut PgConnection,
    id: PredictionBatchId,
    patients: &[PatientId],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let patients: Vec<Uuid> = patients.iter().map(|patient| patient.0).collect();
    sqlx::query!(
        "insert into prediction_batch_patients (batch_id, patient_id)
        select $1, patient from unnest($2::uuid[]) as patient",
        id as PredictionBatchId,
        &patients,
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!(
        "update prediction_batches set listed_at = $2, touched_at = $2, attempts = 0 where id = $1",
        id as PredictionBatchId,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Patients of a batch for whom nothing has been asked for yet, by id, and locked; none that another
/// transaction is just asking for.
pub async fn waiting(
    db: &mut PgConnection,
    id: PredictionBatchId,
    limit: i64,
) -> sqlx::Result<Vec<PatientId>> {
    sqlx::query_scalar!(
        r#"select patient_id as "patient_id: PatientId"
        from prediction_batch_patients
        where batch_id = $1 and prediction_id is null and refusals is null
        order by patient_id
        limit $2
        for no key update skip locked"#,
        id as PredictionBatchId,
        limit,
    )
    .fetch_all(db)
    .await
}

/// What a batch came to for one of its patients.
#[derive(Clone, Debug)]
pub enum Asked {
    /// A prediction was asked for.
    Requested(PredictionId),
    /// One was open already.
    Open(PredictionId),
    /// None can be made, for these reasons.
    Refused(Vec<String>),
}

/// Writes down what a batch came to for some of its patients.
pub async fn settle(
    db: &mut PgConnection,
    id: PredictionBatchId,
    asked: &[(PatientId, Asked)],
) -> sqlx::Result<()> {
    let patients: Vec<Uuid> = asked.iter().map(|(patient, _)| patient.0).collect();
    let predictions: Vec<Option<Uuid>> = asked
        .iter()
        .map(|(_, asked)| match asked {
            Asked::Requested(id) | Asked::Open(id) => Some(id.0),
            Asked::Refused(_) => None,
        })
        .collect();
    let were_open: Vec<bool> =
        asked.iter().map(|(_, asked)| matches!(asked, Asked::Open(_))).collect();
    // An array of arrays must be rectangular: each list travels as JSON.
    let refusals: Vec<Option<Json<&Vec<String>>>> = asked
        .iter()
        .map(|(_, asked)| match asked {
            Asked::Refused(reasons) => Some(Json(reasons)),
            Asked::Requested(_) | Asked::Open(_) => None,
        })
        .collect();
    sqlx::query!(
        "update prediction_batch_patients
        set prediction_id = asked.prediction, was_open = asked.was_open,
            refusals = case when asked.refusals is not null then
                array(select jsonb_array_elements_text(asked.refusals)) end
        from unnest($2::uuid[], $3::uuid[], $4::boolean[], $5::jsonb[])
            as asked (patient, prediction, was_open, refusals)
        where batch_id = $1 and patient_id = asked.patient",
        id as PredictionBatchId,
        &patients,
        predictions as _,
        &were_open,
        refusals as _,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Notes that a step of a batch has succeeded, unless that was noted since `since`: in a transaction
/// of its own, because steps go on side by side.
pub async fn touch(
    db: impl PgExecutor<'_>,
    id: PredictionBatchId,
    since: DateTime<Utc>,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update prediction_batches set touched_at = $3, attempts = 0
        where id = $1 and (touched_at <= $2 or 0 < attempts)",
        id as PredictionBatchId,
        since,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Ends the asking: whoever is left is refused for this reason.
pub async fn close(
    db: &mut PgConnection,
    id: PredictionBatchId,
    reason: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update prediction_batch_patients
        set refusals = array[$2]
        where batch_id = $1 and prediction_id is null and refusals is null",
        id as PredictionBatchId,
        reason,
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!(
        "update prediction_batches set asked_at = $2, touched_at = $2 where id = $1",
        id as PredictionBatchId,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Gives a batch up: nothing further is asked for.
pub async fn fail(
    db: &mut PgConnection,
    id: PredictionBatchId,
    error: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update prediction_batches
        set failed_at = $3, error = $2
        where id = $1 and asked_at is null and cancelled_at is null and failed_at is null",
        id as PredictionBatchId,
        error,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Counts a step that failed; answers how many have since the last one that did not.
pub async fn count_failure(
    db: impl PgExecutor<'_>,
    id: PredictionBatchId,
    now: DateTime<Utc>,
) -> sqlx::Result<i32> {
    sqlx::query_scalar!(
        "update prediction_batches set attempts = attempts + 1, touched_at = $2
        where id = $1
        returning attempts",
        id as PredictionBatchId,
        now,
    )
    .fetch_one(db)
    .await
}

/// A batch that no worker has had to do with since `since`, although something is left to be asked
/// for.
pub async fn forgotten(
    db: impl PgExecutor<'_>,
    since: DateTime<Utc>,
) -> sqlx::Result<Option<PredictionBatchId>> {
    sqlx::query_scalar!(
        r#"select id as "id: PredictionBatchId"
        from prediction_batches
        where asked_at is null and cancelled_at is null and failed_at is null and touched_at <= $1
        order by touched_at
        limit 1"#,
        since,
    )
    .fetch_optional(db)
    .await
}
