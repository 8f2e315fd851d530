//! The same transfers through a node: echo, durable and not, with so many calls in flight; HTTP; the disk alone.
//!
//! The node runs in this process, its client on another thread; both share the machine, as they would.

use super::layers::Draw;
use crate::failure::Failure;
use crate::node::body;
use interstice_client::http::Http;
use interstice_client::socket::{Socket, SocketError};
use interstice_protocol::http::{SnapshotBuilt, route};
use interstice_protocol::reply::tag;
use interstice_protocol::request::{ANY_SIGNATURE, Invocation, Request};
use interstice_server::server::Server;
use interstice_server::start::Config;
use interstice_types::problem::Problem;
use serde_json::{Value, json};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Bytes of a raw sync: what a small frame takes.
const RAW_SYNC_SIZE: usize = 4 << 10;
/// Raw syncs that are measured.
const RAW_SYNCS: usize = 300;

/// What a client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Load {
    /// Bytes as many as a transfer has, which come back.
    Echo,
    /// Transfers.
    Transfer,
}

/// How fast it went.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub(super) struct Pace {
    /// Answers a second.
    pub(super) per_second: f64,
    /// Half of the answers took less; only with one call in flight.
    pub(super) p50: Option<Duration>,
}

/// A node with the bank, and a client of it.
pub(super) struct Target {
    server: Server,
    runtime: Runtime,
}

impl Target {
    /// Starts a node; without a directory it keeps nothing.
    pub(super) fn start(data: Option<&Path>) -> Result<Self, Failure> {
        let config = Config { data: data.map(Path::to_owned), listen: ([127, 0, 0, 1], 0).into(), ..Config::default() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Problem::new("io", format!("starting the network: {error}")))?;
        Ok(Self { server: Server::start(config)?, runtime })
    }

    fn url(&self) -> String {
        format!("http://{}", self.server.addr())
    }

    /// Publishes the bank.
    pub(super) fn publish(&self, artefact: &[u8]) -> Result<(), Failure> {
        Http::new(&self.url(), None).post_bytes(route::PUBLISH, artefact)?;
        Ok(())
    }

    /// Has a snapshot made at the end of the log.
    pub(super) fn make_snapshot(&self) -> Result<SnapshotBuilt, Failure> {
        body(&Http::new(&self.url(), None).post(route::SNAPSHOTS, &Value::Null)?)
    }

    /// Sends `load` for `span` with `window` in flight.
    pub(super) fn pace(&self, load: Load, window: u32, span: Duration) -> Result<Pace, Failure> {
        let pace = self.runtime.block_on(pipeline(&self.url(), load, window, span));
        pace.map_err(|error| Problem::new("bench", error.to_string()).into())
    }

    /// Calls a second over HTTP, one after the other.
    pub(super) fn http(&self, span: Duration) -> Result<f64, Failure> {
        let (http, mut draw) = (Http::new(&self.url(), None), Draw::new(7));
        let path = format!("{}/bank/transfer", route::CALL);
        let (started, mut count) = (Instant::now(), 0);
        while started.elapsed() < span {
            let (from, to) = draw.pair();
            http.post(&path, &json!([from, to, 1]))?;
            count += 1;
        }
        Ok(f64::from(count) / started.elapsed().as_secs_f64())
    }

    /// Ends the node.
    pub(super) fn stop(self) -> Result<(), Failure> {
        Ok(self.server.stop()?)
    }
}

/// From nothing to the answer of the first call, on a directory that has the bank.
pub(super) fn start_to_first_call(data: &Path) -> Result<Duration, Failure> {
    let started = Instant::now();
    let target = Target::start(Some(data))?;
    let body = json!([1, 2, 1]);
    Http::new(&target.url(), None).post(&format!("{}/bank/transfer", route::CALL), &body)?;
    let elapsed = started.elapsed();
    target.stop()?;
    Ok(elapsed)
}

fn push(socket: &mut Socket, id: u32, load: Load, draw: &mut Draw) {
    let args = draw.args();
    match load {
        Load::Echo => socket.push(id, &Request::Echo(&args)),
        Load::Transfer => {
            let (module, function) = ("bank", "transfer");
            socket.push(id, &Request::Call(Invocation { module, function, signature: ANY_SIGNATURE, args: &args }));
        }
    }
}

async fn pipeline(url: &str, load: Load, window: u32, span: Duration) -> Result<Pace, SocketError> {
    let mut socket = Socket::connect(url, None).await?;
    let mut draw = Draw::new(u64::from(window));
    (0..window).for_each(|id| push(&mut socket, id, load, &mut draw));
    let (mut count, mut latencies) = (0_u64, Vec::new());
    let started = Instant::now();
    let mut sent = started;
    loop {
        socket.send().await?;
        let answers = socket.receive().await?;
        for frame in answers.frames() {
            let frame = frame?;
            if frame.tag == tag::RECEIPT {
                continue;
            }
            assert!(matches!(frame.tag, tag::OK | tag::ECHO), "invariant: everybody has enough for a transfer of 1");
            push(&mut socket, frame.id, load, &mut draw);
            count += 1;
        }
        let now = Instant::now();
        if window == 1 {
            latencies.push(now - sent);
            sent = now;
        }
        if now - started >= span {
            let per_second = count as f64 / (now - started).as_secs_f64();
            let p50 = (window == 1).then(|| super::median(&mut latencies));
            return Ok(Pace { per_second, p50 });
        }
    }
}

/// What a small sync takes on this disk.
#[derive(Debug, Clone, Copy)]
pub(super) struct RawSync {
    pub(super) min: Duration,
    pub(super) p50: Duration,
    pub(super) p99: Duration,
    pub(super) max: Duration,
}

/// Overwrites 4 KiB and syncs, again and again, in a file that was zeroed before.
pub(super) fn raw_sync(directory: &Path) -> io::Result<RawSync> {
    let path = directory.join("raw-sync");
    let file = File::options().create(true).truncate(true).read(true).write(true).open(&path)?;
    let block = [7; RAW_SYNC_SIZE];
    file.write_all_at(&vec![0; RAW_SYNC_SIZE * RAW_SYNCS], 0)?;
    file.sync_all()?;
    let mut latencies = Vec::with_capacity(RAW_SYNCS);
    for number in 0..RAW_SYNCS {
        let started = Instant::now();
        file.write_all_at(&block, (number * RAW_SYNC_SIZE) as u64)?;
        file.sync_data()?;
        latencies.push(started.elapsed());
    }
    std::fs::remove_file(&path)?;
    latencies.sort();
    let [min, p50, p99, max] = [0, RAW_SYNCS / 2, RAW_SYNCS * 99 / 100, RAW_SYNCS - 1].map(|rank| latencies[rank]);
    Ok(RawSync { min, p50, p99, max })
}
