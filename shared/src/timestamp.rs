//! Moments on the wire, where a server writes many of them. The SPA, every byte of which is downloaded,
//! writes few.

use chrono::{DateTime, Datelike, Timelike, Utc};
use serde::{Serialize, Serializer};

/// The longest that is written here: `2026-11-28T05:59:59.123456Z`.
const LONGEST: usize = 27;

/// Writes a moment as its own `Serialize` does (RFC 3339 in UTC, as many decimals as it takes), without
/// the ways of a formatter: `#[serde(serialize_with = "crate::timestamp::serialize")]`.
pub fn serialize<S: Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut text = [0; LONGEST];
    match write(at, &mut text).and_then(|length| str::from_utf8(&text[..length]).ok()) {
        Some(text) => serializer.serialize_str(text),
        None => at.serialize(serializer),
    }
}

/// How long it is; none of what is seldom: a year of other than four digits, a leap second, nanoseconds.
fn write(at: &DateTime<Utc>, text: &mut [u8; LONGEST]) -> Option<usize> {
    let (date, time) = (at.date_naive(), at.time());
    let year = u32::try_from(date.year()).ok().filter(|year| *year < 10_000)?;
    let nanoseconds = time.nanosecond();
    let micros = nanoseconds / 1000;
    if 999_999_999 < nanoseconds || nanoseconds != 1000 * micros {
        return None;
    }
    let fields = [
        (year, 4, b'-'),
        (date.month(), 2, b'-'),
        (date.day(), 2, b'T'),
        (time.hour(), 2, b':'),
        (time.minute(), 2, b':'),
        (time.second(), 2, b'.'),
        if micros.is_multiple_of(1000) { (micros / 1000, 3, b'Z') } else { (micros, 6, b'Z') },
    ];
    let mut length = 0;
    for (number, digits, after) in fields {
        let mut rest = number;
        for place in (length..length + digits).rev() {
            text[place] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        text[length + digits] = after;
        length += digits + 1;
    }
    if micros == 0 {
        length -= ".000Z".len() - 1;
        text[length - 1] = b'Z';
    }
    Some(length)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;

    #[derive(Serialize)]
    struct Moment(#[serde(serialize_with = "serialize")] DateTime<Utc>);

    fn check(at: DateTime<Utc>) {
        let written = serde_json::to_string(&Moment(at)).unwrap();
        assert_eq!(written, serde_json::to_string(&at).unwrap());
    }

    #[test]
    fn a_moment_is_written_as_everywhere_else() {
        for text in [
            "0000-01-01T00:00:00Z",
            "1969-12-31T23:59:59.999999Z",
            "2024-02-29T12:00:00.5Z",
            "2026-11-28T05:04:03.000020Z",
            "2026-11-28T05:04:03.000000020Z",
            "2016-12-31T23:59:60Z",
            "2016-12-31T23:59:60.5Z",
            "9999-12-31T23:59:59.999Z",
        ] {
            check(text.parse().unwrap());
        }
        for at in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
            check(at);
        }
    }

    proptest! {
        #[test]
        fn any_moment_is(
            seconds in -70_000_000_000_i64..400_000_000_000,
            part in prop_oneof![
                Just(0),
                (0..1000_i64).prop_map(|ms| 1_000_000 * ms),
                (0..1_000_000_i64).prop_map(|micros| 1000 * micros),
                0..1_000_000_000_i64,
            ],
        ) {
            check(DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds) + TimeDelta::nanoseconds(part));
        }
    }
}
