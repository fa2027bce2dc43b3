//! The second factor: a code from an app on one's telephone.

use serde::{Deserialize, Serialize};

/// How one's own second factor stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct SecondFactor {
    /// Whether signing in asks for a code.
    pub enabled: bool,
    /// Whether the site requires it for the account's role.
    pub required: bool,
    /// How many recovery codes have not been used.
    pub recovery_codes_left: i64,
}

/// Begins to set up a second factor.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct NewSecondFactor {
    /// The account's password, once more.
    #[cfg_attr(feature = "server", schema(min_length = 1, max_length = 1024))]
    pub password: String,
}

/// What an app on a telephone needs, in three forms; it is shown once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Enrolment {
    /// The shared secret in base 32, to type.
    pub secret: String,
    /// The same as an `otpauth:` address.
    pub uri: String,
    /// The address as a QR code, an SVG image.
    pub qr_svg: String,
}

/// Shows that the app makes the right codes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Confirmation {
    /// The code that the app shows now.
    #[cfg_attr(feature = "server", schema(min_length = 1, max_length = 64))]
    pub code: String,
}

/// Codes for when the telephone is lost: each is good once, and they are shown once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct RecoveryCodes {
    /// Ten codes.
    pub recovery_codes: Vec<String>,
}

/// Proves once more who one is: with the password or with a code.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Proof {
    /// The account's password.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(min_length = 1, max_length = 1024))]
    pub password: Option<String>,
    /// The code that the app shows now, or a recovery code.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(min_length = 1, max_length = 64))]
    pub code: Option<String>,
}

/// The second step of signing in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct SecondStep {
    /// What the first step answered.
    #[cfg_attr(feature = "server", schema(min_length = 1, max_length = 200))]
    pub challenge: String,
    /// The code that the app shows now, or a recovery code.
    #[cfg_attr(feature = "server", schema(min_length = 1, max_length = 64))]
    pub code: String,
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

hidden!(NewSecondFactor, Enrolment, Confirmation, RecoveryCodes, Proof, SecondStep);
