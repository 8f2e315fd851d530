//! Counts of what histories met, each of which must come up.

/// Declares the counts: a simulation proves only what it reaches.
macro_rules! reached {
    ($($name:ident: $what:literal,)*) => {
        /// What a history met.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        #[expect(missing_docs, reason = "counts of what their names say")]
        pub struct Reached { $(pub $name: u64,)* }

        impl Reached {
            /// Adds another history's counts.
            pub fn add(&mut self, other: &Self) { $(self.$name += other.$name;)* }

            /// Each count and what it counts.
            pub fn counts(&self) -> Vec<(&'static str, u64)> { vec![$(($what, self.$name),)*] }
        }
    };
}

pub(crate) use reached;
