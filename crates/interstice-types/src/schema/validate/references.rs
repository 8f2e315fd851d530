//! Rules of references: what they name is there, can be looked up from both sides, and some row can be the first.

use super::{Check, MAX_INDEXES};
use crate::schema::{Durability, OnDelete, ReferenceSchema, TableSchema};
use crate::ty::Type;
use std::collections::BTreeSet;

impl Check<'_> {
    pub(super) fn references(&mut self, place: &str, table: &TableSchema) {
        self.names(place, "reference", MAX_INDEXES, table.references.iter().map(|reference| reference.name.as_str()));
        table.references.iter().for_each(|reference| self.reference(table, reference));
    }

    fn reference(&mut self, table: &TableSchema, reference: &ReferenceSchema) {
        let place = format!("table `{}`, reference `{}`", table.name, reference.name);
        self.columns_exist(table, &place, &reference.columns);
        let Some(other) = self.schema.table(&reference.table) else {
            return self.say(&place, format!("there is no table `{}` in this module", reference.table));
        };
        let lasting = other.durability == table.durability || table.durability == Durability::Ephemeral;
        self.require(
            lasting && other.durability != Durability::Event && table.durability != Durability::Event,
            &place,
            format!("rows of `{}` are gone before those of `{}`", other.name, table.name),
        );
        let types = |table: &'_ TableSchema, columns: &[u16]| -> Option<Vec<Type>> {
            columns.iter().map(|column| Some(table.columns.get(usize::from(*column))?.ty.clone())).collect()
        };
        let (Some(own), Some(key)) = (types(table, &reference.columns), types(other, &other.primary_key)) else {
            return;
        };
        let optional = own.iter().any(|ty| matches!(ty, Type::Option(_)));
        let inner = own.into_iter().map(|ty| if let Type::Option(inner) = ty { *inner } else { ty });
        let words = key.iter().map(Type::to_string).collect::<Vec<_>>().join(", ");
        self.require(
            inner.eq(key),
            &place,
            format!("its columns do not hold the primary key of `{}`, which is ({words})", other.name),
        );
        let indexed = table.primary_key.starts_with(&reference.columns)
            || table.indexes.iter().any(|index| index.columns.starts_with(&reference.columns));
        self.require(indexed, &place, "no index begins with its columns: put `#[index]` on them");
        let nullable = reference.on_delete != OnDelete::SetNull || optional;
        self.require(nullable, &place, "`set_null` needs a column that is an option");
    }

    /// Tables that all need a row of the next one before they can have one.
    pub(super) fn reference_cycle(&mut self) {
        for table in &self.schema.tables {
            let mut path = vec![table.name.as_str()];
            if self.leads_back(&mut path, &mut BTreeSet::new()) {
                let (path, place) = (path.join("` → `"), format!("table `{}`", table.name));
                let text = format!("`{path}`: no row could be the first; make a column on the way an option");
                return self.say(&place, text);
            }
        }
    }

    /// Walks references that no row can do without; whether `path`, as it is left, ends where it began.
    fn leads_back<'s>(&'s self, path: &mut Vec<&'s str>, seen: &mut BTreeSet<&'s str>) -> bool {
        let here = path[path.len() - 1];
        let Some(table) = self.schema.table(here) else { return false };
        for reference in table.references.iter().filter(|reference| is_needed(table, reference)) {
            path.push(&reference.table);
            if reference.table == path[0] || seen.insert(&reference.table) && self.leads_back(path, seen) {
                return true;
            }
            path.pop();
        }
        false
    }
}

fn is_needed(table: &TableSchema, reference: &ReferenceSchema) -> bool {
    let column = |number: &u16| table.columns.get(usize::from(*number));
    !reference.columns.iter().filter_map(column).any(|column| matches!(column.ty, Type::Option(_)))
}
