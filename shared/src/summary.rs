//! Summaries for researchers: counts and figures of groups of people, never of a person.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::prediction::RiskSource;

/// The most fields that a question may combine, as groups and filters together.
pub const MOST_FIELDS: usize = 3;
/// What counts of people are rounded to.
pub const ROUNDED_TO: u32 = 5;
/// How many years before the year of publication stand by themselves.
const YEARS: i32 = 14;

/// A field to group and filter by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub enum SummaryField {
    /// Sex.
    Sex,
    /// Age when the summary was made.
    AgeBand,
    /// KDIGO's category of the latest eGFR.
    Stage,
    /// KDIGO's category of the latest urine albumin.
    Albuminuria,
    /// Cause of kidney disease.
    Cause,
    /// Diabetes.
    Diabetes,
    /// Category of the latest risk of kidney failure.
    RiskCategory,
    /// Year of the first eGFR.
    Year,
}

impl SummaryField {
    /// Every field.
    pub const ALL: [Self; 8] = [
        Self::Sex,
        Self::AgeBand,
        Self::Stage,
        Self::Albuminuria,
        Self::Cause,
        Self::Diabetes,
        Self::RiskCategory,
        Self::Year,
    ];

    /// The fields of trends, each with its value in the calendar year that is looked at.
    pub const OF_TREND: [Self; 6] =
        [Self::Sex, Self::AgeBand, Self::Stage, Self::Albuminuria, Self::Cause, Self::Diabetes];

    /// The field's name in the contract.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sex => "sex",
            Self::AgeBand => "age_band",
            Self::Stage => "stage",
            Self::Albuminuria => "albuminuria",
            Self::Cause => "cause",
            Self::Diabetes => "diabetes",
            Self::RiskCategory => "risk_category",
            Self::Year => "year",
        }
    }

    /// The field's name, for people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Sex => crate::phrase!("Sex"),
            Self::AgeBand => crate::phrase!("Age"),
            Self::Stage => crate::phrase!("Stage (eGFR)"),
            Self::Albuminuria => crate::phrase!("Albuminuria"),
            Self::Cause => crate::phrase!("Cause"),
            Self::Diabetes => crate::phrase!("Diabetes"),
            Self::RiskCategory => crate::phrase!("Risk category"),
            Self::Year => crate::phrase!("Year of first eGFR"),
        }
    }

    /// Every value, in order; the years depend on the year of publication.
    pub fn values(self, published_in: i32) -> Vec<String> {
        let fixed: &[&str] = match self {
            Self::Sex => &["female", "male"],
            Self::AgeBand => {
                &["0-17", "18-29", "30-39", "40-49", "50-59", "60-69", "70-79", "80-89", "90+"]
            }
            Self::Stage => &["G1", "G2", "G3a", "G3b", "G4", "G5", "unknown"],
            Self::Albuminuria => &["A1", "A2", "A3", "unknown"],
            Self::Cause => {
                &["diabetic", "hypertensive", "glomerular", "polycystic", "other", "unknown"]
            }
            Self::Diabetes => &["yes", "no", "unknown"],
            Self::RiskCategory => &["low", "moderate", "high", "very_high", "unknown"],
            Self::Year => return years(published_in),
        };
        fixed.iter().map(|value| (*value).to_owned()).collect()
    }
}

fn years(published_in: i32) -> Vec<String> {
    let first = published_in - YEARS + 1;
    let before = [format!("before_{first}")];
    let single = (first..=published_in).map(|year| year.to_string());
    before.into_iter().chain(single).chain(["unknown".to_owned()]).collect()
}

/// The name under which a trend's groups say their year.
pub const CALENDAR_YEAR: &str = "calendar_year";

/// The years that a trend goes through.
pub fn calendar_years(published_in: i32) -> Vec<i32> {
    (published_in - YEARS + 1..=published_in).collect()
}

/// Which value of [`SummaryField::Year`] a year has.
pub fn year_place(year: Option<i32>, published_in: i32) -> usize {
    let Some(year) = year else { return YEARS as usize + 1 };
    (year - (published_in - YEARS)).clamp(0, YEARS) as usize
}

/// A quantity that is summarised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub enum SummaryMeasure {
    /// Age in years, 90 and more as 90.
    Age,
    /// The latest eGFR.
    Egfr,
    /// The yearly change of eGFR, for people with three values over a year or more.
    EgfrSlope,
    /// The latest urine albumin to creatinine ratio.
    Uacr,
    /// The latest systolic blood pressure.
    SystolicBp,
    /// The latest haemoglobin.
    Haemoglobin,
    /// The latest glycated haemoglobin.
    Hba1c,
    /// The latest predicted risk of kidney failure within five years.
    #[serde(rename = "risk_5y")]
    Risk5y,
    /// Years from the first eGFR to the latest value, the first kidney failure or death.
    FollowUp,
}

impl SummaryMeasure {
    /// Every measure.
    pub const ALL: [Self; 9] = [
        Self::Age,
        Self::Egfr,
        Self::EgfrSlope,
        Self::Uacr,
        Self::SystolicBp,
        Self::Haemoglobin,
        Self::Hba1c,
        Self::Risk5y,
        Self::FollowUp,
    ];

    /// The measure's name in the contract.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Egfr => "egfr",
            Self::EgfrSlope => "egfr_slope",
            Self::Uacr => "uacr",
            Self::SystolicBp => "systolic_bp",
            Self::Haemoglobin => "haemoglobin",
            Self::Hba1c => "hba1c",
            Self::Risk5y => "risk_5y",
            Self::FollowUp => "follow_up",
        }
    }

    /// The measure's name, for people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Age => crate::phrase!("Age"),
            Self::Egfr => "eGFR",
            Self::EgfrSlope => crate::phrase!("Change of eGFR"),
            Self::Uacr => "uACR",
            Self::SystolicBp => crate::phrase!("Systolic blood pressure"),
            Self::Haemoglobin => crate::phrase!("Haemoglobin"),
            Self::Hba1c => "HbA1c",
            Self::Risk5y => crate::phrase!("5-year risk"),
            Self::FollowUp => crate::phrase!("Follow-up"),
        }
    }

    /// The unit (UCUM).
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Age | Self::FollowUp => "a",
            Self::Egfr => "mL/min/{1.73_m2}",
            Self::EgfrSlope => "mL/min/{1.73_m2}/a",
            Self::Uacr => "mg/g",
            Self::SystolicBp => "mm[Hg]",
            Self::Haemoglobin => "g/dL",
            Self::Hba1c => "%",
            Self::Risk5y => "1",
        }
    }
}

/// What is said of one quantity of a group. What is `null` is withheld.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct MeasureSummary {
    /// The quantity.
    pub measure: SummaryMeasure,
    /// Its unit (UCUM).
    pub unit: String,
    /// Of how many people it is known, perturbed and rounded like every count.
    pub known: i32,
    /// The mean, unless one or two people make too much of it.
    pub mean: Option<f64>,
    /// A quarter of the people have less.
    pub lower_quartile: Option<f64>,
    /// Half of the people have less.
    pub median: Option<f64>,
    /// Three quarters of the people have less.
    pub upper_quartile: Option<f64>,
}

/// What is published of one group of people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct SummaryFigures {
    /// How many people, perturbed and rounded.
    pub people: i32,
    /// How many of them reached kidney failure (dialysis or transplant); `null` is withheld.
    pub kidney_failure: Option<i32>,
    /// How many of them died; `null` is withheld.
    pub deaths: Option<i32>,
    /// What was measured; a quantity known of too few people is left out.
    pub measures: Vec<MeasureSummary>,
}

/// One published group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct SummaryGroup {
    /// The group: each field of the question with its value.
    pub group: BTreeMap<String, String>,
    /// What is published of it.
    #[serde(flatten)]
    pub figures: SummaryFigures,
}

/// How the figures of an answer were protected, and of when they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Publication {
    /// Its number: answers of one number belong together.
    pub id: i32,
    /// When it was made. Until the next one, the same question has the same answer.
    pub published_at: DateTime<Utc>,
    /// Groups of fewer people are withheld, and others where they would give these away.
    pub minimum_cell_size: i32,
    /// Counts are perturbed and then rounded to a multiple of this.
    pub rounded_to: i32,
}

/// The groups that a question asked for, as far as they are published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct CohortSummary {
    /// The publication that answers.
    pub publication: Publication,
    /// The published groups, in the fields' order.
    pub groups: Vec<SummaryGroup>,
    /// How many combinations of values are not published: empty, small, or needed to protect
    /// small ones. Which of these is not said.
    pub withheld: i32,
}

/// One bar of a histogram.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct RiskBar {
    /// The lowest 5-year risk in it.
    pub from: f64,
    /// The risk below which it ends; the last bar includes 1.
    pub to: f64,
    /// How many people, perturbed and rounded; `null` is withheld.
    pub people: Option<i32>,
}

/// The histogram of one group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct RiskHistogram {
    /// The group: each field of the question with its value.
    pub group: BTreeMap<String, String>,
    /// The bars, from low to high risk.
    pub bars: Vec<RiskBar>,
    /// How many people have no prediction; `null` is withheld.
    pub unknown: Option<i32>,
}

/// How the 5-year risk of kidney failure is distributed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct RiskDistribution {
    /// The publication that answers.
    pub publication: Publication,
    /// A histogram for each group of which any bar is published.
    pub histograms: Vec<RiskHistogram>,
}

/// People whose risks were alike, and what happened to them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct CalibrationGroup {
    /// The lowest 5-year risk in it: both times have the same groups.
    pub from: f64,
    /// The 5-year risk below which it ends; the last group includes 1.
    pub to: f64,
    /// How many people, perturbed and rounded.
    pub people: i32,
    /// The mean of the risks that were told, unless one or two people make too much of it.
    pub expected: Option<f64>,
    /// The share that reached kidney failure within the time, estimated with those of whom it is
    /// not known (Aalen and Johansen), death counted as a competing end.
    pub observed: f64,
}

/// How well one voice told what happened within some years.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct VoicePerformance {
    /// Whose risks these are.
    pub source: RiskSource,
    /// Within how many years, 2 or 5.
    pub years: i32,
    /// How many people, perturbed and rounded.
    pub people: i32,
    /// How many of them reached kidney failure within the time; `null` is withheld.
    pub kidney_failure: Option<i32>,
    /// Discrimination: how often, of two people, the one who reached kidney failure first had been
    /// told the greater risk (C statistic; 0.5 is chance).
    pub c_statistic: f64,
    /// The mean of the risks that were told, unless one or two people make too much of it.
    pub expected: Option<f64>,
    /// The share that reached kidney failure within the time.
    pub observed: f64,
    /// Observed by expected: 1 is right on average, below 1 too much was told.
    pub ratio: Option<f64>,
    /// The same by groups of 5-year risk, from low to high; wide where few people reached the end point.
    pub groups: Vec<CalibrationGroup>,
}

/// How the risks that were told compare with what happened since.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ModelPerformance {
    /// The publication that answers.
    pub publication: Publication,
    /// Both voices on the same people; none while too few have reached kidney failure, or are still
    /// seen after so many years.
    pub voices: Vec<VoicePerformance>,
}

/// What was done to a field of the exported rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct FieldTreatment {
    /// The field.
    pub field: SummaryField,
    /// How it was made coarser.
    pub treatment: String,
}

/// What was done so that nobody stands out in the exported rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ExportReport {
    /// The publication that the rows are of.
    pub publication: Publication,
    /// At least so many people share what is told of the fields below.
    pub k: i32,
    /// By which an outsider may know somebody.
    pub fields: Vec<FieldTreatment>,
    /// How many people have a row, rounded down to 5.
    pub rows: i32,
    /// How many are left out, rounded down to 5.
    pub left_out: i32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_year_has_one_place() {
        let values = SummaryField::Year.values(2026);
        let value = |year| values[year_place(year, 2026)].as_str();
        assert_eq!(value(None), "unknown");
        assert_eq!(value(Some(1999)), "before_2013");
        assert_eq!(value(Some(2012)), "before_2013");
        assert_eq!(value(Some(2013)), "2013");
        assert_eq!(value(Some(2026)), "2026");
        assert_eq!(values.len(), 16);
    }

    #[test]
    fn names_are_as_they_are_written() {
        for field in SummaryField::ALL {
            assert_eq!(serde_json::to_value(field).unwrap(), field.name());
        }
        for measure in SummaryMeasure::ALL {
            assert_eq!(serde_json::to_value(measure).unwrap(), measure.name());
        }
    }
}
