//! A schema as JSON, and nothing else: a writer that knows neither floats nor maps with other keys than text.
//!
//! A general JSON library would work too, but its tables of powers of ten would be static data of every module, and static
//! data is copied back after each call. The bytes are those of [`Schema::to_canonical_json`].
//!
//! [`Schema::to_canonical_json`]: interstice_types::schema::Schema::to_canonical_json

use serde::ser::{self, Serialize, Serializer};
use std::fmt::{self, Display, Write};

/// The JSON of a schema, or of a part of one.
pub(crate) fn to_json(value: &impl Serialize) -> String {
    let mut json = Json { out: String::new() };
    value.serialize(&mut json).expect("invariant: a schema has a JSON form");
    json.out
}

struct Json {
    out: String,
}

/// A schema holds something that has no place in one.
#[derive(Debug)]
struct NotInSchemas;

impl Display for NotInSchemas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not in schemas")
    }
}

impl std::error::Error for NotInSchemas {}

impl ser::Error for NotInSchemas {
    fn custom<T: Display>(_: T) -> Self {
        Self
    }
}

type Done = Result<(), NotInSchemas>;

impl Json {
    fn text(&mut self, text: &str) {
        self.out.push('"');
        for letter in text.chars() {
            match letter {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\u{8}' => self.out.push_str("\\b"),
                '\u{c}' => self.out.push_str("\\f"),
                control if control < ' ' => self.hex(control as u8),
                other => self.out.push(other),
            }
        }
        self.out.push('"');
    }

    fn hex(&mut self, byte: u8) {
        self.out.push_str("\\u00");
        for digit in [byte >> 4, byte & 15] {
            self.out.push(char::from_digit(u32::from(digit), 16).expect("invariant: four bits are a digit"));
        }
    }

    fn number(&mut self, number: impl Display) -> Done {
        write!(self.out, "{number}").map_err(|_| NotInSchemas)
    }
}

/// A list or an object of which some parts are written.
struct Parts<'j> {
    json: &'j mut Json,
    first: bool,
    end: &'static str,
}

impl<'j> Parts<'j> {
    fn begin(json: &'j mut Json, begin: &str, end: &'static str) -> Self {
        json.out.push_str(begin);
        Self { json, first: true, end }
    }

    fn comma(&mut self) {
        if !std::mem::take(&mut self.first) {
            self.json.out.push(',');
        }
    }

    fn item(&mut self, value: &(impl Serialize + ?Sized)) -> Done {
        self.comma();
        value.serialize(&mut *self.json)
    }

    fn named(&mut self, name: &'static str, value: &(impl Serialize + ?Sized)) -> Done {
        self.comma();
        self.json.text(name);
        self.json.out.push(':');
        value.serialize(&mut *self.json)
    }

    fn finish(self) {
        self.json.out.push_str(self.end);
    }
}

macro_rules! numbers {
    ($($method:ident($ty:ty))*) => {$(
        fn $method(self, value: $ty) -> Done {
            self.number(value)
        }
    )*};
}

macro_rules! never {
    ($($method:ident($($arg:ty),*) -> $ok:ty;)*) => {$(
        fn $method(self, $(_: $arg),*) -> Result<$ok, NotInSchemas> {
            Err(NotInSchemas)
        }
    )*};
}

impl<'j> Serializer for &'j mut Json {
    type Ok = ();
    type Error = NotInSchemas;
    type SerializeSeq = Parts<'j>;
    type SerializeTuple = Parts<'j>;
    type SerializeTupleStruct = Parts<'j>;
    type SerializeTupleVariant = Parts<'j>;
    type SerializeMap = Parts<'j>;
    type SerializeStruct = Parts<'j>;
    type SerializeStructVariant = Parts<'j>;

    numbers! {
        serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64)
        serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64)
    }

    never! {
        serialize_f32(f32) -> ();
        serialize_f64(f64) -> ();
        serialize_char(char) -> ();
        serialize_bytes(&[u8]) -> ();
        serialize_unit_struct(&'static str) -> ();
    }

    fn serialize_bool(self, value: bool) -> Done {
        self.out.push_str(if value { "true" } else { "false" });
        Ok(())
    }

    fn serialize_str(self, text: &str) -> Done {
        self.text(text);
        Ok(())
    }

    fn serialize_none(self) -> Done {
        self.serialize_unit()
    }

    fn serialize_unit(self) -> Done {
        self.out.push_str("null");
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Done {
        value.serialize(self)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Done {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Done {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Done {
        let mut object = Parts::begin(self, "{", "}");
        object.named(variant, value)?;
        object.finish();
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Parts<'j>, NotInSchemas> {
        Ok(Parts::begin(self, "[", "]"))
    }

    fn serialize_tuple(self, _: usize) -> Result<Parts<'j>, NotInSchemas> {
        Ok(Parts::begin(self, "[", "]"))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Parts<'j>, NotInSchemas> {
        Ok(Parts::begin(self, "[", "]"))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Parts<'j>, NotInSchemas> {
        self.out.push('{');
        self.text(variant);
        Ok(Parts::begin(self, ":[", "]}"))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Parts<'j>, NotInSchemas> {
        Ok(Parts::begin(self, "{", "}"))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Parts<'j>, NotInSchemas> {
        Ok(Parts::begin(self, "{", "}"))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Parts<'j>, NotInSchemas> {
        self.out.push('{');
        self.text(variant);
        Ok(Parts::begin(self, ":{", "}}"))
    }
}

macro_rules! lists {
    ($($name:ident::$method:ident)*) => {$(
        impl ser::$name for Parts<'_> {
            type Ok = ();
            type Error = NotInSchemas;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
                self.item(value)
            }

            fn end(self) -> Done {
                self.finish();
                Ok(())
            }
        }
    )*};
}

lists! {
    SerializeSeq::serialize_element SerializeTuple::serialize_element
    SerializeTupleStruct::serialize_field SerializeTupleVariant::serialize_field
}

macro_rules! objects {
    ($($name:ident)*) => {$(
        impl ser::$name for Parts<'_> {
            type Ok = ();
            type Error = NotInSchemas;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Done {
                self.named(name, value)
            }

            fn end(self) -> Done {
                self.finish();
                Ok(())
            }
        }
    )*};
}

objects! { SerializeStruct SerializeStructVariant }

impl ser::SerializeMap for Parts<'_> {
    type Ok = ();
    type Error = NotInSchemas;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Done {
        self.item(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        self.json.out.push(':');
        value.serialize(&mut *self.json)
    }

    fn end(self) -> Done {
        self.finish();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::to_json;
    use interstice_types::filter::{Comparison, Filter, Operand, Operator, Place, Step};
    use interstice_types::schema::{
        ChangeKind, CheckSchema, ColumnSchema, Durability, FunctionKind, FunctionSchema, HandleSchema, Import,
        ImportedName, IndexSchema, OnDelete, ReferenceSchema, Schema, TableAccess, TableRef, TableSchema,
    };
    use interstice_types::ty::{EnumType, Field, Shape, StructType, Type, Variant};
    use interstice_types::value::Value;

    fn everything() -> Schema {
        let field = |name: &str, ty| Field { name: name.to_owned(), ty };
        let variant = |name: &str, shape, message: Option<&str>| Variant {
            name: name.to_owned(),
            shape,
            fields: vec![field("0", Type::Map(Box::new(Type::String), Box::new(Type::F64)))],
            message: message.map(str::to_owned),
        };
        let variants = vec![variant("A", Shape::Unit, None), variant("B", Shape::Tuple, Some("no {0}"))];
        let sum = Type::Enum(EnumType { name: "E".to_owned(), variants });
        let row = Type::Struct(StructType { name: "S".to_owned(), fields: vec![field("x", sum)] });
        let ty = Type::Option(Box::new(Type::List(Box::new(row))));
        let doc = "every kind of letter: \"\\\n\r\t\u{8}\u{c}\u{1}\u{1f}\u{7f} é → 🦀".to_owned();
        let table = TableRef { module: Some("other".to_owned()), table: "t".to_owned() };
        let column = ColumnSchema {
            name: "id".to_owned(),
            renamed_from: Some("key".to_owned()),
            doc: doc.clone(),
            ty: ty.clone(),
            auto_inc: true,
            default: Some("00ff".to_owned()),
        };
        let name = ImportedName { name: "n".to_owned(), signature: "0123456789abcdef".to_owned() };
        Schema {
            module: "m".to_owned(),
            version: "1.2.3".to_owned(),
            tables: vec![TableSchema {
                name: "t".to_owned(),
                renamed_from: Some("s".to_owned()),
                doc: doc.clone(),
                public: true,
                durability: Durability::Ephemeral,
                columns: vec![column],
                primary_key: vec![0, 65_535],
                indexes: vec![IndexSchema { name: "i".to_owned(), columns: vec![1], unique: true }],
                references: vec![ReferenceSchema {
                    name: "r".to_owned(),
                    columns: vec![0],
                    table: "u".to_owned(),
                    on_delete: OnDelete::SetNull,
                }],
                checks: vec![CheckSchema { expression: "a \"b\"".to_owned(), filter: filter() }],
            }],
            functions: vec![FunctionSchema {
                name: "f".to_owned(),
                doc,
                kind: FunctionKind::Event { on: ChangeKind::Update, table: table.clone() },
                handles: vec![HandleSchema { table, access: TableAccess::Write, former: true }],
                args: vec![field("a", Type::Unit)],
                returns: ty.clone(),
                error: Some(ty),
            }],
            imports: vec![Import { module: "other".to_owned(), functions: vec![name.clone()], tables: vec![name] }],
        }
    }

    /// With every condition, operand and step.
    fn filter() -> Filter {
        let place =
            Place::column(1).then(Step::Field(2)).then(Step::Inside).then(Step::Variant(3, 4)).then(Step::Length);
        let with = Operand::Place(Place::column(0));
        let compare = Filter::Compare(Comparison { place: place.clone(), operator: Operator::Less, with });
        let value = Filter::compare(place.clone(), Operator::GreaterOrEqual, &Type::I16, &Value::I16(-2));
        let not = Filter::Not(Box::new(Filter::IsNull(place.clone())));
        Filter::Any(vec![Filter::All(vec![compare, value]), not, Filter::Is(place, 7)])
    }

    #[test]
    fn a_schema_with_everything_in_it_has_its_canonical_json() {
        let schema = everything();
        assert_eq!(to_json(&schema).into_bytes(), schema.to_canonical_json());
    }
}
