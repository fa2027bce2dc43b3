//! Signing in and staying signed in.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{access::SitePolicy, id::SessionId, preferences::Preferences, user::User};

/// What a person types to sign in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Credentials {
    /// The account's e-mail address.
    #[cfg_attr(feature = "server", schema(min_length = 1, max_length = 254))]
    pub email: String,
    /// The account's password.
    #[cfg_attr(feature = "server", schema(min_length = 1, max_length = 1024))]
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// A fresh access token and who it speaks for. The refresh token travels in an `HttpOnly` cookie.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct SignedIn {
    /// Send as `Authorization: Bearer …`.
    pub access_token: String,
    /// Always `Bearer`.
    pub token_type: String,
    /// Seconds until the access token expires.
    pub expires_in: u32,
    /// Who signed in.
    pub user: User,
    /// What holds for the session.
    pub session: SessionTerms,
    /// The language, the units and the KFRE baseline of whoever signed in.
    pub preferences: Preferences,
}

/// What holds for a session as the site's settings are now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct SessionTerms {
    /// The session.
    pub id: SessionId,
    /// When it ends whatever happens.
    pub expires_at: DateTime<Utc>,
    /// Minutes without a fresh access token after which it ends.
    pub idle_minutes: i32,
    /// Nothing but one's own account is open until a second factor is set up.
    pub must_enrol: bool,
    /// What the site lets the account's role do.
    pub site: SitePolicy,
}

/// One of one's own sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Session {
    /// The session.
    pub id: SessionId,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it last got a fresh access token.
    pub last_used_at: DateTime<Utc>,
    /// When it ends whatever happens.
    pub expires_at: DateTime<Utc>,
    /// Where it began.
    pub address: Option<String>,
    /// With what it began, such as `Firefox on Linux`.
    pub device: Option<String>,
    /// Whether it is the one that asks.
    pub current: bool,
}
