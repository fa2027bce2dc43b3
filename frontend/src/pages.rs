//! One module for each page.

pub mod about;
pub mod account;
pub mod archived_records;
pub mod audit;
pub mod calculator;
pub mod care_team;
pub mod dashboard;
pub mod documents;
pub mod emergency_access;
pub mod help;
pub mod home;
pub mod import;
pub mod model;
pub mod models;
pub mod not_found;
pub mod patient;
pub mod patient_form;
pub mod patients;
pub mod report;
pub mod research;
pub mod set_password;
pub mod settings;
pub mod sign_in;
pub mod tokens;
pub mod users;
pub mod what_if;
