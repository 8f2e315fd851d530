//! Values that are text in a recording; numbers are taken as well, for people write them.

use interstice_types::id::{Identity, ScheduleId, decode_hex, to_hex};
use interstice_types::time::Timestamp;
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::marker::PhantomData;

/// A value that is written as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Text<T>(pub(super) T);

/// How a value is written.
pub(super) trait Words: Sized {
    /// What would do.
    const WANTED: &'static str;
    fn read(text: &str) -> Option<Self>;
    fn words(&self) -> String;
}

impl Words for u64 {
    const WANTED: &'static str = "a number";

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn words(&self) -> String {
        self.to_string()
    }
}

impl Words for ScheduleId {
    const WANTED: &'static str = "the number of a schedule";

    fn read(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }

    fn words(&self) -> String {
        self.0.to_string()
    }
}

impl Words for Timestamp {
    const WANTED: &'static str = "a time, as `2026-01-31T12:00:00Z`";

    fn read(text: &str) -> Option<Self> {
        Self::parse(text)
    }

    fn words(&self) -> String {
        self.to_string()
    }
}

impl Words for Identity {
    const WANTED: &'static str = "an identity, 64 hex digits";

    fn read(text: &str) -> Option<Self> {
        Self::from_hex(text)
    }

    fn words(&self) -> String {
        self.to_string()
    }
}

impl Words for [u8; 16] {
    const WANTED: &'static str = "32 hex digits";

    fn read(text: &str) -> Option<Self> {
        decode_hex(text)
    }

    fn words(&self) -> String {
        to_hex(self)
    }
}

impl<T: Words> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.words())
    }
}

impl<'de, T: Words> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor(PhantomData))
    }
}

struct TextVisitor<T>(PhantomData<T>);

impl<T: Words> Visitor<'_> for TextVisitor<T> {
    type Value = Text<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::WANTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text<T>, E> {
        T::read(text).map(Text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Text<T>, E> {
        T::read(&number.to_string()).map(Text).ok_or_else(|| E::invalid_value(Unexpected::Unsigned(number), &self))
    }
}
