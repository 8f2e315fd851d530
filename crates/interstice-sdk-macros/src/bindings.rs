//! Rust types for what stands in a schema: its tables, and the structs and enums of their columns.

use heck::ToUpperCamelCase;
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use syn::{Ident, LitStr};

/// What is wrong with a schema: the name of the part that is not as it should be.
pub(crate) type Fault = String;

#[derive(Default)]
pub(crate) struct Bindings {
    /// The fields of the rows of its tables, by the names that their types get: a function may take or give a row.
    rows: BTreeMap<String, Vec<(String, Value)>>,
    /// Structs and enums by name, so that each is written once.
    pub(crate) types: BTreeMap<String, TokenStream>,
}

pub(crate) fn part<'v>(value: &'v Value, name: &str) -> Result<&'v Value, Fault> {
    value.get(name).ok_or_else(|| format!("`{name}` is missing"))
}

pub(crate) fn text<'v>(value: &'v Value, name: &str) -> Result<&'v str, Fault> {
    part(value, name)?.as_str().ok_or_else(|| format!("`{name}` is not text"))
}

/// A list that may be left out.
pub(crate) fn list<'v>(value: &'v Value, name: &str) -> Result<&'v [Value], Fault> {
    match value.get(name) {
        None => Ok(&[]),
        Some(list) => list.as_array().map(Vec::as_slice).ok_or_else(|| format!("`{name}` is not a list")),
    }
}

pub(crate) fn flag(value: &Value, name: &str) -> bool {
    value.get(name).and_then(Value::as_bool).unwrap_or(false)
}

pub(crate) fn ident(name: &str) -> Result<Ident, Fault> {
    let parsed = syn::parse_str::<Ident>(name).or_else(|_| syn::parse_str(&format!("r#{name}")));
    parsed.map_err(|_| format!("`{name}` is not a name"))
}

/// The schema in a file of the project, and what has the project compiled again when that changes.
pub(crate) fn schema_in(file: &str, hint: &str) -> Result<(Value, TokenStream), Fault> {
    let root = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
    let text = std::fs::read_to_string(root.join(file))
        .map_err(|error| format!("`{file}` cannot be read ({error}): write it with `{hint}`"))?;
    let schema: Value = serde_json::from_str(&text)
        .map_err(|error| format!("`{file}` is not JSON ({error}): write it anew with `{hint}`"))?;
    // In an envelope, as the command prints it, or bare.
    let schema = schema.get("module").filter(|module| module.is_object()).unwrap_or(&schema).clone();
    let path = format!("/{file}");
    Ok((
        schema,
        quote! { const _: &str = ::core::include_str!(::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), #path)); },
    ))
}

/// Names and types of columns or fields.
fn shape(fields: &[Value]) -> Result<Vec<(String, Value)>, Fault> {
    fields.iter().map(|field| Ok((text(field, "name")?.to_owned(), part(field, "type")?.clone()))).collect()
}

impl Bindings {
    /// Takes note of a table whose row type will be there: a struct of its name is that.
    pub(crate) fn expect_row(&mut self, table: &Value) -> Result<(), Fault> {
        self.rows.insert(text(table, "name")?.to_upper_camel_case(), shape(list(table, "columns")?)?);
        Ok(())
    }

    /// A table; `owner` says in its attribute whose it is.
    pub(crate) fn table(&mut self, table: &Value, owner: &TokenStream) -> Result<TokenStream, Fault> {
        let name = text(table, "name")?;
        let row = format_ident!("{}", name.to_upper_camel_case());
        let doc = table.get("doc").and_then(Value::as_str).unwrap_or_default();
        let columns = list(table, "columns")?;
        let mut fields = Vec::new();
        for column in columns {
            let (name, ty) = (ident(text(column, "name")?)?, self.ty(part(column, "type")?)?);
            let doc = column.get("doc").and_then(Value::as_str).unwrap_or_default();
            let auto_inc = flag(column, "auto_inc").then(|| quote! { #[auto_inc] });
            fields.push(quote! { #[doc = #doc] #auto_inc pub #name: #ty });
        }
        let names = |numbers: &Value| -> Result<Vec<Ident>, Fault> {
            let numbers = numbers.as_array().ok_or("a list of columns is missing")?;
            let column = |number: &Value| columns.get(usize::try_from(number.as_u64()?).ok()?);
            let name = |number| ident(text(column(number).ok_or("a column is missing")?, "name")?);
            numbers.iter().map(name).collect()
        };
        let key = names(part(table, "primary_key")?)?;
        let mut indexes = Vec::new();
        for index in list(table, "indexes")? {
            let (name, columns) = (ident(text(index, "name")?)?, names(part(index, "columns")?)?);
            let word = if flag(index, "unique") {
                quote! { unique }
            } else {
                quote! { index }
            };
            indexes.push(quote! { #word(#name(#(#columns),*)) });
        }
        Ok(quote! {
            #[doc = #doc]
            #[derive(Debug, Clone, PartialEq)]
            #[table(public, name = #name, #owner, primary_key(#(#key),*) #(, #indexes)*)]
            pub struct #row { #(#fields),* }
        })
    }

    /// A type as Rust writes it; structs and enums are written down on the way.
    pub(crate) fn ty(&mut self, ty: &Value) -> Result<TokenStream, Fault> {
        if let Some(name) = ty.as_str() {
            return plain_type(name);
        }
        let (kind, inner) = ty.as_object().and_then(|object| object.iter().next()).ok_or("a type is missing")?;
        match kind.as_str() {
            "option" => self.ty(inner).map(|inner| quote! { ::core::option::Option<#inner> }),
            "list" => self.ty(inner).map(|inner| quote! { ::std::vec::Vec<#inner> }),
            "map" => {
                let [key, value] = inner.as_array().map(Vec::as_slice).unwrap_or_default() else {
                    return Err("a map has a key and a value".to_owned());
                };
                let (key, value) = (self.ty(key)?, self.ty(value)?);
                Ok(quote! { ::std::collections::BTreeMap<#key, #value> })
            }
            "struct" => self.struct_type(inner),
            "enum" => self.enum_type(inner),
            other => Err(format!("there is no type `{other}`")),
        }
    }

    fn struct_type(&mut self, ty: &Value) -> Result<TokenStream, Fault> {
        let name = text(ty, "name")?;
        let ident = ident(name)?;
        let row = self.rows.get(name);
        if row.is_some_and(|row| shape(list(ty, "fields").unwrap_or_default()).as_ref() != Ok(row)) {
            return Err(format!("`{name}` is the row of a table, and a struct of other fields"));
        }
        if row.is_none() && !self.types.contains_key(name) {
            let fields = self.fields(list(ty, "fields")?, &quote! { pub })?;
            let item = quote! { #[derive(Debug, Clone, PartialEq)] #[datatype] pub struct #ident { #(#fields),* } };
            self.types.insert(name.to_owned(), item);
        }
        Ok(quote! { #ident })
    }

    fn fields(&mut self, fields: &[Value], vis: &TokenStream) -> Result<Vec<TokenStream>, Fault> {
        let mut out = Vec::new();
        for field in fields {
            let (name, ty) = (ident(text(field, "name")?)?, self.ty(part(field, "type")?)?);
            out.push(quote! { #vis #name: #ty });
        }
        Ok(out)
    }

    fn enum_type(&mut self, ty: &Value) -> Result<TokenStream, Fault> {
        let name = text(ty, "name")?;
        let ident = ident(name)?;
        if self.types.contains_key(name) {
            return Ok(quote! { #ident });
        }
        let (mut variants, mut is_error) = (Vec::new(), false);
        for variant in list(ty, "variants")? {
            let name = self::ident(text(variant, "name")?)?;
            let fields = list(variant, "fields")?;
            let fields = match text(variant, "shape")? {
                "unit" => quote! {},
                "tuple" => {
                    let types = fields.iter().map(|field| self.ty(part(field, "type")?));
                    let types = types.collect::<Result<Vec<_>, _>>()?;
                    quote! { ( #(#types),* ) }
                }
                _ => {
                    let fields = self.fields(fields, &quote! {})?;
                    quote! { { #(#fields),* } }
                }
            };
            let message = variant.get("message").and_then(Value::as_str);
            is_error |= message.is_some();
            let message = message.map(|message| {
                let message = LitStr::new(message, Span::call_site());
                quote! { #[error(#message)] }
            });
            variants.push(quote! { #message #name #fields });
        }
        let attributes = if is_error {
            quote! { #[derive(Clone, PartialEq)] #[datatype(error)] }
        } else {
            quote! { #[derive(Debug, Clone, PartialEq)] #[datatype] }
        };
        self.types.insert(name.to_owned(), quote! { #attributes pub enum #ident { #(#variants),* } });
        Ok(quote! { #ident })
    }
}

fn plain_type(name: &str) -> Result<TokenStream, Fault> {
    Ok(match name {
        "unit" => quote! { () },
        "string" => quote! { ::std::string::String },
        "bytes" => quote! { ::std::vec::Vec<u8> },
        "timestamp" => quote! { Timestamp },
        "duration" => quote! { Duration },
        "uuid" => quote! { Uuid },
        "identity" => quote! { Identity },
        "bool" | "u8" | "u16" | "u32" | "u64" | "u128" | "i8" | "i16" | "i32" | "i64" | "i128" | "f32" | "f64" => {
            let ident = format_ident!("{name}");
            quote! { #ident }
        }
        other => return Err(format!("there is no type `{other}`")),
    })
}
