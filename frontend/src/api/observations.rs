//! Laboratory values and measurements.

use shared::{
    id::{ObservationId, PatientId},
    observation::{NewObservations, Observation, ObservationCorrection, ObservationVoid},
    page::{Items, MAX_LIMIT, Page},
};

use super::{Call, Result, query, request};

/// Which values to list. Empty text means all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// One code, as on the wire (`egfr`, `creatinine`, …).
    pub code: String,
    /// Not before this RFC 3339 time.
    pub from: String,
    /// Before this RFC 3339 time.
    pub to: String,
    /// Where the previous page ended.
    pub cursor: String,
}

/// One page of a patient's values, as large as a page may be.
pub async fn list(patient: PatientId, wanted: &ListQuery) -> Result<Page<Observation>> {
    let limit = MAX_LIMIT.to_string();
    let parameters = query(&[
        ("code", &wanted.code),
        ("from", &wanted.from),
        ("to", &wanted.to),
        ("cursor", &wanted.cursor),
        ("limit", &limit),
    ]);
    request(Call::get(format!("/patients/{patient}/observations{parameters}"))).await
}

/// Records values: all of them, or none. Computed values (eGFR) are among the items.
pub async fn create(patient: PatientId, new: &NewObservations) -> Result<Items<Observation>> {
    request(Call::create(format!("/patients/{patient}/observations"), new)).await
}

/// Puts the right value in place of a wrong one; the wrong one stays, marked.
pub async fn correct(id: ObservationId, right: &ObservationCorrection) -> Result<Observation> {
    request(Call::create(format!("/observations/{id}/correct"), right)).await
}

/// Takes out a value that was entered in error; it stays, marked.
pub async fn void(id: ObservationId, why: &ObservationVoid) -> Result<Observation> {
    request(Call::post(format!("/observations/{id}/void")).json(why)).await
}
