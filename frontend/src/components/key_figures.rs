//! The few numbers that say where a patient stands.

use leptos::prelude::*;
use shared::{
    clinical::kdigo::{a_category, g_category, kdigo_of},
    observation::{Observation, ObservationCode},
    prediction::Kdigo,
};

use super::{
    async_view::Skeleton,
    badges::{RiskBadge, kdigo_class, kdigo_risk_label, source_label},
};
use crate::{charts::egfr::method_label, format, language::t, record::Record, tf};

/// Latest eGFR, uACR, KDIGO risk and 5-year risk.
#[component]
pub fn KeyFigures() -> impl IntoView {
    let record = Record::here();
    let shows_risk = Memo::new(|_| Record::shows_risk());
    view! {
        <section class="figures" aria-label=t("Key figures")>
            {move || {
                if record.observations.get().is_none() {
                    return view! { <Coming /><Coming /><Coming /> }.into_any();
                }
                let egfr = record.latest(ObservationCode::Egfr);
                let uacr = record.latest(ObservationCode::Uacr);
                let upcr = record.latest(ObservationCode::Upcr);
                let upcr = upcr.as_ref().and_then(Observation::quantity);
                let acr = uacr.as_ref().and_then(Observation::quantity);
                let egfr_now = egfr.as_ref().and_then(Observation::quantity);
                let both = egfr_now.map(|egfr| kdigo_of(egfr, acr, upcr));
                view! {
                    <Egfr value=egfr />
                    <Uacr value=uacr />
                    <KdigoFigure kdigo=both />
                }
                .into_any()
            }}
            {move || shows_risk.get().then(|| view! { <RiskFigure /> })}
        </section>
    }
}

/// The place of a number that is not here yet; as tall as the number, so that nothing moves then.
#[component]
fn Coming() -> impl IntoView {
    view! { <div class="figure-card"><Skeleton rows=2 /></div> }
}

/// One number with its name above and its circumstances below.
#[component]
fn Figure(label: &'static str, children: Children) -> impl IntoView {
    view! {
        <div class="figure-card" role="group" aria-label=label>
            <p class="figure-label">{label}</p>
            {children()}
        </div>
    }
}

#[component]
fn Nothing(text: &'static str, advice: &'static str) -> impl IntoView {
    view! {
        <p class="figure-value figure-none">{text}</p>
        <p class="fine">{advice}</p>
    }
}

#[component]
fn Egfr(value: Option<Observation>) -> impl IntoView {
    view! {
        <Figure label="eGFR">
            {match value {
                None => view! { <Nothing text=t("not known") advice=t("Record a creatinine.") /> }.into_any(),
                Some(value) => {
                    let category = value.quantity().map_or("", |egfr| g_category(egfr).label());
                    let source = method_label(value.method);
                    view! { <Value value category source /> }.into_any()
                }
            }}
        </Figure>
    }
}

#[component]
fn Uacr(value: Option<Observation>) -> impl IntoView {
    view! {
        <Figure label="uACR">
            {match value {
                None => view! {
                    <Nothing text=t("not known") advice=t("Record a urine albumin/creatinine ratio.") />
                }
                .into_any(),
                Some(value) => {
                    let category = value.quantity().map_or("", |acr| a_category(acr).label());
                    view! { <Value value category source="" /> }.into_any()
                }
            }}
        </Figure>
    }
}

#[component]
fn Value(value: Observation, category: &'static str, source: &'static str) -> impl IntoView {
    let age = format::ago(value.effective_at);
    let (shown, unit) = format::figure(value.code, value.value);
    view! {
        <p class="figure-value">
            {shown} <span class="unit">" " {unit}</span>
            <span class="badge figure-badge">{category}</span>
        </p>
        <p class="fine">
            {format::date_of(value.effective_at)} ", " {age}
            {(!source.is_empty()).then(|| format!(" · {source}"))}
        </p>
    }
}

#[component]
fn KdigoFigure(kdigo: Option<Kdigo>) -> impl IntoView {
    let Some(kdigo) = kdigo else {
        return view! {
            <Figure label=t("KDIGO risk")>
                <Nothing text=t("not known") advice=t("Needs an eGFR and a uACR.") />
            </Figure>
        }
        .into_any();
    };
    let meaning = kdigo.risk.map_or(t("albuminuria not known"), kdigo_risk_label);
    let class = format!("{} figure-kdigo", kdigo_class(kdigo.risk));
    view! {
        <Figure label=t("KDIGO risk")>
            <p class="figure-value"><span class=class>{kdigo.g.label()} " " {kdigo.albuminuria()}</span></p>
            <p class="fine">{meaning} " " {t("(KDIGO 2024 heat map)")}</p>
        </Figure>
    }
    .into_any()
}

#[component]
fn RiskFigure() -> impl IntoView {
    let record = Record::here();
    let latest = Memo::new(move |_| record.latest_prediction());
    move || {
        if record.predictions.get().is_none() {
            return view! { <Coming /> }.into_any();
        }
        let latest = latest.get();
        let result = latest.as_ref().and_then(|prediction| prediction.result.clone());
        let shown = match (latest, result) {
            (Some(prediction), Some(result)) => {
                let source = result.category_source;
                let text = result
                    .risk_within(5)
                    .map_or_else(|| t("not known").to_owned(), format::percent);
                view! {
                    <p class="figure-value">
                        {text} <span class="figure-badge"><RiskBadge category=result.category /></span>
                    </p>
                    <p class="fine">
                        {tf!(
                            "{source}, as of {day}",
                            source = source_label(source),
                            day = format::date(prediction.inputs.as_of)
                        )}
                    </p>
                }
                .into_any()
            }
            _ => view! {
                <Nothing text=t("not predicted") advice=t("Press Predict to compute it.") />
            }
            .into_any(),
        };
        view! { <Figure label=t("5-year risk of kidney failure")>{shown}</Figure> }.into_any()
    }
}
