//! A file as rows of cells, whatever program wrote it.

use csv::{ByteRecord, ReaderBuilder};
use serde_json::{Map, Value};
use shared::{
    import::{ImportColumn, ImportField, ImportKind, MOST_ROWS, guess},
    phrase,
    problem::FieldProblem,
    sentence,
};

use crate::error::{Error, Result};

/// How many rows show what a column holds.
const SAMPLES: usize = 3;
/// The most columns of a file.
const MOST_COLUMNS: usize = 100;
/// The most characters of a cell that a sample shows.
const SAMPLE: usize = 60;

/// A JSON object's fields.
type Object = Map<String, Value>;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The line of the file on which it begins, from 1.
    pub number: u64,
    /// Its cells, in the order of the columns; of a row that is none, what stands there.
    pub cells: Vec<String>,
    /// What keeps it from being one.
    pub fault: Option<String>,
}

/// A file, read.
#[derive(Clone, Debug)]
pub struct Table {
    /// The heads of its columns.
    pub heads: Vec<String>,
    /// Its rows.
    pub lines: Vec<Line>,
}

/// Reads a CSV file: separated by commas, semicolons or tabs, with or without a byte order mark,
/// with either end of line.
pub fn read_csv(bytes: &[u8]) -> Result<Table> {
    let whole_text = text(bytes)?;
    let (separator, text) = separator(whole_text);
    // A first line that only names the separator is counted, too.
    let skipped = u64::from(text.len() < whole_text.len());
    let mut reader = ReaderBuilder::new()
        .delimiter(separator)
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut heads: Option<Vec<String>> = None;
    let mut lines = Vec::new();
    let mut lines_counted = LineCount { at: 0, line: 1 };
    let mut record = ByteRecord::new();
    let unreadable = |_| Error::Malformed("the file is not CSV".to_owned());
    while reader.read_byte_record(&mut record).map_err(unreadable)? {
        let number = skipped + lines_counted.to(text, record.position());
        let cells: Vec<String> =
            record.iter().map(|cell| String::from_utf8_lossy(cell).trim().to_owned()).collect();
        let Some(heads) = &heads else {
            heads = Some(cells);
            continue;
        };
        // Spreadsheets leave rows of empty cells behind.
        if cells.iter().all(String::is_empty) {
            continue;
        }
        let fault = (cells.len() != heads.len())
            .then(|| format!("has {} cells where the head has {}", cells.len(), heads.len()));
        push(&mut lines, Line { number, cells, fault })?;
    }
    whole(heads.unwrap_or_default(), lines)
}

/// On which line the reader stands. Its own count is behind by one where lines end in two
/// characters.
struct LineCount {
    at: usize,
    line: u64,
}

impl LineCount {
    /// The line on which the row at this position begins.
    fn to(&mut self, text: &str, position: Option<&csv::Position>) -> u64 {
        let begin = position.and_then(|position| usize::try_from(position.byte()).ok());
        let begin = begin.unwrap_or(self.at).clamp(self.at, text.len());
        let bytes = text.as_bytes();
        // What ends the lines before belongs to them.
        let ends = bytes[begin..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let begin = begin + ends;
        let passed = bytes[self.at..begin].split(|byte| *byte == b'\n').count() - 1;
        self.line += passed as u64;
        self.at = begin;
        self.line
    }
}

/// Reads newline-delimited JSON: an object on each line, with the fields' names.
pub fn read_ndjson(bytes: &[u8]) -> Result<Table> {
    let text = text(bytes)?;
    let mut heads: Vec<String> = Vec::new();
    let mut objects: Vec<(u64, &str, Option<Object>)> = Vec::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        if MOST_ROWS <= objects.len() {
            return Err(too_many());
        }
        let object = match serde_json::from_str(line) {
            Ok(Value::Object(object)) => Some(object),
            _ => None,
        };
        for name in object.iter().flat_map(Map::keys) {
            if !heads.contains(name) {
                heads.push(name.clone());
            }
            if MOST_COLUMNS < heads.len() {
                return Err(too_wide());
            }
        }
        objects.push((number, line, object));
    }
    let mut lines = Vec::with_capacity(objects.len());
    for (number, line, object) in objects {
        let (cells, fault) = match object {
            None => (vec![line.to_owned()], Some("is not a JSON object".to_owned())),
            Some(object) => {
                let cells =
                    heads.iter().map(|head| object.get(head).map_or(Some(String::new()), cell));
                match cells.collect::<Option<Vec<String>>>() {
                    Some(cells) => (cells, None),
                    None => (vec![line.to_owned()], Some("holds an object or a list".to_owned())),
                }
            }
        };
        push(&mut lines, Line { number, cells, fault })?;
    }
    whole(heads, lines)
}

/// A JSON value as a cell; `None` for what no cell holds.
fn cell(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::Bool(is) => Some(is.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

fn push(lines: &mut Vec<Line>, line: Line) -> Result<()> {
    if MOST_ROWS <= lines.len() {
        return Err(too_many());
    }
    lines.push(line);
    Ok(())
}

fn too_many() -> Error {
    Error::field("", sentence!("must have at most {MOST_ROWS} rows: cut the file into several"))
}

fn too_wide() -> Error {
    Error::field("", sentence!("must have at most {MOST_COLUMNS} columns"))
}

fn whole(heads: Vec<String>, lines: Vec<Line>) -> Result<Table> {
    if MOST_COLUMNS < heads.len() {
        return Err(too_wide());
    }
    if lines.is_empty() {
        return Err(Error::field("", phrase!("must have a head and at least one row")));
    }
    Ok(Table { heads, lines })
}

/// The file's text without a byte order mark. Anything but UTF-8 is refused: guessing would break
/// names.
fn text(bytes: &[u8]) -> Result<&str> {
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err(Error::field("", phrase!("is UTF-16: save it as “CSV UTF-8”")));
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = before.split(|byte| *byte == b'\n').count();
        Error::field("", sentence!("is not UTF-8 on line {line}: save it as “CSV UTF-8”"))
    })
}

/// What separates the cells, and the text that it separates: the first line says so in the way of
/// spreadsheets, or it is what stands most often in the head, outside quotes.
fn separator(text: &str) -> (u8, &str) {
    if let Some(rest) = text.strip_prefix("sep=")
        && let Some((separator, rest)) = rest.split_once('\n')
        && let Some(separator @ (b',' | b';' | b'\t')) = separator.bytes().next()
    {
        return (separator, rest);
    }
    let head = text.lines().next().unwrap_or_default();
    let count = |separator: u8| {
        let mut quoted = false;
        let outside = head.bytes().filter(|byte| {
            quoted ^= *byte == b'"';
            !quoted && *byte == separator
        });
        outside.count()
    };
    // The first of equals, so a comma where nothing separates.
    let most = [b'\t', b';', b','].into_iter().max_by_key(|separator| count(*separator));
    (most.unwrap_or(b','), text)
}

/// What a file's columns hold.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// What the file holds, if its columns tell.
    pub kind: Option<ImportKind>,
    /// The field of each column; `None` for one that nothing is taken from.
    pub fields: Vec<Option<ImportField>>,
    /// Why rows cannot be read by it.
    pub problems: Vec<FieldProblem>,
}

impl Mapping {
    /// By the heads alone, or as somebody chose it: the fields' names in the order of the columns,
    /// `-` for what is left out.
    pub fn new(table: &Table, chosen: Option<&str>) -> Self {
        let mut problems = Vec::new();
        let mut fault = |pointer: String, message: String| {
            problems.push(FieldProblem::new(pointer, message));
        };
        let fields: Vec<Option<ImportField>> = match chosen {
            None => table.heads.iter().map(|head| guess(head)).collect(),
            Some(chosen) => {
                let names: Vec<&str> = chosen.split(',').map(str::trim).collect();
                if names.len() != table.heads.len() {
                    let wanted = table.heads.len();
                    let message =
                        sentence!("must name {wanted} columns, not {named}", named = names.len());
                    fault("/columns".to_owned(), message);
                }
                (0..table.heads.len())
                    .map(|index| names.get(index).and_then(|name| ImportField::parse(name)))
                    .collect()
            }
        };
        for (index, (head, field)) in table.heads.iter().zip(&fields).enumerate() {
            let name = chosen.and_then(|chosen| chosen.split(',').nth(index)).map(str::trim);
            match field {
                // Left out on purpose.
                None if name == Some("-") => {}
                None => {
                    let head: String = head.chars().take(SAMPLE).collect();
                    let message = sentence!(
                        "column {column} (“{head}”) is not one that is known here: choose what it holds, \
                         or leave it out",
                        column = index + 1
                    );
                    fault(format!("/columns/{index}"), message);
                }
                Some(field) if fields[..index].contains(&Some(*field)) => {
                    let message = sentence!(
                        "column {column} holds {field} once more",
                        column = index + 1,
                        field = field.name()
                    );
                    fault(format!("/columns/{index}"), message);
                }
                Some(_) => {}
            }
        }
        let mut kinds = fields.iter().flatten().filter_map(|field| field.kind());
        let kind = kinds.next();
        if kinds.any(|other| Some(other) != kind) {
            let message = phrase!("a file holds patients or values, not both");
            fault("/columns".to_owned(), message.to_owned());
        }
        for field in ImportField::ALL.into_iter().filter(|field| field.is_required()) {
            let belongs = field.kind().is_none() || field.kind() == kind;
            if belongs && !fields.contains(&Some(field)) {
                fault(
                    "/columns".to_owned(),
                    sentence!("the column {column} is missing", column = field.name()),
                );
            }
        }
        if kind.is_none() {
            let message = phrase!("no column tells whether these are patients or values");
            fault("/columns".to_owned(), message.to_owned());
        }
        Self { kind, fields, problems }
    }

    /// The columns as they are shown.
    pub fn columns(&self, table: &Table) -> Vec<ImportColumn> {
        let sample = |index: usize| {
            let first = table.lines.iter().filter(|line| line.fault.is_none()).take(SAMPLES);
            first.map(|line| line.cells[index].chars().take(SAMPLE).collect()).collect()
        };
        let heads = table.heads.iter().zip(&self.fields).enumerate();
        heads
            .map(|(index, (head, field))| ImportColumn {
                head: head.clone(),
                field: *field,
                samples: sample(index),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Table {
        read_csv(text.as_bytes()).unwrap()
    }

    #[test]
    fn whatever_a_spreadsheet_writes_is_the_same_table() {
        let plain = read("mrn,value\nM-1,\"a, b\"\n");
        assert_eq!(plain.heads, ["mrn", "value"]);
        assert_eq!(plain.lines[0].cells, ["M-1", "a, b"]);
        for other in [
            "\u{FEFF}mrn,value\r\nM-1,\"a, b\"\r\n",
            "mrn;value\nM-1;a, b",
            "mrn\tvalue\r\nM-1\ta, b\r\n",
            "sep=;\r\nmrn;value\r\nM-1;a, b\r\n;\r\n",
        ] {
            let table = read(other);
            assert_eq!(table.heads, plain.heads, "{other:?}");
            assert_eq!(table.lines.len(), 1, "{other:?}");
            assert_eq!(table.lines[0].cells, plain.lines[0].cells, "{other:?}");
        }
    }

    #[test]
    fn a_row_is_known_by_the_line_on_which_it_begins() {
        let numbers = |text: &str| read(text).lines.iter().map(|l| l.number).collect::<Vec<_>>();
        assert_eq!(numbers("a,b\n1,2\n\"x\ny\",3\n4,5\n"), [2, 3, 5]);
        assert_eq!(numbers("a,b\r\n1,2\r\n\r\n\"x\r\ny\",3\r\n4,5\r\n"), [2, 4, 6]);
        assert_eq!(numbers("sep=,\na,b\n1,2\n"), [3]);
        let table = read("a,b\n1\n");
        assert_eq!(table.lines[0].fault.as_deref(), Some("has 1 cells where the head has 2"));
    }

    #[test]
    fn what_is_not_utf_8_is_refused_with_its_line() {
        for (bytes, told) in
            [(&b"a,b\n1,2\nM\xFCller,3\n"[..], "line 3"), (b"\xFF\xFEa\0", "UTF-16")]
        {
            let Err(Error::Invalid(faults)) = read_csv(bytes) else { panic!("{told}") };
            assert!(faults[0].message.contains(told), "{faults:?}");
        }
        assert!(read_csv(b"").is_err());
        assert!(read_csv(b"mrn,value\n").is_err());
    }

    #[test]
    fn json_lines_become_the_same_rows() {
        let text = "{\"mrn\":\"M-1\",\"value\":1.5}\n\n[1]\n{\"value\":null,\"mrn\":\"M-2\"}\n\
                    {\"mrn\":{}}\n";
        let table = read_ndjson(text.as_bytes()).unwrap();
        assert_eq!(table.heads, ["mrn", "value"]);
        let cells: Vec<_> = table.lines.iter().map(|line| line.cells.join("|")).collect();
        assert_eq!(cells, ["M-1|1.5", "[1]", "M-2|", "{\"mrn\":{}}"]);
        let faulty: Vec<_> = table.lines.iter().map(|line| line.fault.is_some()).collect();
        assert_eq!(faulty, [false, true, false, true]);
        assert_eq!(table.lines[2].number, 4);
    }

    #[test]
    fn columns_are_guessed_chosen_and_checked() {
        let table = read("MRN;Cognome;Nome;Data di nascita;Sesso;Ward\n1;2;3;4;5;6\n");
        let guessed = Mapping::new(&table, None);
        assert_eq!(guessed.kind, Some(ImportKind::Patients));
        assert_eq!(guessed.problems.len(), 1, "{:?}", guessed.problems);
        let chosen = "mrn,family_name,given_name,birth_date,sex,-";
        assert_eq!(Mapping::new(&table, Some(chosen)).problems, []);
        let twice = "mrn,family_name,family_name,birth_date,value,smoker";
        let pointers: Vec<_> = Mapping::new(&table, Some(twice))
            .problems
            .into_iter()
            .map(|problem| problem.pointer)
            .collect();
        assert_eq!(pointers, ["/columns/2", "/columns", "/columns", "/columns"]);
        assert_eq!(Mapping::new(&table, Some("mrn")).problems[0].pointer, "/columns");
    }
}
