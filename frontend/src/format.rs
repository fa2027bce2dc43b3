//! Numbers, units, dates and ages for people, in the language and the units in force.

use std::cell::RefCell;

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use js_sys::{Array, Date, Function, Intl, JsString, Object, Reflect};
use leptos::prelude::window;
use shared::{clinical::shown_in, observation::ObservationCode, settings::Language};
use wasm_bindgen::JsValue;

use crate::{
    language::{self, t},
    session, tn,
};

/// Now, by the browser's clock: the one place where the SPA reads it.
pub fn now() -> DateTime<Utc> {
    DateTime::from_timestamp_millis(Date::now() as i64).unwrap_or_default()
}

/// Today in the browser's time zone.
pub fn today() -> NaiveDate {
    local_date(now())
}

/// The calendar day of a moment in the browser's time zone.
pub fn local_date(moment: DateTime<Utc>) -> NaiveDate {
    let date = js_date(moment);
    let year = date.get_full_year().cast_signed();
    NaiveDate::from_ymd_opt(year, date.get_month() + 1, date.get_date()).unwrap_or_default()
}

/// A calendar day, such as `5 Mar 2024`.
pub fn date(day: NaiveDate) -> String {
    in_format(&day_of(day), &[("dateStyle", "medium")])
}

fn day_of(day: NaiveDate) -> Date {
    Date::new_with_year_month_day(
        u32::try_from(day.year()).unwrap_or_default(),
        day.month0().cast_signed(),
        day.day().cast_signed(),
    )
}

/// A day of this year or the last, short, such as `5 Mar`.
pub fn day_month(day: NaiveDate) -> String {
    in_format(&day_of(day), &[("day", "numeric"), ("month", "short")])
}

/// The day of a moment in the browser's time zone, such as `5 Mar 2024`.
pub fn date_of(moment: DateTime<Utc>) -> String {
    in_format(&js_date(moment), &[("dateStyle", "medium")])
}

/// A moment, such as `5 Mar 2024, 14:30`.
pub fn date_time(moment: DateTime<Utc>) -> String {
    in_format(&js_date(moment), &[("dateStyle", "medium"), ("timeStyle", "short")])
}

/// How long ago a moment was, such as `3 days ago`, `2 months ago`.
pub fn ago(moment: DateTime<Utc>) -> String {
    let days = (today() - local_date(moment)).num_days();
    let (amount, unit) = match days {
        ..=13 => (days, "day"),
        14..=59 => (days / 7, "week"),
        60..=729 => (days / 30, "month"),
        _ => (days / 365, "year"),
    };
    let options = options(&[("numeric", "auto")]);
    let format = Intl::RelativeTimeFormat::new(&locales(), &options);
    format.format(-(amount as f64), unit).into()
}

/// How many days ago a moment was, such as `47 days`.
pub fn days_since(moment: DateTime<Utc>) -> String {
    match (today() - local_date(moment)).num_days() {
        ..=0 => t("today").to_owned(),
        days => tn!(days, "{n} day", "{n} days"),
    }
}

/// Completed years between a birth date and a day.
pub fn age_years(birth: NaiveDate, on: NaiveDate) -> u32 {
    on.years_since(birth).unwrap_or_default()
}

/// A text with a capital letter in front. The browser knows the letters of every language; Rust's
/// tables of them would be downloaded with each program.
pub fn capitalised(text: &str) -> String {
    let text = JsString::from(text);
    let rest = text.slice(1, text.length());
    text.slice(0, 1).to_upper_case().concat(&rest).into()
}

/// A number with exactly so many decimals.
pub fn number(value: f64, decimals: u32) -> String {
    localised(value, Digits { least: decimals, most: decimals, is_signed: false })
}

/// A number with all the decimals that it has, up to six.
pub fn exact(value: f64) -> String {
    localised(value, Digits { least: 0, most: 6, is_signed: false })
}

/// A number with three significant digits, as laboratories report.
pub fn measured(value: f64) -> String {
    let most = match value.abs() {
        100.0.. => 0,
        10.0..100.0 => 1,
        1.0..10.0 => 2,
        _ => 3,
    };
    localised(value, Digits { least: 0, most, is_signed: false })
}

/// A value with its unit, such as `28 mL/min/1.73 m²`.
pub fn quantity(value: f64, ucum: &str) -> String {
    format!("{}\u{a0}{}", measured(value), unit(ucum))
}

/// A canonical value in the units in force, with its unit in UCUM.
pub fn in_force(code: ObservationCode, canonical: f64) -> (f64, &'static str) {
    shown_in(session::units(), code, canonical)
}

/// A canonical value with its unit, both in the units in force, such as `177 µmol/L`.
pub fn amount(code: ObservationCode, canonical: f64) -> String {
    let (value, unit) = in_force(code, canonical);
    quantity(value, unit)
}

/// A canonical value at a glance, in the units in force: the number, and its unit. A whole number is
/// enough for the eye, unless it would hide the value; laboratories report an eGFR whole.
pub fn figure(code: ObservationCode, canonical: f64) -> (String, String) {
    let (value, ucum) = in_force(code, canonical);
    let whole = code == ObservationCode::Egfr || 10.0 <= value;
    let shown = if whole { number(value, 0) } else { measured(value) };
    (shown, unit(ucum))
}

/// The unit in force of a quantity, as people write it.
pub fn unit_of(code: ObservationCode) -> String {
    unit(code.unit_in(session::units()))
}

/// A UCUM unit as people write it.
pub fn unit(ucum: &str) -> String {
    match ucum {
        "mL/min/{1.73_m2}" => "mL/min/1.73\u{a0}m²".to_owned(),
        "mm[Hg]" => "mmHg".to_owned(),
        "10*9/L" => "10⁹/L".to_owned(),
        "kg/m2" => "kg/m²".to_owned(),
        "[lb_av]" => "lb".to_owned(),
        "[in_i]" => "in".to_owned(),
        _ => ucum.replace("{creat}", "").replace('u', "µ").replace("meq", "mEq"),
    }
}

/// No risk is known better than this: what is above is shown as `> 95 %`.
const CERTAIN_ENOUGH: f64 = 0.95;
/// A smaller one would be shown as none at all.
const SMALLEST: f64 = 0.001;

/// A risk from 0 to 1 as a percentage with one decimal, such as `12.4 %`, wherever it is shown: what
/// is not 0 is never shown as 0, nor what is near certain with a precision that nobody has.
pub fn percent(probability: f64) -> String {
    if CERTAIN_ENOUGH < probability {
        format!(">\u{a0}{}\u{a0}%", number(100.0 * CERTAIN_ENOUGH, 0))
    } else if 0.0 < probability && probability < SMALLEST / 2.0 {
        format!("<\u{a0}{}\u{a0}%", number(100.0 * SMALLEST, 1))
    } else {
        share(probability)
    }
}

/// A part of a whole from 0 to 1 as a percentage with one decimal, up to `100.0 %`.
pub fn share(part: f64) -> String {
    format!("{}\u{a0}%", number(100.0 * part, 1))
}

/// From one part of a whole to another, short, such as `3–5 %`.
pub fn shares(from: f64, to: f64) -> String {
    // What is 15 % may come as a hair less.
    let whole = |part: f64| exact((1000.0 * part).round() / 10.0);
    format!("{}–{}\u{a0}%", whole(from), whole(to))
}

/// A signed difference of probabilities in percentage points, such as `+3.2`.
pub fn points(difference: f64) -> String {
    let digits = Digits { least: 1, most: 1, is_signed: true };
    localised(100.0 * difference, digits).replace('-', "−")
}

/// A moment as a `datetime-local` input wants it, in the browser's time zone.
pub fn to_input(moment: DateTime<Utc>) -> String {
    let date = js_date(moment);
    let day = local_date(moment).format("%Y-%m-%d");
    format!("{day}T{:02}:{:02}", date.get_hours(), date.get_minutes())
}

/// The moment that a `datetime-local` input holds, in the browser's time zone.
pub fn from_input(text: &str) -> Option<DateTime<Utc>> {
    let moment = Date::new(&JsValue::from_str(text)).get_time();
    // Without a `T` the text would be read as a day of UTC.
    (text.contains('T') && moment.is_finite())
        .then(|| DateTime::from_timestamp_millis(moment as i64))
        .flatten()
}

/// Whether people here write the month before the day.
pub fn is_month_first() -> bool {
    let day = NaiveDate::from_ymd_opt(2000, 1, 31).unwrap_or_default();
    in_format(&day_of(day), &[("day", "numeric"), ("month", "numeric")]).starts_with('1')
}

fn js_date(moment: DateTime<Utc>) -> Date {
    Date::new(&(moment.timestamp_millis() as f64).into())
}

/// The options of a date.
type Parts = &'static [(&'static str, &'static str)];

/// How many decimals a number has, and whether one above 0 has its sign.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Digits {
    least: u32,
    most: u32,
    is_signed: bool,
}

/// Formats that have been made, by what was wanted of them.
type Made<K> = RefCell<Vec<(K, Function)>>;

// Making a format takes fifty times as long as using it, and a list uses some hundreds of times the
// same few.
thread_local! {
    static OF_DATES: Made<Parts> = const { RefCell::new(Vec::new()) };
    static OF_NUMBERS: Made<Digits> = const { RefCell::new(Vec::new()) };
}

fn in_format(date: &Date, wanted: Parts) -> String {
    let make = || Intl::DateTimeFormat::new(&locales(), &options(wanted)).format();
    called(&OF_DATES.with_borrow_mut(|formats| made(formats, wanted, make)), date)
}

fn localised(value: f64, digits: Digits) -> String {
    let make = || {
        let options = Object::new();
        set(&options, "minimumFractionDigits", &digits.least.into());
        set(&options, "maximumFractionDigits", &digits.most.into());
        set(&options, "signDisplay", &if digits.is_signed { "exceptZero" } else { "auto" }.into());
        Intl::NumberFormat::new(&locales(), &options).format()
    };
    called(&OF_NUMBERS.with_borrow_mut(|formats| made(formats, digits, make)), &value.into())
}

/// A format that is there, or else is made now.
fn made<K: Copy + PartialEq>(
    formats: &mut Vec<(K, Function)>,
    wanted: K,
    make: impl FnOnce() -> Function,
) -> Function {
    if let Some((_, format)) = formats.iter().find(|(of, _)| *of == wanted) {
        return format.clone();
    }
    let format = make();
    formats.push((wanted, format.clone()));
    format
}

fn called(format: &Function, value: &JsValue) -> String {
    let text = format.call1(&JsValue::UNDEFINED, value).ok();
    text.and_then(|text| text.as_string()).unwrap_or_default()
}

/// The locale of the language in force. Of English there are several, of which the browser knows
/// which one is the person's; numbers and dates in another language than the text would be misread.
fn locales() -> Array {
    let name = match language::current() {
        Language::It => "it-IT".into(),
        Language::En => {
            let is_english = |name: &JsValue| {
                name.as_string().is_some_and(|name| Language::of_tag(&name) == Some(Language::En))
            };
            window()
                .navigator()
                .languages()
                .iter()
                .find(is_english)
                .unwrap_or_else(|| "en-GB".into())
        }
    };
    Array::of1(&name)
}

fn options(wanted: &[(&str, &str)]) -> Object {
    let object = Object::new();
    for (name, value) in wanted {
        set(&object, name, &(*value).into());
    }
    object
}

fn set(object: &Object, name: &str, value: &JsValue) {
    // Setting a property of a plain object cannot fail.
    let _ = Reflect::set(object, &name.into(), value);
}
