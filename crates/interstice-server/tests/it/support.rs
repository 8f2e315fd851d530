//! A node in this process, a module from text, and clients that speak plain WebSocket and HTTP.

use interstice_log::frame::Lineage;
use interstice_log::local::{LocalLog, OpenOptions};
use interstice_log::segment::LogId;
use interstice_log::storage::Storage;
use interstice_protocol::frame::Frames;
use interstice_protocol::receipt::Receipt;
use interstice_protocol::reply::Reply;
use interstice_protocol::request::{ANY_SIGNATURE, Invocation, Request};
use interstice_server::server::Server;
use interstice_server::start::Config;
use serde_json::Value as Json;
use std::collections::VecDeque;
use std::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::stream::MaybeTlsStream;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

/// One table of (id u64 auto_inc, value u64). Functions, in the order of their numbers: `add` inserts a value and returns its
/// id, `boom` traps, `count` is a query, `fail` aborts with a message, `fill` inserts so many rows, `spin` never ends.
pub(crate) const SCHEMA: &str = r#"{"module":"guest","version":"1.0.0","tables":[{"name":"row","public":true,"primary_key":[0],
    "columns":[{"name":"id","type":"u64","auto_inc":true},{"name":"value","type":"u64"}]}],"functions":[
    {"name":"add","kind":"reducer","handles":[{"table":"row","access":"insert"}],"args":[{"name":"value","type":"u64"}],"returns":"u64"},
    {"name":"boom","kind":"reducer","returns":"unit"},
    {"name":"count","kind":"query","handles":[{"table":"row","access":"read"}],"returns":"u64"},
    {"name":"fail","kind":"reducer","returns":"unit"},
    {"name":"fill","kind":"reducer","handles":[{"table":"row","access":"insert"}],"args":[{"name":"count","type":"u64"}],"returns":"unit"},
    {"name":"spin","kind":"reducer","returns":"unit"}]}"#;

const TEXT: &str = r#"(module
    (import "interstice_1" "insert" (func $insert (param i32 i32 i32 i32 i32) (result i32)))
    (import "interstice_1" "count" (func $count (param i32 i32 i32) (result i64)))
    (import "interstice_1" "result" (func $result (param i32 i32)))
    (import "interstice_1" "abort" (func $abort (param i32 i32)))
    (memory (export "memory") 2 2)
    (global $stack (mut i32) (i32.const 1024))
    (global (export "__heap_base") i32 (i32.const 8192))
    (data (i32.const 2048) "it went wrong")
    (func (export "interstice_init"))
    (func (export "interstice_alloc") (param i32) (result i32) (i32.const 8192))
    (func (export "interstice_describe") (result i64) (i64.const 0))
    (func $add (param $value i64)
      (i64.store (i32.const 4096) (i64.const 0))
      (i64.store (i32.const 4104) (local.get $value))
      (drop (call $insert (i32.const 0) (i32.const 4096) (i32.const 16) (i32.const 5000) (i32.const 100))))
    (func (export "interstice_call") (param $f i32) (param $args i32) (param $len i32) (result i32) (local $left i64)
      (block $watch (block $spin (block $fill (block $fail (block $count (block $boom (block $add
        (br_table $add $boom $count $fail $fill $spin $watch (local.get $f)))
        ;; add
        (call $add (i64.load (i32.add (local.get $args) (i32.const 76))))
        (call $result (i32.const 5000) (i32.const 8))
        (return (i32.const 0)))
        ;; boom
        (unreachable))
        ;; count
        (i64.store (i32.const 5000) (call $count (i32.const 0) (i32.const 0) (i32.const 0)))
        (call $result (i32.const 5000) (i32.const 8))
        (return (i32.const 0)))
        ;; fail
        (call $abort (i32.const 2048) (i32.const 13))
        (unreachable))
        ;; fill
        (local.set $left (i64.load (i32.add (local.get $args) (i32.const 76))))
        (loop $again
          (call $add (local.get $left))
          (local.set $left (i64.sub (local.get $left) (i64.const 1)))
          (br_if $again (i64.ne (local.get $left) (i64.const 0))))
        (return (i32.const 0)))
      ;; spin
      (loop $forever (br $forever)))
      ;; watch
      (i32.const 0)))"#;

/// The same, and `watch` hears of every row that is inserted.
pub(crate) fn watching_schema() -> String {
    let watch = r#"{"name":"watch","kind":{"event":{"on":"insert","table":{"table":"row"}}},"args":[{"name":"row","type":
        {"struct":{"name":"Row","fields":[{"name":"id","type":"u64"},{"name":"value","type":"u64"}]}}}],"returns":"unit"}"#;
    SCHEMA.strip_suffix("]}").map(|start| format!("{start},{watch}]}}")).unwrap()
}

/// The module as an artefact with `schema` inside.
pub(crate) fn artefact(schema: &str) -> Vec<u8> {
    let mut wasm = wat::parse_str(TEXT).unwrap_or_else(|error| panic!("{error}"));
    let section = wasm_encoder::CustomSection { name: "interstice_schema".into(), data: schema.as_bytes().into() };
    wasm.push(0);
    wasm_encoder::Encode::encode(&section, &mut wasm);
    wasm
}

/// Any free port, everything in memory.
pub(crate) fn config() -> Config {
    Config { listen: ([127, 0, 0, 1], 0).into(), ..Config::default() }
}

/// A node in memory.
pub(crate) fn start() -> Node {
    Node(Server::start(config()).unwrap())
}

/// How its log is opened.
pub(crate) fn options(segment_size: u64) -> OpenOptions {
    let (log_id, lineage) = (LogId([1; 16]), Lineage([2; 16]));
    OpenOptions { segment_size, log_id, lineage, salt_seed: [3; 16] }
}

/// A node on a log of its own storage.
pub(crate) fn start_on<S: Storage<Lock: Sync>>(storage: S, segment_size: u64) -> Node {
    let (log, _) = LocalLog::open(storage, options(segment_size)).unwrap();
    Node(Server::start_on(log, config()).unwrap())
}

/// A node in memory with the module.
pub(crate) fn start_with_guest() -> Node {
    let node = start();
    node.publish(SCHEMA);
    node
}

pub(crate) struct Node(pub(crate) Server);

impl Node {
    pub(crate) fn http(&self, method: &str, path: &str, body: &[u8]) -> (u16, String) {
        http(&format!("http://{}{path}", self.0.addr()), method, body, &[])
    }

    /// The JSON of an answer that must be good.
    pub(crate) fn get(&self, path: &str) -> Json {
        let (status, body) = self.http("GET", path, b"");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// The JSON of an answer that must be good.
    pub(crate) fn post(&self, path: &str, body: &str) -> Json {
        let (status, body) = self.http("POST", path, body.as_bytes());
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// The same with a receipt in the header.
    pub(crate) fn presenting(&self, receipt: &str, path: &str, body: &str) -> (u16, Json) {
        let url = format!("http://{}{path}", self.0.addr());
        let (status, answer) = http(&url, "POST", body.as_bytes(), &[("interstice-receipt", receipt)]);
        (status, serde_json::from_str(&answer).unwrap())
    }

    /// Status and problem of an answer that must not be good.
    pub(crate) fn refused(&self, path: &str, body: &str) -> (u16, Json) {
        let (status, body) = self.http("POST", path, body.as_bytes());
        assert_ne!(status, 200, "{body}");
        (status, serde_json::from_str(&body).unwrap())
    }

    pub(crate) fn publish(&self, schema: &str) -> Json {
        let (status, body) = self.http("POST", "/v1/publish", &artefact(schema));
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    pub(crate) fn connect(&self) -> Socket {
        Socket::connect(&format!("ws://{}/v1/socket", self.0.addr()))
    }
}

pub(crate) fn http(url: &str, method: &str, body: &[u8], headers: &[(&str, &str)]) -> (u16, String) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut answer = if method == "GET" {
        agent.run(request.body(()).unwrap()).unwrap()
    } else {
        agent.run(request.body(body).unwrap()).unwrap()
    };
    (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
}

/// A plain blocking WebSocket.
pub(crate) struct Socket {
    stream: WebSocket<MaybeTlsStream<TcpStream>>,
    waiting: VecDeque<Answer>,
    /// The receipt that acknowledgements rest on which come next.
    pub(crate) receipt: Option<Receipt>,
}

/// A message of a node with everything copied out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    Ok { id: u32, offset: u64, value: Vec<u8> },
    Error { id: u32, code: String },
    Columns { id: u32, names: Vec<String> },
    Rows { id: u32, offset: u64, last: bool, rows: Vec<Vec<u8>> },
    Update { id: u32, offset: u64, inserts: Vec<Vec<u8>>, deletes: Vec<Vec<u8>> },
    Value { id: u32, offset: u64, value: Vec<u8> },
    Echo { id: u32, bytes: Vec<u8> },
    Receipt(Receipt),
    Text(Json),
    Closed(u16),
}

impl Socket {
    pub(crate) fn connect(url: &str) -> Self {
        let (stream, _) = tungstenite::connect(url.into_client_request().unwrap()).unwrap();
        Self { stream, waiting: VecDeque::new(), receipt: None }
    }

    pub(crate) fn send_bytes(&mut self, bytes: Vec<u8>) {
        self.stream.send(Message::Binary(bytes.into())).unwrap();
    }

    /// All requests in one WebSocket message.
    pub(crate) fn send(&mut self, requests: &[(u32, Request<'_>)]) {
        let mut bytes = Vec::new();
        requests.iter().for_each(|(id, request)| request.encode(*id, &mut bytes));
        self.send_bytes(bytes);
    }

    pub(crate) fn text(&mut self, json: &str) {
        self.stream.send(Message::Text(json.into())).unwrap();
    }

    /// The answer to one JSON message.
    pub(crate) fn ask(&mut self, json: &str) -> Json {
        self.text(json);
        self.next_text()
    }

    pub(crate) fn next_text(&mut self) -> Json {
        match self.next() {
            Answer::Text(json) => json,
            other => panic!("not a text: {other:?}"),
        }
    }

    /// The next message of the node that is not a receipt.
    pub(crate) fn next(&mut self) -> Answer {
        loop {
            match self.waiting.pop_front() {
                Some(Answer::Receipt(receipt)) => {
                    self.receipt = Some(receipt);
                    continue;
                }
                Some(answer) => return answer,
                None => {}
            }
            match self.stream.read() {
                Ok(Message::Binary(bytes)) => self.waiting.extend(answers(&bytes)),
                Ok(Message::Text(text)) => return Answer::Text(serde_json::from_str(&text).unwrap()),
                Ok(Message::Close(frame)) => {
                    return Answer::Closed(frame.map_or(0, |CloseFrame { code, .. }| code.into()));
                }
                Ok(_) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Reads to the end of the connection; returns how many messages came and the close code, if one was said.
    pub(crate) fn drain(mut self) -> (usize, Option<u16>) {
        let mut count = self.waiting.len();
        loop {
            match self.stream.read() {
                Ok(Message::Binary(bytes)) => count += answers(&bytes).len(),
                Ok(Message::Close(close)) => return (count, close.map(|close| close.code.into())),
                Ok(_) => {}
                Err(_) => return (count, None),
            }
        }
    }

    pub(crate) fn take(&mut self, count: usize) -> Vec<Answer> {
        (0..count).map(|_| self.next()).collect()
    }
}

fn answers(bytes: &[u8]) -> Vec<Answer> {
    let copied = |frame: interstice_protocol::frame::Frame<'_>| {
        let id = frame.id;
        let owned = |rows: interstice_protocol::reply::Rows<'_>| rows.iter().map(<[u8]>::to_vec).collect();
        match Reply::decode(&frame).unwrap() {
            Reply::Ok { offset, value } => Answer::Ok { id, offset, value: value.to_vec() },
            Reply::Error(problem) => Answer::Error { id, code: problem.code.to_string() },
            Reply::Columns(columns) => {
                Answer::Columns { id, names: columns.into_iter().map(|column| column.name).collect() }
            }
            Reply::Rows { offset, last, rows } => Answer::Rows { id, offset, last, rows: owned(rows) },
            Reply::Update { offset, inserts, deletes, .. } => {
                Answer::Update { id, offset, inserts: owned(inserts), deletes: owned(deletes) }
            }
            Reply::Value { offset, value } => Answer::Value { id, offset, value: value.to_vec() },
            Reply::Echo(bytes) => Answer::Echo { id, bytes: bytes.to_vec() },
            Reply::Receipt(receipt) => Answer::Receipt(receipt),
        }
    };
    Frames::new(bytes).map(|frame| copied(frame.unwrap())).collect()
}

/// A call of `guest.function`.
pub(crate) fn call<'a>(function: &'a str, args: &'a [u8]) -> Request<'a> {
    Request::Call(Invocation { module: "guest", function, signature: ANY_SIGNATURE, args })
}

/// The query `guest.count`.
pub(crate) fn count() -> Request<'static> {
    Request::Query(Invocation { module: "guest", function: "count", signature: ANY_SIGNATURE, args: &[] })
}

/// A row of the table.
pub(crate) fn row(id: u64, value: u64) -> Vec<u8> {
    [id.to_le_bytes(), value.to_le_bytes()].concat()
}
