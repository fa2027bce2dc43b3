//! What is due for a patient: the reasons to look at one line of the list and not at another.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    clinical::assessment::stale_before,
    prediction::{Kdigo, RiskSource, Threshold},
};

/// A 5-year risk that changed by less than this is called steady.
const STEADY: f64 = 0.01;
/// How long a crossed threshold stays on the list.
pub const CROSSING_DAYS: i64 = 90;

/// Something that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub enum Due {
    /// The risk came over a threshold of the guidelines in the last 90 days, and is over it still.
    ThresholdCrossed {
        /// The gravest one.
        threshold: Threshold,
        /// When the prediction was made that says so.
        since: DateTime<Utc>,
    },
    /// KDIGO's heat map wanted eGFR and albuminuria measured again by a day that has passed.
    MonitoringOverdue {
        /// That day.
        since: NaiveDate,
    },
    /// No eGFR has been recorded.
    EgfrMissing,
    /// Neither albumin nor protein has been measured in urine.
    AlbuminuriaMissing,
    /// The latest prediction does not know the latest values.
    PredictionOutdated {
        /// When its inputs were frozen.
        since: DateTime<Utc>,
    },
    /// The latest prediction is more than a year old.
    PredictionOld {
        /// When its inputs were frozen.
        since: DateTime<Utc>,
    },
}

impl Due {
    /// Its kind, as on the wire.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::ThresholdCrossed { .. } => "threshold_crossed",
            Self::MonitoringOverdue { .. } => "monitoring_overdue",
            Self::EgfrMissing => "egfr_missing",
            Self::AlbuminuriaMissing => "albuminuria_missing",
            Self::PredictionOutdated { .. } => "prediction_outdated",
            Self::PredictionOld { .. } => "prediction_old",
        }
    }
}

/// What is known of a patient who has not reached an end point.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The categories of the latest values.
    pub kdigo: Option<Kdigo>,
    /// By when the values are wanted again.
    pub monitoring_due_on: Option<NaiveDate>,
    /// When a value was last recorded, corrected or voided.
    pub values_changed_at: Option<DateTime<Utc>>,
    /// When the inputs of the latest prediction were frozen.
    pub risk_inputs_at: Option<DateTime<Utc>>,
    /// The thresholds that the risk came over, and when.
    pub crossings: Vec<(Threshold, DateTime<Utc>)>,
}

impl Standing {
    /// What is due on a day, what matters most first.
    pub fn due(&self, today: NaiveDate) -> Vec<Due> {
        let crossed = self.crossings.iter().max_by_key(|(threshold, _)| *threshold);
        let crossed = crossed.map(|&(threshold, since)| Due::ThresholdCrossed { threshold, since });
        let overdue = self.monitoring_due_on.filter(|day| *day < today);
        let overdue = overdue.map(|since| Due::MonitoringOverdue { since });
        let no_egfr = self.kdigo.is_none().then_some(Due::EgfrMissing);
        let no_albuminuria = self.kdigo.is_some_and(|kdigo| kdigo.a.is_none());
        let no_albuminuria = no_albuminuria.then_some(Due::AlbuminuriaMissing);
        let stale = self.stale_prediction(today);
        [crossed, overdue, no_egfr, no_albuminuria, stale].into_iter().flatten().collect()
    }

    fn stale_prediction(&self, today: NaiveDate) -> Option<Due> {
        let since = self.risk_inputs_at?;
        if self.values_changed_at.is_some_and(|changed_at| since < changed_at) {
            Some(Due::PredictionOutdated { since })
        } else {
            (since < stale_before(today)).then_some(Due::PredictionOld { since })
        }
    }
}

/// Which way the 5-year risk went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub enum Direction {
    /// Up by a percentage point or more.
    Rising,
    /// By less than a percentage point.
    Steady,
    /// Down by a percentage point or more.
    Falling,
}

/// How the 5-year risk changed since the prediction before.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct RiskTrend {
    /// Which way.
    pub direction: Direction,
    /// What it was, 0 to 1.
    pub previous_risk_5y: f64,
    /// When that was computed.
    pub previous_at: DateTime<Utc>,
}

impl RiskTrend {
    /// The change from one prediction to the next. Two voices are not compared: the difference
    /// would be theirs, not the patient's.
    pub fn between(
        (before, voice_before, previous_at): (f64, RiskSource, DateTime<Utc>),
        (now, voice): (f64, RiskSource),
    ) -> Option<Self> {
        let direction = match now - before {
            change if STEADY <= change => Direction::Rising,
            change if change <= -STEADY => Direction::Falling,
            _ => Direction::Steady,
        };
        let trend = Self { direction, previous_risk_5y: before, previous_at };
        (voice == voice_before).then_some(trend)
    }
}

/// One eGFR of the last few.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct EgfrPoint {
    /// When it was measured.
    pub at: DateTime<Utc>,
    /// mL/min/1.73 m².
    pub value: f64,
}
