//! Where a schema may be: in a project, an artefact, a file, on a node, in a data directory or a backup, now or at an offset.

use crate::commands::history;
use crate::directory::Directory;
use crate::failure::Failure;
use crate::node::Node;
use crate::output::Output;
use crate::project;
use interstice::history::Selection;
use interstice_engine::engine::Engine;
use interstice_engine::system;
use interstice_protocol::http::SchemaOf;
use interstice_types::problem::Problem;
use interstice_types::schema::{SYSTEM_MODULE, Schema, TableSchema};
use interstice_wasm::artefact;
use serde_json::Value;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Where a schema is, as it stands on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A project or a `.wasm` file.
    Artefact(PathBuf),
    /// A `.json` file.
    File(PathBuf),
    /// On the node: `module`, `module@offset`.
    Node { module: String, offset: Option<u64> },
    /// In a data directory or a backup: `directory:module`, `directory:module@offset`.
    Data { directory: PathBuf, module: String, offset: Option<u64> },
}

impl Source {
    /// Reads `text`.
    ///
    /// # Errors
    /// If the offset is no number.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let path = Path::new(text);
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("wasm") => return Ok(Self::Artefact(path.to_owned())),
            Some("json") if !text.contains(':') => return Ok(Self::File(path.to_owned())),
            _ if path.join("Cargo.toml").is_file() => return Ok(Self::Artefact(path.to_owned())),
            _ => {}
        }
        let (rest, offset) = match text.rsplit_once('@') {
            None => (text, None),
            Some((rest, digits)) => {
                let wrong = |_| Failure::usage(format!("`{digits}` is not an offset"), "as in `chat@1200`");
                (rest, Some(digits.parse().map_err(wrong)?))
            }
        };
        Ok(match rest.rsplit_once(':') {
            Some((directory, module)) => Self::Data { directory: directory.into(), module: module.to_owned(), offset },
            None if rest.contains(['/', '\\', '.']) => Self::Artefact(path.to_owned()),
            None => Self::Node { module: rest.to_owned(), offset },
        })
    }

    /// The schema that is there.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn load(&self, node: &Node, output: &Output) -> Result<Schema, Failure> {
        match self {
            Self::Artefact(path) => Ok(artefact::schema_of(&project::artefact_at(path, None, output)?)?),
            Self::File(path) => in_file(path),
            Self::Node { module, offset: None } => node.schema(module),
            Self::Node { module, offset: Some(offset) } => at_offset(node, None, (module, *offset)),
            Self::Data { directory, module, offset: None } => of_directory(&Directory::open(directory)?, module),
            Self::Data { directory, module, offset: Some(offset) } => {
                at_offset(node, Some(directory), (module, *offset))
            }
        }
    }
}

/// The schema of a module in a data directory, or at a source.
///
/// # Errors
/// If there is none.
pub(crate) fn find(node: &Node, data: Option<&Path>, what: &str, output: &Output) -> Result<Schema, Failure> {
    match data {
        Some(data) => of_directory(&Directory::open(data)?, what),
        None => Source::parse(what)?.load(node, output),
    }
}

/// A schema in a file, bare or in an envelope as `schema show -o json` prints it.
pub(crate) fn in_file(path: &Path) -> Result<Schema, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::file(path, &error))?;
    let wrong = |error: serde_json::Error| {
        Failure::from(Problem::new("invalid-schema", error.to_string()).at(format!("`{}`", path.display())))
    };
    let value: Value = serde_json::from_str(&text).map_err(wrong)?;
    match value.get("module") {
        Some(Value::Object(_)) => serde_json::from_value::<SchemaOf>(value).map(|of| of.module).map_err(wrong),
        _ => serde_json::from_value(value).map_err(wrong),
    }
}

/// The schema of a module in a data directory, the system's own among them.
pub(crate) fn of_directory(directory: &Directory, module: &str) -> Result<Schema, Failure> {
    of_engine(&directory.recover()?, module)
}

fn of_engine(engine: &Engine, module: &str) -> Result<Schema, Failure> {
    if module == SYSTEM_MODULE {
        let tables = system::own_tables(engine.store()).map(|table| TableSchema::clone(table.schema()));
        return Ok(system::schema(tables.collect()));
    }
    let (_, entry) = engine.catalog().find_module(module)?;
    Ok(Schema::clone(&entry.schema))
}

/// The schema that was in force behind an offset: the one of the last publish up to it.
fn at_offset(node: &Node, data: Option<&Path>, (module, offset): (&str, u64)) -> Result<Schema, Failure> {
    let selection = Selection {
        to: Some(offset.saturating_add(1)),
        module: Some(module.to_owned()),
        cause: Some("publish".to_owned()),
        ..Selection::default()
    };
    let mut last = None;
    history::each(node, data, selection, |told| {
        let row =
            told["changes"].as_array().into_iter().flatten().find(|change| change["table"] == "interstice.module");
        let row = row.map(|change| change.get("insert").unwrap_or(&change["update"]["new"]));
        if let Some(text) = row.filter(|row| row["name"] == module).and_then(|row| row["schema"].as_str()) {
            last = Some(text.to_owned());
        }
        ControlFlow::Continue(())
    })?;
    let text = last.ok_or_else(|| {
        Problem::new("unknown-module", format!("module `{module}` was not there at offset {offset}"))
            .hint(format!("see when it came with `interstice log dump --module {module} --cause publish`"))
    })?;
    serde_json::from_str(&text).map_err(|error| Problem::new("invalid-schema", error.to_string()).into())
}
