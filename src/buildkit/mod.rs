//! Stage 4: a spec run by `buildctl`: argv, daemon, progress events, output stream.
//!
//! `buildctl` is the only door to BuildKit. Does not know recipes or apks.

pub mod argv;
mod connection;
mod copied;
mod daemon;
mod error;
mod events;
mod exported;
mod handshake;
mod inquiry;
mod metered;
mod patience;
mod process;
mod rawjson;
mod remote;
mod retry;
mod run;
pub mod script;
mod signal;
mod spool;
mod tools;
mod traffic;
mod verdict;

use std::path::PathBuf;
use std::time::Duration;

pub use argv::RunOptions;
pub use connection::{Connection, Found, PRIVATE, Prune};
pub use daemon::{PrivateDaemon, Report, Stop, supervise};
pub use error::{Error, StepFailure};
pub use metered::{Measures, Metered};
pub use remote::Caches;
pub use retry::persist;
pub use run::{run, run_with};
pub use signal::cancelled;

/// How the daemon is found.
#[derive(Clone, Debug, Default)]
pub struct DaemonOptions {
    /// `--addr`, any form that buildctl knows, or [`PRIVATE`]; `None` looks at `BUILDKIT_HOST` and
    /// the well-known sockets, and starts a private daemon otherwise.
    pub addr: Option<String>,
    /// Flags passed through to buildctl (`--tlscacert` …), name and value.
    pub tls: Vec<(String, PathBuf)>,
    /// How long a private daemon stays after the last user has left; `None` is 10 minutes.
    pub linger: Option<Duration>,
    /// Where the private daemon keeps its state; `None` is the user's state directory.
    pub state_dir: Option<PathBuf>,
    /// The `melange2` program that supervises a private daemon; `None` is this very program if it
    /// is `melange2`, else the one on `PATH`.
    pub program: Option<PathBuf>,
}
