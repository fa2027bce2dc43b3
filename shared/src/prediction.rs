//! Predictions: what was asked, on which inputs, and what came out.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    clinical::quantity::Quantity,
    id::{PatientId, PredictionId, UserId},
    observation::{ObservationCode, ObservationMethod},
    outcome::OutcomeKind,
    patient::{RenalDisease, Sex},
    therapy::TherapyKind,
};

/// How far a prediction has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema, sqlx::Type))]
#[cfg_attr(feature = "server", sqlx(type_name = "text", rename_all = "snake_case"))]
pub enum PredictionStatus {
    /// Waits for a worker.
    Queued,
    /// A worker has it.
    Running,
    /// Done; `result` is there.
    Succeeded,
    /// Given up; `error` says why.
    Failed,
    /// Called off before it was done.
    Cancelled,
}

impl PredictionStatus {
    /// Whether nothing will change any more.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// A request for a prediction. Everything it needs is on the patient's record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct NewPrediction {}

/// A requested prediction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Prediction {
    /// The prediction's id.
    pub id: PredictionId,
    /// Whom it is about.
    pub patient_id: PatientId,
    /// How far it has come.
    pub status: PredictionStatus,
    /// Who asked.
    pub requested_by: UserId,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
    /// When it reached its final status.
    pub completed_at: Option<DateTime<Utc>>,
    /// The network that answered; `null` until it has.
    pub model: Option<ModelVersion>,
    /// Every value it rests on, frozen when it was asked for.
    pub inputs: PredictionInputs,
    /// The answer; present when it succeeded.
    pub result: Option<PredictionResult>,
    /// Why it failed; present when it did.
    pub error: Option<String>,
}

/// Which network answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ModelVersion {
    /// The network's name.
    pub name: String,
    /// The network's version.
    pub version: String,
}

/// Everything a prediction rests on, taken from the record at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct PredictionInputs {
    /// The day the prediction speaks from.
    pub as_of: NaiveDate,
    /// Completed years of age on that day.
    pub age_years: u32,
    /// Sex assigned at birth.
    pub sex: Sex,
    /// Diabetes mellitus; `null` is unknown.
    pub diabetes: Option<bool>,
    /// Arterial hypertension; `null` is unknown.
    pub hypertension: Option<bool>,
    /// Cardiovascular disease; `null` is unknown.
    pub cardiovascular_disease: Option<bool>,
    /// Heart failure; `null` is unknown.
    pub heart_failure: Option<bool>,
    /// Smokes now; `null` is unknown.
    pub smoker: Option<bool>,
    /// Primary renal disease.
    pub renal_disease: RenalDisease,
    /// Which baseline KFRE uses.
    pub region: KfreRegion,
    /// Drug classes in use on the day.
    #[serde(default)]
    #[cfg_attr(feature = "server", schema(max_items = 50))]
    pub therapies: Vec<TherapyKind>,
    /// The latest biopsy, if there is one.
    #[serde(default)]
    pub biopsy: Option<BiopsyInput>,
    /// End points already reached.
    #[serde(default)]
    #[cfg_attr(feature = "server", schema(max_items = 10))]
    pub outcomes: Vec<OutcomeKind>,
    /// The values of the last five years in canonical units, oldest first.
    #[cfg_attr(feature = "server", schema(max_items = 4000))]
    pub values: Vec<InputValue>,
}

/// One value a prediction rests on.
// It is stored as a row of its fields in this order (backend/src/db/prediction_inputs.rs).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct InputValue {
    /// What was measured.
    pub code: ObservationCode,
    /// The value, in `unit`.
    pub value: f64,
    /// The canonical UCUM unit.
    pub unit: String,
    /// When it was measured.
    pub effective_at: DateTime<Utc>,
    /// How the value came to be.
    pub method: ObservationMethod,
}

impl InputValue {
    /// The value with its unit in its type; `None` for another code, and for a number that the
    /// quantity cannot have.
    pub fn quantity<Q: Quantity>(&self) -> Option<Q> {
        (self.code == Q::CODE).then(|| Q::of(self.value))?
    }
}

/// What a prediction uses of a biopsy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct BiopsyInput {
    /// The day of the biopsy.
    pub performed_on: NaiveDate,
    /// Mesangial hypercellularity, 0 or 1; `null` is unknown.
    pub m: Option<u8>,
    /// Endocapillary hypercellularity, 0 or 1; `null` is unknown.
    pub e: Option<u8>,
    /// Segmental sclerosis, 0 or 1; `null` is unknown.
    pub s: Option<u8>,
    /// Tubular atrophy and interstitial fibrosis, 0 to 2; `null` is unknown.
    pub t: Option<u8>,
    /// Crescents, 0 to 2; `null` is unknown.
    pub c: Option<u8>,
}

/// What came out. Every probability is between 0 and 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct PredictionResult {
    /// The Kidney Failure Risk Equation, where it applies.
    pub kfre: Option<Kfre>,
    /// The network's cumulative incidence of kidney failure, years 1 to 5.
    pub risk: Vec<YearRisk>,
    /// The category that the risk leads to.
    pub category: RiskCategory,
    /// Which of the two voices the category comes from.
    pub category_source: RiskSource,
    /// What moves the network's 5-year risk away from the reference patient's, strongest first.
    pub contributions: Vec<Contribution>,
    /// The network's 5-year risk of the reference patient, to which the contributions add up.
    pub reference_risk_5y: f64,
    /// The International IgAN Prediction Tool (post-biopsy), where it applies.
    pub igan: Option<Igan>,
    /// KDIGO 2024 categories.
    pub kdigo: Kdigo,
    /// What the guidelines say to do.
    pub advice: Vec<Advice>,
    /// What to keep in mind when reading these numbers.
    pub warnings: Vec<Warning>,
}

impl PredictionResult {
    /// The probability of kidney failure within 2 or 5 years, from the voice that the category
    /// comes from.
    pub fn risk_within(&self, years: u8) -> Option<f64> {
        match (&self.kfre, self.category_source, years) {
            (Some(kfre), RiskSource::Kfre, 2) => Some(kfre.risk_2y),
            (Some(kfre), RiskSource::Kfre, 5) => Some(kfre.risk_5y),
            _ => self.risk.iter().find(|risk| risk.year == years).map(|risk| risk.probability),
        }
    }
}

/// The Kidney Failure Risk Equation's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Kfre {
    /// How many variables the equation used: 4, 6 or 8.
    #[cfg_attr(feature = "server", schema(minimum = 4, maximum = 8))]
    pub variables: u8,
    /// Which baseline it used.
    pub region: KfreRegion,
    /// Probability of kidney failure within 2 years.
    pub risk_2y: f64,
    /// Probability of kidney failure within 5 years.
    pub risk_5y: f64,
}

/// Where the equation's baseline survival was calibrated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema, sqlx::Type))]
#[cfg_attr(feature = "server", sqlx(type_name = "text", rename_all = "snake_case"))]
pub enum KfreRegion {
    /// North America (Tangri 2016).
    #[default]
    NorthAmerica,
    /// Outside North America (Tangri 2016).
    Other,
    /// United Kingdom (Major 2019), 4 variables only.
    UnitedKingdom,
}

impl KfreRegion {
    /// The region's name, for people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::NorthAmerica => phrase!("North America"),
            Self::Other => phrase!("outside North America"),
            Self::UnitedKingdom => phrase!("United Kingdom"),
        }
    }
}

/// The risk within so many years.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct YearRisk {
    /// Years from now, 1 to 5.
    pub year: u8,
    /// Probability of kidney failure within that time.
    pub probability: f64,
    /// Lower end of the 90 % interval.
    pub lower: f64,
    /// Upper end of the 90 % interval.
    pub upper: f64,
}

/// What a risk calls for (KDIGO 2024 practice points 2.2.1 to 2.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema, sqlx::Type))]
#[cfg_attr(feature = "server", sqlx(type_name = "text", rename_all = "snake_case"))]
pub enum RiskCategory {
    /// 5-year risk under 3 %.
    Low,
    /// 5-year risk of 3 % or more.
    Moderate,
    /// 2-year risk over 10 %.
    High,
    /// 2-year risk over 40 %.
    VeryHigh,
}

impl RiskCategory {
    /// The category's name, for people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Low => phrase!("Low"),
            Self::Moderate => phrase!("Moderate"),
            Self::High => phrase!("High"),
            Self::VeryHigh => phrase!("Very high"),
        }
    }
}

/// A risk from which on the guidelines ask for something more (KDIGO 2024 practice points 2.2.1 to
/// 2.2.3; NICE NG203); `clinical::assessment::is_over` says whether a risk is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema, sqlx::Type))]
#[cfg_attr(feature = "server", sqlx(type_name = "text", rename_all = "snake_case"))]
pub enum Threshold {
    /// 5-year risk of 3 % or more: consider referral.
    ConsiderReferral,
    /// 5-year risk of 5 % or more: refer to nephrology.
    Refer,
    /// 2-year risk over 10 %: multidisciplinary care.
    Multidisciplinary,
    /// 2-year risk over 40 %: prepare replacement therapy.
    PrepareReplacement,
}

impl Threshold {
    /// Every threshold, the least grave first.
    pub const ALL: [Self; 4] =
        [Self::ConsiderReferral, Self::Refer, Self::Multidisciplinary, Self::PrepareReplacement];

    /// Within how many years the risk is that it looks at.
    pub const fn years(self) -> u8 {
        match self {
            Self::ConsiderReferral | Self::Refer => 5,
            Self::Multidisciplinary | Self::PrepareReplacement => 2,
        }
    }
}

/// Which voice a number comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema, sqlx::Type))]
#[cfg_attr(feature = "server", sqlx(type_name = "text", rename_all = "snake_case"))]
pub enum RiskSource {
    /// The published equation.
    Kfre,
    /// The network, trained on simulated patients.
    Network,
}

/// How much one input moves the network's 5-year risk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Contribution {
    /// The input: an observation code, `egfr_course`, or the name of a fixed fact.
    pub input: String,
    /// Signed effect on the 5-year probability.
    pub effect: f64,
}

/// The International IgAN Prediction Tool's answer (post-biopsy form, Barbour 2022).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Igan {
    /// Probability of a 50 % fall of eGFR or kidney failure within 5 years.
    pub risk_5y: f64,
    /// Always true: the coefficients come from a secondary source.
    pub experimental: bool,
}

/// KDIGO 2024 classification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Kdigo {
    /// Category of eGFR.
    pub g: GCategory,
    /// Category of albuminuria; `null` while it is unknown.
    pub a: Option<ACategory>,
    /// The heat map's risk; `null` while albuminuria is unknown.
    pub risk: Option<KdigoRisk>,
    /// Whether no ACR was measured and `a` is a PCR's, by the guideline's equivalents.
    #[serde(default)]
    pub a_from_pcr: bool,
}

impl Kdigo {
    /// The category of albuminuria for people; a PCR's says so.
    pub const fn albuminuria(self) -> &'static str {
        match (self.a, self.a_from_pcr) {
            (None, _) => "A?",
            (Some(a), false) => a.label(),
            (Some(ACategory::A1), true) => "A1 (PCR)",
            (Some(ACategory::A2), true) => "A2 (PCR)",
            (Some(ACategory::A3), true) => "A3 (PCR)",
        }
    }
}

/// KDIGO category of eGFR, mL/min/1.73 m².
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub enum GCategory {
    /// 90 or more.
    G1,
    /// 60 to 89.
    G2,
    /// 45 to 59.
    #[serde(rename = "G3a")]
    G3a,
    /// 30 to 44.
    #[serde(rename = "G3b")]
    G3b,
    /// 15 to 29.
    G4,
    /// Under 15.
    G5,
}

impl GCategory {
    /// Every category, the highest eGFR first.
    pub const ALL: [Self; 6] = [Self::G1, Self::G2, Self::G3a, Self::G3b, Self::G4, Self::G5];

    /// The category's name.
    pub const fn label(self) -> &'static str {
        match self {
            Self::G1 => "G1",
            Self::G2 => "G2",
            Self::G3a => "G3a",
            Self::G3b => "G3b",
            Self::G4 => "G4",
            Self::G5 => "G5",
        }
    }
}

/// KDIGO category of albuminuria, mg/g.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub enum ACategory {
    /// Under 30.
    A1,
    /// 30 to 300.
    A2,
    /// Over 300.
    A3,
}

impl ACategory {
    /// Every category, the least albumin first.
    pub const ALL: [Self; 3] = [Self::A1, Self::A2, Self::A3];

    /// The category's name.
    pub const fn label(self) -> &'static str {
        match self {
            Self::A1 => "A1",
            Self::A2 => "A2",
            Self::A3 => "A3",
        }
    }
}

/// The heat map's colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub enum KdigoRisk {
    /// Green.
    Low,
    /// Yellow.
    Moderate,
    /// Orange.
    High,
    /// Red.
    VeryHigh,
}

/// What a guideline says to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Advice {
    /// A stable name, for programs.
    pub code: String,
    /// The sentence, for people.
    pub text: String,
    /// Where it is written.
    pub source: String,
}

/// What to keep in mind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Warning {
    /// A stable name, for programs.
    pub code: String,
    /// The sentence, for people.
    pub text: String,
}
