//! The dashboard: the patients whom somebody sees, counted.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    id::PatientId,
    prediction::{ACategory, GCategory, KdigoRisk, RiskCategory, Threshold},
};

/// The most patients that are named as having crossed a threshold.
pub const MOST_CROSSINGS: i64 = 50;

/// How the patients in use stand whom the caller sees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Dashboard {
    /// When they were counted: of very many patients, up to ten minutes ago.
    pub counted_at: DateTime<Utc>,
    /// How many there are.
    pub patients: i64,
    /// The 18 cells of the KDIGO heat map and those of which a category is unknown, rows G1 to G5
    /// and unknown, each from A1 to A3 and unknown; by the latest values, a PCR where there is no
    /// ACR.
    pub kdigo: Vec<KdigoCount>,
    /// The 2-year risk of the latest predictions, from low to high.
    pub risk_2y: Vec<RiskCount>,
    /// The same of the 5-year risk.
    pub risk_5y: Vec<RiskCount>,
    /// The categories of the latest predictions, from low to very high.
    pub risk_categories: Vec<CategoryCount>,
    /// Who has crossed a threshold this month.
    pub crossings: Crossings,
    /// What the records lack.
    pub data_gaps: Vec<GapCount>,
}

/// One cell of the heat map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct KdigoCount {
    /// Category of eGFR; `null` without one.
    pub g: Option<GCategory>,
    /// Category of albuminuria; `null` where neither ACR nor PCR was measured.
    pub a: Option<ACategory>,
    /// The cell's colour; `null` where a category is.
    pub risk: Option<KdigoRisk>,
    /// How many patients are in it.
    pub patients: i64,
}

/// One bar of a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct RiskCount {
    /// The lowest risk in it.
    pub from: f64,
    /// The risk below which it ends; the last bar includes 1.
    pub to: f64,
    /// How many patients are in it.
    pub patients: i64,
}

/// How many patients have a category.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct CategoryCount {
    /// The category.
    pub category: RiskCategory,
    /// How many have it.
    pub patients: i64,
}

/// Whose risk came over a threshold: the latest prediction is over it, and the one before was not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Crossings {
    /// The first day that counts, in UTC: the month's first.
    pub since: NaiveDate,
    /// How many have crossed each threshold, the least grave first.
    pub thresholds: Vec<ThresholdCount>,
    /// Who they are, the latest first, each with the gravest threshold crossed; at most 50.
    pub patients: Vec<Crossing>,
}

/// How many patients have crossed a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ThresholdCount {
    /// The threshold.
    pub threshold: Threshold,
    /// How many have crossed it.
    pub patients: i64,
}

/// A patient who has crossed a threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Crossing {
    /// The patient.
    pub patient_id: PatientId,
    /// Medical record number.
    pub mrn: String,
    /// Given name.
    pub given_name: String,
    /// Family name.
    pub family_name: String,
    /// The threshold.
    pub threshold: Threshold,
    /// When the prediction was finished that is over it.
    pub crossed_at: DateTime<Utc>,
    /// The risk before, within the threshold's years; 0 to 1.
    pub risk_before: f64,
    /// The risk with which it was crossed.
    pub risk_after: f64,
}

/// What a record lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub enum DataGap {
    /// No eGFR.
    MissingEgfr,
    /// Neither an ACR nor a PCR.
    MissingAlbuminuria,
    /// A PCR, but no ACR.
    PcrOnly,
    /// The latest eGFR or the latest ACR is more than a year old.
    Stale,
    /// No finished prediction.
    NeverPredicted,
}

impl DataGap {
    /// Every gap.
    pub const ALL: [Self; 5] = [
        Self::MissingEgfr,
        Self::MissingAlbuminuria,
        Self::PcrOnly,
        Self::Stale,
        Self::NeverPredicted,
    ];

    /// The gap's name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MissingEgfr => "missing_egfr",
            Self::MissingAlbuminuria => "missing_albuminuria",
            Self::PcrOnly => "pcr_only",
            Self::Stale => "stale",
            Self::NeverPredicted => "never_predicted",
        }
    }

    /// The gap, for people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::MissingEgfr => crate::phrase!("No eGFR"),
            Self::MissingAlbuminuria => crate::phrase!("No albuminuria (ACR or PCR)"),
            Self::PcrOnly => crate::phrase!("PCR only, no ACR"),
            Self::Stale => crate::phrase!("eGFR or ACR over a year old"),
            Self::NeverPredicted => crate::phrase!("Never predicted"),
        }
    }
}

/// How many records have a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct GapCount {
    /// The gap.
    pub gap: DataGap,
    /// How many records have it.
    pub patients: i64,
}

#[cfg(test)]
mod tests {
    use super::DataGap;

    #[test]
    fn a_gap_is_named_as_it_is_written() {
        for gap in DataGap::ALL {
            assert_eq!(serde_json::to_value(gap).unwrap(), gap.as_str());
        }
    }
}
