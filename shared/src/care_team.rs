//! Care teams: who cares for a patient, and who opened a record in an emergency.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::id::{EmergencyAccessId, PatientId, UserId};

/// Somebody who cares for a patient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct CareTeamMember {
    /// The account.
    pub user_id: UserId,
    /// Its name.
    pub display_name: String,
    /// Whether the account is open and still a clinician's; one that is not sees nothing.
    pub active: bool,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Who added them; `null` where that was before there were teams.
    pub added_by: Option<String>,
}

/// A patient's care team.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct CareTeam {
    /// Its members, the longest first.
    pub members: Vec<CareTeamMember>,
    /// Whether the caller may change it.
    pub may_change: bool,
}

/// Somebody to share a patient's care with, or to hand it over to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct NewCareTeamMember {
    /// The colleague; `GET /colleagues` finds them.
    pub user_id: UserId,
}

/// A clinician with an open account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Colleague {
    /// The account.
    pub id: UserId,
    /// Its name.
    pub display_name: String,
}

/// A record to open in an emergency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct NewEmergencyAccess {
    /// The patient's medical record number, exactly.
    #[cfg_attr(feature = "server", schema(min_length = 1, max_length = 64))]
    pub mrn: String,
    /// Why; the care team and the administrators read it.
    #[cfg_attr(feature = "server", schema(min_length = 1, max_length = 500))]
    pub reason: String,
}

/// A record that was opened in an emergency by somebody who did not belong to its care team.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct EmergencyAccess {
    /// Its id, as the audit log names it.
    pub id: EmergencyAccessId,
    /// The patient.
    pub patient_id: PatientId,
    /// The patient's name, as it is now.
    pub patient_name: String,
    /// Who opened the record.
    pub user_id: UserId,
    /// Their name.
    pub display_name: String,
    /// Why.
    pub reason: String,
    /// When.
    pub opened_at: DateTime<Utc>,
    /// Until when the record stays open to them, unless they end it before.
    pub expires_at: DateTime<Utc>,
    /// When they ended it before its time was up.
    pub ended_at: Option<DateTime<Utc>>,
}
