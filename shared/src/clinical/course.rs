//! The course of eGFR: slope, rapid progression, suspicion of acute kidney injury.

use chrono::{DateTime, TimeDelta, Utc};

use super::{kdigo::g_category, quantity::Egfr};

/// One value of eGFR.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// When the sample was taken.
    pub at: DateTime<Utc>,
    /// The value.
    pub egfr: Egfr,
}

/// A straight line through the steady values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slope {
    /// mL/min/1.73 m² a year.
    pub per_year: f64,
    /// Lower end of the 95 % confidence interval.
    pub lower: f64,
    /// Upper end of the 95 % confidence interval.
    pub upper: f64,
    /// How many values it rests on.
    pub values: usize,
}

const DAYS_PER_YEAR: f64 = 365.25;
/// The shortest time that a slope may rest on.
const SHORTEST: TimeDelta = TimeDelta::days(90);
/// A fall of eGFR by this share within [`ACUTE_WINDOW`] suggests acute injury (Yeh et al. 2019).
const ACUTE_FALL: f64 = 0.35;
const ACUTE_WINDOW: TimeDelta = TimeDelta::days(180);
const YEAR: TimeDelta = TimeDelta::days(366);
/// A rise of creatinine to 1.5 times within 7 days (KDIGO 2012) is a fall of eGFR to
/// 1.5^−1.2 = 0.615 of what it was (CKD-EPI 2021 above κ).
const SEVEN_DAY_FALL: f64 = 0.385;

fn years(span: TimeDelta) -> f64 {
    span.num_seconds() as f64 / 86_400.0 / DAYS_PER_YEAR
}

/// Which values are suspected of acute kidney injury: a fall from the highest value of the 180
/// days before by 35 % or more (within 7 days: 38.5 %), unless the new level has lasted since, for
/// 90 days or more; or a value from which eGFR recovers by as much within a year, which also finds
/// a dip that nothing was measured before. Points must be in order of time.
pub fn suspected_acute(points: &[Point]) -> Vec<bool> {
    points
        .iter()
        .enumerate()
        .map(|(index, point)| {
            let (before, after) = (&points[..index], &points[index + 1..]);
            let fall_since = |window: TimeDelta| {
                let recent = before.iter().filter(|earlier| point.at - earlier.at <= window);
                let highest = recent.map(|earlier| earlier.egfr.get()).fold(f64::NAN, f64::max);
                1.0 - point.egfr.get() / highest
            };
            let fell = ACUTE_FALL <= fall_since(ACUTE_WINDOW)
                || SEVEN_DAY_FALL <= fall_since(TimeDelta::days(7));
            fell && !lasts(point, after) || recovers(point, after)
        })
        .collect()
}

/// Whether a value of the year after shows that this one was a dip.
fn recovers(point: &Point, after: &[Point]) -> bool {
    after.iter().any(|later| later.at - point.at <= YEAR && is_dip(point.egfr, later.egfr))
}

fn is_dip(value: Egfr, level: Egfr) -> bool {
    value.get() <= (1.0 - ACUTE_FALL) * level.get()
}

/// Whether the level of a value is confirmed 90 days or more later, with no recovery meanwhile.
fn lasts(point: &Point, after: &[Point]) -> bool {
    let confirmed = after.iter().any(|later| SHORTEST <= later.at - point.at);
    confirmed && after.iter().all(|later| later.egfr.get() < point.egfr.get() * 1.25)
}

/// The values that a course may be read from: none suspected of acute kidney injury, and at the
/// end none that fell as steeply, over whatever time, and is not confirmed yet.
fn steady(points: &[Point]) -> Vec<Point> {
    let acute = suspected_acute(points);
    let mut steady: Vec<Point> =
        points.iter().zip(acute).filter(|(_, acute)| !acute).map(|(point, _)| *point).collect();
    if let [.., before, last] = steady.as_slice()
        && is_dip(last.egfr, before.egfr)
    {
        steady.pop();
    }
    steady
}

/// The least-squares slope of the steady values, so that one acute dip does not bend it: three or
/// more over 90 days or more (NICE NG203), otherwise `None`.
pub fn slope(points: &[Point]) -> Option<Slope> {
    let steady = steady(points);
    let (first, last) = (steady.first()?, steady.last()?);
    if steady.len() < 3 || last.at - first.at < SHORTEST {
        return None;
    }
    let n = steady.len() as f64;
    let x: Vec<f64> = steady.iter().map(|point| years(point.at - first.at)).collect();
    let mean_x = x.iter().sum::<f64>() / n;
    let mean_y = steady.iter().map(|point| point.egfr.get()).sum::<f64>() / n;
    let sxx: f64 = x.iter().map(|x| (x - mean_x).powi(2)).sum();
    let sxy: f64 = x.iter().zip(&steady).map(|(x, p)| (x - mean_x) * (p.egfr.get() - mean_y)).sum();
    let per_year = sxy / sxx;
    let residual = |(x, p): (&f64, &Point)| p.egfr.get() - mean_y - per_year * (x - mean_x);
    let squares: f64 = x.iter().zip(&steady).map(residual).map(|r| r.powi(2)).sum();
    let error = (squares / (n - 2.0) / sxx).sqrt();
    let half = student_t_975(steady.len() - 2) * error;
    let (lower, upper) = (per_year - half, per_year + half);
    Some(Slope { per_year, lower, upper, values: steady.len() })
}

/// The 97.5 % quantile of Student's t: exact to three digits, by table up to 10 degrees of
/// freedom, then by the Cornish–Fisher expansion.
fn student_t_975(degrees: usize) -> f64 {
    const TABLE: [f64; 10] =
        [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];
    if let Some(quantile) = degrees.checked_sub(1).and_then(|index| TABLE.get(index)) {
        return *quantile;
    }
    let z = 1.959_963_985_f64;
    let d = degrees as f64;
    z + (z.powi(3) + z) / (4.0 * d)
        + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * d * d)
}

/// Rapid progression (KDIGO 2012): a slope under −5 a year whose interval excludes 0, or a
/// [`certain_drop`].
pub fn rapid_progression(points: &[Point]) -> bool {
    let steep = slope(points).is_some_and(|slope| slope.per_year < -5.0 && slope.upper < 0.0);
    steep || certain_drop(points)
}

/// A sustained drop of category with a fall of 25 % or more within a year (KDIGO 2012, NICE NG203).
pub fn certain_drop(points: &[Point]) -> bool {
    sustained_fall(points, |from, to| {
        g_category(from) < g_category(to) && to.get() <= 0.75 * from.get()
    })
}

/// A sustained fall by 15 or more within a year (NICE NG203).
pub fn falls_15_a_year(points: &[Point]) -> bool {
    sustained_fall(points, |from, to| to.get() <= from.get() - 15.0)
}

/// A fall within a year that still stands: the latest steady value confirms it 90 days or more
/// later, and so does every one between. It ended in the year before that latest value: an old
/// fall that has been stable since is none.
///
/// `fell` must hold for a higher start and a lower end whenever it holds: then the highest value of
/// the year before and the highest of all since stand for the others.
fn sustained_fall(points: &[Point], fell: impl Fn(Egfr, Egfr) -> bool) -> bool {
    let steady = steady(points);
    let Some(last) = steady.last() else { return false };
    let by_value = |one: &Egfr, other: &Egfr| one.get().total_cmp(&other.get());
    let highest = |points: &[Point]| points.iter().map(|point| point.egfr).max_by(by_value);
    let mut since = last.egfr;
    for (index, to) in steady.iter().enumerate().rev() {
        let age = last.at - to.at;
        if YEAR < age {
            break;
        }
        since = std::cmp::max_by(since, to.egfr, by_value);
        let first = steady.partition_point(|from| from.at < to.at - YEAR);
        if SHORTEST <= age && highest(&steady[first..index]).is_some_and(|from| fell(from, since)) {
            return true;
        }
    }
    false
}
