//! `fetch`, with the headers of the API's conventions.

use std::cell::RefCell;

use gloo_timers::future::TimeoutFuture;
use shared::problem::{Problem, ProblemKind};
use uuid::Uuid;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortSignal, Blob, Headers, HtmlAnchorElement, Request, RequestCredentials, RequestInit,
    Response, Url,
};

use super::{Call, Method, Result};
use crate::connection;

use crate::{language::t, tf};

/// Where the API lives, same origin.
const BASE: &str = "/api/v1";

/// Waits before each repetition of a call that can be repeated, in milliseconds.
const PAUSES_MS: [u32; 2] = [300, 1200];

thread_local! {
    /// The keys of creating calls whose answer never came, by path and body: sending the same
    /// again, even much later by hand, then cannot create it twice.
    static UNANSWERED: RefCell<Vec<(String, Uuid)>> = const { RefCell::new(Vec::new()) };
}

/// Sends a call and answers the body of a success. What can safely be repeated is when the network
/// fails: twice at once, then as soon as the server answers again.
pub async fn send(call: &Call, token: Option<&str>) -> Result<String> {
    let key = call.creates.then(|| key_for(call));
    let answer = if call.method == Method::Get || call.creates || call.version.is_some() {
        let is_change = call.method != Method::Get;
        connection::persist(is_change, async || send_soon(call, token, key).await).await
    } else {
        send_once(call, token, key).await
    };
    let lost = matches!(&answer, Err(problem) if problem.kind == ProblemKind::Unreachable);
    if !lost {
        forget(call);
    }
    answer
}

/// A network that fails for a moment is nobody's business.
async fn send_soon(call: &Call, token: Option<&str>, key: Option<Uuid>) -> Result<String> {
    let mut pauses = PAUSES_MS.iter();
    loop {
        let answer = send_once(call, token, key).await;
        let lost = matches!(&answer, Err(problem) if problem.kind == ProblemKind::Unreachable);
        match pauses.next() {
            Some(&pause) if lost => TimeoutFuture::new(pause).await,
            _ => return answer,
        }
    }
}

/// Whether the server answers anything at all. What answers in its place while it is gone says so.
pub async fn answers() -> bool {
    let init = RequestInit::new();
    init.set_method("HEAD");
    let asked = leptos::prelude::window().fetch_with_str_and_init(&url("/openapi.json"), &init);
    let answer = JsFuture::from(asked).await.map(JsCast::unchecked_into::<Response>);
    answer.is_ok_and(|answer| !matches!(answer.status(), 502..=504))
}

/// Sends a call and answers the response of a success, its body unread.
pub async fn open(
    call: &Call,
    token: Option<&str>,
    key: Option<Uuid>,
    signal: Option<&AbortSignal>,
) -> Result<Response> {
    let request = build(call, token, key, signal).map_err(|_| unreachable_server())?;
    let response = JsFuture::from(leptos::prelude::window().fetch_with_request(&request))
        .await
        .map_err(|_| unreachable_server())?;
    let response: Response = response.unchecked_into();
    if response.ok() { Ok(response) } else { Err(problem_of(&response).await) }
}

/// The problem of a server that cannot be reached.
pub fn unreachable_server() -> Problem {
    Problem {
        detail: Some(
            t("Check the network connection and try again; what you typed is still here.")
                .to_owned(),
        ),
        ..Problem::new(ProblemKind::Unreachable)
    }
}

async fn send_once(call: &Call, token: Option<&str>, key: Option<Uuid>) -> Result<String> {
    let response = open(call, token, key, None).await?;
    text_of(&response).await.ok_or_else(unreachable_server)
}

fn build(
    call: &Call,
    token: Option<&str>,
    key: Option<Uuid>,
    signal: Option<&AbortSignal>,
) -> std::result::Result<Request, JsValue> {
    let headers = Headers::new()?;
    headers.set("Accept", "application/json, text/event-stream, application/problem+json")?;
    // Only a page of the same origin can send this header: the server's proof, on the routes that
    // live by the cookie alone, that no foreign page is behind the request.
    headers.set("X-Requested-With", "nephrocast")?;
    // A call begins a trace (W3C Trace Context), which the server and the worker go on with.
    let (trace, call_of_it) = (random_uuid().simple(), random_uuid().simple().to_string());
    headers.set("traceparent", &format!("00-{trace}-{}-01", &call_of_it[16..]))?;
    if let Some(token) = token {
        headers.set("Authorization", &format!("Bearer {token}"))?;
    }
    if let Some(version) = call.version {
        headers.set("If-Match", &format!("\"{version}\""))?;
    }
    if let Some(key) = key {
        headers.set("Idempotency-Key", &key.to_string())?;
    }
    let init = RequestInit::new();
    init.set_method(call.method.name());
    init.set_credentials(RequestCredentials::SameOrigin);
    init.set_signal(signal);
    if let Some(body) = &call.body {
        headers.set("Content-Type", call.media_type)?;
        init.set_body(&JsValue::from_str(body));
    }
    init.set_headers_headers(&headers);
    Request::new_with_str_and_init(&url(&call.path), &init)
}

/// The problem document of a failed response; what is between us and the server (a proxy) may
/// answer something else.
async fn problem_of(response: &Response) -> Problem {
    let text = text_of(response).await.unwrap_or_default();
    let mut problem = problem(response.status(), &text);
    let wait = response.headers().get("Retry-After").ok().flatten();
    if let (None, Some(seconds)) = (&problem.detail, wait) {
        problem.detail = Some(tf!("Try again in {seconds} s.", seconds = seconds));
    }
    problem
}

/// The problem that the body of a failed answer is, or the one that its status means.
pub fn problem(status: u16, text: &str) -> Problem {
    serde_json::from_str(text).unwrap_or_else(|_| Problem {
        status,
        ..Problem::new(match status {
            401 => ProblemKind::NotSignedIn,
            403 => ProblemKind::NotAllowed,
            404 => ProblemKind::NotFound,
            413 => ProblemKind::TooLarge,
            429 => ProblemKind::TooManyRequests,
            502..=504 => ProblemKind::Unavailable,
            _ => ProblemKind::Internal,
        })
    })
}

/// The address of a path below the API.
pub fn url(path: &str) -> String {
    format!("{BASE}{path}")
}

/// An address of a response's body within this page; whoever asks gives it back to
/// `Url::revoke_object_url`.
pub async fn address(response: &Response) -> Option<String> {
    let body: Blob = JsFuture::from(response.blob().ok()?).await.ok()?.unchecked_into();
    Url::create_object_url_with_blob(&body).ok()
}

/// Saves a response's body as a file of the browser.
pub async fn save(response: &Response, name: &str) -> Option<()> {
    keep(&address(response).await?, name)
}

/// Saves text as a file of the browser.
pub fn save_text(text: &str, name: &str) -> Option<()> {
    let pieces = js_sys::Array::of1(&text.into());
    let blob = Blob::new_with_str_sequence(&pieces).ok()?;
    keep(&Url::create_object_url_with_blob(&blob).ok()?, name)
}

fn keep(url: &str, name: &str) -> Option<()> {
    let link = leptos::prelude::document().create_element("a").ok()?;
    let link: HtmlAnchorElement = link.unchecked_into();
    link.set_href(url);
    link.set_download(name);
    link.click();
    Url::revoke_object_url(url).ok()
}

/// The content of a file of the site.
pub async fn file(path: &str) -> Option<String> {
    let response = JsFuture::from(leptos::prelude::window().fetch_with_str(path)).await.ok()?;
    let response: Response = response.unchecked_into();
    if response.ok() { text_of(&response).await } else { None }
}

async fn text_of(response: &Response) -> Option<String> {
    JsFuture::from(response.text().ok()?).await.ok()?.as_string()
}

fn fingerprint(call: &Call) -> String {
    format!("{}\n{}", call.path, call.body.as_deref().unwrap_or_default())
}

fn key_for(call: &Call) -> Uuid {
    let call = fingerprint(call);
    UNANSWERED.with_borrow_mut(|keys| {
        if let Some((_, key)) = keys.iter().find(|(known, _)| *known == call) {
            return *key;
        }
        let key = random_uuid();
        keys.push((call, key));
        key
    })
}

fn forget(call: &Call) {
    if call.creates {
        let call = fingerprint(call);
        UNANSWERED.with_borrow_mut(|keys| keys.retain(|(known, _)| *known != call));
    }
}

/// A random id.
pub fn random_uuid() -> Uuid {
    let mut bytes = [0; 16];
    leptos::prelude::window()
        .crypto()
        .ok()
        .and_then(|crypto| crypto.get_random_values_with_u8_array(&mut bytes).ok())
        .expect("every browser that runs WebAssembly has a random generator");
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}
