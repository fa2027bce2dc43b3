//! What people send, checked: all faults of a request are collected before it is refused.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use shared::{phrase, problem::FieldProblem, sentence};
use unicode_normalization::UnicodeNormalization;

use crate::error::{Error, Result};

/// What to search for, as text is kept: composed, with single spaces; `None` for nothing.
pub fn searched(q: &str) -> Option<String> {
    let words: Vec<String> = q.split_whitespace().map(|word| word.nfc().collect()).collect();
    (!words.is_empty()).then(|| words.join(" ").replace('\0', ""))
}

/// Whether a time is one that the database can be asked for, and that RFC 3339 can write.
pub fn is_storable(time: DateTime<Utc>) -> bool {
    (1..=9999).contains(&time.year())
}

/// The faults of one request.
#[derive(Debug, Default)]
pub struct Faults(Vec<FieldProblem>);

impl Faults {
    /// Adds a fault.
    pub fn add(&mut self, pointer: impl Into<String>, message: impl Into<String>) {
        self.0.push(FieldProblem::new(pointer, message));
    }

    /// Refuses the request if there is a fault.
    pub fn refuse(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Invalid(self.0)) }
    }

    /// Text as it is kept: trimmed, in Unicode normalisation form C, of 1 to `most` characters.
    pub fn text(&mut self, pointer: impl Into<String>, text: &str, most: usize) -> String {
        let text: String = text.trim().nfc().collect();
        if text.is_empty() {
            self.add(pointer, phrase!("must not be blank"));
        } else if most < text.chars().count() {
            self.add(pointer, sentence!("must have at most {most} characters"));
        } else if text.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\t')) {
            self.add(pointer, phrase!("must not hold control characters"));
        }
        text
    }

    /// Text of one line.
    pub fn line(&mut self, pointer: impl Into<String>, text: &str, most: usize) -> String {
        let pointer = pointer.into();
        let text = self.text(pointer.clone(), text, most);
        if text.contains(['\n', '\t']) {
            self.add(pointer, phrase!("must be one line without tabs"));
        }
        text
    }

    /// A remark that may be left out, but not blank.
    pub fn note(
        &mut self,
        pointer: impl Into<String>,
        note: Option<&str>,
        most: usize,
    ) -> Option<String> {
        note.map(|note| self.text(pointer, note, most))
    }

    /// A span of time, each end of it optional.
    pub fn span(&mut self, from: Option<DateTime<Utc>>, to: Option<DateTime<Utc>>) {
        for (pointer, end) in [("/from", from), ("/to", to)] {
            if end.is_some_and(|end| !is_storable(end)) {
                self.add(pointer, phrase!("must be in the years 1 to 9999"));
            }
        }
        if from.zip(to).is_some_and(|(from, to)| to < from) {
            self.add("/to", phrase!("must not be before from"));
        }
    }

    /// A day in the patient's life so far.
    pub fn day(
        &mut self,
        pointer: impl Into<String>,
        day: NaiveDate,
        birth_date: NaiveDate,
        today: NaiveDate,
    ) {
        if today < day {
            self.add(pointer, sentence!("must not be in the future: today is {today} (UTC)"));
        } else if day < birth_date {
            self.add(pointer, sentence!("must not be before birth on {birth_date}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_trimmed_and_composed() {
        let mut faults = Faults::default();
        assert_eq!(faults.text("/a", "  Mu\u{308}ller ", 6), "Müller");
        faults.refuse().unwrap();
    }

    #[test]
    fn every_fault_is_kept() {
        let mut faults = Faults::default();
        faults.text("/blank", " \n ", 6);
        faults.text("/long", "1234567", 6);
        faults.line("/lines", "a\nb", 6);
        faults.text("/control", "a\0b", 6);
        faults.text("/escape", "a\u{1b}[31m", 9);
        let Err(Error::Invalid(faults)) = faults.refuse() else { panic!("five are faulty") };
        let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(pointers, ["/blank", "/long", "/lines", "/control", "/escape"]);
    }
}
