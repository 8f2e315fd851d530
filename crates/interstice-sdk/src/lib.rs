//! What the author of a module writes against: tables, reducers, queries and events in plain Rust.
//!
//! ```test_harness
//! use interstice_sdk::prelude::*;
//! # use interstice_sdk::test::TestDatabase;
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
//!
//! #[interstice_sdk::test]
//! fn an_owner_opens_one_account(db: &mut TestDatabase) {
//!     assert_eq!(db.call::<u64>("open", ("ada",)), Ok(1));
//!     assert_eq!(db.call::<u64>("open", ("ada",)).unwrap_err().code, "taken");
//!     assert_eq!(db.query::<Option<i64>>("balance", (1_u64,)), Ok(Some(0)));
//! }
//! ```
//!
//! The guide in `docs/guide/` begins at the beginning; here is what each thing is, with a short example.
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

/// A table with a primary key, a unique column and an index; then every word that it takes.
///
/// ```test_harness
/// # use interstice_sdk::prelude::*;
/// # use interstice_sdk::test::TestDatabase;
/// #[table(public, index(by_town(town, name)))]
/// #[check(!name.is_empty())]
/// #[derive(Debug, PartialEq)]
/// pub struct Customer {
///     #[primary_key(auto_inc)]
///     pub id: u64,
///     #[unique]
///     pub email: String,
///     pub town: String,
///     pub name: String,
///     #[references(Customer, on_delete = set_null)]
///     pub invited_by: Option<u64>,
/// }
///
/// #[reducer]
/// fn join(customers: Write<Customer>, email: String, name: String) -> u64 {
///     let invited_by = customers.by_town("Paris").next().map(|first| first.id);
///     customers.insert(Customer { id: 0, email, town: "Paris".to_owned(), name, invited_by }).id
/// }
///
/// #[interstice_sdk::test]
/// fn customers_join(db: &mut TestDatabase) {
///     assert_eq!(db.call::<u64>("join", ("a@b.c", "ada")), Ok(1));
///     assert_eq!(db.call::<u64>("join", ("a@b.c", "eve")).unwrap_err().code, "duplicate-key");
///     assert_eq!(db.call::<u64>("join", ("e@b.c", "")).unwrap_err().code, "check-failed");
///     assert_eq!(db.call::<u64>("join", ("e@b.c", "eve")), Ok(2));
///     assert_eq!(db.rows::<Customer>()[1].invited_by, Some(1));
/// }
/// ```
#[doc(inline)]
pub use interstice_sdk_macros::table;

/// A struct and an enum for columns, arguments and answers, and a typed error.
///
/// ```test_harness
/// # use interstice_sdk::prelude::*;
/// # use interstice_sdk::test::TestDatabase;
/// #[datatype]
/// #[derive(Debug, PartialEq)]
/// pub struct Point {
///     pub x: i32,
///     pub y: i32,
/// }
///
/// #[datatype]
/// pub enum Shape {
///     Dot(Point),
///     Circle { middle: Point, radius: u32 },
///     Nothing,
/// }
///
/// #[datatype(error)]
/// pub enum NoMiddle {
///     #[error("nothing has no middle")]
///     Nothing,
/// }
///
/// #[query]
/// fn middle(shape: Shape) -> Result<Point, NoMiddle> {
///     match shape {
///         Shape::Dot(point) | Shape::Circle { middle: point, .. } => Ok(point),
///         Shape::Nothing => Err(NoMiddle::Nothing),
///     }
/// }
///
/// #[interstice_sdk::test]
/// fn shapes_have_a_middle(db: &mut TestDatabase) {
///     let circle = Shape::Circle { middle: Point { x: 3, y: -4 }, radius: 5 };
///     assert_eq!(db.query::<Point>("middle", (circle,)), Ok(Point { x: 3, y: -4 }));
///     let problem = db.query::<Point>("middle", (Shape::Nothing,)).unwrap_err();
///     assert_eq!((&*problem.code, &*problem.message), ("nothing", "nothing has no middle"));
/// }
/// ```
#[doc(inline)]
pub use interstice_sdk_macros::datatype;

/// A reducer that clients call, one for other modules and schedules, one for the first publish, one for an event, and one that runs by itself.
///
/// ```test_harness
/// # use interstice_sdk::prelude::*;
/// # use interstice_sdk::test::TestDatabase;
/// # #[table]
/// # pub struct Task { #[primary_key(auto_inc)] pub id: u64, pub name: String }
/// # #[table]
/// # pub struct Tick { #[primary_key(auto_inc)] pub id: u64, pub of: String }
/// #[reducer]
/// fn add(ctx: &ReducerContext, tasks: Insert<Task>, name: String) -> Result<u64, String> {
///     if name.is_empty() {
///         return Err("a task has a name".to_owned()); // nothing is written
///     }
///     ctx.schedule::<remove>(Duration::from_hours(1), (name.clone(),));
///     Ok(tasks.insert(Task { id: 0, name }).id)
/// }
///
/// #[reducer(access = internal)]
/// fn remove(tasks: Write<Task>, name: String) {
///     tasks.delete_where(Task::NAME.eq(name));
/// }
///
/// #[reducer(on = init)]
/// fn init(tasks: Insert<Task>) {
///     tasks.insert(Task { id: 0, name: "look around".to_owned() });
/// }
///
/// #[reducer(on = delete(Task))]
/// fn removed(ticks: Insert<Tick>, old: Task) {
///     ticks.insert(Tick { id: 0, of: old.name });
/// }
///
/// #[reducer(every = "30m", missed = skip)]
/// fn tick(ticks: Insert<Tick>) {
///     ticks.insert(Tick { id: 0, of: "clock".to_owned() });
/// }
///
/// #[interstice_sdk::test]
/// fn tasks_come_and_go(db: &mut TestDatabase) {
///     assert_eq!(db.call::<u64>("add", ("cook",)), Ok(2));
///     assert_eq!(db.call::<u64>("add", ("",)).unwrap_err().code, "rejected");
///     assert_eq!(db.call::<()>("remove", ("cook",)).unwrap_err().code, "wrong-kind");
///     db.advance(Duration::from_mins(61));
///     assert_eq!(db.rows::<Task>().len(), 1);
///     let ticks: Vec<_> = db.rows::<Tick>().into_iter().map(|tick| tick.of).collect();
///     assert_eq!(ticks, ["clock", "clock", "cook"]);
/// }
/// ```
#[doc(inline)]
pub use interstice_sdk_macros::reducer;

/// A query, and what does not compile as one.
///
/// ```test_harness
/// # use interstice_sdk::prelude::*;
/// # use interstice_sdk::test::TestDatabase;
/// # #[table]
/// # pub struct Word { #[primary_key] pub text: String }
/// # #[reducer]
/// # fn say(words: Insert<Word>, text: String) { words.insert(Word { text }); }
/// #[query]
/// fn words(words: Read<Word>, from: String, n: u64) -> Vec<String> {
///     words.range(from..).limit(n).map(|word| word.text).collect()
/// }
///
/// #[interstice_sdk::test]
/// fn words_are_in_order(db: &mut TestDatabase) {
///     for word in ["pear", "apple", "fig"] {
///         db.call::<()>("say", (word,)).unwrap();
///     }
///     assert_eq!(db.query::<Vec<String>>("words", ("b", 1_u64)), Ok(vec!["fig".to_owned()]));
/// }
/// ```
///
/// ```compile_fail,E0277
/// # use interstice_sdk::prelude::*;
/// # #[table]
/// # pub struct Word { #[primary_key] pub text: String }
/// #[query]
/// fn forget(words: Write<Word>) -> u64 {
///     words.clear()
/// }
/// ```
#[doc(inline)]
pub use interstice_sdk_macros::query;

/// Names in one column become names in two. The file has the table as it was published.
///
/// ```test_harness
/// # use interstice_sdk::prelude::*;
/// # use interstice_sdk::test::TestDatabase;
/// interstice_sdk::old_schema!(v1 = "schema/v1.json");
///
/// #[table(public)]
/// pub struct User {
///     #[primary_key]
///     pub id: u64,
///     pub first_name: String,
///     pub last_name: String,
/// }
///
/// #[migration(from = 1)]
/// fn split_name(old: v1::User) -> User {
///     let (first, last) = old.name.split_once(' ').unwrap_or((&old.name, ""));
///     User { id: old.id, first_name: first.to_owned(), last_name: last.to_owned() }
/// }
///
/// #[test]
/// fn names_are_split() {
///     let v1 = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/schema/v1.json"));
///     let mut db = TestDatabase::of_version(env!("CARGO_PKG_NAME"), v1);
///     db.put(&v1::User { id: 1, name: "Ada Lovelace".to_owned() });
///     db.publish(env!("CARGO_PKG_NAME"));
///     assert_eq!(db.rows::<User>()[0].last_name, "Lovelace");
/// }
/// ```
#[doc(inline)]
pub use interstice_sdk_macros::migration;

/// The file is a schema, as `interstice migrate new` saves it: here of a table `user` with `id` and `name`.
///
/// ```
/// # use interstice_sdk::prelude::*;
/// interstice_sdk::old_schema!(v1 = "schema/v1.json");
///
/// # fn main() {
/// let user = v1::User { id: 1, name: "Ada Lovelace".to_owned() };
/// assert_eq!(user.name, "Ada Lovelace");
/// # }
/// ```
#[doc(inline)]
pub use interstice_sdk_macros::old_schema;

/// The other module has a table `item`, a query `available` and a reducer `reserve`.
///
/// ```test_harness
/// # use interstice_sdk::prelude::*;
/// interstice_sdk::import!("inventory");
///
/// #[reducer]
/// fn order(ctx: &ReducerContext, items: Read<inventory::Item>, sku: String) -> Result<u32, inventory::ReserveError> {
///     if items.contains(&sku) {
///         inventory::reserve(ctx, &sku, 1)?; // a part of this transaction
///     }
///     Ok(inventory::available(ctx, &sku))
/// }
/// ```
#[doc(inline)]
pub use interstice_sdk_macros::import;

/// It may stand beside the code, or in `tests/`.
///
/// ```test_harness
/// use interstice_sdk::prelude::*;
/// use interstice_sdk::test::TestDatabase;
///
/// #[query]
/// fn twice(n: u32) -> u32 {
///     2 * n
/// }
///
/// #[interstice_sdk::test]
/// fn twice_two_is_four(db: &mut TestDatabase) {
///     assert_eq!(db.query::<u32>("twice", (2_u32,)), Ok(4));
/// }
/// ```
#[doc(inline)]
pub use interstice_sdk_macros::test;

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

/// All that a module needs: `use interstice_sdk::prelude::*;`.
///
/// ```
/// use interstice_sdk::prelude::*;
///
/// #[datatype]
/// #[derive(Debug, Default)]
/// struct Summary {
///     who: Identity,
///     since: Timestamp,
///     spent: Duration,
///     orders: BTreeMap<Uuid, u64>,
/// }
/// # fn main() {
/// assert_eq!(Summary::default().since, Timestamp::EPOCH);
/// # }
/// ```
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
