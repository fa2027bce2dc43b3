//! People who sign in.

use serde::{Deserialize, Serialize};

use crate::{
    access::Role,
    id::{PatientId, UserId},
};

/// An account, as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct User {
    /// The account's id.
    pub id: UserId,
    /// The address the person signs in with.
    pub email: String,
    /// The name to show.
    pub display_name: String,
    /// What the account may do.
    pub role: Role,
    /// For a patient's account: the record it is linked to.
    pub patient_id: Option<PatientId>,
}
