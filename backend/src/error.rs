//! Everything that can go wrong in a handler, and its one mapping to a problem document.

use std::sync::Arc;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use shared::{
    phrase,
    problem::{FieldProblem, Problem, ProblemKind},
    sentence,
};

use crate::{auth::secret::Secret, telemetry};

/// What a handler answers when it cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request cannot be read at all.
    #[error("{0}")]
    Malformed(String),
    /// No valid credentials.
    #[error("{}", phrase!("the access token is missing, expired or revoked"))]
    NotSignedIn,
    /// Unknown account, wrong password or a deactivated account: told apart by nothing.
    #[error("{}", phrase!("check both and try again"))]
    WrongCredentials,
    /// The password is right, and a code is needed, too.
    #[error("{}", phrase!("send the code of your app with the challenge"))]
    SecondFactorRequired(Secret),
    /// The code is wrong or was used.
    #[error("{}", phrase!("each code is good once, and for half a minute"))]
    WrongCode,
    /// The second step came too late or too often.
    #[error("{}", phrase!("it took too long, or too many codes were wrong"))]
    ChallengeOver,
    /// The site requires a second factor of the caller's role.
    #[error("{}", phrase!("the site requires one of your role; nothing else is open until then"))]
    SecondFactorMissing,
    /// The caller's role does not allow this.
    #[error("{}", phrase!("this needs another role"))]
    NotAllowed,
    /// There is no such thing, or the caller may not know of it.
    #[error("{}", no_such(.0))]
    NotFound(&'static str),
    /// The path exists, the method does not.
    #[error("{}", phrase!("use one of the documented methods"))]
    MethodNotAllowed,
    /// The change contradicts what is there.
    #[error("{0}")]
    Conflict(String),
    /// Somebody changed it since it was read.
    #[error("{}", phrase!("read it again and repeat the change on the current version"))]
    Stale,
    /// The body is larger than the route takes.
    #[error("{}", phrase!("send less at once"))]
    TooLarge,
    /// The content type is not understood.
    #[error("send {0}")]
    UnsupportedMediaType(&'static str),
    /// Some fields are wrong.
    #[error("{}", phrase!("each faulty field is named in errors"))]
    Invalid(Vec<FieldProblem>),
    /// Neither the equations nor the network speak for this patient.
    #[error("{}", phrase!("each reason is named in errors"))]
    OutOfScope(Vec<FieldProblem>),
    /// A private answer would cost more than is left.
    #[error("{}", phrase!("what was spent does not come back; spend less, or ask what a publication answers"))]
    BudgetSpent(Vec<FieldProblem>),
    /// The idempotency key belongs to another request.
    #[error("{}", phrase!("use a new Idempotency-Key for a new request"))]
    KeyReused,
    /// A change needs `If-Match`.
    #[error("{}", phrase!("send If-Match with the version from the last read"))]
    VersionRequired,
    /// Too many requests.
    #[error("{}", wait(*.0))]
    TooManyRequests(u32),
    /// Too busy, or not ready.
    #[error("{}", phrase!("try again in a few seconds"))]
    Unavailable(#[source] anyhow::Error),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// Anything else that is our fault.
    #[error(transparent)]
    Internal(#[from] anyhow::Error),
    /// What went wrong for several callers at once.
    #[error("{0}")]
    Shared(Arc<Error>),
}

/// What handlers return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// One faulty field.
    pub fn field(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldProblem::new(pointer, message)])
    }

    fn kind(&self) -> ProblemKind {
        match self {
            Self::Malformed(_) => ProblemKind::Malformed,
            Self::NotSignedIn => ProblemKind::NotSignedIn,
            Self::WrongCredentials => ProblemKind::WrongCredentials,
            Self::SecondFactorRequired(_) => ProblemKind::SecondFactorRequired,
            Self::WrongCode => ProblemKind::WrongCode,
            Self::ChallengeOver => ProblemKind::ChallengeOver,
            Self::SecondFactorMissing => ProblemKind::SecondFactorMissing,
            Self::NotAllowed => ProblemKind::NotAllowed,
            Self::NotFound(_) => ProblemKind::NotFound,
            Self::MethodNotAllowed => ProblemKind::MethodNotAllowed,
            Self::Conflict(_) => ProblemKind::Conflict,
            Self::Stale => ProblemKind::Stale,
            Self::TooLarge => ProblemKind::TooLarge,
            Self::UnsupportedMediaType(_) => ProblemKind::UnsupportedMediaType,
            Self::Invalid(_) => ProblemKind::Invalid,
            Self::OutOfScope(_) => ProblemKind::OutOfScope,
            Self::BudgetSpent(_) => ProblemKind::BudgetSpent,
            Self::KeyReused => ProblemKind::KeyReused,
            Self::VersionRequired => ProblemKind::VersionRequired,
            Self::TooManyRequests(_) => ProblemKind::TooManyRequests,
            Self::Unavailable(_) => ProblemKind::Unavailable,
            Self::Database(error) if is_transient(error) => ProblemKind::Unavailable,
            Self::Database(_) | Self::Internal(_) => ProblemKind::Internal,
            Self::Shared(error) => error.kind(),
        }
    }

    /// The cause, for the log of the request.
    fn log(&self) {
        match self {
            Self::Database(error) => tracing::error!(%error, "database"),
            Self::Internal(error) => tracing::error!(error = format!("{error:#}"), "internal"),
            Self::Unavailable(error) => tracing::warn!(error = format!("{error:#}"), "busy"),
            Self::Shared(error) => error.log(),
            _ => {}
        }
    }

    fn problem(self) -> Problem {
        let kind = self.kind();
        let mut problem = Problem::new(kind);
        problem.instance = telemetry::request_id();
        problem.detail = match kind {
            // The cause is in the log under the request id, and nowhere else.
            ProblemKind::Internal => None,
            ProblemKind::Unavailable => Some("try again in a few seconds".to_owned()),
            _ => Some(self.to_string()),
        };
        match self {
            Self::Invalid(errors) | Self::OutOfScope(errors) | Self::BudgetSpent(errors) => {
                problem.errors = errors;
            }
            Self::SecondFactorRequired(challenge) => {
                problem.challenge = Some(challenge.as_str().to_owned());
            }
            _ => {}
        }
        problem
    }
}

fn no_such(thing: &str) -> String {
    sentence!("no such {thing}")
}

fn wait(seconds: u32) -> String {
    sentence!("try again in {seconds} seconds")
}

/// Whether the database may well answer the same request in a moment.
pub fn is_transient(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) => true,
        // Class 08: connection lost; 53: out of resources; 55P03 and 57014: our own time limits;
        // 57P01 to 57P03: the server stops or starts; 40001 and 40P01: serialisation, deadlock.
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            code.starts_with("08")
                || code.starts_with("53")
                || code.starts_with("57P")
                || matches!(&*code, "55P03" | "57014" | "40001" | "40P01")
        }),
        _ => false,
    }
}

/// The name of the constraint that refused a change, if one did.
pub fn violated_constraint(error: &sqlx::Error) -> Option<&str> {
    error.as_database_error().and_then(sqlx::error::DatabaseError::constraint)
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        self.log();
        let retry_after = match &self {
            Self::TooManyRequests(seconds) => Some(*seconds),
            _ => None,
        };
        let problem = self.problem();
        let retry_after = retry_after.or((problem.status == 503).then_some(2));
        let mut response = problem_response(&problem);
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if problem.status == 401 {
            let scheme = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

/// A problem document as a response.
pub fn problem_response(problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = serde_json::to_vec(problem).expect("a problem document is always JSON");
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response()
}
