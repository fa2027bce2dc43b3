//! What is kept on the record, and beside it, for its line in the list.

use std::collections::HashMap;

use chrono::{DateTime, Months, NaiveDate, Utc};
use shared::{
    clinical::{
        assessment::progresses_rapidly,
        kdigo::{kdigo_of, monitoring_due},
        quantity::{AcrMgG, Egfr, PcrMgG},
    },
    id::PatientId,
    observation::{ObservationCode, ObservationMethod},
    prediction::InputValue,
};
use sqlx::PgConnection;
use uuid::Uuid;

/// How many years a course is read back, from the latest value; as for a prediction.
const YEARS: u32 = 5;
/// The most values of a course; the newest count.
const MOST_VALUES: i64 = 4000;

/// A record's latest values.
#[derive(Clone, Debug)]
pub struct Latest {
    id: PatientId,
    egfr: Option<f64>,
    egfr_at: Option<DateTime<Utc>>,
    uacr: Option<f64>,
    uacr_at: Option<DateTime<Utc>>,
    upcr: Option<f64>,
    upcr_at: Option<DateTime<Utc>>,
    reached_end: bool,
}

impl Latest {
    /// By when they are wanted again.
    fn monitoring_due_on(&self) -> Option<NaiveDate> {
        if self.reached_end {
            return None;
        }
        let kdigo = kdigo_of(
            Egfr::new(self.egfr?)?,
            self.uacr.and_then(AcrMgG::new),
            self.upcr.and_then(PcrMgG::new),
        );
        let albuminuria_at = if kdigo.a_from_pcr { self.upcr_at } else { self.uacr_at };
        let albuminuria_on = kdigo.a.and(albuminuria_at).map(|at| at.date_naive());
        monitoring_due(kdigo, self.egfr_at?.date_naive(), albuminuria_on)
    }
}

/// Keeps on these records what follows from their values and end points. `changed_at` is when those
/// changed; without it, when they were recorded.
pub async fn refresh(
    db: &mut PgConnection,
    ids: &[PatientId],
    changed_at: Option<DateTime<Utc>>,
) -> sqlx::Result<()> {
    let latest = latest(db, ids).await?;
    let courses = courses(db, &latest).await?;
    let progress = |id| courses.get(&id).is_some_and(|values| progresses_rapidly(values));
    let progressing: Vec<bool> = latest.iter().map(|one| progress(one.id)).collect();
    let due_on: Vec<Option<NaiveDate>> = latest.iter().map(Latest::monitoring_due_on).collect();
    let ids: Vec<Uuid> = latest.iter().map(|one| one.id.0).collect();
    sqlx::query!(
        "update patients
        set latest_egfr = egfr, latest_egfr_at = egfr_at, latest_uacr = uacr,
            latest_uacr_at = uacr_at, latest_upcr = upcr, latest_upcr_at = upcr_at,
            monitoring_due_on = due_on, rapid_progression = progressing,
            values_changed_at = coalesce($10,
                (select max(recorded_at) from observations where patient_id = patients.id))
        from unnest($1::uuid[], $2::float8[], $3::timestamptz[], $4::float8[], $5::timestamptz[],
            $6::float8[], $7::timestamptz[], $8::date[], $9::boolean[])
            as latest (patient, egfr, egfr_at, uacr, uacr_at, upcr, upcr_at, due_on, progressing)
        where patients.id = patient",
        &ids,
        latest.iter().map(|one| one.egfr).collect::<Vec<_>>() as _,
        latest.iter().map(|one| one.egfr_at).collect::<Vec<_>>() as _,
        latest.iter().map(|one| one.uacr).collect::<Vec<_>>() as _,
        latest.iter().map(|one| one.uacr_at).collect::<Vec<_>>() as _,
        latest.iter().map(|one| one.upcr).collect::<Vec<_>>() as _,
        latest.iter().map(|one| one.upcr_at).collect::<Vec<_>>() as _,
        due_on as _,
        &progressing,
        changed_at,
    )
    .execute(&mut *db)
    .await?;
    keep_courses(db, &ids).await
}

/// Keeps the courses of these records, as their values are now. One statement reads the values and what
/// they are of; should it be late, what it keeps says nothing, and is kept anew by who looks next.
pub async fn keep_courses(db: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into patient_courses (patient_id, values_at, last_value_at, egfr_at, egfr)
        select id, values_changed_at, course.last_value_at, course.egfr_at, course.egfr
        from patients
        cross join lateral patient_course(id) as course
        where id = any($1) and values_changed_at is not null
        -- In one order, so that nobody waits in a circle.
        order by id
        on conflict (patient_id) do update
        set values_at = excluded.values_at, last_value_at = excluded.last_value_at,
            egfr_at = excluded.egfr_at, egfr = excluded.egfr",
        ids,
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn latest(db: &mut PgConnection, ids: &[PatientId]) -> sqlx::Result<Vec<Latest>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    // At the same instant an eGFR computed here wins over a reported one: by the alphabet.
    sqlx::query_as!(
        Latest,
        r#"select wanted.id as "id!: PatientId", egfr.value as "egfr?",
            egfr.effective_at as "egfr_at?", uacr.value as "uacr?",
            uacr.effective_at as "uacr_at?", upcr.value as "upcr?",
            upcr.effective_at as "upcr_at?",
            exists(select from outcomes where patient_id = wanted.id) as "reached_end!"
        from unnest($1::uuid[]) as wanted (id)
        left join lateral (
            select value, effective_at from observations
            where patient_id = wanted.id and code = 'egfr' and status = 'final'
            order by effective_at desc, method, id desc
            limit 1
        ) as egfr on true
        left join lateral (
            select value, effective_at from observations
            where patient_id = wanted.id and code = 'uacr' and status = 'final'
            order by effective_at desc, method, id desc
            limit 1
        ) as uacr on true
        left join lateral (
            select value, effective_at from observations
            where patient_id = wanted.id and code = 'upcr' and status = 'final'
            order by effective_at desc, method, id desc
            limit 1
        ) as upcr on true"#,
        &ids,
    )
    .fetch_all(db)
    .await
}

/// What rapid progression is read from: the eGFR and creatinine values of the last years.
async fn courses(
    db: &mut PgConnection,
    latest: &[Latest],
) -> sqlx::Result<HashMap<PatientId, Vec<InputValue>>> {
    let since = |one: &Latest| one.egfr_at?.checked_sub_months(Months::new(12 * YEARS));
    let known: Vec<(Uuid, DateTime<Utc>)> =
        latest.iter().filter_map(|one| Some((one.id.0, since(one)?))).collect();
    let (ids, since): (Vec<Uuid>, Vec<DateTime<Utc>>) = known.into_iter().unzip();
    let found = sqlx::query!(
        r#"select patient as "patient!: PatientId", code as "code: ObservationCode", value, unit,
            effective_at, method as "method: ObservationMethod"
        from unnest($1::uuid[], $2::timestamptz[]) as wanted (patient, since)
        cross join lateral (
            select id, code, value, unit, effective_at, method
            from observations
            where patient_id = patient and status = 'final' and code in ('egfr', 'creatinine')
                and since <= effective_at
            order by effective_at desc, id desc
            limit $3
        ) as newest
        order by patient, effective_at, id"#,
        &ids,
        &since,
        MOST_VALUES,
    )
    .fetch_all(db)
    .await?;
    let mut courses: HashMap<PatientId, Vec<InputValue>> = HashMap::new();
    for row in found {
        courses.entry(row.patient).or_default().push(InputValue {
            code: row.code,
            value: row.value,
            unit: row.unit,
            effective_at: row.effective_at,
            method: row.method,
        });
    }
    Ok(courses)
}

/// Records with values of which it has not been worked out yet what follows from them, after this
/// one, locked until the transaction ends; in one order.
pub async fn lock_underived(
    db: &mut PgConnection,
    after: Option<PatientId>,
    limit: i64,
) -> sqlx::Result<Vec<PatientId>> {
    sqlx::query_scalar!(
        r#"select id as "id: PatientId"
        from patients
        where values_changed_at is null and ($1::uuid is null or $1 < id)
            and exists(select from observations where patient_id = patients.id)
        order by id
        limit $2
        for no key update"#,
        after as Option<PatientId>,
        limit,
    )
    .fetch_all(db)
    .await
}
