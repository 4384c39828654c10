//! The private daemon as its users see it: come, have it started if need be, ask, stop.
//!
//! Part of stage 4. The other side is `supervisor.rs`.

use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use fs_err as fs;

use super::control::{self, Reply, Report, Request};
use super::paths::Paths;
use super::{buildkitd, garbage};
use crate::buildkit::{DaemonOptions, Error, tools};
use crate::fsutil::FileLock;

/// How long the daemon stays when nobody says otherwise.
const LINGER: Duration = Duration::from_secs(600);
/// How long a supervisor may take to answer.
const ANSWER: Duration = Duration::from_secs(5);
/// How long a supervisor may take to stop buildkitd: more than it allows itself.
const STOPPING: Duration = Duration::from_secs(60);
/// How much of the log's end an error shows.
const LOG_END: u64 = 4096;
const LOG_LINES: usize = 15;

/// What became of a request to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It was stopped.
    Stopped,
    /// It did not run.
    NotRunning,
    /// Somebody uses it.
    Busy,
}

/// The private daemon, running or not.
#[derive(Clone, Debug)]
pub struct PrivateDaemon {
    paths: Paths,
    linger: Duration,
    program: Option<PathBuf>,
}

/// A user of the daemon: it does not stop while the value lives.
#[derive(Debug)]
pub(in crate::buildkit) struct Use {
    lock: FileLock,
    path: PathBuf,
}

impl Drop for Use {
    fn drop(&mut self) {
        // The linger time counts from here, not from when we came.
        touch(&self.path);
        let _ = &self.lock;
    }
}

impl PrivateDaemon {
    /// The daemon of a user, or of a directory.
    pub fn new(options: &DaemonOptions) -> Result<Self, Error> {
        Ok(Self {
            paths: Paths::new(options.state_dir.as_deref())?,
            linger: options.linger.unwrap_or(LINGER),
            program: options.program.clone(),
        })
    }

    /// Its address, as `buildctl --addr` takes it.
    pub fn addr(&self) -> String {
        self.paths.addr()
    }

    /// The file that it and buildkitd log to.
    pub fn log(&self) -> PathBuf {
        self.paths.log()
    }

    /// The directory that holds its state.
    pub fn dir(&self) -> &Path {
        self.paths.dir()
    }

    /// An error if it does not run and could not be started either, for want of a program.
    pub(in crate::buildkit) fn can_start(&self) -> Result<(), Error> {
        if UnixStream::connect(self.paths.control()).is_ok() {
            return Ok(());
        }
        let place = format!("private daemon in `{}`", self.paths.dir().display());
        buildkitd::programs(!rustix::process::geteuid().is_root()).map(drop).map_err(|error| {
            match error {
                Error::Unreachable { message, tried, log } => {
                    let tried = std::iter::once(place).chain(tried).collect();
                    Error::Unreachable { message, tried, log }
                }
                error => error,
            }
        })
    }

    /// Becomes a user; starts the daemon if it does not run. Waits while it is being stopped.
    pub(in crate::buildkit) fn enter(&self) -> Result<Use, Error> {
        self.paths.create()?;
        let path = self.paths.users_lock();
        let user = Use { lock: FileLock::shared(&path)?, path };
        touch(&user.path);
        if self.hello().is_none() {
            let _starting = FileLock::exclusive(&self.paths.start_lock())?;
            if self.hello().is_none() {
                self.start()?;
            }
        }
        Ok(user)
    }

    /// What the supervisor says; `None` when the daemon does not run.
    pub fn report(&self) -> Option<Report> {
        self.ask(&Request::Status)
    }

    /// What its state takes on disk, in bytes. BuildKit is not asked: that would cost cache mounts
    /// where builds run.
    pub fn disk_usage(&self) -> u64 {
        garbage::taken(&self.paths.root())
    }

    /// How many processes use it: those that hold the lock, by the kernel's list of locks.
    pub fn users(&self) -> usize {
        let Ok(metadata) = fs::metadata(self.paths.users_lock()) else { return 0 };
        let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
        count_shared(&locks, metadata.ino())
    }

    /// Stops it; when it is used, only if forced.
    pub fn stop(&self, force: bool) -> Result<Stop, Error> {
        self.end(&Request::Stop { force, stuck: false })
    }

    /// Ends one that does nothing any more, whoever uses it. What it has written stays.
    pub(in crate::buildkit) fn end_stuck(&self) -> Result<Stop, Error> {
        self.end(&Request::Stop { force: true, stuck: true })
    }

    fn end(&self, request: &Request) -> Result<Stop, Error> {
        if !self.paths.dir().is_dir() {
            return Ok(Stop::NotRunning);
        }
        let _starting = FileLock::exclusive(&self.paths.start_lock())?;
        if self.report().is_none() {
            if UnixStream::connect(self.paths.socket()).is_err() {
                return Ok(Stop::NotRunning);
            }
            // A buildkitd whose supervisor was killed: a new one takes it over, and stops it.
            self.start()?;
        }
        match control::ask(&self.paths.control(), request, STOPPING) {
            Ok(Reply::Busy) => Ok(Stop::Busy),
            Ok(_) => Ok(Stop::Stopped),
            Err(error) => Err(Error::Broken(format!(
                "the private daemon in `{}` could not be stopped: {error}",
                self.paths.dir().display()
            ))),
        }
    }

    fn hello(&self) -> Option<Report> {
        let linger_ms = u64::try_from(self.linger.as_millis()).unwrap_or(u64::MAX);
        self.ask(&Request::Use { linger_ms })
    }

    fn ask(&self, request: &Request) -> Option<Report> {
        match control::ask(&self.paths.control(), request, ANSWER) {
            // A supervisor whose buildkitd was just killed may not know it yet.
            Ok(Reply::Running(report)) => {
                UnixStream::connect(self.paths.socket()).ok().map(|_| report)
            }
            _ => None,
        }
    }

    /// Starts a supervisor and waits until it says that buildkitd answers.
    fn start(&self) -> Result<(), Error> {
        let program = self.program()?;
        let log = self.paths.open_log()?;
        let log_start = log.metadata()?.len();
        let mut child = Command::new(&program)
            .args(["daemon", "supervise", "--daemon-linger"])
            .arg(format!("{}ms", self.linger.as_millis()))
            .arg("--daemon-dir")
            .arg(self.paths.dir())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(|error| {
                self.failed(&format!("`{}`: {error}", program.display()), log_start)
            })?;
        let mut answer = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout.take(LOG_END)).read_line(&mut answer)?;
        }
        match answer.trim() {
            super::supervisor::READY => Ok(()),
            reason => {
                child.wait()?;
                Err(self.failed(reason, log_start))
            }
        }
    }

    fn program(&self) -> Result<PathBuf, Error> {
        if let Some(program) = &self.program {
            return Ok(program.clone());
        }
        match std::env::current_exe() {
            Ok(program) if program.file_name() == Some("melange2".as_ref()) => Ok(program),
            _ => tools::find("melange2"),
        }
    }

    /// The error of a daemon that did not start, with what it logged since.
    fn failed(&self, reason: &str, log_start: u64) -> Error {
        Error::Unreachable {
            message: format!("the private BuildKit daemon could not be started: {reason}"),
            tried: vec![format!("private daemon in `{}`", self.paths.dir().display())],
            log: log_end(&self.paths.log(), log_start).unwrap_or_default(),
        }
    }
}

fn touch(path: &Path) {
    let touched = fs::OpenOptions::new().write(true).open(path);
    if let Err(error) = touched.and_then(|file| file.into_parts().0.set_modified(SystemTime::now()))
    {
        tracing::debug!("failed to touch `{}`: {error}", path.display());
    }
}

fn log_end(path: &Path, start: u64) -> io::Result<Vec<String>> {
    let mut file = fs::File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(io::SeekFrom::Start(start.max(length.saturating_sub(LOG_END))))?;
    let mut end = Vec::new();
    file.read_to_end(&mut end)?;
    let text = String::from_utf8_lossy(&end);
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines.iter().skip(lines.len().saturating_sub(LOG_LINES)).map(|&line| line.into()).collect())
}

/// Counts `1: FLOCK  ADVISORY  READ 123 fe:01:4242 0 EOF` of an inode.
fn count_shared(locks: &str, inode: u64) -> usize {
    let suffix = format!(":{inode}");
    let holds = |line: &&str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.get(1) == Some(&"FLOCK")
            && words.get(3) == Some(&"READ")
            && words.get(5).is_some_and(|file| file.ends_with(&suffix))
    };
    locks.lines().filter(holds).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_locks_of_the_file_are_counted() {
        let locks = "1: FLOCK  ADVISORY  READ 12 fe:01:42 0 EOF\n\
            2: FLOCK  ADVISORY  READ 13 fe:01:42 0 EOF\n\
            2: -> FLOCK  ADVISORY  WRITE 14 fe:01:42 0 EOF\n\
            3: FLOCK  ADVISORY  WRITE 14 fe:01:42 0 EOF\n\
            4: POSIX  ADVISORY  READ 15 fe:01:42 0 EOF\n\
            5: FLOCK  ADVISORY  READ 16 fe:01:142 0 EOF\n";
        assert_eq!(count_shared(locks, 42), 2);
        assert_eq!(count_shared("", 42), 0);
    }

    #[test]
    fn a_daemon_that_never_ran_is_not_running() {
        let home = tempfile::tempdir().unwrap();
        let options = DaemonOptions {
            state_dir: Some(home.path().join("daemon")),
            ..DaemonOptions::default()
        };
        let daemon = PrivateDaemon::new(&options).unwrap();
        assert_eq!(daemon.report(), None);
        assert_eq!(daemon.stop(false).unwrap(), Stop::NotRunning);
        assert!(!daemon.dir().exists());
    }
}
