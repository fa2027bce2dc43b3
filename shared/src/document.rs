//! Documents of a record: letters, reports, pictures.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::id::{DocumentId, PatientId, UserId};

/// The most bytes of a document.
pub const LARGEST: usize = 25 * 1024 * 1024;
/// The most characters of a title.
pub const TITLE: usize = 200;

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema, sqlx::Type))]
#[cfg_attr(feature = "server", sqlx(type_name = "text", rename_all = "snake_case"))]
pub enum DocumentKind {
    /// A letter from or to a colleague.
    Letter,
    /// A laboratory's report.
    Laboratory,
    /// A picture or the report on one: ultrasound, CT, MRI.
    Imaging,
    /// A pathologist's report.
    Pathology,
    /// A consent.
    Consent,
    /// Anything else.
    Other,
}

impl DocumentKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Letter,
        Self::Laboratory,
        Self::Imaging,
        Self::Pathology,
        Self::Consent,
        Self::Other,
    ];

    /// The kind's name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Letter => "letter",
            Self::Laboratory => "laboratory",
            Self::Imaging => "imaging",
            Self::Pathology => "pathology",
            Self::Consent => "consent",
            Self::Other => "other",
        }
    }

    /// The kind with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The kind's name, for people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Letter => phrase!("Letter"),
            Self::Laboratory => phrase!("Laboratory report"),
            Self::Imaging => phrase!("Imaging"),
            Self::Pathology => phrase!("Pathology"),
            Self::Consent => phrase!("Consent"),
            Self::Other => phrase!("Other"),
        }
    }
}

/// A document of a record; its content is apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Document {
    /// The document's id.
    pub id: DocumentId,
    /// Whose record it belongs to.
    pub patient_id: PatientId,
    /// What it is called.
    pub title: String,
    /// What it is.
    pub kind: DocumentKind,
    /// The name of the file, without any folder.
    pub file_name: String,
    /// The content's type, decided by the content: `application/pdf`, `image/png`, `image/jpeg`,
    /// `image/tiff` or `application/dicom`.
    pub media_type: String,
    /// Bytes of the content.
    pub size: i64,
    /// SHA-256 of the content, hexadecimal.
    pub sha256: String,
    /// Who added it.
    pub uploaded_by: UserId,
    /// When it was added.
    pub uploaded_at: DateTime<Utc>,
}
