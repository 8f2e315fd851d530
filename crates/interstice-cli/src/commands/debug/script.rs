//! The debugger by a script: one command a line, each answer as it comes, up to the first line that is wrong.

use super::dialogue::Dialogue;
use crate::args::Format;
use crate::failure::Failure;
use crate::output::Output;
use interstice_types::problem::Problem;
use serde_json::json;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// Bytes of one line.
const MAX_LINE_SIZE: u64 = 64 << 10;

/// Does what the lines of the file `script` say, those of stdin if it is `-`. Empty lines, and those that begin with `#`, say nothing.
pub(super) fn run(dialogue: &mut Dialogue<'_>, script: &str, output: &Output) -> Result<(), Failure> {
    output.refuse(&[Format::Csv], "replay debug --script FILE")?;
    let (name, mut lines): (_, Box<dyn BufRead>) = match script {
        "-" => ("stdin".to_owned(), Box::new(io::stdin().lock())),
        path => {
            let file = File::open(path).map_err(|error| Failure::file(Path::new(path), &error))?;
            (format!("`{path}`"), Box::new(BufReader::new(file)))
        }
    };
    for number in 1_u64.. {
        let place = format!("line {number} of {name}");
        let Some(line) = next(&mut lines).map_err(|problem| Failure::from(problem.at(place.clone())))? else { break };
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        let said = dialogue.say(&line, &|| true).map_err(|failure| at(failure, &place))?;
        let Some(said) = said else { break };
        let mut document = said.document.clone();
        document["line"] = json!(number);
        output.item(&document, || said.text.clone());
    }
    Ok(())
}

/// The next line; `None` at the end.
fn next(lines: &mut dyn BufRead) -> Result<Option<String>, Problem> {
    let mut line = Vec::new();
    let read = lines.take(MAX_LINE_SIZE + 1).read_until(b'\n', &mut line);
    read.map_err(|error| Problem::new("file", error.to_string()))?;
    if line.len() as u64 > MAX_LINE_SIZE {
        let text = format!("the line has more than {MAX_LINE_SIZE} bytes");
        return Err(Problem::new("invalid-command", text).hint("write one command a line"));
    }
    if line.is_empty() {
        return Ok(None);
    }
    let text = String::from_utf8(line).map_err(|_| Problem::new("invalid-command", "the line is not UTF-8"))?;
    Ok(Some(text))
}

/// With the line before the place in it.
fn at(mut failure: Failure, line: &str) -> Failure {
    let place = failure.problem.place.take();
    let place = place.map_or_else(|| line.to_owned(), |place| format!("{line}: {place}"));
    Failure { problem: failure.problem.at(place), exit: failure.exit }
}
