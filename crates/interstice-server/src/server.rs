//! A running node: starting it, waiting for its end, ending it.
//!
//! Ending, in order: the inbox closes and the engine finishes what is in it; the committer makes it durable and answers; the
//! reader finishes; sockets send what is left and close.

use crate::commit_thread::CommitThread;
use crate::data::{self, Fresh};
use crate::engine_thread::EngineThread;
use crate::log_access::{NodeLog, Past};
use crate::moment::{self, Moments};
use crate::node::{Facts, MAX_JOBS, MAX_ROUNDS_SIZE, Node};
use crate::queue::Queue;
use crate::reader_thread;
use crate::routes;
use crate::row_index;
use crate::scrub;
use crate::settings::Settings;
use crate::snapshot_thread::{self, Effort};
use crate::start::{Config, StartError};
use crate::verify;
use interstice::opened::{Birth, OpenReport, Opened};
use interstice_engine::module::ModuleLoader;
use interstice_types::problem::Problem;
use interstice_wasm::runtime::Runtime as Wasm;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Threads for sockets.
const SOCKET_THREADS: usize = 2;
/// Bytes of native stack of the thread that runs modules.
const ENGINE_STACK_SIZE: usize = 16 << 20;
/// How long sockets may take to send what is left when the node ends.
const CLOSING_TIME: Duration = Duration::from_secs(2);

/// A running node. Dropping it ends it as [`stop`](Self::stop) does.
pub struct Server {
    node: Arc<Node>,
    address: SocketAddr,
    report: OpenReport,
    threads: Vec<JoinHandle<()>>,
    /// `None` once the node has ended.
    sockets: Option<Runtime>,
}

/// Asks a node to end, from any thread.
#[derive(Clone)]
pub struct Stopper {
    node: Arc<Node>,
}

impl Stopper {
    /// Asks the node to end; [`Server::join`] returns when it has.
    pub fn stop(&self) {
        self.node.lifeline.stop();
    }
}

impl Server {
    /// Whether the node was asked to end, or failed.
    pub fn has_ended(&self) -> bool {
        self.node.lifeline.has_ended()
    }

    /// Opens the data directory, recovers, and listens.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(config: Config) -> Result<Self, StartError> {
        let listener = listen(config.listen)?;
        let mut moments = Moments::new()?;
        let fresh = Fresh {
            node: moments.seed(),
            lineage: moments.seed(),
            salt_seed: moments.seed(),
            key: moments.key(),
            now: moment::now(),
        };
        match config.data.clone() {
            None => {
                let log = data::in_memory(&fresh)?;
                let past = Past::new(log, None);
                Self::run(past, (fresh.node, Wasm::new()?), (config, Settings::default(), listener), moments)
            }
            Some(path) => {
                let data = data::open(&path, &fresh)?;
                let runtime = Wasm::with_cache(data.cache, data.key)?;
                let past = Past::new(data.log, Some((data.snapshots, data.index)));
                Self::run(past, (data.node, runtime), (config, data.settings, listener), moments)
            }
        }
    }

    /// Runs on a log that is not in the data directory: on other storage, or on other machines.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start_on<L: NodeLog>(log: L, config: Config) -> Result<Self, StartError> {
        let listener = listen(config.listen)?;
        let mut moments = Moments::new()?;
        let node = moments.seed();
        Self::run(Past::new(log, None), (node, Wasm::new()?), (config, Settings::default(), listener), moments)
    }

    fn run<L: NodeLog>(
        past: Past<L>,
        (id, runtime): ([u8; 16], Wasm),
        (config, settings, listener): (Config, Settings, TcpListener),
        mut moments: Moments,
    ) -> Result<Self, StartError> {
        let loader: Arc<dyn ModuleLoader> = Arc::new(runtime);
        let birth = Birth { node: id, now: moment::now(), seed: moments.seed() };
        let (data, limits) = (config.data.as_deref(), settings.limits.over(config.limits));
        let loaded = past.newest((Arc::clone(&loader), limits));
        let (start, left_aside) = loaded.map_err(|error| StartError::of_load(data, &error))?;
        let newest = start.from_snapshot;
        let Past { log, snapshots, index, .. } = past;
        let opened = Opened::open(log, start, birth).map_err(|error| StartError::of_open(data, &error))?;
        let Opened { engine, log, committer, report } = opened;
        let log = Box::new(Past::new(log, snapshots.zip(index)));
        let facts = Facts {
            node: id,
            data: config.data.clone(),
            started: Instant::now(),
            effort: Effort::of(&settings),
            verify: config.verify,
            kept_lines_size: usize::try_from(settings.lines.keep).unwrap_or(usize::MAX),
        };
        let stand = (Arc::clone(engine.catalog()), engine.next_offset());
        let node = Arc::new(Node::new(stand, (loader, limits), log, facts));
        node.background.set_snapshot(newest);
        let damaged = left_aside.iter().map(|error| Problem::new("snapshot-damaged", error.to_string()));
        damaged.for_each(|problem| node.background.report("recovery", Err(problem)));
        node.gauges.set_engine(engine.next_offset(), engine.pending_events().len());

        let (rounds, jobs) = (Arc::new(Queue::new(MAX_ROUNDS_SIZE)), Arc::new(Queue::new(MAX_JOBS)));
        let (picker, picked) = config.verify.map(verify::picker).unzip();
        let engine = EngineThread::new((engine, picker), Arc::clone(&node), Arc::clone(&rounds), moments);
        let committer = CommitThread::new(committer, Arc::clone(&node), rounds, Arc::clone(&jobs));
        let [reading, folding, scrubbing, indexing] = [(); 4].map(|()| Arc::clone(&node));
        let scrub_settings = settings.scrub.clone();
        let mut threads = vec![
            spawn("engine", ENGINE_STACK_SIZE, move || engine.run())?,
            spawn("committer", COMMITTER_STACK_SIZE, move || committer.run())?,
            spawn("reader", ENGINE_STACK_SIZE, move || reader_thread::run(&reading, &jobs))?,
            spawn("snapshots", COMMITTER_STACK_SIZE, move || snapshot_thread::run(&folding, &settings))?,
            spawn("index", COMMITTER_STACK_SIZE, move || row_index::run(&indexing))?,
            spawn("scrub", COMMITTER_STACK_SIZE, move || scrub::run(&scrubbing, &scrub_settings))?,
        ];
        if let Some(picked) = picked {
            let verifying = Arc::clone(&node);
            threads.push(spawn("verify", ENGINE_STACK_SIZE, move || verify::run(&verifying, picked))?);
        }
        let (address, sockets) = serve(&node, listener)?;
        Ok(Self { node, address, report, threads, sockets: Some(sockets) })
    }

    /// Where the node listens.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// What opening found.
    pub fn report(&self) -> &OpenReport {
        &self.report
    }

    /// The node's id.
    pub fn node_id(&self) -> [u8; 16] {
        self.node.facts.node
    }

    /// Where the data are; `None` in memory.
    pub fn data(&self) -> Option<&PathBuf> {
        self.node.facts.data.as_ref()
    }

    /// Something that asks this node to end.
    pub fn stopper(&self) -> Stopper {
        Stopper { node: Arc::clone(&self.node) }
    }

    /// Waits until the node has ended: it was asked to, or it failed.
    ///
    /// # Errors
    /// Why it failed. What was acknowledged is durable nevertheless.
    pub fn join(mut self) -> Result<(), Problem> {
        let end = self.node.lifeline.wait();
        self.end();
        // Something may have failed while it ended.
        end.and_then(|()| self.node.lifeline.wait())
    }

    /// Finishes what was asked so far, and ends.
    ///
    /// # Errors
    /// Why it failed, if it did.
    pub fn stop(self) -> Result<(), Problem> {
        self.node.lifeline.stop();
        self.join()
    }

    fn end(&mut self) {
        let Some(sockets) = self.sockets.take() else { return };
        self.node.inbox.close();
        self.node.background.end();
        for thread in self.threads.drain(..) {
            // A panic has failed the lifeline already.
            let _ = thread.join();
        }
        if let Err(error) = self.node.log.keep_index() {
            tracing::warn!("the newest part of the index was not kept, it will be made again: {error}");
        }
        self.node.closing.send_replace(true);
        let node = Arc::clone(&self.node);
        sockets.block_on(async move {
            let closed = async {
                while node.closing.receiver_count() > 0 {
                    node.closing.closed().await;
                }
            };
            let _ = tokio::time::timeout(CLOSING_TIME, closed).await;
        });
        // The log is let go only when nothing on any thread holds the node any more.
        sockets.shutdown_timeout(CLOSING_TIME);
    }
}

/// Bytes of stack of the thread that writes the log.
const COMMITTER_STACK_SIZE: usize = 2 << 20;

impl Drop for Server {
    fn drop(&mut self) {
        self.node.lifeline.stop();
        self.end();
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    if !address.ip().is_loopback() {
        return Err(StartError::NotLoopback { address });
    }
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => StartError::AddressInUse { address },
        _ => StartError::Io { what: format!("listening on {address}"), source },
    };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

fn spawn(name: &str, stack_size: usize, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StartError> {
    let builder = std::thread::Builder::new().name(name.to_owned()).stack_size(stack_size);
    builder.spawn(work).map_err(|source| StartError::Io { what: format!("starting the {name} thread"), source })
}

fn serve(node: &Arc<Node>, listener: TcpListener) -> Result<(SocketAddr, Runtime), StartError> {
    let failed = |source| StartError::Io { what: "starting to serve".to_owned(), source };
    let address = listener.local_addr().map_err(failed)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(SOCKET_THREADS)
        .thread_name("sockets")
        .enable_all()
        .build()
        .map_err(failed)?;
    let listener = {
        let _inside = runtime.enter();
        tokio::net::TcpListener::from_std(listener).map_err(failed)?
    };
    let router = routes::router(Arc::clone(node));
    let mut closing = node.closing.subscribe();
    let closed = async move {
        // An error means that the node is gone, which is an end too.
        let _ = closing.wait_for(|closing| *closing).await;
    };
    runtime.spawn(async move {
        let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
            // Answers are written whole, and must not wait for more.
            let _ = stream.set_nodelay(true);
        });
        // Accepting fails only for single connections, which axum tries again.
        let _ = axum::serve(listener, router).with_graceful_shutdown(closed).await;
    });
    Ok((address, runtime))
}
