//! What the command and a node say of their own work, on stderr: how much of it, and in which form.

use clap::ValueEnum;
use interstice_types::problem::nearest;
use std::str::FromStr;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::set_global_default;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt;

/// What this command itself says is said by this.
pub(crate) const OWN_TARGET: &str = "interstice_cli";
/// What says something: the crates that do, and what is inside of them.
const PARTS: [&str; 2] = ["interstice_server", OWN_TARGET];
/// Levels, less first.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// How what is said is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One document a line
    Json,
}

/// How much is said: of everything, and of parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Levels {
    all: LevelFilter,
    parts: Vec<(String, LevelFilter)>,
}

impl FromStr for Levels {
    type Err = String;

    /// `info`, `interstice_server=debug`, or several of these with `,` between.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut levels = Self { all: LevelFilter::INFO, parts: Vec::new() };
        for word in text.split(',').map(str::trim) {
            match word.split_once('=') {
                None => levels.all = level(word)?,
                Some((part, wanted)) => levels.parts.push((target(part.trim())?, level(wanted.trim())?)),
            }
        }
        Ok(levels)
    }
}

fn level(word: &str) -> Result<LevelFilter, String> {
    word.to_ascii_lowercase()
        .parse()
        .ok()
        .filter(|_| !word.is_empty() && !word.starts_with(char::is_numeric))
        .ok_or_else(|| {
            let hint = nearest(word, LEVELS).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            format!("`{word}` is no level: write {}{hint}", LEVELS.join(", "))
        })
}

/// The target that a part is told under.
fn target(part: &str) -> Result<String, String> {
    let head = part.split("::").next().unwrap_or(part);
    if !PARTS.contains(&head) {
        let hint = nearest(head, PARTS).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        return Err(format!("nothing is said by `{part}`, but by {}{hint}", PARTS.join(" and ")));
    }
    Ok(part.to_owned())
}

/// From now on what is said is written to stderr, if it is wanted; `quiet` leaves errors only.
pub(crate) fn begin(levels: &Levels, format: LogFormat, quiet: bool) {
    let all = if quiet { levels.all.min(LevelFilter::ERROR) } else { levels.all };
    let targets = Targets::new().with_default(all).with_targets(levels.parts.iter().cloned());
    let written = tracing_subscriber::registry().with(targets);
    let begun = match format {
        LogFormat::Text => set_global_default(written.with(layer().with_writer(std::io::stderr).with_ansi(false))),
        LogFormat::Json => set_global_default(written.with(layer().json().with_writer(std::io::stderr))),
    };
    begun.expect("invariant: this is said once, first of all");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Levels {
        text.parse().unwrap()
    }

    #[test]
    fn a_level_is_of_everything_or_of_a_part() {
        assert_eq!(parsed("warn"), Levels { all: LevelFilter::WARN, parts: Vec::new() });
        assert_eq!(parsed("OFF").all, LevelFilter::OFF);
        let several = parsed("warn, interstice_server::scrub=debug,interstice_cli=trace");
        assert_eq!(several.all, LevelFilter::WARN);
        let parts = [("interstice_server::scrub", LevelFilter::DEBUG), ("interstice_cli", LevelFilter::TRACE)];
        assert_eq!(several.parts, parts.map(|(part, level)| (part.to_owned(), level)));
        assert_eq!(parsed("interstice_server=debug").all, LevelFilter::INFO);
    }

    #[test]
    fn what_is_misspelled_is_said_with_what_is_near() {
        for (text, says) in [
            ("debg", "did you mean `debug`?"),
            ("", "`` is no level"),
            ("3", "`3` is no level"),
            ("interstice_server=loud", "`loud` is no level"),
            ("interstice_sever=debug", "did you mean `interstice_server`?"),
            ("tokio=debug", "interstice_server and interstice_cli"),
            ("info,,debug", "`` is no level"),
        ] {
            let error = text.parse::<Levels>().unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
