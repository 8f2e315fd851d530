//! `publish`: a module onto a node.

use crate::failure::Failure;
use crate::node::{Node, body};
use crate::output::Output;
use crate::project;
use crate::report::Report;
use interstice_protocol::http::Published;
use std::path::Path;

pub(crate) fn run(node: &Node, path: &Path, name: Option<&str>, output: &Output) -> Result<Report, Failure> {
    let artefact = project::artefact_at(path, name, output)?;
    publish(node, &artefact)
}

/// Publishes an artefact.
pub(crate) fn publish(node: &Node, artefact: &[u8]) -> Result<Report, Failure> {
    let document = node.publish(artefact)?;
    let published: Published = body(&document)?;
    let text = format!(
        "published {} {} ({})  offset {}",
        published.module,
        published.version,
        &published.artefact[..8],
        published.offset
    );
    Ok(Report::new(document, text))
}
