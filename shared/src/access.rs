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
    /// Keep views of the list of patients under a name.
    KeepViews,
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
    /// See which released networks there are, and read their cards.
    ReadModels,
    /// Choose which network answers and which runs unseen; see comparisons and drift.
    ManageModels,
    /// See anonymised summaries.
    ReadSummaries,
    /// Make, see and revoke API tokens of one's own.
    UseTokens,
    /// See and revoke everybody's API tokens.
    OverseeTokens,
    /// Read and change the site's settings.
    ManageSettings,
    /// Search, verify and export the audit log.
    ReadAudit,
    /// See who looked at a record that one may read.
    ReadAccessLog,
    /// See who cares for a patient whose record one may read, and find colleagues.
    ReadCareTeams,
    /// Change who cares for a patient.
    ManageCareTeams,
    /// Open a record in an emergency without belonging to its care team.
    BreakGlass,
    /// Make, change and close accounts.
    ManageUsers,
    /// Take out of an archived record who it is about.
    EraseRecords,
}

/// Which records those who care for patients see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema, sqlx::Type))]
#[cfg_attr(feature = "server", sqlx(type_name = "text", rename_all = "snake_case"))]
pub enum Visibility {
    /// Everybody's.
    #[default]
    Organisation,
    /// Those of the patients whose care team they belong to; others in an emergency only.
    CareTeam,
}

impl Visibility {
    /// Every choice.
    pub const ALL: [Self; 2] = [Self::Organisation, Self::CareTeam];

    /// What it means, for people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Organisation => phrase!("Every clinician sees every record"),
            Self::CareTeam => phrase!("Only a patient's care team sees the record"),
        }
    }
}

/// What the site's settings say about who may do what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct SitePolicy {
    /// Whether patients see predictions of their own record.
    pub patients_see_risk: bool,
    /// Which records those who care for patients see.
    pub visibility: Visibility,
}

/// What an API token was made for. What no scope lists, no token can do: tokens, accounts and
/// settings are changed by people who sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema, sqlx::Type))]
#[cfg_attr(feature = "server", sqlx(type_name = "text"))]
pub enum Scope {
    /// Search, list and read records.
    #[serde(rename = "patients:read")]
    #[cfg_attr(feature = "server", sqlx(rename = "patients:read"))]
    PatientsRead,
    /// Create and change records.
    #[serde(rename = "patients:write")]
    #[cfg_attr(feature = "server", sqlx(rename = "patients:write"))]
    PatientsWrite,
    /// Read predictions.
    #[serde(rename = "predictions:read")]
    #[cfg_attr(feature = "server", sqlx(rename = "predictions:read"))]
    PredictionsRead,
    /// Ask for, and cancel, predictions; ask what-if questions.
    #[serde(rename = "predictions:write")]
    #[cfg_attr(feature = "server", sqlx(rename = "predictions:write"))]
    PredictionsWrite,
    /// Read anonymised summaries.
    #[serde(rename = "summaries:read")]
    #[cfg_attr(feature = "server", sqlx(rename = "summaries:read"))]
    SummariesRead,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 5] = [
        Self::PatientsRead,
        Self::PatientsWrite,
        Self::PredictionsRead,
        Self::PredictionsWrite,
        Self::SummariesRead,
    ];

    /// What a token with this scope may do, if its owner's role allows it too.
    pub const fn permissions(self) -> &'static [Permission] {
        use Permission::{
            EditPatients, ListPatients, PreviewPredictions, ReadPatients, ReadPredictions,
            ReadSummaries, RequestPredictions,
        };
        match self {
            Self::PatientsRead => &[ListPatients, ReadPatients],
            Self::PatientsWrite => &[EditPatients],
            Self::PredictionsRead => &[ReadPredictions],
            Self::PredictionsWrite => &[RequestPredictions, PreviewPredictions],
            Self::SummariesRead => &[ReadSummaries],
        }
    }

    /// The scope's name in the contract.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PatientsRead => "patients:read",
            Self::PatientsWrite => "patients:write",
            Self::PredictionsRead => "predictions:read",
            Self::PredictionsWrite => "predictions:write",
            Self::SummariesRead => "summaries:read",
        }
    }

    /// What it opens, for people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::PatientsRead => phrase!("Search and read records"),
            Self::PatientsWrite => phrase!("Create and change records"),
            Self::PredictionsRead => phrase!("Read predictions"),
            Self::PredictionsWrite => phrase!("Ask for predictions and what-ifs"),
            Self::SummariesRead => phrase!("Read anonymised summaries"),
        }
    }
}

/// Whose records a role reaches, where its permissions speak of records at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Every patient.
    Everyone,
    /// The patients that the caller cares for, or sees in an emergency.
    InCare,
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
            BreakGlass, EditPatients, EraseRecords, KeepViews, ListPatients, ManageCareTeams,
            ManageModels, ManageSettings, ManageUsers, OverseeTokens, PreviewPredictions,
            ReadAccessLog, ReadAudit, ReadCareTeams, ReadModels, ReadPatients, ReadPredictions,
            ReadSummaries, RequestPredictions, UseOwnAccount, UseTokens,
        };
        match self {
            Self::Administrator => matches!(
                permission,
                UseOwnAccount
                    | ListPatients
                    | KeepViews
                    | ReadPatients
                    | ReadPredictions
                    | PreviewPredictions
                    | ReadSummaries
                    | UseTokens
                    | OverseeTokens
                    | ManageSettings
                    | ReadModels
                    | ManageModels
                    | ReadAudit
                    | ReadAccessLog
                    | ReadCareTeams
                    | ManageCareTeams
                    | ManageUsers
                    | EraseRecords
            ),
            Self::Clinician => matches!(
                permission,
                UseOwnAccount
                    | ListPatients
                    | KeepViews
                    | ReadPatients
                    | EditPatients
                    | ReadPredictions
                    | RequestPredictions
                    | PreviewPredictions
                    | ReadSummaries
                    | UseTokens
                    | ReadModels
                    | ReadAccessLog
                    | ReadCareTeams
                    | ManageCareTeams
                    | BreakGlass
            ),
            Self::Researcher => matches!(permission, UseOwnAccount | ReadSummaries | UseTokens),
            Self::Patient => {
                matches!(
                    permission,
                    UseOwnAccount | ReadPatients | ReadPredictions | ReadModels | ReadAccessLog
                )
            }
        }
    }

    /// Whether an API token of an account with this role may do this: both the scopes and the
    /// role have to allow it, as they are at the time of use.
    pub fn allows_token(self, scopes: &[Scope], permission: Permission) -> bool {
        self.allows(Permission::UseTokens)
            && self.allows(permission)
            && scopes.iter().any(|scope| scope.permissions().contains(&permission))
    }

    /// The scopes that a token of this role can be given: those that open anything to it.
    pub fn scopes(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| {
            scope.permissions().iter().any(|permission| self.allows_token(&[*scope], *permission))
        })
    }

    /// Whether the site's settings leave the role this permission.
    pub const fn allows_at(self, permission: Permission, site: SitePolicy) -> bool {
        let is_withheld =
            matches!((self, permission), (Self::Patient, Permission::ReadPredictions))
                && !site.patients_see_risk;
        self.allows(permission) && !is_withheld
    }

    /// The roles that have a permission.
    pub fn all_that_may(permission: Permission) -> Vec<Self> {
        Self::ALL.into_iter().filter(|role| role.allows(permission)).collect()
    }

    /// Whose records the role's permissions reach at most.
    pub const fn reach(self) -> Reach {
        match self {
            Self::Administrator | Self::Clinician => Reach::Everyone,
            Self::Researcher => Reach::Nobody,
            Self::Patient => Reach::OwnRecord,
        }
    }

    /// Whose records the role's permissions reach as the site is set up.
    pub const fn reach_at(self, site: SitePolicy) -> Reach {
        match (self, site.visibility) {
            (Self::Clinician, Visibility::CareTeam) => Reach::InCare,
            _ => self.reach(),
        }
    }

    /// The role's name, for people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Administrator => phrase!("Administrator"),
            Self::Clinician => phrase!("Clinician"),
            Self::Researcher => phrase!("Researcher"),
            Self::Patient => phrase!("Patient"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_its_scopes() {
        let scopes = |role: Role| role.scopes().map(Scope::name).collect::<Vec<_>>();
        assert_eq!(
            scopes(Role::Administrator),
            ["patients:read", "predictions:read", "predictions:write", "summaries:read"]
        );
        assert_eq!(scopes(Role::Clinician).len(), 5);
        assert_eq!(scopes(Role::Researcher), ["summaries:read"]);
        assert!(scopes(Role::Patient).is_empty());
    }

    #[test]
    fn a_token_never_holds_more_than_its_role() {
        let write = [Scope::PatientsWrite, Scope::PredictionsWrite];
        assert!(Role::Clinician.allows_token(&write, Permission::EditPatients));
        assert!(!Role::Administrator.allows_token(&write, Permission::EditPatients));
        assert!(!Role::Administrator.allows_token(&write, Permission::RequestPredictions));
        assert!(!Role::Patient.allows_token(&Scope::ALL, Permission::ReadPatients));
    }

    #[test]
    fn no_token_manages_tokens_or_accounts() {
        use Permission::{KeepViews, OverseeTokens, UseOwnAccount, UseTokens};
        for permission in [UseOwnAccount, KeepViews, UseTokens, OverseeTokens] {
            assert!(Role::ALL.iter().all(|role| !role.allows_token(&Scope::ALL, permission)));
        }
    }

    #[test]
    fn care_teams_bind_those_who_care_and_nobody_else() {
        for role in Role::ALL {
            let at = |visibility| role.reach_at(SitePolicy { patients_see_risk: true, visibility });
            assert_eq!(at(Visibility::Organisation), role.reach());
            let bound = if role == Role::Clinician { Reach::InCare } else { role.reach() };
            assert_eq!(at(Visibility::CareTeam), bound);
        }
    }

    #[test]
    fn a_scope_is_named_as_it_is_written() {
        for scope in Scope::ALL {
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.name());
        }
    }
}
