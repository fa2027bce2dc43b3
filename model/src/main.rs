//! `model`: simulate, train, evaluate, predict.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, anyhow, ensure};
use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use model::{
    cohort::{self, CohortSpec, Population},
    config::Config,
    dataset::{self, Example, Record},
    evaluate::{Evaluation, evaluate, kfre4},
    predictor::{CONFIG, Predictor, WEIGHTS, sha256},
    reference::{REFERENCE, Reference},
    train::{TrainSpec, train},
};
use shared::{
    clinical::assessment::{assess, kfre_for, missing_or_out_of_scope},
    prediction::{ModelVersion, PredictionInputs},
};

/// The Nephrocast classifier. The released network is trained on simulated patients.
#[derive(Parser)]
#[command(name = "model", version, about, after_help = shared::INTENDED_USE)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a simulated cohort: patients.csv, observations.csv, outcomes.csv.
    Simulate {
        /// How many patients.
        #[arg(long)]
        patients: usize,
        /// The same seed gives the same patients.
        #[arg(long)]
        seed: u64,
        /// Where they come from.
        #[arg(long, value_enum, default_value = "mixed")]
        population: Population,
        /// Futures on which each patient's true risk is counted; 0 leaves it out.
        #[arg(long, default_value_t = 200)]
        futures: usize,
        /// The folder to write to.
        #[arg(long)]
        out: PathBuf,
    },
    /// Fit an ensemble and write it as a folder that `nephrocast` loads.
    Train {
        /// Folder with patients.csv, observations.csv and outcomes.csv.
        #[arg(long)]
        data: PathBuf,
        /// The folder to write to.
        #[arg(long)]
        out: PathBuf,
        /// The same data and seed give the same weights on one machine.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The most passes over the data.
        #[arg(long, default_value_t = TrainSpec::default().epochs)]
        epochs: usize,
        /// The version to give it.
        #[arg(long, default_value = env!("CARGO_PKG_VERSION"))]
        version: String,
        /// What the data are, in words; predictions refer to it.
        #[arg(long, default_value = "simulated patients")]
        trained_on: String,
    },
    /// Compare a network with what happened; writes metrics.json into its folder.
    Evaluate {
        /// The network's folder.
        #[arg(long)]
        model: PathBuf,
        /// Folder with patients.csv, observations.csv and outcomes.csv.
        #[arg(long)]
        data: PathBuf,
    },
    /// Write the reference distribution of a network's inputs, reference.json, from the data that
    /// it was trained on; `train` does it by itself.
    Reference {
        /// The network's folder.
        #[arg(long)]
        model: PathBuf,
        /// Folder with the patients.csv, observations.csv and outcomes.csv of its training.
        #[arg(long)]
        data: PathBuf,
    },
    /// Predict for the patients of a file.
    Predict {
        /// The network's folder.
        #[arg(long)]
        model: PathBuf,
        /// Patients, one line each.
        #[arg(long)]
        input: PathBuf,
        /// Their past values.
        #[arg(long)]
        observations: Option<PathBuf>,
        /// The file to write.
        #[arg(long)]
        output: PathBuf,
    },
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Simulate { patients, seed, population, futures, out } => {
            simulate(&CohortSpec { patients, seed, population, futures }, &out)
        }
        Command::Train { data, out, seed, epochs, version, trained_on } => {
            let spec = TrainSpec { seed, epochs, ..TrainSpec::default() };
            run_training(&data, &out, &spec, version, trained_on)
        }
        Command::Evaluate { model, data } => run_evaluation(&model, &data),
        Command::Reference { model, data } => write_reference_of(&model, &data),
        Command::Predict { model, input, observations, output } => {
            predict(&model, &input, observations.as_deref(), &output)
        }
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("model: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn bar(length: usize, unit: &str) -> ProgressBar {
    let template = format!("{{elapsed_precise}} {{bar:30}} {{pos}}/{{len}} {unit} {{msg}}");
    let style = ProgressStyle::with_template(&template).expect("the template is constant");
    ProgressBar::new(length as u64).with_style(style)
}

fn simulate(spec: &CohortSpec, out: &Path) -> anyhow::Result<ExitCode> {
    fs::create_dir_all(out).with_context(|| format!("{} cannot be made", out.display()))?;
    let bar = bar(spec.patients, "patients");
    let patients = cohort::simulate(spec).inspect(|_| bar.inc(1));
    dataset::write(out, patients, 0 < spec.futures)?;
    bar.finish();
    Ok(ExitCode::SUCCESS)
}

fn run_training(
    data: &Path,
    out: &Path,
    spec: &TrainSpec,
    version: String,
    trained_on: String,
) -> anyhow::Result<ExitCode> {
    let examples = dataset::read_examples(data)?;
    let bar = bar(spec.members * spec.epochs, "passes");
    let model = ModelVersion { name: "nephrocast-cnn".to_owned(), version };
    let trained = train(&examples, spec, model, trained_on, |progress| {
        bar.set_position((progress.member * spec.epochs + progress.epoch + 1) as u64);
        bar.set_message(format!(
            "member {} pass {}: loss {:.4}, validation {:.4}, AUROC at 2 years {:.4}",
            progress.member + 1,
            progress.epoch + 1,
            progress.loss,
            progress.validation_loss,
            progress.validation_auroc_2y
        ));
        if bar.is_hidden() {
            eprintln!("{}", bar.message());
        }
    })?;
    bar.finish();
    fs::create_dir_all(out).with_context(|| format!("{} cannot be made", out.display()))?;
    let weights = out.join(WEIGHTS);
    let bytes = trained.bytes()?;
    fs::write(&weights, &bytes)
        .with_context(|| format!("{} cannot be written", weights.display()))?;
    let config = Config { weights_sha256: sha256(&bytes), ..trained.predictor.config().clone() };
    fs::write(out.join(CONFIG), serde_json::to_string_pretty(&config)? + "\n")?;
    write_reference(out, &examples)?;
    println!("{WEIGHTS}, {CONFIG} and {REFERENCE} are in {}", out.display());
    Ok(ExitCode::SUCCESS)
}

/// What the training rows look like, for the drift of inputs to be told later.
fn write_reference(folder: &Path, examples: &[Example]) -> anyhow::Result<()> {
    let rows: Vec<PredictionInputs> =
        examples.iter().map(|example| example.record.inputs.clone()).collect();
    let file = folder.join(REFERENCE);
    fs::write(&file, Reference::of(&rows).to_json())
        .with_context(|| format!("{} cannot be written", file.display()))
}

fn write_reference_of(folder: &Path, data: &Path) -> anyhow::Result<ExitCode> {
    // A folder without a network has no inputs to speak of.
    let model = Predictor::load(folder)?.version().clone();
    write_reference(folder, &dataset::read_examples(data)?)?;
    println!("{REFERENCE} of {} {} is in {}", model.name, model.version, folder.display());
    Ok(ExitCode::SUCCESS)
}

fn run_evaluation(folder: &Path, data: &Path) -> anyhow::Result<ExitCode> {
    let predictor = Predictor::load(folder)?;
    let examples = dataset::read_examples(data)?;
    let evaluation = evaluate(&predictor, &examples)?;
    fs::write(folder.join("metrics.json"), serde_json::to_string_pretty(&evaluation)? + "\n")?;
    print_table(&evaluation);
    Ok(ExitCode::SUCCESS)
}

fn print_table(evaluation: &Evaluation) {
    println!("{} on {} patients", evaluation.model, evaluation.patients);
    println!("| voice | group | years | patients | observed | predicted | AUROC | slope | Brier |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for row in &evaluation.rows {
        println!(
            "| {} | {} | {} | {} | {:.4} | {:.4} | {} | {:.3} | {:.4} |",
            row.voice,
            row.group,
            row.years,
            row.patients,
            row.observed,
            row.predicted,
            row.auroc.map_or("-".to_owned(), |auroc| format!("{auroc:.4}")),
            row.calibration_slope,
            row.brier
        );
    }
    if let Some((at_2y, at_5y)) = evaluation.coverage {
        println!("true risk inside the 90 % interval: {at_2y:.3} at 2 years, {at_5y:.3} at 5");
    }
}

const RISK_COLUMNS: [&str; 16] = [
    "id",
    "kfre4_2y",
    "kfre4_5y",
    "kfre8_2y",
    "kfre8_5y",
    "risk_1y",
    "risk_2y",
    "risk_3y",
    "risk_4y",
    "risk_5y",
    "risk_2y_lower",
    "risk_2y_upper",
    "risk_5y_lower",
    "risk_5y_upper",
    "category",
    "warnings",
];

fn predict(
    folder: &Path,
    input: &Path,
    observations: Option<&Path>,
    output: &Path,
) -> anyhow::Result<ExitCode> {
    let predictor = Predictor::load(folder)?;
    let reading = dataset::read_patients(input, observations)?;
    let mut all_went = reading.faults.is_empty();
    for fault in &reading.faults {
        eprintln!("model: {fault}");
    }
    let (records, refused): (Vec<Record>, Vec<Record>) = reading
        .records
        .into_iter()
        .partition(|record| missing_or_out_of_scope(&record.inputs).is_empty());
    for record in &refused {
        all_went = false;
        for problem in missing_or_out_of_scope(&record.inputs) {
            eprintln!("model: {}, patient {}: {}", input.display(), record.id, problem.message);
        }
    }
    let mut writer = csv::Writer::from_path(output)
        .with_context(|| format!("{} cannot be written", output.display()))?;
    writer.write_record(RISK_COLUMNS)?;
    let bar = bar(records.len(), "patients");
    for chunk in records.chunks(256) {
        let inputs: Vec<_> = chunk.iter().map(|record| record.inputs.clone()).collect();
        let forecasts = predictor.predict(&inputs)?;
        ensure!(forecasts.len() == chunk.len(), "the network answered for some patients only");
        for (record, forecast) in chunk.iter().zip(forecasts) {
            writer.write_record(risk_row(record, &forecast.risk)?)?;
            bar.inc(1);
        }
    }
    writer.flush()?;
    bar.finish();
    Ok(if all_went { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn risk_row(record: &Record, risk: &[shared::prediction::YearRisk]) -> anyhow::Result<Vec<String>> {
    let four = kfre4(&record.inputs);
    let eight = kfre_for(&record.inputs).ok().filter(|kfre| kfre.variables == 8);
    let assessment = assess(&record.inputs, risk)
        .map_err(|reasons| anyhow!("patient {} is out of scope: {reasons:?}", record.id))?;
    let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    let mut row = vec![record.id.clone()];
    for kfre in [four, eight] {
        row.push(number(kfre.as_ref().map(|kfre| kfre.risk_2y)));
        row.push(number(kfre.as_ref().map(|kfre| kfre.risk_5y)));
    }
    row.extend(risk.iter().map(|risk| risk.probability.to_string()));
    for year in [2, 5] {
        let of_year = risk.iter().find(|risk| risk.year == year);
        row.push(number(of_year.map(|risk| risk.lower)));
        row.push(number(of_year.map(|risk| risk.upper)));
    }
    let category = serde_json::to_value(assessment.category).unwrap_or_default();
    row.push(category.as_str().unwrap_or_default().to_owned());
    let warnings: Vec<String> =
        assessment.warnings.into_iter().map(|warning| warning.code).collect();
    row.push(warnings.join(" "));
    Ok(row)
}
