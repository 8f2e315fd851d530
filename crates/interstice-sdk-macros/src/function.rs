//! `#[reducer]` and `#[query]`: a function's schema and the way from bytes to its parameters.

use crate::arguments::Args;
use crate::attributes::{doc_of, package, refuse_generics};
use crate::datatype::plain;
use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{FnArg, Ident, ItemFn, Pat, ReturnType, Safety, Type};

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
    let naming = match flavour {
        Flavour::Reducer if args.is_called() => Naming::Called,
        Flavour::Reducer if args.is_told_of_connections() => Naming::Takes("takes_a_connection"),
        Flavour::Reducer if args.is_given_nothing() => Naming::Takes("takes_no_arguments"),
        _ => Naming::None,
    };
    registered(flavour, &item, &kind, naming)
}

/// What is said of a function beside its entry.
#[derive(Clone, Copy)]
pub(crate) enum Naming {
    /// Nothing.
    None,
    /// A type of its name, with the types of its arguments, for where it is to run later.
    Called,
    /// That its arguments are such as this function of the SDK asks for.
    Takes(&'static str),
}

/// The function, and its entry in the registry under this kind.
pub(crate) fn registered(
    flavour: Flavour,
    item: &ItemFn,
    kind: &TokenStream,
    naming: Naming,
) -> syn::Result<TokenStream> {
    check_signature(item)?;
    let params =
        item.sig.inputs.iter().map(|param| Parameter::read(flavour, param)).collect::<syn::Result<Vec<_>>>()?;
    let describe = describe(item, &params, kind);
    let call = call(flavour, item, &params);
    let (name, package) = (plain(&item.sig.ident), package());
    let (marker, reducer) = match naming {
        Naming::Called => marker(item, &params),
        Naming::Takes(what) => (TokenStream::new(), takes(item, &params, what)),
        Naming::None => Default::default(),
    };
    Ok(quote! {
        #item
        #marker

        const _: () = {
            #describe
            #call
            #reducer
            static ENTRY: ::interstice_sdk::registry::FunctionEntry =
                ::interstice_sdk::registry::FunctionEntry::new(#package, #name, __interstice_describe, __interstice_call);
            ::interstice_sdk::generated::submit! { ::interstice_sdk::registry::FunctionReference(&ENTRY) }
        };
    })
}

/// A type of the reducer's name, for `ctx.schedule`: the type itself, and what it says of the reducer.
fn marker(item: &ItemFn, params: &[Parameter]) -> (TokenStream, TokenStream) {
    let (vis, ident) = (&item.vis, &item.sig.ident);
    let doc = format!("Names the reducer `{ident}` where it is to run later.");
    let arguments = arguments(params);
    let marker = quote! {
        #[doc = #doc]
        #[allow(non_camel_case_types, dead_code)]
        #vis struct #ident {}
    };
    let reducer = quote! {
        impl ::interstice_sdk::schedule::Reducer for #ident {
            type Arguments = #arguments;

            fn entry() -> &'static ::interstice_sdk::registry::FunctionEntry {
                &ENTRY
            }
        }
    };
    (marker, reducer)
}

/// The types of the arguments as a chain of pairs.
fn arguments(params: &[Parameter]) -> TokenStream {
    params.iter().rev().fold(quote! { () }, |rest, param| match param {
        Parameter::Context => rest,
        Parameter::Taken { ty, .. } => quote_spanned! { ty.span() =>
            <#ty as ::interstice_sdk::function::Param>::Before<#rest>
        },
    })
}

/// Compiles only if the arguments are what is asked for.
fn takes(item: &ItemFn, params: &[Parameter], what: &str) -> TokenStream {
    let (arguments, span) = (arguments(params), item.sig.ident.span());
    let what = Ident::new(what, span);
    quote_spanned! { span => const _: fn() = ::interstice_sdk::function::#what::<#arguments>; }
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
pub(crate) enum Parameter {
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
        fn __interstice_describe() -> ::interstice_sdk::generated::FunctionSchema {
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
    let answer =
        quote_spanned! { item.sig.output.span() => ::interstice_sdk::function::Answer::give(#ident(#(#passes),*)) };
    // What no parameter asks for is not put together.
    let asked = params.iter().any(|param| matches!(param, Parameter::Context));
    let context = asked.then(|| quote! { let context = #context::new(header); });
    quote! {
        #[allow(unused_variables)]
        fn __interstice_call(
            header: &::interstice_sdk::generated::Header<'_>,
            args: &[u8],
        ) -> ::core::result::Result<::std::vec::Vec<u8>, ::std::vec::Vec<u8>> {
            #context
            #[allow(unused_variables, unused_mut)]
            let mut params = ::interstice_sdk::function::Params::new(args);
            #(#takes)*
            #answer
        }
    }
}
