//! The words of the debugger: a line of text becomes a command.

use super::breakpoint::Breakpoint;
use crate::moment::Moment;
use interstice_types::problem::Problem;

/// Something to do or to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Go so many transactions on.
    Step(u64),
    /// Go so many transactions back.
    Back(u64),
    /// Go to a moment.
    Goto(Moment),
    /// Set a breakpoint.
    Break(Breakpoint),
    /// Those that are set.
    Breaks,
    /// Take the one with this number away.
    Delete(u32),
    /// Go on to the next transaction that a breakpoint stops at.
    Continue,
    /// Go back to the last one before that a breakpoint stops at.
    Reverse,
    /// Why the transaction happened, and how it ended.
    Cause,
    /// What it changed.
    Changes,
    /// It, run again: host calls in order, so many steps at most.
    Calls(usize),
    /// What functions logged in it.
    Logs,
    /// The tables behind it.
    Tables,
    /// Rows of a table behind it, so many at most.
    Table(String, usize),
    /// A statement, asked behind it.
    Sql(String),
    /// What can be said.
    Help,
}

/// A line that is understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// For the debugger.
    Command(Command),
    /// Write what was seen into this file.
    Export(String),
    /// Enough.
    Quit,
}

/// Rows of a table, unless it is said how many.
pub const DEFAULT_ROWS: usize = 20;
/// Steps of a transaction, unless it is said how many.
pub const DEFAULT_STEPS: usize = 1_000;

/// Each command as it is written, and what it does.
pub const COMMANDS: [(&str, &str); 21] = [
    ("step [N]", "the next transaction, or the N-th behind this one"),
    ("back [N]", "the transaction before, or the N-th before this one"),
    ("goto OFFSET|TIME|first|head", "the transaction at an offset, or the last one that is not later than a time"),
    ("continue", "on to the next transaction at which a breakpoint stops, or to the end"),
    ("reverse", "back to the last one at which a breakpoint stops, or to the beginning"),
    ("break function MODULE.FUNCTION", "stop where it is called, or runs by an event or a schedule"),
    ("break table MODULE.TABLE", "stop where it is changed"),
    ("break key MODULE.TABLE KEY", "stop where the row with this primary key is changed"),
    ("break when 'SELECT …'", "stop where the answer comes to have a row, or to be true"),
    ("breaks", "the breakpoints"),
    ("delete N", "take breakpoint N away"),
    ("cause", "why the transaction happened, who called what, and how it ended"),
    ("changes", "what it changed: each row, old and new, column by column"),
    ("calls [N]", "run it again and show its host calls in order, N steps at most"),
    ("logs", "what its functions logged"),
    ("tables", "the tables behind it, and how many rows they have"),
    ("table MODULE.TABLE [N]", "rows of a table behind it, N at most"),
    ("sql SELECT …", "ask behind it"),
    ("export FILE", "write what was seen into a file: as JSON if it ends with `.json`, else as text"),
    ("help", "this"),
    ("quit", "end"),
];

impl Line {
    /// Understands a line. The moment `first` is the offset `first`.
    ///
    /// # Errors
    /// `unknown-command`, `invalid-command`, `invalid-moment`.
    pub fn parse(text: &str, first: u64) -> Result<Self, Problem> {
        let (word, rest) = split(text);
        let command = match word {
            "step" => Command::Step(count(word, rest, 1)?),
            "back" => Command::Back(count(word, rest, 1)?),
            "goto" if rest == "first" => Command::Goto(Moment::Behind(first)),
            "goto" if rest.is_empty() => return Err(invalid("goto", "it is not said where to go")),
            "goto" => Command::Goto(rest.parse()?),
            "break" => Command::Break(breakpoint(rest)?),
            "breaks" => alone(word, rest, Command::Breaks)?,
            "delete" if rest.is_empty() => return Err(invalid("delete", "it is not said which breakpoint")),
            "delete" => Command::Delete(count(word, rest, 0)?),
            "continue" => alone(word, rest, Command::Continue)?,
            "reverse" => alone(word, rest, Command::Reverse)?,
            "cause" => alone(word, rest, Command::Cause)?,
            "changes" => alone(word, rest, Command::Changes)?,
            "calls" => Command::Calls(count(word, rest, DEFAULT_STEPS)?),
            "logs" => alone(word, rest, Command::Logs)?,
            "tables" => alone(word, rest, Command::Tables)?,
            "table" => {
                let (table, limit) = split(rest);
                Command::Table(full(word, table)?, count(word, limit, DEFAULT_ROWS)?)
            }
            "sql" if rest.is_empty() => return Err(invalid("sql", "there is no statement")),
            "sql" => Command::Sql(unquoted(rest).to_owned()),
            "help" => alone(word, rest, Command::Help)?,
            "quit" => {
                alone(word, rest, ())?;
                return Ok(Self::Quit);
            }
            "export" if rest.is_empty() => return Err(invalid("export", "there is no file")),
            "export" => return Ok(Self::Export(unquoted(rest).to_owned())),
            _ => return Err(unknown(word)),
        };
        Ok(Self::Command(command))
    }
}

fn breakpoint(text: &str) -> Result<Breakpoint, Problem> {
    let (kind, rest) = split(text);
    match kind {
        "function" => full("break function", rest).map(Breakpoint::Function),
        "table" => full("break table", rest).map(Breakpoint::Table),
        "key" => {
            let (table, key) = split(rest);
            let table = full("break key", table)?;
            match key {
                "" => Err(invalid("break key", "there is no key")),
                key => Ok(Breakpoint::Key(table, unquoted(key).to_owned())),
            }
        }
        "when" if rest.is_empty() => Err(invalid("break when", "there is no statement")),
        "when" => Ok(Breakpoint::When(unquoted(rest).to_owned())),
        _ => {
            let kinds = ["function", "table", "key", "when"];
            let text = format!("a breakpoint is one of {}, not `{kind}`", kinds.join(", "));
            Err(Problem::new("invalid-command", text)
                .did_you_mean(kind, kinds)
                .hint("as in `break table chat.message`"))
        }
    }
}

/// The first word, and what comes behind it.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    text.split_once(char::is_whitespace).map_or((text, ""), |(word, rest)| (word, rest.trim()))
}

/// Without the quotes around it, which a shell would take away.
fn unquoted(text: &str) -> &str {
    text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')).unwrap_or(text)
}

fn count<T: std::str::FromStr>(word: &str, text: &str, otherwise: T) -> Result<T, Problem> {
    if text.is_empty() {
        return Ok(otherwise);
    }
    text.parse().map_err(|_| invalid(word, &format!("`{text}` is not a number")))
}

fn full(word: &str, text: &str) -> Result<String, Problem> {
    let named = text.split_once('.').is_some_and(|(module, name)| !module.is_empty() && !name.is_empty());
    let whole = named && !text.contains(char::is_whitespace);
    whole.then(|| text.to_owned()).ok_or_else(|| invalid(word, &format!("`{text}` names nothing of a module")))
}

fn alone<T>(word: &str, rest: &str, command: T) -> Result<T, Problem> {
    if rest.is_empty() { Ok(command) } else { Err(invalid(word, &format!("nothing comes behind it, not `{rest}`"))) }
}

fn invalid(word: &str, what: &str) -> Problem {
    let is_of = |usage: &str| usage.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    let usage = COMMANDS.iter().find(|(usage, _)| is_of(usage)).map_or(word, |(usage, _)| usage);
    Problem::new("invalid-command", format!("`{word}`: {what}")).hint(format!("write `{usage}`"))
}

fn unknown(word: &str) -> Problem {
    let words = COMMANDS.iter().map(|(usage, _)| split(usage).0);
    Problem::new("unknown-command", format!("there is no command `{word}`"))
        .did_you_mean(word, words)
        .hint("`help` says which there are")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(text: &str) -> Command {
        match Line::parse(text, 3).unwrap() {
            Line::Command(command) => command,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_line_is_a_command() {
        assert_eq!(command("step"), Command::Step(1));
        assert_eq!(command("  back   12 "), Command::Back(12));
        assert_eq!(command("goto first"), Command::Goto(Moment::Behind(3)));
        assert_eq!(command("goto head"), Command::Goto(Moment::Head));
        assert_eq!(command("goto 7"), Command::Goto(Moment::Behind(7)));
        let key = |key: &str| Command::Break(Breakpoint::Key("a.b".to_owned(), key.to_owned()));
        assert_eq!(command("break key a.b [2, \"tea\"]"), key("[2, \"tea\"]"));
        assert_eq!(command("break key a.b 'x y'"), key("x y"));
        let when = |text: &str| Command::Break(Breakpoint::When(text.to_owned()));
        assert_eq!(command("break when 'SELECT * FROM a.b'"), when("SELECT * FROM a.b"));
        assert_eq!(command("break when SELECT * FROM a.b WHERE c = 'd'"), when("SELECT * FROM a.b WHERE c = 'd'"));
        assert_eq!(command("table a.b"), Command::Table("a.b".to_owned(), DEFAULT_ROWS));
        assert_eq!(command("table a.b 3"), Command::Table("a.b".to_owned(), 3));
        assert_eq!(command("calls 3"), Command::Calls(3));
        assert_eq!(Line::parse("export a b.json", 0), Ok(Line::Export("a b.json".to_owned())));
        assert_eq!(Line::parse("quit", 0), Ok(Line::Quit));
    }

    #[test]
    fn every_command_that_is_listed_is_one() {
        for (usage, _) in COMMANDS {
            let text = usage.replace("[N]", "1").replace(" N", " 1").replace("OFFSET|TIME|first|head", "1");
            let text = text.replace("MODULE.", "m.").replace("'SELECT …'", "SELECT");
            assert!(Line::parse(&text, 0).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_no_command_says_how_one_is_written() {
        let refused = |text: &str| {
            let problem = Line::parse(text, 0).unwrap_err();
            (problem.code.to_string(), problem.hint.clone().unwrap_or_default())
        };
        assert_eq!(refused("stpe"), ("unknown-command".to_owned(), "did you mean `step`?".to_owned()));
        assert_eq!(refused("xyzzy").1, "`help` says which there are");
        for (text, hint) in [
            ("step x", "write `step [N]`"),
            ("step -1", "write `step [N]`"),
            ("back 18446744073709551616", "write `back [N]`"),
            ("continue now", "write `continue`"),
            ("goto", "write `goto OFFSET|TIME|first|head`"),
            ("delete", "write `delete N`"),
            ("table b", "write `table MODULE.TABLE [N]`"),
            ("table a.b many", "write `table MODULE.TABLE [N]`"),
            ("break table b", "write `break table MODULE.TABLE`"),
            ("break key a.b", "write `break key MODULE.TABLE KEY`"),
            ("break when", "write `break when 'SELECT …'`"),
            ("break tabel a.b", "did you mean `table`?"),
            ("break", "as in `break table chat.message`"),
            ("sql", "write `sql SELECT …`"),
            ("export", "write `export FILE`"),
        ] {
            assert_eq!(refused(text), ("invalid-command".to_owned(), hint.to_owned()), "{text}");
        }
        assert_eq!(refused("goto soon").0, "invalid-moment");
    }
}
