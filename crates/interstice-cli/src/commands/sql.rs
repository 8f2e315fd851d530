//! `sql`: one `SELECT`, or how it is answered, on a node or a data directory.

use crate::directory::{Directory, Place};
use crate::failure::Failure;
use crate::node::{Node, body};
use crate::report::{Report, cell, columns};
use interstice_engine::engine::Engine;
use interstice_protocol::http::{Envelope, Explained, RowSet, SqlRequest, route};
use interstice_server::reports;
use serde_json::{Value, json};
use std::io::Read;
use std::path::Path;

pub(crate) fn run(place: &Place<'_>, statement: &str) -> Result<Report, Failure> {
    let text = statement_text(statement)?;
    let document = match place.state()? {
        None => place.node.post(route::SQL, &request(place, text))?,
        Some(engine) => {
            let rows = reports::select(&engine.snapshot(), &text, None)?;
            serde_json::to_value(Envelope::new(rows)).expect("invariant: rows have a JSON form")
        }
    };
    let rows: RowSet = body(&document)?;
    Ok(Report::new(document, rows_text(&rows)).items("rows"))
}

/// Where statements are asked: on a node, or of a state that was made of files.
pub(crate) enum Asked<'n> {
    Node(&'n Node),
    State(Box<Engine>),
}

impl<'n> Asked<'n> {
    /// The data directory or backup at `data`, else the node. No module of it is loaded.
    pub(crate) fn of(node: &'n Node, data: Option<&Path>) -> Result<Self, Failure> {
        Ok(match data {
            None => Self::Node(node),
            Some(data) => Self::State(Box::new(Directory::open(data)?.state()?)),
        })
    }

    /// The rows of a statement.
    pub(crate) fn rows(&self, sql: &str) -> Result<Vec<Vec<Value>>, Failure> {
        Ok(match self {
            Self::Node(node) => body::<RowSet>(&node.post(route::SQL, &json!({ "sql": sql }))?)?.rows,
            Self::State(engine) => reports::select(&engine.snapshot(), sql, None)?.rows,
        })
    }

    /// The rows of a statement; `None` if its table is not there, or not in this form.
    pub(crate) fn rows_if_there(&self, sql: &str) -> Result<Option<Vec<Vec<Value>>>, Failure> {
        match self.rows(sql) {
            Err(failure) if matches!(&*failure.problem.code, "unknown-table" | "unknown-column") => Ok(None),
            rows => rows.map(Some),
        }
    }
}

pub(crate) fn explain(place: &Place<'_>, statement: &str) -> Result<Report, Failure> {
    let text = statement_text(statement)?;
    let document = match place.state()? {
        None => place.node.post(route::SQL_EXPLAIN, &request(place, text))?,
        Some(engine) => {
            let explained = reports::explain(&engine.snapshot(), &text, None)?;
            serde_json::to_value(Envelope::new(explained)).expect("invariant: an explanation has a JSON form")
        }
    };
    let explained: Explained = body(&document)?;
    Ok(Report::new(document, explained_text(&explained)))
}

fn request(place: &Place<'_>, sql: String) -> Value {
    let request = SqlRequest { sql, at: place.at.map(|moment| moment.words()) };
    serde_json::to_value(request).expect("invariant: a request has a JSON form")
}

fn explained_text(explained: &Explained) -> String {
    let keys = match explained.keys.as_slice() {
        [] => "all".to_owned(),
        keys => keys.join(", "),
    };
    let order = if explained.backwards { "backwards" } else { "forwards" };
    let sorted_by = match explained.sorted_by.as_slice() {
        [] => "nothing".to_owned(),
        columns => columns.join(", "),
    };
    let line = |name: &str, value: String| vec![name.to_owned(), value];
    columns(&[
        line("served by", format!("{}, {order}", explained.index)),
        line("keys", keys),
        line("filter", explained.filter.clone().unwrap_or_else(|| "none".to_owned())),
        line("sorted by", sorted_by),
        line("rows looked at", explained.examined.to_string()),
        line("rows returned", explained.returned.to_string()),
    ])
}

fn statement_text(statement: &str) -> Result<String, Failure> {
    if statement == "-" {
        let mut text = String::new();
        let read = std::io::stdin().read_to_string(&mut text);
        return read.map(|_| text).map_err(|error| Failure::usage(format!("stdin: {error}"), "give text in UTF-8"));
    }
    match statement.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file).map_err(|error| Failure::file(Path::new(file), &error)),
        None => Ok(statement.to_owned()),
    }
}

pub(super) fn rows_text(rows: &RowSet) -> String {
    let mut lines = vec![rows.columns.iter().map(|column| column.name.clone()).collect()];
    lines.extend(rows.rows.iter().map(|row| row.iter().map(cell).collect::<Vec<_>>()));
    columns(&lines)
}
