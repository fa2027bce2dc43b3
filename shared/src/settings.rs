//! What an administrator decides for the whole site.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    access::{Role, Visibility},
    patient::given,
    prediction::KfreRegion,
};

/// A language that the pages speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema, sqlx::Type))]
#[cfg_attr(feature = "server", sqlx(type_name = "text", rename_all = "snake_case"))]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Italian.
    It,
}

impl Language {
    /// Every language.
    pub const ALL: [Self; 2] = [Self::En, Self::It];

    /// The language's BCP 47 tag, as it is on the wire.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::It => "it",
        }
    }

    /// The language of a tag such as `it` or `it-CH`.
    pub fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        Self::ALL.into_iter().find(|language| language.tag().eq_ignore_ascii_case(primary))
    }

    /// The language's name in itself, so that whoever reads no other finds it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::En => "English",
            Self::It => "Italiano",
        }
    }
}

/// The units in which values are shown, and which forms propose. What is kept, and a value as it
/// was recorded, are the same whichever is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema, sqlx::Type))]
#[cfg_attr(feature = "server", sqlx(type_name = "text", rename_all = "snake_case"))]
pub enum Units {
    /// Creatinine in mg/dL, uACR in mg/g.
    #[default]
    Conventional,
    /// Creatinine in µmol/L, uACR in mg/mmol.
    Si,
}

impl Units {
    /// Every system of units.
    pub const ALL: [Self; 2] = [Self::Conventional, Self::Si];

    /// The system's name, for people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Conventional => phrase!("Conventional: creatinine in mg/dL, uACR in mg/g"),
            Self::Si => phrase!("SI: creatinine in µmol/L, uACR in mg/mmol"),
        }
    }
}

/// What everybody may know of the site before they sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Site {
    /// The language of whoever has chosen none.
    pub language: Language,
}

/// The site's settings; a change counts from the next request on, in every process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Settings {
    /// Raised by each change; send it as `If-Match` with the next one.
    pub version: i32,
    /// Roles that must use a second factor.
    pub second_factor_required: Vec<Role>,
    /// Minutes without use after which a session ends.
    pub session_idle_minutes: i32,
    /// Hours after which a session ends whatever happens.
    pub session_hours: i32,
    /// Which baseline KFRE uses for new predictions of whoever has chosen none.
    pub kfre_region: KfreRegion,
    /// The language of whoever has chosen none.
    pub language: Language,
    /// The units of whoever has chosen none.
    pub units: Units,
    /// Whether patients see predictions of their own record.
    pub patients_see_risk: bool,
    /// Summaries withhold groups of fewer people; counts from the next publication on.
    pub minimum_cell_size: i32,
    /// The most epsilon that one API token may ever spend on private counts; 0 answers none.
    pub token_privacy_budget: i32,
    /// The most epsilon that one account may ever spend, all its tokens together.
    pub account_privacy_budget: i32,
    /// Which records clinicians see.
    pub visibility: Visibility,
    /// Minutes for which a record that was opened in an emergency stays open.
    pub emergency_access_minutes: i32,
    /// Years for which a record is kept after it was archived, before it may be erased.
    pub retention_years: i32,
    /// When they were last changed; `null` while they are those that the program started with.
    pub changed_at: Option<DateTime<Utc>>,
}

/// A change of the settings; what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct SettingsPatch {
    /// Roles that must use a second factor.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Vec<Role>, required = false, max_items = 4))]
    pub second_factor_required: Option<Vec<Role>>,
    /// Minutes without use after which a session ends.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = i32, required = false, minimum = 16, maximum = 1440))]
    pub session_idle_minutes: Option<i32>,
    /// Hours after which a session ends whatever happens.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = i32, required = false, minimum = 1, maximum = 168))]
    pub session_hours: Option<i32>,
    /// Which baseline KFRE uses for new predictions of whoever has chosen none.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = KfreRegion, required = false))]
    pub kfre_region: Option<KfreRegion>,
    /// The language of whoever has chosen none.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Language, required = false))]
    pub language: Option<Language>,
    /// The units of whoever has chosen none.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Units, required = false))]
    pub units: Option<Units>,
    /// Whether patients see predictions of their own record.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = bool, required = false))]
    pub patients_see_risk: Option<bool>,
    /// Summaries withhold groups of fewer people; counts from the next publication on.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = i32, required = false, minimum = 5, maximum = 100))]
    pub minimum_cell_size: Option<i32>,
    /// The most epsilon that one API token may ever spend on private counts; 0 answers none.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = i32, required = false, minimum = 0, maximum = 100))]
    pub token_privacy_budget: Option<i32>,
    /// The most epsilon that one account may ever spend, all its tokens together.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = i32, required = false, minimum = 0, maximum = 100))]
    pub account_privacy_budget: Option<i32>,
    /// Which records clinicians see.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Visibility, required = false))]
    pub visibility: Option<Visibility>,
    /// Minutes for which a record that was opened in an emergency stays open.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = i32, required = false, minimum = 15, maximum = 1440))]
    pub emergency_access_minutes: Option<i32>,
    /// Years for which a record is kept after it was archived, before it may be erased.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = i32, required = false, minimum = 0, maximum = 100))]
    pub retention_years: Option<i32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_tagged_as_it_is_written() {
        for language in Language::ALL {
            assert_eq!(serde_json::to_value(language).unwrap(), language.tag());
            assert_eq!(Language::of_tag(language.tag()), Some(language));
        }
        assert_eq!(Language::of_tag("it-CH"), Some(Language::It));
        assert_eq!(Language::of_tag("EN_us"), Some(Language::En));
        assert_eq!(Language::of_tag("item"), None);
    }
}
