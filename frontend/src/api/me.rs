//! The account of whoever is signed in.

use shared::{
    id::{SessionId, ViewId},
    page::Items,
    preferences::{Preferences, PreferencesPatch},
    second_factor::{Confirmation, Enrolment, NewSecondFactor, Proof, RecoveryCodes, SecondFactor},
    session::Session,
    user::{NewPassword, PasswordChange, User},
    view::{NewView, View},
};

use super::{Call, Result, download, request};

/// The account itself.
pub async fn read() -> Result<User> {
    request(Call::get("/me")).await
}

/// One's own sessions.
pub async fn sessions() -> Result<Items<Session>> {
    request(Call::get("/auth/sessions")).await
}

/// Ends one of one's own sessions, or all the others.
pub async fn revoke(session: Option<SessionId>) -> Result<()> {
    let id = session.map(|id| format!("/{id}")).unwrap_or_default();
    request(Call::delete(format!("/auth/sessions{id}"))).await
}

/// Changes one's own password.
pub async fn change_password(change: &PasswordChange) -> Result<()> {
    request(Call::post("/auth/password").json(change)).await
}

/// Sets a password with a link.
pub async fn set_password(new: &NewPassword) -> Result<()> {
    request(Call::post("/auth/set-password").json(new).unsigned()).await
}

/// How one's own second factor stands.
pub async fn second_factor() -> Result<SecondFactor> {
    request(Call::get("/auth/totp")).await
}

/// Begins to set one up.
pub async fn begin_second_factor(new: &NewSecondFactor) -> Result<Enrolment> {
    request(Call::post("/auth/totp").json(new)).await
}

/// Shows that the app makes the right codes.
pub async fn confirm_second_factor(confirmation: &Confirmation) -> Result<RecoveryCodes> {
    request(Call::post("/auth/totp/confirm").json(confirmation)).await
}

/// Fresh recovery codes; the earlier ones count no more.
pub async fn renew_recovery_codes(proof: &NewSecondFactor) -> Result<RecoveryCodes> {
    request(Call::post("/auth/totp/recovery-codes").json(proof)).await
}

/// Saves everything in one's own record as a file.
pub async fn export_record() -> Result<()> {
    download(&Call::get("/me/record/export"), "record.ndjson").await
}

/// Removes one's own second factor.
pub async fn remove_second_factor(proof: &Proof) -> Result<()> {
    request(Call::delete("/auth/totp").json(proof)).await
}

/// What one has chosen for oneself.
pub async fn preferences() -> Result<Preferences> {
    request(Call::get("/me/preferences")).await
}

/// Changes one's own choices, which were read at `version`.
pub async fn update_preferences(version: i32, patch: &PreferencesPatch) -> Result<Preferences> {
    request(Call::patch("/me/preferences", version, patch)).await
}

/// One's own views of the patient list.
pub async fn views() -> Result<Items<View>> {
    request(Call::get("/me/views")).await
}

/// Keeps a view.
pub async fn create_view(new: &NewView) -> Result<View> {
    request(Call::create("/me/views", new)).await
}

/// Renames a view, or lets it show something else.
pub async fn replace_view(id: ViewId, new: &NewView) -> Result<View> {
    request(Call::put(format!("/me/views/{id}"), new)).await
}

/// Deletes a view.
pub async fn delete_view(id: ViewId) -> Result<()> {
    request(Call::delete(format!("/me/views/{id}"))).await
}
