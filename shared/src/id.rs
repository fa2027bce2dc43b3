//! Identifiers: UUIDv7, one type per noun, so that one can never stand in for another.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! identifiers {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        #[cfg_attr(feature = "server", derive(utoipa::ToSchema, sqlx::Type))]
        #[cfg_attr(feature = "server", schema(value_type = Uuid), sqlx(transparent))]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )*};
}

identifiers! {
    /// A person who signs in.
    UserId,
    /// One sign-in of a user on one device, kept alive by refresh tokens.
    SessionId,
    /// A patient's record.
    PatientId,
    /// One laboratory value or measurement.
    ObservationId,
    /// One course of a drug.
    TherapyId,
    /// One kidney biopsy.
    BiopsyId,
    /// One recorded end point: dialysis, transplant or death.
    OutcomeId,
    /// One document of a record.
    DocumentId,
    /// One requested prediction.
    PredictionId,
    /// Predictions for all patients of a list, asked for at once.
    PredictionBatchId,
    /// One API token; not its secret.
    TokenId,
    /// One kept view of the patient list.
    ViewId,
    /// One opening of a record in an emergency.
    EmergencyAccessId,
}
