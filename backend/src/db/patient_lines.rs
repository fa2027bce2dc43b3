//! What the lines of a list say.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use shared::{
    clinical::{
        kdigo::kdigo_of,
        quantity::{AcrMgG, Egfr, PcrMgG},
    },
    id::PatientId,
    observation::ObservationCode,
    patient::{LatestRisk, LatestValue, PatientListItem, Sex},
    prediction::{Kdigo, RiskCategory, RiskSource, Threshold},
    worklist::{CROSSING_DAYS, EgfrPoint, RiskTrend, Standing},
};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{numbered, patient_list::Found};

/// What a line of a list is made of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    /// Whose line it is.
    pub id: PatientId,
    /// The transaction that wrote the record last. Whatever else a line rests on is only written
    /// together with the record.
    pub written_by: i64,
    /// Its course has to be kept: the values themselves were read, which takes longer.
    pub course_is_due: bool,
    mrn: String,
    given_name: String,
    family_name: String,
    #[serde(with = "numbered")]
    birth_date: NaiveDate,
    sex: Sex,
    #[serde(with = "numbered")]
    archived_at: Option<DateTime<Utc>>,
    latest_egfr: Option<f64>,
    #[serde(with = "numbered")]
    latest_egfr_at: Option<DateTime<Utc>>,
    latest_uacr: Option<f64>,
    #[serde(with = "numbered")]
    latest_uacr_at: Option<DateTime<Utc>>,
    latest_upcr: Option<f64>,
    risk_2y: Option<f64>,
    risk_5y: Option<f64>,
    risk_category: Option<RiskCategory>,
    risk_source: Option<RiskSource>,
    #[serde(with = "numbered")]
    risk_at: Option<DateTime<Utc>>,
    #[serde(with = "numbered")]
    risk_inputs_at: Option<DateTime<Utc>>,
    previous_risk_5y: Option<f64>,
    previous_risk_source: Option<RiskSource>,
    #[serde(with = "numbered")]
    previous_risk_at: Option<DateTime<Utc>>,
    #[serde(with = "numbered")]
    values_changed_at: Option<DateTime<Utc>>,
    #[serde(with = "numbered")]
    monitoring_due_on: Option<NaiveDate>,
    rapid_progression: bool,
    #[serde(with = "numbered")]
    last_value_at: Option<DateTime<Utc>>,
    reached_end: bool,
    #[serde(with = "numbered")]
    course_at: Vec<DateTime<Utc>>,
    course: Vec<f64>,
    #[serde(with = "numbered")]
    crossed_at: Option<Vec<DateTime<Utc>>>,
    crossed: Option<Vec<Threshold>>,
}

impl Line {
    fn risk(&self) -> Option<LatestRisk> {
        Some(LatestRisk {
            risk_2y: self.risk_2y?,
            risk_5y: self.risk_5y?,
            category: self.risk_category?,
            source: self.risk_source?,
            predicted_at: self.risk_at?,
        })
    }

    fn trend(&self) -> Option<RiskTrend> {
        let before = (self.previous_risk_5y?, self.previous_risk_source?, self.previous_risk_at?);
        RiskTrend::between(before, (self.risk_5y?, self.risk_source?))
    }

    fn kdigo(&self) -> Option<Kdigo> {
        let (acr, pcr) = (self.latest_uacr, self.latest_upcr);
        let egfr = Egfr::new(self.latest_egfr?)?;
        Some(kdigo_of(egfr, acr.and_then(AcrMgG::new), pcr.and_then(PcrMgG::new)))
    }

    /// The line in a quarter of the bytes that it takes as JSON, to be kept.
    pub fn packed(&self) -> postcard::Result<Arc<[u8]>> {
        Ok(postcard::to_allocvec(self)?.into())
    }

    /// A line that was packed by the same program.
    pub fn unpacked(packed: &[u8]) -> postcard::Result<Self> {
        postcard::from_bytes(packed)
    }

    /// The line as it is shown on a day.
    pub fn shown(self, today: NaiveDate) -> PatientListItem {
        let (kdigo, risk, risk_trend) = (self.kdigo(), self.risk(), self.trend());
        let crossings =
            self.crossed.into_iter().flatten().zip(self.crossed_at.into_iter().flatten());
        let standing = Standing {
            kdigo,
            monitoring_due_on: self.monitoring_due_on,
            values_changed_at: self.values_changed_at,
            risk_inputs_at: self.risk_inputs_at,
            crossings: crossings.collect(),
        };
        let is_worked = self.archived_at.is_none() && !self.reached_end;
        let course = self.course_at.into_iter().zip(self.course);
        PatientListItem {
            egfr: latest(ObservationCode::Egfr, self.latest_egfr, self.latest_egfr_at),
            uacr: latest(ObservationCode::Uacr, self.latest_uacr, self.latest_uacr_at),
            kdigo,
            risk,
            risk_trend,
            egfr_course: course.map(|(at, value)| EgfrPoint { at, value }).collect(),
            rapid_progression: self.rapid_progression,
            last_value_at: self.last_value_at,
            monitoring_due_on: self.monitoring_due_on,
            due: if is_worked { standing.due(today) } else { Vec::new() },
            id: self.id,
            mrn: self.mrn,
            given_name: self.given_name,
            family_name: self.family_name,
            birth_date: self.birth_date,
            sex: self.sex,
            archived_at: self.archived_at,
        }
    }
}

/// The lines of these records as they are on a day; a record that is gone has none.
pub async fn read(
    db: &mut PgConnection,
    ids: &[PatientId],
    today: NaiveDate,
) -> sqlx::Result<Vec<Line>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    sqlx::query_as!(
        Line,
        r#"select patients.id as "id: PatientId", patients.xmin::text::bigint as "written_by!",
            mrn, given_name, family_name, birth_date, sex as "sex: Sex", archived_at,
            latest_egfr, latest_egfr_at, latest_uacr, latest_uacr_at, latest_upcr, risk_2y,
            risk_5y, risk_category as "risk_category: RiskCategory",
            risk_source as "risk_source: RiskSource", risk_at, risk_inputs_at, previous_risk_5y,
            previous_risk_source as "previous_risk_source: RiskSource", previous_risk_at,
            values_changed_at, monitoring_due_on, rapid_progression,
            kept.patient_id is null and values_changed_at is not null as "course_is_due!",
            case when kept.patient_id is null then read.last_value_at else kept.last_value_at end
                as "last_value_at?",
            exists(select from outcomes where patient_id = patients.id) as "reached_end!",
            coalesce(kept.egfr_at, read.egfr_at) as "course_at!",
            coalesce(kept.egfr, read.egfr) as "course!",
            crossings.at as "crossed_at?", crossings.threshold as "crossed?: Vec<Threshold>"
        -- How many they are is hidden from the planner, so that a connection plans this once.
        from unnest((select $1::uuid[])) as wanted (id)
        join patients on patients.id = wanted.id
        left join patient_courses as kept
            on kept.patient_id = patients.id and kept.values_at = patients.values_changed_at
        left join lateral (
            -- Or the planner would have the values read first and ask then whether they were wanted.
            select course.*
            from (select patients.id where kept.patient_id is null offset 0) as missing,
                patient_course(missing.id) as course
        ) as read on true
        -- All of them at once: to sort two lists for each line costs as much as the line.
        left join (
            select patient_id, array_agg(crossed_at order by crossed_at, threshold) as at,
                array_agg(threshold order by crossed_at, threshold) as threshold
            from threshold_crossings
            where patient_id = any((select $1::uuid[])::uuid[]) and $2 <= crossed_at
            group by patient_id
        ) as crossings on crossings.patient_id = patients.id"#,
        &ids,
        today.and_time(NaiveTime::MIN).and_utc() - TimeDelta::days(CROSSING_DAYS),
    )
    .fetch_all(db)
    .await
}

/// The lines of a list, in its order.
pub async fn shown(
    db: &mut PgConnection,
    found: &[Found],
    today: NaiveDate,
) -> sqlx::Result<Vec<PatientListItem>> {
    let ids: Vec<PatientId> = found.iter().map(|found| found.id).collect();
    let lines = read(db, &ids, today).await?;
    let mut lines: HashMap<PatientId, Line> =
        lines.into_iter().map(|line| (line.id, line)).collect();
    let shown = |id| lines.remove(&id).map(|line| line.shown(today));
    Ok(ids.into_iter().filter_map(shown).collect())
}

fn latest(
    code: ObservationCode,
    value: Option<f64>,
    at: Option<DateTime<Utc>>,
) -> Option<LatestValue> {
    Some(LatestValue { value: value?, unit: code.canonical_unit().to_owned(), effective_at: at? })
}
