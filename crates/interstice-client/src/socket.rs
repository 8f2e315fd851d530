//! Many questions at a time and subscriptions, in binary over a WebSocket.
//!
//! The caller gathers requests, sends them together, and takes answers as they come: each carries the id of its request.
//! Nothing waits for anything but the network, so that thousands of calls may be in flight on one task.

use futures_util::{SinkExt, Stream, StreamExt};
use interstice_protocol::frame::{Frame, FrameError, Frames};
use interstice_protocol::http::{AS_HEADER, route};
use interstice_protocol::reply::Reply;
use interstice_protocol::request::Request;
use interstice_types::problem::Problem;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Bytes, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// Bytes of one message of a node that are read at most.
const MAX_MESSAGE_SIZE: usize = 64 << 20;

/// A connection to a node.
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    outgoing: Vec<u8>,
}

/// Why a connection did not come about, or ended.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The network or the WebSocket failed.
    #[error("the connection failed: {0}")]
    Failed(#[from] Box<tungstenite::Error>),
    /// The node closed it.
    #[error("the node closed the connection{}", if reason.is_empty() { String::new() } else { format!(": {reason}") })]
    Closed {
        /// The WebSocket close code.
        code: u16,
        /// What the node says.
        reason: String,
    },
    /// The node said something that is not understood.
    #[error("a message of the node is not understood: {0}")]
    Invalid(Problem),
}

impl From<tungstenite::Error> for SocketError {
    fn from(error: tungstenite::Error) -> Self {
        Self::Failed(Box::new(error))
    }
}

impl From<FrameError> for SocketError {
    fn from(error: FrameError) -> Self {
        Self::Invalid(error.into())
    }
}

impl Socket {
    /// Connects to the node at `url`, as in `http://127.0.0.1:7070`, under the local development identity `act_as`.
    ///
    /// # Errors
    /// [`SocketError::Failed`].
    pub async fn connect(url: &str, act_as: Option<&str>) -> Result<Self, SocketError> {
        let address = url.trim_end_matches('/').replacen("http", "ws", 1);
        let mut request = format!("{address}{}", route::SOCKET).into_client_request()?;
        if let Some(name) = act_as {
            let name = HeaderValue::from_str(name)
                .map_err(|error| tungstenite::Error::from(tungstenite::http::Error::from(error)))?;
            request.headers_mut().insert(AS_HEADER, name);
        }
        let config =
            WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE_SIZE)).max_frame_size(Some(MAX_MESSAGE_SIZE));
        let (stream, _) = tokio_tungstenite::connect_async_with_config(request, Some(config), true).await?;
        Ok(Self { stream, outgoing: Vec::new() })
    }

    /// Adds a request to those that the next [`send`](Self::send) sends. Its answers carry `id`.
    pub fn push(&mut self, id: u32, request: &Request<'_>) {
        request.encode(id, &mut self.outgoing);
    }

    /// Sends all requests that were added, in one message.
    ///
    /// # Errors
    /// [`SocketError::Failed`].
    pub async fn send(&mut self) -> Result<(), SocketError> {
        if !self.outgoing.is_empty() {
            let message = Message::Binary(Bytes::from(std::mem::take(&mut self.outgoing)));
            self.stream.send(message).await?;
        }
        Ok(())
    }

    /// The next answers: as many as came in one message.
    ///
    /// # Errors
    /// [`SocketError`].
    pub async fn receive(&mut self) -> Result<Answers, SocketError> {
        receive(&mut self.stream).await
    }
}

/// The next answers of a stream of WebSocket messages.
pub(crate) async fn receive<S>(stream: &mut S) -> Result<Answers, SocketError>
where
    S: Stream<Item = Result<Message, tungstenite::Error>> + Unpin,
{
    loop {
        match stream.next().await {
            Some(Ok(Message::Binary(bytes))) => return Ok(Answers(bytes)),
            Some(Ok(Message::Close(close))) => {
                let (code, reason) =
                    close.map_or((0, String::new()), |close| (close.code.into(), close.reason.to_string()));
                return Err(SocketError::Closed { code, reason });
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(error.into()),
            None => return Err(SocketError::Closed { code: 0, reason: String::new() }),
        }
    }
}

impl Socket {
    /// The connection itself, for whoever reads and writes apart.
    pub(crate) fn into_stream(self) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
        self.stream
    }
}

/// Answers that came together.
pub struct Answers(Bytes);

impl Answers {
    /// Each with the id of its request.
    pub fn iter(&self) -> impl Iterator<Item = Result<(u32, Reply<'_>), SocketError>> {
        Frames::new(&self.0).map(|frame| {
            let frame: Frame<'_> = frame?;
            Ok((frame.id, Reply::decode(&frame).map_err(SocketError::Invalid)?))
        })
    }

    /// Each with its tag and the id of its request, its body not looked at.
    pub fn frames(&self) -> Frames<'_> {
        Frames::new(&self.0)
    }
}
