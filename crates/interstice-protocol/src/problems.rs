//! The protocol's own problems: one function for each, so that codes and words stand in one place.

use crate::limits::{MAX_CALLS_IN_FLIGHT, MAX_SUBSCRIPTIONS};
use crate::receipt::Receipt;
use interstice_types::id::{Offset, to_hex};
use interstice_types::problem::Problem;
use serde_json::json;
use std::fmt::Display;
use std::path::Path;

/// A message that cannot be understood.
pub fn invalid_message(error: impl Display) -> Problem {
    Problem::new("invalid-message", error.to_string())
}

/// A message whose JSON cannot be read.
pub fn invalid_json(error: &serde_json::Error) -> Problem {
    let problem = invalid_message(error);
    // The library has no other sign for it.
    let is_deep = problem.message.starts_with("recursion limit exceeded");
    problem.hint(if is_deep {
        "arrays and objects go at most 127 deep: make the value flatter, or pass it as text"
    } else {
        "the JSON is wrong at that place; nothing was done"
    })
}

/// A message of a kind that there is not.
pub fn unknown_tag(tag: u8) -> Problem {
    invalid_message(format!("there is no message with tag {tag}")).hint("the client may be newer than the node")
}

/// More than a message may have.
pub fn too_large(what: &str, limit: usize) -> Problem {
    Problem::new("too-large", format!("{what} has more than the {limit} bytes that are allowed"))
}

/// One call more than may be in flight.
pub fn too_many_calls() -> Problem {
    let text = format!("{MAX_CALLS_IN_FLIGHT} calls of this connection wait for their answers already");
    Problem::new("too-many-calls", text).hint("wait for an answer before the next call; nothing was written")
}

/// One subscription more than may be.
pub fn too_many_subscriptions() -> Problem {
    let text = format!("this connection has {MAX_SUBSCRIPTIONS} subscriptions already");
    Problem::new("too-many-subscriptions", text)
}

/// A subscription under an id that has one.
pub fn duplicate_subscription(id: u32) -> Problem {
    Problem::new("duplicate-id", format!("request id {id} is a subscription of this connection already"))
}

/// The function is not what the caller believes.
pub fn schema_changed(name: &str) -> Problem {
    Problem::new("schema-changed", format!("`{name}` has another shape than the caller was built for"))
        .hint("generate the client again, or list what it takes with `interstice schema show`")
}

/// A call whose fate is not known.
pub fn unknown() -> Problem {
    Problem::new("unknown", "the node failed before it could say what became of this: it may or may not have happened")
        .hint("start the node again and look")
}

/// Something that was not begun, for the node fails or stops.
pub fn unavailable(why: &str) -> Problem {
    Problem::new("unavailable", format!("{why}; nothing was done")).hint("start the node again with `interstice start`")
}

/// The node's history is not the one in which a receipt was given. `durable` counts the transactions that it has.
pub fn history_diverged(presented: &Receipt, lineage: &[u8; 16], durable: Offset) -> Problem {
    let (lineage, theirs) = (to_hex(lineage), to_hex(&presented.lineage));
    let text = format!(
        "the receipt of offset {} in lineage `{theirs}` was not given in the history that this node has: \
         {durable} transactions, lineage `{lineage}`",
        presented.offset
    );
    let mut problem = Problem::new("history-diverged", text).hint(
        "an older copy of the data was put back, the disk lost what it had promised, or this is another node: \
         find the data that the receipt is of, or go on without the receipt, from what is here",
    );
    problem.data = Some(json!({"lineage": lineage, "durable": durable.to_string(), "receipt": presented}));
    problem
}

/// There is no space for what a call would write. `size` is what the log needs, in bytes.
pub fn read_only(why: &str, size: u64, data: Option<&Path>) -> Problem {
    let size = if size >> 20 == 0 {
        format!("{} KiB", size.div_ceil(1 << 10))
    } else {
        format!("{} MiB", size.div_ceil(1 << 20))
    };
    let place = data.map_or_else(|| "the log".to_owned(), |path| format!("`{}`", path.display()));
    let look = data.map_or_else(|| "df -h".to_owned(), |path| format!("df -h {}", path.display()));
    let text =
        format!("the node only reads: {place} has no space for the next {size} of the log ({why}); nothing was done");
    Problem::new("read-only", text).hint(format!("make space and call again, the node goes on by itself: `{look}`"))
}
