//! From the parser's tree to a [`Select`]: names are resolved, everything of another form is refused.

use super::condition::Conditions;
use super::dialect::IntersticeSql;
use super::plan::{Plan, Wish};
use super::text::{at, syntax, unsupported};
use super::{Compiled, Output, Select};
use interstice_engine::read::Snapshot;
use interstice_store::table::Table;
use interstice_types::filter::{Filter, Predicate};
use interstice_types::problem::Problem;
use interstice_types::schema::{SYSTEM_MODULE, TableSchema};
use interstice_types::ty::{Field, Type};
use sqlparser::ast::{
    self, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Ident, LimitClause, OrderBy, OrderByKind,
    OrderBySort, Query, SelectItem, SetExpr, Spanned, Statement, TableFactor, TableWithJoins, Value,
};
use sqlparser::parser::Parser;
use std::sync::Arc;

/// Deepest nesting of a statement.
const MAX_DEPTH: usize = 48;

/// A statement being understood.
pub(super) struct Reading<'r> {
    pub(super) text: &'r str,
    pub(super) schema: &'r TableSchema,
    /// As written: `module.table`.
    pub(super) name: String,
}

/// Understands `text` against the tables of `snapshot`.
pub(super) fn understand(text: &str, snapshot: &Snapshot) -> Result<Select, Problem> {
    let query = parse(text)?;
    let select = plain_select(text, &query)?;
    let (table, name) = find_table(text, select, snapshot)?;
    let schema = Arc::clone(table.schema());
    let reading = Reading { text, schema: &schema, name };
    let (output, fields) = reading.output(&select.projection)?;
    let filter = Conditions::new(&reading).filter(select.selection.as_ref())?;
    let predicate = compiled(&filter, table)?;
    let order = reading.order(query.order_by.as_ref())?;
    let (limit, skip) = reading.limits(query.limit_clause.as_ref())?;
    let plan = Plan::choose(table, &Wish { filter: &filter, order: &order });
    let rest = compiled(&plan.rest, table)?;
    let layout = Arc::clone(table.layout());
    let conditions = Compiled { whole: predicate, rest };
    Ok(Select { table: table.id(), layout, fields: fields.into(), output, conditions, plan, limit, skip })
}

/// # Errors
/// If there are more conditions than a filter may have.
fn compiled(filter: &Filter, table: &Table) -> Result<Predicate, Problem> {
    Predicate::new(filter, table.layout()).map_err(|error| Problem::new("invalid-sql", error.to_string()))
}

fn parse(text: &str) -> Result<Box<Query>, Problem> {
    let parser = Parser::new(&IntersticeSql).with_recursion_limit(MAX_DEPTH).try_with_sql(text);
    let statements = parser.and_then(|mut parser| parser.parse_statements());
    let mut statements = statements.map_err(|error| syntax(text, &error))?;
    let problem =
        |what: &str| Problem::new("invalid-sql", what.to_owned()).hint("as in `SELECT * FROM module.table LIMIT 10`");
    match (statements.pop(), statements.len()) {
        (None, _) => Err(problem("there is no statement")),
        (Some(_), 1..) => Err(problem("there is more than one statement")),
        (Some(Statement::Query(query)), _) => Ok(query),
        (Some(other), _) => {
            let kind = other.to_string().split_whitespace().next().unwrap_or_default().to_uppercase();
            let hint = "rows are changed by reducers: `interstice call module.reducer`";
            Err(Problem::new("unsupported-sql", format!("`{kind}` is not supported")).hint(hint))
        }
    }
}

/// The `SELECT`, if it has no clause that is not known here.
fn plain_select<'q>(text: &str, query: &'q Query) -> Result<&'q ast::Select, Problem> {
    let refuse = |what: &str, span| Err(unsupported(text, what, span));
    let select = match &*query.body {
        SetExpr::Select(select) => select,
        other => return refuse("this form of query", other.span()),
    };
    let grouped =
        !matches!(&select.group_by, GroupByExpr::Expressions(by, modifiers) if by.is_empty() && modifiers.is_empty());
    let others = query.fetch.is_some()
        || !query.locks.is_empty()
        || query.for_clause.is_some()
        || query.settings.is_some()
        || query.format_clause.is_some()
        || !query.pipe_operators.is_empty()
        || select.top.is_some()
        || select.into.is_some()
        || select.exclude.is_some()
        || select.prewhere.is_some()
        || select.qualify.is_some()
        || select.value_table_mode.is_some()
        || !select.lateral_views.is_empty()
        || !select.connect_by.is_empty()
        || !select.cluster_by.is_empty()
        || !select.distribute_by.is_empty()
        || !select.sort_by.is_empty()
        || !select.named_window.is_empty();
    match () {
        () if query.with.is_some() => refuse("`WITH`", query.span()),
        () if select.distinct.is_some() => refuse("`DISTINCT`", select.span()),
        () if grouped => refuse("`GROUP BY`", select.group_by.span()),
        () if select.having.is_some() => refuse("`HAVING`", select.span()),
        () if others => refuse("a clause of this statement", select.span()),
        () => Ok(select),
    }
}

fn find_table<'s>(text: &str, select: &ast::Select, snapshot: &'s Snapshot) -> Result<(&'s Table, String), Problem> {
    let [TableWithJoins { relation, joins }] = select.from.as_slice() else {
        return Err(unsupported(text, "a query on no table or on several", select.span()));
    };
    if let Some(join) = joins.first() {
        return Err(unsupported(text, "`JOIN`", join.span()));
    }
    let TableFactor::Table { name, alias: None, args: None, version: None, sample: None, .. } = relation else {
        return Err(unsupported(text, "anything but a table behind `FROM`", relation.span()));
    };
    let idents: Option<Vec<&Ident>> = name.0.iter().map(|part| part.as_ident()).collect();
    let [module, table] = idents.unwrap_or_default()[..] else {
        let problem = Problem::new("invalid-sql", format!("`{name}` does not name a table"));
        return Err(at(problem.hint("write `module.table`"), text, name.span()));
    };
    let written = format!("{}.{}", module.value, table.value);
    let found = snapshot.catalog.table(&module.value, &table.value);
    match found.and_then(|id| snapshot.store.table(id)) {
        Some(table) => Ok((table, written)),
        None => Err(at(unknown_table(&written, snapshot), text, name.span())),
    }
}

/// No such table: `name` is `module.table`.
pub(crate) fn unknown_table(name: &str, snapshot: &Snapshot) -> Problem {
    let modules = snapshot.catalog.modules().iter().map(|entry| entry.schema.module.as_str());
    let tables = modules
        .chain([SYSTEM_MODULE])
        .flat_map(|module| snapshot.catalog.tables_of(module).map(move |(table, _)| format!("{module}.{table}")));
    let known: Vec<_> = tables.collect();
    Problem::new("unknown-table", format!("table `{name}` does not exist"))
        .did_you_mean(name, known.iter().map(String::as_str))
        .hint("list what is published with `interstice modules list`")
}

impl Reading<'_> {
    fn output(&self, items: &[SelectItem]) -> Result<(Output, Vec<Field>), Problem> {
        match items {
            [SelectItem::Wildcard(_)] => return Ok((Output::Whole, self.schema.fields())),
            [SelectItem::UnnamedExpr(expr)] if is_count(expr) => {
                return Ok((Output::Count, vec![Field { name: "count".to_owned(), ty: Type::U64 }]));
            }
            _ => {}
        }
        let (mut columns, mut fields) = (Vec::new(), Vec::new());
        for item in items {
            let (expr, alias) = match item {
                SelectItem::UnnamedExpr(expr) => (expr, None),
                SelectItem::ExprWithAlias { expr, alias } => (expr, Some(alias.value.clone())),
                other => return Err(unsupported(self.text, "this way to name columns", other.span())),
            };
            let column = self.column(expr)?;
            let named = &self.schema.columns[usize::from(column)];
            fields.push(Field { name: alias.unwrap_or_else(|| named.name.clone()), ty: named.ty.clone() });
            columns.push(usize::from(column));
        }
        Ok((Output::Columns(columns), fields))
    }

    /// The number of the column that `expr` names.
    pub(super) fn column(&self, expr: &Expr) -> Result<u16, Problem> {
        let found = self.place(expr)?;
        if !found.place.steps.is_empty() {
            return Err(unsupported(self.text, "a part of a column here", expr.span()));
        }
        Ok(found.place.column)
    }

    /// The number of the column with this name.
    pub(super) fn column_named(&self, ident: &Ident) -> Result<u16, Problem> {
        self.schema.column(&ident.value).ok_or_else(|| {
            let names = self.schema.columns.iter().map(|column| column.name.as_str());
            let text = format!("table `{}` has no column `{}`", self.name, ident.value);
            let list = names.clone().collect::<Vec<_>>().join(", ");
            let problem = Problem::new("unknown-column", text).did_you_mean(&ident.value, names);
            at(problem.hint(format!("its columns are {list}")), self.text, ident.span)
        })
    }

    fn order(&self, order: Option<&OrderBy>) -> Result<Vec<(u16, bool)>, Problem> {
        let Some(order) = order else { return Ok(Vec::new()) };
        let (OrderByKind::Expressions(parts), None) = (&order.kind, &order.interpolate) else {
            return Err(unsupported(self.text, "this form of `ORDER BY`", order.span()));
        };
        let part = |part: &ast::OrderByExpr| {
            let descending = match &part.options.sort {
                None | Some(OrderBySort::Asc) => false,
                Some(OrderBySort::Desc) => true,
                Some(_) => return Err(unsupported(self.text, "this form of `ORDER BY`", part.span())),
            };
            if part.options.nulls_first.is_some() || part.with_fill.is_some() {
                return Err(unsupported(self.text, "`NULLS FIRST` or `NULLS LAST`", part.span()));
            }
            Ok((self.column(&part.expr)?, descending))
        };
        parts.iter().map(part).collect()
    }

    fn limits(&self, clause: Option<&LimitClause>) -> Result<(Option<u64>, u64), Problem> {
        let (limit, skip) = match clause {
            None => (None, None),
            Some(LimitClause::LimitOffset { limit, offset, limit_by }) if limit_by.is_empty() => {
                (limit.as_ref(), offset.as_ref().map(|offset| &offset.value))
            }
            Some(other) => return Err(unsupported(self.text, "this form of `LIMIT`", other.span())),
        };
        let number = |expr: &Expr| match expr {
            Expr::Value(value) => match &value.value {
                Value::Number(digits, _) => digits.parse().map_err(|_| self.not_a_count(expr)),
                _ => Err(self.not_a_count(expr)),
            },
            other => Err(self.not_a_count(other)),
        };
        Ok((limit.map(number).transpose()?, skip.map(number).transpose()?.unwrap_or(0)))
    }

    fn not_a_count(&self, expr: &Expr) -> Problem {
        let problem = Problem::new("invalid-literal", format!("`{expr}` is not a number of rows"));
        at(problem, self.text, expr.span())
    }
}

fn is_count(expr: &Expr) -> bool {
    let Expr::Function(function) = expr else { return false };
    let FunctionArguments::List(list) = &function.args else { return false };
    let [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)] = list.args.as_slice() else { return false };
    function.name.to_string().eq_ignore_ascii_case("count") && function.over.is_none() && function.filter.is_none()
}
