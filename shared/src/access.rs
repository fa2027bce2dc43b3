//! Who may do what: the whole policy, in one `match`.
//!
//! The server enforces it through `Allowed<P>` in every handler's signature; the SPA hides what a
//! role cannot do with the same function.

use serde::{Deserialize, Serialize};

/// What a user is to Nephrocast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema, sqlx::Type))]
#[cfg_attr(feature = "server", sqlx(type_name = "text", rename_all = "snake_case"))]
pub enum Role {
    /// Runs users, roles and settings; sees records read-only.
    Administrator,
    /// Cares for patients.
    Clinician,
    /// Sees anonymised summaries, never a record.
    Researcher,
    /// Sees their own record, if their clinic allows it.
    Patient,
}

/// Something that a handler does on behalf of a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// See one's own account.
    UseOwnAccount,
    /// Search and list patients.
    ListPatients,
    /// Read a patient's record: facts, observations, therapies, biopsies, outcomes.
    ReadPatients,
    /// Create and change records.
    EditPatients,
    /// Read predictions.
    ReadPredictions,
    /// Ask for, and cancel, predictions.
    RequestPredictions,
    /// Ask what-if questions that are answered and never stored.
    PreviewPredictions,
}

/// Whose records a role reaches, where its permissions speak of records at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Every patient.
    Everyone,
    /// Only the record linked to the caller's account, and only while that patient's clinic allows.
    OwnRecord,
    /// No record.
    Nobody,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] =
        [Self::Administrator, Self::Clinician, Self::Researcher, Self::Patient];

    /// Whether the role may do this at all; [`Role::reach`] says to whose records.
    pub const fn allows(self, permission: Permission) -> bool {
        use Permission::{
            EditPatients, ListPatients, PreviewPredictions, ReadPatients, ReadPredictions,
            RequestPredictions, UseOwnAccount,
        };
        match self {
            Self::Administrator => matches!(
                permission,
                UseOwnAccount | ListPatients | ReadPatients | ReadPredictions | PreviewPredictions
            ),
            Self::Clinician => matches!(
                permission,
                UseOwnAccount
                    | ListPatients
                    | ReadPatients
                    | EditPatients
                    | ReadPredictions
                    | RequestPredictions
                    | PreviewPredictions
            ),
            Self::Researcher => matches!(permission, UseOwnAccount),
            Self::Patient => matches!(permission, UseOwnAccount | ReadPatients | ReadPredictions),
        }
    }

    /// Whose records the role's permissions reach.
    pub const fn reach(self) -> Reach {
        match self {
            Self::Administrator | Self::Clinician => Reach::Everyone,
            Self::Researcher => Reach::Nobody,
            Self::Patient => Reach::OwnRecord,
        }
    }

    /// The role's name, for people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Administrator => "Administrator",
            Self::Clinician => "Clinician",
            Self::Researcher => "Researcher",
            Self::Patient => "Patient",
        }
    }
}
