//! `#[reducer]` and `#[query]`: a function's schema and the way from bytes to its parameters.

use crate::attributes::{doc_of, package, refuse_generics};
use crate::datatype::plain;
use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{FnArg, Ident, ItemFn, Pat, ReturnType, Safety, Token, Type, parenthesized};

/// Whether it may write.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavour {
    Reducer,
    Query,
}

pub(crate) fn expand(flavour: Flavour, args: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let args: Args = syn::parse2(args)?;
    let item: ItemFn = syn::parse2(item)?;
    let kind = args.kind(flavour, &item)?;
    registered(flavour, &item, &kind)
}

/// The function, and its entry in the registry under this kind.
pub(crate) fn registered(flavour: Flavour, item: &ItemFn, kind: &TokenStream) -> syn::Result<TokenStream> {
    check_signature(item)?;
    let params =
        item.sig.inputs.iter().map(|param| Parameter::read(flavour, param)).collect::<syn::Result<Vec<_>>>()?;
    let describe = describe(item, &params, kind);
    let call = call(flavour, item, &params);
    let (name, package) = (plain(&item.sig.ident), package());
    Ok(quote! {
        #item

        const _: () = {
            #describe
            #call
            static ENTRY: ::interstice_sdk::registry::FunctionEntry =
                ::interstice_sdk::registry::FunctionEntry::new(#package, #name, describe, call);
            ::interstice_sdk::generated::submit! { ::interstice_sdk::registry::FunctionReference(&ENTRY) }
        };
    })
}

/// What stands in the parentheses of `#[reducer(…)]`.
#[derive(Default)]
struct Args {
    on: Option<(Ident, Option<Type>)>,
    access: Option<Ident>,
}

impl Parse for Args {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut args = Self::default();
        while !input.is_empty() {
            let word: Ident = input.parse()?;
            input.parse::<Token![=]>()?;
            match word.to_string().as_str() {
                "on" => {
                    let event: Ident = input.parse()?;
                    let table = if input.peek(syn::token::Paren) {
                        let inner;
                        parenthesized!(inner in input);
                        Some(inner.parse()?)
                    } else {
                        None
                    };
                    args.on = Some((event, table));
                }
                "access" => args.access = Some(input.parse()?),
                _ => {
                    let text = "a reducer takes `on = init`, `on = insert(Table)`, `on = update(Table)`, `on = delete(Table)` or `access = internal`";
                    return Err(syn::Error::new(word.span(), text));
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(args)
    }
}

impl Args {
    fn kind(&self, flavour: Flavour, item: &ItemFn) -> syn::Result<TokenStream> {
        let kind = quote! { ::interstice_sdk::generated::FunctionKind };
        if flavour == Flavour::Query {
            return match (&self.on, &self.access) {
                (None, None) => Ok(quote! { #kind::Query }),
                _ => Err(syn::Error::new_spanned(&item.sig.ident, "`#[query]` takes nothing")),
            };
        }
        match (&self.on, &self.access) {
            (None, access) => match access.as_ref().map(Ident::to_string).as_deref() {
                None | Some("anyone" | "authenticated") => Ok(quote! { #kind::Reducer }),
                Some("internal") => Ok(quote! { #kind::Internal }),
                _ => Err(syn::Error::new_spanned(
                    access,
                    "access is `anyone`, `authenticated` or `internal`: there are no roles yet",
                )),
            },
            (Some((event, None)), None) if event == "init" => Ok(quote! { #kind::Init }),
            (Some((event, Some(table))), None) => {
                let on = match event.to_string().as_str() {
                    "insert" => quote! { Insert },
                    "update" => quote! { Update },
                    "delete" => quote! { Delete },
                    _ => return Err(unknown_event(event)),
                };
                Ok(quote_spanned! { table.span() =>
                    #kind::Event {
                        on: ::interstice_sdk::generated::ChangeKind::#on,
                        table: ::interstice_sdk::function::table_ref::<#table>(),
                    }
                })
            }
            (Some((event, None)), None) => Err(unknown_event(event)),
            (Some((event, _)), Some(_)) => {
                Err(syn::Error::new(event.span(), "nobody calls an event reducer: leave `access` out"))
            }
        }
    }
}

fn unknown_event(event: &Ident) -> syn::Error {
    let text = match event.to_string().as_str() {
        "insert" | "update" | "delete" => format!("name the table: `on = {event}(Account)`"),
        _ => format!("there is no event `{event}`: there are `init`, `insert(T)`, `update(T)` and `delete(T)`"),
    };
    syn::Error::new(event.span(), text)
}

fn check_signature(item: &ItemFn) -> syn::Result<()> {
    refuse_generics(&item.sig.generics, "a reducer or query")?;
    if let Some(word) = &item.sig.asyncness {
        return Err(syn::Error::new_spanned(word, "a reducer or query runs to its end: it is not `async`"));
    }
    if let Safety::Unsafe(word) = &item.sig.safety {
        return Err(syn::Error::new_spanned(word, "a reducer or query is not `unsafe`"));
    }
    Ok(())
}

/// A parameter: the context, or a handle or argument.
enum Parameter {
    Context,
    Taken { name: String, ty: Box<Type> },
}

impl Parameter {
    fn read(flavour: Flavour, param: &FnArg) -> syn::Result<Self> {
        let FnArg::Typed(param) = param else {
            return Err(syn::Error::new_spanned(param, "a reducer or query is a free function"));
        };
        if let Type::Reference(reference) = &*param.ty {
            return match last_word(&reference.elem).as_deref() {
                Some("ReducerContext") if flavour == Flavour::Query => {
                    Err(syn::Error::new_spanned(&param.ty, "a query takes `&QueryContext`: it has no randomness"))
                }
                Some("ReducerContext" | "QueryContext") => Ok(Self::Context),
                _ => {
                    let text = "arguments are owned values: `String` instead of `&str`, `Vec<T>` instead of `&[T]`";
                    Err(syn::Error::new_spanned(&param.ty, text))
                }
            };
        }
        let Pat::Ident(pattern) = &*param.pat else {
            return Err(syn::Error::new_spanned(&param.pat, "give the parameter a name: callers use it"));
        };
        let name = plain(&pattern.ident).trim_start_matches('_').to_owned();
        Ok(Self::Taken { name, ty: param.ty.clone() })
    }
}

fn last_word(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        _ => None,
    }
}

fn describe(item: &ItemFn, params: &[Parameter], kind: &TokenStream) -> TokenStream {
    let (name, doc) = (plain(&item.sig.ident), doc_of(&item.attrs));
    let params = params.iter().filter_map(|param| match param {
        Parameter::Context => None,
        Parameter::Taken { name, ty } => Some(quote_spanned! { ty.span() =>
            <#ty as ::interstice_sdk::function::Param>::describe(#name, &mut function);
        }),
    });
    let answer = match &item.sig.output {
        ReturnType::Default => quote! { () },
        ReturnType::Type(_, ty) => quote_spanned! { ty.span() => #ty },
    };
    quote! {
        fn describe() -> ::interstice_sdk::generated::FunctionSchema {
            #[allow(unused_mut)]
            let mut function = ::interstice_sdk::function::FunctionBuilder::new(#name, #doc, #kind);
            #(#params)*
            function.returns::<#answer>()
        }
    }
}

fn call(flavour: Flavour, item: &ItemFn, params: &[Parameter]) -> TokenStream {
    let ident = &item.sig.ident;
    let mut takes = Vec::new();
    let mut passes = Vec::new();
    for (index, param) in params.iter().enumerate() {
        match param {
            Parameter::Context => passes.push(quote! { &context }),
            Parameter::Taken { ty, .. } => {
                let binding = format_ident!("param_{index}");
                let only_reads = (flavour == Flavour::Query).then(|| {
                    quote_spanned! { ty.span() => ::interstice_sdk::function::only_reads::<#ty>(); }
                });
                takes.push(quote_spanned! { ty.span() =>
                    #only_reads
                    let #binding = <#ty as ::interstice_sdk::function::Param>::take(&mut params);
                });
                passes.push(quote! { #binding });
            }
        }
    }
    let context = match flavour {
        Flavour::Reducer => quote! { ::interstice_sdk::context::ReducerContext },
        Flavour::Query => quote! { ::interstice_sdk::context::QueryContext },
    };
    // What no parameter asks for is not put together.
    let asked = params.iter().any(|param| matches!(param, Parameter::Context));
    let context = asked.then(|| quote! { let context = #context::new(header); });
    quote! {
        #[allow(unused_variables)]
        fn call(
            header: &::interstice_sdk::generated::Header<'_>,
            args: &[u8],
        ) -> ::core::result::Result<::std::vec::Vec<u8>, ::std::vec::Vec<u8>> {
            #context
            #[allow(unused_variables, unused_mut)]
            let mut params = ::interstice_sdk::function::Params::new(args);
            #(#takes)*
            ::interstice_sdk::function::Answer::give(#ident(#(#passes),*))
        }
    }
}
