//! Courses of drugs that matter to the course of kidney disease.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    id::{PatientId, TherapyId},
    patient::given,
};

/// The class of a drug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema, sqlx::Type))]
#[cfg_attr(feature = "server", sqlx(type_name = "text", rename_all = "snake_case"))]
pub enum TherapyKind {
    /// ACE inhibitor or angiotensin receptor blocker.
    RasInhibitor,
    /// SGLT2 inhibitor.
    Sglt2Inhibitor,
    /// Mineralocorticoid receptor antagonist, finerenone included.
    Mra,
    /// GLP-1 receptor agonist.
    Glp1Agonist,
    /// Immunosuppression other than corticosteroids.
    Immunosuppression,
    /// Systemic corticosteroid.
    Corticosteroid,
    /// Fish oil.
    FishOil,
    /// Diuretic.
    Diuretic,
    /// Statin.
    Statin,
    /// Erythropoiesis-stimulating agent.
    Esa,
    /// Phosphate binder.
    PhosphateBinder,
    /// Oral bicarbonate.
    Bicarbonate,
    /// Insulin.
    Insulin,
    /// Anything else.
    Other,
}

impl TherapyKind {
    /// Every class.
    pub const ALL: [Self; 14] = [
        Self::RasInhibitor,
        Self::Sglt2Inhibitor,
        Self::Mra,
        Self::Glp1Agonist,
        Self::Immunosuppression,
        Self::Corticosteroid,
        Self::FishOil,
        Self::Diuretic,
        Self::Statin,
        Self::Esa,
        Self::PhosphateBinder,
        Self::Bicarbonate,
        Self::Insulin,
        Self::Other,
    ];

    /// The class's name, for people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::RasInhibitor => phrase!("RAS inhibitor"),
            Self::Sglt2Inhibitor => phrase!("SGLT2 inhibitor"),
            Self::Mra => phrase!("Mineralocorticoid receptor antagonist"),
            Self::Glp1Agonist => phrase!("GLP-1 receptor agonist"),
            Self::Immunosuppression => phrase!("Immunosuppression"),
            Self::Corticosteroid => phrase!("Corticosteroid"),
            Self::FishOil => phrase!("Fish oil"),
            Self::Diuretic => phrase!("Diuretic"),
            Self::Statin => phrase!("Statin"),
            Self::Esa => phrase!("Erythropoiesis-stimulating agent"),
            Self::PhosphateBinder => phrase!("Phosphate binder"),
            Self::Bicarbonate => phrase!("Oral bicarbonate"),
            Self::Insulin => phrase!("Insulin"),
            Self::Other => phrase!("Other"),
        }
    }
}

/// A course to record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct NewTherapy {
    /// The class of the drug.
    pub kind: TherapyKind,
    /// First day.
    pub started_on: NaiveDate,
    /// Last day; left out while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_on: Option<NaiveDate>,
    /// Drug and dose, or another remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(max_length = 500))]
    pub note: Option<String>,
}

/// One course of a drug.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Therapy {
    /// The course's id.
    pub id: TherapyId,
    /// Grows by one with every change.
    pub version: i32,
    /// Whose course it is.
    pub patient_id: PatientId,
    /// The class of the drug.
    pub kind: TherapyKind,
    /// First day.
    pub started_on: NaiveDate,
    /// Last day; `null` while it goes on.
    pub ended_on: Option<NaiveDate>,
    /// Drug and dose, or another remark.
    pub note: Option<String>,
    /// When it was recorded.
    pub created_at: DateTime<Utc>,
}

/// A change of a course: what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct TherapyPatch {
    /// The class of the drug.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = TherapyKind, required = false))]
    pub kind: Option<TherapyKind>,
    /// First day.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = NaiveDate, required = false))]
    pub started_on: Option<NaiveDate>,
    /// Last day; `null` reopens the course.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<NaiveDate>, required = false))]
    pub ended_on: Option<Option<NaiveDate>>,
    /// Drug and dose, or another remark; `null` removes it.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "server", schema(value_type = Option<String>, required = false, max_length = 500))]
    pub note: Option<Option<String>>,
}
