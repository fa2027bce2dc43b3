//! Figures of groups by calendar year, as lines.

use chrono::Datelike;
use leptos::prelude::*;
use shared::summary::{
    CALENDAR_YEAR, SummaryFigures, SummaryGroup, SummaryMeasure, calendar_years,
};

use super::{figures::figure, measure_label, words};
use crate::{
    charts::{
        Chart, ChartKind, Twin,
        lines::{Axis, AxisKind, Line, Lines, MOST_LINES, Point},
    },
    format,
    language::t,
    tf, tn,
};

/// Values of one group, a place for each year.
struct Course {
    name: String,
    values: Vec<Option<f64>>,
}

/// A trend's main figure as lines: the mean of a measure, otherwise people.
#[component]
pub fn TrendChart(
    /// Each with its year.
    groups: Vec<SummaryGroup>,
    /// Whose mean is shown; without one, people.
    measure: Option<SummaryMeasure>,
) -> impl IntoView {
    let years = calendar_years(format::today().year());
    let mut courses = courses(groups, measure, &years);
    let more = courses.len().saturating_sub(MOST_LINES);
    courses.truncate(MOST_LINES);
    let caption = match measure {
        None => t("People by calendar year").to_owned(),
        Some(measure) => tf!("Mean {measure} by calendar year", measure = measure_label(measure)),
    };
    let years: Vec<String> = years.iter().map(ToString::to_string).collect();
    let twin = twin(&courses, &years, measure);
    let lines = lines(caption.clone(), courses, years, measure);
    let (data, legend) = (lines.json(), lines.legend());
    view! {
        <div class="drawn">
            <Chart kind=ChartKind::Lines caption data twin legend />
            {(0 < more).then(|| view! {
                <p class="fine">
                    {tn!(more, "{n} more group is in the table.", "{n} more groups are in the table.")}
                </p>
            })}
        </div>
    }
}

fn courses(
    groups: Vec<SummaryGroup>,
    measure: Option<SummaryMeasure>,
    years: &[i32],
) -> Vec<Course> {
    let mut courses: Vec<Course> = Vec::new();
    for SummaryGroup { mut group, figures } in groups {
        let year = group.remove(CALENDAR_YEAR);
        let place = years.iter().position(|one| Some(one.to_string()) == year);
        let values: Vec<String> = group.values().map(|value| words(value)).collect();
        let everybody = || t("Everybody asked for").to_owned();
        let name = if values.is_empty() { everybody() } else { values.join(", ") };
        let known = courses.iter().position(|course| course.name == name);
        let course = known.unwrap_or(courses.len());
        if known.is_none() {
            courses.push(Course { name, values: vec![None; years.len()] });
        }
        if let Some(place) = place {
            courses[course].values[place] = main(&figures, measure);
        }
    }
    courses
}

fn main(figures: &SummaryFigures, measure: Option<SummaryMeasure>) -> Option<f64> {
    match measure {
        None => Some(f64::from(figures.people)),
        Some(wanted) => {
            figures.measures.iter().find(|one| one.measure == wanted).and_then(|one| one.mean)
        }
    }
}

fn said(measure: Option<SummaryMeasure>, value: f64) -> String {
    measure.map_or_else(|| format::number(value, 0), |measure| figure(measure, value))
}

fn twin(courses: &[Course], years: &[String], measure: Option<SummaryMeasure>) -> Twin {
    let heads = courses.iter().map(|course| course.name.clone());
    let rows = years.iter().enumerate().map(|(place, year)| {
        let cells = courses.iter().map(|course| {
            course.values[place].map_or_else(|| "–".to_owned(), |value| said(measure, value))
        });
        [year.clone()].into_iter().chain(cells).collect()
    });
    Twin { heads: [t("Year").to_owned()].into_iter().chain(heads).collect(), rows: rows.collect() }
}

fn lines(
    summary: String,
    courses: Vec<Course>,
    years: Vec<String>,
    measure: Option<SummaryMeasure>,
) -> Lines {
    let percent = measure == Some(SummaryMeasure::Risk5y);
    let scale = if percent { 100.0 } else { 1.0 };
    let lines = courses.into_iter().map(|Course { name, values }| {
        let points = values.into_iter().enumerate().map(|(place, value)| Point {
            x: place as f64,
            y: value.map(|value| scale * value),
            tip: value
                .map(|value| tf!("{name}: {number}", name = name, number = said(measure, value)))
                .into_iter()
                .collect(),
        });
        Line { points: points.collect(), name }
    });
    Lines {
        summary,
        x: Axis { kind: AxisKind::Category, names: years, ..Axis::default() },
        y: Axis {
            name: measure.map_or_else(|| t("People").to_owned(), measure_label),
            percent,
            ..Axis::default()
        },
        bands: Vec::new(),
        diagonal: false,
        lines: lines.collect(),
    }
}
