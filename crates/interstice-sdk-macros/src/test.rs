//! `#[interstice_sdk::test]`: a test with a database of its own.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ItemFn;

pub(crate) fn expand(args: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    if !args.is_empty() {
        return Err(syn::Error::new_spanned(args, "`#[test]` takes nothing"));
    }
    let mut item: ItemFn = syn::parse2(item)?;
    if item.sig.inputs.len() != 1 {
        return Err(syn::Error::new_spanned(&item.sig, "the test takes one parameter: `db: &mut TestDatabase`"));
    }
    let attributes = std::mem::take(&mut item.attrs);
    let (name, output) = (&item.sig.ident, &item.sig.output);
    Ok(quote! {
        #[::core::prelude::v1::test]
        #(#attributes)*
        fn #name() #output {
            #item
            #name(&mut ::interstice_sdk::test::TestDatabase::new(::core::env!("CARGO_PKG_NAME")))
        }
    })
}
