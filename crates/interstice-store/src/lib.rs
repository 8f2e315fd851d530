//! Tables in memory: rows, ordered indexes, constraints, sequences, and the transactions that write them.
//!
//! *Responsible for*: applying a [`Change`](interstice_types::change::Change) to a table and undoing it, primary-key and
//! unique constraints, references, ordered indexes and ranges on them, sequence values, the state digest.
//!
//! *Not responsible for*: who may touch a table and why a transaction runs (`interstice-engine`), files
//! (`interstice-log`).
//!
//! *Invariants*
//! 1. One function changes a table: [`Table::apply`](table::Table::apply). A change that it refuses has changed nothing.
//! 2. A [`Store`](store::Store) is a value: its clone is O(1) and never sees what is written to the original.
//! 3. The digest is the sum over the rows and sequences that are there, whatever happened before.
//! 4. Aborting gives back the state before, sequences included.
//!
//! *Reading order*: [`store`], [`table`], [`tree`], [`mod@write`], [`range`], [`references`], [`digest`], [`check`], [`alter`].
#![forbid(unsafe_code)]

pub mod alter;
pub mod check;
pub mod digest;
pub mod range;
pub mod references;
mod sequence;
pub mod store;
pub mod table;
pub mod tree;
pub mod write;
