//! Times as microseconds and days as numbers, where many of them are kept in memory: as text they would be
//! three times as long.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned, de::Error};

/// What is kept as numbers.
pub(super) trait Numbered: Sized {
    /// A number, or several.
    type Number: Serialize + DeserializeOwned;

    /// The number.
    fn number(&self) -> Self::Number;

    /// What has this number.
    fn of(number: Self::Number) -> Option<Self>;
}

impl Numbered for DateTime<Utc> {
    type Number = i64;

    fn number(&self) -> i64 {
        self.timestamp_micros()
    }

    fn of(number: i64) -> Option<Self> {
        Self::from_timestamp_micros(number)
    }
}

impl Numbered for NaiveDate {
    type Number = i32;

    fn number(&self) -> i32 {
        self.num_days_from_ce()
    }

    fn of(number: i32) -> Option<Self> {
        Self::from_num_days_from_ce_opt(number)
    }
}

impl<T: Numbered> Numbered for Option<T> {
    type Number = Option<T::Number>;

    fn number(&self) -> Option<T::Number> {
        self.as_ref().map(T::number)
    }

    fn of(number: Option<T::Number>) -> Option<Self> {
        number.map_or(Some(None), |number| T::of(number).map(Some))
    }
}

impl<T: Numbered> Numbered for Vec<T> {
    type Number = Vec<T::Number>;

    fn number(&self) -> Vec<T::Number> {
        self.iter().map(T::number).collect()
    }

    fn of(number: Vec<T::Number>) -> Option<Self> {
        number.into_iter().map(T::of).collect()
    }
}

/// For `#[serde(with)]`.
pub(super) fn serialize<T: Numbered, S: Serializer>(
    value: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    value.number().serialize(serializer)
}

/// For `#[serde(with)]`.
pub(super) fn deserialize<'de, T: Numbered, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    T::of(T::Number::deserialize(deserializer)?).ok_or_else(|| D::Error::custom("no such time"))
}
