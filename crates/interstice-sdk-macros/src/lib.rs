//! The macros of `interstice-sdk`. They turn what is written in Rust into a schema and the code that serves it; each
//! refuses what it does not understand at the token that it does not understand.
#![forbid(unsafe_code)]

mod attributes;
mod check;
mod datatype;
mod function;
mod import;
mod table;
mod test;

use proc_macro::TokenStream;

/// Makes a struct the row type of a table.
///
/// On the struct: `public` (clients and other modules may read it), `name = "…"`, `primary_key(a, b)` for a composite key,
/// `index(by_author(author, sent_at))`, `unique(by_room(room, seat))`. On fields: `#[primary_key]`,
/// `#[primary_key(auto_inc)]`, `#[auto_inc]`, `#[unique]`, `#[index]`, `#[default(…)]`.
#[proc_macro_attribute]
pub fn table(args: TokenStream, item: TokenStream) -> TokenStream {
    finish(table::expand(args.into(), item.into()))
}

/// Makes a struct or enum usable in columns, arguments and answers; `#[datatype(error)]` makes an enum a typed error, whose
/// variants carry their text in `#[error("…")]`.
#[proc_macro_attribute]
pub fn datatype(args: TokenStream, item: TokenStream) -> TokenStream {
    finish(datatype::expand(args.into(), item.into()))
}

/// Makes a function a reducer: one call is one transaction. `on = init`, `on = insert(T)`, `on = update(T)` and
/// `on = delete(T)` say what calls it; `access = internal` allows only other modules.
#[proc_macro_attribute]
pub fn reducer(args: TokenStream, item: TokenStream) -> TokenStream {
    finish(function::expand(function::Flavour::Reducer, args.into(), item.into()))
}

/// Makes a function a query: it only reads.
#[proc_macro_attribute]
pub fn query(args: TokenStream, item: TokenStream) -> TokenStream {
    finish(function::expand(function::Flavour::Query, args.into(), item.into()))
}

/// Makes typed bindings of another module from `bindings/<module>.json`, which
/// `interstice schema show <module> -o json` prints.
#[proc_macro]
pub fn import(args: TokenStream) -> TokenStream {
    finish(import::expand(args.into()))
}

/// Makes a function a test on a database of its own, with this crate's module published.
#[proc_macro_attribute]
pub fn test(args: TokenStream, item: TokenStream) -> TokenStream {
    finish(test::expand(args.into(), item.into()))
}

fn finish(result: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    result.unwrap_or_else(|error| error.to_compile_error()).into()
}
