//! Identifiers: small numbers that name tables, columns and functions, and the 32 bytes that name a caller.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A transaction's position in the one order of commits, from 0, without gaps.
pub type Offset = u64;

/// A table of this node. Never reused; a renamed table keeps its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TableId(pub u32);

/// The number of a caller in `interstice.client`, given at its first transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientId(pub u64);

/// A schedule of this node, numbered from 1. Never reused.
///
/// ```
/// use interstice_types::id::ScheduleId;
///
/// assert_eq!(ScheduleId(3).to_string(), "3"); // as `interstice schedule list` shows it
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ScheduleId(pub u64);

impl fmt::Display for ScheduleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Who calls: 32 bytes, written as hex.
///
/// ```
/// use interstice_types::id::Identity;
///
/// let ada = Identity::of_name("ada"); // who calls with `--as ada`, or `db.act_as("ada")` in a test
/// assert_ne!(ada, Identity::of_module("ada"));
/// assert_eq!(Identity::from_hex(&ada.to_string()), Some(ada));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Identity(pub [u8; 32]);

impl Identity {
    /// The local development identity of `name`: BLAKE3 of a fixed context and the name.
    pub fn of_name(name: &str) -> Self {
        Self(
            *blake3::Hasher::new_derive_key("interstice 2026 local identity")
                .update(name.as_bytes())
                .finalize()
                .as_bytes(),
        )
    }

    /// The identity under which a module's events and schedules run.
    pub fn of_module(module: &str) -> Self {
        Self(
            *blake3::Hasher::new_derive_key("interstice 2026 module identity")
                .update(module.as_bytes())
                .finalize()
                .as_bytes(),
        )
    }

    /// Reads 64 hex digits; `None` for anything else.
    pub fn from_hex(text: &str) -> Option<Self> {
        decode_hex(text).map(Self)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({self})")
    }
}

/// Sixteen bytes, written in the usual five groups of hex.
///
/// ```
/// use interstice_types::id::Uuid;
///
/// let id = Uuid::parse("67e55044-10b1-426f-9247-bb680e5fe0c8").unwrap();
/// assert_eq!(id.0[..2], [0x67, 0xe5]);
/// assert_eq!(id.to_string(), "67e55044-10b1-426f-9247-bb680e5fe0c8");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// Reads 32 hex digits with or without dashes; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        decode_hex(&digits).map(Self)
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (group, range) in [0..4, 4..6, 6..8, 8..10, 10..16].into_iter().enumerate() {
            if group > 0 {
                f.write_str("-")?;
            }
            write_hex(f, &self.0[range])?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uuid({self})")
    }
}

/// `bytes` as lower-case hex.
pub fn to_hex(bytes: &[u8]) -> String {
    struct Hex<'a>(&'a [u8]);
    impl fmt::Display for Hex<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write_hex(f, self.0)
        }
    }
    Hex(bytes).to_string()
}

/// Hex digits, two for each byte, as bytes; `None` for anything else.
pub fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| std::str::from_utf8(pair).ok().and_then(decode_hex::<1>).map(|[byte]| byte)).collect()
}

/// Exactly `2 × N` hex digits as `N` bytes; `None` for anything else.
pub fn decode_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = hex_digit(pair[0])? << 4 | hex_digit(pair[1])?;
    }
    Some(bytes)
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}
