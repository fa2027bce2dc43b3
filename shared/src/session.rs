//! Signing in and staying signed in.

use serde::{Deserialize, Serialize};

use crate::user::User;

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
}
