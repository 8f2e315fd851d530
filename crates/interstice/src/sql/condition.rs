//! Conditions: an expression becomes a [`Filter`] on encoded rows.
//!
//! A `NOT` is pushed down to the comparisons on the way, so that an index may serve what is left. A path such as `body.image.width`
//! leads into what a column holds: see `path`.

use super::path::Found;
use super::statement::Reading;
use super::text::{at, unsupported};
use interstice_types::filter::{Comparison, Filter, Operand, Operator, Step};
use interstice_types::json;
use interstice_types::problem::Problem;
use interstice_types::ty::Type;
use interstice_types::value::Value;
use serde_json::Value as Json;
use sqlparser::ast::{BinaryOperator, Expr, Spanned, UnaryOperator, Value as Literal};

/// Deepest nesting of a condition.
const MAX_DEPTH: usize = 64;

/// The operator that stands for `IS` with the name of a variant.
pub(super) const IS_VARIANT: &str = "IS";

/// Reads the conditions of one statement.
pub(super) struct Conditions<'r> {
    reading: &'r Reading<'r>,
}

impl<'r> Conditions<'r> {
    pub(super) fn new(reading: &'r Reading<'r>) -> Self {
        Self { reading }
    }

    /// The filter of a `WHERE`; everything passes where there is none.
    pub(super) fn filter(&self, condition: Option<&Expr>) -> Result<Filter, Problem> {
        condition.map_or(Ok(Filter::everything()), |condition| self.convert(condition, false, MAX_DEPTH))
    }

    fn convert(&self, expr: &Expr, negated: bool, depth: usize) -> Result<Filter, Problem> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(Problem::new("invalid-sql", format!("the condition is nested deeper than {MAX_DEPTH}")));
        };
        match expr {
            Expr::Nested(inner) => self.convert(inner, negated, depth),
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => self.convert(expr, !negated, depth),
            Expr::BinaryOp { op: op @ (BinaryOperator::And | BinaryOperator::Or), .. } => {
                let parts = chain(expr, op).into_iter().map(|part| self.convert(part, negated, depth));
                let parts = parts.collect::<Result<Vec<_>, _>>()?;
                Ok(if (*op == BinaryOperator::And) == negated { Filter::Any(parts) } else { flat_all(parts) })
            }
            Expr::BinaryOp { left, op: BinaryOperator::Custom(word), right } if word == IS_VARIANT => {
                self.is_variant(left, right, negated)
            }
            Expr::BinaryOp { left, op, right } => self.comparison(expr, (left, op, right), negated),
            Expr::IsNull(inner) => self.is_null(inner, negated),
            Expr::IsNotNull(inner) => self.is_null(inner, !negated),
            Expr::Between { expr, negated: not, low, high } => {
                let negated = negated != *not;
                let bounds = [(Operator::GreaterOrEqual, low), (Operator::LessOrEqual, high)];
                let parts = bounds.map(|(operator, value)| self.compare(expr, operator, value, negated));
                let parts = parts.into_iter().collect::<Result<Vec<_>, _>>()?;
                Ok(if negated { Filter::Any(parts) } else { flat_all(parts) })
            }
            Expr::InList { expr, list, negated: not } => {
                let negated = negated != *not;
                let parts = list.iter().map(|value| self.compare(expr, Operator::Equal, value, negated));
                let parts = parts.collect::<Result<Vec<_>, _>>()?;
                Ok(if negated { flat_all(parts) } else { Filter::Any(parts) })
            }
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => self.flag(expr, negated),
            Expr::Value(value) if matches!(value.value, Literal::Boolean(_)) => {
                let holds = value.value == Literal::Boolean(!negated);
                Ok(if holds { Filter::everything() } else { Filter::nothing() })
            }
            other => Err(unsupported(self.reading.text, "this condition", other.span())),
        }
    }

    /// A `bool` as a condition.
    fn flag(&self, expr: &Expr, negated: bool) -> Result<Filter, Problem> {
        let found = self.reading.place(expr)?.held();
        match found.ty {
            Type::Bool => Ok(Filter::compare(found.place, Operator::Equal, &Type::Bool, &Value::Bool(!negated))),
            _ => Err(unsupported(self.reading.text, "a column that is not a `bool` as a condition", expr.span())),
        }
    }

    /// `place IS variant`.
    fn is_variant(&self, place: &Expr, variant: &Expr, negated: bool) -> Result<Filter, Problem> {
        let found = self.reading.place(place)?.held();
        let Expr::Identifier(name) = variant else {
            return Err(unsupported(self.reading.text, "anything but the name of a variant here", variant.span()));
        };
        let tag = self.reading.variant(&found, name)?;
        let is = Filter::Is(found.place, tag);
        Ok(if negated { Filter::Not(Box::new(is)) } else { is })
    }

    fn comparison(
        &self,
        whole: &Expr,
        (left, op, right): (&Expr, &BinaryOperator, &Expr),
        negated: bool,
    ) -> Result<Filter, Problem> {
        let operator = match op {
            BinaryOperator::Eq => Operator::Equal,
            BinaryOperator::NotEq => Operator::NotEqual,
            BinaryOperator::Lt => Operator::Less,
            BinaryOperator::LtEq => Operator::LessOrEqual,
            BinaryOperator::Gt => Operator::Greater,
            BinaryOperator::GtEq => Operator::GreaterOrEqual,
            other => return Err(unsupported(self.reading.text, &format!("`{other}`"), whole.span())),
        };
        match (is_column(left), is_column(right)) {
            (true, true) => self.compare_places(whole, (left, operator, right), negated),
            (true, false) => self.compare(left, operator, right, negated),
            (false, _) => self.compare(right, operator.flipped(), left, negated),
        }
    }

    /// `place operator place`, or its opposite.
    fn compare_places(
        &self,
        whole: &Expr,
        (left, operator, right): (&Expr, Operator, &Expr),
        negated: bool,
    ) -> Result<Filter, Problem> {
        let (left, right) = (self.reading.place(left)?.held(), self.reading.place(right)?.held());
        if left.ty != right.ty {
            let text = format!("`{whole}` compares {} with {}", left.ty, right.ty);
            return Err(at(Problem::new("types-differ", text), self.reading.text, whole.span()));
        }
        let operator = if negated { operator.opposite() } else { operator };
        Ok(Filter::Compare(Comparison { place: left.place, operator, with: Operand::Place(right.place) }))
    }

    /// `place operator value`, or its opposite; neither holds where either side is NULL.
    fn compare(&self, column: &Expr, operator: Operator, value: &Expr, negated: bool) -> Result<Filter, Problem> {
        let found = self.reading.place(column)?;
        if matches!(value, Expr::Value(literal) if literal.value == Literal::Null) {
            return Ok(Filter::nothing());
        }
        let operator = if negated { operator.opposite() } else { operator };
        let ty = found.ty;
        let Found { place, ty: held } = found.held();
        let parsed = literal(value, held).ok_or_else(|| {
            let text = format!("`{value}` is not a value of column `{column}`, which holds {ty}");
            at(Problem::new("invalid-literal", text), self.reading.text, value.span())
        })?;
        Ok(Filter::compare(place, operator, held, &parsed))
    }

    fn is_null(&self, expr: &Expr, negated: bool) -> Result<Filter, Problem> {
        let Found { place, ty } = self.reading.place(expr)?;
        let may_be_missing = matches!(ty, Type::Option(_))
            || place.steps.iter().any(|step| matches!(step, Step::Inside | Step::Variant(..)));
        let is_null = Filter::IsNull(place);
        Ok(match (may_be_missing, negated) {
            (true, false) => is_null,
            (true, true) => Filter::Not(Box::new(is_null)),
            (false, false) => Filter::nothing(),
            (false, true) => Filter::everything(),
        })
    }
}

/// The parts of `a op b op c`, without recursion: a chain may have as many as the text has room for.
fn chain<'e>(expr: &'e Expr, op: &BinaryOperator) -> Vec<&'e Expr> {
    let (mut parts, mut rest) = (Vec::new(), expr);
    while let Expr::BinaryOp { left, op: found, right } = rest
        && found == op
    {
        parts.push(&**right);
        rest = left;
    }
    parts.push(rest);
    parts.reverse();
    parts
}

/// All of `parts`, with the parts of those that are themselves `All` in their place.
fn flat_all(parts: Vec<Filter>) -> Filter {
    let flat = parts.into_iter().flat_map(|part| match part {
        Filter::All(inner) => inner,
        other => vec![other],
    });
    Filter::All(flat.collect())
}

fn is_column(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
}

/// The value that `expr` writes, as one of `ty`: by the one mapping from JSON.
fn literal(expr: &Expr, ty: &Type) -> Option<Value> {
    let (sign, value) = match expr {
        Expr::Value(value) => ("", &value.value),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match &**expr {
            Expr::Value(value) => ("-", &value.value),
            _ => return None,
        },
        _ => return None,
    };
    let json = match value {
        Literal::Number(digits, _) if matches!(ty, Type::F32 | Type::F64) => {
            Json::from(format!("{sign}{digits}").parse::<f64>().ok()?)
        }
        Literal::Number(digits, _) if takes_numbers(ty) => Json::String(format!("{sign}{digits}")),
        Literal::SingleQuotedString(text) if sign.is_empty() => Json::String(text.clone()),
        Literal::Boolean(flag) if sign.is_empty() => Json::Bool(*flag),
        Literal::HexStringLiteral(digits) if sign.is_empty() => return hex_literal(digits, ty),
        _ => return None,
    };
    json::from_json(ty, &json).ok()
}

fn takes_numbers(ty: &Type) -> bool {
    use Type::{Duration, I8, I16, I32, I64, I128, U8, U16, U32, U64, U128};
    matches!(ty, U8 | U16 | U32 | U64 | U128 | I8 | I16 | I32 | I64 | I128 | Duration)
}

/// `x'…'` for bytes and for what is written as hex.
fn hex_literal(digits: &str, ty: &Type) -> Option<Value> {
    if *ty != Type::Bytes {
        return json::from_json(ty, &Json::String(digits.to_lowercase())).ok();
    }
    let digits = digits.as_bytes();
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => Some((digit(*high)? << 4 | digit(*low)?) as u8),
        _ => None,
    });
    pairs.collect::<Option<Vec<u8>>>().map(Value::Bytes)
}
