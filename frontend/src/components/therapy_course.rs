//! What ran when: the courses of drugs as bars over the years. The list beside it has the same
//! dates in words.

use chrono::{Datelike, Days, NaiveDate};
use leptos::prelude::*;
use shared::therapy::{Therapy, TherapyKind};

use crate::{format, language::t, tf, tn};

/// The picture's width and a row's height, in the picture's own units.
const WIDTH: f64 = 320.0;
const ROW: f64 = 26.0;
const BAR: f64 = 8.0;
const BELOW: f64 = 18.0;
/// The shortest bar that can be seen.
const SHORTEST: f64 = 3.0;

/// The bars; nothing without a course.
pub fn therapy_course(therapies: &[Therapy]) -> Option<impl IntoView + use<>> {
    let today = format::today();
    let scale = Scale::of(therapies, today)?;
    let kinds: Vec<TherapyKind> = TherapyKind::ALL
        .into_iter()
        .filter(|kind| therapies.iter().any(|one| one.kind == *kind))
        .collect();
    let height = kinds.len() as f64 * ROW;
    let rows: Vec<_> = kinds
        .into_iter()
        .enumerate()
        .map(|(place, kind)| {
            let top = place as f64 * ROW;
            let bars: Vec<_> = therapies
                .iter()
                .filter(|one| one.kind == kind)
                .map(|one| bar(one, scale, top + ROW - BAR - 3.0, today))
                .collect();
            view! {
                <text x="0" y=top + 11.0>{t(kind.label())}</text>
                {bars}
            }
        })
        .collect();
    let years: Vec<_> = scale
        .years()
        .into_iter()
        .map(|(x, year)| {
            view! {
                <line x1=x x2=x y1="0" y2=height + 4.0 />
                <text x=x y=height + 15.0 text-anchor="middle">{year}</text>
            }
        })
        .collect();
    let says = tn!(
        therapies.len(),
        "{n} course of a drug from {from} to {to}; the list has its dates",
        "{n} courses of drugs from {from} to {to}; the list has their dates",
        from = format::date(scale.from),
        to = format::date(scale.to),
    );
    Some(view! {
        <svg
            class="therapy-course"
            viewBox=format!("0 0 {WIDTH} {}", height + BELOW)
            role="img"
            aria-label=says
        >
            {years}
            {rows}
        </svg>
    })
}

/// From the first day of a course to today, or to the last day of one that ends later.
#[derive(Clone, Copy)]
struct Scale {
    from: NaiveDate,
    to: NaiveDate,
}

impl Scale {
    fn of(therapies: &[Therapy], today: NaiveDate) -> Option<Self> {
        let from = therapies.iter().map(|one| one.started_on).min()?;
        let ends = therapies.iter().filter_map(|one| one.ended_on);
        let to = ends.chain([today]).max()?;
        // A course that began today is a bar as well.
        let soonest = from.checked_add_days(Days::new(30))?;
        Some(Self { from, to: to.max(soonest) })
    }

    fn x(self, day: NaiveDate) -> f64 {
        let whole = (self.to - self.from).num_days() as f64;
        WIDTH * (day - self.from).num_days() as f64 / whole
    }

    /// Where years begin, no more of them than can be told apart.
    fn years(self) -> Vec<(f64, i32)> {
        let span = self.to.year() - self.from.year();
        let step = usize::try_from(span / 7 + 1).unwrap_or(1);
        (self.from.year() + 1..=self.to.year())
            .step_by(step)
            .filter_map(|year| Some((self.x(NaiveDate::from_ymd_opt(year, 1, 1)?), year)))
            .filter(|(x, _)| (14.0..=WIDTH - 14.0).contains(x))
            .collect()
    }
}

fn bar(therapy: &Therapy, scale: Scale, y: f64, today: NaiveDate) -> impl IntoView + use<> {
    let end = therapy.ended_on.unwrap_or(scale.to);
    let (x, right) = (scale.x(therapy.started_on), scale.x(end));
    let width = (right - x).max(SHORTEST);
    let runs = therapy.started_on <= today && therapy.ended_on.is_none_or(|end| today <= end);
    let name = t(therapy.kind.label());
    let tip = tf!("{therapy}: {time}", therapy = name, time = time(therapy));
    view! {
        <rect class="therapy-bar" class:therapy-runs=runs x=x.min(WIDTH - width) y=y width=width height=BAR rx="2">
            <title>{tip}</title>
        </rect>
    }
}

/// When a course ran, in words.
pub fn time(therapy: &Therapy) -> String {
    let from = format::date(therapy.started_on);
    match therapy.ended_on {
        None => tf!("since {day}", day = from),
        Some(end) => tf!("{from} to {to}", from = from, to = format::date(end)),
    }
}
