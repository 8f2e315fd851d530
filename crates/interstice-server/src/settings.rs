//! `data/config.toml`: what a node does with its log and its snapshots. Every key may be left out; an unknown one is refused.
//!
//! ```toml
//! [log]
//! segment = "64 MiB"            # size at which a segment is sealed; at least 32 KiB
//!
//! [snapshots]                   # a new one behind whichever comes first, if anything was committed
//! bytes = "256 MiB"             # of log behind the newest one
//! transactions = 5_000_000      # behind the newest one
//! interval = "1h"               # since the newest one
//!
//! [retention]
//! keep = "all"                  # or a size, as in "10 GiB", or a time, as in "30 days": of log, never less than recovery needs
//! archive = "/var/backups/log"  # segments are copied there before they go
//!
//! [scrub]                       # reads every byte of log and snapshots again, and raises an alarm where one is damaged
//! interval = "1 day"            # since the start, and since the last one; or "never"
//! rate = "16 MiB"               # a second
//!
//! [limits]                      # noted in the log: a call is run again under those that it ran under
//! fuel = 200_000_000            # of a transaction; at least 1,000,000
//! event_depth = 64              # events that cause each other, one behind the other
//! schedules = 16_777_216        # of a module that have still to run
//! ```

use crate::start::StartError;
use bytesize::ByteSize;
use interstice_engine::limits::Limits;
use interstice_log::local::{DEFAULT_SEGMENT_SIZE, MIN_SEGMENT_SIZE};
use serde::{Deserialize, Deserializer};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file in a data directory.
pub const SETTINGS_FILE: &str = interstice::backup::SETTINGS_NAME;

/// Settings of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The log.
    pub log: LogSettings,
    /// When snapshots are made.
    pub snapshots: SnapshotSettings,
    /// What of the log is kept.
    pub retention: RetentionSettings,
    /// When everything is read again.
    pub scrub: ScrubSettings,
    /// What one call may cost.
    pub limits: LimitSettings,
    /// What functions log.
    pub lines: LineSettings,
}

/// What functions log.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LineSettings {
    /// Bytes of it that are kept in memory, the newest.
    #[serde(deserialize_with = "size")]
    pub keep: u64,
}

/// Settings of the log.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// Size at which a segment is sealed, in bytes.
    #[serde(deserialize_with = "size")]
    pub segment: u64,
}

/// When snapshots are made.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SnapshotSettings {
    /// Bytes of log behind the newest one.
    #[serde(deserialize_with = "size")]
    pub bytes: u64,
    /// Transactions behind the newest one.
    pub transactions: u64,
    /// Time since the newest one.
    #[serde(deserialize_with = "duration")]
    pub interval: Duration,
}

/// What of the log is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionSettings {
    /// How much, beyond what recovery needs.
    pub keep: Keep,
    /// Where segments are copied before they go.
    pub archive: Option<PathBuf>,
}

/// What one call may cost; what is left out is as it is by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitSettings {
    /// Fuel of a transaction.
    pub fuel: Option<u64>,
    /// Events that cause each other, one behind the other.
    pub event_depth: Option<u32>,
    /// Schedules of a module that have still to run.
    pub schedules: Option<u64>,
}

/// With less a module could not even describe itself.
const MIN_FUEL: u64 = 1_000_000;

impl LimitSettings {
    /// `limits`, but for what is set.
    pub fn over(self, limits: Limits) -> Limits {
        Limits {
            fuel: self.fuel.unwrap_or(limits.fuel),
            event_depth: self.event_depth.unwrap_or(limits.event_depth),
            schedules: self.schedules.unwrap_or(limits.schedules),
            ..limits
        }
    }
}

/// When every byte is read again.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScrubSettings {
    /// Time since the start, and since the last time; `None` for never.
    #[serde(deserialize_with = "duration_or_never")]
    pub interval: Option<Duration>,
    /// Bytes a second, one at least.
    #[serde(deserialize_with = "size")]
    pub rate: u64,
}

/// How much of the log is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Keep {
    /// All of it.
    #[default]
    All,
    /// So many bytes.
    Bytes(u64),
    /// What was committed in so much time.
    Time(Duration),
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { segment: DEFAULT_SEGMENT_SIZE }
    }
}

impl Default for SnapshotSettings {
    fn default() -> Self {
        Self { bytes: 256 << 20, transactions: 5_000_000, interval: Duration::from_hours(1) }
    }
}

impl Default for LineSettings {
    fn default() -> Self {
        Self { keep: 4 << 20 }
    }
}

impl Default for ScrubSettings {
    fn default() -> Self {
        Self { interval: Some(Duration::from_hours(24)), rate: 16 << 20 }
    }
}

impl Settings {
    /// Those in the data directory `data`; the defaults where there is no file.
    ///
    /// # Errors
    /// [`StartError::Settings`] with what is wrong, and in which line; another one if the file cannot be read.
    pub fn read(data: &Path) -> Result<Self, StartError> {
        let path = data.join(SETTINGS_FILE);
        let invalid = |reason: String| StartError::Settings { path: path.clone(), reason };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => return Err(invalid(error.to_string())),
            // A disk that fails says nothing about the settings.
            Err(error) => return Err(StartError::of_io(data, format!("reading `{}`", path.display()), error)),
        };
        let settings: Self = toml::from_str(&text).map_err(|error| invalid(error.to_string()))?;
        if settings.log.segment < MIN_SEGMENT_SIZE {
            let least = ByteSize(MIN_SEGMENT_SIZE).display().iec();
            return Err(invalid(format!("`log.segment` must be at least {least}")));
        }
        if settings.limits.fuel.is_some_and(|fuel| fuel < MIN_FUEL) {
            return Err(invalid(format!("`limits.fuel` must be at least {MIN_FUEL}")));
        }
        if settings.scrub.rate == 0 {
            return Err(invalid(
                "`scrub.rate` must be at least 1; `scrub.interval = \"never\"` turns it off".to_owned(),
            ));
        }
        Ok(settings)
    }
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    ByteSize::deserialize(deserializer).map(|size| size.0)
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text).map_err(serde::de::Error::custom)
}

fn duration_or_never<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text == "never" {
        return Ok(None);
    }
    humantime::parse_duration(&text).map(Some).map_err(serde::de::Error::custom)
}

impl<'de> Deserialize<'de> for Keep {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "all" {
            return Ok(Self::All);
        }
        // A time first: `30m` are minutes, and not megabytes.
        let time = humantime::parse_duration(&text).map(Self::Time);
        let kept = time.or_else(|_| text.parse::<ByteSize>().map(|size| Self::Bytes(size.0)));
        kept.map_err(|_| serde::de::Error::custom(format!("`{text}` is neither `all` nor a size nor a time")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings, String> {
        let data = tempfile::tempdir().unwrap();
        std::fs::write(data.path().join(SETTINGS_FILE), text).unwrap();
        Settings::read(data.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_left_out_is_the_default() {
        assert_eq!(read("").unwrap(), Settings::default());
        assert_eq!(Settings::read(Path::new("/nowhere")).unwrap(), Settings::default());
        let settings = read("[snapshots]\nbytes = \"1 MiB\"\n[retention]\nkeep = \"30 days\"\n").unwrap();
        assert_eq!(settings.snapshots, SnapshotSettings { bytes: 1 << 20, ..SnapshotSettings::default() });
        assert_eq!(settings.retention.keep, Keep::Time(Duration::from_hours(30 * 24)));
        assert_eq!(read("[scrub]\ninterval = \"never\"").unwrap().scrub.interval, None);
        assert_eq!(read("lines = { keep = \"0 B\" }").unwrap().lines.keep, 0);
        assert_eq!(read("retention = { keep = \"2 GiB\" }").unwrap().retention.keep, Keep::Bytes(2 << 30));
        assert_eq!(read("retention = { keep = \"30m\" }").unwrap().retention.keep, Keep::Time(Duration::from_mins(30)));
    }

    #[test]
    fn what_is_wrong_is_said_and_where() {
        for (text, says) in [
            ("[log]\nsegmnet = 1", "segmnet"),
            ("[log]\nsegment = \"1 KiB\"", "at least 32"),
            ("[retention]\nkeep = \"most\"", "neither `all` nor a size nor a time"),
            ("[snapshots]\ninterval = 5", "line 2"),
            ("[snapshots", "line 1"),
            ("[limits]\nfuel = 10", "at least 1000000"),
            ("[limits]\nmemory = 10", "memory"),
            ("[scrub]\nrate = \"0 B\"", "interval = \"never\""),
            ("[scrub]\ninterval = \"sometimes\"", "line 2"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
