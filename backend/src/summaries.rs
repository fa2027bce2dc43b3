//! What researchers may know: figures of groups, decided once for all questions.
//!
//! No answer is ever computed from patients. A publication counts every cell of a fixed lattice of
//! tables, decides once which cells are shown, and perturbs what is shown by the people in it; a
//! question only picks cells. So thousands of questions tell no more than the publication does, and
//! what the publication tells is tested as a whole (`disclosure.rs`).

pub mod anonymity;
pub mod disclosure;
pub mod export;
pub mod format;
pub mod lattice;
pub mod measure;
pub mod performance;
pub mod private;
pub mod publication;
pub mod question;
pub mod row;
pub mod trend;
