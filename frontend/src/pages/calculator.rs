//! The quick calculator: eGFR, KDIGO category and KFRE of values that are typed in. It all happens
//! in the browser; nothing is sent and nothing is kept.

use leptos::prelude::*;
use shared::{
    clinical::{
        assessment::{kfre_for, latest_quantity},
        egfr::ckd_epi_2021_creatinine,
        kdigo::{Action, a_category, cell, g_category},
        quantity::{AcrMgG, CreatinineMgDl, Egfr},
        units::to_canonical,
    },
    observation::{ObservationCode, ObservationMethod},
    patient::{RenalDisease, Sex},
    prediction::{InputValue, Kdigo, KfreRegion, PredictionInputs},
    problem::{FieldProblem, Problem},
};

use crate::{
    app::set_title,
    components::{
        badges::{KdigoBadge, kdigo_risk_label},
        field::{SelectField, TextField},
        observation_row::{number, read_value, unit_options},
        patient_header::sex_label,
        record_form::{incomplete, wire_name},
    },
    format,
    language::{said, t},
    session, tf, tn,
};

/// What can be typed, in the order of the form.
const VALUES: [ObservationCode; 7] = [
    ObservationCode::Creatinine,
    ObservationCode::Egfr,
    ObservationCode::Uacr,
    ObservationCode::Albumin,
    ObservationCode::Phosphate,
    ObservationCode::Bicarbonate,
    ObservationCode::Calcium,
];
/// How many of them the form of four variables needs.
const BASIC: usize = 3;

const REGIONS: [KfreRegion; 3] =
    [KfreRegion::NorthAmerica, KfreRegion::Other, KfreRegion::UnitedKingdom];

/// What is typed.
#[derive(Clone, Copy)]
struct Draft {
    age: RwSignal<String>,
    sex: RwSignal<String>,
    region: RwSignal<String>,
    /// Of each value: the number, and its unit.
    values: [(RwSignal<String>, RwSignal<String>); VALUES.len()],
}

impl Draft {
    fn new() -> Self {
        let text = |text: &str| RwSignal::new(text.to_owned());
        Self {
            age: text(""),
            sex: text(&wire_name(Sex::Female)),
            region: text(&wire_name(session::in_force().kfre_region)),
            values: VALUES.map(|code| (text(""), text(code.unit_in(session::units())))),
        }
    }

    fn clear(self) {
        self.age.set(String::new());
        for (value, _) in self.values {
            value.set(String::new());
        }
    }

    /// The age in completed years; an empty field is no fault yet (reactive).
    fn age(self) -> Result<Option<u32>, FieldProblem> {
        let text = self.age.get();
        let age = match text.trim() {
            "" => return Ok(None),
            text => text.parse().ok().filter(|age| (18..=120).contains(age)),
        };
        age.map(Some).ok_or_else(|| {
            FieldProblem::new("/age", t("The equations speak for 18 to 120 completed years."))
        })
    }

    /// A typed value in its canonical unit, if one was typed (reactive).
    fn value(self, index: usize) -> Result<Option<f64>, FieldProblem> {
        let (code, (value, unit)) = (VALUES[index], self.values[index]);
        let (text, unit) = (value.get(), unit.get());
        if text.trim().is_empty() {
            return Ok(None);
        }
        let wrong = |message| FieldProblem::new(pointer(code), message);
        read_value(code, &text, &unit).map_err(wrong)?;
        let canonical = number(&text).and_then(|given| to_canonical(code, given, &unit).ok());
        Ok(canonical)
    }

    /// The inputs of the equations as far as they are typed, and what is wrong with the rest
    /// (reactive).
    fn read(self) -> (Option<PredictionInputs>, Vec<FieldProblem>) {
        let mut faults = Vec::new();
        let age_years = self.age().unwrap_or_else(|fault| {
            faults.push(fault);
            None
        });
        let sex = [Sex::Female, Sex::Male].into_iter().find(|sex| wire_name(sex) == self.sex.get());
        let region = REGIONS.into_iter().find(|region| wire_name(region) == self.region.get());
        let mut values = Vec::new();
        for (index, code) in VALUES.into_iter().enumerate() {
            match self.value(index) {
                Ok(value) => values.extend(value.map(|value| input(code, value))),
                Err(fault) => faults.push(fault),
            }
        }
        let (Some(age_years), Some(sex)) = (age_years, sex) else { return (None, faults) };
        let mut inputs = PredictionInputs {
            as_of: format::today(),
            age_years,
            sex,
            diabetes: None,
            hypertension: None,
            cardiovascular_disease: None,
            heart_failure: None,
            smoker: None,
            renal_disease: RenalDisease::Unknown,
            region: region.unwrap_or_default(),
            therapies: Vec::new(),
            biopsy: None,
            outcomes: Vec::new(),
            values,
        };
        // An eGFR that was typed is the laboratory's own; otherwise it is computed.
        if latest_quantity::<Egfr>(&inputs).is_none()
            && let Some(creatinine) = latest_quantity::<CreatinineMgDl>(&inputs)
            && let Some(egfr) = ckd_epi_2021_creatinine(creatinine, age_years, sex)
        {
            let method = ObservationMethod::CkdEpi2021Creatinine;
            let computed = InputValue { method, ..input(ObservationCode::Egfr, egfr.get()) };
            inputs.values.push(computed);
        }
        (Some(inputs), faults)
    }
}

fn input(code: ObservationCode, value: f64) -> InputValue {
    InputValue {
        code,
        value,
        unit: code.canonical_unit().to_owned(),
        effective_at: format::now(),
        method: ObservationMethod::Reported,
    }
}

fn pointer(code: ObservationCode) -> String {
    format!("/{}", code.as_str())
}

/// The page.
#[component]
pub fn CalculatorPage() -> impl IntoView {
    set_title(t("Quick calculator"));
    let draft = Draft::new();
    let read = Memo::new(move |_| draft.read());
    let problem = Signal::derive(move || {
        let faults = read.with(|(_, faults)| faults.clone());
        (!faults.is_empty()).then(|| incomplete(faults))
    });
    let field = move |index: usize| view! { <ValueField draft index problem /> };
    view! {
        <div class="page">
            <header class="page-head">
                <div>
                    <h1>{t("Quick calculator")}</h1>
                    <p>{t("For values at hand, without a record. Nothing leaves this browser.")}</p>
                </div>
                <div class="row no-print">
                    <button type="button" class="btn" on:click=move |_| draft.clear()>{t("Clear")}</button>
                    <button type="button" class="btn" on:click=|_| print()>{t("Print")}</button>
                </div>
            </header>
            <div class="what-if">
                <form class="card stack" on:submit=|event| event.prevent_default() aria-label=t("Values")>
                    <div class="grid-2">
                        <TextField label=t("Age, in years") pointer="/age" value=draft.age problem kind="number" />
                        <SelectField
                            label=t("Sex") pointer="/sex" value=draft.sex problem
                            options=[Sex::Female, Sex::Male]
                                .map(|sex| (wire_name(sex), sex_label(sex).to_owned()))
                        />
                    </div>
                    {(0..BASIC).map(field).collect_view()}
                    <SelectField
                        label=t("KFRE calibrated for") pointer="/region" value=draft.region problem
                        options=REGIONS.map(|region| (wire_name(region), t(region.label()).to_owned()))
                    />
                    <details class="entry">
                        <summary>{t("Four more values, for the form of eight variables")}</summary>
                        <div class="stack">{(BASIC..VALUES.len()).map(field).collect_view()}</div>
                    </details>
                </form>
                <section class="card stack" aria-labelledby="results" aria-live="polite">
                    <h2 id="results">{t("Results")}</h2>
                    {move || match read.get().0 {
                        Some(inputs) => view! { <Results inputs /> }.into_any(),
                        None => view! {
                            <p class="empty">{t("Type an age and a creatinine or an eGFR.")}</p>
                        }
                        .into_any(),
                    }}
                </section>
            </div>
            <p class="fine">{t(shared::INTENDED_USE)}</p>
        </div>
    }
}

fn print() {
    // A browser that cannot print says so itself.
    let _ = window().print();
}

#[component]
fn ValueField(draft: Draft, index: usize, problem: Signal<Option<Problem>>) -> impl IntoView {
    let code = VALUES[index];
    let (value, unit) = draft.values[index];
    let hint = match code {
        ObservationCode::Egfr => {
            t("If the laboratory reports one; otherwise computed from creatinine")
        }
        _ => "",
    };
    let label = t(code.label());
    view! {
        <div class="value-field">
            <TextField label pointer=pointer(code) value problem hint />
            <SelectField
                label=t("Unit") pointer=format!("{}/unit", pointer(code)) value=unit problem
                options=unit_options(code, "") form="unit"
            />
        </div>
    }
}

#[component]
fn Results(inputs: PredictionInputs) -> impl IntoView {
    let egfr = latest_quantity::<Egfr>(&inputs);
    let acr = latest_quantity::<AcrMgG>(&inputs);
    let computed =
        inputs.values.iter().any(|value| value.method == ObservationMethod::CkdEpi2021Creatinine);
    let source = if computed { t("CKD-EPI 2021, from creatinine") } else { t("as reported") };
    let Some(egfr) = egfr else {
        return view! { <p class="empty">{t("A creatinine or an eGFR is missing.")}</p> }
            .into_any();
    };
    let g = g_category(egfr);
    let found = acr.map(|acr| (a_category(acr), cell(g, a_category(acr))));
    let kdigo = Kdigo {
        g,
        a: found.map(|(a, _)| a),
        risk: found.map(|(_, cell)| cell.risk),
        a_from_pcr: false,
    };
    let meaning = found.map(|(_, cell)| {
        let times = tn!(i64::from(cell.monitor_per_year), "once a year", "{n} times a year");
        let action = match cell.action {
            Action::Screen => t("screen"),
            Action::Treat => t("treat"),
            Action::TreatAndRefer => t("treat and refer"),
        };
        tf!(
            "{risk}: monitor {times}, {action}",
            risk = kdigo_risk_label(cell.risk),
            times = times,
            action = action,
        )
    });
    let kfre = match kfre_for(&inputs) {
        Ok(kfre) => view! {
            <div class="voice-numbers">
                <p class="voice-number">
                    <span class="voice-percent">{format::percent(kfre.risk_2y)}</span>
                    <span class="muted">{t("within 2 years")}</span>
                </p>
                <p class="voice-number">
                    <span class="voice-percent">{format::percent(kfre.risk_5y)}</span>
                    <span class="muted">{t("within 5 years")}</span>
                </p>
            </div>
            <p class="fine">
                {tf!(
                    "{count} variables, {region} (Tangri 2016; United Kingdom: Major 2019)",
                    count = kfre.variables,
                    region = t(kfre.region.label()),
                )}
            </p>
        }
        .into_any(),
        Err(refusals) => {
            let reasons: Vec<_> = refusals
                .iter()
                .map(|refusal| view! { <li>{said(&refusal.to_string())}</li> })
                .collect();
            view! { <ul class="warnings">{reasons}</ul> }.into_any()
        }
    };
    view! {
        <section class="voice" aria-labelledby="result-egfr">
            <h3 id="result-egfr">"eGFR"</h3>
            <p class="voice-number">
                <span class="voice-percent">{format::number(egfr.get(), 1)}</span>
                <span class="muted">{format::unit(ObservationCode::Egfr.canonical_unit())}</span>
            </p>
            <p class="fine">{source}</p>
        </section>
        <section class="voice" aria-labelledby="result-kdigo">
            <h3 id="result-kdigo">"KDIGO 2024"</h3>
            <p><KdigoBadge kdigo /></p>
            <p class="fine">{meaning.unwrap_or_else(|| t("The urine ACR is missing.").to_owned())}</p>
        </section>
        <section class="voice" aria-labelledby="result-kfre">
            <h3 id="result-kfre">{t("Kidney failure (KFRE)")}</h3>
            {kfre}
        </section>
    }
    .into_any()
}
