//! `#[migration]` and `old_schema!`: what becomes of rows whose types are not those of today.

use crate::bindings::{Bindings, list, schema_in};
use crate::function::{self, Flavour, Naming};
use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{FnArg, GenericArgument, Ident, ItemFn, LitInt, LitStr, PathArguments, ReturnType, Token, Type};

/// `old_schema!(v1 = "schema/v1.json")`: a module with the types of the tables as they were.
pub(crate) fn expand_old_schema(args: TokenStream) -> syn::Result<TokenStream> {
    let OldSchema { name, file } = syn::parse2(args)?;
    let refuse = |text: String| syn::Error::new(file.span(), text);
    let (schema, dependency) = schema_in(&file.value(), "interstice migrate new").map_err(refuse)?;
    let (mut bindings, mut tables) = (Bindings::default(), TokenStream::new());
    let owner = quote! { former };
    let read = list(&schema, "tables").and_then(|all| {
        all.iter().try_for_each(|table| bindings.table(table, &owner).map(|table| tables.extend(table)))
    });
    read.map_err(|error| refuse(format!("`{}` is not a schema: {error}", file.value())))?;
    let types = bindings.types.values();
    let doc = format!("The tables as they stand in `{}`.", file.value());
    Ok(quote! {
        #[doc = #doc]
        #[allow(missing_docs, dead_code, clippy::all, clippy::pedantic)]
        pub mod #name {
            use ::interstice_sdk::prelude::*;
            #dependency
            #(#types)*
            #tables
        }
    })
}

struct OldSchema {
    name: Ident,
    file: LitStr,
}

impl Parse for OldSchema {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = input.parse().map_err(|error| named(&error))?;
        input.parse::<Token![=]>().map_err(|error| named(&error))?;
        Ok(Self { name, file: input.parse().map_err(|error| named(&error))? })
    }
}

fn named(error: &syn::Error) -> syn::Error {
    syn::Error::new(error.span(), "name the module and the file: `old_schema!(v1 = \"schema/v1.json\")`")
}

/// `#[migration(from = 1)]` on a function from a row as it was to a row as it is, or from the table as it was.
pub(crate) fn expand(args: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let Args { version } = syn::parse2(args)?;
    let item: ItemFn = syn::parse2(item)?;
    let mut params = item.sig.inputs.iter().filter_map(taken);
    let Some(first) = params.next() else {
        let text = "a migration takes a row as it was, `old: v1::User`, or the table as it was, `old: Read<v1::User>`";
        return Err(syn::Error::new_spanned(&item.sig.ident, text));
    };
    in_version(&version, table_in(first, &["Read"]).unwrap_or(first))?;
    let kind = match (table_in(first, &["Read"]), &item.sig.output) {
        (Some(former), _) => {
            let current = params.find_map(|param| table_in(param, &["Insert", "Write"])).ok_or_else(|| {
                let text =
                    "a migration of a whole table writes the table as it is: take `Insert<User>` or `Write<User>`";
                syn::Error::new_spanned(&item.sig.ident, text)
            })?;
            kind(former, current)
        }
        (None, ReturnType::Type(_, current)) => match params.next() {
            None => kind(first, current),
            Some(more) => {
                let text =
                    "a migration of rows takes the row as it was and nothing else; for more take `Read<v1::User>`";
                return Err(syn::Error::new_spanned(more, text));
            }
        },
        (None, ReturnType::Default) => {
            let text = "a migration of rows returns the row as it is: `-> User`";
            return Err(syn::Error::new_spanned(&item.sig.ident, text));
        }
    };
    function::registered(Flavour::Reducer, &item, &kind, Naming::None)
}

fn kind(former: &Type, current: &Type) -> TokenStream {
    let table = quote_spanned! { current.span() => ::interstice_sdk::function::migrated_table::<#current>() };
    let from = quote_spanned! { former.span() => ::interstice_sdk::function::former_schema::<#former>() };
    quote! { ::interstice_sdk::generated::FunctionKind::Migration { table: #table, from: #from } }
}

/// The type of a parameter that is not the context.
fn taken(param: &FnArg) -> Option<&Type> {
    match param {
        FnArg::Typed(param) if !matches!(&*param.ty, Type::Reference(_)) => Some(&param.ty),
        _ => None,
    }
}

/// The `T` of `Read<T>`, if the handle is one of `handles`.
fn table_in<'t>(ty: &'t Type, handles: &[&str]) -> Option<&'t Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|last| handles.iter().any(|handle| last.ident == handle))?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first() {
        Some(GenericArgument::Type(table)) => Some(table),
        _ => None,
    }
}

/// The version in the attribute is the one of the type.
fn in_version(version: &LitInt, ty: &Type) -> syn::Result<()> {
    let wanted = format!("v{}", version.base10_digits());
    let Type::Path(path) = ty else {
        return Err(syn::Error::new_spanned(ty, format!("take the row as it was, as in `old: {wanted}::User`")));
    };
    if path.path.segments.iter().any(|segment| segment.ident == wanted) {
        return Ok(());
    }
    let text = format!("this migrates from version {}: take a type of `{wanted}`", version.base10_digits());
    Err(syn::Error::new_spanned(ty, text))
}

struct Args {
    version: LitInt,
}

impl Parse for Args {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let usage = |span| syn::Error::new(span, "say which version it migrates from: `#[migration(from = 1)]`");
        let word: Ident = input.parse().map_err(|error| usage(error.span()))?;
        if word != "from" {
            return Err(usage(word.span()));
        }
        input.parse::<Token![=]>().map_err(|error| usage(error.span()))?;
        Ok(Self { version: input.parse().map_err(|error| usage(error.span()))? })
    }
}
