//! `modules`: what is in force on a node, what was, and the way back to it.

use super::event_cycles::{self, OnCycle};
use super::publish;
use super::sql::Asked;
use crate::args::Modules as Command;
use crate::failure::Failure;
use crate::node::{Node, body};
use crate::output::Output;
use crate::report::{Report, cell, columns};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use interstice_protocol::http::{ModuleSummary, Modules, route};
use interstice_types::problem::Problem;
use serde_json::{Value, json};

pub(crate) fn run(node: &Node, command: &Command, output: &Output) -> Result<Report, Failure> {
    if let Command::Rollback { module, to, may_break, dry_run } = command {
        let artefact = former_artefact(node, module, *to)?;
        event_cycles::check(node, &artefact, OnCycle::Warn, output)?;
        return if *dry_run {
            publish::planned(node, &artefact, *may_break)
        } else {
            publish::publish(node, &artefact, *may_break)
        };
    }
    let document = node.get(route::MODULES)?;
    let modules = body::<Modules>(&document)?.modules;
    match command {
        Command::Show { module } => show(node, &modules, module),
        Command::List | Command::Rollback { .. } => Ok(Report::new(document, table(&modules)).items("modules")),
    }
}

/// All that was published of a module, the newest first: offset, version, artefact in base64.
fn versions(node: &Node, module: &str) -> Result<Vec<Vec<Value>>, Failure> {
    let columns = "published_at, version, artefact, time";
    let text = module.replace('\'', "''");
    let order = "order by published_at desc";
    Asked::Node(node).rows(&format!("select {columns} from interstice.version where module = '{text}' {order}"))
}

/// The artefact that was published at an offset, or before the one in force.
fn former_artefact(node: &Node, module: &str, to: Option<u64>) -> Result<Vec<u8>, Failure> {
    let versions = versions(node, module)?;
    let newest = versions.first().map(|row| row[2].clone());
    let wanted = |row: &&Vec<Value>| match to {
        Some(offset) => row[0].as_str().and_then(|text| text.parse().ok()) == Some(offset),
        None => Some(&row[2]) != newest.as_ref(),
    };
    let found = versions.iter().find(wanted).ok_or_else(|| {
        let text = match to {
            Some(offset) => format!("module `{module}` was not published at offset {offset}"),
            None => format!("module `{module}` has no version before the one in force"),
        };
        Problem::new("unknown-version", text).hint(format!("see its versions with `interstice modules show {module}`"))
    })?;
    let hash = found[2].as_str().unwrap_or_default();
    let rows = Asked::Node(node).rows(&format!("select bytes from interstice.artefact where hash = '{hash}'"))?;
    let bytes = rows.first().and_then(|row| row[0].as_str()).and_then(|text| BASE64.decode(text).ok());
    bytes.ok_or_else(|| Problem::new("invalid-answer", "the artefact is not there").into())
}

fn table(modules: &[ModuleSummary]) -> String {
    let mut rows =
        vec![["module", "version", "artefact", "published at", "tables", "functions"].map(str::to_owned).to_vec()];
    rows.extend(modules.iter().map(|module| {
        vec![
            module.name.clone(),
            module.version.clone(),
            module.artefact[..8].to_owned(),
            module.published_at.to_string(),
            module.tables.to_string(),
            module.functions.to_string(),
        ]
    }));
    columns(&rows)
}

fn show(node: &Node, modules: &[ModuleSummary], name: &str) -> Result<Report, Failure> {
    let found = modules.iter().find(|module| module.name == name).ok_or_else(|| {
        Problem::new("unknown-module", format!("module `{name}` does not exist"))
            .did_you_mean(name, modules.iter().map(|module| module.name.as_str()))
            .hint("list what is published with `interstice modules list`")
    })?;
    let versions = versions(node, name)?;
    let mut lines = vec![["published at", "version", "time"].map(str::to_owned).to_vec()];
    lines.extend(versions.iter().map(|row| [&row[0], &row[1], &row[3]].map(cell).to_vec()));
    let text = format!("{}\n\n{}", table(std::slice::from_ref(found)), columns(&lines));
    let version =
        |row: &Vec<Value>| json!({ "published_at": row[0], "version": row[1], "artefact": row[2], "time": row[3] });
    let versions: Vec<_> = versions.iter().map(version).collect();
    let document = json!({ "schema": "interstice.modules/v1", "modules": [found], "versions": versions });
    Ok(Report::new(document, text).items("modules"))
}
