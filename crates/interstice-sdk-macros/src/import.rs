//! `import!`: typed bindings of another module, from its schema.

use crate::attributes::package;
use crate::bindings::{Bindings, Fault, flag, ident, list, part, schema_in, text};
use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use serde_json::Value;
use syn::{Ident, LitStr};

pub(crate) fn expand(args: TokenStream) -> syn::Result<TokenStream> {
    let name: LitStr = syn::parse2(args)
        .map_err(|error| syn::Error::new(error.span(), "name the module: `import!(\"inventory\")`"))?;
    let refuse = |text: String| syn::Error::new(name.span(), text);
    let file = format!("bindings/{}.json", name.value());
    let hint = format!("interstice bindings add {}", name.value());
    let (schema, dependency) = schema_in(&file, &hint).map_err(refuse)?;
    let mut imported = Imported { module: name.value(), bindings: Bindings::default() };
    let items = imported
        .items(&schema)
        .map_err(|error| refuse(format!("`{file}` is not a schema ({error}): write it anew with `{hint}`")))?;
    let types = imported.bindings.types.values();
    let module = Ident::new(&name.value(), name.span());
    let doc = format!("Module `{}`, as it was when its bindings were written.", name.value());
    Ok(quote! {
        #[doc = #doc]
        #[allow(missing_docs, clippy::all, clippy::pedantic)]
        pub mod #module {
            use ::interstice_sdk::prelude::*;
            #dependency
            #(#types)*
            #items
        }
    })
}

/// A module of which bindings are made.
struct Imported {
    module: String,
    bindings: Bindings,
}

impl Imported {
    fn items(&mut self, schema: &Value) -> Result<TokenStream, Fault> {
        let (mut items, module) = (TokenStream::new(), &self.module);
        let owner = quote! { module = #module };
        let tables: Vec<_> = list(schema, "tables")?.iter().filter(|table| flag(table, "public")).collect();
        tables.iter().try_for_each(|table| self.bindings.expect_row(table))?;
        for table in tables {
            items.extend(self.bindings.table(table, &owner)?);
        }
        for function in list(schema, "functions")? {
            if matches!(part(function, "kind")?.as_str(), Some("reducer" | "owner" | "query" | "internal")) {
                items.extend(self.function(function)?);
            }
        }
        Ok(items)
    }

    fn function(&mut self, function: &Value) -> Result<TokenStream, Fault> {
        let name = text(function, "name")?;
        let (call, constant) = (ident(name)?, format_ident!("{}", name.to_uppercase()));
        let doc = function.get("doc").and_then(Value::as_str).unwrap_or_default();
        let (mut params, mut encodes, mut describes) = (Vec::new(), Vec::new(), Vec::new());
        for arg in list(function, "args")? {
            let (arg_name, ty) = (text(arg, "name")?, self.bindings.ty(part(arg, "type")?)?);
            let arg = ident(arg_name)?;
            if part_is(function_type(arg_name, function), "string") {
                params.push(quote! { #arg: impl ::core::convert::AsRef<str> });
                encodes.push(quote! { ::interstice_sdk::datatype::encode_str(#arg.as_ref(), &mut args); });
            } else {
                params.push(quote! { #arg: #ty });
                encodes.push(quote! { ::interstice_sdk::datatype::Datatype::encode(&#arg, &mut args); });
            }
            describes.push(quote! { <#ty as ::interstice_sdk::function::Param>::describe(#arg_name, &mut function); });
        }
        let answer = self.bindings.ty(part(function, "returns")?)?;
        let error = function.get("error").map(|error| self.bindings.ty(error)).transpose()?;
        let (output, run) = match &error {
            Some(error) => (
                quote! { ::core::result::Result<#answer, #error> },
                quote! { ::interstice_sdk::function::call::<#answer, #error>(&#constant, &args) },
            ),
            None => (quote! { #answer }, quote! { ::interstice_sdk::function::call_infallible(&#constant, &args) }),
        };
        let (kind, context) = match part(function, "kind")?.as_str() {
            Some("query") => (quote! { Query }, quote! { &impl Context }),
            Some("owner") => (quote! { Owner }, quote! { &ReducerContext }),
            _ => (quote! { Reducer }, quote! { &ReducerContext }),
        };
        let (module, package) = (&self.module, package());
        Ok(quote! {
            static #constant: ::interstice_sdk::registry::ImportEntry =
                ::interstice_sdk::registry::ImportEntry::new(#package, #module, #name, || {
                    #[allow(unused_mut)]
                    let mut function = ::interstice_sdk::function::FunctionBuilder::new(
                        #name,
                        "",
                        ::interstice_sdk::generated::FunctionKind::#kind,
                    );
                    #(#describes)*
                    ::interstice_sdk::generated::signature::of_function(&function.returns::<#output>())
                });
            ::interstice_sdk::generated::submit! { ::interstice_sdk::registry::ImportReference(&#constant) }

            #[doc = #doc]
            pub fn #call(_ctx: #context #(, #params)*) -> #output {
                #[allow(unused_mut)]
                let mut args = ::std::vec::Vec::new();
                #(#encodes)*
                #run
            }
        })
    }
}

fn function_type<'v>(arg: &str, function: &'v Value) -> Option<&'v Value> {
    let args = function.get("args")?.as_array()?;
    args.iter().find(|field| field.get("name").and_then(Value::as_str) == Some(arg))?.get("type")
}

fn part_is(value: Option<&Value>, name: &str) -> bool {
    value.and_then(Value::as_str) == Some(name)
}
