//! Points in time and spans of it, in microseconds; RFC 3339 text in both directions.

use std::fmt;

/// Microseconds since 1970-01-01T00:00:00Z.
///
/// ```
/// use interstice_types::time::{Duration, Timestamp};
///
/// let time = Timestamp::parse("2026-11-20T10:00:00Z").unwrap();
/// assert_eq!(time.to_string(), "2026-11-20T10:00:00.000000Z");
/// assert_eq!(Timestamp(time.micros()), time);
/// let later = time.saturating_add(Duration::from_hours(2));
/// assert!(later > time && time > Timestamp::EPOCH);
/// assert_eq!(later.since(time), Duration::from_mins(120));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

/// A signed span of microseconds.
///
/// ```
/// use interstice_types::time::Duration;
///
/// assert_eq!(Duration::parse("90m"), Some(Duration::from_mins(90)));
/// assert_eq!(Duration::from_hours(48).to_words(), "2d");
/// assert_eq!(Duration::from_millis(1_500), Duration::from_micros(1_500_000));
/// assert_eq!((Duration::from_secs(3).micros(), Duration::ZERO.micros()), (3_000_000, 0));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Duration(pub i64);

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// Microseconds since the epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Reads RFC 3339 text; `None` if it is not, or outside of what `i64` microseconds hold.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|time| Self(time.as_microsecond()))
    }

    /// This time moved by `span`, held at the ends of the range.
    pub const fn saturating_add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// The span from `earlier` to this time, held at the ends of the range.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }
}

/// RFC 3339 in UTC with six digits; outside of the years -9999 to 9999, the plain number of microseconds.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) => write!(f, "{time:.6}"),
            Err(_) => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timestamp({self})")
    }
}

impl Duration {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A span of whole microseconds.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// A span of whole milliseconds, held at the ends of the range.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// A span of whole seconds, held at the ends of the range.
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// A span of whole minutes, held at the ends of the range.
    pub const fn from_mins(minutes: i64) -> Self {
        Self::from_secs(minutes.saturating_mul(60))
    }

    /// A span of whole hours, held at the ends of the range.
    pub const fn from_hours(hours: i64) -> Self {
        Self::from_secs(hours.saturating_mul(3_600))
    }

    /// Microseconds.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Reads a number and a unit, as in `500ms`, `5s`, `5m`, `2h`, `1d`; `None` for anything else, or if it is too long.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let (_, micros) = UNITS.iter().find(|(name, _)| *name == unit)?;
        number.parse::<i64>().ok()?.checked_mul(*micros).map(Self)
    }

    /// In the largest unit of which it is a whole number: what [`parse`](Self::parse) reads, as long as it is whole
    /// milliseconds and not negative.
    pub fn to_words(self) -> String {
        let whole = UNITS.iter().find(|(_, micros)| self.0 % micros == 0 && self.0 != 0);
        match whole {
            Some((unit, micros)) => format!("{}{unit}", self.0 / micros),
            None if self.0 == 0 => "0s".to_owned(),
            None => format!("{}µs", self.0),
        }
    }
}

/// Units of spans, the largest first, in microseconds.
const UNITS: [(&str, i64); 5] =
    [("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000)];

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} µs", self.0)
    }
}

impl fmt::Debug for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Duration({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::Duration;

    #[test]
    fn spans_are_read_and_written_in_the_largest_whole_unit() {
        for (text, micros) in [("500ms", 500_000), ("5s", 5_000_000), ("5m", 300_000_000), ("1d", 86_400_000_000)] {
            assert_eq!(Duration::parse(text), Some(Duration(micros)), "{text}");
            assert_eq!(Duration(micros).to_words(), text);
        }
        assert_eq!(Duration::parse("120m").map(Duration::to_words).as_deref(), Some("2h"));
        assert_eq!((Duration(0).to_words().as_str(), Duration(7).to_words().as_str()), ("0s", "7µs"));
        for wrong in ["", "5", "m", "5 m", "5min", "-5m", "5.5m", "99999999999999d", "99999999999999999999s", "٣s"] {
            assert_eq!(Duration::parse(wrong), None, "{wrong}");
        }
    }
}
