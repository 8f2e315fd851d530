//! The types that a column, an argument or an answer may have.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Deepest nesting of a type that a schema may declare.
pub const MAX_TYPE_DEPTH: usize = 32;

/// A type. In schema JSON a plain type is its name, a composite one an object: `"u64"`, `{"option":"u64"}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the variants are the field's own words")]
pub enum Type {
    /// No value; what a function without an answer returns.
    Unit,
    Bool,
    U8,
    U16,
    U32,
    U64,
    U128,
    I8,
    I16,
    I32,
    I64,
    I128,
    F32,
    F64,
    String,
    Bytes,
    Timestamp,
    Duration,
    Uuid,
    Identity,
    Option(Box<Type>),
    List(Box<Type>),
    /// Sorted by key, each key once.
    Map(Box<Type>, Box<Type>),
    Struct(StructType),
    Enum(EnumType),
}

/// Named fields in order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StructType {
    /// The author's name for it.
    pub name: String,
    /// In declaration order.
    pub fields: Vec<Field>,
}

/// One field of a struct, or one argument of a function.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Field {
    /// Its Rust name.
    pub name: String,
    /// What it holds.
    #[serde(rename = "type")]
    pub ty: Type,
}

/// A sum type: one of up to 256 variants.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EnumType {
    /// The author's name for it.
    pub name: String,
    /// The tag of a variant is its position here.
    pub variants: Vec<Variant>,
}

/// One variant of a sum type.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Variant {
    /// Its Rust name.
    pub name: String,
    /// How its fields are written.
    pub shape: Shape,
    /// None for a unit variant; named `0`, `1`, … for a tuple variant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
    /// The text of an error variant: `{0}` or `{name}` stand for fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// How the fields of a variant are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// `Variant`
    Unit,
    /// `Variant(a, b)`
    Tuple,
    /// `Variant { a, b }`
    Struct,
}

impl Type {
    /// Bytes of every value of this type, where they do not depend on the value.
    pub fn fixed_size(&self) -> Option<usize> {
        Some(match self {
            Self::Unit => 0,
            Self::Bool | Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 | Self::Timestamp | Self::Duration => 8,
            Self::U128 | Self::I128 | Self::Uuid => 16,
            Self::Identity => 32,
            Self::Struct(ty) => return ty.fields.iter().map(|field| field.ty.fixed_size()).sum(),
            Self::String | Self::Bytes | Self::Option(_) | Self::List(_) | Self::Map(..) | Self::Enum(_) => {
                return None;
            }
        })
    }

    /// Fewest bytes that a value of this type takes.
    pub fn min_size(&self) -> usize {
        match self {
            Self::String | Self::Bytes | Self::List(_) | Self::Map(..) => 4,
            Self::Option(_) => 1,
            Self::Enum(ty) => 1 + ty.variants.iter().map(|v| min_size_of(&v.fields)).min().unwrap_or(0),
            Self::Struct(ty) => min_size_of(&ty.fields),
            plain => plain.fixed_size().unwrap_or(0),
        }
    }

    /// Whether every byte string of the fixed size is a canonical value, so that a check of the length is enough.
    pub fn is_free(&self) -> bool {
        match self {
            Self::Struct(ty) => ty.fields.iter().all(|field| field.ty.is_free()),
            Self::Bool | Self::F32 | Self::F64 => false,
            other => other.fixed_size().is_some(),
        }
    }

    /// Whether sequence values may fill a column of this type.
    pub fn is_sequence(&self) -> bool {
        matches!(self, Self::U32 | Self::U64 | Self::I32 | Self::I64)
    }

    /// Levels of nesting, 1 for a plain type. Stops counting at one past [`MAX_TYPE_DEPTH`].
    pub fn depth(&self) -> usize {
        self.depth_within(MAX_TYPE_DEPTH + 1)
    }

    fn depth_within(&self, budget: usize) -> usize {
        if budget == 0 {
            return 0;
        }
        1 + self.children().map(|child| child.depth_within(budget - 1)).max().unwrap_or(0)
    }

    /// The types directly inside of this one.
    pub fn children(&self) -> Box<dyn Iterator<Item = &Type> + '_> {
        match self {
            Self::Option(inner) | Self::List(inner) => Box::new(std::iter::once(&**inner)),
            Self::Map(key, value) => Box::new([&**key, &**value].into_iter()),
            Self::Struct(ty) => Box::new(ty.fields.iter().map(|field| &field.ty)),
            Self::Enum(ty) => Box::new(ty.variants.iter().flat_map(|v| v.fields.iter().map(|field| &field.ty))),
            _ => Box::new(std::iter::empty()),
        }
    }
}

fn min_size_of(fields: &[Field]) -> usize {
    fields.iter().map(|field| field.ty.min_size()).sum()
}

/// As a person reads it: `option<timestamp>`, `enum Body`.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Unit => "unit",
            Self::Bool => "bool",
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
            Self::U128 => "u128",
            Self::I8 => "i8",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::I128 => "i128",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::Timestamp => "timestamp",
            Self::Duration => "duration",
            Self::Uuid => "uuid",
            Self::Identity => "identity",
            Self::Option(inner) => return write!(f, "option<{inner}>"),
            Self::List(inner) => return write!(f, "list<{inner}>"),
            Self::Map(key, value) => return write!(f, "map<{key}, {value}>"),
            Self::Struct(ty) => return write!(f, "struct {}", ty.name),
            Self::Enum(ty) => return write!(f, "enum {}", ty.name),
        };
        f.write_str(name)
    }
}
