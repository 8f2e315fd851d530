//! What a node says, in binary.
//!
//! The bodies of updates are made apart from their heads ([`update_body`]): one body goes to every subscriber of a query,
//! each under its own request id ([`crate::frame::head`]).

use crate::frame::{Frame, NO_REQUEST, write, write_bytes, wrong_body};
use crate::problems;
use crate::receipt::{Receipt, Standing};
use interstice_types::codec::{DecodeError, Reader};
use interstice_types::id::Offset;
use interstice_types::problem::Problem;
use interstice_types::ty::Field;

/// The tag of each message of a node.
pub mod tag {
    /// [`Reply::Ok`](super::Reply::Ok)
    pub const OK: u8 = 64;
    /// [`Reply::Error`](super::Reply::Error)
    pub const ERROR: u8 = 65;
    /// [`Reply::Columns`](super::Reply::Columns)
    pub const COLUMNS: u8 = 66;
    /// [`Reply::Rows`](super::Reply::Rows)
    pub const ROWS: u8 = 67;
    /// [`Reply::Update`](super::Reply::Update)
    pub const UPDATE: u8 = 68;
    /// [`Reply::Echo`](super::Reply::Echo)
    pub const ECHO: u8 = 69;
    /// [`Reply::Receipt`](super::Reply::Receipt)
    pub const RECEIPT: u8 = 70;
    /// [`Reply::Value`](super::Reply::Value)
    pub const VALUE: u8 = 71;
}

/// A message of a node; the id of the request that it answers stands beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply<'m> {
    /// A call committed, or a query is answered.
    Ok {
        /// The transaction; of a query, the newest one that it saw.
        offset: Offset,
        /// Canonical bytes of the function's answer.
        value: &'m [u8],
    },
    /// It did not work out. Ends a subscription.
    Error(Problem),
    /// The columns of a subscription's rows: comes before the first rows.
    Columns(Vec<Field>),
    /// Rows that were there when the subscription began. Parts belong together up to the last one.
    Rows {
        /// The newest transaction that they include.
        offset: Offset,
        /// Whether no part follows.
        last: bool,
        /// The rows, in primary-key order over all parts.
        rows: Rows<'m>,
    },
    /// What one transaction did to a subscription's rows: first take `deletes` away, then add `inserts`.
    Update {
        /// The transaction; if it is in no log, the newest one that is.
        offset: Offset,
        /// How many since then are in no log, this one included; 0 if this one is.
        unlogged: u32,
        /// Rows that are there now.
        inserts: Rows<'m>,
        /// Rows that are there no more, as they were.
        deletes: Rows<'m>,
    },
    /// The answer of a query that was subscribed to, where it is another one than before.
    Value {
        /// The newest transaction that it saw.
        offset: Offset,
        /// Canonical bytes of the function's answer.
        value: &'m [u8],
    },
    /// The bytes of an echo.
    Echo(&'m [u8]),
    /// The receipt of every call that is acknowledged behind it, up to the next one. Answers no request: its id is
    /// [`NO_REQUEST`].
    Receipt(Receipt),
}

/// Rows one after the other, each behind its length; checked, not copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rows<'m> {
    count: usize,
    bytes: &'m [u8],
}

impl<'m> Rows<'m> {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The encoded rows.
    pub fn iter(&self) -> impl Iterator<Item = &'m [u8]> + use<'m> {
        let mut reader = Reader::new(self.bytes);
        (0..self.count).map(move |_| reader.bytes("row").expect("invariant: rows were checked when they were read"))
    }

    fn decode(reader: &mut Reader<'m>) -> Result<Self, DecodeError> {
        /// Each row has at least its length.
        const MIN_ROW_SIZE: usize = 4;
        let count = reader.length(MIN_ROW_SIZE, "rows")?;
        let mut ahead = reader.clone();
        for _ in 0..count {
            ahead.bytes("row")?;
        }
        let bytes = reader.take(ahead.position() - reader.position(), "rows")?;
        Ok(Self { count, bytes })
    }
}

/// Appends [`Reply::Ok`].
pub fn ok(id: u32, offset: Offset, value: &[u8], out: &mut Vec<u8>) {
    write(out, tag::OK, id, |out| {
        out.extend(offset.to_le_bytes());
        out.extend(value);
    });
}

/// Appends [`Reply::Value`].
pub fn value(id: u32, offset: Offset, value: &[u8], out: &mut Vec<u8>) {
    write(out, tag::VALUE, id, |out| {
        out.extend(offset.to_le_bytes());
        out.extend(value);
    });
}

/// Appends [`Reply::Error`].
pub fn error(id: u32, problem: &Problem, out: &mut Vec<u8>) {
    write(out, tag::ERROR, id, |out| out.extend(problem.to_json()));
}

/// Appends [`Reply::Columns`].
///
/// # Panics
/// Never: a type has a JSON form.
pub fn columns(id: u32, columns: &[Field], out: &mut Vec<u8>) {
    let json = serde_json::to_vec(columns).expect("invariant: a type has a JSON form");
    write(out, tag::COLUMNS, id, |out| out.extend(json));
}

/// Appends [`Reply::Rows`].
pub fn rows<R: AsRef<[u8]>>(id: u32, (offset, last): (Offset, bool), rows: &[R], out: &mut Vec<u8>) {
    write(out, tag::ROWS, id, |out| {
        out.extend(offset.to_le_bytes());
        out.push(u8::from(last));
        write_rows(rows, out);
    });
}

/// The body of [`Reply::Update`], the same for everybody whom it is for.
pub fn update_body<R: AsRef<[u8]>>((offset, unlogged): (Offset, u32), inserts: &[R], deletes: &[R]) -> Vec<u8> {
    let mut out = offset.to_le_bytes().to_vec();
    out.extend(unlogged.to_le_bytes());
    write_rows(inserts, &mut out);
    write_rows(deletes, &mut out);
    out
}

/// Appends [`Reply::Echo`].
pub fn echo(id: u32, bytes: &[u8], out: &mut Vec<u8>) {
    write(out, tag::ECHO, id, |out| out.extend(bytes));
}

/// Appends the answer to a receipt that was presented: [`Reply::Ok`] with the standing's name, as a string.
pub fn standing(id: u32, offset: Offset, standing: Standing, out: &mut Vec<u8>) {
    write(out, tag::OK, id, |out| {
        out.extend(offset.to_le_bytes());
        write_bytes(out, standing.name().as_bytes());
    });
}

/// Appends [`Reply::Receipt`].
pub fn receipt(receipt: &Receipt, out: &mut Vec<u8>) {
    write(out, tag::RECEIPT, NO_REQUEST, |out| receipt.encode(out));
}

fn write_rows<R: AsRef<[u8]>>(rows: &[R], out: &mut Vec<u8>) {
    out.extend(u32::try_from(rows.len()).expect("invariant: no message holds 2^32 rows").to_le_bytes());
    rows.iter().for_each(|row| write_bytes(out, row.as_ref()));
}

impl<'m> Reply<'m> {
    /// Reads the message.
    ///
    /// # Errors
    /// `invalid-message`.
    pub fn decode(frame: &Frame<'m>) -> Result<Self, Problem> {
        match frame.tag {
            tag::ERROR => Problem::from_json(frame.body).map(Self::Error).map_err(problems::invalid_message),
            tag::COLUMNS => serde_json::from_slice(frame.body).map(Self::Columns).map_err(problems::invalid_message),
            tag::ECHO => Ok(Self::Echo(frame.body)),
            tag::OK | tag::ROWS | tag::UPDATE | tag::RECEIPT | tag::VALUE => {
                Self::decode_body(frame).map_err(|error| wrong_body(&error))
            }
            unknown => Err(problems::unknown_tag(unknown)),
        }
    }

    fn decode_body(frame: &Frame<'m>) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(frame.body);
        if frame.tag == tag::RECEIPT {
            let receipt = Receipt::decode(&mut reader)?;
            reader.finish()?;
            return Ok(Self::Receipt(receipt));
        }
        let offset = u64::from_le_bytes(reader.array("offset")?);
        let reply = match frame.tag {
            tag::OK => Self::Ok { offset, value: reader.take(reader.left(), "value")? },
            tag::VALUE => Self::Value { offset, value: reader.take(reader.left(), "value")? },
            tag::ROWS => {
                let position = reader.position();
                let last = match reader.array::<1>("flag")? {
                    [0] => false,
                    [1] => true,
                    [found] => return Err(DecodeError::InvalidBool { found, position }),
                };
                Self::Rows { offset, last, rows: Rows::decode(&mut reader)? }
            }
            _ => Self::Update {
                offset,
                unlogged: u32::from_le_bytes(reader.array("number")?),
                inserts: Rows::decode(&mut reader)?,
                deletes: Rows::decode(&mut reader)?,
            },
        };
        reader.finish()?;
        Ok(reply)
    }
}
