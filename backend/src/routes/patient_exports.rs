//! The patient list as a file, for a spreadsheet.

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::header,
    response::IntoResponse,
};
use chrono::{DateTime, NaiveDate, Utc};
use futures::{Stream, stream};
use serde::Serialize;
use serde_json::json;
use shared::{
    patient::{LatestValue, PatientListItem, PatientSort, Sex},
    phrase,
    prediction::{RiskCategory, RiskSource},
    worklist::{Direction, Due},
};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{
    auth::{Allowed, Caller, ListPatients},
    db::{self, audit::Event, patient_list::Position},
    error::{Error, Result},
    extract::Query,
    input::Faults,
    openapi::Problems,
    routes::patients::PatientQuery,
    state::AppState,
};

/// How many lines are in memory at once, and named in one audit entry.
const BATCH: i64 = 500;
/// How many exports there may be at a time.
static EXPORTS: Semaphore = Semaphore::const_new(4);

/// Export the patient list as CSV: every line of the view, in its order.
///
/// The filters and `sort` are those of the list; `cursor` and `limit` do not apply. Text that a
/// spreadsheet would take for a formula begins with an apostrophe. The file is read in steps: a
/// record that moves in the order meanwhile may be missing or there twice.
#[utoipa::path(get, path = "/api/v1/patients/export", tag = "patients",
    security(("bearer" = [])), params(PatientQuery),
    responses((status = 200, description = "The lines, with a head", body = String,
        content_type = "text/csv"), Problems))]
pub async fn export_patients(
    Allowed { caller, .. }: Allowed<ListPatients>,
    State(state): State<AppState>,
    Query(query): Query<PatientQuery>,
) -> Result<impl IntoResponse> {
    let mut faults = Faults::default();
    for (pointer, given) in [("/cursor", query.cursor.is_some()), ("/limit", query.limit.is_some())]
    {
        if given {
            faults.add(pointer, phrase!("does not apply: an export is not divided into pages"));
        }
    }
    faults.refuse()?;
    let place = EXPORTS.try_acquire();
    let place = place.map_err(|_| Error::Unavailable(anyhow::anyhow!("many exports run")))?;
    // The first lines are read before anything is answered, so that a failure is one.
    let mut export = Export { state, caller, query, after: None, lines: 0, _place: place };
    let first = export.batch().await?;
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8; header=present"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"patients.csv\""),
    ];
    Ok((headers, Body::from_stream(export.pieces(first))))
}

/// An export that is under way.
struct Export {
    state: AppState,
    caller: Caller,
    query: PatientQuery,
    after: Option<Position>,
    /// How many lines are out.
    lines: usize,
    /// Given back when the last piece is out, or nobody waits for it.
    _place: SemaphorePermit<'static>,
}

/// A piece of the file, and whether there may be more after it.
struct Piece {
    text: Bytes,
    more: bool,
}

impl Export {
    fn pieces(self, first: Piece) -> impl Stream<Item = Result<Bytes>> {
        stream::try_unfold((self, Some(first)), |(mut export, piece)| async move {
            let Some(piece) = piece else { return Ok(None) };
            let next = if piece.more { Some(export.batch().await?) } else { None };
            Ok(Some((piece.text, (export, next))))
        })
    }

    /// The next lines, once the look at them is on record.
    async fn batch(&mut self) -> Result<Piece> {
        let sort = self.query.sort.unwrap_or_default();
        let (filter, after) = (self.query.filter(&self.caller), self.after.take());
        let mut reading = self.state.reading(&self.caller).await?;
        let found =
            db::patient_list::find(&mut reading, &filter, sort, after.as_ref(), BATCH).await?;
        self.after = found.last().map(|last| last.position(sort));
        let more = i64::try_from(found.len()) == Ok(BATCH);
        let lines =
            db::patient_lines::shown(&mut reading, &found, self.caller.at.date_naive()).await?;
        reading.end().await?;
        self.record(sort, &lines).await?;
        let text = written(&lines, self.lines == 0, self.caller.at)?;
        self.lines += lines.len();
        Ok(Piece { text, more })
    }

    async fn record(&self, sort: PatientSort, lines: &[PatientListItem]) -> Result<()> {
        let shown: Vec<_> = lines.iter().map(|line| line.id).collect();
        let event = Event::new("patient.export_list").details(json!({
            "filter": self.query.wanted(),
            "archived": self.query.archived,
            "without_care_team": self.query.without_care_team,
            "sort": sort,
            "lines_before": self.lines,
            "patients": shown,
        }));
        self.state.record_look(&self.caller, event).await
    }
}

/// One line of the file.
#[derive(Debug, Serialize)]
struct Row<'a> {
    mrn: String,
    family_name: String,
    given_name: String,
    birth_date: NaiveDate,
    sex: Sex,
    kdigo_g: Option<&'static str>,
    kdigo_a: Option<&'static str>,
    egfr: Option<f64>,
    egfr_at: Option<DateTime<Utc>>,
    uacr_mg_g: Option<f64>,
    uacr_at: Option<DateTime<Utc>>,
    risk_2y: Option<f64>,
    risk_5y: Option<f64>,
    risk_category: Option<RiskCategory>,
    risk_source: Option<RiskSource>,
    predicted_at: Option<DateTime<Utc>>,
    risk_trend: Option<Direction>,
    rapid_progression: bool,
    days_since_last_value: Option<i64>,
    monitoring_due_on: Option<NaiveDate>,
    due: String,
    id: &'a shared::id::PatientId,
}

impl<'a> Row<'a> {
    fn new(line: &'a PatientListItem, now: DateTime<Utc>) -> Self {
        let value = |of: &Option<LatestValue>| of.as_ref().map(|value| value.value);
        let at = |of: &Option<LatestValue>| of.as_ref().map(|value| value.effective_at);
        let risk = line.risk.as_ref();
        let days = |at: DateTime<Utc>| (now.date_naive() - at.date_naive()).num_days();
        Self {
            mrn: harmless(&line.mrn),
            family_name: harmless(&line.family_name),
            given_name: harmless(&line.given_name),
            birth_date: line.birth_date,
            sex: line.sex,
            kdigo_g: line.kdigo.map(|kdigo| kdigo.g.label()),
            kdigo_a: line.kdigo.and_then(|kdigo| Some(kdigo.a?.label())),
            egfr: value(&line.egfr),
            egfr_at: at(&line.egfr),
            uacr_mg_g: value(&line.uacr),
            uacr_at: at(&line.uacr),
            risk_2y: risk.map(|risk| risk.risk_2y),
            risk_5y: risk.map(|risk| risk.risk_5y),
            risk_category: risk.map(|risk| risk.category),
            risk_source: risk.map(|risk| risk.source),
            predicted_at: risk.map(|risk| risk.predicted_at),
            risk_trend: line.risk_trend.map(|trend| trend.direction),
            rapid_progression: line.rapid_progression,
            days_since_last_value: line.last_value_at.map(days),
            monitoring_due_on: line.monitoring_due_on,
            due: line.due.iter().map(Due::as_str).collect::<Vec<_>>().join(" "),
            id: &line.id,
        }
    }
}

/// Text that no spreadsheet takes for a formula (OWASP, "CSV Injection").
fn harmless(text: &str) -> String {
    let begins = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    if begins { format!("'{text}") } else { text.to_owned() }
}

fn written(lines: &[PatientListItem], head: bool, now: DateTime<Utc>) -> Result<Bytes> {
    let mut csv = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    let broken = |error: csv::Error| Error::Internal(error.into());
    if head {
        csv.write_record(HEAD).map_err(broken)?;
    }
    for line in lines {
        csv.serialize(Row::new(line, now)).map_err(broken)?;
    }
    let text = csv.into_inner().map_err(|error| Error::Internal(error.into_error().into()))?;
    Ok(Bytes::from(text))
}

/// The names of [`Row`]'s fields: a list without lines has its head too.
const HEAD: [&str; 22] = [
    "mrn",
    "family_name",
    "given_name",
    "birth_date",
    "sex",
    "kdigo_g",
    "kdigo_a",
    "egfr",
    "egfr_at",
    "uacr_mg_g",
    "uacr_at",
    "risk_2y",
    "risk_5y",
    "risk_category",
    "risk_source",
    "predicted_at",
    "risk_trend",
    "rapid_progression",
    "days_since_last_value",
    "monitoring_due_on",
    "due",
    "id",
];
