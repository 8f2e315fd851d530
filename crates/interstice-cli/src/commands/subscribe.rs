//! `subscribe`: changes of rows as they commit.

use crate::args::Format;
use crate::failure::{Failure, exit};
use crate::node::Node;
use crate::output::Output;
use crate::report::{Report, cell};
use interstice_client::socket::{Socket, SocketError};
use interstice_protocol::reply::{Reply, Rows};
use interstice_protocol::request::Request;
use interstice_types::id::Offset;
use interstice_types::json;
use interstice_types::problem::Problem;
use interstice_types::ty::Field;
use serde_json::{Value, json};

/// The one request of this connection.
const ID: u32 = 1;

pub(crate) fn run(
    node: &Node,
    statement: &str,
    initial: bool,
    count: Option<u64>,
    output: &Output,
) -> Result<Report, Failure> {
    output.refuse(&[Format::Json, Format::Csv], "subscribe")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Problem::new("io", format!("starting the network: {error}")))?;
    runtime.block_on(follow(node, (statement, initial), count, output))?;
    Ok(Report::nothing())
}

async fn follow(
    node: &Node,
    (statement, initial): (&str, bool),
    count: Option<u64>,
    output: &Output,
) -> Result<(), Failure> {
    let mut socket = Socket::connect(node.url(), node.act_as()).await.map_err(|error| lost(node, &error))?;
    socket.push(ID, &Request::Subscribe { sql: statement, initial });
    socket.send().await.map_err(|error| lost(node, &error))?;
    let mut told = Told { columns: Vec::new(), first: Vec::new(), left: count, output };
    loop {
        let answers = socket.receive().await.map_err(|error| lost(node, &error))?;
        for answer in answers.iter() {
            let (_, reply) = answer.map_err(|error| lost(node, &error))?;
            if told.take(reply)? {
                return Ok(());
            }
        }
    }
}

fn lost(node: &Node, error: &SocketError) -> Failure {
    let problem = Problem::new("unreachable", format!("{}: {error}", node.url()));
    Failure::new(exit::UNREACHABLE, problem.hint("start a node with `interstice start`"))
}

/// What was told so far.
struct Told<'o> {
    columns: Vec<Field>,
    /// Initial rows, until the last of them is there.
    first: Vec<Value>,
    /// Updates that are still wanted.
    left: Option<u64>,
    output: &'o Output,
}

impl Told<'_> {
    /// Takes an answer; true when enough was told.
    fn take(&mut self, reply: Reply<'_>) -> Result<bool, Failure> {
        match reply {
            Reply::Error(problem) => return Err(problem.into()),
            Reply::Columns(columns) => self.columns = columns,
            Reply::Rows { offset, last, rows } => {
                let rows = self.rows(rows)?;
                self.first.extend(rows);
                if last {
                    let rows = std::mem::take(&mut self.first);
                    self.tell((offset, 0), true, (rows, Vec::new()));
                }
            }
            Reply::Update { offset, unlogged, inserts, deletes } => {
                let changes = (self.rows(inserts)?, self.rows(deletes)?);
                self.tell((offset, unlogged), false, changes);
                self.left = self.left.map(|left| left.saturating_sub(1));
            }
            Reply::Ok { .. } | Reply::Echo(_) | Reply::Receipt(_) => {}
        }
        Ok(self.left == Some(0))
    }

    fn rows(&self, rows: Rows<'_>) -> Result<Vec<Value>, Failure> {
        let row = |row| json::record_to_json(&self.columns, row);
        rows.iter().map(row).collect::<Result<_, _>>().map_err(|error| {
            Problem::new("invalid-answer", format!("a row of the node is not understood: {error}")).into()
        })
    }

    fn tell(&self, (offset, unlogged): (Offset, u32), initial: bool, (insert, delete): (Vec<Value>, Vec<Value>)) {
        let mut document =
            json!({ "offset": offset.to_string(), "initial": initial, "insert": insert, "delete": delete });
        if unlogged > 0 {
            document["unlogged"] = json!(unlogged);
        }
        let text = || {
            let behind = if unlogged > 0 { format!("+{unlogged}") } else { String::new() };
            let head = format!("offset {offset}{behind}{}", if initial { "  initial" } else { "" });
            let deleted = delete.iter().map(|row| format!("- {}", cell(row)));
            let inserted = insert.iter().map(|row| format!("+ {}", cell(row)));
            std::iter::once(head).chain(deleted).chain(inserted).collect::<Vec<_>>().join("\n")
        };
        self.output.item(&document, text);
    }
}
