//! What a function's parameters and its answer mean: handles and arguments are told apart by their types.

use crate::datatype::{Datatype, Input};
use crate::table::{FormerTable, Insert, Read, Table, Write};
use interstice_types::schema::{FunctionKind, FunctionSchema, HandleSchema, TableAccess, TableRef, TableSchema};
use interstice_types::ty::{Field, Type};

/// A parameter of a function: a handle, or an argument.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a table handle nor an argument type",
    label = "not a parameter of a reducer or query",
    note = "handles are `Read<T>`, `Insert<T>` and `Write<T>`; arguments are owned values: `String`, not `&str`"
)]
pub trait Param: Sized {
    /// The types of the arguments from this parameter on, where `Rest` are those behind it: a handle adds none.
    type Before<Rest>;

    /// Adds what it declares to the function's schema.
    fn describe(name: &str, function: &mut FunctionBuilder);

    /// Takes it out of the call.
    fn take(params: &mut Params<'_>) -> Self;
}

/// A parameter of a query: one that does not write.
#[diagnostic::on_unimplemented(
    message = "a query only reads, and `{Self}` writes",
    label = "writes",
    note = "take `Read<T>`, or make the function a `#[reducer]`"
)]
pub trait QueryParam: Param {}

/// Compiles only for the parameters of a query.
#[doc(hidden)]
pub fn only_reads<P: QueryParam>() {}

/// What a reducer takes that runs by itself: handles alone.
#[diagnostic::on_unimplemented(
    message = "a reducer that runs by itself takes no arguments",
    label = "takes arguments",
    note = "there is nobody to give it any: take table handles only, and keep what it needs in a table"
)]
pub trait NoArguments {}

impl NoArguments for () {}

/// Compiles only without arguments.
#[doc(hidden)]
pub fn takes_no_arguments<A: NoArguments>() {}

/// What a reducer takes that is told of connections: nothing, or the connection's number.
#[diagnostic::on_unimplemented(
    message = "a reducer on `connect` or `disconnect` takes nothing, or the number of the connection",
    label = "takes something else",
    note = "take handles and at most one argument, `connection: u64`; `ctx.caller()` is whose connection it is"
)]
pub trait OfConnection {}

impl OfConnection for () {}
impl OfConnection for (u64, ()) {}

/// Compiles only for a reducer that may be told of connections.
#[doc(hidden)]
pub fn takes_a_connection<A: OfConnection>() {}

/// The parameters of a call, from the first to the last.
pub struct Params<'p> {
    next_handle: u32,
    args: Input<'p>,
}

impl<'p> Params<'p> {
    #[doc(hidden)]
    pub fn new(args: &'p [u8]) -> Self {
        Self { next_handle: 0, args: Input::new(args) }
    }

    fn handle(&mut self) -> u32 {
        let handle = self.next_handle;
        self.next_handle += 1;
        handle
    }
}

/// A function's schema while it is put together.
pub struct FunctionBuilder {
    schema: FunctionSchema,
}

impl FunctionBuilder {
    #[doc(hidden)]
    pub fn new(name: &str, doc: &str, kind: FunctionKind) -> Self {
        Self {
            schema: FunctionSchema {
                name: name.to_owned(),
                doc: doc.to_owned(),
                kind,
                handles: Vec::new(),
                args: Vec::new(),
                returns: Type::Unit,
                error: None,
            },
        }
    }

    #[doc(hidden)]
    pub fn returns<A: Answer>(mut self) -> FunctionSchema {
        self.schema.returns = A::returns();
        self.schema.error = A::error();
        self.schema
    }

    fn handle<T: Table>(&mut self, access: TableAccess) {
        self.schema.handles.push(HandleSchema { table: table_ref::<T>(), access, former: T::FORMER });
    }
}

/// Names a table in a schema.
#[doc(hidden)]
pub fn table_ref<T: Table>() -> TableRef {
    TableRef { module: T::MODULE.map(str::to_owned), table: T::NAME.to_owned() }
}

/// The name of the table that a migration makes rows of.
#[doc(hidden)]
pub fn migrated_table<T: Table>() -> String {
    T::NAME.to_owned()
}

/// The form of the rows that a migration finds.
#[doc(hidden)]
pub fn former_schema<T: FormerTable>() -> Box<TableSchema> {
    Box::new(T::schema())
}

impl<T: Datatype> Param for T {
    type Before<Rest> = (T, Rest);

    fn describe(name: &str, function: &mut FunctionBuilder) {
        function.schema.args.push(Field { name: name.to_owned(), ty: T::ty() });
    }

    fn take(params: &mut Params<'_>) -> Self {
        T::decode(&mut params.args)
    }
}

impl<T: Datatype> QueryParam for T {}

macro_rules! handles {
    ($($handle:ident)*) => {$(
        impl<T: Table> Param for $handle<T> {
            type Before<Rest> = Rest;

            fn describe(_: &str, function: &mut FunctionBuilder) {
                function.handle::<T>(TableAccess::$handle);
            }

            fn take(params: &mut Params<'_>) -> Self {
                $handle::new(params.handle())
            }
        }
    )*};
}

handles! { Read Insert Write }

impl<T: Table> QueryParam for Read<T> {}

/// What a function returns: an answer, or a `Result` of an answer and a typed error.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the answer of a reducer or query",
    label = "not an answer",
    note = "return a type that is a datatype, or `Result<T, E>` of two of them; put `#[datatype(error)]` on your error enum"
)]
pub trait Answer {
    /// The answer's type.
    fn returns() -> Type;

    /// The error's type, if there is one.
    fn error() -> Option<Type>;

    /// The bytes of either.
    ///
    /// # Errors
    /// The bytes of the typed error.
    fn give(self) -> Result<Vec<u8>, Vec<u8>>;
}

impl<T: Datatype> Answer for T {
    fn returns() -> Type {
        T::ty()
    }

    fn error() -> Option<Type> {
        None
    }

    fn give(self) -> Result<Vec<u8>, Vec<u8>> {
        Ok(crate::datatype::to_bytes(&self))
    }
}

impl<T: Datatype, E: Datatype> Answer for Result<T, E> {
    fn returns() -> Type {
        T::ty()
    }

    fn error() -> Option<Type> {
        Some(E::ty())
    }

    fn give(self) -> Result<Vec<u8>, Vec<u8>> {
        match self {
            Ok(answer) => Ok(crate::datatype::to_bytes(&answer)),
            Err(error) => Err(crate::datatype::to_bytes(&error)),
        }
    }
}

/// What a call of another module gives back.
#[doc(hidden)]
pub fn call<T: Datatype, E: Datatype>(import: &crate::registry::ImportEntry, args: &[u8]) -> Result<T, E> {
    let mut answer = Vec::new();
    match crate::host::call(import.number(), args, &mut answer) {
        crate::host::Status::Ok => Ok(crate::datatype::from_bytes(&answer)),
        crate::host::Status::Error => Err(crate::datatype::from_bytes(&answer)),
        crate::host::Status::Refused => crate::host::raise(),
    }
}

/// What a call of another module's function without an error of its own gives back.
#[doc(hidden)]
pub fn call_infallible<T: Datatype>(import: &crate::registry::ImportEntry, args: &[u8]) -> T {
    let Ok(answer) = call::<T, NoError>(import, args) else { crate::host::raise() };
    answer
}

/// The error of a function that has none.
struct NoError;

impl Datatype for NoError {
    fn ty() -> Type {
        Type::Unit
    }

    fn encode(&self, _: &mut Vec<u8>) {}

    fn decode(_: &mut Input<'_>) -> Self {
        Self
    }
}
