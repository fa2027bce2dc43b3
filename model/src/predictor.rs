//! A released network, loaded once and asked many times.

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
};

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use rayon::{
    iter::{IndexedParallelIterator, ParallelIterator},
    slice::{ParallelSlice, ParallelSliceMut},
};
use sha2::{Digest, Sha256};
use shared::prediction::{Contribution, ModelVersion, PredictionInputs, YearRisk};

use crate::{
    calibration::Course,
    config::{Config, YEARS},
    explain::{Explained, explain},
    features::{FACTS_WIDTH, Patient, VISIT_WIDTH, VISITS, known},
    inference::{CHUNK, Ensemble, Workspace},
    network::Network,
};

/// Name of the weights' file in a released folder.
pub const WEIGHTS: &str = "weights.safetensors";
/// Name of the configuration's file in a released folder.
pub const CONFIG: &str = "config.json";

/// How many patients a thread explains together at most: their rows fill a few chunks.
const TOGETHER: usize = 16;
/// Up to so many patients are not worth waking another thread for.
const FEW: usize = 8;

/// Why a released folder cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file cannot be read.
    #[error("{}: {source}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// `config.json` is not what this program knows.
    #[error("{}, line {}, column {}: {source}", file.display(), source.line(), source.column())]
    Config {
        /// The file.
        file: PathBuf,
        /// The cause.
        source: serde_json::Error,
    },
    /// The weights are not those that the configuration speaks of.
    #[error("{} is not the file that {CONFIG} was written for", _0.display())]
    Mismatch(PathBuf),
    /// The weights do not fit the configured shape.
    #[error("the weights do not fit the configuration: {0}")]
    Weights(#[from] candle_core::Error),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum PredictError {
    /// The one thing that nobody can be judged without.
    #[error("inputs hold no eGFR of the last five years")]
    NoEgfr,
    /// The network could not be run.
    #[error("the network failed: {0}")]
    Network(#[from] candle_core::Error),
}

/// What the network says of one patient.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// Cumulative incidence of kidney failure within 1 to 5 years, with its 90 % interval.
    pub risk: Vec<YearRisk>,
    /// What moves the 5-year risk away from the reference's; zero effects left out.
    pub contributions: Vec<Contribution>,
    /// 5-year risk of the reference patient.
    pub reference_risk_5y: f64,
}

impl From<Explained> for Forecast {
    fn from(Explained { course, contributions, reference }: Explained) -> Self {
        let risk = (1_u8..)
            .zip(course)
            .map(|(year, (probability, lower, upper))| YearRisk { year, probability, lower, upper })
            .collect();
        Self { risk, contributions, reference_risk_5y: reference }
    }
}

/// A released network.
#[derive(Clone, Debug)]
pub struct Predictor {
    config: Config,
    ensemble: Ensemble,
}

/// Buffers of one thread.
#[derive(Debug, Default)]
struct Scratch {
    visits: Vec<f32>,
    facts: Vec<f32>,
    workspace: Workspace,
}

thread_local! {
    /// Kept from call to call, so that a call allocates nothing but what it returns.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Predictor {
    /// Loads a released folder.
    pub fn load(folder: &Path) -> Result<Self, LoadError> {
        let read = |name: &str| {
            let file = folder.join(name);
            match std::fs::read(&file) {
                Ok(bytes) => Ok((file, bytes)),
                Err(source) => Err(LoadError::File { file, source }),
            }
        };
        let (file, json) = read(CONFIG)?;
        let config: Config =
            serde_json::from_slice(&json).map_err(|source| LoadError::Config { file, source })?;
        let (file, weights) = read(WEIGHTS)?;
        if sha256(&weights) != config.weights_sha256 {
            return Err(LoadError::Mismatch(file));
        }
        let vb = VarBuilder::from_buffered_safetensors(weights, DType::F32, &Device::Cpu)?;
        let members: Vec<Network> = (0..config.members)
            .map(|member| Network::new(&vb.pp(format!("member.{member}")), &config.shape))
            .collect::<candle_core::Result<_>>()?;
        Ok(Self::assemble(config, &members)?)
    }

    /// Puts members together that are in memory.
    pub fn assemble(config: Config, members: &[Network]) -> candle_core::Result<Self> {
        let ensemble = Ensemble::new(members, &config.shape)?;
        Ok(Self { config, ensemble })
    }

    /// The released configuration.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Name and version.
    pub const fn version(&self) -> &ModelVersion {
        &self.config.model
    }

    /// Forecasts with contributions, in the order of the inputs. It computes on rayon's threads
    /// and returns when all is done: call it off the async threads.
    pub fn predict(&self, inputs: &[PredictionInputs]) -> Result<Vec<Forecast>, PredictError> {
        let each = inputs.len().div_ceil(rayon::current_num_threads()).clamp(1, TOGETHER);
        let forecasts = inputs.par_chunks(each).map(|inputs| self.forecasts(inputs));
        Ok(forecasts.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    fn forecasts(&self, inputs: &[PredictionInputs]) -> Result<Vec<Forecast>, PredictError> {
        let patients: Vec<Patient> = inputs.iter().map(Patient::new).collect();
        if !patients.iter().all(Patient::has_egfr) {
            return Err(PredictError::NoEgfr);
        }
        Ok(explain(self, &patients).into_iter().map(Forecast::from).collect())
    }

    /// Calibrated cumulative incidences, without contributions.
    pub fn courses(&self, patients: &[Patient]) -> Result<Vec<Course>, PredictError> {
        Ok(self.courses_where(patients, |_| true))
    }

    /// The same of those whose number is whole; of the others there is no more than the last year's risk.
    pub(crate) fn courses_where(
        &self,
        patients: &[Patient],
        is_whole: impl Fn(usize) -> bool + Sync,
    ) -> Vec<Course> {
        let mut courses = vec![Course::default(); patients.len()];
        in_chunks(&mut courses, 1, |scratch, first, courses| {
            scratch.read(&patients[first..first + courses.len()]);
            let Scratch { visits, facts, workspace } = scratch;
            self.answer(workspace, visits, facts, courses, |row| is_whole(first + row));
        });
        courses
    }

    /// The same from what the network reads: `VISITS × VISIT_WIDTH` and `FACTS_WIDTH` numbers of
    /// each patient, as [`Patient`] writes them.
    pub fn courses_of(&self, visits: &[f32], facts: &[f32]) -> Vec<Course> {
        let mut courses = vec![Course::default(); facts.len() / FACTS_WIDTH];
        in_chunks(&mut courses, 1, |scratch, first, courses| {
            let of = |width: usize| first * width..(first + courses.len()) * width;
            let (visits, facts) = (&visits[of(VISITS * VISIT_WIDTH)], &facts[of(FACTS_WIDTH)]);
            self.answer(&mut scratch.workspace, visits, facts, courses, |_| true);
        });
        courses
    }

    /// Every member's uncalibrated cumulative incidences.
    pub fn incidences(&self, patients: &[Patient]) -> Result<Vec<Vec<[f64; YEARS]>>, PredictError> {
        let members = self.ensemble.members();
        let places = YEARS * members;
        let mut incidences = vec![0.0; patients.len() * places];
        in_chunks(&mut incidences, places, |scratch, first, incidences| {
            scratch.read(&patients[first..first + incidences.len() / places]);
            let Scratch { visits, facts, workspace } = scratch;
            incidences.copy_from_slice(self.ensemble.run(workspace, visits, facts));
        });
        let of = |member: usize| {
            let rows = incidences.chunks_exact(places);
            rows.map(|row| std::array::from_fn(|year| row[year * members + member])).collect()
        };
        Ok((0..members).map(of).collect())
    }

    /// Calibrated courses of a chunk, as [`courses_where`](Self::courses_where) has them.
    fn answer(
        &self,
        workspace: &mut Workspace,
        visits: &[f32],
        facts: &[f32],
        courses: &mut [Course],
        is_whole: impl Fn(usize) -> bool,
    ) {
        let (members, calibration) = (self.ensemble.members(), &self.config.calibration);
        let incidences = self.ensemble.run(workspace, visits, facts);
        let each = incidences.chunks_exact(YEARS * members).zip(facts.chunks_exact(FACTS_WIDTH));
        for (row, (course, (incidences, facts))) in courses.iter_mut().zip(each).enumerate() {
            if is_whole(row) {
                *course = calibration.course(incidences, &known(facts));
            } else {
                course[YEARS - 1].0 = calibration.last_risk(&incidences[(YEARS - 1) * members..]);
            }
        }
    }
}

impl Scratch {
    fn read(&mut self, patients: &[Patient]) {
        self.visits.clear();
        self.facts.clear();
        Patient::write_all(patients, &mut self.visits, &mut self.facts);
    }
}

/// Fills `out`, of which each patient has so many places, in chunks on all threads. `work` gets
/// the number of the chunk's first patient and its places.
fn in_chunks<T: Send>(
    out: &mut [T],
    places: usize,
    work: impl Fn(&mut Scratch, usize, &mut [T]) + Sync,
) {
    let patients = out.len() / places;
    if patients <= FEW {
        if 0 < patients {
            SCRATCH.with_borrow_mut(|scratch| work(scratch, 0, out));
        }
        return;
    }
    let size = patients.div_ceil(rayon::current_num_threads()).min(CHUNK);
    out.par_chunks_mut(size * places).enumerate().for_each(|(chunk, out)| {
        SCRATCH.with_borrow_mut(|scratch| work(scratch, chunk * size, out));
    });
}

/// What the network reads: visits `[rows, VISITS, VISIT_WIDTH]` and facts `[rows, FACTS_WIDTH]`.
pub fn tensors(patients: &[Patient]) -> candle_core::Result<(Tensor, Tensor)> {
    let rows = patients.len();
    let mut visits = Vec::with_capacity(rows * VISITS * VISIT_WIDTH);
    let mut facts = Vec::with_capacity(rows * FACTS_WIDTH);
    Patient::write_all(patients, &mut visits, &mut facts);
    let visits = Tensor::from_vec(visits, (rows, VISITS, VISIT_WIDTH), &Device::Cpu)?;
    Ok((visits, Tensor::from_vec(facts, (rows, FACTS_WIDTH), &Device::Cpu)?))
}

/// SHA-256, hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}
