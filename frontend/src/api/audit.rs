//! The audit log.

use shared::{
    audit::{AccessEvent, AuditEvent, AuditVerification},
    id::PatientId,
    page::Page,
};

use super::{Call, Result, download, query, request};

/// Which entries to list. Empty text means any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// An account's e-mail address or id.
    pub actor: String,
    /// A patient's id.
    pub patient: String,
    /// An action, or a noun for all of its actions.
    pub action: String,
    /// `success`, `refused` or `failure`.
    pub outcome: String,
    /// `true` for what was done in an emergency, `false` for all else.
    pub emergency: String,
    /// Not before this time, RFC 3339.
    pub from: String,
    /// Before this time, RFC 3339.
    pub to: String,
    /// Where the previous page ended.
    pub cursor: String,
}

/// One page of the log, the newest entries first.
pub async fn list(wanted: &ListQuery) -> Result<Page<AuditEvent>> {
    let query = query(&[
        ("actor", &wanted.actor),
        ("patient", &wanted.patient),
        ("action", &wanted.action),
        ("outcome", &wanted.outcome),
        ("emergency", &wanted.emergency),
        ("from", &wanted.from),
        ("to", &wanted.to),
        ("cursor", &wanted.cursor),
    ]);
    request(Call::get(format!("/audit-events{query}"))).await
}

/// Who looked at a record or changed it, the newest first.
pub async fn accesses(patient: PatientId, cursor: &str) -> Result<Page<AccessEvent>> {
    let query = query(&[("cursor", cursor)]);
    request(Call::get(format!("/patients/{patient}/audit-events{query}"))).await
}

/// Whether the log is whole.
pub async fn verify() -> Result<AuditVerification> {
    request(Call::get("/audit-events/verify")).await
}

/// Saves the log as a file.
pub async fn export(from: &str, to: &str) -> Result<()> {
    let query = query(&[("from", from), ("to", to)]);
    download(&Call::get(format!("/audit-events/export{query}")), "audit-events.ndjson").await
}
