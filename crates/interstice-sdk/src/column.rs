//! Columns as values, and conditions on them, which the host looks at: `Account::BALANCE.gt(5) & !Account::OWNER.eq("x")`.
//!
//! A comparison of what an `Option` holds with a value does not hold where there is nothing, nor does its opposite.

use crate::datatype::Datatype;
use crate::scratch;
use interstice_types::filter::{self, Comparison, Operand, Operator, Place, Step};
use interstice_types::ty::Type;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::ops::{BitAnd, BitOr, Not};

/// A column of `Row` that holds a `T`, or a place inside of one. `#[table]` gives a row type one constant for each column.
///
/// ```test_harness
/// # use interstice_sdk::prelude::*;
/// # use interstice_sdk::test::TestDatabase;
/// #[datatype]
/// pub enum Kind {
///     Book { pages: u32 },
///     Film,
/// }
///
/// #[table]
/// pub struct Item {
///     #[primary_key]
///     pub id: u32,
///     pub price: i64,
///     pub most: i64,
///     pub tags: Vec<String>,
///     pub note: Option<String>,
///     pub kind: Kind,
/// }
///
/// /// What each of them lets through.
/// fn filters() -> Vec<Filter<Item>> {
///     vec![
///         Item::PRICE.eq(5),
///         Item::PRICE.ne(5),
///         Item::PRICE.lt(5),
///         Item::PRICE.le(5),
///         Item::PRICE.gt(5),
///         Item::PRICE.ge(5),
///         Item::PRICE.eq_column(Item::MOST),
///         Item::PRICE.ne_column(Item::MOST),
///         Item::PRICE.lt_column(Item::MOST),
///         Item::PRICE.le_column(Item::MOST),
///         Item::PRICE.gt_column(Item::MOST),
///         Item::PRICE.ge_column(Item::MOST),
///         Item::TAGS.len().ge(1),
///         Item::NOTE.is_none(),
///         Item::NOTE.is_some(),
///         Item::NOTE.eq("worn"), // there, and this
///         Item::NOTE.inside().len().gt(9),
///         Item::KIND.is("Film"),
///         Item::KIND.path::<u32>("Book.pages").gt(100),
///     ]
/// }
///
/// #[query]
/// fn found(items: Read<Item>) -> Vec<Vec<u32>> {
///     let ids = |filter| items.scan().filter(filter).map(|item| item.id).collect();
///     filters().into_iter().map(ids).collect()
/// }
///
/// # #[reducer]
/// # fn fill(items: Insert<Item>) {
/// #     let note = Some("worn".to_owned());
/// #     items.insert(Item { id: 1, price: 5, most: 9, tags: vec![], note, kind: Kind::Book { pages: 300 } });
/// #     items.insert(Item { id: 2, price: 7, most: 7, tags: vec!["new".to_owned()], note: None, kind: Kind::Film });
/// # }
/// #[interstice_sdk::test]
/// fn of_two_items(db: &mut TestDatabase) {
///     // 1 costs 5 of 9, is a book of 300 pages, and worn; 2 costs 7 of 7, is a film, has a tag and no note.
/// #   db.call::<()>("fill", ()).unwrap();
///     let found: Vec<Vec<u32>> = db.query("found", ()).unwrap();
///     let (one, two, none): (&[u32], &[u32], &[u32]) = (&[1], &[2], &[]);
///     assert_eq!(found[..6], [one, two, none, one, two, &[1, 2]]);
///     assert_eq!(found[6..12], [two, one, one, &[1, 2], none, two]);
///     assert_eq!(found[12..], [two, two, one, one, none, two, one]);
/// }
/// ```
pub struct Column<Row, T> {
    place: Place,
    types: PhantomData<fn() -> (Row, T)>,
}

/// A condition on rows of type `Row`. `&`, `|` and `!` join conditions.
///
/// ```test_harness
/// # use interstice_sdk::prelude::*;
/// # use interstice_sdk::test::TestDatabase;
/// # #[table]
/// # pub struct Item { #[primary_key] pub id: u32, pub price: i64, pub sold: Option<Timestamp> }
/// # #[reducer]
/// # fn fill(items: Insert<Item>) {
/// #     for (id, price) in [(1, 5), (2, 50), (3, 500)] {
/// #         items.insert(Item { id, price, sold: None });
/// #     }
/// # }
/// /// A function may make one, and another use it.
/// fn cheap_or_dear(dear: i64) -> Filter<Item> {
///     Item::SOLD.is_none() & (Item::PRICE.lt(10) | !Item::PRICE.lt(dear))
/// }
///
/// #[reducer]
/// fn sort_out(items: Write<Item>) -> Vec<u64> {
///     let counted = items.count_where(cheap_or_dear(100));
///     let seen = items.scan().filter(cheap_or_dear(100)).count() as u64;
///     vec![counted, seen, items.delete_where(cheap_or_dear(100)), items.count()]
/// }
///
/// #[interstice_sdk::test]
/// fn what_is_in_between_stays(db: &mut TestDatabase) {
/// #   db.call::<()>("fill", ()).unwrap();
///     assert_eq!(db.call::<Vec<u64>>("sort_out", ()), Ok(vec![2, 2, 2, 1]));
/// }
/// ```
pub struct Filter<Row> {
    filter: filter::Filter,
    row: PhantomData<fn() -> Row>,
}

/// What a value of this type may be compared with: its own type, and what is as good.
#[diagnostic::on_unimplemented(
    message = "a column of `{Self}` does not compare with `{V}`",
    label = "another type than the column's"
)]
pub trait Compares<V> {
    /// What `value` says of the place that holds this.
    #[doc(hidden)]
    fn given(value: V) -> Given;
}

/// What a place is compared with.
#[doc(hidden)]
pub enum Given {
    /// With these bytes.
    Value(Vec<u8>),
    /// What it holds, if that is there, with these bytes.
    Inside(Vec<u8>),
    /// With nothing at all.
    Nothing,
}

fn bytes_of(value: &impl Datatype) -> Vec<u8> {
    let mut bytes = Vec::new();
    value.encode(&mut bytes);
    bytes
}

impl<T: Datatype> Compares<T> for T {
    fn given(value: T) -> Given {
        <T as Compares<&T>>::given(&value)
    }
}

impl<'v, T: Datatype> Compares<&'v T> for T {
    fn given(value: &'v T) -> Given {
        let mut bytes = bytes_of(value);
        match bytes.first() {
            Some(0) if T::IS_OPTION => Given::Nothing,
            Some(_) if T::IS_OPTION => Given::Inside(bytes.split_off(1)),
            _ => Given::Value(bytes),
        }
    }
}

impl<T: Datatype> Compares<T> for Option<T> {
    fn given(value: T) -> Given {
        Given::Inside(bytes_of(&value))
    }
}

impl<'v> Compares<&'v str> for String {
    fn given(value: &'v str) -> Given {
        let mut bytes = Vec::new();
        crate::datatype::encode_str(value, &mut bytes);
        Given::Value(bytes)
    }
}

impl<'v> Compares<&'v str> for Option<String> {
    fn given(value: &'v str) -> Given {
        match <String as Compares<&str>>::given(value) {
            Given::Value(bytes) => Given::Inside(bytes),
            other => other,
        }
    }
}

/// Two columns that compare: of the same type, or of one that an `Option` holds.
#[diagnostic::on_unimplemented(
    message = "a column of `{Self}` does not compare with a column of `{U}`",
    label = "another type than the column's"
)]
pub trait ComparesWithColumn<U> {}

impl<T: Datatype> ComparesWithColumn<T> for T {}
impl<T: Datatype> ComparesWithColumn<Option<T>> for T {}
impl<T: Datatype> ComparesWithColumn<T> for Option<T> {}

/// What has a length.
pub trait Counted {}

impl Counted for String {}
impl<T> Counted for Vec<T> {}
impl<K, V> Counted for BTreeMap<K, V> {}

macro_rules! comparisons {
    ($($name:ident $with_column:ident $operator:ident $words:literal;)*) => {$(
        #[doc = concat!("It is ", $words, " the value.")]
        pub fn $name<V>(self, value: V) -> Filter<Row>
        where
            T: Compares<V>,
        {
            self.compare(Operator::$operator, T::given(value))
        }

        #[doc = concat!("It is ", $words, " the other column of the row.")]
        pub fn $with_column<U: Datatype>(self, other: Column<Row, U>) -> Filter<Row>
        where
            T: ComparesWithColumn<U>,
        {
            let (place, with) = (self.held(), Operand::Place(other.held()));
            Filter::new(filter::Filter::Compare(Comparison { place, operator: Operator::$operator, with }))
        }
    )*};
}

impl<Row, T: Datatype> Column<Row, T> {
    /// Of the column with this number. Called by generated code.
    #[doc(hidden)]
    pub const fn new(column: u16) -> Self {
        Self::at(Place::column(column))
    }

    comparisons! {
        eq eq_column Equal "equal to";
        ne ne_column NotEqual "not equal to";
        lt lt_column Less "less than";
        le le_column LessOrEqual "less than or equal to";
        gt gt_column Greater "greater than";
        ge ge_column GreaterOrEqual "greater than or equal to";
    }

    /// It holds this variant of its enum: `Message::BODY.is("Text")`.
    ///
    /// # Panics
    /// If its type is no enum, or has no such variant.
    pub fn is(self, variant: &str) -> Filter<Row> {
        let place = self.held();
        let ty = match T::ty() {
            Type::Option(inner) => *inner,
            ty => ty,
        };
        let Type::Enum(ty) = ty else { panic!("a column of {ty} has no variants") };
        let tag = ty.variants.iter().position(|one| one.name == variant);
        let tag = tag.unwrap_or_else(|| panic!("enum `{}` has no variant `{variant}`", ty.name));
        Filter::new(filter::Filter::Is(place, tag as u8))
    }

    /// What the path leads to, from this column on: fields of structs by their names, of enums behind the name of the variant, as in
    /// `Message::BODY.path::<u32>("Image.width")` and `path::<String>("Text.0")`. Into an `Option` it goes by itself.
    ///
    /// # Panics
    /// If there is no such place, or it holds another type.
    pub fn path<U: Datatype>(self, path: &str) -> Column<Row, U> {
        let (mut place, mut ty) = (self.place, T::ty());
        let mut names = path.split('.');
        while let Some(name) = names.next() {
            if let Type::Option(inner) = ty {
                place = place.then(Step::Inside);
                ty = *inner;
            }
            let found = match &ty {
                Type::Struct(ty) => field(&ty.fields, name).map(|(number, ty)| (Step::Field(number), ty)),
                Type::Enum(ty) => ty.variants.iter().position(|one| one.name == name).and_then(|tag| {
                    let (number, ty) = field(&ty.variants[tag].fields, names.next()?)?;
                    Some((Step::Variant(tag as u8, number), ty))
                }),
                _ => None,
            };
            let (step, next) = found.unwrap_or_else(|| panic!("`{path}`: {ty} has no `{name}`"));
            place = place.then(step);
            ty = next;
        }
        assert!(ty == U::ty(), "`{path}` holds {ty}, not {}", U::ty());
        Column::at(place)
    }

    const fn at(place: Place) -> Self {
        Self { place, types: PhantomData }
    }

    /// The place of the value itself, also if it is one that need not be there.
    fn held(self) -> Place {
        if T::IS_OPTION { self.place.then(Step::Inside) } else { self.place }
    }

    fn compare(self, operator: Operator, given: Given) -> Filter<Row> {
        let (place, bytes) = match (given, operator) {
            (Given::Value(bytes), _) => (self.place, bytes),
            (Given::Inside(bytes), _) => (self.place.then(Step::Inside), bytes),
            (Given::Nothing, Operator::Equal) => return Filter::new(filter::Filter::IsNull(self.place)),
            (Given::Nothing, Operator::NotEqual) => return !Filter::new(filter::Filter::IsNull(self.place)),
            // Nothing is neither less nor greater.
            (Given::Nothing, _) => return Filter::new(filter::Filter::nothing()),
        };
        Filter::new(filter::Filter::Compare(Comparison { place, operator, with: Operand::Value(bytes) }))
    }
}

fn field(fields: &[interstice_types::ty::Field], name: &str) -> Option<(u16, Type)> {
    let number = fields.iter().position(|field| field.name == name)?;
    Some((number as u16, fields[number].ty.clone()))
}

impl<Row, T: Datatype> Column<Row, Option<T>> {
    /// It holds nothing.
    pub fn is_none(self) -> Filter<Row> {
        Filter::new(filter::Filter::IsNull(self.place))
    }

    /// It holds something.
    pub fn is_some(self) -> Filter<Row> {
        !self.is_none()
    }

    /// What it holds.
    pub fn inside(self) -> Column<Row, T> {
        Column::at(self.place.then(Step::Inside))
    }
}

impl<Row, T: Counted> Column<Row, T> {
    /// Its length: of text in bytes.
    pub fn len(self) -> Column<Row, u64> {
        Column::at(self.place.then(Step::Length))
    }
}

impl<Row> Filter<Row> {
    fn new(filter: filter::Filter) -> Self {
        Self { filter, row: PhantomData }
    }

    /// The condition, as it stands in a schema.
    #[doc(hidden)]
    pub fn into_inner(self) -> filter::Filter {
        self.filter
    }

    /// Its bytes, for the host.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = scratch::take();
        self.filter.encode(&mut bytes);
        bytes
    }
}

impl<Row> BitAnd for Filter<Row> {
    type Output = Self;

    /// Both hold.
    fn bitand(self, other: Self) -> Self {
        Self::new(match (self.filter, other.filter) {
            (filter::Filter::All(mut parts), other) => {
                parts.push(other);
                filter::Filter::All(parts)
            }
            (one, other) => filter::Filter::All(vec![one, other]),
        })
    }
}

impl<Row> BitOr for Filter<Row> {
    type Output = Self;

    /// At least one holds.
    fn bitor(self, other: Self) -> Self {
        Self::new(match (self.filter, other.filter) {
            (filter::Filter::Any(mut parts), other) => {
                parts.push(other);
                filter::Filter::Any(parts)
            }
            (one, other) => filter::Filter::Any(vec![one, other]),
        })
    }
}

impl<Row> Not for Filter<Row> {
    type Output = Self;

    /// It does not hold.
    fn not(self) -> Self {
        Self::new(filter::Filter::Not(Box::new(self.filter)))
    }
}
