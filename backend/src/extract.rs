//! Reading requests and writing answers the one way that the contract has.

use std::{
    collections::HashMap,
    sync::{Mutex, OnceLock},
};

use axum::{
    body::Bytes,
    extract::{
        FromRequest, FromRequestParts, OptionalFromRequestParts, Request, rejection::BytesRejection,
    },
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use sha2::{Digest, Sha256};
use shared::{phrase, problem::FieldProblem, sentence};
use utoipa::ToSchema;

use crate::{
    error::{Error, Result},
    openapi,
};

/// A JSON body, in or out. A faulty one is refused with every faulty field at once.
#[derive(Clone, Debug)]
pub struct Json<T>(pub T);

impl<T, S> FromRequest<S> for Json<T>
where
    T: DeserializeOwned + ToSchema,
    S: Send + Sync,
{
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let body = json_body(request, state).await?;
        parse(&body).map(Self)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        json(StatusCode::OK, &self.0)
    }
}

/// A JSON body that is written already.
#[derive(Clone, Debug)]
pub struct Written(pub Bytes);

impl IntoResponse for Written {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/json")], self.0).into_response()
    }
}

fn json<T: Serialize>(status: StatusCode, body: &T) -> Response {
    match serde_json::to_vec(body) {
        Ok(body) => (status, Written(body.into())).into_response(),
        Err(error) => Error::Internal(error.into()).into_response(),
    }
}

async fn json_body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes> {
    let is_json = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"));
    if !is_json {
        return Err(Error::UnsupportedMediaType("application/json"));
    }
    whole_body(request, state).await
}

/// A request's body to its end, whatever it is.
pub async fn whole_body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes> {
    Bytes::from_request(request, state).await.map_err(|rejection| match rejection {
        BytesRejection::FailedToBufferBody(rejection)
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE =>
        {
            Error::TooLarge
        }
        _ => Error::Malformed("the body ended early".to_owned()),
    })
}

fn parse<T: DeserializeOwned + ToSchema>(body: &[u8]) -> Result<T> {
    let value: Value = serde_json::from_slice(body).map_err(|error| {
        Error::Malformed(format!("not JSON at line {}, column {}", error.line(), error.column()))
    })?;
    // PostgreSQL stores no NUL in text, and no name or note needs one.
    if holds_control_character(&value) {
        return Err(Error::Malformed("text must not hold control characters".to_owned()));
    }
    let faults = schema_faults(&T::name(), &value);
    if !faults.is_empty() {
        return Err(Error::Invalid(faults));
    }
    serde_path_to_error::deserialize(&value).map_err(|error| {
        let path = error.path().to_string();
        let pointer = if path == "." { String::new() } else { pointer_of(&path) };
        Error::field(pointer, error.into_inner().to_string())
    })
}

fn pointer_of(path: &str) -> String {
    let path = path.replace('[', ".").replace(']', "");
    path.split('.').fold(String::new(), |pointer, step| format!("{pointer}/{step}"))
}

fn holds_control_character(value: &Value) -> bool {
    match value {
        Value::String(text) => text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')),
        Value::Array(items) => items.iter().any(holds_control_character),
        Value::Object(fields) => fields.values().any(holds_control_character),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Everything in which the value differs from the schema that the OpenAPI document gives it.
fn schema_faults(schema: &str, value: &Value) -> Vec<FieldProblem> {
    static VALIDATORS: OnceLock<Mutex<HashMap<String, &'static jsonschema::Validator>>> =
        OnceLock::new();
    let validators = VALIDATORS.get_or_init(Mutex::default);
    let validator = {
        let mut validators = validators.lock().expect("no holder of the lock panics");
        // One per request type, for the life of the process.
        *validators
            .entry(schema.to_owned())
            .or_insert_with(|| Box::leak(Box::new(validator(schema))))
    };
    if validator.is_valid(value) {
        return Vec::new();
    }
    validator.iter_errors(value).flat_map(|error| field_problems(&error, value)).collect()
}

fn validator(schema: &str) -> jsonschema::Validator {
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .should_validate_formats(true)
        .build(&openapi::schema(schema))
        .expect("the OpenAPI document holds a valid schema for every request body")
}

fn field_problems(error: &jsonschema::ValidationError<'_>, body: &Value) -> Vec<FieldProblem> {
    use jsonschema::error::ValidationErrorKind as Kind;
    let at = error.instance_path().to_string();
    match error.kind() {
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            vec![FieldProblem::new(format!("{at}/{name}"), phrase!("is required"))]
        }
        Kind::AdditionalProperties { unexpected } => {
            unexpected.iter().map(|name| unknown_field(&at, name)).collect()
        }
        // An object that may hold nothing at all.
        Kind::FalseSchema => {
            let fields = body.pointer(&at).and_then(Value::as_object);
            fields.into_iter().flat_map(|f| f.keys()).map(|name| unknown_field(&at, name)).collect()
        }
        Kind::MinLength { limit } => {
            let message = match limit {
                1 => "must not be empty".to_owned(),
                _ => format!("must have at least {limit} characters"),
            };
            vec![FieldProblem::new(at, message)]
        }
        Kind::MaxLength { limit } => {
            vec![FieldProblem::new(at, sentence!("must have at most {limit} characters"))]
        }
        Kind::Format { format } => {
            let example = match format.as_str() {
                "date" => phrase!("must be a date such as 1964-03-31"),
                "date-time" => phrase!("must be a time such as 2026-03-31T09:30:00Z"),
                "uuid" => phrase!("must be a UUID"),
                _ => phrase!("has the wrong format"),
            };
            vec![FieldProblem::new(at, example)]
        }
        _ => vec![FieldProblem::new(at, error.to_string())],
    }
}

fn unknown_field(at: &str, name: &str) -> FieldProblem {
    let name = name.replace('~', "~0").replace('/', "~1");
    FieldProblem::new(format!("{at}/{name}"), phrase!("is not a field that is known here"))
}

/// Query parameters; a faulty one is named.
#[derive(Clone, Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let query = parts.uri.query().unwrap_or_default();
        let pairs = form_urlencoded::parse(query.as_bytes());
        if let Some((name, _)) = pairs.clone().find(|(_, value)| value.contains(char::is_control)) {
            return Err(Error::field(
                format!("/{name}"),
                phrase!("must not hold control characters"),
            ));
        }
        let deserializer = serde_urlencoded::Deserializer::new(pairs);
        serde_path_to_error::deserialize(deserializer).map(Self).map_err(|error| {
            let path = error.path().to_string();
            let name = if path == "." { String::new() } else { format!("/{path}") };
            Error::field(name, error.into_inner().to_string())
        })
    }
}

/// The id in the path; what is no id names nothing.
#[derive(Clone, Copy, Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        type Inner<T> = axum::extract::Path<T>;
        let path = <Inner<T> as FromRequestParts<S>>::from_request_parts(parts, state).await;
        path.map(|inner| Self(inner.0)).map_err(|_| Error::NotFound("thing"))
    }
}

/// The version that a change is based on, from `If-Match: "<version>"`.
#[derive(Clone, Copy, Debug)]
pub struct IfMatch(pub i32);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let header = parts.headers.get(header::IF_MATCH).ok_or(Error::VersionRequired)?;
        let version = header.to_str().ok().and_then(|text| text.trim().parse_etag());
        // A tag that we never gave belongs to no version that is current.
        version.map(Self).ok_or(Error::Stale)
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for IfMatch {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>> {
        match <Self as FromRequestParts<S>>::from_request_parts(parts, state).await {
            Ok(version) => Ok(Some(version)),
            Err(Error::VersionRequired) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

trait ParseEtag {
    fn parse_etag(&self) -> Option<i32>;
}

impl ParseEtag for str {
    fn parse_etag(&self) -> Option<i32> {
        self.strip_prefix('"')?.strip_suffix('"')?.parse().ok()
    }
}

/// The body of a `POST` that creates, with its optional `Idempotency-Key`.
#[derive(Clone, Debug)]
pub struct Creation<T> {
    /// What to create.
    pub new: T,
    /// The caller's key for this request, if there is one.
    pub key: Option<RequestKey>,
}

/// An `Idempotency-Key` and what it was used for.
#[derive(Clone, Debug)]
pub struct RequestKey {
    /// The caller's key.
    pub key: String,
    /// SHA-256 of method, path and body.
    pub fingerprint: [u8; 32],
}

impl<T, S> FromRequest<S> for Creation<T>
where
    T: DeserializeOwned + ToSchema,
    S: Send + Sync,
{
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let key = idempotency_key(request.headers())?;
        let method = request.method().clone();
        let path = request.uri().path().to_owned();
        let body = json_body(request, state).await?;
        let new = parse(&body)?;
        let key =
            key.map(|key| RequestKey { key, fingerprint: fingerprint(&method, &path, &body) });
        Ok(Self { new, key })
    }
}

/// The request's `Idempotency-Key`, if it has one, for a body that is read elsewhere.
pub fn request_key(request: &Request) -> Result<Option<OpenKey>> {
    let key = idempotency_key(request.headers())?;
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    Ok(key.map(|key| OpenKey { key, method, path }))
}

/// An `Idempotency-Key` whose body has not been read yet.
#[derive(Clone, Debug)]
pub struct OpenKey {
    key: String,
    method: Method,
    path: String,
}

impl OpenKey {
    /// The key with what it was used for.
    pub fn used_for(self, body: &[u8]) -> RequestKey {
        RequestKey { fingerprint: fingerprint(&self.method, &self.path, body), key: self.key }
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>> {
    let Some(header) = headers.get("idempotency-key") else { return Ok(None) };
    let key = header.to_str().unwrap_or_default().trim();
    if !(1..=200).contains(&key.len()) {
        let message = phrase!("Idempotency-Key must have 1 to 200 visible characters").to_owned();
        return Err(Error::Malformed(message));
    }
    Ok(Some(key.to_owned()))
}

fn fingerprint(method: &Method, path: &str, body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(method.as_str());
    hash.update([0]);
    hash.update(path);
    hash.update([0]);
    hash.update(body);
    hash.finalize().into()
}

/// `201 Created` (or `202 Accepted`) with `Location` and, for what has versions, `ETag`: in parts, so
/// that it can be stored under an idempotency key and answered again.
#[derive(Clone, Debug)]
pub struct Created {
    /// 201 or 202.
    pub status: StatusCode,
    /// The address of what was created, if it has one of its own.
    pub location: Option<String>,
    /// Its version.
    pub version: Option<i32>,
    /// Its representation, in JSON.
    pub body: Vec<u8>,
}

impl Created {
    /// `201 Created`.
    pub fn new<T: Serialize>(
        location: Option<String>,
        version: Option<i32>,
        body: &T,
    ) -> Result<Self> {
        let body = serde_json::to_vec(body).map_err(anyhow::Error::from)?;
        Ok(Self { status: StatusCode::CREATED, location, version, body })
    }

    /// `202 Accepted`.
    pub fn accepted<T: Serialize>(location: String, body: &T) -> Result<Self> {
        let created = Self::new(Some(location), None, body)?;
        Ok(Self { status: StatusCode::ACCEPTED, ..created })
    }
}

impl IntoResponse for Created {
    fn into_response(self) -> Response {
        let mut response = (self.status, Written(self.body.into())).into_response();
        if let Some(location) = self.location.and_then(|at| HeaderValue::from_str(&at).ok()) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        if let Some(version) = self.version {
            response.headers_mut().insert(header::ETAG, etag(version));
        }
        response
    }
}

/// A representation with its version as `ETag`.
#[derive(Clone, Debug)]
pub struct Versioned<T> {
    /// The version.
    pub version: i32,
    /// The representation.
    pub body: T,
}

impl<T: Serialize> IntoResponse for Versioned<T> {
    fn into_response(self) -> Response {
        let mut response = json(StatusCode::OK, &self.body);
        response.headers_mut().insert(header::ETAG, etag(self.version));
        response
    }
}

fn etag(version: i32) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{version}\"")).expect("a number in quotes is a header value")
}
