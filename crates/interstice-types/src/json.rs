//! JSON for every type, in both directions.
//!
//! 64-bit integers and wider are strings (numbers are accepted on input), bytes are padded base64, timestamps are RFC 3339
//! with microseconds, a unit variant is its name and any other `{"tag": …, "value": …}`, `None` is `null`, floats that are
//! not finite are strings, a map with string keys is an object and any other a list of pairs.

use crate::codec::{self, DecodeError};
use crate::id::{Identity, Uuid};
use crate::key;
use crate::time::{Duration, Timestamp};
use crate::ty::{EnumType, Field, Shape, Type, Variant};
use crate::value::Value;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value as Json, json};

/// Why JSON is not a value of a type: `path` leads to the place, as in `[0].body.url`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}expected {expected}, got {found}", if path.is_empty() { String::new() } else { format!("at `{path}`: ") })]
pub struct JsonError {
    /// Leads to the place; empty for the whole.
    pub path: String,
    /// The type or the names that would do.
    pub expected: String,
    /// What stands there.
    pub found: String,
}

impl JsonError {
    fn new(expected: impl ToString, found: &Json) -> Self {
        Self { path: String::new(), expected: expected.to_string(), found: describe(found) }
    }

    fn within(mut self, step: &str) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{step}{dot}{}", self.path);
        self
    }
}

/// `value` of type `ty` as JSON.
///
/// # Panics
/// If the value is not of the type.
pub fn to_json(ty: &Type, value: &Value) -> Json {
    match (ty, value) {
        (_, Value::Unit) => Json::Null,
        (_, Value::Bool(v)) => json!(v),
        (_, Value::U8(v)) => json!(v),
        (_, Value::U16(v)) => json!(v),
        (_, Value::U32(v)) => json!(v),
        (_, Value::I8(v)) => json!(v),
        (_, Value::I16(v)) => json!(v),
        (_, Value::I32(v)) => json!(v),
        (_, Value::U64(v)) => json!(v.to_string()),
        (_, Value::U128(v)) => json!(v.to_string()),
        (_, Value::I64(v)) => json!(v.to_string()),
        (_, Value::I128(v)) => json!(v.to_string()),
        (_, Value::F32(v)) => float_to_json(f64::from(*v), || v.to_string()),
        (_, Value::F64(v)) => float_to_json(*v, || v.to_string()),
        (_, Value::String(v)) => json!(v),
        (_, Value::Bytes(v)) => json!(BASE64.encode(v)),
        (_, Value::Timestamp(v)) => json!(v.to_string()),
        (_, Value::Duration(v)) => json!(v.0.to_string()),
        (_, Value::Uuid(v)) => json!(v.to_string()),
        (_, Value::Identity(v)) => json!(v.to_string()),
        (_, Value::Option(None)) => Json::Null,
        (Type::Option(inner), Value::Option(Some(v))) => to_json(inner, v),
        (Type::List(inner), Value::List(items)) => items.iter().map(|item| to_json(inner, item)).collect(),
        (Type::Map(key_ty, value_ty), Value::Map(entries)) => map_to_json(key_ty, value_ty, entries),
        (Type::Struct(ty), Value::Struct(values)) => fields_to_json(&ty.fields, values),
        (Type::Enum(ty), Value::Enum(tag, values)) => variant_to_json(&ty.variants[usize::from(*tag)], values),
        (ty, value) => panic!("invariant: {value:?} is not a {ty}"),
    }
}

/// `value` of type `ty` for people: JSON, but that integers are digits whatever their size.
pub fn to_text(ty: &Type, value: &Value) -> String {
    match to_json(ty, value) {
        Json::String(digits) if matches!(ty, Type::U64 | Type::I64 | Type::U128 | Type::I128) => digits,
        other => other.to_string(),
    }
}

fn float_to_json(value: f64, text: impl Fn() -> String) -> Json {
    serde_json::Number::from_f64(value).map_or_else(|| json!(text()), Json::Number)
}

fn map_to_json(key_ty: &Type, value_ty: &Type, entries: &[(Value, Value)]) -> Json {
    if *key_ty == Type::String {
        let mut object = Map::new();
        for (key, value) in entries {
            let Value::String(key) = key else { panic!("invariant: keys are of the key type") };
            object.insert(key.clone(), to_json(value_ty, value));
        }
        return Json::Object(object);
    }
    entries.iter().map(|(key, value)| json!([to_json(key_ty, key), to_json(value_ty, value)])).collect()
}

/// `values` of the types of `fields` as an object.
///
/// # Panics
/// If a value is not of its type.
pub fn fields_to_json(fields: &[Field], values: &[Value]) -> Json {
    Json::Object(
        fields.iter().zip(values).map(|(field, value)| (field.name.clone(), to_json(&field.ty, value))).collect(),
    )
}

/// The same in words: `(name=value, …)`, in the order of the fields.
///
/// # Panics
/// If a value is not of its type.
pub fn fields_to_text(fields: &[Field], values: &[Value]) -> String {
    let told = fields.iter().zip(values).map(|(field, value)| format!("{}={}", field.name, to_text(&field.ty, value)));
    format!("({})", told.collect::<Vec<_>>().join(", "))
}

fn variant_to_json(variant: &Variant, values: &[Value]) -> Json {
    let value = match (variant.shape, variant.fields.as_slice()) {
        (Shape::Unit, _) => return json!(variant.name),
        (Shape::Tuple, [field]) => to_json(&field.ty, &values[0]),
        (Shape::Tuple, fields) => fields.iter().zip(values).map(|(field, value)| to_json(&field.ty, value)).collect(),
        (Shape::Struct, fields) => fields_to_json(fields, values),
    };
    json!({"tag": variant.name, "value": value})
}

/// `json` as a value of type `ty`.
///
/// # Errors
/// Where and why it is not one.
pub fn from_json(ty: &Type, json: &Json) -> Result<Value, JsonError> {
    let wrong = || JsonError::new(in_words(ty), json);
    Ok(match ty {
        Type::Unit => json.is_null().then_some(Value::Unit).ok_or_else(wrong)?,
        Type::Bool => Value::Bool(json.as_bool().ok_or_else(wrong)?),
        Type::U8 => Value::U8(integer(json).ok_or_else(wrong)?),
        Type::U16 => Value::U16(integer(json).ok_or_else(wrong)?),
        Type::U32 => Value::U32(integer(json).ok_or_else(wrong)?),
        Type::U64 => Value::U64(integer(json).ok_or_else(wrong)?),
        Type::U128 => Value::U128(integer(json).ok_or_else(wrong)?),
        Type::I8 => Value::I8(integer(json).ok_or_else(wrong)?),
        Type::I16 => Value::I16(integer(json).ok_or_else(wrong)?),
        Type::I32 => Value::I32(integer(json).ok_or_else(wrong)?),
        Type::I64 => Value::I64(integer(json).ok_or_else(wrong)?),
        Type::I128 => Value::I128(integer(json).ok_or_else(wrong)?),
        Type::F32 => Value::F32(float(json).ok_or_else(wrong)? as f32),
        Type::F64 => Value::F64(float(json).ok_or_else(wrong)?),
        Type::String => Value::String(json.as_str().ok_or_else(wrong)?.to_owned()),
        Type::Bytes => Value::Bytes(json.as_str().and_then(|text| BASE64.decode(text).ok()).ok_or_else(wrong)?),
        Type::Timestamp => Value::Timestamp(timestamp(json).ok_or_else(wrong)?),
        Type::Duration => Value::Duration(duration(json).ok_or_else(wrong)?),
        Type::Uuid => Value::Uuid(json.as_str().and_then(Uuid::parse).ok_or_else(wrong)?),
        Type::Identity => Value::Identity(json.as_str().and_then(Identity::from_hex).ok_or_else(wrong)?),
        Type::Option(_) if json.is_null() => Value::Option(None),
        Type::Option(inner) => Value::Option(Some(Box::new(from_json(inner, json)?))),
        Type::List(inner) => Value::List(list_from_json(inner, json.as_array().ok_or_else(wrong)?)?),
        Type::Map(key_ty, value_ty) => map_from_json(key_ty, value_ty, json)?,
        Type::Struct(ty) => Value::Struct(fields_from_json(&ty.fields, json)?),
        Type::Enum(ty) => variant_from_json(ty, json)?,
    })
}

/// A type, and the text that it is written as where the type alone does not say so.
fn in_words(ty: &Type) -> String {
    let form = match ty {
        Type::Bytes => "base64",
        Type::Timestamp => "as `2026-01-31T12:00:00Z` or in microseconds since 1970",
        Type::Duration => "as `90s` or in microseconds",
        Type::Uuid => "as `67e55044-10b1-426f-9247-bb680e5fe0c8`",
        Type::Identity => "64 hex digits",
        ty => return ty.to_string(),
    };
    format!("{ty} ({form})")
}

/// The encoded values of `fields`, one after the other, as an object by name: a row, or arguments.
///
/// # Errors
/// If the bytes are not such values.
pub fn record_to_json(fields: &[Field], bytes: &[u8]) -> Result<Json, DecodeError> {
    let values = codec::decode_all(fields.iter().map(|field| &field.ty), bytes)?;
    Ok(fields_to_json(fields, &values))
}

/// The encoded value of `ty` as JSON.
///
/// # Errors
/// If the bytes are not such a value.
pub fn value_to_json(ty: &Type, bytes: &[u8]) -> Result<Json, DecodeError> {
    let values = codec::decode_all([ty], bytes)?;
    Ok(values.iter().map(|value| to_json(ty, value)).next().unwrap_or_default())
}

/// The arguments `json` of a function with these parameters: an array in order, or an object by name.
///
/// # Errors
/// Where and why they do not fit.
pub fn arguments_from_json(parameters: &[Field], json: &Json) -> Result<Vec<Value>, JsonError> {
    let Json::Array(items) = json else { return fields_from_json(parameters, json) };
    if items.len() != parameters.len() {
        let expected = format!("{} argument{}", parameters.len(), if parameters.len() == 1 { "" } else { "s" });
        let names: Vec<String> = parameters.iter().map(|p| format!("{}: {}", p.name, p.ty)).collect();
        let expected = if names.is_empty() { expected } else { format!("{expected} ({})", names.join(", ")) };
        return Err(JsonError { path: String::new(), expected, found: items.len().to_string() });
    }
    let pairs = parameters.iter().zip(items);
    pairs.map(|(p, item)| from_json(&p.ty, item).map_err(|error| error.within(&p.name))).collect()
}

fn integer<T: std::str::FromStr>(json: &Json) -> Option<T> {
    match json {
        Json::Number(number) => number.to_string().parse().ok(),
        Json::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn float(json: &Json) -> Option<f64> {
    match json {
        Json::Number(number) => number.as_f64(),
        Json::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "inf" => Some(f64::INFINITY),
            "-inf" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}

fn timestamp(json: &Json) -> Option<Timestamp> {
    let text = json.as_str()?;
    Timestamp::parse(text).or_else(|| text.parse().ok().map(Timestamp))
}

fn duration(json: &Json) -> Option<Duration> {
    integer(json).map(Duration).or_else(|| json.as_str().and_then(Duration::parse))
}

fn list_from_json(inner: &Type, items: &[Json]) -> Result<Vec<Value>, JsonError> {
    let items = items.iter().enumerate();
    items.map(|(i, item)| from_json(inner, item).map_err(|error| error.within(&format!("[{i}]")))).collect()
}

fn map_from_json(key_ty: &Type, value_ty: &Type, json: &Json) -> Result<Value, JsonError> {
    let mut entries = Vec::new();
    match json {
        Json::Object(object) if *key_ty == Type::String => {
            for (key, value) in object {
                let value = from_json(value_ty, value).map_err(|error| error.within(key))?;
                entries.push((Value::String(key.clone()), value));
            }
        }
        Json::Array(pairs) => {
            for (i, pair) in pairs.iter().enumerate() {
                let step = format!("[{i}]");
                let [key, value] = pair.as_array().map_or(&[][..], Vec::as_slice) else {
                    return Err(JsonError::new("a pair [key, value]", pair).within(&step));
                };
                let key = from_json(key_ty, key).map_err(|error| error.within(&step))?;
                entries.push((key, from_json(value_ty, value).map_err(|error| error.within(&step))?));
            }
        }
        other => return Err(JsonError::new(format!("map<{key_ty}, {value_ty}>"), other)),
    }
    sorted_map(key_ty, entries).ok_or_else(|| JsonError::new("each key once", json))
}

fn sorted_map(key_ty: &Type, entries: Vec<(Value, Value)>) -> Option<Value> {
    let mut keyed: Vec<_> = entries.into_iter().map(|entry| (key_of(key_ty, &entry.0), entry)).collect();
    keyed.sort_by(|(a, _), (b, _)| a.cmp(b));
    let unique = keyed.windows(2).all(|pair| pair[0].0 != pair[1].0);
    unique.then(|| Value::Map(keyed.into_iter().map(|(_, entry)| entry).collect()))
}

/// The key bytes of one value.
pub fn key_of(ty: &Type, value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    codec::encode(ty, value, &mut bytes);
    let mut out = Vec::new();
    key::encode(ty, &mut codec::Reader::new(&bytes), &mut out).expect("invariant: just encoded");
    out
}

fn fields_from_json(fields: &[Field], json: &Json) -> Result<Vec<Value>, JsonError> {
    let names = || fields.iter().map(|field| format!("`{}`", field.name)).collect::<Vec<_>>().join(", ");
    let object = json.as_object().ok_or_else(|| JsonError::new(format!("an object with {}", names()), json))?;
    if let Some(unknown) = object.keys().find(|key| fields.iter().all(|field| field.name != **key)) {
        return Err(JsonError { path: unknown.clone(), expected: names(), found: "an unknown name".to_owned() });
    }
    let read = |field: &Field| {
        let value = match object.get(&field.name) {
            None if !matches!(field.ty, Type::Option(_)) => {
                Err(JsonError { path: String::new(), expected: field.ty.to_string(), found: "nothing".to_owned() })
            }
            value => from_json(&field.ty, value.unwrap_or(&Json::Null)),
        };
        value.map_err(|error| error.within(&field.name))
    };
    fields.iter().map(read).collect()
}

fn variant_from_json(ty: &EnumType, json: &Json) -> Result<Value, JsonError> {
    let names = || ty.variants.iter().map(|v| format!("`{}`", v.name)).collect::<Vec<_>>().join(", ");
    let tag = json.as_str().or_else(|| json.get("tag").and_then(Json::as_str));
    let found = tag.and_then(|tag| ty.variants.iter().position(|variant| variant.name == tag));
    let Some(index) = found else { return Err(JsonError::new(format!("one of {}", names()), json)) };
    let variant = &ty.variants[index];
    let value = json.get("value").unwrap_or(&Json::Null);
    let fields = match (variant.shape, variant.fields.as_slice()) {
        (Shape::Unit, _) => Ok(Vec::new()),
        (Shape::Tuple, [field]) => from_json(&field.ty, value).map(|value| vec![value]),
        (Shape::Tuple, fields) if value.is_array() => arguments_from_json(fields, value),
        (Shape::Tuple, fields) => Err(JsonError::new(format!("a list of {}", fields.len()), value)),
        (Shape::Struct, fields) => fields_from_json(fields, value),
    };
    Ok(Value::Enum(index as u8, fields.map_err(|error| error.within(&variant.name))?))
}

fn describe(json: &Json) -> String {
    /// Longest piece of what was found that an error repeats.
    const MAX_SHOWN: usize = 60;
    let text = json.to_string();
    if text.chars().count() > MAX_SHOWN {
        return format!("{}…", text.chars().take(MAX_SHOWN).collect::<String>());
    }
    text
}
