//! The beginning of a migration that its author has to write: what the schemas say is filled in, the rest is left open.

use heck::ToUpperCamelCase as _;
use interstice_types::convert::{Fit, fit};
use interstice_types::schema::TableSchema;
use interstice_types::schema::diff::former_column;
use interstice_types::ty::Type;

/// The migration of a table from `old` to `new`, in Rust, with `todo!()` where the schemas say nothing.
pub fn of(old: &TableSchema, new: &TableSchema) -> String {
    named(old, new, 1)
}

/// As [`of`], with the types of `old` in the module `v<version>`.
pub fn named(old: &TableSchema, new: &TableSchema, version: u32) -> String {
    let (before, after) = (old.name.to_upper_camel_case(), new.name.to_upper_camel_case());
    let fields = new.columns.iter().map(|column| {
        let value = match former_column(old, column).map(|number| &old.columns[usize::from(number)]) {
            Some(former) => match fit(&former.ty, &column.ty) {
                Some(Fit::Same) => format!("old.{}", former.name),
                Some(Fit::All)
                    if !matches!(former.ty, Type::Struct(_) | Type::Enum(_) | Type::List(_) | Type::Map(..)) =>
                {
                    wider(&former.name, &former.ty, &column.ty)
                }
                _ => format!("todo!(\"{} → {}, from old.{}\")", former.ty, column.ty, former.name),
            },
            None => format!("todo!(\"{}\")", column.ty),
        };
        format!("        {}: {value},\n", column.name)
    });
    format!(
        "interstice_sdk::old_schema!(v{version} = \"schema/v{version}.json\");\n\n#[migration(from = {version})]\nfn \
         {}_from_v{version}(old: v{version}::{before}) -> {after} {{\n    {after} {{\n{}    }}\n}}\n",
        new.name,
        fields.collect::<String>()
    )
}

fn wider(name: &str, from: &Type, to: &Type) -> String {
    match (from, to) {
        (Type::Option(from), Type::Option(to)) if from != to => format!("old.{name}.map(Into::into)"),
        (from, Type::Option(to)) if *from == **to => format!("Some(old.{name})"),
        (_, Type::Option(_)) => format!("Some(old.{name}.into())"),
        _ => format!("old.{name}.into()"),
    }
}
