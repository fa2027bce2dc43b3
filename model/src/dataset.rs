//! Patients as CSV files: what `simulate` writes, what `train`, `evaluate` and `predict` read.
//!
//! `patients.csv` has one row per patient with the facts and, where they are known, today's values;
//! `observations.csv` adds the past; `outcomes.csv` says how it went. A faulty line is named with
//! its number and reason.

use std::{
    collections::HashMap,
    fmt,
    path::{Path, PathBuf},
};

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use shared::{
    clinical::{self, Plausibility, egfr::ckd_epi_2021_creatinine, quantity::CreatinineMgDl},
    observation::{ObservationCode, ObservationMethod},
    patient::{RenalDisease, Sex},
    prediction::{BiopsyInput, InputValue, KfreRegion, PredictionInputs},
    therapy::TherapyKind,
};

use crate::cohort::SimulatedPatient;

/// How a follow-up ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Dialysis or transplantation.
    KidneyFailure,
    /// Death before kidney failure.
    Death,
    /// Neither, until the follow-up ended.
    Censored,
}

/// A follow-up: how long, and what ended it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Years from the day of the prediction.
    pub years: f64,
    /// What ended it.
    pub event: Event,
}

/// One patient of a data set.
#[derive(Clone, Debug)]
pub struct Record {
    /// The row's own id.
    pub id: String,
    /// What a prediction would rest on.
    pub inputs: PredictionInputs,
}

/// One patient with what happened.
#[derive(Clone, Debug)]
pub struct Example {
    /// The patient.
    pub record: Record,
    /// What happened.
    pub outcome: Outcome,
    /// The true 2- and 5-year risk; only simulated patients have one.
    pub truth: Option<(f64, f64)>,
}

/// What is wrong with a line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; the header is line 1.
    pub line: u64,
    /// The column's name, where one is to blame.
    pub column: Option<String>,
    /// What is wrong.
    pub reason: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}", self.file.display(), self.line)?;
        if let Some(column) = &self.column {
            write!(f, ", column {column}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// Why a file cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// It cannot be read or written.
    #[error("{}: {source}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// The cause.
        source: csv::Error,
    },
    /// Its first line lacks a column, or has one that is not known.
    #[error("{}: {reason}", file.display())]
    Header {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A line is faulty where every line counts.
    #[error("{0}")]
    Line(Fault),
}

/// Files with values are read as of this day; only the distances in time matter.
fn as_of() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 1, 1).expect("the first of January is a day")
}

fn months_ago(months: f64) -> DateTime<Utc> {
    let noon = as_of().and_time(NaiveTime::MIN).and_utc() + TimeDelta::hours(12);
    noon - TimeDelta::seconds((months * 30.4375 * 86_400.0) as i64)
}

const FACT_COLUMNS: [&str; 19] = [
    "id",
    "age",
    "sex",
    "diabetes",
    "hypertension",
    "cardiovascular_disease",
    "heart_failure",
    "smoker",
    "renal_disease",
    "ras_inhibitor",
    "sglt2_inhibitor",
    "immunosuppression",
    "mest_m",
    "mest_e",
    "mest_s",
    "mest_t",
    "mest_c",
    "biopsy_months_before",
    "region",
];

/// Columns with today's values, their code and unit.
const VALUE_COLUMNS: [(&str, ObservationCode, &str); 11] = [
    ("egfr", ObservationCode::Egfr, "mL/min/{1.73_m2}"),
    ("creatinine_umol_l", ObservationCode::Creatinine, "umol/L"),
    ("uacr_mg_g", ObservationCode::Uacr, "mg/g"),
    ("upcr_mg_g", ObservationCode::Upcr, "mg/g"),
    ("albumin_g_dl", ObservationCode::Albumin, "g/dL"),
    ("phosphate_mg_dl", ObservationCode::Phosphate, "mg/dL"),
    ("bicarbonate_meq_l", ObservationCode::Bicarbonate, "meq/L"),
    ("calcium_mg_dl", ObservationCode::Calcium, "mg/dL"),
    ("potassium_mmol_l", ObservationCode::Potassium, "mmol/L"),
    ("haemoglobin_g_dl", ObservationCode::Haemoglobin, "g/dL"),
    ("systolic_bp_mmhg", ObservationCode::SystolicBp, "mm[Hg]"),
];

/// A file that is read line by line.
struct Table {
    file: PathBuf,
    columns: HashMap<String, usize>,
    reader: csv::Reader<std::fs::File>,
}

/// One line of a table; its getters say which column is wrong.
struct Line<'a> {
    file: &'a Path,
    number: u64,
    columns: &'a HashMap<String, usize>,
    fields: csv::StringRecord,
}

impl Table {
    fn open(file: &Path) -> Result<Self, DatasetError> {
        let failed = |source| DatasetError::File { file: file.to_owned(), source };
        let mut reader =
            csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(file).map_err(failed)?;
        let header = reader.headers().map_err(failed)?.clone();
        let columns: HashMap<String, usize> =
            header.iter().enumerate().map(|(index, name)| (name.to_owned(), index)).collect();
        if columns.len() != header.len() {
            let reason = "line 1 names a column twice".to_owned();
            return Err(DatasetError::Header { file: file.to_owned(), reason });
        }
        Ok(Self { file: file.to_owned(), columns, reader })
    }

    /// Refuses a header without what is needed, or with a name that is not known: a misspelt
    /// column must not silently count as unknown.
    fn check(&self, needed: &[&str], known: &[&str]) -> Result<(), DatasetError> {
        let missing = needed.iter().find(|name| !self.columns.contains_key(**name));
        let unknown = self.columns.keys().find(|name| !known.contains(&name.as_str()));
        let reason = match (missing, unknown) {
            (Some(name), _) => format!("line 1 lacks the column {name}"),
            (None, Some(name)) => format!("line 1 has an unknown column, {name}"),
            (None, None) => return Ok(()),
        };
        Err(DatasetError::Header { file: self.file.clone(), reason })
    }

    /// Calls `each` with every line; a line that is no CSV is a fault like any other.
    fn lines(
        &mut self,
        mut each: impl FnMut(Result<Line<'_>, Fault>) -> Result<(), DatasetError>,
    ) -> Result<(), DatasetError> {
        let mut fields = csv::StringRecord::new();
        loop {
            let number = self.reader.position().line();
            match self.reader.read_record(&mut fields) {
                Ok(false) => return Ok(()),
                Ok(true) => {
                    let number = fields.position().map_or(number, csv::Position::line);
                    let (file, columns) = (self.file.as_path(), &self.columns);
                    each(Ok(Line { file, number, columns, fields: fields.clone() }))?;
                }
                Err(error) if error.is_io_error() => {
                    return Err(DatasetError::File { file: self.file.clone(), source: error });
                }
                Err(error) => {
                    let number = error.position().map_or(number, csv::Position::line);
                    let reason = reason_of(&error);
                    each(Err(Fault {
                        file: self.file.clone(),
                        line: number,
                        column: None,
                        reason,
                    }))?;
                }
            }
        }
    }
}

fn reason_of(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} fields where the header has {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "is not UTF-8".to_owned(),
        _ => error.to_string(),
    }
}

impl Line<'_> {
    fn text(&self, column: &str) -> &str {
        self.columns.get(column).and_then(|index| self.fields.get(*index)).unwrap_or_default()
    }

    fn fault(&self, column: &str, reason: impl Into<String>) -> Fault {
        Fault {
            file: self.file.to_owned(),
            line: self.number,
            column: Some(column.to_owned()),
            reason: reason.into(),
        }
    }

    fn needed(&self, column: &str) -> Result<&str, Fault> {
        match self.text(column) {
            "" => Err(self.fault(column, "is blank")),
            text => Ok(text),
        }
    }

    fn number(&self, column: &str) -> Result<Option<f64>, Fault> {
        let text = self.text(column);
        if text.is_empty() {
            return Ok(None);
        }
        let number: Option<f64> = text.parse().ok().filter(|number: &f64| number.is_finite());
        number.map(Some).ok_or_else(|| self.fault(column, format!("{text} is not a number")))
    }

    fn needed_number(&self, column: &str) -> Result<f64, Fault> {
        self.number(column)?.ok_or_else(|| self.fault(column, "is blank"))
    }

    fn flag(&self, column: &str) -> Result<Option<bool>, Fault> {
        match self.text(column).to_ascii_lowercase().as_str() {
            "" => Ok(None),
            "1" | "true" | "yes" => Ok(Some(true)),
            "0" | "false" | "no" => Ok(Some(false)),
            other => Err(self.fault(column, format!("{other} is neither 1 nor 0"))),
        }
    }

    /// A name of an enumeration as on the wire.
    fn name<T: serde::de::DeserializeOwned>(&self, column: &str) -> Result<Option<T>, Fault> {
        let text = self.text(column);
        if text.is_empty() {
            return Ok(None);
        }
        serde_json::from_value(serde_json::Value::String(text.to_ascii_lowercase()))
            .map(Some)
            .map_err(|_| self.fault(column, format!("{text} is not a name that is known here")))
    }

    fn score(&self, column: &str, most: u8) -> Result<Option<u8>, Fault> {
        let Some(number) = self.number(column)? else { return Ok(None) };
        let score = (0..=most).find(|score| f64::from(*score) == number);
        score.map(Some).ok_or_else(|| self.fault(column, format!("must be from 0 to {most}")))
    }
}

/// Everything that could be read, and every fault of the lines that could not.
#[derive(Debug, Default)]
pub struct Reading {
    /// The patients, in the file's order.
    pub records: Vec<Record>,
    /// What is wrong with the others.
    pub faults: Vec<Fault>,
}

/// Reads patients, and their past from `observations` where there is such a file. A faulty line
/// leaves out its patient.
pub fn read_patients(file: &Path, observations: Option<&Path>) -> Result<Reading, DatasetError> {
    let mut table = Table::open(file)?;
    let values = VALUE_COLUMNS.map(|(name, ..)| name);
    let known: Vec<&str> = FACT_COLUMNS.iter().chain(&values).copied().collect();
    table.check(&["id", "age", "sex"], &known)?;
    let mut reading = Reading::default();
    let mut index_of: HashMap<String, usize> = HashMap::new();
    table.lines(|line| {
        let record = line.and_then(|line| {
            let record = patient(&line)?;
            match index_of.insert(record.id.clone(), reading.records.len()) {
                None => Ok(record),
                Some(_) => Err(line.fault("id", format!("{} is there twice", record.id))),
            }
        });
        match record {
            Ok(record) => reading.records.push(record),
            Err(fault) => reading.faults.push(fault),
        }
        Ok(())
    })?;
    if let Some(observations) = observations {
        read_past(observations, &index_of, &mut reading)?;
    }
    for record in &mut reading.records {
        complete(&mut record.inputs);
    }
    Ok(reading)
}

fn patient(line: &Line<'_>) -> Result<Record, Fault> {
    let id = line.needed("id")?.to_owned();
    let age = line.needed_number("age")?;
    if !(0.0..=120.0).contains(&age) {
        return Err(line.fault("age", "must be from 0 to 120 years"));
    }
    let sex: Sex = line.name("sex")?.ok_or_else(|| line.fault("sex", "is blank"))?;
    let mut therapies = Vec::new();
    for (column, kind) in [
        ("ras_inhibitor", TherapyKind::RasInhibitor),
        ("sglt2_inhibitor", TherapyKind::Sglt2Inhibitor),
        ("immunosuppression", TherapyKind::Immunosuppression),
    ] {
        if line.flag(column)? == Some(true) {
            therapies.push(kind);
        }
    }
    let mut values = Vec::new();
    for (column, code, unit) in VALUE_COLUMNS {
        if let Some(number) = line.number(column)? {
            values.push(value(line, column, code, (number, unit), 0.0)?);
        }
    }
    let inputs = PredictionInputs {
        as_of: as_of(),
        age_years: age as u32,
        sex,
        diabetes: line.flag("diabetes")?,
        hypertension: line.flag("hypertension")?,
        cardiovascular_disease: line.flag("cardiovascular_disease")?,
        heart_failure: line.flag("heart_failure")?,
        smoker: line.flag("smoker")?,
        renal_disease: line.name("renal_disease")?.unwrap_or(RenalDisease::Unknown),
        region: line.name("region")?.unwrap_or(KfreRegion::NorthAmerica),
        therapies,
        biopsy: biopsy(line)?,
        outcomes: Vec::new(),
        values,
    };
    Ok(Record { id, inputs })
}

fn biopsy(line: &Line<'_>) -> Result<Option<BiopsyInput>, Fault> {
    let months = line.number("biopsy_months_before")?.unwrap_or(0.0).max(0.0);
    let biopsy = BiopsyInput {
        performed_on: months_ago(months).date_naive(),
        m: line.score("mest_m", 1)?,
        e: line.score("mest_e", 1)?,
        s: line.score("mest_s", 1)?,
        t: line.score("mest_t", 2)?,
        c: line.score("mest_c", 2)?,
    };
    let scores = [biopsy.m, biopsy.e, biopsy.s, biopsy.t, biopsy.c];
    Ok(scores.iter().any(Option::is_some).then_some(biopsy))
}

fn value(
    line: &Line<'_>,
    column: &str,
    code: ObservationCode,
    (number, unit): (f64, &str),
    months_before: f64,
) -> Result<InputValue, Fault> {
    let canonical = clinical::to_canonical(code, number, unit)
        .map_err(|problem| line.fault(column, problem.to_string()))?;
    if let wrong @ Plausibility::Implausible { .. } = clinical::plausibility(code, canonical) {
        return Err(line.fault(column, wrong.to_string()));
    }
    Ok(InputValue {
        code,
        value: canonical,
        unit: code.canonical_unit().to_owned(),
        effective_at: months_ago(months_before),
        method: ObservationMethod::Reported,
    })
}

fn read_past(
    file: &Path,
    index_of: &HashMap<String, usize>,
    reading: &mut Reading,
) -> Result<(), DatasetError> {
    let mut table = Table::open(file)?;
    let columns = ["id", "months_before", "code", "value", "unit"];
    table.check(&columns, &columns)?;
    table.lines(|line| {
        let read = line.and_then(|line| {
            let months = line.needed_number("months_before")?;
            if !(0.0..=1200.0).contains(&months) {
                return Err(line.fault("months_before", "must be from 0 to 1200"));
            }
            let code = ObservationCode::parse_or_reason(line.needed("code")?)
                .map_err(|reason| line.fault("code", reason))?;
            let number = line.needed_number("value")?;
            let value = value(&line, "value", code, (number, line.needed("unit")?), months)?;
            Ok((line.needed("id")?.to_owned(), value))
        });
        match read {
            // A value of a patient whose own line is faulty goes with it.
            Ok((id, value)) => {
                if let Some(record) = index_of.get(&id).and_then(|i| reading.records.get_mut(*i)) {
                    record.inputs.values.push(value);
                }
            }
            Err(fault) => reading.faults.push(fault),
        }
        Ok(())
    })
}

/// Puts the values in order of time, each creatinine with the eGFR that it means (CKD-EPI 2021),
/// as the record does.
fn complete(inputs: &mut PredictionInputs) {
    let mut computed = Vec::new();
    for value in &inputs.values {
        let Some(creatinine) = value.quantity::<CreatinineMgDl>() else { continue };
        let years_ago = (inputs.as_of - value.effective_at.date_naive()).num_days() as f64 / 365.25;
        let age = (f64::from(inputs.age_years) - years_ago).max(0.0) as u32;
        if let Some(egfr) = ckd_epi_2021_creatinine(creatinine, age, inputs.sex) {
            computed.push(InputValue {
                code: ObservationCode::Egfr,
                value: egfr.get(),
                unit: ObservationCode::Egfr.canonical_unit().to_owned(),
                method: ObservationMethod::CkdEpi2021Creatinine,
                ..value.clone()
            });
        }
    }
    inputs.values.append(&mut computed);
    inputs.values.sort_by_key(|value| value.effective_at);
}

/// Reads a folder with all three files; here every line counts.
pub fn read_examples(folder: &Path) -> Result<Vec<Example>, DatasetError> {
    let observations = folder.join("observations.csv");
    let observations = observations.exists().then_some(observations);
    let reading = read_patients(&folder.join("patients.csv"), observations.as_deref())?;
    if let Some(fault) = reading.faults.into_iter().next() {
        return Err(DatasetError::Line(fault));
    }
    let mut outcomes = read_outcomes(&folder.join("outcomes.csv"))?;
    let file = folder.join("patients.csv");
    reading
        .records
        .into_iter()
        .map(|record| {
            let (outcome, truth) = outcomes.remove(&record.id).ok_or_else(|| {
                let reason = format!("{} has no line in outcomes.csv", record.id);
                DatasetError::Header { file: file.clone(), reason }
            })?;
            Ok(Example { record, outcome, truth })
        })
        .collect()
}

type End = (Outcome, Option<(f64, f64)>);
type Ends = HashMap<String, End>;

fn read_outcomes(file: &Path) -> Result<Ends, DatasetError> {
    let mut table = Table::open(file)?;
    let known = ["id", "years", "event", "true_risk_2y", "true_risk_5y"];
    table.check(&known[..3], &known)?;
    let mut outcomes = Ends::new();
    table.lines(|line| {
        let line = line.map_err(DatasetError::Line)?;
        let (id, outcome) = outcome(&line).map_err(DatasetError::Line)?;
        if outcomes.insert(id, outcome).is_some() {
            return Err(DatasetError::Line(line.fault("id", "is there twice")));
        }
        Ok(())
    })?;
    Ok(outcomes)
}

fn outcome(line: &Line<'_>) -> Result<(String, End), Fault> {
    let years = line.needed_number("years")?;
    if years <= 0.0 {
        return Err(line.fault("years", "must be more than 0"));
    }
    let event = line.name("event")?.ok_or_else(|| line.fault("event", "is blank"))?;
    let truth = line.number("true_risk_2y")?.zip(line.number("true_risk_5y")?);
    Ok((line.needed("id")?.to_owned(), (Outcome { years, event }, truth)))
}

/// Writes a cohort as the three files.
pub fn write(
    folder: &Path,
    patients: impl Iterator<Item = SimulatedPatient>,
    with_truth: bool,
) -> Result<(), DatasetError> {
    let open = |name: &str| {
        let file = folder.join(name);
        csv::Writer::from_path(&file).map_err(|source| DatasetError::File { file, source })
    };
    let mut facts = open("patients.csv")?;
    let mut past = open("observations.csv")?;
    let mut ends = open("outcomes.csv")?;
    let write = |writer: &mut csv::Writer<std::fs::File>, row: &[String]| {
        let file = folder.to_owned();
        writer.write_record(row).map_err(|source| DatasetError::File { file, source })
    };
    write(&mut facts, &FACT_COLUMNS.map(str::to_owned))?;
    write(&mut past, &["id", "months_before", "code", "value", "unit"].map(str::to_owned))?;
    let truth: &[&str] = if with_truth { &["true_risk_2y", "true_risk_5y"] } else { &[] };
    let header: Vec<String> =
        ["id", "years", "event"].iter().chain(truth).map(|name| (*name).to_owned()).collect();
    write(&mut ends, &header)?;
    for (index, patient) in patients.enumerate() {
        let id = (index + 1).to_string();
        write(&mut facts, &fact_row(&id, &patient))?;
        for seen in &patient.observations {
            let row = [
                id.clone(),
                format!("{:.2}", seen.months_before),
                seen.code.as_str().to_owned(),
                seen.value.to_string(),
                seen.unit.to_owned(),
            ];
            write(&mut past, &row)?;
        }
        let mut row =
            vec![id, format!("{:.4}", patient.outcome.years), wire_name(&patient.outcome.event)];
        if with_truth {
            row.extend([patient.true_risk_2y.to_string(), patient.true_risk_5y.to_string()]);
        }
        write(&mut ends, &row)?;
    }
    Ok(())
}

fn fact_row(id: &str, patient: &SimulatedPatient) -> Vec<String> {
    let flag = |set: Option<bool>| set.map_or(String::new(), |set| u8::from(set).to_string());
    let takes = |kind| flag(Some(patient.therapies.iter().any(|(taken, _)| *taken == kind)));
    let scores = patient.biopsy.map(|(scores, _)| scores);
    let score = |score: Option<u8>| score.map_or(String::new(), |score| score.to_string());
    vec![
        id.to_owned(),
        patient.age_years.to_string(),
        wire_name(&patient.sex),
        flag(Some(patient.diabetes)),
        flag(Some(patient.hypertension)),
        flag(Some(patient.cardiovascular_disease)),
        flag(Some(patient.heart_failure)),
        flag(patient.smoker),
        wire_name(&patient.renal_disease),
        takes(TherapyKind::RasInhibitor),
        takes(TherapyKind::Sglt2Inhibitor),
        takes(TherapyKind::Immunosuppression),
        score(scores.map(|scores| scores.m)),
        score(scores.map(|scores| scores.e)),
        score(scores.map(|scores| scores.s)),
        score(scores.map(|scores| scores.t)),
        score(scores.and_then(|scores| scores.c)),
        patient.biopsy.map_or(String::new(), |(_, months)| format!("{months:.1}")),
        "north_america".to_owned(),
    ]
}

/// The name of a variant as on the wire.
fn wire_name<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}
