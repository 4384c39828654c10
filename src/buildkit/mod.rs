//! Stage 4: a spec run by `buildctl`: argv, daemon, progress events, output stream.
//!
//! `buildctl` is the only door to BuildKit. Does not know recipes or apks.

mod error;

use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use crate::dockerfile::Spec;
use crate::ui::Reporter;

pub use error::{Error, StepFailure};

/// How the daemon is found.
#[derive(Clone, Debug, Default)]
pub struct DaemonOptions {
    /// `--addr`, any form that buildctl knows; `None` looks at `BUILDKIT_HOST` and the well-known
    /// sockets, and starts a private daemon otherwise.
    pub addr: Option<String>,
    /// Flags passed through to buildctl (`--tlscacert` …), name and value.
    pub tls: Vec<(String, PathBuf)>,
    /// How long a private daemon stays after the last user has left.
    pub linger: Option<Duration>,
    /// Where the private daemon keeps its state; `None` is the user's state directory.
    pub state_dir: Option<PathBuf>,
}

/// A daemon that answered; keeps a private one alive while the value lives.
#[derive(Debug)]
pub struct Connection {
    _private: (),
}

impl Connection {
    /// Finds or starts a daemon.
    pub fn open(options: &DaemonOptions) -> Result<Self, Error> {
        todo!("{options:?}")
    }

    /// The address, as `buildctl --addr` takes it.
    pub fn addr(&self) -> &str {
        todo!()
    }
}

/// Runs a spec and hands its output, a tar stream, to `sink` while it arrives.
///
/// Returns what `sink` made of it. Progress goes to `reporter`, whose step names are those of
/// `labels` (one per entry of `spec.stages`). SIGINT and SIGTERM cancel the solve.
pub fn run<T: Send>(
    connection: &Connection,
    spec: &Spec,
    labels: &[String],
    reporter: &mut dyn Reporter,
    sink: impl FnOnce(&mut dyn Read) -> Result<T, crate::error::Error> + Send,
) -> Result<T, Error> {
    let _ = (connection, spec, labels, reporter, sink);
    todo!()
}
