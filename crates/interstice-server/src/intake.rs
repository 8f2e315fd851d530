//! What a client says, turned into what the engine is asked. What is answered at once is collected too: one wake for all.
//!
//! A receipt is checked beside all this: it does not hold up what comes behind it, and is answered when the log was read.

use crate::ask::{Ask, Batch, Format, Invocation, Returns, Seat, Subscribe};
use crate::commit_thread::refusal;
use crate::node::Node;
use crate::receipts;
use crate::session::{Piece, Session};
use crate::standing::StandingQuery;
use interstice_engine::catalog::Catalog;
use interstice_protocol::frame::{Frames, NO_REQUEST};
use interstice_protocol::limits::CLOSE_HISTORY_DIVERGED;
use interstice_protocol::receipt::{Receipt, Standing};
use interstice_protocol::reply;
use interstice_protocol::request::{self, Request};
use interstice_protocol::text::{self, TextInvocation, TextRequest};
use interstice_types::id::{Identity, Offset};
use interstice_types::problem::Problem;
use interstice_types::schema::{FunctionKind, signature};
use serde_json::Value as Json;
use std::sync::Arc;

/// What one connection has said and is not yet handed over.
pub(crate) struct Intake {
    node: Arc<Node>,
    session: Arc<Session>,
    caller: Identity,
    /// Module and function of the last call: the next is likely to have the same names.
    names: [Arc<str>; 2],
    asks: Vec<Ask>,
    /// Binary messages that answer at once.
    tail: Vec<u8>,
    pieces: Vec<Piece>,
}

impl Intake {
    pub(crate) fn new(node: Arc<Node>, session: Arc<Session>, caller: Identity) -> Self {
        let names = ["".into(), "".into()];
        Self { node, session, caller, names, asks: Vec::new(), tail: Vec::new(), pieces: Vec::new() }
    }

    /// Takes a binary WebSocket message in.
    pub(crate) fn binary(&mut self, bytes: &[u8]) {
        for frame in Frames::new(bytes) {
            let (id, request) = match frame {
                Ok(frame) => (frame.id, Request::decode(&frame)),
                Err(error) => (NO_REQUEST, Err(error.into())),
            };
            let taken = request.and_then(|request| self.request(id, &request));
            if let Err(problem) = taken {
                reply::error(id, &problem, &mut self.tail);
            }
        }
    }

    fn request(&mut self, id: u32, request: &Request<'_>) -> Result<(), Problem> {
        match request {
            Request::Call(call) => {
                self.session.begin_call()?;
                let call = self.invocation(call);
                self.asks.push(Ask::Call(call, Seat::Binary(id)));
            }
            Request::Query(query) => {
                self.session.begin_call()?;
                let query = self.invocation(query);
                self.asks.push(Ask::Query(query, Seat::Binary(id)));
            }
            Request::Subscribe { sql, initial } => self.subscribe(id, (*sql).to_owned(), *initial, Format::Binary)?,
            Request::SubscribeQuery(query) => {
                let query = self.invocation(query);
                self.subscribe_query(id, query, None)?;
            }
            Request::Unsubscribe => self.asks.push(Ask::Unsubscribe { id, format: Format::Binary }),
            Request::Echo(bytes) => reply::echo(id, bytes, &mut self.tail),
            Request::Receipt(receipt) => self.check(id, *receipt, Format::Binary)?,
        }
        Ok(())
    }

    /// Has a receipt checked. It takes a place among the calls in flight, so that no client has endlessly many checked.
    fn check(&self, id: u32, receipt: Receipt, format: Format) -> Result<(), Problem> {
        self.session.begin_call()?;
        let (node, session) = (Arc::clone(&self.node), Arc::clone(&self.session));
        tokio::spawn(async move {
            match receipts::check(&node, receipt).await {
                Ok(standing) => {
                    let offset = node.log.tail().next_offset.saturating_sub(1);
                    session.deliver([standing_answer(id, format, offset, standing)], 1);
                }
                Err(problem) => {
                    session.deliver([refusal(id, format, &problem)], 1);
                    if problem.code == "history-diverged" {
                        session.close_after_pieces(CLOSE_HISTORY_DIVERGED, "the history is another one");
                    }
                }
            }
        });
        Ok(())
    }

    fn invocation(&mut self, invocation: &request::Invocation<'_>) -> Invocation {
        for (known, name) in self.names.iter_mut().zip([invocation.module, invocation.function]) {
            if **known != *name {
                *known = name.into();
            }
        }
        let [module, function] = self.names.clone();
        Invocation {
            module,
            function,
            args: invocation.args.to_vec(),
            signature: invocation.signature,
            caller: self.caller,
        }
    }

    fn subscribe(&mut self, id: u32, sql: String, initial: bool, format: Format) -> Result<(), Problem> {
        self.session.begin_subscription(id)?;
        let caller = self.caller;
        self.asks.push(Ask::Subscribe(Subscribe { id, sql, caller, initial, format }));
        Ok(())
    }

    fn subscribe_query(&mut self, id: u32, query: Invocation, returns: Option<Returns>) -> Result<(), Problem> {
        self.session.begin_subscription(id)?;
        let query = StandingQuery::new(Arc::clone(&self.session), id, query, returns);
        self.asks.push(Ask::SubscribeQuery(query));
        Ok(())
    }

    /// Takes a JSON WebSocket message in.
    pub(crate) fn text(&mut self, message: &str) {
        let (id, taken) = match text::decode(message) {
            Ok((id, request)) => (id, self.text_request(id, request)),
            Err((id, problem)) => (id, Err(problem)),
        };
        if let Err(problem) = taken {
            self.push(Piece::Text(text::error(id, &problem)));
        }
    }

    fn text_request(&mut self, id: u32, request: TextRequest) -> Result<(), Problem> {
        match request {
            TextRequest::Call(call) => {
                let (call, returns) = self.text_invocation(&FunctionKind::Reducer, &call)?;
                self.session.begin_call()?;
                self.asks.push(Ask::Call(call, Seat::Text(id, returns)));
            }
            TextRequest::Query(query) => {
                let (query, returns) = self.text_invocation(&FunctionKind::Query, &query)?;
                self.session.begin_call()?;
                self.asks.push(Ask::Query(query, Seat::Text(id, returns)));
            }
            TextRequest::Subscribe { sql, initial } => self.subscribe(id, sql, initial, Format::Text)?,
            TextRequest::SubscribeQuery(query) => {
                let (query, returns) = self.text_invocation(&FunctionKind::Query, &query)?;
                self.subscribe_query(id, query, Some(returns))?;
            }
            TextRequest::Unsubscribe => self.asks.push(Ask::Unsubscribe { id, format: Format::Text }),
            TextRequest::Echo(text) => self.push(Piece::Text(text::echo(id, &text))),
            TextRequest::Receipt(receipt) => self.check(id, receipt, Format::Text)?,
        }
        Ok(())
    }

    fn text_invocation(
        &self,
        kind: &FunctionKind,
        invocation: &TextInvocation,
    ) -> Result<(Invocation, Returns), Problem> {
        let TextInvocation { module, function, args } = invocation;
        invocation_of_json(&self.node.catalog(), (kind, module, function), args, self.caller)
    }

    fn push(&mut self, piece: Piece) {
        self.close_tail();
        self.pieces.push(piece);
    }

    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            self.pieces.push(Piece::Binary(std::mem::take(&mut self.tail)));
        }
    }

    /// Answers something that cannot be read at all, and has the connection closed.
    pub(crate) fn refuse(&mut self, problem: &Problem, code: u16) {
        reply::error(NO_REQUEST, problem, &mut self.tail);
        self.close_tail();
        self.session.deliver(std::mem::take(&mut self.pieces), 0);
        self.session.close_after_pieces(code, "the message cannot be read");
    }

    /// Hands over what was said since the last time.
    pub(crate) fn hand_over(&mut self) {
        self.close_tail();
        if !self.pieces.is_empty() {
            self.session.deliver(std::mem::take(&mut self.pieces), 0);
        }
        if self.asks.is_empty() {
            return;
        }
        let batch = Batch { session: Some(Arc::clone(&self.session)), asks: std::mem::take(&mut self.asks) };
        if let Err((batch, problem)) = self.node.submit(batch) {
            self.refuse_all(batch, &problem);
        }
    }

    fn refuse_all(&self, batch: Batch, problem: &Problem) {
        let mut answered = 0;
        let refused = batch.asks.into_iter().filter_map(|ask| match ask {
            Ask::Call(_, seat) | Ask::Query(_, seat) => {
                answered += 1;
                match seat {
                    Seat::Binary(id) => Some(refusal(id, Format::Binary, problem)),
                    Seat::Text(id, _) => Some(refusal(id, Format::Text, problem)),
                    Seat::Once(_) | Seat::Standing(_) => None,
                }
            }
            Ask::Subscribe(subscribe) => {
                self.session.end_subscription(subscribe.id);
                Some(refusal(subscribe.id, subscribe.format, problem))
            }
            Ask::SubscribeQuery(query) => {
                self.session.end_subscription(query.id());
                Some(refusal(query.id(), query.format(), problem))
            }
            Ask::Unsubscribe { id, format } => Some(refusal(id, format, problem)),
            Ask::Sql { .. }
            | Ask::Look(_)
            | Ask::Publish(_)
            | Ask::Control { .. }
            | Ask::EndSubscription { .. }
            | Ask::Arrive(_)
            | Ask::Leave => None,
        });
        let pieces: Vec<_> = refused.collect();
        self.session.deliver(pieces, answered);
    }

    /// Tells the node of the connection, before anything that is said on it.
    pub(crate) fn arrive(&self) {
        self.announce(Ask::Arrive(self.caller));
    }

    /// Tells the node that the connection has ended.
    pub(crate) fn leave(&self) {
        self.announce(Ask::Leave);
    }

    fn announce(&self, ask: Ask) {
        self.node.announce(Batch { session: Some(Arc::clone(&self.session)), asks: vec![ask] });
    }
}

/// An invocation whose arguments are JSON: an array in order, or an object by name. It carries the signature of the function
/// that the arguments were read for, so that a publish in between is noticed.
pub(crate) fn invocation_of_json(
    catalog: &Catalog,
    (kind, module, function): (&FunctionKind, &str, &str),
    args: &Json,
    caller: Identity,
) -> Result<(Invocation, Returns), Problem> {
    let found = catalog.find(kind, module, function)?;
    let args = found.args_of_json(args)?;
    let invocation = Invocation {
        module: module.into(),
        function: function.into(),
        args,
        signature: signature::of_function(&found.function().schema),
        caller,
    };
    Ok((invocation, Returns { schema: Arc::clone(&found.module.schema), function: found.number as usize }))
}

/// The answer to a receipt that holds, or that cannot be checked.
fn standing_answer(id: u32, format: Format, offset: Offset, standing: Standing) -> Piece {
    match format {
        Format::Text => Piece::Text(text::ok(id, offset, &Json::String(standing.name().to_owned()))),
        Format::Binary => {
            let mut out = Vec::new();
            reply::standing(id, offset, standing, &mut out);
            Piece::Binary(out)
        }
    }
}
