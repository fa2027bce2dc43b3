//! The course of eGFR: slope, trend, rapid progression, suspicion of acute kidney injury.

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

/// The least-squares line through the steady values.
struct Line {
    first: Point,
    last: Point,
    values: usize,
    mean_x: f64,
    mean_y: f64,
    sxx: f64,
    per_year: f64,
    /// The standard deviation of the values about the line.
    residual_sd: f64,
}

impl Line {
    /// Three or more steady values over 90 days or more (NICE NG203), otherwise `None`.
    fn through(points: &[Point]) -> Option<Self> {
        let steady = steady(points);
        let (first, last) = (*steady.first()?, *steady.last()?);
        if steady.len() < 3 || last.at - first.at < SHORTEST {
            return None;
        }
        let n = steady.len() as f64;
        let x: Vec<f64> = steady.iter().map(|point| years(point.at - first.at)).collect();
        let mean_x = x.iter().sum::<f64>() / n;
        let mean_y = steady.iter().map(|point| point.egfr.get()).sum::<f64>() / n;
        let sxx: f64 = x.iter().map(|x| (x - mean_x).powi(2)).sum();
        let sxy: f64 =
            x.iter().zip(&steady).map(|(x, p)| (x - mean_x) * (p.egfr.get() - mean_y)).sum();
        let per_year = sxy / sxx;
        let residual = |(x, p): (&f64, &Point)| p.egfr.get() - mean_y - per_year * (x - mean_x);
        let squares: f64 = x.iter().zip(&steady).map(residual).map(|r| r.powi(2)).sum();
        let residual_sd = (squares / (n - 2.0)).sqrt();
        Some(Self { first, last, values: steady.len(), mean_x, mean_y, sxx, per_year, residual_sd })
    }

    fn degrees(&self) -> usize {
        self.values - 2
    }

    fn slope(&self) -> Slope {
        let half = student_t_975(self.degrees()) * self.residual_sd / self.sxx.sqrt();
        let per_year = self.per_year;
        let (lower, upper) = (per_year - half, per_year + half);
        Slope { per_year, lower, upper, values: self.values }
    }

    /// Where nine of ten new values of this moment would lie.
    fn expected(&self, at: DateTime<Utc>) -> Expected {
        let from_mean = years(at - self.first.at) - self.mean_x;
        let value = self.mean_y + self.per_year * from_mean;
        let spread = 1.0 + 1.0 / self.values as f64 + from_mean.powi(2) / self.sxx;
        let half = student_t_95(self.degrees()) * self.residual_sd * spread.sqrt();
        // No eGFR is below 0, whatever a straight line says.
        let [value, lower, upper] = [value, value - half, value + half].map(|end| end.max(0.0));
        Expected { at, value, lower, upper }
    }
}

/// The least-squares slope of the steady values, so that one acute dip does not bend it: three or
/// more over 90 days or more (NICE NG203), otherwise `None`.
pub fn slope(points: &[Point]) -> Option<Slope> {
    Line::through(points).as_ref().map(Line::slope)
}

/// What a straight course lets one expect of a moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected {
    /// The moment.
    pub at: DateTime<Utc>,
    /// eGFR on the line, mL/min/1.73 m².
    pub value: f64,
    /// Lower end of the 90 % prediction interval of one value.
    pub lower: f64,
    /// Upper end of the 90 % prediction interval of one value.
    pub upper: f64,
}

/// The straight line through the steady values, and where it leads.
#[derive(Clone, Debug, PartialEq)]
pub struct Trend {
    /// How steep it is.
    pub slope: Slope,
    /// The line at the first and at the last steady value.
    pub line: [Expected; 2],
    /// The line and its interval from the last steady value on, every three months: for as long as
    /// the values reach back, two years at most.
    pub projected: Vec<Expected>,
}

/// The farthest that a course is projected, in quarters of a year.
const FARTHEST: i32 = 8;

/// The trend of a course, where it has a [`slope`]. The interval is that of ordinary least squares
/// for one new value; it widens with the distance. It says where values would be if the course went
/// on as it was, and no more: eGFR often leaves its line, so no date may be read from it.
pub fn trend(points: &[Point]) -> Option<Trend> {
    let line = Line::through(points)?;
    let quarter = TimeDelta::days(365) / 4;
    let known = line.last.at - line.first.at;
    let projected = (0..=FARTHEST)
        .map(|quarters| quarter * quarters)
        .take_while(|ahead| *ahead <= known)
        .map(|ahead| line.expected(line.last.at + ahead))
        .collect();
    let ends = [line.first.at, line.last.at].map(|at| line.expected(at));
    Some(Trend { slope: line.slope(), line: ends, projected })
}

/// The 97.5 % quantile of Student's t: exact to three digits, by table up to 10 degrees of
/// freedom, then by the Cornish–Fisher expansion.
fn student_t_975(degrees: usize) -> f64 {
    const TABLE: [f64; 10] =
        [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];
    student_t(&TABLE, 1.959_963_985, degrees)
}

/// The 95 % quantile, likewise.
fn student_t_95(degrees: usize) -> f64 {
    const TABLE: [f64; 10] = [6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812];
    student_t(&TABLE, 1.644_853_627, degrees)
}

fn student_t(table: &[f64; 10], z: f64, degrees: usize) -> f64 {
    if let Some(quantile) = degrees.checked_sub(1).and_then(|index| table.get(index)) {
        return *quantile;
    }
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
