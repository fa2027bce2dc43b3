//! Lines: over the years, over time, or of what was seen over what was expected.

use serde::Serialize;

use super::{Legend, egfr::Band};

/// More lines than these cannot be told apart.
pub const MOST_LINES: usize = 8;

/// The key of each line; `lines.js` has their colours and dashes.
const KEYS: [&str; MOST_LINES] = [
    "key-line",
    "key-line key-line-2",
    "key-line key-line-3",
    "key-line key-line-4",
    "key-line key-line-5",
    "key-line key-line-6",
    "key-line key-line-7",
    "key-line key-line-8",
];

/// What `lines.js` draws.
#[derive(Debug, Serialize)]
pub struct Lines {
    /// What it shows, for whoever does not see it.
    pub summary: String,
    /// The axis to the right.
    pub x: Axis,
    /// The axis upwards.
    pub y: Axis,
    /// Grounds across the drawing.
    pub bands: Vec<Band>,
    /// Whether a line leads from corner to corner, where both axes say the same.
    pub diagonal: bool,
    /// At most [`MOST_LINES`].
    pub lines: Vec<Line>,
}

/// What is along an axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AxisKind {
    /// Numbers.
    #[default]
    Value,
    /// Moments, in milliseconds.
    Time,
    /// Names, in their order.
    Category,
}

/// An axis.
#[derive(Debug, Default, Serialize)]
pub struct Axis {
    /// What is along it.
    pub kind: AxisKind,
    /// What it measures.
    pub name: String,
    /// Whether its numbers are percentages.
    pub percent: bool,
    /// Names along it.
    pub names: Vec<String>,
    /// Where it begins; without it, where the values do.
    pub from: Option<f64>,
    /// Where it ends.
    pub to: Option<f64>,
    /// The only numbers that it bears, if not any.
    pub ticks: Vec<f64>,
}

/// One line.
#[derive(Debug, Serialize)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// Its points, from left to right.
    pub points: Vec<Point>,
}

/// A point, or a gap in the line.
#[derive(Debug, Serialize)]
pub struct Point {
    /// How far to the right.
    pub x: f64,
    /// How far up; nothing makes a gap.
    pub y: Option<f64>,
    /// What hovering says, line by line.
    pub tip: Vec<String>,
}

impl Lines {
    /// The lines' names with their keys, where there is more than one.
    pub fn legend(&self) -> Legend {
        if self.lines.len() < 2 {
            return Legend::new();
        }
        KEYS.into_iter()
            .zip(&self.lines)
            .map(|(key, line)| (key, line.name.clone().into()))
            .collect()
    }

    /// What `lines.js` reads.
    pub fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
