//! Which patients a list has, and in which order.

use std::ops::RangeInclusive;

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use shared::{
    clinical::{
        assessment::stale_before,
        kdigo::{acr_range, egfr_range, pcr_range},
    },
    dashboard::DataGap,
    id::{PatientId, UserId},
    patient::{PatientFilter, PatientSort, RenalDisease},
    prediction::{ACategory, GCategory, RiskCategory},
};
use sqlx::{Encode, FromRow, PgConnection, Postgres, QueryBuilder, Row, Type};

use crate::input::{is_storable, searched};

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
}

/// A record of a list, and what the list can be sorted by.
#[derive(Clone, Debug, FromRow)]
pub struct Found {
    /// The record.
    pub id: PatientId,
    /// The transaction that wrote the record last: what a line says is the same while it is.
    pub written_by: i64,
    risk_5y: Option<f64>,
    latest_egfr: Option<f64>,
    updated_at: DateTime<Utc>,
    // Empty unless the list is sorted by them.
    family_key: String,
    given_key: String,
}

impl Found {
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

/// Of how many characters a text is that takes no time to look for: the database knows pieces of five, and
/// more of them than a name has take it ever longer.
const QUICK: RangeInclusive<usize> = 5..=64;

/// Whether a text takes so little time to look for that others may have to wait for it.
pub fn is_quick(text: &str) -> bool {
    QUICK.contains(&text.chars().count()) && pattern(text).len() == text.len() + 2
}

/// The date of birth that is searched for, if the text is one that the database knows.
fn birth_date(text: &str) -> Option<NaiveDate> {
    let day: NaiveDate = text.parse().ok()?;
    (1..=9999).contains(&day.year()).then_some(day)
}

/// So many are few: they are found first, and put in order then.
const FEW: i32 = 2000;

/// Records in an order, after a position when it is given.
///
/// The statement holds what was asked for and nothing else, and what is one of a few choices or a
/// bound of KDIGO's stands in it as such: PostgreSQL then knows from the text alone how to find
/// them, and plans it once instead of each time.
pub async fn find(
    db: &mut PgConnection,
    filter: &Filter,
    sort: PatientSort,
    after: Option<&Position>,
    limit: i64,
) -> sqlx::Result<Vec<Found>> {
    if let Some(text) = filter.text.as_deref() {
        let found = search(db, &[text], filter, sort, after, limit).await?;
        if let Some(Some(found)) = found.into_iter().next() {
            return Ok(found);
        }
    }
    walk(db, filter, sort, after, limit).await
}

/// The same, looked for in the list's order: the way to many, and a long one to few.
pub async fn walk(
    db: &mut PgConnection,
    filter: &Filter,
    sort: PatientSort,
    after: Option<&Position>,
    limit: i64,
) -> sqlx::Result<Vec<Found>> {
    let mut query = QueryBuilder::new("select ");
    read(&mut query, sort);
    query.push(from(filter));
    called(&mut query, filter);
    narrow(&mut query, filter, sort);
    go_on(&mut query, sort, after);
    query.push(format_args!(" order by {} limit {limit}", order(sort)));
    query.build_query_as().fetch_all(db).await
}

/// The same for each of these texts instead of the filter's; `None` for a text that finds many, whoever may
/// see them.
pub async fn search(
    db: &mut PgConnection,
    texts: &[&str],
    filter: &Filter,
    sort: PatientSort,
    after: Option<&Position>,
    limit: i64,
) -> sqlx::Result<Vec<Option<Vec<Found>>>> {
    let sought: Vec<String> = texts.iter().map(|text| sought(text)).collect();
    let born: Vec<Option<NaiveDate>> = texts.iter().map(|text| birth_date(text)).collect();
    let mut query = QueryBuilder::new(
        "select few.place as asked, few.ids is null as are_many, listed.* from \
        few_patients_called_each(",
    );
    query.push_bind(sought).push(", ").push_bind(born).push(", ").push_bind(FEW);
    query.push(") as few (place, ids)");
    query.push(" left join lateral (select ");
    read(&mut query, sort);
    query.push(from(filter)).push(" and id = any(few.ids)");
    narrow(&mut query, filter, sort);
    go_on(&mut query, sort, after);
    let (inside, outside) = (order(sort), order_of_read(sort));
    query.push(format_args!(
        " order by {inside} limit {limit}) as listed on true order by asked, {outside}"
    ));
    let mut found = vec![Some(Vec::new()); texts.len()];
    for row in query.build().fetch_all(db).await? {
        let asked = usize::try_from(row.try_get::<i64, _>("asked")? - 1).unwrap_or(usize::MAX);
        let Some(found) = found.get_mut(asked) else { continue };
        if row.try_get("are_many")? {
            *found = None;
        } else if row.try_get::<Option<PatientId>, _>("id")?.is_some()
            && let Some(found) = found
        {
            // Of nobody there is one row without a record.
            found.push(Found::from_row(&row)?);
        }
    }
    Ok(found)
}

/// Reads of a record that is found where it stands in this order. Names are only put in lower case to be
/// sorted by: for a page of others that would be a good part of the work.
fn read(query: &mut QueryBuilder<Postgres>, sort: PatientSort) {
    query.push("id, xmin::text::bigint as written_by, risk_5y, latest_egfr, updated_at, ");
    query.push(match sort {
        PatientSort::Name | PatientSort::NameDown => {
            "lower(family_name) as family_key, lower(given_name) as given_key"
        }
        _ => "'' as family_key, '' as given_key",
    });
}

/// From the records in use, or from the archived ones.
fn from(filter: &Filter) -> &'static str {
    if filter.archived {
        " from patients where archived_at is not null"
    } else {
        " from patients where archived_at is null"
    }
}

/// That a record is called so.
fn called(query: &mut QueryBuilder<Postgres>, filter: &Filter) {
    let Some(text) = filter.text.as_deref() else { return };
    query.push(" and (search_text like searchable(").push_bind(sought(text)).push(")");
    if let Some(day) = birth_date(text) {
        query.push(" or birth_date = ").push_bind(day);
    }
    query.push(")");
}

/// Everything that a list is narrowed by but the search.
fn narrow(query: &mut QueryBuilder<Postgres>, filter: &Filter, sort: PatientSort) {
    if let Some(category) = filter.risk_category {
        query.push(" and risk_category = ").push_bind(category);
    }
    if let Some(disease) = filter.renal_disease {
        query.push(" and renal_disease = ").push_bind(disease);
    }
    if let Some(viewer) = filter.in_care_of {
        query.push(" and id in (select patients_in_care_of(").push_bind(viewer.0);
        query.push(", ").push_bind(filter.at).push("))");
    }
    if filter.without_care_team {
        let carers =
            " and not exists(select from care_team_members join users on users.id = user_id
            where care_team_members.patient_id = patients.id and active and role = any(";
        query.push(carers).push_bind(super::care_teams::carers()).push("))");
    }
    if let Some(g) = filter.kdigo_g {
        let (from, below) = egfr_range(g);
        query.push(format_args!(" and {}", within("latest_egfr", from, below)));
        // In that order those in the range stand together, wherever that is: the index is told, too.
        if matches!(sort, PatientSort::Egfr | PatientSort::EgfrDown) {
            let ordered = within("coalesce(latest_egfr, 1e9)", from, below.or(Some(1e9)));
            query.push(format_args!(" and {ordered}"));
        }
    }
    if let Some(a) = filter.kdigo_a {
        let ((from, below), (pcr_from, pcr_below)) = (acr_range(a), pcr_range(a));
        let (acr, pcr) =
            (within("latest_uacr", from, below), within("latest_upcr", pcr_from, pcr_below));
        query
            .push(format_args!(" and case when latest_uacr is not null then {acr} else {pcr} end"));
    }
    if let Some(gap) = filter.gap {
        query.push(format_args!(" and ({})", lacks(gap, filter.at.date_naive())));
    }
    let today = filter.at.date_naive();
    match filter.overdue {
        Some(true) => query.push(format_args!(" and monitoring_due_on < '{today}'")),
        Some(false) => query.push(format_args!(
            " and (monitoring_due_on is null or '{today}' <= monitoring_due_on)"
        )),
        None => query,
    };
    match filter.rapid_progression {
        Some(true) => query.push(" and rapid_progression"),
        Some(false) => query.push(" and not rapid_progression"),
        None => query,
    };
}

/// That a value is in a range without its end.
fn within(column: &str, from: f64, below: Option<f64>) -> String {
    let below =
        below.map_or_else(String::new, |below| format!(" and {column} < {below:?}::float8"));
    format!("({column} >= {from:?}::float8{below})")
}

/// That a record lacks something.
fn lacks(gap: DataGap, today: NaiveDate) -> String {
    match gap {
        DataGap::MissingEgfr => "latest_egfr is null".to_owned(),
        DataGap::MissingAlbuminuria => "latest_uacr is null and latest_upcr is null".to_owned(),
        DataGap::PcrOnly => "latest_uacr is null and latest_upcr is not null".to_owned(),
        DataGap::Stale => {
            let before = stale_before(today);
            format!("latest_egfr_at < '{before}' or latest_uacr_at < '{before}'")
        }
        DataGap::NeverPredicted => "risk_5y is null".to_owned(),
    }
}

/// What a list is ordered by, as its indexes have it.
fn order(sort: PatientSort) -> &'static str {
    match sort {
        PatientSort::Name => "lower(family_name), lower(given_name), id",
        PatientSort::NameDown => "lower(family_name) desc, lower(given_name) desc, id desc",
        PatientSort::Risk => "coalesce(risk_5y, -1), id desc",
        PatientSort::RiskDown => "coalesce(risk_5y, -1) desc, id",
        PatientSort::Egfr => "coalesce(latest_egfr, 1e9), id",
        PatientSort::EgfrDown => "coalesce(latest_egfr, 1e9) desc, id desc",
        PatientSort::Updated => "updated_at, id desc",
        PatientSort::UpdatedDown => "updated_at desc, id",
    }
}

/// The same order, by what was read of a record.
fn order_of_read(sort: PatientSort) -> &'static str {
    match sort {
        PatientSort::Name => "family_key, given_key, id",
        PatientSort::NameDown => "family_key desc, given_key desc, id desc",
        other => order(other),
    }
}

/// What comes after a position.
fn go_on(query: &mut QueryBuilder<Postgres>, sort: PatientSort, after: Option<&Position>) {
    let is_down = matches!(
        sort,
        PatientSort::NameDown
            | PatientSort::RiskDown
            | PatientSort::EgfrDown
            | PatientSort::UpdatedDown
    );
    let beyond = if is_down { "<" } else { ">" };
    match after {
        None => {}
        Some(Position::Name(family, given, id)) => {
            query.push(format_args!(" and (lower(family_name), lower(given_name), id) {beyond} ("));
            query.push_bind(family.as_str()).push(", ").push_bind(given.as_str());
            query.push(", ").push_bind(id.0).push(")");
        }
        Some(Position::Number(number, id)) => match sort {
            PatientSort::Egfr | PatientSort::EgfrDown => {
                query.push(format_args!(" and (coalesce(latest_egfr, 1e9), id) {beyond} ("));
                query.push_bind(*number).push(", ").push_bind(id.0).push(")");
            }
            _ => mixed(query, "coalesce(risk_5y, -1)", beyond, *number, *id),
        },
        Some(Position::Time(time, id)) => mixed(query, "updated_at", beyond, *time, *id),
    }
}

/// What comes after a position in an order whose identifiers go the other way than its key. The first
/// comparison is all that an index can use.
fn mixed<'a, T>(
    query: &mut QueryBuilder<Postgres>,
    key: &str,
    beyond: &str,
    position: T,
    id: PatientId,
) where
    T: Encode<'a, Postgres> + Type<Postgres> + Clone,
{
    let back = if beyond == "<" { ">" } else { "<" };
    query.push(format_args!(" and {key} {beyond}= ")).push_bind(position.clone());
    query.push(format_args!(" and ({key} {beyond} ")).push_bind(position);
    query.push(format_args!(" or id {back} ")).push_bind(id.0).push(")");
}
