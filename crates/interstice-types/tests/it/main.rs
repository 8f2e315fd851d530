//! Values of random types, through every representation, and bytes that are none.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod calendar;
mod filters;
mod oracle;
mod records;
mod schemas;

use interstice_types::codec::{self, DecodeError, Reader};
use interstice_types::id::{Identity, Uuid};
use interstice_types::json;
use interstice_types::key::{self, Key};
use interstice_types::layout::RowLayout;
use interstice_types::row::RowBytes;
use interstice_types::time::{Duration, Timestamp};
use interstice_types::ty::{EnumType, Field, Shape, StructType, Type, Variant};
use interstice_types::value::Value;
use proptest::prelude::*;

fn field(name: &str, ty: Type) -> Field {
    Field { name: name.to_owned(), ty }
}

/// Types up to three levels deep. A list or option of something that takes no bytes is no type of a schema.
pub(crate) fn types() -> impl Strategy<Value = Type> {
    let plain = prop::sample::select(vec![
        Type::Bool,
        Type::U8,
        Type::U16,
        Type::U32,
        Type::U64,
        Type::U128,
        Type::I8,
        Type::I16,
        Type::I32,
        Type::I64,
        Type::I128,
        Type::F32,
        Type::F64,
        Type::String,
        Type::Bytes,
        Type::Timestamp,
        Type::Duration,
        Type::Uuid,
        Type::Identity,
    ]);
    plain.prop_recursive(3, 12, 3, |inner| {
        let not_option = inner.clone().prop_map(|ty| if matches!(ty, Type::Option(_)) { Type::U8 } else { ty });
        prop_oneof![
            not_option.prop_map(|ty| Type::Option(Box::new(ty))),
            inner.clone().prop_map(|ty| Type::List(Box::new(ty))),
            (inner.clone(), inner.clone()).prop_map(|(k, v)| Type::Map(Box::new(k), Box::new(v))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| {
                Type::Struct(StructType { name: "S".to_owned(), fields: vec![field("a", a), field("b", b)] })
            }),
            (inner.clone(), inner).prop_map(|(a, b)| {
                let variant =
                    |name: &str, shape, fields| Variant { name: name.to_owned(), shape, fields, message: None };
                let variants = vec![
                    variant("None", Shape::Unit, vec![]),
                    variant("One", Shape::Tuple, vec![field("0", a.clone())]),
                    variant("Two", Shape::Tuple, vec![field("0", a.clone()), field("1", b.clone())]),
                    variant("Named", Shape::Struct, vec![field("left", a), field("right", b)]),
                ];
                Type::Enum(EnumType { name: "E".to_owned(), variants })
            }),
        ]
    })
}

pub(crate) fn values(ty: &Type) -> BoxedStrategy<Value> {
    match ty {
        Type::Unit => Just(Value::Unit).boxed(),
        Type::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Type::U8 => any::<u8>().prop_map(Value::U8).boxed(),
        Type::U16 => any::<u16>().prop_map(Value::U16).boxed(),
        Type::U32 => any::<u32>().prop_map(Value::U32).boxed(),
        Type::U64 => any::<u64>().prop_map(Value::U64).boxed(),
        Type::U128 => any::<u128>().prop_map(Value::U128).boxed(),
        Type::I8 => any::<i8>().prop_map(Value::I8).boxed(),
        Type::I16 => any::<i16>().prop_map(Value::I16).boxed(),
        Type::I32 => any::<i32>().prop_map(Value::I32).boxed(),
        Type::I64 => any::<i64>().prop_map(Value::I64).boxed(),
        Type::I128 => any::<i128>().prop_map(Value::I128).boxed(),
        Type::F32 => any::<f32>().prop_map(Value::F32).boxed(),
        Type::F64 => any::<f64>().prop_map(Value::F64).boxed(),
        Type::String => "[a-c\\x00é]{0,4}".prop_map(Value::String).boxed(),
        Type::Bytes => {
            prop::collection::vec(prop::sample::select(vec![0, 1, 255]), 0..4).prop_map(Value::Bytes).boxed()
        }
        Type::Timestamp => any::<i64>().prop_map(|v| Value::Timestamp(Timestamp(v))).boxed(),
        Type::Duration => any::<i64>().prop_map(|v| Value::Duration(Duration(v))).boxed(),
        Type::Uuid => any::<[u8; 16]>().prop_map(|v| Value::Uuid(Uuid(v))).boxed(),
        Type::Identity => any::<[u8; 32]>().prop_map(|v| Value::Identity(Identity(v))).boxed(),
        Type::Option(inner) => prop::option::of(values(inner)).prop_map(|v| Value::Option(v.map(Box::new))).boxed(),
        Type::List(inner) => prop::collection::vec(values(inner), 0..4).prop_map(Value::List).boxed(),
        Type::Map(key_ty, value_ty) => {
            let (key_ty, entries) = (key_ty.clone(), prop::collection::vec((values(key_ty), values(value_ty)), 0..4));
            entries.prop_map(move |entries| sorted(&key_ty, entries)).boxed()
        }
        Type::Struct(ty) => fields(&ty.fields).prop_map(Value::Struct).boxed(),
        Type::Enum(ty) => {
            let variants = ty.variants.iter().enumerate().map(|(tag, variant)| {
                fields(&variant.fields).prop_map(move |fields| Value::Enum(tag as u8, fields)).boxed()
            });
            prop::strategy::Union::new(variants).boxed()
        }
    }
}

fn fields(fields: &[Field]) -> BoxedStrategy<Vec<Value>> {
    fields.iter().map(|field| values(&field.ty)).collect::<Vec<_>>().boxed()
}

fn sorted(key_ty: &Type, mut entries: Vec<(Value, Value)>) -> Value {
    entries.sort_by_key(|(key, _)| json::key_of(key_ty, key));
    entries.dedup_by_key(|(key, _)| json::key_of(key_ty, key));
    Value::Map(entries)
}

fn typed_values(count: usize) -> impl Strategy<Value = (Type, Vec<Value>)> {
    types().prop_flat_map(move |ty| {
        let values = prop::collection::vec(values(&ty), count);
        (Just(ty), values)
    })
}

fn encoded(ty: &Type, value: &Value) -> Vec<u8> {
    codec::encode_all([ty], std::slice::from_ref(value))
}

/// As a row of one column.
fn canonical(ty: &Type, bytes: &[u8]) -> Result<RowBytes, DecodeError> {
    RowLayout::new(vec![ty.clone()]).canonical(bytes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn bytes_and_back((ty, values) in typed_values(1)) {
        let bytes = encoded(&ty, &values[0]);
        let back = codec::decode_all([&ty], &bytes).unwrap();
        prop_assert_eq!(encoded(&ty, &back[0]), bytes.clone());
        prop_assert_eq!(&*canonical(&ty, &bytes).unwrap(), &bytes[..]);
        prop_assert!(bytes.len() >= ty.min_size());
        prop_assert!(ty.fixed_size().is_none_or(|size| size == bytes.len()));
    }

    #[test]
    fn json_and_back((ty, values) in typed_values(1)) {
        let text = json::to_json(&ty, &values[0]).to_string();
        let back = json::from_json(&ty, &serde_json::from_str(&text).unwrap()).unwrap();
        prop_assert_eq!(encoded(&ty, &back), encoded(&ty, &values[0]), "{}", text);
    }

    #[test]
    fn keys_order_as_values_do((ty, values) in typed_values(2)) {
        let key = |value| Key::new(&json::key_of(&ty, value));
        prop_assert_eq!(key(&values[0]).cmp(&key(&values[1])), oracle::compare(&values[0], &values[1]));
    }

    #[test]
    fn no_key_is_a_prefix_of_another((ty, values) in typed_values(2)) {
        let (a, b) = (json::key_of(&ty, &values[0]), json::key_of(&ty, &values[1]));
        prop_assert!(a == b || !b.starts_with(&a));
        if let Some(after) = key::after_prefix(&a) {
            prop_assert_eq!(Key::new(&b) < after, b <= a);
        }
    }

    #[test]
    fn a_key_says_what_value_it_is_of((ty, values) in typed_values(1), cut in any::<prop::sample::Index>()) {
        let key = json::key_of(&ty, &values[0]);
        let (mut reader, mut bytes) = (Reader::new(&key), Vec::new());
        key::decode(&ty, &mut reader, &mut bytes).unwrap();
        prop_assert_eq!((reader.left(), &bytes), (0, &encoded(&ty, &values[0])));
        // What is cut is none.
        let cut = cut.index(key.len().max(1));
        prop_assert!(key.is_empty() || key::decode(&ty, &mut Reader::new(&key[..cut]), &mut Vec::new()).is_err());
    }

    #[test]
    fn damaged_bytes_are_refused_or_canonical(
        (ty, values) in typed_values(1),
        at in any::<prop::sample::Index>(),
        with in any::<u8>(),
    ) {
        let mut bytes = encoded(&ty, &values[0]);
        let at = at.index(bytes.len().max(1));
        if let Some(byte) = bytes.get_mut(at) { *byte = with }
        if let Ok(bytes) = canonical(&ty, &bytes) {
            let back = codec::decode_all([&ty], &bytes).unwrap();
            prop_assert_eq!(&encoded(&ty, &back[0])[..], &*bytes);
        }
    }

    #[test]
    fn any_bytes_are_refused_or_canonical(ty in types(), bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(bytes) = canonical(&ty, &bytes) {
            let back = codec::decode_all([&ty], &bytes).unwrap();
            prop_assert_eq!(&encoded(&ty, &back[0])[..], &*bytes);
        }
    }

    #[test]
    fn a_layout_finds_every_column(row in prop::collection::vec(typed_values(1), 1..5)) {
        let types: Vec<_> = row.iter().map(|(ty, _)| ty.clone()).collect();
        let columns: Vec<_> = row.iter().map(|(ty, values)| encoded(ty, &values[0])).collect();
        let bytes = columns.concat();
        let layout = RowLayout::new(types.clone());
        prop_assert_eq!(&layout.canonical(&bytes).unwrap()[..], &bytes[..]);
        for (number, column) in columns.iter().enumerate() {
            prop_assert_eq!(layout.column(&bytes, number), &column[..]);
        }
        let numbers: Vec<u16> = (0..types.len() as u16).collect();
        let mut whole = Vec::new();
        layout.encode_key(&bytes, &numbers, &mut whole);
        let (looked_up, covered) = layout.lookup_key(&bytes, &numbers, &mut Vec::new()).unwrap();
        prop_assert_eq!((looked_up.as_bytes(), covered), (&whole[..], types.len()));
    }
}

#[test]
fn a_length_that_lies_allocates_nothing() {
    let huge = u32::MAX.to_le_bytes();
    for ty in
        [Type::String, Type::Bytes, Type::List(Box::new(Type::U64)), Type::Map(Box::new(Type::U8), Box::new(Type::U8))]
    {
        assert!(codec::decode(&ty, &mut Reader::new(&huge)).is_err(), "{ty}");
        assert!(canonical(&ty, &huge).is_err(), "{ty}");
    }
}

#[test]
fn odd_nans_become_the_one_nan() {
    let row = [
        f32::from_bits(0xffc0_1234).to_le_bytes().to_vec(),
        f64::from_bits(0x7ff0_0000_0000_0001).to_le_bytes().to_vec(),
    ]
    .concat();
    let row = RowLayout::new(vec![Type::F32, Type::F64]).canonical(&row).unwrap();
    assert_eq!(row[..4], codec::CANONICAL_NAN_F32.to_le_bytes());
    assert_eq!(row[4..], codec::CANONICAL_NAN_F64.to_le_bytes());
}

#[test]
fn every_nan_is_the_same_key() {
    let key = |ty: &Type, bytes: &[u8]| {
        let mut key = Vec::new();
        interstice_types::key::encode(ty, &mut Reader::new(bytes), &mut key).unwrap();
        key
    };
    let narrow = [0x7fc0_0000_u32, 0xffc0_1234, 0x7f80_0001].map(|bits| key(&Type::F32, &bits.to_le_bytes()));
    let wide = [0x7ff8_u64 << 48, 0xfff8_0000_0000_0001, 0x7ff0_0000_0000_0001];
    let wide = wide.map(|bits| key(&Type::F64, &bits.to_le_bytes()));
    assert!(narrow.iter().all(|other| *other == narrow[0]) && wide.iter().all(|other| *other == wide[0]));
    assert!(narrow[0] > key(&Type::F32, &f32::INFINITY.to_le_bytes()), "it is above everything");
    assert!(wide[0] > key(&Type::F64, &f64::INFINITY.to_le_bytes()));
}

#[test]
fn json_errors_lead_to_the_place() {
    let fields = vec![field("url", Type::String), field("width", Type::U32)];
    let ty = Type::List(Box::new(Type::Struct(StructType { name: "Image".to_owned(), fields })));
    let error = |text: &str| json::from_json(&ty, &serde_json::from_str(text).unwrap()).unwrap_err().to_string();
    assert_eq!(error(r#"[{"url": "x", "width": "wide"}]"#), r#"at `[0].width`: expected u32, got "wide""#);
    assert_eq!(error(r#"[{"url": "x"}]"#), "at `[0].width`: expected u32, got nothing");
    assert_eq!(
        error(r#"[{"url": "x", "width": 1, "depth": 1}]"#),
        "at `[0].depth`: expected `url`, `width`, got an unknown name"
    );
    let said = |ty: Type, text: &str| json::from_json(&ty, &serde_json::json!(text)).map_err(|error| error.to_string());
    let in_words = "expected timestamp (as `2026-01-31T12:00:00Z` or in microseconds since 1970), got \"soon\"";
    assert_eq!(said(Type::Timestamp, "soon"), Err(in_words.to_owned()));
    assert!(said(Type::Bytes, "*").unwrap_err().starts_with("expected bytes (base64), got "));
    assert_eq!(said(Type::Duration, "90s"), Ok(Value::Duration(Duration(90_000_000))));
    assert_eq!(said(Type::Duration, "-5"), Ok(Value::Duration(Duration(-5))));
    assert!(said(Type::Duration, "a while").unwrap_err().contains("as `90s` or in microseconds"));
    let parameters = [field("room", Type::String)];
    let error = json::arguments_from_json(&parameters, &serde_json::json!([1, 2])).unwrap_err().to_string();
    assert_eq!(error, "expected 1 argument (room: string), got 2");
}
