//! Rust types that a column, an argument or an answer may have, and their canonical bytes.
//!
//! Bytes that come from the host are canonical and of the right type: the host checked them. Reading therefore panics where
//! an untrusting reader would give an error.

use interstice_types::id::{Identity, ScheduleId, Uuid};
use interstice_types::time::{Duration, Timestamp};
use interstice_types::ty::Type;
use std::collections::BTreeMap;

/// A type that crosses the boundary between a module and its host. Derived by `#[datatype]` and `#[table]`.
///
/// ```
/// use interstice_sdk::datatype::{from_bytes, to_bytes};
/// use interstice_sdk::prelude::*;
///
/// #[datatype]
/// #[derive(Debug, PartialEq)]
/// struct Point {
///     x: u16,
///     y: Option<u8>,
/// }
///
/// # fn main() {
/// assert_eq!(Point::ty().to_string(), "struct Point");
/// assert_eq!(Vec::<Point>::ty().to_string(), "list<struct Point>");
/// let bytes = to_bytes(&Point { x: 258, y: Some(7) });
/// assert_eq!(bytes, [2, 1, 1, 7]);
/// assert_eq!(from_bytes::<Point>(&bytes), Point { x: 258, y: Some(7) });
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a type of a column, an argument or an answer",
    label = "not a datatype",
    note = "put `#[datatype]` on a struct or enum of yours; use `i64` or `u64` for `usize`, `BTreeMap` for `HashMap`, `String` for `&str`"
)]
pub trait Datatype: Sized {
    /// Whether it is an `Option`, which no other `Option` may hold.
    const IS_OPTION: bool = false;

    /// Its type in a schema.
    fn ty() -> Type;

    /// Appends its canonical bytes.
    fn encode(&self, out: &mut Vec<u8>);

    /// Takes one value off the front of `input`.
    fn decode(input: &mut Input<'_>) -> Self;

    /// The type of a list of these.
    fn list_ty() -> Type {
        Type::List(Box::new(Self::ty()))
    }

    /// Appends the bytes of a list.
    fn encode_list(items: &[Self], out: &mut Vec<u8>) {
        encode_length(items.len(), out);
        items.iter().for_each(|item| item.encode(out));
    }

    /// Takes a list off the front of `input`.
    fn decode_list(input: &mut Input<'_>) -> Vec<Self> {
        let length = input.length();
        (0..length).map(|_| Self::decode(input)).collect()
    }
}

/// Canonical bytes, read from the front.
pub struct Input<'i> {
    bytes: &'i [u8],
}

impl<'i> Input<'i> {
    /// Of all of `bytes`.
    #[inline]
    pub fn new(bytes: &'i [u8]) -> Self {
        Self { bytes }
    }

    /// The next `count` bytes.
    #[inline]
    pub fn take(&mut self, count: usize) -> &'i [u8] {
        let (taken, rest) = self.bytes.split_at_checked(count).expect("the host gave a value that ends too early");
        self.bytes = rest;
        taken
    }

    /// The next `N` bytes.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        self.take(N).try_into().expect("invariant: the length was just asked for")
    }

    /// The next length or count.
    #[inline]
    pub fn length(&mut self) -> usize {
        u32::from_le_bytes(self.array()) as usize
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// Appends a length or count.
#[inline]
pub fn encode_length(length: usize, out: &mut Vec<u8>) {
    let length = u32::try_from(length).expect("a value has fewer than 2^32 elements");
    out.extend_from_slice(&length.to_le_bytes());
}

macro_rules! numbers {
    ($($rust:ty => $ty:ident),* $(,)?) => {$(
        impl Datatype for $rust {
            fn ty() -> Type {
                Type::$ty
            }

            #[inline]
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            #[inline]
            fn decode(input: &mut Input<'_>) -> Self {
                Self::from_le_bytes(input.array())
            }
        }
    )*};
}

numbers! {
    u16 => U16, u32 => U32, u64 => U64, u128 => U128,
    i8 => I8, i16 => I16, i32 => I32, i64 => I64, i128 => I128,
    f32 => F32, f64 => F64,
}

/// What costs more in a module than it has to.
#[cfg(target_arch = "wasm32")]
use crate::guest::{append, text_of};

#[cfg(not(target_arch = "wasm32"))]
fn append(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(bytes);
}

#[cfg(not(target_arch = "wasm32"))]
fn text_of(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("the host gave text that is not UTF-8")
}

impl Datatype for u8 {
    fn ty() -> Type {
        Type::U8
    }

    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(*self);
    }

    #[inline]
    fn decode(input: &mut Input<'_>) -> Self {
        input.array::<1>()[0]
    }

    fn list_ty() -> Type {
        Type::Bytes
    }

    fn encode_list(items: &[Self], out: &mut Vec<u8>) {
        encode_length(items.len(), out);
        append(items, out);
    }

    fn decode_list(input: &mut Input<'_>) -> Vec<Self> {
        let length = input.length();
        input.take(length).to_vec()
    }
}

impl Datatype for () {
    fn ty() -> Type {
        Type::Unit
    }

    #[inline]
    fn encode(&self, _: &mut Vec<u8>) {}

    #[inline]
    fn decode(_: &mut Input<'_>) -> Self {}
}

impl Datatype for bool {
    fn ty() -> Type {
        Type::Bool
    }

    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    #[inline]
    fn decode(input: &mut Input<'_>) -> Self {
        input.array() != [0]
    }
}

impl Datatype for String {
    fn ty() -> Type {
        Type::String
    }

    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        encode_str(self, out);
    }

    #[inline]
    fn decode(input: &mut Input<'_>) -> Self {
        let length = input.length();
        let mut text = Vec::with_capacity(length);
        append(input.take(length), &mut text);
        text_of(text)
    }
}

/// Appends the bytes of a string.
#[inline]
pub fn encode_str(text: &str, out: &mut Vec<u8>) {
    encode_length(text.len(), out);
    append(text.as_bytes(), out);
}

impl Datatype for Timestamp {
    fn ty() -> Type {
        Type::Timestamp
    }

    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }

    #[inline]
    fn decode(input: &mut Input<'_>) -> Self {
        Self(i64::decode(input))
    }
}

impl Datatype for Duration {
    fn ty() -> Type {
        Type::Duration
    }

    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }

    #[inline]
    fn decode(input: &mut Input<'_>) -> Self {
        Self(i64::decode(input))
    }
}

impl Datatype for Identity {
    fn ty() -> Type {
        Type::Identity
    }

    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    #[inline]
    fn decode(input: &mut Input<'_>) -> Self {
        Self(input.array())
    }
}

impl Datatype for Uuid {
    fn ty() -> Type {
        Type::Uuid
    }

    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    #[inline]
    fn decode(input: &mut Input<'_>) -> Self {
        Self(input.array())
    }
}

impl Datatype for ScheduleId {
    fn ty() -> Type {
        Type::U64
    }

    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }

    #[inline]
    fn decode(input: &mut Input<'_>) -> Self {
        Self(u64::decode(input))
    }
}

impl<T: Datatype> Datatype for Vec<T> {
    fn ty() -> Type {
        T::list_ty()
    }

    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        T::encode_list(self, out);
    }

    #[inline]
    fn decode(input: &mut Input<'_>) -> Self {
        T::decode_list(input)
    }
}

impl<T: Datatype> Datatype for Option<T> {
    const IS_OPTION: bool = true;

    fn ty() -> Type {
        const { assert!(!T::IS_OPTION, "an `Option` may not hold an `Option`: in JSON both are `null`") };
        Type::Option(Box::new(T::ty()))
    }

    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.is_some()));
        if let Some(value) = self {
            value.encode(out);
        }
    }

    #[inline]
    fn decode(input: &mut Input<'_>) -> Self {
        bool::decode(input).then(|| T::decode(input))
    }
}

impl<K: Datatype + Ord, V: Datatype> Datatype for BTreeMap<K, V> {
    fn ty() -> Type {
        Type::Map(Box::new(K::ty()), Box::new(V::ty()))
    }

    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        encode_length(self.len(), out);
        for (key, value) in self {
            key.encode(out);
            value.encode(out);
        }
    }

    #[inline]
    fn decode(input: &mut Input<'_>) -> Self {
        let length = input.length();
        (0..length).map(|_| (K::decode(input), V::decode(input))).collect()
    }
}

/// The bytes of one value.
pub fn to_bytes<T: Datatype>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    value.encode(&mut out);
    out
}

/// The value that these bytes are.
pub fn from_bytes<T: Datatype>(bytes: &[u8]) -> T {
    let mut input = Input::new(bytes);
    let value = T::decode(&mut input);
    assert!(input.is_empty(), "the host gave more than one value");
    value
}
