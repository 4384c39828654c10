//! The host cache: a directory of this machine that steps see at `/var/cache/melange`.
//!
//! Around stage 4: before a build, what is new in the directory is copied into a cache mount of the
//! daemon; after it, what is new in the mount is copied into the directory. BuildKit has no writable mount of a directory of the client's,
//! and what it has would make the steps run again whenever the directory changes; a cache mount's
//! content is in no key.
//!
//! Each is a listing of the mount and, where there is something to do, further small solves
//! (`solve.rs`). What is to be done is decided here, from both sides and the list of what was last
//! the same (`merge.rs`); what runs beside the mount decides nothing (`script.rs`). `send.rs` and
//! `receive.rs` are the two directions, `identity.rs` says which mount belongs to which directory.
//! `fill.rs` is apart from that: `update-cache` puts artifacts into a directory before any build.
//!
//! Nothing of this fails a build: what goes wrong is a warning.

mod entry;
mod fill;
mod identity;
mod listing;
mod merge;
mod receive;
mod script;
mod send;
mod solve;

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;

use self::entry::{Agreed, HostEntry, Tree, display};
pub use self::fill::{Artifact, Outcome, artifacts, fill};
use self::merge::Merge;
use self::receive::Receiver;
use self::send::Packer;
pub use self::solve::Access;
use self::solve::Content;
use crate::buildkit;
use crate::diagnostic::Diagnostics;
use crate::ui::{Reporter, StepOutcome, StepReport};

/// Why something could not be brought.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Buildkit(#[from] buildkit::Error),
    #[error("{0}")]
    Broken(String),
}

/// The directory of one build.
#[derive(Debug)]
pub struct HostCache {
    directory: Option<PathBuf>,
    identity: String,
    /// Whether the identity is the directory's own, or was made up for this build.
    known: bool,
    /// Whether the mount was found to hold what the directory lacks.
    pending: bool,
}

impl HostCache {
    /// Finds out which mount belongs to the directory. Where there is no directory yet, the mount
    /// is this build's own, until there is something to bring home.
    pub fn open(directory: Option<&Path>, reporter: &mut dyn Reporter) -> Self {
        let none = Self { directory: None, identity: String::new(), known: false, pending: false };
        let Some(directory) = directory else { return none };
        match find(directory, reporter) {
            Ok((identity, known)) => {
                Self { directory: Some(directory.to_owned()), identity, known, pending: false }
            }
            Err(error) => {
                warn(directory, "is not used", &error.into(), reporter);
                none
            }
        }
    }

    /// What is part of the mount's id.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Runs a build between bringing in and bringing home. Without `access`, no repository has what
    /// it takes.
    pub fn around<T>(
        mut self,
        access: Option<&Access<'_>>,
        reporter: &mut dyn Reporter,
        build: impl FnOnce(&mut dyn Reporter) -> T,
    ) -> T {
        let Some(access) = access else {
            let mut watch = Watch { reporter, ran: false };
            let built = build(&mut watch);
            let ran = watch.ran;
            // Where it is not there yet, only what steps have stored is lost.
            if let Some(directory) = self.directory.as_deref().filter(|_| self.known || ran) {
                let error = Error::Broken("the repositories have no `busybox`".to_owned());
                warn(directory, "was not used", &error, reporter);
            }
            return built;
        };
        self.bring_in(access, reporter);
        let mut watch = Watch { reporter, ran: false };
        let built = build(&mut watch);
        let ran = watch.ran;
        self.bring_home(access, ran, reporter);
        built
    }

    /// Brings what is new in the directory into the mount.
    fn bring_in(&mut self, access: &Access<'_>, reporter: &mut dyn Reporter) {
        let Some(directory) = self.directory.as_deref().filter(|_| self.known) else { return };
        match bring_in(directory, access, reporter) {
            Ok(pending) => self.pending = pending,
            Err(error) => {
                warn(directory, "was not brought in", &error, reporter);
                self.pending = true;
            }
        }
    }

    /// Brings what is new in the mount into the directory. Where no step `ran` there is nothing.
    fn bring_home(&mut self, access: &Access<'_>, ran: bool, reporter: &mut dyn Reporter) {
        let Some(directory) = self.directory.as_deref().filter(|_| ran || self.pending) else {
            return;
        };
        if buildkit::cancelled() {
            return;
        }
        if let Err(error) = bring_home(directory, &self.identity, self.known, access, reporter) {
            warn(directory, "has nothing new of this build", &error, reporter);
        }
    }
}

/// Notes whether a step ran.
struct Watch<'a> {
    reporter: &'a mut dyn Reporter,
    ran: bool,
}

impl Reporter for Watch<'_> {
    fn phase(&mut self, text: &str) {
        self.reporter.phase(text);
    }

    fn took(&mut self, phase: &str, duration: Duration) {
        self.reporter.took(phase, duration);
    }

    fn detailed(&self) -> bool {
        self.reporter.detailed()
    }

    fn step_started(&mut self, name: &str) {
        self.ran = true;
        self.reporter.step_started(name);
    }

    fn step_log(&mut self, name: &str, line: &str) {
        self.reporter.step_log(name, line);
    }

    fn step_ended(&mut self, report: &StepReport) {
        self.ran |= report.outcome != StepOutcome::Cached;
        self.reporter.step_ended(report);
    }

    fn warning(&mut self, text: &str) {
        self.reporter.warning(text);
    }

    fn diagnostics(&mut self, found: &Diagnostics) {
        self.reporter.diagnostics(found);
    }
}

/// The identity of an existing directory, for a spec that is only shown; empty if it has none.
pub fn identity(directory: Option<&Path>) -> String {
    directory.and_then(identity::read).unwrap_or_default()
}

fn find(directory: &Path, reporter: &mut dyn Reporter) -> io::Result<(String, bool)> {
    if !directory.is_dir() {
        return Ok((identity::random()?, false));
    }
    if let Some(identity) = identity::read(directory) {
        return Ok((identity, true));
    }
    let _lock = identity::lock(directory, reporter)?;
    if let Some(identity) = identity::read(directory) {
        return Ok((identity, true));
    }
    let identity = identity::random()?;
    identity::write(directory, &identity)?;
    Ok((identity, true))
}

/// Returns whether the mount holds what the directory lacks.
fn bring_in(
    directory: &Path,
    access: &Access<'_>,
    reporter: &mut dyn Reporter,
) -> Result<bool, Error> {
    let _lock = identity::lock(directory, reporter)?;
    identity::clean(directory)?;
    let Content { tree: mount, mut agreed } = access.list()?;
    let host = listing::host(directory)?;
    let before = agreed.clone();
    let merge = Merge::new(&host, &mount, &mut agreed);
    for name in &merge.conflicts {
        reporter.warning(&format!(
            "the host cache: `{}` is a directory on one side and a file on the other: delete one",
            display(name)
        ));
    }
    if !(merge.bring_in.is_empty() && merge.delete.is_empty()) {
        reporter.phase(&told("in", merge.bring_in.len()));
        let after = send(directory, &merge, &host, &mount, access)?;
        for name in &merge.bring_in {
            // As it was sent, and not what a build has written there since.
            if let (Some(here), Some(there)) = (host.get(name), after.get(name))
                && here.kind == there.kind
                && (here.kind == entry::Kind::Directory
                    || (here.size, here.time.seconds) == (there.size, there.time.seconds))
            {
                agreed.insert(name.clone(), Agreed::new(here, there));
            }
        }
        agreed.retain(|name, _| host.contains_key(name) || after.contains_key(name));
    }
    remember(directory, &before, &agreed, access)?;
    Ok(!merge.bring_home.is_empty())
}

/// Sends, deletes, and lists the mount again: one solve, or more where it is much.
fn send(
    directory: &Path,
    merge: &Merge,
    host: &Tree<HostEntry>,
    mount: &Tree<entry::MountEntry>,
    access: &Access<'_>,
) -> Result<Tree<entry::MountEntry>, Error> {
    let staging = identity::random()?;
    let mut packer = Packer::new(directory, &merge.bring_in, host, &access.mount);
    let mut script = Vec::new();
    let mut last: Option<(tempfile::TempDir, String)> = None;
    loop {
        let input = identity::scratch(directory)?;
        let file = format!("{}.tar", identity::random()?);
        if !packer.archive(&input.path().join(&file))? {
            break;
        }
        if let Some((input, file)) = last.replace((input, file)) {
            access.unpack(input.path(), &file, &staging)?;
        }
    }
    if let Some((_, file)) = &last {
        script.extend_from_slice(script::unpack(&staging, file).as_bytes());
    }
    script.extend(script::apply(merge, mount, &staging, &packer.bad));
    script.extend_from_slice(script::list().as_bytes());
    Ok(access.apply(script, last.as_ref().map(|(input, _)| input.path()))?.tree)
}

fn bring_home(
    directory: &Path,
    identity: &str,
    known: bool,
    access: &Access<'_>,
    reporter: &mut dyn Reporter,
) -> Result<(), Error> {
    let mut ours = true;
    let (content, _lock) = if known {
        let lock = identity::lock(directory, reporter)?;
        (access.list()?, lock)
    } else {
        // The mount is this build's own.
        let content = access.list()?;
        if content.tree.is_empty() {
            return access.forget();
        }
        let lock = identity::lock(directory, reporter)?;
        match identity::read(directory) {
            None => identity::write(directory, identity)?,
            // Another build has made the directory meanwhile: later ones use its mount.
            Some(other) => ours = other == identity,
        }
        (content, lock)
    };
    let Content { tree: mount, mut agreed } = content;
    let host = listing::host(directory)?;
    let before = agreed.clone();
    let merge = Merge::new(&host, &mount, &mut agreed);
    if !merge.bring_home.is_empty() {
        reporter.phase(&told("home", merge.bring_home.len()));
        let staging = identity::scratch(directory)?;
        let mut receiver = Receiver::new(directory, staging.path(), &merge.bring_home, &mount);
        let files: Vec<&[u8]> = merge
            .bring_home
            .iter()
            .map(Vec::as_slice)
            .filter(|name| {
                mount.get(*name).is_some_and(|entry| entry.kind != entry::Kind::Directory)
            })
            .collect();
        if !files.is_empty() {
            access.pack(script::pack(&files), |stream| receiver.read(stream))?;
        }
        for name in receiver.place()? {
            let now = fs::symlink_metadata(path(directory, &name))?;
            if let (Some(here), Some(there)) = (listing::host_entry(&now), mount.get(&name)) {
                agreed.insert(name, Agreed::new(&here, there));
            }
        }
    }
    if !ours {
        return access.forget();
    }
    remember(directory, &before, &agreed, access)
}

/// Stores the list in the mount, if it is another.
fn remember(
    directory: &Path,
    before: &Tree<Agreed>,
    agreed: &Tree<Agreed>,
    access: &Access<'_>,
) -> Result<(), Error> {
    if before == agreed {
        return Ok(());
    }
    let input = identity::scratch(directory)?;
    fs::write(input.path().join("agreed"), entry::encode(agreed))?;
    access.remember(input.path())
}

fn path(root: &Path, name: &[u8]) -> PathBuf {
    root.join(OsStr::from_bytes(name))
}

fn told(way: &str, count: usize) -> String {
    let files = if count == 1 { "file" } else { "files" };
    format!("bringing {way} {count} {files} of the host cache")
}

fn warn(directory: &Path, what: &str, error: &Error, reporter: &mut dyn Reporter) {
    if !buildkit::cancelled() {
        let reason = crate::error::chain(error);
        let directory = directory.display();
        reporter.warning(&format!("the cache directory `{directory}` {what}: {reason}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::Silent;

    /// Keeps warnings.
    #[derive(Default)]
    struct Heard(Vec<String>);

    impl Reporter for Heard {
        fn phase(&mut self, _: &str) {}
        fn step_started(&mut self, _: &str) {}
        fn step_log(&mut self, _: &str, _: &str) {}
        fn step_ended(&mut self, _: &StepReport) {}

        fn warning(&mut self, text: &str) {
            self.0.push(text.to_owned());
        }
    }

    #[test]
    fn without_busybox_what_is_lost_is_told() {
        let root = tempfile::tempdir().unwrap();
        let told = |name: &str, runs: bool| {
            let directory = root.path().join(name);
            let mut heard = Heard::default();
            HostCache::open(Some(&directory), &mut Silent).around(None, &mut heard, |reporter| {
                if runs {
                    reporter.step_started("build");
                }
            });
            heard.0.join("\n")
        };
        fs::create_dir(root.path().join("there")).unwrap();
        assert!(told("there", false).ends_with("was not used: the repositories have no `busybox`"));
        assert!(
            told("missing", true).ends_with("was not used: the repositories have no `busybox`")
        );
        assert_eq!(told("missing", false), "");
    }
}
