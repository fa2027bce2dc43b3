//! API tokens.

use shared::{
    id::TokenId,
    page::Page,
    token::{CreatedToken, NewToken, Token},
};

use super::{Call, Result, query, request};

/// One page of the list: one's own tokens, or everybody's.
pub async fn list(everybody: bool, cursor: &str) -> Result<Page<Token>> {
    let everybody = if everybody { "true" } else { "" };
    let wanted = query(&[("everybody", everybody), ("cursor", cursor)]);
    request(Call::get(format!("/tokens{wanted}"))).await
}

/// A new token with its secret. Never repeated by itself: the server does not keep the secret, so
/// that a second answer could not show it again.
pub async fn create(new: &NewToken) -> Result<CreatedToken> {
    request(Call::post("/tokens").json(new)).await
}

/// Revokes a token.
pub async fn revoke(id: TokenId) -> Result<()> {
    request(Call::delete(format!("/tokens/{id}"))).await
}
