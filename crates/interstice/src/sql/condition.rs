//! Conditions: an expression becomes a [`Filter`] on encoded rows.
//!
//! A `NOT` is pushed down to the comparisons on the way: there, and only there, a comparison with NULL must not hold
//! whichever way round it is asked.

use super::statement::Reading;
use super::text::{at, unsupported};
use interstice_types::filter::{Filter, Operator};
use interstice_types::json;
use interstice_types::problem::Problem;
use interstice_types::ty::Type;
use interstice_types::value::Value;
use serde_json::Value as Json;
use sqlparser::ast::{BinaryOperator, Expr, Spanned, UnaryOperator, Value as Literal};

/// Deepest nesting of a condition.
const MAX_DEPTH: usize = 64;

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
        condition.map_or(Ok(Filter::All(Vec::new())), |condition| self.convert(condition, false, MAX_DEPTH))
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
                Ok(if holds { Filter::All(Vec::new()) } else { Filter::Any(Vec::new()) })
            }
            other => Err(unsupported(self.reading.text, "this condition", other.span())),
        }
    }

    /// A `bool` column as a condition.
    fn flag(&self, expr: &Expr, negated: bool) -> Result<Filter, Problem> {
        let column = self.reading.column(expr)?;
        match &self.reading.schema.columns[usize::from(column)].ty {
            ty @ Type::Bool => Ok(Filter::compare(column, Operator::Equal, ty, &Value::Bool(!negated))),
            _ => Err(unsupported(self.reading.text, "a column that is not a `bool` as a condition", expr.span())),
        }
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
        if is_column(left) {
            self.compare(left, operator, right, negated)
        } else {
            self.compare(right, operator.flipped(), left, negated)
        }
    }

    /// `column operator value`, or its opposite; neither holds where either side is NULL.
    fn compare(&self, column: &Expr, operator: Operator, value: &Expr, negated: bool) -> Result<Filter, Problem> {
        let number = self.reading.column(column)?;
        let named = &self.reading.schema.columns[usize::from(number)];
        if matches!(value, Expr::Value(literal) if literal.value == Literal::Null) {
            return Ok(Filter::Any(Vec::new()));
        }
        let operator = if negated { opposite(operator) } else { operator };
        let inner = if let Type::Option(inner) = &named.ty { inner } else { &named.ty };
        let parsed = literal(value, inner).ok_or_else(|| {
            let text = format!("`{value}` is not a value of column `{}`, which holds {}", named.name, named.ty);
            at(Problem::new("invalid-literal", text), self.reading.text, value.span())
        })?;
        if !matches!(named.ty, Type::Option(_)) {
            return Ok(Filter::compare(number, operator, &named.ty, &parsed));
        }
        let present = Value::Option(Some(Box::new(parsed)));
        let comparison = Filter::compare(number, operator, &named.ty, &present);
        let is_null = Filter::IsNull { column: number };
        Ok(if operator == Operator::Equal {
            comparison
        } else {
            Filter::All(vec![comparison, Filter::Not(Box::new(is_null))])
        })
    }

    fn is_null(&self, expr: &Expr, negated: bool) -> Result<Filter, Problem> {
        let column = self.reading.column(expr)?;
        let optional = matches!(self.reading.schema.columns[usize::from(column)].ty, Type::Option(_));
        Ok(match (optional, negated) {
            (true, false) => Filter::IsNull { column },
            (true, true) => Filter::Not(Box::new(Filter::IsNull { column })),
            (false, false) => Filter::Any(Vec::new()),
            (false, true) => Filter::All(Vec::new()),
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

fn opposite(operator: Operator) -> Operator {
    match operator {
        Operator::Equal => Operator::NotEqual,
        Operator::NotEqual => Operator::Equal,
        Operator::Less => Operator::GreaterOrEqual,
        Operator::LessOrEqual => Operator::Greater,
        Operator::Greater => Operator::LessOrEqual,
        Operator::GreaterOrEqual => Operator::Less,
    }
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
