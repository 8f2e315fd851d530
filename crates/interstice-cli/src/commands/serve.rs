//! `start`: a node until it is told to stop.

use crate::failure::{Failure, exit};
use crate::output::Output;
use crate::report::Report;
use interstice_server::server::Server;
use interstice_server::start::Config;
use interstice_types::problem::Problem;

pub(crate) fn run(config: Config, output: &Output) -> Result<Report, Failure> {
    let server = start(config, output)?;
    wait(server)
}

/// Starts a node and says where it is.
pub(crate) fn start(config: Config, output: &Output) -> Result<Server, Failure> {
    let server = Server::start(config)?;
    let kept = server.data().map_or_else(|| "nothing is kept".to_owned(), |data| format!("data {}", data.display()));
    output.step("node", &format!("http://{}", server.addr()), &kept);
    Ok(server)
}

/// Serves until the process is told to stop or the node fails.
pub(crate) fn wait(server: Server) -> Result<Report, Failure> {
    let stopper = server.stopper();
    when_asked_to_end(move || stopper.stop())?;
    server.join().map_err(|problem| Failure::new(exit::IO, problem))?;
    Ok(Report::nothing())
}

/// Does something once the process is asked to end.
pub(crate) fn when_asked_to_end(then: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let signals = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(no_signals)?;
    std::thread::spawn(move || {
        signals.block_on(asked_to_end());
        then();
    });
    Ok(())
}

fn no_signals(error: std::io::Error) -> Failure {
    Failure::new(exit::IO, Problem::new("io", format!("waiting for signals: {error}")))
}

/// Returns when the process is asked to end: interrupted, or terminated.
async fn asked_to_end() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    // Without signals there is nothing to wait for, and the node runs until it is killed.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
