//! Patients and values from files.

use shared::import::ImportReport;

use super::{Call, Result, query, request};

/// What the server takes a file for.
pub const CSV: &str = "text/csv";
/// The same of a file with a JSON object on each line.
pub const NDJSON: &str = "application/x-ndjson";

/// Looks at every row, and takes those that are sound unless it is a rehearsal. `columns` says what
/// each holds; empty, their heads do.
pub async fn send(
    text: String,
    media_type: &'static str,
    columns: &str,
    dry_run: bool,
) -> Result<ImportReport> {
    let dry_run = if dry_run { "true" } else { "" };
    let query = query(&[("dry_run", dry_run), ("columns", columns)]);
    request(Call::post(format!("/patients/import{query}")).text(text, media_type)).await
}
