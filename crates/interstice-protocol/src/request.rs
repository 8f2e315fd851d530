//! What a client says, in binary.

use crate::frame::{Frame, write, write_bytes, wrong_body};
use crate::problems;
use crate::receipt::Receipt;
use interstice_types::codec::{DecodeError, Reader};
use interstice_types::problem::Problem;
use interstice_types::schema::signature::Signature;

/// A signature that is not checked.
pub const ANY_SIGNATURE: Signature = [0; 8];

/// The tag of each message of a client.
mod tag {
    pub(super) const CALL: u8 = 1;
    pub(super) const QUERY: u8 = 2;
    pub(super) const SUBSCRIBE: u8 = 3;
    pub(super) const UNSUBSCRIBE: u8 = 4;
    pub(super) const ECHO: u8 = 5;
    pub(super) const RECEIPT: u8 = 6;
    pub(super) const SUBSCRIBE_QUERY: u8 = 7;
}

/// A message of a client; its id stands beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request<'m> {
    /// Call a reducer.
    Call(Invocation<'m>),
    /// Ask a query.
    Query(Invocation<'m>),
    /// Be told of the rows of a `SELECT` and of every change of them, under this id.
    Subscribe {
        /// The `SELECT`.
        sql: &'m str,
        /// Whether the rows that are there come first.
        initial: bool,
    },
    /// Be told the answer of a query, and again whenever it is another one, under this id.
    SubscribeQuery(Invocation<'m>),
    /// Hear no more under this id.
    Unsubscribe,
    /// The same bytes back: what a connection costs without a database.
    Echo(&'m [u8]),
    /// Whether the node has the history of this receipt. If it has another one the connection ends.
    Receipt(Receipt),
}

/// A function and what it is called with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invocation<'m> {
    /// The module's name.
    pub module: &'m str,
    /// The function's name.
    pub function: &'m str,
    /// The shape that the caller knows, or [`ANY_SIGNATURE`].
    pub signature: Signature,
    /// Canonical argument bytes, one argument after the other.
    pub args: &'m [u8],
}

impl<'m> Request<'m> {
    /// Appends the message.
    pub fn encode(&self, id: u32, out: &mut Vec<u8>) {
        match self {
            Self::Call(invocation) => write(out, tag::CALL, id, |out| invocation.encode(out)),
            Self::Query(invocation) => write(out, tag::QUERY, id, |out| invocation.encode(out)),
            Self::Subscribe { sql, initial } => write(out, tag::SUBSCRIBE, id, |out| {
                out.push(u8::from(*initial));
                write_bytes(out, sql.as_bytes());
            }),
            Self::SubscribeQuery(invocation) => write(out, tag::SUBSCRIBE_QUERY, id, |out| invocation.encode(out)),
            Self::Unsubscribe => write(out, tag::UNSUBSCRIBE, id, |_| {}),
            Self::Echo(bytes) => write(out, tag::ECHO, id, |out| out.extend(*bytes)),
            Self::Receipt(receipt) => write(out, tag::RECEIPT, id, |out| receipt.encode(out)),
        }
    }

    /// Reads the message.
    ///
    /// # Errors
    /// `invalid-message`.
    pub fn decode(frame: &Frame<'m>) -> Result<Self, Problem> {
        let mut reader = Reader::new(frame.body);
        let request = match frame.tag {
            tag::CALL => Invocation::decode(&mut reader).map(Self::Call),
            tag::QUERY => Invocation::decode(&mut reader).map(Self::Query),
            tag::SUBSCRIBE => subscribe(&mut reader),
            tag::SUBSCRIBE_QUERY => Invocation::decode(&mut reader).map(Self::SubscribeQuery),
            tag::UNSUBSCRIBE => Ok(Self::Unsubscribe),
            tag::ECHO => reader.take(frame.body.len(), "bytes").map(Self::Echo),
            tag::RECEIPT => Receipt::decode(&mut reader).map(Self::Receipt),
            unknown => return Err(problems::unknown_tag(unknown)),
        };
        let request = request.map_err(|error| wrong_body(&error))?;
        reader.finish().map_err(|error| wrong_body(&error))?;
        Ok(request)
    }
}

fn subscribe<'m>(reader: &mut Reader<'m>) -> Result<Request<'m>, DecodeError> {
    let position = reader.position();
    let initial = match reader.array::<1>("flag")? {
        [0] => false,
        [1] => true,
        [found] => return Err(DecodeError::InvalidBool { found, position }),
    };
    Ok(Request::Subscribe { initial, sql: reader.string()? })
}

impl<'m> Invocation<'m> {
    /// Of `module.function`, whatever its shape is.
    pub fn new(module: &'m str, function: &'m str, args: &'m [u8]) -> Self {
        Self { module, function, signature: ANY_SIGNATURE, args }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        write_bytes(out, self.module.as_bytes());
        write_bytes(out, self.function.as_bytes());
        out.extend(self.signature);
        write_bytes(out, self.args);
    }

    fn decode(reader: &mut Reader<'m>) -> Result<Self, DecodeError> {
        Ok(Self {
            module: reader.string()?,
            function: reader.string()?,
            signature: reader.array("signature")?,
            args: reader.bytes("arguments")?,
        })
    }
}
