//! The course of eGFR on the KDIGO bands, with its trend.

use serde::Serialize;
use shared::{
    clinical::{
        course::{self, Expected, Slope, suspected_acute},
        kdigo::g_category,
    },
    observation::{Observation, ObservationMethod},
    phrase,
    prediction::GCategory,
};

use super::{Legend, course::millis};
use crate::{format, language::t, tf};

/// KDIGO 2024 categories of eGFR, mL/min/1.73 m²: name, lower end, and the colour that the heat
/// map gives it at normal albuminuria.
const BANDS: [(GCategory, f64, &str); 6] = [
    (GCategory::G1, 90.0, "low"),
    (GCategory::G2, 60.0, "low"),
    (GCategory::G3a, 45.0, "moderate"),
    (GCategory::G3b, 30.0, "high"),
    (GCategory::G4, 15.0, "very-high"),
    (GCategory::G5, 0.0, "very-high"),
];

/// What is said of a value that the trend leaves out.
pub const SUSPECTED: &str = phrase!("suspected acute kidney injury: left out of the trend");

/// What is drawn of eGFR.
#[derive(Debug, Serialize)]
pub struct Egfr {
    top: f64,
    ticks: Vec<f64>,
    bands: Vec<Band>,
    /// One value for each moment.
    course: Vec<(i64, f64)>,
    points: Vec<Point>,
    /// The straight line from the first steady value to the last.
    line: Vec<(i64, f64)>,
    /// Moment, value, lower and upper end of what is expected.
    projected: Vec<(i64, f64, f64, f64)>,
    /// The trend in words.
    #[serde(skip)]
    pub trend: Option<String>,
}

/// A category's ground.
#[derive(Debug, Serialize)]
pub struct Band {
    name: &'static str,
    risk: &'static str,
    from: f64,
    to: f64,
}

#[derive(Debug, Serialize)]
struct Point {
    at: i64,
    value: f64,
    kind: Kind,
    tip: Vec<String>,
}

/// Each has a symbol of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Computed,
    Reported,
    Acute,
}

impl Egfr {
    /// What is drawn of the values that count, oldest first, the computed before the reported
    /// where one moment has both; nothing without any.
    pub fn of(values: &[&Observation]) -> Option<Self> {
        let highest = values.iter().map(|value| value.value).reduce(f64::max)?;
        let top = top(highest);
        let mut counting = values.to_vec();
        counting.dedup_by_key(|value| value.effective_at);
        let points: Vec<course::Point> =
            counting.iter().filter_map(|value| point_of(value)).collect();
        let acute: Vec<i64> = points
            .iter()
            .zip(suspected_acute(&points))
            .filter(|(_, acute)| *acute)
            .map(|(point, _)| millis(point.at))
            .collect();
        let trend = course::trend(&points);
        let (line, projected) =
            trend.as_ref().map_or((&[][..], &[][..]), |trend| (&trend.line, &trend.projected));
        Some(Self {
            top,
            ticks: ticks(top),
            bands: bands(top),
            course: counting
                .iter()
                .map(|value| (millis(value.effective_at), value.value))
                .collect(),
            points: values.iter().map(|value| drawn(value, &acute)).collect(),
            line: line.iter().map(|end| (millis(end.at), end.value)).collect(),
            projected: projected.iter().map(expected).collect(),
            trend: trend.map(|trend| in_words(trend.slope)),
        })
    }

    /// Whether a value is suspected of acute kidney injury.
    pub fn suspects(&self, value: &Observation) -> bool {
        let at = millis(value.effective_at);
        self.points.iter().any(|point| point.at == at && point.kind == Kind::Acute)
    }

    /// The latest moment that is drawn.
    pub fn end(&self) -> i64 {
        self.projected.last().map_or(0, |(at, ..)| *at)
    }

    /// What the symbols and colours mean, of those that there are.
    pub fn legend(&self) -> Legend {
        let has = |kind| self.points.iter().any(|point| point.kind == kind);
        [
            (
                has(Kind::Computed),
                "key-computed",
                t("eGFR computed from creatinine (CKD-EPI 2021)"),
            ),
            (has(Kind::Reported), "key-reported", t("eGFR reported by the laboratory")),
            (has(Kind::Acute), "key-acute", t(SUSPECTED)),
            (!self.line.is_empty(), "key-trend", t("straight line through the steady values")),
            (
                1 < self.projected.len(),
                "key-projected",
                t("where 9 of 10 values would lie if it went on like that"),
            ),
        ]
        .into_iter()
        .filter_map(|(there, class, text)| there.then_some((class, text.into())))
        .collect()
    }
}

/// How a value came to be, for people.
pub fn method_label(method: ObservationMethod) -> &'static str {
    match method {
        ObservationMethod::Reported => t("reported"),
        ObservationMethod::CkdEpi2021Creatinine => t("CKD-EPI 2021, computed"),
    }
}

/// The KDIGO category of an eGFR value.
pub fn category(value: &Observation) -> &'static str {
    value.quantity().map_or("", |egfr| g_category(egfr).label())
}

fn point_of(value: &Observation) -> Option<course::Point> {
    Some(course::Point { at: value.effective_at, egfr: value.quantity()? })
}

fn expected(expected: &Expected) -> (i64, f64, f64, f64) {
    (millis(expected.at), expected.value, expected.lower, expected.upper)
}

fn in_words(slope: Slope) -> String {
    let signed = |value| format::number(value, 1).replace('-', "−");
    let Slope { per_year, lower, upper, values } = slope;
    tf!(
        "Trend: {slope} a year ({level} confidence interval {lower} to {upper}, {count} steady values).",
        slope = signed(per_year),
        level = "95\u{a0}%",
        lower = signed(lower),
        upper = signed(upper),
        count = values,
    )
}

/// The edges of the categories up to the top of a chart.
pub fn ticks(top: f64) -> Vec<f64> {
    let edges = [0.0, 15.0, 30.0, 45.0, 60.0, 90.0, 120.0, 150.0, 200.0, 250.0];
    edges.into_iter().filter(|edge| *edge <= top).collect()
}

/// The top of a chart with room for the highest value.
pub fn top(highest: f64) -> f64 {
    ((highest * 1.1 / 15.0).ceil() * 15.0).max(30.0)
}

/// The bands up to the top of the chart.
pub fn bands(top: f64) -> Vec<Band> {
    let mut end = top;
    let mut bands = Vec::new();
    for (category, from, risk) in BANDS {
        if from < top {
            bands.push(Band { name: category.label(), risk, from, to: end });
            end = from;
        }
    }
    bands
}

fn drawn(value: &Observation, acute: &[i64]) -> Point {
    let at = millis(value.effective_at);
    let kind = match value.method {
        _ if acute.contains(&at) => Kind::Acute,
        ObservationMethod::Reported => Kind::Reported,
        ObservationMethod::CkdEpi2021Creatinine => Kind::Computed,
    };
    let mut tip = vec![
        format!("{} · {}", format::quantity(value.value, &value.unit), category(value)),
        format::date_of(value.effective_at),
        method_label(value.method).to_owned(),
    ];
    tip.extend((kind == Kind::Acute).then(|| t(SUSPECTED).to_owned()));
    Point { at, value: value.value, kind, tip }
}
