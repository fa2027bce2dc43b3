//! Fitting an ensemble. Everything random comes from one seed: initial weights, the order of the
//! rows, what is hidden from the network. The same data and seed give the same weights on one
//! machine.

use std::collections::{BTreeMap, HashMap};

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::{AdamW, Optimizer, ParamsAdamW, VarBuilder, VarMap};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use shared::prediction::ModelVersion;

use crate::{
    calibration::{Calibration, cloglog, cumulative_incidence, spread},
    config::{Config, Shape, YEARS},
    dataset::{Example, Outcome},
    features::Patient,
    loss::{negative_log_likelihood, targets},
    metrics::{auroc, label},
    network::{Network, layers},
    predictor::{PredictError, Predictor, tensors},
};

/// How to fit.
#[derive(Clone, Debug)]
pub struct TrainSpec {
    /// The members' shape.
    pub shape: Shape,
    /// How many members.
    pub members: usize,
    /// The most passes over the data.
    pub epochs: usize,
    /// Rows of a step.
    pub batch: usize,
    /// Step size at the start; it falls to a twentieth along a cosine.
    pub learning_rate: f64,
    /// The optimiser's weight decay.
    pub weight_decay: f64,
    /// Passes without a better validation loss after which a member is done.
    pub patience: usize,
    /// The seed.
    pub seed: u64,
}

impl Default for TrainSpec {
    fn default() -> Self {
        Self {
            shape: Shape::default(),
            members: 5,
            epochs: 24,
            batch: 256,
            learning_rate: 2e-3,
            weight_decay: 1e-3,
            patience: 5,
            seed: 1,
        }
    }
}

/// What a pass over the data led to.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The member, from 0.
    pub member: usize,
    /// The pass, from 0.
    pub epoch: usize,
    /// Mean loss on the rows it was fitted on.
    pub loss: f64,
    /// Mean loss on rows it was not fitted on.
    pub validation_loss: f64,
    /// AUROC at 2 years on those.
    pub validation_auroc_2y: f64,
}

/// Why nothing came out.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// Too few patients to fit, validate and calibrate on.
    #[error("{0} patients are too few: at least 1000 are needed")]
    TooFew(usize),
    /// Nothing to learn.
    #[error("no patient of the part that is fitted reached kidney failure within five years")]
    NoEvents,
    /// The loss is no number any more.
    #[error("the loss of member {member} became {loss} in pass {epoch}")]
    Diverged {
        /// The member.
        member: usize,
        /// The pass.
        epoch: usize,
        /// The loss.
        loss: f64,
    },
    /// candle failed.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
    /// The network could not be run.
    #[error(transparent)]
    Predict(#[from] PredictError),
}

/// A row as the network is fitted on it.
#[derive(Clone, Debug)]
struct Row {
    patient: Patient,
    outcome: Outcome,
    truth: Option<(f64, f64)>,
}

/// A fitted ensemble, and its weights by name.
#[derive(Debug)]
pub struct Trained {
    /// The ensemble.
    pub predictor: Predictor,
    /// Every member's weights, as they are stored.
    pub weights: HashMap<String, Tensor>,
}

impl Trained {
    /// The weights as a safetensors file, names in order: the same weights, the same bytes.
    pub fn bytes(&self) -> candle_core::Result<Vec<u8>> {
        let ordered: BTreeMap<&str, &Tensor> =
            self.weights.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        safetensors::serialize(ordered, None).map_err(candle_core::Error::from)
    }
}

/// Fits an ensemble on four fifths of the patients, watching a tenth, and calibrates it on the
/// tenth that no member has seen. `model` and `trained_on` go into the configuration.
pub fn train(
    examples: &[Example],
    spec: &TrainSpec,
    model: ModelVersion,
    trained_on: String,
    mut on_progress: impl FnMut(&Progress),
) -> Result<Trained, TrainError> {
    if examples.len() < 1000 {
        return Err(TrainError::TooFew(examples.len()));
    }
    let mut rows: Vec<Row> = examples
        .iter()
        .map(|example| Row {
            patient: Patient::new(&example.record.inputs),
            outcome: example.outcome,
            truth: example.truth,
        })
        .collect();
    rows.shuffle(&mut StdRng::seed_from_u64(spec.seed));
    let tenth = rows.len() / 10;
    let (calibration_rows, rest) = rows.split_at(tenth);
    let (validation, fitted) = rest.split_at(tenth);
    let is_event = |row: &&Row| row.outcome.event == crate::dataset::Event::KidneyFailure;
    if fitted.iter().find(is_event).is_none() {
        return Err(TrainError::NoEvents);
    }
    let mut weights = HashMap::new();
    let mut members = Vec::new();
    for member in 0..spec.members {
        let fitted_member = fit(fitted, validation, spec, member, &mut on_progress)?;
        for (name, tensor) in &fitted_member {
            weights.insert(format!("member.{member}.{name}"), tensor.clone());
        }
        let vb = VarBuilder::from_tensors(fitted_member, DType::F32, &Device::Cpu);
        members.push(Network::new(&vb, &spec.shape)?);
    }
    let config = Config {
        model,
        members: spec.members,
        shape: spec.shape.clone(),
        calibration: Calibration::default(),
        trained_on,
        seed: spec.seed,
        weights_sha256: String::new(),
    };
    let uncalibrated = Predictor::assemble(config.clone(), &members)?;
    let calibration = calibrate(&uncalibrated, calibration_rows)?;
    let predictor = Predictor::assemble(Config { calibration, ..config }, &members)?;
    Ok(Trained { predictor, weights })
}

/// One member: the weights of the pass with the best validation loss.
fn fit(
    fitted: &[Row],
    validation: &[Row],
    spec: &TrainSpec,
    member: usize,
    on_progress: &mut impl FnMut(&Progress),
) -> Result<HashMap<String, Tensor>, TrainError> {
    let mut rng = StdRng::seed_from_u64(spec.seed ^ (member as u64 + 1).wrapping_mul(0x9E37_79B9));
    let variables = initial_weights(&spec.shape, &mut rng)?;
    let vb = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
    let network = Network::new(&vb, &spec.shape)?;
    let parameters = ParamsAdamW {
        lr: spec.learning_rate,
        weight_decay: spec.weight_decay,
        ..ParamsAdamW::default()
    };
    let mut optimizer = AdamW::new(variables.all_vars(), parameters)?;
    let mut order: Vec<usize> = (0..fitted.len()).collect();
    let steps = fitted.len().div_ceil(spec.batch) * spec.epochs;
    let mut step = 0_usize;
    let mut best = (f64::INFINITY, HashMap::new());
    let mut waited = 0;
    for epoch in 0..spec.epochs {
        order.shuffle(&mut rng);
        let mut total = 0.0;
        for batch in order.chunks(spec.batch) {
            let along = std::f64::consts::PI * step as f64 / steps as f64;
            optimizer.set_learning_rate(spec.learning_rate * (0.525 + 0.475 * along.cos()));
            step += 1;
            let rows = batch.iter().map(|index| &fitted[*index]);
            let patients: Vec<Patient> =
                rows.clone().map(|row| hidden(&row.patient, &mut rng)).collect();
            let loss = loss(&network, &patients, rows.map(|row| row.outcome))?;
            optimizer.backward_step(&loss)?;
            total += f64::from(loss.to_scalar::<f32>()?) * batch.len() as f64;
        }
        let (validation_loss, validation_auroc_2y) = validate(&network, validation)?;
        let loss = total / fitted.len() as f64;
        if !loss.is_finite() {
            return Err(TrainError::Diverged { member, epoch, loss });
        }
        on_progress(&Progress { member, epoch, loss, validation_loss, validation_auroc_2y });
        waited += 1;
        if validation_loss < best.0 {
            best = (validation_loss, snapshot(&variables)?);
            waited = 0;
        }
        if spec.patience <= waited {
            break;
        }
    }
    Ok(best.1)
}

/// Uniform within ±√(6 / inputs) (He et al. 2015) for the weights, a tenth of it for the head's;
/// zero for the biases.
fn initial_weights(shape: &Shape, rng: &mut StdRng) -> candle_core::Result<VarMap> {
    let variables = VarMap::new();
    {
        let mut data = variables.data().lock().expect("nobody else holds the lock");
        for (name, input, output) in layers(shape) {
            let bound = (6.0 / input as f32).sqrt() * if name == "head" { 0.1 } else { 1.0 };
            let weight: Vec<f32> =
                (0..input * output).map(|_| rng.random_range(-bound..bound)).collect();
            let weight = Tensor::from_vec(weight, (output, input), &Device::Cpu)?;
            data.insert(format!("{name}.weight"), Var::from_tensor(&weight)?);
            let bias = Tensor::zeros(output, DType::F32, &Device::Cpu)?;
            data.insert(format!("{name}.bias"), Var::from_tensor(&bias)?);
        }
    }
    Ok(variables)
}

fn snapshot(variables: &VarMap) -> candle_core::Result<HashMap<String, Tensor>> {
    let data = variables.data().lock().expect("nobody else holds the lock");
    data.iter().map(|(name, var)| Ok((name.clone(), var.as_tensor().copy()?.detach()))).collect()
}

fn loss(
    network: &Network,
    patients: &[Patient],
    outcomes: impl Iterator<Item = Outcome>,
) -> candle_core::Result<Tensor> {
    let (visits, facts) = tensors(patients)?;
    let targets: Vec<f32> = outcomes.flat_map(targets).collect();
    let targets = Tensor::from_vec(targets, (patients.len(), YEARS, 3), &Device::Cpu)?;
    negative_log_likelihood(&network.forward(&visits, &facts)?, &targets)
}

fn validate(network: &Network, rows: &[Row]) -> candle_core::Result<(f64, f64)> {
    let mut total = 0.0;
    let mut risks = Vec::with_capacity(rows.len());
    for chunk in rows.chunks(1024) {
        let patients: Vec<Patient> = chunk.iter().map(|row| row.patient.clone()).collect();
        let (visits, facts) = tensors(&patients)?;
        let log_probabilities = network.forward(&visits, &facts)?;
        let values = log_probabilities.flatten_all()?.to_vec1::<f32>()?;
        for (row, values) in chunk.iter().zip(values.chunks_exact(YEARS * 3)) {
            let counted = targets(row.outcome);
            let log_likelihood: f32 = counted.iter().zip(values).map(|(t, v)| t * v).sum();
            total -= f64::from(log_likelihood);
            risks.push(cumulative_incidence(values)[1]);
        }
    }
    let outcomes: Vec<Outcome> = rows.iter().map(|row| row.outcome).collect();
    let auroc = auroc(&risks, &label(&outcomes, 2.0)).unwrap_or(0.5);
    Ok((total / rows.len() as f64, auroc))
}

/// The patient with some of the record hidden, as other hospitals would have it: a short history
/// or one visit only, channels that were never measured, facts that nobody asked for.
fn hidden(patient: &Patient, rng: &mut StdRng) -> Patient {
    let mut patient = patient.clone();
    if rng.random_bool(0.35) {
        let keep = if rng.random_bool(0.4) { 1 } else { rng.random_range(2..6) };
        patient.keep_latest_visits(keep);
    }
    if rng.random_bool(0.15) {
        patient.keep_egfr_and_uacr();
    } else if rng.random_bool(0.3) {
        patient.hide_channels(|| rng.random_bool(0.3));
    }
    if rng.random_bool(0.2) {
        patient.hide_facts(|| rng.random_bool(0.5));
    }
    patient
}

fn calibrate(predictor: &Predictor, rows: &[Row]) -> Result<Calibration, PredictError> {
    let patients: Vec<Patient> = rows.iter().map(|row| row.patient.clone()).collect();
    let incidences = predictor.incidences(&patients)?;
    let member_risks = |row: usize, year: usize| -> Vec<f64> {
        incidences.iter().map(|member| member[row][year]).collect()
    };
    let outcomes: Vec<Outcome> = rows.iter().map(|row| row.outcome).collect();
    let mut labelled = Vec::new();
    for (year, horizon) in [(1, 2.0), (4, 5.0)] {
        for (row, label) in label(&outcomes, horizon).into_iter().enumerate() {
            labelled.push((spread(&member_risks(row, year)).0, label));
        }
    }
    let calibration = Calibration::fit(&labelled);
    let at = |year: usize, truth: fn((f64, f64)) -> f64| -> Vec<(f64, f64, f64)> {
        let known = rows.iter().enumerate().filter_map(|(row, of)| Some((row, of.truth?)));
        known
            .map(|(row, risks)| {
                let (mean, spread) = spread(&member_risks(row, year));
                (mean, spread, truth(risks))
            })
            .collect()
    };
    // Futures are counted, so a risk of nothing is below one in a few hundred: no distance.
    let countable = |rows: Vec<(f64, f64, f64)>| -> Vec<(f64, f64, f64)> {
        rows.into_iter().filter(|row| 0.0 < row.2 && cloglog(row.2).is_finite()).collect()
    };
    let at_2y = countable(at(1, |truth| truth.0));
    let at_5y = countable(at(4, |truth| truth.1));
    if at_2y.len() < 100 || at_5y.len() < 100 {
        return Ok(calibration);
    }
    Ok(calibration.with_coverage(&at_2y, &at_5y))
}
