//! What pages are made of.

pub mod app_bar;
pub mod async_view;
pub mod badges;
pub mod field;
pub mod guard;
pub mod logo;
pub mod patient_draft;
pub mod patient_fields;
pub mod patient_table;
pub mod problem_note;
pub mod session_dialog;
pub mod sign_in_form;
pub mod theme_switch;
