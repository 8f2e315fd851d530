//! Receipts: what proves to a client which history its transaction stands in.
//!
//! Binary, 56 bytes: lineage 16 ‖ offset u64 LE ‖ chain hash 32. In a header: `LINEAGE:OFFSET:CHAIN`. In JSON the same three by
//! name. Lineage and chain hash are hex in text, the offset is decimal.

use crate::http::as_text;
use interstice_types::codec::{DecodeError, Reader};
use interstice_types::id::{Offset, decode_hex, to_hex};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Says that the history which `lineage` names had, at `offset`, this chain hash: a hash over everything up to there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Spelled", into = "Spelled")]
pub struct Receipt {
    /// The history.
    pub lineage: [u8; 16],
    /// The newest transaction of the frame of the log that the acknowledged one stands in.
    pub offset: Offset,
    /// The chain hash of that frame.
    pub chain: [u8; 32],
}

/// What a history says of a receipt that it does not contradict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It was given in this history.
    Held,
    /// The part of the log that would say so was given up.
    Unverifiable,
}

impl Standing {
    /// As it stands in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Unverifiable => "unverifiable",
        }
    }
}

/// Why a text is not a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a receipt is a lineage of 32 hex digits, an offset, and a chain hash of 64 hex digits")]
pub struct ParseError;

/// A receipt in JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spelled {
    lineage: String,
    #[serde(with = "as_text")]
    offset: Offset,
    chain: String,
}

impl From<Receipt> for Spelled {
    fn from(receipt: Receipt) -> Self {
        let Receipt { lineage, offset, chain } = receipt;
        Self { lineage: to_hex(&lineage), offset, chain: to_hex(&chain) }
    }
}

impl TryFrom<Spelled> for Receipt {
    type Error = ParseError;

    fn try_from(spelled: Spelled) -> Result<Self, ParseError> {
        let lineage = decode_hex(&spelled.lineage).ok_or(ParseError)?;
        let chain = decode_hex(&spelled.chain).ok_or(ParseError)?;
        Ok(Self { lineage, offset: spelled.offset, chain })
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", to_hex(&self.lineage), self.offset, to_hex(&self.chain))
    }
}

impl FromStr for Receipt {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let (lineage, rest) = text.split_once(':').ok_or(ParseError)?;
        let (offset, chain) = rest.split_once(':').ok_or(ParseError)?;
        let offset = offset.parse().map_err(|_| ParseError)?;
        Spelled { lineage: lineage.to_owned(), offset, chain: chain.to_owned() }.try_into()
    }
}

impl Receipt {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.lineage);
        out.extend(self.offset.to_le_bytes());
        out.extend(self.chain);
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            lineage: reader.array("lineage")?,
            offset: u64::from_le_bytes(reader.array("offset")?),
            chain: reader.array("chain hash")?,
        })
    }
}
