//! Predictions: requesting, reading, cancelling; and a worker's side of them: claiming many, storing what
//! came out.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use shared::{
    id::{PatientId, PredictionId, UserId},
    prediction::{
        ModelVersion, Prediction, PredictionInputs, PredictionResult, PredictionStatus, RiskSource,
    },
};
use sqlx::{PgConnection, PgExecutor, types::Json};
use uuid::Uuid;

use super::{
    prediction_inputs::Stored,
    threshold_crossings::{self, RiskChange},
};

/// One thing of each, for a column of a statement.
fn column<'a, T, C>(items: &'a [T], of: impl Fn(&'a T) -> C) -> Vec<C> {
    items.iter().map(of).collect()
}

/// How soon a prediction's turn comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Somebody waits for this one.
    Single,
    /// One of many.
    Batch,
}

impl Priority {
    const fn stored(self) -> i16 {
        match self {
            Self::Single => 0,
            Self::Batch => 1,
        }
    }
}

/// A prediction to add.
#[derive(Clone, Debug)]
pub struct Requested {
    /// The prediction.
    pub id: PredictionId,
    /// Whom it is about.
    pub patient_id: PatientId,
    /// Who asked.
    pub requested_by: UserId,
    /// Everything that it rests on.
    pub inputs: PredictionInputs,
    /// Where its request is in a trace, for whoever computes it to go on there.
    pub traceparent: Option<String>,
}

impl Requested {
    /// The prediction, which waits since `now`.
    pub fn waiting(self, now: DateTime<Utc>) -> Prediction {
        let Self { id, patient_id, requested_by, inputs, .. } = self;
        Prediction {
            id,
            patient_id,
            status: PredictionStatus::Queued,
            requested_by,
            requested_at: now,
            completed_at: None,
            model: None,
            inputs,
            result: None,
            error: None,
        }
    }
}

/// Adds predictions that wait for a worker.
pub async fn insert_many(
    db: &mut PgConnection,
    requested: &[Requested],
    priority: Priority,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into predictions
            (id, patient_id, status, requested_by, requested_at, due_at, inputs, priority,
             traceparent)
        select id, patient, 'queued', requester, $6, $6, inputs, $7, traceparent
        from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::jsonb[], $5::text[])
            as requested (id, patient, requester, inputs, traceparent)",
        &column(requested, |one| one.id.0),
        &column(requested, |one| one.patient_id.0),
        &column(requested, |one| one.requested_by.0),
        column(requested, |one| Json(Stored(&one.inputs))) as _,
        column(requested, |one| one.traceparent.as_deref()) as _,
        now,
        priority.stored(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Adds predictions that are answered already, in the order of their answers.
pub async fn insert_answered(
    db: &mut PgConnection,
    requested: &[Requested],
    answers: &[&Answer],
    model: &ModelVersion,
    priority: Priority,
    (requested_at, completed_at): (DateTime<Utc>, DateTime<Utc>),
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into predictions
            (id, patient_id, status, requested_by, requested_at, completed_at, inputs, result,
             model_name, model_version, priority, attempts)
        select id, patient, 'succeeded', requester, $6, $7, inputs, result, $8, $9, $10, 1
        from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::jsonb[], $5::jsonb[])
            as answered (id, patient, requester, inputs, result)",
        &column(requested, |one| one.id.0),
        &column(requested, |one| one.patient_id.0),
        &column(requested, |one| one.requested_by.0),
        column(requested, |one| Json(Stored(&one.inputs))) as _,
        column(answers, |answer| Json(&answer.result)) as _,
        requested_at,
        completed_at,
        model.name,
        model.version,
        priority.stored(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Lets an open prediction go before those of batches: somebody waits for it now.
pub async fn hurry(db: &mut PgConnection, id: PredictionId) -> sqlx::Result<()> {
    sqlx::query!(
        "update predictions set priority = $2 where id = $1 and priority <> $2",
        id as PredictionId,
        Priority::Single.stored(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The predictions of these patients that are not final yet; each patient has one at most.
pub async fn open_of(
    db: &mut PgConnection,
    patients: &[PatientId],
) -> sqlx::Result<HashMap<PatientId, PredictionId>> {
    let patients: Vec<Uuid> = patients.iter().map(|patient| patient.0).collect();
    let open = sqlx::query!(
        r#"select patient_id as "patient_id: PatientId", id as "id: PredictionId"
        from predictions
        where patient_id = any($1) and status in ('queued', 'running')"#,
        &patients,
    )
    .fetch_all(db)
    .await?;
    Ok(open.into_iter().map(|row| (row.patient_id, row.id)).collect())
}

struct Row {
    id: PredictionId,
    patient_id: PatientId,
    status: PredictionStatus,
    requested_by: UserId,
    requested_at: DateTime<Utc>,
    completed_at: Option<DateTime<Utc>>,
    model_name: Option<String>,
    model_version: Option<String>,
    inputs: Json<PredictionInputs>,
    result: Option<Json<PredictionResult>>,
    error: Option<String>,
}

impl From<Row> for Prediction {
    fn from(row: Row) -> Self {
        let model = row.model_name.zip(row.model_version);
        Self {
            id: row.id,
            patient_id: row.patient_id,
            status: row.status,
            requested_by: row.requested_by,
            requested_at: row.requested_at,
            completed_at: row.completed_at,
            model: model.map(|(name, version)| ModelVersion { name, version }),
            inputs: row.inputs.0,
            result: row.result.map(|result| result.0),
            error: row.error,
        }
    }
}

/// The prediction.
pub async fn find(db: impl PgExecutor<'_>, id: PredictionId) -> sqlx::Result<Option<Prediction>> {
    let found = sqlx::query_as!(
        Row,
        r#"select id as "id: PredictionId", patient_id as "patient_id: PatientId",
            status as "status: PredictionStatus", requested_by as "requested_by: UserId",
            requested_at, completed_at, model_name, model_version,
            inputs as "inputs: Json<PredictionInputs>",
            result as "result: Json<PredictionResult>", error
        from predictions
        where id = $1"#,
        id as PredictionId,
    )
    .fetch_optional(db)
    .await?;
    Ok(found.map(Prediction::from))
}

/// The patient's prediction that is not final yet; there is one at most.
pub async fn find_open(
    db: impl PgExecutor<'_>,
    patient: PatientId,
) -> sqlx::Result<Option<Prediction>> {
    let found = sqlx::query_as!(
        Row,
        r#"select id as "id: PredictionId", patient_id as "patient_id: PatientId",
            status as "status: PredictionStatus", requested_by as "requested_by: UserId",
            requested_at, completed_at, model_name, model_version,
            inputs as "inputs: Json<PredictionInputs>",
            result as "result: Json<PredictionResult>", error
        from predictions
        where patient_id = $1 and status in ('queued', 'running')"#,
        patient as PatientId,
    )
    .fetch_optional(db)
    .await?;
    Ok(found.map(Prediction::from))
}

/// The patient's predictions, newest first, older than `before` when it is given.
pub async fn list(
    db: impl PgExecutor<'_>,
    patient: PatientId,
    before: Option<PredictionId>,
    limit: i64,
) -> sqlx::Result<Vec<Prediction>> {
    // UUIDv7: the order of the ids is the order of the requests.
    let found = sqlx::query_as!(
        Row,
        r#"select id as "id: PredictionId", patient_id as "patient_id: PatientId",
            status as "status: PredictionStatus", requested_by as "requested_by: UserId",
            requested_at, completed_at, model_name, model_version,
            inputs as "inputs: Json<PredictionInputs>",
            result as "result: Json<PredictionResult>", error
        from predictions
        where patient_id = $1 and ($2::uuid is null or id < $2)
        order by id desc
        limit $3"#,
        patient as PatientId,
        before as Option<PredictionId>,
        limit,
    )
    .fetch_all(db)
    .await?;
    Ok(found.into_iter().map(Prediction::from).collect())
}

/// Calls an open prediction off; `false` when it was final already.
pub async fn cancel(
    db: &mut PgConnection,
    id: PredictionId,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let cancelled = sqlx::query!(
        "update predictions
        set status = 'cancelled', completed_at = $2, due_at = null
        where id = $1 and status in ('queued', 'running')",
        id as PredictionId,
        now,
    )
    .execute(db)
    .await?;
    Ok(cancelled.rows_affected() == 1)
}

/// Whether a worker may take the prediction now.
pub async fn is_due(
    db: impl PgExecutor<'_>,
    id: PredictionId,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists(
            select from predictions
            where id = $1 and status in ('queued', 'running') and due_at <= $2
        ) as "due!""#,
        id as PredictionId,
        now,
    )
    .fetch_one(db)
    .await
}

/// A prediction that has been waiting for a worker since `since`, if one has.
pub async fn any_due(
    db: impl PgExecutor<'_>,
    since: DateTime<Utc>,
) -> sqlx::Result<Option<PredictionId>> {
    sqlx::query_scalar!(
        r#"select id as "id: PredictionId"
        from predictions
        where status in ('queued', 'running') and due_at <= $1
        order by priority, due_at, id
        limit 1"#,
        since,
    )
    .fetch_optional(db)
    .await
}

/// What is not final yet.
#[derive(Clone, Copy, Debug)]
pub struct Open {
    /// How many predictions wait for a worker.
    pub queued: i64,
    /// How many a worker has, or had when it died.
    pub running: i64,
    /// Since when the one that is due longest has been due; absent if none is.
    pub due_since: Option<DateTime<Utc>>,
}

/// How much is not final yet.
pub async fn open(db: impl PgExecutor<'_>, now: DateTime<Utc>) -> sqlx::Result<Open> {
    sqlx::query_as!(
        Open,
        r#"select count(*) filter (where status = 'queued') as "queued!",
            count(*) filter (where status = 'running') as "running!",
            min(due_at) filter (where due_at <= $1) as due_since
        from predictions
        where status in ('queued', 'running')"#,
        now,
    )
    .fetch_one(db)
    .await
}

/// A prediction that this worker has until its lease ends.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The prediction.
    pub id: PredictionId,
    /// Whom it is about.
    pub patient_id: PatientId,
    /// The number of this attempt, from 1: what it leads to counts only while it is the last.
    pub attempt: i32,
    /// The frozen inputs as they are stored, in JSON.
    pub inputs: Json<Box<RawValue>>,
    /// Where the request is in its trace, if that is told.
    pub traceparent: Option<String>,
}

/// Which predictions a worker claims together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those that no worker has tried yet.
    New,
    /// Those that a worker tried before, and failed or died.
    Tried,
}

/// Takes predictions that wait until `lease_ends`: those that somebody waits for first, then those
/// of batches, the longest wait first; none that another worker is just taking.
pub async fn claim(
    db: &mut PgConnection,
    which: Which,
    limit: i64,
    now: DateTime<Utc>,
    lease_ends: DateTime<Utc>,
) -> sqlx::Result<Vec<Claimed>> {
    sqlx::query_as!(
        Claimed,
        r#"update predictions
        set status = 'running', attempts = attempts + 1, due_at = $4
        where id in (
            select id from predictions
            where status in ('queued', 'running')
                and due_at <= $3
                and (attempts = 0) = ($1::boolean)
            order by priority, due_at, id
            limit $2
            for update skip locked
        )
        returning id as "id: PredictionId", patient_id as "patient_id: PatientId",
            attempts as attempt, inputs as "inputs: Json<Box<RawValue>>", traceparent"#,
        which == Which::New,
        limit,
        now,
        lease_ends,
    )
    .fetch_all(db)
    .await
}

/// A prediction that has just become final.
#[derive(Clone, Copy, Debug)]
pub struct Closed {
    /// The prediction.
    pub id: PredictionId,
    /// Whom it is about.
    pub patient_id: PatientId,
}

/// Fails the predictions whose last permitted attempt ended with its worker's death.
pub async fn give_up(
    db: &mut PgConnection,
    max_attempts: i32,
    reason: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Closed>> {
    sqlx::query_as!(
        Closed,
        r#"update predictions
        set status = 'failed', error = $2, completed_at = $3, due_at = null
        where id in (
            select id from predictions
            where status in ('queued', 'running') and due_at <= $3
                and 0 < attempts and $1 <= attempts
            for update skip locked
        )
        returning id as "id: PredictionId", patient_id as "patient_id: PatientId""#,
        max_attempts,
        reason,
        now,
    )
    .fetch_all(db)
    .await
}

/// What a prediction led to.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The prediction.
    pub id: PredictionId,
    /// Whom it is about.
    pub patient_id: PatientId,
    /// The attempt that led to it.
    pub attempt: i32,
    /// What came out.
    pub result: PredictionResult,
}

impl Answer {
    /// The 2-year and 5-year risk of the voice that the category comes from.
    fn headline(&self) -> (f64, f64) {
        let of_year = |year| {
            let risk = self.result.risk.iter().find(|risk| risk.year == year);
            risk.map_or(0.0, |risk| risk.probability)
        };
        match (&self.result.kfre, self.result.category_source) {
            (Some(kfre), RiskSource::Kfre) => (kfre.risk_2y, kfre.risk_5y),
            _ => (of_year(2), of_year(5)),
        }
    }
}

/// Stores answers, and the headlines on the patients' records, in one go. An answer whose
/// prediction was cancelled or claimed anew in the meantime is dropped; the others are returned.
pub async fn succeed(
    db: &mut PgConnection,
    answers: &[&Answer],
    model: &ModelVersion,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Closed>> {
    // Whoever changes a record locks it first; in one order, so that nobody waits in a circle.
    sqlx::query!(
        "select from patients where id = any($1) order by id for no key update",
        &column(answers, |answer| answer.patient_id.0),
    )
    .fetch_all(&mut *db)
    .await?;
    let done = sqlx::query!(
        r#"update predictions
        set status = 'succeeded', completed_at = $4, due_at = null, model_name = $5,
            model_version = $6, result = answers.result
        from unnest($1::uuid[], $2::integer[], $3::jsonb[]) as answers (id, attempt, result)
        where predictions.id = answers.id
            and predictions.status = 'running'
            and predictions.attempts = answers.attempt
        returning predictions.id as "id: PredictionId", requested_at"#,
        &column(answers, |answer| answer.id.0),
        &column(answers, |answer| answer.attempt),
        column(answers, |answer| Json(&answer.result)) as _,
        now,
        model.name,
        model.version,
    )
    .fetch_all(&mut *db)
    .await?;
    let done: HashMap<_, _> = done.into_iter().map(|row| (row.id, row.requested_at)).collect();
    let stored = answers.iter().filter_map(|answer| Some((*answer, *done.get(&answer.id)?)));
    let stored: Vec<(&Answer, DateTime<Utc>)> = stored.collect();
    show(db, &stored, now).await?;
    let closed =
        |(answer, _): &(&Answer, _)| Closed { id: answer.id, patient_id: answer.patient_id };
    Ok(stored.iter().map(closed).collect())
}

/// Puts the headlines of answers on the patients' records, which are locked already, and keeps whose
/// risk came over a threshold. With each answer goes when its inputs were frozen.
pub async fn show(
    db: &mut PgConnection,
    answers: &[(&Answer, DateTime<Utc>)],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let (risks_2y, risks_5y): (Vec<f64>, Vec<f64>) =
        answers.iter().map(|(answer, _)| answer.headline()).unzip();
    let before = sqlx::query!(
        r#"update patients
        set risk_2y = shown.risk_2y, risk_5y = shown.risk_5y, risk_category = category,
            risk_source = source, risk_at = $7, risk_inputs_at = frozen_at,
            previous_risk_5y = before.risk_5y, previous_risk_source = before.risk_source,
            previous_risk_at = before.risk_at
        from unnest($1::uuid[], $2::timestamptz[], $3::float8[], $4::float8[], $5::text[], $6::text[])
            as shown (patient, frozen_at, risk_2y, risk_5y, category, source)
        join patients as before on before.id = shown.patient
        where patients.id = shown.patient
        returning patients.id as "id: PatientId", before.risk_2y, before.risk_5y"#,
        &column(answers, |(answer, _)| answer.patient_id.0),
        &column(answers, |(_, frozen_at)| *frozen_at),
        &risks_2y,
        &risks_5y,
        column(answers, |(answer, _)| answer.result.category) as _,
        column(answers, |(answer, _)| answer.result.category_source) as _,
        now,
    )
    .fetch_all(&mut *db)
    .await?;
    let before = before.into_iter().filter_map(|row| Some((row.id, row.risk_2y.zip(row.risk_5y)?)));
    let before: HashMap<_, _> = before.collect();
    let changes = answers.iter().filter_map(|(answer, _)| {
        let before = *before.get(&answer.patient_id)?;
        Some(RiskChange { patient_id: answer.patient_id, before, after: answer.headline() })
    });
    let changes: Vec<_> = changes.collect();
    threshold_crossings::keep(db, &changes, now).await
}

/// Puts a claimed prediction back to wait until `due_at`; `false` when this attempt counts no
/// more.
pub async fn put_back(
    db: &mut PgConnection,
    id: PredictionId,
    attempt: i32,
    due_at: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let updated = sqlx::query!(
        "update predictions
        set status = 'queued', due_at = $3
        where id = $1 and status = 'running' and attempts = $2",
        id as PredictionId,
        attempt,
        due_at,
    )
    .execute(db)
    .await?;
    Ok(updated.rows_affected() == 1)
}

/// Fails a claimed prediction for good; `false` when this attempt counts no more.
pub async fn fail(
    db: &mut PgConnection,
    id: PredictionId,
    attempt: i32,
    reason: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<bool> {
    let updated = sqlx::query!(
        "update predictions
        set status = 'failed', error = $3, completed_at = $4, due_at = null
        where id = $1 and status = 'running' and attempts = $2",
        id as PredictionId,
        attempt,
        reason,
        now,
    )
    .execute(db)
    .await?;
    Ok(updated.rows_affected() == 1)
}
