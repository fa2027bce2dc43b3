//! Patients and laboratory values from a file: what its columns mean, and what became of each row.

use serde::{Deserialize, Serialize};

use crate::problem::FieldProblem;

/// The most bytes of a file.
pub const LARGEST: usize = 8 * 1024 * 1024;
/// The most rows of a file.
pub const MOST_ROWS: usize = 10_000;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub enum ImportKind {
    /// A row is a patient.
    Patients,
    /// A row is a laboratory value or measurement of a patient who is registered.
    Observations,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub enum ImportField {
    /// Medical record number: whose row it is.
    Mrn,
    /// Given name.
    GivenName,
    /// Family name.
    FamilyName,
    /// Date of birth.
    BirthDate,
    /// Sex assigned at birth.
    Sex,
    /// Diabetes mellitus.
    Diabetes,
    /// Arterial hypertension.
    Hypertension,
    /// Cardiovascular disease.
    CardiovascularDisease,
    /// Heart failure.
    HeartFailure,
    /// Smokes now.
    Smoker,
    /// Primary renal disease.
    RenalDisease,
    /// What was measured.
    Code,
    /// The value.
    Value,
    /// The value's unit.
    Unit,
    /// When it was measured.
    EffectiveAt,
    /// A remark on the value.
    Note,
}

impl ImportField {
    /// Every field.
    pub const ALL: [Self; 16] = [
        Self::Mrn,
        Self::GivenName,
        Self::FamilyName,
        Self::BirthDate,
        Self::Sex,
        Self::Diabetes,
        Self::Hypertension,
        Self::CardiovascularDisease,
        Self::HeartFailure,
        Self::Smoker,
        Self::RenalDisease,
        Self::Code,
        Self::Value,
        Self::Unit,
        Self::EffectiveAt,
        Self::Note,
    ];

    /// The field's name on the wire, and the name of its column in a file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mrn => "mrn",
            Self::GivenName => "given_name",
            Self::FamilyName => "family_name",
            Self::BirthDate => "birth_date",
            Self::Sex => "sex",
            Self::Diabetes => "diabetes",
            Self::Hypertension => "hypertension",
            Self::CardiovascularDisease => "cardiovascular_disease",
            Self::HeartFailure => "heart_failure",
            Self::Smoker => "smoker",
            Self::RenalDisease => "renal_disease",
            Self::Code => "code",
            Self::Value => "value",
            Self::Unit => "unit",
            Self::EffectiveAt => "effective_at",
            Self::Note => "note",
        }
    }

    /// The field's name, for people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Mrn => phrase!("mrn"),
            Self::GivenName => phrase!("given name"),
            Self::FamilyName => phrase!("family name"),
            Self::BirthDate => phrase!("birth date"),
            Self::Sex => phrase!("sex"),
            Self::Diabetes => phrase!("diabetes"),
            Self::Hypertension => phrase!("hypertension"),
            Self::CardiovascularDisease => phrase!("cardiovascular disease"),
            Self::HeartFailure => phrase!("heart failure"),
            Self::Smoker => phrase!("smoker"),
            Self::RenalDisease => phrase!("renal disease"),
            Self::Code => phrase!("code"),
            Self::Value => phrase!("value"),
            Self::Unit => phrase!("unit"),
            Self::EffectiveAt => phrase!("effective at"),
            Self::Note => phrase!("note"),
        }
    }

    /// The field with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }

    /// What a file must hold to have this column; `None` for the one that belongs to both.
    pub const fn kind(self) -> Option<ImportKind> {
        match self {
            Self::Mrn => None,
            Self::Code | Self::Value | Self::Unit | Self::EffectiveAt | Self::Note => {
                Some(ImportKind::Observations)
            }
            _ => Some(ImportKind::Patients),
        }
    }

    /// Whether a file of its kind must have this column.
    pub const fn is_required(self) -> bool {
        !matches!(
            self,
            Self::Diabetes
                | Self::Hypertension
                | Self::CardiovascularDisease
                | Self::HeartFailure
                | Self::Smoker
                | Self::RenalDisease
                | Self::Note
        )
    }

    /// Other words for it in the heads of columns, English and Italian, as [`guess`] folds them.
    const fn words(self) -> &'static [&'static str] {
        match self {
            Self::Mrn => &[
                "medicalrecordnumber",
                "patientid",
                "patientnumber",
                "recordnumber",
                "hospitalnumber",
                "codicepaziente",
                "idpaziente",
            ],
            Self::GivenName => &["firstname", "forename", "nome"],
            Self::FamilyName => &["lastname", "surname", "cognome"],
            Self::BirthDate => &["dateofbirth", "dob", "datadinascita", "datanascita"],
            Self::Sex => &["sexatbirth", "gender", "sesso"],
            Self::Diabetes => &["diabetesmellitus", "diabete"],
            Self::Hypertension => &["arterialhypertension", "ipertensione"],
            Self::CardiovascularDisease => &["cvd", "cardiovascular"],
            Self::HeartFailure => &["scompensocardiaco"],
            Self::Smoker => &["smoking", "smokes", "fumatore"],
            Self::RenalDisease => &["primaryrenaldisease", "cause", "ckdcause"],
            Self::Code => &["loinc", "test", "testcode", "analyte", "quantity", "esame"],
            Self::Value => &["result", "resultvalue", "valore", "risultato"],
            Self::Unit => &["units", "uom", "resultunit", "unita", "unitadimisura"],
            Self::EffectiveAt => &[
                "date",
                "datetime",
                "collectedat",
                "collectiondate",
                "sampledate",
                "resultdate",
                "measuredat",
                "data",
                "dataprelievo",
            ],
            Self::Note => &["notes", "comment", "remark", "nota", "commento"],
        }
    }
}

/// What a column holds by its head.
pub fn guess(head: &str) -> Option<ImportField> {
    let folded: String =
        head.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    ImportField::ALL.into_iter().find(|field| {
        field.name().replace('_', "") == folded || field.words().contains(&folded.as_str())
    })
}

/// A column of a file, and what it is taken for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ImportColumn {
    /// Its head.
    pub head: String,
    /// What it holds; `null` when nothing is taken from it.
    pub field: Option<ImportField>,
    /// What stands in the first rows.
    pub samples: Vec<String>,
}

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub enum ImportOutcome {
    /// It was taken; in a dry run: it would be.
    Created,
    /// It is on record already, and was left as it is.
    Existing,
    /// It is faulty, and nothing of it was taken.
    Faulty,
}

/// What is wrong in one column of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ImportFault {
    /// The column's field; empty for the row as a whole.
    pub column: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// One row, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ImportRow {
    /// The line of the file on which it begins, from 1.
    pub row: u64,
    /// What became of it.
    pub outcome: ImportOutcome,
    /// Everything that is wrong with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ImportFault>,
    /// What stands in a faulty row, to be corrected and sent again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cells: Vec<String>,
}

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ImportReport {
    /// Whether it was a rehearsal: nothing was changed.
    pub dry_run: bool,
    /// What the file holds; `null` while its columns do not tell.
    pub kind: Option<ImportKind>,
    /// Its columns; of NDJSON, its fields.
    pub columns: Vec<ImportColumn>,
    /// Why no row was looked at; only in a dry run, as an import is refused for it.
    pub problems: Vec<FieldProblem>,
    /// How many rows were looked at.
    pub total: usize,
    /// How many were taken, or would be.
    pub created: usize,
    /// How many are on record already.
    pub existing: usize,
    /// How many are faulty.
    pub faulty: usize,
    /// Every row.
    pub rows: Vec<ImportRow>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_guessed_as_people_write_them() {
        for (head, field) in [
            ("MRN", ImportField::Mrn),
            ("Family name", ImportField::FamilyName),
            ("Cognome", ImportField::FamilyName),
            ("Date of birth", ImportField::BirthDate),
            ("data_nascita", ImportField::BirthDate),
            (" Effective-At ", ImportField::EffectiveAt),
        ] {
            assert_eq!(guess(head), Some(field), "{head}");
        }
        for head in ["", "name", "creatinine", "Ward"] {
            assert_eq!(guess(head), None, "{head}");
        }
    }

    #[test]
    fn no_word_stands_for_two_fields() {
        let mut words: Vec<String> = ImportField::ALL
            .into_iter()
            .flat_map(|field| {
                let own = field.name().replace('_', "");
                field.words().iter().map(|word| (*word).to_owned()).chain([own])
            })
            .collect();
        words.sort();
        let all = words.len();
        words.dedup();
        assert_eq!(words.len(), all);
    }

    #[test]
    fn a_field_has_its_name_on_the_wire() {
        for field in ImportField::ALL {
            assert_eq!(serde_json::to_value(field).unwrap(), field.name());
        }
    }
}
