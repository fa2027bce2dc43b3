//! Released networks: which there are, what each one's card says, how a shadow compares, and how
//! far today's inputs have drifted from those it was trained on.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

/// A released network that the service knows of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ModelSummary {
    /// The network's name; `null` when the release cannot be read so far.
    pub name: Option<String>,
    /// The network's version.
    pub version: String,
    /// What it was trained on, in words; `null` when the release cannot be read so far.
    pub trained_on: Option<String>,
    /// The day of its release, from its card; `null` without one.
    pub released_on: Option<NaiveDate>,
    /// Whether it answers predictions now.
    pub active: bool,
    /// Whether it runs unseen beside the active one.
    pub shadow: bool,
    /// Whether it has a card.
    pub has_card: bool,
    /// Whether it has a reference distribution, without which no drift can be told.
    pub has_reference: bool,
    /// Why it cannot be used; `null` when it is loaded.
    pub problem: Option<String>,
}

/// A model card as data: `card.json` of a release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ModelCard {
    /// The network's name.
    pub name: String,
    /// The network's version.
    pub version: String,
    /// The day of its release.
    pub released_on: NaiveDate,
    /// The sentence of intended use, [`crate::INTENDED_USE`].
    pub intended_use: String,
    /// What to know first, a sentence or two each.
    pub summary: Vec<String>,
    /// The source attributes of 45 CFR 170.315(b)(11)(iv)(B), all of [`SOURCE_ATTRIBUTES`] in
    /// their order.
    pub attributes: Vec<SourceAttribute>,
    /// What it had to reach, and what it reached.
    pub bars: Vec<CardBar>,
    /// How well it did by group, beside other voices on the same rows.
    pub metrics: Vec<CardMetric>,
    /// Pictures.
    pub figures: Vec<CardFigure>,
}

/// One source attribute with what is to be said about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct SourceAttribute {
    /// Its stable name, one of [`SOURCE_ATTRIBUTES`].
    pub key: String,
    /// Its place in the order of the regulation, 1 to 31.
    #[cfg_attr(feature = "server", schema(minimum = 1, maximum = 31))]
    pub number: u8,
    /// The group of attributes it belongs to.
    pub group: String,
    /// What it is about.
    pub title: String,
    /// What is to be said; "none performed" rather than nothing.
    pub text: String,
}

/// Something that a network had to reach before its release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct CardBar {
    /// What was measured.
    pub measure: String,
    /// On whom.
    pub group: String,
    /// What it had to be.
    pub bar: String,
    /// What it was, or why it was not measured.
    pub value: String,
    /// Whether the bar was reached; `null` when it was not measured.
    pub met: Option<bool>,
    /// The command that measures it.
    pub command: String,
}

/// How well one voice did in one group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct CardMetric {
    /// Who spoke: the network, an equation, or the true risk of simulated patients.
    pub voice: String,
    /// On whom.
    pub group: String,
    /// The horizon in years.
    pub years: u8,
    /// How many patients.
    pub patients: u32,
    /// Share in whom kidney failure was observed within the horizon, 0 to 1.
    pub observed: f64,
    /// Mean predicted risk, 0 to 1.
    pub predicted: f64,
    /// Area under the receiver operating characteristic; `null` when it cannot be told.
    pub auroc: Option<f64>,
    /// Calibration slope; `null` when it cannot be told.
    pub calibration_slope: Option<f64>,
    /// Brier score.
    pub brier: f64,
}

/// A picture of the card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct CardFigure {
    /// Its stable name.
    pub name: String,
    /// Its caption.
    pub title: String,
    /// What it shows, for those who do not see it.
    pub alt: String,
    /// The picture, a whole SVG document.
    pub svg: String,
}

/// A source attribute that every card must speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceAttributeKey {
    /// Its stable name.
    pub key: &'static str,
    /// Its place in the order of the regulation.
    pub number: u8,
    /// The group of attributes it belongs to.
    pub group: &'static str,
    /// What it is about.
    pub title: &'static str,
}

impl SourceAttributeKey {
    /// The attribute with what is to be said about it.
    pub fn with_text(&self, text: impl Into<String>) -> SourceAttribute {
        SourceAttribute {
            key: self.key.to_owned(),
            number: self.number,
            group: self.group.to_owned(),
            title: self.title.to_owned(),
            text: text.into(),
        }
    }
}

const fn attribute(
    number: u8,
    group: &'static str,
    key: &'static str,
    title: &'static str,
) -> SourceAttributeKey {
    SourceAttributeKey { key, number, group, title }
}

const DETAILS: &str = phrase!("Details and output");
const PURPOSE: &str = phrase!("Purpose");
const CAUTION: &str = phrase!("Cautioned use");
const DEVELOPMENT: &str = phrase!("Development and fairness");
const EXTERNAL: &str = phrase!("External validation");
const QUANTITATIVE: &str = phrase!("Quantitative measures");
const MAINTENANCE: &str = phrase!("Maintenance");

/// The 31 source attributes of 45 CFR 170.315(b)(11)(iv)(B), in its order.
pub const SOURCE_ATTRIBUTES: [SourceAttributeKey; 31] = [
    attribute(1, DETAILS, "developer", phrase!("Developer and contact")),
    attribute(2, DETAILS, "funding", phrase!("Funding of the development")),
    attribute(3, DETAILS, "output_value", phrase!("Value produced as output")),
    attribute(4, DETAILS, "output_type", phrase!("Type of output")),
    attribute(5, PURPOSE, "intended_use", phrase!("Intended use")),
    attribute(6, PURPOSE, "intended_population", phrase!("Intended patient population")),
    attribute(7, PURPOSE, "intended_users", phrase!("Intended users")),
    attribute(8, PURPOSE, "decision_role", phrase!("Intended role in decisions")),
    attribute(
        9,
        CAUTION,
        "cautioned_uses",
        phrase!("Tasks, situations and populations for caution"),
    ),
    attribute(10, CAUTION, "known_limits", phrase!("Known risks, inappropriate uses and limits")),
    attribute(
        11,
        DEVELOPMENT,
        "training_criteria",
        phrase!("Who was included in the training data"),
    ),
    attribute(12, DEVELOPMENT, "sensitive_inputs", phrase!("Use of demographic and social inputs")),
    attribute(
        13,
        DEVELOPMENT,
        "training_representativeness",
        phrase!("Whom the training data represent"),
    ),
    attribute(14, DEVELOPMENT, "training_relevance", phrase!("Relevance to the deployed setting")),
    attribute(15, DEVELOPMENT, "fairness_approach", phrase!("Approach to fairness")),
    attribute(16, DEVELOPMENT, "bias_management", phrase!("Approach to managing bias")),
    attribute(17, EXTERNAL, "external_data", phrase!("Source and setting of the external data")),
    attribute(18, EXTERNAL, "external_party", phrase!("Who validated externally")),
    attribute(
        19,
        EXTERNAL,
        "external_representativeness",
        phrase!("Whom the external data represent"),
    ),
    attribute(20, EXTERNAL, "external_process", phrase!("How it was validated externally")),
    attribute(
        21,
        QUANTITATIVE,
        "internal_validity",
        phrase!("Validity in test data of the training source"),
    ),
    attribute(
        22,
        QUANTITATIVE,
        "internal_fairness",
        phrase!("Fairness in test data of the training source"),
    ),
    attribute(23, QUANTITATIVE, "external_validity", phrase!("Validity in external data")),
    attribute(24, QUANTITATIVE, "external_fairness", phrase!("Fairness in external data")),
    attribute(
        25,
        QUANTITATIVE,
        "outcome_evaluations",
        phrase!("Evaluations of its use on outcomes"),
    ),
    attribute(
        26,
        MAINTENANCE,
        "validity_monitoring",
        phrase!("How and how often validity is monitored"),
    ),
    attribute(27, MAINTENANCE, "local_validity", phrase!("Validity in local data")),
    attribute(
        28,
        MAINTENANCE,
        "fairness_monitoring",
        phrase!("How and how often fairness is monitored"),
    ),
    attribute(29, MAINTENANCE, "local_fairness", phrase!("Fairness in local data")),
    attribute(30, MAINTENANCE, "update_process", phrase!("How and how often it is updated")),
    attribute(
        31,
        MAINTENANCE,
        "correction_frequency",
        phrase!("How soon found faults are corrected"),
    ),
];

impl ModelCard {
    /// What keeps the card from being released: every source attribute that is absent, out of
    /// place, misnamed or blank, and another sentence of intended use than everywhere else.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for wanted in &SOURCE_ATTRIBUTES {
            let Some(given) = self.attributes.iter().find(|given| given.key == wanted.key) else {
                faults.push(format!("attribute {} ({}) is missing", wanted.number, wanted.key));
                continue;
            };
            if given.text.trim().is_empty() {
                faults.push(format!("attribute {} ({}) is blank", wanted.number, wanted.key));
            }
            if *given != wanted.with_text(given.text.as_str()) {
                faults.push(format!("attribute {} is not {wanted:?}", wanted.key));
            }
        }
        let order: Vec<u8> = self.attributes.iter().map(|given| given.number).collect();
        if !order.iter().copied().eq(SOURCE_ATTRIBUTES.iter().map(|wanted| wanted.number)) {
            faults.push(format!("the attributes are numbered {order:?}, not 1 to 31"));
        }
        if self.intended_use != crate::INTENDED_USE {
            faults.push("intended_use is not the product's sentence".to_owned());
        }
        faults
    }
}

/// How a shadow's risks compare with those that were shown, on the same frozen inputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ModelComparison {
    /// The version that ran as shadow.
    pub version: String,
    /// The version whose predictions it is compared with.
    pub against: String,
    /// The first moment of the window.
    pub from: DateTime<Utc>,
    /// The end of the window.
    pub to: DateTime<Utc>,
    /// How many predictions both answered.
    pub predictions: i64,
    /// How many predictions the shadow was asked for and failed.
    pub failures: i64,
    /// Share of the predictions whose risk category would be another, 0 to 1; `null` without any.
    pub category_change: Option<f64>,
    /// The differences at 2 and at 5 years.
    pub horizons: Vec<HorizonComparison>,
}

/// The network's risks at one horizon, shadow beside shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct HorizonComparison {
    /// The horizon in years.
    pub years: u8,
    /// Mean risk that was shown, 0 to 1; `null` without predictions, as are the following.
    pub mean_shown: Option<f64>,
    /// Mean risk of the shadow, 0 to 1.
    pub mean_shadow: Option<f64>,
    /// Mean of shadow minus shown.
    pub mean_difference: Option<f64>,
    /// Pearson correlation; `null` also when one of the two never varies.
    pub correlation: Option<f64>,
    /// Quantiles of shadow minus shown; none without predictions.
    pub quantiles: Vec<DifferenceQuantile>,
}

/// A quantile of the differences.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct DifferenceQuantile {
    /// The share of the differences at or below `difference`.
    pub share: f64,
    /// Shadow minus shown.
    pub difference: f64,
}

/// How far the inputs of predictions have drifted from the training data, week by week.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ModelDrift {
    /// The version.
    pub version: String,
    /// How many training rows its reference distribution rests on.
    pub reference_rows: u64,
    /// The weeks, oldest first; those without predictions too.
    pub weeks: Vec<DriftWeek>,
    /// Every input, in the order in which the network reads them.
    pub inputs: Vec<InputDrift>,
    /// A population stability index from here on is moderate.
    pub moderate_from: f64,
    /// A population stability index from here on is large.
    pub large_from: f64,
    /// Where these rules of thumb come from.
    pub source: String,
}

/// One week of predictions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct DriftWeek {
    /// Its Monday, UTC.
    pub starts_on: NaiveDate,
    /// How many predictions the version answered in it.
    pub predictions: i64,
}

/// The drift of one input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct InputDrift {
    /// The input's stable name.
    pub input: String,
    /// The input's name, for people.
    pub label: String,
    /// One for each of the weeks, in their order.
    pub weeks: Vec<DriftIndex>,
}

/// The population stability index of one input in one week.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct DriftIndex {
    /// The index, 0 or more; `null` in a week without predictions.
    pub psi: Option<f64>,
    /// What the index means.
    pub level: DriftLevel,
    /// Share of the predictions in which the input was unknown, 0 to 1; `null` without any.
    pub missing: Option<f64>,
}

/// What a population stability index means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub enum DriftLevel {
    /// So few predictions that chance alone would make an index that means nothing.
    TooFew,
    /// Under 0.1.
    Stable,
    /// 0.1 or more.
    Moderate,
    /// 0.25 or more.
    Large,
}

impl DriftLevel {
    /// The level's name, for people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::TooFew => phrase!("too few to tell"),
            Self::Stable => phrase!("stable"),
            Self::Moderate => phrase!("moderate drift"),
            Self::Large => phrase!("large drift"),
        }
    }
}
