//! A filter that was compiled for a table: it looks at encoded rows, reads no column that it does not need, and allocates
//! nothing.

use super::Operator;
use crate::codec::{self, Reader};
use crate::order::{self, Scalar};
use crate::ty::Type;

const CANONICAL: &str = "invariant: stored rows are canonical";

/// A condition on rows of one table.
#[derive(Debug, Clone)]
pub struct Predicate {
    pub(super) test: Test,
    pub(super) cost: u32,
}

impl Predicate {
    /// Whether the condition is true of `row`.
    ///
    /// # Panics
    /// If `row` is not a canonical row of the table.
    #[inline]
    pub fn holds(&self, row: &[u8]) -> bool {
        self.test.truth(row) == Some(true)
    }

    /// Whether the condition is false of `row`: neither true nor unknown.
    ///
    /// # Panics
    /// If `row` is not a canonical row of the table.
    #[inline]
    pub fn fails(&self, row: &[u8]) -> bool {
        self.test.truth(row) == Some(false)
    }

    /// How many conditions it looks at, at most.
    pub fn cost(&self) -> u32 {
        self.cost
    }
}

/// What a condition became.
#[derive(Debug, Clone)]
pub(super) enum Test {
    All(Box<[Test]>),
    Any(Box<[Test]>),
    Not(Box<Test>),
    /// A number at a place that is always there and always the same: by far the commonest.
    Number {
        position: usize,
        scalar: Scalar,
        operator: Operator,
        value: u64,
    },
    Compare(Box<Compared>),
    IsNull {
        way: Way,
        optional: bool,
    },
    Is {
        way: Way,
        variant: u8,
    },
}

#[derive(Debug, Clone)]
pub(super) struct Compared {
    pub(super) way: Way,
    pub(super) shape: Shape,
    pub(super) operator: Operator,
    pub(super) with: With,
}

/// How the values of a place are compared.
#[derive(Debug, Clone)]
pub(super) enum Shape {
    Number(Scalar),
    Other(Type),
}

/// What a place is compared with.
#[derive(Debug, Clone)]
pub(super) enum With {
    Number(u64),
    Value(Box<[u8]>),
    /// A place with numbers of its own kind: those of a length are shorter than those of a `u64`.
    Place(Way, Shape),
}

/// The way to a place.
#[derive(Debug, Clone)]
pub(super) struct Way {
    /// Where in the row it begins.
    pub(super) start: usize,
    pub(super) moves: Box<[Move]>,
}

/// One move on a way.
#[derive(Debug, Clone)]
pub(super) enum Move {
    /// Over so many bytes.
    Bytes(usize),
    /// Over a value of this type.
    Value(Type),
    /// Into an `option`, if it holds something.
    Inside,
    /// Into an enum, if it holds this variant.
    Variant(u8),
}

impl Test {
    /// True, false, or unknown.
    fn truth(&self, row: &[u8]) -> Option<bool> {
        match self {
            Self::Number { position, scalar, operator, value } => {
                let mut reader = Reader::new(&row[*position..]);
                Some(operator.holds(scalar.take(&mut reader).expect(CANONICAL).cmp(value)))
            }
            Self::All(parts) => all(parts, row, false),
            Self::Any(parts) => all(parts, row, true),
            Self::Not(part) => part.truth(row).map(|holds| !holds),
            Self::Compare(compared) => compared.truth(row),
            Self::IsNull { way, optional } => Some(match way.reader(row) {
                None => true,
                Some(mut reader) => *optional && tag(&mut reader) == 0,
            }),
            Self::Is { way, variant } => way.reader(row).map(|mut reader| tag(&mut reader) == *variant),
        }
    }
}

/// Whether no part is `decisive`; that, if one is; unknown, if none is and one is unknown.
fn all(parts: &[Test], row: &[u8], decisive: bool) -> Option<bool> {
    let mut truth = Some(!decisive);
    for part in parts {
        match part.truth(row) {
            Some(found) if found == decisive => return Some(decisive),
            Some(_) => {}
            None => truth = None,
        }
    }
    truth
}

impl Compared {
    fn truth(&self, row: &[u8]) -> Option<bool> {
        let mut reader = self.way.reader(row)?;
        let order = match (&self.shape, &self.with) {
            (Shape::Number(scalar), With::Number(value)) => scalar.take(&mut reader).expect(CANONICAL).cmp(value),
            (Shape::Number(scalar), With::Place(way, Shape::Number(other))) => {
                let other = other.take(&mut way.reader(row)?).expect(CANONICAL);
                scalar.take(&mut reader).expect(CANONICAL).cmp(&other)
            }
            (Shape::Other(ty), With::Value(value)) => {
                order::compare(ty, &mut reader, &mut Reader::new(value)).expect(CANONICAL)
            }
            (Shape::Other(ty), With::Place(way, _)) => {
                order::compare(ty, &mut reader, &mut way.reader(row)?).expect(CANONICAL)
            }
            (Shape::Number(_), With::Value(_) | With::Place(_, Shape::Other(_)))
            | (Shape::Other(_), With::Number(_)) => {
                panic!("invariant: both sides have one type")
            }
        };
        Some(self.operator.holds(order))
    }
}

impl Way {
    /// A reader at the place, if that is there.
    #[inline]
    fn reader<'r>(&self, row: &'r [u8]) -> Option<Reader<'r>> {
        let mut reader = Reader::new(&row[self.start..]);
        for step in &self.moves {
            match step {
                Move::Bytes(count) => drop(reader.take(*count, "a column").expect(CANONICAL)),
                Move::Value(ty) => codec::skip(ty, &mut reader).expect(CANONICAL),
                Move::Inside if tag(&mut reader) == 0 => return None,
                Move::Inside => {}
                Move::Variant(variant) if tag(&mut reader) != *variant => return None,
                Move::Variant(_) => {}
            }
        }
        Some(reader)
    }
}

#[inline]
fn tag(reader: &mut Reader<'_>) -> u8 {
    let [tag] = reader.array("a tag").expect(CANONICAL);
    tag
}
