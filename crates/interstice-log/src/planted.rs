//! Bugs on purpose, to test the tests: each promise of storage broken at the line that keeps it.
//!
//! Only the feature `planted` builds them in. `INTERSTICE_PLANTED` then chooses one by name, for the whole process, when it is
//! first asked. Without the feature [`is`] is `false` where it stands, and nothing of this is in the program: not a name either.
//! Each bug has its test that must fail with it, in a `tests/it/planted.rs`; `cargo xtask planted` misses one that has none.

/// Declares the bugs: what each does, and its name.
macro_rules! bugs {
    ($($(#[doc = $what:literal])+ $bug:ident = $name:literal,)*) => {
        /// A bug.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Bug { $($(#[doc = $what])+ $bug,)* }

        #[cfg(feature = "planted")]
        impl Bug {
            /// Each with its name and what it does.
            pub const ALL: &[(Self, &str, &str)] = &[$((Self::$bug, $name, concat!($($what),+)),)*];
        }
    };
}

bugs! {
    /// Frames are said to be durable without a sync.
    FrameUnsynced = "frame-unsynced",
    /// A sync of frames that fails is taken for one that worked.
    SyncErrorIgnored = "sync-error-ignored",
    /// A sync of frames that fails is tried again, and believed then.
    SyncRetried = "sync-retried",
    /// A write of frames that wrote a part is taken for a whole one.
    ShortWriteIgnored = "short-write-ignored",
    /// A writer that has failed goes on.
    FenceIgnored = "fence-ignored",
    /// A writer that is dropped writes what it still has, failed or not.
    FlushInDrop = "flush-in-drop",
    /// A writer that was replaced goes on.
    StaleWriterGoesOn = "stale-writer-goes-on",
    /// The footer is not durable before the next segment has its name.
    FooterUnsynced = "footer-unsynced",
    /// The header of a new segment is not synced before it has its name.
    HeaderUnsynced = "header-unsynced",
    /// The name of a new segment is not synced.
    SegmentNameUnsynced = "segment-name-unsynced",
    /// A segment is removed before the removal of the one before it is durable.
    TrimUnsynced = "trim-unsynced",
    /// The mark speaks of frames that are not synced yet.
    MarkBeforeSync = "mark-before-sync",
    /// The mark is not synced.
    MarkUnsynced = "mark-unsynced",
    /// An idle log is not marked.
    IdleUnmarked = "idle-unmarked",
    /// A segment is not marked under load.
    SegmentUnmarked = "segment-unmarked",
    /// The mark of another log or history counts.
    ForeignMarkCounts = "foreign-mark-counts",
    /// What is valid and not proven durable is served without a sync.
    ResumeUnsynced = "resume-unsynced",
    /// What is valid and not proven durable is synced, but not written again.
    ResumeNotRewritten = "resume-not-rewritten",
    /// Damage to what was proven durable is cut like a torn tail.
    CorruptCut = "corrupt-cut",
    /// A read that fails is taken for the end of the log.
    ReadErrorIsEnd = "read-error-is-end",
    /// A frame need not follow the one before by its chain hash.
    ChainUnchecked = "chain-unchecked",
    /// All segments have the same salt: whoever knows the format can write a frame into a payload.
    SaltConstant = "salt-constant",
    /// The checksum of a frame's header is not looked at.
    HeaderUnchecked = "header-unchecked",
    /// Checksum and hash of a frame's payload are not looked at.
    PayloadUnchecked = "payload-unchecked",
    /// A segment need not begin where the one before ended.
    GapUnchecked = "gap-unchecked",
    /// A part of a transaction counts as all of it.
    PartCounts = "part-counts",
    /// A torn tail is cut without being kept.
    TornTailNotKept = "torn-tail-not-kept",
    /// What an opening that failed had cut is not cut again.
    CutNotRepeated = "cut-not-repeated",
    /// Every receipt is held.
    EveryReceiptHeld = "every-receipt-held",
    /// A snapshot gets its name before it is synced.
    SnapshotUnsynced = "snapshot-unsynced",
    /// The hashes of a snapshot's chunks are not looked at.
    ChunkUnchecked = "chunk-unchecked",
    /// The rows of a snapshot need not add up to what the log recorded.
    SnapshotDigestUnchecked = "snapshot-digest-unchecked",
    /// A snapshot brings back its rows, but not its time: time goes back.
    SnapshotTimeForgotten = "snapshot-time-forgotten",
    /// The log is given up to the newer snapshot, so that the older one is none to fall back on.
    TrimPastOlderSnapshot = "trim-past-older-snapshot",
    /// The log is given up past events that are still pending.
    TrimPastPendingEvents = "trim-past-pending-events",
    /// Subscribers hear of a transaction before it is durable.
    UpdateBeforeDurable = "update-before-durable",
    /// A call whose fate is not known is answered as if it had not been done.
    UnknownIsRefused = "unknown-is-refused",
    /// Calls are executed though the disk has no room for them.
    ReadOnlyIgnored = "read-only-ignored",
}

/// Whether `bug` is planted.
#[cfg(not(feature = "planted"))]
#[inline]
pub const fn is(_: Bug) -> bool {
    false
}

/// Whether `bug` is planted.
///
/// # Panics
/// If `INTERSTICE_PLANTED` names no bug.
#[cfg(feature = "planted")]
pub fn is(bug: Bug) -> bool {
    static CHOSEN: std::sync::OnceLock<Option<Bug>> = std::sync::OnceLock::new();
    *CHOSEN.get_or_init(chosen) == Some(bug)
}

#[cfg(feature = "planted")]
fn chosen() -> Option<Bug> {
    let name = std::env::var("INTERSTICE_PLANTED").ok()?;
    let found = Bug::ALL.iter().find(|(_, known, _)| *known == name);
    Some(found.unwrap_or_else(|| panic!("INTERSTICE_PLANTED={name}: there is no such bug")).0)
}
