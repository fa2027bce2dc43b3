//! Files of rows, in three formats, a batch at a time.

use std::{
    io::{self, Write as _},
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
use utoipa::ToSchema;

use super::export::ExportRow;

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
    pub fn write(&mut self, rows: &[ExportRow<'_>]) -> anyhow::Result<Bytes> {
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
                let mut text = Vec::with_capacity(rows.len() * LINE);
                for row in rows {
                    write_line(&mut text, row)?;
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

/// About as many bytes as a line of JSON has.
const LINE: usize = 400;

/// One JSON object. Written column by column, which takes half as long as by way of `Serialize`:
/// names of values and pseudonyms hold nothing that JSON would escape.
fn write_line(text: &mut Vec<u8>, row: &ExportRow<'_>) -> io::Result<()> {
    let mut before = '{';
    for (name, of) in TEXTS {
        write!(text, "{before}\"{name}\":\"{}\"", of(row))?;
        before = ',';
    }
    for (name, of) in FLAGS {
        write!(text, ",\"{name}\":{}", of(row))?;
    }
    for (name, of) in NUMBERS {
        match of(row) {
            Some(value) => write!(text, ",\"{name}\":{value}")?,
            None => write!(text, ",\"{name}\":null")?,
        }
    }
    text.extend_from_slice(b"}\n");
    Ok(())
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
type Column<T> = (&'static str, fn(&ExportRow<'_>) -> T);

/// The same, for text that the row holds.
type TextColumn = (&'static str, for<'a> fn(&'a ExportRow<'_>) -> &'a str);

const TEXTS: [TextColumn; 9] = [
    ("pseudonym", |row| &row.pseudonym),
    ("sex", |row| row.sex),
    ("age_band", |row| row.age_band),
    ("cause", |row| row.cause),
    ("diabetes", |row| row.diabetes),
    ("year", |row| row.year),
    ("stage", |row| row.stage),
    ("albuminuria", |row| row.albuminuria),
    ("risk_category", |row| row.risk_category),
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

    fn write(&mut self, rows: &[ExportRow<'_>]) -> anyhow::Result<Bytes> {
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
    fn a_line_says_what_the_row_says() {
        let row = ExportRow {
            pseudonym: "0f1e".to_owned(),
            sex: "female",
            age_band: "18-29 to 30-39",
            cause: "any",
            diabetes: "no",
            year: "before_2013",
            stage: "G3a",
            albuminuria: "unknown",
            risk_category: "very_high",
            kidney_failure: true,
            died: false,
            egfr: Some(47.0),
            egfr_slope: Some(-1.5),
            uacr: None,
            systolic_bp: Some(135.0),
            haemoglobin: Some(12.5),
            hba1c: None,
            risk_5y: Some(0.07),
            follow_up: Some(0.0),
        };
        let text = Writer::new(Format::Ndjson).unwrap().write(&[row.clone(), row.clone()]).unwrap();
        let text = std::str::from_utf8(&text).unwrap();
        let wanted: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&serde_json::to_string(&row).unwrap()).unwrap();
        assert_eq!(text.lines().count(), 2);
        for line in text.lines() {
            let found: serde_json::Map<String, serde_json::Value> =
                serde_json::from_str(line).unwrap();
            assert!(found.keys().eq(wanted.keys()), "{line}");
            for (name, value) in &found {
                let same = value == &wanted[name] || value.as_f64() == wanted[name].as_f64();
                assert!(same, "{name}: {value}");
            }
        }
    }
}
