//! `#[table]`: a row type, its schema and the methods of its indexes.

use crate::attributes::{doc_of, former_code, former_name, optional, package, refuse_generics, take};
use crate::check::{self, Check};
use crate::datatype::{plain, struct_codec};
use crate::reference::{Reference, Referred};
use heck::{ToShoutySnakeCase, ToSnakeCase};
use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, ExprLit, Field, Fields, Ident, Item, ItemStruct, Lit, LitStr, Token, parenthesized};

pub(crate) fn expand(args: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let args: Args = syn::parse2(args)?;
    let mut item = row_struct(syn::parse2(item)?)?;
    refuse_generics(&item.generics, "a table")?;
    let declared = Declared::read(args, &mut item)?;
    let codec = struct_codec(&item)?;
    let table = declared.table(&item)?;
    let indexes = declared.index_methods(&item);
    let columns = declared.column_constants(&item);
    let entry = declared.entry(&item);
    Ok(quote! { #item #codec #table #indexes #columns #entry })
}

fn row_struct(item: Item) -> syn::Result<ItemStruct> {
    match item {
        Item::Struct(item) => Ok(item),
        other => Err(syn::Error::new_spanned(other, "`#[table]` stands on a struct: its fields are the columns")),
    }
}

/// What stands in the parentheses of `#[table(…)]`.
#[derive(Default)]
struct Args {
    public: bool,
    name: Option<LitStr>,
    /// Set by `import!`: the table belongs to that module.
    module: Option<LitStr>,
    /// Set by `old_schema!`: the table is as it was once.
    former: bool,
    /// `Ephemeral` or `Event`.
    durability: Option<Ident>,
    primary_key: Option<Vec<Ident>>,
    /// Name, columns, unique.
    indexes: Vec<(Ident, Vec<Ident>, bool)>,
    /// Name, columns, what they refer to.
    references: Vec<(Ident, Vec<Ident>, Referred)>,
}

impl Parse for Args {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut args = Self::default();
        while !input.is_empty() {
            let word: Ident = input.parse()?;
            match word.to_string().as_str() {
                "public" => args.public = true,
                "private" => args.public = false,
                "name" => args.name = Some(value(input)?),
                "module" => args.module = Some(value(input)?),
                "former" => args.former = true,
                "ephemeral" => args.durability = Some(Ident::new("Ephemeral", word.span())),
                "event" => args.durability = Some(Ident::new("Event", word.span())),
                "references" => {
                    let inner;
                    parenthesized!(inner in input);
                    let (name, columns) = (inner.parse()?, columns(&inner)?);
                    inner.parse::<Token![=]>()?;
                    args.references.push((name, columns, inner.parse()?));
                }
                "primary_key" => args.primary_key = Some(columns(input)?),
                "index" | "unique" => {
                    let inner;
                    parenthesized!(inner in input);
                    args.indexes.push((inner.parse()?, columns(&inner)?, word == "unique"));
                }
                _ => {
                    let text = "a table takes `public`, `ephemeral`, `event`, `name = \"…\"`, `primary_key(a, b)`, `index(name(a, b))`, `unique(name(a, b))` and `references(name(a, b) = Table)`";
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

fn value(input: ParseStream<'_>) -> syn::Result<LitStr> {
    input.parse::<Token![=]>()?;
    input.parse().map_err(|error: syn::Error| syn::Error::new(error.span(), "say it as text: `name = \"…\"`"))
}

fn columns(input: ParseStream<'_>) -> syn::Result<Vec<Ident>> {
    let inner;
    let parentheses = parenthesized!(inner in input);
    let names = Punctuated::<Ident, Token![,]>::parse_terminated(&inner)?;
    if names.is_empty() {
        return Err(syn::Error::new(parentheses.span.join(), "name at least one column"));
    }
    if let Some((_, twice)) =
        names.iter().enumerate().find(|(index, name)| names.iter().take(*index).any(|n| n == *name))
    {
        return Err(syn::Error::new(twice.span(), format!("`{twice}` stands there twice")));
    }
    Ok(names.into_iter().collect())
}

/// A table as its author declared it.
struct Declared {
    args: Args,
    name: String,
    doc: String,
    columns: Vec<Column>,
    /// Positions of its columns.
    primary_key: Vec<usize>,
    indexes: Vec<Index>,
    references: Vec<Reference>,
    renamed_from: Option<LitStr>,
    checks: Vec<Check>,
}

struct Column {
    name: String,
    renamed_from: Option<LitStr>,
    doc: String,
    ty: syn::Type,
    auto_inc: bool,
    default: Option<Expr>,
}

struct Index {
    name: String,
    columns: Vec<usize>,
    unique: bool,
}

/// What the attributes of one field say.
struct FieldMarks {
    primary_key: Option<Attribute>,
    unique: bool,
    index: bool,
    references: Option<Referred>,
}

impl Declared {
    /// Reads the attributes, and takes them off the struct.
    fn read(mut args: Args, item: &mut ItemStruct) -> syn::Result<Self> {
        let Fields::Named(fields) = &mut item.fields else {
            return Err(syn::Error::new_spanned(&item.ident, "a row has named columns"));
        };
        let (mut columns, mut marks) = (Vec::new(), Vec::new());
        let mut checks = check::take_all(&mut item.attrs)?;
        for field in &mut fields.named {
            checks.extend(check::take_all(&mut field.attrs)?);
            let (column, mark) = read_field(field)?;
            columns.push(column);
            marks.push(mark);
        }
        let position = |name: &Ident| {
            let names = || columns.iter().map(|column| format!("`{}`", column.name)).collect::<Vec<_>>().join(", ");
            let found = columns.iter().position(|column| column.name == plain(name));
            found.ok_or_else(|| syn::Error::new(name.span(), format!("no column `{name}`: there are {}", names())))
        };
        let marked: Vec<_> = (0..columns.len()).filter(|index| marks[*index].primary_key.is_some()).collect();
        let primary_key = match (args.primary_key.take(), marked.as_slice()) {
            (Some(names), []) => names.iter().map(position).collect::<syn::Result<_>>()?,
            (None, [_]) => marked,
            (None, []) => {
                let text =
                    "a table needs a primary key: `#[primary_key]` on a column, or `#[table(primary_key(a, b))]`";
                return Err(syn::Error::new_spanned(&item.ident, text));
            }
            (_, [.., last]) => {
                let text = "one primary key: for a composite one write `#[table(primary_key(a, b))]` and nothing on the columns";
                return Err(syn::Error::new_spanned(&marks[*last].primary_key, text));
            }
        };
        let single = |index: usize, unique| Index { name: columns[index].name.clone(), columns: vec![index], unique };
        let marked = (0..columns.len()).filter(|i| marks[*i].unique || marks[*i].index);
        let mut indexes: Vec<_> = marked.map(|index| single(index, marks[index].unique)).collect();
        for (name, names, unique) in &args.indexes {
            let columns = names.iter().map(position).collect::<syn::Result<_>>()?;
            indexes.push(Index { name: plain(name), columns, unique: *unique });
        }
        let mut references = Vec::new();
        for (index, mark) in marks.into_iter().enumerate() {
            let to =
                mark.references.map(|to| Reference { name: columns[index].name.clone(), columns: vec![index], to });
            references.extend(to);
        }
        for (name, names, to) in std::mem::take(&mut args.references) {
            let columns = names.iter().map(position).collect::<syn::Result<_>>()?;
            references.push(Reference { name: plain(&name), columns, to });
        }
        index_references(&references, &primary_key, &mut indexes);
        let name = args.name.as_ref().map_or_else(|| item.ident.to_string().to_snake_case(), LitStr::value);
        let renamed_from = take(&mut item.attrs, "renamed")?.map(|attribute| former_name(&attribute)).transpose()?;
        let doc = doc_of(&item.attrs);
        Ok(Self { args, name, doc, columns, primary_key, indexes, references, renamed_from, checks })
    }

    /// `impl Table`.
    fn table(&self, item: &ItemStruct) -> syn::Result<TokenStream> {
        let (ident, name) = (&item.ident, &self.name);
        let indexes = indexes_ident(ident);
        let key = self.key_type(&self.primary_key);
        let key_fields = self.primary_key.iter().map(|index| format_ident!("{}", self.columns[*index].name));
        let module = optional(self.args.module.as_ref().map(|module| quote! { #module }));
        let is_former = self.args.former;
        let sequences = self.columns.iter().filter(|column| column.auto_inc).map(Column::counts);
        let former = is_former.then(|| quote! { impl ::interstice_sdk::table::FormerTable for #ident {} });
        let named = self.references.iter().map(|reference| reference.check(&self.key_type(&reference.columns)));
        let has_sequences = self.columns.iter().any(|column| column.auto_inc);
        let schema = self.schema(ident)?;
        Ok(quote! {
            impl ::interstice_sdk::table::Table for #ident {
                type Key = #key;
                type Indexes = #indexes;
                const NAME: &'static str = #name;
                const MODULE: ::core::option::Option<&'static str> = #module;
                const FORMER: bool = #is_former;
                const HAS_SEQUENCES: bool = #has_sequences;

                fn schema() -> ::interstice_sdk::generated::TableSchema {
                    #schema
                }

                fn encode_key(&self, out: &mut ::std::vec::Vec<u8>) {
                    #(::interstice_sdk::datatype::Datatype::encode(&self.#key_fields, out);)*
                }
            }

            #former
            #(#named)*
            #(#sequences)*
        })
    }

    fn schema(&self, row: &Ident) -> syn::Result<TokenStream> {
        let Self { name, doc, .. } = self;
        let public = self.args.public;
        let columns = self.columns.iter().map(Column::schema);
        let key = self.primary_key.iter().map(|index| *index as u16);
        let indexes = self.indexes.iter().map(|index| {
            let Index { name, unique, .. } = index;
            let columns = index.columns.iter().map(|column| *column as u16);
            quote! {
                ::interstice_sdk::generated::IndexSchema {
                    name: #name.into(),
                    columns: ::std::vec![#(#columns),*],
                    unique: #unique,
                }
            }
        });
        let references = self.references.iter().map(Reference::schema);
        let renamed_from = former_code(self.renamed_from.as_ref());
        let durability = self.args.durability.clone().unwrap_or_else(|| format_ident!("Durable"));
        let names: Vec<_> = self.columns.iter().map(|column| column.name.clone()).collect();
        let checks = self.checks.iter().map(|check| check.schema(row, &names)).collect::<syn::Result<Vec<_>>>()?;
        Ok(quote! {
            ::interstice_sdk::generated::TableSchema {
                name: #name.into(),
                renamed_from: #renamed_from,
                doc: #doc.into(),
                public: #public,
                durability: ::interstice_sdk::generated::Durability::#durability,
                columns: ::std::vec![#(#columns),*],
                primary_key: ::std::vec![#(#key),*],
                indexes: ::std::vec![#(#indexes),*],
                references: ::std::vec![#(#references),*],
                checks: ::std::vec![#(#checks),*],
            }
        })
    }

    /// The type that handles dereference to, with one method for each index.
    fn index_methods(&self, item: &ItemStruct) -> TokenStream {
        let (ident, vis) = (&item.ident, &item.vis);
        let indexes = indexes_ident(ident);
        let methods = self.indexes.iter().zip(1_u16..).map(|(index, number)| self.index_method(ident, index, number));
        let doc = format!("The indexes of [`{ident}`].");
        quote! {
            #[doc = #doc]
            #vis struct #indexes(u32);

            impl ::interstice_sdk::table::Indexes for #indexes {
                fn new(handle: u32) -> Self {
                    Self(handle)
                }

                fn handle(&self) -> u32 {
                    self.0
                }
            }

            #[allow(dead_code)]
            impl #indexes { #(#methods)* }
        }
    }

    /// A constant for each column, to make filters of.
    fn column_constants(&self, item: &ItemStruct) -> TokenStream {
        let ident = &item.ident;
        let constants = self.columns.iter().zip(0_u16..).map(|(column, number)| {
            let (constant, ty) = (column.constant(), &column.ty);
            let doc = format!("Column `{}`, to make filters of.", column.name);
            let new = quote_spanned! { ty.span() => ::interstice_sdk::column::Column::new(#number) };
            quote! {
                #[doc = #doc]
                pub const #constant: ::interstice_sdk::column::Column<#ident, #ty> = #new;
            }
        });
        quote! {
            #[allow(dead_code)]
            impl #ident { #(#constants)* }
        }
    }

    /// The type of one column, or a tuple of several.
    fn key_type(&self, columns: &[usize]) -> TokenStream {
        let types: Vec<_> = columns.iter().map(|column| &self.columns[*column].ty).collect();
        match types.as_slice() {
            [one] => quote! { #one },
            many => quote! { (#(#many),*) },
        }
    }

    fn index_method(&self, row: &Ident, index: &Index, number: u16) -> TokenStream {
        let columns = self.key_type(&index.columns);
        let name = index.name.strip_prefix("by_").unwrap_or(&index.name);
        let (by, find) = (format_ident!("by_{name}"), format_ident!("find_by_{name}"));
        let doc = format!("The rows by index `{}`: of one key, a prefix or a range, in its order.", index.name);
        let find = index.unique.then(|| {
            let doc = format!("The row with this key of the unique index `{}`.", index.name);
            quote! {
                #[doc = #doc]
                pub fn #find(
                    &self,
                    key: impl ::core::convert::Into<::interstice_sdk::key::Lookup<#columns>>,
                ) -> ::core::option::Option<#row> {
                    ::interstice_sdk::table::find(self.0, #number, key.into())
                }
            }
        });
        quote! {
            #[doc = #doc]
            pub fn #by(
                &self,
                keys: impl ::core::convert::Into<::interstice_sdk::key::Span<#columns>>,
            ) -> ::interstice_sdk::rows::Rows<#row> {
                ::interstice_sdk::table::scan(self.0, #number, keys.into())
            }

            #find
        }
    }

    /// The table in the registry.
    fn entry(&self, item: &ItemStruct) -> TokenStream {
        if self.args.former {
            return TokenStream::new();
        }
        let (ident, package) = (&item.ident, package());
        let table = quote! { <#ident as ::interstice_sdk::table::Table> };
        let entry = match &self.args.module {
            None => quote! { ::interstice_sdk::registry::TableEntry { package: #package, schema: #table::schema } },
            Some(module) => quote! {
                ::interstice_sdk::registry::ForeignTableEntry {
                    package: #package,
                    module: #module,
                    table: #table::NAME,
                    signature: || ::interstice_sdk::generated::signature::of_table(&#table::schema()),
                }
            },
        };
        quote! { ::interstice_sdk::generated::submit! { #entry } }
    }
}

/// A reference is looked up from both sides: where no index begins with its columns, it gets one.
fn index_references(references: &[Reference], primary_key: &[usize], indexes: &mut Vec<Index>) {
    for Reference { name, columns, .. } in references {
        let served = primary_key.starts_with(columns) || indexes.iter().any(|index| index.columns.starts_with(columns));
        if !served {
            indexes.push(Index { name: name.clone(), columns: columns.clone(), unique: false });
        }
    }
}

fn indexes_ident(row: &Ident) -> Ident {
    format_ident!("{row}Indexes")
}

impl Column {
    /// The name of its constant.
    fn constant(&self) -> Ident {
        format_ident!("{}", self.name.to_shouty_snake_case())
    }

    /// Does not compile if there are no numbers to count in.
    fn counts(&self) -> TokenStream {
        let ty = &self.ty;
        quote_spanned! { ty.span() => const _: fn() = || ::interstice_sdk::table::counts::<#ty>(); }
    }

    fn schema(&self) -> TokenStream {
        let Self { name, doc, ty, auto_inc, .. } = self;
        let renamed_from = former_code(self.renamed_from.as_ref());
        let default = optional(self.default.as_ref().map(|value| {
            let value = match value {
                Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => {
                    quote_spanned! { text.span() => ::interstice_sdk::table::DefaultText::of(#text) }
                }
                other => quote! { #other },
            };
            quote! {{
                let value: #ty = #value;
                ::interstice_sdk::generated::hex_of(&value)
            }}
        }));
        quote! {
            ::interstice_sdk::generated::ColumnSchema {
                name: #name.into(),
                renamed_from: #renamed_from,
                doc: #doc.into(),
                ty: <#ty as ::interstice_sdk::datatype::Datatype>::ty(),
                auto_inc: #auto_inc,
                default: #default,
            }
        }
    }
}

fn read_field(field: &mut Field) -> syn::Result<(Column, FieldMarks)> {
    let name = field.ident.as_ref().map(plain).unwrap_or_default();
    let attrs = &mut field.attrs;
    let primary_key = take(attrs, "primary_key")?;
    let mut auto_inc = take(attrs, "auto_inc")?.is_some();
    if let Some(attribute) = &primary_key {
        auto_inc |= names_auto_inc(attribute)?;
    }
    let default = take(attrs, "default")?.map(|attribute| attribute.parse_args()).transpose()?;
    default.iter().try_for_each(|default| refuse_number_for_text(default, &field.ty))?;
    let marks = FieldMarks {
        primary_key,
        unique: take(attrs, "unique")?.is_some(),
        index: take(attrs, "index")?.is_some(),
        references: take(attrs, "references")?.map(|attribute| attribute.parse_args()).transpose()?,
    };
    let renamed_from = take(attrs, "renamed")?.map(|attribute| former_name(&attribute)).transpose()?;
    let column = Column { name, renamed_from, doc: doc_of(attrs), ty: field.ty.clone(), auto_inc, default };
    Ok((column, marks))
}

/// The compiler's own words for it depend on what else is linked.
fn refuse_number_for_text(default: &Expr, ty: &syn::Type) -> syn::Result<()> {
    let is_text =
        matches!(ty, syn::Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "String"));
    match default {
        Expr::Lit(ExprLit { lit, .. }) if is_text && !matches!(lit, Lit::Str(_)) => {
            Err(syn::Error::new_spanned(lit, "the column holds text: `#[default(\"…\")]`"))
        }
        _ => Ok(()),
    }
}

fn names_auto_inc(attribute: &Attribute) -> syn::Result<bool> {
    if matches!(attribute.meta, syn::Meta::Path(_)) {
        return Ok(false);
    }
    let word: Ident = attribute.parse_args()?;
    if word == "auto_inc" {
        return Ok(true);
    }
    Err(syn::Error::new(word.span(), "`#[primary_key]` takes nothing, or `auto_inc`"))
}
