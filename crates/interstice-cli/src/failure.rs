//! Why a command did not do what was asked, and its exit code.

use interstice::backup::ManifestError;
use interstice_client::http::HttpError;
use interstice_engine::module::LoadError;
use interstice_log::local::OpenError;
use interstice_server::start::StartError;
use interstice_types::problem::Problem;

/// Exit codes, as `README.md` lists them.
pub(crate) mod exit {
    pub(crate) const FAILED: u8 = 1;
    pub(crate) const USAGE: u8 = 2;
    pub(crate) const REJECTED: u8 = 3;
    pub(crate) const UNREACHABLE: u8 = 5;
    pub(crate) const NOT_ALLOWED: u8 = 6;
    pub(crate) const DESTRUCTIVE: u8 = 7;
    pub(crate) const CORRUPT: u8 = 8;
    pub(crate) const IO: u8 = 9;
    pub(crate) const NEWER_FORMAT: u8 = 10;
    pub(crate) const IN_USE: u8 = 11;
}

/// A problem and the code that the command exits with.
#[derive(Debug)]
pub(crate) struct Failure {
    /// For people and programs.
    pub(crate) problem: Problem,
    /// The exit code.
    pub(crate) exit: u8,
}

impl Failure {
    /// With an exit code of its own.
    pub(crate) fn new(exit: u8, problem: Problem) -> Self {
        Self { problem, exit }
    }

    /// The arguments make no sense.
    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(exit::USAGE, Problem::new("usage", message).hint(hint))
    }

    /// A file cannot be read or written.
    pub(crate) fn file(path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::new(exit::FAILED, Problem::new("file", format!("`{}`: {error}", path.display())))
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::new(exit::FAILED, problem)
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        error.problem.into()
    }
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Unreachable { url, reason } => {
                let problem = Problem::new("unreachable", format!("no node answers at {url}: {reason}"))
                    .hint("start one with `interstice start`, or name another with `--server URL`");
                Self::new(exit::UNREACHABLE, problem)
            }
            HttpError::Refused { status, problem } => {
                // 422 is the module's own error; among conflicts, constraints are the module's too.
                let constraint = matches!(
                    &*problem.code,
                    "duplicate-key" | "no-such-row" | "no-such-referent" | "still-referenced" | "check-failed"
                );
                let exit = match &*problem.code {
                    "destructive" => exit::DESTRUCTIVE,
                    "not-allowed" => exit::NOT_ALLOWED,
                    _ if status == 422 || constraint => exit::REJECTED,
                    _ => exit::FAILED,
                };
                Self::new(exit, problem)
            }
        }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self { exit: error.exit_code(), problem: error.problem() }
    }
}

impl From<ManifestError> for Failure {
    fn from(error: ManifestError) -> Self {
        let said = error.to_string();
        match error {
            ManifestError::Damaged { .. } => {
                let hint = "see every fault with `interstice backup verify`; the others of its directory may be whole";
                Self::new(exit::CORRUPT, Problem::new("damaged-backup", said).hint(hint))
            }
            ManifestError::NewerFormat { .. } => {
                let hint = "install the version that wrote it, or a newer one";
                Self::new(exit::NEWER_FORMAT, Problem::new("newer-format", said).hint(hint))
            }
            ManifestError::Io { .. } => Self::new(exit::FAILED, Problem::new("file", said)),
        }
    }
}

/// Why the log of a data directory does not open.
pub(crate) fn log_not_opened(error: &OpenError, directory: &std::path::Path) -> Failure {
    let place = format!("data directory `{}`", directory.display());
    let (exit, code) = match error {
        OpenError::InUse => (exit::IN_USE, "data-directory-in-use"),
        OpenError::NewerFormat { .. } => (exit::NEWER_FORMAT, "newer-format"),
        OpenError::Corrupt { .. } => (exit::CORRUPT, "corrupt-log"),
        OpenError::Io { .. } => (exit::IO, "io-error"),
    };
    let problem = Problem::new(code, error.to_string()).at(place);
    if !matches!(error, OpenError::Corrupt { .. }) {
        return Failure::new(exit, problem);
    }
    let verify = format!("interstice log verify --data {}", directory.display());
    Failure::new(exit, problem.hint(format!("see every fault with `{verify}`, then `interstice log repair`")))
}
