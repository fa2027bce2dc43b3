//! Values pasted from a spreadsheet: what its cells mean. Nothing here knows the browser, and nothing
//! is recorded by it: the form is filled in, and whoever pasted looks it over.

use chrono::{NaiveDate, NaiveDateTime};
use shared::observation::ObservationCode;

/// A value as far as the cells tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pasted {
    /// What was measured.
    pub code: Option<ObservationCode>,
    /// The number, with a point; empty where there is none.
    pub value: String,
    /// The UCUM unit.
    pub unit: Option<&'static str>,
    /// When, as a `datetime-local` input has it.
    pub at: Option<String>,
    /// What else stands in the line.
    pub note: String,
}

/// How the cells are to be read.
#[derive(Clone, Copy)]
pub struct Reading<'a> {
    /// The quantities by the names that people see.
    pub names: &'a [(String, ObservationCode)],
    /// Whether `3/4/2026` is a day of March.
    pub month_first: bool,
}

/// Short names of quantities that laboratories print.
const SHORT: [(&str, ObservationCode); 8] = [
    ("acr", ObservationCode::Uacr),
    ("albumin/creatinine ratio", ObservationCode::Uacr),
    ("pcr", ObservationCode::Upcr),
    ("protein/creatinine ratio", ObservationCode::Upcr),
    ("gfr", ObservationCode::Egfr),
    ("scr", ObservationCode::Creatinine),
    ("hb", ObservationCode::Haemoglobin),
    ("hemoglobin", ObservationCode::Haemoglobin),
];

/// The values of a block of cells; nothing, if it is one cell only: that is pasted as ever.
///
/// Three kinds of blocks are understood: a column of numbers; a line for each value, its cells in
/// any order; a table with quantities in its head and a line for each day.
pub fn read(text: &str, how: Reading<'_>) -> Option<Vec<Pasted>> {
    let mark = if text.contains('\t') { '\t' } else { ';' };
    let lines: Vec<Vec<&str>> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.split(mark).map(str::trim).collect())
        .collect();
    if lines.len() < 2 && lines.iter().all(|cells| cells.len() < 2) {
        return None;
    }
    let heads: Vec<_> = lines.first()?.iter().map(|cell| how.head(cell)).collect();
    let is_table = 2 <= heads.iter().flatten().count() && 1 < lines.len();
    Some(if is_table {
        lines[1..].iter().flat_map(|cells| how.row(&heads, cells)).collect()
    } else {
        lines.iter().filter_map(|cells| how.line(cells)).collect()
    })
}

/// A column's head: the quantity, and its unit if it is named.
type Head = Option<(ObservationCode, Option<&'static str>)>;

impl Reading<'_> {
    fn code(self, cell: &str) -> Option<ObservationCode> {
        let wanted = cell.to_ascii_lowercase();
        let named = self.names.iter().find(|(name, _)| name.to_ascii_lowercase() == wanted);
        let short = || SHORT.into_iter().find(|(name, _)| *name == wanted);
        named
            .map(|(_, code)| *code)
            .or_else(|| ObservationCode::parse(&wanted))
            .or_else(|| short().map(|(_, code)| code))
    }

    /// `Creatinine`, `Creatinine (mg/dL)` or `Creatinine [mg/dL]`.
    fn head(self, cell: &str) -> Head {
        let (name, unit) = cell.split_once(['(', '[']).unwrap_or((cell, ""));
        let code = self.code(name.trim())?;
        Some((code, code.unit_named(unit.trim_end_matches([')', ']']).trim())))
    }

    /// The values of one day.
    fn row(self, heads: &[Head], cells: &[&str]) -> Vec<Pasted> {
        let at = cells.iter().find_map(|cell| self.moment(cell));
        let there = heads.iter().zip(cells).filter(|(_, cell)| !cell.is_empty());
        there
            .filter_map(|(head, cell)| {
                let (code, unit) = (*head)?;
                // `<30` is no number: the empty field says so, and the note says what stood there.
                let value = number(cell);
                let note = if value.is_some() { "" } else { cell };
                Some(Pasted {
                    code: Some(code),
                    value: value.unwrap_or_default(),
                    unit,
                    at: at.clone(),
                    note: note.to_owned(),
                })
            })
            .collect()
    }

    /// The value of one line; nothing, if the line is a head or says nothing.
    fn line(self, cells: &[&str]) -> Option<Pasted> {
        let mut found = Pasted::default();
        let mut rest = Vec::new();
        for cell in cells.iter().filter(|cell| !cell.is_empty()) {
            if let (None, Some((code, unit))) = (found.code, self.head(cell)) {
                (found.code, found.unit) = (Some(code), unit);
            } else if let (None, Some(at)) = (&found.at, self.moment(cell)) {
                found.at = Some(at);
            } else if let (true, Some(number)) = (found.value.is_empty(), number(cell)) {
                found.value = number;
            } else {
                rest.push(*cell);
            }
        }
        let is_empty = found.code.is_none() && found.at.is_none() && found.value.is_empty();
        if is_empty {
            return None;
        }
        for cell in rest {
            found.take(cell);
        }
        Some(found)
    }

    fn moment(self, cell: &str) -> Option<String> {
        const MOMENTS: [&str; 4] =
            ["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"];
        let moment = MOMENTS.iter().find_map(|form| NaiveDateTime::parse_from_str(cell, form).ok());
        let text = |moment: NaiveDateTime| moment.format("%Y-%m-%dT%H:%M").to_string();
        if moment.is_some() {
            return moment.map(text);
        }
        let (day, time) = cell.split_once(' ').unwrap_or((cell, "00:00"));
        let day = self.day(day)?;
        let time = time.parse().ok().or_else(|| format!("{time}:00").parse().ok())?;
        Some(text(day.and_time(time)))
    }

    fn day(self, cell: &str) -> Option<NaiveDate> {
        if let Ok(day) = cell.parse() {
            return Some(day);
        }
        let separator = ['/', '.', '-'].into_iter().find(|mark| cell.contains(*mark))?;
        let parts: Vec<u32> =
            cell.split(separator).map(str::parse).collect::<Result<_, _>>().ok()?;
        let [first, second, year] = parts[..] else { return None };
        // What can be read in one way only is; for the rest the browser's own order holds.
        let month_first = separator == '/' && (12 < second || self.month_first && first <= 12);
        let (day, month) = if month_first { (second, first) } else { (first, second) };
        // Two digits are no year: nobody knows the century of the last century's patients.
        (1900 <= year).then(|| NaiveDate::from_ymd_opt(year.cast_signed(), month, day)).flatten()
    }
}

impl Pasted {
    /// A cell that is not the first of its kind: a unit, a number with its unit, or a remark.
    fn take(&mut self, cell: &str) {
        let unit = |code: Option<ObservationCode>, text: &str| code?.unit_named(text.trim());
        if let (None, Some(unit)) = (self.unit, unit(self.code, cell)) {
            self.unit = Some(unit);
            return;
        }
        if self.value.is_empty()
            && let Some((amount, rest)) = cell.split_once(' ')
            && let Some(number) = number(amount)
            && let Some(unit) = unit(self.code, rest)
        {
            self.value = number;
            self.unit = Some(unit);
            return;
        }
        if !self.note.is_empty() {
            self.note.push_str(", ");
        }
        self.note.push_str(cell);
    }
}

/// A number as the field takes it.
fn number(cell: &str) -> Option<String> {
    let number = cell.replace(',', ".");
    number.parse::<f64>().is_ok_and(f64::is_finite).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::{Pasted, Reading, read};
    use shared::observation::ObservationCode::{Creatinine, Egfr, Potassium, Uacr};

    fn pasted(text: &str) -> Option<Vec<Pasted>> {
        let names = [("Creatinine".to_owned(), Creatinine), ("Kalium".to_owned(), Potassium)];
        read(text, Reading { names: &names, month_first: false })
    }

    fn value(code: Option<shared::observation::ObservationCode>, value: &str) -> Pasted {
        Pasted { code, value: value.to_owned(), ..Pasted::default() }
    }

    #[test]
    fn a_single_cell_is_pasted_as_ever() {
        assert_eq!(pasted("1.8"), None);
        assert_eq!(pasted("a word or two\n"), None);
    }

    #[test]
    fn a_column_of_numbers_is_values() {
        assert_eq!(
            pasted("1.8\n28\n\n1,2\n"),
            Some(vec![value(None, "1.8"), value(None, "28"), value(None, "1.2")])
        );
    }

    #[test]
    fn a_line_is_a_value_whatever_the_order_of_its_cells() {
        let creatinine = Pasted {
            unit: Some("umol/L"),
            at: Some("2026-03-05T00:00".to_owned()),
            ..value(Some(Creatinine), "177")
        };
        let text = "Test\tResult\tUnit\tDate\nCreatinine\t177\tµmol/L\t5.3.2026\n2026-03-05\tcreatinine\tumol/L\t177";
        assert_eq!(pasted(text), Some(vec![creatinine.clone(), creatinine]));
        let noted = Pasted { note: "haemolytic".to_owned(), ..value(Some(Potassium), "5.9") };
        assert_eq!(pasted("kalium;5,9;haemolytic"), Some(vec![noted]));
        let joined = Pasted { unit: Some("mg/g{creat}"), ..value(Some(Uacr), "742") };
        assert_eq!(pasted("ACR\t742 mg/g"), Some(vec![joined]));
    }

    #[test]
    fn what_is_no_number_is_a_note_beside_an_empty_field() {
        let noted = Pasted { note: "<30".to_owned(), ..value(Some(Uacr), "") };
        assert_eq!(pasted("uacr\t<30"), Some(vec![noted.clone()]));
        let table = pasted("eGFR\tACR\n40\t<30");
        assert_eq!(table, Some(vec![value(Some(Egfr), "40"), noted]));
    }

    #[test]
    fn a_table_has_its_quantities_in_its_head_and_a_day_in_each_line() {
        let at = |day: &str, pasted: Pasted| Pasted { at: Some(format!("2026-{day}")), ..pasted };
        let text = "Date\tCreatinine (mg/dL)\teGFR\n2026-01-09 08:15\t1.8\t40\n9/4/2026\t\t38\n";
        let creatinine = Pasted { unit: Some("mg/dL"), ..value(Some(Creatinine), "1.8") };
        assert_eq!(
            pasted(text),
            Some(vec![
                at("01-09T08:15", creatinine),
                at("01-09T08:15", value(Some(Egfr), "40")),
                at("04-09T00:00", value(Some(Egfr), "38")),
            ])
        );
    }

    #[test]
    fn a_day_that_can_be_read_in_one_way_only_is() {
        let day = |text: &str, month_first| {
            let line = format!("egfr\t30\t{text}");
            read(&line, Reading { names: &[], month_first })?.pop()?.at
        };
        assert_eq!(day("3/25/2026", false).as_deref(), Some("2026-03-25T00:00"));
        assert_eq!(day("25/3/2026", true).as_deref(), Some("2026-03-25T00:00"));
        assert_eq!(day("3/4/2026", true).as_deref(), Some("2026-03-04T00:00"));
        assert_eq!(day("3/4/2026", false).as_deref(), Some("2026-04-03T00:00"));
        assert_eq!(day("3.4.2026 7:05", true).as_deref(), Some("2026-04-03T07:05"));
        assert_eq!(day("3/4/26", true), None);
    }
}
