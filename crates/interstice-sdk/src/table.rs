//! Tables and the handles that a function declares to touch them: [`Read`], [`Insert`], [`Write`].

use crate::column::Filter;
use crate::datatype::{Datatype, Input};
use crate::host;
use crate::key::{Columns, Lookup, Span};
use crate::rows::{Rows, Scan};
use crate::scratch;
use interstice_types::schema::TableSchema;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

/// The number of the primary key among a table's indexes.
const PRIMARY: u16 = 0;

/// A row type. Derived by `#[table]`.
///
/// ```
/// # use interstice_sdk::prelude::*;
/// #[table(public, primary_key(hall, number))]
/// struct Seat {
///     hall: String,
///     number: u32,
/// }
///
/// # fn main() {
/// assert_eq!(Seat::NAME, "seat");
/// assert_eq!(Seat::schema().columns[1].name, "number");
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a table",
    label = "not a table",
    note = "put `#[table]` on the struct"
)]
pub trait Table: Datatype {
    /// The columns of its primary key: one type, or a tuple.
    type Key: Columns;
    /// The methods of its indexes, which handles give by `Deref`.
    type Indexes: Indexes;
    /// Its name in the schema.
    const NAME: &'static str;
    /// The module that it belongs to, if that is another one.
    const MODULE: Option<&'static str>;
    /// Whether it is the table as it was before a migration.
    const FORMER: bool;
    /// Whether the host fills in values on insert.
    const HAS_SEQUENCES: bool;

    /// What it declares.
    fn schema() -> TableSchema;

    /// Appends the values of its primary key.
    fn encode_key(&self, out: &mut Vec<u8>);
}

/// A table as it was before a migration. Made by `old_schema!`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a table as it was",
    label = "a table as it is",
    note = "take its type from `interstice_sdk::old_schema!(v1 = \"schema/v1.json\")`, as in `old: v1::User`"
)]
pub trait FormerTable: Table {}

/// Columns that may refer to a row with primary key `K`: the key, or an option of it.
#[diagnostic::on_unimplemented(
    message = "columns of type `{Self}` do not hold the primary key of the table that they refer to, which is `{K}`",
    label = "its primary key is `{K}`",
    note = "give the column the type `{K}`, or `Option<{K}>` if a row may refer to nothing"
)]
pub trait Refers<K> {}

impl<K> Refers<K> for K {}
impl<K> Refers<K> for Option<K> {}

/// Compiles only if columns of type `C` may refer to rows of `T`.
#[doc(hidden)]
pub fn refers<C: Refers<T::Key>, T: Table>() {}

/// What a column counts in that is marked `#[auto_inc]`.
#[diagnostic::on_unimplemented(
    message = "`auto_inc` counts in `u32`, `u64`, `i32` or `i64`, not in `{Self}`",
    label = "nothing to count in",
    note = "give the column one of these types, or leave `auto_inc` out and say each key yourself"
)]
pub trait Sequence {}

impl Sequence for u32 {}
impl Sequence for u64 {}
impl Sequence for i32 {}
impl Sequence for i64 {}

/// Compiles only if a sequence may give a column its numbers.
#[doc(hidden)]
pub fn counts<T: Sequence>() {}

/// A column that may hold nothing.
#[diagnostic::on_unimplemented(
    message = "`on_delete = set_null` needs a column that may hold nothing, and `{Self}` may not",
    label = "nothing cannot stand in a `{Self}`",
    note = "make the column an `Option<{Self}>`, or say `restrict` or `cascade`"
)]
pub trait Nullable {}

impl<T> Nullable for Option<T> {}

/// Compiles only if a column may be emptied when what it refers to is deleted.
#[doc(hidden)]
pub fn may_be_null<C: Nullable>() {}

/// What text may be a default of.
#[diagnostic::on_unimplemented(
    message = "text is no default of a column of `{Self}`",
    label = "another type than the column's",
    note = "write a value of the column's type: `#[default(0)]`, `#[default(false)]`, `#[default(None)]`"
)]
pub trait DefaultText {
    /// The value.
    fn of(text: &str) -> Self;
}

impl DefaultText for String {
    fn of(text: &str) -> Self {
        text.to_owned()
    }
}

impl DefaultText for Option<String> {
    fn of(text: &str) -> Self {
        Some(text.to_owned())
    }
}

/// What a table's generated index methods hang on.
pub trait Indexes {
    /// Of the handle with this number.
    fn new(handle: u32) -> Self;

    /// The handle's number.
    fn handle(&self) -> u32;
}

/// A row by a unique index. Called by generated methods.
#[doc(hidden)]
pub fn find<T: Table, K>(handle: u32, index: u16, key: Lookup<K>) -> Option<T> {
    let row = host::get(handle, index, &key.values, decoded);
    scratch::give_back(key.values);
    row
}

fn decoded<T: Table>(row: &[u8]) -> T {
    T::decode(&mut Input::new(row))
}

/// Rows by an index. Called by generated methods.
#[doc(hidden)]
pub fn scan<T: Table, K>(handle: u32, index: u16, span: Span<K>) -> Rows<T> {
    Rows::new(handle, index, span)
}

/// Looks at a table.
///
/// ```test_harness
/// # use interstice_sdk::prelude::*;
/// # use interstice_sdk::test::TestDatabase;
/// #[table]
/// pub struct City {
///     #[primary_key]
///     pub name: String,
///     #[unique]
///     pub code: u32,
///     #[index]
///     pub country: String,
///     pub people: u64,
/// }
///
/// #[query]
/// fn look(cities: Read<City>) -> Vec<u64> {
///     vec![
///         cities.get("Paris").map_or(0, |city| city.people),          // by its primary key
///         cities.contains("London").into(),
///         cities.find_by_code(49).map_or(0, |city| city.people),      // by a unique index
///         cities.by_country("France").map(|city| city.people).sum(),  // by an index
///         cities.iter().count() as u64,                               // all of them
///         (&cities).into_iter().count() as u64,                       // the same
///         cities.range("Berlin".to_owned()..="M".to_owned()).count() as u64,
///         cities.scan().filter(City::PEOPLE.gt(1_000_000)).count() as u64,
///         cities.count(),
///         cities.count_where(City::PEOPLE.gt(1_000_000)),
///     ]
/// }
///
/// # #[reducer]
/// # fn fill(cities: Insert<City>) {
/// #     for (name, code, country, people) in
/// #         [("Paris", 33, "France", 2_000_000), ("Lyon", 34, "France", 500_000), ("Berlin", 49, "Germany", 3_000_000)]
/// #     {
/// #         cities.insert(City { name: name.to_owned(), code, country: country.to_owned(), people });
/// #     }
/// # }
/// #[interstice_sdk::test]
/// fn of_berlin_lyon_and_paris(db: &mut TestDatabase) {
/// #   db.call::<()>("fill", ()).unwrap();
///     assert_eq!(db.query::<Vec<u64>>("look", ()), Ok(vec![2_000_000, 0, 3_000_000, 2_500_000, 3, 3, 2, 2, 3, 2]));
/// }
/// ```
pub struct Read<T: Table> {
    indexes: T::Indexes,
}

impl<T: Table> Read<T> {
    pub(crate) fn new(handle: u32) -> Self {
        Self { indexes: T::Indexes::new(handle) }
    }

    /// The row with this primary key.
    pub fn get(&self, key: impl Into<Lookup<T::Key>>) -> Option<T> {
        find(self.indexes.handle(), PRIMARY, key.into())
    }

    /// Whether there is a row with this primary key.
    pub fn contains(&self, key: impl Into<Lookup<T::Key>>) -> bool {
        host::get(self.indexes.handle(), PRIMARY, &key.into().values, |_| ()).is_some()
    }

    /// All rows in the order of their primary keys.
    pub fn iter(&self) -> Rows<T> {
        self.range(..)
    }

    /// The rows whose primary keys are in a range or have a prefix, in their order.
    pub fn range(&self, keys: impl Into<Span<T::Key>>) -> Rows<T> {
        scan(self.indexes.handle(), PRIMARY, keys.into())
    }

    /// All rows in the order of their primary keys, to be narrowed by [`filter`](Scan::filter), [`reverse`](Scan::reverse) and
    /// [`limit`](Scan::limit) before they leave the host.
    pub fn scan(&self) -> Scan<T> {
        self.range(..).scan()
    }

    /// How many rows there are.
    pub fn count(&self) -> u64 {
        host::count(self.indexes.handle(), &[])
    }

    /// How many rows a condition holds for. The host looks at each.
    pub fn count_where(&self, filter: Filter<T>) -> u64 {
        host::count(self.indexes.handle(), &filter.bytes())
    }
}

/// The methods of the table's indexes.
impl<T: Table> Deref for Read<T> {
    type Target = T::Indexes;

    fn deref(&self) -> &T::Indexes {
        &self.indexes
    }
}

impl<T: Table> IntoIterator for &Read<T> {
    type Item = T;
    type IntoIter = Rows<T>;

    fn into_iter(self) -> Rows<T> {
        self.iter()
    }
}

/// Adds rows to a table, and cannot look at it.
///
/// ```test_harness
/// # use interstice_sdk::prelude::*;
/// # use interstice_sdk::test::TestDatabase;
/// #[table]
/// pub struct Guest {
///     #[primary_key(auto_inc)]
///     pub id: u64,
///     #[unique]
///     pub name: String,
/// }
///
/// #[reducer]
/// fn arrive(guests: Insert<Guest>, name: String) -> u64 {
///     let guest = guests.insert(Guest { id: 0, name });
///     guest.id // the number that the row got
/// }
///
/// #[reducer]
/// fn arrive_somehow(guests: Insert<Guest>, name: String) -> u64 {
///     match guests.try_insert(Guest { id: 0, name: name.clone() }) {
///         Ok(guest) => guest.id,
///         Err(_taken) => guests.insert(Guest { id: 0, name: format!("another {name}") }).id,
///     }
/// }
///
/// #[interstice_sdk::test]
/// fn guests_arrive(db: &mut TestDatabase) {
///     assert_eq!(db.call::<u64>("arrive", ("ada",)), Ok(1));
///     assert_eq!(db.call::<u64>("arrive", ("ada",)).unwrap_err().code, "duplicate-key");
///     assert_eq!(db.call::<u64>("arrive_somehow", ("ada",)), Ok(2));
///     assert_eq!(db.rows::<Guest>()[1].name, "another ada");
/// }
/// ```
pub struct Insert<T: Table> {
    handle: u32,
    table: PhantomData<T>,
}

impl<T: Table> Insert<T> {
    pub(crate) fn new(handle: u32) -> Self {
        Self { handle, table: PhantomData }
    }

    /// Adds a row; returns it with sequence values filled in. If a constraint does not allow it the whole call is refused.
    pub fn insert(&self, row: T) -> T {
        insert(self.handle, row).unwrap_or_else(|_| host::raise())
    }

    /// Adds a row; returns it with sequence values filled in.
    ///
    /// # Errors
    /// If a constraint does not allow it; nothing was changed.
    pub fn try_insert(&self, row: T) -> Result<T, ConstraintError> {
        insert(self.handle, row).map_err(ConstraintError::last)
    }
}

/// Looks at a table, adds, replaces and removes rows.
///
/// ```test_harness
/// # use interstice_sdk::prelude::*;
/// # use interstice_sdk::test::TestDatabase;
/// #[table]
/// #[derive(Debug, Clone, PartialEq)]
/// pub struct Stock {
///     #[primary_key]
///     pub item: String,
///     #[check(count <= 100)]
///     pub count: u32,
/// }
///
/// #[reducer]
/// fn deliver(stock: Write<Stock>, item: String, more: u32) -> u32 {
///     // It reads, too: all methods of `Read` are there.
///     let Some(before) = stock.get(&item) else {
///         return stock.insert(Stock { item, count: more }).count;
///     };
///     let row = Stock { count: before.count + more, ..before };
///     if stock.try_update(row.clone()).is_err() {
///         stock.update(Stock { count: 100, ..row });
///     }
///     row.count
/// }
///
/// #[reducer]
/// fn sell(stock: Write<Stock>, item: String) -> bool {
///     match stock.delete(&item) {
///         Some(row) if row.count > 1 => {
///             stock.upsert(Stock { count: row.count - 1, ..row });
///             true
///         }
///         sold => sold.is_some(),
///     }
/// }
///
/// #[reducer]
/// fn clear_out(stock: Write<Stock>, few: u32) -> Vec<u64> {
///     let extra = stock.try_insert(Stock { item: "ladder".to_owned(), count: 101 });
///     assert!(extra.is_err(), "nothing has changed, and this goes on");
///     vec![stock.delete_where(Stock::COUNT.le(few)), stock.clear()]
/// }
///
/// #[interstice_sdk::test]
/// fn stock_comes_and_goes(db: &mut TestDatabase) {
///     for (item, more) in [("tea", 1_u32), ("rope", 60), ("rope", 60)] {
///         db.call::<u32>("deliver", (item, more)).unwrap();
///     }
///     assert_eq!(db.rows::<Stock>()[0], Stock { item: "rope".to_owned(), count: 100 });
///     assert_eq!(db.call::<bool>("sell", ("rope",)), Ok(true));
///     assert_eq!(db.call::<bool>("sell", ("sand",)), Ok(false));
///     assert_eq!(db.call::<Vec<u64>>("clear_out", (1_u32,)), Ok(vec![1, 1]));
/// }
/// ```
pub struct Write<T: Table> {
    read: Read<T>,
}

impl<T: Table> Write<T> {
    pub(crate) fn new(handle: u32) -> Self {
        Self { read: Read::new(handle) }
    }

    fn handle(&self) -> u32 {
        self.read.indexes.handle()
    }

    /// Adds a row; returns it with sequence values filled in. If a constraint does not allow it the whole call is refused.
    pub fn insert(&self, row: T) -> T {
        insert(self.handle(), row).unwrap_or_else(|_| host::raise())
    }

    /// Adds a row; returns it with sequence values filled in.
    ///
    /// # Errors
    /// If a constraint does not allow it; nothing was changed.
    pub fn try_insert(&self, row: T) -> Result<T, ConstraintError> {
        insert(self.handle(), row).map_err(ConstraintError::last)
    }

    /// Replaces the row with the same primary key. If there is none, or a constraint does not allow it, the whole call is
    /// refused.
    pub fn update(&self, row: T) {
        update(self.handle(), &row).unwrap_or_else(|_| host::raise());
    }

    /// Replaces the row with the same primary key.
    ///
    /// # Errors
    /// If there is none, or a constraint does not allow it; nothing was changed.
    pub fn try_update(&self, row: T) -> Result<(), ConstraintError> {
        update(self.handle(), &row).map_err(ConstraintError::last)
    }

    /// Replaces the row with the same primary key, or adds it; returns it with sequence values filled in.
    pub fn upsert(&self, row: T) -> T {
        let mut key = Vec::new();
        row.encode_key(&mut key);
        if host::get(self.handle(), PRIMARY, &key, |_| ()).is_some() {
            update(self.handle(), &row).unwrap_or_else(|_| host::raise());
            return row;
        }
        self.insert(row)
    }

    /// Removes the row with this primary key; returns it, if it was there.
    pub fn delete(&self, key: impl Into<Lookup<T::Key>>) -> Option<T> {
        host::delete(self.handle(), &key.into().values, decoded)
    }

    /// Removes the rows that a condition holds for; returns how many there were. The host looks at each row. If a constraint
    /// does not allow it the whole call is refused.
    pub fn delete_where(&self, filter: Filter<T>) -> u64 {
        host::delete_where(self.handle(), &filter.bytes()).unwrap_or_else(|_| host::raise())
    }

    /// Removes all rows; returns how many there were. If a constraint does not allow it the whole call is refused.
    pub fn clear(&self) -> u64 {
        host::delete_where(self.handle(), &[]).unwrap_or_else(|_| host::raise())
    }
}

/// Everything that may be read.
impl<T: Table> Deref for Write<T> {
    type Target = Read<T>;

    fn deref(&self) -> &Read<T> {
        &self.read
    }
}

fn insert<T: Table>(handle: u32, row: T) -> Result<T, host::Refused> {
    let mut bytes = scratch::take();
    row.encode(&mut bytes);
    let inserted = if T::HAS_SEQUENCES {
        let mut stored = Vec::with_capacity(bytes.len());
        host::insert(handle, &bytes, Some(&mut stored)).map(|()| T::decode(&mut Input::new(&stored)))
    } else {
        host::insert(handle, &bytes, None).map(|()| row)
    };
    scratch::give_back(bytes);
    inserted
}

fn update<T: Table>(handle: u32, row: &T) -> Result<(), host::Refused> {
    let mut bytes = scratch::take();
    row.encode(&mut bytes);
    let updated = host::update(handle, &bytes);
    scratch::give_back(bytes);
    updated
}

/// A constraint that did not allow a write.
///
/// ```test_harness
/// # use interstice_sdk::prelude::*;
/// # use interstice_sdk::test::TestDatabase;
/// # #[table]
/// # pub struct Seat { #[primary_key] pub number: u32, #[check(!guest.is_empty())] pub guest: String }
/// #[reducer]
/// fn sit(seats: Write<Seat>, number: u32, guest: String) -> Result<String, String> {
///     match seats.try_insert(Seat { number, guest }) {
///         Ok(_) => Ok("welcome".to_owned()),
///         Err(error) if error.code == "duplicate-key" => Ok("somebody sits there".to_owned()),
///         Err(error) => Err(error.to_string()), // the message
///     }
/// }
///
/// #[interstice_sdk::test]
/// fn guests_sit(db: &mut TestDatabase) {
///     assert_eq!(db.call::<String>("sit", (1_u32, "ada")), Ok("welcome".to_owned()));
///     assert_eq!(db.call::<String>("sit", (1_u32, "eve")), Ok("somebody sits there".to_owned()));
///     let problem = db.call::<String>("sit", (2_u32, "")).unwrap_err();
///     assert_eq!(problem.message, "table `seat` takes no row with guest = \"\": its check is `!guest.is_empty()`");
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConstraintError {
    /// Stable and kebab-case, as `duplicate-key`.
    pub code: String,
    /// Names table, constraint and values.
    pub message: String,
}

impl ConstraintError {
    fn last(_: host::Refused) -> Self {
        let (code, message) = host::last_error();
        Self { code, message }
    }
}

impl fmt::Display for ConstraintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ConstraintError {}
