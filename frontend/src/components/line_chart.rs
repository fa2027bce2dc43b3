//! Lines over the years, drawn in the page: the table beside them holds the same figures.

use leptos::prelude::*;

use crate::format;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 48.0;
const BOTTOM: f64 = 24.0;
const TOP: f64 = 8.0;
/// More lines than these cannot be told apart.
pub const MOST_LINES: usize = 8;

/// One line: its name and, of each year in turn, a value where there is one.
#[derive(Clone, Debug)]
pub struct Line {
    /// The name.
    pub name: String,
    /// The values.
    pub values: Vec<Option<f64>>,
}

/// Where the axis ends: a little above the highest value, at a round number.
fn top(highest: f64) -> f64 {
    let unit = 10_f64.powf(highest.max(1e-3).log10().floor());
    let steps = [1.0, 2.0, 4.0, 5.0, 10.0].map(|step| step * unit);
    steps.into_iter().find(|step| highest <= *step).unwrap_or(10.0 * unit)
}

/// Stretches of years that follow each other.
fn stretches(values: &[Option<f64>]) -> Vec<Vec<(usize, f64)>> {
    let mut stretches: Vec<Vec<(usize, f64)>> = Vec::new();
    for (place, value) in values.iter().enumerate() {
        let Some(value) = value else { continue };
        match stretches.last_mut() {
            Some(open) if open.last().is_some_and(|(before, _)| before + 1 == place) => {
                open.push((place, *value));
            }
            _ => stretches.push(vec![(place, *value)]),
        }
    }
    stretches
}

/// The chart.
#[component]
pub fn LineChart(
    /// What it shows, for whoever does not see it.
    label: String,
    /// The years.
    years: Vec<String>,
    /// The lines.
    lines: Vec<Line>,
) -> impl IntoView {
    let highest = lines.iter().flat_map(|line| line.values.iter().flatten());
    let top = top(highest.copied().fold(0.0, f64::max));
    let step = (WIDTH - LEFT - 12.0) / (years.len().max(2) - 1) as f64;
    let x = move |place: usize| LEFT + place as f64 * step;
    let y = move |value: f64| TOP + (HEIGHT - BOTTOM - TOP) * (1.0 - value / top);
    let rules = [0.0, 0.5, 1.0].map(|share| {
        let value = share * top;
        view! {
            <line class="rule" x1=LEFT x2=WIDTH y1=y(value) y2=y(value)></line>
            <text x=LEFT - 6.0 y=y(value) + 4.0 text-anchor="end">{format::exact(value)}</text>
        }
    });
    let ticks = years.into_iter().enumerate().step_by(2).map(|(place, year)| {
        view! { <text x=x(place) y=HEIGHT - 4.0 text-anchor="middle">{year}</text> }
    });
    let ticks = ticks.collect_view();
    let drawn = lines.iter().enumerate().map(|(number, line)| {
        let class = format!("series series-{number}");
        let paths = stretches(&line.values).into_iter().map(move |stretch| {
            let points: Vec<String> = stretch
                .iter()
                .map(|(place, value)| format!("{:.1},{:.1}", x(*place), y(*value)))
                .collect();
            let dots = stretch
                .into_iter()
                .map(
                    move |(place, value)| view! { <circle cx=x(place) cy=y(value) r="3"></circle> },
                )
                .collect_view();
            view! { <polyline points=points.join(" ")></polyline> {dots} }
        });
        view! { <g class=class>{paths.collect_view()}</g> }
    });
    let drawn = drawn.collect_view();
    let several = 1 < lines.len();
    let named = lines.into_iter().enumerate().map(|(number, line)| {
        view! {
            <li>
                <svg class="lines swatch" viewBox="0 0 24 8" aria-hidden="true">
                    <g class=format!("series series-{number}")><polyline points="0,4 24,4"></polyline></g>
                </svg>
                {line.name}
            </li>
        }
    });
    let legend = several.then(|| view! { <ul class="legend">{named.collect_view()}</ul> });
    view! {
        <figure class="drawn">
            <svg class="lines" viewBox=format!("0 0 {WIDTH} {HEIGHT}") role="img" aria-label=label>
                {rules} {ticks} {drawn}
            </svg>
            {legend}
        </figure>
    }
}
