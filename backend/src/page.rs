//! Pages of lists: how many items, and where the next page begins.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};
use shared::{
    page::{DEFAULT_LIMIT, MAX_LIMIT, Page},
    phrase, sentence,
};

use crate::error::{Error, Result};

/// How many items the caller wants.
pub fn limit(wanted: Option<u32>) -> Result<usize> {
    let limit = wanted.unwrap_or(DEFAULT_LIMIT);
    if (1..=MAX_LIMIT).contains(&limit) {
        Ok(limit as usize)
    } else {
        Err(Error::field("/limit", sentence!("must be from 1 to {MAX_LIMIT}")))
    }
}

/// How many rows to fetch: one more tells whether there is another page.
pub fn rows(limit: usize) -> i64 {
    i64::try_from(limit).map_or(i64::MAX, |limit| limit.saturating_add(1))
}

/// The page of `limit` items, with the last one's position as the next page's cursor.
pub fn page<T, P: Serialize>(
    mut items: Vec<T>,
    limit: usize,
    position: impl Fn(&T) -> P,
) -> Result<Page<T>> {
    let has_more = limit < items.len();
    items.truncate(limit);
    let next_cursor = match items.last() {
        Some(last) if has_more => Some(encode(&position(last))?),
        _ => None,
    };
    Ok(Page { items, next_cursor })
}

fn encode<P: Serialize>(position: &P) -> Result<String> {
    let json = serde_json::to_vec(position).map_err(anyhow::Error::from)?;
    Ok(URL_SAFE_NO_PAD.encode(json))
}

/// The position in a cursor.
pub fn position<P: DeserializeOwned>(cursor: Option<&str>) -> Result<Option<P>> {
    let Some(cursor) = cursor else { return Ok(None) };
    let json = URL_SAFE_NO_PAD.decode(cursor).ok();
    let position = json.and_then(|json| serde_json::from_slice(&json).ok());
    position.map(Some).ok_or_else(bad_cursor)
}

/// The cursor is none of this list's.
pub fn bad_cursor() -> Error {
    Error::field("/cursor", phrase!("must be next_cursor of the page before, with the same sort"))
}
