//! A model card: what a network is for, what it was made of, how well it did. Its prose is part of the
//! release and stays English, whatever the language of the page.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use shared::model::{CardBar, CardFigure, CardMetric, ModelCard, SourceAttribute};

use crate::{
    api,
    app::set_title,
    components::async_view::AsyncView,
    format,
    language::{said, t},
    tf,
};

/// The page of one release's card.
#[component]
pub fn ModelPage() -> impl IntoView {
    set_title(t("Model card"));
    let params = use_params_map();
    let version = Memo::new(move |_| params.with(|params| params.get("version")));
    let card = LocalResource::new(move || {
        let version = version.get().unwrap_or_default();
        async move { api::models::card(&version).await }
    });
    view! {
        <div class="page">
            <AsyncView resource=card rows=8 render=|card| view! { <Card card /> } />
        </div>
    }
}

#[component]
fn Card(card: ModelCard) -> impl IntoView {
    let ModelCard { name, version, released_on, intended_use, summary, .. } = card;
    let sentences: Vec<_> =
        summary.into_iter().map(|text| view! { <p lang="en">{text}</p> }).collect();
    view! {
        <div class="page-head">
            <h1>{tf!("Model card: {name} {version}", name = name, version = version)}</h1>
            <p>{tf!("Released {day}", day = format::date(released_on))}</p>
        </div>
        <div class="notice notice-warning">
            <p class="notice-title">{t("Intended use")}</p>
            <p>{said(&intended_use)}</p>
        </div>
        <section class="card stack prose" aria-label=t("Summary")>{sentences}</section>
        <Bars bars=card.bars />
        <Metrics metrics=card.metrics />
        <Figures figures=card.figures />
        <Attributes attributes=card.attributes />
    }
}

#[component]
fn Bars(bars: Vec<CardBar>) -> impl IntoView {
    let lines: Vec<_> = bars
        .into_iter()
        .map(|bar| {
            let (class, word) = match bar.met {
                Some(true) => ("badge risk-low", t("reached")),
                Some(false) => ("badge risk-high", t("not reached")),
                None => ("badge badge-quiet", t("not measured")),
            };
            view! {
                <tr>
                    <th scope="row" lang="en">{bar.measure}<span class="when">{bar.group}</span></th>
                    <td lang="en">{bar.bar}</td>
                    <td lang="en">{bar.value}</td>
                    <td><span class=class>{word}</span></td>
                    <td><code>{bar.command}</code></td>
                </tr>
            }
        })
        .collect();
    view! {
        <section class="card card-flush" aria-labelledby="bars">
            <div class="card-title"><h2 id="bars">{t("What it had to reach")}</h2></div>
            <div class="table-scroll" tabindex="0" role="region" aria-label=t("What it had to reach, table")>
                <table class="table wide">
                    <thead>
                        <tr>
                            <th scope="col">{t("Measure")}</th>
                            <th scope="col">{t("Bar")}</th>
                            <th scope="col">{t("Value")}</th>
                            <th scope="col">{t("Verdict")}</th>
                            <th scope="col">{t("Measured by")}</th>
                        </tr>
                    </thead>
                    <tbody>{lines}</tbody>
                </table>
            </div>
        </section>
    }
}

#[component]
fn Metrics(metrics: Vec<CardMetric>) -> impl IntoView {
    let or_dash = |value: Option<f64>, decimals| {
        value.map_or_else(|| "–".to_owned(), |value| format::number(value, decimals))
    };
    let lines: Vec<_> = metrics
        .into_iter()
        .map(|row| {
            view! {
                <tr>
                    <th scope="row" lang="en">{row.voice}</th>
                    <td lang="en">{row.group}</td>
                    <td class="number">{row.years}</td>
                    <td class="number">{format::number(f64::from(row.patients), 0)}</td>
                    <td class="number">{or_dash(row.auroc, 3)}</td>
                    <td class="number">{format::percent(row.predicted)}</td>
                    <td class="number">{format::percent(row.observed)}</td>
                    <td class="number">{or_dash(row.calibration_slope, 2)}</td>
                    <td class="number">{format::number(row.brier, 4)}</td>
                </tr>
            }
        })
        .collect();
    view! {
        <section class="card card-flush" aria-labelledby="metrics">
            <div class="card-title"><h2 id="metrics">{t("How well it did")}</h2></div>
            <div class="table-scroll" tabindex="0" role="region" aria-label=t("How well it did, table")>
                <table class="table table-tight">
                    <thead>
                        <tr>
                            <th scope="col">{t("Voice")}</th>
                            <th scope="col">{t("Group")}</th>
                            <th scope="col" class="number">{t("Years")}</th>
                            <th scope="col" class="number">{t("Patients")}</th>
                            <th scope="col" class="number">{t("AUROC")}</th>
                            <th scope="col" class="number">{t("Predicted")}</th>
                            <th scope="col" class="number">{t("Observed")}</th>
                            <th scope="col" class="number">{t("Calibration slope")}</th>
                            <th scope="col" class="number">{t("Brier")}</th>
                        </tr>
                    </thead>
                    <tbody>{lines}</tbody>
                </table>
            </div>
        </section>
    }
}

#[component]
fn Figures(figures: Vec<CardFigure>) -> impl IntoView {
    let pictures: Vec<_> = figures
        .into_iter()
        .map(|figure| {
            let svg = String::from(js_sys::encode_uri_component(&figure.svg));
            view! {
                <figure class="card-figure" lang="en">
                    <img src=format!("data:image/svg+xml,{svg}") alt=figure.alt loading="lazy" />
                    <figcaption class="fine">{figure.title}</figcaption>
                </figure>
            }
        })
        .collect();
    (!pictures.is_empty()).then(|| {
        view! {
            <section class="card stack" aria-labelledby="figures">
                <h2 id="figures">{t("Figures")}</h2>
                <div class="card-figures">{pictures}</div>
            </section>
        }
    })
}

#[component]
fn Attributes(attributes: Vec<SourceAttribute>) -> impl IntoView {
    let groups: Vec<_> = attributes
        .chunk_by(|one, next| one.group == next.group)
        .map(|group| {
            let title = group.first().map(|first| said(&first.group));
            let items: Vec<_> = group
                .iter()
                .map(|attribute| {
                    view! {
                        <div class="source">
                            <dt>{attribute.number} ". " {said(&attribute.title)}</dt>
                            <dd lang="en">{attribute.text.clone()}</dd>
                        </div>
                    }
                })
                .collect();
            view! {
                <h3>{title}</h3>
                <dl class="sources">{items}</dl>
            }
        })
        .collect();
    view! {
        <section class="card stack prose" aria-labelledby="attributes">
            <h2 id="attributes">{t("Source attributes")}</h2>
            <p class="fine">
                {t("The 31 attributes that 45 CFR 170.315(b)(11)(iv)(B) asks for, in its order.")}
            </p>
            {groups}
        </section>
    }
}
