//! Recorded end points.

use shared::{
    id::PatientId,
    outcome::{NewOutcome, Outcome},
    page::Items,
};

use super::{Call, Result, request};

/// Every end point of a patient.
pub async fn list(patient: PatientId) -> Result<Items<Outcome>> {
    request(Call::get(format!("/patients/{patient}/outcomes"))).await
}

/// Records an end point.
pub async fn create(patient: PatientId, new: &NewOutcome) -> Result<Outcome> {
    request(Call::create(format!("/patients/{patient}/outcomes"), new)).await
}
