//! The prediction: the reason why one opens the page.

use leptos::prelude::*;
use leptos_router::components::A;
use shared::{
    access::Permission,
    prediction::{Advice, Igan, Kfre, Prediction, PredictionResult, RiskSource, Warning, YearRisk},
};

use super::{
    async_view::AsyncView,
    badges::RiskBadge,
    history::History,
    natural_frequency::{PeopleArray, people_of_hundred},
    predict_button::{Asked, PredictButton, PredictProgress},
    prediction_inputs::InputsTable,
};
use crate::{
    charts::{contributions::ContributionsChart, risk::RiskChart},
    format,
    language::{said, t},
    record::Record,
    session, tf,
};

/// The risk of kidney failure: asking, the answer, and earlier answers.
#[component]
pub fn PredictionPanel() -> impl IntoView {
    let record = Record::here();
    let asked = Asked::new(record);
    let latest = Memo::new(move |_| record.latest_prediction());
    let shown = Memo::new(move |_| record.chosen.get().or_else(|| latest.get()));
    view! {
        <section class="card prediction" aria-labelledby="prediction">
            <div class="card-head">
                <div>
                    <h2 id="prediction" tabindex="-1">{t("Risk of kidney failure")}</h2>
                    <p class="fine">{t("Dialysis or kidney transplant")}</p>
                </div>
                <div class="row">
                    {move || (latest.with(Option::is_some) && session::allows(Permission::PreviewPredictions))
                        .then(|| view! {
                            <A href=format!("/patients/{}/what-if", record.id) attr:class="btn">{t("What if?")}</A>
                        })}
                    <PredictButton asked />
                </div>
            </div>
            <div class="stack">
                <PredictProgress asked />
                {move || match shown.get() {
                    Some(prediction) => view! {
                        <Standing prediction=prediction.clone() latest />
                        <Answer prediction />
                    }
                    .into_any(),
                    None => view! {
                        <div class:prediction-coming=move || record.predictions.get().is_none()>
                            <AsyncView resource=record.predictions rows=5 render=|_| view! { <Empty /> } />
                        </div>
                    }
                    .into_any(),
                }}
                <History />
            </div>
        </section>
    }
}

#[component]
fn Empty() -> impl IntoView {
    let record = Record::here();
    view! {
        <div class="empty">
            <p>{t("There is no prediction for this patient yet.")}</p>
            {move || if record.predictable() {
                t("It needs an eGFR or a creatinine of the last five years; with a urine \
                 albumin/creatinine ratio the validated equation speaks too. Then press Predict.")
            } else {
                t("A clinician can request one.")
            }}
        </div>
    }
}

/// Says when what is shown is not the latest, or not on the latest values.
#[component]
fn Standing(prediction: Prediction, latest: Memo<Option<Prediction>>) -> impl IntoView {
    let record = Record::here();
    let asked_at = prediction.requested_at;
    let older = move || latest.get().is_some_and(|latest| asked_at < latest.requested_at);
    let outdated = {
        let prediction = prediction.clone();
        move || record.outdates(&prediction)
    };
    move || {
        if older() {
            Some(view! {
                <div class="notice">
                    <p>{tf!("This is the earlier prediction of {when}.", when = format::date_time(asked_at))}</p>
                    <button
                        type="button"
                        class="btn btn-small"
                        on:click=move |_| record.chosen.set(None)
                    >
                        {t("Show the latest")}
                    </button>
                </div>
            }.into_any())
        } else if outdated() {
            Some(view! {
                <p class="notice notice-warning">
                    {t("The record has changed since this prediction. Predict again to take that into account.")}
                </p>
            }.into_any())
        } else {
            None
        }
    }
}

#[component]
fn Answer(prediction: Prediction) -> impl IntoView {
    let Some(result) = prediction.result.clone() else {
        return view! {
            <p class="notice">{prediction.error.as_deref().map_or_else(|| t("There is no result.").to_owned(), said)}</p>
        }
        .into_any();
    };
    let PredictionResult { kfre, risk, category, category_source, advice, warnings, .. } =
        result.clone();
    let source = match category_source {
        RiskSource::Kfre => t("from KFRE"),
        RiskSource::Network => t("from the network, because KFRE does not apply"),
    };
    let both = kfre.is_some();
    view! {
        <div class="voices">
            <KfreVoice kfre />
            <NetworkVoice risk />
        </div>
        {both.then(|| view! { <WhyTheyDiffer /> })}
        <p class="verdict">
            <span class="muted">{t("Category")}</span>
            <RiskBadge category />
            <span class="muted">{source} " " {t("(KDIGO 2024, 2.2.1 to 2.2.3)")}</span>
        </p>
        {result.risk_within(5).map(|probability| view! { <Frequency probability /> })}
        {result.igan.clone().map(|igan| view! { <IganVoice igan /> })}
        <div class="prediction-charts">
            <section aria-labelledby="risk-chart">
                <h3 id="risk-chart">{t("Over five years")}</h3>
                <RiskChart result=result.clone() />
            </section>
            <section aria-labelledby="contributions-chart">
                <h3 id="contributions-chart">{t("What moves the network’s risk")}</h3>
                <ContributionsChart result />
            </section>
        </div>
        <div class="prediction-words">
            <AdviceList advice />
            <WarningList warnings />
        </div>
        <Circumstances prediction />
    }
    .into_any()
}

/// Two answers to one question want an explanation.
#[component]
fn WhyTheyDiffer() -> impl IntoView {
    view! {
        <details class="twin no-print">
            <summary>{t("Why the two may differ")}</summary>
            <ul class="stack-tight">
                <li>{t("KFRE reads one eGFR and one albuminuria with age and sex; the network reads the whole course, diagnoses, therapies and the biopsy.")}</li>
                <li>{t("KFRE was fitted to real patients of many countries and is calibrated for a region; the network was trained on simulated patients.")}</li>
                <li>{t("KFRE does not count death before kidney failure, and so says too much of the old and frail; the network counts it.")}</li>
            </ul>
            <p class="fine"><A href="/help">{t("More in the help")}</A></p>
        </details>
    }
}

/// The variables of the equation's forms (Tangri 2011, 2016).
fn variables(count: u8) -> &'static str {
    match count {
        4 => t("4 variables: age, sex, eGFR, uACR"),
        6 => t("6 variables: age, sex, eGFR, uACR, diabetes, hypertension"),
        _ => t("8 variables: age, sex, eGFR, uACR, albumin, phosphate, bicarbonate, calcium"),
    }
}

#[component]
fn KfreVoice(kfre: Option<Kfre>) -> impl IntoView {
    let content = match kfre {
        Some(kfre) => view! {
            <div class="voice-numbers">
                <Number text=format::percent(kfre.risk_2y) of=t("within 2 years") />
                <Number text=format::percent(kfre.risk_5y) of=t("within 5 years") />
            </div>
            <p class="fine">{tf!(
                "{variables} · baseline: {region}",
                variables = variables(kfre.variables),
                region = t(kfre.region.label())
            )}</p>
        }
        .into_any(),
        None => view! {
            <p class="figure-value figure-none">{t("does not apply")}</p>
            <p class="fine">{t("The notes below say why.")}</p>
        }
        .into_any(),
    };
    view! {
        <section class="voice voice-kfre" aria-label="KFRE">
            <p class="voice-name">
                <strong>"KFRE"</strong>
                <span class="badge badge-validated">{t("validated equation")}</span>
            </p>
            <p class="fine">{t("Kidney Failure Risk Equation")}</p>
            {content}
        </section>
    }
}

#[component]
fn NetworkVoice(risk: Vec<YearRisk>) -> impl IntoView {
    let numbers: Vec<_> = risk
        .iter()
        .filter(|risk| matches!(risk.year, 2 | 5))
        .map(|risk| {
            let of = if risk.year == 2 { t("within 2 years") } else { t("within 5 years") };
            let interval = tf!(
                "{lower} to {upper}",
                lower = format::percent(risk.lower),
                upper = format::percent(risk.upper)
            );
            view! { <Number text=format::percent(risk.probability) of interval /> }
        })
        .collect();
    view! {
        <section class="voice voice-network" aria-label=t("Network")>
            <p class="voice-name">
                <strong>{t("Network")}</strong>
                <span class="badge badge-research">{t("research: trained on simulated patients")}</span>
            </p>
            <p class="fine">{t("Convolutional network over the whole course, with its 90 % interval")}</p>
            <div class="voice-numbers">{numbers}</div>
        </section>
    }
}

#[component]
fn Number(
    text: String,
    of: &'static str,
    #[prop(optional)] interval: Option<String>,
) -> impl IntoView {
    view! {
        <p class="voice-number">
            <span class="voice-percent">{text}</span>
            <span class="muted">{of}</span>
            {interval.map(|interval| view! {
                <span class="fine"><span class="visually-hidden">{t("90 % interval")} " "</span>{interval}</span>
            })}
        </p>
    }
}

/// The risk that the category rests on, as people count.
#[component]
fn Frequency(probability: f64) -> impl IntoView {
    view! {
        <div class="frequency">
            <PeopleArray probability years=5 />
            <p>
                {t("Of 100 people like this one,")} " "
                <strong>{people_of_hundred(probability)}</strong>
                " " {t("reach kidney failure within 5 years.")}
            </p>
        </div>
    }
}

#[component]
fn IganVoice(igan: Igan) -> impl IntoView {
    view! {
        <p class="verdict">
            <strong>{t("IgAN Prediction Tool")}</strong>
            <span>{format::percent(igan.risk_5y)}</span>
            <span class="muted">
                {t("within 5 years: a fall of eGFR by 50 % or kidney failure (post-biopsy form, Barbour 2022)")}
            </span>
            {igan.experimental.then(|| view! { <span class="badge badge-research">{t("experimental")}</span> })}
        </p>
    }
}

#[component]
fn AdviceList(advice: Vec<Advice>) -> impl IntoView {
    let items: Vec<_> = advice
        .into_iter()
        .map(|advice| view! { <li><p>{said(&advice.text)}</p><p class="fine">{advice.source}</p></li> })
        .collect();
    view! {
        <section aria-labelledby="advice">
            <h3 id="advice">{t("What the guidelines say")}</h3>
            {if items.is_empty() {
                view! { <p class="muted">{t("Nothing beyond routine care.")}</p> }.into_any()
            } else {
                view! { <ul class="advice">{items}</ul> }.into_any()
            }}
        </section>
    }
}

#[component]
fn WarningList(warnings: Vec<Warning>) -> impl IntoView {
    let items: Vec<_> =
        warnings.into_iter().map(|warning| view! { <li>{said(&warning.text)}</li> }).collect();
    (!items.is_empty()).then(|| {
        view! {
            <section aria-labelledby="warnings">
                <h3 id="warnings">{t("Keep in mind")}</h3>
                <ul class="warnings">{items}</ul>
            </section>
        }
    })
}

/// From when, by which network, on which inputs.
#[component]
fn Circumstances(prediction: Prediction) -> impl IntoView {
    let model = prediction.model.map_or_else(
        || t("not known").into_any(),
        |model| {
            let href = format!("/models/{}", model.version);
            view! { <A href>{model.name} " " {model.version}</A> }.into_any()
        },
    );
    view! {
        <footer class="circumstances">
            <p class="fine">
                {tf!(
                    "As of {day} · requested {when} · model",
                    day = format::date(prediction.inputs.as_of),
                    when = format::date_time(prediction.requested_at)
                )} " " {model}
            </p>
            <details class="twin">
                <summary>{t("Inputs used")}</summary>
                <InputsTable inputs=prediction.inputs />
            </details>
        </footer>
    }
}
