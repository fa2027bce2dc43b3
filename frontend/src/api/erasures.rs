//! Archived records, and erasing them.

use shared::{
    erasure::{ArchivedRecord, NewErasure},
    id::PatientId,
    page::Page,
};

use super::{Call, Result, query, request};

/// Archived records, the longest archived first: those that are erased, or those that are not.
pub async fn list(erased: bool, cursor: &str) -> Result<Page<ArchivedRecord>> {
    let erased = if erased { "true" } else { "false" };
    let query = query(&[("erased", erased), ("cursor", cursor)]);
    request(Call::get(format!("/archived-records{query}"))).await
}

/// Takes out of a record, for good, whose it was.
pub async fn erase(id: PatientId, new: &NewErasure) -> Result<ArchivedRecord> {
    request(Call::post(format!("/patients/{id}/erase")).json(new)).await
}
