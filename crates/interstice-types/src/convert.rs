//! Values of one type as values of another, where the types say how: what a changed column does to the rows that are there.
//!
//! | from | to | |
//! |---|---|---|
//! | an integer | an integer | always, if it is as wide; else where the number fits |
//! | `f32` | `f64` | always |
//! | `f64` | `f32` | where the number is one of both |
//! | `T` | `option<T>` | always |
//! | `option<T>` | `T` | where there is a value |
//! | `list<T>`, `map<K, V>` | the same of other types | as their parts |
//! | a struct | a struct | field by field of the same name; a new field must be an option, and holds nothing |
//! | an enum | an enum | variant by variant of the same name; where there is such a variant |
//!
//! Anything else is a migration that its author writes.

use crate::json;
use crate::ty::{EnumType, Field, Type};
use crate::value::Value;

/// How many values of one type have a counterpart in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// Every value, and its bytes are the same.
    Same,
    /// Every value.
    All,
    /// Some: each has to be looked at.
    Some,
}

/// A value without a counterpart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value} is not a {wanted}")]
pub struct Misfit {
    /// As JSON.
    pub value: String,
    /// The type that it should have.
    pub wanted: String,
}

/// How many values of `from` have a counterpart in `to`; `None` if the types do not say how.
pub fn fit(from: &Type, to: &Type) -> Option<Fit> {
    match (from, to) {
        (Type::Option(from), Type::Option(to)) | (Type::List(from), Type::List(to)) => fit(from, to),
        (Type::Map(from_key, from_value), Type::Map(to_key, to_value)) => {
            // Keys that are ordered otherwise, or that become one, would make another map.
            let keys = fit(from_key, to_key).filter(|keys| *keys == Fit::Same)?;
            Some(keys.max(fit(from_value, to_value)?))
        }
        (Type::Struct(from), Type::Struct(to)) => fit_fields(&from.fields, &to.fields),
        (Type::Enum(from), Type::Enum(to)) => fit_variants(from, to),
        (from, Type::Option(to)) => Some(fit(from, to)?.max(Fit::All)),
        (Type::Option(from), to) => Some(fit(from, to)?.max(Fit::Some)),
        (Type::F32, Type::F64) => Some(Fit::All),
        (Type::F64, Type::F32) => Some(Fit::Some),
        (from, to) if from == to => Some(Fit::Same),
        (from, to) => {
            let (from, to) = (range(from)?, range(to)?);
            Some(if to.0 <= from.0 && from.1 <= to.1 { Fit::All } else { Fit::Some })
        }
    }
}

/// The least and the greatest number of an integer type.
fn range(ty: &Type) -> Option<(i128, u128)> {
    Some(match ty {
        Type::U8 => (0, u8::MAX.into()),
        Type::U16 => (0, u16::MAX.into()),
        Type::U32 => (0, u32::MAX.into()),
        Type::U64 => (0, u64::MAX.into()),
        Type::U128 => (0, u128::MAX),
        Type::I8 => (i8::MIN.into(), i8::MAX as u128),
        Type::I16 => (i16::MIN.into(), i16::MAX as u128),
        Type::I32 => (i32::MIN.into(), i32::MAX as u128),
        Type::I64 => (i64::MIN.into(), i64::MAX as u128),
        Type::I128 => (i128::MIN, i128::MAX as u128),
        _ => return None,
    })
}

fn fit_fields(from: &[Field], to: &[Field]) -> Option<Fit> {
    let kept = from.iter().all(|field| named(to, &field.name).is_some());
    let in_order = kept && from.len() == to.len() && from.iter().zip(to).all(|(from, to)| from.name == to.name);
    let fits = to.iter().map(|field| match named(from, &field.name) {
        Some(source) => fit(&source.ty, &field.ty),
        None => matches!(field.ty, Type::Option(_)).then_some(Fit::All),
    });
    let fits = fits.collect::<Option<Vec<_>>>().filter(|_| kept)?;
    fits.into_iter().chain([if in_order { Fit::Same } else { Fit::All }]).max()
}

fn named<'f>(fields: &'f [Field], name: &str) -> Option<&'f Field> {
    fields.iter().find(|field| field.name == name)
}

fn fit_variants(from: &EnumType, to: &EnumType) -> Option<Fit> {
    let mut worst = Fit::Same;
    let mut any = from.variants.is_empty();
    for (tag, variant) in from.variants.iter().enumerate() {
        let Some(position) = to.variants.iter().position(|other| other.name == variant.name) else {
            worst = Fit::Some;
            continue;
        };
        any = true;
        let moved = if position == tag { Fit::Same } else { Fit::All };
        worst = worst.max(moved).max(fit_fields(&variant.fields, &to.variants[position].fields)?);
    }
    any.then_some(worst)
}

/// The counterpart of `value`, which is a `from`, in `to`.
///
/// # Errors
/// [`Misfit`] if it has none.
///
/// # Panics
/// If [`fit`] says that the types do not tell.
pub fn convert(from: &Type, to: &Type, value: &Value) -> Result<Value, Misfit> {
    let misfit = || Misfit { value: json::to_text(from, value), wanted: to.to_string() };
    Ok(match (from, to, value) {
        (Type::Option(_), Type::Option(_), Value::Option(None)) => Value::Option(None),
        (Type::Option(from), Type::Option(to), Value::Option(Some(inner))) => {
            Value::Option(Some(Box::new(convert(from, to, inner)?)))
        }
        (Type::List(from), Type::List(to), Value::List(items)) => {
            Value::List(items.iter().map(|item| convert(from, to, item)).collect::<Result<_, _>>()?)
        }
        (Type::Map(_, from), Type::Map(_, to), Value::Map(entries)) => {
            let entries = entries.iter().map(|(key, value)| Ok((key.clone(), convert(from, to, value)?)));
            Value::Map(entries.collect::<Result<_, _>>()?)
        }
        (Type::Struct(from), Type::Struct(to), Value::Struct(values)) => {
            Value::Struct(convert_fields((&from.fields, &to.fields), values)?)
        }
        (Type::Enum(from), Type::Enum(to), Value::Enum(tag, values)) => {
            let variant = &from.variants[usize::from(*tag)];
            let position = to.variants.iter().position(|other| other.name == variant.name).ok_or_else(misfit)?;
            let fields = (&*variant.fields, &*to.variants[position].fields);
            Value::Enum(position as u8, convert_fields(fields, values)?)
        }
        (from, Type::Option(to), value) => Value::Option(Some(Box::new(convert(from, to, value)?))),
        (Type::Option(_), _, Value::Option(None)) => return Err(misfit()),
        (Type::Option(from), to, Value::Option(Some(inner))) => convert(from, to, inner)?,
        (_, Type::F64, Value::F32(number)) => Value::F64(f64::from(*number)),
        (_, Type::F32, Value::F64(number)) => {
            let narrow = *number as f32;
            let is_same = f64::from(narrow).to_bits() == number.to_bits() || number.is_nan();
            is_same.then_some(Value::F32(narrow)).ok_or_else(misfit)?
        }
        (from, to, value) if from == to => value.clone(),
        (_, to, value) => Integer::of(value).as_type(to).ok_or_else(misfit)?,
    })
}

fn convert_fields((from, to): (&[Field], &[Field]), values: &[Value]) -> Result<Vec<Value>, Misfit> {
    let convert = |field: &Field| match from.iter().position(|source| source.name == field.name) {
        Some(position) => convert(&from[position].ty, &field.ty, &values[position]),
        None => Ok(Value::Option(None)),
    };
    to.iter().map(convert).collect()
}

/// Any integer.
#[derive(Clone, Copy)]
enum Integer {
    Negative(i128),
    Positive(u128),
}

impl Integer {
    fn of(value: &Value) -> Self {
        match *value {
            Value::U8(v) => Self::Positive(v.into()),
            Value::U16(v) => Self::Positive(v.into()),
            Value::U32(v) => Self::Positive(v.into()),
            Value::U64(v) => Self::Positive(v.into()),
            Value::U128(v) => Self::Positive(v),
            Value::I8(v) => Self::signed(v.into()),
            Value::I16(v) => Self::signed(v.into()),
            Value::I32(v) => Self::signed(v.into()),
            Value::I64(v) => Self::signed(v.into()),
            Value::I128(v) => Self::signed(v),
            ref other => panic!("invariant: {other:?} is not an integer"),
        }
    }

    fn signed(value: i128) -> Self {
        u128::try_from(value).map_or(Self::Negative(value), Self::Positive)
    }

    fn to<T: TryFrom<i128> + TryFrom<u128>>(self) -> Option<T> {
        match self {
            Self::Negative(value) => T::try_from(value).ok(),
            Self::Positive(value) => T::try_from(value).ok(),
        }
    }

    fn as_type(self, ty: &Type) -> Option<Value> {
        match ty {
            Type::U8 => self.to().map(Value::U8),
            Type::U16 => self.to().map(Value::U16),
            Type::U32 => self.to().map(Value::U32),
            Type::U64 => self.to().map(Value::U64),
            Type::U128 => self.to().map(Value::U128),
            Type::I8 => self.to().map(Value::I8),
            Type::I16 => self.to().map(Value::I16),
            Type::I32 => self.to().map(Value::I32),
            Type::I64 => self.to().map(Value::I64),
            Type::I128 => self.to().map(Value::I128),
            other => panic!("invariant: {other} is not an integer"),
        }
    }
}
