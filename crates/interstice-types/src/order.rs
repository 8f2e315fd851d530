//! The order of encoded values, without a key for either: the order of their keys.

use crate::codec::{DecodeError, Reader};
use crate::ty::{Field, Type};
use std::cmp::Ordering;

/// How two canonical values of `ty` compare. Readers are behind them if they are equal, and anywhere inside if not.
///
/// # Errors
/// If the bytes are not values of the type.
pub fn compare(ty: &Type, a: &mut Reader<'_>, b: &mut Reader<'_>) -> Result<Ordering, DecodeError> {
    Ok(match ty {
        Type::Unit => Ordering::Equal,
        Type::String | Type::Bytes => a.bytes("string")?.cmp(b.bytes("string")?),
        Type::Uuid => a.array::<16>("uuid")?.cmp(&b.array("uuid")?),
        Type::Identity => a.array::<32>("identity")?.cmp(&b.array("identity")?),
        Type::U128 => u128::from_le_bytes(a.array("u128")?).cmp(&u128::from_le_bytes(b.array("u128")?)),
        Type::I128 => i128::from_le_bytes(a.array("i128")?).cmp(&i128::from_le_bytes(b.array("i128")?)),
        Type::Option(inner) => match tags(a, b)? {
            (1, Ordering::Equal) => compare(inner, a, b)?,
            (_, order) => order,
        },
        Type::List(inner) => elements(a, b, |a, b| compare(inner, a, b))?,
        Type::Map(key, value) => elements(a, b, |a, b| {
            let order = compare(key, a, b)?;
            if order.is_ne() { Ok(order) } else { compare(value, a, b) }
        })?,
        Type::Struct(ty) => fields(&ty.fields, a, b)?,
        Type::Enum(ty) => match tags(a, b)? {
            (tag, Ordering::Equal) => ty
                .variants
                .get(usize::from(tag))
                .map_or(Ok(Ordering::Equal), |variant| fields(&variant.fields, a, b))?,
            (_, order) => order,
        },
        plain => {
            let scalar = Scalar::of(plain).expect("invariant: every other type is a number of at most eight bytes");
            scalar.take(a)?.cmp(&scalar.take(b)?)
        }
    })
}

/// The first tag, and how both compare.
fn tags(a: &mut Reader<'_>, b: &mut Reader<'_>) -> Result<(u8, Ordering), DecodeError> {
    let ([a], [b]) = (a.array("tag")?, b.array("tag")?);
    Ok((a, a.cmp(&b)))
}

fn fields(fields: &[Field], a: &mut Reader<'_>, b: &mut Reader<'_>) -> Result<Ordering, DecodeError> {
    for field in fields {
        let order = compare(&field.ty, a, b)?;
        if order.is_ne() {
            return Ok(order);
        }
    }
    Ok(Ordering::Equal)
}

fn elements(
    a: &mut Reader<'_>,
    b: &mut Reader<'_>,
    mut each: impl FnMut(&mut Reader<'_>, &mut Reader<'_>) -> Result<Ordering, DecodeError>,
) -> Result<Ordering, DecodeError> {
    let (count_a, count_b) = (a.length(0, "count")?, b.length(0, "count")?);
    for _ in 0..count_a.min(count_b) {
        let order = each(a, b)?;
        if order.is_ne() {
            return Ok(order);
        }
    }
    Ok(count_a.cmp(&count_b))
}

/// A type whose values are numbers of at most eight bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scalar {
    U8,
    U16,
    U32,
    U64,
    I8,
    I16,
    I32,
    I64,
    F32,
    F64,
}

impl Scalar {
    pub(crate) fn of(ty: &Type) -> Option<Self> {
        Some(match ty {
            Type::Bool | Type::U8 => Self::U8,
            Type::U16 => Self::U16,
            Type::U32 => Self::U32,
            Type::U64 => Self::U64,
            Type::I8 => Self::I8,
            Type::I16 => Self::I16,
            Type::I32 => Self::I32,
            Type::I64 | Type::Timestamp | Type::Duration => Self::I64,
            Type::F32 => Self::F32,
            Type::F64 => Self::F64,
            _ => return None,
        })
    }

    /// Takes a value off the reader, as a number that is in the order of the values.
    #[inline]
    pub(crate) fn take(self, reader: &mut Reader<'_>) -> Result<u64, DecodeError> {
        const SIGN: u64 = 1 << 63;
        let expected = "a number";
        Ok(match self {
            Self::U8 => u64::from(u8::from_le_bytes(reader.array(expected)?)),
            Self::U16 => u64::from(u16::from_le_bytes(reader.array(expected)?)),
            Self::U32 => u64::from(u32::from_le_bytes(reader.array(expected)?)),
            Self::U64 => u64::from_le_bytes(reader.array(expected)?),
            Self::I8 => i64::from(i8::from_le_bytes(reader.array(expected)?)) as u64 ^ SIGN,
            Self::I16 => i64::from(i16::from_le_bytes(reader.array(expected)?)) as u64 ^ SIGN,
            Self::I32 => i64::from(i32::from_le_bytes(reader.array(expected)?)) as u64 ^ SIGN,
            Self::I64 => u64::from_le_bytes(reader.array(expected)?) ^ SIGN,
            Self::F32 => {
                let bits = u32::from_le_bytes(reader.array(expected)?);
                u64::from(if bits >> 31 == 0 { bits ^ 1 << 31 } else { !bits })
            }
            Self::F64 => {
                let bits = u64::from_le_bytes(reader.array(expected)?);
                if bits >> 63 == 0 { bits ^ SIGN } else { !bits }
            }
        })
    }
}
