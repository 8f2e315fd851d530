//! Lines that functions logged, as they are shown.

use crate::lines::Entry;
use interstice_engine::execution::LogLine;
use interstice_protocol::http::LineFound;

/// The lines of a call or a transaction, from `source`.
pub fn entry_lines<'e>(entry: &'e Entry, source: &'e str) -> impl Iterator<Item = LineFound> + 'e {
    entry.lines.iter().map(move |line: &LogLine| LineFound {
        offset: entry.offset.map(|offset| offset.to_string()),
        time: entry.time.to_string(),
        module: line.module.clone(),
        function: line.function.clone(),
        level: LogLine::level_name(line.level).to_owned(),
        text: line.text.clone(),
        outcome: entry.outcome.to_owned(),
        code: entry.code.clone(),
        undone: line.undone,
        source: source.to_owned(),
    })
}
