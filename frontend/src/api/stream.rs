//! Server-sent events over `fetch`, because `EventSource` cannot carry a bearer token.

use gloo_timers::future::TimeoutFuture;
use serde::de::DeserializeOwned;
use shared::problem::{Problem, ProblemKind};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, ReadableStreamDefaultReader, TextDecodeOptions, TextDecoder};

use super::{Call, Result, request, transport};
use crate::language::t;
use crate::session as current;

/// How often a stream that breaks is opened again before giving up.
const RECONNECTS: u32 = 5;

/// Follows what is at `path` to its end by its `/events`, calling `on_change` with every state on
/// the way, the last included. Dropping the future closes the connection.
pub async fn to_the_end<T: DeserializeOwned>(
    path: &str,
    is_final: fn(&T) -> bool,
    mut on_change: impl FnMut(&T),
) -> Result<T> {
    for attempt in 1..=RECONNECTS {
        match follow(path, is_final, &mut on_change).await {
            Ok(Some(ended)) => return Ok(ended),
            Err(problem) if !passes(problem.kind) => return Err(problem),
            // The server ended the stream before the end came, or the network broke it.
            Ok(None) | Err(_) => TimeoutFuture::new(200 * attempt).await,
        }
    }
    let last = request(Call::get(path)).await?;
    on_change(&last);
    if is_final(&last) { Ok(last) } else { Err(still_open()) }
}

/// Reads one connection's events; `None` if it ends before the end came.
async fn follow<T: DeserializeOwned>(
    path: &str,
    is_final: fn(&T) -> bool,
    on_change: &mut impl FnMut(&T),
) -> Result<Option<T>> {
    let mut events = Events::open(&format!("{path}/events")).await?;
    while let Some(data) = events.next().await? {
        // An event of another kind (a hint, a heartbeat) is not a state: not for us.
        let Ok(state) = serde_json::from_str::<T>(&data) else { continue };
        on_change(&state);
        if is_final(&state) {
            return Ok(Some(state));
        }
    }
    Ok(None)
}

const fn passes(kind: ProblemKind) -> bool {
    matches!(kind, ProblemKind::Unreachable | ProblemKind::Unavailable)
}

fn still_open() -> Problem {
    let detail = t("It is not ready yet. It goes on on the server: look again in a moment.");
    Problem { detail: Some(detail.to_owned()), ..Problem::new(ProblemKind::Unavailable) }
}

/// An open stream of events; dropping it closes the connection.
pub struct Events {
    abort: AbortController,
    reader: ReadableStreamDefaultReader,
    decoder: TextDecoder,
    parser: Parser,
}

impl Events {
    /// Opens the stream at `path` below `/api/v1`.
    pub async fn open(path: &str) -> Result<Self> {
        let token = current::bearer().await?;
        match Self::open_with(path, &token).await {
            Err(problem) if problem.kind == ProblemKind::NotSignedIn => {
                current::discard(&token);
                let token = current::bearer().await?;
                Self::open_with(path, &token).await
            }
            settled => settled,
        }
    }

    async fn open_with(path: &str, token: &str) -> Result<Self> {
        let lost = |_: JsValue| transport::unreachable_server();
        let abort = AbortController::new().map_err(lost)?;
        let call = Call::get(path);
        let response = transport::open(&call, Some(token), None, Some(&abort.signal())).await?;
        let body = response.body().ok_or_else(transport::unreachable_server)?;
        Ok(Self {
            abort,
            reader: body.get_reader().unchecked_into(),
            decoder: TextDecoder::new().map_err(lost)?,
            parser: Parser::default(),
        })
    }

    /// The data of the next event; `None` once the server ends the stream.
    pub async fn next(&mut self) -> Result<Option<String>> {
        loop {
            if let Some(data) = self.parser.take() {
                return Ok(Some(data));
            }
            let lost = |_: JsValue| transport::unreachable_server();
            let chunk = JsFuture::from(self.reader.read()).await.map_err(lost)?;
            if property(&chunk, "done").is_truthy() {
                return Ok(None);
            }
            let bytes: js_sys::Uint8Array = property(&chunk, "value").unchecked_into();
            let options = TextDecodeOptions::new();
            options.set_stream(true);
            let text =
                self.decoder.decode_with_js_u8_array_and_options(&bytes, &options).map_err(lost)?;
            self.parser.push(&text);
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.abort.abort();
    }
}

fn property(object: &JsValue, name: &str) -> JsValue {
    js_sys::Reflect::get(object, &JsValue::from_str(name)).unwrap_or(JsValue::UNDEFINED)
}

/// Cuts a stream of text into events (WHATWG HTML, section 9.2.6): an empty line ends an event,
/// `data` lines are joined, comments and other fields do not matter here.
#[derive(Default)]
struct Parser {
    rest: String,
}

impl Parser {
    fn push(&mut self, text: &str) {
        self.rest.extend(text.chars().filter(|c| *c != '\r'));
    }

    /// The data of the first whole event that has any.
    fn take(&mut self) -> Option<String> {
        loop {
            let end = self.rest.find("\n\n")?;
            let event: String = self.rest.drain(..end + 2).collect();
            let data: Vec<&str> = event
                .lines()
                .filter_map(|line| line.strip_prefix("data:"))
                .map(|data| data.strip_prefix(' ').unwrap_or(data))
                .collect();
            if !data.is_empty() {
                return Some(data.join("\n"));
            }
        }
    }
}
