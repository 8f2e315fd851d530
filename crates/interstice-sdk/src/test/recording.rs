//! Transactions out of a log, done again in a test.

use super::TestDatabase;
use interstice_engine::recording::{Came, Recording};

impl TestDatabase {
    /// Does what is in a recording, which `interstice test from-log` wrote: puts its state in, then does what caused each transaction, at
    /// its time, as its caller, with the same random numbers and offsets, and compares how it ended, what it answered, and each row that it
    /// touched. Gives how many transactions there were. Events and schedules run where they ran then, and not in between; those that are
    /// pending at the end run with what the test does next.
    ///
    /// ```test_harness
    /// # use interstice_sdk::prelude::*;
    /// # use interstice_sdk::test::TestDatabase;
    /// #[table]
    /// pub struct Account {
    ///     #[primary_key]
    ///     pub id: u32,
    ///     pub balance: i64,
    /// }
    ///
    /// #[reducer]
    /// fn pay_in(accounts: Write<Account>, id: u32, amount: i64) -> i64 {
    ///     let account = accounts.get(id).unwrap();
    ///     let balance = account.balance + amount;
    ///     accounts.update(Account { balance, ..account });
    ///     balance
    /// }
    ///
    /// #[interstice_sdk::test]
    /// fn from_log_7_8(db: &mut TestDatabase) {
    ///     let recording = r#"{
    ///         "schema": "interstice.recording/v1", "from": 7, "to": 8, "module": "interstice_sdk",
    ///         "tables": {"interstice_sdk.account": {"rows": [{"id": 1, "balance": 100}]}},
    ///         "transactions": [{
    ///             "offset": 7, "time": "2026-11-20T10:02:11Z", "seed": "000102030405060708090a0b0c0d0e0f",
    ///             "cause": "call", "function": "interstice_sdk.pay_in", "args": {"id": 1, "amount": 20},
    ///             "caller": "58ab843a2b8cd3ae0f2dbf3ba3e2d5e5a1e9f4f0c7a3f6c58ab843a2b8cd3ae0",
    ///             "outcome": "ok", "value": 120,
    ///             "changes": [{"table": "interstice_sdk.account", "update": {"new": {"id": 1, "balance": 120}}}]
    ///         }]
    ///     }"#;
    ///     assert_eq!(db.reproduce(recording), 1);
    ///     assert_eq!(db.rows::<Account>()[0].balance, 120);
    ///     assert_eq!(db.assert_replays(), 1);
    /// }
    /// ```
    ///
    /// # Panics
    /// At the first difference; if it is no recording of this module; or if something was done in this database before.
    pub fn reproduce(&mut self, recording: &str) -> usize {
        let recording = Recording::read(recording).unwrap_or_else(|problem| panic!("{problem}"));
        let (of, here) = (recording.module(), &self.module);
        assert!(of == here, "the recording is of module `{of}`, this database is of `{here}`");
        let runs = std::iter::once(&mut self.native).chain(self.compiled.as_mut().map(|compiled| &mut compiled.run));
        for run in runs {
            let (store, moment) = recording.state(run.engine()).unwrap_or_else(|problem| panic!("{problem}"));
            run.begin_at(store, moment);
        }
        for recorded in recording.transactions() {
            self.native.skip_to(recorded.offset());
            self.compiled.iter_mut().for_each(|compiled| compiled.run.skip_to(recorded.offset()));
            let request = recorded.request(self.native.engine()).unwrap_or_else(|problem| panic!("{problem}"));
            let input = recorded.input(request.unwrap_or_else(|difference| panic!("{difference}")));
            self.now = input.now;
            let compiled = self.compiled.is_some().then(|| input.request.clone());
            let step = self.step_at((input.now, input.seed), input.request, compiled);
            let came = Came { reply: &step.reply, changes: self.native.changes_of(&step) };
            let difference = recorded.compare(self.native.engine(), came).unwrap_or_else(|problem| panic!("{problem}"));
            if let Some(difference) = difference {
                panic!("{difference}");
            }
        }
        recording.transactions().len()
    }
}
