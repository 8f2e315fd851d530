//! When a reducer runs by itself: again and again after a span, or at times of the clocks in a time zone.
//!
//! Which times those are is asked in two places only: where a schedule is made, and where it has run. The answer is stored
//! with it, so that a history holds on whatever a later node knows of time zones.

use crate::time::Duration;
#[cfg(any(feature = "calendar", test))]
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The shortest span between two runs.
pub const MIN_INTERVAL: Duration = Duration::from_millis(1);
/// The longest span between two runs: a hundred years.
pub const MAX_INTERVAL: Duration = Duration::from_secs(36_525 * 86_400);
/// The longest cron expression, and the longest name of a time zone, in bytes.
pub const MAX_TEXT_SIZE: usize = 256;

/// When a reducer runs by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Recurrence {
    /// So long after the time before, again and again.
    Every {
        /// Microseconds, from [`MIN_INTERVAL`] to [`MAX_INTERVAL`].
        micros: i64,
    },
    /// Whenever clocks show what an expression says.
    Cron {
        /// Minute, hour, day of the month, month, day of the week.
        expression: String,
        /// Where the clocks are: a name of the time zone database, as in `Europe/Paris`.
        zone: String,
    },
}

/// What becomes of times at which a reducer could not run, because its node was down or too busy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missed {
    /// Nothing: it runs again at the next time.
    Skip,
    /// It runs once for all of them, as soon as it can.
    #[default]
    Once,
    /// It runs once for each of them, in order.
    All,
}

impl Recurrence {
    /// The first time behind `after`, counted from `anchor`, which is one of the times; `None` if there is none before the end of
    /// time.
    ///
    /// # Panics
    /// If it breaks a rule that [`check`](Self::check) knows.
    #[cfg(feature = "calendar")]
    pub fn first_after(&self, anchor: Timestamp, after: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Every { micros } => next_of_interval(*micros, anchor, after),
            Self::Cron { expression, zone } => {
                let clock = crate::calendar::Clock::new(expression, zone);
                clock.expect("invariant: a schema in force was validated").first_after(after)
            }
        }
    }

    /// Whether there are such times.
    ///
    /// # Errors
    /// Why not, in lower case.
    #[cfg(feature = "calendar")]
    pub fn check(&self) -> Result<(), String> {
        match self {
            Self::Every { micros } => check_interval(Duration(*micros)),
            Self::Cron { expression, zone } => {
                let clock = crate::calendar::Clock::new(expression, zone).map_err(|error| error.to_string())?;
                let first = clock.first_after(Timestamp::EPOCH);
                first.map(drop).ok_or_else(|| format!("the time of `{expression}` never comes"))
            }
        }
    }
}

/// Whether a reducer can run once in each `interval`.
///
/// # Errors
/// Why not, in lower case.
pub fn check_interval(interval: Duration) -> Result<(), String> {
    if interval < MIN_INTERVAL {
        return Err(format!("an interval of {} µs is too short: at least `1ms`", interval.micros()));
    }
    if interval > MAX_INTERVAL {
        return Err("the interval is longer than `36525d`, a hundred years".to_owned());
    }
    Ok(())
}

#[cfg(any(feature = "calendar", test))]
fn next_of_interval(micros: i64, anchor: Timestamp, after: Timestamp) -> Option<Timestamp> {
    if after < anchor {
        return Some(anchor);
    }
    let passed = i128::from(after.0) - i128::from(anchor.0);
    let steps = passed / i128::from(micros) + 1;
    let next = i128::from(anchor.0) + steps * i128::from(micros);
    i64::try_from(next).ok().map(Timestamp)
}

/// As an author writes it: `every 5m`, `cron 0 3 * * * Europe/Paris`.
impl fmt::Display for Recurrence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every { micros } => write!(f, "every {}", Duration(*micros).to_words()),
            Self::Cron { expression, zone } => write!(f, "cron {expression} {zone}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_an_interval_are_counted_from_one_of_them_and_never_pass_the_end_of_time() {
        let next = |anchor, after| next_of_interval(10, Timestamp(anchor), Timestamp(after)).map(Timestamp::micros);
        assert_eq!(next(100, 99), Some(100));
        assert_eq!(next(100, 100), Some(110));
        assert_eq!(next(100, 109), Some(110));
        assert_eq!(next(100, 1_005), Some(1_010));
        assert_eq!(next(i64::MIN, i64::MAX), None);
        assert_eq!(next(i64::MAX, i64::MAX), None);
        assert_eq!(next(i64::MIN, i64::MAX - 9), Some(i64::MAX - 5));
    }
}
