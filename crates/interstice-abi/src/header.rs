//! The header in front of the arguments of `interstice_call`, and what `scan_open` is asked for.
//!
//! ```text
//! now i64 ─ caller 32 bytes ─ seed 16 bytes ─ stream u64 ─ offset hint u64
//! length of the calling module's name u32 ─ name ─ argument bytes
//! ```
//!
//! A scan: `flags u8` (bit 0: against the order) ‖ `limit u64` ‖ lower bound ‖ upper bound ‖ filter, or nothing. A bound:
//! `kind u8` (0 none, 1 included, 2 excluded) ‖ `length u32` ‖ encoded values of the first columns. A filter: see
//! [`Filter::encode`](interstice_types::filter::Filter::encode).

use interstice_types::id::{Identity, Offset};
use interstice_types::time::Timestamp;
use std::ops::Bound;

/// Bytes in front of the calling module's name.
pub const FIXED_SIZE: usize = 76;

/// What a function may know about its surroundings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'h> {
    /// The transaction's time.
    pub now: Timestamp,
    /// Who called the outermost function.
    pub caller: Identity,
    /// Where random numbers come from.
    pub seed: [u8; 16],
    /// The number of this invocation in its transaction.
    pub stream: u64,
    /// The offset that the transaction gets if it commits.
    pub offset_hint: Offset,
    /// The module that called; empty for a client.
    pub calling_module: &'h str,
}

impl<'h> Header<'h> {
    /// Appends its bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.now.0.to_le_bytes());
        out.extend(self.caller.0);
        out.extend(self.seed);
        out.extend(self.stream.to_le_bytes());
        out.extend(self.offset_hint.to_le_bytes());
        out.extend((self.calling_module.len() as u32).to_le_bytes());
        out.extend(self.calling_module.as_bytes());
    }

    /// Takes a header off the front; returns it and the argument bytes. `None` if the bytes are no header.
    pub fn decode(bytes: &'h [u8]) -> Option<(Self, &'h [u8])> {
        let (fixed, rest) = bytes.split_at_checked(FIXED_SIZE)?;
        let eight = |at: usize| <[u8; 8]>::try_from(&fixed[at..at + 8]).ok();
        let length = u32::from_le_bytes(fixed[72..].try_into().ok()?) as usize;
        let (name, args) = rest.split_at_checked(length)?;
        let header = Self {
            now: Timestamp(i64::from_le_bytes(eight(0)?)),
            caller: Identity(fixed[8..40].try_into().ok()?),
            seed: fixed[40..56].try_into().ok()?,
            stream: u64::from_le_bytes(eight(56)?),
            offset_hint: u64::from_le_bytes(eight(64)?),
            calling_module: if name.is_empty() { "" } else { std::str::from_utf8(name).ok()? },
        };
        Some((header, args))
    }
}

/// Lower and upper bound, as encoded values of the first columns of an index.
pub type Bounds<'b> = (Bound<&'b [u8]>, Bound<&'b [u8]>);

/// What a scan is to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanRequest<'r> {
    /// Rows with these keys.
    pub bounds: Bounds<'r>,
    /// Of those the rows that this filter lets through, as bytes; all of them if there are none.
    pub filter: &'r [u8],
    /// Against the order of the index.
    pub reverse: bool,
    /// No more than so many rows.
    pub limit: u64,
}

/// The flag of a scan against the order of its index.
const REVERSE: u8 = 1;

impl<'r> ScanRequest<'r> {
    /// Appends its bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(if self.reverse { REVERSE } else { 0 });
        out.extend(self.limit.to_le_bytes());
        encode_bound(self.bounds.0, out);
        encode_bound(self.bounds.1, out);
        out.extend(self.filter);
    }

    /// Reads a request; `None` if the bytes are something else. What the filter says is not looked at.
    pub fn decode(bytes: &'r [u8]) -> Option<Self> {
        let (flags, rest) = bytes.split_first()?;
        let (limit, rest) = rest.split_first_chunk()?;
        let (lower, rest) = decode_bound(rest)?;
        let (upper, filter) = decode_bound(rest)?;
        let limit = u64::from_le_bytes(*limit);
        (*flags <= REVERSE).then_some(Self { bounds: (lower, upper), filter, reverse: *flags == REVERSE, limit })
    }
}

fn encode_bound(bound: Bound<&[u8]>, out: &mut Vec<u8>) {
    let (kind, values) = match bound {
        Bound::Unbounded => (0, &[][..]),
        Bound::Included(values) => (1, values),
        Bound::Excluded(values) => (2, values),
    };
    out.push(kind);
    out.extend((values.len() as u32).to_le_bytes());
    out.extend(values);
}

fn decode_bound(bytes: &[u8]) -> Option<(Bound<&[u8]>, &[u8])> {
    let (head, rest) = bytes.split_at_checked(5)?;
    let length = u32::from_le_bytes(head[1..].try_into().ok()?) as usize;
    let (values, rest) = rest.split_at_checked(length)?;
    let bound = match head[0] {
        0 if values.is_empty() => Bound::Unbounded,
        1 => Bound::Included(values),
        2 => Bound::Excluded(values),
        _ => return None,
    };
    Some((bound, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_goes_there_and_back_and_a_cut_one_is_none() {
        let header = Header {
            now: Timestamp(-5),
            caller: Identity([7; 32]),
            seed: [8; 16],
            stream: 9,
            offset_hint: 10,
            calling_module: "bank",
        };
        let mut bytes = Vec::new();
        header.encode(&mut bytes);
        let length = bytes.len();
        bytes.extend([1, 2]);
        assert_eq!(Header::decode(&bytes), Some((header, &[1, 2][..])));
        assert!((0..length).all(|cut| Header::decode(&bytes[..cut]).is_none()));
    }

    #[test]
    fn a_scan_goes_there_and_back_and_others_are_none() {
        let bounds = (Bound::Included(&[1, 2][..]), Bound::Excluded(&[][..]));
        let request = ScanRequest { bounds, filter: &[9, 8], reverse: true, limit: 7 };
        let mut bytes = Vec::new();
        request.encode(&mut bytes);
        let golden = [&[1][..], &7_u64.to_le_bytes(), &[1, 2, 0, 0, 0, 1, 2], &[2, 0, 0, 0, 0], &[9, 8]].concat();
        assert_eq!(bytes, golden);
        assert_eq!(ScanRequest::decode(&bytes), Some(request));
        assert!((0..bytes.len() - 2).all(|cut| ScanRequest::decode(&bytes[..cut]).is_none()));
        for (position, byte) in [(0, 2), (9, 3)] {
            let mut other = bytes.clone();
            other[position] = byte;
            assert_eq!(ScanRequest::decode(&other), None);
        }
    }
}
