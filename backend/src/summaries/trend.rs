//! How the population changes from calendar year to calendar year: everybody counts in each year of
//! which the record holds a value or an end point, with the values of that year.
//!
//! It is a publication of its own kind beside the other: the same tables, with the year as one of
//! the fields, under the same rules.

use chrono::{Datelike, NaiveDate};
use shared::{
    id::PatientId,
    summary::{MOST_FIELDS, SummaryField, SummaryMeasure, calendar_years},
};

use super::{
    disclosure::Rules,
    lattice::Lattice,
    publication::{Counts, Gathered, PublishedCell, Rest},
    row::{CALENDAR_YEAR, FIELDS, Facts, Row, age_at, age_place, egfr_place, uacr_place},
};

/// The place of the year among the fields of these tables.
const YEAR: usize = SummaryField::OF_TREND.len();
/// The fields whose values are the same in every year.
const FIXED: [SummaryField; 3] = [SummaryField::Sex, SummaryField::Cause, SummaryField::Diabetes];

/// The latest values of somebody in one calendar year.
#[derive(Clone, Debug)]
pub struct YearFacts {
    /// Whose.
    pub patient_id: PatientId,
    /// The year.
    pub year: i32,
    /// The year's latest eGFR.
    pub egfr: Option<f64>,
    /// The year's latest uACR.
    pub uacr: Option<f64>,
    /// The year's latest systolic blood pressure.
    pub systolic_bp: Option<f64>,
    /// The year's latest haemoglobin.
    pub haemoglobin: Option<f64>,
    /// The year's latest HbA1c.
    pub hba1c: Option<f64>,
}

/// The first year of the trends.
pub fn first_year(published_in: i32) -> i32 {
    calendar_years(published_in)[0]
}

/// The people of each year, counted.
#[derive(Debug)]
pub struct Trend {
    gathered: Gathered,
    years: Vec<i32>,
}

impl Trend {
    /// Nobody yet.
    pub fn new(published_in: i32) -> Self {
        let years = calendar_years(published_in);
        let fields = SummaryField::OF_TREND.iter().map(|field| field.values(published_in).len());
        let sizes = fields.chain([years.len()]).collect();
        Self { gathered: Gathered::new(Lattice::new(sizes, MOST_FIELDS, &[])), years }
    }

    /// Adds somebody with the years of whom values are known.
    pub fn add(&mut self, facts: &Facts, row: &Row, known: &[YearFacts], today: NaiveDate) {
        let ended = |on: Option<NaiveDate>, year: i32| on.is_some_and(|on| on.year() == year);
        for (place, year) in self.years.iter().enumerate() {
            let known = known.iter().find(|one| one.year == *year);
            let kidney_failure = ended(facts.kidney_failure_on, *year);
            let died = ended(facts.died_on, *year);
            if known.is_none() && !kidney_failure && !died {
                continue;
            }
            let end = NaiveDate::from_ymd_opt(*year, 12, 31).map_or(today, |end| end.min(today));
            let age = age_at(facts, end);
            let value = |of: fn(&YearFacts) -> Option<f64>| known.and_then(of);
            let mut values = [0; FIELDS];
            values[..YEAR].copy_from_slice(&row.values[..YEAR]);
            values[SummaryField::AgeBand as usize] = age_place(age);
            values[SummaryField::Stage as usize] = egfr_place(value(|one| one.egfr));
            values[SummaryField::Albuminuria as usize] = uacr_place(value(|one| one.uacr));
            values[YEAR] = u8::try_from(place).expect("there are few years");
            let mut measures = [None; SummaryMeasure::ALL.len()];
            for (measure, value) in [
                (SummaryMeasure::Age, Some(f64::from(age))),
                (SummaryMeasure::Egfr, value(|one| one.egfr)),
                (SummaryMeasure::Uacr, value(|one| one.uacr)),
                (SummaryMeasure::SystolicBp, value(|one| one.systolic_bp)),
                (SummaryMeasure::Haemoglobin, value(|one| one.haemoglobin)),
                (SummaryMeasure::Hba1c, value(|one| one.hba1c)),
            ] {
                measures[measure as usize] = value;
            }
            self.gathered.add(&Row { key: row.key, values, kidney_failure, died, measures });
        }
    }

    /// The cells that are shown beside the tables of `everybody`.
    pub fn publish(&self, everybody: &Gathered, rules: &Rules) -> Vec<PublishedCell> {
        let cells = self.gathered.publish_beside(&self.rest(everybody), rules).into_iter();
        cells.filter_map(with_year).collect()
    }

    /// Who is seen in a year is a part of everybody of the same sex, cause and diabetes, and in the last
    /// year of the same age and categories: few who are not seen would be the difference of two answers.
    /// And the end points of all years are those of everybody, but for earlier ones.
    fn rest(&self, everybody: &Gathered) -> Rest {
        let last = self.years.len() - 1;
        let is_fixed = |field: &usize| FIXED.iter().any(|fixed| *fixed as usize == *field);
        let mut rest = Rest::default();
        for (fields, values) in self.gathered.cells() {
            let of_year = fields.last() == Some(&YEAR);
            let groups = if of_year { &fields[..fields.len() - 1] } else { fields };
            let is_last = of_year && values.last().map(|year| usize::from(*year)) == Some(last);
            let is_same = is_last || groups.iter().all(is_fixed);
            let all = is_same.then(|| everybody.counts(groups, &values)).flatten();
            let part = self.gathered.counts(fields, &values);
            let both = all.zip(part);
            let left = |of: fn(&Counts) -> u32| {
                both.as_ref().map(|(all, part)| of(all).saturating_sub(of(part)))
            };
            let of_all_years = |left: Option<u32>| left.filter(|_| !of_year);
            rest.people.push(left(|counts| counts.people).filter(|_| of_year));
            rest.kidney_failure.push(of_all_years(left(|counts| counts.kidney_failure)));
            rest.deaths.push(of_all_years(left(|counts| counts.deaths)));
            for (place, known) in rest.known.iter_mut().enumerate() {
                let left =
                    both.map(|(all, part)| all.known[place].saturating_sub(part.known[place]));
                known.push(left.filter(|_| of_year && is_of_year(SummaryMeasure::ALL[place])));
            }
        }
        rest
    }
}

/// Whether trends tell this measure.
const fn is_of_year(measure: SummaryMeasure) -> bool {
    use SummaryMeasure::{Age, Egfr, Haemoglobin, Hba1c, SystolicBp, Uacr};
    matches!(measure, Age | Egfr | Uacr | SystolicBp | Haemoglobin | Hba1c)
}

/// A cell as it is kept: of tables with the year, which has a place after all other fields.
fn with_year(mut cell: PublishedCell) -> Option<PublishedCell> {
    let year = cell.fields.pop()?;
    cell.fields.push(CALENDAR_YEAR);
    (year == YEAR).then_some(cell)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summaries::{publication::lattice, row};

    const RULES: Rules = Rules { minimum: 10, secret: [7; 32] };

    /// People of whom the first `seen` have a value in 2026, and all one in 2025.
    fn published(people: u32, seen: u32) -> Vec<PublishedCell> {
        let today = "2026-06-01".parse().unwrap();
        let mut everybody = Gathered::new(lattice(2026));
        let mut trend = Trend::new(2026);
        for number in 0..people {
            let id = PatientId(uuid::Uuid::from_u128(number.into()));
            let died_on = match number {
                0..30 => Some("2026-03-01".parse().unwrap()),
                30..60 => Some("2025-11-01".parse().unwrap()),
                _ => None,
            };
            let facts = Facts {
                id,
                egfr: Some(25.0),
                kidney_failure_on: None,
                died_on,
                ..row::tests::facts()
            };
            let of = |year| YearFacts {
                patient_id: id,
                year,
                egfr: Some(if year == 2025 { 50.0 } else { 25.0 }),
                uacr: None,
                systolic_bp: None,
                haemoglobin: Some(12.0),
                hba1c: None,
            };
            let known = if number < seen { vec![of(2025), of(2026)] } else { vec![of(2025)] };
            let row = Row::new(&facts, &RULES.secret, today);
            everybody.add(&row);
            trend.add(&facts, &row, &known, today);
        }
        trend.publish(&everybody, &RULES)
    }

    #[test]
    fn everybody_counts_in_each_year_with_that_years_values() {
        let cells = published(400, 300);
        let stage = SummaryField::Stage as usize;
        let of = |values: &[u8]| {
            let is_this = |cell: &&PublishedCell| {
                cell.fields == [stage, CALENDAR_YEAR] && cell.values == values
            };
            cells.iter().find(is_this).map(|cell| cell.figures.clone())
        };
        // 2025 is the thirteenth of fourteen years, in G3a; 2026 in G4.
        let (before, after) = (of(&[2, 12]).unwrap(), of(&[4, 13]).unwrap());
        assert!((395..=405).contains(&before.people) && (295..=305).contains(&after.people));
        let are_about_30 = |deaths: i32| (25..=35).contains(&deaths);
        assert!(before.deaths.is_some_and(are_about_30) && after.deaths.is_some_and(are_about_30));
        assert_eq!(before.kidney_failure, None, "nobody had it");
        assert_eq!(of(&[4, 12]), None);
        let known: Vec<_> = after.measures.iter().map(|one| one.measure).collect();
        let expected = [SummaryMeasure::Age, SummaryMeasure::Egfr, SummaryMeasure::Haemoglobin];
        assert_eq!(known, expected);
        assert!(cells.iter().all(|cell| cell.fields.last() == Some(&CALENDAR_YEAR)));
    }

    #[test]
    fn a_year_in_which_few_are_missing_is_withheld() {
        let stage = SummaryField::Stage as usize;
        let of_2026 = |cells: &[PublishedCell]| {
            let has = |fields: &[usize], values: &[u8]| {
                cells.iter().any(|cell| cell.fields == fields && cell.values == values)
            };
            [has(&[CALENDAR_YEAR], &[13]), has(&[stage, CALENDAR_YEAR], &[4, 13])]
        };
        assert_eq!(of_2026(&published(400, 400)), [true; 2]);
        assert_eq!(of_2026(&published(400, 300)), [true; 2]);
        assert_eq!(of_2026(&published(400, 395)), [false; 2], "five people are the difference");
    }
}
