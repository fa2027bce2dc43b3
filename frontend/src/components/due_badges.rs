//! What is due for a patient, in words; the colour only tells what is urgent from what is not.

use leptos::prelude::*;
use shared::{
    prediction::Threshold,
    worklist::{Direction, Due, RiskTrend},
};

use crate::{format, language::t, tf};

/// What is due, and whether eGFR falls rapidly.
#[component]
pub fn DueBadges(
    /// What is due.
    due: Vec<Due>,
    /// Whether eGFR falls rapidly.
    rapid_progression: bool,
) -> impl IntoView {
    if due.is_empty() && !rapid_progression {
        return view! { <span class="muted">{t("Nothing")}</span> }.into_any();
    }
    let badges = due.into_iter().map(|one| {
        let (class, text, why) = words(one);
        view! { <li><span class=class title=why>{text}</span></li> }
    });
    view! {
        <ul class="due" role="list">
            {badges.collect_view()}
            {rapid_progression.then(|| view! {
                <li>
                    <span class="badge due-urgent" title=t("eGFR falls rapidly (KDIGO 2012)")>
                        {t("Rapid progression")}
                    </span>
                </li>
            })}
        </ul>
    }
    .into_any()
}

/// The badge's class, what it says, and what stands behind it.
fn words(due: Due) -> (&'static str, &'static str, String) {
    const URGENT: &str = "badge due-urgent";
    const SOON: &str = "badge due-soon";
    match due {
        Due::ThresholdCrossed { threshold, since } => {
            let (text, limit) = threshold_words(threshold);
            (URGENT, text, tf!("{limit} since {day}", limit = limit, day = format::date_of(since)))
        }
        Due::MonitoringOverdue { since } => {
            let why =
                tf!("eGFR and albuminuria were due by {day} (KDIGO)", day = format::date(since));
            (SOON, t("Tests overdue"), why)
        }
        Due::EgfrMissing => (SOON, t("eGFR missing"), t("No eGFR is recorded").to_owned()),
        Due::AlbuminuriaMissing => {
            (SOON, t("uACR missing"), t("No albuminuria is recorded").to_owned())
        }
        Due::PredictionOutdated { since } => {
            let why = tf!("Values changed after {day}", day = format::date_of(since));
            ("badge badge-quiet", t("Predict again"), why)
        }
        Due::PredictionOld { since } => {
            let why = tf!("Predicted {day}", day = format::date_of(since));
            ("badge badge-quiet", t("Prediction over a year old"), why)
        }
    }
}

fn threshold_words(threshold: Threshold) -> (&'static str, &'static str) {
    match threshold {
        Threshold::ConsiderReferral => (t("Consider referral"), t("5-year risk of 3 % or more")),
        Threshold::Refer => (t("Refer"), t("5-year risk of 5 % or more")),
        Threshold::Multidisciplinary => (t("Multidisciplinary care"), t("2-year risk over 10 %")),
        Threshold::PrepareReplacement => (t("Prepare replacement"), t("2-year risk over 40 %")),
    }
}

/// Which way the risk went since the prediction before.
#[component]
pub fn Trend(
    /// The change.
    trend: RiskTrend,
) -> impl IntoView {
    let (arrow, word) = match trend.direction {
        Direction::Rising => ("↑", t("rising")),
        Direction::Steady => ("→", t("steady")),
        Direction::Falling => ("↓", t("falling")),
    };
    let before = format::percent(trend.previous_risk_5y);
    let title = tf!("{risk} on {day}", risk = before, day = format::date_of(trend.previous_at));
    view! {
        <span class="when" title=title>
            <span aria-hidden="true">{arrow} " "</span>
            {word}
            <span class="visually-hidden">", " {tf!("before {risk}", risk = before)}</span>
        </span>
    }
}
