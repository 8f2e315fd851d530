//! Filters: conditions on one row, as values that stand in schemas and cross the boundary to modules.
//!
//! A filter looks at *places*: a column, then steps into what it holds. A place need not be there, as what an empty `option`
//! would hold: a comparison with it is neither true nor false but unknown, and so is its opposite. What is unknown lets no row
//! through a filter, and every row past a check, as in SQL.
//!
//! 1. A filter is made by whoever asks, or read from bytes that nobody trusts (`bytes`).
//! 2. It is compiled against the columns of a table, which finds all that does not fit them (`compile`).
//! 3. The [`Predicate`] that comes of it looks at encoded rows (`predicate`).

mod bytes;
mod compile;
mod predicate;

pub use predicate::Predicate;

use crate::codec::{self, DecodeError, Reader};
use crate::key;
use crate::ty::Type;
use crate::value::Value;
use serde::{Deserialize, Serialize};

/// Deepest nesting of a filter that is read or compiled.
pub const MAX_FILTER_DEPTH: usize = 64;
/// Most conditions of a filter that is read or compiled, those that hold others included.
pub const MAX_FILTER_PARTS: usize = 10_000;
/// Most bytes of a filter that is read.
pub const MAX_FILTER_SIZE: usize = 64 << 10;
/// Most steps of a place.
pub const MAX_STEPS: usize = 32;

/// A condition on one row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// All hold; true if there are none.
    All(Vec<Filter>),
    /// At least one holds; false if there are none.
    Any(Vec<Filter>),
    /// It does not hold.
    Not(Box<Filter>),
    /// A place compares with a value, or with another place.
    Compare(Comparison),
    /// The place is not there, or is an `option` that holds nothing. Never unknown.
    IsNull(Place),
    /// The place holds this variant of its enum.
    Is(Place, u8),
}

/// A place that is compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// What is compared.
    pub place: Place,
    /// How.
    pub operator: Operator,
    /// With what, of the same type.
    pub with: Operand,
}

/// What a place is compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operand {
    /// The canonical bytes of a value, in JSON as hex.
    Value(#[serde(with = "hex")] Vec<u8>),
    /// Another place of the row.
    Place(Place),
}

/// Where in a row: a column, and the way into what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The column's number.
    pub column: u16,
    /// From its value on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
}

/// One step into a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The field of a struct with this number.
    Field(u16),
    /// What an `option` holds.
    Inside,
    /// Of the variant of an enum with this number the field with this number.
    Variant(u8, u16),
    /// How many bytes a string or bytes have, how many elements a list or map: a `u64`. It is the last step.
    Length,
}

/// How a place is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the usual six")]
pub enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Why a filter cannot be read, or does not fit a table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// More than [`MAX_FILTER_SIZE`].
    #[error("the filter has {size} bytes, at most {MAX_FILTER_SIZE} are allowed")]
    TooLarge {
        /// Its size.
        size: usize,
    },
    /// Deeper than [`MAX_FILTER_DEPTH`].
    #[error("the filter is nested deeper than {MAX_FILTER_DEPTH}")]
    TooDeep,
    /// More than [`MAX_FILTER_PARTS`] conditions, or [`MAX_STEPS`].
    #[error("the filter has more than {MAX_FILTER_PARTS} conditions, or a place of more than {MAX_STEPS} steps")]
    TooMany,
    /// The bytes end too early, or too late.
    #[error("the bytes are not a filter: {0}")]
    Cut(#[source] DecodeError),
    /// A byte that says nothing.
    #[error("the bytes are not a filter: {found} at byte {position} is no {expected}")]
    InvalidTag {
        /// What should be there.
        expected: &'static str,
        /// The byte.
        found: u8,
        /// Where.
        position: usize,
    },
    /// The table has fewer columns.
    #[error("there is no column {column}")]
    NoSuchColumn {
        /// The column's number.
        column: u16,
    },
    /// A step into a value that has nothing like it.
    #[error("column {column}: {ty} has no {step}")]
    NoSuchStep {
        /// The column's number.
        column: u16,
        /// What is there.
        ty: String,
        /// What was to be there.
        step: String,
    },
    /// An `option` is compared by what it holds.
    #[error("column {column} holds {ty} here: compare what is inside of it, or ask whether there is anything")]
    Optional {
        /// The column's number.
        column: u16,
        /// What is there.
        ty: String,
    },
    /// The value has another type.
    #[error("column {column} holds {ty} here, and the value is not one: {source}")]
    InvalidValue {
        /// The column's number.
        column: u16,
        /// What is there.
        ty: String,
        /// What is wrong with the value.
        source: DecodeError,
    },
    /// The other place has another type.
    #[error("column {column} holds {ty} here, and what it is compared with is {other}")]
    TypesDiffer {
        /// The column's number.
        column: u16,
        /// What is there.
        ty: String,
        /// What is at the other place.
        other: String,
    },
}

impl Filter {
    /// `place operator value`, where `ty` is the type of both.
    pub fn compare(place: Place, operator: Operator, ty: &Type, value: &Value) -> Self {
        let mut bytes = Vec::new();
        codec::encode(ty, value, &mut bytes);
        Self::Compare(Comparison { place, operator, with: Operand::Value(bytes) })
    }

    /// The filter that lets every row through.
    pub fn everything() -> Self {
        Self::All(Vec::new())
    }

    /// The filter that lets no row through.
    pub fn nothing() -> Self {
        Self::Any(Vec::new())
    }

    /// Whether it is [`everything`](Self::everything) as it stands.
    pub fn is_everything(&self) -> bool {
        matches!(self, Self::All(parts) if parts.is_empty())
    }

    /// The conditions that must all hold.
    pub fn conjuncts(&self) -> &[Filter] {
        match self {
            Self::All(parts) => parts,
            other => std::slice::from_ref(other),
        }
    }

    /// The numbers of the columns that it looks at, in order, each once.
    pub fn columns(&self) -> Vec<u16> {
        let mut columns = Vec::new();
        self.visit_places(&mut |place| columns.push(place.column));
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    fn visit_places(&self, visit: &mut impl FnMut(&Place)) {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.visit_places(visit)),
            Self::Not(part) => part.visit_places(visit),
            Self::Compare(Comparison { place, with, .. }) => {
                visit(place);
                if let Operand::Place(other) = with {
                    visit(other);
                }
            }
            Self::IsNull(place) | Self::Is(place, _) => visit(place),
        }
    }
}

impl Place {
    /// All of a column.
    pub const fn column(column: u16) -> Self {
        Self { column, steps: Vec::new() }
    }

    /// One step further.
    #[must_use]
    pub fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// The type of what is there.
    ///
    /// # Errors
    /// If columns of `types` have no such place.
    pub fn ty<'t>(&self, types: &'t [Type]) -> Result<&'t Type, FilterError> {
        let ty = types.get(usize::from(self.column)).ok_or(FilterError::NoSuchColumn { column: self.column })?;
        if self.steps.len() > MAX_STEPS {
            return Err(FilterError::TooMany);
        }
        self.steps.iter().enumerate().try_fold(ty, |ty, (position, step)| {
            let is_last = position + 1 == self.steps.len();
            step.ty(ty).filter(|_| is_last || *step != Step::Length).ok_or_else(|| FilterError::NoSuchStep {
                column: self.column,
                ty: ty.to_string(),
                step: step.to_string(),
            })
        })
    }
}

impl Step {
    fn ty(self, ty: &Type) -> Option<&Type> {
        match (self, ty) {
            (Self::Field(number), Type::Struct(ty)) => ty.fields.get(usize::from(number)).map(|field| &field.ty),
            (Self::Inside, Type::Option(inner)) => Some(inner),
            (Self::Variant(variant, field), Type::Enum(ty)) => {
                let variant = ty.variants.get(usize::from(variant))?;
                variant.fields.get(usize::from(field)).map(|field| &field.ty)
            }
            (Self::Length, Type::String | Type::Bytes | Type::List(_) | Type::Map(..)) => Some(&Type::U64),
            _ => None,
        }
    }
}

/// As in `field 3`.
impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Field(number) => write!(f, "field {number}"),
            Self::Inside => f.write_str("inside"),
            Self::Variant(variant, field) => write!(f, "variant {variant} with a field {field}"),
            Self::Length => f.write_str("length"),
        }
    }
}

impl Operator {
    /// Whether `left operator right` holds, given how they compare.
    #[inline]
    pub fn holds(self, ordering: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }

    /// The operator with its sides exchanged.
    #[must_use]
    pub fn flipped(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            same => same,
        }
    }

    /// The operator that holds where this one does not.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::Equal => Self::NotEqual,
            Self::NotEqual => Self::Equal,
            Self::Less => Self::GreaterOrEqual,
            Self::LessOrEqual => Self::Greater,
            Self::Greater => Self::LessOrEqual,
            Self::GreaterOrEqual => Self::Less,
        }
    }
}

/// The key bytes of encoded `bytes` of type `ty`.
///
/// # Panics
/// If the bytes are not a canonical value of the type.
pub fn key_of_bytes(ty: &Type, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    key::encode(ty, &mut Reader::new(bytes), &mut out).expect("invariant: a value of the type");
    out
}

/// Bytes as hex digits.
mod hex {
    use crate::id;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&id::to_hex(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        id::bytes_of_hex(&text).ok_or_else(|| D::Error::custom("not hex digits in pairs"))
    }
}
