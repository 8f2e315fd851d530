//! Filters: conditions on one row, evaluated on its encoded bytes.
//!
//! A comparison turns both sides into order-preserving key bytes and compares those: one rule for every type.

use crate::codec::Reader;
use crate::json;
use crate::key;
use crate::layout::RowLayout;
use crate::ty::Type;
use crate::value::Value;

/// A condition on one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// All hold; true if there are none.
    All(Vec<Filter>),
    /// At least one holds; false if there are none.
    Any(Vec<Filter>),
    /// It does not hold.
    Not(Box<Filter>),
    /// A column compared with a value of its type.
    Compare {
        /// The column's number.
        column: u16,
        /// How.
        operator: Operator,
        /// Key bytes of the value.
        value: Vec<u8>,
    },
    /// An optional column holds nothing.
    IsNull {
        /// The column's number.
        column: u16,
    },
}

/// How a column is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the usual six")]
pub enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Filter {
    /// `column operator value`, where the column has type `ty` and so has the value.
    ///
    /// An optional column may be compared with a value of the type inside: it must then hold one.
    pub fn compare(column: u16, operator: Operator, ty: &Type, value: &Value) -> Self {
        Self::Compare { column, operator, value: json::key_of(ty, value) }
    }

    /// Whether it holds for `row`.
    pub fn holds(&self, layout: &RowLayout, row: &[u8]) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(layout, row)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(layout, row)),
            Self::Not(part) => !part.holds(layout, row),
            Self::Compare { column, operator, value } => {
                let mut bytes = Vec::with_capacity(value.len());
                layout.encode_key(row, &[*column], &mut bytes);
                operator.holds(bytes.as_slice().cmp(value))
            }
            Self::IsNull { column } => layout.column(row, usize::from(*column)) == [0],
        }
    }

    /// The conditions that must all hold.
    pub fn conjuncts(&self) -> &[Filter] {
        match self {
            Self::All(parts) => parts,
            other => std::slice::from_ref(other),
        }
    }
}

impl Operator {
    /// Whether `left operator right` holds, given how they compare.
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
    pub fn flipped(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            same => same,
        }
    }
}

/// The key bytes of encoded `bytes` of type `ty`.
///
/// # Panics
/// If the bytes are not a canonical value of the type.
pub fn key_of_bytes(ty: &Type, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    key::encode(ty, &mut Reader::new(bytes), &mut out).expect("invariant: stored values are canonical");
    out
}
