//! A whole record: one's own, and the export of everything that is kept about a patient.

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::header,
    response::IntoResponse,
};
use futures::{Stream, stream};
use serde_json::json;
use shared::{
    access::Permission,
    id::{DocumentId, PatientId, PredictionId},
    page::Page,
    patient::Patient,
    prediction::Prediction,
    record::RecordLine,
};
use sqlx::PgConnection;

use crate::{
    auth::{Allowed, Caller, ReadPatients, ReadPredictions},
    db::{
        self,
        audit::Event,
        observations::{Filter, Position},
    },
    error::{Error, Result},
    extract::{Json, Path, Query, Versioned},
    openapi::Problems,
    routes::{
        patients,
        predictions::{self, PredictionQuery},
    },
    state::AppState,
};

/// How many rows of an export are in memory at once.
const BATCH: i64 = 500;

/// The record that the caller's account is linked to.
fn own(caller: &Caller) -> Result<PatientId> {
    caller.patient_id.ok_or(Error::NotFound("record"))
}

/// Read one's own record, if one's clinic allows it.
#[utoipa::path(get, path = "/api/v1/me/record", tag = "record",
    security(("bearer" = [])),
    responses((status = 200, description = "The record", body = Patient,
        headers(("ETag" = String, description = "Its version"))), Problems))]
pub async fn get_own_record(
    Allowed { caller, .. }: Allowed<ReadPatients>,
    State(state): State<AppState>,
) -> Result<Versioned<Patient>> {
    patients::read(&state, &caller, own(&caller)?).await
}

/// List the predictions in one's own record, newest first.
#[utoipa::path(get, path = "/api/v1/me/record/predictions", tag = "record",
    security(("bearer" = [])), params(PredictionQuery),
    responses((status = 200, description = "A page", body = Page<Prediction>), Problems))]
pub async fn list_own_predictions(
    Allowed { caller, .. }: Allowed<ReadPredictions>,
    State(state): State<AppState>,
    Query(query): Query<PredictionQuery>,
) -> Result<Json<Page<Prediction>>> {
    predictions::list(&state, &caller, own(&caller)?, query).await
}

/// Export everything that is kept in one's own record, and who looked at it.
///
/// One JSON object per line, `{"kind": …, "value": …}`; see the export of a patient's record.
#[utoipa::path(get, path = "/api/v1/me/record/export", tag = "record",
    security(("bearer" = [])),
    responses((status = 200, description = "The lines", body = String,
        content_type = "application/x-ndjson"), Problems))]
pub async fn export_own_record(
    Allowed { caller, .. }: Allowed<ReadPatients>,
    State(state): State<AppState>,
) -> Result<impl IntoResponse> {
    let id = own(&caller)?;
    export(state, caller, id).await
}

/// Export everything that is kept about a patient, and who looked at it.
///
/// One JSON object per line, `{"kind": …, "value": …}`, where the kind is `exported_at`, `patient`,
/// `therapy`, `biopsy`, `outcome`, `observation` (corrected and voided ones included), `document`
/// (what is known of it), `prediction` or `access`, and the value is what the API answers for one
/// elsewhere. Predictions are left out for patients where the site does not show them, and accesses
/// for API tokens.
#[utoipa::path(get, path = "/api/v1/patients/{id}/export", tag = "patients",
    security(("bearer" = [])),
    params(("id" = PatientId, Path, description = "The patient")),
    responses((status = 200, description = "The lines", body = String,
        content_type = "application/x-ndjson"), Problems))]
pub async fn export_patient(
    Allowed { caller, .. }: Allowed<ReadPatients>,
    State(state): State<AppState>,
    Path(id): Path<PatientId>,
) -> Result<impl IntoResponse> {
    export(state, caller, id).await
}

async fn export(state: AppState, caller: Caller, id: PatientId) -> Result<impl IntoResponse> {
    let now = state.clock.now();
    let mut tx = state.begin(&caller).await?;
    let patient = caller.patient(&mut tx, id).await?;
    let with_predictions = caller.allows(Permission::ReadPredictions);
    let event = Event::new("patient.export").object(id.0).patient(id);
    let with_accesses = caller.allows(Permission::ReadAccessLog);
    let details = json!({ "predictions": with_predictions, "accesses": with_accesses });
    let event = event.details(details);
    db::audit::record(&mut tx, &caller.actor(), event, now).await?;
    let mut first = vec![RecordLine::ExportedAt(now), RecordLine::Patient(patient)];
    let therapies = db::therapies::list(&mut *tx, id).await?;
    first.extend(therapies.into_iter().map(RecordLine::Therapy));
    let biopsies = db::biopsies::list(&mut *tx, id).await?;
    first.extend(biopsies.into_iter().map(RecordLine::Biopsy));
    let outcomes = db::outcomes::list(&mut *tx, id).await?;
    first.extend(outcomes.into_iter().map(RecordLine::Outcome));
    tx.commit().await?;
    let headers = [
        (header::CONTENT_TYPE, "application/x-ndjson"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"record.ndjson\""),
    ];
    let reader = Reader { state, caller, id, with_predictions, with_accesses };
    Ok((headers, Body::from_stream(lines(reader, first))))
}

/// Who reads which record on, batch by batch.
struct Reader {
    state: AppState,
    caller: Caller,
    id: PatientId,
    with_predictions: bool,
    with_accesses: bool,
}

/// What of a long record comes next, and after which entry.
enum Next {
    Lines(Vec<RecordLine>),
    Observations(Option<Position>),
    Documents(Option<DocumentId>),
    Predictions(Option<PredictionId>),
    Accesses(Option<i64>),
    Nothing,
}

/// The lines, a batch at a time: whoever reads slowly keeps nothing waiting.
fn lines(reader: Reader, first: Vec<RecordLine>) -> impl Stream<Item = Result<Bytes>> {
    stream::try_unfold((reader, Next::Lines(first)), |(reader, next)| async move {
        let Some((lines, next)) = reader.batch(next).await? else { return Ok(None) };
        let mut text = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut text, &line).map_err(anyhow::Error::from)?;
            text.push(b'\n');
        }
        Ok(Some((Bytes::from(text), (reader, next))))
    })
}

impl Reader {
    /// The lines that come next, and what comes after them.
    async fn batch(&self, next: Next) -> Result<Option<(Vec<RecordLine>, Next)>> {
        if let Next::Lines(lines) = next {
            return Ok(Some((lines, Next::Observations(None))));
        }
        let mut tx = self.state.begin(&self.caller).await?;
        let batch = self.rows(&mut tx, next).await?;
        tx.commit().await?;
        Ok(batch)
    }

    /// Who looked is told to those who may read it elsewhere.
    const fn accesses(&self) -> Next {
        if self.with_accesses { Next::Accesses(None) } else { Next::Nothing }
    }

    async fn rows(
        &self,
        tx: &mut PgConnection,
        next: Next,
    ) -> Result<Option<(Vec<RecordLine>, Next)>> {
        let id = self.id;
        Ok(Some(match next {
            Next::Observations(after) => {
                let rows = db::observations::list(tx, id, Filter::default(), after, BATCH).await?;
                let next = match rows.last() {
                    Some(last) => Next::Observations(Some((last.effective_at, last.id))),
                    None => Next::Documents(None),
                };
                (rows.into_iter().map(RecordLine::Observation).collect(), next)
            }
            Next::Documents(after) => {
                let rows = db::documents::list(tx, id, after, BATCH).await?;
                let next = match rows.last() {
                    Some(last) => Next::Documents(Some(last.id)),
                    None if self.with_predictions => Next::Predictions(None),
                    None => self.accesses(),
                };
                (rows.into_iter().map(RecordLine::Document).collect(), next)
            }
            Next::Predictions(before) => {
                let rows = db::predictions::list(tx, id, before, BATCH).await?;
                let last = rows.last().map(|last| Next::Predictions(Some(last.id)));
                let lines = rows.into_iter().map(Box::new).map(RecordLine::Prediction);
                (lines.collect(), last.unwrap_or_else(|| self.accesses()))
            }
            Next::Accesses(before) => {
                let rows = db::audit::accesses(tx, id, before, BATCH).await?;
                let last = rows.last().map(|last| Next::Accesses(Some(last.id)));
                let lines = rows.into_iter().map(RecordLine::Access).collect();
                (lines, last.unwrap_or(Next::Nothing))
            }
            Next::Lines(_) | Next::Nothing => return Ok(None),
        }))
    }
}
