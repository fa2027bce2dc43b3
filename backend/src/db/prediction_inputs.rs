//! What predictions rest on: everything on the records that counts, frozen when they are asked for.

use std::collections::HashMap;

use chrono::{DateTime, Months, NaiveDate, Utc};
use shared::{
    clinical,
    id::PatientId,
    observation::{ObservationCode, ObservationMethod},
    outcome::OutcomeKind,
    patient::Patient,
    prediction::{BiopsyInput, InputValue, KfreRegion, PredictionInputs},
    therapy::TherapyKind,
};
use sqlx::PgConnection;
use uuid::Uuid;

/// How many years of values a prediction rests on.
const YEARS: u32 = 5;
/// The most values it rests on; the newest count.
const MOST_VALUES: i64 = 4000;

/// Everything that predictions of these patients rest on, as their records stand in this
/// transaction; in the order of the patients.
pub async fn freeze(
    db: &mut PgConnection,
    patients: &[Patient],
    region: KfreRegion,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<PredictionInputs>> {
    let ids: Vec<Uuid> = patients.iter().map(|patient| patient.id.0).collect();
    let as_of = now.date_naive();
    let mut therapies = active_therapies(db, &ids, as_of).await?;
    let mut biopsies = latest_biopsies(db, &ids, as_of).await?;
    let mut outcomes = reached_outcomes(db, &ids, as_of).await?;
    let mut values = recent_values(db, &ids, now).await?;
    let frozen = patients.iter().map(|patient| PredictionInputs {
        as_of,
        age_years: clinical::age_on(patient.birth_date, as_of).unwrap_or(0),
        sex: patient.sex,
        diabetes: patient.diabetes,
        hypertension: patient.hypertension,
        cardiovascular_disease: patient.cardiovascular_disease,
        heart_failure: patient.heart_failure,
        smoker: patient.smoker,
        renal_disease: patient.renal_disease,
        region,
        therapies: therapies.remove(&patient.id).unwrap_or_default(),
        biopsy: biopsies.remove(&patient.id),
        outcomes: outcomes.remove(&patient.id).unwrap_or_default(),
        values: values.remove(&patient.id).unwrap_or_default(),
    });
    Ok(frozen.collect())
}

/// Something of several patients, by patient, in the order in which it came.
fn by_patient<T>(rows: impl Iterator<Item = (PatientId, T)>) -> HashMap<PatientId, Vec<T>> {
    let mut grouped: HashMap<PatientId, Vec<T>> = HashMap::new();
    for (patient, row) in rows {
        grouped.entry(patient).or_default().push(row);
    }
    grouped
}

async fn active_therapies(
    db: &mut PgConnection,
    patients: &[Uuid],
    day: NaiveDate,
) -> sqlx::Result<HashMap<PatientId, Vec<TherapyKind>>> {
    let found = sqlx::query!(
        r#"select distinct patient_id as "patient_id: PatientId", kind as "kind: TherapyKind"
        from therapies
        where patient_id = any($1)
            and deleted_at is null
            and started_on <= $2
            and (ended_on is null or $2 <= ended_on)
        order by 2"#,
        patients,
        day,
    )
    .fetch_all(db)
    .await?;
    Ok(by_patient(found.into_iter().map(|row| (row.patient_id, row.kind))))
}

async fn latest_biopsies(
    db: &mut PgConnection,
    patients: &[Uuid],
    day: NaiveDate,
) -> sqlx::Result<HashMap<PatientId, BiopsyInput>> {
    let found = sqlx::query!(
        r#"select distinct on (patient_id) patient_id as "patient_id: PatientId", performed_on,
            m, e, s, t, c
        from biopsies
        where patient_id = any($1) and deleted_at is null and performed_on <= $2
        order by patient_id, performed_on desc, created_at desc"#,
        patients,
        day,
    )
    .fetch_all(db)
    .await?;
    // The table's checks keep every score between 0 and 2.
    let score = |score: Option<i16>| score.and_then(|score| u8::try_from(score).ok());
    let inputs = found.into_iter().map(|row| {
        let input = BiopsyInput {
            performed_on: row.performed_on,
            m: score(row.m),
            e: score(row.e),
            s: score(row.s),
            t: score(row.t),
            c: score(row.c),
        };
        (row.patient_id, input)
    });
    Ok(inputs.collect())
}

async fn reached_outcomes(
    db: &mut PgConnection,
    patients: &[Uuid],
    day: NaiveDate,
) -> sqlx::Result<HashMap<PatientId, Vec<OutcomeKind>>> {
    let found = sqlx::query!(
        r#"select distinct patient_id as "patient_id: PatientId", kind as "kind: OutcomeKind"
        from outcomes
        where patient_id = any($1) and occurred_on <= $2
        order by 2"#,
        patients,
        day,
    )
    .fetch_all(db)
    .await?;
    Ok(by_patient(found.into_iter().map(|row| (row.patient_id, row.kind))))
}

async fn recent_values(
    db: &mut PgConnection,
    patients: &[Uuid],
    now: DateTime<Utc>,
) -> sqlx::Result<HashMap<PatientId, Vec<InputValue>>> {
    let since = now.checked_sub_months(Months::new(12 * YEARS)).unwrap_or(now);
    let found = sqlx::query!(
        r#"select patient as "patient!: PatientId",
            codes as "codes!: Vec<ObservationCode>", numbers as "numbers!", units as "units!",
            times as "times!", methods as "methods!: Vec<ObservationMethod>"
        from unnest($1::uuid[]) as patient
        cross join lateral (
            select array_agg(code) as codes, array_agg(value) as numbers,
                array_agg(unit) as units, array_agg(effective_at) as times,
                array_agg(method) as methods
            from (
                select code, value, unit, effective_at, method
                from observations
                where patient_id = patient and status = 'final'
                    and $2 <= effective_at and effective_at <= $3
                order by effective_at desc, id desc
                limit $4
            ) as newest
        ) as together
        where codes is not null"#,
        patients,
        since,
        now,
        MOST_VALUES,
    )
    .fetch_all(db)
    .await?;
    Ok(found
        .into_iter()
        .map(|row| {
            let whens = row.times.into_iter().zip(row.methods);
            let values = row.codes.into_iter().zip(row.numbers).zip(row.units).zip(whens).map(
                |(((code, value), unit), (effective_at, method))| InputValue {
                    code,
                    value,
                    unit,
                    effective_at,
                    method,
                },
            );
            // They come from the newest on.
            let mut values: Vec<InputValue> = values.collect();
            values.reverse();
            (row.patient, values)
        })
        .collect())
}
