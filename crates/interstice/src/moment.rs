//! A moment of history, and the state there: from the newest snapshot before it, the transactions up to it applied.

use crate::framing::{Transactions, UnpackError};
use crate::opened::Start;
use crate::snapshot::Manifest;
use interstice_engine::engine::Engine;
use interstice_engine::recorded::RecordedError;
use interstice_log::frame::Position;
use interstice_log::log::CommitLog;
use interstice_types::id::Offset;
use interstice_types::problem::Problem;
use interstice_types::time::Timestamp;
use interstice_types::transaction::Transaction;
use std::fmt;
use std::str::FromStr;

/// A moment of history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Behind the transaction at this offset.
    Behind(Offset),
    /// Behind the last transaction that is not later than this time.
    At(Timestamp),
    /// Behind the last transaction.
    Head,
}

/// The last moment, in words.
const HEAD: &str = "head";

/// Why there is no state at a moment.
#[derive(Debug, thiserror::Error)]
pub enum MomentError {
    /// The log cannot be read.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// What it records does not fit together.
    #[error(transparent)]
    Recorded(#[from] RecordedError),
    /// History does not reach there.
    #[error("history has nothing at {moment}: its last transaction is {last}")]
    Outside {
        /// What was asked for.
        moment: Moment,
        /// The offset of its last transaction.
        last: Offset,
    },
    /// It begins later.
    #[error("history begins behind {moment}")]
    Before {
        /// What was asked for.
        moment: Moment,
    },
}

impl MomentError {
    /// Whether what was read was given up meanwhile.
    pub fn is_trimmed(&self) -> bool {
        matches!(self, Self::Unpack(error) if error.is_trimmed())
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Behind(offset) => write!(f, "offset {offset}"),
            Self::At(time) => write!(f, "{time}"),
            Self::Head => write!(f, "the head"),
        }
    }
}

impl FromStr for Moment {
    type Err = Problem;

    /// An offset, a time as RFC 3339 writes it, or `head`.
    fn from_str(text: &str) -> Result<Self, Problem> {
        if text == HEAD {
            return Ok(Self::Head);
        }
        let offset = text.parse().ok().map(Self::Behind);
        offset.or_else(|| Timestamp::parse(text).map(Self::At)).ok_or_else(|| {
            Problem::new("invalid-moment", format!("`{text}` is neither an offset nor a time"))
                .hint("write an offset, as in `1200`, RFC 3339, as in `2026-11-20T10:00:00Z`, or `head`")
        })
    }
}

impl Moment {
    /// As it is parsed.
    pub fn words(self) -> String {
        match self {
            Self::Behind(offset) => offset.to_string(),
            Self::At(time) => time.to_string(),
            Self::Head => HEAD.to_owned(),
        }
    }

    /// Whether `transaction` comes behind it.
    pub fn is_before(self, transaction: &Transaction) -> bool {
        match self {
            Self::Behind(offset) => transaction.offset > offset,
            Self::At(time) => transaction.time > time,
            Self::Head => false,
        }
    }

    /// Whether a snapshot stands for it, or for a moment before it.
    pub fn is_reached_from(self, snapshot: &Manifest) -> bool {
        match self {
            Self::Behind(offset) => snapshot.next_offset <= offset.saturating_add(1),
            Self::At(time) => snapshot.time <= time.0,
            Self::Head => true,
        }
    }
}

/// The state at `moment`, which is not before `start`. No module is loaded.
///
/// # Errors
/// [`MomentError`].
pub fn state_at<L: CommitLog>(log: &L, start: Start, moment: Moment) -> Result<Engine, MomentError> {
    let Start { mut engine, position, .. } = start;
    for transaction in Transactions::new(log.read(position).map_err(UnpackError::from)?) {
        let transaction = transaction?;
        if moment.is_before(&transaction) {
            break;
        }
        engine.apply(&transaction)?;
    }
    reached(moment, engine.next_offset()).map(|_| engine)
}

/// The offset behind the last transaction that is not behind `moment`, which is not before `start`: a count of offsets, and the frame
/// behind them.
///
/// # Errors
/// [`MomentError`].
pub fn end_of<L: CommitLog>(log: &L, start: (Offset, Position), moment: Moment) -> Result<Offset, MomentError> {
    let (mut next_offset, position) = start;
    match moment {
        Moment::Head => next_offset = log.tail().next_offset,
        Moment::Behind(offset) => next_offset = log.tail().next_offset.min(offset.saturating_add(1)),
        Moment::At(_) => {
            for transaction in Transactions::new(log.read(position).map_err(UnpackError::from)?) {
                let transaction = transaction?;
                if moment.is_before(&transaction) {
                    break;
                }
                next_offset = transaction.offset + 1;
            }
        }
    }
    reached(moment, next_offset)
}

fn reached(moment: Moment, next_offset: Offset) -> Result<Offset, MomentError> {
    match (moment, next_offset) {
        (_, 0) => Err(MomentError::Before { moment }),
        (Moment::Behind(offset), _) if offset >= next_offset => {
            Err(MomentError::Outside { moment, last: next_offset - 1 })
        }
        _ => Ok(next_offset),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_an_offset_a_time_or_the_head() {
        for text in ["0", "18446744073709551615", "head", "2026-11-20T10:02:11.000000Z"] {
            assert_eq!(text.parse::<Moment>().unwrap().words(), text);
        }
        for text in ["", "-1", "18446744073709551616", "yesterday", "2026-11-20", "HEAD"] {
            assert_eq!(text.parse::<Moment>().unwrap_err().code, "invalid-moment", "{text}");
        }
    }
}
