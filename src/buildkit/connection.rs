//! Finding the daemon, and what is asked of it besides builds.
//!
//! Part of stage 4. Looked at, in this order: the address that was given, `BUILDKIT_HOST`, the
//! well-known sockets (only if a daemon answers there), the private daemon.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::daemon::{PrivateDaemon, Use, activity};
use super::error::Error;
use super::verdict::error_text;
use super::{DaemonOptions, handshake, process, tools};

/// The address that means the private daemon, whatever else there is.
pub const PRIVATE: &str = "private";
/// How long a daemon at an address that was asked for may take to answer: `ssh:` and `kube-pod:`
/// start programs.
const ASKED_FOR: Duration = Duration::from_secs(60);
/// How long one at a well-known socket may take.
const WELL_KNOWN: Duration = Duration::from_secs(3);
/// How long listing and deleting may take.
const LOOKING_AFTER: Duration = Duration::from_secs(600);

/// A daemon that answered; keeps a private one alive while the value lives.
#[derive(Debug)]
pub struct Connection {
    addr: String,
    tls: Vec<(String, PathBuf)>,
    buildctl: PathBuf,
    private: Option<(PrivateDaemon, Mutex<Use>)>,
}

/// What [`Connection::prune`] deletes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prune {
    /// Results of steps and sources; cache mounts stay.
    Results,
    /// Everything, cache mounts included.
    Everything,
}

/// Where a daemon is, as far as can be told at once.
#[derive(Debug)]
pub struct Found<'a> {
    options: &'a DaemonOptions,
    buildctl: PathBuf,
    /// At the address that was asked for, and by what.
    named: Option<(Connection, &'static str)>,
    /// Whether buildctl got an answer there.
    answered: bool,
    /// Those at well-known sockets that may answer. The private one comes after them.
    sockets: Vec<Connection>,
    /// Where there is none.
    tried: Vec<String>,
}

impl Found<'_> {
    /// What can be told at once.
    fn check(&mut self) -> Result<(), Error> {
        if let Some((connection, origin)) = &self.named {
            // buildctl takes longer to say so: where somebody speaks, there is no need to wait.
            let speaks = connection.tls.is_empty() && handshake::at(&connection.addr, WELL_KNOWN);
            if !speaks {
                connection.answers(origin)?;
                self.answered = true;
            }
            return Ok(());
        }
        if self.sockets.is_empty() {
            let startable = PrivateDaemon::new(self.options)?.can_start();
            return startable.map_err(|error| self.nowhere(error));
        }
        Ok(())
    }

    /// Makes sure that a daemon answers, and starts the private one if need be.
    pub fn open(mut self) -> Result<Connection, Error> {
        if let Some((connection, origin)) = self.named {
            if !self.answered {
                connection.answers(origin)?;
            }
            return Ok(connection);
        }
        for connection in std::mem::take(&mut self.sockets) {
            match connection.probe(WELL_KNOWN) {
                Ok(()) => return Ok(connection),
                Err(reason) => self.tried.push(format!("`{}`: {reason}", connection.addr)),
            }
        }
        let daemon = PrivateDaemon::new(self.options)?;
        let user = daemon.enter().map_err(|error| self.nowhere(error))?;
        let addr = daemon.addr();
        let private = Some((daemon, Mutex::new(user)));
        Ok(Connection { addr, tls: Vec::new(), buildctl: self.buildctl, private })
    }

    /// The error with all places that were looked at.
    fn nowhere(&self, error: Error) -> Error {
        match error {
            Error::Unreachable { message, tried: more, log } => {
                let tried = self.tried.iter().cloned().chain(more).collect();
                Error::Unreachable { message, tried, log }
            }
            error => error,
        }
    }
}

impl Connection {
    /// Finds or starts a daemon.
    pub fn open(options: &DaemonOptions) -> Result<Self, Error> {
        Self::find(options)?.open()
    }

    /// Looks for a daemon. What can't work is told here, and at once; what takes a while is left to
    /// [`Found::open`].
    pub fn find(options: &DaemonOptions) -> Result<Found<'_>, Error> {
        let buildctl = tools::find("buildctl")?;
        let at = |addr: &str| Self {
            addr: addr.to_owned(),
            tls: options.tls.clone(),
            buildctl: buildctl.clone(),
            private: None,
        };
        let named = match &options.addr {
            Some(addr) => Some((addr.clone(), "`--addr`")),
            None => environment("BUILDKIT_HOST").map(|addr| (addr, "`BUILDKIT_HOST`")),
        };
        let (mut sockets, mut tried) = (Vec::new(), Vec::new());
        if named.is_none() {
            for socket in well_known_sockets() {
                let addr = format!("unix://{}", socket.display());
                match socket.exists() {
                    true => sockets.push(at(&addr)),
                    false => tried.push(format!("`{addr}`: not there")),
                }
            }
        }
        let named = named.filter(|(addr, _)| addr != PRIVATE);
        let named = named.map(|(addr, origin)| (at(&addr), origin));
        let mut found = Found { options, buildctl, named, answered: false, sockets, tried };
        found.check()?;
        Ok(found)
    }

    /// An error unless a daemon answers that was asked for by `origin`.
    fn answers(&self, origin: &str) -> Result<(), Error> {
        self.probe(ASKED_FOR).map_err(|reason| Error::Unreachable {
            message: format!("BuildKit does not answer at `{}`: {reason}", self.addr),
            tried: vec![format!("{origin}: `{}`", self.addr)],
            log: Vec::new(),
        })
    }

    /// Makes sure that the daemon still answers. A private one that is gone is started again.
    pub(super) fn renew(&self) -> Result<(), Error> {
        let Some((daemon, user)) = &self.private else {
            // One that is being started again has no socket for a moment.
            return self.probe(ASKED_FOR).map_err(|reason| {
                Error::Lost(format!("BuildKit no longer answers at `{}`: {reason}", self.addr))
            });
        };
        let entered = daemon.enter()?;
        *user.lock().unwrap_or_else(PoisonError::into_inner) = entered;
        Ok(())
    }

    /// Stops a private daemon, which does nothing any more, and starts it again. An error where it is
    /// somebody else's.
    pub(super) fn restart(&self) -> Result<(), Error> {
        let Some((daemon, _)) = &self.private else {
            return Err(Error::Broken(format!(
                "BuildKit at `{}` waits for a cache's registry and does nothing else any more: it \
                 has to be started again",
                self.addr
            )));
        };
        daemon.end_stuck()?;
        self.renew()
    }

    /// The address, as `buildctl --addr` takes it.
    pub fn addr(&self) -> &str {
        &self.addr
    }

    /// Whether it is the private daemon.
    pub fn is_private(&self) -> bool {
        self.private.is_some()
    }

    /// BuildKit's version, as the daemon says it.
    pub fn version(&self) -> Result<String, Error> {
        let said = self.ask(&["debug", "info", "--format", "{{json .}}"], ASKED_FOR)?;
        let info: serde_json::Value = serde_json::from_str(&said).unwrap_or_default();
        let version = info.pointer("/buildkitVersion/version").and_then(|text| text.as_str());
        Ok(version.unwrap_or("unknown").to_owned())
    }

    /// What the daemon's cache takes on disk: the totals, as BuildKit words them. `None` while builds
    /// run: a cache mount that is being counted is none to a step that starts then.
    pub fn disk_usage(&self) -> Result<Option<String>, Error> {
        let builds = self.ask(&["debug", "histories", "--format", "{{.Type}}"], LOOKING_AFTER)?;
        if activity::is_running(&builds) {
            return Ok(None);
        }
        let said = self.ask(&["du"], LOOKING_AFTER)?;
        let total = said.lines().rev().find_map(|line| line.strip_prefix("Total:"));
        Ok(Some(total.unwrap_or("unknown").trim().to_owned()))
    }

    /// Which worker has the results: another one has others, and one whose state was deleted is
    /// another one.
    pub(super) fn worker(&self) -> Result<String, Error> {
        let format = "{{range .}}{{println .ID}}{{end}}";
        Ok(self.ask(&["debug", "workers", "--format", format], ASKED_FOR)?.trim().to_owned())
    }

    /// The garbage collection's rules and what else the daemon says about its worker.
    pub fn workers(&self) -> Result<String, Error> {
        self.ask(&["debug", "workers", "-v"], ASKED_FOR)
    }

    /// Whether its garbage collection has rules with sizes: to follow them it counts cache mounts, and a
    /// step that wants one just then gets an empty one instead.
    pub fn counts_cache_mounts(&self) -> Result<bool, Error> {
        const SIZES: [&str; 3] = ["Reserved space:", "Minimum free space:", "Maximum used space:"];
        let workers = self.workers()?;
        Ok(SIZES.iter().any(|size| workers.contains(size)))
    }

    /// Deletes what no running build uses. Returns BuildKit's own list of what went.
    pub fn prune(&self, what: Prune, keep: Option<Duration>) -> Result<String, Error> {
        let keep = keep.map(|keep| format!("{}s", keep.as_secs()));
        let mut args = vec!["prune"];
        match what {
            Prune::Results => args.extend(["--filter", "type!=exec.cachemount"]),
            Prune::Everything => args.push("--all"),
        }
        if let Some(keep) = &keep {
            args.extend(["--keep-duration", keep]);
        }
        self.ask(&args, LOOKING_AFTER)
    }

    /// Deletes the cache mounts whose whole id the pattern matches, but for those in use. Of a
    /// mount, BuildKit shows its id in the end of its description only.
    pub fn forget_cache_mounts(&self, pattern: &str) -> Result<(), Error> {
        let filter = format!(r#"description~="with id ./{pattern}.$""#);
        self.ask(&["prune", "--filter", &filter], LOOKING_AFTER).map(|_| ())
    }

    /// The program.
    pub(super) fn buildctl(&self) -> &Path {
        &self.buildctl
    }

    /// The flags that stand before buildctl's subcommand.
    pub(super) fn flags(&self) -> Vec<OsString> {
        let mut flags = vec!["--addr".into(), OsString::from(&self.addr)];
        for (flag, value) in &self.tls {
            flags.push(flag.into());
            flags.push(value.into());
        }
        flags
    }

    /// Whether a daemon answers, or why not.
    fn probe(&self, bound: Duration) -> Result<(), String> {
        match self.ask(&["debug", "workers"], bound) {
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn ask(&self, args: &[&str], bound: Duration) -> Result<String, Error> {
        let mut argv = self.flags();
        argv.extend(args.iter().map(OsString::from));
        let output = process::capture(&self.buildctl, &argv, bound)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(Error::Broken(match error_text(&said) {
            text if text.is_empty() => format!("buildctl ended with {}", output.status),
            text => text,
        }))
    }
}

/// Where daemons listen that the system or the user has set up.
fn well_known_sockets() -> Vec<PathBuf> {
    let runtime = environment("XDG_RUNTIME_DIR").map_or_else(
        || PathBuf::from(format!("/run/user/{}", rustix::process::geteuid().as_raw())),
        PathBuf::from,
    );
    vec![
        PathBuf::from("/run/buildkit/buildkitd.sock"),
        runtime.join("buildkit/buildkitd.sock"),
        runtime.join("buildkit-default/buildkitd.sock"),
    ]
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
