//! From a filter to a predicate: every place is found, every value is checked, once for all rows.

use super::predicate::{Compared, Move, Shape, Test, Way, With};
use super::{Comparison, Filter, FilterError, MAX_FILTER_DEPTH, MAX_FILTER_PARTS, Operand, Place, Predicate, Step};
use crate::codec::Reader;
use crate::layout::RowLayout;
use crate::order::Scalar;
use crate::ty::{Field, Type};

impl Predicate {
    /// `filter` for rows of `layout`.
    ///
    /// # Errors
    /// [`FilterError`]: what does not fit its columns, or a limit.
    pub fn new(filter: &Filter, layout: &RowLayout) -> Result<Self, FilterError> {
        let mut compiler = Compiler { layout, parts: 0, cost: 0 };
        let test = compiler.test(filter, MAX_FILTER_DEPTH)?;
        Ok(Self { test, cost: compiler.cost })
    }
}

struct Compiler<'l> {
    layout: &'l RowLayout,
    parts: usize,
    cost: u32,
}

impl<'l> Compiler<'l> {
    fn test(&mut self, filter: &Filter, depth: usize) -> Result<Test, FilterError> {
        let depth = depth.checked_sub(1).ok_or(FilterError::TooDeep)?;
        self.parts += 1;
        if self.parts > MAX_FILTER_PARTS {
            return Err(FilterError::TooMany);
        }
        Ok(match filter {
            Filter::All(parts) => Test::All(self.tests(parts, depth)?),
            Filter::Any(parts) => Test::Any(self.tests(parts, depth)?),
            Filter::Not(part) => Test::Not(Box::new(self.test(part, depth)?)),
            Filter::Compare(comparison) => self.comparison(comparison)?,
            Filter::IsNull(place) => {
                let (way, ty) = self.way(place)?;
                Test::IsNull { way, optional: matches!(ty, Type::Option(_)) }
            }
            Filter::Is(place, variant) => {
                let (way, ty) = self.way(place)?;
                match ty {
                    Type::Enum(ty) if usize::from(*variant) < ty.variants.len() => {}
                    other => {
                        let (ty, step) = (other.to_string(), format!("variant {variant}"));
                        return Err(FilterError::NoSuchStep { column: place.column, ty, step });
                    }
                }
                Test::Is { way, variant: *variant }
            }
        })
    }

    fn tests(&mut self, parts: &[Filter], depth: usize) -> Result<Box<[Test]>, FilterError> {
        parts.iter().map(|part| self.test(part, depth)).collect()
    }

    fn comparison(&mut self, Comparison { place, operator, with }: &Comparison) -> Result<Test, FilterError> {
        let operator = *operator;
        let (way, ty) = self.way(place)?;
        if let Type::Option(_) = ty {
            return Err(FilterError::Optional { column: place.column, ty: ty.to_string() });
        }
        let shape = shape(place, ty);
        let with = match with {
            Operand::Value(bytes) => value(place, ty, bytes)?,
            Operand::Place(other) => {
                let (other_way, other_ty) = self.way(other)?;
                if other_ty != ty {
                    let (ty, other) = (ty.to_string(), other_ty.to_string());
                    return Err(FilterError::TypesDiffer { column: place.column, ty, other });
                }
                With::Place(other_way, self::shape(other, other_ty))
            }
        };
        Ok(match (&way.moves[..], &shape, &with) {
            ([], Shape::Number(scalar), With::Number(value)) => {
                Test::Number { position: way.start, scalar: *scalar, operator, value: *value }
            }
            _ => Test::Compare(Box::new(Compared { way, shape, operator, with })),
        })
    }

    /// The way to a place, and the type of what is there.
    fn way(&mut self, place: &Place) -> Result<(Way, &'l Type), FilterError> {
        let ty = place.ty(self.layout.types())?;
        self.cost += 1;
        let (start, skipped) = self.layout.way_to(usize::from(place.column));
        let mut moves = Moves::default();
        moves.over(skipped.iter());
        let mut at = &self.layout.types()[usize::from(place.column)];
        for step in &place.steps {
            match (step, at) {
                (Step::Field(number), Type::Struct(ty)) => at = moves.over_to(&ty.fields, *number),
                (Step::Inside, Type::Option(inner)) => {
                    moves.then(Move::Inside);
                    at = inner;
                }
                (Step::Variant(variant, field), Type::Enum(ty)) => {
                    moves.then(Move::Variant(*variant));
                    at = moves.over_to(&ty.variants[usize::from(*variant)].fields, *field);
                }
                (Step::Length, _) => {}
                _ => panic!("invariant: the place was just found to be there"),
            }
        }
        let (first, moves) = moves.finish();
        Ok((Way { start: start + first, moves }, ty))
    }
}

/// The value with which a place of type `ty` is compared.
fn value(place: &Place, ty: &Type, bytes: &[u8]) -> Result<With, FilterError> {
    let alone = RowLayout::new(vec![ty.clone()]);
    let invalid = |source| FilterError::InvalidValue { column: place.column, ty: ty.to_string(), source };
    let bytes = alone.canonical(bytes).map_err(invalid)?;
    Ok(match Scalar::of(ty) {
        Some(scalar) => With::Number(scalar.take(&mut Reader::new(&bytes)).map_err(invalid)?),
        None => With::Value((*bytes).into()),
    })
}

/// How what is at a place is compared: a length stands as a `u32` in front of what it counts.
fn shape(place: &Place, ty: &Type) -> Shape {
    match Scalar::of(ty) {
        _ if place.steps.last() == Some(&Step::Length) => Shape::Number(Scalar::U32),
        Some(scalar) => Shape::Number(scalar),
        None => Shape::Other(ty.clone()),
    }
}

/// Moves; those over bytes are joined.
#[derive(Default)]
struct Moves(Vec<Move>);

impl Moves {
    fn over<'t>(&mut self, types: impl Iterator<Item = &'t Type>) {
        for ty in types {
            match (ty.fixed_size(), self.0.last_mut()) {
                (Some(size), Some(Move::Bytes(count))) => *count += size,
                (Some(size), _) => self.0.push(Move::Bytes(size)),
                (None, _) => self.0.push(Move::Value(ty.clone())),
            }
        }
    }

    /// Over the fields in front of the field with this number; returns its type.
    fn over_to<'t>(&mut self, fields: &'t [Field], number: u16) -> &'t Type {
        self.over(fields[..usize::from(number)].iter().map(|field| &field.ty));
        &fields[usize::from(number)].ty
    }

    fn then(&mut self, one: Move) {
        self.0.push(one);
    }

    /// The bytes to move over first, and the moves behind them.
    fn finish(mut self) -> (usize, Box<[Move]>) {
        self.0.retain(|one| !matches!(one, Move::Bytes(0)));
        match self.0.first() {
            Some(Move::Bytes(count)) => (*count, self.0[1..].into()),
            _ => (0, self.0.into()),
        }
    }
}
