//! The account of whoever is signed in.

use shared::user::User;

use super::{Call, Result, request};

/// The account itself.
pub async fn read() -> Result<User> {
    request(Call::get("/me")).await
}
