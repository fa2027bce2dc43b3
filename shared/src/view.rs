//! Views of the patient list that somebody keeps under a name.

use serde::{Deserialize, Serialize};

use crate::{
    id::ViewId,
    patient::{PatientFilter, PatientSort},
};

/// The most characters of a view's name.
pub const LONGEST_NAME: usize = 60;
/// The most views of one account.
pub const MOST: usize = 50;

/// One of one's own views of the patient list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct View {
    /// The view.
    pub id: ViewId,
    /// What its owner calls it.
    pub name: String,
    /// Which patients it shows.
    pub filter: PatientFilter,
    /// In which order.
    pub sort: PatientSort,
    /// Archived records instead of those in use.
    pub archived: bool,
}

/// A view to keep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct NewView {
    /// What to call it; no two views of an account have the same name, in any case.
    #[cfg_attr(feature = "server", schema(min_length = 1, max_length = 60))]
    pub name: String,
    /// Which patients it shows, as the parameters of the list say it.
    #[serde(default)]
    #[cfg_attr(feature = "server", schema(required = false))]
    pub filter: PatientFilter,
    /// In which order; by name when it is left out.
    #[serde(default)]
    #[cfg_attr(feature = "server", schema(required = false))]
    pub sort: PatientSort,
    /// Archived records instead of those in use.
    #[serde(default)]
    #[cfg_attr(feature = "server", schema(required = false))]
    pub archived: bool,
}
