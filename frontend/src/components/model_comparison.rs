//! What a shadow said beside what was shown.

use leptos::prelude::*;
use shared::model::{HorizonComparison, ModelComparison};

use super::{async_view::AsyncView, version_choice::VersionChoice};
use crate::{api, format, language::t, tf, tn};

/// A release that runs or ran as shadow, compared with the active one.
#[component]
pub fn Comparison(
    /// The release to begin with.
    version: String,
    /// Every release but the active one.
    versions: Vec<String>,
) -> impl IntoView {
    let chosen = RwSignal::new(version);
    let comparison = LocalResource::new(move || {
        let version = chosen.get();
        async move { api::models::compare(&version).await }
    });
    view! {
        <section class="card stack" aria-labelledby="comparison">
            <div class="card-head">
                <h2 id="comparison">{t("Shadow beside active")}</h2>
                <VersionChoice label=t("Shadow") chosen versions />
            </div>
            <AsyncView
                resource=comparison
                rows=4
                render=|comparison| view! { <Figures comparison /> }
            />
        </section>
    }
}

#[component]
fn Figures(comparison: ModelComparison) -> impl IntoView {
    let ModelComparison { against, predictions, failures, category_change, from, to, .. } =
        comparison;
    if predictions == 0 && failures == 0 {
        return view! {
            <p class="muted">
                {tf!(
                    "This version has run beside version {version} on no prediction in the last 90 days. \
                     Run it as shadow, and look again.",
                    version = against
                )}
            </p>
        }
        .into_any();
    }
    let lines: Vec<_> =
        comparison.horizons.into_iter().map(|horizon| view! { <Line horizon /> }).collect();
    view! {
        <p>
            <strong>{predictions}</strong> " "
            {tf!(
                "predictions answered by both, beside version {version}, from {from} to {to}.",
                version = against,
                from = format::date_of(from),
                to = format::date_of(to)
            )} " "
            {t("Failed:")} " " <strong>{failures}</strong> ". "
            {t("The category would change in")} " "
            <strong>{category_change.map_or_else(|| "–".to_owned(), format::share)}</strong> "."
        </p>
        <div class="table-scroll" tabindex="0" role="region" aria-label=t("Comparison, table")>
            <table class="table">
                <thead>
                    <tr>
                        <th scope="col">{t("Horizon")}</th>
                        <th scope="col" class="number">{t("Mean, active")}</th>
                        <th scope="col" class="number">{t("Mean, shadow")}</th>
                        <th scope="col" class="number">{t("Difference, points")}</th>
                        <th scope="col" class="number">{t("Correlation")}</th>
                        <th scope="col">{t("Quantiles of the difference, points")}</th>
                    </tr>
                </thead>
                <tbody>{lines}</tbody>
            </table>
        </div>
    }
    .into_any()
}

#[component]
fn Line(horizon: HorizonComparison) -> impl IntoView {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
    let quantiles: Vec<String> = horizon
        .quantiles
        .iter()
        .map(|quantile| {
            let share = format::number(100.0 * quantile.share, 0);
            format!("{share}\u{a0}%: {}", format::points(quantile.difference))
        })
        .collect();
    view! {
        <tr>
            <th scope="row" class="nowrap">{tn!(horizon.years, "{n} year", "{n} years")}</th>
            <td class="number">{or_dash(horizon.mean_shown.map(format::percent))}</td>
            <td class="number">{or_dash(horizon.mean_shadow.map(format::percent))}</td>
            <td class="number">{or_dash(horizon.mean_difference.map(format::points))}</td>
            <td class="number">{or_dash(horizon.correlation.map(|r| format::number(r, 3)))}</td>
            <td>{quantiles.join(" · ")}</td>
        </tr>
    }
}
