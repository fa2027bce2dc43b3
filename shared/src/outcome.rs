//! End points: what predictions are about, recorded when they happen.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::id::{OutcomeId, PatientId};

/// The kind of end point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema, sqlx::Type))]
#[cfg_attr(feature = "server", sqlx(type_name = "text", rename_all = "snake_case"))]
pub enum OutcomeKind {
    /// Chronic dialysis begins.
    Dialysis,
    /// Kidney transplantation.
    Transplant,
    /// Death.
    Death,
}

impl OutcomeKind {
    /// The end point's name, for people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Dialysis => phrase!("Dialysis"),
            Self::Transplant => phrase!("Kidney transplant"),
            Self::Death => phrase!("Death"),
        }
    }
}

/// An end point to record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct NewOutcome {
    /// What happened.
    pub kind: OutcomeKind,
    /// When it happened.
    pub occurred_on: NaiveDate,
}

/// One recorded end point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Outcome {
    /// The end point's id.
    pub id: OutcomeId,
    /// Whose it is.
    pub patient_id: PatientId,
    /// What happened.
    pub kind: OutcomeKind,
    /// When it happened.
    pub occurred_on: NaiveDate,
    /// When it was recorded.
    pub created_at: DateTime<Utc>,
}
