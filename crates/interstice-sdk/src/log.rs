//! Lines that a function logs: handed to the host beside its outcome, and part of what re-execution compares.

use crate::host;
use std::fmt;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the usual four")]
pub enum Level {
    Error = 1,
    Warn = 2,
    Info = 3,
    Debug = 4,
}

/// Writes lines. Gotten by `ctx.log()`.
///
/// The macros of this crate do it with a format.
///
/// ```test_harness
/// # use interstice_sdk::prelude::*;
/// # use interstice_sdk::test::TestDatabase;
/// #[reducer]
/// fn look(ctx: &ReducerContext, doors: u32) {
///     let log = ctx.log();
///     log.debug("looking");
///     log.info("there is a house");
///     match doors {
///         0 => error!("there is no door in {doors} of them"),
///         1 => log.warn("there is one door"),
///         _ => log.error("there are too many"),
///     }
/// }
///
/// #[interstice_sdk::test]
/// fn lines_have_levels(db: &mut TestDatabase) {
///     db.call::<()>("look", (1_u32,)).unwrap();
///     let levels: Vec<_> = db.take_log().iter().map(|line| line.level).collect();
///     assert_eq!(levels, [4, 3, 2]);
///     db.call::<()>("look", (0_u32,)).unwrap();
///     assert_eq!(db.take_log()[2].text, "there is no door in 0 of them");
/// }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Logger(pub(crate) ());

impl Logger {
    /// Something failed.
    pub fn error(self, text: &str) {
        host::log(Level::Error as u8, text);
    }

    /// Something is odd.
    pub fn warn(self, text: &str) {
        host::log(Level::Warn as u8, text);
    }

    /// Something happened.
    pub fn info(self, text: &str) {
        host::log(Level::Info as u8, text);
    }

    /// Something for whoever looks closely.
    pub fn debug(self, text: &str) {
        host::log(Level::Debug as u8, text);
    }
}

/// Writes one formatted line. Called by the macros of this module.
#[doc(hidden)]
pub fn write(level: Level, text: fmt::Arguments<'_>) {
    match text.as_str() {
        Some(text) => host::log(level as u8, text),
        None => host::log(level as u8, &text.to_string()),
    }
}

/// Logs a formatted line: something failed.
///
/// ```
/// fn note(name: &str) {
///     interstice_sdk::error!("`{name}` cannot be reached");
/// }
/// ```
#[macro_export]
macro_rules! error {
    ($($text:tt)*) => { $crate::log::write($crate::log::Level::Error, ::core::format_args!($($text)*)) };
}

/// Logs a formatted line: something is odd.
///
/// ```
/// fn note(name: &str) {
///     interstice_sdk::warn!("`{}` has {} left", name, 3);
/// }
/// ```
#[macro_export]
macro_rules! warn {
    ($($text:tt)*) => { $crate::log::write($crate::log::Level::Warn, ::core::format_args!($($text)*)) };
}

/// Logs a formatted line: something happened.
///
/// ```
/// fn note(name: &str) {
///     interstice_sdk::info!("`{name}` came");
/// }
/// ```
#[macro_export]
macro_rules! info {
    ($($text:tt)*) => { $crate::log::write($crate::log::Level::Info, ::core::format_args!($($text)*)) };
}

/// Logs a formatted line: something for whoever looks closely.
///
/// ```
/// fn note(name: &str) {
///     interstice_sdk::debug!("{name:?}");
/// }
/// ```
#[macro_export]
macro_rules! debug {
    ($($text:tt)*) => { $crate::log::write($crate::log::Level::Debug, ::core::format_args!($($text)*)) };
}
