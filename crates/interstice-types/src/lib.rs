//! The contract: every value that crosses a boundary of Interstice, and its bytes.
//!
//! *Responsible for*: identifiers, [`Type`](ty::Type) and [`Value`](value::Value), the canonical row codec,
//! order-preserving keys, the JSON mapping, schemas and their validation, filters on encoded rows, changes and
//! [`Transaction`](transaction::Transaction) with its record bytes, problems with stable codes.
//!
//! *Not responsible for*: tables (`interstice-store`), what a transaction means (`interstice-engine`), files
//! (`interstice-log`).
//!
//! *Invariants*
//! 1. One value has one byte string: what decodes is canonical, or it is refused.
//! 2. `a < b` exactly when `key(a) < key(b)`, for every type and for composites.
//! 3. Nothing is allocated in proportion to a number read from untrusted bytes before that number is checked.
//!
//! *Format*: rows and arguments are [borsh](https://borsh.io) (little endian, `u32` lengths, `u8` enum tags, fields in
//! declaration order), with one extension: a NaN is stored as the canonical quiet NaN.
//!
//! *Reading order*: [`id`], [`ty`], [`value`], [`codec`], [`layout`], [`key`], [`order`], [`json`], [`schema`], [`convert`], [`filter`],
//! [`change`], [`transaction`], [`problem`], `calendar`.
#![forbid(unsafe_code)]

#[cfg(feature = "calendar")]
pub mod calendar;
pub mod change;
pub mod codec;
pub mod convert;
pub mod filter;
pub mod id;
pub mod json;
pub mod key;
pub mod layout;
pub mod order;
pub mod problem;
pub mod row;
pub mod schema;
pub mod time;
pub mod transaction;
pub mod ty;
pub mod unrecorded;
pub mod value;
pub mod varint;
