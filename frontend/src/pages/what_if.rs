//! What if a value were another one: KFRE at once, in the browser; the network a moment later, from
//! the server. Always beside the real values, and never kept.

use gloo_timers::future::TimeoutFuture;
use leptos::{prelude::*, task::spawn_local};
use leptos_router::{components::A, hooks::use_params_map};
use shared::{
    clinical::{
        assessment::{kfre_for, latest},
        kfre::Refusal,
    },
    id::PatientId,
    patient::Patient,
    phrase,
    prediction::{Kfre, PredictionInputs, PredictionResult, YearRisk},
    problem::{Problem, ProblemKind},
    therapy::TherapyKind,
};

use crate::{
    api,
    app::set_title,
    components::{
        async_view::AsyncView, badges::KdigoBadge, field::FactField, problem_note::ProblemNote,
    },
    format,
    language::{said, t},
    session, tf,
    what_if::{LEVERS, Lever, POSITIONS, THERAPIES, moved, switched},
};

/// How long the levers must rest before the network is asked.
const REST_MS: u32 = 40;

/// The page of one patient's what-if.
#[component]
pub fn WhatIfPage() -> impl IntoView {
    set_title(t("What if"));
    let params = use_params_map();
    let id = Memo::new(move |_| params.with(|params| params.get("id")?.parse::<PatientId>().ok()));
    let start = LocalResource::new(move || start(id.get()));
    view! {
        <div class="page">
            <AsyncView resource=start rows=8 render=|(patient, inputs)| view! { <Start patient inputs /> } />
        </div>
    }
}

/// Whose what-if it is, and the inputs of their latest prediction.
async fn start(id: Option<PatientId>) -> api::Result<(Patient, Option<PredictionInputs>)> {
    let id = id.ok_or_else(|| Problem::new(ProblemKind::NotFound))?;
    let patient = api::patients::read(id).await?;
    let predictions = api::predictions::list(id, "").await?.items;
    let latest = predictions.into_iter().find(|prediction| prediction.result.is_some());
    // What is asked here is asked by whoever is signed in, by their own baseline.
    let region = session::in_force().kfre_region;
    let inputs = latest.map(|prediction| PredictionInputs { region, ..prediction.inputs });
    Ok((patient, inputs))
}

#[component]
fn Start(patient: Patient, inputs: Option<PredictionInputs>) -> impl IntoView {
    let name = format!("{} {}", patient.given_name, patient.family_name);
    let href = format!("/patients/{}", patient.id);
    view! {
        <header class="page-head">
            <div>
                <h1>{t("What if?")}</h1>
                <p><A href=href.clone() attr:class="identifying">{name}</A></p>
            </div>
        </header>
        {match inputs {
            Some(inputs) => view! { <WhatIf inputs /> }.into_any(),
            None => view! {
                <div class="card empty">
                    <h2>{t("There is no prediction to start from")}</h2>
                    <p>{t("A what-if moves the values of the latest prediction.")}</p>
                    <A href=href attr:class="btn btn-primary">{t("Back to the record")}</A>
                </div>
            }
            .into_any(),
        }}
    }
}

/// What the equation says, or every reason why it does not.
type EquationAnswer = Result<Kfre, Vec<Refusal>>;

#[component]
fn WhatIf(inputs: PredictionInputs) -> impl IntoView {
    let wanted = RwSignal::new(inputs.clone());
    let now = LocalResource::new({
        let inputs = inputs.clone();
        move || ask(inputs.clone())
    });
    let answer = RwSignal::new(None::<api::Result<PredictionResult>>);
    let turn = StoredValue::new(0_u32);
    Effect::new(move |_| {
        let asked = wanted.get();
        let mine = turn.get_value() + 1;
        turn.set_value(mine);
        spawn_local(async move {
            TimeoutFuture::new(REST_MS).await;
            if turn.try_get_value() != Some(mine) {
                return;
            }
            let found = api::predictions::preview(&asked).await;
            if turn.try_get_value() == Some(mine) {
                answer.set(Some(found));
            }
        });
    });
    let is_moved = {
        let inputs = inputs.clone();
        Memo::new(move |_| wanted.with(|wanted| *wanted != inputs))
    };
    let real = kfre_for(&inputs);
    let equation = Memo::new(move |_| wanted.with(kfre_for));
    let original = inputs.clone();
    view! {
        <p class="notice notice-warning">
            {t("A what-if shows what the equation and the network would say of somebody with these values. \
             It does not say what a treatment would do, and nothing of it is kept.")}
        </p>
        <div class="what-if">
            <section class="card stack" aria-labelledby="levers">
                <div class="card-head">
                    <h2 id="levers">{t("Move the values")}</h2>
                    <button
                        type="button" class="btn btn-small" disabled=move || !is_moved.get()
                        on:click=move |_| wanted.set(original.clone())
                    >
                        {t("Back to the real values")}
                    </button>
                </div>
                <Levers inputs=inputs.clone() wanted />
            </section>
            <div class="stack what-if-answers">
                <section class="card stack-tight" aria-labelledby="equation">
                    <h2 id="equation">{t("Kidney Failure Risk Equation")}</h2>
                    <Equation real equation is_moved />
                </section>
                <section class="card stack-tight" aria-labelledby="network">
                    <div class="card-head">
                        <h2 id="network">{t("Network")}</h2>
                        <span class="badge badge-research">{t("research: trained on simulated patients")}</span>
                    </div>
                    <AsyncView
                        resource=now
                        rows=3
                        render=move |now| view! { <Network now answer is_moved /> }
                    />
                </section>
            </div>
        </div>
    }
}

async fn ask(inputs: PredictionInputs) -> api::Result<PredictionResult> {
    api::predictions::preview(&inputs).await
}

#[component]
fn Levers(inputs: PredictionInputs, wanted: RwSignal<PredictionInputs>) -> impl IntoView {
    let sliders: Vec<_> = LEVERS
        .into_iter()
        .filter_map(|lever| {
            let real = latest(&inputs, lever.code).map(|value| value.value);
            (lever.always || real.is_some()).then(|| view! { <Slider lever real wanted /> })
        })
        .collect();
    let drugs: Vec<_> = THERAPIES.into_iter().map(|kind| view! { <Drug kind wanted /> }).collect();
    view! {
        {sliders}
        <div class="grid-2">
            <Fact
                label=phrase!("Diabetes") wanted read=|inputs| inputs.diabetes
                write=|inputs, known| inputs.diabetes = known
            />
            <Fact
                label=phrase!("Hypertension") wanted read=|inputs| inputs.hypertension
                write=|inputs, known| inputs.hypertension = known
            />
            <Fact
                label=phrase!("Cardiovascular disease") wanted read=|inputs| inputs.cardiovascular_disease
                write=|inputs, known| inputs.cardiovascular_disease = known
            />
            <Fact
                label=phrase!("Heart failure") wanted read=|inputs| inputs.heart_failure
                write=|inputs, known| inputs.heart_failure = known
            />
            <Fact
                label=phrase!("Smokes") wanted read=|inputs| inputs.smoker
                write=|inputs, known| inputs.smoker = known
            />
        </div>
        <fieldset class="field">
            <legend>{t("Treatments")}</legend>
            <div class="grid-2">{drugs}</div>
        </fieldset>
    }
}

/// A slider, with the real value beside what it is moved to.
#[component]
fn Slider(lever: Lever, real: Option<f64>, wanted: RwSignal<PredictionInputs>) -> impl IntoView {
    let Lever { code, decimals, .. } = lever;
    let value =
        Memo::new(move |_| wanted.with(|wanted| latest(wanted, code).map(|value| value.value)));
    let unit = format::unit_of(code);
    let shown = move |value: Option<f64>| {
        let Some(value) = value else { return t("not known").to_owned() };
        match format::in_force(code, value) {
            // The lever's decimals are those of the canonical unit.
            (value, unit) if unit == code.canonical_unit() => format::number(value, decimals),
            (value, _) => format::measured(value),
        }
    };
    let text = {
        let unit = unit.clone();
        move || format!("{} {unit}", shown(value.get()))
    };
    let id = format!("lever-{}", code.as_str());
    view! {
        <div class="lever">
            <label for=id.clone()>{t(code.label())}</label>
            <output class="lever-value" for=id.clone()>{text.clone()}</output>
            <input
                type="range"
                id=id
                min="0"
                max=POSITIONS.to_string()
                aria-valuetext=text
                prop:value=move || value.get().map_or(0.0, |value| lever.position(value)).to_string()
                on:input:target=move |event| {
                    if let Ok(position) = event.target().value().parse() {
                        wanted.update(|wanted| moved(wanted, code, lever.value(position)));
                    }
                }
            />
            <span class="fine">{tf!("real: {value}", value = shown(real))}</span>
        </div>
    }
}

/// A fact that is switched.
#[component]
fn Fact(
    label: &'static str,
    wanted: RwSignal<PredictionInputs>,
    read: fn(&PredictionInputs) -> Option<bool>,
    write: fn(&mut PredictionInputs, Option<bool>),
) -> impl IntoView {
    let value = RwSignal::new(wanted.with_untracked(read));
    // The way back resets every fact, and the fact tells the inputs.
    Effect::new(move |_| {
        let known = wanted.with(read);
        if value.get_untracked() != known {
            value.set(known);
        }
    });
    Effect::new(move |_| {
        let known = value.get();
        if wanted.with_untracked(read) != known {
            wanted.update(|inputs| write(inputs, known));
        }
    });
    let problem = Signal::stored(None::<Problem>);
    view! { <FactField label=t(label) pointer=format!("/{label}") value problem form="what-if" /> }
}

#[component]
fn Drug(kind: TherapyKind, wanted: RwSignal<PredictionInputs>) -> impl IntoView {
    view! {
        <label class="check">
            <input
                type="checkbox"
                prop:checked=move || wanted.with(|inputs| inputs.therapies.contains(&kind))
                on:change:target=move |event| {
                    let on = event.target().checked();
                    wanted.update(|inputs| switched(inputs, kind, on));
                }
            />
            <span>{t(kind.label())}</span>
        </label>
    }
}

#[component]
fn Equation(
    real: EquationAnswer,
    equation: Memo<EquationAnswer>,
    is_moved: Memo<bool>,
) -> impl IntoView {
    let risks =
        |answer: &EquationAnswer| answer.as_ref().ok().map(|kfre| [kfre.risk_2y, kfre.risk_5y]);
    let real_risks = risks(&real);
    let moved_risks = Memo::new(move |_| equation.with(risks));
    let form = move || {
        equation.with(|equation| match equation {
            Ok(kfre) => {
                tf!(
                    "{count} variables, {region}; computed in this browser",
                    count = kfre.variables,
                    region = t(kfre.region.label()),
                )
            }
            Err(refusals) => {
                let words = |refusal: &Refusal| said(&refusal.to_string());
                refusals.iter().map(words).collect::<Vec<_>>().join(" ")
            }
        })
    };
    view! {
        <Beside real=real_risks.map(|risks| risks.map(format::percent)) moved=Signal::derive(move || {
            moved_risks.get().filter(|_| is_moved.get()).map(|risks| {
                let real = real_risks.unwrap_or(risks);
                [0, 1].map(|year| (format::percent(risks[year]), risks[year] - real[year]))
            })
        }) is_moved />
        <p class="fine">{form}</p>
    }
}

#[component]
fn Network(
    now: PredictionResult,
    answer: RwSignal<Option<api::Result<PredictionResult>>>,
    is_moved: Memo<bool>,
) -> impl IntoView {
    let real = years(&now.risk);
    let kdigo = now.kdigo;
    let moved = Signal::derive(move || {
        let found = answer.get()?.ok().filter(|_| is_moved.get())?;
        let (risks, real) = (years(&found.risk)?, real?);
        Some([0, 1].map(|year| (format::percent(risks[year]), risks[year] - real[year])))
    });
    let problem = move || answer.get().and_then(Result::err);
    let category = move || {
        let found = answer.get().and_then(Result::ok).filter(|_| is_moved.get());
        let found = found.map_or(kdigo, |found| found.kdigo);
        view! { <KdigoBadge kdigo=found /> }
    };
    view! {
        {move || problem().map(|problem| view! { <ProblemNote problem /> })}
        <Beside real=real.map(|risks| risks.map(format::percent)) moved is_moved />
        <p class="fine">{t("KDIGO category")} " " {category}</p>
    }
}

/// The probabilities within 2 and 5 years.
fn years(risk: &[YearRisk]) -> Option<[f64; 2]> {
    let of = |year| risk.iter().find(|risk| risk.year == year).map(|risk| risk.probability);
    Some([of(2)?, of(5)?])
}

/// Risks within 2 and 5 years: the real ones, and beside them the moved ones.
#[component]
fn Beside(
    real: Option<[String; 2]>,
    /// The moved risks, and how far they are from the real ones.
    moved: Signal<Option<[(String, f64); 2]>>,
    is_moved: Memo<bool>,
) -> impl IntoView {
    let rows = [t("Within 2 years"), t("Within 5 years")].into_iter().enumerate().map(|(year, label)| {
        let real = real.clone().map_or_else(|| "–".to_owned(), |real| real[year].clone());
        let moved = move || {
            let risk = moved.get().map(|risks| risks[year].clone());
            match risk {
                Some((risk, difference)) => view! {
                    <strong>{risk}</strong> " " <span class="fine">{format::points(difference)}</span>
                }
                .into_any(),
                None => if is_moved.get() { "–" } else { "" }.into_any(),
            }
        };
        view! {
            <tr>
                <th scope="row">{label}</th>
                <td class="number">{real}</td>
                <td class="number" aria-live="polite">{moved}</td>
            </tr>
        }
    });
    let rows: Vec<_> = rows.collect();
    view! {
        <table class="table table-tight beside">
            <thead>
                <tr>
                    <th scope="col"><span class="visually-hidden">{t("Horizon")}</span></th>
                    <th scope="col" class="number">{t("Real values")}</th>
                    <th scope="col" class="number">{t("What if")}</th>
                </tr>
            </thead>
            <tbody>{rows}</tbody>
        </table>
    }
}
