//! Rows to take away: people without identity, coarse enough that nobody stands out.

use std::sync::Arc;

use serde::Serialize;
use sha2::{Digest, Sha256};
use shared::summary::{SummaryField, SummaryMeasure};
use utoipa::ToSchema;
use uuid::Uuid;

use super::anonymity::{self, Anonymisation, Filter, QUASI_IDENTIFIERS};
use crate::db::summaries::StoredRow;

/// A person without identity. Values are coarse: an exact one may be known to somebody.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ExportRow<'a> {
    /// Differs from token to token (from account to account, for people who signed in).
    pub pseudonym: String,
    /// Sex.
    pub sex: &'a str,
    /// Age band.
    pub age_band: &'a str,
    /// Cause of kidney disease.
    pub cause: &'a str,
    /// Diabetes.
    pub diabetes: &'a str,
    /// Year of the first eGFR.
    pub year: &'a str,
    /// KDIGO's G category.
    pub stage: &'a str,
    /// KDIGO's A category.
    pub albuminuria: &'a str,
    /// Risk category.
    pub risk_category: &'a str,
    /// Whether they reached kidney failure.
    pub kidney_failure: bool,
    /// Whether they died.
    pub died: bool,
    /// The latest eGFR, whole mL/min/1.73 m².
    pub egfr: Option<f64>,
    /// Its yearly change, to 0.5.
    pub egfr_slope: Option<f64>,
    /// The latest uACR, mg/g, to two digits.
    pub uacr: Option<f64>,
    /// The latest systolic blood pressure, to 5 mmHg.
    pub systolic_bp: Option<f64>,
    /// The latest haemoglobin, to 0.5 g/dL.
    pub haemoglobin: Option<f64>,
    /// The latest HbA1c, to 0.5 %.
    pub hba1c: Option<f64>,
    /// The latest 5-year risk, to 0.01.
    pub risk_5y: Option<f64>,
    /// Whole years of follow-up.
    pub follow_up: Option<f64>,
}

/// Makes rows fit to leave.
#[derive(Debug)]
pub struct Anonymiser {
    decided: Arc<Anonymisation>,
    /// What each value of each quasi-identifier is called, once it is coarse.
    coarse: [Vec<String>; QUASI_IDENTIFIERS.len()],
    /// What each value of each field is called.
    names: [Vec<String>; SummaryField::ALL.len()],
    /// The token or the account that asks.
    reader: Uuid,
}

impl Anonymiser {
    /// For one reader of one publication.
    pub fn new(decided: Arc<Anonymisation>, published_in: i32, reader: Uuid) -> Self {
        let names = SummaryField::ALL.map(|field| field.values(published_in));
        let coarse = std::array::from_fn(|place| {
            let count = names[QUASI_IDENTIFIERS[place] as usize].len();
            let values = 0..u8::try_from(count).expect("fields have few values");
            let levels = decided.levels;
            values.map(|value| anonymity::name(place, value, levels, published_in)).collect()
        });
        Self { decided, coarse, names, reader }
    }

    /// The rows of those who do not stand out.
    pub fn rows(&self, stored: &[StoredRow]) -> Vec<ExportRow<'_>> {
        let filter = Filter::new(&self.decided);
        stored.iter().filter_map(|row| self.row(row, &filter)).collect()
    }

    fn row(&self, stored: &StoredRow, filter: &Filter<'_>) -> Option<ExportRow<'_>> {
        let values = stored.values();
        let class = filter.class(&values)?;
        let [sex, age_band, cause, diabetes, year] =
            std::array::from_fn(|place| self.coarse[place][usize::from(class[place])].as_str());
        let named = |field: SummaryField| {
            self.names[field as usize][usize::from(values[field as usize])].as_str()
        };
        let measure = |measure: SummaryMeasure| {
            let value = stored.measures.get(measure as usize).copied().flatten()?;
            Some(coarse(measure, f64::from(value)))
        };
        Some(ExportRow {
            pseudonym: self.pseudonym(&stored.key),
            sex,
            age_band,
            cause,
            diabetes,
            year,
            stage: named(SummaryField::Stage),
            albuminuria: named(SummaryField::Albuminuria),
            risk_category: named(SummaryField::RiskCategory),
            kidney_failure: stored.kidney_failure,
            died: stored.died,
            egfr: measure(SummaryMeasure::Egfr),
            egfr_slope: measure(SummaryMeasure::EgfrSlope),
            uacr: measure(SummaryMeasure::Uacr),
            systolic_bp: measure(SummaryMeasure::SystolicBp),
            haemoglobin: measure(SummaryMeasure::Haemoglobin),
            hba1c: measure(SummaryMeasure::Hba1c),
            risk_5y: measure(SummaryMeasure::Risk5y),
            follow_up: measure(SummaryMeasure::FollowUp),
        })
    }

    /// The key is secret, so its hash with the reader says nothing to another reader.
    fn pseudonym(&self, key: &[u8]) -> String {
        let digest = Sha256::new().chain_update(key).chain_update(self.reader).finalize();
        hex::encode(&digest[..12])
    }
}

/// A value without the digits by which somebody might know it, and without extremes.
fn coarse(measure: SummaryMeasure, value: f64) -> f64 {
    let (low, high, steps_per_unit) = match measure {
        SummaryMeasure::Age => (0.0, 90.0, 0.1),
        SummaryMeasure::Egfr => (5.0, 125.0, 1.0),
        SummaryMeasure::EgfrSlope => (-12.0, 12.0, 2.0),
        SummaryMeasure::Uacr => {
            let value = value.clamp(3.0, 3000.0);
            let unit = 10_f64.powf(value.log10().floor() - 1.0).max(1.0);
            return (value / unit).round() * unit;
        }
        SummaryMeasure::SystolicBp => (90.0, 210.0, 0.2),
        SummaryMeasure::Haemoglobin => (6.0, 18.0, 2.0),
        SummaryMeasure::Hba1c => (4.0, 13.0, 2.0),
        SummaryMeasure::Risk5y => (0.0, 1.0, 100.0),
        SummaryMeasure::FollowUp => (0.0, 20.0, 1.0),
    };
    // There is one zero.
    (value.clamp(low, high) * steps_per_unit).round() / steps_per_unit + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_lose_their_digits() {
        assert_eq!(coarse(SummaryMeasure::Egfr, 47.34), 47.0);
        assert_eq!(coarse(SummaryMeasure::Uacr, 1234.0), 1200.0);
        assert_eq!(coarse(SummaryMeasure::Uacr, 9999.0), 3000.0);
        assert_eq!(coarse(SummaryMeasure::SystolicBp, 133.0), 135.0);
        assert_eq!(coarse(SummaryMeasure::Hba1c, 7.3), 7.5);
    }
}
