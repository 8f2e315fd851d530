//! Cron expressions as times of the clocks in a time zone. The database of time zones is a part of the program: what a machine has
//! does not matter.
//!
//! Where clocks are set forward, a time that none of them shows comes at once behind the gap; where they are set back, a time that
//! they show twice comes the first time only. An expression that leaves its minutes or hours open goes by what clocks show,
//! through a gap and twice through an hour that comes twice.

use crate::schema::schedule::MAX_TEXT_SIZE;
use crate::time::Timestamp;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use std::sync::LazyLock;

/// The time zones that this program knows.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// Times that clocks show.
#[derive(Debug, Clone)]
pub struct Clock {
    cron: Cron,
    zone: TimeZone,
}

/// Why a text does not say when.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClockError {
    /// It is no cron expression.
    #[error("`{expression}` is no cron expression: {reason}")]
    Expression {
        /// The text.
        expression: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such time zone.
    #[error("there is no time zone `{zone}`: name one as in `UTC` or `Europe/Paris`")]
    Zone {
        /// The name.
        zone: String,
    },
}

impl Clock {
    /// What clocks in `zone` show when `expression` says: minute, hour, day of the month, month, day of the week.
    ///
    /// # Errors
    /// [`ClockError`].
    pub fn new(expression: &str, zone: &str) -> Result<Self, ClockError> {
        Ok(Self { cron: parse(expression)?, zone: zone_named(zone)? })
    }

    /// The first time behind `after`; `None` if there is none up to the year 5000.
    pub fn first_after(&self, after: Timestamp) -> Option<Timestamp> {
        let after = jiff::Timestamp::from_microsecond(after.0).ok()?.to_zoned(self.zone.clone());
        let next = self.cron.find_next_occurrence(&after, false).ok()?;
        Some(Timestamp(next.timestamp().as_microsecond()))
    }
}

/// What a cron expression says.
fn parse(expression: &str) -> Result<Cron, ClockError> {
    let wrong = |reason: String| ClockError::Expression { expression: shown(expression), reason };
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "*,-/#?@+ ".contains(letter);
    if expression.len() > MAX_TEXT_SIZE {
        return Err(wrong(format!("it has {} bytes, at most {MAX_TEXT_SIZE} are allowed", expression.len())));
    }
    if let Some(letter) = expression.chars().find(|letter| !allowed(*letter)) {
        return Err(wrong(format!("`{}` has no meaning in it", letter.escape_default())));
    }
    if !expression.starts_with('@') && expression.split_whitespace().count() != 5 {
        return Err(wrong("it has five fields: minute, hour, day of the month, month, day of the week".to_owned()));
    }
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    parser.parse(expression).map_err(|error| wrong(error.to_string()))
}

/// The time zone of this name.
fn zone_named(zone: &str) -> Result<TimeZone, ClockError> {
    let unknown = || ClockError::Zone { zone: shown(zone) };
    if zone.len() > MAX_TEXT_SIZE {
        return Err(unknown());
    }
    ZONES.get(zone).map_err(|_| unknown())
}

/// The beginning of a text that may be long.
fn shown(text: &str) -> String {
    let cut = text.floor_char_boundary(80);
    if cut < text.len() { format!("{}…", &text[..cut]) } else { text.to_owned() }
}
