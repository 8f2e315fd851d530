//! `start`: a node until it is told to stop.

use crate::failure::Failure;
use crate::output::Output;
use crate::report::Report;
use interstice_server::{Config, Server};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub(crate) fn run(data: Option<&PathBuf>, listen: SocketAddr, output: &Output) -> Result<Report, Failure> {
    let server = start(data.map(PathBuf::as_path), listen, output)?;
    wait(server)
}

/// Starts a node and says where it is.
pub(crate) fn start(data: Option<&Path>, listen: SocketAddr, output: &Output) -> Result<Server, Failure> {
    let server = Server::start(Config { data: data.map(Path::to_owned), listen, ..Config::default() })?;
    let kept = data.map_or_else(|| "nothing is kept".to_owned(), |data| format!("data {}", data.display()));
    output.step("node", &format!("http://{}", server.addr()), &kept);
    Ok(server)
}

/// Serves until the process is told to stop or the node fails.
pub(crate) fn wait(server: Server) -> Result<Report, Failure> {
    server.run_until_signal()?;
    Ok(Report::nothing())
}
