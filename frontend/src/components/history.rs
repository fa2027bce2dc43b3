//! Earlier predictions.

use leptos::prelude::*;
use shared::prediction::{Prediction, PredictionStatus};

use super::{async_view::AsyncView, badges::RiskBadge};
use crate::{
    format,
    language::{said, t},
    record::Record,
    tf,
};

/// Every prediction so far, latest first; each can be looked at again.
#[component]
pub fn History() -> impl IntoView {
    let record = Record::here();
    view! {
        <AsyncView
            resource=record.predictions
            rows=1
            render=|predictions| {
                let count = predictions.len();
                let lines: Vec<_> =
                    predictions.into_iter().map(|prediction| view! { <Line prediction /> }).collect();
                (!lines.is_empty()).then(|| view! {
                    <details class="twin no-print">
                        <summary>{tf!("Earlier predictions ({count})", count = count)}</summary>
                        <div class="table-scroll" tabindex="0" role="group" aria-label=t("Earlier predictions")>
                            <table class="table table-tight">
                                <thead>
                                    <tr>
                                        <th scope="col">{t("Requested")}</th>
                                        <th scope="col">{t("Status")}</th>
                                        <th scope="col" class="number">{t("2 years")}</th>
                                        <th scope="col" class="number">{t("5 years")}</th>
                                        <th scope="col">{t("Category")}</th>
                                        <th scope="col"><span class="visually-hidden">{t("Action")}</span></th>
                                    </tr>
                                </thead>
                                <tbody>{lines}</tbody>
                            </table>
                        </div>
                    </details>
                })
            }
        />
    }
}

fn status_label(status: PredictionStatus) -> &'static str {
    match status {
        PredictionStatus::Queued => t("Queued"),
        PredictionStatus::Running => t("Running"),
        PredictionStatus::Succeeded => t("Done"),
        PredictionStatus::Failed => t("Failed"),
        PredictionStatus::Cancelled => t("Cancelled"),
    }
}

#[component]
fn Line(prediction: Prediction) -> impl IntoView {
    let record = Record::here();
    let when = format::date_time(prediction.requested_at);
    let status = status_label(prediction.status);
    let Some(result) = prediction.result.clone() else {
        return view! {
            <tr>
                <th scope="row" class="nowrap">{when}</th>
                <td title=prediction.error.map(|why| said(&why))>{status}</td>
                <td></td><td></td><td></td><td></td>
            </tr>
        }
        .into_any();
    };
    let of_year = |year| {
        let network = result.risk.iter().find(|risk| risk.year == year);
        match (&result.kfre, year) {
            (Some(kfre), 2) => format!("{} KFRE", format::percent(kfre.risk_2y)),
            (Some(kfre), _) => format!("{} KFRE", format::percent(kfre.risk_5y)),
            (None, _) => network.map_or_else(String::new, |risk| {
                tf!("{risk} network", risk = format::percent(risk.probability))
            }),
        }
    };
    let label = tf!("Show the prediction of {when}", when = when);
    view! {
        <tr>
            <th scope="row" class="nowrap">{when}</th>
            <td>{status}</td>
            <td class="number nowrap">{of_year(2)}</td>
            <td class="number nowrap">{of_year(5)}</td>
            <td><RiskBadge category=result.category /></td>
            <td class="number">
                <button
                    type="button"
                    class="btn btn-small"
                    aria-label=label
                    on:click=move |_| {
                        record.chosen.set(Some(prediction.clone()));
                        crate::app::focus("prediction");
                    }
                >
                    {t("Show")}
                </button>
            </td>
        </tr>
    }
    .into_any()
}
