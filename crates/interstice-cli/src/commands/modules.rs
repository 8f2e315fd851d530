//! `modules`: what is in force on a node.

use crate::args::Modules as Command;
use crate::failure::Failure;
use crate::node::{Node, body};
use crate::report::{Report, columns};
use interstice_protocol::http::{ModuleSummary, Modules, route};
use interstice_types::problem::Problem;
use serde_json::json;

pub(crate) fn run(node: &Node, command: &Command) -> Result<Report, Failure> {
    let document = node.get(route::MODULES)?;
    let modules = body::<Modules>(&document)?.modules;
    match command {
        Command::List => Ok(Report::new(document, table(&modules)).items("modules")),
        Command::Show { module } => show(&modules, module),
    }
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

fn show(modules: &[ModuleSummary], name: &str) -> Result<Report, Failure> {
    let found = modules.iter().find(|module| module.name == name).ok_or_else(|| {
        Problem::new("unknown-module", format!("module `{name}` does not exist"))
            .did_you_mean(name, modules.iter().map(|module| module.name.as_str()))
            .hint("list what is published with `interstice modules list`")
    })?;
    Ok(Report::new(
        json!({ "schema": "interstice.modules/v1", "modules": [found] }),
        table(std::slice::from_ref(found)),
    )
    .items("modules"))
}
