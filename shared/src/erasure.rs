//! Archived records, and how long they are kept before it may be taken out of them whose they were.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::id::PatientId;

/// A record that is out of use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ArchivedRecord {
    /// The patient.
    pub patient_id: PatientId,
    /// The medical record number; after the erasure one that was made up.
    pub mrn: String,
    /// The patient's name; after the erasure none.
    pub patient_name: String,
    /// When the record was archived.
    pub archived_at: DateTime<Utc>,
    /// Until when it has to be kept, by the site's settings as they are now.
    pub keep_until: DateTime<Utc>,
    /// When it was erased.
    pub erased_at: Option<DateTime<Utc>>,
    /// The name of whoever erased it.
    pub erased_by: Option<String>,
    /// Why it was erased.
    pub reason: Option<String>,
}

/// An erasure, which nobody can take back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct NewErasure {
    /// The medical record number once more, exactly, so that the right record is erased.
    #[cfg_attr(feature = "server", schema(min_length = 1, max_length = 64))]
    pub mrn: String,
    /// Why, such as the number of the request: it stays, so it says nothing about the person.
    #[cfg_attr(feature = "server", schema(min_length = 1, max_length = 500))]
    pub reason: String,
}
