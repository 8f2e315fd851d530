//! What the macros share: documentation, names, and taking their own attributes off an item.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Expr, ExprLit, Generics, Lit, LitStr, Meta, MetaNameValue};

/// The author's words above an item.
pub(crate) fn doc_of(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value().trim().to_owned()),
            _ => None,
        },
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

/// Takes the attribute `name` off the list, if it is there.
pub(crate) fn take(attributes: &mut Vec<Attribute>, name: &str) -> syn::Result<Option<Attribute>> {
    let Some(position) = attributes.iter().position(|attribute| attribute.path().is_ident(name)) else {
        return Ok(None);
    };
    let taken = attributes.remove(position);
    match attributes.iter().find(|attribute| attribute.path().is_ident(name)) {
        Some(second) => Err(syn::Error::new_spanned(second, format!("`#[{name}]` stands there twice"))),
        None => Ok(Some(taken)),
    }
}

/// Refuses type parameters and lifetimes.
pub(crate) fn refuse_generics(generics: &Generics, what: &str) -> syn::Result<()> {
    if generics.params.is_empty() {
        return Ok(());
    }
    Err(syn::Error::new_spanned(generics, format!("{what} has one shape: it takes no generic parameters")))
}

/// The package that is being compiled.
pub(crate) fn package() -> TokenStream {
    quote! {
        ::interstice_sdk::registry::Package {
            name: ::core::env!("CARGO_PKG_NAME"),
            version: ::core::env!("CARGO_PKG_VERSION"),
        }
    }
}

/// An `Option` as code.
pub(crate) fn optional(value: Option<TokenStream>) -> TokenStream {
    value.map_or_else(
        || quote! { ::core::option::Option::None },
        |value| quote! { ::core::option::Option::Some(#value) },
    )
}

/// The name in `#[renamed(from = "…")]`.
pub(crate) fn former_name(attribute: &Attribute) -> syn::Result<LitStr> {
    let pair: MetaNameValue = attribute.parse_args()?;
    match pair.value {
        Expr::Lit(ExprLit { lit: Lit::Str(name), .. }) if pair.path.is_ident("from") => Ok(name),
        other => Err(syn::Error::new_spanned(other, "say what it was called: `#[renamed(from = \"…\")]`")),
    }
}

/// A former name as code.
pub(crate) fn former_code(name: Option<&LitStr>) -> TokenStream {
    optional(name.map(|name| quote! { #name.into() }))
}
