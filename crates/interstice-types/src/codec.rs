//! The canonical codec: borsh bytes, driven by a [`Type`].
//!
//! `walk` is the hot one: it walks untrusted bytes without building values, refuses what is not canonical,
//! and finds the one thing that may be rewritten, the bits of a NaN.

use crate::id::{Identity, Uuid};
use crate::key;
use crate::time::{Duration, Timestamp};
use crate::ty::{EnumType, Field, Type};
use crate::value::Value;

/// Bits of the one NaN that is stored in an `f32`.
pub const CANONICAL_NAN_F32: u32 = 0x7fc0_0000;
/// Bits of the one NaN that is stored in an `f64`.
pub const CANONICAL_NAN_F64: u64 = 0x7ff8_0000_0000_0000;

/// Why bytes are not a canonical value of a type. Positions count from the start of the bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum DecodeError {
    #[error("{expected} needs {needed} more bytes at byte {position}, {left} are left")]
    Truncated { expected: String, needed: usize, left: usize, position: usize },
    #[error("{count} bytes are left over at byte {position}")]
    TrailingBytes { count: usize, position: usize },
    #[error("byte {position} is {found}, a bool is 0 or 1")]
    InvalidBool { found: u8, position: usize },
    #[error("byte {position} is {found}, an option is 0 or 1")]
    InvalidOption { found: u8, position: usize },
    #[error("tag {found} at byte {position} is not a variant of enum `{name}`")]
    InvalidTag { name: String, found: u8, position: usize },
    #[error("the string at byte {position} is not UTF-8")]
    InvalidUtf8 { position: usize },
    #[error("the keys of the map at byte {position} are not sorted, each once")]
    UnsortedMap { position: usize },
    #[error("the number at byte {position} is cut or not in its shortest form")]
    InvalidNumber { position: usize },
}

/// A cursor over bytes that never reads past their end.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// Bytes read so far.
    #[inline]
    pub fn position(&self) -> usize {
        self.position
    }

    /// The byte that was read last; 0 if none was.
    pub(crate) fn byte_before(&self) -> u8 {
        self.position.checked_sub(1).map_or(0, |before| self.bytes[before])
    }

    /// Bytes not yet read.
    #[inline]
    pub fn left(&self) -> usize {
        self.bytes.len() - self.position
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] if there are fewer.
    #[inline]
    pub fn take(&mut self, count: usize, expected: &str) -> Result<&'a [u8], DecodeError> {
        if count > self.left() {
            return Err(self.truncated(count, expected));
        }
        let taken = &self.bytes[self.position..self.position + count];
        self.position += count;
        Ok(taken)
    }

    #[cold]
    fn truncated(&self, count: usize, expected: &str) -> DecodeError {
        let left = self.left();
        DecodeError::Truncated { expected: expected.to_owned(), needed: count - left, left, position: self.position }
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] if there are fewer.
    #[inline]
    pub fn array<const N: usize>(&mut self, expected: &str) -> Result<[u8; N], DecodeError> {
        Ok(self.take(N, expected)?.try_into().expect("invariant: take gives what was asked"))
    }

    /// A `u32` length that at least so many bytes can follow.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] if fewer than `length × element_size` bytes are left.
    #[inline]
    pub fn length(&mut self, element_size: usize, expected: &str) -> Result<usize, DecodeError> {
        let length = u32::from_le_bytes(self.array(expected)?) as usize;
        let needed = length.saturating_mul(element_size.max(1));
        if needed > self.left() { Err(self.truncated(needed, expected)) } else { Ok(length) }
    }

    /// A length and so many bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] if they are not there.
    #[inline]
    pub fn bytes(&mut self, expected: &str) -> Result<&'a [u8], DecodeError> {
        let length = self.length(1, expected)?;
        self.take(length, expected)
    }

    /// A length and so many bytes of UTF-8.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] or [`DecodeError::InvalidUtf8`].
    pub fn string(&mut self) -> Result<&'a str, DecodeError> {
        let position = self.position;
        std::str::from_utf8(self.bytes("string")?).map_err(|_| DecodeError::InvalidUtf8 { position })
    }

    /// A varint in its shortest form.
    ///
    /// # Errors
    /// [`DecodeError::InvalidNumber`].
    pub fn varint(&mut self) -> Result<u64, DecodeError> {
        let mut rest = &self.bytes[self.position..];
        let value = crate::varint::read(&mut rest).ok_or(DecodeError::InvalidNumber { position: self.position })?;
        self.position = self.bytes.len() - rest.len();
        Ok(value)
    }

    /// A varint length and so many bytes.
    ///
    /// # Errors
    /// [`DecodeError::InvalidNumber`] or [`DecodeError::Truncated`].
    pub fn short_bytes(&mut self, expected: &str) -> Result<&'a [u8], DecodeError> {
        let length = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
        self.take(length, expected)
    }

    /// Nothing more may follow.
    ///
    /// # Errors
    /// [`DecodeError::TrailingBytes`].
    pub fn finish(self) -> Result<(), DecodeError> {
        match self.left() {
            0 => Ok(()),
            count => Err(DecodeError::TrailingBytes { count, position: self.position }),
        }
    }

    fn flag(&mut self, expected: &str) -> Result<u8, DecodeError> {
        Ok(self.array::<1>(expected)?[0])
    }
}

/// Appends `value` as a `ty`.
///
/// # Panics
/// If the value is not of the type: values are built by this crate's readers, which check.
pub fn encode(ty: &Type, value: &Value, out: &mut Vec<u8>) {
    match (ty, value) {
        (Type::Unit, Value::Unit) => {}
        (Type::Bool, Value::Bool(v)) => out.push(u8::from(*v)),
        (Type::U8, Value::U8(v)) => out.push(*v),
        (Type::U16, Value::U16(v)) => out.extend(v.to_le_bytes()),
        (Type::U32, Value::U32(v)) => out.extend(v.to_le_bytes()),
        (Type::U64, Value::U64(v)) => out.extend(v.to_le_bytes()),
        (Type::U128, Value::U128(v)) => out.extend(v.to_le_bytes()),
        (Type::I8, Value::I8(v)) => out.extend(v.to_le_bytes()),
        (Type::I16, Value::I16(v)) => out.extend(v.to_le_bytes()),
        (Type::I32, Value::I32(v)) => out.extend(v.to_le_bytes()),
        (Type::I64, Value::I64(v)) => out.extend(v.to_le_bytes()),
        (Type::I128, Value::I128(v)) => out.extend(v.to_le_bytes()),
        (Type::F32, Value::F32(v)) => out.extend(canonical_f32(v.to_bits()).to_le_bytes()),
        (Type::F64, Value::F64(v)) => out.extend(canonical_f64(v.to_bits()).to_le_bytes()),
        (Type::String, Value::String(v)) => encode_bytes(v.as_bytes(), out),
        (Type::Bytes, Value::Bytes(v)) => encode_bytes(v, out),
        (Type::Timestamp, Value::Timestamp(Timestamp(v))) | (Type::Duration, Value::Duration(Duration(v))) => {
            out.extend(v.to_le_bytes());
        }
        (Type::Uuid, Value::Uuid(v)) => out.extend(v.0),
        (Type::Identity, Value::Identity(v)) => out.extend(v.0),
        (Type::Option(_), Value::Option(None)) => out.push(0),
        (Type::Option(inner), Value::Option(Some(v))) => {
            out.push(1);
            encode(inner, v, out);
        }
        (Type::List(inner), Value::List(items)) => {
            encode_length(items.len(), out);
            items.iter().for_each(|item| encode(inner, item, out));
        }
        (Type::Map(key_ty, value_ty), Value::Map(entries)) => {
            encode_length(entries.len(), out);
            for (key, value) in entries {
                encode(key_ty, key, out);
                encode(value_ty, value, out);
            }
        }
        (Type::Struct(ty), Value::Struct(fields)) => encode_fields(&ty.fields, fields, out),
        (Type::Enum(ty), Value::Enum(tag, fields)) => {
            out.push(*tag);
            encode_fields(&ty.variants[usize::from(*tag)].fields, fields, out);
        }
        (ty, value) => panic!("invariant: {value:?} is not a {ty}"),
    }
}

/// `values` as a row of `types`, one after the other.
pub fn encode_all<'t>(types: impl IntoIterator<Item = &'t Type>, values: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut count = 0;
    for (ty, value) in types.into_iter().zip(values) {
        encode(ty, value, &mut out);
        count += 1;
    }
    assert_eq!(count, values.len(), "invariant: as many values as types");
    out
}

fn encode_fields(fields: &[Field], values: &[Value], out: &mut Vec<u8>) {
    assert_eq!(fields.len(), values.len(), "invariant: as many values as fields");
    fields.iter().zip(values).for_each(|(field, value)| encode(&field.ty, value, out));
}

fn encode_length(length: usize, out: &mut Vec<u8>) {
    out.extend(u32::try_from(length).expect("invariant: no value holds 2^32 elements").to_le_bytes());
}

fn encode_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    encode_length(bytes.len(), out);
    out.extend(bytes);
}

/// Takes one value of `ty` off the reader.
///
/// # Errors
/// What is not canonical: see [`DecodeError`].
pub fn decode(ty: &Type, reader: &mut Reader<'_>) -> Result<Value, DecodeError> {
    Ok(match ty {
        Type::Unit => Value::Unit,
        Type::Bool => Value::Bool(read_bool(reader)?),
        Type::U8 => Value::U8(u8::from_le_bytes(reader.array("u8")?)),
        Type::U16 => Value::U16(u16::from_le_bytes(reader.array("u16")?)),
        Type::U32 => Value::U32(u32::from_le_bytes(reader.array("u32")?)),
        Type::U64 => Value::U64(u64::from_le_bytes(reader.array("u64")?)),
        Type::U128 => Value::U128(u128::from_le_bytes(reader.array("u128")?)),
        Type::I8 => Value::I8(i8::from_le_bytes(reader.array("i8")?)),
        Type::I16 => Value::I16(i16::from_le_bytes(reader.array("i16")?)),
        Type::I32 => Value::I32(i32::from_le_bytes(reader.array("i32")?)),
        Type::I64 => Value::I64(i64::from_le_bytes(reader.array("i64")?)),
        Type::I128 => Value::I128(i128::from_le_bytes(reader.array("i128")?)),
        Type::F32 => Value::F32(f32::from_bits(canonical_f32(u32::from_le_bytes(reader.array("f32")?)))),
        Type::F64 => Value::F64(f64::from_bits(canonical_f64(u64::from_le_bytes(reader.array("f64")?)))),
        Type::String => Value::String(reader.string()?.to_owned()),
        Type::Bytes => Value::Bytes(reader.bytes("bytes")?.to_vec()),
        Type::Timestamp => Value::Timestamp(Timestamp(i64::from_le_bytes(reader.array("timestamp")?))),
        Type::Duration => Value::Duration(Duration(i64::from_le_bytes(reader.array("duration")?))),
        Type::Uuid => Value::Uuid(Uuid(reader.array("uuid")?)),
        Type::Identity => Value::Identity(Identity(reader.array("identity")?)),
        Type::Option(inner) => {
            Value::Option(if read_option(reader)? { Some(Box::new(decode(inner, reader)?)) } else { None })
        }
        Type::List(inner) => {
            let length = reader.length(inner.min_size(), "list")?;
            Value::List((0..length).map(|_| decode(inner, reader)).collect::<Result<_, _>>()?)
        }
        Type::Map(key_ty, value_ty) => decode_map(key_ty, value_ty, reader)?,
        Type::Struct(ty) => Value::Struct(decode_fields(&ty.fields, reader)?),
        Type::Enum(ty) => {
            let tag = read_tag(ty, reader)?;
            Value::Enum(tag, decode_fields(&ty.variants[usize::from(tag)].fields, reader)?)
        }
    })
}

/// All of `bytes` as one value after the other, of `types`.
///
/// # Errors
/// What is not canonical, and bytes left over.
pub fn decode_all<'t>(types: impl IntoIterator<Item = &'t Type>, bytes: &[u8]) -> Result<Vec<Value>, DecodeError> {
    let mut reader = Reader::new(bytes);
    let values = types.into_iter().map(|ty| decode(ty, &mut reader)).collect::<Result<_, _>>()?;
    reader.finish()?;
    Ok(values)
}

fn decode_fields(fields: &[Field], reader: &mut Reader<'_>) -> Result<Vec<Value>, DecodeError> {
    fields.iter().map(|field| decode(&field.ty, reader)).collect()
}

fn decode_map(key_ty: &Type, value_ty: &Type, reader: &mut Reader<'_>) -> Result<Value, DecodeError> {
    let start = reader.clone();
    skip(&Type::Map(Box::new(key_ty.clone()), Box::new(value_ty.clone())), &mut start.clone())?;
    let length = reader.length(key_ty.min_size() + value_ty.min_size(), "map")?;
    let entries = (0..length).map(|_| Ok((decode(key_ty, reader)?, decode(value_ty, reader)?)));
    Ok(Value::Map(entries.collect::<Result<_, DecodeError>>()?))
}

fn read_bool(reader: &mut Reader<'_>) -> Result<bool, DecodeError> {
    let position = reader.position();
    match reader.flag("bool")? {
        0 => Ok(false),
        1 => Ok(true),
        found => Err(DecodeError::InvalidBool { found, position }),
    }
}

fn read_option(reader: &mut Reader<'_>) -> Result<bool, DecodeError> {
    let position = reader.position();
    match reader.flag("option")? {
        0 => Ok(false),
        1 => Ok(true),
        found => Err(DecodeError::InvalidOption { found, position }),
    }
}

fn read_tag(ty: &EnumType, reader: &mut Reader<'_>) -> Result<u8, DecodeError> {
    let position = reader.position();
    let found = reader.flag("enum")?;
    if usize::from(found) < ty.variants.len() {
        Ok(found)
    } else {
        Err(DecodeError::InvalidTag { name: ty.name.clone(), found, position })
    }
}

/// Passes over one value of `ty`, checking that it is canonical but for the bits of NaNs.
///
/// # Errors
/// What is not canonical: see [`DecodeError`].
pub fn skip(ty: &Type, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    walk(ty, reader, &mut |_, _| {})
}

/// Checks that `bytes` are one canonical value of each of `types` in order and no more, but for the bits of NaNs; builds no
/// values.
///
/// # Errors
/// What is not canonical: see [`DecodeError`].
pub fn check_all<'t>(types: impl IntoIterator<Item = &'t Type>, bytes: &[u8]) -> Result<(), DecodeError> {
    let mut reader = Reader::new(bytes);
    types.into_iter().try_for_each(|ty| skip(ty, &mut reader))?;
    reader.finish()
}

/// A NaN whose bits are not the ones that are stored.
pub(crate) struct OddNan {
    position: usize,
    is_f64: bool,
}

impl OddNan {
    pub(crate) fn rewrite(self, row: &mut [u8]) {
        if self.is_f64 {
            row[self.position..][..8].copy_from_slice(&CANONICAL_NAN_F64.to_le_bytes());
        } else {
            row[self.position..][..4].copy_from_slice(&CANONICAL_NAN_F32.to_le_bytes());
        }
    }
}

/// Checks that from byte `position` on there is one canonical value of each of `types` and no more; finds the NaNs that are
/// to be rewritten.
pub(crate) fn odd_nans<'t>(
    position: usize,
    types: impl IntoIterator<Item = &'t Type>,
    row: &[u8],
) -> Result<Vec<OddNan>, DecodeError> {
    let mut odd = Vec::new();
    let mut reader = Reader::new(row);
    reader.take(position, "the values before")?;
    for ty in types {
        match ty {
            Type::String => skip_string(&mut reader)?,
            ty => walk(ty, &mut reader, &mut |position, is_f64| odd.push(OddNan { position, is_f64 }))?,
        }
    }
    reader.finish()?;
    Ok(odd)
}

/// Told where an odd NaN stands, and whether it is an `f64`.
type OnNan<'f> = &'f mut dyn FnMut(usize, bool);

fn walk(ty: &Type, reader: &mut Reader<'_>, on_nan: OnNan<'_>) -> Result<(), DecodeError> {
    match ty {
        Type::Bool => read_bool(reader).map(|_| ()),
        Type::F32 => {
            let position = reader.position();
            let bits = u32::from_le_bytes(reader.array("f32")?);
            if canonical_f32(bits) != bits {
                on_nan(position, false);
            }
            Ok(())
        }
        Type::F64 => {
            let position = reader.position();
            let bits = u64::from_le_bytes(reader.array("f64")?);
            if canonical_f64(bits) != bits {
                on_nan(position, true);
            }
            Ok(())
        }
        Type::String => skip_string(reader),
        Type::Bytes => reader.bytes("bytes").map(|_| ()),
        Type::Option(inner) => {
            if read_option(reader)? {
                walk(inner, reader, on_nan)
            } else {
                Ok(())
            }
        }
        Type::List(inner) => {
            let length = reader.length(inner.min_size(), "list")?;
            (0..length).try_for_each(|_| walk(inner, reader, on_nan))
        }
        Type::Map(key_ty, value_ty) => walk_map(key_ty, value_ty, reader, on_nan),
        Type::Struct(ty) => ty.fields.iter().try_for_each(|field| walk(&field.ty, reader, on_nan)),
        Type::Enum(ty) => {
            let tag = read_tag(ty, reader)?;
            ty.variants[usize::from(tag)].fields.iter().try_for_each(|field| walk(&field.ty, reader, on_nan))
        }
        plain => {
            let size = plain.fixed_size().expect("invariant: only plain types are left");
            reader.take(size, "").map(|_| ()).map_err(|error| match error {
                DecodeError::Truncated { needed, left, position, .. } => {
                    DecodeError::Truncated { expected: plain.to_string(), needed, left, position }
                }
                other => other,
            })
        }
    }
}

/// Most text is ASCII, and that is seen many bytes at a time.
#[inline]
fn skip_string(reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    let position = reader.position();
    let bytes = reader.bytes("string")?;
    let is_text = bytes.is_ascii() || std::str::from_utf8(bytes).is_ok();
    if is_text { Ok(()) } else { Err(DecodeError::InvalidUtf8 { position }) }
}

fn walk_map(key_ty: &Type, value_ty: &Type, reader: &mut Reader<'_>, on_nan: OnNan<'_>) -> Result<(), DecodeError> {
    let position = reader.position();
    let length = reader.length(key_ty.min_size() + value_ty.min_size(), "map")?;
    let mut last: Option<Vec<u8>> = None;
    for _ in 0..length {
        let mut key_bytes = Vec::new();
        key::encode(key_ty, &mut reader.clone(), &mut key_bytes)?;
        if last.is_some_and(|last| last >= key_bytes) {
            return Err(DecodeError::UnsortedMap { position });
        }
        last = Some(key_bytes);
        walk(key_ty, reader, on_nan)?;
        walk(value_ty, reader, on_nan)?;
    }
    Ok(())
}

/// The same float, with the bits that are stored if it is a NaN.
pub(crate) fn one_nan_f32(bytes: [u8; 4]) -> [u8; 4] {
    canonical_f32(u32::from_le_bytes(bytes)).to_le_bytes()
}

/// The same float, with the bits that are stored if it is a NaN.
pub(crate) fn one_nan_f64(bytes: [u8; 8]) -> [u8; 8] {
    canonical_f64(u64::from_le_bytes(bytes)).to_le_bytes()
}

fn canonical_f32(bits: u32) -> u32 {
    if f32::from_bits(bits).is_nan() { CANONICAL_NAN_F32 } else { bits }
}

fn canonical_f64(bits: u64) -> u64 {
    if f64::from_bits(bits).is_nan() { CANONICAL_NAN_F64 } else { bits }
}
