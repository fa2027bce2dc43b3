//! Summaries: what researchers ask of a publication, and take away from it. Each pull is on record
//! with its question.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::header,
    response::IntoResponse,
};
use futures::{Stream, TryStreamExt, stream};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::summary::{
    CohortSummary, ExportReport, FieldTreatment, MOST_FIELDS, ModelPerformance, Publication,
    ROUNDED_TO, RiskDistribution,
};
use sqlx::PgConnection;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    task::spawn_blocking,
};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::{
    auth::{Allowed, Caller, ReadSummaries, Shown},
    db::{
        self,
        audit::Event,
        summaries::{Latest, StoredRow},
    },
    error::{Error, Result},
    extract::{Json, Query},
    openapi::Problems,
    state::AppState,
    summaries::{
        anonymity::{QUASI_IDENTIFIERS, words},
        export::{Anonymiser, ExportRow},
        format::{Format, Writer},
        question::{Question, StoredCell, SummaryQuery, published_in},
    },
};

/// How many rows of an export are in memory at once.
const BATCH: i64 = 5000;
/// How many exports there may be at a time.
static EXPORTS: Semaphore = Semaphore::const_new(4);

/// Count and measure the population by up to three fields.
///
/// A question picks cells of the current publication, which counted all of them at once: groups of
/// fewer people than the minimum are withheld, and others that would give them away; counts are
/// perturbed, the same way for the same people, and rounded. Asking again answers the same.
#[utoipa::path(get, path = "/api/v1/summaries/cohort", tag = "summaries",
    security(("bearer" = [])), params(SummaryQuery),
    responses((status = 200, description = "The groups", body = CohortSummary), Problems))]
pub async fn get_cohort(
    Allowed { caller, .. }: Allowed<ReadSummaries>,
    State(state): State<AppState>,
    Query(query): Query<SummaryQuery>,
) -> Result<Json<CohortSummary>> {
    let (publication, question, cells) = pick(&state, &caller, |year| {
        let question = Question::new(&query, MOST_FIELDS, year)?;
        let fields = question.fields();
        Ok((question, fields))
    })
    .await?;
    let details = json!({ "question": query.asked(), "publication": publication.id });
    state.record_look(&caller, Event::new("summary.read").details(details)).await?;
    Ok(Json(question.cohort(publication, cells)))
}

/// Show how the 5-year risk of kidney failure is distributed, by up to two fields.
#[utoipa::path(get, path = "/api/v1/summaries/risk-distribution", tag = "summaries",
    security(("bearer" = [])), params(SummaryQuery),
    responses((status = 200, description = "The histograms", body = RiskDistribution), Problems))]
pub async fn get_risk_distribution(
    Allowed { caller, .. }: Allowed<ReadSummaries>,
    State(state): State<AppState>,
    Query(query): Query<SummaryQuery>,
) -> Result<Json<RiskDistribution>> {
    let (publication, question, cells) = pick(&state, &caller, |year| {
        let question = Question::of_risk(&query, year)?;
        let fields = question.fields_with_bars();
        Ok((question, fields))
    })
    .await?;
    let details = json!({ "question": query.asked(), "publication": publication.id });
    state.record_look(&caller, Event::new("summary.read").details(details)).await?;
    Ok(Json(question.histograms(publication, cells)))
}

/// Show how the population changed from calendar year to calendar year, by up to two fields.
///
/// Everybody counts in each year of which the record holds a value or an end point, with the age
/// and the latest values of that year. Each year is a group of its own.
#[utoipa::path(get, path = "/api/v1/summaries/trends", tag = "summaries",
    security(("bearer" = [])), params(SummaryQuery),
    responses((status = 200, description = "The years", body = CohortSummary), Problems))]
pub async fn get_trends(
    Allowed { caller, .. }: Allowed<ReadSummaries>,
    State(state): State<AppState>,
    Query(query): Query<SummaryQuery>,
) -> Result<Json<CohortSummary>> {
    let (publication, question, cells) = pick(&state, &caller, |year| {
        let question = Question::of_trend(&query, year)?;
        let fields = question.fields_with_years();
        Ok((question, fields))
    })
    .await?;
    let details =
        json!({ "trend": true, "question": query.asked(), "publication": publication.id });
    state.record_look(&caller, Event::new("summary.read").details(details)).await?;
    Ok(Json(question.trend(publication, cells)))
}

/// Compare the risks that were told with what happened since.
///
/// Of everybody the first answer in which both voices spoke: how well they told who would reach
/// kidney failure within 2 and 5 years, and how many would.
#[utoipa::path(get, path = "/api/v1/summaries/model-performance", tag = "summaries",
    security(("bearer" = [])),
    responses((status = 200, description = "The comparison", body = ModelPerformance), Problems))]
pub async fn get_model_performance(
    Allowed { caller, .. }: Allowed<ReadSummaries>,
    State(state): State<AppState>,
) -> Result<Json<ModelPerformance>> {
    let mut tx = state.begin(&caller).await?;
    let found = latest(&mut tx).await?;
    let publication = found.shown();
    let voices = found.performance.ok_or(Error::NotFound("comparison yet"))?.0;
    let details = json!({ "model_performance": true, "publication": publication.id });
    record(&mut tx, &caller, &state, "summary.read", details).await?;
    tx.commit().await?;
    Ok(Json(ModelPerformance { publication, voices }))
}

/// What to export.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExportQuery {
    /// The file's format.
    #[serde(default)]
    #[param(inline, default = "csv")]
    pub format: Format,
}

/// Export the population row by row, without identity.
///
/// k-anonymous by sex, age band, cause, diabetes and year: made coarser for everybody alike, and
/// whoever still stands out is left out; `/summaries/export-report` says what was done. Pseudonyms
/// differ from token to token.
#[utoipa::path(get, path = "/api/v1/summaries/export", tag = "summaries",
    security(("bearer" = [])), params(ExportQuery),
    responses((status = 200, description = "The rows", content(
        (String = "text/csv"), (ExportRow<'static> = "application/x-ndjson"),
        (String = "application/vnd.apache.parquet"))), Problems))]
pub async fn export_rows(
    Allowed { caller, .. }: Allowed<ReadSummaries>,
    State(state): State<AppState>,
    Query(ExportQuery { format }): Query<ExportQuery>,
) -> Result<impl IntoResponse> {
    let place = EXPORTS.try_acquire();
    let place = place.map_err(|_| Error::Unavailable(anyhow::anyhow!("many exports run")))?;
    let mut tx = state.begin(&caller).await?;
    let publication = latest(&mut tx).await?;
    let details = json!({ "format": format, "publication": publication.id });
    record(&mut tx, &caller, &state, "summary.export", details).await?;
    tx.commit().await?;
    let pull = Pull::new(state, caller, &publication, format, place)?;
    let headers = [
        (header::CONTENT_TYPE, format.media_type()),
        (header::CONTENT_DISPOSITION, format.disposition()),
    ];
    Ok((headers, Body::from_stream(pull.pieces())))
}

/// Say what was done to the rows of an export, and how many people were left out.
#[utoipa::path(get, path = "/api/v1/summaries/export-report", tag = "summaries",
    security(("bearer" = [])),
    responses((status = 200, description = "The report", body = ExportReport), Problems))]
pub async fn get_export_report(
    Allowed { caller, .. }: Allowed<ReadSummaries>,
    State(state): State<AppState>,
) -> Result<Json<ExportReport>> {
    let mut tx = state.begin(&caller).await?;
    let found = latest(&mut tx).await?;
    let details = json!({ "report": true, "publication": found.id });
    record(&mut tx, &caller, &state, "summary.read", details).await?;
    tx.commit().await?;
    let decided = &found.anonymisation.0;
    let rounded = |people: u32| (people / ROUNDED_TO * ROUNDED_TO).cast_signed();
    let fields = QUASI_IDENTIFIERS.iter().enumerate().map(|(place, field)| FieldTreatment {
        field: *field,
        treatment: words(place, decided.levels),
    });
    Ok(Json(ExportReport {
        publication: found.shown(),
        k: decided.k.cast_signed(),
        fields: fields.collect(),
        rows: rounded(decided.kept),
        left_out: rounded(decided.left_out),
    }))
}

/// The cells that a question picks of the current publication, in the year of which it was made.
async fn pick(
    state: &AppState,
    caller: &Caller,
    ask: impl Fn(i32) -> Result<(Question, Vec<usize>)> + Copy,
) -> Result<(Publication, Question, Vec<StoredCell>)> {
    let (sight, now) = (caller.sight(), state.clock.now());
    let picked = state.reads.read(|db| async move {
        let mut tx = db::walls::begin(&db, sight, now).await?;
        let publication = latest(&mut tx).await?.shown();
        let (question, fields) = ask(published_in(&publication))?;
        let cells = db::summaries::cells(&mut *tx, publication.id, &fields).await?;
        tx.commit().await?;
        Ok((publication, question, cells))
    });
    picked.await
}

/// The publication that answers now.
pub async fn latest(tx: &mut PgConnection) -> Result<Latest> {
    db::summaries::latest(tx).await?.ok_or(Error::NotFound("publication yet"))
}

/// Puts a pull on record.
pub async fn record(
    tx: &mut PgConnection,
    caller: &Caller,
    state: &AppState,
    action: &'static str,
    details: Value,
) -> Result<()> {
    let event = Event::new(action).details(details);
    Ok(db::audit::record(tx, &caller.actor(), event, state.clock.now()).await?)
}

/// An export that is under way.
struct Pull {
    state: AppState,
    caller: Caller,
    publication: i32,
    anonymiser: Arc<Anonymiser>,
    writer: Writer,
    /// The rows that are to be written next.
    stored: Vec<StoredRow>,
    /// Given back when the last piece is out, or nobody waits for it.
    _place: SemaphorePermit<'static>,
}

impl Pull {
    fn new(
        state: AppState,
        caller: Caller,
        publication: &Latest,
        format: Format,
        place: SemaphorePermit<'static>,
    ) -> Result<Self> {
        let reader: Uuid = match caller.shown {
            Shown::Token { id, .. } => id.0,
            Shown::Session(_) => caller.user_id.0,
        };
        let decided = Arc::new(publication.anonymisation.0.clone());
        let year = published_in(&publication.shown());
        Ok(Self {
            state,
            caller,
            publication: publication.id,
            anonymiser: Arc::new(Anonymiser::new(decided, year, reader)),
            writer: Writer::new(format)?,
            stored: Vec::new(),
            _place: place,
        })
    }

    /// The pieces of the file: while one is made, the rows of the next are read.
    fn pieces(self) -> impl Stream<Item = anyhow::Result<Bytes>> {
        stream::once(self.begin()).try_flatten()
    }

    async fn begin(mut self) -> anyhow::Result<impl Stream<Item = anyhow::Result<Bytes>>> {
        self.stored = rows(&self.state, &self.caller, self.publication, None).await?;
        Ok(stream::try_unfold(Some(self), |pull| async move {
            let Some(pull) = pull else { return Ok(None) };
            let Some(last) = pull.stored.last() else {
                return Ok(Some((pull.writer.end()?, None)));
            };
            let after: [u8; 16] = last.key.as_slice().try_into()?;
            let (state, caller, publication) =
                (pull.state.clone(), pull.caller.clone(), pull.publication);
            let next = rows(&state, &caller, publication, Some(after));
            let written = async { spawn_blocking(move || pull.write()).await? };
            let ((piece, mut pull), next) = tokio::try_join!(written, next)?;
            pull.stored = next;
            Ok(Some((piece, Some(pull))))
        }))
    }

    fn write(mut self) -> anyhow::Result<(Bytes, Self)> {
        let rows = self.anonymiser.rows(&self.stored);
        Ok((self.writer.write(&rows)?, self))
    }
}

/// The rows after a key, as the caller may read them.
async fn rows(
    state: &AppState,
    caller: &Caller,
    publication: i32,
    after: Option<[u8; 16]>,
) -> anyhow::Result<Vec<StoredRow>> {
    let (sight, now) = (caller.sight(), state.clock.now());
    let rows = state.reads.read(|db| async move {
        let mut tx = db::walls::begin(&db, sight, now).await?;
        // A file that only seems to be whole would be worse than none.
        if !db::summaries::is_kept(&mut *tx, publication).await? {
            return Err(Error::NotFound("publication any more"));
        }
        let rows = db::summaries::rows(&mut *tx, publication, after, BATCH).await?;
        tx.commit().await?;
        Ok(rows)
    });
    rows.await.map_err(anyhow::Error::new)
}
