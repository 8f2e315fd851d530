//! The layers of a transfer inside of one process: plain structs, the store, the engine with the module, recovery.
//!
//! Each is one thread and makes the same transfers: two accounts drawn at random out of all, read, changed, written back.

use interstice::commit::{Committer, SettleError};
use interstice::framing::FrameBuilder;
use interstice_engine::catalog::Catalog;
use interstice_engine::engine::{Engine, Input, Request};
use interstice_engine::limits::Limits;
use interstice_engine::module::ModuleLoader;
use interstice_engine::publish::PublishOptions;
use interstice_log::log::CommitLogWriter;
use interstice_store::store::Store;
use interstice_store::table::Table;
use interstice_types::id::Identity;
use interstice_types::problem::Problem;
use interstice_types::schema::TableSchema;
use interstice_types::time::Timestamp;
use interstice_types::transaction::Transaction;
use interstice_wasm::artefact::schema_of;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Accounts of the bank.
pub(super) const ACCOUNTS: u64 = 100_000;
/// Transfers between two looks at the clock.
const BATCH: u64 = 1_000;
/// Where balance and count of transfers stand in an account's row: behind its id.
const BALANCE: usize = 8;
const TRANSFERS: usize = 16;

/// Draws accounts: xorshift64*, Vigna, "An experimental exploration of Marsaglia's xorshift generators" (2016).
#[derive(Debug, Clone)]
pub(super) struct Draw(u64);

impl Draw {
    /// A sequence of its own for each seed.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    /// Two accounts that are not the same one.
    pub(super) fn pair(&mut self) -> (u64, u64) {
        let from = self.next() % ACCOUNTS;
        let to = (from + 1 + self.next() % (ACCOUNTS - 1)) % ACCOUNTS;
        (from + 1, to + 1)
    }

    /// The argument bytes of a transfer of 1.
    pub(super) fn args(&mut self) -> Vec<u8> {
        let (from, to) = self.pair();
        [from.to_le_bytes(), to.to_le_bytes(), 1_i64.to_le_bytes()].concat()
    }
}

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(super) enum Length {
    /// As much as there is time for.
    Span(Duration),
    /// So many transfers.
    Transfers(u64),
}

/// Does `work` again and again; returns how often in a second.
fn rate(length: Length, mut work: impl FnMut()) -> f64 {
    let started = Instant::now();
    let mut count = 0;
    loop {
        let batch = match length {
            Length::Span(span) if started.elapsed() < span => BATCH,
            Length::Transfers(all) if count < all => BATCH.min(all - count),
            _ => return count as f64 / started.elapsed().as_secs_f64(),
        };
        (0..batch).for_each(|_| work());
        count += batch;
    }
}

/// An account as a program without a database has it.
struct Account {
    balance: i64,
    transfers: u64,
    #[expect(dead_code, reason = "takes the room that it takes in a row")]
    owner: String,
}

/// Transfers a second on a `BTreeMap` of plain structs.
pub(super) fn plain(length: Length) -> f64 {
    let account = |id| Account { balance: 1_000_000, transfers: 0, owner: format!("customer {id:06}") };
    let mut accounts: BTreeMap<u64, Account> = (1..=ACCOUNTS).map(|id| (id, account(id))).collect();
    let mut draw = Draw::new(1);
    let rate = rate(length, || {
        let (from, to) = draw.pair();
        let payer = accounts.get_mut(&from).expect("invariant: every account is there");
        payer.balance -= 1;
        payer.transfers += 1;
        let payee = accounts.get_mut(&to).expect("invariant: every account is there");
        payee.balance += 1;
        payee.transfers += 1;
    });
    black_box(&accounts);
    rate
}

/// The schema of the accounts in the bank's artefact.
///
/// # Errors
/// If it is another module's.
pub(super) fn accounts(artefact: &[u8]) -> Result<TableSchema, Problem> {
    let mut schema = schema_of(artefact)?;
    let found = schema.tables.iter().position(|table| schema.module == "bank" && table.name == "account");
    found.map(|index| schema.tables.swap_remove(index)).ok_or_else(|| {
        Problem::new("not-the-bank", "the module has no table `bank.account`")
            .hint("interstice bench transfer --module examples/bank")
    })
}

/// Transfers a second on the store alone: constraints, changes and digest on, no module and no log.
pub(super) fn store(length: Length, schema: &TableSchema) -> f64 {
    let mut tx = Store::new().begin();
    let table = tx.create_table("bank".into(), Arc::new(schema.clone())).expect("invariant: a new store");
    for id in 1..=ACCOUNTS {
        tx.insert(table, &row(id)).expect("invariant: every account is new");
    }
    let (mut store, _) = tx.commit();
    let (mut draw, mut row) = (Draw::new(2), Vec::new());
    rate(length, || {
        let (from, to) = draw.pair();
        let mut tx = std::mem::take(&mut store).begin();
        for (id, amount) in [(from, -1), (to, 1)] {
            read(tx.store().table(table).expect("invariant: the table is there"), id, &mut row);
            transfer(&mut row, amount);
            tx.update(table, &row).expect("invariant: every account is there");
        }
        let (after, changes) = tx.commit();
        black_box((changes, after.digest()));
        store = after;
    })
}

fn row(id: u64) -> Vec<u8> {
    let owner = format!("customer {id:06}");
    let length = (owner.len() as u32).to_le_bytes();
    [&id.to_le_bytes()[..], &1_000_000_i64.to_le_bytes(), &[0; 8], &length, owner.as_bytes()].concat()
}

fn read(table: &Table, id: u64, row: &mut Vec<u8>) {
    let key = table.lookup_key(&id.to_le_bytes(), &mut Vec::new()).expect("invariant: a number is a key");
    row.clear();
    row.extend_from_slice(table.get(&key).expect("invariant: every account is there"));
}

fn transfer(row: &mut [u8], amount: i64) {
    for (at, difference) in [(BALANCE, amount), (TRANSFERS, 1)] {
        let field = &mut row[at..at + 8];
        let number = i64::from_le_bytes(field.try_into().expect("invariant: eight bytes")) + difference;
        field.copy_from_slice(&number.to_le_bytes());
    }
}

/// An engine with the bank published.
pub(super) struct Bank {
    engine: Engine,
    loader: Arc<dyn ModuleLoader>,
    transactions: Vec<Transaction>,
    caller: Identity,
    names: [Arc<str>; 2],
    inputs: u128,
}

impl Bank {
    /// Publishes `artefact`.
    ///
    /// # Errors
    /// If it is not the bank.
    pub(super) fn new(loader: Arc<dyn ModuleLoader>, artefact: &[u8]) -> Result<Self, Problem> {
        let engine = Engine::new(Arc::clone(&loader), Limits::default());
        let mut bank = Self {
            engine,
            loader: Arc::clone(&loader),
            transactions: Vec::new(),
            caller: Identity::of_name("owner"),
            names: ["bank".into(), "transfer".into()],
            inputs: 0,
        };
        accounts(artefact)?;
        let loaded = loader.load(artefact).map_err(|error| error.problem)?;
        bank.begin(Request::Genesis { node: [0; 16] })?;
        bank.begin(Request::Publish {
            artefact: artefact.to_vec(),
            loaded,
            caller: bank.caller,
            options: PublishOptions::default(),
        })?;
        Ok(bank)
    }

    fn begin(&mut self, request: Request) -> Result<(), Problem> {
        let input = self.input(request);
        let output = self.engine.step(input);
        self.transactions.extend(output.transaction);
        output.reply.map(|_| ())
    }

    fn input(&mut self, request: Request) -> Input {
        self.inputs += 1;
        Input { now: Timestamp(self.inputs as i64), seed: self.inputs.to_le_bytes(), request }
    }

    /// Makes what came before the first transfer durable, each with a sync; returns how many transactions that are.
    pub(super) fn log_opening<W: CommitLogWriter>(&self, committer: &mut Committer<W>) -> Result<u64, SettleError> {
        for transaction in &self.transactions {
            let mut frames = FrameBuilder::default();
            frames.push(transaction, self.catalog());
            committer.append(&frames.take());
            committer.settle()?;
        }
        Ok(self.transactions.len() as u64)
    }

    /// The modules in force.
    pub(super) fn catalog(&self) -> &Catalog {
        self.engine.catalog()
    }

    /// What its modules come from.
    pub(super) fn loader(&self) -> Arc<dyn ModuleLoader> {
        Arc::clone(&self.loader)
    }

    /// Makes one.
    pub(super) fn transfer(&mut self, draw: &mut Draw) -> Transaction {
        let [module, function] = self.names.clone();
        let request = Request::Call { module, function, args: draw.args(), caller: self.caller };
        let input = self.input(request);
        let output = self.engine.step(input);
        output.transaction.expect("invariant: everybody has enough for a transfer of 1")
    }

    /// Transfers a second through the module, without a log.
    pub(super) fn transfers(&mut self, length: Length) -> f64 {
        let mut draw = Draw::new(3);
        rate(length, || {
            black_box(self.transfer(&mut draw));
        })
    }

    /// Transfers a second through the module, each with its record as bytes, which go nowhere.
    #[cfg(feature = "unrecorded")]
    pub(super) fn recorded_transfers(&mut self, length: Length) -> f64 {
        let (mut draw, mut record) = (Draw::new(3), Vec::new());
        rate(length, || {
            record.clear();
            self.transfer(&mut draw).encode(|_| false, &mut record);
            black_box(&record);
        })
    }

    /// Logged transfers a second that recovery applies: `count` of them, from their records' bytes.
    pub(super) fn recovery(mut self, count: u64) -> f64 {
        let mut draw = Draw::new(4);
        let mut fresh = Engine::new(Arc::clone(&self.loader), Limits::default());
        let mut again = Self::again(&self.transactions, &mut fresh);
        assert_eq!(self.engine.next_offset(), again, "invariant: nothing was transferred before");
        let mut records = Vec::new();
        for _ in 0..count {
            self.transfer(&mut draw).encode(|_| false, &mut records);
        }
        let started = Instant::now();
        let mut rest = records.as_slice();
        while !rest.is_empty() {
            let transaction = Transaction::decode(&mut rest).expect("invariant: a record that was just written");
            fresh.apply(&transaction).expect("invariant: history applies");
            again += 1;
        }
        assert_eq!(again, self.engine.next_offset(), "invariant: all of it was applied");
        count as f64 / started.elapsed().as_secs_f64()
    }

    fn again(transactions: &[Transaction], engine: &mut Engine) -> u64 {
        for transaction in transactions {
            engine.apply(transaction).expect("invariant: history applies");
        }
        engine.next_offset()
    }
}
