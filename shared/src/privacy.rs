//! Counts under differential privacy: freer questions than a publication answers, each of which
//! spends a part of a budget that does not come back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::summary::{Publication, SummaryField};

/// The most fields that a private question may combine, as groups and filters together.
pub const MOST_PRIVATE_FIELDS: usize = 4;
/// The least that a question may spend.
pub const LEAST_EPSILON: f64 = 0.01;
/// The most that a question may spend.
pub const MOST_EPSILON: f64 = 1.0;

/// A question to be answered with noise, and how much of the budget it may spend.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct PrivateQuestion {
    /// Fields to group by; none counts everybody asked for as one group.
    #[serde(default)]
    #[cfg_attr(feature = "server", schema(max_items = 4))]
    pub group_by: Vec<SummaryField>,
    /// Of each field the values that are wanted. Unlike in a publication, a field that is not
    /// grouped by may have several.
    #[serde(default)]
    pub filters: BTreeMap<SummaryField, Vec<String>>,
    /// How much to spend, 0.01 to 1 in thousandths: less spends less and answers less exactly.
    #[cfg_attr(feature = "server", schema(minimum = 0.01, maximum = 1))]
    pub epsilon: f64,
}

/// One group with its noisy count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct PrivateCount {
    /// The group: each field that was grouped by with its value.
    pub group: BTreeMap<String, String>,
    /// How many people, with noise: may be negative, and is right on average.
    pub people: i64,
}

/// How much of a budget is gone.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Budget {
    /// The most that can ever be spent, as epsilon.
    pub limit: f64,
    /// How much was spent.
    pub spent: f64,
    /// How much is left.
    pub left: f64,
}

/// What a caller can still spend: the lesser of both.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct PrivacyBudgets {
    /// Of the API token that asks; `null` for somebody who signed in.
    pub token: Option<Budget>,
    /// Of the account, with all its tokens, revoked ones included.
    pub account: Budget,
}

/// The answer to a private question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct PrivateCounts {
    /// The publication whose people were counted.
    pub publication: Publication,
    /// What the answer cost when it was first given.
    pub epsilon: f64,
    /// Whether it was given before, and so cost nothing now.
    pub repeated: bool,
    /// 19 of 20 counts are at most so many people from the truth.
    pub margin: i64,
    /// Every combination of values, empty ones included: that one is missing would tell something.
    pub counts: Vec<PrivateCount>,
    /// What is left.
    pub budgets: PrivacyBudgets,
}
