//! A patient: who they are and the fixed facts that predictions use.

use chrono::{DateTime, Months, NaiveDate, Utc};
use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    dashboard::DataGap,
    id::PatientId,
    prediction::{ACategory, GCategory, Kdigo, RiskCategory, RiskSource},
    worklist::{Due, EgfrPoint, RiskTrend},
};

/// The longest life that a record may describe.
const LONGEST_LIFE: Months = Months::new(12 * 120);

/// What is wrong with a date of birth, if anything; the form and the server ask the same.
pub fn birth_date_fault(birth_date: NaiveDate, today: NaiveDate) -> Option<String> {
    if today < birth_date {
        return Some(crate::sentence!("must not be in the future: today is {today} (UTC)"));
    }
    let first = today.checked_sub_months(LONGEST_LIFE)?;
    (birth_date < first).then(|| crate::phrase!("must not be more than 120 years ago").to_owned())
}

/// Sex assigned at birth, as the published equations use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema, sqlx::Type))]
#[cfg_attr(feature = "server", sqlx(type_name = "text", rename_all = "snake_case"))]
pub enum Sex {
    /// Female.
    Female,
    /// Male.
    Male,
}

/// Primary renal disease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema, sqlx::Type))]
#[cfg_attr(feature = "server", sqlx(type_name = "text", rename_all = "snake_case"))]
pub enum RenalDisease {
    /// Diabetic kidney disease.
    Diabetic,
    /// Hypertensive nephrosclerosis.
    Hypertensive,
    /// Glomerular disease, IgA nephropathy included.
    Glomerular,
    /// Autosomal dominant polycystic kidney disease.
    Polycystic,
    /// Any other known cause.
    Other,
    /// Not known.
    #[default]
    Unknown,
}

impl RenalDisease {
    /// Every cause.
    pub const ALL: [Self; 6] = [
        Self::Diabetic,
        Self::Hypertensive,
        Self::Glomerular,
        Self::Polycystic,
        Self::Other,
        Self::Unknown,
    ];

    /// The cause's name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Diabetic => "diabetic",
            Self::Hypertensive => "hypertensive",
            Self::Glomerular => "glomerular",
            Self::Polycystic => "polycystic",
            Self::Other => "other",
            Self::Unknown => "unknown",
        }
    }

    /// The cause's name, for people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Diabetic => crate::phrase!("Diabetic kidney disease"),
            Self::Hypertensive => crate::phrase!("Hypertensive nephrosclerosis"),
            Self::Glomerular => crate::phrase!("Glomerular disease"),
            Self::Polycystic => crate::phrase!("Polycystic kidney disease"),
            Self::Other => crate::phrase!("Other cause"),
            Self::Unknown => crate::phrase!("Cause unknown"),
        }
    }
}

/// A new patient's record. A fact left out is unknown, which is not the same as `false`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct NewPatient {
    /// Medical record number, unique in the installation.
    #[cfg_attr(feature = "server", schema(min_length = 1, max_length = 64))]
    pub mrn: String,
    /// Given name.
    #[cfg_attr(feature = "server", schema(min_length = 1, max_length = 100))]
    pub given_name: String,
    /// Family name.
    #[cfg_attr(feature = "server", schema(min_length = 1, max_length = 100))]
    pub family_name: String,
    /// Date of birth.
    pub birth_date: NaiveDate,
    /// Sex assigned at birth.
    pub sex: Sex,
    /// Diabetes mellitus, any type.
    #[serde(default)]
    pub diabetes: Option<bool>,
    /// Arterial hypertension, treated or not.
    #[serde(default)]
    pub hypertension: Option<bool>,
    /// Coronary, cerebral or peripheral artery disease.
    #[serde(default)]
    pub cardiovascular_disease: Option<bool>,
    /// Heart failure.
    #[serde(default)]
    pub heart_failure: Option<bool>,
    /// Smokes now.
    #[serde(default)]
    pub smoker: Option<bool>,
    /// Primary renal disease.
    #[serde(default)]
    pub renal_disease: RenalDisease,
    /// Whether the patient may read this record with an account of their own.
    #[serde(default)]
    pub own_access: bool,
}

/// A patient's record without its observations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Patient {
    /// The record's id.
    pub id: PatientId,
    /// Grows by one with every change; sent as `ETag`, expected in `If-Match`.
    pub version: i32,
    /// Medical record number.
    pub mrn: String,
    /// Given name.
    pub given_name: String,
    /// Family name.
    pub family_name: String,
    /// Date of birth.
    pub birth_date: NaiveDate,
    /// Sex assigned at birth.
    pub sex: Sex,
    /// Diabetes mellitus, any type; `null` is unknown.
    pub diabetes: Option<bool>,
    /// Arterial hypertension; `null` is unknown.
    pub hypertension: Option<bool>,
    /// Coronary, cerebral or peripheral artery disease; `null` is unknown.
    pub cardiovascular_disease: Option<bool>,
    /// Heart failure; `null` is unknown.
    pub heart_failure: Option<bool>,
    /// Smokes now; `null` is unknown.
    pub smoker: Option<bool>,
    /// Primary renal disease.
    pub renal_disease: RenalDisease,
    /// Whether the patient may read this record.
    pub own_access: bool,
    /// When the record was archived; `null` while it is in use.
    pub archived_at: Option<DateTime<Utc>>,
    /// When the record was made.
    pub created_at: DateTime<Utc>,
    /// When the record was last changed.
    pub updated_at: DateTime<Utc>,
}

/// A change of a patient's record (RFC 7396): what is left out stays, `null` makes a fact unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct PatientPatch {
    /// Medical record number.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = String, required = false, min_length = 1, max_length = 64))]
    pub mrn: Option<String>,
    /// Given name.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = String, required = false, min_length = 1, max_length = 100))]
    pub given_name: Option<String>,
    /// Family name.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = String, required = false, min_length = 1, max_length = 100))]
    pub family_name: Option<String>,
    /// Date of birth.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = NaiveDate, required = false))]
    pub birth_date: Option<NaiveDate>,
    /// Sex assigned at birth.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Sex, required = false))]
    pub sex: Option<Sex>,
    /// Diabetes mellitus, any type.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<bool>, required = false))]
    pub diabetes: Option<Option<bool>>,
    /// Arterial hypertension.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<bool>, required = false))]
    pub hypertension: Option<Option<bool>>,
    /// Coronary, cerebral or peripheral artery disease.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<bool>, required = false))]
    pub cardiovascular_disease: Option<Option<bool>>,
    /// Heart failure.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<bool>, required = false))]
    pub heart_failure: Option<Option<bool>>,
    /// Smokes now.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<bool>, required = false))]
    pub smoker: Option<Option<bool>>,
    /// Primary renal disease.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = RenalDisease, required = false))]
    pub renal_disease: Option<RenalDisease>,
    /// Whether the patient may read this record.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = bool, required = false))]
    pub own_access: Option<bool>,
}

/// A field that is present is `Some`, whatever it holds; only an absent one is `None`. So `null`
/// is refused for a field that cannot be unknown, and kept apart from absence for one that can.
pub(crate) fn given<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// Which patients a list shows, of those in use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct PatientFilter {
    /// Part of a name or of a medical record number, in any case, or a date of birth
    /// (`YYYY-MM-DD`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(max_length = 200))]
    pub q: Option<String>,
    /// The category of the latest prediction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub risk_category: Option<RiskCategory>,
    /// The primary renal disease.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renal_disease: Option<RenalDisease>,
    /// The KDIGO category of the latest eGFR.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kdigo_g: Option<GCategory>,
    /// The KDIGO category of the latest urine ACR, or of a PCR where there is no ACR.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kdigo_a: Option<ACategory>,
    /// What the record lacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gap: Option<DataGap>,
    /// Whether the day has passed by which KDIGO's heat map wants values measured again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overdue: Option<bool>,
    /// Whether eGFR falls rapidly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rapid_progression: Option<bool>,
}

/// The order of the list; each is served by an index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema, sqlx::Type), sqlx(type_name = "text"))]
pub enum PatientSort {
    /// By family name, then given name.
    #[default]
    #[serde(rename = "name")]
    #[cfg_attr(feature = "server", sqlx(rename = "name"))]
    Name,
    /// By family name, then given name, backwards.
    #[serde(rename = "-name")]
    #[cfg_attr(feature = "server", sqlx(rename = "-name"))]
    NameDown,
    /// Lowest 5-year risk first; records without a prediction before all others.
    #[serde(rename = "risk")]
    #[cfg_attr(feature = "server", sqlx(rename = "risk"))]
    Risk,
    /// Highest 5-year risk first; records without a prediction last.
    #[serde(rename = "-risk")]
    #[cfg_attr(feature = "server", sqlx(rename = "-risk"))]
    RiskDown,
    /// Lowest eGFR first; records without one last.
    #[serde(rename = "egfr")]
    #[cfg_attr(feature = "server", sqlx(rename = "egfr"))]
    Egfr,
    /// Highest eGFR first; records without one before all others.
    #[serde(rename = "-egfr")]
    #[cfg_attr(feature = "server", sqlx(rename = "-egfr"))]
    EgfrDown,
    /// Changed longest ago first.
    #[serde(rename = "updated_at")]
    #[cfg_attr(feature = "server", sqlx(rename = "updated_at"))]
    Updated,
    /// Changed last first.
    #[serde(rename = "-updated_at")]
    #[cfg_attr(feature = "server", sqlx(rename = "-updated_at"))]
    UpdatedDown,
}

/// One line of the patient list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct PatientListItem {
    /// The record's id.
    pub id: PatientId,
    /// Medical record number.
    pub mrn: String,
    /// Given name.
    pub given_name: String,
    /// Family name.
    pub family_name: String,
    /// Date of birth.
    pub birth_date: NaiveDate,
    /// Sex assigned at birth.
    pub sex: Sex,
    /// When the record was archived; `null` while it is in use.
    pub archived_at: Option<DateTime<Utc>>,
    /// The latest eGFR.
    pub egfr: Option<LatestValue>,
    /// The latest urine albumin-to-creatinine ratio.
    pub uacr: Option<LatestValue>,
    /// KDIGO categories of the latest values.
    pub kdigo: Option<Kdigo>,
    /// The latest finished prediction.
    pub risk: Option<LatestRisk>,
    /// How the risk changed since the prediction before; `null` without one, or where the other
    /// voice spoke then.
    pub risk_trend: Option<RiskTrend>,
    /// The last eGFRs, eight at most, in order of time.
    pub egfr_course: Vec<EgfrPoint>,
    /// Whether eGFR falls rapidly (KDIGO 2012).
    pub rapid_progression: bool,
    /// When the latest laboratory value was measured.
    pub last_value_at: Option<DateTime<Utc>>,
    /// By when KDIGO's heat map wants eGFR and albuminuria measured again; `null` without an eGFR,
    /// and after an end point.
    pub monitoring_due_on: Option<NaiveDate>,
    /// What is due, what matters most first; empty for an archived record and after an end point.
    pub due: Vec<Due>,
}

/// The latest value of one quantity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct LatestValue {
    /// The value, in `unit`.
    pub value: f64,
    /// Canonical UCUM unit.
    pub unit: String,
    /// When it was measured.
    pub effective_at: DateTime<Utc>,
}

/// The headline of the latest finished prediction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct LatestRisk {
    /// Probability of kidney failure within 2 years, 0 to 1.
    pub risk_2y: f64,
    /// Probability of kidney failure within 5 years, 0 to 1.
    pub risk_5y: f64,
    /// The category these lead to.
    pub category: RiskCategory,
    /// Which of the two voices the numbers and the category come from.
    pub source: RiskSource,
    /// When it was computed.
    pub predicted_at: DateTime<Utc>,
}
