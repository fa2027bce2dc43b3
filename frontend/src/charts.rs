//! Charts: a picture, a caption, and the same numbers as a table.

pub mod bars;
pub mod contributions;
pub mod course;
pub mod egfr;
pub mod library;
pub mod lines;
pub mod own_course;
pub mod risk;
pub mod therapies;

use std::borrow::Cow;

use leptos::{html, prelude::*, reactive::spawn_local_scoped_with_cancellation};

use crate::language::t;

/// Which chart; `charts.js` has a drawing for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChartKind {
    /// The course of what was measured and predicted.
    Course,
    /// The risk over five years.
    Risk,
    /// What moves the risk.
    Contributions,
    /// Lines over years, over time or over one another.
    Lines,
    /// How many there are of each kind.
    Bars,
}

impl ChartKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Course => "course",
            Self::Risk => "risk",
            Self::Contributions => "contributions",
            Self::Lines => "lines",
            Self::Bars => "bars",
        }
    }

    /// Whether one can look closer at a part of it: of a few bars there is nothing closer to see.
    const fn zooms(self) -> bool {
        matches!(self, Self::Course | Self::Lines)
    }
}

/// What colours and symbols mean: the class of each key, and its words.
pub type Legend = Vec<(&'static str, Cow<'static, str>)>;

/// The numbers of a chart as a table: the heads of the columns, and the rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Twin {
    /// Heads of the columns.
    pub heads: Vec<String>,
    /// Cells, row by row; the first of each names the row.
    pub rows: Vec<Vec<String>>,
}

/// How far a drawing has come.
#[derive(Clone, Copy, PartialEq)]
enum Drawing {
    Loading,
    Done,
    Failed,
}

/// A chart with its caption and its table.
#[component]
pub fn Chart(
    /// Which chart.
    kind: ChartKind,
    /// What it shows, in a sentence.
    #[prop(into)]
    caption: String,
    /// What `charts.js` draws, as JSON.
    data: String,
    /// The same numbers as a table.
    twin: Twin,
    /// What its colours and symbols mean.
    #[prop(optional)]
    legend: Legend,
) -> impl IntoView {
    let place = NodeRef::<html::Div>::new();
    let drawing = RwSignal::new(Drawing::Loading);
    let attempt = Trigger::new();
    Effect::new(move |_| {
        attempt.track();
        let Some(element) = place.get() else { return };
        let data = data.clone();
        drawing.set(Drawing::Loading);
        spawn_local_scoped_with_cancellation(async move {
            library::seen(&element).await;
            let drawn = library::draw(&element, kind.name(), &data).await;
            // The page may have gone while the library was on its way.
            drawing.try_set(if drawn { Drawing::Done } else { Drawing::Failed });
        });
    });
    on_cleanup(move || {
        if let Some(element) = place.get_untracked() {
            library::dispose(&element);
        }
    });
    let legend: Vec<_> = legend
        .into_iter()
        .map(|(class, text)| {
            view! { <li><span class=format!("key {class}") aria-hidden="true"></span>{text}</li> }
        })
        .collect();
    let class = format!("chart chart-{}", kind.name());
    view! {
        <figure class="figure">
            <figcaption class="fine">{caption}</figcaption>
            {(!legend.is_empty()).then(|| view! { <ul class="legend fine">{legend}</ul> })}
            <div class="chart-box">
                <div class=class node_ref=place></div>
                {move || match drawing.get() {
                    Drawing::Done => None,
                    Drawing::Loading => Some(view! {
                        <p class="chart-state" role="status">{t("Drawing…")}</p>
                    }.into_any()),
                    Drawing::Failed => Some(view! {
                        <div class="chart-state" role="alert">
                            <p>{t("The chart could not be loaded. The table below has its numbers.")}</p>
                            <button type="button" class="btn btn-small" on:click=move |_| attempt.notify()>
                                {t("Try again")}
                            </button>
                        </div>
                    }.into_any()),
                }}
            </div>
            {move || (drawing.get() == Drawing::Done).then(|| view! { <Tools place kind /> })}
            <TwinTable twin />
        </figure>
    }
}

/// Looking closer, and the drawing as a file for a letter or a talk.
#[component]
fn Tools(place: NodeRef<html::Div>, kind: ChartKind) -> impl IntoView {
    let fills = document().fullscreen_enabled();
    let tools = [
        (kind.zooms(), "in", t("Zoom in")),
        (kind.zooms(), "out", t("Zoom out")),
        (fills, "full", t("Full screen")),
        (true, "png", t("Save PNG")),
        (true, "svg", t("Save SVG")),
    ];
    let buttons: Vec<_> = tools
        .into_iter()
        .filter(|(there, ..)| *there)
        .map(|(_, what, text)| {
            let act = move |_| {
                if let Some(element) = place.get_untracked() {
                    library::act(&element, what, kind.name());
                }
            };
            view! { <button type="button" class="btn btn-small btn-quiet" on:click=act>{text}</button> }
        })
        .collect();
    view! {
        <div class="row chart-tools chart-ends no-print" role="group" aria-label=t("This chart")>{buttons}</div>
    }
}

/// The numbers, for those who read rather than see them.
#[component]
fn TwinTable(twin: Twin) -> impl IntoView {
    let number = |index: usize| (0 < index).then_some("number");
    let heads: Vec<_> = twin
        .heads
        .into_iter()
        .enumerate()
        .map(|(index, head)| view! { <th scope="col" class=number(index)>{head}</th> })
        .collect();
    let rows: Vec<_> = twin
        .rows
        .into_iter()
        .map(|cells| {
            let mut cells = cells.into_iter();
            let name = cells.next();
            let rest: Vec<_> = cells.map(|cell| view! { <td class="number">{cell}</td> }).collect();
            view! { <tr><th scope="row">{name}</th>{rest}</tr> }
        })
        .collect();
    view! {
        <details class="twin">
            <summary>{t("Show as a table")}</summary>
            <div class="table-scroll" tabindex="0" role="group" aria-label=t("Table")>
                <table class="table table-tight">
                    <thead><tr>{heads}</tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </details>
    }
}
