//! One engine that does what a test asks for, and the transactions that it made.

use interstice_engine::engine::{Engine, Input, Unlogged};
use interstice_engine::execution::LogLine;
use interstice_engine::limits::Limits;
use interstice_engine::module::{Loaded, ModuleLoader};
use interstice_engine::read::Reader;
use interstice_engine::recheck::Verdict;
use interstice_engine::recording;
use interstice_store::store::Store;
use interstice_types::change::Change;
use interstice_types::id::{Identity, Offset};
use interstice_types::problem::Problem;
use interstice_types::time::Timestamp;
use interstice_types::transaction::Transaction;
use std::sync::Arc;

/// An engine, what it loads modules with, and what it has done.
pub(super) struct Run {
    loader: Arc<dyn ModuleLoader>,
    engine: Engine,
    reader: Reader,
    /// Where the transactions begin, if that is not a database without a past.
    beginning: Option<(Store, (Offset, Timestamp))>,
    transactions: Vec<Transaction>,
}

/// What came of one input.
pub(super) struct Step {
    /// The answer, or why nothing was done.
    pub(super) reply: Result<Vec<u8>, Problem>,
    /// Whether it is a transaction in the log, the newest one.
    pub(super) is_logged: bool,
    /// What was changed beside it.
    pub(super) unlogged: Unlogged,
    /// What functions logged.
    pub(super) log: Vec<LogLine>,
}

impl Run {
    pub(super) fn new(loader: Arc<dyn ModuleLoader>) -> Self {
        let engine = Engine::new(Arc::clone(&loader), Limits::default());
        Self { engine, loader, reader: Reader::new(), beginning: None, transactions: Vec::new() }
    }

    /// Goes on from other tables, at a later moment; nothing is known of what was before.
    pub(super) fn begin_at(&mut self, store: Store, moment: (Offset, Timestamp)) {
        self.beginning = Some((store, moment));
        self.transactions.clear();
        self.engine = self.beginning();
        self.engine.load_modules();
    }

    /// Has the next transaction be the one at `offset`.
    pub(super) fn skip_to(&mut self, offset: Offset) {
        while self.engine.next_offset() < offset {
            let filler = recording::filler(&self.engine);
            self.engine.apply(&filler).unwrap_or_else(|error| panic!("invariant: a filler follows: {error}"));
            self.transactions.push(filler);
        }
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The module of an artefact, as this run loads it.
    pub(super) fn load(&self, artefact: &[u8]) -> Result<Loaded, Problem> {
        self.loader.load(artefact).map_err(|error| error.problem)
    }

    pub(super) fn step(&mut self, input: Input) -> Step {
        let output = self.engine.step(input);
        let is_logged = output.transaction.is_some();
        self.transactions.extend(output.transaction);
        Step { reply: output.reply, is_logged, unlogged: output.unlogged, log: output.log }
    }

    /// What the newest step changed in tables that are in the log.
    pub(super) fn changes_of(&self, newest: &Step) -> &[Change] {
        let transaction = self.transactions.last().filter(|_| newest.is_logged);
        transaction.map_or(&[], |transaction| &transaction.changes)
    }

    pub(super) fn query(
        &mut self,
        (module, function): (&str, &str),
        args: &[u8],
        caller: Identity,
    ) -> Result<Vec<u8>, Problem> {
        self.reader.query(&self.engine.snapshot(), (module, function), args, caller)
    }

    /// Recovers from the transactions alone.
    pub(super) fn reopen(&mut self) {
        let mut recovered = self.beginning();
        for transaction in &self.transactions {
            recovered.apply(transaction).unwrap_or_else(|error| panic!("recovery: {error}"));
        }
        recovered.load_modules();
        assert_eq!(recovered.store().digest(), self.engine.store().digest(), "recovery gives the same rows");
        self.engine = recovered;
    }

    /// Runs the cause of every transaction again and compares.
    pub(super) fn assert_replays(&self) {
        let mut again = self.beginning();
        again.load_modules();
        for transaction in &self.transactions {
            match again.recheck(transaction) {
                Ok(Verdict::Same | Verdict::Incomparable(_)) => {}
                Ok(Verdict::Divergent(divergence)) => panic!("not deterministic: {divergence}"),
                Err(error) => panic!("replay: {error}"),
            }
        }
    }

    /// How many there are.
    pub(super) fn transactions(&self) -> usize {
        self.transactions.len()
    }

    /// The engine before the first transaction.
    fn beginning(&self) -> Engine {
        let (loader, limits) = (Arc::clone(&self.loader), Limits::default());
        match &self.beginning {
            None => Engine::new(loader, limits),
            Some((store, moment)) => Engine::restored(loader, limits, store.clone(), *moment),
        }
    }
}
