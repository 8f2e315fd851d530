//! `#[check(…)]`: an expression that reads as Rust becomes a filter on the columns of its table.
//!
//! ```text
//! condition:  condition && condition | condition || condition | !condition | (condition)
//!             place == value (!= < <= > >=) | place == place | place.is_some() | place.is_none() | place.is_empty() | flag
//! place:      column | place.field | place.len()   value:  literal | -literal | CONSTANT
//! ```
//!
//! The types are the compiler's business: a comparison becomes a method of a typed column, with the spans of the author's tokens.

use crate::datatype::plain;
use heck::ToShoutySnakeCase;
use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{
    Attribute, BinOp, Expr, ExprBinary, ExprField, ExprLit, ExprMethodCall, ExprPath, ExprUnary, Ident, Lit, Member,
    UnOp,
};

const TAKES: &str = "a check takes comparisons of columns (`balance >= 0`, `price.cents > 0`, `name.len() <= 80`, `low <= high`), `is_some()`, `is_none()`, `is_empty()`, joined by `&&`, `||` and `!`";

/// A check as its author wrote it.
pub(crate) struct Check {
    expression: Expr,
}

/// Takes all `#[check(…)]` off the list.
pub(crate) fn take_all(attributes: &mut Vec<Attribute>) -> syn::Result<Vec<Check>> {
    let taken: Vec<_> = attributes.extract_if(.., |attribute| attribute.path().is_ident("check")).collect();
    let read = |attribute: &Attribute| attribute.parse_args().map(|expression| Check { expression });
    taken.iter().map(read).collect()
}

impl Check {
    /// As a part of the schema of the table `row`, whose columns have these names.
    pub(crate) fn schema(&self, row: &Ident, columns: &[String]) -> syn::Result<TokenStream> {
        let (expression, filter) = (text(&self.expression)?, Reader { row, columns }.condition(&self.expression)?);
        Ok(quote! {
            ::interstice_sdk::generated::CheckSchema {
                expression: #expression.into(),
                filter: (#filter).into_inner(),
            }
        })
    }
}

struct Reader<'r> {
    row: &'r Ident,
    columns: &'r [String],
}

/// One side of a comparison.
enum Side {
    Place(TokenStream),
    Value(TokenStream),
}

impl Reader<'_> {
    fn condition(&self, expr: &Expr) -> syn::Result<TokenStream> {
        match expr {
            Expr::Paren(inner) => self.condition(&inner.expr),
            Expr::Unary(ExprUnary { op: UnOp::Not(not), expr: inner, .. }) => {
                let inner = self.condition(inner)?;
                Ok(quote_spanned! { not.span() => !(#inner) })
            }
            Expr::Binary(binary @ ExprBinary { op: BinOp::And(_) | BinOp::Or(_), .. }) => {
                let (left, right) = (self.condition(&binary.left)?, self.condition(&binary.right)?);
                let is_and = matches!(binary.op, BinOp::And(_));
                Ok(if is_and {
                    quote! { (#left) & (#right) }
                } else {
                    quote! { (#left) | (#right) }
                })
            }
            Expr::Binary(binary) => self.comparison(binary),
            Expr::MethodCall(call) if call.args.is_empty() => {
                let place = self.place(&call.receiver)?;
                let method = &call.method;
                match method.to_string().as_str() {
                    "is_some" | "is_none" => Ok(quote! { #place.#method() }),
                    "is_empty" => Ok(quote_spanned! { method.span() => #place.len().eq(0) }),
                    _ => Err(syn::Error::new_spanned(method, TAKES)),
                }
            }
            Expr::Path(_) => {
                let place = self.place(expr)?;
                Ok(quote_spanned! { expr.span() => #place.eq(true) })
            }
            other => Err(syn::Error::new_spanned(other, TAKES)),
        }
    }

    fn comparison(&self, binary: &ExprBinary) -> syn::Result<TokenStream> {
        let (name, flipped) = match binary.op {
            BinOp::Eq(_) => ("eq", "eq"),
            BinOp::Ne(_) => ("ne", "ne"),
            BinOp::Lt(_) => ("lt", "gt"),
            BinOp::Le(_) => ("le", "ge"),
            BinOp::Gt(_) => ("gt", "lt"),
            BinOp::Ge(_) => ("ge", "le"),
            other => return Err(syn::Error::new_spanned(other, TAKES)),
        };
        let call = |place: &TokenStream, method: String, value: &TokenStream| {
            let method = Ident::new(&method, binary.op.span());
            quote! { #place.#method(#value) }
        };
        match (self.side(&binary.left)?, self.side(&binary.right)?) {
            (Side::Place(left), Side::Place(right)) => Ok(call(&left, format!("{name}_column"), &right)),
            (Side::Place(place), Side::Value(value)) => Ok(call(&place, name.to_owned(), &value)),
            (Side::Value(value), Side::Place(place)) => Ok(call(&place, flipped.to_owned(), &value)),
            (Side::Value(_), Side::Value(_)) => {
                Err(syn::Error::new_spanned(binary, "a comparison in a check needs a column"))
            }
        }
    }

    fn side(&self, expr: &Expr) -> syn::Result<Side> {
        match expr {
            Expr::Paren(inner) => self.side(&inner.expr),
            Expr::Lit(_) => Ok(Side::Value(expr.to_token_stream())),
            Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr: inner, .. }) if matches!(**inner, Expr::Lit(_)) => {
                Ok(Side::Value(expr.to_token_stream()))
            }
            Expr::Path(path) if is_constant(path) => Ok(Side::Value(expr.to_token_stream())),
            place => self.place(place).map(Side::Place),
        }
    }

    /// A column, what is in it, or a length, as a typed column.
    fn place(&self, expr: &Expr) -> syn::Result<TokenStream> {
        match expr {
            Expr::Paren(inner) => self.place(&inner.expr),
            Expr::MethodCall(ExprMethodCall { receiver, method, args, .. }) if method == "len" && args.is_empty() => {
                let place = self.place(receiver)?;
                Ok(quote! { #place.#method() })
            }
            Expr::Field(ExprField { base, member: Member::Named(field), .. }) => {
                let (place, name) = (self.place(base)?, plain(field));
                // The closure is what the compiler knows the field and its type from.
                Ok(quote_spanned! { field.span() => #place.field(#name, |held| &held.#field) })
            }
            Expr::Path(path) => {
                let name = path.path.get_ident().ok_or_else(|| syn::Error::new_spanned(path, TAKES))?;
                if !self.columns.contains(&plain(name)) {
                    let names = self.columns.iter().map(|column| format!("`{column}`")).collect::<Vec<_>>().join(", ");
                    return Err(syn::Error::new(name.span(), format!("no column `{name}`: there are {names}")));
                }
                let (row, constant) = (self.row, format_ident!("{}", plain(name).to_shouty_snake_case()));
                Ok(quote_spanned! { name.span() => #row::#constant })
            }
            other => Err(syn::Error::new_spanned(other, TAKES)),
        }
    }
}

/// Whether a path names no column: it has several parts, or begins with a capital.
fn is_constant(path: &ExprPath) -> bool {
    path.path.get_ident().is_none_or(|name| plain(name).starts_with(|first: char| first.is_uppercase()))
}

/// The expression, whichever way it was laid out.
fn text(expr: &Expr) -> syn::Result<String> {
    Ok(match expr {
        Expr::Paren(inner) => format!("({})", text(&inner.expr)?),
        Expr::Unary(ExprUnary { op: UnOp::Not(_), expr, .. }) => format!("!{}", text(expr)?),
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => format!("-{}", text(expr)?),
        Expr::Binary(ExprBinary { left, op, right, .. }) => {
            format!("{} {} {}", text(left)?, op.to_token_stream(), text(right)?)
        }
        Expr::MethodCall(call) => format!("{}.{}()", text(&call.receiver)?, call.method),
        Expr::Field(ExprField { base, member, .. }) => format!("{}.{}", text(base)?, member.to_token_stream()),
        Expr::Lit(ExprLit { lit: Lit::Str(literal), .. }) => format!("{:?}", literal.value()),
        Expr::Lit(literal) => literal.to_token_stream().to_string(),
        Expr::Path(path) => path.to_token_stream().to_string().replace(' ', ""),
        other => return Err(syn::Error::new_spanned(other, TAKES)),
    })
}
