//! The Nephrocast single-page application, in reading order.

pub mod app;
pub mod clinic;
pub mod office;
pub mod pages;
pub mod programs;
pub mod records;
pub mod research;

pub mod charts;
pub mod components;

pub mod api;
pub mod record;
pub mod session;
pub mod what_if;

pub mod format;
