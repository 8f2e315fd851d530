//! Oracles: the order of values by their plain meaning, and the bytes of the `borsh` crate.

use borsh::BorshSerialize;
use interstice_types::codec;
use interstice_types::ty::{EnumType, Field, Shape, StructType, Type, Variant};
use interstice_types::value::Value;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// The order of two values of one type.
pub(crate) fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Unit, Value::Unit) => Ordering::Equal,
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::U8(a), Value::U8(b)) => a.cmp(b),
        (Value::U16(a), Value::U16(b)) => a.cmp(b),
        (Value::U32(a), Value::U32(b)) => a.cmp(b),
        (Value::U64(a), Value::U64(b)) => a.cmp(b),
        (Value::U128(a), Value::U128(b)) => a.cmp(b),
        (Value::I8(a), Value::I8(b)) => a.cmp(b),
        (Value::I16(a), Value::I16(b)) => a.cmp(b),
        (Value::I32(a), Value::I32(b)) => a.cmp(b),
        (Value::I64(a), Value::I64(b)) => a.cmp(b),
        (Value::I128(a), Value::I128(b)) => a.cmp(b),
        (Value::F32(a), Value::F32(b)) => one_nan_32(*a).total_cmp(&one_nan_32(*b)),
        (Value::F64(a), Value::F64(b)) => one_nan_64(*a).total_cmp(&one_nan_64(*b)),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
        (Value::Timestamp(a), Value::Timestamp(b)) => a.cmp(b),
        (Value::Duration(a), Value::Duration(b)) => a.cmp(b),
        (Value::Uuid(a), Value::Uuid(b)) => a.cmp(b),
        (Value::Identity(a), Value::Identity(b)) => a.cmp(b),
        (Value::Option(a), Value::Option(b)) => match (a, b) {
            (Some(a), Some(b)) => compare(a, b),
            (a, b) => a.is_some().cmp(&b.is_some()),
        },
        (Value::List(a), Value::List(b)) | (Value::Struct(a), Value::Struct(b)) => compare_all(a, b),
        (Value::Map(a), Value::Map(b)) => {
            let flat = |entries: &[(Value, Value)]| {
                entries.iter().map(|(k, v)| Value::Struct(vec![k.clone(), v.clone()])).collect::<Vec<_>>()
            };
            compare_all(&flat(a), &flat(b))
        }
        (Value::Enum(a_tag, a), Value::Enum(b_tag, b)) => a_tag.cmp(b_tag).then_with(|| compare_all(a, b)),
        (a, b) => panic!("{a:?} and {b:?} are not of one type"),
    }
}

fn compare_all(a: &[Value], b: &[Value]) -> Ordering {
    let different = a.iter().zip(b).map(|(a, b)| compare(a, b)).find(|ordering| ordering.is_ne());
    different.unwrap_or_else(|| a.len().cmp(&b.len()))
}

fn one_nan_32(value: f32) -> f32 {
    if value.is_nan() { f32::from_bits(codec::CANONICAL_NAN_F32) } else { value }
}

fn one_nan_64(value: f64) -> f64 {
    if value.is_nan() { f64::from_bits(codec::CANONICAL_NAN_F64) } else { value }
}

#[derive(BorshSerialize)]
struct Everything {
    flag: bool,
    small: u8,
    wide: u128,
    signed: i64,
    ratio: f64,
    text: String,
    bytes: Vec<u8>,
    maybe: Option<u32>,
    list: Vec<i16>,
    map: BTreeMap<String, u64>,
    body: Body,
}

#[derive(BorshSerialize)]
enum Body {
    #[expect(dead_code, reason = "takes tag 0")]
    Empty,
    Text(String),
}

#[test]
fn bytes_are_those_of_borsh() {
    let row = Everything {
        flag: true,
        small: 7,
        wide: u128::MAX - 1,
        signed: -5,
        ratio: -0.25,
        text: "grüße".to_owned(),
        bytes: vec![0, 255],
        maybe: Some(9),
        list: vec![-1, 2],
        map: BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)]),
        body: Body::Text("hi".to_owned()),
    };
    let field = |ty| Field { name: "0".to_owned(), ty };
    let variant = |name: &str, shape, fields| Variant { name: name.to_owned(), shape, fields, message: None };
    let variants =
        vec![variant("Empty", Shape::Unit, vec![]), variant("Text", Shape::Tuple, vec![field(Type::String)])];
    let types = [
        Type::Bool,
        Type::U8,
        Type::U128,
        Type::I64,
        Type::F64,
        Type::String,
        Type::Bytes,
        Type::Option(Box::new(Type::U32)),
        Type::List(Box::new(Type::I16)),
        Type::Map(Box::new(Type::String), Box::new(Type::U64)),
        Type::Enum(EnumType { name: "Body".to_owned(), variants }),
    ];
    let values = [
        Value::Bool(true),
        Value::U8(7),
        Value::U128(u128::MAX - 1),
        Value::I64(-5),
        Value::F64(-0.25),
        Value::from("grüße"),
        Value::Bytes(vec![0, 255]),
        Value::Option(Some(Box::new(Value::U32(9)))),
        Value::List(vec![Value::I16(-1), Value::I16(2)]),
        Value::Map(vec![(Value::from("a"), Value::U64(1)), (Value::from("b"), Value::U64(2))]),
        Value::Enum(1, vec![Value::from("hi")]),
    ];
    let bytes = codec::encode_all(&types, &values);
    assert_eq!(bytes, borsh::to_vec(&row).unwrap());
    let whole = Type::Struct(StructType { name: "Everything".to_owned(), fields: types.map(field).to_vec() });
    assert_eq!(codec::decode_all([&whole], &bytes).unwrap(), [Value::Struct(values.to_vec())]);
}
