//! How well a network, and KFRE beside it, did on patients with known outcomes.

use serde::{Deserialize, Serialize};
use shared::{
    clinical::assessment::{kfre_for, missing_or_out_of_scope},
    observation::ObservationCode,
    prediction::{Kfre, PredictionInputs},
};

use crate::{
    dataset::{Example, Outcome},
    features::Patient,
    metrics::{
        Labelled, auroc, brier, calibration_slope, label, mean_predicted_and_observed, tenths,
    },
    predictor::{Course, PredictError, Predictor},
};

/// `metrics.json`: every row is one voice on one group at one horizon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// The network's name and version.
    pub model: String,
    /// How many patients.
    pub patients: usize,
    /// The rows.
    pub rows: Vec<Row>,
    /// Share of patients whose true risk lies in the 90 % interval, at 2 and 5 years. Only
    /// simulated patients have a true risk, counted on futures: those without a single failure
    /// among them are left out, as their risk is smaller than can be counted.
    pub coverage: Option<(f64, f64)>,
    /// The network's mean predicted and observed risk in tenths of the risk, at 2 and 5 years.
    pub calibration_tenths: [Vec<(f64, f64)>; 2],
}

/// One voice on one group at one horizon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// `network`, `kfre4`, `kfre8` or `truth`.
    pub voice: String,
    /// Which patients: all of them, or those for whom KFRE speaks, so that rows compare.
    pub group: String,
    /// Horizon, years.
    pub years: u8,
    /// Patients of the group.
    pub patients: usize,
    /// Share with kidney failure by the horizon.
    pub observed: f64,
    /// Mean risk.
    pub predicted: f64,
    /// Area under the ROC curve.
    pub auroc: Option<f64>,
    /// 1 is calibrated.
    pub calibration_slope: f64,
    /// Mean squared error.
    pub brier: f64,
}

/// What each voice says of one patient.
struct Said {
    outcome: Outcome,
    network: Course,
    kfre4: Option<Kfre>,
    kfre8: Option<Kfre>,
    truth: Option<(f64, f64)>,
}

/// Asks every voice about every patient who is in scope.
pub fn evaluate(predictor: &Predictor, examples: &[Example]) -> Result<Evaluation, PredictError> {
    let examples: Vec<&Example> = examples
        .iter()
        .filter(|example| missing_or_out_of_scope(&example.record.inputs).is_empty())
        .collect();
    let patients: Vec<Patient> =
        examples.iter().map(|example| Patient::new(&example.record.inputs)).collect();
    let courses = predictor.courses(&patients)?;
    let said: Vec<Said> = examples
        .iter()
        .zip(courses)
        .map(|(example, network)| Said {
            outcome: example.outcome,
            network,
            kfre4: kfre4(&example.record.inputs),
            kfre8: kfre_for(&example.record.inputs).ok().filter(|kfre| kfre.variables == 8),
            truth: example.truth,
        })
        .collect();
    let mut rows = Vec::new();
    for (group, belongs) in GROUPS {
        let members: Vec<&Said> = said.iter().filter(|said| belongs(said)).collect();
        if members.is_empty() {
            continue;
        }
        for (voice, risk) in VOICES {
            for years in [2, 5] {
                rows.extend(row(voice, group, years, &members, &|said| risk(said, years)));
            }
        }
    }
    let version = predictor.version();
    Ok(Evaluation {
        model: format!("{} {}", version.name, version.version),
        patients: said.len(),
        rows,
        coverage: coverage(&said),
        calibration_tenths: [2, 5].map(|years| {
            let outcomes: Vec<Outcome> = said.iter().map(|said| said.outcome).collect();
            let risks: Vec<f64> = said.iter().map(|said| network(said, years)).collect();
            tenths(&risks, &label(&outcomes, f64::from(years)))
        }),
    })
}

/// KFRE with its four variables, whatever else is known.
pub fn kfre4(inputs: &PredictionInputs) -> Option<Kfre> {
    let mut four = inputs.clone();
    four.values.retain(|value| value.code != ObservationCode::Albumin);
    kfre_for(&four).ok()
}

type Belongs = fn(&Said) -> bool;
const GROUPS: [(&str, Belongs); 3] = [
    ("all", |_| true),
    ("KFRE-4 applies", |said| said.kfre4.is_some()),
    ("KFRE-8 applies", |said| said.kfre8.is_some()),
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

/// `None` when the voice does not speak of everybody in the group.
fn row(
    voice: &str,
    group: &str,
    years: u8,
    members: &[&Said],
    risk: &dyn Fn(&Said) -> Option<f64>,
) -> Option<Row> {
    let risks: Vec<f64> = members.iter().map(|said| risk(said)).collect::<Option<_>>()?;
    let outcomes: Vec<Outcome> = members.iter().map(|said| said.outcome).collect();
    let labels: Vec<Labelled> = label(&outcomes, f64::from(years));
    let (predicted, observed) = mean_predicted_and_observed(&risks, &labels);
    Some(Row {
        voice: voice.to_owned(),
        group: group.to_owned(),
        years,
        patients: members.len(),
        observed,
        predicted,
        auroc: auroc(&risks, &labels),
        calibration_slope: calibration_slope(&risks, &labels),
        brier: brier(&risks, &labels),
    })
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
