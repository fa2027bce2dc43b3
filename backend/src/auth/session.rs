//! The refresh cookie, and the check that a cookie-only request comes from our own pages.

use axum::http::{HeaderMap, header};
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};

use crate::{
    auth::secret::Secret,
    error::{Error, Result},
};

/// `__Host-`: only over a secure origin (loopback counts), for this host and the whole of it.
const COOKIE: &str = "__Host-nephrocast-refresh";

/// The cookie that carries a refresh token. Without an expiry it goes when the browser does.
pub fn cookie(token: &Secret) -> Cookie<'static> {
    Cookie::build((COOKIE, token.as_str().to_owned()))
        .path("/")
        .secure(true)
        .http_only(true)
        .same_site(SameSite::Strict)
        .build()
}

/// The cookie that removes it.
pub fn removal() -> Cookie<'static> {
    let mut cookie = cookie(&Secret::received(""));
    cookie.make_removal();
    cookie
}

/// The refresh token that a browser sent.
pub fn received(jar: &CookieJar) -> Option<Secret> {
    jar.get(COOKIE).map(|cookie| Secret::received(cookie.value()))
}

/// Refuses a request that carries the cookie from a page of somebody else: browsers send `Origin`
/// with every POST, and it must name the host that the request was sent to. Programs that send no
/// `Origin` hold no cookie of a person.
pub fn check_origin(headers: &HeaderMap) -> Result<()> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    if authority.map(|(_, authority)| authority) == host && host.is_some() {
        return Ok(());
    }
    Err(Error::NotAllowed)
}
