//! Rows to take away, in three formats, a batch at a time.

use std::{
    io,
    sync::{Arc, Mutex},
};

use anyhow::Context;
use axum::body::Bytes;
use parquet::{
    basic::Compression,
    data_type::{BoolType, ByteArray, ByteArrayType, DoubleType},
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::{parser::parse_message_type, types::Type},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shared::summary::{SummaryField, SummaryMeasure};
use utoipa::ToSchema;
use uuid::Uuid;

use super::anonymity::{self, Anonymisation, Filter, QUASI_IDENTIFIERS};
use crate::db::summaries::StoredRow;

/// A file format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Comma-separated values (RFC 4180) with a head.
    #[default]
    Csv,
    /// One JSON object per line.
    Ndjson,
    /// Apache Parquet.
    Parquet,
}

impl Format {
    /// Its media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Ndjson => "application/x-ndjson",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }

    /// The name of the file.
    pub const fn disposition(self) -> &'static str {
        match self {
            Self::Csv => "attachment; filename=\"nephrocast-rows.csv\"",
            Self::Ndjson => "attachment; filename=\"nephrocast-rows.ndjson\"",
            Self::Parquet => "attachment; filename=\"nephrocast-rows.parquet\"",
        }
    }
}

/// A person without identity. Values are coarse: an exact one may be known to somebody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExportRow {
    /// Differs from token to token (from account to account, for people who signed in).
    pub pseudonym: String,
    /// Sex.
    pub sex: String,
    /// Age band.
    pub age_band: String,
    /// Cause of kidney disease.
    pub cause: String,
    /// Diabetes.
    pub diabetes: String,
    /// Year of the first eGFR.
    pub year: String,
    /// KDIGO's G category.
    pub stage: String,
    /// KDIGO's A category.
    pub albuminuria: String,
    /// Risk category.
    pub risk_category: String,
    /// Whether they reached kidney failure.
    pub kidney_failure: bool,
    /// Whether they died.
    pub died: bool,
    /// The latest eGFR, whole mL/min/1.73 m².
    pub egfr: Option<f64>,
    /// Its yearly change, to 0.5.
    pub egfr_slope: Option<f64>,
    /// The latest uACR, mg/g, to two digits.
    pub uacr: Option<f64>,
    /// The latest systolic blood pressure, to 5 mmHg.
    pub systolic_bp: Option<f64>,
    /// The latest haemoglobin, to 0.5 g/dL.
    pub haemoglobin: Option<f64>,
    /// The latest HbA1c, to 0.5 %.
    pub hba1c: Option<f64>,
    /// The latest 5-year risk, to 0.01.
    pub risk_5y: Option<f64>,
    /// Whole years of follow-up.
    pub follow_up: Option<f64>,
}

/// Makes rows fit to leave.
#[derive(Debug)]
pub struct Anonymiser {
    decided: Arc<Anonymisation>,
    /// What each value of each quasi-identifier is called, once it is coarse.
    coarse: [Vec<String>; QUASI_IDENTIFIERS.len()],
    /// What each value of each field is called.
    names: [Vec<String>; SummaryField::ALL.len()],
    /// The token or the account that asks.
    reader: Uuid,
}

impl Anonymiser {
    /// For one reader of one publication.
    pub fn new(decided: Arc<Anonymisation>, published_in: i32, reader: Uuid) -> Self {
        let names = SummaryField::ALL.map(|field| field.values(published_in));
        let coarse = std::array::from_fn(|place| {
            let count = names[QUASI_IDENTIFIERS[place] as usize].len();
            let values = 0..u8::try_from(count).expect("fields have few values");
            let levels = decided.levels;
            values.map(|value| anonymity::name(place, value, levels, published_in)).collect()
        });
        Self { decided, coarse, names, reader }
    }

    /// The rows of those who do not stand out.
    pub fn rows(&self, stored: &[StoredRow]) -> Vec<ExportRow> {
        let filter = Filter::new(&self.decided);
        stored.iter().filter_map(|row| self.row(row, &filter)).collect()
    }

    fn row(&self, stored: &StoredRow, filter: &Filter<'_>) -> Option<ExportRow> {
        let values = stored.values();
        let class = filter.class(&values)?;
        let [sex, age_band, cause, diabetes, year] =
            std::array::from_fn(|place| self.coarse[place][usize::from(class[place])].clone());
        let named = |field: SummaryField| {
            self.names[field as usize][usize::from(values[field as usize])].clone()
        };
        let measure = |measure: SummaryMeasure| {
            let value = stored.measures.get(measure as usize).copied().flatten()?;
            Some(coarse(measure, f64::from(value)))
        };
        Some(ExportRow {
            pseudonym: self.pseudonym(&stored.key),
            sex,
            age_band,
            cause,
            diabetes,
            year,
            stage: named(SummaryField::Stage),
            albuminuria: named(SummaryField::Albuminuria),
            risk_category: named(SummaryField::RiskCategory),
            kidney_failure: stored.kidney_failure,
            died: stored.died,
            egfr: measure(SummaryMeasure::Egfr),
            egfr_slope: measure(SummaryMeasure::EgfrSlope),
            uacr: measure(SummaryMeasure::Uacr),
            systolic_bp: measure(SummaryMeasure::SystolicBp),
            haemoglobin: measure(SummaryMeasure::Haemoglobin),
            hba1c: measure(SummaryMeasure::Hba1c),
            risk_5y: measure(SummaryMeasure::Risk5y),
            follow_up: measure(SummaryMeasure::FollowUp),
        })
    }

    /// The key is secret, so its hash with the reader says nothing to another reader.
    fn pseudonym(&self, key: &[u8]) -> String {
        let digest = Sha256::new().chain_update(key).chain_update(self.reader).finalize();
        hex::encode(&digest[..12])
    }
}

/// A value without the digits by which somebody might know it, and without extremes.
fn coarse(measure: SummaryMeasure, value: f64) -> f64 {
    let (low, high, steps_per_unit) = match measure {
        SummaryMeasure::Age => (0.0, 90.0, 0.1),
        SummaryMeasure::Egfr => (5.0, 125.0, 1.0),
        SummaryMeasure::EgfrSlope => (-12.0, 12.0, 2.0),
        SummaryMeasure::Uacr => {
            let value = value.clamp(3.0, 3000.0);
            let unit = 10_f64.powf(value.log10().floor() - 1.0).max(1.0);
            return (value / unit).round() * unit;
        }
        SummaryMeasure::SystolicBp => (90.0, 210.0, 0.2),
        SummaryMeasure::Haemoglobin => (6.0, 18.0, 2.0),
        SummaryMeasure::Hba1c => (4.0, 13.0, 2.0),
        SummaryMeasure::Risk5y => (0.0, 1.0, 100.0),
        SummaryMeasure::FollowUp => (0.0, 20.0, 1.0),
    };
    (value.clamp(low, high) * steps_per_unit).round() / steps_per_unit
}

/// Writes rows in a format. What is written is taken out after every batch.
pub enum Writer {
    /// See [`Format::Csv`]; whether the head is still to come.
    Csv(bool),
    /// See [`Format::Ndjson`].
    Ndjson,
    /// See [`Format::Parquet`].
    Parquet(Box<ParquetWriter>),
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl Writer {
    /// A file of this format.
    pub fn new(format: Format) -> anyhow::Result<Self> {
        Ok(match format {
            Format::Csv => Self::Csv(true),
            Format::Ndjson => Self::Ndjson,
            Format::Parquet => Self::Parquet(Box::new(ParquetWriter::new()?)),
        })
    }

    /// The next piece of the file.
    pub fn write(&mut self, rows: &[ExportRow]) -> anyhow::Result<Bytes> {
        match self {
            Self::Csv(head) => {
                let head = std::mem::take(head);
                let mut csv = csv::WriterBuilder::new().has_headers(head).from_writer(Vec::new());
                for row in rows {
                    csv.serialize(row)?;
                }
                Ok(csv.into_inner().context("the last line")?.into())
            }
            Self::Ndjson => {
                let mut text = Vec::new();
                for row in rows {
                    serde_json::to_writer(&mut text, row)?;
                    text.push(b'\n');
                }
                Ok(text.into())
            }
            Self::Parquet(parquet) => parquet.write(rows),
        }
    }

    /// The end of the file.
    pub fn end(self) -> anyhow::Result<Bytes> {
        match self {
            Self::Csv(_) | Self::Ndjson => Ok(Bytes::new()),
            Self::Parquet(parquet) => parquet.end(),
        }
    }
}

/// Where Parquet writes to, and what has been written is taken from.
#[derive(Clone, Debug, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn take(&self) -> Bytes {
        std::mem::take(&mut *self.0.lock().expect("no holder of the lock panics")).into()
    }
}

impl io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no holder of the lock panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A Parquet file, one row group for each batch.
pub struct ParquetWriter {
    buffer: Buffer,
    file: SerializedFileWriter<Buffer>,
}

/// A column of the file, and where its values come from.
type Column<T> = (&'static str, fn(&ExportRow) -> T);

/// The same, for text that the row holds.
type TextColumn = (&'static str, fn(&ExportRow) -> &str);

const TEXTS: [TextColumn; 9] = [
    ("pseudonym", |row| &row.pseudonym),
    ("sex", |row| &row.sex),
    ("age_band", |row| &row.age_band),
    ("cause", |row| &row.cause),
    ("diabetes", |row| &row.diabetes),
    ("year", |row| &row.year),
    ("stage", |row| &row.stage),
    ("albuminuria", |row| &row.albuminuria),
    ("risk_category", |row| &row.risk_category),
];
const FLAGS: [Column<bool>; 2] =
    [("kidney_failure", |row| row.kidney_failure), ("died", |row| row.died)];
const NUMBERS: [Column<Option<f64>>; 8] = [
    ("egfr", |row| row.egfr),
    ("egfr_slope", |row| row.egfr_slope),
    ("uacr", |row| row.uacr),
    ("systolic_bp", |row| row.systolic_bp),
    ("haemoglobin", |row| row.haemoglobin),
    ("hba1c", |row| row.hba1c),
    ("risk_5y", |row| row.risk_5y),
    ("follow_up", |row| row.follow_up),
];

impl ParquetWriter {
    fn new() -> anyhow::Result<Self> {
        let buffer = Buffer::default();
        let properties = WriterProperties::builder().set_compression(Compression::UNCOMPRESSED);
        let properties = Arc::new(properties.build());
        let file = SerializedFileWriter::new(buffer.clone(), Arc::new(schema()?), properties)?;
        Ok(Self { buffer, file })
    }

    fn write(&mut self, rows: &[ExportRow]) -> anyhow::Result<Bytes> {
        let mut group = self.file.next_row_group()?;
        for (_, text) in TEXTS {
            let values: Vec<ByteArray> =
                rows.iter().map(|row| ByteArray::from(text(row))).collect();
            let mut column = group.next_column()?.context("a column for each text")?;
            column.typed::<ByteArrayType>().write_batch(&values, None, None)?;
            column.close()?;
        }
        for (_, flag) in FLAGS {
            let values: Vec<bool> = rows.iter().map(flag).collect();
            let mut column = group.next_column()?.context("a column for each flag")?;
            column.typed::<BoolType>().write_batch(&values, None, None)?;
            column.close()?;
        }
        for (_, number) in NUMBERS {
            let values: Vec<f64> = rows.iter().filter_map(number).collect();
            let is_there: Vec<i16> =
                rows.iter().map(|row| i16::from(number(row).is_some())).collect();
            let mut column = group.next_column()?.context("a column for each number")?;
            column.typed::<DoubleType>().write_batch(&values, Some(&is_there), None)?;
            column.close()?;
        }
        group.close()?;
        Ok(self.buffer.take())
    }

    fn end(self) -> anyhow::Result<Bytes> {
        self.file.close()?;
        Ok(self.buffer.take())
    }
}

fn schema() -> anyhow::Result<Type> {
    let texts = TEXTS.iter().map(|(name, _)| format!("required binary {name} (UTF8);"));
    let flags = FLAGS.iter().map(|(name, _)| format!("required boolean {name};"));
    let numbers = NUMBERS.iter().map(|(name, _)| format!("optional double {name};"));
    let columns: Vec<String> = texts.chain(flags).chain(numbers).collect();
    Ok(parse_message_type(&format!("message rows {{ {} }}", columns.join(" ")))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_lose_their_digits() {
        assert_eq!(coarse(SummaryMeasure::Egfr, 47.34), 47.0);
        assert_eq!(coarse(SummaryMeasure::Uacr, 1234.0), 1200.0);
        assert_eq!(coarse(SummaryMeasure::Uacr, 9999.0), 3000.0);
        assert_eq!(coarse(SummaryMeasure::SystolicBp, 133.0), 135.0);
        assert_eq!(coarse(SummaryMeasure::Hba1c, 7.3), 7.5);
    }
}
