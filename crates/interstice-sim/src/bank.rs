//! Two native modules that do a little of everything: `bank`, and `audit`, which listens to it and calls it.

use interstice_engine::execution::{Execution, HostError, ScanRequest};
use interstice_engine::module::{Call, CallError, LoadError, Loaded, Module, ModuleFactory, ModuleLoader};
use interstice_store::table::IndexId;
use interstice_types::codec::Reader;
use interstice_types::id::to_hex;
use interstice_types::problem::Problem;
use interstice_types::schema::{
    ChangeKind, ColumnSchema, FunctionKind, FunctionSchema, HandleSchema, Import, ImportedName, IndexSchema, Schema,
    TableAccess, TableRef, TableSchema, signature,
};
use interstice_types::ty::{EnumType, Field, Shape, StructType, Type, Variant};
use std::sync::Arc;

/// The artefact that stands for `bank`.
pub const BANK: &[u8] = b"native:bank";
/// The artefact that stands for `audit`.
pub const AUDIT: &[u8] = b"native:audit";
/// An event about a change by a multiple of this fails.
pub const UNLUCKY: i64 = 13;

type Function = fn(&Call<'_>, Box<Execution>) -> (Box<Execution>, Result<Vec<u8>, CallError>);

/// Finds the native modules by their artefacts.
#[derive(Debug, Clone, Copy, Default)]
pub struct NativeLoader;

impl ModuleLoader for NativeLoader {
    fn load(&self, artefact: &[u8]) -> Result<Loaded, LoadError> {
        let (schema, functions) = match artefact {
            BANK => (bank_schema(), BANK_FUNCTIONS),
            AUDIT => (audit_schema(), AUDIT_FUNCTIONS),
            _ => {
                return Err(LoadError {
                    problem: Problem::new("invalid-artefact", "no native module has this artefact"),
                });
            }
        };
        Ok(Loaded { schema, factory: Arc::new(NativeFactory { functions }) })
    }
}

struct NativeFactory {
    functions: &'static [Function],
}

impl ModuleFactory for NativeFactory {
    fn instantiate(&self) -> Result<Box<dyn Module>, LoadError> {
        Ok(Box::new(NativeModule { functions: self.functions }))
    }
}

struct NativeModule {
    functions: &'static [Function],
}

impl Module for NativeModule {
    fn call(&mut self, call: &Call<'_>, execution: Box<Execution>) -> (Box<Execution>, Result<Vec<u8>, CallError>) {
        self.functions[call.function as usize](call, execution)
    }
}

/// In the order of the schema's functions: by name.
const BANK_FUNCTIONS: &[Function] = &[close, open, spoil, store_blob, total, transfer];
const AUDIT_FUNCTIONS: &[Function] = &[on_close, on_open, on_transfer, open_twice];

fn column(name: &str, ty: Type) -> ColumnSchema {
    ColumnSchema::new(name, ty)
}

fn key_column(name: &str) -> ColumnSchema {
    ColumnSchema { auto_inc: true, ..column(name, Type::U64) }
}

fn table(name: &str, columns: Vec<ColumnSchema>, indexes: Vec<IndexSchema>) -> TableSchema {
    let (name, doc) = (name.to_owned(), String::new());
    TableSchema { name, doc, public: true, columns, primary_key: vec![0], indexes, ..TableSchema::default() }
}

fn field(name: &str, ty: Type) -> Field {
    Field { name: name.to_owned(), ty }
}

fn function(
    name: &str,
    kind: FunctionKind,
    handles: &[(&str, TableAccess)],
    args: Vec<Field>,
    returns: Type,
) -> FunctionSchema {
    let handle =
        |(table, access): &(&str, TableAccess)| HandleSchema { table: own(table), access: *access, former: false };
    let (name, doc, handles) = (name.to_owned(), String::new(), handles.iter().map(handle).collect());
    FunctionSchema { name, doc, kind, handles, args, returns, error: Some(error_type()) }
}

fn own(table: &str) -> TableRef {
    TableRef { module: None, table: table.to_owned() }
}

fn error_type() -> Type {
    let unit = |name: &str, message: &str| Variant {
        name: name.to_owned(),
        shape: Shape::Unit,
        fields: Vec::new(),
        message: Some(message.to_owned()),
    };
    let variants = vec![
        unit("NoSuchAccount", "there is no such account"),
        unit("Insufficient", "there is not enough"),
        unit("Unlucky", "an unlucky number"),
    ];
    Type::Enum(EnumType { name: "BankError".to_owned(), variants })
}

const NO_SUCH_ACCOUNT: u8 = 0;
const INSUFFICIENT: u8 = 1;
const UNLUCKY_NUMBER: u8 = 2;

/// What `bank` declares.
pub fn bank_schema() -> Schema {
    let index = |name: &str, column, unique| IndexSchema { name: name.to_owned(), columns: vec![column], unique };
    let account = vec![key_column("id"), column("owner", Type::String), column("balance", Type::I64)];
    let write = [("account", TableAccess::Write)];
    let reducer = |name: &str, args| function(name, FunctionKind::Reducer, &write, args, Type::Unit);
    let id = || field("id", Type::U64);
    Schema {
        module: "bank".to_owned(),
        version: "1.0.0".to_owned(),
        tables: vec![
            table("account", account, vec![index("owner", 1, true), index("balance", 2, false)]),
            table("blob", vec![key_column("id"), column("bytes", Type::Bytes)], Vec::new()),
        ],
        functions: vec![
            reducer("close", vec![id()]),
            FunctionSchema {
                returns: Type::U64,
                ..reducer("open", vec![field("owner", Type::String), field("balance", Type::I64)])
            },
            reducer("spoil", vec![id(), field("trap", Type::Bool)]),
            function(
                "store_blob",
                FunctionKind::Reducer,
                &[("blob", TableAccess::Insert)],
                vec![field("size", Type::U32)],
                Type::U64,
            ),
            function("total", FunctionKind::Query, &[("account", TableAccess::Read)], Vec::new(), Type::I64),
            reducer("transfer", vec![field("from", Type::U64), field("to", Type::U64), field("amount", Type::I64)]),
        ],
        imports: Vec::new(),
    }
}

/// What `audit` declares.
pub fn audit_schema() -> Schema {
    let bank = bank_schema();
    let account = bank.table("account").expect("invariant: bank has accounts");
    let (_, open) = bank.function("open").expect("invariant: bank opens accounts");
    let row = |name: &str| {
        let fields = account.columns.iter().map(|column| field(&column.name, column.ty.clone())).collect();
        field(name, Type::Struct(StructType { name: "Account".to_owned(), fields }))
    };
    let listen = |name: &str, on, args| {
        let table = TableRef { module: Some("bank".to_owned()), table: "account".to_owned() };
        function(name, FunctionKind::Event { on, table }, &[("entry", TableAccess::Insert)], args, Type::Unit)
    };
    let hex = |signature: signature::Signature| to_hex(&signature);
    Schema {
        module: "audit".to_owned(),
        version: "1.0.0".to_owned(),
        tables: vec![table(
            "entry",
            vec![key_column("seq"), column("account", Type::U64), column("delta", Type::I64)],
            Vec::new(),
        )],
        functions: vec![
            listen("on_close", ChangeKind::Delete, vec![row("old")]),
            listen("on_open", ChangeKind::Insert, vec![row("row")]),
            listen("on_transfer", ChangeKind::Update, vec![row("old"), row("new")]),
            function("open_twice", FunctionKind::Reducer, &[], vec![field("owner", Type::String)], Type::U64),
        ],
        imports: vec![Import {
            module: "bank".to_owned(),
            functions: vec![ImportedName { name: "open".to_owned(), signature: hex(signature::of_function(open)) }],
            tables: vec![ImportedName { name: "account".to_owned(), signature: hex(signature::of_table(account)) }],
        }],
    }
}

/// An account as its row's bytes.
pub fn account(id: u64, owner: &str, balance: i64) -> Vec<u8> {
    [&id.to_le_bytes()[..], &string(owner), &balance.to_le_bytes()].concat()
}

/// A string as argument bytes.
pub fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

fn read_account(row: &[u8]) -> (u64, String, i64) {
    let mut reader = Reader::new(row);
    let mut read = || {
        let id = u64::from_le_bytes(reader.array("id")?);
        let owner = reader.string()?.to_owned();
        Ok::<_, interstice_types::codec::DecodeError>((id, owner, i64::from_le_bytes(reader.array("balance")?)))
    };
    read().expect("invariant: the host gives canonical rows")
}

/// Runs `body` and turns host errors into how the call ends.
fn run(
    mut execution: Box<Execution>,
    body: impl FnOnce(&mut Execution) -> Result<Vec<u8>, Stop>,
) -> (Box<Execution>, Result<Vec<u8>, CallError>) {
    let result = body(&mut execution).map_err(|stop| match stop {
        Stop::Error(variant) => CallError::Returned(vec![variant]),
        Stop::Host(HostError::Refused(problem)) => CallError::Refused(problem),
        Stop::Host(HostError::Trapped(problem)) => CallError::Trapped(problem),
    });
    (execution, result)
}

enum Stop {
    Error(u8),
    Host(HostError),
}

impl From<HostError> for Stop {
    fn from(error: HostError) -> Self {
        Self::Host(error)
    }
}

fn find(execution: &mut Execution, id: [u8; 8]) -> Result<(u64, String, i64), Stop> {
    let row = execution.get(0, IndexId::PRIMARY, &id)?.ok_or(Stop::Error(NO_SUCH_ACCOUNT))?;
    Ok(read_account(row))
}

fn open(call: &Call<'_>, execution: Box<Execution>) -> (Box<Execution>, Result<Vec<u8>, CallError>) {
    run(execution, |e| {
        let row = e.insert(0, &[&0_u64.to_le_bytes(), call.args].concat())?;
        Ok(row[..8].to_vec())
    })
}

fn close(call: &Call<'_>, execution: Box<Execution>) -> (Box<Execution>, Result<Vec<u8>, CallError>) {
    run(execution, |e| e.delete(0, call.args)?.map(|_| Vec::new()).ok_or(Stop::Error(NO_SUCH_ACCOUNT)))
}

fn transfer(call: &Call<'_>, execution: Box<Execution>) -> (Box<Execution>, Result<Vec<u8>, CallError>) {
    run(execution, |e| {
        let part =
            |n: usize| <[u8; 8]>::try_from(&call.args[8 * n..8 * n + 8]).expect("invariant: arguments were checked");
        let amount = i64::from_le_bytes(part(2));
        let (from, from_owner, balance) = find(e, part(0))?;
        e.update(0, &account(from, &from_owner, balance.wrapping_sub(amount)))?;
        let (to, to_owner, balance_to) = find(e, part(1))?;
        if balance < amount {
            return Err(Stop::Error(INSUFFICIENT));
        }
        e.update(0, &account(to, &to_owner, balance_to.wrapping_add(amount)))?;
        Ok(Vec::new())
    })
}

/// Writes, then fails: nothing of it may be seen.
fn spoil(call: &Call<'_>, execution: Box<Execution>) -> (Box<Execution>, Result<Vec<u8>, CallError>) {
    run(execution, |e| {
        e.insert(0, &account(0, "spoilt", 1))?;
        e.delete(0, &call.args[..8])?;
        if call.args[8] == 0 {
            return Err(Stop::Error(UNLUCKY_NUMBER));
        }
        Err(Stop::Host(HostError::Trapped(Problem::new("trap", "spoilt on purpose"))))
    })
}

fn store_blob(call: &Call<'_>, execution: Box<Execution>) -> (Box<Execution>, Result<Vec<u8>, CallError>) {
    run(execution, |e| {
        let size = u32::from_le_bytes(call.args.try_into().expect("invariant: arguments were checked"));
        let mut row = [&0_u64.to_le_bytes()[..], call.args].concat();
        row.resize(12 + size as usize, 7);
        Ok(e.insert(0, &row)?[..8].to_vec())
    })
}

fn total(_: &Call<'_>, execution: Box<Execution>) -> (Box<Execution>, Result<Vec<u8>, CallError>) {
    /// Small, so that a scan takes several calls.
    const CAPACITY: usize = 256;
    run(execution, |e| {
        let bounds = (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded);
        let all = ScanRequest { bounds, filter: &[], reverse: false, limit: u64::MAX };
        let scan = e.scan_open(0, IndexId(2), &all)?;
        let mut sum = 0_i64;
        loop {
            let mut rows = Vec::new();
            e.scan_next(scan, CAPACITY, &mut rows)?;
            if rows.is_empty() {
                return Ok(sum.to_le_bytes().to_vec());
            }
            let mut reader = Reader::new(&rows);
            while let Ok(row) = reader.bytes("row") {
                sum = sum.wrapping_add(read_account(row).2);
            }
        }
    })
}

fn record(execution: Box<Execution>, account: u64, delta: i64) -> (Box<Execution>, Result<Vec<u8>, CallError>) {
    run(execution, |e| {
        e.insert(0, &[0_u64.to_le_bytes(), account.to_le_bytes(), delta.to_le_bytes()].concat())?;
        if delta % UNLUCKY == 0 { Err(Stop::Error(UNLUCKY_NUMBER)) } else { Ok(Vec::new()) }
    })
}

fn on_open(call: &Call<'_>, execution: Box<Execution>) -> (Box<Execution>, Result<Vec<u8>, CallError>) {
    let (id, _, balance) = read_account(call.args);
    record(execution, id, balance)
}

fn on_close(call: &Call<'_>, execution: Box<Execution>) -> (Box<Execution>, Result<Vec<u8>, CallError>) {
    let (id, _, balance) = read_account(call.args);
    record(execution, id, balance.wrapping_neg())
}

fn on_transfer(call: &Call<'_>, execution: Box<Execution>) -> (Box<Execution>, Result<Vec<u8>, CallError>) {
    let (id, owner, old) = read_account(call.args);
    let new = read_account(&call.args[account(id, &owner, old).len()..]).2;
    record(execution, id, new.wrapping_sub(old))
}

/// Opens an account by a nested call, then once more: the second is refused, and only its writes are undone.
fn open_twice(call: &Call<'_>, execution: Box<Execution>) -> (Box<Execution>, Result<Vec<u8>, CallError>) {
    let args = [call.args, &1_i64.to_le_bytes()].concat();
    let (execution, first) = execution.call(0, &args);
    if first.is_err() {
        return (execution, first);
    }
    let (execution, second) = execution.call(0, &args);
    match second {
        Err(CallError::Refused(_)) => (execution, first),
        other => (
            execution,
            Err(CallError::Trapped(Problem::new("trap", format!("a duplicate owner was let in: {other:?}")))),
        ),
    }
}
