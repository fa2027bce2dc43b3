//! What a row's cells say: everything that is wrong with them at once.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use shared::{
    import::{ImportFault, ImportField},
    observation::NewObservation,
    patient::{NewPatient, RenalDisease, Sex},
    phrase, sentence,
};

/// The cells of one row, by what they hold.
#[derive(Debug)]
pub struct Cells<'a> {
    fields: &'a [Option<ImportField>],
    texts: &'a [String],
    faults: Vec<ImportFault>,
}

impl<'a> Cells<'a> {
    /// The cells of a row of a file whose columns hold these fields.
    pub fn new(fields: &'a [Option<ImportField>], cells: &'a [String]) -> Self {
        let mut row = Self { fields, texts: cells, faults: Vec::new() };
        for (field, cell) in fields.iter().zip(cells) {
            if let Some(field) = field
                && cell.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t'))
            {
                row.fault(*field, phrase!("must not hold control characters"));
            }
        }
        row
    }

    /// The cell of a field; empty when the file has no such column.
    pub fn text(&self, field: ImportField) -> &'a str {
        let index = self.fields.iter().position(|other| *other == Some(field));
        index.and_then(|index| self.texts.get(index)).map_or("", String::as_str)
    }

    fn fault(&mut self, field: ImportField, message: impl Into<String>) {
        let column = field.name().to_owned();
        self.faults.push(ImportFault { column, message: message.into() });
    }

    /// Text as it stands there, unless a spreadsheet would run it or has spoiled it.
    fn plain(&mut self, field: ImportField) -> String {
        let text = self.text(field);
        if text.is_empty() {
            self.fault(field, phrase!("is required"));
        } else if text.starts_with(['=', '+', '@']) {
            self.fault(field, phrase!("must not begin with =, + or @, as a formula does"));
        } else if is_spoiled_number(text) {
            self.fault(field, phrase!("was rounded by a spreadsheet: format the column as text"));
        }
        text.to_owned()
    }

    /// One of some words; `None`, with a fault unless the cell is empty, for any other.
    fn word<T: Copy>(&mut self, field: ImportField, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(field);
        if text.is_empty() {
            return None;
        }
        let lower = text.to_lowercase();
        let found = words.iter().find(|(word, _)| *word == lower);
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.fault(field, sentence!("must be one of {known}", known = known.join(", ")));
        }
        found.map(|(_, value)| *value)
    }

    /// A fact; an empty cell is an unknown one.
    fn fact(&mut self, field: ImportField) -> Option<bool> {
        let words = [
            ("yes", Some(true)),
            ("no", Some(false)),
            ("unknown", None),
            ("true", Some(true)),
            ("false", Some(false)),
            ("1", Some(true)),
            ("0", Some(false)),
            ("sì", Some(true)),
            ("si", Some(true)),
        ];
        self.word(field, &words).flatten()
    }

    /// A day; only the one way of writing it that nobody reads otherwise.
    fn day(&mut self, field: ImportField) -> Option<NaiveDate> {
        let text = self.text(field);
        let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| text.len() == 10);
        if text.is_empty() {
            self.fault(field, phrase!("is required"));
        } else if day.is_none() {
            self.fault(
                field,
                phrase!("must be a date such as 1964-03-31: others can be read in two ways"),
            );
        }
        day
    }

    /// A moment; a day alone is its beginning in UTC.
    fn moment(&mut self, field: ImportField) -> Option<DateTime<Utc>> {
        let text = self.text(field);
        if text.is_empty() {
            self.fault(field, phrase!("is required"));
            return None;
        }
        if text.len() == 10
            && let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d")
        {
            return Some(day.and_time(NaiveTime::MIN).and_utc());
        }
        let moment = DateTime::parse_from_rfc3339(&text.replacen(' ', "T", 1));
        if moment.is_err() {
            let message = phrase!(
                "must be a time with its zone, such as 2026-03-31T09:30:00Z, or a day such as \
                           2026-03-31"
            );
            self.fault(field, message);
        }
        moment.ok().map(|moment| moment.with_timezone(&Utc))
    }

    /// A number, with a point or a comma before its decimals.
    fn number(&mut self, field: ImportField) -> Option<f64> {
        match number(self.text(field)) {
            Ok(number) => Some(number),
            Err(message) => {
                self.fault(field, message);
                None
            }
        }
    }

    /// The patient that the row describes, or everything that is wrong with it.
    pub fn patient(mut self) -> Result<NewPatient, Vec<ImportFault>> {
        let mrn = self.plain(ImportField::Mrn);
        let given_name = self.plain(ImportField::GivenName);
        let family_name = self.plain(ImportField::FamilyName);
        let birth_date = self.day(ImportField::BirthDate);
        let sexes =
            [("female", Sex::Female), ("male", Sex::Male), ("f", Sex::Female), ("m", Sex::Male)];
        let sex = self.word(ImportField::Sex, &sexes);
        if self.text(ImportField::Sex).is_empty() {
            self.fault(ImportField::Sex, phrase!("is required"));
        }
        let diseases = RenalDisease::ALL.map(|disease| (disease.as_str(), disease));
        let renal_disease = self.word(ImportField::RenalDisease, &diseases).unwrap_or_default();
        let diabetes = self.fact(ImportField::Diabetes);
        let hypertension = self.fact(ImportField::Hypertension);
        let cardiovascular_disease = self.fact(ImportField::CardiovascularDisease);
        let heart_failure = self.fact(ImportField::HeartFailure);
        let smoker = self.fact(ImportField::Smoker);
        match (birth_date, sex) {
            (Some(birth_date), Some(sex)) if self.faults.is_empty() => Ok(NewPatient {
                mrn,
                given_name,
                family_name,
                birth_date,
                sex,
                diabetes,
                hypertension,
                cardiovascular_disease,
                heart_failure,
                smoker,
                renal_disease,
                // Opening a record to the patient is a decision about one patient.
                own_access: false,
            }),
            _ => Err(self.faults),
        }
    }

    /// Whose value the row is, and the value, or everything that is wrong with it.
    pub fn observation(mut self) -> Result<(String, NewObservation), Vec<ImportFault>> {
        let mrn = self.plain(ImportField::Mrn);
        let code = self.text(ImportField::Code).to_lowercase();
        if code.is_empty() {
            self.fault(ImportField::Code, phrase!("is required"));
        }
        let unit = self.text(ImportField::Unit).to_owned();
        if unit.is_empty() {
            self.fault(
                ImportField::Unit,
                phrase!("is required: a number without a unit is no value"),
            );
        }
        let value = self.number(ImportField::Value);
        let effective_at = self.moment(ImportField::EffectiveAt);
        let note = Some(self.text(ImportField::Note)).filter(|note| !note.is_empty());
        match (value, effective_at) {
            (Some(value), Some(effective_at)) if self.faults.is_empty() => {
                let note = note.map(str::to_owned);
                Ok((mrn, NewObservation { code, value, unit, effective_at, note }))
            }
            _ => Err(self.faults),
        }
    }
}

/// Whether a long number was shortened to powers of ten, as spreadsheets do.
fn is_spoiled_number(text: &str) -> bool {
    text.split_once(['E', 'e']).is_some_and(|(digits, power)| {
        let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let power = power.strip_prefix('+');
        is_digits(&digits.replacen(['.', ','], "", 1)) && power.is_some_and(is_digits)
    })
}

/// A number. A comma stands before decimals; where it could as well part thousands, it is refused.
fn number(text: &str) -> Result<f64, String> {
    if text.is_empty() {
        return Err("is required".to_owned());
    }
    if text.starts_with(['<', '>', '≤', '≥']) {
        return Err(
            "must be a number: send the limit, and say in note what it stands for".to_owned()
        );
    }
    let is_plain = text.bytes().all(|byte| {
        byte.is_ascii_digit() || matches!(byte, b'.' | b',' | b'-' | b'e' | b'E' | b'+')
    });
    let decimal = match text.split_once(',') {
        None => text.to_owned(),
        Some((_, rest)) if rest.contains([',', '.']) => String::new(),
        Some((whole, _)) if whole.contains('.') => String::new(),
        Some((whole, decimals)) if decimals.len() == 3 && !matches!(whole, "0" | "-0") => {
            return Err(format!(
                "could be {whole}.{decimals} or {whole}{decimals}: write one of them, with a point or \
                 without a comma"
            ));
        }
        Some((whole, decimals)) => format!("{whole}.{decimals}"),
    };
    let number = decimal.parse::<f64>().ok().filter(|number| is_plain && number.is_finite());
    number.ok_or_else(|| "must be a number such as 1.25 or 1,25, without spaces".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: [Option<ImportField>; 16] = {
        let mut fields = [None; 16];
        let mut index = 0;
        while index < 16 {
            fields[index] = Some(ImportField::ALL[index]);
            index += 1;
        }
        fields
    };

    fn cells(given: &[(ImportField, &str)]) -> Vec<String> {
        let cell = |field| given.iter().find(|(of, _)| *of == field).map_or("", |(_, text)| *text);
        ImportField::ALL.map(|field| cell(field).to_owned()).to_vec()
    }

    #[test]
    fn numbers_are_what_they_can_only_be() {
        for (text, value) in
            [("1.25", 1.25), ("1,25", 1.25), ("0,125", 0.125), ("742", 742.0), ("1,2345", 1.2345)]
        {
            assert_eq!(number(text), Ok(value), "{text}");
        }
        for text in
            ["", "1,250", "12,500", "1.250,5", "1,2,3", "<5", "1 250", "NaN", "inf", "ten", "5 mg"]
        {
            assert!(number(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_patient_is_read_with_facts_that_may_be_unknown() {
        let cells = cells(&[
            (ImportField::Mrn, "00123"),
            (ImportField::GivenName, "Vera"),
            (ImportField::FamilyName, "Müller"),
            (ImportField::BirthDate, "1964-03-31"),
            (ImportField::Sex, "F"),
            (ImportField::Diabetes, "Sì"),
            (ImportField::Smoker, "no"),
            (ImportField::RenalDisease, "Diabetic"),
        ]);
        let patient = Cells::new(&FIELDS, &cells).patient().unwrap();
        assert_eq!((patient.mrn.as_str(), patient.sex), ("00123", Sex::Female));
        assert_eq!((patient.diabetes, patient.smoker), (Some(true), Some(false)));
        assert_eq!((patient.hypertension, patient.own_access), (None, false));
        assert_eq!(patient.renal_disease, RenalDisease::Diabetic);
    }

    #[test]
    fn all_faults_of_a_row_are_told_at_once() {
        let cells = cells(&[
            (ImportField::Mrn, "1.23E+11"),
            (ImportField::GivenName, "=HYPERLINK(1)"),
            (ImportField::BirthDate, "31/03/1964"),
            (ImportField::Sex, "x"),
            (ImportField::Smoker, "often"),
        ]);
        let faults = Cells::new(&FIELDS, &cells).patient().unwrap_err();
        let columns: Vec<_> = faults.iter().map(|fault| fault.column.as_str()).collect();
        assert_eq!(columns, ["mrn", "given_name", "family_name", "birth_date", "sex", "smoker"]);
    }

    #[test]
    fn a_value_needs_its_unit_and_its_time() {
        let mut given = vec![
            (ImportField::Mrn, "1"),
            (ImportField::Code, "Creatinine"),
            (ImportField::Value, "88,4"),
            (ImportField::Unit, "µmol/L"),
            (ImportField::EffectiveAt, "2026-03-31"),
        ];
        let row = cells(&given);
        let (_, value) = Cells::new(&FIELDS, &row).observation().unwrap();
        assert_eq!((value.code.as_str(), value.value), ("creatinine", 88.4));
        assert_eq!(value.effective_at.to_rfc3339(), "2026-03-31T00:00:00+00:00");
        given[3].1 = "";
        given[4].1 = "2026-03-31 09:30";
        let row = cells(&given);
        let faults = Cells::new(&FIELDS, &row).observation().unwrap_err();
        assert_eq!(faults.len(), 2, "{faults:?}");
    }
}
