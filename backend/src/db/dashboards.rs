//! The patients in use, counted in one pass over the latest values that their rows hold, and who
//! crossed a threshold.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use shared::{
    clinical::{
        assessment::stale_before,
        kdigo::{ACR_STEPS, EGFR_STEPS, PCR_STEPS},
    },
    dashboard::{Crossing, MOST_CROSSINGS, ThresholdCount},
    id::{PatientId, UserId},
    prediction::{RiskCategory, Threshold},
};
use sqlx::PgExecutor;

use crate::summaries::row::RISK_EDGES;

/// How many patients are alike in all that the dashboard counts.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// The number of the eGFR's category, from 0 for G5.
    pub g: Option<i32>,
    /// The number of the albuminuria's category, from 0 for A1.
    pub a: Option<i32>,
    /// Whether that is a PCR's.
    pub is_pcr: bool,
    /// The number of the 2-year risk's bar.
    pub bar_2y: Option<i32>,
    /// The number of the 5-year risk's bar.
    pub bar_5y: Option<i32>,
    /// The latest prediction's category.
    pub category: Option<RiskCategory>,
    /// Whether the latest eGFR or ACR is old.
    pub is_stale: bool,
    /// How many they are.
    pub patients: i64,
}

/// Counts the patients in use: everybody, or those whom a clinician cares for.
pub async fn count(
    db: impl PgExecutor<'_>,
    in_care_of: Option<UserId>,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Group>> {
    let inner_edges = &RISK_EDGES[1..RISK_EDGES.len() - 1];
    sqlx::query_as!(
        Group,
        r#"select width_bucket(latest_egfr, $1::float8[]) as g,
            coalesce(
                width_bucket(latest_uacr, $2::float8[]), width_bucket(latest_upcr, $3::float8[])
            ) as a,
            latest_uacr is null and latest_upcr is not null as "is_pcr!",
            width_bucket(risk_2y, $4::float8[]) as bar_2y,
            width_bucket(risk_5y, $4::float8[]) as bar_5y,
            risk_category as "category: RiskCategory",
            coalesce(latest_egfr_at < $5, false) or coalesce(latest_uacr_at < $5, false)
                as "is_stale!",
            count(*) as "patients!"
        from patients
        where archived_at is null
            and ($6::uuid is null or id in (select patients_in_care_of($6, $7)))
        group by 1, 2, 3, 4, 5, 6, 7"#,
        &EGFR_STEPS[..],
        &ACR_STEPS[..],
        &PCR_STEPS[..],
        inner_edges,
        stale_before(now.date_naive()),
        in_care_of as Option<UserId>,
        now,
    )
    .fetch_all(db)
    .await
}

/// How many have crossed each threshold since a day, of everybody or of those whom a clinician cares
/// for; the least grave first.
pub async fn count_crossings(
    db: impl PgExecutor<'_>,
    since: NaiveDate,
    in_care_of: Option<UserId>,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<ThresholdCount>> {
    sqlx::query_as!(
        ThresholdCount,
        r#"select wanted as "threshold!: Threshold", count(patients.id) as "patients!"
        from unnest($1::text[]) with ordinality as wanted (wanted, place)
        left join threshold_crossings on threshold = wanted and $2 <= crossed_at
        left join patients on patients.id = patient_id
            and archived_at is null
            and ($3::uuid is null or patients.id in (select patients_in_care_of($3, $4)))
        group by wanted, place
        order by place"#,
        &Threshold::ALL[..] as _,
        since.and_time(NaiveTime::MIN).and_utc(),
        in_care_of as Option<UserId>,
        now,
    )
    .fetch_all(db)
    .await
}

/// Who has crossed a threshold since a day, each with the gravest, the latest first.
pub async fn crossings(
    db: impl PgExecutor<'_>,
    since: NaiveDate,
    in_care_of: Option<UserId>,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Crossing>> {
    // From the latest crossing on, until there are enough: never over the whole month.
    sqlx::query_as!(
        Crossing,
        r#"select patient_id as "patient_id: PatientId", mrn, given_name, family_name,
            threshold as "threshold: Threshold", crossed_at, risk_before, risk_after
        from threshold_crossings
        join patients on patients.id = patient_id
        where $2 <= crossed_at
            and archived_at is null
            and ($3::uuid is null or patients.id in (select patients_in_care_of($3, $4)))
            and not exists(
                select from threshold_crossings as graver
                where graver.patient_id = patients.id
                    and $2 <= graver.crossed_at
                    and array_position($1::text[], threshold_crossings.threshold)
                        < array_position($1, graver.threshold)
            )
        order by crossed_at desc, patient_id
        limit $5"#,
        &Threshold::ALL[..] as _,
        since.and_time(NaiveTime::MIN).and_utc(),
        in_care_of as Option<UserId>,
        now,
        MOST_CROSSINGS,
    )
    .fetch_all(db)
    .await
}
