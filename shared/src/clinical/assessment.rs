//! What the published equations and guidelines say of a patient's frozen inputs.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};

use super::{
    aki,
    albuminuria::acr_from_pcr,
    course::{self, Point},
    egfr::YOUNGEST,
    igan,
    kdigo::{Action, a_category, a_category_of_pcr, cell, kdigo},
    kfre::{self, Chemistry, EGFR_LIMIT, FourVariables, Refusal},
    quantity::{AcrMgG, CreatinineMgDl, Egfr, PcrMgG, ProteinuriaGDay, Quantity},
};
use crate::{
    observation::{ObservationCode, ObservationMethod},
    outcome::OutcomeKind,
    patient::RenalDisease,
    prediction::{
        ACategory, Advice, BiopsyInput, Igan, InputValue, Kdigo, Kfre, KfreRegion,
        PredictionInputs, RiskCategory, RiskSource, Threshold, Warning, YearRisk,
    },
    problem::FieldProblem,
    therapy::TherapyKind,
};

/// A value older than this is used with a warning.
const STALE: TimeDelta = TimeDelta::days(365);

/// 5-year risk at which a referral is considered (KDIGO 2024, practice point 2.2.1: 3 to 5 %).
const CONSIDER_REFERRAL: f64 = 0.03;
/// 5-year risk at which the patient is referred (the same; NICE NG203).
const REFER: f64 = 0.05;
/// 2-year risk over which care is multidisciplinary (KDIGO 2024, practice point 2.2.2).
const MULTIDISCIPLINARY: f64 = 0.10;
/// 2-year risk over which replacement therapy is prepared (KDIGO 2024, practice point 2.2.3).
const PREPARE: f64 = 0.40;

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

/// The latest value of a quantity, with its unit in its type; `None` also for a number that the
/// quantity cannot have, such as 0.
pub fn latest_quantity<Q: Quantity>(inputs: &PredictionInputs) -> Option<Q> {
    latest(inputs, Q::CODE)?.quantity()
}

/// Why no prediction can be made at all: empty when one can.
pub fn missing_or_out_of_scope(inputs: &PredictionInputs) -> Vec<FieldProblem> {
    let mut problems = Vec::new();
    if inputs.age_years < YOUNGEST {
        let message =
            phrase!("the equations and the network speak for adults only (18 years and over)");
        problems.push(FieldProblem::new("/inputs/age", message));
    }
    for outcome in &inputs.outcomes {
        let message = match outcome {
            OutcomeKind::Dialysis => {
                phrase!("the patient is on dialysis: kidney failure is there already")
            }
            OutcomeKind::Transplant => phrase!("the patient has a kidney transplant: out of scope"),
            OutcomeKind::Death => phrase!("the patient has died"),
        };
        problems.push(FieldProblem::new("/inputs/outcomes", message));
    }
    if latest_quantity::<Egfr>(inputs).is_none() {
        let message = phrase!("an eGFR, or a creatinine, of the last five years is needed");
        problems.push(FieldProblem::new("/inputs/egfr", message));
    }
    problems
}

/// The eGFR values in order of time; where one instant has several, the one that counts.
pub fn egfr_course(values: &[InputValue]) -> Vec<Point> {
    let mut values: Vec<&InputValue> =
        values.iter().filter(|value| value.code == ObservationCode::Egfr).collect();
    let reported = |value: &InputValue| value.method == ObservationMethod::Reported;
    values.sort_by_key(|value| (value.effective_at, reported(value)));
    values.dedup_by_key(|value| value.effective_at);
    let point =
        |value: &InputValue| Some(Point { at: value.effective_at, egfr: value.quantity()? });
    values.into_iter().filter_map(point).collect()
}

/// What is known of albuminuria.
#[derive(Clone, Copy)]
enum Albuminuria<'a> {
    Measured { acr: AcrMgG, from: &'a InputValue },
    Estimated { acr: AcrMgG, pcr: PcrMgG, from: &'a InputValue },
}

impl<'a> Albuminuria<'a> {
    /// The latest measured ACR; without one, estimated from the latest PCR. Facts of diabetes and
    /// hypertension that are unknown count as absent in that estimate, which changes it by 8 %
    /// and 13 % at most, and is said.
    fn of(inputs: &'a PredictionInputs) -> Result<Self, Refusal> {
        if let Some(from) = latest(inputs, ObservationCode::Uacr) {
            let acr = from.quantity().ok_or(Refusal::AlbuminuriaNotPositive)?;
            return Ok(Self::Measured { acr, from });
        }
        let from = latest(inputs, ObservationCode::Upcr).ok_or(Refusal::NoAlbuminuria)?;
        let pcr = from.quantity().ok_or(Refusal::AlbuminuriaNotPositive)?;
        let diabetes = inputs.diabetes.unwrap_or(false);
        let hypertension = inputs.hypertension.unwrap_or(false);
        let acr = acr_from_pcr(pcr, inputs.sex, diabetes, hypertension);
        Ok(Self::Estimated { acr, pcr, from })
    }

    const fn acr(self) -> AcrMgG {
        match self {
            Self::Measured { acr, .. } | Self::Estimated { acr, .. } => acr,
        }
    }

    const fn from(self) -> &'a InputValue {
        match self {
            Self::Measured { from, .. } | Self::Estimated { from, .. } => from,
        }
    }

    /// KDIGO's category: of what was measured, so from a PCR by the guideline's equivalents.
    const fn category(self) -> ACategory {
        match self {
            Self::Measured { acr, .. } => a_category(acr),
            Self::Estimated { pcr, .. } => a_category_of_pcr(pcr),
        }
    }
}

fn warning(code: &str, text: impl Into<String>) -> Warning {
    Warning { code: code.to_owned(), text: text.into() }
}

/// KFRE for these inputs, or every reason why it does not speak. Eight variables when all four of
/// its chemistry values are known and fresh and the region has that form, otherwise four: the
/// 6-variable form adds little to four and is kept for comparison.
pub fn kfre_for(inputs: &PredictionInputs) -> Result<Kfre, Vec<Refusal>> {
    let four = four_variables(inputs)?;
    let region = inputs.region;
    let eight = fresh_chemistry(inputs).and_then(|known| kfre::eight(&four, &known, region));
    let (variables, risks) = eight.map_or((4, kfre::four(&four, region)), |risks| (8, risks));
    Ok(Kfre { variables, region, risk_2y: risks.risk_2y, risk_5y: risks.risk_5y })
}

fn four_variables(inputs: &PredictionInputs) -> Result<FourVariables, Vec<Refusal>> {
    let mut refusals = Vec::new();
    if inputs.age_years < YOUNGEST {
        refusals.push(Refusal::Under18);
    }
    if !inputs.outcomes.is_empty() {
        refusals.push(Refusal::EndPointReached);
    }
    let egfr = latest_quantity::<Egfr>(inputs);
    match egfr {
        None => refusals.push(Refusal::NoEgfr),
        Some(egfr) if EGFR_LIMIT <= egfr.get() => refusals.push(Refusal::Egfr60OrMore),
        Some(_) => {}
    }
    if acute(&inputs.values) {
        refusals.push(Refusal::AkiSuspected);
    }
    let albuminuria = Albuminuria::of(inputs);
    refusals.extend(albuminuria.err());
    match (egfr, albuminuria) {
        (Some(egfr), Ok(albuminuria)) if refusals.is_empty() => {
            FourVariables::new(inputs.age_years, inputs.sex, egfr, albuminuria.acr())
                .map_err(|refusal| vec![refusal])
        }
        _ => Err(refusals),
    }
}

const CHEMISTRY: [ObservationCode; 4] = [
    ObservationCode::Albumin,
    ObservationCode::Phosphate,
    ObservationCode::Bicarbonate,
    ObservationCode::Calcium,
];

/// The 8-variable form's chemistry, if every value is known and not stale.
fn fresh_chemistry(inputs: &PredictionInputs) -> Option<Chemistry> {
    Some(Chemistry {
        albumin: fresh(inputs)?,
        phosphate: fresh(inputs)?,
        bicarbonate: fresh(inputs)?,
        calcium: fresh(inputs)?,
    })
}

/// The latest value of a quantity, if it is not stale.
fn fresh<Q: Quantity>(inputs: &PredictionInputs) -> Option<Q> {
    latest(inputs, Q::CODE).filter(|value| !is_stale(inputs, value))?.quantity()
}

fn is_stale(inputs: &PredictionInputs, value: &InputValue) -> bool {
    STALE.num_days() < age_days(inputs, value)
}

fn age_days(inputs: &PredictionInputs, value: &InputValue) -> i64 {
    (inputs.as_of - value.effective_at.date_naive()).num_days()
}

/// Whether acute kidney injury is suspected now: by the course of eGFR (Yeh 2019), or by a rise of
/// creatinine within days (KDIGO 2012).
fn acute(values: &[InputValue]) -> bool {
    let fell = course::suspected_acute(&egfr_course(values)).last().copied().unwrap_or(false);
    fell || aki::stage(&creatinines(values)).is_some()
}

/// Whether these values show rapid progression; not while acute kidney injury is suspected, since a
/// course is not read while its end is not steady state.
pub fn progresses_rapidly(values: &[InputValue]) -> bool {
    !acute(values) && course::rapid_progression(&egfr_course(values))
}

fn creatinines(values: &[InputValue]) -> Vec<aki::Sample> {
    let sample = |value: &InputValue| {
        let creatinine = value.quantity::<CreatinineMgDl>()?;
        Some(aki::Sample { at: value.effective_at, creatinine })
    };
    values.iter().filter_map(sample).collect()
}

/// Whether risks within 2 and 5 years are over a threshold.
pub fn is_over(threshold: Threshold, risk_2y: f64, risk_5y: f64) -> bool {
    match threshold {
        Threshold::ConsiderReferral => CONSIDER_REFERRAL <= risk_5y,
        Threshold::Refer => REFER <= risk_5y,
        Threshold::Multidisciplinary => MULTIDISCIPLINARY < risk_2y,
        Threshold::PrepareReplacement => PREPARE < risk_2y,
    }
}

/// The first moment whose values count as up to date on a day.
pub fn stale_before(today: NaiveDate) -> DateTime<Utc> {
    (today - STALE).and_time(NaiveTime::MIN).and_utc()
}

/// The category of risks within 2 and 5 years (KDIGO 2024 practice points 2.2.1 to 2.2.3).
pub fn category(risk_2y: f64, risk_5y: f64) -> RiskCategory {
    let is_over = |threshold| is_over(threshold, risk_2y, risk_5y);
    if is_over(Threshold::PrepareReplacement) {
        RiskCategory::VeryHigh
    } else if is_over(Threshold::Multidisciplinary) {
        RiskCategory::High
    } else if is_over(Threshold::ConsiderReferral) {
        RiskCategory::Moderate
    } else {
        RiskCategory::Low
    }
}

/// Everything that the equations and guidelines say, beside the network's risk of years 1 to 5.
/// What is out of scope is answered with its reasons (see [`missing_or_out_of_scope`]), never with
/// a number.
pub fn assess(
    inputs: &PredictionInputs,
    network: &[YearRisk],
) -> Result<Assessment, Vec<FieldProblem>> {
    let problems = missing_or_out_of_scope(inputs);
    let egfr = latest_quantity::<Egfr>(inputs).filter(|_| problems.is_empty()).ok_or(problems)?;
    let mut warnings = vec![warning(
        "network_simulated",
        phrase!(
            "The network was trained on simulated patients. It is for research until it has been \
         validated locally; KFRE is the validated number."
        ),
    )];
    let kfre = match kfre_for(inputs) {
        Ok(kfre) => Some(kfre),
        Err(refusals) => {
            let say = |refusal: Refusal| warning(refusal.code(), refusal.to_string());
            warnings.extend(refusals.into_iter().map(say));
            None
        }
    };
    let (risk_2y, risk_5y, category_source) = match &kfre {
        Some(kfre) => (kfre.risk_2y, kfre.risk_5y, RiskSource::Kfre),
        None => (of_year(network, 2)?, of_year(network, 5)?, RiskSource::Network),
    };
    let albuminuria = Albuminuria::of(inputs).ok();
    let kdigo = Kdigo {
        a_from_pcr: matches!(albuminuria, Some(Albuminuria::Estimated { .. })),
        ..kdigo(egfr, albuminuria.map(Albuminuria::category))
    };
    warnings.extend(warnings_of(inputs, egfr, kfre.as_ref()));
    Ok(Assessment {
        category: category(risk_2y, risk_5y),
        category_source,
        igan: igan_for(inputs),
        advice: advice(inputs, kfre.as_ref(), kdigo),
        kfre,
        kdigo,
        warnings,
    })
}

/// The network's risk of a year; one that it did not give is not a risk of none.
fn of_year(network: &[YearRisk], year: u8) -> Result<f64, Vec<FieldProblem>> {
    let given = network.iter().find(|risk| risk.year == year).map(|risk| risk.probability);
    given.ok_or_else(|| {
        let text =
            sentence!("KFRE does not apply and the network gave no risk within {year} years");
        vec![FieldProblem::new("/network", text)]
    })
}

fn warnings_of(inputs: &PredictionInputs, egfr: Egfr, kfre: Option<&Kfre>) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if 80 <= inputs.age_years {
        let text = phrase!(
            "From 80 years on, death before kidney failure is likely; KFRE does not count \
                    it and overestimates (Ramspek 2021)."
        );
        warnings.push(warning("age_80_or_more", text));
    }
    if egfr.get() < 10.0 {
        let text = phrase!("Under an eGFR of 10 KFRE leaves the range it was developed in.");
        warnings.push(warning("egfr_under_10", text));
    }
    if let Ok(albuminuria) = Albuminuria::of(inputs) {
        if let Albuminuria::Estimated { acr, pcr, .. } = albuminuria {
            let text = sentence!(
                "Urine ACR {acr:.0} mg/g was estimated from PCR {pcr:.0} mg/g (Sumida 2020); measure it. \
                 The KDIGO category is the PCR's own.",
                acr = acr.get(),
                pcr = pcr.get()
            );
            warnings.push(warning("uacr_estimated_from_upcr", text));
            if inputs.diabetes.is_none() || inputs.hypertension.is_none() {
                let text =
                    phrase!("That estimate counts unknown diabetes or hypertension as absent.");
                warnings.push(warning("comorbidity_unknown", text));
            }
        }
        warnings.extend(stale(
            inputs,
            albuminuria.from(),
            phrase!("a newer value may change the risk"),
        ));
    }
    let egfr = latest(inputs, ObservationCode::Egfr);
    warnings.extend(
        egfr.and_then(|egfr| stale(inputs, egfr, phrase!("a newer value may change the risk"))),
    );
    if kfre.is_some_and(|kfre| kfre.variables == 4) {
        warnings.extend(stale_chemistry(inputs));
    }
    warnings
}

/// Why the 8-variable form was not used although all of its chemistry is known: what of it is old.
fn stale_chemistry(inputs: &PredictionInputs) -> Vec<Warning> {
    let known: Vec<_> = CHEMISTRY.into_iter().filter_map(|code| latest(inputs, code)).collect();
    if known.len() < CHEMISTRY.len() || inputs.region == KfreRegion::UnitedKingdom {
        return Vec::new();
    }
    let so = phrase!("KFRE speaks with 4 variables instead of 8");
    known.into_iter().filter_map(|value| stale(inputs, value, so)).collect()
}

fn stale(inputs: &PredictionInputs, value: &InputValue, so: &str) -> Option<Warning> {
    is_stale(inputs, value).then(|| {
        let months = (age_days(inputs, value) as f64 / 30.4375).round();
        let text = sentence!("{value} is {months} months old; {so}.", value = value.code.label());
        warning(&format!("stale_{}", value.code.as_str()), text)
    })
}

type Sentence = (&'static str, String, &'static str);

const HEAT_MAP: &str = phrase!("KDIGO 2024 heat map, ADA 2024 adaptation");
const NICE: &str = phrase!("NICE guideline NG203 (2021), criteria for referral");

fn advice(inputs: &PredictionInputs, kfre: Option<&Kfre>, kdigo: Kdigo) -> Vec<Advice> {
    let sentences = kfre
        .map_or_else(Vec::new, risk_advice)
        .into_iter()
        .chain(cell_advice(kdigo, kfre))
        .chain(albuminuria_advice(inputs))
        .chain(course_advice(inputs))
        .chain(disease_advice(inputs));
    sentences
        .map(|(code, text, source)| Advice {
            code: code.to_owned(),
            text,
            source: source.to_owned(),
        })
        .collect()
}

fn risk_advice(kfre: &Kfre) -> Vec<Sentence> {
    let mut sentences: Vec<Sentence> = Vec::new();
    let is_over = |threshold| is_over(threshold, kfre.risk_2y, kfre.risk_5y);
    if is_over(Threshold::PrepareReplacement) {
        let text = phrase!(
            "2-year risk over 40 %: educate about modalities, plan access, assess for \
                    transplantation."
        );
        sentences.push((
            "prepare_replacement",
            text.to_owned(),
            phrase!("KDIGO 2024, practice point 2.2.3"),
        ));
    }
    if is_over(Threshold::Multidisciplinary) {
        let text = phrase!("2-year risk over 10 %: multidisciplinary kidney care.").to_owned();
        sentences.push((
            "multidisciplinary_care",
            text,
            phrase!("KDIGO 2024, practice point 2.2.2"),
        ));
    }
    if is_over(Threshold::Refer) {
        let text = phrase!("5-year risk of 5 % or more: refer to nephrology.").to_owned();
        sentences.push((
            "refer",
            text,
            phrase!("KDIGO 2024, practice point 2.2.1; NICE NG203 (2021)"),
        ));
    } else if is_over(Threshold::ConsiderReferral) {
        let text = phrase!("5-year risk of 3 to 5 %: consider referral to nephrology.").to_owned();
        sentences.push(("consider_referral", text, phrase!("KDIGO 2024, practice point 2.2.1")));
    }
    sentences
}

fn cell_advice(kdigo: Kdigo, kfre: Option<&Kfre>) -> Vec<Sentence> {
    let Some(a) = kdigo.a else {
        let text = phrase!("Measure urine ACR: at least once a year in chronic kidney disease.");
        let source = "KDIGO 2024, practice point 2.1.1";
        return vec![("measure_albuminuria", text.to_owned(), source)];
    };
    let cell = cell(kdigo.g, a);
    let name = format!("{}{}", kdigo.g.label(), a.label());
    let times = match cell.monitor_per_year {
        1 => phrase!("once a year").to_owned(),
        4 => phrase!("4 times a year or more").to_owned(),
        times => sentence!("{times} times a year"),
    };
    let mut sentences: Vec<Sentence> =
        vec![("monitor", sentence!("{name}: check eGFR and albuminuria {times}."), HEAT_MAP)];
    if cell.action == Action::Screen {
        let text = sentence!(
            "{name} is chronic kidney disease only if another marker of kidney damage is present."
        );
        sentences.push(("marker_of_damage", text, phrase!("KDIGO 2024, definition of CKD")));
    }
    // The risk says it already, with a number.
    let is_said =
        kfre.is_some_and(|kfre| is_over(Threshold::ConsiderReferral, kfre.risk_2y, kfre.risk_5y));
    if cell.action == Action::TreatAndRefer && !is_said {
        let text = sentence!("{name}: refer to nephrology.");
        sentences.push(("refer_by_category", text, HEAT_MAP));
    }
    sentences
}

/// What a measured ACR calls for by itself. Haematuria is not recorded, so the person is asked.
fn albuminuria_advice(inputs: &PredictionInputs) -> Vec<Sentence> {
    let mut sentences: Vec<Sentence> = Vec::new();
    let acr = latest_quantity::<AcrMgG>(inputs);
    if AcrMgG::from_mg_mmol(70.0) <= acr {
        let text = phrase!(
            "Urine ACR of 70 mg/mmol (619 mg/g) or more: refer to nephrology, unless \
                    diabetes is known to cause it and it is appropriately treated."
        );
        sentences.push(("refer_albuminuria", text.to_owned(), NICE));
    } else if AcrMgG::from_mg_mmol(30.0) < acr {
        let text = phrase!(
            "Urine ACR over 30 mg/mmol (265 mg/g): refer to nephrology if there is \
                    haematuria too, which is not recorded here."
        );
        sentences.push(("refer_with_haematuria", text.to_owned(), NICE));
    }
    if doubled(inputs) {
        let text =
            phrase!("Urine ACR has doubled since the test before: look for the cause.").to_owned();
        sentences.push(("uacr_doubled", text, phrase!("KDIGO 2024, practice point 2.1.5")));
    }
    sentences
}

fn course_advice(inputs: &PredictionInputs) -> Vec<Sentence> {
    let mut sentences: Vec<Sentence> = Vec::new();
    let points = egfr_course(&inputs.values);
    if acute(&inputs.values) {
        // A course is not read while its end is not steady state.
        let text =
            phrase!("Acute kidney injury is suspected: look for its cause and repeat creatinine.");
        sentences.push((
            "evaluate_aki",
            text.to_owned(),
            phrase!("KDIGO 2012, acute kidney injury"),
        ));
    } else {
        sentences.extend(progression(&points));
    }
    sentences.extend(change_since_the_test_before(inputs, &points));
    if chronicity_unproven(&points) {
        let text = phrase!("Chronic kidney disease needs 3 months: repeat the test to confirm it.")
            .to_owned();
        sentences.push(("confirm_chronicity", text, phrase!("KDIGO 2024, practice point 1.1.3.2")));
    }
    sentences
}

fn progression(points: &[Point]) -> Vec<Sentence> {
    let mut sentences: Vec<Sentence> = Vec::new();
    if course::rapid_progression(points) {
        let text = course::slope(points).map_or_else(
            || {
                phrase!("Rapid progression: a confirmed fall of category by 25 % or more.")
                    .to_owned()
            },
            |slope| {
                sentence!(
                    "Rapid progression: eGFR changes by {change:.1} a year (95 % confidence \
                     interval {lower:.1} to {upper:.1}, {values} values).",
                    change = slope.per_year,
                    lower = slope.lower,
                    upper = slope.upper,
                    values = slope.values
                )
            },
        );
        sentences.push((
            "rapid_progression",
            text,
            phrase!("KDIGO 2012, definition of rapid progression"),
        ));
    }
    if course::certain_drop(points) {
        let text = phrase!(
            "eGFR fell by 25 % or more and by a category within a year, and stays there: \
                    refer to nephrology."
        );
        sentences.push(("refer_fall_25_percent", text.to_owned(), NICE));
    }
    if course::falls_15_a_year(points) {
        let text =
            phrase!("eGFR fell by 15 or more within a year, and stays there: refer to nephrology.");
        sentences.push(("refer_fall_15", text.to_owned(), NICE));
    }
    sentences
}

/// Drug classes that lower the pressure in the glomerulus, and so eGFR when they are begun.
const HAEMODYNAMIC: [TherapyKind; 3] =
    [TherapyKind::RasInhibitor, TherapyKind::Sglt2Inhibitor, TherapyKind::Mra];

fn change_since_the_test_before(inputs: &PredictionInputs, points: &[Point]) -> Vec<Sentence> {
    let mut sentences: Vec<Sentence> = Vec::new();
    let [.., before, last] = points else { return sentences };
    let (before, now) = (before.egfr.get(), last.egfr.get());
    if now < 0.80 * before || 1.20 * before < now {
        let way = if now < before { phrase!("fell") } else { phrase!("rose") };
        let text = sentence!(
            "eGFR {way} by {percent:.0} % since the test before: look for the cause.",
            percent = (now / before - 1.0).abs() * 100.0
        );
        sentences.push(("egfr_change", text, phrase!("KDIGO 2024, practice point 2.1.3")));
    }
    let drug = inputs.therapies.iter().find(|kind| HAEMODYNAMIC.contains(kind));
    if let Some(drug) = drug.filter(|_| now < 0.70 * before) {
        let text = sentence!(
            "eGFR fell by more than 30 %: if {drug} was begun since the test before, that is more \
             than it explains; look for the cause.",
            drug = drug.label()
        );
        sentences.push(("egfr_fall_on_drug", text, phrase!("KDIGO 2024, practice point 2.1.4")));
    }
    sentences
}

/// Diseases with a prognosis of their own.
fn disease_advice(inputs: &PredictionInputs) -> Option<Sentence> {
    let disease = if inputs.renal_disease == RenalDisease::Polycystic {
        phrase!("polycystic kidney disease")
    } else if inputs.biopsy.as_ref().is_some_and(has_mest_scores) {
        phrase!("IgA nephropathy")
    } else {
        return None;
    };
    let text = sentence!("In {disease} use a prediction tool made for it as well.");
    Some(("disease_specific_tool", text, phrase!("KDIGO 2024, practice point 2.2.5")))
}

/// Only IgA nephropathy is scored by the Oxford classification.
fn has_mest_scores(biopsy: &BiopsyInput) -> bool {
    [biopsy.m, biopsy.e, biopsy.s, biopsy.t].iter().any(Option::is_some)
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

/// The IgAN tool, when the latest biopsy has its scores and every other input is known and not
/// stale. It speaks from one to two years after the biopsy; proteinuria in g/day is taken from PCR
/// in g/g.
fn igan_for(inputs: &PredictionInputs) -> Option<Igan> {
    let biopsy = inputs.biopsy.as_ref()?;
    let since = (inputs.as_of - biopsy.performed_on).num_days();
    if !(365..=730).contains(&since) {
        return None;
    }
    let risk_5y = igan::risk_5y(&igan::Inputs {
        egfr: fresh(inputs)?,
        systolic: fresh(inputs)?,
        diastolic: fresh(inputs)?,
        proteinuria: ProteinuriaGDay::from_pcr(fresh(inputs)?)?,
        age_years: inputs.age_years,
        m: biopsy.m?,
        e: biopsy.e?,
        s: biopsy.s?,
        t: biopsy.t?,
        ras_inhibitor: inputs.therapies.contains(&TherapyKind::RasInhibitor),
        immunosuppression: inputs.therapies.contains(&TherapyKind::Immunosuppression)
            || inputs.therapies.contains(&TherapyKind::Corticosteroid),
    })?;
    (0.0..=1.0).contains(&risk_5y).then_some(Igan { risk_5y, experimental: true })
}
