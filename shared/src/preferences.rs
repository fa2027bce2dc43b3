//! What each account chooses for itself, where the site's default is not theirs.

use serde::{Deserialize, Serialize};

use crate::{
    patient::given,
    prediction::KfreRegion,
    settings::{Language, Units},
};

/// What an account has chosen, and what holds for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Preferences {
    /// Raised by each change; send it as `If-Match` with the next one.
    pub version: i32,
    /// The language of the pages; `null` is the site's.
    pub language: Option<Language>,
    /// The units in which values are shown; `null` is the site's.
    pub units: Option<Units>,
    /// Which baseline KFRE uses for what this account asks for; `null` is the site's.
    pub kfre_region: Option<KfreRegion>,
    /// What holds: the choice, or the site's default where there is none.
    pub in_force: InForce,
}

/// What holds for an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct InForce {
    /// The language of the pages.
    pub language: Language,
    /// The units in which values are shown.
    pub units: Units,
    /// Which baseline KFRE uses.
    pub kfre_region: KfreRegion,
}

/// A change of one's own choices: what is left out stays, `null` takes the site's again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct PreferencesPatch {
    /// The language of the pages.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<Language>, required = false))]
    pub language: Option<Option<Language>>,
    /// The units in which values are shown.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<Units>, required = false))]
    pub units: Option<Option<Units>>,
    /// Which baseline KFRE uses for what this account asks for.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<KfreRegion>, required = false))]
    pub kfre_region: Option<Option<KfreRegion>>,
}
