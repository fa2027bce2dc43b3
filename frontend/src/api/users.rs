//! Accounts, run by administrators.

use shared::{
    id::UserId,
    page::Page,
    user::{Account, AccountPatch, CreatedAccount, NewAccount, PasswordLink},
};

use super::{Call, Result, query, request};

/// Which accounts to list. Empty text means any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// Part of a name or an e-mail address.
    pub q: String,
    /// A role's name in the contract.
    pub role: String,
    /// A state's name in the contract.
    pub state: String,
}

/// A page of the accounts that match, by name, from where an earlier page ended.
pub async fn list(wanted: &ListQuery, cursor: &str) -> Result<Page<Account>> {
    let ListQuery { q, role, state } = wanted;
    let query = query(&[("q", q), ("role", role), ("state", state), ("cursor", cursor)]);
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
