//! Torn tail or corruption: decided by evidence.
//!
//! Let *k* be the count of offsets in the valid prefix, and *D* the count that anything proves durable: `synced through`
//! of any valid frame, also behind the damage; a footer, also behind the damage; where the segment begins; and the mark, if
//! it is of this log and history.
//!
//! | found | verdict |
//! |---|---|
//! | nothing but zeros behind the last frame, which ends a transaction | clean |
//! | bad bytes in a segment that has a successor | corrupt |
//! | other frames than those that the mark was written for | corrupt |
//! | in the last segment, *k* < *D* | corrupt |
//! | in the last segment, *k* ≥ *D*, also if valid frames stand behind a hole | torn: never acknowledged |
//!
//! No segment at all counts as *k* = 0.

use crate::frame::Position;
use crate::mark::MARK_NAME;
use crate::planted::{self, Bug};
use std::fmt;

/// What is known about the end of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The name of the next segment, if there is one.
    pub successor: Option<String>,
    /// Whether the walk ended at a footer, or at zeros up to the end of the file.
    pub clean_stop: bool,
    /// Whether a footer was found.
    pub sealed: bool,
    /// Whether the last valid frame ends a transaction.
    pub whole: bool,
    /// *k*: offsets in the valid prefix.
    pub valid: u64,
    /// *D*: offsets proven durable.
    pub proven: Proven,
    /// The mark that was written for other frames than these, if there is one.
    pub contradicted_by: Option<Proven>,
}

/// How many offsets are proven durable, and by what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proven {
    /// *D*.
    pub count: u64,
    /// What says so.
    pub by: Proof,
    /// Where it stands in its file.
    pub byte: u64,
}

/// What proves that offsets are durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The segment's header: a segment begins behind what is durable.
    Beginning,
    /// `synced through` of a frame.
    Frame(Position),
    /// A footer.
    Footer,
    /// The mark.
    Mark,
}

impl Proven {
    /// The one that proves more; this one if both prove the same.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        if other.count > self.count { other } else { self }
    }
}

impl fmt::Display for Proven {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, by, byte } = self;
        match by {
            Proof::Beginning => write!(out, "the segment begins at offset {count}"),
            Proof::Frame(position) => {
                write!(
                    out,
                    "`synced through` of frame {}, at byte {byte}, proves {count} transactions durable",
                    position.0
                )
            }
            Proof::Footer => write!(out, "the footer at byte {byte} proves {count} transactions durable"),
            Proof::Mark => write!(out, "`{MARK_NAME}`, at byte {byte}, proves {count} transactions durable"),
        }
    }
}

/// What proves that something is missing, for the one who is refused.
impl fmt::Display for Evidence {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(mark) = &self.contradicted_by {
            return write!(out, "{mark}, and was written for another frame than the one that stands there");
        }
        match &self.successor {
            Some(name) => write!(out, "the later segment {name} is there"),
            None => write!(out, "{}, {} are valid", self.proven, self.valid),
        }
    }
}

/// What the evidence says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is missing.
    Clean,
    /// What is behind the valid prefix was never acknowledged, and may be cut.
    Torn,
    /// Something is missing that was proven durable: refuse.
    Corrupt,
}

/// The verdict on a segment's end.
pub fn judge(evidence: &Evidence) -> Verdict {
    if evidence.contradicted_by.is_some() {
        return Verdict::Corrupt;
    }
    if evidence.successor.is_some() {
        return if evidence.sealed && evidence.whole { Verdict::Clean } else { Verdict::Corrupt };
    }
    if evidence.valid < evidence.proven.count && !planted::is(Bug::CorruptCut) {
        return Verdict::Corrupt;
    }
    if evidence.clean_stop && evidence.whole { Verdict::Clean } else { Verdict::Torn }
}
