//! What is said of one transaction in two histories.

use super::rows::RowDifference;
use interstice_types::id::{Offset, to_hex};
use interstice_types::problem::Problem;
use interstice_types::transaction::{FLAG_TOUCHED_EPHEMERAL, Outcome, Transaction};
use interstice_types::ty::Type;
use interstice_types::{codec, json};
use std::fmt;

/// A transaction in two histories.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// The recorded one; of one that only the other history has, the recorded one before which it comes.
    pub offset: Offset,
    /// `module.function`, or the kind of its cause.
    pub function: String,
    /// What became of it.
    pub way: Way,
    /// How it ended, as recorded and now, in words, if that is not the same; `None` where it did not happen.
    pub outcome: Option<(Option<String>, Option<String>)>,
    /// The first rows that are others behind it.
    pub rows: Vec<RowDifference>,
    /// How many differences of rows there are.
    pub count: usize,
}

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// The same.
    Same,
    /// Rows, or how it ended, are others.
    Differs,
    /// Only rows are others that were others before.
    Carried,
    /// It was to be left out.
    Dropped,
    /// It does not happen any more.
    Missing,
    /// Only now it happens.
    Extra,
    /// It saw rows that are in no log: it may be another one for that alone.
    Incomparable,
}

impl Way {
    /// Its kebab-case name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Differs => "differs",
            Self::Carried => "carried",
            Self::Dropped => "dropped",
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Incomparable => "incomparable",
        }
    }

    pub(super) fn of<O>(
        transaction: &Transaction,
        outcome: Option<&O>,
        (rows, count): (&[RowDifference], usize),
    ) -> Self {
        if outcome.is_none() && count == 0 {
            return Self::Same;
        }
        if transaction.flags & FLAG_TOUCHED_EPHEMERAL != 0 {
            return Self::Incomparable;
        }
        // Of those that are not told it is not known.
        let is_carried = outcome.is_none() && rows.len() == count && rows.iter().all(|row| row.carried);
        if is_carried { Self::Carried } else { Self::Differs }
    }
}

impl Compared {
    pub(super) fn same(offset: Offset, function: &str) -> Self {
        let function = function.to_owned();
        Self { offset, function, way: Way::Same, outcome: None, rows: Vec::new(), count: 0 }
    }
}

impl fmt::Display for Compared {
    /// On one line, with the first difference.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.way == Way::Extra { "before offset" } else { "offset" };
        write!(f, "{place} {} ({}): ", self.offset, self.function)?;
        match self.way {
            Way::Dropped => f.write_str("left out")?,
            Way::Missing => f.write_str("does not happen")?,
            Way::Extra => f.write_str("happens now")?,
            Way::Incomparable => f.write_str("saw rows that are in no log")?,
            Way::Same => f.write_str("the same")?,
            Way::Differs | Way::Carried => {}
        }
        let mut separator = if matches!(self.way, Way::Differs | Way::Carried) { "" } else { ": " };
        if let Some((recorded, replayed)) = &self.outcome {
            let (recorded, replayed) =
                (recorded.as_deref().unwrap_or("nothing"), replayed.as_deref().unwrap_or("nothing"));
            match self.way {
                Way::Extra => write!(f, "{separator}{replayed}")?,
                _ => write!(f, "{separator}{recorded} → {replayed}")?,
            }
            separator = "; ";
        }
        if let Some(row) = self.rows.first() {
            write!(f, "{separator}{row}")?;
        }
        match self.count.saturating_sub(1) {
            0 => Ok(()),
            more => write!(f, ", and {more} more"),
        }
    }
}

/// How something ended, in words; what it answered is of type `returns`.
pub(super) fn ending(reply: &Result<Vec<u8>, Problem>, returns: Option<&Type>) -> String {
    match reply {
        Ok(answer) => answered(answer, returns),
        Err(problem) => failed(problem),
    }
}

/// How a record ended.
pub(super) fn recorded_ending(outcome: &Outcome, returns: Option<&Type>) -> String {
    match outcome {
        Outcome::Ok(answer) => answered(answer, returns),
        Outcome::Rejected(bytes) | Outcome::Trapped(bytes) => {
            Problem::from_json(bytes).map_or_else(|_| to_hex(bytes), |problem| failed(&problem))
        }
    }
}

fn answered(answer: &[u8], returns: Option<&Type>) -> String {
    // What a node answers by itself are numbers of its own.
    let Some(ty) = returns.filter(|ty| **ty != Type::Unit) else { return "ok".to_owned() };
    let value = codec::decode_all([ty], answer).ok().and_then(|values| values.into_iter().next());
    format!("ok {}", value.map_or_else(|| to_hex(answer), |value| json::to_text(ty, &value)))
}

fn failed(problem: &Problem) -> String {
    format!("{}: {}", problem.code, problem.message)
}
