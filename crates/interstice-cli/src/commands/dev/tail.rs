//! What commits, as it does.

use crate::commands::history;
use crate::failure::{Failure, exit};
use crate::node::{Node, body};
use crate::output::Output;
use interstice::history::Selection;
use interstice_protocol::http::{Status, route};
use serde_json::Value;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Between two looks for new transactions.
const INTERVAL: Duration = Duration::from_millis(200);

/// Prints transactions from offset `from` on until `ended`, or until the node is gone.
pub(super) fn run(node: &Node, mut from: u64, ended: &AtomicBool, output: &Output) {
    while !ended.load(Ordering::Relaxed) {
        let before = from;
        let news = news(node, from, |transaction| {
            from += 1;
            output.item(&transaction, || history::transaction_line(&transaction));
            ControlFlow::Continue(())
        });
        match news {
            Ok(()) if from == before => std::thread::sleep(INTERVAL),
            Ok(()) => {}
            Err(failure) if failure.exit == exit::UNREACHABLE => return,
            Err(failure) => {
                output.note(&failure.problem.to_string());
                return;
            }
        }
    }
}

/// Transactions from offset `from` on. To tell them the node walks over its log: it is asked only if there are some.
fn news(node: &Node, from: u64, take: impl FnMut(Value) -> ControlFlow<()>) -> Result<(), Failure> {
    if body::<Status>(&node.get(route::STATUS)?)?.durable <= from {
        return Ok(());
    }
    history::each(node, None, Selection { from: Some(from), ..Selection::default() }, take)
}
