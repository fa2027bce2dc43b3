//! The Nephrocast single-page application, in reading order.

pub mod app;
pub mod clinic;
pub mod desk;
pub mod office;
pub mod own;
pub mod pages;
pub mod programs;
pub mod reading;
pub mod records;

pub mod charts;
pub mod components;

pub mod api;
pub mod connection;
pub mod imports;
pub mod kept;
pub mod pasted;
pub mod record;
pub mod session;
pub mod what_if;

pub mod format;
pub mod language;
