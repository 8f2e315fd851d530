//! What the author of a module writes against: tables, reducers, queries and events in plain Rust.
//!
//! ```
//! use interstice_sdk::prelude::*;
//!
//! #[table(public)]
//! pub struct Account {
//!     #[primary_key(auto_inc)]
//!     pub id: u64,
//!     #[unique]
//!     pub owner: String,
//!     pub balance: i64,
//! }
//!
//! #[datatype(error)]
//! pub enum OpenError {
//!     #[error("`{0}` has an account already")]
//!     Taken(String),
//! }
//!
//! #[reducer]
//! fn open(accounts: Write<Account>, owner: String) -> Result<u64, OpenError> {
//!     if accounts.find_by_owner(&owner).is_some() {
//!         return Err(OpenError::Taken(owner));
//!     }
//!     Ok(accounts.insert(Account { id: 0, owner, balance: 0 }).id)
//! }
//!
//! #[query]
//! fn balance(accounts: Read<Account>, id: u64) -> Option<i64> {
//!     accounts.get(id).map(|account| account.balance)
//! }
//! # fn main() {}
//! ```
//!
//! *Responsible for*: turning Rust types and functions into a schema, arguments and rows into values and back, host calls
//! into methods; the allocator, randomness and panics of a module.
//!
//! *Not responsible for*: what a function may do. The host checks every call against the schema, whatever this crate does.
//!
//! *Invariants*
//! 1. A call cannot tell whether there was one before it: the heap begins at the same address, empty, in every call.
//! 2. All randomness comes from the transaction's seed: `ctx.rng()` and `getrandom` are two streams of it.
//! 3. The same module code runs in WebAssembly and natively (feature `test`), on the same dispatch.
//!
//! *Reading order*: [`mod@datatype`], [`key`], [`mod@column`], [`mod@table`], [`function`], [`registry`], [`context`], [`schedule`],
//! `host`, `guest`.

pub mod column;
pub mod context;
pub mod datatype;
pub mod function;
#[cfg(target_arch = "wasm32")]
mod guest;
#[cfg(doctest)]
mod guide;
mod host;
#[cfg(any(test, target_arch = "wasm32"))]
mod json;
pub mod key;
pub mod log;
#[cfg(not(target_arch = "wasm32"))]
mod native;
pub mod registry;
pub mod rows;
pub mod schedule;
mod scratch;
pub mod table;
#[cfg(all(feature = "test", not(target_arch = "wasm32")))]
pub mod test;

pub use interstice_sdk_macros::{datatype, import, migration, old_schema, query, reducer, table, test};

/// What the macros name in the code that they write. Not for authors.
#[doc(hidden)]
pub mod generated {
    pub use interstice_abi::header::Header;
    pub use interstice_types::schema::schedule::{Missed, Recurrence};
    pub use interstice_types::schema::signature;
    pub use interstice_types::schema::{
        ChangeKind, CheckSchema, ColumnSchema, Durability, FunctionKind, FunctionSchema, IndexSchema, OnDelete,
        ReferenceSchema, TableSchema,
    };
    pub use interstice_types::ty::{EnumType, Field, Shape, StructType, Type, Variant};
    pub use inventory::submit;

    /// The bytes of a default, as a schema holds them.
    pub fn hex_of<T: crate::datatype::Datatype>(value: &T) -> String {
        interstice_types::id::to_hex(&crate::datatype::to_bytes(value))
    }
}

/// All that a module needs.
pub mod prelude {
    pub use crate::column::{Column, Filter};
    pub use crate::context::{Context, QueryContext, ReducerContext};
    pub use crate::datatype::Datatype;
    pub use crate::rows::Rows;
    pub use crate::table::{ConstraintError, Insert, Read, Table, Write};
    pub use crate::{debug, error, info, warn};
    pub use interstice_sdk_macros::{datatype, migration, query, reducer, table};
    pub use interstice_types::id::{Identity, ScheduleId, Uuid};
    pub use interstice_types::time::{Duration, Timestamp};
    pub use std::collections::BTreeMap;
}
