//! The one way to the server: every operation is a function in a module below, every failure a
//! [`Problem`].

pub mod audit;
pub mod biopsies;
pub mod care_teams;
pub mod dashboard;
pub mod documents;
pub mod erasures;
pub mod imports;
pub mod me;
pub mod models;
pub mod observations;
pub mod outcomes;
pub mod patients;
pub mod prediction_batches;
pub mod predictions;
pub mod session;
pub mod settings;
pub mod stream;
pub mod summaries;
pub mod therapies;
pub mod tokens;
pub mod transport;
pub mod users;

use serde::{Serialize, de::DeserializeOwned};
use shared::problem::{Problem, ProblemKind};

use crate::session as current;

/// What an operation answers.
pub type Result<T> = std::result::Result<T, Problem>;

/// How a call changes things, if it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Creates or acts.
    Post,
    /// Changes.
    Patch,
    /// Replaces.
    Put,
    /// Archives or removes.
    Delete,
}

impl Method {
    /// The method's name in HTTP.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// One call, before it is sent.
#[derive(Clone, Debug)]
pub struct Call {
    /// The HTTP method.
    pub method: Method,
    /// The path below `/api/v1`, with its query.
    pub path: String,
    /// The body.
    pub body: Option<String>,
    /// What the body is.
    pub media_type: &'static str,
    /// The version that a change is based on: `If-Match`.
    pub version: Option<i32>,
    /// Whether it creates something, and so carries an `Idempotency-Key`.
    pub creates: bool,
    /// Whether it speaks for the person signed in.
    pub signed: bool,
}

impl Call {
    fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            body: None,
            media_type: "application/json",
            version: None,
            creates: false,
            signed: true,
        }
    }

    /// Reads `path`.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::Get, path)
    }

    /// Acts on `path`.
    pub fn post(path: impl Into<String>) -> Self {
        Self::new(Method::Post, path)
    }

    /// Creates something at `path`: repeated after a lost answer, it still creates only one.
    pub fn create(path: impl Into<String>, body: &impl Serialize) -> Self {
        Self { creates: true, ..Self::post(path).json(body) }
    }

    /// Changes `path`, which was read at `version`.
    pub fn patch(path: impl Into<String>, version: i32, body: &impl Serialize) -> Self {
        Self { version: Some(version), ..Self::new(Method::Patch, path).json(body) }
    }

    /// Replaces what is at `path`.
    pub fn put(path: impl Into<String>, body: &impl Serialize) -> Self {
        Self::new(Method::Put, path).json(body)
    }

    /// Removes `path`.
    pub fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::Delete, path)
    }

    /// Only while it is still at `version`.
    #[must_use]
    pub fn if_match(self, version: i32) -> Self {
        Self { version: Some(version), ..self }
    }

    /// With a JSON body.
    #[must_use]
    pub fn json(self, body: &impl Serialize) -> Self {
        Self { body: Some(written(body)), ..self }
    }

    /// With a body that is not JSON.
    #[must_use]
    pub fn text(self, body: String, media_type: &'static str) -> Self {
        Self { body: Some(body), media_type, ..self }
    }

    /// Without the access token: signing in and refreshing.
    #[must_use]
    pub fn unsigned(self) -> Self {
        Self { signed: false, ..self }
    }
}

/// Sends a call and reads the answer's body; an empty one reads as `null`.
pub async fn request<T: DeserializeOwned>(call: Call) -> Result<T> {
    read(&call, &answer(&call).await?)
}

/// The same with a token that is at hand: nobody is asked to sign in again for it.
pub async fn request_with<T: DeserializeOwned>(call: Call, token: &str) -> Result<T> {
    read(&call, &transport::send(&call, Some(token)).await?)
}

fn read<T: DeserializeOwned>(call: &Call, body: &str) -> Result<T> {
    let body = if body.is_empty() { "null" } else { body };
    serde_json::from_str(body).map_err(|error| unreadable(call, &error))
}

/// Sends a call and saves the answer's body as a file.
pub async fn download(call: &Call, name: &str) -> Result<()> {
    let response = opened(call).await?;
    transport::save(&response, name).await.ok_or_else(transport::unreachable_server)
}

/// Sends a call and answers the response of a success, its body unread.
async fn opened(call: &Call) -> Result<web_sys::Response> {
    as_person(async |token| transport::open(call, Some(&token), None, None).await).await
}

/// Sends a call, as whoever is signed in if it speaks for them.
async fn answer(call: &Call) -> Result<String> {
    if !call.signed {
        return transport::send(call, None).await;
    }
    as_person(async |token| transport::send(call, Some(&token)).await).await
}

/// Sends something as whoever is signed in. A token that the server no longer takes is renewed
/// once; if the session is over, this waits for the person to sign in again over the page.
async fn as_person<T>(send: impl AsyncFn(String) -> Result<T>) -> Result<T> {
    let token = current::bearer().await?;
    match send(token.clone()).await {
        Err(problem) if problem.kind == ProblemKind::NotSignedIn => {
            current::discard(&token);
            send(current::bearer().await?).await
        }
        settled => settled,
    }
}

fn written(body: &impl Serialize) -> String {
    serde_json::to_string(body).expect("wire types have string keys only")
}

fn unreadable(call: &Call, error: &serde_json::Error) -> Problem {
    Problem {
        detail: Some(format!(
            "The server's answer to {} {} cannot be read ({error}). Reload the page: it may be \
             older than the server.",
            call.method.name(),
            call.path.split('?').next().unwrap_or_default()
        )),
        ..Problem::new(ProblemKind::Internal)
    }
}

/// A query string from the parameters that have a value, `?` included; empty without any.
pub fn query(parameters: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in parameters.iter().filter(|(_, value)| !value.is_empty()) {
        text.push(if text.is_empty() { '?' } else { '&' });
        text.push_str(name);
        text.push('=');
        text.push_str(&String::from(js_sys::encode_uri_component(value)));
    }
    text
}
