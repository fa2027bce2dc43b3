//! Acute kidney injury from creatinine (KDIGO 2012 clinical practice guideline).

use chrono::{DateTime, TimeDelta, Utc};

use super::quantity::CreatinineMgDl;

/// One creatinine and when its sample was taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// When it was taken.
    pub at: DateTime<Utc>,
    /// What was found.
    pub creatinine: CreatinineMgDl,
}

/// The stage of the injury that the latest creatinine shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// To 1.5–1.9 times the baseline, or by 0.3 mg/dL.
    One,
    /// To 2.0–2.9 times.
    Two,
    /// To 3 times or more, or to 4.0 mg/dL or more.
    Three,
}

/// Values are decimal numbers: 2.3 − 2.0 is a rise of 0.3.
const TOLERANCE: f64 = 1e-9;

/// The stage of acute kidney injury at the latest of these samples: creatinine rose by 0.3 mg/dL
/// or more within 48 hours, or to 1.5 times or more within 7 days. `None` when neither is so; that
/// does not exclude an injury, whose other criterion (urine output) is not recorded here.
pub fn stage(samples: &[Sample]) -> Option<Stage> {
    let latest = samples.iter().max_by_key(|sample| sample.at)?;
    let lowest_within = |window: TimeDelta| {
        let recent = samples.iter().filter(|sample| latest.at - sample.at <= window);
        recent.map(|sample| sample.creatinine.get()).fold(f64::INFINITY, f64::min)
    };
    let now = latest.creatinine.get();
    let rise = now - lowest_within(TimeDelta::hours(48));
    let times = now / lowest_within(TimeDelta::days(7)) + TOLERANCE;
    if rise + TOLERANCE < 0.3 && times < 1.5 {
        return None;
    }
    Some(match times {
        3.0.. => Stage::Three,
        _ if 4.0 <= now => Stage::Three,
        2.0.. => Stage::Two,
        _ => Stage::One,
    })
}
