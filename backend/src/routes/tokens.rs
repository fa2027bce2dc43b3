//! API tokens: made, listed, revoked by people who signed in.

use std::collections::HashSet;

use axum::{extract::State, http::StatusCode};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::json;
use shared::{
    access::Permission,
    id::TokenId,
    page::Page,
    phrase, sentence,
    token::{CreatedToken, MAX_LIFETIME_DAYS, NewToken, Token, TokenOwner},
};
use utoipa::IntoParams;

use crate::{
    auth::{Allowed, Caller, UseTokens, api_token::ApiToken},
    db::{self, audit::Event},
    error::{Error, Result},
    extract::{Created, Json, Path, Query},
    input::Faults,
    openapi::Problems,
    page,
    state::AppState,
};

/// How many tokens an account may have in use.
const MOST: i64 = 50;

/// Make an API token.
///
/// The secret is in this answer only: Nephrocast keeps its hash. So this `POST` takes no
/// `Idempotency-Key`; after a lost answer, revoke the token and make another one.
///
/// A token is `nct_`, 27 digits in base 62 (160 random bits) and 6 digits in base 62: the CRC-32 of
/// the 27, by which scanners recognise a leaked one.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "tokens", security(("bearer" = [])),
    request_body = NewToken,
    responses((status = 201, description = "Made", body = CreatedToken), Problems))]
pub async fn create_token(
    Allowed { caller, .. }: Allowed<UseTokens>,
    State(state): State<AppState>,
    Json(new): Json<NewToken>,
) -> Result<Created> {
    let now = state.clock.now();
    let mut tx = state.begin(&caller).await?;
    if MOST <= db::tokens::count_live(&mut tx, caller.user_id, now).await? {
        let message = sentence!("there are {MOST} tokens in use already; revoke one first");
        return Err(Error::Conflict(message));
    }
    let owner = db::users::find(&mut *tx, caller.user_id).await?.ok_or(Error::NotSignedIn)?;
    let owner = TokenOwner { id: owner.id, display_name: owner.display_name, role: owner.role };
    let token = check(new, owner, TokenId(state.clock.new_id()), now)?;
    let secret = ApiToken::random();
    db::tokens::insert(&mut tx, &token, &secret.hash()).await?;
    let details = json!({
        "name": token.name, "scopes": token.scopes, "expires_at": token.expires_at,
    });
    let event = Event::new("token.create").object(token.id.0).details(details);
    db::audit::record(&mut tx, &caller.actor(), event, now).await?;
    tx.commit().await?;
    Created::new(None, None, &CreatedToken { token, secret: secret.as_str().to_owned() })
}

/// The token to make, if nothing about it is wrong.
fn check(new: NewToken, owner: TokenOwner, id: TokenId, now: DateTime<Utc>) -> Result<Token> {
    let mut faults = Faults::default();
    let name = faults.line("/name", &new.name, 100);
    let mut seen = HashSet::new();
    for (index, scope) in new.scopes.iter().enumerate() {
        let pointer = format!("/scopes/{index}");
        if !owner.role.scopes().any(|possible| possible == *scope) {
            faults.add(
                pointer,
                sentence!("your role cannot give away {scope}", scope = scope.name()),
            );
        } else if !seen.insert(*scope) {
            faults.add(pointer, phrase!("is there already"));
        }
    }
    if new.expires_at <= now {
        faults.add("/expires_at", phrase!("must be in the future"));
    } else if now + TimeDelta::days(MAX_LIFETIME_DAYS) < new.expires_at {
        faults.add("/expires_at", sentence!("must be within {MAX_LIFETIME_DAYS} days"));
    }
    faults.refuse()?;
    Ok(Token {
        id,
        name,
        scopes: new.scopes,
        owner,
        created_at: now,
        expires_at: new.expires_at,
        last_used_on: None,
        last_used_address: None,
        revoked_at: None,
    })
}

/// Which tokens to answer.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TokenQuery {
    /// Everybody's tokens instead of one's own; for administrators.
    #[serde(default)]
    #[param(default = false)]
    pub everybody: bool,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<String>)]
    pub cursor: Option<TokenId>,
    /// Items per page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<u32>,
}

/// List API tokens, newest first, those that have ended included.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "tokens", security(("bearer" = [])),
    params(TokenQuery),
    responses((status = 200, description = "A page", body = Page<Token>), Problems))]
pub async fn list_tokens(
    Allowed { caller, .. }: Allowed<UseTokens>,
    State(state): State<AppState>,
    Query(query): Query<TokenQuery>,
) -> Result<Json<Page<Token>>> {
    let oversees = caller.allows(Permission::OverseeTokens);
    if query.everybody && !oversees {
        return Err(Error::NotAllowed);
    }
    let limit = page::limit(query.limit)?;
    let owner = (!query.everybody).then_some(caller.user_id);
    let mut tx = state.begin(&caller).await?;
    let mut items = db::tokens::list(&mut *tx, owner, query.cursor, page::rows(limit)).await?;
    if query.everybody {
        let event = Event::new("token.list");
        db::audit::record(&mut tx, &caller.actor(), event, state.clock.now()).await?;
    }
    tx.commit().await?;
    let has_more = limit < items.len();
    items.truncate(limit);
    let next_cursor = items.last().filter(|_| has_more).map(|last| last.id.to_string());
    Ok(Json(Page { items, next_cursor }))
}

/// Revoke an API token: it counts no more from the next request on.
///
/// Administrators may revoke everybody's.
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", tag = "tokens", security(("bearer" = [])),
    params(("id" = TokenId, Path, description = "The token")),
    responses((status = 204, description = "Revoked"), Problems))]
pub async fn revoke_token(
    Allowed { caller, .. }: Allowed<UseTokens>,
    State(state): State<AppState>,
    Path(id): Path<TokenId>,
) -> Result<StatusCode> {
    let now = state.clock.now();
    let mut tx = state.begin(&caller).await?;
    let name = db::tokens::revoke(&mut tx, id, reach(&caller), now).await?;
    let name = name.ok_or(Error::NotFound("token in use"))?;
    let event = Event::new("token.revoke").object(id.0).details(json!({ "name": name }));
    db::audit::record(&mut tx, &caller.actor(), event, now).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whose tokens the caller may revoke: their own, or (`None`) everybody's.
fn reach(caller: &Caller) -> Option<shared::id::UserId> {
    (!caller.allows(Permission::OverseeTokens)).then_some(caller.user_id)
}
