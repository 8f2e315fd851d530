//! What columns refer to: `Account`, or `Account, on_delete = cascade`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Ident, Path, Token};

/// Another table, and what becomes of the rows that name one of its when that is deleted.
pub(crate) struct Referred {
    table: Path,
    on_delete: Ident,
}

impl Parse for Referred {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let table = input.parse()?;
        let mut on_delete = format_ident!("Restrict");
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
            let word: Ident = input.parse()?;
            if word != "on_delete" {
                return Err(syn::Error::new(
                    word.span(),
                    "a reference takes `on_delete = restrict`, `cascade` or `set_null`",
                ));
            }
            input.parse::<Token![=]>()?;
            let word: Ident = input.parse()?;
            on_delete = match word.to_string().as_str() {
                "restrict" => Ident::new("Restrict", word.span()),
                "cascade" => Ident::new("Cascade", word.span()),
                "set_null" => Ident::new("SetNull", word.span()),
                _ => return Err(syn::Error::new(word.span(), "`on_delete` is `restrict`, `cascade` or `set_null`")),
            };
        }
        Ok(Self { table, on_delete })
    }
}

/// A reference as its author declared it.
pub(crate) struct Reference {
    pub(crate) name: String,
    /// Positions of its columns.
    pub(crate) columns: Vec<usize>,
    pub(crate) to: Referred,
}

impl Reference {
    pub(crate) fn schema(&self) -> TokenStream {
        let (name, Referred { table, on_delete }) = (&self.name, &self.to);
        let columns = self.columns.iter().map(|column| *column as u16);
        quote! {
            ::interstice_sdk::generated::ReferenceSchema {
                name: #name.into(),
                columns: ::std::vec![#(#columns),*],
                table: <#table as ::interstice_sdk::table::Table>::NAME.into(),
                on_delete: ::interstice_sdk::generated::OnDelete::#on_delete,
            }
        }
    }

    /// Does not compile if the columns do not hold the other table's primary key.
    pub(crate) fn check(&self, columns: &TokenStream) -> TokenStream {
        let Referred { table, on_delete } = &self.to;
        // Of several columns one is enough; the rules of the schema see to that.
        let nulled = (on_delete == "SetNull" && self.columns.len() == 1).then(|| {
            quote_spanned! { on_delete.span() =>
                const _: fn() = || ::interstice_sdk::table::may_be_null::<#columns>();
            }
        });
        quote_spanned! { table.span() =>
            const _: fn() = || ::interstice_sdk::table::refers::<#columns, #table>();
            #nulled
        }
    }
}
