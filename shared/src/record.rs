//! All that is kept about one patient, as it leaves the house.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{
    audit::AccessEvent, biopsy::Biopsy, document::Document, observation::Observation,
    outcome::Outcome, patient::Patient, prediction::Prediction, therapy::Therapy,
};

/// A line of a record's export: `{"kind": "observation", "value": {…}}`.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
pub enum RecordLine {
    /// The first line: when the export was made.
    ExportedAt(DateTime<Utc>),
    /// The facts.
    Patient(Patient),
    /// A course of a therapy.
    Therapy(Therapy),
    /// A biopsy.
    Biopsy(Biopsy),
    /// An outcome.
    Outcome(Outcome),
    /// A value, corrected and voided ones included.
    Observation(Observation),
    /// What is known of a document; its content is asked for by its id.
    Document(Document),
    /// A prediction with its frozen inputs.
    Prediction(Box<Prediction>),
    /// A look at the record, or a change of it.
    Access(AccessEvent),
}
