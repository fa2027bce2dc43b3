//! `model`: simulate, train, evaluate, predict.

use std::{
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, anyhow, ensure};
use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use model::{
    card::{Evidence, Notes},
    checkpoint::CHECKPOINTS,
    cohort::{self, CohortSpec, Population, check::Fact},
    config::{Config, Shape},
    dataset::{self, Example, Record},
    evaluate::{EVERYONE, Evaluation, View, evaluate, kfre4},
    features::{Patient, table_columns},
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
    /// Hold the simulator against the published facts it was built from.
    CheckCohort {
        /// How many patients of each population.
        #[arg(long, default_value_t = 20_000)]
        patients: usize,
        /// The seed.
        #[arg(long, default_value_t = 11)]
        seed: u64,
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
        /// How to fit.
        #[command(flatten)]
        fitting: FittingOptions,
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
        /// Show only today's row: the latest value of each code, without a past.
        #[arg(long)]
        single_visit: bool,
        /// Show only KFRE's four variables.
        #[arg(long)]
        kfre_variables_only: bool,
        /// Hide half of the codes and facts of each patient.
        #[arg(long)]
        half_missing: bool,
        /// Print every subgroup, not only everyone.
        #[arg(long)]
        subgroups: bool,
    },
    /// Write the patients as one table, for models that read tables (bench/baselines).
    Features {
        /// Folder with patients.csv, observations.csv and outcomes.csv.
        #[arg(long)]
        data: PathBuf,
        /// The file to write.
        #[arg(long)]
        output: PathBuf,
    },
    /// Write a network's card: card.json, the figures and README.md.
    Card {
        /// The network's folder.
        #[arg(long)]
        model: PathBuf,
        /// Folder of a simulated hold-out, which nothing was fitted on.
        #[arg(long)]
        data: PathBuf,
        /// Results of bench/baselines on the same hold-out.
        #[arg(long)]
        baselines: Option<PathBuf>,
        /// Results of bench/inference.
        #[arg(long)]
        speed: Option<PathBuf>,
        /// How long the training took, seconds.
        #[arg(long)]
        training_seconds: Option<f64>,
        /// The day of the release.
        #[arg(long, value_parser = day)]
        released_on: chrono::NaiveDate,
        /// The folder for README.md and figures.
        #[arg(long)]
        out: PathBuf,
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

/// What experiments vary; the defaults are the release's.
#[derive(clap::Args)]
struct FittingOptions {
    /// The most passes over the data.
    #[arg(long, default_value_t = TrainSpec::default().epochs)]
    epochs: usize,
    /// Members of the ensemble.
    #[arg(long, default_value_t = TrainSpec::default().members)]
    members: usize,
    /// Rows of a step.
    #[arg(long, default_value_t = TrainSpec::default().batch)]
    batch: usize,
    /// The largest step size.
    #[arg(long, default_value_t = TrainSpec::default().learning_rate)]
    learning_rate: f64,
    /// Channels of each temporal layer.
    #[arg(long, default_value_t = Shape::default().channels)]
    channels: usize,
    /// Width of the net for the facts.
    #[arg(long, default_value_t = Shape::default().facts)]
    facts: usize,
    /// Width of the joint layer.
    #[arg(long, default_value_t = Shape::default().joint)]
    joint: usize,
}

impl FittingOptions {
    fn spec(self, seed: u64) -> TrainSpec {
        let Self { epochs, members, batch, learning_rate, channels, facts, joint } = self;
        let shape = Shape { channels, facts, joint, ..Shape::default() };
        TrainSpec { shape, epochs, members, batch, learning_rate, seed, ..TrainSpec::default() }
    }
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Simulate { patients, seed, population, futures, out } => {
            simulate(&CohortSpec { patients, seed, population, futures }, &out)
        }
        Command::CheckCohort { patients, seed } => Ok(check_cohort(patients, seed)),
        Command::Train { data, out, seed, fitting, version, trained_on } => {
            run_training(&data, &out, &fitting.spec(seed), version, trained_on)
        }
        Command::Evaluate {
            model,
            data,
            single_visit,
            kfre_variables_only,
            half_missing,
            subgroups,
        } => {
            let view = View { single_visit, kfre_variables_only, half_missing };
            run_evaluation(&model, &data, view, subgroups)
        }
        Command::Features { data, output } => write_features(&data, &output),
        Command::Card { model, data, baselines, speed, training_seconds, released_on, out } => {
            let notes = Notes { baselines, speed, training_seconds, released_on };
            write_card(&model, &data, &notes, &out)
        }
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

fn day(text: &str) -> Result<chrono::NaiveDate, String> {
    text.parse().map_err(|_| "a day as 2026-01-31 is wanted".to_owned())
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

/// Fails when a fact is missed.
fn check_cohort(patients: usize, seed: u64) -> ExitCode {
    let facts = cohort::check::check(patients, seed);
    println!("| population | what | published | accepted | simulated | met |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for fact in &facts {
        let Fact { population, what, published, low, high, simulated } = fact;
        let met = if fact.is_met() { "yes" } else { "no" };
        println!(
            "| {population} | {what} | {published} | {low:.3} to {high:.3} | {simulated:.3} | {met} |"
        );
    }
    if facts.iter().all(Fact::is_met) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
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
    fs::create_dir_all(out).with_context(|| format!("{} cannot be made", out.display()))?;
    let checkpoints = out.join(CHECKPOINTS);
    let trained = train(&examples, spec, model, trained_on, Some(&checkpoints), &|progress| {
        bar.inc(1);
        bar.set_message(format!(
            "member {} pass {}: loss {:.4}, validation {:.4}, AUROC at 2 and 5 years {:.4} and {:.4}",
            progress.member + 1,
            progress.epoch + 1,
            progress.loss,
            progress.validation_loss,
            progress.validation_auroc.0,
            progress.validation_auroc.1
        ));
        if bar.is_hidden() {
            eprintln!("{}", bar.message());
        }
        ControlFlow::Continue(())
    })?;
    bar.finish();
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

fn run_evaluation(
    folder: &Path,
    data: &Path,
    view: View,
    subgroups: bool,
) -> anyhow::Result<ExitCode> {
    let predictor = Predictor::load(folder)?;
    let evaluation = evaluate(&predictor, &dataset::read_examples(data)?, view)?;
    let name = match view {
        whole if whole == View::default() => "metrics.json".to_owned(),
        _ => format!("metrics-{}.json", view.name().replace([' ', ','], "-").replace('\'', "")),
    };
    let file = folder.join(name);
    fs::write(&file, serde_json::to_string_pretty(&evaluation)? + "\n")
        .with_context(|| format!("{} cannot be written", file.display()))?;
    print_table(&evaluation, subgroups);
    Ok(ExitCode::SUCCESS)
}

fn print_table(evaluation: &Evaluation, subgroups: bool) {
    let Evaluation { model, patients, view, .. } = evaluation;
    println!("{model} on {patients} patients, {}", view.name());
    println!(
        "| voice | of | group | years | patients | events | observed | predicted | AUROC (95 %) | C \
         | slope | calibration error | Brier | scaled Brier |"
    );
    println!("|{}", " --- |".repeat(14));
    let optional = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.4}"));
    for row in evaluation.rows.iter().filter(|row| subgroups || row.group == EVERYONE) {
        let interval = row
            .auroc_interval
            .map_or(String::new(), |(low, high)| format!(" ({low:.4} to {high:.4})"));
        println!(
            "| {} | {} | {} | {} | {} | {} | {:.4} | {:.4} | {}{interval} | {} | {:.3} | {:.4} | \
             {:.4} | {:.3} |",
            row.voice,
            row.base,
            row.group,
            row.years,
            row.patients,
            row.events,
            row.observed,
            row.predicted,
            optional(row.auroc),
            optional(row.c_index),
            row.calibration_slope,
            row.calibration_error,
            row.brier,
            row.scaled_brier
        );
    }
    if let Some((at_2y, at_5y)) = evaluation.coverage {
        println!("true risk inside the 90 % interval: {at_2y:.3} at 2 years, {at_5y:.3} at 5");
    }
}

fn write_features(data: &Path, output: &Path) -> anyhow::Result<ExitCode> {
    let examples = dataset::read_examples(data)?;
    let mut writer = csv::Writer::from_path(output)
        .with_context(|| format!("{} cannot be written", output.display()))?;
    let columns = table_columns();
    writer.write_record(
        ["id", "years", "event"].into_iter().chain(columns.iter().map(String::as_str)),
    )?;
    let bar = bar(examples.len(), "patients");
    let mut row = Vec::new();
    for Example { record, outcome, .. } in &examples {
        row.clear();
        Patient::new(&record.inputs).write_table(&mut row);
        let event = serde_json::to_value(outcome.event)?;
        let event = event.as_str().unwrap_or_default().to_owned();
        let known = [record.id.clone(), outcome.years.to_string(), event];
        let shown = row.iter().map(|x| if x.is_nan() { String::new() } else { x.to_string() });
        writer.write_record(known.into_iter().chain(shown))?;
        bar.inc(1);
    }
    writer.flush()?;
    bar.finish();
    Ok(ExitCode::SUCCESS)
}

fn write_card(folder: &Path, data: &Path, notes: &Notes, out: &Path) -> anyhow::Result<ExitCode> {
    let predictor = Predictor::load(folder)?;
    let examples = dataset::read_examples(data)?;
    let evidence = Evidence::gather(&predictor, &examples, notes)?;
    let card = evidence.card(&predictor);
    let faults = card.faults();
    ensure!(faults.is_empty(), "the card is not whole: {}", faults.join("; "));
    let write = |file: PathBuf, text: String| {
        fs::write(&file, text).with_context(|| format!("{} cannot be written", file.display()))
    };
    write(folder.join("metrics.json"), serde_json::to_string_pretty(&evidence.whole)? + "\n")?;
    write(folder.join("card.json"), serde_json::to_string_pretty(&card)? + "\n")?;
    let figures = out.join("figures");
    fs::create_dir_all(&figures)?;
    for figure in &card.figures {
        write(figures.join(format!("{}.svg", figure.name)), figure.svg.clone())?;
    }
    write(out.join("README.md"), evidence.readme(&predictor, &card))?;
    println!("card.json is in {}, README.md in {}", folder.display(), out.display());
    Ok(ExitCode::SUCCESS)
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
