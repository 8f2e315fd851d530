//! `schema history`: every version of a module or of one of its tables, who published it, what it changed, what became of rows.
//!
//! 1. What was published is in `interstice.version`, and each artefact in `interstice.artefact` with its schema inside: also of
//!    versions whose transactions were given up with the log.
//! 2. A log that began before nodes kept that table is read from its beginning for what was published. Where it was trimmed, only
//!    the version in force is known.
//! 3. Each version is compared with the one before; of a table, under the name that it had then.

use super::diff::steps_text;
use crate::commands::sql::Asked;
use crate::commands::{history, schema};
use crate::failure::Failure;
use crate::node::Node;
use crate::project::contents_text;
use crate::report::Report;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use interstice::history::Selection;
use interstice_engine::publish::migrations_between;
use interstice_protocol::http::TableStep;
use interstice_types::id::to_hex;
use interstice_types::problem::Problem;
use interstice_types::schema::Schema;
use interstice_types::schema::diff::{SchemaDifference, TableDifference, former_table};
use interstice_wasm::artefact;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

/// Something that was published.
struct Version {
    offset: u64,
    time: Value,
    /// Hex; nothing if nobody noted it.
    publisher: Value,
    artefact: String,
    /// `None` if the artefact is not there any more.
    schema: Option<Schema>,
}

/// A version beside the one before.
struct Entry<'v> {
    version: &'v Version,
    /// What was declared before.
    before: Option<&'v Schema>,
    difference: SchemaDifference,
    migrations: Vec<Value>,
}

pub(crate) fn run(node: &Node, data: Option<&Path>, what: &str) -> Result<Report, Failure> {
    let (module, table) = what.split_once('.').map_or((what, None), |(module, table)| (module, Some(table)));
    let place = Asked::of(node, data)?;
    let versions = versions(&place, (node, data), module)?;
    let mut migrations = migrations(&place, module)?;
    let mut entries = entries(&versions, &mut migrations);
    if let Some(table) = table {
        entries = of_table(entries, table);
        if entries.is_empty() {
            return Err(unknown_table(&versions, module, table).into());
        }
    }
    let document = json!({
        "schema": "interstice.schema-history/v1", "module": module, "table": table,
        "entries": entries.iter().map(document).collect::<Vec<_>>(),
    });
    let text = entries.iter().map(|entry| text(module, entry)).collect::<Vec<_>>().join("\n\n");
    Ok(Report::new(document, text).items("entries"))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// All that was published of a module, the first one first.
fn versions(place: &Asked<'_>, log: (&Node, Option<&Path>), module: &str) -> Result<Vec<Version>, Failure> {
    let name = quoted(module);
    let in_force = place.rows(&format!("select published_at from interstice.module where name = {name}"))?;
    let columns = "published_at, artefact, time, publisher";
    let listed = place.rows_if_there(&format!(
        "select {columns} from interstice.version where module = {name} order by published_at"
    ))?;
    let last = |rows: &[Vec<Value>]| rows.last().map(|row| row[0].clone());
    let found = match listed {
        Some(rows) if last(&rows) == last(&in_force) => noted(place, &rows)?,
        // It is not there, or came later than the version in force.
        _ => match told(log, module) {
            Err(failure) if failure.problem.code == "trimmed" => in_force_of(place, module)?,
            told => told?,
        },
    };
    if found.is_empty() {
        let names = place.rows("select name from interstice.module")?;
        let names: Vec<_> = names.iter().filter_map(|row| row[0].as_str()).collect();
        let problem = Problem::new("unknown-module", format!("module `{module}` was never published there"));
        return Err(problem
            .did_you_mean(module, names)
            .hint("list what is published with `interstice modules list`")
            .into());
    }
    Ok(found)
}

/// Versions as the system tables have them.
fn noted(place: &Asked<'_>, rows: &[Vec<Value>]) -> Result<Vec<Version>, Failure> {
    let mut schemas: BTreeMap<String, Option<Schema>> = BTreeMap::new();
    let mut found = Vec::new();
    for row in rows {
        let hash = row[1].as_str().unwrap_or_default();
        if !schemas.contains_key(hash) {
            let bytes = place.rows(&format!("select bytes from interstice.artefact where hash = {}", quoted(hash)))?;
            let bytes = bytes.first().and_then(|row| row[0].as_str()).and_then(|text| BASE64.decode(text).ok());
            schemas.insert(hash.to_owned(), bytes.and_then(|bytes| artefact::schema_of(&bytes).ok()));
        }
        found.push(Version {
            offset: number(&row[0]),
            time: row[2].clone(),
            publisher: identity(place, &row[3])?,
            artefact: hex(hash),
            schema: schemas[hash].clone(),
        });
    }
    Ok(found)
}

/// The version in force. Nobody noted when it was published, and who did that.
fn in_force_of(place: &Asked<'_>, module: &str) -> Result<Vec<Version>, Failure> {
    let name = quoted(module);
    let rows =
        place.rows(&format!("select published_at, artefact, schema from interstice.module where name = {name}"))?;
    let version = |row: &Vec<Value>| Version {
        offset: number(&row[0]),
        time: Value::Null,
        publisher: Value::Null,
        artefact: hex(row[1].as_str().unwrap_or_default()),
        schema: row[2].as_str().and_then(|text| serde_json::from_str(text).ok()),
    };
    Ok(rows.iter().map(version).collect())
}

/// Who has a number among the callers; nobody has 0.
fn identity(place: &Asked<'_>, number: &Value) -> Result<Value, Failure> {
    let number = self::number(number);
    let rows = place.rows(&format!("select identity from interstice.client where id = {number}"))?;
    Ok(rows.first().map_or(Value::Null, |row| row[0].clone()))
}

/// Versions as the transactions that published them tell of them.
fn told((node, data): (&Node, Option<&Path>), module: &str) -> Result<Vec<Version>, Failure> {
    let selection =
        Selection { module: Some(module.to_owned()), cause: Some("publish".to_owned()), ..Selection::default() };
    let mut found = Vec::new();
    history::each(node, data, selection, |told| {
        let rows = told["changes"].as_array().into_iter().flatten();
        let rows = rows.filter(|change| change["table"] == "interstice.module");
        let mut rows = rows.map(|change| change.get("insert").unwrap_or(&change["update"]["new"]));
        if let Some(row) = rows.find(|row| row["name"] == module) {
            found.push(Version {
                offset: number(&told["offset"]),
                time: told["time"].clone(),
                publisher: told["caller"].clone(),
                artefact: hex(row["artefact"].as_str().unwrap_or_default()),
                schema: row["schema"].as_str().and_then(|text| serde_json::from_str(text).ok()),
            });
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// What became of rows, by the offset of the publish.
fn migrations(place: &Asked<'_>, module: &str) -> Result<BTreeMap<u64, Vec<Value>>, Failure> {
    let columns = "offset, name, from_version, to_version, rows, steps";
    let statement =
        format!("select {columns} from interstice.migration where module = {} order by offset", quoted(module));
    let mut found: BTreeMap<u64, Vec<Value>> = BTreeMap::new();
    for row in place.rows_if_there(&statement)?.unwrap_or_default() {
        let [offset, table, from, to, rows, steps] = &row[..] else { continue };
        let migration = json!({ "table": table, "from_version": from, "to_version": to, "rows": rows, "steps": steps });
        found.entry(number(offset)).or_default().push(migration);
    }
    Ok(found)
}

fn entries<'v>(versions: &'v [Version], migrations: &mut BTreeMap<u64, Vec<Value>>) -> Vec<Entry<'v>> {
    let empty =
        |schema: &Schema| Schema { tables: Vec::new(), functions: Vec::new(), imports: Vec::new(), ..schema.clone() };
    let mut before: Option<&Schema> = None;
    let mut entries = Vec::new();
    for version in versions {
        let difference = version.schema.as_ref().map(|schema| {
            let nothing = empty(schema);
            SchemaDifference::between(before.unwrap_or(&nothing), schema)
        });
        let (difference, migrations) =
            (difference.unwrap_or_default(), migrations.remove(&version.offset).unwrap_or_default());
        entries.push(Entry { version, before, difference, migrations });
        before = version.schema.as_ref().or(before);
    }
    entries
}

/// Those that changed the table that has, or last had, this name; back from it under the names that it had before.
fn of_table<'v>(entries: Vec<Entry<'v>>, table: &str) -> Vec<Entry<'v>> {
    let mut name = table.to_owned();
    let mut kept = Vec::new();
    for mut entry in entries.into_iter().rev() {
        entry.difference.functions.clear();
        entry.difference.tables.retain(|difference| difference.table == name);
        entry.migrations.retain(|migration| migration["table"] == name.as_str());
        let former = entry.difference.tables.first().and_then(|difference| difference.renamed_from.clone());
        name = former.unwrap_or(name);
        if !entry.difference.is_empty() {
            kept.push(entry);
        }
    }
    kept.reverse();
    kept
}

fn unknown_table(versions: &[Version], module: &str, table: &str) -> Problem {
    let tables = versions.iter().filter_map(|version| version.schema.as_ref()).flat_map(|schema| &schema.tables);
    Problem::new("unknown-table", format!("no version of module `{module}` has a table `{table}`"))
        .did_you_mean(table, tables.map(|table| table.name.as_str()))
        .hint(format!("see what there was with `interstice schema history {module}`"))
}

/// What differs table by table, with the versions and the rows that the publish noted, and the functions that say what became of them.
fn steps(entry: &Entry<'_>) -> Vec<TableStep> {
    let step = |difference: &TableDifference| {
        let ran = entry.migrations.iter().find(|ran| ran["table"] == difference.table.as_str());
        let from = ran.and_then(|ran| ran["from_version"].as_u64()).and_then(|version| u32::try_from(version).ok());
        let now = entry.version.schema.as_ref();
        let functions = entry.before.zip(now).and_then(|(old, new)| {
            Some(migrations_between(
                former_table(old, new.table(&difference.table)?)?,
                new.table(&difference.table)?,
                new,
            ))
        });
        TableStep::new(difference, from, ran.map_or(0, |ran| number(&ran["rows"])), functions.unwrap_or_default())
    };
    entry.difference.tables.iter().map(step).collect()
}

fn document(entry: &Entry<'_>) -> Value {
    let Entry { version, difference, migrations, .. } = entry;
    let functions = difference.functions.iter().map(|function| {
        json!({ "function": function.function, "sign": function.sign.to_string(), "breaks_clients": function.breaks })
    });
    json!({
        "offset": version.offset.to_string(), "time": version.time, "publisher": version.publisher,
        "version": version.schema.as_ref().map(|schema| &schema.version), "artefact": version.artefact,
        "tables": steps(entry), "functions": functions.collect::<Vec<_>>(), "migrations": migrations,
    })
}

fn text(module: &str, entry: &Entry<'_>) -> String {
    let Entry { version, difference, .. } = entry;
    let who = version.publisher.as_str().map_or_else(|| "somebody".to_owned(), |hex| hex.chars().take(8).collect());
    let named = version.schema.as_ref().map_or_else(|| "unreadable".to_owned(), |schema| schema.version.clone());
    let contents = version.schema.as_ref().map(contents_text).unwrap_or_default();
    let hash: String = version.artefact.chars().take(8).collect();
    let time = version.time.as_str().unwrap_or("time unknown");
    let mut lines = vec![format!("offset {}  {time}  {module} {named}  {hash}  by {who}  {contents}", version.offset)];
    lines.push(steps_text(module, &steps(entry)));
    lines.extend(difference.functions.iter().map(|function| schema::diff::function_line(module, function)));
    if difference.is_empty() {
        lines.push("  no difference".to_owned());
    }
    lines.retain(|line| !line.is_empty());
    lines.join("\n")
}

/// A number of 64 bits, which stands as text in JSON.
fn number(value: &Value) -> u64 {
    value.as_str().and_then(|text| text.parse().ok()).or_else(|| value.as_u64()).unwrap_or(0)
}

/// Bytes in base64 as hex.
fn hex(base64: &str) -> String {
    BASE64.decode(base64).map(|bytes| to_hex(&bytes)).unwrap_or_default()
}
