//! Kidney biopsies, with the Oxford MEST-C scores of IgA nephropathy.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    id::{BiopsyId, PatientId},
    patient::given,
};

/// A biopsy to record. A score left out is unknown; unknown never becomes 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct NewBiopsy {
    /// The day of the biopsy.
    pub performed_on: NaiveDate,
    /// What the pathologist found.
    #[cfg_attr(feature = "server", schema(min_length = 1, max_length = 500))]
    pub diagnosis: String,
    /// Mesangial hypercellularity, 0 or 1.
    #[serde(default)]
    #[cfg_attr(feature = "server", schema(minimum = 0, maximum = 1))]
    pub m: Option<u8>,
    /// Endocapillary hypercellularity, 0 or 1.
    #[serde(default)]
    #[cfg_attr(feature = "server", schema(minimum = 0, maximum = 1))]
    pub e: Option<u8>,
    /// Segmental sclerosis, 0 or 1.
    #[serde(default)]
    #[cfg_attr(feature = "server", schema(minimum = 0, maximum = 1))]
    pub s: Option<u8>,
    /// Tubular atrophy and interstitial fibrosis, 0 to 2.
    #[serde(default)]
    #[cfg_attr(feature = "server", schema(minimum = 0, maximum = 2))]
    pub t: Option<u8>,
    /// Crescents, 0 to 2.
    #[serde(default)]
    #[cfg_attr(feature = "server", schema(minimum = 0, maximum = 2))]
    pub c: Option<u8>,
}

/// One biopsy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Biopsy {
    /// The biopsy's id.
    pub id: BiopsyId,
    /// Grows by one with every change.
    pub version: i32,
    /// Whose biopsy it is.
    pub patient_id: PatientId,
    /// The day of the biopsy.
    pub performed_on: NaiveDate,
    /// What the pathologist found.
    pub diagnosis: String,
    /// Mesangial hypercellularity, 0 or 1; `null` is unknown.
    pub m: Option<u8>,
    /// Endocapillary hypercellularity, 0 or 1; `null` is unknown.
    pub e: Option<u8>,
    /// Segmental sclerosis, 0 or 1; `null` is unknown.
    pub s: Option<u8>,
    /// Tubular atrophy and interstitial fibrosis, 0 to 2; `null` is unknown.
    pub t: Option<u8>,
    /// Crescents, 0 to 2; `null` is unknown.
    pub c: Option<u8>,
    /// When it was recorded.
    pub created_at: DateTime<Utc>,
}

/// A change of a biopsy: what is left out stays, `null` makes a score unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct BiopsyPatch {
    /// The day of the biopsy.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = NaiveDate, required = false))]
    pub performed_on: Option<NaiveDate>,
    /// What the pathologist found.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = String, required = false, min_length = 1, max_length = 500))]
    pub diagnosis: Option<String>,
    /// Mesangial hypercellularity, 0 or 1.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<u8>, required = false, minimum = 0, maximum = 1))]
    pub m: Option<Option<u8>>,
    /// Endocapillary hypercellularity, 0 or 1.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<u8>, required = false, minimum = 0, maximum = 1))]
    pub e: Option<Option<u8>>,
    /// Segmental sclerosis, 0 or 1.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<u8>, required = false, minimum = 0, maximum = 1))]
    pub s: Option<Option<u8>>,
    /// Tubular atrophy and interstitial fibrosis, 0 to 2.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<u8>, required = false, minimum = 0, maximum = 2))]
    pub t: Option<Option<u8>>,
    /// Crescents, 0 to 2.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<u8>, required = false, minimum = 0, maximum = 2))]
    pub c: Option<Option<u8>>,
}
