//! Order-preserving keys: `a < b` exactly when `key(a) < key(b)`, byte by byte.
//!
//! | type | bytes |
//! |---|---|
//! | unsigned, `bool`, `uuid`, `identity` | big endian |
//! | signed, `timestamp`, `duration` | big endian with the sign bit flipped |
//! | `f32`, `f64` | IEEE total order: all bits flipped if negative, else the sign bit |
//! | `string`, `bytes` | each byte, `00` as `00 ff`; then `00 00` |
//! | `option` | `00`, or `01` and the value |
//! | `list`, `map` | `01` before each element, then `00` |
//! | `struct`, composite keys | one after the other |
//! | `enum` | tag, then the fields |
//!
//! A key is made from row bytes directly: no [`Value`](crate::value::Value) is built on the way.

use crate::codec::{self, DecodeError, Reader};
use crate::ty::Type;
use std::cmp::Ordering;
use std::fmt;

/// Longest key that is kept without an allocation.
pub const INLINE_KEY_SIZE: usize = 22;

/// The bytes of a key; short ones are kept in place.
#[derive(Clone)]
pub struct Key(Repr);

#[derive(Clone)]
enum Repr {
    Inline { len: u8, bytes: [u8; INLINE_KEY_SIZE] },
    Heap(Box<[u8]>),
}

impl Key {
    /// Copies `bytes`.
    #[inline]
    pub fn new(bytes: &[u8]) -> Self {
        if bytes.len() <= INLINE_KEY_SIZE {
            let mut inline = [0; INLINE_KEY_SIZE];
            inline[..bytes.len()].copy_from_slice(bytes);
            Self(Repr::Inline { len: bytes.len() as u8, bytes: inline })
        } else {
            Self(Repr::Heap(bytes.into()))
        }
    }

    /// The key of a `u64`, as [`encode`] makes it.
    #[inline]
    pub fn of_u64(value: u64) -> Self {
        let mut inline = [0; INLINE_KEY_SIZE];
        inline[..8].copy_from_slice(&value.to_be_bytes());
        Self(Repr::Inline { len: 8, bytes: inline })
    }

    /// The bytes.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Repr::Heap(bytes) => bytes,
        }
    }

    fn cmp_whole(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }

    /// The first eight bytes as a number, short keys padded with zeros: a cheap first comparison.
    #[inline]
    pub fn prefix(&self) -> u64 {
        match &self.0 {
            Repr::Inline { bytes, .. } => {
                u64::from_be_bytes(bytes[..8].try_into().expect("invariant: 22 bytes hold 8"))
            }
            Repr::Heap(bytes) => {
                u64::from_be_bytes(bytes[..8].try_into().expect("invariant: a heap key is longer than 22"))
            }
        }
    }
}

impl Ord for Key {
    /// Most keys differ in their first eight bytes: the rest is out of the way.
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        let (a, b) = (self.prefix(), other.prefix());
        if a == b { self.cmp_whole(other) } else { a.cmp(&b) }
    }
}

impl PartialOrd for Key {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Key {}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", crate::id::to_hex(self.as_bytes()))
    }
}

/// Takes one value of `ty` off the reader and appends its key bytes.
///
/// # Errors
/// If the bytes are not a value of the type.
pub fn encode(ty: &Type, reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    match ty {
        Type::Unit => {}
        Type::Bool | Type::U8 => out.extend(reader.array::<1>("a byte")?),
        Type::U16 => out.extend(reversed(reader.array::<2>("u16")?)),
        Type::U32 => out.extend(reversed(reader.array::<4>("u32")?)),
        Type::U64 => out.extend(reversed(reader.array::<8>("u64")?)),
        Type::U128 => out.extend(reversed(reader.array::<16>("u128")?)),
        Type::I8 => out.extend(signed(reader.array::<1>("i8")?)),
        Type::I16 => out.extend(signed(reader.array::<2>("i16")?)),
        Type::I32 => out.extend(signed(reader.array::<4>("i32")?)),
        Type::I64 | Type::Timestamp | Type::Duration => out.extend(signed(reader.array::<8>("i64")?)),
        Type::I128 => out.extend(signed(reader.array::<16>("i128")?)),
        // Rows hold one NaN only: whoever looks for one with other bits means it.
        Type::F32 => out.extend(total_order(codec::one_nan_f32(reader.array("f32")?))),
        Type::F64 => out.extend(total_order(codec::one_nan_f64(reader.array("f64")?))),
        Type::String | Type::Bytes => escape(reader.bytes("string")?, out),
        Type::Uuid => out.extend(reader.array::<16>("uuid")?),
        Type::Identity => out.extend(reader.array::<32>("identity")?),
        Type::Option(inner) => {
            let tag = reader.array::<1>("option")?[0];
            out.push(tag);
            if tag != 0 {
                encode(inner, reader, out)?;
            }
        }
        Type::List(inner) => {
            for _ in 0..reader.length(inner.min_size(), "list")? {
                out.push(1);
                encode(inner, reader, out)?;
            }
            out.push(0);
        }
        Type::Map(key_ty, value_ty) => {
            for _ in 0..reader.length(key_ty.min_size() + value_ty.min_size(), "map")? {
                out.push(1);
                encode(key_ty, reader, out)?;
                encode(value_ty, reader, out)?;
            }
            out.push(0);
        }
        Type::Struct(ty) => ty.fields.iter().try_for_each(|field| encode(&field.ty, reader, out))?,
        Type::Enum(ty) => {
            let position = reader.position();
            let tag = reader.array::<1>("enum")?[0];
            out.push(tag);
            let variant = ty.variants.get(usize::from(tag));
            let variant =
                variant.ok_or_else(|| DecodeError::InvalidTag { name: ty.name.clone(), found: tag, position })?;
            variant.fields.iter().try_for_each(|field| encode(&field.ty, reader, out))?;
        }
    }
    Ok(())
}

/// Takes the key of one value of `ty` off the reader and appends the value's bytes: the inverse of [`encode`].
///
/// # Errors
/// If the bytes are not the key of a value of the type.
pub fn decode(ty: &Type, reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    match ty {
        Type::Unit => {}
        Type::Bool | Type::U8 => out.extend(reader.array::<1>("a byte")?),
        Type::U16 => out.extend(reversed(reader.array::<2>("u16")?)),
        Type::U32 => out.extend(reversed(reader.array::<4>("u32")?)),
        Type::U64 => out.extend(reversed(reader.array::<8>("u64")?)),
        Type::U128 => out.extend(reversed(reader.array::<16>("u128")?)),
        Type::I8 => out.extend(unsigned(reader.array::<1>("i8")?)),
        Type::I16 => out.extend(unsigned(reader.array::<2>("i16")?)),
        Type::I32 => out.extend(unsigned(reader.array::<4>("i32")?)),
        Type::I64 | Type::Timestamp | Type::Duration => out.extend(unsigned(reader.array::<8>("i64")?)),
        Type::I128 => out.extend(unsigned(reader.array::<16>("i128")?)),
        Type::F32 => out.extend(from_total_order(reader.array::<4>("f32")?)),
        Type::F64 => out.extend(from_total_order(reader.array::<8>("f64")?)),
        Type::String | Type::Bytes => {
            let bytes = unescape(reader)?;
            out.extend((bytes.len() as u32).to_le_bytes());
            out.extend(bytes);
        }
        Type::Uuid => out.extend(reader.array::<16>("uuid")?),
        Type::Identity => out.extend(reader.array::<32>("identity")?),
        Type::Option(inner) => {
            let tag = reader.array::<1>("option")?[0];
            out.push(tag);
            if tag != 0 {
                decode(inner, reader, out)?;
            }
        }
        Type::List(inner) => decode_items(reader, out, |reader, out| decode(inner, reader, out))?,
        Type::Map(key_ty, value_ty) => decode_items(reader, out, |reader, out| {
            decode(key_ty, reader, out)?;
            decode(value_ty, reader, out)
        })?,
        Type::Struct(ty) => ty.fields.iter().try_for_each(|field| decode(&field.ty, reader, out))?,
        Type::Enum(ty) => {
            let position = reader.position();
            let tag = reader.array::<1>("enum")?[0];
            out.push(tag);
            let variant = ty.variants.get(usize::from(tag));
            let variant =
                variant.ok_or_else(|| DecodeError::InvalidTag { name: ty.name.clone(), found: tag, position })?;
            variant.fields.iter().try_for_each(|field| decode(&field.ty, reader, out))?;
        }
    }
    Ok(())
}

/// Items, each behind a 1, up to the 0; their count goes before them.
fn decode_items(
    reader: &mut Reader<'_>,
    out: &mut Vec<u8>,
    mut item: impl FnMut(&mut Reader<'_>, &mut Vec<u8>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let (at, mut count) = (out.len(), 0_u32);
    out.extend(count.to_le_bytes());
    while reader.array::<1>("the end of a list")?[0] != 0 {
        item(reader, out)?;
        count += 1;
    }
    out[at..at + size_of::<u32>()].copy_from_slice(&count.to_le_bytes());
    Ok(())
}

fn unescape(reader: &mut Reader<'_>) -> Result<Vec<u8>, DecodeError> {
    let mut bytes = Vec::new();
    loop {
        let [byte] = reader.array::<1>("the end of a string")?;
        if byte == 0 {
            let position = reader.position();
            match reader.array::<1>("the end of a string")?[0] {
                0 => return Ok(bytes),
                0xff => {}
                found => return Err(DecodeError::InvalidTag { name: "string".to_owned(), found, position }),
            }
        }
        bytes.push(byte);
    }
}

fn unsigned<const N: usize>(mut bytes: [u8; N]) -> [u8; N] {
    bytes[0] ^= 0x80;
    reversed(bytes)
}

fn from_total_order<const N: usize>(mut bytes: [u8; N]) -> [u8; N] {
    if bytes[0] & 0x80 == 0 {
        bytes.iter_mut().for_each(|byte| *byte = !*byte);
    } else {
        bytes[0] ^= 0x80;
    }
    reversed(bytes)
}

fn reversed<const N: usize>(mut bytes: [u8; N]) -> [u8; N] {
    bytes.reverse();
    bytes
}

fn signed<const N: usize>(bytes: [u8; N]) -> [u8; N] {
    let mut bytes = reversed(bytes);
    bytes[0] ^= 0x80;
    bytes
}

fn total_order<const N: usize>(bytes: [u8; N]) -> [u8; N] {
    let mut bytes = reversed(bytes);
    if bytes[0] & 0x80 == 0 {
        bytes[0] ^= 0x80;
    } else {
        bytes.iter_mut().for_each(|byte| *byte = !*byte);
    }
    bytes
}

fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    for &byte in bytes {
        out.push(byte);
        if byte == 0 {
            out.push(0xff);
        }
    }
    out.extend([0, 0]);
}

/// The first key after every key that begins with `prefix`; `None` if there is none.
pub fn after_prefix(prefix: &[u8]) -> Option<Key> {
    let kept = prefix.len() - prefix.iter().rev().take_while(|byte| **byte == 0xff).count();
    let mut bytes = prefix[..kept].to_vec();
    *bytes.last_mut()? += 1;
    Some(Key::new(&bytes))
}
