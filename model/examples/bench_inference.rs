//! Our half of `bench/inference`: answers one line on standard input with one on standard output.
//!
//! `risks SET PATIENTS SECONDS`: tensors in, calibrated risks out. `inputs …`: the same from
//! frozen inputs. `predict …`: the same with contributions. `gemm SECONDS`: floating-point
//! operations a second of a large matrix product. The answer is the median time of a call.

use std::{
    fs,
    hint::black_box,
    io::{BufRead, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use candle_core::{Device, Tensor};
use clap::Parser;
use model::{
    cohort::{self, CohortSpec, Population},
    config::{Shape, YEARS},
    dataset,
    features::{FACTS_WIDTH, Patient, VISITS},
    network::{cone, layers},
    predictor::Predictor,
};
use shared::prediction::PredictionInputs;

/// Patients of a set: the largest batch.
const PATIENTS: usize = 4096;
/// Rows and columns of the matrices whose product shows what the machine can do.
const GEMM: usize = 1024;

#[derive(Parser)]
struct Cli {
    /// The network's folder.
    #[arg(long)]
    model: PathBuf,
    /// The folder that gets what both sides read.
    #[arg(long)]
    out: PathBuf,
}

/// Patients, and what the network reads of them.
struct Set {
    name: &'static str,
    inputs: Vec<PredictionInputs>,
    visits: Vec<f32>,
    facts: Vec<f32>,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let predictor = Predictor::load(&cli.model)?;
    let sets = sets(&cli.out)?;
    for set in &sets {
        set.write(&predictor, &cli.out)?;
    }
    println!("ready {}", flops(&predictor.config().shape) * predictor.config().members);
    for line in std::io::stdin().lock().lines() {
        let answer = answer(&line?, &predictor, &sets)?;
        println!("{answer:e}");
        std::io::stdout().flush()?;
    }
    Ok(())
}

fn answer(line: &str, predictor: &Predictor, sets: &[Set]) -> anyhow::Result<f64> {
    let words: Vec<&str> = line.split_whitespace().collect();
    if let ["gemm", seconds] = words[..] {
        return gemm(seconds.parse()?);
    }
    let [what, name, patients, seconds] = words[..] else { bail!("{line}: four words") };
    let set = sets.iter().find(|set| set.name == name).context("there is no such set")?;
    let (patients, seconds): (usize, f64) = (patients.parse()?, seconds.parse()?);
    ensure!(patients <= PATIENTS, "there are {PATIENTS} patients");
    let inputs = &set.inputs[..patients];
    let visits = &set.visits[..set.visits.len() / PATIENTS * patients];
    let facts = &set.facts[..FACTS_WIDTH * patients];
    match what {
        "risks" => median(seconds, || Ok(predictor.courses_of(visits, facts).len())),
        "inputs" => median(seconds, || {
            let patients: Vec<Patient> = inputs.iter().map(Patient::new).collect();
            Ok(predictor.courses(&patients)?.len())
        }),
        "predict" => median(seconds, || Ok(predictor.predict(inputs)?.len())),
        _ => bail!("{what}: unknown"),
    }
}

/// Calls for so many seconds and returns the median time of a call, in seconds.
fn median(seconds: f64, call: impl Fn() -> anyhow::Result<usize>) -> anyhow::Result<f64> {
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let mut times = Vec::new();
    while times.is_empty() || Instant::now() < end {
        let begun = Instant::now();
        black_box(call()?);
        times.push(begun.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

fn gemm(seconds: f64) -> anyhow::Result<f64> {
    let matrix = || Tensor::rand(-1.0_f32, 1.0, (GEMM, GEMM), &Device::Cpu);
    let (a, b) = (matrix()?, matrix()?);
    let time = median(seconds, || Ok(a.matmul(&b)?.dims().len()))?;
    Ok(2.0 * (GEMM as f64).powi(3) / time)
}

/// Operations that one member cannot do without for one patient with a full course: a
/// multiplication and an addition for every weight, at every position that it is needed at.
fn flops(shape: &Shape) -> usize {
    let positions = cone(&shape.dilations);
    let layers = layers(shape);
    let times = |index: usize| positions.get(index).map_or(1, Vec::len);
    layers.iter().enumerate().map(|(i, (_, input, output))| 2 * input * output * times(i)).sum()
}

/// Simulated patients as they come, and those of them whose course is full.
fn sets(out: &Path) -> anyhow::Result<[Set; 2]> {
    let spec = CohortSpec {
        patients: 16 * PATIENTS,
        seed: 2027,
        population: Population::Mixed,
        futures: 0,
    };
    let data = out.join("cohort");
    fs::create_dir_all(&data)?;
    dataset::write(&data, cohort::simulate(&spec), false)?;
    let inputs: Vec<PredictionInputs> =
        dataset::read_examples(&data)?.into_iter().map(|example| example.record.inputs).collect();
    let is_full = |inputs: &&PredictionInputs| Patient::new(inputs).visits.len() == VISITS;
    let full: Vec<PredictionInputs> = inputs.iter().filter(is_full).cloned().collect();
    ensure!(!full.is_empty(), "no simulated patient has a full course");
    let full = full.into_iter().cycle().take(PATIENTS).collect();
    let mixed = inputs.into_iter().take(PATIENTS).collect();
    Ok([Set::new("full", full), Set::new("mixed", mixed)])
}

impl Set {
    fn new(name: &'static str, inputs: Vec<PredictionInputs>) -> Self {
        let (mut visits, mut facts) = (Vec::new(), Vec::new());
        for patient in inputs.iter().map(Patient::new) {
            patient.write_visits(&mut visits);
            patient.write_facts(&mut facts);
        }
        Self { name, inputs, visits, facts }
    }

    /// Writes the tensors, and every member's incidences to compare with.
    fn write(&self, predictor: &Predictor, out: &Path) -> anyhow::Result<()> {
        let bytes = |values: &[f32]| -> Vec<u8> {
            values.iter().flat_map(|value| value.to_le_bytes()).collect()
        };
        let patients: Vec<Patient> = self.inputs.iter().map(Patient::new).collect();
        let incidences: Vec<f32> = predictor
            .incidences(&patients)?
            .into_iter()
            .flatten()
            .flat_map(|years: [f64; YEARS]| years.map(|incidence| incidence as f32))
            .collect();
        let name = self.name;
        fs::write(out.join(format!("{name}.visits.f32")), bytes(&self.visits))?;
        fs::write(out.join(format!("{name}.facts.f32")), bytes(&self.facts))?;
        fs::write(out.join(format!("{name}.incidences.f32")), bytes(&incidences))?;
        Ok(())
    }
}
