//! The audit log: who did what to which record, when, from where, and how it ended.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    access::Role,
    id::{EmergencyAccessId, PatientId, SessionId, TokenId, UserId},
};

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema, sqlx::Type))]
#[cfg_attr(feature = "server", sqlx(type_name = "text", rename_all = "snake_case"))]
pub enum AuditOutcome {
    /// It was done.
    Success,
    /// It was refused.
    Refused,
    /// It was tried and did not work.
    Failure,
}

impl AuditOutcome {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Success, Self::Refused, Self::Failure];

    /// The outcome, for people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Success => phrase!("Done"),
            Self::Refused => phrase!("Refused"),
            Self::Failure => phrase!("Failed"),
        }
    }
}

/// Who did it, as the account stands now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct AuditActor {
    /// The account.
    pub id: UserId,
    /// Its name; `null` when there is no such account any more.
    pub display_name: Option<String>,
    /// Its e-mail address; `null` when there is no such account any more.
    pub email: Option<String>,
}

/// One entry of the log, as administrators see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct AuditEvent {
    /// The entry's number.
    pub id: i64,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// Who did it; `null` for a worker, and for a sign-in to no account.
    pub actor: Option<AuditActor>,
    /// The actor's role at that moment.
    pub actor_role: Option<Role>,
    /// Through which session.
    pub session_id: Option<SessionId>,
    /// Through which API token, where it was not a session.
    pub token_id: Option<TokenId>,
    /// What happened: `noun.verb`, such as `patient.read`.
    pub action: String,
    /// What it was done to.
    pub object_id: Option<Uuid>,
    /// Whose record it concerns.
    pub patient_id: Option<PatientId>,
    /// That patient's name, as it is now.
    pub patient_name: Option<String>,
    /// How it ended.
    pub outcome: AuditOutcome,
    /// The emergency access through which it was done: the actor did not belong to the care team.
    pub emergency_access_id: Option<EmergencyAccessId>,
    /// The address it came from.
    pub address: Option<String>,
    /// The request's id, as in the server's log.
    pub request_id: Option<String>,
    /// What there is to say about it; for a change, `changed` holds each field `from` and `to`.
    #[cfg_attr(feature = "server", schema(value_type = Option<Object>))]
    pub details: Option<Value>,
    /// Its place in the sealed log; `null` for the second until it is sealed.
    pub sequence: Option<i64>,
}

/// One look at, or change of, a record, as those who care for the patient see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct AccessEvent {
    /// The entry's number in the audit log.
    pub id: i64,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// Who it was; `null` for a worker.
    pub actor_name: Option<String>,
    /// Their role at that moment.
    pub actor_role: Option<Role>,
    /// What happened: `noun.verb`, such as `patient.read`.
    pub action: String,
    /// How it ended.
    pub outcome: AuditOutcome,
    /// Whether it was done in an emergency, by somebody who did not belong to the care team.
    pub emergency: bool,
}

/// What a check of the whole log found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub enum AuditVerdict {
    /// Every entry is as it was sealed.
    Whole,
    /// Somebody changed the log; `fault` names the first place.
    Broken,
    /// The time ran out with nothing wrong so far; the command line checks without a limit.
    Unfinished,
}

/// How an entry is not as it was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub enum AuditFaultKind {
    /// The entry says something else now.
    Edited,
    /// The entry is gone.
    Deleted,
    /// The entry was put in later than it says.
    Inserted,
    /// The entry stands in another place.
    Reordered,
    /// Entries from `sequence` to `last_sequence` and their hashes were replaced together.
    Rewritten,
    /// The last entries are gone.
    Truncated,
    /// A checkpoint in the database was not signed by a trusted key.
    Forged,
}

/// The first place where the log is not as it was sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct AuditFault {
    /// How.
    pub kind: AuditFaultKind,
    /// The entry's number, if it is known.
    pub id: Option<i64>,
    /// Its place in the sealed log, if it has one.
    pub sequence: Option<i64>,
    /// The last place that may be concerned, where it cannot be told more exactly.
    pub last_sequence: Option<i64>,
    /// The same in words.
    pub message: String,
}

/// The answer to whether the log is whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct AuditVerification {
    /// Whether it is.
    pub verdict: AuditVerdict,
    /// How many sealed entries were checked and found as they were sealed.
    pub checked: i64,
    /// How many entries wait to be sealed.
    pub unsealed: i64,
    /// When the oldest of those happened.
    pub unsealed_since: Option<DateTime<Utc>>,
    /// The first place that is not whole.
    pub fault: Option<AuditFault>,
    /// The latest signed checkpoint: a small text to keep elsewhere.
    pub checkpoint: Option<String>,
}

/// Proof that an entry is in the log that a checkpoint speaks of (RFC 6962).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct AuditProof {
    /// The entry's number.
    pub id: i64,
    /// Its place among the leaves, from 0.
    pub sequence: i64,
    /// The entry as it was hashed.
    pub leaf: String,
    /// The hashes beside the way from the leaf to the root, in hexadecimal.
    pub path: Vec<String>,
    /// The signed checkpoint that the path leads to.
    pub checkpoint: String,
}
