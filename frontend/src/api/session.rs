//! Signing in, staying signed in, signing out.

use shared::{
    second_factor::SecondStep,
    session::{Credentials, SignedIn},
    settings::Site,
};

use super::{Call, Result, request, request_with};

/// Signs in; the refresh token comes as a cookie that no script can read.
pub async fn login(credentials: &Credentials) -> Result<SignedIn> {
    request(Call::post("/auth/login").json(credentials).unsigned()).await
}

/// Finishes signing in with a code.
pub async fn second_step(step: &SecondStep) -> Result<SignedIn> {
    request(Call::post("/auth/login/second-factor").json(step).unsigned()).await
}

/// A new access token for the cookie's refresh token.
pub async fn refresh() -> Result<SignedIn> {
    request(Call::post("/auth/refresh").unsigned()).await
}

/// Ends the session that an access token is of.
pub async fn logout(token: &str) -> Result<()> {
    request_with(Call::post("/auth/logout"), token).await
}

/// What everybody may know of the site.
pub async fn site() -> Result<Site> {
    request(Call::get("/site").unsigned()).await
}
