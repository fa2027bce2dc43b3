//! What a researcher asks: which table, and which of its cells.

use std::collections::BTreeMap;

use chrono::Datelike;
use serde::Deserialize;
use shared::{
    phrase, sentence,
    summary::{
        CALENDAR_YEAR, CohortSummary, MOST_FIELDS, Publication, RiskBar, RiskDistribution,
        RiskHistogram, SummaryField, SummaryFigures, SummaryGroup, calendar_years,
    },
};
use utoipa::IntoParams;

use super::row::{self, RISK_BAR, RISK_EDGES};
use crate::{error::Result, input::Faults};

/// Groups and filters, at most three fields together. A filter on a field that is not grouped by
/// takes one value; on one that is, several, separated by commas.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct SummaryQuery {
    /// Fields to group by, separated by commas: `sex`, `age_band`, `stage`, `albuminuria`, `cause`,
    /// `diabetes`, `risk_category`, `year`.
    #[param(example = "stage,albuminuria")]
    pub group_by: Option<String>,
    /// `female` or `male`.
    pub sex: Option<String>,
    /// `0-17`, `18-29`, `30-39`, … `80-89` or `90+`.
    pub age_band: Option<String>,
    /// `G1`, `G2`, `G3a`, `G3b`, `G4`, `G5` or `unknown`.
    pub stage: Option<String>,
    /// `A1`, `A2`, `A3` or `unknown`.
    pub albuminuria: Option<String>,
    /// `diabetic`, `hypertensive`, `glomerular`, `polycystic`, `other` or `unknown`.
    pub cause: Option<String>,
    /// `yes`, `no` or `unknown`.
    pub diabetes: Option<String>,
    /// `low`, `moderate`, `high`, `very_high` or `unknown`.
    pub risk_category: Option<String>,
    /// A year, `before_` and the first of these, or `unknown`.
    pub year: Option<String>,
}

impl SummaryQuery {
    fn filter(&self, field: SummaryField) -> Option<&str> {
        match field {
            SummaryField::Sex => &self.sex,
            SummaryField::AgeBand => &self.age_band,
            SummaryField::Stage => &self.stage,
            SummaryField::Albuminuria => &self.albuminuria,
            SummaryField::Cause => &self.cause,
            SummaryField::Diabetes => &self.diabetes,
            SummaryField::RiskCategory => &self.risk_category,
            SummaryField::Year => &self.year,
        }
        .as_deref()
    }

    /// What was asked, as the audit log keeps it.
    pub fn asked(&self) -> BTreeMap<&'static str, &str> {
        let filters = SummaryField::ALL.into_iter().map(|field| (field.name(), self.filter(field)));
        let all = [("group_by", self.group_by.as_deref())].into_iter().chain(filters);
        all.filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// A question whose words are all known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The fields, ascending, with the values that are wanted of each; all if there are none.
    fields: Vec<(SummaryField, Vec<u8>)>,
    published_in: i32,
}

impl Question {
    /// Reads a question, or says everything that is wrong with it. Of `most` fields at most.
    pub fn new(query: &SummaryQuery, most: usize, published_in: i32) -> Result<Self> {
        let mut faults = Faults::default();
        let groups = groups(query.group_by.as_deref(), &mut faults);
        let mut fields = Vec::new();
        for field in SummaryField::ALL {
            let is_group = groups.contains(&field);
            let wanted = query.filter(field);
            if is_group || wanted.is_some() {
                let values =
                    wanted.map(|text| values(field, text, published_in, is_group, &mut faults));
                fields.push((field, values.unwrap_or_default()));
            }
        }
        if most < fields.len() {
            let message = sentence!(
                "at most {most} fields can be combined, as groups and filters together; these are {named}",
                named = fields.len()
            );
            faults.add("/group_by", message);
        }
        faults.refuse()?;
        Ok(Self { fields, published_in })
    }

    /// A question about the risk's histogram: the bars take one of the three places.
    pub fn of_risk(query: &SummaryQuery, published_in: i32) -> Result<Self> {
        let question = Self::new(query, MOST_FIELDS - 1, published_in)?;
        if question.fields.iter().any(|(field, _)| *field == SummaryField::RiskCategory) {
            let mut faults = Faults::default();
            faults.add(
                "/group_by",
                phrase!("the bars are of the risk already: leave risk_category out"),
            );
            faults.refuse()?;
        }
        Ok(question)
    }

    /// A question about calendar years, which take one of the three places.
    pub fn of_trend(query: &SummaryQuery, published_in: i32) -> Result<Self> {
        let question = Self::new(query, MOST_FIELDS - 1, published_in)?;
        let mut faults = Faults::default();
        for (field, _) in &question.fields {
            if !SummaryField::OF_TREND.contains(field) {
                let known = SummaryField::OF_TREND.map(SummaryField::name).join(", ");
                let message = sentence!("trends are grouped and filtered by {known}");
                faults.add(format!("/{}", field.name()), message);
            }
        }
        faults.refuse()?;
        Ok(question)
    }

    /// The fields of the table that answers, without the histogram's bars and the trend's years.
    pub fn fields(&self) -> Vec<usize> {
        self.fields.iter().map(|(field, _)| *field as usize).collect()
    }

    /// … and with the bars.
    pub fn fields_with_bars(&self) -> Vec<usize> {
        self.fields().into_iter().chain([RISK_BAR]).collect()
    }

    /// … and with the years.
    pub fn fields_with_years(&self) -> Vec<usize> {
        self.fields().into_iter().chain([row::CALENDAR_YEAR]).collect()
    }

    fn wants(&self, values: &[u8]) -> bool {
        self.fields
            .iter()
            .zip(values)
            .all(|((_, wanted), value)| wanted.is_empty() || wanted.contains(value))
    }

    fn group(&self, values: &[u8]) -> BTreeMap<String, String> {
        let named = self.fields.iter().zip(values).map(|((field, _), value)| {
            let name = field.values(self.published_in).swap_remove(usize::from(*value));
            (field.name().to_owned(), name)
        });
        named.collect()
    }

    fn combinations(&self) -> usize {
        let choices = self.fields.iter().map(|(field, wanted)| {
            if wanted.is_empty() { field.values(self.published_in).len() } else { wanted.len() }
        });
        choices.product()
    }

    /// The answer from the cells of its table.
    pub fn cohort(&self, publication: Publication, cells: Vec<StoredCell>) -> CohortSummary {
        let groups: Vec<SummaryGroup> = cells
            .into_iter()
            .filter(|cell| self.wants(&cell.values))
            .map(|cell| SummaryGroup { group: self.group(&cell.values), figures: cell.figures })
            .collect();
        let withheld = self.combinations() - groups.len();
        CohortSummary { publication, groups, withheld: i32::try_from(withheld).unwrap_or(i32::MAX) }
    }

    /// The years from the cells of their table, each year a group of its own.
    pub fn trend(&self, publication: Publication, cells: Vec<StoredCell>) -> CohortSummary {
        let years = calendar_years(self.published_in);
        let combinations = self.combinations() * years.len();
        let mut groups = Vec::new();
        for StoredCell { mut values, figures } in cells {
            let Some(year) = values.pop().and_then(|place| years.get(usize::from(place))) else {
                continue;
            };
            if self.wants(&values) {
                let mut group = self.group(&values);
                group.insert(CALENDAR_YEAR.to_owned(), year.to_string());
                groups.push(SummaryGroup { group, figures });
            }
        }
        let withheld = i32::try_from(combinations - groups.len()).unwrap_or(i32::MAX);
        CohortSummary { publication, groups, withheld }
    }

    /// The histograms from the cells of its table.
    pub fn histograms(&self, publication: Publication, cells: Vec<StoredCell>) -> RiskDistribution {
        let mut groups: BTreeMap<Vec<u8>, Vec<Option<i32>>> = BTreeMap::new();
        for StoredCell { mut values, figures } in cells {
            let Some(bar) = values.pop() else { continue };
            if self.wants(&values) {
                let bars = groups.entry(values).or_insert_with(|| vec![None; RISK_EDGES.len()]);
                bars[usize::from(bar)] = Some(figures.people);
            }
        }
        let histograms = groups.into_iter().map(|(values, mut people)| {
            let unknown = people.pop().flatten();
            let edges = RISK_EDGES.windows(2).zip(people);
            let bars = edges.map(|(edge, people)| RiskBar { from: edge[0], to: edge[1], people });
            RiskHistogram { group: self.group(&values), bars: bars.collect(), unknown }
        });
        RiskDistribution { publication, histograms: histograms.collect() }
    }
}

/// A published cell, as it is kept.
#[derive(Clone, Debug)]
pub struct StoredCell {
    /// The values of its table's fields.
    pub values: Vec<u8>,
    /// What is said of it.
    pub figures: SummaryFigures,
}

/// How many people have some values, truly: only noise makes an answer of it.
#[derive(Clone, Debug)]
pub struct StoredCount {
    /// The values of the fields that were asked for.
    pub values: Vec<u8>,
    /// How many people.
    pub people: i64,
}

/// The year of a publication, on which the values of [`SummaryField::Year`] depend.
pub fn published_in(publication: &Publication) -> i32 {
    publication.published_at.year()
}

fn groups(text: Option<&str>, faults: &mut Faults) -> Vec<SummaryField> {
    let mut groups = Vec::new();
    for name in text.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty()) {
        match SummaryField::ALL.into_iter().find(|field| field.name() == name) {
            Some(field) if groups.contains(&field) => {
                faults.add("/group_by", sentence!("{field} is there twice", field = field.name()));
            }
            Some(field) => groups.push(field),
            None => {
                let known = SummaryField::ALL.map(SummaryField::name).join(", ");
                faults.add("/group_by", sentence!("must be some of {known}"));
            }
        }
    }
    groups
}

fn values(
    field: SummaryField,
    text: &str,
    published_in: i32,
    is_group: bool,
    faults: &mut Faults,
) -> Vec<u8> {
    let known = field.values(published_in);
    let pointer = format!("/{}", field.name());
    let mut values = Vec::new();
    for name in text.split(',').map(str::trim) {
        match known
            .iter()
            .position(|value| value == name)
            .and_then(|place| u8::try_from(place).ok())
        {
            Some(value) if !values.contains(&value) => values.push(value),
            Some(_) => {}
            None => faults.add(
                pointer.clone(),
                sentence!("must be one of {known}", known = known.join(", ")),
            ),
        }
    }
    if !is_group && 1 < values.len() {
        // A sum of cells would be a question of its own, which no publication has answered.
        faults.add(pointer, phrase!("takes one value, unless you group by it as well"));
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn faults(query: &SummaryQuery) -> Vec<String> {
        match Question::new(query, MOST_FIELDS, 2026) {
            Err(Error::Invalid(faults)) => faults.into_iter().map(|fault| fault.pointer).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let query = SummaryQuery {
            group_by: Some("stage,colour,stage,year".to_owned()),
            sex: Some("other".to_owned()),
            cause: Some("diabetic,other".to_owned()),
            ..SummaryQuery::default()
        };
        assert_eq!(faults(&query), ["/group_by", "/group_by", "/sex", "/cause", "/group_by"]);
    }

    #[test]
    fn a_filter_on_a_group_picks_some_of_its_values() {
        let query = SummaryQuery {
            group_by: Some("stage".to_owned()),
            stage: Some("G4,G5".to_owned()),
            sex: Some("male".to_owned()),
            ..SummaryQuery::default()
        };
        let question = Question::new(&query, MOST_FIELDS, 2026).unwrap();
        assert_eq!(question.fields(), [0, 2]);
        assert!(question.wants(&[1, 4]) && question.wants(&[1, 5]));
        assert!(!question.wants(&[0, 4]) && !question.wants(&[1, 3]));
        assert_eq!(question.combinations(), 2);
        assert_eq!(question.group(&[1, 5])["stage"], "G5");
    }

    #[test]
    fn a_trend_is_grouped_by_what_changes_with_the_years() {
        let query = |group: &str| SummaryQuery {
            group_by: Some(group.to_owned()),
            ..SummaryQuery::default()
        };
        let question = Question::of_trend(&query("stage,sex"), 2026).unwrap();
        assert_eq!(question.fields_with_years(), [0, 2, 9]);
        for wrong in ["year", "risk_category", "sex,stage,cause"] {
            assert!(Question::of_trend(&query(wrong), 2026).is_err(), "{wrong}");
        }
    }
}
