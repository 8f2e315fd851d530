//! The macros of `interstice-sdk`. They turn what is written in Rust into a schema and the code that serves it; each
//! refuses what it does not understand at the token that it does not understand.
#![forbid(unsafe_code)]

mod arguments;
mod attributes;
mod bindings;
mod check;
mod datatype;
mod function;
mod import;
mod migration;
mod reference;
mod table;
mod test;

use proc_macro::TokenStream;

/// Makes a struct the row type of a table.
///
/// On the struct: `public` (clients and other modules may read it), `name = "…"`, `primary_key(a, b)` for a composite key,
/// `index(by_author(author, sent_at))`, `unique(by_room(room, seat))`, `references(by_seat(room, seat) = Seat)`, `ephemeral` (in no
/// log, empty after a restart), `event` (rows are there for their transaction, and for whoever listens). On fields:
/// `#[primary_key]`, `#[primary_key(auto_inc)]`, `#[auto_inc]`, `#[unique]`, `#[index]`, `#[default(…)]`,
/// `#[references(Account, on_delete = restrict | cascade | set_null)]`. On both: `#[renamed(from = "…")]`.
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

/// Makes a function a reducer: one call is one transaction. `on = insert(T)`, `on = update(T)` and `on = delete(T)` have it called by
/// changes of rows, `on = init` by the first publish, `on = upgrade` by each that brings other code, `on = connect` and
/// `on = disconnect` by connections that begin and end. `access = owner` allows only who published the module first, `access = internal`
/// only other modules and schedules. `every = "5m"`, or
/// `cron = "0 3 * * *"` with `tz = "Europe/Paris"`, has it run by itself; `missed = skip`, `once` or `all` says what becomes of times at
/// which it could not.
///
/// A type of the function's name comes to be beside it, for `ctx.schedule::<name>(…)`.
#[proc_macro_attribute]
pub fn reducer(args: TokenStream, item: TokenStream) -> TokenStream {
    finish(function::expand(function::Flavour::Reducer, args.into(), item.into()))
}

/// Makes a function say what becomes of rows that a publish finds in a form that they have no more: `#[migration(from = 1)] fn
/// split_name(old: v1::User) -> User`, or of a whole table: `fn merge(old: Read<v1::User>, users: Insert<User>)`.
#[proc_macro_attribute]
pub fn migration(args: TokenStream, item: TokenStream) -> TokenStream {
    finish(migration::expand(args.into(), item.into()))
}

/// Makes the types of the tables as they were published once: `old_schema!(v1 = "schema/v1.json")`. `interstice migrate new`
/// writes the file.
#[proc_macro]
pub fn old_schema(args: TokenStream) -> TokenStream {
    finish(migration::expand_old_schema(args.into()))
}

/// Makes a function a query: it only reads.
#[proc_macro_attribute]
pub fn query(args: TokenStream, item: TokenStream) -> TokenStream {
    finish(function::expand(function::Flavour::Query, args.into(), item.into()))
}

/// Makes typed bindings of another module from `bindings/<module>.json`, which `interstice bindings add <module>` writes.
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
