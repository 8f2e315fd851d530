//! A value of any type, taken apart. Used at the edges (JSON, SQL, tools), never on the path of a call.

use crate::id::{Identity, Uuid};
use crate::time::{Duration, Timestamp};

/// One value. Its shape says less than a [`Type`](crate::ty::Type): names of fields and variants are in the type.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "one variant for each type of the same name")]
pub enum Value {
    Unit,
    Bool(bool),
    U8(u8),
    U16(u16),
    U32(u32),
    U64(u64),
    U128(u128),
    I8(i8),
    I16(i16),
    I32(i32),
    I64(i64),
    I128(i128),
    F32(f32),
    F64(f64),
    String(String),
    Bytes(Vec<u8>),
    Timestamp(Timestamp),
    Duration(Duration),
    Uuid(Uuid),
    Identity(Identity),
    Option(Option<Box<Value>>),
    List(Vec<Value>),
    /// Sorted by the order of the keys.
    Map(Vec<(Value, Value)>),
    Struct(Vec<Value>),
    /// Tag and fields of the variant.
    Enum(u8, Vec<Value>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}
