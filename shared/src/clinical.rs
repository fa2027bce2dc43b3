//! The clinical engine: units (UCUM), codes (LOINC), plausible ranges and published equations.
//!
//! Pure functions over quantities with their unit in the type; the same code answers in the browser and on the server.

pub mod aki;
pub mod albuminuria;
pub mod assessment;
pub mod course;
pub mod egfr;
pub mod igan;
pub mod kdigo;
pub mod kfre;
pub mod quantity;
pub mod units;

pub use units::{Plausibility, UnitProblem, from_canonical, plausibility, shown_in, to_canonical};

use chrono::{Datelike, NaiveDate};

/// Completed years of age on a day; `None` before birth. Somebody born on 29 February completes a
/// year on 1 March where the year has no such day.
pub fn age_on(birth_date: NaiveDate, on: NaiveDate) -> Option<u32> {
    if on < birth_date {
        return None;
    }
    let had_birthday = (on.month(), on.day()) >= (birth_date.month(), birth_date.day());
    let years = on.year() - birth_date.year() - i32::from(!had_birthday);
    u32::try_from(years).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn age_counts_completed_years() {
        let birth = day("1966-06-01");
        assert_eq!(age_on(birth, day("2026-05-31")), Some(59));
        assert_eq!(age_on(birth, day("2026-06-01")), Some(60));
        assert_eq!(age_on(birth, day("1966-05-31")), None);
        assert_eq!(age_on(day("2000-02-29"), day("2001-02-28")), Some(0));
        assert_eq!(age_on(day("2000-02-29"), day("2001-03-01")), Some(1));
        assert_eq!(age_on(day("2000-02-29"), day("2004-02-29")), Some(4));
    }
}
