//! What both sides of Nephrocast say and know.
//!
//! Wire types, the access policy and the clinical engine. No I/O, no async, no clock: the same
//! code runs in the server, in the worker, in the classifier's command line and, compiled to
//! WebAssembly, in the browser.

/// A sentence for people with its gaps filled: `format!`, but found by `scripts/locales`, so that the
/// SPA can say it in other languages. Gaps have names.
#[macro_export]
macro_rules! sentence {
    ($($parts:tt)+) => { ::std::format!($($parts)+) };
}

/// A text for people as it stands, found by `scripts/locales` like [`sentence!`].
#[macro_export]
macro_rules! phrase {
    ($text:literal $(,)?) => {
        $text
    };
}

pub mod id;
pub mod page;
pub mod problem;

pub mod access;
pub mod audit;
pub mod care_team;
pub mod preferences;
pub mod second_factor;
pub mod session;
pub mod settings;
pub mod token;
pub mod user;
pub mod view;

pub mod biopsy;
pub mod dashboard;
pub mod document;
pub mod erasure;
pub mod import;
pub mod observation;
pub mod outcome;
pub mod patient;
pub mod prediction;
pub mod prediction_batch;
pub mod record;
pub mod therapy;
pub mod worklist;

pub mod model;
pub mod privacy;
pub mod summary;

pub mod clinical;

/// The one sentence of intended use: sign-in page, README, model card, report, API document.
pub const INTENDED_USE: &str = phrase!(
    "Nephrocast is for research and education; it is not a medical device and must not be used for \
     clinical decisions without local validation and regulatory clearance."
);
