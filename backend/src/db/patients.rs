//! Patients' records.

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use shared::{
    access::Role,
    clinical::{
        assessment::stale_before,
        kdigo::{acr_range, egfr_range, kdigo_of, pcr_range},
        quantity::{AcrMgG, Egfr, PcrMgG},
    },
    dashboard::DataGap,
    id::{PatientId, UserId},
    observation::ObservationCode,
    patient::{
        LatestRisk, LatestValue, Patient, PatientFilter, PatientListItem, PatientSort,
        RenalDisease, Sex,
    },
    prediction::{ACategory, GCategory, Kdigo, RiskCategory, RiskSource},
    worklist::{CROSSING_DAYS, RiskTrend, Standing},
};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::worklist::{self, Background};
use crate::input::{is_storable, searched};

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

/// Those of these records that are in use, locked against changes by others until the transaction
/// ends; in one order, so that nobody waits in a circle.
pub async fn lock_in_use(db: &mut PgConnection, ids: &[PatientId]) -> sqlx::Result<Vec<Patient>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    sqlx::query_as!(
        Patient,
        r#"select id as "id: PatientId", version, mrn, given_name, family_name, birth_date,
            sex as "sex: Sex", diabetes, hypertension, cardiovascular_disease, heart_failure,
            smoker, renal_disease as "renal_disease: RenalDisease", own_access, archived_at,
            created_at, updated_at
        from patients
        where id = any($1) and archived_at is null
        order by id
        for no key update"#,
        &ids,
    )
    .fetch_all(db)
    .await
}

/// Adds a record.
pub async fn insert(db: &mut PgConnection, new: &Patient) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into patients
            (id, version, mrn, given_name, family_name, birth_date, sex, diabetes, hypertension,
             cardiovascular_disease, heart_failure, smoker, renal_disease, own_access,
             archived_at, created_at, updated_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
        new.id as PatientId,
        new.version,
        new.mrn,
        new.given_name,
        new.family_name,
        new.birth_date,
        new.sex as Sex,
        new.diabetes,
        new.hypertension,
        new.cardiovascular_disease,
        new.heart_failure,
        new.smoker,
        new.renal_disease as RenalDisease,
        new.own_access,
        new.archived_at,
        new.created_at,
        new.updated_at,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Adds records in one go.
pub async fn insert_many(db: &mut PgConnection, new: &[Patient]) -> sqlx::Result<()> {
    fn column<T>(rows: &[Patient], of: impl Fn(&Patient) -> T) -> Vec<T> {
        rows.iter().map(of).collect()
    }
    sqlx::query!(
        "insert into patients
            (id, version, mrn, given_name, family_name, birth_date, sex, diabetes, hypertension,
             cardiovascular_disease, heart_failure, smoker, renal_disease, own_access, created_at,
             updated_at)
        select * from unnest($1::uuid[], $2::integer[], $3::text[], $4::text[], $5::text[],
            $6::date[], $7::text[], $8::boolean[], $9::boolean[], $10::boolean[], $11::boolean[],
            $12::boolean[], $13::text[], $14::boolean[], $15::timestamptz[], $16::timestamptz[])",
        &column(new, |row| row.id.0),
        &column(new, |row| row.version),
        &column(new, |row| row.mrn.clone()),
        &column(new, |row| row.given_name.clone()),
        &column(new, |row| row.family_name.clone()),
        &column(new, |row| row.birth_date),
        column(new, |row| row.sex) as _,
        column(new, |row| row.diabetes) as _,
        column(new, |row| row.hypertension) as _,
        column(new, |row| row.cardiovascular_disease) as _,
        column(new, |row| row.heart_failure) as _,
        column(new, |row| row.smoker) as _,
        column(new, |row| row.renal_disease) as _,
        &column(new, |row| row.own_access),
        &column(new, |row| row.created_at),
        &column(new, |row| row.updated_at),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Which of these medical record numbers belong to a record, whoever may see it: a number is
/// unique in the installation.
pub async fn taken_mrns(db: &mut PgConnection, mrns: &[String]) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar!(
        r#"select mrn as "mrn!" from unnest($1::text[]) as mrn
        where patient_with_mrn(mrn) is not null"#,
        mrns,
    )
    .fetch_all(db)
    .await
}

/// The records with these medical record numbers that a caller sees, archived or not, locked
/// against changes by others until the transaction ends; in one order.
pub async fn lock_with_mrns(
    db: &mut PgConnection,
    mrns: &[String],
    in_care_of: Option<UserId>,
    at: DateTime<Utc>,
) -> sqlx::Result<Vec<Patient>> {
    sqlx::query_as!(
        Patient,
        r#"select id as "id: PatientId", version, mrn, given_name, family_name, birth_date,
            sex as "sex: Sex", diabetes, hypertension, cardiovascular_disease, heart_failure,
            smoker, renal_disease as "renal_disease: RenalDisease", own_access, archived_at,
            created_at, updated_at
        from patients
        where mrn = any($1)
            and ($2::uuid is null or id in (select patients_in_care_of($2, $3)))
        order by id
        for no key update"#,
        mrns,
        in_care_of as Option<UserId>,
        at,
    )
    .fetch_all(db)
    .await
}

/// Writes a changed record, version and times included, in place of the one that is locked.
pub async fn update(db: &mut PgConnection, changed: &Patient) -> sqlx::Result<()> {
    sqlx::query!(
        "update patients
        set version = $2, mrn = $3, given_name = $4, family_name = $5, birth_date = $6, sex = $7,
            diabetes = $8, hypertension = $9, cardiovascular_disease = $10, heart_failure = $11,
            smoker = $12, renal_disease = $13, own_access = $14, archived_at = $15,
            updated_at = $16
        where id = $1",
        changed.id as PatientId,
        changed.version,
        changed.mrn,
        changed.given_name,
        changed.family_name,
        changed.birth_date,
        changed.sex as Sex,
        changed.diabetes,
        changed.hypertension,
        changed.cardiovascular_disease,
        changed.heart_failure,
        changed.smoker,
        changed.renal_disease as RenalDisease,
        changed.own_access,
        changed.archived_at,
        changed.updated_at,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The first day of which the record says something that counts.
pub async fn first_day(db: impl PgExecutor<'_>, id: PatientId) -> sqlx::Result<Option<NaiveDate>> {
    sqlx::query_scalar!(
        "select min(day) from (
            select min((effective_at at time zone 'UTC')::date) as day
            from observations where patient_id = $1 and status = 'final'
            union all
            select min(started_on) from therapies where patient_id = $1 and deleted_at is null
            union all
            select min(performed_on) from biopsies where patient_id = $1 and deleted_at is null
            union all
            select min(occurred_on) from outcomes where patient_id = $1
        ) as days",
        id as PatientId,
    )
    .fetch_one(db)
    .await
}

/// Where in an order a line of the list stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Position {
    /// Family name and given name in lower case.
    Name(String, String, PatientId),
    /// Risk or eGFR, with the number that stands for an unknown one.
    Number(f64, PatientId),
    /// Time of the last change.
    Time(DateTime<Utc>, PatientId),
}

impl Position {
    /// Whether it is a position in this order.
    pub fn fits(&self, sort: PatientSort) -> bool {
        use PatientSort::{Egfr, EgfrDown, Name, NameDown, Risk, RiskDown, Updated, UpdatedDown};
        match self {
            // PostgreSQL knows no text with a NUL in it.
            Self::Name(family, given, _) => {
                matches!(sort, Name | NameDown) && !family.contains('\0') && !given.contains('\0')
            }
            Self::Number(..) => matches!(sort, Risk | RiskDown | Egfr | EgfrDown),
            Self::Time(at, _) => matches!(sort, Updated | UpdatedDown) && is_storable(*at),
        }
    }
}

/// Which records to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Part of a name or of a medical record number, in any case, or a date of birth; of one or two
    /// characters, how one begins.
    pub text: Option<String>,
    /// The category of the latest prediction.
    pub risk_category: Option<RiskCategory>,
    /// The primary renal disease.
    pub renal_disease: Option<RenalDisease>,
    /// The KDIGO category of the latest eGFR.
    pub kdigo_g: Option<GCategory>,
    /// The KDIGO category of the latest ACR, or of a PCR where there is no ACR.
    pub kdigo_a: Option<ACategory>,
    /// What the record lacks.
    pub gap: Option<DataGap>,
    /// Whether values are wanted again since a day that has passed.
    pub overdue: Option<bool>,
    /// Whether eGFR falls rapidly.
    pub rapid_progression: Option<bool>,
    /// Archived records instead of those in use.
    pub archived: bool,
    /// Only records that nobody is left to care for.
    pub without_care_team: bool,
    /// Only the patients whom this clinician cares for, or sees in an emergency.
    pub in_care_of: Option<UserId>,
    /// The moment of which that is said.
    pub at: DateTime<Utc>,
}

impl Filter {
    /// The records in use that these criteria choose, for somebody who sees whom they care for, or
    /// everybody.
    pub fn new(wanted: &PatientFilter, in_care_of: Option<UserId>, at: DateTime<Utc>) -> Self {
        Self {
            text: wanted.q.as_deref().and_then(searched),
            risk_category: wanted.risk_category,
            renal_disease: wanted.renal_disease,
            kdigo_g: wanted.kdigo_g,
            kdigo_a: wanted.kdigo_a,
            gap: wanted.gap,
            overdue: wanted.overdue,
            rapid_progression: wanted.rapid_progression,
            archived: false,
            without_care_team: false,
            in_care_of,
            at,
        }
    }

    /// The date of birth that is searched for, if the text is one that the database knows.
    fn born_on(&self) -> Option<NaiveDate> {
        let day: NaiveDate = self.text.as_deref()?.parse().ok()?;
        (1..=9999).contains(&day.year()).then_some(day)
    }
}

/// One line of the list, and what it can be sorted by.
#[derive(Clone, Debug)]
pub struct Listed {
    id: PatientId,
    mrn: String,
    given_name: String,
    family_name: String,
    birth_date: NaiveDate,
    sex: Sex,
    archived_at: Option<DateTime<Utc>>,
    updated_at: DateTime<Utc>,
    latest_egfr: Option<f64>,
    latest_egfr_at: Option<DateTime<Utc>>,
    latest_uacr: Option<f64>,
    latest_uacr_at: Option<DateTime<Utc>>,
    latest_upcr: Option<f64>,
    risk_2y: Option<f64>,
    risk_5y: Option<f64>,
    risk_category: Option<RiskCategory>,
    risk_source: Option<RiskSource>,
    risk_at: Option<DateTime<Utc>>,
    risk_inputs_at: Option<DateTime<Utc>>,
    previous_risk_5y: Option<f64>,
    previous_risk_source: Option<RiskSource>,
    previous_risk_at: Option<DateTime<Utc>>,
    values_changed_at: Option<DateTime<Utc>>,
    monitoring_due_on: Option<NaiveDate>,
    rapid_progression: bool,
    family_key: String,
    given_key: String,
}

impl Listed {
    /// Whose line it is.
    pub const fn id(&self) -> PatientId {
        self.id
    }

    /// Where it stands in this order.
    pub fn position(&self, sort: PatientSort) -> Position {
        match sort {
            PatientSort::Name | PatientSort::NameDown => {
                Position::Name(self.family_key.clone(), self.given_key.clone(), self.id)
            }
            // The same numbers as in the indexes.
            PatientSort::Risk | PatientSort::RiskDown => {
                Position::Number(self.risk_5y.unwrap_or(-1.0), self.id)
            }
            PatientSort::Egfr | PatientSort::EgfrDown => {
                Position::Number(self.latest_egfr.unwrap_or(1e9), self.id)
            }
            PatientSort::Updated | PatientSort::UpdatedDown => {
                Position::Time(self.updated_at, self.id)
            }
        }
    }

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

    /// The line as it is shown on a day.
    fn shown(self, background: Background, today: NaiveDate) -> PatientListItem {
        let kdigo = self.kdigo();
        let standing = Standing {
            kdigo,
            monitoring_due_on: self.monitoring_due_on,
            values_changed_at: self.values_changed_at,
            risk_inputs_at: self.risk_inputs_at,
            crossings: background.crossings,
        };
        let is_worked = self.archived_at.is_none() && !background.reached_end;
        PatientListItem {
            egfr: latest(ObservationCode::Egfr, self.latest_egfr, self.latest_egfr_at),
            uacr: latest(ObservationCode::Uacr, self.latest_uacr, self.latest_uacr_at),
            kdigo,
            risk: self.risk(),
            risk_trend: self.trend(),
            egfr_course: background.egfr_course,
            rapid_progression: self.rapid_progression,
            last_value_at: background.last_value_at,
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

/// The lines as they are shown at a moment, with what they say beside the records.
pub async fn shown(
    db: &mut PgConnection,
    lines: Vec<Listed>,
    at: DateTime<Utc>,
) -> sqlx::Result<Vec<PatientListItem>> {
    let ids: Vec<_> = lines.iter().map(Listed::id).collect();
    let since = at - TimeDelta::days(CROSSING_DAYS);
    let mut backgrounds = worklist::backgrounds(db, &ids, since).await?;
    let mut shown = |line: Listed| {
        let background = backgrounds.remove(&line.id).unwrap_or_default();
        line.shown(background, at.date_naive())
    };
    Ok(lines.into_iter().map(&mut shown).collect())
}

fn latest(
    code: ObservationCode,
    value: Option<f64>,
    at: Option<DateTime<Utc>>,
) -> Option<LatestValue> {
    Some(LatestValue { value: value?, unit: code.canonical_unit().to_owned(), effective_at: at? })
}

/// A part of the text, with nothing in it that `like` takes for a wildcard.
pub(super) fn pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

/// The fewest characters that are looked for inside a word: the index knows threes of them.
const FEWEST_INSIDE: usize = 3;

/// What a search looks for: a part of a word or, of one or two characters, how a word begins, which
/// the index finds at once where it would have to go through everybody.
fn sought(text: &str) -> String {
    let pattern = pattern(text);
    if text.chars().count() < FEWEST_INSIDE { pattern.replacen('%', "% ", 1) } else { pattern }
}

/// So many are few: they are found first, and put in order then.
const FEW: i32 = 2000;

/// Whom a search finds, if they are few, whoever may see them.
async fn few_called(db: &mut PgConnection, filter: &Filter) -> sqlx::Result<Option<Vec<Uuid>>> {
    let Some(text) = filter.text.as_deref() else { return Ok(None) };
    sqlx::query_scalar!(
        "select few_patients_called($1, $2, $3)",
        sought(text),
        filter.born_on(),
        FEW,
    )
    .fetch_one(db)
    .await
}

/// The list's query with one order: what comes after a position, and the order itself.
macro_rules! listed {
    ($db:expr, ($filter:expr, $few:expr), $limit:expr, $after_and_order:tt, $($key:expr),+) => {
        sqlx::query_as!(
            Listed,
            r#"select id as "id: PatientId", mrn, given_name, family_name, birth_date,
                sex as "sex: Sex", archived_at, updated_at, latest_egfr, latest_egfr_at,
                latest_uacr, latest_uacr_at, latest_upcr, risk_2y, risk_5y,
                risk_category as "risk_category: RiskCategory",
                risk_source as "risk_source: RiskSource", risk_at, risk_inputs_at,
                previous_risk_5y, previous_risk_source as "previous_risk_source: RiskSource",
                previous_risk_at, values_changed_at, monitoring_due_on, rapid_progression,
                lower(family_name) as "family_key!", lower(given_name) as "given_key!"
            from patients
            where ($1::text is null or search_text like searchable($1) or birth_date = $8)
                and ($2::text is null or risk_category = $2)
                and (archived_at is not null) = $3
                and ($5::uuid is null or id in (select patients_in_care_of($5, $6)))
                and ($7::text[] is null or not exists(
                    select from care_team_members
                    join users on users.id = user_id
                    where care_team_members.patient_id = patients.id
                        and active and role = any($7)
                ))
                and ($9::text is null or renal_disease = $9)
                and ($10::float8 is null or latest_egfr >= $10)
                and ($11::float8 is null or latest_egfr < $11)
                and ($12::float8 is null or case
                    when latest_uacr is not null
                        then $12 <= latest_uacr and ($13::float8 is null or latest_uacr < $13)
                    else $14::float8 <= latest_upcr and ($15::float8 is null or latest_upcr < $15)
                end)
                and case $16::text
                    when 'missing_egfr' then latest_egfr is null
                    when 'missing_albuminuria' then latest_uacr is null and latest_upcr is null
                    when 'pcr_only' then latest_uacr is null and latest_upcr is not null
                    when 'stale' then latest_egfr_at < $17 or latest_uacr_at < $17
                    when 'never_predicted' then risk_at is null
                    else true
                end
                and ($18::date is null or monitoring_due_on < $18)
                and ($19::date is null or monitoring_due_on is null or $19 <= monitoring_due_on)
                and ($20::boolean is null or rapid_progression = $20)
                and ($21::uuid[] is null or id = any($21))
                and "# + $after_and_order + " limit $4",
            $filter.text.as_deref().map(sought),
            $filter.risk_category as Option<RiskCategory>,
            $filter.archived,
            $limit,
            $filter.in_care_of as Option<UserId>,
            $filter.at,
            $filter.without_care_team.then(super::care_teams::carers) as Option<Vec<Role>>,
            $filter.born_on(),
            $filter.renal_disease as Option<RenalDisease>,
            $filter.kdigo_g.map(|g| egfr_range(g).0),
            $filter.kdigo_g.and_then(|g| egfr_range(g).1),
            $filter.kdigo_a.map(|a| acr_range(a).0),
            $filter.kdigo_a.and_then(|a| acr_range(a).1),
            $filter.kdigo_a.map(|a| pcr_range(a).0),
            $filter.kdigo_a.and_then(|a| pcr_range(a).1),
            $filter.gap.map(DataGap::as_str),
            stale_before($filter.at.date_naive()),
            $filter.overdue.unwrap_or(false).then(|| $filter.at.date_naive()),
            (!$filter.overdue.unwrap_or(true)).then(|| $filter.at.date_naive()),
            $filter.rapid_progression,
            $few.as_deref(),
            $($key),+
        )
        .fetch_all(&mut *$db)
        .await
    };
}

/// Records in an order, after a position when it is given.
pub async fn list(
    db: &mut PgConnection,
    filter: &Filter,
    sort: PatientSort,
    after: Option<&Position>,
    limit: i64,
) -> sqlx::Result<Vec<Listed>> {
    let (family, given, number, time, id) = match after {
        Some(Position::Name(family, given, id)) => {
            (Some(family.as_str()), Some(given.as_str()), None, None, Some(id.0))
        }
        Some(Position::Number(number, id)) => (None, None, Some(*number), None, Some(id.0)),
        Some(Position::Time(time, id)) => (None, None, None, Some(*time), Some(id.0)),
        None => (None, None, None, None, None),
    };
    let few = few_called(db, filter).await?;
    match sort {
        PatientSort::Name => listed!(
            db,
            (filter, few),
            limit,
            "($22::text is null
                or (lower(family_name), lower(given_name), id) > ($22, $23::text, $24::uuid))
            order by lower(family_name), lower(given_name), id",
            family,
            given,
            id
        ),
        PatientSort::NameDown => listed!(
            db,
            (filter, few),
            limit,
            "($22::text is null
                or (lower(family_name), lower(given_name), id) < ($22, $23::text, $24::uuid))
            order by lower(family_name) desc, lower(given_name) desc, id desc",
            family,
            given,
            id
        ),
        PatientSort::Risk => listed!(
            db,
            (filter, few),
            limit,
            "($22::float8 is null or (coalesce(risk_5y, -1) >= $22
                and (coalesce(risk_5y, -1) > $22 or id < $23::uuid)))
            order by coalesce(risk_5y, -1), id desc",
            number,
            id
        ),
        PatientSort::RiskDown => listed!(
            db,
            (filter, few),
            limit,
            "($22::float8 is null or (coalesce(risk_5y, -1) <= $22
                and (coalesce(risk_5y, -1) < $22 or id > $23::uuid)))
            order by coalesce(risk_5y, -1) desc, id",
            number,
            id
        ),
        PatientSort::Egfr => listed!(
            db,
            (filter, few),
            limit,
            "($22::float8 is null or (coalesce(latest_egfr, 1e9), id) > ($22, $23::uuid))
            order by coalesce(latest_egfr, 1e9), id",
            number,
            id
        ),
        PatientSort::EgfrDown => listed!(
            db,
            (filter, few),
            limit,
            "($22::float8 is null or (coalesce(latest_egfr, 1e9), id) < ($22, $23::uuid))
            order by coalesce(latest_egfr, 1e9) desc, id desc",
            number,
            id
        ),
        PatientSort::Updated => listed!(
            db,
            (filter, few),
            limit,
            "($22::timestamptz is null or (updated_at >= $22
                and (updated_at > $22 or id < $23::uuid)))
            order by updated_at, id desc",
            time,
            id
        ),
        PatientSort::UpdatedDown => listed!(
            db,
            (filter, few),
            limit,
            "($22::timestamptz is null or (updated_at <= $22
                and (updated_at < $22 or id > $23::uuid)))
            order by updated_at desc, id",
            time,
            id
        ),
    }
}
