//! What a publish does to each table: worked out before anything is changed.
//!
//! 1. Tables of the module and of the new schema are paired by name, or by the name that one was renamed from.
//! 2. What is safe or checked is an alteration, which the store makes by itself. A table without rows takes any.
//! 3. What needs a migration is looked up among those of the new schema: a chain of them that begins with rows as they are, and
//!    ends with rows as they are to be. Between two of them, and at the end, may stand an alteration that is safe.
//! 4. What loses data needs somebody who says so.

use crate::problems;
use interstice_store::alter::{RowRebuild, unfit_rows};
use interstice_store::store::SharedTable;
use interstice_types::problem::Problem;
use interstice_types::schema::diff::{
    Class, Difference, Sign, TableDifference, class_of_columns, former_table, new_columns,
};
use interstice_types::schema::{ColumnSchema, FunctionKind, FunctionSchema, Schema, TableSchema};
use interstice_types::ty::Type;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// What a publish does to one table.
pub(crate) struct TablePlan {
    /// The table as it is, if it is there.
    pub(crate) old: Option<SharedTable>,
    /// The schema that it gets; `None` if it goes.
    pub(crate) new: Option<Arc<TableSchema>>,
    /// What differs.
    pub(crate) difference: TableDifference,
    /// How.
    pub(crate) step: Step,
}

/// How a table goes over to its new schema.
pub(crate) enum Step {
    /// It comes to be.
    Create,
    /// The store rebuilds its rows, or only its indexes.
    Alter {
        /// For each new column, the encoded value that rows get.
        defaults: Vec<(u16, Vec<u8>)>,
    },
    /// Its rows go.
    Clear,
    /// The module's code says what becomes of each row.
    Rows(Vec<Stage>),
    /// A function of the module reads the table as it was and writes it as it is to be; what it reads comes of the rows by these
    /// stages.
    Whole {
        /// None if it reads them as they are.
        stages: Vec<Stage>,
        /// The form in which it reads them.
        from: Arc<TableSchema>,
        /// Its number.
        function: u32,
    },
    /// It goes with all its rows.
    Drop,
}

/// A part of a row's way.
pub(crate) enum Stage {
    /// Through a function of the module.
    Call(u32),
    /// By what the schemas say.
    Rebuild(RowRebuild),
}

impl TablePlan {
    /// Whether rows, or what they hold, go and nothing takes their place.
    fn is_destructive(&self) -> bool {
        let has_rows = self.old.as_ref().is_some_and(|table| table.count() > 0);
        let by_the_store = matches!(self.step, Step::Alter { .. } | Step::Clear | Step::Drop);
        has_rows && by_the_store && self.difference.class() == Some(Class::Destructive)
    }

    /// The first `most` rows with a value that the new schema has no place for.
    pub(crate) fn unfit_rows(&self, most: usize) -> Vec<String> {
        match (&self.step, &self.old, &self.new) {
            (Step::Alter { defaults }, Some(old), Some(new)) => unfit_rows(old, new, defaults, most),
            _ => Vec::new(),
        }
    }

    /// What is done, one step a line.
    pub(crate) fn steps_text(&self) -> String {
        let lines: Vec<_> = self.difference.differences.iter().map(Difference::to_string).collect();
        lines.join("\n")
    }
}

impl Step {
    /// The functions of the module that have a part in it.
    pub(crate) fn functions(&self) -> Vec<u32> {
        match self {
            Step::Whole { stages, function, .. } => called(stages).chain([*function]).collect(),
            Step::Rows(stages) => called(stages).collect(),
            Step::Create | Step::Alter { .. } | Step::Clear | Step::Drop => Vec::new(),
        }
    }
}

fn called(stages: &[Stage]) -> impl Iterator<Item = u32> {
    stages.iter().filter_map(|stage| match stage {
        Stage::Call(function) => Some(*function),
        Stage::Rebuild(_) => None,
    })
}

/// What a publish of `schema` does to the tables of its module, `old`: tables that others refer to come first, those that go last.
///
/// # Errors
/// `no-migration-path` if nothing says what becomes of rows; `destructive` if data would be lost and `may_break` is not said.
pub(crate) fn plan(old: &[SharedTable], schema: &Schema, may_break: bool) -> Result<Vec<TablePlan>, Problem> {
    let former = Schema {
        tables: old.iter().map(|table| TableSchema::clone(table.schema())).collect(),
        functions: Vec::new(),
        imports: Vec::new(),
        module: schema.module.clone(),
        version: String::new(),
    };
    let (mut plans, mut kept) = (Vec::new(), Vec::new());
    for new in in_order_of_references(schema) {
        let before = former_table(&former, new).map(|before| before.name.as_str());
        let before = before.and_then(|name| old.iter().find(|table| table.schema().name == name));
        kept.extend(before.map(|table| table.id()));
        plans.push(table_plan(before, new, schema)?);
    }
    let gone = old.iter().filter(|table| !kept.contains(&table.id()));
    plans.extend(gone.map(|table| TablePlan {
        old: Some(table.clone()),
        new: None,
        difference: TableDifference::whole(table.schema(), Sign::Removed),
        step: Step::Drop,
    }));
    let lost: Vec<_> = plans.iter().filter(|plan| plan.is_destructive()).map(|plan| &plan.difference).collect();
    if !may_break && !lost.is_empty() {
        return Err(problems::destructive(&schema.module, &lost));
    }
    Ok(plans)
}

/// The tables, those that others refer to before these.
fn in_order_of_references(schema: &Schema) -> Vec<&TableSchema> {
    fn visit<'s>(
        schema: &'s Schema,
        table: &'s TableSchema,
        seen: &mut BTreeSet<&'s str>,
        order: &mut Vec<&'s TableSchema>,
    ) {
        if !seen.insert(&table.name) {
            return;
        }
        let named = table.references.iter().filter_map(|reference| schema.table(&reference.table));
        named.for_each(|other| visit(schema, other, seen, order));
        order.push(table);
    }
    let (mut seen, mut order) = (BTreeSet::new(), Vec::new());
    schema.tables.iter().for_each(|table| visit(schema, table, &mut seen, &mut order));
    order
}

fn table_plan(old: Option<&SharedTable>, new: &TableSchema, schema: &Schema) -> Result<TablePlan, Problem> {
    let Some(table) = old else {
        let difference = TableDifference::whole(new, Sign::Added);
        return Ok(TablePlan { old: None, new: Some(Arc::new(new.clone())), difference, step: Step::Create });
    };
    let difference = TableDifference::between(table.schema(), new);
    let defaults = || new_columns(table.schema(), new);
    let is_declared = difference.differences.iter().any(|one| one.class == Class::Declared);
    let step = match migration(table.schema(), new, schema) {
        _ if table.count() == 0 => Step::Alter { defaults: defaults() },
        Some(step) => step,
        None if is_declared => {
            return Err(problems::no_migration_path(&schema.module, (table.schema(), new), &difference));
        }
        None if table.schema().durability != new.durability => Step::Clear,
        None => Step::Alter { defaults: defaults() },
    };
    Ok(TablePlan { old: Some(table.clone()), new: Some(Arc::new(new.clone())), difference, step })
}

/// A migration of the whole table, or of its rows, or a chain of them that begins near the table as it is.
pub(crate) fn migration(old: &TableSchema, new: &TableSchema, schema: &Schema) -> Option<Step> {
    if old.fields() == new.fields() && old.primary_key == new.primary_key {
        return None;
    }
    let declared: Vec<_> =
        (0..).zip(&schema.functions).filter_map(|(number, function)| Declared::of(number, function, new)).collect();
    let is_form = |from: &TableSchema| {
        (from.fields(), &from.primary_key, &from.indexes) == (old.fields(), &old.primary_key, &old.indexes)
    };
    let exactly = declared.iter().any(|declared| has_columns_of(old, declared.from));
    let is_needed = exactly || class_of_columns(old, new) >= Class::Declared;
    let wholes = declared.iter().filter(|declared| declared.to.is_none());
    let mut wholes = wholes.filter_map(|whole| {
        let stages = if is_form(whole.from) { Some(Vec::new()) } else { way(old, whole.from, &declared) };
        let from = Arc::new(whole.from.clone());
        stages.filter(|_| is_needed).map(|stages| Step::Whole { stages, from, function: whole.number })
    });
    wholes.next().or_else(|| is_needed.then(|| way(old, new, &declared).map(Step::Rows))?)
}

/// A migration of a table, as the module declares it.
struct Declared<'s> {
    number: u32,
    from: &'s TableSchema,
    /// The columns of the rows that it gives; `None` if it is one of the whole table.
    to: Option<TableSchema>,
}

impl<'s> Declared<'s> {
    fn of(number: u32, function: &'s FunctionSchema, table: &TableSchema) -> Option<Self> {
        let FunctionKind::Migration { table: name, from } = &function.kind else { return None };
        let to = match &function.returns {
            Type::Struct(row) => {
                let columns = row.fields.iter().map(|field| ColumnSchema::new(&*field.name, field.ty.clone()));
                Some(TableSchema { name: name.clone(), columns: columns.collect(), ..TableSchema::default() })
            }
            _ => None,
        };
        // On the way of a table that was renamed, rows have its former name.
        let is_named = *name == table.name || table.renamed_from.as_ref() == Some(name);
        is_named.then_some(Self { number, from, to })
    }
}

/// The shortest way of rows from `old` to `new` on which there is a migration.
fn way(old: &TableSchema, new: &TableSchema, declared: &[Declared<'_>]) -> Option<Vec<Stage>> {
    let by_rows: Vec<_> = declared.iter().filter_map(|one| Some((one.number, one.from, one.to.as_ref()?))).collect();
    // Of each migration, the one before it on the way.
    let mut before: BTreeMap<usize, Option<usize>> = BTreeMap::new();
    let mut queue: VecDeque<Option<usize>> = VecDeque::from([None]);
    while let Some(last) = queue.pop_front() {
        let here = last.map_or(old, |last| by_rows[last].2);
        if last.is_some() && leads_to(here, new) {
            return stages(last, &before, &by_rows, (old, new));
        }
        // Those that begin with rows as they are go before those that begin near them.
        for leads in [has_columns_of, leads_to] {
            for (next, (_, from, _)) in by_rows.iter().enumerate() {
                if !before.contains_key(&next) && leads(here, from) {
                    before.insert(next, last);
                    queue.push_back(Some(next));
                }
            }
        }
    }
    None
}

fn has_columns_of(here: &TableSchema, there: &TableSchema) -> bool {
    here.fields() == there.fields()
}

fn leads_to(here: &TableSchema, there: &TableSchema) -> bool {
    has_columns_of(here, there) || class_of_columns(here, there) == Class::Safe
}

type ByRows<'s> = (u32, &'s TableSchema, &'s TableSchema);

fn stages(
    last: Option<usize>,
    before: &BTreeMap<usize, Option<usize>>,
    by_rows: &[ByRows<'_>],
    (old, new): (&TableSchema, &TableSchema),
) -> Option<Vec<Stage>> {
    let (mut chain, mut at) = (Vec::new(), last);
    while let Some(migration) = at {
        chain.push(migration);
        at = before[&migration];
    }
    let (mut stages, mut here) = (Vec::new(), old);
    for migration in chain.into_iter().rev() {
        let (number, from, to) = by_rows[migration];
        stages.extend(rebuild(here, from)?);
        stages.push(Stage::Call(number));
        here = to;
    }
    stages.extend(rebuild(here, new)?);
    Some(stages)
}

/// Nothing, if the columns are the same.
fn rebuild(here: &TableSchema, there: &TableSchema) -> Option<Vec<Stage>> {
    if has_columns_of(here, there) {
        return Some(Vec::new());
    }
    let rebuild = RowRebuild::new(here, Arc::new(here.layout()), there, &new_columns(here, there)).ok()?;
    Some(vec![Stage::Rebuild(rebuild)])
}
