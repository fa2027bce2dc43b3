//! How the patients stand.

use shared::dashboard::Dashboard;

use super::{Call, Result, request};

/// The counts over the patients whom the caller sees.
pub async fn read() -> Result<Dashboard> {
    request(Call::get("/dashboard".to_owned())).await
}
