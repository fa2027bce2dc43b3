//! A file of patients or values on its way: cut into pieces that the server takes one by one, and its
//! faulty rows as a file to correct. Nothing here knows the browser.

use std::{collections::HashMap, fmt::Write, ops::Range};

use shared::import::{ImportColumn, ImportRow};

use crate::language::{said, t};

/// How many rows are sent at a time: what the server takes in one transaction.
pub const PIECE: usize = 500;
/// A column that nothing is taken from.
pub const LEFT_OUT: &str = "-";
/// What the file of faulty rows has before the columns of the file that they come from.
const ADDED: [&str; 2] = ["row", "what is wrong"];

/// A part of a file, with a head of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its text.
    pub text: String,
    /// On which line of the whole file each of its rows begins.
    pub rows: Vec<u64>,
}

/// Cuts the wanted rows out of a CSV file, by the lines on which they begin; `None` if they are not
/// all found (lines that end in a way of their own): then the file goes as a whole.
pub fn pieces(text: &str, wanted: &[u64]) -> Option<Vec<Piece>> {
    let (head, records) = records(text)?;
    let records: HashMap<u64, Range<usize>> = records.into_iter().collect();
    wanted
        .chunks(PIECE)
        .map(|rows| {
            let mut piece = text[head.clone()].trim_end().to_owned();
            for row in rows {
                piece.push('\n');
                piece.push_str(text[records.get(row)?.clone()].trim_end_matches(['\r', '\n']));
            }
            piece.push('\n');
            Some(Piece { text: piece, rows: rows.to_vec() })
        })
        .collect()
}

/// The line on which a row begins, and where it stands.
type Row = (u64, Range<usize>);

/// Where the head stands, and each row with the line on which it begins. A line end inside quotes
/// belongs to the row.
fn records(text: &str) -> Option<(Range<usize>, Vec<Row>)> {
    let first = text.split_inclusive('\n').next().filter(|line| line.starts_with("sep="));
    let (mut begin, mut line) = first.map_or((0, 1), |line| (line.len(), 2));
    let (mut quoted, mut lines_in_it) = (false, 0);
    let mut found = Vec::new();
    let mut end = |begin: usize, end: usize, line: u64| {
        if !text[begin..end].trim().is_empty() {
            found.push((line, begin..end));
        }
    };
    for (at, byte) in text.bytes().enumerate().skip(begin) {
        quoted ^= byte == b'"';
        lines_in_it += u64::from(byte == b'\n');
        if byte == b'\n' && !quoted {
            end(begin, at + 1, line);
            begin = at + 1;
            line += lines_in_it;
            lines_in_it = 0;
        }
    }
    end(begin, text.len(), line);
    let mut found = found.into_iter();
    let (_, head) = found.next()?;
    Some((0..head.end, found.collect()))
}

/// What each column is taken for at first: as it was for a file with the same heads, or as the server
/// guessed; empty where somebody has to choose.
pub fn first_choice(columns: &[ImportColumn], remembered: Option<&str>) -> Vec<String> {
    if let Some(remembered) = remembered {
        let names: Vec<String> = remembered.split(',').map(str::to_owned).collect();
        if names.len() == columns.len() {
            return names;
        }
    }
    let choice = |column: &ImportColumn| match column.field {
        Some(field) => field.name().to_owned(),
        None if ADDED.contains(&column.head.as_str()) => LEFT_OUT.to_owned(),
        None => String::new(),
    };
    columns.iter().map(choice).collect()
}

/// The heads of a file as one text, to know it again by.
pub fn heads(columns: &[ImportColumn]) -> String {
    let heads: Vec<&str> = columns.iter().map(|column| column.head.as_str()).collect();
    heads.join("\u{1f}")
}

/// The faulty rows as a CSV file that can be corrected and sent again.
pub fn faulty_rows(columns: &[ImportColumn], rows: &[ImportRow]) -> String {
    let mut file = String::new();
    let heads = ADDED.into_iter().chain(columns.iter().map(|column| column.head.as_str()));
    line(&mut file, heads);
    for row in rows {
        let number = row.row.to_string();
        let wrong = wrong(row);
        let before = [number.as_str(), wrong.as_str()];
        line(&mut file, before.into_iter().chain(row.cells.iter().map(String::as_str)));
    }
    file
}

/// Everything that is wrong with a row, in one line.
pub fn wrong(row: &ImportRow) -> String {
    let mut text = String::new();
    for fault in &row.errors {
        let separator = if text.is_empty() { "" } else { "; " };
        let column = if fault.column.is_empty() { t("the row") } else { &fault.column };
        // Writing to a string cannot fail.
        let _ = write!(text, "{separator}{column} {}", said(&fault.message));
    }
    text
}

fn line<'a>(file: &mut String, cells: impl Iterator<Item = &'a str>) {
    for (index, cell) in cells.enumerate() {
        if 0 < index {
            file.push(',');
        }
        // A spreadsheet would compute what begins like a formula.
        let is_formula = cell.starts_with(['=', '+', '-', '@']) && cell.parse::<f64>().is_err();
        let mark = if is_formula { "'" } else { "" };
        let _ = write!(file, "\"{mark}{}\"", cell.replace('"', "\"\""));
    }
    file.push('\n');
}

#[cfg(test)]
mod tests {
    use shared::import::{ImportFault, ImportField, ImportOutcome};

    use super::*;

    #[test]
    fn rows_are_cut_out_by_the_lines_on_which_they_begin() {
        let text = "mrn,note\r\n1,a\r\n\r\n2,\"two\r\nlines\"\r\n3,c\r\n4,d";
        let cut = pieces(text, &[2, 4, 7]).unwrap();
        let text = "mrn,note\n1,a\n2,\"two\r\nlines\"\n4,d\n".to_owned();
        assert_eq!(cut, [Piece { text, rows: vec![2, 4, 7] }]);
    }

    #[test]
    fn what_names_the_separator_stays_on_top() {
        let cut = pieces("sep=;\nmrn;note\n1;a\n", &[3]).unwrap();
        assert_eq!(cut[0].text, "sep=;\nmrn;note\n1;a\n");
    }

    #[test]
    fn many_rows_are_many_pieces() {
        let rows: Vec<u64> = (2..2 + 1001).collect();
        let text: String =
            rows.iter().fold("mrn\n".to_owned(), |text, row| format!("{text}{row}\n"));
        let cut = pieces(&text, &rows).unwrap();
        assert_eq!(cut.iter().map(|piece| piece.rows.len()).collect::<Vec<_>>(), [500, 500, 1]);
        assert_eq!(cut[2].text, "mrn\n1002\n");
        // A row that is not where it should be: the file goes as a whole.
        assert_eq!(pieces(&text, &[5000]), None);
        assert_eq!(pieces("mrn\r1\r2\r", &[2]), None);
    }

    fn column(head: &str, field: Option<ImportField>) -> ImportColumn {
        ImportColumn { head: head.to_owned(), field, samples: Vec::new() }
    }

    #[test]
    fn columns_are_what_they_were_last_time_or_what_is_guessed() {
        let columns =
            [column("row", None), column("mrn", Some(ImportField::Mrn)), column("x", None)];
        assert_eq!(first_choice(&columns, None), ["-", "mrn", ""]);
        assert_eq!(first_choice(&columns, Some("-,mrn,sex")), ["-", "mrn", "sex"]);
        assert_eq!(first_choice(&columns, Some("mrn,sex")), ["-", "mrn", ""]);
    }

    #[test]
    fn faulty_rows_become_a_file_without_formulas() {
        let fault = |column: &str, message: &str| ImportFault {
            column: column.to_owned(),
            message: message.to_owned(),
        };
        let row = ImportRow {
            row: 7,
            outcome: ImportOutcome::Faulty,
            errors: vec![fault("sex", "must be one"), fault("", "is \"odd\"")],
            cells: vec!["=1+1".to_owned(), "-5".to_owned()],
        };
        let file = faulty_rows(&[column("mrn", None), column("value", None)], &[row]);
        let (head, rows) = file.split_once('\n').unwrap();
        assert_eq!(head, r#""row","what is wrong","mrn","value""#);
        assert_eq!(rows, "\"7\",\"sex must be one; the row is \"\"odd\"\"\",\"'=1+1\",\"-5\"\n");
    }
}
