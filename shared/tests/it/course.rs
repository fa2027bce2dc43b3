//! The course of eGFR: what bends it and what must not.

use chrono::{DateTime, TimeDelta, Utc};
use shared::clinical::{
    course::{
        Point, certain_drop, falls_15_a_year, rapid_progression, slope, suspected_acute, trend,
    },
    quantity::Egfr,
};

/// Values by the day they were measured on.
fn course(values: &[(i64, f64)]) -> Vec<Point> {
    let start: DateTime<Utc> = "2020-01-01T08:00:00Z".parse().unwrap();
    values
        .iter()
        .map(|(day, egfr)| Point {
            at: start + TimeDelta::days(*day),
            egfr: Egfr::new(*egfr).unwrap(),
        })
        .collect()
}

/// Two years of half-yearly visits, 2 lower every year.
const STEADY: [(i64, f64); 5] = [(0, 50.0), (183, 49.0), (365, 48.0), (548, 47.0), (731, 46.0)];

fn with_dip(at: usize) -> Vec<Point> {
    let mut values = STEADY;
    values[at].1 = 22.0;
    course(&values)
}

/// The same by another program (statsmodels 0.14, `OLS`, `summary_frame(alpha=0.1)`).
#[test]
fn a_trend_leads_on_with_the_interval_of_a_new_value() {
    let points = course(&[
        (0, 45.0),
        (120, 44.0),
        (250, 41.5),
        (365, 42.0),
        (500, 38.0),
        (640, 37.0),
        (730, 34.5),
    ]);
    let trend = trend(&points).unwrap();
    assert!((trend.slope.per_year - (-5.13845)).abs() < 1e-4, "{:?}", trend.slope);
    assert!((trend.line[0].value - 45.52113).abs() < 1e-4, "{:?}", trend.line);
    let far = |index: usize| {
        let one = trend.projected[index];
        ((one.at - points[6].at).num_days(), [one.value, one.lower, one.upper])
    };
    for (index, days, expected) in [
        (0, 0, [35.25127, 33.03827, 37.46427]),
        (4, 365, [30.11635, 27.28836, 32.94433]),
        (8, 730, [24.98142, 21.34938, 28.61346]),
    ] {
        let (at, found) = far(index);
        assert_eq!(at, days);
        for (found, expected) in found.into_iter().zip(expected) {
            assert!((found - expected).abs() < 1e-3, "{found} is not {expected}");
        }
    }
    assert_eq!(trend.projected.len(), 9, "two years in quarters");
}

#[test]
fn a_trend_leads_no_farther_than_it_comes_from_and_not_below_nothing() {
    let short = trend(&course(&[(0, 50.0), (100, 48.0), (200, 47.0)])).unwrap();
    assert_eq!(short.projected.len(), 3, "two hundred days hold two quarters");
    let steep = trend(&course(&[(0, 32.0), (183, 25.0), (365, 18.0), (548, 12.0)])).unwrap();
    let last = steep.projected.last().unwrap();
    assert_eq!((last.value, last.lower), (0.0, 0.0));
    assert!(trend(&course(&[(0, 50.0), (365, 46.0)])).is_none());
}

#[test]
fn a_dip_does_not_bend_a_trend() {
    let (bent, straight) = (trend(&with_dip(2)).unwrap(), trend(&course(&STEADY)).unwrap());
    assert!((bent.projected[8].value - straight.projected[8].value).abs() < 0.1);
}

#[test]
fn a_slope_has_its_interval_and_its_number_of_values() {
    let slope = slope(&course(&[(0, 50.0), (365, 46.0), (731, 45.0), (1096, 40.0)])).unwrap();
    // The same by an ordinary least-squares routine (Student's t of 2 degrees: 4.30265).
    assert!((slope.per_year - (-3.09834)).abs() < 1e-3, "{slope:?}");
    assert!((slope.lower - (-5.33807)).abs() < 5e-3, "{slope:?}");
    assert!((slope.upper - (-0.85862)).abs() < 5e-3, "{slope:?}");
    assert_eq!(slope.values, 4);
}

#[test]
fn a_slope_needs_three_values_over_90_days() {
    assert_eq!(slope(&course(&[(0, 50.0), (400, 40.0)])), None);
    assert_eq!(slope(&course(&[(0, 50.0), (40, 49.0), (89, 48.0)])), None);
    assert!(slope(&course(&[(0, 50.0), (40, 49.0), (90, 48.0)])).is_some());
    assert_eq!(slope(&[]), None);
}

#[test]
fn one_acute_dip_does_not_bend_the_slope_wherever_it_is() {
    let undisturbed = slope(&course(&STEADY)).unwrap();
    assert!((undisturbed.per_year + 2.0).abs() < 0.01, "{undisturbed:?}");
    for at in 0..STEADY.len() {
        let points = with_dip(at);
        let bent = slope(&points).unwrap();
        assert_eq!(bent.values, 4, "the dip at {at} is left out");
        assert!((bent.per_year - undisturbed.per_year).abs() < 0.05, "{at}: {bent:?}");
        assert!(!rapid_progression(&points), "{at}");
        assert!(!certain_drop(&points) && !falls_15_a_year(&points), "{at}");
    }
}

#[test]
fn one_dip_between_yearly_visits_is_found_too() {
    let yearly: Vec<_> = (0..5).map(|year| (365 * year, 50.0 - 2.0 * year as f64)).collect();
    for at in 0..yearly.len() {
        let mut values = yearly.clone();
        values[at].1 = 22.0;
        let bent = slope(&course(&values)).unwrap();
        assert!((bent.per_year + 2.0).abs() < 0.05, "{at}: {bent:?}");
    }
}

#[test]
fn acute_is_a_fall_of_35_percent_in_180_days_that_does_not_last() {
    let last = |values: &[(i64, f64)]| suspected_acute(&course(values)).last().copied();
    assert_eq!(last(&[(0, 50.0), (180, 32.5)]), Some(true));
    assert_eq!(last(&[(0, 50.0), (180, 32.6)]), Some(false));
    assert_eq!(last(&[(0, 50.0), (181, 32.5)]), Some(false));
    let lasting = suspected_acute(&course(&[(0, 50.0), (100, 30.0), (190, 31.0)]));
    assert_eq!(lasting, [false, false, false], "confirmed after 90 days");
    let recovered = suspected_acute(&course(&[(0, 50.0), (100, 30.0), (150, 48.0)]));
    assert_eq!(recovered, [false, true, false]);
    let at_the_start = suspected_acute(&course(&[(0, 30.0), (100, 48.0), (200, 47.0)]));
    assert_eq!(at_the_start, [true, false, false]);
}

#[test]
fn a_fall_from_dip_to_dip_is_none() {
    assert!(!rapid_progression(&course(&[(0, 50.0), (365, 38.0)])), "not confirmed");
}

#[test]
fn a_certain_drop_is_25_percent_and_a_category_and_confirmed() {
    // From G3a to G3b by 25 %, confirmed after 90 days.
    assert!(certain_drop(&course(&[(0, 48.0), (200, 36.0), (290, 35.0)])));
    assert!(!certain_drop(&course(&[(0, 48.0), (200, 36.0), (289, 35.0)])), "89 days");
    assert!(!certain_drop(&course(&[(0, 48.0), (200, 36.1), (290, 36.1)])), "24.8 %");
    assert!(!certain_drop(&course(&[(0, 28.0), (200, 20.0), (290, 20.0)])), "still G4");
    assert!(!certain_drop(&course(&[(0, 48.0), (367, 36.0), (457, 35.0)])), "over a year");
    let recovered = [(0, 48.0), (200, 36.0), (250, 44.0), (290, 36.0)];
    assert!(!certain_drop(&course(&recovered)), "it did not stand meanwhile");
}

#[test]
fn an_old_drop_that_is_stable_since_is_no_rapid_progression() {
    let stable = [(0, 60.0), (300, 40.0), (700, 41.0), (1100, 40.0), (1500, 41.0), (1900, 40.0)];
    assert!(!certain_drop(&course(&stable)));
    assert!(certain_drop(&course(
        &stable[..2].iter().chain(&[(500, 41.0)]).copied().collect::<Vec<_>>()
    )));
}

#[test]
fn a_fall_by_15_a_year_is_confirmed_too() {
    assert!(falls_15_a_year(&course(&[(0, 80.0), (300, 65.0), (390, 64.0)])));
    assert!(!falls_15_a_year(&course(&[(0, 80.0), (300, 65.1), (390, 65.1)])));
    assert!(!falls_15_a_year(&course(&[(0, 80.0), (300, 65.0)])));
}

#[test]
fn rapid_is_a_slope_under_minus_5_whose_interval_excludes_0() {
    let steady = |per_year: f64| {
        let value = |step: i64| (step * 183, 55.0 + per_year * step as f64 * 183.0 / 365.25);
        course(&(0..6).map(value).collect::<Vec<_>>())
    };
    assert!(rapid_progression(&steady(-5.1)));
    assert!(!rapid_progression(&steady(-4.9)));
    let scattered = [(0, 66.0), (365, 50.0), (731, 52.0), (1096, 47.0)];
    let slope = slope(&course(&scattered)).unwrap();
    assert!(slope.per_year < -5.0 && 0.0 < slope.upper, "{slope:?}");
    assert!(!rapid_progression(&course(&scattered)));
}

/// As the definition has it: every start, every end, every value since.
fn falls_by_15(points: &[Point]) -> bool {
    let last = points.last().unwrap();
    points.iter().enumerate().any(|(index, to)| {
        let stands = |from: &Point| {
            (to.at - from.at).num_days() <= 366
                && points[index..].iter().all(|l| l.egfr.get() <= from.egfr.get() - 15.0)
        };
        (90..=366).contains(&(last.at - to.at).num_days()) && points[..index].iter().any(stands)
    })
}

#[test]
fn a_sustained_fall_is_what_every_pair_says_and_long_courses_take_no_time() {
    // Values within a third of each other, so that none is suspected of acute injury.
    let (mut state, mut fallen) = (7_u64, 0);
    for _ in 0..3000 {
        let mut next = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        let (mut day, mut values) = (0, Vec::new());
        for _ in 0..2 + next(8) {
            values.push((day, 62.0 + next(34) as f64));
            day += 20 + next(160).cast_signed();
        }
        let points = course(&values);
        assert!(!suspected_acute(&points).contains(&true), "{values:?}");
        fallen += usize::from(falls_by_15(&points));
        assert_eq!(falls_15_a_year(&points), falls_by_15(&points), "{values:?}");
    }
    assert!(0 < fallen);
}
