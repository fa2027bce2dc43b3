//! API tokens: how programs speak for an account.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    access::{Role, Scope},
    id::{TokenId, UserId},
};

/// The longest a token may be good for.
pub const MAX_LIFETIME_DAYS: i64 = 365;

/// A token to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct NewToken {
    /// What it is for: the program or the machine that will hold it.
    #[cfg_attr(feature = "server", schema(min_length = 1, max_length = 100))]
    pub name: String,
    /// What it may do; each only if your role may.
    #[cfg_attr(feature = "server", schema(min_items = 1, max_items = 5))]
    pub scopes: Vec<Scope>,
    /// When it ends: at most 365 days from now.
    pub expires_at: DateTime<Utc>,
}

/// An API token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Token {
    /// The token's id.
    pub id: TokenId,
    /// What it is for.
    pub name: String,
    /// What it may do, as far as its owner's role does.
    pub scopes: Vec<Scope>,
    /// Whom it speaks for.
    pub owner: TokenOwner,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// The day (UTC) of its latest use.
    pub last_used_on: Option<NaiveDate>,
    /// Where it was used from on that day, last.
    pub last_used_address: Option<String>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// Whom a token speaks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct TokenOwner {
    /// The account.
    pub id: UserId,
    /// The account's name.
    pub display_name: String,
    /// The account's role.
    pub role: Role,
}

/// A token that was just made, with its secret: this once, and never again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct CreatedToken {
    /// The token.
    pub token: Token,
    /// Send as `Authorization: Bearer nct_…`. Only its hash is kept.
    #[cfg_attr(feature = "server", schema(pattern = "^nct_[0-9A-Za-z]{33}$"))]
    pub secret: String,
}
