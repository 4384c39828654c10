//! A running `buildkitd`: started by us, or found without its supervisor.
//!
//! Part of stage 4. Not being root, it runs under `rootlesskit`.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use duct::Handle;
use duct::unix::HandleExt as _;
use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, PidfdFlags, Signal};

use crate::buildkit::{Error, tools};

/// A running buildkitd.
#[derive(Debug)]
pub(super) enum Buildkitd {
    /// A child of this process.
    Child(Box<Handle>),
    /// One that outlived its supervisor.
    Adopted { pid: Pid, fd: OwnedFd },
}

impl Buildkitd {
    /// Starts one; what it writes goes to this process's stderr.
    ///
    /// `runtime` is where an unprivileged runc keeps track of containers, and for what is temporary:
    /// a daemon outlives the process that started it, and that one's `TMPDIR`.
    pub(super) fn start(config: &Path, runtime: &Path, rootless: bool) -> Result<Self, Error> {
        let (rootlesskit, buildkitd) = programs(rootless)?;
        let mut argv: Vec<OsString> = Vec::new();
        if let Some(rootlesskit) = rootlesskit {
            argv.push(rootlesskit.into());
            argv.push("--net=host".into());
        }
        argv.push(buildkitd.into());
        if rootless {
            argv.push("--rootless".into());
        }
        argv.extend(["--config".into(), config.into()]);
        let program = argv.remove(0);
        // By default a step's log is clipped at 2 MiB and 200 KiB/s.
        let handle = duct::cmd(program, argv)
            .env("BUILDKIT_STEP_LOG_MAX_SIZE", "67108864")
            .env("BUILDKIT_STEP_LOG_MAX_SPEED", "-1")
            .env("XDG_RUNTIME_DIR", runtime)
            .env("TMPDIR", runtime)
            .stdin_null()
            .stdout_to_stderr()
            .unchecked()
            .start()?;
        Ok(Self::Child(Box::new(handle)))
    }

    /// The one that listens on a socket, if any does. The kernel knows which process that is.
    pub(super) fn adopt(socket: &Path) -> Option<Self> {
        let stream = UnixStream::connect(socket).ok()?;
        let pid = rustix::net::sockopt::socket_peercred(&stream).ok()?.pid;
        let fd = rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()?;
        // Still there after the process is pinned, so it is the same one.
        UnixStream::connect(socket).ok()?;
        tracing::info!("took over buildkitd, process {}", pid.as_raw_nonzero());
        Some(Self::Adopted { pid, fd })
    }

    /// Its process.
    pub(super) fn pid(&self) -> u32 {
        match self {
            Self::Child(handle) => handle.pids().first().copied().unwrap_or_default(),
            Self::Adopted { pid, .. } => pid.as_raw_nonzero().get().unsigned_abs(),
        }
    }

    /// Waits until it has ended.
    pub(super) fn wait(&self) {
        let ended = match self {
            Self::Child(handle) => handle.wait().map(|_| ()),
            Self::Adopted { fd, .. } => loop {
                let mut fds = [PollFd::new(fd, PollFlags::IN)];
                match rustix::event::poll(&mut fds, None) {
                    Err(rustix::io::Errno::INTR) => {}
                    result => break result.map(|_| ()).map_err(io::Error::from),
                }
            },
        };
        report(ended);
    }

    /// Asks it to end.
    pub(super) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Ends it.
    pub(super) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        report(match self {
            Self::Child(handle) => handle.send_signal(signal.as_raw()),
            Self::Adopted { fd, .. } => {
                rustix::process::pidfd_send_signal(fd, signal).map_err(io::Error::from)
            }
        });
    }
}

/// What is needed to start one: rootlesskit, where not root, and buildkitd.
pub(super) fn programs(rootless: bool) -> Result<(Option<PathBuf>, PathBuf), Error> {
    let rootlesskit = rootless.then(|| tools::find("rootlesskit")).transpose()?;
    Ok((rootlesskit, tools::find("buildkitd")?))
}

fn report(result: io::Result<()>) {
    if let Err(error) = result {
        tracing::warn!("buildkitd: {error}");
    }
}
