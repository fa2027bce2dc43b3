//! Accounts, run by administrators.

use shared::{
    id::UserId,
    page::Page,
    user::{Account, AccountPatch, CreatedAccount, NewAccount, PasswordLink},
};

use super::{Call, Result, query, request};

/// The accounts that match, by name.
pub async fn list(q: &str, role: &str, state: &str) -> Result<Page<Account>> {
    let query = query(&[("q", q), ("role", role), ("state", state), ("limit", "200")]);
    request(Call::get(format!("/users{query}"))).await
}

/// A new account, and the link to set its password with.
pub async fn create(new: &NewAccount) -> Result<CreatedAccount> {
    request(Call::create("/users", new)).await
}

/// Changes an account that was read at `version`.
pub async fn update(id: UserId, version: i32, patch: &AccountPatch) -> Result<Account> {
    request(Call::patch(format!("/users/{id}"), version, patch)).await
}

/// A link to set a new password with; the old one counts no more.
pub async fn reset_password(id: UserId) -> Result<PasswordLink> {
    request(Call::post(format!("/users/{id}/password-reset"))).await
}

/// Ends the delays after failed sign-ins.
pub async fn unlock(id: UserId) -> Result<Account> {
    request(Call::post(format!("/users/{id}/unlock"))).await
}

/// Removes somebody's second factor.
pub async fn remove_second_factor(id: UserId) -> Result<()> {
    request(Call::delete(format!("/users/{id}/totp"))).await
}
