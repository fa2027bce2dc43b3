//! How well a network, and KFRE beside it, did on patients with known outcomes.

use chrono::TimeDelta;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};
use shared::{
    clinical::{
        assessment::{kfre_for, latest, missing_or_out_of_scope},
        kdigo::{a_category, g_category},
        quantity::{AcrMgG, Egfr},
    },
    observation::ObservationCode,
    patient::{RenalDisease, Sex},
    prediction::{ACategory, GCategory, InputValue, Kfre, PredictionInputs},
};

use crate::{
    calibration::Course,
    dataset::{Example, Outcome},
    features::Patient,
    metrics::{
        Labelled, auroc, auroc_interval, brier, c_index, calibration_error, calibration_slope,
        label, mean_predicted_and_observed, net_benefit, scaled_brier, tenths,
    },
    predictor::{PredictError, Predictor},
};

/// Horizons, years.
const HORIZONS: [u8; 2] = [2, 5];
/// Bootstrap samples of an interval.
const RESAMPLES: usize = 200;

/// How much of each record the voices are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct View {
    /// One visit only, today's: the latest value of each code, without a past.
    pub single_visit: bool,
    /// KFRE's four variables only: age, sex, eGFR and albuminuria.
    pub kfre_variables_only: bool,
    /// Half of the codes and of the facts missing, drawn for each patient.
    pub half_missing: bool,
}

impl View {
    /// In words.
    pub fn name(self) -> String {
        let parts = [
            (self.single_visit, "single visit"),
            (self.kfre_variables_only, "KFRE's four variables only"),
            (self.half_missing, "half missing"),
        ];
        let shown: Vec<&str> =
            parts.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
        if shown.is_empty() { "whole record".to_owned() } else { shown.join(", ") }
    }

    /// What of the inputs is shown; `index` draws what is missing.
    fn of(self, inputs: &PredictionInputs, index: usize) -> PredictionInputs {
        let mut inputs = inputs.clone();
        if self.half_missing {
            hide_half(&mut inputs, index);
        }
        if self.kfre_variables_only {
            forget_facts(&mut inputs);
            inputs.values.retain(|value| {
                matches!(
                    value.code,
                    ObservationCode::Egfr | ObservationCode::Uacr | ObservationCode::Upcr
                )
            });
        }
        if self.single_visit {
            keep_one_row(&mut inputs);
        }
        inputs
    }
}

/// The latest value of each code, as if it were of today.
fn keep_one_row(inputs: &mut PredictionInputs) {
    let midnight = inputs.as_of.and_time(chrono::NaiveTime::MIN).and_utc();
    let mut row: Vec<InputValue> = Vec::new();
    for value in inputs.values.iter().rev() {
        if row.iter().all(|kept| kept.code != value.code) {
            row.push(InputValue { effective_at: midnight + TimeDelta::hours(12), ..value.clone() });
        }
    }
    inputs.values = row;
}

fn forget_facts(inputs: &mut PredictionInputs) {
    inputs.diabetes = None;
    inputs.hypertension = None;
    inputs.cardiovascular_disease = None;
    inputs.heart_failure = None;
    inputs.smoker = None;
    inputs.renal_disease = RenalDisease::Unknown;
    inputs.therapies.clear();
    inputs.biopsy = None;
}

fn hide_half(inputs: &mut PredictionInputs, index: usize) {
    let mut rng = StdRng::seed_from_u64(index as u64);
    let mut hides = || rng.random_bool(0.5);
    for fact in [
        &mut inputs.diabetes,
        &mut inputs.hypertension,
        &mut inputs.cardiovascular_disease,
        &mut inputs.heart_failure,
        &mut inputs.smoker,
    ] {
        if hides() {
            *fact = None;
        }
    }
    if hides() {
        inputs.renal_disease = RenalDisease::Unknown;
    }
    if hides() {
        inputs.therapies.clear();
    }
    let mut drawn: Vec<(ObservationCode, bool)> = Vec::new();
    inputs.values.retain(|value| {
        // Without a creatinine nobody can be judged.
        if matches!(value.code, ObservationCode::Egfr | ObservationCode::Creatinine) {
            return true;
        }
        if let Some((_, hidden)) = drawn.iter().find(|(code, _)| *code == value.code) {
            return !hidden;
        }
        let hidden = hides();
        drawn.push((value.code, hidden));
        !hidden
    });
}

/// `metrics.json`: every row is one voice on one group at one horizon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// The network's name and version.
    pub model: String,
    /// How much of each record the voices were shown.
    pub view: View,
    /// How many patients.
    pub patients: usize,
    /// The rows.
    pub rows: Vec<Row>,
    /// Share of patients whose true risk lies in the 90 % interval, at 2 and 5 years. Only
    /// simulated patients have a true risk, counted on futures: those without a single failure
    /// among them are left out, as their risk is smaller than can be counted.
    pub coverage: Option<(f64, f64)>,
    /// Mean predicted and observed risk in tenths of the risk.
    pub calibration: Vec<Tenths>,
    /// Net benefit by threshold, on those for whom KFRE-4 speaks.
    pub decisions: Vec<Decision>,
}

/// One voice on one group at one horizon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// `network`, `kfre4`, `kfre8` or `truth`.
    pub voice: String,
    /// For whom KFRE speaks, so that rows compare: `all`, `KFRE-4 applies`, `KFRE-8 applies`.
    pub base: String,
    /// Which of those: everyone, or a subgroup.
    pub group: String,
    /// Horizon, years.
    pub years: u8,
    /// Patients of the group.
    pub patients: usize,
    /// Those with kidney failure by the horizon.
    pub events: usize,
    /// Share with kidney failure by the horizon.
    pub observed: f64,
    /// Mean risk.
    pub predicted: f64,
    /// Area under the ROC curve.
    pub auroc: Option<f64>,
    /// Its 95 % interval (bootstrap).
    pub auroc_interval: Option<(f64, f64)>,
    /// Harrell's C up to the horizon, the dead as never failing.
    pub c_index: Option<f64>,
    /// 1 is calibrated.
    pub calibration_slope: f64,
    /// Mean distance between predicted and observed risk over tenths.
    pub calibration_error: f64,
    /// Mean squared error.
    pub brier: f64,
    /// 1 − Brier / Brier of the mean for everybody.
    pub scaled_brier: f64,
}

/// One voice's calibration at one horizon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenths {
    /// As in [`Row`].
    pub voice: String,
    /// Horizon, years.
    pub years: u8,
    /// Mean predicted and observed risk, lowest tenth first.
    pub tenths: Vec<(f64, f64)>,
}

/// Net benefit of acting above a threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Horizon, years.
    pub years: u8,
    /// The threshold of the risk.
    pub threshold: f64,
    /// Acting on the network's risk.
    pub network: f64,
    /// Acting on KFRE-4's.
    pub kfre4: f64,
    /// Acting on everybody.
    pub everybody: f64,
}

/// What each voice says of one patient.
struct Said {
    outcome: Outcome,
    network: Course,
    kfre4: Option<Kfre>,
    kfre8: Option<Kfre>,
    truth: Option<(f64, f64)>,
    traits: Traits,
}

/// What subgroups are told apart by; of the whole record, whatever the view.
struct Traits {
    age: u32,
    sex: Sex,
    g: GCategory,
    a: Option<ACategory>,
    disease: RenalDisease,
    diabetes: Option<bool>,
    egfr: f64,
    from_protein: bool,
    months_old: i64,
}

impl Traits {
    fn new(inputs: &PredictionInputs, kfre4: Option<&Kfre>) -> Self {
        let value = |code| latest(inputs, code);
        let egfr = value(ObservationCode::Egfr);
        let level = egfr.map_or(f64::NAN, |egfr| egfr.value);
        let acr = value(ObservationCode::Uacr).map(|acr| acr.value);
        let days =
            egfr.map_or(0, |egfr| (inputs.as_of - egfr.effective_at.date_naive()).num_days());
        let g = Egfr::new(level).map_or(GCategory::G5, g_category);
        Self {
            age: inputs.age_years,
            sex: inputs.sex,
            g,
            a: acr.and_then(AcrMgG::new).map(a_category),
            disease: inputs.renal_disease,
            diabetes: inputs.diabetes,
            egfr: level,
            from_protein: acr.is_none() && kfre4.is_some(),
            months_old: days / 30,
        }
    }
}

/// Asks every voice about every patient who is in scope.
pub fn evaluate(
    predictor: &Predictor,
    examples: &[Example],
    view: View,
) -> Result<Evaluation, PredictError> {
    let mut said = Vec::with_capacity(examples.len());
    for chunk in (0..examples.len()).collect::<Vec<_>>().chunks(4096) {
        said.extend(ask(predictor, examples, chunk, view)?);
    }
    let mut rows = Vec::new();
    for (base, speaks) in BASES {
        for (group, belongs) in GROUPS {
            let members: Vec<&Said> =
                said.iter().filter(|said| speaks(said) && belongs(&said.traits)).collect();
            for (voice, risk) in VOICES {
                for years in HORIZONS {
                    rows.extend(row((voice, base, group), years, &members, &|said| {
                        risk(said, years)
                    }));
                }
            }
        }
    }
    let version = predictor.version();
    Ok(Evaluation {
        model: format!("{} {}", version.name, version.version),
        view,
        patients: said.len(),
        rows,
        coverage: coverage(&said),
        calibration: calibration(&said),
        decisions: HORIZONS.iter().flat_map(|years| decisions(&said, *years)).collect(),
    })
}

fn ask(
    predictor: &Predictor,
    examples: &[Example],
    which: &[usize],
    view: View,
) -> Result<Vec<Said>, PredictError> {
    let shown: Vec<(&Example, PredictionInputs)> = which
        .iter()
        .map(|index| (&examples[*index], view.of(&examples[*index].record.inputs, *index)))
        .filter(|(_, inputs)| missing_or_out_of_scope(inputs).is_empty())
        .collect();
    let patients: Vec<Patient> = shown.iter().map(|(_, inputs)| Patient::new(inputs)).collect();
    let courses = predictor.courses(&patients)?;
    let said = shown.into_iter().zip(courses).map(|((example, inputs), network)| {
        let whole_kfre4 = kfre4(&example.record.inputs);
        Said {
            outcome: example.outcome,
            network,
            kfre4: kfre4(&inputs),
            kfre8: kfre_for(&inputs).ok().filter(|kfre| kfre.variables == 8),
            truth: example.truth,
            traits: Traits::new(&example.record.inputs, whole_kfre4.as_ref()),
        }
    });
    Ok(said.collect())
}

/// KFRE with its four variables, whatever else is known.
pub fn kfre4(inputs: &PredictionInputs) -> Option<Kfre> {
    let mut four = inputs.clone();
    four.values.retain(|value| value.code != ObservationCode::Albumin);
    kfre_for(&four).ok()
}

/// Everybody, or those for whom KFRE speaks.
pub const ALL: &str = "all";
/// See [`ALL`].
pub const KFRE_4: &str = "KFRE-4 applies";
/// See [`ALL`].
pub const KFRE_8: &str = "KFRE-8 applies";
/// Not a subgroup.
pub const EVERYONE: &str = "everyone";

type Speaks = fn(&Said) -> bool;
const BASES: [(&str, Speaks); 3] =
    [(ALL, |_| true), (KFRE_4, |said| said.kfre4.is_some()), (KFRE_8, |said| said.kfre8.is_some())];

type Belongs = fn(&Traits) -> bool;
const GROUPS: [(&str, Belongs); 30] = [
    (EVERYONE, |_| true),
    ("women", |t| t.sex == Sex::Female),
    ("men", |t| t.sex == Sex::Male),
    ("age under 50", |t| t.age < 50),
    ("age 50 to 64", |t| (50..65).contains(&t.age)),
    ("age 65 to 79", |t| (65..80).contains(&t.age)),
    ("age 80 and over", |t| 80 <= t.age),
    ("G1", |t| t.g == GCategory::G1),
    ("G2", |t| t.g == GCategory::G2),
    ("G3a", |t| t.g == GCategory::G3a),
    ("G3b", |t| t.g == GCategory::G3b),
    ("G4", |t| t.g == GCategory::G4),
    ("G5", |t| t.g == GCategory::G5),
    ("advanced (eGFR under 30)", |t| t.egfr < 30.0),
    ("A1", |t| t.a == Some(ACategory::A1)),
    ("A2", |t| t.a == Some(ACategory::A2)),
    ("A3", |t| t.a == Some(ACategory::A3)),
    ("no ACR measured", |t| t.a.is_none()),
    ("ACR estimated from PCR", |t| t.from_protein),
    ("cause diabetic", |t| t.disease == RenalDisease::Diabetic),
    ("cause hypertensive", |t| t.disease == RenalDisease::Hypertensive),
    ("cause glomerular", |t| t.disease == RenalDisease::Glomerular),
    ("cause polycystic", |t| t.disease == RenalDisease::Polycystic),
    ("cause other", |t| t.disease == RenalDisease::Other),
    ("cause unknown", |t| t.disease == RenalDisease::Unknown),
    ("diabetes", |t| t.diabetes == Some(true)),
    ("no diabetes", |t| t.diabetes == Some(false)),
    ("advanced, diabetes", |t| t.egfr < 30.0 && t.diabetes == Some(true)),
    ("latest eGFR over 6 months old", |t| 6 < t.months_old),
    ("latest eGFR over 12 months old", |t| 12 < t.months_old),
];

type Voice = fn(&Said, u8) -> Option<f64>;
const VOICES: [(&str, Voice); 4] = [
    ("network", |said, years| Some(network(said, years))),
    ("kfre4", |said, years| said.kfre4.as_ref().map(|kfre| of_kfre(kfre, years))),
    ("kfre8", |said, years| said.kfre8.as_ref().map(|kfre| of_kfre(kfre, years))),
    ("truth", |said, years| {
        said.truth.map(|(at_2y, at_5y)| if years == 2 { at_2y } else { at_5y })
    }),
];

fn network(said: &Said, years: u8) -> f64 {
    said.network[usize::from(years) - 1].0
}

const fn of_kfre(kfre: &Kfre, years: u8) -> f64 {
    if years == 2 { kfre.risk_2y } else { kfre.risk_5y }
}

/// `None` when the voice does not speak of everybody in the group, or nobody is in it.
fn row(
    (voice, base, group): (&str, &str, &str),
    years: u8,
    members: &[&Said],
    risk: &dyn Fn(&Said) -> Option<f64>,
) -> Option<Row> {
    if members.is_empty() {
        return None;
    }
    let risks: Vec<f64> = members.iter().map(|said| risk(said)).collect::<Option<_>>()?;
    let outcomes: Vec<Outcome> = members.iter().map(|said| said.outcome).collect();
    let labels: Vec<Labelled> = label(&outcomes, f64::from(years));
    let (predicted, observed) = mean_predicted_and_observed(&risks, &labels);
    // Intervals of the main comparison; a subgroup's would only cost time.
    let interval = (group == EVERYONE)
        .then(|| auroc_interval(&risks, &labels, RESAMPLES, u64::from(years)))
        .flatten();
    Some(Row {
        voice: voice.to_owned(),
        base: base.to_owned(),
        group: group.to_owned(),
        years,
        patients: members.len(),
        events: labels.iter().filter(|l| 0.0 < l.weight && 0.0 < l.event).count(),
        observed,
        predicted,
        auroc: auroc(&risks, &labels),
        auroc_interval: interval,
        c_index: c_index(&risks, &outcomes, f64::from(years)),
        calibration_slope: calibration_slope(&risks, &labels),
        calibration_error: calibration_error(&risks, &labels),
        brier: brier(&risks, &labels),
        scaled_brier: scaled_brier(&risks, &labels),
    })
}

fn calibration(said: &[Said]) -> Vec<Tenths> {
    let mut all = Vec::new();
    for years in HORIZONS {
        for (voice, risk) in VOICES {
            let known: Vec<(f64, Outcome)> =
                said.iter().filter_map(|said| Some((risk(said, years)?, said.outcome))).collect();
            if known.is_empty() {
                continue;
            }
            let (risks, outcomes): (Vec<f64>, Vec<Outcome>) = known.into_iter().unzip();
            let tenths = tenths(&risks, &label(&outcomes, f64::from(years)));
            all.push(Tenths { voice: voice.to_owned(), years, tenths });
        }
    }
    all
}

fn decisions(said: &[Said], years: u8) -> Vec<Decision> {
    let known: Vec<(&Said, f64)> =
        said.iter().filter_map(|said| Some((said, of_kfre(said.kfre4.as_ref()?, years)))).collect();
    if known.is_empty() {
        return Vec::new();
    }
    let network: Vec<f64> = known.iter().map(|(said, _)| network(said, years)).collect();
    let kfre4: Vec<f64> = known.iter().map(|(_, risk)| *risk).collect();
    let everybody = vec![1.0; known.len()];
    let outcomes: Vec<Outcome> = known.iter().map(|(said, _)| said.outcome).collect();
    let labels = label(&outcomes, f64::from(years));
    // Beyond KDIGO's thresholds on both sides: 3 % and 5 % at 5 years, 10 % and 40 % at 2.
    let thresholds = (1..=30).map(|step| f64::from(step) * 0.02);
    thresholds
        .map(|threshold| Decision {
            years,
            threshold,
            network: net_benefit(&network, &labels, threshold),
            kfre4: net_benefit(&kfre4, &labels, threshold),
            everybody: net_benefit(&everybody, &labels, threshold),
        })
        .collect()
}

fn coverage(said: &[Said]) -> Option<(f64, f64)> {
    let share = |year: usize, truth: fn((f64, f64)) -> f64| -> Option<f64> {
        let (mut inside, mut counted) = (0_usize, 0_usize);
        for said in said {
            let (_, lower, upper) = said.network[year - 1];
            let truth = truth(said.truth?);
            if 0.0 < truth {
                counted += 1;
                inside += usize::from((lower..=upper).contains(&truth));
            }
        }
        (0 < counted).then(|| inside as f64 / counted as f64)
    };
    share(2, |truth| truth.0).zip(share(5, |truth| truth.1))
}

impl Evaluation {
    /// The row of a voice, if there is one.
    pub fn find(&self, voice: &str, base: &str, group: &str, years: u8) -> Option<&Row> {
        self.rows.iter().find(|row| {
            row.voice == voice && row.base == base && row.group == group && row.years == years
        })
    }
}
