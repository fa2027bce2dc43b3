//! Courses of drugs.

use shared::{
    id::{PatientId, TherapyId},
    page::Items,
    therapy::{NewTherapy, Therapy, TherapyPatch},
};

use super::{Call, Result, request};

/// Every course of a patient.
pub async fn list(patient: PatientId) -> Result<Items<Therapy>> {
    request(Call::get(format!("/patients/{patient}/therapies"))).await
}

/// A new course.
pub async fn create(patient: PatientId, new: &NewTherapy) -> Result<Therapy> {
    request(Call::create(format!("/patients/{patient}/therapies"), new)).await
}

/// Changes a course that was read at `version`.
pub async fn update(id: TherapyId, version: i32, patch: &TherapyPatch) -> Result<Therapy> {
    request(Call::patch(format!("/therapies/{id}"), version, patch)).await
}

/// Removes a course that was recorded in error.
pub async fn delete(id: TherapyId, version: i32) -> Result<()> {
    request(Call::delete(format!("/therapies/{id}")).if_match(version)).await
}
