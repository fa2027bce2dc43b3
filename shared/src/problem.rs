//! Errors on the wire: RFC 9457 problem details.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The kinds of problem; each is a stable relative URI that is never reworded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub enum ProblemKind {
    /// 400: the request cannot be read at all.
    #[serde(rename = "/problems/malformed-request")]
    Malformed,
    /// 401: no valid credentials.
    #[serde(rename = "/problems/not-signed-in")]
    NotSignedIn,
    /// 401: the e-mail address and the password do not belong together.
    #[serde(rename = "/problems/wrong-credentials")]
    WrongCredentials,
    /// 401: the password is right; `challenge` goes with the code to
    /// `POST /api/v1/auth/login/second-factor`.
    #[serde(rename = "/problems/second-factor-required")]
    SecondFactorRequired,
    /// 401: the code of the second factor is wrong or was used.
    #[serde(rename = "/problems/wrong-code")]
    WrongCode,
    /// 401: signing in took too long or too many codes; it begins anew with the password.
    #[serde(rename = "/problems/challenge-over")]
    ChallengeOver,
    /// 403: the site requires a second factor of the caller's role, and there is none yet.
    #[serde(rename = "/problems/second-factor-enrolment-required")]
    SecondFactorMissing,
    /// 403: the caller's role does not allow this.
    #[serde(rename = "/problems/not-allowed")]
    NotAllowed,
    /// 404: there is no such thing, or the caller may not know of it.
    #[serde(rename = "/problems/not-found")]
    NotFound,
    /// 405: the path exists, the method does not.
    #[serde(rename = "/problems/method-not-allowed")]
    MethodNotAllowed,
    /// 409: the change contradicts what is there.
    #[serde(rename = "/problems/conflict")]
    Conflict,
    /// 412: somebody changed it since it was read.
    #[serde(rename = "/problems/stale-version")]
    Stale,
    /// 413: the body is too large.
    #[serde(rename = "/problems/too-large")]
    TooLarge,
    /// 415: the content type is not one that is understood here.
    #[serde(rename = "/problems/unsupported-media-type")]
    UnsupportedMediaType,
    /// 422: readable, but some fields are wrong; `errors` names each.
    #[serde(rename = "/problems/invalid-input")]
    Invalid,
    /// 422: the patient is outside what the equations and the network speak for.
    #[serde(rename = "/problems/out-of-scope")]
    OutOfScope,
    /// 422: a private answer would cost more than is left of the budget.
    #[serde(rename = "/problems/privacy-budget-spent")]
    BudgetSpent,
    /// 422: an `Idempotency-Key` was used again with another request.
    #[serde(rename = "/problems/idempotency-key-reused")]
    KeyReused,
    /// 428: a change needs `If-Match`.
    #[serde(rename = "/problems/version-required")]
    VersionRequired,
    /// 429: too many requests; `Retry-After` says when to come back.
    #[serde(rename = "/problems/too-many-requests")]
    TooManyRequests,
    /// 500: a fault of the server; its cause is in the server's log under the request id.
    #[serde(rename = "/problems/internal")]
    Internal,
    /// 503: not ready, or too busy; `Retry-After` says when to come back.
    #[serde(rename = "/problems/unavailable")]
    Unavailable,
    /// The server could not be reached (made by the client, never sent).
    #[serde(rename = "/problems/unreachable")]
    Unreachable,
}

impl ProblemKind {
    /// The HTTP status that goes with the kind.
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::NotSignedIn
            | Self::WrongCredentials
            | Self::SecondFactorRequired
            | Self::WrongCode
            | Self::ChallengeOver => 401,
            Self::NotAllowed | Self::SecondFactorMissing => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::Conflict => 409,
            Self::Stale => 412,
            Self::TooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::Invalid | Self::OutOfScope | Self::BudgetSpent | Self::KeyReused => 422,
            Self::VersionRequired => 428,
            Self::TooManyRequests => 429,
            Self::Internal => 500,
            Self::Unavailable | Self::Unreachable => 503,
        }
    }

    /// A short summary, the same for every occurrence.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Malformed => phrase!("The request cannot be read"),
            Self::NotSignedIn => phrase!("Sign in first"),
            Self::WrongCredentials => phrase!("E-mail address or password is wrong"),
            Self::SecondFactorRequired => phrase!("A code is needed, too"),
            Self::WrongCode => phrase!("The code is wrong"),
            Self::ChallengeOver => phrase!("Begin again with your password"),
            Self::SecondFactorMissing => phrase!("Set up a second factor first"),
            Self::NotAllowed => phrase!("Your role does not allow this"),
            Self::NotFound => phrase!("There is no such thing"),
            Self::MethodNotAllowed => phrase!("This address does not answer that method"),
            Self::Conflict => phrase!("This contradicts what is recorded"),
            Self::Stale => phrase!("It was changed in the meantime"),
            Self::TooLarge => phrase!("The request is too large"),
            Self::UnsupportedMediaType => phrase!("This content type is not understood here"),
            Self::Invalid => phrase!("Some fields need attention"),
            Self::OutOfScope => phrase!("No prediction can be made for this patient"),
            Self::BudgetSpent => phrase!("The privacy budget does not reach"),
            Self::KeyReused => phrase!("The idempotency key belongs to another request"),
            Self::VersionRequired => phrase!("A change needs the version it is based on"),
            Self::TooManyRequests => phrase!("Too many requests"),
            Self::Internal => phrase!("Something went wrong on the server"),
            Self::Unavailable => phrase!("The service is not ready"),
            Self::Unreachable => phrase!("The server cannot be reached"),
        }
    }
}

/// An RFC 9457 problem document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Problem {
    /// What kind of problem it is.
    #[serde(rename = "type")]
    pub kind: ProblemKind,
    /// A short summary of the kind.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The request's id, to find it in the server's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Every faulty field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
    /// For `/problems/second-factor-required`: goes with the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<String>,
}

impl Problem {
    /// A problem of a kind, with nothing said about this occurrence.
    pub fn new(kind: ProblemKind) -> Self {
        Self {
            kind,
            title: kind.title().to_owned(),
            status: kind.status(),
            detail: None,
            instance: None,
            errors: Vec::new(),
            challenge: None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.title)?;
        if let Some(detail) = &self.detail {
            write!(f, ": {detail}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct FieldProblem {
    /// JSON pointer (RFC 6901) into the request's body, or `/<name>` of a query parameter.
    pub pointer: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl FieldProblem {
    /// A field problem at `pointer`.
    pub fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), message: message.into() }
    }
}
