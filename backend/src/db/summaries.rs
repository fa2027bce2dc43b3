//! Publications: made from the records by a worker, read by researchers.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use serde_json::Value;
use shared::{
    id::PatientId,
    patient::{RenalDisease, Sex},
    prediction::RiskCategory,
    privacy::MOST_PRIVATE_FIELDS,
    summary::{Publication, ROUNDED_TO, SummaryFigures, VoicePerformance},
};
use sqlx::{PgConnection, PgExecutor, types::Json};

use crate::summaries::{
    anonymity::Anonymisation,
    publication::PublishedCell,
    question::{StoredCell, StoredCount},
    row::{Facts, Row},
    trend::YearFacts,
};

/// The number of the lock that a publisher holds.
const LOCK: i64 = 72_130;

/// The latest publication.
#[derive(Clone, Debug)]
pub struct Latest {
    /// Its number.
    pub id: i32,
    /// When it was made.
    pub published_at: DateTime<Utc>,
    /// When it was last compared with the records.
    pub checked_at: DateTime<Utc>,
    /// Groups of fewer people are withheld in it.
    pub minimum_cell_size: i32,
    /// How its rows were made k-anonymous.
    pub anonymisation: Json<Anonymisation>,
    /// How told risks compare with what happened; `None` in one from before that was published.
    pub performance: Option<Json<Vec<VoicePerformance>>>,
}

impl Latest {
    /// The same as researchers see it.
    pub fn shown(&self) -> Publication {
        Publication {
            id: self.id,
            published_at: self.published_at,
            minimum_cell_size: self.minimum_cell_size,
            rounded_to: ROUNDED_TO.cast_signed(),
        }
    }
}

/// The publication that answers now.
pub async fn latest(db: impl PgExecutor<'_>) -> sqlx::Result<Option<Latest>> {
    sqlx::query_as!(
        Latest,
        r#"select id, published_at, checked_at, minimum_cell_size,
            anonymisation as "anonymisation: Json<Anonymisation>",
            performance as "performance: Json<Vec<VoicePerformance>>"
        from summary_publications
        order by id desc
        limit 1"#,
    )
    .fetch_optional(db)
    .await
}

/// Whether a publication is there, and not replaced by later ones yet.
pub async fn is_kept(db: impl PgExecutor<'_>, publication: i32) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists(select from summary_publications where id = $1) as "kept!""#,
        publication,
    )
    .fetch_one(db)
    .await
}

/// The published cells of one table.
pub async fn cells(
    db: impl PgExecutor<'_>,
    publication: i32,
    fields: &[usize],
) -> sqlx::Result<Vec<StoredCell>> {
    let found = sqlx::query!(
        r#"select field_values, figures as "figures: Json<SummaryFigures>"
        from summary_cells
        where publication_id = $1 and fields = $2
        order by field_values"#,
        publication,
        &small(fields),
    )
    .fetch_all(db)
    .await?;
    let cell = |values: Vec<i16>, figures: Json<SummaryFigures>| StoredCell {
        values: bytes(&values),
        figures: figures.0,
    };
    Ok(found.into_iter().map(|row| cell(row.field_values, row.figures)).collect())
}

/// How many people of a publication there are with each combination of values of up to four fields,
/// by their places counted from 1; the place 0 is no field.
pub async fn counted(
    db: impl PgExecutor<'_>,
    publication: i32,
    places: [i32; MOST_PRIVATE_FIELDS],
) -> sqlx::Result<Vec<StoredCount>> {
    let found = sqlx::query!(
        r#"select field_values[$2] as a, field_values[$3] as b, field_values[$4] as c,
            field_values[$5] as d, count(*) as "people!"
        from summary_rows
        where publication_id = $1
        group by a, b, c, d"#,
        publication,
        places[0],
        places[1],
        places[2],
        places[3],
    )
    .fetch_all(db)
    .await?;
    // There is nothing at the place 0.
    let count = |values: [Option<i16>; MOST_PRIVATE_FIELDS], people| StoredCount {
        values: bytes(&values.into_iter().flatten().collect::<Vec<_>>()),
        people,
    };
    Ok(found.into_iter().map(|row| count([row.a, row.b, row.c, row.d], row.people)).collect())
}

/// Rows of a publication in the order of their keys, from after a key.
pub async fn rows(
    db: impl PgExecutor<'_>,
    publication: i32,
    after: Option<[u8; 16]>,
    limit: i64,
) -> sqlx::Result<Vec<StoredRow>> {
    sqlx::query_as!(
        StoredRow,
        r#"select key, field_values, kidney_failure, died, measures as "measures: Vec<Option<f32>>"
        from summary_rows
        where publication_id = $1 and ($2::bytea is null or $2 < key)
        order by key
        limit $3"#,
        publication,
        after.as_ref().map(<[u8; 16]>::as_slice),
        limit,
    )
    .fetch_all(db)
    .await
}

/// A row of a publication, as it is kept.
#[derive(Clone, Debug)]
pub struct StoredRow {
    /// The person's key; it never leaves the server.
    pub key: Vec<u8>,
    /// The places of the values of all fields.
    pub field_values: Vec<i16>,
    /// Whether they reached kidney failure.
    pub kidney_failure: bool,
    /// Whether they died.
    pub died: bool,
    /// The measures.
    pub measures: Vec<Option<f32>>,
}

impl StoredRow {
    /// The places of the values of all fields.
    pub fn values(&self) -> Vec<u8> {
        bytes(&self.field_values)
    }
}

/// Whether this transaction may publish: one at a time does.
pub async fn lead(db: &mut PgConnection) -> sqlx::Result<bool> {
    // A pass over every record takes its time, and sees them all as of one moment.
    sqlx::query!("set transaction isolation level repeatable read").execute(&mut *db).await?;
    sqlx::query!("set local statement_timeout = '15min'").execute(&mut *db).await?;
    let leads = sqlx::query_scalar!(r#"select pg_try_advisory_xact_lock($1) as "leads!""#, LOCK);
    leads.fetch_one(db).await
}

/// The secret of all publications; `fresh` becomes it if there is none yet.
pub async fn secret(db: &mut PgConnection, fresh: &[u8; 32]) -> sqlx::Result<Vec<u8>> {
    sqlx::query!(
        "insert into summary_secrets (secret) values ($1) on conflict do nothing",
        fresh.as_slice(),
    )
    .execute(&mut *db)
    .await?;
    sqlx::query_scalar!("select secret from summary_secrets").fetch_one(db).await
}

/// What the records say of patients, in the order of their ids, from after an id.
pub async fn facts(
    db: &mut PgConnection,
    after: Option<PatientId>,
    limit: i64,
) -> sqlx::Result<Vec<Facts>> {
    sqlx::query_as!(
        Facts,
        r#"select listed.id as "id: PatientId", birth_date, sex as "sex: Sex",
            renal_disease as "renal_disease: RenalDisease", diabetes, latest_egfr as egfr,
            latest_uacr as uacr, risk_5y, risk_category as "risk_category: RiskCategory",
            seen.first_egfr_at, seen.last_value_at,
            case when 3 <= seen.egfrs and interval '1 year' <= seen.last_egfr_at - seen.first_egfr_at
                then seen.egfr_slope end as egfr_slope,
            seen.systolic_bp, seen.haemoglobin, seen.hba1c,
            ended.kidney_failure_on, ended.died_on,
            told.requested_at as told_at, told.kfre_2y, told.kfre_5y, told.network_2y,
            told.network_5y
        from (
            select id, birth_date, sex, renal_disease, diabetes, latest_egfr, latest_uacr, risk_5y,
                risk_category
            from patients
            where ($1::uuid is null or $1 < id) and archived_at is null
            order by id
            limit $2
        ) listed
        left join lateral (
            select min(effective_at) filter (where code = 'egfr') as first_egfr_at,
                max(effective_at) filter (where code = 'egfr') as last_egfr_at,
                count(*) filter (where code = 'egfr') as egfrs,
                max(effective_at) as last_value_at,
                regr_slope(value, extract(epoch from effective_at)::double precision / 31557600)
                    filter (where code = 'egfr') as egfr_slope,
                (array_agg(value order by effective_at desc, id desc)
                    filter (where code = 'systolic_bp'))[1] as systolic_bp,
                (array_agg(value order by effective_at desc, id desc)
                    filter (where code = 'haemoglobin'))[1] as haemoglobin,
                (array_agg(value order by effective_at desc, id desc)
                    filter (where code = 'hba1c'))[1] as hba1c
            from observations
            where patient_id = listed.id and status = 'final'
        ) seen on true
        left join lateral (
            select min(occurred_on) filter (where kind <> 'death') as kidney_failure_on,
                min(occurred_on) filter (where kind = 'death') as died_on
            from outcomes
            where patient_id = listed.id
        ) ended on true
        left join lateral (
            select requested_at,
                (result -> 'kfre' ->> 'risk_2y')::double precision as kfre_2y,
                (result -> 'kfre' ->> 'risk_5y')::double precision as kfre_5y,
                (jsonb_path_query_first(result, '$.risk[*] ? (@.year == 2).probability')
                    )::double precision as network_2y,
                (jsonb_path_query_first(result, '$.risk[*] ? (@.year == 5).probability')
                    )::double precision as network_5y
            from predictions
            where patient_id = listed.id and status = 'succeeded'
                and jsonb_typeof(result -> 'kfre') = 'object'
            order by id
            limit 1
        ) told on true
        order by listed.id"#,
        after as Option<PatientId>,
        limit,
    )
    .fetch_all(db)
    .await
}

/// The latest values in each calendar year of patients from one id to another, in the order of
/// their ids; years before `first_year` are left out.
pub async fn years(
    db: &mut PgConnection,
    first: PatientId,
    last: PatientId,
    first_year: i32,
) -> sqlx::Result<Vec<YearFacts>> {
    sqlx::query_as!(
        YearFacts,
        r#"select patient_id as "patient_id: PatientId",
            extract(year from effective_at at time zone 'utc')::integer as "year!",
            (array_agg(value order by effective_at desc, id desc)
                filter (where code = 'egfr'))[1] as egfr,
            (array_agg(value order by effective_at desc, id desc)
                filter (where code = 'uacr'))[1] as uacr,
            (array_agg(value order by effective_at desc, id desc)
                filter (where code = 'systolic_bp'))[1] as systolic_bp,
            (array_agg(value order by effective_at desc, id desc)
                filter (where code = 'haemoglobin'))[1] as haemoglobin,
            (array_agg(value order by effective_at desc, id desc)
                filter (where code = 'hba1c'))[1] as hba1c
        from observations
        where patient_id between $1 and $2 and status = 'final'
            and make_timestamptz($3, 1, 1, 0, 0, 0, 'utc') <= effective_at
        group by patient_id, extract(year from effective_at at time zone 'utc')
        order by patient_id"#,
        first as PatientId,
        last as PatientId,
        first_year,
    )
    .fetch_all(db)
    .await
}

/// Begins a publication.
pub async fn begin(
    db: &mut PgConnection,
    minimum_cell_size: i32,
    now: DateTime<Utc>,
) -> sqlx::Result<i32> {
    sqlx::query_scalar!(
        "insert into summary_publications
            (published_at, checked_at, minimum_cell_size, people, anonymisation)
        values ($1, $1, $2, 0, '{}')
        returning id",
        now,
        minimum_cell_size,
    )
    .fetch_one(db)
    .await
}

/// Adds rows to a publication.
pub async fn add_rows(db: &mut PgConnection, publication: i32, rows: &[Row]) -> sqlx::Result<()> {
    let mut text = String::new();
    for row in rows {
        let values = joined(row.values.iter().map(|value| Some(*value)));
        let measures = joined(row.measures.iter().map(|value| value.map(|value| value as f32)));
        let (key, failed, died) = (hex::encode(row.key), row.kidney_failure, row.died);
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{publication}\t\\\\x{key}\t{{{values}}}\t{failed}\t{died}\t{{{measures}}}"
        );
    }
    let copy = "copy summary_rows (publication_id, key, field_values, kidney_failure, died, measures) from stdin";
    let mut sink = db.copy_in_raw(copy).await?;
    sink.send(text.into_bytes()).await?;
    sink.finish().await?;
    Ok(())
}

fn joined<T: ToString>(values: impl Iterator<Item = Option<T>>) -> String {
    let text =
        |value: Option<T>| value.map_or_else(|| "null".to_owned(), |value| value.to_string());
    values.map(text).collect::<Vec<_>>().join(",")
}

/// How many people came, went or changed from one publication to another.
pub async fn changed(db: &mut PgConnection, before: i32, after: i32) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "changed!"
        from (select * from summary_rows where publication_id = $1) old
        full join (select * from summary_rows where publication_id = $2) new using (key)
        where (old.field_values, old.kidney_failure, old.died, old.measures)
            is distinct from (new.field_values, new.kidney_failure, new.died, new.measures)"#,
        before,
        after,
    )
    .fetch_one(db)
    .await
}

/// Notes that a publication was compared with the records and stays.
pub async fn keep(db: impl PgExecutor<'_>, id: i32, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query!("update summary_publications set checked_at = $2 where id = $1", id, now)
        .execute(db)
        .await?;
    Ok(())
}

/// Completes a publication, and removes those before `previous`: an export that has begun from the
/// one before still ends.
pub async fn complete(
    db: &mut PgConnection,
    id: i32,
    previous: Option<i32>,
    anonymisation: &Anonymisation,
    performance: &[VoicePerformance],
    cells: &[PublishedCell],
) -> sqlx::Result<()> {
    for some in cells.chunks(1000) {
        let fields: Vec<Value> = some.iter().map(|cell| small(&cell.fields).into()).collect();
        let values: Vec<Value> = some.iter().map(|cell| cell.values.clone().into()).collect();
        let figures: Vec<Json<&SummaryFigures>> =
            some.iter().map(|cell| Json(&cell.figures)).collect();
        // Arrays of arrays of different lengths do not exist: they go as JSON.
        sqlx::query!(
            "insert into summary_cells (publication_id, fields, field_values, figures)
            select $1,
                array(select jsonb_array_elements_text(cell.fields)::smallint),
                array(select jsonb_array_elements_text(cell.field_values)::smallint),
                cell.figures
            from unnest($2::jsonb[], $3::jsonb[], $4::jsonb[]) as cell (fields, field_values, figures)",
            id,
            &fields,
            &values,
            &figures as _,
        )
        .execute(&mut *db)
        .await?;
    }
    let people = anonymisation.kept + anonymisation.left_out;
    sqlx::query!(
        "update summary_publications
        set people = $2, anonymisation = $3, performance = $4
        where id = $1",
        id,
        people.cast_signed(),
        Json(anonymisation) as _,
        Json(performance) as _,
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!("delete from summary_publications where id < $1", previous.unwrap_or_default())
        .execute(db)
        .await?;
    Ok(())
}

fn small(fields: &[usize]) -> Vec<i16> {
    fields.iter().filter_map(|field| i16::try_from(*field).ok()).collect()
}

fn bytes(values: &[i16]) -> Vec<u8> {
    values.iter().filter_map(|value| u8::try_from(*value).ok()).collect()
}
