//! Rules of checks: what they look at is there, and what they compare it with is of its type.

use super::{Check, MAX_CHECKS, MAX_EXPRESSION_SIZE};
use crate::filter::Predicate;
use crate::schema::TableSchema;
use std::collections::BTreeSet;

impl Check<'_> {
    pub(super) fn checks(&mut self, place: &str, table: &TableSchema) {
        let count = table.checks.len();
        self.require(count <= MAX_CHECKS, place, format!("{count} checks, at most {MAX_CHECKS} are allowed"));
        let layout = table.layout();
        let mut seen = BTreeSet::new();
        for check in &table.checks {
            let size = check.expression.len();
            if !(1..=MAX_EXPRESSION_SIZE).contains(&size) {
                self.say(place, format!("a check of {size} bytes, 1 to {MAX_EXPRESSION_SIZE} are allowed"));
                continue;
            }
            let place = format!("{place}, check `{}`", check.expression);
            self.require(seen.insert(&check.expression), &place, "the check stands there twice");
            if let Err(error) = Predicate::new(&check.filter, &layout) {
                self.say(&place, error.to_string());
            }
        }
    }
}
