//! People who sign in.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    access::Role,
    id::{PatientId, UserId},
    patient::given,
};

/// An account, as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct User {
    /// The account's id.
    pub id: UserId,
    /// The address the person signs in with.
    pub email: String,
    /// The name to show.
    pub display_name: String,
    /// What the account may do.
    pub role: Role,
    /// For a patient's account: the record it is linked to.
    pub patient_id: Option<PatientId>,
}

/// How an account stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema, sqlx::Type))]
#[cfg_attr(feature = "server", sqlx(type_name = "text", rename_all = "snake_case"))]
pub enum AccountState {
    /// The person can sign in.
    Active,
    /// The person has to set a password first, with a link.
    Pending,
    /// Too many sign-ins failed: some have to wait.
    Locked,
    /// The account is closed.
    Deactivated,
}

impl AccountState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Active, Self::Pending, Self::Locked, Self::Deactivated];

    /// The state's name, for people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Active => phrase!("Active"),
            Self::Pending => phrase!("No password yet"),
            Self::Locked => phrase!("Locked for a while"),
            Self::Deactivated => phrase!("Deactivated"),
        }
    }
}

/// An account, as administrators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Account {
    /// The account's id.
    pub id: UserId,
    /// Raised by each change; send it as `If-Match` with the next one.
    pub version: i32,
    /// The address the person signs in with.
    pub email: String,
    /// The name to show.
    pub display_name: String,
    /// What the account may do.
    pub role: Role,
    /// For a patient's account: the record it is linked to.
    pub patient_id: Option<PatientId>,
    /// How it stands.
    pub state: AccountState,
    /// Whether signing in asks for a code.
    pub second_factor: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When somebody last signed in with it.
    pub last_sign_in_at: Option<DateTime<Utc>>,
}

/// An account to make. The person sets the password, with a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct NewAccount {
    /// The address the person signs in with.
    #[cfg_attr(feature = "server", schema(min_length = 3, max_length = 254))]
    pub email: String,
    /// The name to show.
    #[cfg_attr(feature = "server", schema(min_length = 1, max_length = 100))]
    pub display_name: String,
    /// What the account may do.
    pub role: Role,
    /// For a patient's account: the record it is linked to.
    #[serde(default)]
    pub patient_id: Option<PatientId>,
}

/// A change of an account: what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct AccountPatch {
    /// The name to show.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = String, required = false, min_length = 1, max_length = 100))]
    pub display_name: Option<String>,
    /// What the account may do; another role ends its sessions. Nobody changes their own.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Role, required = false))]
    pub role: Option<Role>,
    /// For a patient's account: the record it is linked to; `null` unlinks it.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<PatientId>, required = false))]
    pub patient_id: Option<Option<PatientId>>,
    /// `true` opens a deactivated account again, `false` deactivates it.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = bool, required = false))]
    pub active: Option<bool>,
}

/// A link to set a password with: it is shown once, and good once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct PasswordLink {
    /// The path of the page. The secret is its fragment, which browsers send to nobody.
    pub path: String,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

impl std::fmt::Debug for PasswordLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PasswordLink").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// A new account and the link to set its password with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct CreatedAccount {
    /// The account.
    #[serde(flatten)]
    pub account: Account,
    /// The link; `null` when the answer is repeated for the same `Idempotency-Key`, because the
    /// secret is not kept.
    pub password_link: Option<PasswordLink>,
}

/// A password that somebody sets with a link.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct NewPassword {
    /// The secret of the link: what follows `#`.
    #[cfg_attr(feature = "server", schema(min_length = 1, max_length = 200))]
    pub token: String,
    /// The password: 12 to 128 characters, not easily guessed.
    #[cfg_attr(feature = "server", schema(min_length = 1, max_length = 1024))]
    pub password: String,
}

/// A change of one's own password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct PasswordChange {
    /// The password until now.
    #[cfg_attr(feature = "server", schema(min_length = 1, max_length = 1024))]
    pub current_password: String,
    /// The password from now on: 12 to 128 characters, not easily guessed.
    #[cfg_attr(feature = "server", schema(min_length = 1, max_length = 1024))]
    pub new_password: String,
}

macro_rules! hidden {
    ($($name:ident),*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )*};
}

hidden!(NewPassword, PasswordChange);
