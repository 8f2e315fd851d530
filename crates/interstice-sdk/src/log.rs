//! Lines that a function logs: kept with its transaction's outcome, and part of what re-execution compares.

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
#[macro_export]
macro_rules! error {
    ($($text:tt)*) => { $crate::log::write($crate::log::Level::Error, ::core::format_args!($($text)*)) };
}

/// Logs a formatted line: something is odd.
#[macro_export]
macro_rules! warn {
    ($($text:tt)*) => { $crate::log::write($crate::log::Level::Warn, ::core::format_args!($($text)*)) };
}

/// Logs a formatted line: something happened.
#[macro_export]
macro_rules! info {
    ($($text:tt)*) => { $crate::log::write($crate::log::Level::Info, ::core::format_args!($($text)*)) };
}

/// Logs a formatted line: something for whoever looks closely.
#[macro_export]
macro_rules! debug {
    ($($text:tt)*) => { $crate::log::write($crate::log::Level::Debug, ::core::format_args!($($text)*)) };
}
