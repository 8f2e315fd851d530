//! `schema diff`: what differs between two schemas, and what publishing the second over the first would take.

use crate::failure::Failure;
use crate::node::Node;
use crate::output::Output;
use crate::report::{FOUND, Report, columns};
use crate::schemas::Source;
use interstice_engine::publish::migrations_between;
use interstice_protocol::http::TableStep;
use interstice_types::schema::diff::{Class, FunctionDifference, SchemaDifference, TableDifference, former_table};
use interstice_types::schema::{Schema, TableSchema};
use serde_json::json;

pub(crate) fn run(node: &Node, (old, new): (&str, &str), exit_code: bool, output: &Output) -> Result<Report, Failure> {
    let (old, new) = (Source::parse(old)?.load(node, output)?, Source::parse(new)?.load(node, output)?);
    let difference = SchemaDifference::between(&old, &new);
    let step = |table: &TableDifference| {
        let migrations = new.table(&table.table).map(|now| migrations_of(&old, now, &new)).unwrap_or_default();
        TableStep::new(table, None, 0, migrations)
    };
    let steps: Vec<_> = difference.tables.iter().map(step).collect();
    let functions: Vec<_> = difference.functions.iter().map(|function| {
        json!({"function": function.function, "sign": function.sign.to_string(), "breaks_clients": function.breaks})
    }).collect();
    let document =
        json!({"schema": "interstice.schema-diff/v1", "module": new.module, "tables": steps, "functions": functions});
    let text = if difference.is_empty() { "no difference".to_owned() } else { text(&new.module, &steps, &difference) };
    let found = exit_code && !difference.is_empty();
    Ok(Report::new(document, text).items("tables").exit(if found { FOUND } else { 0 }))
}

fn migrations_of(old: &Schema, table: &TableSchema, new: &Schema) -> Vec<String> {
    former_table(old, table).map(|former| migrations_between(former, table, new)).unwrap_or_default()
}

fn text(module: &str, steps: &[TableStep], difference: &SchemaDifference) -> String {
    let mut lines = vec![steps_text(module, steps)];
    lines.extend(difference.functions.iter().map(|function| function_line(module, function)));
    lines.push(summary(steps));
    lines.retain(|line| !line.is_empty());
    lines.join("\n")
}

/// As in `+ function chat.send`.
pub(super) fn function_line(module: &str, function: &FunctionDifference) -> String {
    let breaks = if function.breaks { "   breaks clients that call it" } else { "" };
    format!("{} function {module}.{}{breaks}", function.sign, function.function)
}

/// Table by table, what differs and what it takes.
pub(crate) fn steps_text(module: &str, steps: &[TableStep]) -> String {
    let table = |step: &TableStep| {
        let version = |version: Option<u32>| version.map_or_else(|| "none".to_owned(), |version| format!("v{version}"));
        let versions = match (step.from_version, step.to_version) {
            (None, _) => String::new(),
            (from, to) => format!("   {} → {}   {} rows", version(from), version(to), step.rows),
        };
        let migrations =
            step.migrations.iter().map(|name| format!("   migration `{name}`")).collect::<Vec<_>>().concat();
        let rows = step
            .differences
            .iter()
            .map(|one| vec![format!("  {} {}", one.sign, one.item), one.detail.clone(), one.class.clone()]);
        let breaks = if step.breaks_clients { "\n  breaks clients and modules that read it" } else { "" };
        format!("{module}.{}{versions}{migrations}\n{}{breaks}", step.table, columns(&rows.collect::<Vec<_>>()))
    };
    steps.iter().map(table).collect::<Vec<_>>().join("\n")
}

/// As in `1 safe, 1 declared: …`, and what that means for a publish.
pub(crate) fn summary(steps: &[TableStep]) -> String {
    let all: Vec<_> =
        steps.iter().flat_map(|step| step.differences.iter().map(move |one| (step, one.class.as_str()))).collect();
    let classes = [Class::Safe, Class::Checked, Class::Declared, Class::Destructive];
    let counts = classes.map(|class| (class, all.iter().filter(|(_, name)| *name == class.name()).count()));
    let counted: Vec<_> =
        counts.iter().filter(|(_, n)| *n > 0).map(|(class, n)| format!("{n} {}", class.name())).collect();
    let open = |class: Class| all.iter().any(|(step, name)| *name == class.name() && step.migrations.is_empty());
    let verdict = match () {
        () if counted.is_empty() => return String::new(),
        () if open(Class::Declared) => "publish needs a migration: `interstice migrate new`",
        () if open(Class::Destructive) => "publish needs --break",
        () if open(Class::Checked) => "publish looks at every row",
        () => "publish applies it",
    };
    format!("{}: {verdict}", counted.join(", "))
}
