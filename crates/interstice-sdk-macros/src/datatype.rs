//! `#[datatype]`: the codec and the type of a struct or enum.

use crate::attributes::{optional, refuse_generics, take};
use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Field, Fields, Ident, Item, ItemEnum, ItemStruct, LitStr, Variant};

/// Most variants of an enum: the tag is one byte.
const MAX_VARIANTS: usize = 256;

pub(crate) fn expand(args: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let is_error = parse_args(&args)?;
    match syn::parse2::<Item>(item)? {
        Item::Struct(item) if !is_error => {
            let codec = struct_codec(&item)?;
            Ok(quote! { #item #codec })
        }
        Item::Enum(item) => expand_enum(item, is_error),
        Item::Struct(item) => {
            Err(syn::Error::new_spanned(item.ident, "an error is an enum, one variant for each way to fail"))
        }
        other => Err(syn::Error::new_spanned(other, "`#[datatype]` stands on a struct or an enum")),
    }
}

fn parse_args(args: &TokenStream) -> syn::Result<bool> {
    match args.to_string().as_str() {
        "" => Ok(false),
        "error" => Ok(true),
        _ => Err(syn::Error::new_spanned(args, "`#[datatype]` takes nothing, or `error`")),
    }
}

/// `Datatype` for a struct with named fields.
pub(crate) fn struct_codec(item: &ItemStruct) -> syn::Result<TokenStream> {
    refuse_generics(&item.generics, "a datatype")?;
    let Fields::Named(fields) = &item.fields else {
        return Err(syn::Error::new_spanned(&item.ident, "a struct here has named fields"));
    };
    let (ident, name) = (&item.ident, item.ident.to_string());
    let names: Vec<_> = fields.named.iter().filter_map(|field| field.ident.as_ref()).collect();
    let texts: Vec<_> = names.iter().map(|name| plain(name)).collect();
    let types: Vec<_> = fields.named.iter().map(|field| &field.ty).collect();
    let ty = types.iter().map(|ty| on_type(ty, &quote! { ty() }));
    let decode = types.iter().map(|ty| on_type(ty, &quote! { decode(input) }));
    let encode = names.iter().zip(&types).map(|(name, ty)| on_type(ty, &quote! { encode(&self.#name, out) }));
    Ok(quote! {
        impl ::interstice_sdk::datatype::Datatype for #ident {
            type Held = Self;

            fn ty() -> ::interstice_sdk::generated::Type {
                ::interstice_sdk::generated::Type::Struct(::interstice_sdk::generated::StructType {
                    name: #name.into(),
                    fields: ::std::vec![#(::interstice_sdk::generated::Field { name: #texts.into(), ty: #ty }),*],
                })
            }

            fn encode(&self, out: &mut ::std::vec::Vec<u8>) {
                #(#encode;)*
            }

            fn decode(input: &mut ::interstice_sdk::datatype::Input<'_>) -> Self {
                Self { #(#names: #decode),* }
            }
        }
    })
}

/// `<ty as Datatype>::call`, so that a type which is none is marked where it stands.
fn on_type(ty: &syn::Type, call: &TokenStream) -> TokenStream {
    quote_spanned! { ty.span() => <#ty as ::interstice_sdk::datatype::Datatype>::#call }
}

/// A name without `r#`.
pub(crate) fn plain(name: &Ident) -> String {
    let text = name.to_string();
    text.strip_prefix("r#").map_or(text.clone(), str::to_owned)
}

fn expand_enum(mut item: ItemEnum, is_error: bool) -> syn::Result<TokenStream> {
    refuse_generics(&item.generics, "a datatype")?;
    if item.variants.is_empty() || item.variants.len() > MAX_VARIANTS {
        return Err(syn::Error::new_spanned(&item.ident, format!("an enum here has 1 to {MAX_VARIANTS} variants")));
    }
    let mut messages = Vec::new();
    for variant in &mut item.variants {
        let message = take_message(variant, is_error)?;
        message.iter().try_for_each(|text| check_placeholders(text, variant))?;
        messages.push(message);
    }
    let variants: Vec<_> =
        item.variants.iter().zip(&messages).map(|(v, message)| VariantCode::of(v, message.as_ref())).collect();
    let (ident, name) = (&item.ident, item.ident.to_string());
    let types = variants.iter().map(|variant| &variant.ty);
    let encodes = variants.iter().zip(0_u8..=255).map(|(variant, tag)| variant.encode(tag));
    let decodes = variants.iter().zip(0_u8..=255).map(|(variant, tag)| variant.decode(tag));
    let display = is_error.then(|| display(ident, &variants, &messages));
    Ok(quote! {
        #item

        impl ::interstice_sdk::datatype::Datatype for #ident {
            type Held = Self;

            fn ty() -> ::interstice_sdk::generated::Type {
                ::interstice_sdk::generated::Type::Enum(::interstice_sdk::generated::EnumType {
                    name: #name.into(),
                    variants: ::std::vec![#(#types),*],
                })
            }

            fn encode(&self, out: &mut ::std::vec::Vec<u8>) {
                match self { #(#encodes)* }
            }

            fn decode(input: &mut ::interstice_sdk::datatype::Input<'_>) -> Self {
                match <u8 as ::interstice_sdk::datatype::Datatype>::decode(input) {
                    #(#decodes)*
                    tag => ::core::panic!("the host gave tag {tag} for enum `{}`", #name),
                }
            }
        }

        #display
    })
}

fn take_message(variant: &mut Variant, is_error: bool) -> syn::Result<Option<LitStr>> {
    if let Some((_, discriminant)) = &variant.discriminant {
        return Err(syn::Error::new_spanned(discriminant, "a variant's number is its position: leave it out"));
    }
    let message = take(&mut variant.attrs, "error")?.map(|attribute| attribute.parse_args::<LitStr>()).transpose()?;
    match &message {
        None if is_error => {
            Err(syn::Error::new_spanned(&variant.ident, "say what callers read: `#[error(\"…\")]` on each variant"))
        }
        Some(text) if !is_error => {
            Err(syn::Error::new_spanned(text, "`#[error]` belongs to an enum with `#[datatype(error)]`"))
        }
        _ => Ok(message),
    }
}

/// The text is in the schema, and a node fills it in: it knows the fields' values, and no constants and no formats.
fn check_placeholders(text: &LitStr, variant: &Variant) -> syn::Result<()> {
    let name = |(position, field): (usize, &Field)| field.ident.as_ref().map_or_else(|| position.to_string(), plain);
    let names: Vec<_> = variant.fields.iter().enumerate().map(name).collect();
    let message = text.value().replace("{{", "").replace("}}", "");
    for piece in message.split('{').skip(1) {
        let placeholder = piece.split('}').next().unwrap_or_default();
        if !names.iter().any(|name| name == placeholder) {
            let said = format!(
                "`{{{placeholder}}}` is no field of `{}`: callers read this text with the values of its fields, without formats",
                variant.ident
            );
            return Err(syn::Error::new(text.span(), said));
        }
    }
    Ok(())
}

/// The pieces of one variant.
struct VariantCode {
    ident: Ident,
    /// Binds its fields.
    pattern: TokenStream,
    bindings: Vec<Ident>,
    types: Vec<syn::Type>,
    /// Its part of the schema.
    ty: TokenStream,
}

impl VariantCode {
    fn of(variant: &Variant, message: Option<&LitStr>) -> Self {
        let ident = variant.ident.clone();
        let types: Vec<_> = variant.fields.iter().map(|field| field.ty.clone()).collect();
        let named: Vec<_> = variant.fields.iter().filter_map(|field| field.ident.clone()).collect();
        let numbered = (0..types.len()).map(|index| format_ident!("_{index}")).collect();
        let (shape, bindings, pattern): (_, Vec<Ident>, _) = match &variant.fields {
            Fields::Unit => (quote! { Unit }, Vec::new(), quote! {}),
            Fields::Named(_) => (quote! { Struct }, named.clone(), quote! { { #(#named),* } }),
            Fields::Unnamed(_) => {
                let bindings: Vec<Ident> = numbered;
                let pattern = quote! { ( #(#bindings),* ) };
                (quote! { Tuple }, bindings, pattern)
            }
        };
        let names = bindings.iter().map(|binding| plain(binding).trim_start_matches('_').to_owned());
        let names: Vec<_> = if named.is_empty() { names.collect() } else { named.iter().map(plain).collect() };
        let field_types = types.iter().map(|ty| on_type(ty, &quote! { ty() }));
        let message = optional(message.map(|text| quote! { #text.into() }));
        let name = plain(&ident);
        let ty = quote! {
            ::interstice_sdk::generated::Variant {
                name: #name.into(),
                shape: ::interstice_sdk::generated::Shape::#shape,
                fields: ::std::vec![
                    #(::interstice_sdk::generated::Field { name: #names.into(), ty: #field_types }),*
                ],
                message: #message,
            }
        };
        Self { ident, pattern, bindings, types, ty }
    }

    fn encode(&self, tag: u8) -> TokenStream {
        let Self { ident, pattern, bindings, .. } = self;
        quote! {
            Self::#ident #pattern => {
                out.push(#tag);
                #(::interstice_sdk::datatype::Datatype::encode(#bindings, out);)*
            }
        }
    }

    fn decode(&self, tag: u8) -> TokenStream {
        let Self { ident, pattern, bindings, types, .. } = self;
        let values = types.iter().map(|ty| on_type(ty, &quote! { decode(input) }));
        quote! {
            #tag => {
                #(let #bindings = #values;)*
                Self::#ident #pattern
            }
        }
    }
}

/// `Display` and `Error`, so that the module's own code may use its errors as such.
fn display(ident: &Ident, variants: &[VariantCode], messages: &[Option<LitStr>]) -> TokenStream {
    let arms = variants.iter().zip(messages.iter().flatten()).map(|(variant, message)| {
        let VariantCode { ident, pattern, .. } = variant;
        let text = LitStr::new(&named_fields(&message.value()), message.span());
        quote! {
            #[allow(unused_variables)]
            Self::#ident #pattern => ::core::write!(f, #text),
        }
    });
    quote! {
        impl ::core::fmt::Display for #ident {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                match self { #(#arms)* }
            }
        }

        impl ::core::fmt::Debug for #ident {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::core::fmt::Display::fmt(self, f)
            }
        }

        impl ::core::error::Error for #ident {}
    }
}

/// `{0}` as `{_0}`: the fields of a tuple variant are bound to such names.
fn named_fields(message: &str) -> String {
    let mut out = String::new();
    let mut letters = message.chars().peekable();
    while let Some(letter) = letters.next() {
        out.push(letter);
        if letter != '{' {
            continue;
        }
        match letters.peek() {
            Some('{') => out.extend(letters.next()),
            Some(next) if next.is_ascii_digit() => out.push('_'),
            _ => {}
        }
    }
    out
}
