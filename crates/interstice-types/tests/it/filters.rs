//! Filters against a naive reading of decoded values: every place that a random row can have, every condition on it.

use crate::{encoded, oracle, typed_values};
use interstice_types::filter::{
    Comparison, Filter, FilterError, MAX_FILTER_DEPTH, MAX_FILTER_PARTS, MAX_FILTER_SIZE, MAX_STEPS, Operand, Operator,
    Place, Predicate, Step,
};
use interstice_types::layout::RowLayout;
use interstice_types::ty::Type;
use interstice_types::value::Value;
use proptest::prelude::*;

/// All places of values of `ty` behind `place`, with their types.
fn places(place: &Place, ty: &Type, out: &mut Vec<(Place, Type)>) {
    out.push((place.clone(), ty.clone()));
    let mut into = |step, ty: &Type| places(&place.clone().then(step), ty, out);
    match ty {
        Type::String | Type::Bytes | Type::List(_) | Type::Map(..) => into(Step::Length, &Type::U64),
        Type::Option(inner) => into(Step::Inside, inner),
        Type::Struct(ty) => (0..).zip(&ty.fields).for_each(|(number, field)| into(Step::Field(number), &field.ty)),
        Type::Enum(ty) => {
            for (variant, fields) in (0..).zip(ty.variants.iter().map(|variant| &variant.fields)) {
                (0..).zip(fields).for_each(|(number, field)| into(Step::Variant(variant, number), &field.ty));
            }
        }
        _ => {}
    }
}

/// What is at a place, if it is there.
fn find(row: &[Value], place: &Place) -> Option<Value> {
    let start = row[usize::from(place.column)].clone();
    place.steps.iter().try_fold(start, |value, step| match (step, value) {
        (Step::Length, Value::String(text)) => Some(Value::U64(text.len() as u64)),
        (Step::Length, Value::Bytes(bytes)) => Some(Value::U64(bytes.len() as u64)),
        (Step::Length, Value::List(items)) => Some(Value::U64(items.len() as u64)),
        (Step::Length, Value::Map(entries)) => Some(Value::U64(entries.len() as u64)),
        (Step::Inside, Value::Option(inner)) => inner.map(|inner| *inner),
        (Step::Field(number), Value::Struct(fields)) => Some(fields[usize::from(*number)].clone()),
        (Step::Variant(variant, number), Value::Enum(tag, fields)) => {
            (tag == *variant).then(|| fields[usize::from(*number)].clone())
        }
        (step, value) => panic!("{step} of {value:?}"),
    })
}

fn truth(filter: &Filter, row: &[Value], types: &[Type]) -> Option<bool> {
    let each = |parts: &[Filter]| parts.iter().map(|part| truth(part, row, types)).collect::<Vec<_>>();
    match filter {
        Filter::All(parts) => match each(parts) {
            found if found.contains(&Some(false)) => Some(false),
            found if found.contains(&None) => None,
            _ => Some(true),
        },
        Filter::Any(parts) => match each(parts) {
            found if found.contains(&Some(true)) => Some(true),
            found if found.contains(&None) => None,
            _ => Some(false),
        },
        Filter::Not(part) => truth(part, row, types).map(|holds| !holds),
        Filter::Compare(Comparison { place, operator, with }) => {
            let left = find(row, place)?;
            let right = match with {
                Operand::Place(place) => find(row, place)?,
                Operand::Value(bytes) => {
                    let ty = place.ty(types).unwrap();
                    interstice_types::codec::decode_all([ty], bytes).unwrap().remove(0)
                }
            };
            let order = oracle::compare(&left, &right);
            Some(match operator {
                Operator::Equal => order.is_eq(),
                Operator::NotEqual => order.is_ne(),
                Operator::Less => order.is_lt(),
                Operator::LessOrEqual => order.is_le(),
                Operator::Greater => order.is_gt(),
                Operator::GreaterOrEqual => order.is_ge(),
            })
        }
        Filter::IsNull(place) => Some(matches!(find(row, place), None | Some(Value::Option(None)))),
        Filter::Is(place, variant) => match find(row, place)? {
            Value::Enum(tag, _) => Some(tag == *variant),
            other => panic!("no enum: {other:?}"),
        },
    }
}

/// Makes a filter of random numbers: about places of the row, with values of another row.
struct Maker<'m> {
    numbers: std::slice::Iter<'m, u32>,
    places: &'m [(Place, Type)],
    other: &'m [Value],
}

impl Maker<'_> {
    fn pick(&mut self, count: usize) -> usize {
        self.numbers.next().map_or(0, |number| *number as usize % count)
    }

    fn filter(&mut self, depth: usize) -> Filter {
        let kind = self.pick(if depth == 0 { 5 } else { 9 });
        match kind {
            5 | 6 => {
                let count = self.pick(4);
                let parts = (0..count).map(|_| self.filter(depth - 1)).collect();
                if kind == 5 { Filter::All(parts) } else { Filter::Any(parts) }
            }
            7 | 8 => Filter::Not(Box::new(self.filter(depth - 1))),
            kind => self.condition(kind),
        }
    }

    fn condition(&mut self, kind: usize) -> Filter {
        let (place, ty) = self.places[self.pick(self.places.len())].clone();
        let operators = [
            Operator::Equal,
            Operator::NotEqual,
            Operator::Less,
            Operator::LessOrEqual,
            Operator::Greater,
            Operator::GreaterOrEqual,
        ];
        let operator = operators[self.pick(6)];
        match (&ty, find(self.other, &place)) {
            (Type::Enum(ty), _) if kind == 0 => Filter::Is(place, self.pick(ty.variants.len()) as u8),
            (Type::Option(_), _) | (_, None) => Filter::IsNull(place),
            (ty, Some(_)) if kind < 3 => {
                let same: Vec<_> = self.places.iter().filter(|(_, other)| other == ty).collect();
                let with = Operand::Place(same[self.pick(same.len())].0.clone());
                Filter::Compare(Comparison { place, operator, with })
            }
            (ty, Some(value)) => Filter::compare(place, operator, ty, &value),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn a_predicate_says_what_its_filter_says_of_the_values(
        columns in prop::collection::vec(typed_values(2), 1..5),
        numbers in prop::collection::vec(any::<u32>(), 1..60),
    ) {
        let types: Vec<_> = columns.iter().map(|(ty, _)| ty.clone()).collect();
        let rows: Vec<Vec<_>> = (0..2).map(|row| columns.iter().map(|(_, values)| values[row].clone()).collect()).collect();
        let mut all = Vec::new();
        (0..).zip(&types).for_each(|(column, ty)| places(&Place::column(column), ty, &mut all));
        let filter = Maker { numbers: numbers.iter(), places: &all, other: &rows[1] }.filter(4);
        let predicate = Predicate::new(&filter, &RowLayout::new(types.clone())).unwrap();
        for row in &rows {
            let bytes: Vec<u8> = types.iter().zip(row).flat_map(|(ty, value)| encoded(ty, value)).collect();
            let expected = truth(&filter, row, &types);
            prop_assert_eq!(predicate.holds(&bytes), expected == Some(true), "{:?} of {:?}", filter, row);
            prop_assert_eq!(predicate.fails(&bytes), expected == Some(false), "{:?} of {:?}", filter, row);
        }
        let mut bytes = Vec::new();
        filter.encode(&mut bytes);
        prop_assert_eq!(Filter::decode(&bytes).unwrap(), filter.clone());
        let json = serde_json::to_string(&filter).unwrap();
        prop_assert_eq!(serde_json::from_str::<Filter>(&json).unwrap(), filter);
    }

    #[test]
    fn damaged_filters_are_refused_or_filters(
        numbers in prop::collection::vec(any::<u32>(), 1..30),
        at in any::<prop::sample::Index>(),
        with in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let types = [Type::U8, Type::Option(Box::new(Type::String))];
        let mut all = Vec::new();
        (0..).zip(&types).for_each(|(column, ty)| places(&Place::column(column), ty, &mut all));
        let other = [Value::U8(1), Value::Option(None)];
        let filter = Maker { numbers: numbers.iter(), places: &all, other: &other }.filter(4);
        let mut bytes = Vec::new();
        filter.encode(&mut bytes);
        prop_assert!(Filter::decode(&bytes[..cut.index(bytes.len())]).is_err());
        let at = at.index(bytes.len());
        bytes[at] = with;
        if let Ok(filter) = Filter::decode(&bytes) {
            let mut again = Vec::new();
            filter.encode(&mut again);
            prop_assert_eq!(again, bytes);
            // It fits the table or it does not; neither panics.
            let _ = Predicate::new(&filter, &RowLayout::new(types.to_vec()));
        }
    }

    #[test]
    fn values_compare_without_keys_as_their_keys_do((ty, values) in typed_values(2)) {
        let (a, b) = (encoded(&ty, &values[0]), encoded(&ty, &values[1]));
        let mut readers = [interstice_types::codec::Reader::new(&a), interstice_types::codec::Reader::new(&b)];
        let [a, b] = &mut readers;
        prop_assert_eq!(interstice_types::order::compare(&ty, a, b).unwrap(), oracle::compare(&values[0], &values[1]));
    }
}

fn nested(depth: usize) -> Filter {
    (1..depth).fold(Filter::everything(), |inner, _| Filter::Not(Box::new(inner)))
}

fn both_ways(filter: &Filter) -> [Result<(), FilterError>; 2] {
    let mut bytes = Vec::new();
    filter.encode(&mut bytes);
    [Filter::decode(&bytes).map(|_| ()), Predicate::new(filter, &RowLayout::new(vec![Type::U8])).map(|_| ())]
}

#[test]
fn depth_count_size_and_steps_are_bounded() {
    assert_eq!(both_ways(&nested(MAX_FILTER_DEPTH)), [Ok(()), Ok(())]);
    assert_eq!(both_ways(&nested(MAX_FILTER_DEPTH + 1)), [Err(FilterError::TooDeep), Err(FilterError::TooDeep)]);
    let wide = |count: usize| Filter::Any(vec![Filter::everything(); count - 1]);
    assert_eq!(both_ways(&wide(MAX_FILTER_PARTS)), [Ok(()), Ok(())]);
    assert_eq!(both_ways(&wide(MAX_FILTER_PARTS + 1)), [Err(FilterError::TooMany), Err(FilterError::TooMany)]);
    let size = MAX_FILTER_SIZE + 1;
    assert_eq!(Filter::decode(&vec![0; size]), Err(FilterError::TooLarge { size }));
    let long = Place { column: 0, steps: vec![Step::Inside; MAX_STEPS + 1] };
    assert_eq!(both_ways(&Filter::IsNull(long)), [Err(FilterError::TooMany), Err(FilterError::TooMany)]);
    // A count that lies.
    assert!(matches!(Filter::decode(&[0, 0xff, 0xff]), Err(FilterError::Cut(_))));
}

#[test]
fn what_does_not_fit_the_columns_is_named() {
    let layout = RowLayout::new(vec![Type::U8, Type::Option(Box::new(Type::String))]);
    let refused = |filter: Filter| Predicate::new(&filter, &layout).unwrap_err().to_string();
    let equal = |place, bytes: &[u8]| {
        Filter::Compare(Comparison { place, operator: Operator::Equal, with: Operand::Value(bytes.to_vec()) })
    };
    assert_eq!(refused(Filter::IsNull(Place::column(2))), "there is no column 2");
    assert_eq!(refused(Filter::IsNull(Place::column(0).then(Step::Inside))), "column 0: u8 has no inside");
    assert_eq!(refused(Filter::Is(Place::column(0), 1)), "column 0: u8 has no variant 1");
    assert_eq!(
        refused(equal(Place::column(1), &[0])),
        "column 1 holds option<string> here: compare what is inside of it, or ask whether there is anything"
    );
    assert_eq!(
        refused(equal(Place::column(0), &[])),
        "column 0 holds u8 here, and the value is not one: u8 needs 1 more bytes at byte 0, 0 are left"
    );
    let with = Operand::Place(Place::column(1).then(Step::Inside));
    assert_eq!(
        refused(Filter::Compare(Comparison { place: Place::column(0), operator: Operator::Less, with })),
        "column 0 holds u8 here, and what it is compared with is string"
    );
    let length_in_between = Place::column(1).then(Step::Inside).then(Step::Length).then(Step::Length);
    assert_eq!(refused(Filter::IsNull(length_in_between)), "column 1: string has no length");
}

/// Golden bytes and JSON: filters stand in schemas and cross the boundary.
#[test]
fn the_bytes_and_the_json_of_a_filter_are_these() {
    let place = Place::column(3).then(Step::Field(1)).then(Step::Inside).then(Step::Variant(2, 0)).then(Step::Length);
    let filter = Filter::Any(vec![
        Filter::compare(Place::column(1), Operator::GreaterOrEqual, &Type::I16, &Value::I16(-2)),
        Filter::Not(Box::new(Filter::Is(Place::column(2), 7))),
        Filter::All(vec![Filter::Compare(Comparison {
            place,
            operator: Operator::Less,
            with: Operand::Place(Place::column(0)),
        })]),
        Filter::IsNull(Place::column(4)),
    ]);
    let mut bytes = Vec::new();
    filter.encode(&mut bytes);
    let golden = concat!(
        "010400",
        "0305010000",
        "00",
        "02000000",
        "feff",
        "02",
        "0502000007",
        "000100",
        "0302",
        "030004",
        "000100",
        "01",
        "02020000",
        "03",
        "01",
        "000000",
        "04040000",
    );
    assert_eq!(interstice_types::id::to_hex(&bytes), golden);
    assert_eq!(
        serde_json::to_string(&filter).unwrap(),
        concat!(
            r#"{"any":[{"compare":{"place":{"column":1},"operator":"greater_or_equal","with":{"value":"feff"}}},"#,
            r#"{"not":{"is":[{"column":2},7]}},"#,
            r#"{"all":[{"compare":{"place":{"column":3,"steps":[{"field":1},"inside",{"variant":[2,0]},"length"]},"#,
            r#""operator":"less","with":{"place":{"column":0}}}}]},{"is_null":{"column":4}}]}"#
        )
    );
}
