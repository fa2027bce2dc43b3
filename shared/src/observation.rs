//! Laboratory values and measurements.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    clinical::quantity::Quantity,
    id::{ObservationId, PatientId, UserId},
};

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema, sqlx::Type))]
#[cfg_attr(feature = "server", sqlx(type_name = "text", rename_all = "snake_case"))]
pub enum ObservationCode {
    /// Creatinine in serum or plasma.
    Creatinine,
    /// Estimated glomerular filtration rate.
    Egfr,
    /// Cystatin C in serum or plasma.
    CystatinC,
    /// Urine albumin-to-creatinine ratio.
    Uacr,
    /// Urine protein-to-creatinine ratio.
    Upcr,
    /// Albumin in serum or plasma.
    Albumin,
    /// Inorganic phosphate in serum or plasma.
    Phosphate,
    /// Total calcium in serum or plasma.
    Calcium,
    /// Bicarbonate (or total CO2) in serum or plasma.
    Bicarbonate,
    /// Potassium in serum, plasma or blood.
    Potassium,
    /// Haemoglobin in blood.
    Haemoglobin,
    /// Glycated haemoglobin.
    #[serde(rename = "hba1c")]
    #[cfg_attr(feature = "server", sqlx(rename = "hba1c"))]
    HbA1c,
    /// Systolic blood pressure.
    SystolicBp,
    /// Diastolic blood pressure.
    DiastolicBp,
    /// Body weight.
    Weight,
    /// Body height.
    Height,
}

/// How a value came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema, sqlx::Type))]
#[cfg_attr(feature = "server", sqlx(type_name = "text", rename_all = "snake_case"))]
pub enum ObservationMethod {
    /// Reported by a laboratory or a person, as given.
    Reported,
    /// Computed here from creatinine by CKD-EPI 2021.
    #[serde(rename = "ckd_epi_2021_creatinine")]
    #[cfg_attr(feature = "server", sqlx(rename = "ckd_epi_2021_creatinine"))]
    CkdEpi2021Creatinine,
}

/// Where in its life a value is. Nothing is ever overwritten: a corrected value stays, marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema, sqlx::Type))]
#[cfg_attr(feature = "server", sqlx(type_name = "text", rename_all = "snake_case"))]
pub enum ObservationStatus {
    /// Counts.
    Final,
    /// Replaced by a correction.
    Corrected,
    /// Entered in error.
    Voided,
}

/// One value to record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct NewObservation {
    /// What was measured: one of the codes of [`ObservationCode`], or its LOINC code.
    #[cfg_attr(feature = "server", schema(min_length = 1, max_length = 32))]
    pub code: String,
    /// The value, in `unit`: a number. For a result below the laboratory's detection limit ("<5")
    /// send the limit and say so in `note`: 0 is refused, as the equations take its logarithm.
    pub value: f64,
    /// The value's UCUM unit; every unit that laboratories use for the quantity is accepted.
    #[cfg_attr(feature = "server", schema(min_length = 1, max_length = 32))]
    pub unit: String,
    /// When the sample was taken or the measurement made.
    pub effective_at: DateTime<Utc>,
    /// A remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(max_length = 1000))]
    pub note: Option<String>,
}

/// Values to record together: all of them, or none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct NewObservations {
    /// The values, at most 200.
    #[cfg_attr(feature = "server", schema(min_items = 1, max_items = 200))]
    pub observations: Vec<NewObservation>,
}

/// One recorded value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Observation {
    /// The value's id.
    pub id: ObservationId,
    /// Whose value it is.
    pub patient_id: PatientId,
    /// What was measured.
    pub code: ObservationCode,
    /// The value in the canonical unit.
    pub value: f64,
    /// The canonical UCUM unit.
    pub unit: String,
    /// The value as it was given.
    pub value_as_given: f64,
    /// The unit as it was given.
    pub unit_as_given: String,
    /// When the sample was taken or the measurement made.
    pub effective_at: DateTime<Utc>,
    /// How the value came to be.
    pub method: ObservationMethod,
    /// For a computed value: the one it was computed from.
    pub derived_from: Option<ObservationId>,
    /// For a correction: the value it replaces.
    pub supersedes: Option<ObservationId>,
    /// Where in its life the value is.
    pub status: ObservationStatus,
    /// Why it was corrected or voided.
    pub status_reason: Option<String>,
    /// Why the value deserves a second look, if it does.
    pub warning: Option<String>,
    /// A remark.
    pub note: Option<String>,
    /// Who recorded it.
    pub recorded_by: UserId,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
}

impl Observation {
    /// The value with its unit in its type; `None` for another code, and for a number that the
    /// quantity cannot have.
    pub fn quantity<Q: Quantity>(&self) -> Option<Q> {
        (self.code == Q::CODE).then(|| Q::of(self.value))?
    }
}

/// The right value in place of a wrong one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ObservationCorrection {
    /// The right value, in `unit`.
    pub value: f64,
    /// The right value's UCUM unit.
    #[cfg_attr(feature = "server", schema(min_length = 1, max_length = 32))]
    pub unit: String,
    /// Why the recorded value was wrong.
    #[cfg_attr(feature = "server", schema(min_length = 1, max_length = 500))]
    pub reason: String,
}

/// Why a value is taken out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ObservationVoid {
    /// Why the value should never have been recorded.
    #[cfg_attr(feature = "server", schema(min_length = 1, max_length = 500))]
    pub reason: String,
}
