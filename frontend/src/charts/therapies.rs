//! Courses of drugs as bars under the other strips, on the same axis of time.

use chrono::NaiveDate;
use serde::Serialize;
use shared::therapy::{Therapy, TherapyKind};

use crate::{components::therapy_course::time, language::t};

/// One course of a drug.
#[derive(Debug, Serialize)]
pub struct Bar {
    /// Each class has a row of its own.
    row: usize,
    from: i64,
    to: i64,
    /// What it is; said once for a row.
    name: &'static str,
    tip: [String; 2],
}

/// The courses that ran in the time that is shown.
pub fn bars(
    therapies: &[Therapy],
    millis: impl Fn(NaiveDate) -> i64,
    (from, to): (i64, i64),
    now: i64,
) -> Vec<Bar> {
    let span = |one: &Therapy| {
        let end = one.ended_on.map_or(now, &millis).min(to);
        let begin = millis(one.started_on).max(from);
        (begin <= end).then_some((begin, end))
    };
    let mut bars: Vec<Bar> = Vec::new();
    for kind in TherapyKind::ALL {
        let row = bars.last().map_or(0, |bar| bar.row + 1);
        let mut name = t(kind.label());
        for one in therapies.iter().filter(|one| one.kind == kind) {
            let Some((from, to)) = span(one) else { continue };
            let tip = [t(kind.label()).to_owned(), time(one)];
            bars.push(Bar { row, from, to, name, tip });
            name = "";
        }
    }
    bars
}
