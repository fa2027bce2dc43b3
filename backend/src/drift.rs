//! The drift of inputs, week by week, from counted weeks.

use chrono::{Datelike, Days, NaiveDate};
use model::reference::{Input, LARGE_FROM, MODERATE_FROM, RULES_SOURCE};
use shared::model::{DriftIndex, DriftWeek, InputDrift, ModelDrift};

use crate::{db::models::CountedWeek, models::Watched};

/// The Monday of a day's week.
pub fn week_of(day: NaiveDate) -> NaiveDate {
    let since_monday = u64::from(day.weekday().num_days_from_monday());
    day.checked_sub_days(Days::new(since_monday)).unwrap_or(day)
}

/// The Monday so many weeks before the current week's, which counts as one of them.
pub fn first_of(weeks: u32, today: NaiveDate) -> NaiveDate {
    let monday = week_of(today);
    let before = Days::new(7 * u64::from(weeks.saturating_sub(1)));
    monday.checked_sub_days(before).unwrap_or(monday)
}

/// The index of every input in each of the weeks up to today's; a week that was not counted had
/// no predictions.
pub fn of_weeks(
    version: &str,
    watched: &Watched,
    counted: &[CountedWeek],
    weeks: u32,
    today: NaiveDate,
) -> ModelDrift {
    let first = first_of(weeks, today);
    let reference = &watched.reference;
    let mondays = (0..weeks).filter_map(|n| first.checked_add_days(Days::new(7 * u64::from(n))));
    let columns: Vec<(DriftWeek, Vec<DriftIndex>)> = mondays
        .map(|starts_on| {
            let counted = counted.iter().find(|counted| counted.week.starts_on == starts_on);
            let counts = counted.map_or(&[][..], |counted| &counted.counts);
            let predictions = counted.map_or(0, |counted| counted.week.predictions);
            (DriftWeek { starts_on, predictions }, reference.drift(counts))
        })
        .collect();
    let of_input = |(place, input): (usize, Input)| InputDrift {
        input: input.name().to_owned(),
        label: input.label().to_owned(),
        weeks: columns.iter().map(|(_, indices)| indices[place]).collect(),
    };
    ModelDrift {
        version: version.to_owned(),
        reference_rows: reference.rows,
        inputs: Input::ALL.into_iter().enumerate().map(of_input).collect(),
        weeks: columns.iter().map(|(week, _)| *week).collect(),
        moderate_from: MODERATE_FROM,
        large_from: LARGE_FROM,
        source: RULES_SOURCE.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a day")
    }

    #[test]
    fn weeks_begin_on_mondays() {
        assert_eq!(week_of(day("2026-06-01")), day("2026-06-01"));
        assert_eq!(week_of(day("2026-06-07")), day("2026-06-01"));
        assert_eq!(week_of(day("2026-06-08")), day("2026-06-08"));
        assert_eq!(first_of(1, day("2026-06-07")), day("2026-06-01"));
        assert_eq!(first_of(3, day("2026-06-07")), day("2026-05-18"));
    }
}
