//! Erasure: an archived record that no longer has to be kept becomes nobody's.

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::json;
use shared::{
    erasure::{ArchivedRecord, NewErasure},
    id::PatientId,
    page::Page,
    phrase,
};
use utoipa::IntoParams;

use crate::{
    auth::{Allowed, EraseRecords},
    db::{self, audit::Event},
    error::{Error, Result},
    extract::{Json, Path, Query},
    input::{Faults, is_storable},
    openapi::Problems,
    page,
    state::AppState,
};

/// The most characters of a medical record number.
const MRN: usize = 64;
/// The most characters of a reason.
const REASON: usize = 500;

/// Which archived records to list.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ArchivedQuery {
    /// Those that were erased, instead of those that were not.
    pub erased: Option<bool>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Items per page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<u32>,
}

/// List archived records with the day until which each has to be kept, the longest archived first.
#[utoipa::path(get, path = "/api/v1/archived-records", tag = "erasure",
    security(("bearer" = [])), params(ArchivedQuery),
    responses((status = 200, description = "A page", body = Page<ArchivedRecord>), Problems))]
pub async fn list_archived_records(
    Allowed { caller, .. }: Allowed<EraseRecords>,
    State(state): State<AppState>,
    Query(query): Query<ArchivedQuery>,
) -> Result<Json<Page<ArchivedRecord>>> {
    let limit = page::limit(query.limit)?;
    let after = match page::position::<(DateTime<Utc>, PatientId)>(query.cursor.as_deref())? {
        Some((at, _)) if !is_storable(at) => return Err(page::bad_cursor()),
        after => after,
    };
    let mut tx = state.begin(&caller).await?;
    let erased = query.erased.unwrap_or(false);
    let found = db::erasures::list(&mut *tx, erased, after, page::rows(limit)).await?;
    let page = page::page(found, limit, |last| (last.archived_at, last.patient_id))?;
    tx.commit().await?;
    let shown: Vec<_> = page.items.iter().map(|item| item.patient_id).collect();
    let event = Event::new("patient.list_archived").details(json!({ "patients": shown }));
    state.record_look(&caller, event).await?;
    Ok(Json(page))
}

/// Erase an archived record: what tells whose it was goes, for good; what was measured stays.
///
/// Names, number, day of birth (but for the year), notes and other text, documents, care team and
/// the patient's own account are gone at once. The audit log keeps who did what, as the law asks.
#[utoipa::path(post, path = "/api/v1/patients/{id}/erase", tag = "erasure",
    security(("bearer" = [])),
    params(("id" = PatientId, Path, description = "The patient")),
    request_body = NewErasure,
    responses((status = 200, description = "What is left", body = ArchivedRecord), Problems))]
pub async fn erase_patient(
    Allowed { caller, .. }: Allowed<EraseRecords>,
    State(state): State<AppState>,
    Path(id): Path<PatientId>,
    Json(new): Json<NewErasure>,
) -> Result<Json<ArchivedRecord>> {
    let wanted = checked(&new)?;
    let now = state.clock.now();
    let mut tx = state.begin(&caller).await?;
    caller.patient_locked(&mut tx, id).await?;
    may_be_erased(db::erasures::find(&mut *tx, id).await?, &wanted, now)?;
    let (by, reason) = (caller.user_id, wanted.reason.as_str());
    let contents = db::erasures::erase(&mut tx, id, by, reason, now).await?;
    let left = db::erasures::find(&mut *tx, id).await?.ok_or(Error::NotFound("patient"))?;
    let event = Event::new("patient.erase").object(id.0).patient(id);
    let event = event.details(json!({ "reason": reason, "documents": contents.len() }));
    db::audit::record(&mut tx, &caller.actor(), event, now).await?;
    tx.commit().await?;
    for content in contents {
        if let Err(error) = state.documents.remove(content).await {
            // It belongs to nothing any more: the sweep tries again.
            tracing::warn!(error = format!("{error:#}"), "an erased document is still there");
        }
    }
    Ok(Json(left))
}

fn checked(new: &NewErasure) -> Result<NewErasure> {
    let mut faults = Faults::default();
    let mrn = faults.line("/mrn", &new.mrn, MRN);
    let reason = faults.text("/reason", &new.reason, REASON);
    faults.refuse()?;
    Ok(NewErasure { mrn, reason })
}

fn may_be_erased(
    found: Option<ArchivedRecord>,
    wanted: &NewErasure,
    now: DateTime<Utc>,
) -> Result<()> {
    let refused = |why: String| Err(Error::Conflict(why));
    let Some(record) = found else {
        return refused("the record is in use; a clinician archives it first".to_owned());
    };
    if record.erased_at.is_some() {
        return refused("the record was erased already".to_owned());
    }
    if now < record.keep_until {
        let day = record.keep_until.date_naive();
        return refused(format!("the record has to be kept until {day} by the site's settings"));
    }
    if record.mrn != wanted.mrn {
        return Err(Error::field("/mrn", phrase!("is not the number of this record")));
    }
    Ok(())
}
