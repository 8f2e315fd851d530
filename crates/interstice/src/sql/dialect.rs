//! The parser's general dialect, and one more thing: `place IS variant` and `place IS NOT variant`.

use super::condition::IS_VARIANT;
use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator};
use sqlparser::dialect::{Dialect, GenericDialect};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;
use std::any::TypeId;

/// Words that SQL itself has behind `IS` and `IS NOT`.
const OF_SQL: [Keyword; 10] = [
    Keyword::NULL,
    Keyword::TRUE,
    Keyword::FALSE,
    Keyword::UNKNOWN,
    Keyword::DISTINCT,
    Keyword::NORMALIZED,
    Keyword::NFC,
    Keyword::NFD,
    Keyword::NFKC,
    Keyword::NFKD,
];

#[derive(Debug)]
pub(super) struct IntersticeSql;

impl Dialect for IntersticeSql {
    fn dialect(&self) -> TypeId {
        TypeId::of::<GenericDialect>()
    }

    fn is_delimited_identifier_start(&self, letter: char) -> bool {
        GenericDialect.is_delimited_identifier_start(letter)
    }

    fn is_identifier_start(&self, letter: char) -> bool {
        GenericDialect.is_identifier_start(letter)
    }

    fn is_identifier_part(&self, letter: char) -> bool {
        GenericDialect.is_identifier_part(letter)
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }

    fn supports_limit_comma(&self) -> bool {
        true
    }

    fn parse_infix(&self, parser: &mut Parser<'_>, expr: &Expr, _: u8) -> Option<Result<Expr, ParserError>> {
        if !parser.peek_keyword(Keyword::IS) {
            return None;
        }
        let word = |at: usize| match &parser.peek_nth_token_ref(at).token {
            Token::Word(word) => Some(word.keyword),
            _ => None,
        };
        let negated = word(1) == Some(Keyword::NOT);
        let is_name = word(1 + usize::from(negated)).is_some_and(|keyword| !OF_SQL.contains(&keyword));
        if !is_name {
            return None;
        }
        parser.next_token();
        if negated {
            parser.next_token();
        }
        let is = parser.parse_identifier().map(|variant| Expr::BinaryOp {
            left: Box::new(expr.clone()),
            op: BinaryOperator::Custom(IS_VARIANT.to_owned()),
            right: Box::new(Expr::Identifier(variant)),
        });
        Some(is.map(|is| if negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(is) } } else { is }))
    }
}
