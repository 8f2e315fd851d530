//! Connections that begin and end, told to every module that asks for it, in one transaction.
//!
//! 1. The row of `interstice.connection` comes or goes.
//! 2. Each reducer runs as the client, one module behind the other, each with all the fuel of a call: one that fails has its own writes
//!    undone, which count for nothing then, and leaves a row in `interstice.dead_letter`; it cannot keep a client away, for a connection
//!    is to all modules. What they write together is bounded as one transaction is.
//! 3. Where the host could not run a module nothing is done: the connection is not noted, or stays noted.
//!
//! A connection that was noted when the node went down ended with it: the node says so when it starts.

use crate::engine::{Done, Engine, Moment, Performed, Target, refusal};
use crate::module::{CallError, HOST_FAULT};
use crate::problems;
use crate::system;
use crate::system::dead_letter::{self, Consumed};
use crate::unasked::{ROOM, transaction_of};
use interstice_store::write::WriteTx;
use interstice_types::id::Identity;
use interstice_types::problem::Problem;
use interstice_types::transaction::{Cause, Outcome};
use std::sync::Arc;

impl Engine {
    /// Connections that are noted, the oldest first.
    pub fn connections(&self) -> Vec<u64> {
        system::connection::all(&self.store)
    }

    /// Notes a connection; the answer is its number, little endian.
    pub(crate) fn connect(&mut self, caller: Identity, moment: Moment) -> Performed {
        if !self.catalog.notes_connections() {
            let problem = Problem::new("not-noted", "no module asks for connections");
            return Err(refusal(problem, Vec::new(), self.next_offset).into());
        }
        let mut tx = std::mem::take(&mut self.store).begin();
        let noted = self.client_of(&mut tx, caller).and_then(|client| {
            let connection = system::connection::open(&mut tx, client, moment.0)?;
            Ok(connection.map(|connection| Cause::Connect { caller: client, connection }))
        });
        match noted {
            Ok(Some(cause)) => self.tell(tx, cause, caller, moment),
            Ok(None) => self.abandon(tx, Problem::new("not-noted", "the node knew no connections then")),
            Err(error) => self.abandon(tx, problems::write_refused(&error)),
        }
    }

    /// Notes that a connection ended.
    pub(crate) fn disconnect(&mut self, connection: u64, moment: Moment) -> Performed {
        let mut tx = std::mem::take(&mut self.store).begin();
        let client = match system::connection::close(&mut tx, connection) {
            Ok(Some(client)) => client,
            Ok(None) => {
                let text = format!("there is no connection {connection}");
                return self.abandon(tx, Problem::new("no-connection", text));
            }
            Err(error) => return self.abandon(tx, problems::write_refused(&error)),
        };
        let caller = system::identity_of(tx.store(), client).expect("invariant: a connection's client has a row");
        self.tell(tx, Cause::Disconnect { connection }, caller, moment)
    }

    fn tell(&mut self, tx: WriteTx, cause: Cause, caller: Identity, moment: Moment) -> Performed {
        let catalog = Arc::clone(&self.catalog);
        let (connection, reducers) = match cause {
            Cause::Connect { connection, .. } => (connection, catalog.connect_reducers()),
            Cause::Disconnect { connection } => (connection, catalog.disconnect_reducers()),
            _ => panic!("invariant: only of connections anybody is told so"),
        };
        let mut execution = self.begin(tx, caller, moment);
        let mut failures = Vec::new();
        for (place, (module, function)) in reducers.iter().copied().enumerate() {
            let asks = !catalog.modules()[module].functions[function as usize].schema.args.is_empty();
            let args = if asks { connection.to_le_bytes().to_vec() } else { Vec::new() };
            execution.next();
            let written = execution.written_size();
            let (ran, result) = execution.invoke(module, function, &args);
            execution = ran;
            match result {
                Ok(_) => {}
                Err(CallError::Trapped(problem)) if problem.code == HOST_FAULT => {
                    let finished = self.finish(execution);
                    return Err(refusal(problem, self.undo(finished), self.next_offset).into());
                }
                Err(error) => {
                    execution.give_back(written);
                    failures.push((place, self.problem_of(Target { module, function }, error)));
                }
            }
        }
        let mut finished = self.finish(execution);
        let tx = transaction_of(&mut finished);
        for (place, problem) in failures {
            let (module, function) = reducers[place];
            let consumed = Consumed::Connection(self.next_offset, place as u32);
            let name = self.function_name(Target { module, function });
            dead_letter::write(tx, consumed, &name, &problem.to_json(), moment.0).expect(ROOM);
        }
        Ok(Done::new(cause, Outcome::Ok(connection.to_le_bytes().to_vec()), finished, moment))
    }
}
