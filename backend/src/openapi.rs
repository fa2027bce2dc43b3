//! The OpenAPI document: made from the code, committed as `openapi/openapi.json`.

use std::sync::OnceLock;

use serde_json::{
    Map, Value, json,
    value::{RawValue, to_raw_value},
};
use shared::problem::Problem;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use crate::router;

/// What the routes do not say themselves.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Nephrocast",
        description = "Who is heading for kidney failure, why, and what the guidelines say to do.",
    ),
    components(schemas(Problem)),
    modifiers(&Additions),
    tags(
        (name = "session", description = "Signing in and staying signed in"),
        (name = "account", description = "One's own choices: language, units, views of the list"),
        (name = "tokens", description = "API tokens, for programs"),
        (name = "users", description = "Accounts, run by administrators"),
        (name = "settings", description = "What an administrator decides for the whole site"),
        (name = "patients", description = "Patients' records"),
        (name = "record", description = "A patient's own record"),
        (name = "erasure", description = "Archived records, and taking out whose they were"),
        (name = "care-teams", description = "Who cares for a patient, and emergencies"),
        (name = "observations", description = "Laboratory values and measurements"),
        (name = "therapies", description = "Courses of drugs"),
        (name = "biopsies", description = "Kidney biopsies with MEST-C scores"),
        (name = "outcomes", description = "Dialysis, transplant, death"),
        (name = "documents", description = "Letters, reports and pictures of a record"),
        (name = "predictions", description = "Risk of kidney failure"),
        (name = "models", description = "Released networks: cards, activation, shadow, drift"),
        (name = "summaries", description = "What researchers may know: figures of groups, rows without identity"),
        (name = "audit", description = "Who did what to which record"),
        (name = "service", description = "The service itself"),
    ),
)]
pub struct Base;

struct Additions;

impl Modify for Additions {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        env!("CARGO_PKG_VERSION").clone_into(&mut document.info.version);
        if let Some(description) = &mut document.info.description {
            description.push_str("\n\n");
            description.push_str(shared::INTENDED_USE);
        }
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some(
                "The access token from POST /api/v1/auth/login, or an API token (nct_…) from POST \
                 /api/v1/tokens, which does what its scopes say, as far as its owner's role does",
            ))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    }
}

/// The problems that any operation may answer.
#[derive(utoipa::IntoResponses)]
pub enum Problems {
    /// The request cannot be read.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(Problem),
    /// No valid access token.
    #[response(status = 401, content_type = "application/problem+json")]
    NotSignedIn(Problem),
    /// Your role does not allow this.
    #[response(status = 403, content_type = "application/problem+json")]
    NotAllowed(Problem),
    /// There is no such thing, or you may not know of it.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
    /// It contradicts what is recorded.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(Problem),
    /// It was changed since you read it.
    #[response(status = 412, content_type = "application/problem+json")]
    Stale(Problem),
    /// The body is too large.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
    /// The content type is not understood.
    #[response(status = 415, content_type = "application/problem+json")]
    UnsupportedMediaType(Problem),
    /// Some fields are wrong; `errors` names each.
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(Problem),
    /// A change needs `If-Match`.
    #[response(status = 428, content_type = "application/problem+json")]
    VersionRequired(Problem),
    /// Too many requests.
    #[response(status = 429, content_type = "application/problem+json")]
    TooManyRequests(Problem),
    /// A fault of the server; `instance` finds its cause in the log.
    #[response(status = 500, content_type = "application/problem+json")]
    Internal(Problem),
    /// Not ready or too busy.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
}

/// The document.
pub fn document() -> utoipa::openapi::OpenApi {
    router::documented().into_openapi()
}

/// The document as JSON.
pub fn json() -> Value {
    serde_json::to_value(document()).expect("the document is always JSON")
}

/// The document as it is answered: made once, and kept as text, which takes less memory than a tree.
pub fn written() -> &'static RawValue {
    static DOCUMENT: OnceLock<Box<RawValue>> = OnceLock::new();
    DOCUMENT.get_or_init(|| to_raw_value(&json()).expect("the document is always JSON"))
}

/// Where schemas stand in the document.
const SCHEMAS: &str = "#/components/schemas/";

/// The document's schema of a type, with those that it refers to and no other.
pub fn schema(name: &str) -> Value {
    let mut document: Value = serde_json::from_str(written().get()).expect("it is JSON");
    let all = document["components"]["schemas"].as_object_mut().expect("the document has schemas");
    let (mut wanted, mut schemas) = (vec![name.to_owned()], Map::new());
    while let Some(name) = wanted.pop() {
        if let Some(schema) = all.remove(&name) {
            refer(&schema, &mut wanted);
            schemas.insert(name, schema);
        }
    }
    json!({ "$ref": format!("{SCHEMAS}{name}"), "components": { "schemas": schemas } })
}

/// Adds the names of the schemas that this one refers to.
fn refer(schema: &Value, names: &mut Vec<String>) {
    match schema {
        Value::Object(fields) => {
            let to = fields.get("$ref").and_then(Value::as_str);
            names.extend(to.and_then(|to| to.strip_prefix(SCHEMAS)).map(str::to_owned));
            fields.values().for_each(|field| refer(field, names));
        }
        Value::Array(items) => items.iter().for_each(|item| refer(item, names)),
        _ => {}
    }
}

/// The document as it is committed.
pub fn text() -> String {
    let mut text = serde_json::to_string_pretty(&json()).expect("the document is always JSON");
    text.push('\n');
    text
}
