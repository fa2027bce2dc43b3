//! What the published equations and guidelines say of a patient's frozen inputs.

use chrono::TimeDelta;

use super::{
    albuminuria::acr_from_pcr,
    course::{self, Point},
    igan,
    kdigo::{cell, kdigo},
    kfre::{self, Chemistry, FourVariables},
};
use crate::{
    observation::{ObservationCode, ObservationMethod},
    outcome::OutcomeKind,
    prediction::{
        Advice, Igan, InputValue, Kdigo, Kfre, PredictionInputs, RiskCategory, RiskSource, Warning,
        YearRisk,
    },
    problem::FieldProblem,
    therapy::TherapyKind,
};

/// A value older than this is used with a warning.
const STALE: TimeDelta = TimeDelta::days(365);

/// Everything of a result that the network does not say.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessment {
    /// KFRE, where it applies.
    pub kfre: Option<Kfre>,
    /// The category that the risk leads to.
    pub category: RiskCategory,
    /// Which voice the category comes from.
    pub category_source: RiskSource,
    /// The IgAN tool, where it applies.
    pub igan: Option<Igan>,
    /// KDIGO 2024 categories.
    pub kdigo: Kdigo,
    /// What the guidelines say to do.
    pub advice: Vec<Advice>,
    /// What to keep in mind.
    pub warnings: Vec<Warning>,
}

/// The latest value of a code. At the same instant an eGFR computed here wins over a reported one,
/// whose equation is often mislabelled.
pub fn latest(inputs: &PredictionInputs, code: ObservationCode) -> Option<&InputValue> {
    let computed = |value: &InputValue| value.method == ObservationMethod::CkdEpi2021Creatinine;
    inputs
        .values
        .iter()
        .filter(|value| value.code == code)
        .max_by_key(|value| (value.effective_at, computed(value)))
}

/// Why no prediction can be made at all: empty when one can.
pub fn missing_or_out_of_scope(inputs: &PredictionInputs) -> Vec<FieldProblem> {
    let mut problems = Vec::new();
    if inputs.age_years < super::egfr::YOUNGEST {
        let message = "the equations and the network speak for adults only (18 years and over)";
        problems.push(FieldProblem::new("/inputs/age", message));
    }
    for outcome in &inputs.outcomes {
        let message = match outcome {
            OutcomeKind::Dialysis => "the patient is on dialysis: kidney failure is there already",
            OutcomeKind::Transplant => "the patient has a kidney transplant: out of scope",
            OutcomeKind::Death => "the patient has died",
        };
        problems.push(FieldProblem::new("/inputs/outcomes", message));
    }
    if latest(inputs, ObservationCode::Egfr).is_none() {
        let message = "an eGFR, or a creatinine, of the last five years is needed";
        problems.push(FieldProblem::new("/inputs/egfr", message));
    }
    problems
}

/// The eGFR values in order of time; where one instant has several, the one that counts.
pub fn egfr_course(inputs: &PredictionInputs) -> Vec<Point> {
    let mut values: Vec<&InputValue> =
        inputs.values.iter().filter(|value| value.code == ObservationCode::Egfr).collect();
    let reported = |value: &InputValue| value.method == ObservationMethod::Reported;
    values.sort_by_key(|value| (value.effective_at, reported(value)));
    values.dedup_by_key(|value| value.effective_at);
    values.iter().map(|value| Point { at: value.effective_at, egfr: value.value }).collect()
}

/// A urine ACR, mg/g, and whether it was estimated from a PCR.
struct Albuminuria<'a> {
    mg_g: f64,
    estimated: bool,
    from: &'a InputValue,
}

/// The latest measured ACR; without one, estimated from the latest PCR. Facts of diabetes and
/// hypertension that are unknown count as absent in that estimate, which changes it by 8 % and
/// 13 % at most.
fn albuminuria(inputs: &PredictionInputs) -> Option<Albuminuria<'_>> {
    if let Some(from) = latest(inputs, ObservationCode::Uacr) {
        return Some(Albuminuria { mg_g: from.value, estimated: false, from });
    }
    let from = latest(inputs, ObservationCode::Upcr)?;
    let diabetes = inputs.diabetes.unwrap_or(false);
    let hypertension = inputs.hypertension.unwrap_or(false);
    let mg_g = acr_from_pcr(from.value, inputs.sex, diabetes, hypertension);
    Some(Albuminuria { mg_g, estimated: true, from })
}

fn warning(code: &str, text: impl Into<String>) -> Warning {
    Warning { code: code.to_owned(), text: text.into() }
}

/// KFRE for these inputs, or why it does not speak. Eight variables when all four of its
/// chemistry values are known and fresh and the region has that form, otherwise four: the
/// 6-variable form adds little to four and is kept for comparison.
pub fn kfre_for(inputs: &PredictionInputs) -> Result<Kfre, Vec<Warning>> {
    let mut reasons = Vec::new();
    if inputs.age_years < super::egfr::YOUNGEST {
        reasons.push(warning("age_under_18", "KFRE speaks for adults only."));
    }
    if !inputs.outcomes.is_empty() {
        reasons.push(warning("kidney_failure_reached", "KFRE does not speak after an end point."));
    }
    let egfr = latest(inputs, ObservationCode::Egfr);
    match egfr {
        None => reasons.push(warning("no_egfr", "KFRE needs an eGFR.")),
        // On the unrounded value, which is what the equation is given.
        Some(egfr) if 60.0 <= egfr.value => reasons.push(warning(
            "egfr_60_or_more",
            "KFRE is not valid at an eGFR of 60 or more (KDIGO 2024, practice point 2.2.4).",
        )),
        Some(_) => {}
    }
    if acute(inputs) {
        reasons.push(warning(
            "aki_suspected",
            "The latest eGFR fell steeply: acute kidney injury is suspected and the value is not \
             steady state. KFRE gives no number until it is.",
        ));
    }
    let albuminuria = albuminuria(inputs);
    match &albuminuria {
        None => reasons.push(warning(
            "no_albuminuria",
            "KFRE needs a urine ACR (or a PCR to estimate it from).",
        )),
        Some(albuminuria) if albuminuria.mg_g <= 0.0 => reasons.push(warning(
            "albuminuria_not_positive",
            "KFRE needs a urine ACR above 0; record the detection limit for a value below it.",
        )),
        Some(_) => {}
    }
    let (Some(egfr), Some(albuminuria), true) = (egfr, albuminuria, reasons.is_empty()) else {
        return Err(reasons);
    };
    let four = FourVariables {
        age_years: f64::from(inputs.age_years),
        sex: inputs.sex,
        egfr: egfr.value,
        acr_mg_g: albuminuria.mg_g,
    };
    let region = inputs.region;
    let eight = chemistry(inputs).and_then(|chemistry| kfre::eight(&four, &chemistry, region));
    let (variables, risks) = eight.map_or((4, kfre::four(&four, region)), |risks| (8, risks));
    Ok(Kfre { variables, region, risk_2y: risks.risk_2y, risk_5y: risks.risk_5y })
}

/// The 8-variable form's chemistry, if every value is known and not stale.
fn chemistry(inputs: &PredictionInputs) -> Option<Chemistry> {
    let fresh =
        |code| latest(inputs, code).filter(|value| age_days(inputs, value) <= STALE.num_days());
    Some(Chemistry {
        albumin_g_dl: fresh(ObservationCode::Albumin)?.value,
        phosphate_mg_dl: fresh(ObservationCode::Phosphate)?.value,
        bicarbonate_meq_l: fresh(ObservationCode::Bicarbonate)?.value,
        calcium_mg_dl: fresh(ObservationCode::Calcium)?.value,
    })
}

fn age_days(inputs: &PredictionInputs, value: &InputValue) -> i64 {
    (inputs.as_of - value.effective_at.date_naive()).num_days()
}

/// Whether the latest eGFR is suspected of acute kidney injury.
fn acute(inputs: &PredictionInputs) -> bool {
    course::suspected_acute(&egfr_course(inputs)).last().copied().unwrap_or(false)
}

/// The category of risks within 2 and 5 years (KDIGO 2024 practice points 2.2.1 to 2.2.3).
pub fn category(risk_2y: f64, risk_5y: f64) -> RiskCategory {
    if 0.40 < risk_2y {
        RiskCategory::VeryHigh
    } else if 0.10 < risk_2y {
        RiskCategory::High
    } else if 0.03 <= risk_5y {
        RiskCategory::Moderate
    } else {
        RiskCategory::Low
    }
}

/// Everything that the equations and guidelines say, beside the network's risk of years 1 to 5.
/// The inputs must be in scope (see [`missing_or_out_of_scope`]).
pub fn assess(inputs: &PredictionInputs, network: &[YearRisk]) -> Assessment {
    let mut warnings = vec![warning(
        "network_simulated",
        "The network was trained on simulated patients. It is for research until it has been \
         validated locally; KFRE is the validated number.",
    )];
    let kfre = match kfre_for(inputs) {
        Ok(kfre) => Some(kfre),
        Err(reasons) => {
            warnings.extend(reasons);
            None
        }
    };
    let of_year =
        |year| network.iter().find(|risk| risk.year == year).map_or(0.0, |r| r.probability);
    let (risk_2y, risk_5y, category_source) = match &kfre {
        Some(kfre) => (kfre.risk_2y, kfre.risk_5y, RiskSource::Kfre),
        None => (of_year(2), of_year(5), RiskSource::Network),
    };
    let egfr = latest(inputs, ObservationCode::Egfr).map_or(f64::NAN, |value| value.value);
    let acr = albuminuria(inputs).map(|albuminuria| albuminuria.mg_g);
    let kdigo = kdigo(egfr, acr);
    warnings.extend(warnings_of(inputs, egfr));
    Assessment {
        category: category(risk_2y, risk_5y),
        category_source,
        igan: igan_for(inputs),
        advice: advice(inputs, kfre.as_ref(), kdigo),
        kfre,
        kdigo,
        warnings,
    }
}

fn warnings_of(inputs: &PredictionInputs, egfr: f64) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if 80 <= inputs.age_years {
        let text = "From 80 years on, death before kidney failure is likely; KFRE does not count \
                    it and overestimates (Ramspek 2021).";
        warnings.push(warning("age_80_or_more", text));
    }
    if egfr < 10.0 {
        let text = "Under an eGFR of 10 KFRE leaves the range it was developed in.";
        warnings.push(warning("egfr_under_10", text));
    }
    if let Some(albuminuria) = albuminuria(inputs) {
        if albuminuria.estimated {
            let text = format!(
                "Urine ACR {:.0} mg/g was estimated from PCR {:.0} mg/g (Sumida 2020); measure it.",
                albuminuria.mg_g, albuminuria.from.value
            );
            warnings.push(warning("uacr_estimated_from_upcr", text));
            if inputs.diabetes.is_none() || inputs.hypertension.is_none() {
                let text = "That estimate counts unknown diabetes or hypertension as absent.";
                warnings.push(warning("comorbidity_unknown", text));
            }
        }
        warnings.extend(stale(inputs, albuminuria.from));
    }
    warnings.extend(latest(inputs, ObservationCode::Egfr).and_then(|egfr| stale(inputs, egfr)));
    warnings
}

fn stale(inputs: &PredictionInputs, value: &InputValue) -> Option<Warning> {
    let days = age_days(inputs, value);
    (STALE.num_days() < days).then(|| {
        let months = (days as f64 / 30.4375).round();
        let name = value.code.label();
        let text = format!("{name} is {months} months old; a newer value may change the risk.");
        warning(&format!("stale_{}", value.code.as_str()), text)
    })
}

fn advice(inputs: &PredictionInputs, kfre: Option<&Kfre>, kdigo: Kdigo) -> Vec<Advice> {
    let mut advice = Vec::new();
    let mut say = |code: &str, text: String, source: &str| {
        advice.push(Advice { code: code.to_owned(), text, source: source.to_owned() });
    };
    if let Some(kfre) = kfre {
        if 0.40 < kfre.risk_2y {
            let text = "2-year risk over 40 %: educate about modalities, plan access, assess for \
                        transplantation.";
            say("prepare_replacement", text.to_owned(), "KDIGO 2024, practice point 2.2.3");
        }
        if 0.10 < kfre.risk_2y {
            let text = "2-year risk over 10 %: multidisciplinary kidney care.";
            say("multidisciplinary_care", text.to_owned(), "KDIGO 2024, practice point 2.2.2");
        }
        if 0.05 <= kfre.risk_5y {
            let text = "5-year risk of 5 % or more: refer to nephrology.";
            say("refer", text.to_owned(), "KDIGO 2024, practice point 2.2.1");
        } else if 0.03 <= kfre.risk_5y {
            let text = "5-year risk of 3 to 5 %: consider referral to nephrology.";
            say("consider_referral", text.to_owned(), "KDIGO 2024, practice point 2.2.1");
        }
    }
    if let Some(a) = kdigo.a {
        let cell = cell(kdigo.g, a);
        let times = match cell.monitor_per_year {
            1 => "once a year".to_owned(),
            4 => "4 times a year or more".to_owned(),
            times => format!("{times} times a year"),
        };
        let text = format!("{}{}: check eGFR and albuminuria {times}.", kdigo.g.label(), a.label());
        say("monitor", text, "KDIGO 2024 heat map, ADA 2024 adaptation");
        if cell.refer && kfre.is_none_or(|kfre| kfre.risk_5y < 0.03) {
            let text = format!("{}{}: treat and refer.", kdigo.g.label(), a.label());
            say("refer_by_category", text, "KDIGO 2024 heat map, ADA 2024 adaptation");
        }
    } else {
        let text = "Measure urine ACR: at least once a year in chronic kidney disease.";
        say("measure_albuminuria", text.to_owned(), "KDIGO 2024, practice point 2.1.1");
    }
    for (code, text, source) in course_advice(inputs) {
        say(code, text, source);
    }
    advice
}

type Sentence = (&'static str, String, &'static str);

fn course_advice(inputs: &PredictionInputs) -> Vec<Sentence> {
    let mut sentences: Vec<Sentence> = Vec::new();
    let points = egfr_course(inputs);
    if course::rapid_progression(&points) {
        let text = course::slope(&points).map_or_else(
            || "Rapid progression: a confirmed fall of category by 25 % or more.".to_owned(),
            |slope| format!("Rapid progression: eGFR changes by {:.1} a year.", slope.per_year),
        );
        sentences.push(("rapid_progression", text, "KDIGO 2012 definition, kept in 2024"));
    }
    if let [.., before, last] = points.as_slice() {
        let change = last.egfr / before.egfr - 1.0;
        if 0.20 < change.abs() {
            let text = format!(
                "eGFR changed by {:.0} % since the test before: look for the cause.",
                change * 100.0
            );
            sentences.push(("egfr_change", text, "KDIGO 2024, practice point 2.1.3"));
        }
    }
    if doubled(inputs) {
        let text = "Urine ACR has doubled since the test before: look for the cause.".to_owned();
        sentences.push(("uacr_doubled", text, "KDIGO 2024, practice point 2.1.5"));
    }
    if chronicity_unproven(&points) {
        let text =
            "Chronic kidney disease needs 3 months: repeat the test to confirm it.".to_owned();
        sentences.push(("confirm_chronicity", text, "KDIGO 2024, practice point 1.1.3.2"));
    }
    sentences
}

fn doubled(inputs: &PredictionInputs) -> bool {
    let mut values: Vec<&InputValue> =
        inputs.values.iter().filter(|value| value.code == ObservationCode::Uacr).collect();
    values.sort_by_key(|value| value.effective_at);
    // Below 30 mg/g a doubling is within the day-to-day variation.
    matches!(values.as_slice(), [.., before, last]
        if 30.0 <= last.value && 2.0 * before.value <= last.value)
}

fn chronicity_unproven(points: &[Point]) -> bool {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return true };
    last.at - first.at < TimeDelta::days(90)
}

/// The IgAN tool, when the latest biopsy has its scores and every other input is known. It speaks
/// from one to two years after the biopsy; proteinuria in g/day is taken from PCR in g/g.
fn igan_for(inputs: &PredictionInputs) -> Option<Igan> {
    let biopsy = inputs.biopsy.as_ref()?;
    let since = (inputs.as_of - biopsy.performed_on).num_days();
    if !(365..=730).contains(&since) {
        return None;
    }
    let value = |code| latest(inputs, code).map(|value| value.value);
    let risk_5y = igan::risk_5y(&igan::Inputs {
        egfr: value(ObservationCode::Egfr)?,
        systolic_mmhg: value(ObservationCode::SystolicBp)?,
        diastolic_mmhg: value(ObservationCode::DiastolicBp)?,
        proteinuria_g_day: value(ObservationCode::Upcr)? / 1000.0,
        age_years: f64::from(inputs.age_years),
        m: biopsy.m?,
        e: biopsy.e?,
        s: biopsy.s?,
        t: biopsy.t?,
        ras_inhibitor: inputs.therapies.contains(&TherapyKind::RasInhibitor),
        immunosuppression: inputs.therapies.contains(&TherapyKind::Immunosuppression)
            || inputs.therapies.contains(&TherapyKind::Corticosteroid),
    });
    (0.0..=1.0).contains(&risk_5y).then_some(Igan { risk_5y, experimental: true })
}
