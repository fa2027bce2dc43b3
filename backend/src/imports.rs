//! Files of patients and laboratory values: read into rows, and rows into what a person would have
//! entered. Nothing here knows the database.

pub mod cells;
pub mod table;
