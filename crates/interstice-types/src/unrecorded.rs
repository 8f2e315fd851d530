//! What a record has beside its changes, left out on purpose: to measure what recording it costs.
//!
//! Only the feature `unrecorded` builds this in, and only a benchmark leaves anything out. Without the feature [`is_left_out`] is
//! `false` where it stands, and nothing of this is in the program.

/// A part of a record that could be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unrecorded {
    /// The arguments, and all else that says why it happened.
    Cause,
    /// The hash of the host calls that were made.
    HostHash,
    /// The state digest.
    Digest,
}

#[cfg(feature = "unrecorded")]
mod switch {
    use super::Unrecorded;
    use std::sync::atomic::{AtomicBool, Ordering};

    static LEFT_OUT: [AtomicBool; 3] = [const { AtomicBool::new(false) }; 3];

    impl Unrecorded {
        /// All of them.
        pub const ALL: [Self; 3] = [Self::Cause, Self::HostHash, Self::Digest];
    }

    /// Has `parts`, and no others, be left out from now on, in the whole process.
    pub fn leave_out(parts: &[Unrecorded]) {
        for part in Unrecorded::ALL {
            LEFT_OUT[part as usize].store(parts.contains(&part), Ordering::Relaxed);
        }
    }

    #[inline]
    pub(super) fn is_left_out(part: Unrecorded) -> bool {
        LEFT_OUT[part as usize].load(Ordering::Relaxed)
    }
}

#[cfg(feature = "unrecorded")]
pub use switch::leave_out;

/// Whether `part` is left out.
#[inline]
pub fn is_left_out(part: Unrecorded) -> bool {
    #[cfg(feature = "unrecorded")]
    return switch::is_left_out(part);
    #[cfg(not(feature = "unrecorded"))]
    {
        let _ = part;
        false
    }
}
