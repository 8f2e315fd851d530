//! One history from one seed: calls, events, publishes, segments prepared ahead or not, failing syncs, power that goes in
//! the middle of any of it, crashes, and the oracle after each.
//!
//! The oracle: a recovered database holds every transaction that was acknowledged and none that was not sent; its rows and
//! its event queue are the model's at that very offset; its log runs again without a divergence, and
//! comes out the same beside itself; and the history of every row is by the index, made on the way, what going over everything says.

mod rows;
mod snapshots;

use crate::bank::{self, NativeLoader};
use crate::faulty::{FaultyStorage, SyncFailure};
use crate::model::{Model, Op};
use crate::reached::reached;
use crate::rng::Rng;
use interstice::check::{Scope, check};
use interstice::database::Database;
use interstice::opened::{Birth, Start, transactions};
use interstice::what_if::what_if;
use interstice_engine::engine::{Input, Output, Request};
use interstice_engine::limits::Limits;
use interstice_engine::module::ModuleLoader;
use interstice_engine::publish::PublishOptions;
use interstice_engine::read::Reader as QueryReader;
use interstice_engine::system;
use interstice_engine::what_if::Otherwise;
use interstice_log::frame::Lineage;
use interstice_log::local::{LocalLog, MIN_SEGMENT_SIZE, OpenOptions};
use interstice_log::log::Preparation;
use interstice_log::segment::LogId;
use interstice_log::storage::Storage;
use interstice_log::storage::memory::MemoryStorage;
use interstice_store::range::KeyRange;
use interstice_store::store::Store;
use interstice_store::table::IndexId;
use interstice_types::codec;
use interstice_types::id::{Identity, TableId};
use interstice_types::time::Timestamp;
use interstice_types::value::Value;
use std::sync::Arc;

/// What a history may meet.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Things that are done.
    pub ops: u64,
    /// Whether syncs may fail.
    pub failing_syncs: bool,
    /// Whether the disk says that it synced and did not: a promise that must then be seen broken.
    pub lying_disk: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self { ops: 120, failing_syncs: true, lying_disk: false }
    }
}

reached! {
    committed: "transactions",
    refused: "refusals",
    events: "events",
    dead_letters: "dead letters",
    crashes: "crashes",
    restarts: "ends of the process alone",
    failed_syncs: "failed syncs",
    torn_tails: "torn tails",
    unacknowledged_survived: "transactions that survived without an acknowledgement",
    unacknowledged_lost: "transactions lost without one",
    rotations: "segments more",
    rotations_prepared: "rotations into a prepared segment",
    rotations_at_once: "rotations into one made at once",
    power_cuts: "power cuts",
    power_cuts_at_open: "power cuts while opening",
    split_transactions: "split transactions",
    snapshots: "snapshots",
    snapshots_failed: "snapshots that failed",
    snapshots_spilled: "snapshots that spilled",
    snapshots_rotten: "snapshots that rotted",
    snapshots_left_aside: "damaged snapshots left aside",
    recovered_from_older_snapshot: "recoveries from the older snapshot",
    recovered_from_snapshot: "recoveries from a snapshot",
    recovered_with_pending_events: "recoveries from a snapshot with pending events",
    trims: "trims",
    stretches: "stretches of the index with a file",
    rows_by_index: "histories of rows by the index",
}

type SimDatabase = Database<LocalLog<FaultyStorage>>;

struct World {
    storage: FaultyStorage,
    database: Option<SimDatabase>,
    /// The model after each offset: `states[n]` is after `n` transactions.
    states: Vec<Model>,
    /// Replies that were promised, in order of the outputs that wait.
    promised: Vec<Result<Vec<u8>, &'static str>>,
    acknowledged: u64,
    faults: Rng,
    power: Rng,
    spares: Rng,
    /// What failed syncs do.
    failures: Rng,
    /// Work that the log gave out and that nobody has done yet.
    preparation: Option<Preparation>,
    seeds: Rng,
    /// When snapshots are built, whether the log is trimmed behind them, which of their bytes rot.
    snapshots: Rng,
    /// When the index of rows is followed, and how far.
    indexing: Rng,
    /// The files of the index of rows.
    index: MemoryStorage,
    /// Snapshots with a bit that turned.
    rotten: u64,
    /// Whether the log's beginning may be given up: else the whole history is run again at the end.
    trims: bool,
    now: i64,
    reached: Reached,
}

/// Runs the history of `seed`.
///
/// # Errors
/// The first promise that was broken.
pub fn run(seed: u64, config: Config) -> Result<Reached, String> {
    let mut workload = Rng::new(seed, 1);
    let storage = FaultyStorage::new();
    let mut world = World {
        storage,
        database: None,
        states: vec![Model::default()],
        promised: Vec::new(),
        acknowledged: 0,
        faults: Rng::new(seed, 2),
        power: Rng::new(seed, 4),
        spares: Rng::new(seed, 5),
        failures: Rng::new(seed, 6),
        preparation: None,
        seeds: Rng::new(seed, 3),
        snapshots: Rng::new(seed, 6),
        indexing: Rng::new(seed, 7),
        index: MemoryStorage::default(),
        rotten: 0,
        trims: seed.is_multiple_of(2),
        now: 1_000_000,
        reached: Reached::default(),
    };
    world.reopen()?;
    if config.lying_disk {
        world.storage.lie();
    }
    for number in 0..config.ops {
        let op = if number < 2 { Op::Publish { audit: number == 1 } } else { random_op(&mut workload) };
        world.act(&op)?;
        if config.failing_syncs && world.faults.one_in(80) {
            let n = 1 + world.faults.below(3);
            world.storage.fail_sync_in(n, SyncFailure::any(&mut world.failures));
        }
        if config.failing_syncs && world.power.one_in(60) {
            let n = world.power.below(30);
            world.storage.cut_power_in(n);
        }
        if world.faults.one_in(4) {
            world.settle()?;
        }
        world.prepare();
        if world.snapshots.one_in(12) {
            world.take_snapshot()?;
        }
        if world.indexing.one_in(15) {
            world.follow_index()?;
        }
        if world.faults.one_in(40) {
            world.crash()?;
        }
    }
    world.settle()?;
    world.query()?;
    world.crash()?;
    world.compare_rows()?;
    world.check_log()?;
    Ok(world.reached)
}

fn random_op(rng: &mut Rng) -> Op {
    let id = |rng: &mut Rng| 1 + rng.below(12);
    match rng.below(20) {
        0..=4 => Op::Open { owner: format!("owner-{}", rng.below(30)), balance: rng.below(100) as i64 },
        5 => Op::OpenTwice { owner: format!("owner-{}", rng.below(30)) },
        6..=10 => Op::Transfer { from: id(rng), to: id(rng), amount: rng.below(40) as i64 },
        11 => Op::Close { id: id(rng) },
        12 => Op::Spoil { id: id(rng), trap: rng.one_in(2) },
        13 if rng.one_in(6) => Op::StoreBlob { size: 600_000 },
        13 => Op::StoreBlob { size: 4_000 + rng.below(8_000) as u32 },
        14 if rng.one_in(8) => Op::Publish { audit: rng.one_in(2) },
        _ => Op::Event,
    }
}

fn options(world: &mut World) -> OpenOptions {
    OpenOptions {
        segment_size: MIN_SEGMENT_SIZE,
        log_id: LogId([1; 16]),
        lineage: Lineage([2; 16]),
        salt_seed: world.seeds.bytes(),
    }
}

impl World {
    fn input(&mut self, request: Request) -> Input {
        // The wall clock may jump back; the log's time may not.
        self.now += 1_000 - i64::from(self.seeds.one_in(20)) * 5_000;
        Input { now: Timestamp(self.now), seed: self.seeds.bytes(), request }
    }

    fn act(&mut self, op: &Op) -> Result<(), String> {
        let last = self.states.last().ok_or("invariant: there is a first state")?;
        // Genesis is offset 0 and changes nothing of the model.
        let expected = last.step(op);
        let dead_letters = last.dead_letters;
        let input = Self::request(op);
        let input = self.input(input);
        let database = self.database.as_mut().ok_or("invariant: the database is open")?;
        let before = database.engine().next_offset();
        database.step(input);
        let committed = database.engine().next_offset() > before;
        if committed != expected.is_ok() {
            return Err(format!("{op:?}: committed is {committed}, expected {:?}", expected.map(|(answer, _)| answer)));
        }
        match expected {
            Ok((answer, next)) => {
                let failed_event = matches!(op, Op::Event) && next.dead_letters > dead_letters;
                self.reached.dead_letters += u64::from(failed_event);
                self.reached.events += u64::from(matches!(op, Op::Event));
                self.reached.committed += 1;
                self.reached.split_transactions += u64::from(matches!(op, Op::StoreBlob { size: 500_000.. }));
                self.promised.push(if failed_event { Err("unlucky") } else { Ok(answer) });
                self.states.push(next);
            }
            Err(code) => {
                self.reached.refused += 1;
                self.promised.push(Err(code));
            }
        }
        Ok(())
    }

    fn request(op: &Op) -> Request {
        let caller = Identity::of_name("somebody");
        let call = |module: &str, function: &str, args: Vec<u8>| Request::Call {
            module: module.into(),
            function: function.into(),
            args,
            caller,
        };
        match op {
            Op::Publish { audit } => {
                let artefact = if *audit { bank::AUDIT } else { bank::BANK }.to_vec();
                let loaded = NativeLoader.load(&artefact).expect("invariant: a native module");
                Request::Publish { artefact, loaded, caller, options: PublishOptions::default() }
            }
            Op::Open { owner, balance } => {
                call("bank", "open", [&bank::string(owner)[..], &balance.to_le_bytes()].concat())
            }
            Op::OpenTwice { owner } => call("audit", "open_twice", bank::string(owner)),
            Op::Transfer { from, to, amount } => {
                call("bank", "transfer", [from.to_le_bytes(), to.to_le_bytes(), amount.to_le_bytes()].concat())
            }
            Op::Close { id } => call("bank", "close", id.to_le_bytes().to_vec()),
            Op::Spoil { id, trap } => call("bank", "spoil", [&id.to_le_bytes()[..], &[u8::from(*trap)]].concat()),
            Op::StoreBlob { size } => call("bank", "store_blob", size.to_le_bytes().to_vec()),
            Op::Event => Request::NextEvent,
        }
    }

    /// Takes the log's work ahead now and then, and does it some time later, or never.
    fn prepare(&mut self) {
        if let (None, Some(database)) = (&self.preparation, &mut self.database) {
            self.preparation = database.prepare().filter(|_| !self.spares.one_in(8));
        }
        if self.spares.one_in(6)
            && let Some(preparation) = self.preparation.take()
        {
            // What fails here is not the log's failure.
            let _ = preparation();
        }
    }

    /// Segments, and segments that are prepared.
    fn files(&self) -> Result<(u64, u64), String> {
        let names = self.storage.list().map_err(|error| error.to_string())?;
        let count = |wanted: fn(&String) -> bool| names.iter().filter(|name| wanted(name)).count() as u64;
        Ok((
            count(|name| std::path::Path::new(name).extension().is_some_and(|ending| ending == "log")),
            count(|name| name.starts_with("spare-")),
        ))
    }

    /// Acknowledges what waits; a failure ends the process, as it does for real.
    fn settle(&mut self) -> Result<(), String> {
        let (before, crashes) = (self.files()?, self.reached.crashes);
        self.try_settle()?;
        let after = self.files()?;
        if crashes == self.reached.crashes {
            let prepared = before.1.saturating_sub(after.1);
            self.reached.rotations_prepared += prepared;
            self.reached.rotations_at_once += (after.0 - before.0).saturating_sub(prepared);
        }
        Ok(())
    }

    fn try_settle(&mut self) -> Result<(), String> {
        let database = self.database.as_mut().ok_or("invariant: the database is open")?;
        if let Ok(outputs) = database.settle() {
            self.acknowledged = database.durable();
            let promised = std::mem::take(&mut self.promised);
            if outputs.len() != promised.len() {
                return Err(format!("{} replies to {} requests", outputs.len(), promised.len()));
            }
            outputs.iter().zip(&promised).try_for_each(|(output, promised)| compare_reply(output, promised))
        } else {
            if self.storage.is_off() {
                self.reached.power_cuts += 1;
            } else {
                self.reached.failed_syncs += 1;
            }
            self.crash()
        }
    }

    fn crash(&mut self) -> Result<(), String> {
        self.database = None;
        self.promised.clear();
        self.reached.crashes += 1;
        if self.storage.is_off() || !self.failures.one_in(3) {
            self.storage.crash(&mut self.faults);
        } else {
            self.reached.restarts += 1;
            self.storage.restart();
        }
        // Work that outlives its log must not hurt the next one: threads do.
        if let Some(preparation) = self.preparation.take().filter(|_| self.spares.one_in(2)) {
            let _ = preparation();
        }
        if self.power.one_in(4) {
            let n = self.power.below(20);
            self.storage.cut_power_in(n);
        }
        self.reopen()
    }

    /// Opens; if the power goes meanwhile, once more.
    fn reopen(&mut self) -> Result<(), String> {
        let opened = self.try_reopen();
        if opened.is_err() && self.storage.is_off() {
            self.reached.power_cuts_at_open += 1;
            self.storage.crash(&mut self.faults);
            return self.try_reopen();
        }
        opened
    }

    fn try_reopen(&mut self) -> Result<(), String> {
        let options = options(self);
        let (log, report) =
            LocalLog::open(self.storage.clone(), options).map_err(|error| format!("the log does not open: {error}"))?;
        self.reached.torn_tails += u64::from(report.torn_tail_bytes > 0);
        self.reached.rotations = self.reached.rotations.max(log.segments().len() as u64 - 1);
        let birth = Birth { node: [9; 16], now: Timestamp(self.now), seed: self.seeds.bytes() };
        let start = self.start(&log)?;
        let opened = Database::open(log, start, birth);
        let (database, _) = opened.map_err(|error| format!("the database does not open: {error}"))?;
        let recovered = database.engine().next_offset();
        if recovered < self.acknowledged {
            return Err(format!("{} transactions were acknowledged, {recovered} are there", self.acknowledged));
        }
        // states[0] is before genesis as well as after it.
        let model = self
            .states
            .get(recovered as usize - 1)
            .ok_or_else(|| format!("{recovered} transactions are there, {} were sent", self.states.len()))?;
        compare_state(&database, model)?;
        let lost = self.states.len() as u64 - recovered;
        self.reached.unacknowledged_lost += lost;
        self.reached.unacknowledged_survived += recovered.saturating_sub(self.acknowledged.max(1));
        self.states.truncate(recovered as usize);
        self.acknowledged = database.durable();
        self.database = Some(database);
        Ok(())
    }

    fn query(&mut self) -> Result<(), String> {
        let database = self.database.as_ref().ok_or("invariant: the database is open")?;
        let model = self.states.last().ok_or("invariant: there is a first state")?;
        if !model.published.0 {
            return Ok(());
        }
        let answer = QueryReader::new().query(&database.snapshot(), ("bank", "total"), &[], Identity::default());
        let expected: i64 = model.accounts.values().map(|(_, balance)| balance).sum();
        if answer.as_deref() == Ok(&expected.to_le_bytes()[..]) {
            return Ok(());
        }
        Err(format!("the total is {answer:?}, expected {expected}"))
    }

    fn check_log(&self) -> Result<(), String> {
        let database = self.database.as_ref().ok_or("invariant: the database is open")?;
        if transactions(database.log()).is_err() {
            // Its beginning was given up.
            return Ok(());
        }
        let start = || Start::empty(Arc::new(NativeLoader), Limits::default());
        let report = check(database.log(), start(), Scope::ALL, &|_| {}).map_err(|error| error.to_string())?;
        if let Some(divergence) = report.divergences.first() {
            return Err(format!("run again, the log diverges: {divergence}"));
        }
        let as_it_was = (Scope::ALL, Otherwise::default());
        let report = what_if(database.log(), start(), as_it_was, &|_| {}).map_err(|error| error.to_string())?;
        match report.told.first() {
            None if report.is_same() => Ok(()),
            first => Err(format!("as it was, it would have been otherwise: {first:?} {:?}", report.tables)),
        }
    }
}

fn compare_reply(output: &Output, promised: &Result<Vec<u8>, &'static str>) -> Result<(), String> {
    let same = match (&output.reply, promised) {
        (Ok(answer), Ok(expected)) => answer == expected,
        (Err(problem), Err(code)) => problem.code == *code,
        _ => false,
    };
    if same { Ok(()) } else { Err(format!("the reply is {:?}, expected {promised:?}", output.reply)) }
}

fn compare_state(database: &SimDatabase, model: &Model) -> Result<(), String> {
    let engine = database.engine();
    let store = engine.store();
    let table = |module: &str, name: &str| engine.catalog().table(module, name);
    let accounts = rows(store, table("bank", "account"));
    let expected: Vec<_> = model
        .accounts
        .iter()
        .map(|(id, (owner, balance))| vec![Value::U64(*id), Value::from(owner.as_str()), Value::I64(*balance)])
        .collect();
    compare("accounts", &accounts, &expected)?;
    let entries = rows(store, table("audit", "entry"));
    let expected: Vec<_> = model
        .entries
        .iter()
        .map(|(seq, (account, delta))| vec![Value::U64(*seq), Value::U64(*account), Value::I64(*delta)])
        .collect();
    compare("entries", &entries, &expected)?;
    compare("blobs", &rows(store, table("bank", "blob")).len(), &model.blobs.len())?;
    compare("dead letters", &rows(store, Some(system::DEAD_LETTER)).len(), &model.dead_letters)?;
    compare("pending events", &engine.pending_events().len(), &model.pending.len())
}

fn compare<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: found {found:?}, expected {expected:?}")) }
}

fn rows(store: &Store, table: Option<TableId>) -> Vec<Vec<Value>> {
    let Some(table) = table.and_then(|id| store.table(id)) else { return Vec::new() };
    let all = table.scan(IndexId::PRIMARY, &KeyRange::all(), false);
    all.map(|row| codec::decode_all(table.layout().types(), row).expect("invariant: stored rows are canonical"))
        .collect()
}
