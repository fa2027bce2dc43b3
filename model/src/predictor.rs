//! A released network, loaded once and asked many times.

use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use sha2::{Digest, Sha256};
use shared::prediction::{Contribution, ModelVersion, PredictionInputs, YearRisk};

use crate::{
    calibration::cumulative_incidence,
    config::{Config, YEARS},
    explain,
    features::{FACTS_WIDTH, Patient, VISIT_WIDTH, VISITS},
    network::Network,
};

/// Name of the weights' file in a released folder.
pub const WEIGHTS: &str = "weights.safetensors";
/// Name of the configuration's file in a released folder.
pub const CONFIG: &str = "config.json";

/// Rows that go through the network together: enough for the gemm, few enough for the cache.
const CHUNK: usize = 512;

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

/// Cumulative incidence by year, calibrated: (risk, lower, upper).
pub type Course = [(f64, f64, f64); YEARS];

/// A released network.
#[derive(Clone, Debug)]
pub struct Predictor {
    config: Config,
    members: Vec<Network>,
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
        let members = (0..config.members)
            .map(|member| Network::new(&vb.pp(format!("member.{member}")), &config.shape))
            .collect::<candle_core::Result<_>>()?;
        Ok(Self { config, members })
    }

    /// Puts members together that are in memory.
    pub const fn assemble(config: Config, members: Vec<Network>) -> Self {
        Self { config, members }
    }

    /// The released configuration.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Name and version.
    pub const fn version(&self) -> &ModelVersion {
        &self.config.model
    }

    /// Forecasts with contributions, in the order of the inputs. It computes on the calling
    /// thread and candle's own.
    pub fn predict(&self, inputs: &[PredictionInputs]) -> Result<Vec<Forecast>, PredictError> {
        let patients: Vec<Patient> = inputs.iter().map(Patient::new).collect();
        if !patients.iter().all(Patient::has_egfr) {
            return Err(PredictError::NoEgfr);
        }
        let courses = self.courses(&patients)?;
        let explained = explain::explain(self, &patients)?;
        let forecasts =
            courses.into_iter().zip(explained).map(|(course, (contributions, reference))| {
                let risk = (1_u8..)
                    .zip(course)
                    .map(|(year, (probability, lower, upper))| YearRisk {
                        year,
                        probability,
                        lower,
                        upper,
                    })
                    .collect();
                Forecast { risk, contributions, reference_risk_5y: reference }
            });
        Ok(forecasts.collect())
    }

    /// Calibrated cumulative incidences, without contributions.
    pub fn courses(&self, patients: &[Patient]) -> Result<Vec<Course>, PredictError> {
        let mut courses = Vec::with_capacity(patients.len());
        for chunk in patients.chunks(CHUNK) {
            let members = self.incidences(chunk)?;
            courses
                .extend((0..chunk.len()).map(|row| self.calibrated(|member| members[member][row])));
        }
        Ok(courses)
    }

    /// Every member's uncalibrated cumulative incidences.
    pub fn incidences(&self, patients: &[Patient]) -> Result<Vec<Vec<[f64; YEARS]>>, PredictError> {
        let (visits, facts) = tensors(patients)?;
        let incidences = self.members.iter().map(|member| {
            let log_probabilities = member.forward(&visits, &facts)?.flatten_all()?;
            let values = log_probabilities.to_vec1::<f32>()?;
            Ok(values.chunks_exact(YEARS * 3).map(cumulative_incidence).collect())
        });
        incidences.collect()
    }

    /// Mean and interval over the members, neither risk nor bounds ever falling with the years.
    fn calibrated(&self, member: impl Fn(usize) -> [f64; YEARS]) -> Course {
        let members: Vec<[f64; YEARS]> = (0..self.members.len()).map(member).collect();
        let mut course = [(0.0, 0.0, 0.0); YEARS];
        let mut before = (0.0_f64, 0.0_f64, 0.0_f64);
        for (year, slot) in course.iter_mut().enumerate() {
            let risks: Vec<f64> = members.iter().map(|incidence| incidence[year]).collect();
            let (risk, lower, upper) = self.config.calibration.apply(year, &risks);
            before = (risk.max(before.0), lower.max(before.1), upper.max(before.2));
            *slot = before;
        }
        course
    }
}

/// What the network reads: visits `[rows, VISITS, VISIT_WIDTH]` and facts `[rows, FACTS_WIDTH]`.
pub fn tensors(patients: &[Patient]) -> candle_core::Result<(Tensor, Tensor)> {
    let rows = patients.len();
    let mut visits = Vec::with_capacity(rows * VISITS * VISIT_WIDTH);
    let mut facts = Vec::with_capacity(rows * FACTS_WIDTH);
    for patient in patients {
        patient.write_visits(&mut visits);
        patient.write_facts(&mut facts);
    }
    let visits = Tensor::from_vec(visits, (rows, VISITS, VISIT_WIDTH), &Device::Cpu)?;
    Ok((visits, Tensor::from_vec(facts, (rows, FACTS_WIDTH), &Device::Cpu)?))
}

/// SHA-256, hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}
