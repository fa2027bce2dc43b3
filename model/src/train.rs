//! Fitting an ensemble. Everything random comes from one seed: initial weights, the order of the
//! rows, what is hidden from the network; each pass of each member has its own stream of it. So
//! the same data and seed give the same weights on one machine, also when the training was
//! interrupted and taken up again.

use std::{
    collections::{BTreeMap, HashMap},
    ops::ControlFlow,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::VarBuilder;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use sha2::{Digest, Sha256};
use shared::prediction::ModelVersion;

use crate::{
    calibration::{Calibration, Estimate, Judged, cumulative_incidence},
    checkpoint::{Checkpoint, CheckpointError, Checkpoints},
    config::{Config, Shape, YEARS},
    dataset::{Example, Outcome},
    features::{FACTS_WIDTH, KNOWN, Patient, known},
    loss::{negative_log_likelihood, share_cross_entropy, targets},
    metrics::{auroc, label},
    network::{Network, layers},
    optimizer::AdamW,
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
            epochs: 16,
            batch: 512,
            learning_rate: 3e-3,
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
    /// AUROC at 2 and 5 years on those.
    pub validation_auroc: (f64, f64),
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
    /// The caller had enough; what is done is in the checkpoints, if there are any.
    #[error("the training was stopped")]
    Stopped,
    /// A checkpoint could not be used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// No thread to compute on.
    #[error("no thread could be started: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
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
/// tenth that no member has seen. `model` and `trained_on` go into the configuration. With a
/// folder for `checkpoints`, an interrupted training goes on where it was. `on_progress` hears of
/// every pass, from any thread, and can stop the training.
pub fn train(
    examples: &[Example],
    spec: &TrainSpec,
    model: ModelVersion,
    trained_on: String,
    checkpoints: Option<&Path>,
    on_progress: &(dyn Fn(&Progress) -> ControlFlow<()> + Sync),
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
    let checkpoints = match checkpoints {
        Some(folder) => Some(Checkpoints::new(folder, fingerprint(&rows, spec))?),
        None => None,
    };
    let fitting = Fitting { fitted, validation, spec, checkpoints: checkpoints.as_ref() };
    let mut weights = HashMap::new();
    let mut members = Vec::new();
    for (member, tensors) in fitting.members(on_progress)?.into_iter().enumerate() {
        for (name, tensor) in &tensors {
            weights.insert(format!("member.{member}.{name}"), tensor.clone());
        }
        let tensors = tensors.into_iter().collect();
        let vb = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
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
    let calibration = calibrate(&uncalibrated, calibration_rows, spec.seed)?;
    let predictor = Predictor::assemble(Config { calibration, ..config }, &members)?;
    if let Some(checkpoints) = checkpoints {
        checkpoints.clear()?;
    }
    Ok(Trained { predictor, weights })
}

/// What the weights depend on: the rows in their order, and how they are fitted.
fn fingerprint(rows: &[Row], spec: &TrainSpec) -> String {
    let mut digest = Sha256::new();
    digest.update(format!("{spec:?}"));
    let mut numbers = Vec::new();
    for row in rows {
        numbers.clear();
        row.patient.write_visits(&mut numbers);
        row.patient.write_facts(&mut numbers);
        numbers.extend(targets(row.outcome));
        let (at_2y, at_5y) = row.truth.unwrap_or((-1.0, -1.0));
        numbers.extend([at_2y as f32, at_5y as f32]);
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        digest.update(bytes);
    }
    digest.finalize().iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

/// What every member is fitted from.
struct Fitting<'a> {
    fitted: &'a [Row],
    validation: &'a [Row],
    spec: &'a TrainSpec,
    checkpoints: Option<&'a Checkpoints>,
}

/// Weights by name.
type Weights = BTreeMap<String, Tensor>;

impl Fitting<'_> {
    /// Every member's weights. Members know nothing of each other, so each has its own thread, and
    /// its matrix products stay on it: they are too small to be worth waiting for other cores.
    fn members(
        &self,
        on_progress: &(dyn Fn(&Progress) -> ControlFlow<()> + Sync),
    ) -> Result<Vec<Weights>, TrainError> {
        let stopped = AtomicBool::new(false);
        let fit = |member: usize| -> Result<Weights, TrainError> {
            let progress = |progress: &Progress| {
                if stopped.load(Ordering::Relaxed) {
                    return ControlFlow::Break(());
                }
                on_progress(progress)
            };
            let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
            let fitted: Result<Weights, TrainError> =
                alone.install(|| self.member(member, &progress));
            stopped.fetch_or(fitted.is_err(), Ordering::Relaxed);
            fitted
        };
        let fitted: Vec<Result<Weights, TrainError>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..self.spec.members)
                .map(|member| (member, &fit))
                .map(|(member, fit)| scope.spawn(move || fit(member)))
                .collect();
            let joined = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
            joined.map(|fitted| fitted.expect("a member's thread panicked")).collect()
        });
        // What stopped the others tells more than that they were stopped.
        let (mut weights, mut errors) = (Vec::new(), Vec::new());
        for fitted in fitted {
            match fitted {
                Ok(member) => weights.push(member),
                Err(error) => errors.push(error),
            }
        }
        errors.sort_by_key(|error| matches!(error, TrainError::Stopped));
        errors.into_iter().next().map_or(Ok(weights), Err)
    }

    /// One member: the weights of the pass with the best validation loss.
    fn member(
        &self,
        member: usize,
        on_progress: &dyn Fn(&Progress) -> ControlFlow<()>,
    ) -> Result<Weights, TrainError> {
        let spec = self.spec;
        let variables = initial_weights(&spec.shape, &mut self.random(member, None))?;
        let tensors = variables.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone()));
        let vb = VarBuilder::from_tensors(tensors.collect(), DType::F32, &Device::Cpu);
        let network = Network::new(&vb, &spec.shape)?;
        let mut optimizer = AdamW::new(variables, spec.weight_decay);
        let mut at = match self.checkpoints {
            Some(checkpoints) => checkpoints.load(member)?,
            None => None,
        };
        if let Some(at) = &at {
            optimizer.restore(&at.state, at.steps)?;
        }
        let start = at.as_ref().map_or(0, |at| at.epochs);
        for epoch in start..spec.epochs {
            if at.as_ref().is_some_and(|at| at.done) {
                break;
            }
            let loss = self.pass(&network, &mut optimizer, member, epoch)?;
            if !loss.is_finite() {
                return Err(TrainError::Diverged { member, epoch, loss });
            }
            let (validation_loss, validation_auroc) =
                validate(&network, self.validation, spec.seed)?;
            let fresh = self.after(at, epoch, validation_loss, &optimizer)?;
            if let Some(checkpoints) = self.checkpoints {
                checkpoints.save(member, &fresh)?;
            }
            at = Some(fresh);
            let progress = Progress { member, epoch, loss, validation_loss, validation_auroc };
            if on_progress(&progress).is_break() {
                return Err(TrainError::Stopped);
            }
        }
        Ok(at.map(|at| at.best).unwrap_or_default())
    }

    /// Where a member is after a pass.
    fn after(
        &self,
        before: Option<Checkpoint>,
        epoch: usize,
        validation_loss: f64,
        optimizer: &AdamW,
    ) -> candle_core::Result<Checkpoint> {
        let (best, best_loss, waited) = match before {
            Some(at) if at.best_loss <= validation_loss => (at.best, at.best_loss, at.waited + 1),
            _ => (optimizer.weights()?, validation_loss, 0),
        };
        Ok(Checkpoint {
            epochs: epoch + 1,
            done: self.spec.patience <= waited || epoch + 1 == self.spec.epochs,
            state: optimizer.state()?,
            steps: (epoch + 1) * self.steps(),
            best,
            best_loss,
            waited,
        })
    }

    /// Steps of a pass.
    fn steps(&self) -> usize {
        self.fitted.len().div_ceil(self.spec.batch)
    }

    /// One pass over the rows; their mean loss.
    fn pass(
        &self,
        network: &Network,
        optimizer: &mut AdamW,
        member: usize,
        epoch: usize,
    ) -> Result<f64, TrainError> {
        let spec = self.spec;
        let mut rng = self.random(member, Some(epoch));
        let mut order: Vec<usize> = (0..self.fitted.len()).collect();
        order.shuffle(&mut rng);
        let all_steps = (self.steps() * spec.epochs) as f64;
        let mut total = 0.0;
        for (step, batch) in order.chunks(spec.batch).enumerate() {
            let step = epoch * self.steps() + step;
            let along = std::f64::consts::PI * step as f64 / all_steps;
            // A short rise first: the first steps know the least.
            let rise = ((step + 1) as f64 / 100.0).min(1.0);
            let rate = spec.learning_rate * rise * (0.51 + 0.49 * along.cos());
            let rows: Vec<&Row> = batch.iter().map(|index| &self.fitted[*index]).collect();
            let patients: Vec<Patient> =
                rows.iter().map(|row| hidden(&row.patient, &mut rng)).collect();
            let (visits, facts) = tensors(&patients)?;
            let loss = loss(&network.forward(&visits, &facts)?, &rows)?;
            optimizer.step(&loss.backward()?, rate)?;
            total += f64::from(loss.to_scalar::<f32>()?) * batch.len() as f64;
        }
        Ok(total / self.fitted.len() as f64)
    }

    /// The random numbers of a member's pass, or of its beginning.
    fn random(&self, member: usize, epoch: Option<usize>) -> StdRng {
        let stream = (member as u64 + 1) << 16 | epoch.map_or(0, |epoch| epoch as u64 + 1);
        StdRng::seed_from_u64(self.spec.seed ^ stream.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }
}

/// Uniform within ±√(6 / inputs) (He et al. 2015) for the weights, a tenth of it for the head's;
/// zero for the biases.
fn initial_weights(shape: &Shape, rng: &mut StdRng) -> candle_core::Result<BTreeMap<String, Var>> {
    let mut variables = BTreeMap::new();
    for (name, input, output) in layers(shape) {
        let bound = (6.0 / input as f32).sqrt() * if name == "head" { 0.1 } else { 1.0 };
        let weight: Vec<f32> =
            (0..input * output).map(|_| rng.random_range(-bound..bound)).collect();
        let weight = Tensor::from_vec(weight, (output, input), &Device::Cpu)?;
        variables.insert(format!("{name}.weight"), Var::from_tensor(&weight)?);
        let bias = Tensor::zeros(output, DType::F32, &Device::Cpu)?;
        variables.insert(format!("{name}.bias"), Var::from_tensor(&bias)?);
    }
    Ok(variables)
}

/// What the outcome of a patient weighs whose futures are counted, too: their shares say more of
/// kidney failure, only the outcome says when death came.
const OUTCOME_BESIDE_FUTURES: f32 = 0.25;

/// How far what is said of the rows is from what became of them.
fn loss(said: &Tensor, rows: &[&Row]) -> candle_core::Result<Tensor> {
    let mut counts = Vec::with_capacity(rows.len() * YEARS * 3);
    let mut shares = Vec::with_capacity(rows.len() * 2);
    let mut weights = Vec::with_capacity(rows.len() * 2);
    for row in rows {
        let weight = if row.truth.is_some() { OUTCOME_BESIDE_FUTURES } else { 1.0 };
        counts.extend(targets(row.outcome).map(|count| weight * count));
        let (at_2y, at_5y) = row.truth.unwrap_or_default();
        shares.extend([at_2y as f32, at_5y as f32]);
        weights.extend([f32::from(u8::from(row.truth.is_some())); 2]);
    }
    let counts = Tensor::from_vec(counts, (rows.len(), YEARS, 3), &Device::Cpu)?;
    let shares = Tensor::from_vec(shares, (rows.len(), 2), &Device::Cpu)?;
    let weights = Tensor::from_vec(weights, (rows.len(), 2), &Device::Cpu)?;
    negative_log_likelihood(said, &counts)? + share_cross_entropy(said, &shares, &weights)?
}

/// Loss over whole and over partly hidden records, always the same ones; AUROC over whole ones.
fn validate(network: &Network, rows: &[Row], seed: u64) -> candle_core::Result<(f64, (f64, f64))> {
    let mut total = 0.0;
    let mut risks = Vec::with_capacity(rows.len());
    let mut rng = StdRng::seed_from_u64(seed);
    for chunk in rows.chunks(1024) {
        let whole: Vec<Patient> = chunk.iter().map(|row| row.patient.clone()).collect();
        let partly: Vec<Patient> = whole.iter().map(|whole| hidden(whole, &mut rng)).collect();
        let chunk: Vec<&Row> = chunk.iter().collect();
        for (patients, is_whole) in [(whole, true), (partly, false)] {
            let (visits, facts) = tensors(&patients)?;
            let said = network.forward(&visits, &facts)?;
            let mean = loss(&said, &chunk)?.to_scalar::<f32>()?;
            total += f64::from(mean) * chunk.len() as f64;
            if is_whole {
                let values = said.flatten_all()?.to_vec1::<f32>()?;
                risks.extend(values.chunks_exact(YEARS * 3).map(cumulative_incidence));
            }
        }
    }
    let outcomes: Vec<Outcome> = rows.iter().map(|row| row.outcome).collect();
    let auroc_at = |year: usize| {
        let risks: Vec<f64> = risks.iter().map(|risks| risks[year - 1]).collect();
        auroc(&risks, &label(&outcomes, year as f64)).unwrap_or(0.5)
    };
    Ok((total / (2 * rows.len()) as f64, (auroc_at(2), auroc_at(5))))
}

/// The patient with some of the record hidden, as other hospitals would have it: a short history
/// or one row only, channels that were never measured, facts that nobody asked for.
fn hidden(patient: &Patient, rng: &mut StdRng) -> Patient {
    let mut patient = patient.clone();
    match rng.random_range(0..100) {
        0..20 => patient.keep_one_row(),
        20..27 => patient.keep_latest_visits(1),
        27..37 => patient.keep_latest_visits(rng.random_range(2..6)),
        _ => {}
    }
    match rng.random_range(0..100) {
        0..12 => {
            patient.keep_egfr_and_uacr();
            if rng.random_bool(0.5) {
                patient.hide_facts(|| true);
            }
        }
        12..30 => {
            let share = rng.random_range(0.2..0.8);
            patient.hide_channels(|| rng.random_bool(share));
        }
        _ => {}
    }
    if rng.random_bool(0.2) {
        patient.hide_facts(|| rng.random_bool(0.5));
    }
    patient
}

fn calibrate(predictor: &Predictor, rows: &[Row], seed: u64) -> Result<Calibration, PredictError> {
    let mut rng = StdRng::seed_from_u64(seed);
    let whole: Vec<Patient> = rows.iter().map(|row| row.patient.clone()).collect();
    let partly: Vec<Patient> = whole.iter().map(|whole| hidden(whole, &mut rng)).collect();
    let views = [judge(predictor, &whole)?, judge(predictor, &partly)?];
    let outcomes: Vec<Outcome> = rows.iter().map(|row| row.outcome).collect();
    let mut labelled = Vec::new();
    for (year, horizon) in [(1, 2.0), (4, 5.0)] {
        for (row, label) in label(&outcomes, horizon).into_iter().enumerate() {
            labelled.extend(views.iter().map(|view| (view[row].1[year].mean, label)));
        }
    }
    let calibration = Calibration::fit(&labelled);
    let judged: Vec<Judged> = views
        .iter()
        .flat_map(|view| view.iter().zip(rows))
        .filter_map(|((known, estimates), row)| {
            let truths = row.truth?.into();
            Some(Judged { estimates: *estimates, known: *known, truths })
        })
        .collect();
    // Whoever has none at 5 years has none at 2.
    if judged.iter().filter(|judged| 0.0 < judged.truths[0]).count() < 200 {
        return Ok(calibration);
    }
    Ok(calibration.with_coverage(&judged))
}

/// What is known of a patient, and what the members say of each year.
type Said = ([f64; KNOWN], [Estimate; YEARS]);

fn judge(predictor: &Predictor, patients: &[Patient]) -> Result<Vec<Said>, PredictError> {
    let incidences = predictor.incidences(patients)?;
    let mut facts = Vec::with_capacity(FACTS_WIDTH);
    let judged = patients.iter().enumerate().map(|(row, patient)| {
        facts.clear();
        patient.write_facts(&mut facts);
        let estimates = std::array::from_fn(|year| {
            let members: Vec<f64> = incidences.iter().map(|member| member[row][year]).collect();
            Estimate::of(&members)
        });
        (known(&facts), estimates)
    });
    Ok(judged.collect())
}
