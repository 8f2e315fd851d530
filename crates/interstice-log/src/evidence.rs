//! Torn tail or corruption: decided by evidence.
//!
//! Let *k* be the count of offsets in the valid prefix, and *D* the count that anything proves durable: `synced_through`
//! of any valid frame, also behind the damage, a footer, also behind the damage, and the existence of a later segment.
//!
//! | found | verdict |
//! |---|---|
//! | nothing but zeros behind the last frame, which ends a transaction | clean |
//! | bad bytes in a segment that has a successor | corrupt |
//! | in the last segment, *k* < *D* | corrupt |
//! | in the last segment, *k* ≥ *D*, also if valid frames stand behind a hole | torn: never acknowledged |

/// What is known about the end of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Whether a later segment is there.
    pub has_successor: bool,
    /// Whether the walk ended at a footer, or at zeros up to the end of the file.
    pub clean_stop: bool,
    /// Whether a footer was found.
    pub sealed: bool,
    /// Whether the last valid frame ends a transaction.
    pub whole: bool,
    /// *k*: offsets in the valid prefix.
    pub valid: u64,
    /// *D*: offsets proven durable.
    pub durable: u64,
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
    if evidence.has_successor {
        return if evidence.sealed && evidence.whole { Verdict::Clean } else { Verdict::Corrupt };
    }
    if evidence.valid < evidence.durable {
        return Verdict::Corrupt;
    }
    if evidence.clean_stop && evidence.whole { Verdict::Clean } else { Verdict::Torn }
}
