//! The lines of the patient list; on a phone each becomes a card.

use std::time::Duration;

use leptos::prelude::*;
use leptos_router::components::A;
use shared::{
    observation::ObservationCode,
    patient::{LatestRisk, LatestValue, PatientListItem},
    worklist::RiskTrend,
};

use super::{
    badges::{KdigoBadge, RiskBadge, source_label},
    due_badges::{DueBadges, Trend},
    patient_header::sex_label,
    sparkline::sparkline,
};
use crate::{format, language::t, tf};

/// Lines that are drawn at a time. Between them a slow telephone answers.
const AT_A_TIME: usize = 6;

/// A table of patients; each line leads to the patient.
#[component]
pub fn PatientTable(
    /// The lines.
    items: RwSignal<Vec<PatientListItem>>,
) -> impl IntoView {
    let drawn = RwSignal::new(AT_A_TIME);
    Effect::new(move |_| {
        let next = drawn.get() + AT_A_TIME;
        if drawn.get() < items.with(Vec::len) {
            set_timeout(move || _ = drawn.try_set(next), Duration::ZERO);
        }
    });
    // Keeps what stands below the lines off the screen until they are there: nothing moves.
    let is_drawing = move || drawn.get() < items.with(Vec::len);
    // Roles are spelled out because the cards of the narrow layout are not displayed as a table.
    view! {
        <div class="table-scroll" class:drawing=is_drawing>
            <table class="table patients" role="table">
                <thead role="rowgroup">
                    <tr role="row">
                        <th scope="col" role="columnheader">{t("Patient")}</th>
                        <th scope="col" role="columnheader">{t("Age, sex")}</th>
                        <th scope="col" role="columnheader">"KDIGO"</th>
                        <th scope="col" role="columnheader" class="number">"eGFR"</th>
                        <th scope="col" role="columnheader" class="number">"uACR"</th>
                        <th scope="col" role="columnheader" class="number">{t("2-year risk")}</th>
                        <th scope="col" role="columnheader" class="number">{t("5-year risk")}</th>
                        <th scope="col" role="columnheader">{t("Category")}</th>
                        <th scope="col" role="columnheader">{t("Due")}</th>
                        <th scope="col" role="columnheader">{t("Last value")}</th>
                    </tr>
                </thead>
                <tbody role="rowgroup">
                    <For each=move || items.get().into_iter().take(drawn.get()) key=|item| item.id let:item>
                        <Line item />
                    </For>
                </tbody>
            </table>
        </div>
    }
}

#[component]
fn Line(item: PatientListItem) -> impl IntoView {
    let age = format::age_years(item.birth_date, format::today());
    let sex = tf!("y, {sex}", sex = sex_label(item.sex));
    let risk = item.risk.clone();
    view! {
        <tr role="row">
            <th scope="row" role="rowheader" class="cell-name">
                <A href=format!("/patients/{}", item.id) attr:class="row-link identifying">
                    {item.family_name} ", " {item.given_name}
                </A>
                <span class="when">
                    <span class="identifying">{item.mrn}</span>
                    {item.archived_at.map(|_| view! {
                        " " <span class="badge badge-quiet">{t("Archived")}</span>
                    })}
                </span>
            </th>
            <td role="cell" class="cell-age nowrap">{age} <span class="muted">" " {sex}</span></td>
            <td role="cell" class="cell-kdigo">
                {item.kdigo.map_or_else(
                    || view! { <Nothing /> }.into_any(),
                    |kdigo| view! { <KdigoBadge kdigo /> }.into_any(),
                )}
            </td>
            <td role="cell" class="cell-egfr number" data-label="eGFR">
                <Value code=ObservationCode::Egfr value=item.egfr />
                {sparkline(&item.egfr_course)}
            </td>
            <td role="cell" class="cell-uacr number" data-label="uACR"><Value code=ObservationCode::Uacr value=item.uacr /></td>
            <Risk risk trend=item.risk_trend />
            <td role="cell" class="cell-due" data-label=t("Due")>
                <DueBadges due=item.due rapid_progression=item.rapid_progression />
            </td>
            <td role="cell" class="cell-last nowrap" data-label=t("Last value")>
                {item.last_value_at.map_or_else(
                    || view! { <Nothing /> }.into_any(),
                    |moment| view! {
                        <span class="muted" title=format::date_of(moment)>{format::days_since(moment)}</span>
                    }.into_any(),
                )}
            </td>
        </tr>
    }
}

/// A value, its unit and its day.
#[component]
fn Value(code: ObservationCode, value: Option<LatestValue>) -> impl IntoView {
    value.map_or_else(
        || view! { <Nothing /> }.into_any(),
        |value| {
            let (shown, unit) = format::figure(code, value.value);
            view! {
                <span class="value">
                    <strong>{shown}</strong>
                    <span class="unit">" " {unit}</span>
                </span>
                <span class="when">{format::date_of(value.effective_at)}</span>
            }
            .into_any()
        },
    )
}

/// The three cells of the latest prediction.
#[component]
fn Risk(risk: Option<LatestRisk>, trend: Option<RiskTrend>) -> impl IntoView {
    let Some(risk) = risk else {
        return view! {
            <td role="cell" class="cell-risk2 number" data-label=t("2 years")><Nothing /></td>
            <td role="cell" class="cell-risk5 number" data-label=t("5 years")><Nothing /></td>
            <td role="cell" class="cell-category"><span class="badge badge-quiet">{t("Not predicted")}</span></td>
        }
        .into_any();
    };
    let source = source_label(risk.source);
    view! {
        <td role="cell" class="cell-risk2 number" data-label=t("2 years")>{format::percent(risk.risk_2y)}</td>
        <td role="cell" class="cell-risk5 number" data-label=t("5 years")>
            <strong>{format::percent(risk.risk_5y)}</strong>
            {trend.map(|trend| view! { <Trend trend /> })}
        </td>
        <td role="cell" class="cell-category nowrap">
            <span title=tf!("Predicted {day}", day = format::date_of(risk.predicted_at))>
                <RiskBadge category=risk.category />
                <span class="when">{source}</span>
            </span>
        </td>
    }
    .into_any()
}

/// Nothing known, said so to those who do not see the dash.
#[component]
fn Nothing() -> impl IntoView {
    view! {
        <span class="muted" aria-hidden="true">"–"</span>
        <span class="visually-hidden">{t("unknown")}</span>
    }
}
