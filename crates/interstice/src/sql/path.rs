//! Paths: `body.image.width` leads from a column into what it holds.
//!
//! Behind a column that holds a struct stands the name of a field; behind an enum the name of a variant, then that of its field. Of
//! a variant with one field without a name that field is meant, so that `body.text = 'x'` reads as one says it. Names of variants are
//! found whichever letters are large. Into an `option` a path goes by itself.

use super::statement::Reading;
use super::text::{at, unsupported};
use interstice_types::filter::{Place, Step};
use interstice_types::problem::Problem;
use interstice_types::ty::{EnumType, Field, Shape, Type, Variant};
use sqlparser::ast::{Expr, Ident, Spanned};

/// A place, and the type of what is there.
#[derive(Debug, Clone)]
pub(super) struct Found<'t> {
    pub(super) place: Place,
    pub(super) ty: &'t Type,
}

impl<'t> Found<'t> {
    /// What is there, or, if that is an `option`, what it holds.
    pub(super) fn held(self) -> Self {
        match self.ty {
            Type::Option(inner) => Self { place: self.place.then(Step::Inside), ty: inner },
            _ => self,
        }
    }

    fn then(self, step: Step, ty: &'t Type) -> Self {
        Self { place: self.place.then(step), ty }
    }
}

impl<'r> Reading<'r> {
    /// The place that `expr` names.
    pub(super) fn place(&self, expr: &Expr) -> Result<Found<'r>, Problem> {
        let parts = match expr {
            Expr::Nested(inner) => return self.place(inner),
            Expr::Identifier(ident) => std::slice::from_ref(ident),
            Expr::CompoundIdentifier(parts) => &parts[self.qualifier(parts)..],
            other => return Err(unsupported(self.text, "anything but a column here", other.span())),
        };
        let (first, mut rest) = parts.split_first().expect("invariant: a qualifier leaves a name");
        let column = self.column_named(first)?;
        let ty = &self.schema.columns[usize::from(column)].ty;
        let mut found = Found { place: Place::column(column), ty };
        while let Some((name, behind)) = rest.split_first() {
            found = found.held();
            (found, rest) = match found.ty {
                Type::Struct(ty) => {
                    let what = format!("struct `{}`", ty.name);
                    (self.field(found, &ty.fields, name, (&what, Step::Field))?, behind)
                }
                Type::Enum(_) => self.variant_field(found, name, behind)?,
                other => {
                    let text = format!("`{expr}`: {other} has no `{}`", name.value);
                    return Err(at(Problem::new("unknown-field", text), self.text, name.span));
                }
            };
        }
        Ok(found)
    }

    /// How many names in front say the table. A column of the same name comes first.
    fn qualifier(&self, parts: &[Ident]) -> usize {
        if self.schema.column(&parts[0].value).is_some() {
            return 0;
        }
        let (module, table) = self.name.split_once('.').unwrap_or(("", &self.name));
        match parts {
            [first, second, _, ..] if first.value == module && second.value == table => 2,
            [first, _, ..] if first.value == table => 1,
            _ => 0,
        }
    }

    fn field(
        &self,
        found: Found<'r>,
        fields: &'r [Field],
        name: &Ident,
        (what, step): (&str, impl Fn(u16) -> Step),
    ) -> Result<Found<'r>, Problem> {
        let number = fields.iter().position(|field| field.name == name.value).ok_or_else(|| {
            let names = fields.iter().map(|field| field.name.as_str());
            let text = format!("{what} has no field `{}`", name.value);
            let problem = Problem::new("unknown-field", text).did_you_mean(&name.value, names.clone());
            at(problem.hint(listed("its fields are", names)), self.text, name.span)
        })?;
        Ok(found.then(step(number as u16), &fields[number].ty))
    }

    /// The field of a variant, and the names behind it.
    fn variant_field<'n>(
        &self,
        found: Found<'r>,
        name: &Ident,
        behind: &'n [Ident],
    ) -> Result<(Found<'r>, &'n [Ident]), Problem> {
        let tag = self.variant(&found, name)?;
        let Type::Enum(ty) = found.ty else { panic!("invariant: only an enum has a variant") };
        let variant = &ty.variants[usize::from(tag)];
        let step = |number| Step::Variant(tag, number);
        if let Variant { shape: Shape::Tuple, fields, .. } = variant
            && let [only] = fields.as_slice()
        {
            return Ok((found.then(step(0), &only.ty), behind));
        }
        let Some((field, behind)) = behind.split_first() else {
            let text = format!("variant `{}` of enum `{}` is not one value", variant.name, ty.name);
            let names = variant.fields.iter().map(|field| field.name.as_str());
            let hint = match variant.fields.len() {
                0 => format!("ask whether it is there: `… IS {}`", name.value),
                _ => listed("name one of its fields:", names),
            };
            return Err(at(Problem::new("unknown-field", text).hint(hint), self.text, name.span));
        };
        let what = format!("variant `{}` of enum `{}`", variant.name, ty.name);
        Ok((self.field(found, &variant.fields, field, (&what, step))?, behind))
    }

    /// The tag of the variant that `name` names.
    pub(super) fn variant(&self, found: &Found<'_>, name: &Ident) -> Result<u8, Problem> {
        let Type::Enum(EnumType { name: of, variants }) = found.ty else {
            let text = format!("{} has no variants", found.ty);
            return Err(at(Problem::new("unknown-variant", text), self.text, name.span));
        };
        let exact = variants.iter().position(|variant| variant.name == name.value);
        let similar = || variants.iter().position(|variant| variant.name.eq_ignore_ascii_case(&name.value));
        exact.or_else(similar).map(|tag| tag as u8).ok_or_else(|| {
            let names = variants.iter().map(|variant| variant.name.to_lowercase()).collect::<Vec<_>>();
            let names = names.iter().map(String::as_str);
            let text = format!("enum `{of}` has no variant `{}`", name.value);
            let problem = Problem::new("unknown-variant", text).did_you_mean(&name.value.to_lowercase(), names.clone());
            at(problem.hint(listed("its variants are", names)), self.text, name.span)
        })
    }
}

fn listed<'n>(what: &str, names: impl Iterator<Item = &'n str>) -> String {
    format!("{what} {}", names.collect::<Vec<_>>().join(", "))
}
