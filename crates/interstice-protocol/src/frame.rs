//! Binary messages in a row: finding where each begins and ends.

use interstice_types::codec::DecodeError;
use interstice_types::problem::Problem;

/// Bytes of length, tag and request id.
pub const HEAD_SIZE: usize = 9;
/// Bytes of the length, which does not count itself.
const LENGTH_SIZE: usize = 4;
/// The request id of an answer to something that had none.
pub const NO_REQUEST: u32 = u32::MAX;

/// One message, its body not looked at yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'m> {
    /// What kind of message.
    pub tag: u8,
    /// Chosen by the client; its answers carry it.
    pub id: u32,
    /// The rest.
    pub body: &'m [u8],
}

/// Why the rest of a WebSocket message cannot be cut into messages.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The last message has no whole head.
    #[error("{left} bytes are left over, a message has at least {HEAD_SIZE}")]
    CutHead {
        /// Bytes that are there.
        left: usize,
    },
    /// A length says more, or less, than can be.
    #[error("a message says that it has {length} bytes, {left} are there, and at least 5 are needed")]
    WrongLength {
        /// What it says.
        length: usize,
        /// Bytes that are there.
        left: usize,
    },
}

/// Cuts a WebSocket message into messages. Ends after the first error.
#[derive(Debug, Clone)]
pub struct Frames<'m> {
    bytes: &'m [u8],
}

impl<'m> Frames<'m> {
    /// Of all of `bytes`.
    pub fn new(bytes: &'m [u8]) -> Self {
        Self { bytes }
    }

    fn cut(&mut self) -> Result<Frame<'m>, FrameError> {
        let bytes = std::mem::take(&mut self.bytes);
        let Some((head, _)) = bytes.split_first_chunk::<HEAD_SIZE>() else {
            return Err(FrameError::CutHead { left: bytes.len() });
        };
        let [l0, l1, l2, l3, tag, i0, i1, i2, i3] = *head;
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        let left = bytes.len() - LENGTH_SIZE;
        if length > left || length < HEAD_SIZE - LENGTH_SIZE {
            return Err(FrameError::WrongLength { length, left });
        }
        let (whole, rest) = bytes.split_at(LENGTH_SIZE + length);
        self.bytes = rest;
        Ok(Frame { tag, id: u32::from_le_bytes([i0, i1, i2, i3]), body: &whole[HEAD_SIZE..] })
    }
}

impl<'m> Iterator for Frames<'m> {
    type Item = Result<Frame<'m>, FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        (!self.bytes.is_empty()).then(|| self.cut())
    }
}

/// The head of a message whose body has `body_size` bytes.
///
/// # Panics
/// If the body has 4 GiB.
pub fn head(tag: u8, id: u32, body_size: usize) -> [u8; HEAD_SIZE] {
    let length = u32::try_from(body_size + HEAD_SIZE - LENGTH_SIZE).expect("invariant: a message is under 4 GiB");
    let ([l0, l1, l2, l3], [i0, i1, i2, i3]) = (length.to_le_bytes(), id.to_le_bytes());
    [l0, l1, l2, l3, tag, i0, i1, i2, i3]
}

/// Appends a message whose body `write` appends.
pub(crate) fn write(out: &mut Vec<u8>, tag: u8, id: u32, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend([0; HEAD_SIZE]);
    write(out);
    let head = head(tag, id, out.len() - start - HEAD_SIZE);
    out[start..start + HEAD_SIZE].copy_from_slice(&head);
}

/// Appends a length and the bytes.
pub(crate) fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(u32::try_from(bytes.len()).expect("invariant: a message is under 4 GiB").to_le_bytes());
    out.extend(bytes);
}

impl From<FrameError> for Problem {
    fn from(error: FrameError) -> Self {
        crate::problems::invalid_message(error)
    }
}

/// A body that is not what its tag says.
pub(crate) fn wrong_body(error: &DecodeError) -> Problem {
    crate::problems::invalid_message(error)
}
