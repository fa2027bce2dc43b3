//! Kidney biopsies.

use shared::{
    biopsy::{Biopsy, BiopsyPatch, NewBiopsy},
    id::{BiopsyId, PatientId},
    page::Items,
};

use super::{Call, Result, request};

/// Every biopsy of a patient.
pub async fn list(patient: PatientId) -> Result<Items<Biopsy>> {
    request(Call::get(format!("/patients/{patient}/biopsies"))).await
}

/// A new biopsy.
pub async fn create(patient: PatientId, new: &NewBiopsy) -> Result<Biopsy> {
    request(Call::create(format!("/patients/{patient}/biopsies"), new)).await
}

/// Changes a biopsy that was read at `version`.
pub async fn update(id: BiopsyId, version: i32, patch: &BiopsyPatch) -> Result<Biopsy> {
    request(Call::patch(format!("/biopsies/{id}"), version, patch)).await
}

/// Removes a biopsy that was recorded in error.
pub async fn delete(id: BiopsyId, version: i32) -> Result<()> {
    request(Call::delete(format!("/biopsies/{id}")).if_match(version)).await
}
