//! `subscribe`: changes of rows as they commit, and answers of queries as they change.

use super::invoke;
use crate::args::{Format, Invocation};
use crate::failure::{Failure, exit};
use crate::node::Node;
use crate::output::Output;
use crate::report::{Report, cell};
use interstice_client::socket::{Socket, SocketError};
use interstice_engine::problems;
use interstice_protocol::reply::{Reply, Rows};
use interstice_protocol::request::{self, Request};
use interstice_types::codec;
use interstice_types::id::Offset;
use interstice_types::json;
use interstice_types::problem::Problem;
use interstice_types::schema::signature;
use interstice_types::ty::{Field, Type};
use serde_json::{Value, json};

/// The one request of this connection.
const ID: u32 = 1;

/// Changes of rows.
pub(crate) fn rows(
    node: &Node,
    words: &[String],
    initial: bool,
    count: Option<u64>,
    output: &Output,
) -> Result<Report, Failure> {
    let [statement] = words else {
        return Err(Failure::usage("more than one statement", "write it in quotes: 'select * from module.table'"));
    };
    let mut told = Told { columns: Vec::new(), first: Vec::new(), returns: Type::Unit, left: count, output };
    follow(node, &Request::Subscribe { sql: statement, initial }, &mut told)
}

/// The answers of a query.
pub(crate) fn query(
    node: &Node,
    (name, words): (&str, &[String]),
    count: Option<u64>,
    output: &Output,
) -> Result<Report, Failure> {
    let (module, function) = invoke::split(name)?;
    let schema = node.schema(module)?;
    let invocation = Invocation { function: name.to_owned(), values: words.to_vec(), args: None };
    let args = invoke::arguments(&schema, function, &invocation)?;
    let (_, declared) = schema.function(function).expect("invariant: its arguments were just read");
    if !declared.is_query() {
        return Err(problems::wrong_kind(module, declared).into());
    }
    let values = json::arguments_from_json(&declared.args, &args);
    let values = values.map_err(|error| problems::invalid_arguments(module, declared, error))?;
    let bytes = codec::encode_all(declared.args.iter().map(|arg| &arg.ty), &values);
    let signature = signature::of_function(declared);
    let request = Request::SubscribeQuery(request::Invocation { module, function, signature, args: &bytes });
    let returns = declared.returns.clone();
    let mut told = Told { columns: Vec::new(), first: Vec::new(), returns, left: count, output };
    follow(node, &request, &mut told)
}

/// Asks, and tells what comes until it is enough.
fn follow(node: &Node, request: &Request<'_>, told: &mut Told<'_>) -> Result<Report, Failure> {
    told.output.refuse(&[Format::Json, Format::Csv], "subscribe")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Problem::new("io", format!("starting the network: {error}")))?;
    runtime.block_on(async {
        let mut socket = Socket::connect(node.url(), node.act_as()).await.map_err(|error| lost(node, &error))?;
        socket.push(ID, request);
        socket.send().await.map_err(|error| lost(node, &error))?;
        loop {
            let answers = socket.receive().await.map_err(|error| lost(node, &error))?;
            for answer in answers.iter() {
                let (_, reply) = answer.map_err(|error| lost(node, &error))?;
                if told.take(reply)? {
                    return Ok(Report::nothing());
                }
            }
        }
    })
}

fn lost(node: &Node, error: &SocketError) -> Failure {
    let problem = Problem::new("unreachable", format!("{}: {error}", node.url()));
    Failure::new(exit::UNREACHABLE, problem.hint("start a node with `interstice start`"))
}

fn not_understood(what: &str, error: &dyn std::error::Error) -> Failure {
    Problem::new("invalid-answer", format!("the {what} of the node is not understood: {error}")).into()
}

/// What was told so far.
struct Told<'o> {
    columns: Vec<Field>,
    /// Initial rows, until the last of them is there.
    first: Vec<Value>,
    /// The type of a query's answers.
    returns: Type,
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
            Reply::Value { offset, value } => {
                let value =
                    json::value_to_json(&self.returns, value).map_err(|error| not_understood("answer", &error))?;
                let document = json!({ "offset": offset.to_string(), "value": value });
                self.output.item(&document, || format!("offset {offset}\n{}", invoke::answer_text(&value)));
                self.left = self.left.map(|left| left.saturating_sub(1));
            }
            Reply::Ok { .. } | Reply::Echo(_) | Reply::Receipt(_) => {}
        }
        Ok(self.left == Some(0))
    }

    fn rows(&self, rows: Rows<'_>) -> Result<Vec<Value>, Failure> {
        let row = |row| json::record_to_json(&self.columns, row);
        rows.iter().map(row).collect::<Result<_, _>>().map_err(|error| not_understood("row", &error))
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
