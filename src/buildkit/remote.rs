//! The caches that outlive the daemon, around a run: looked up before it, done without when they
//! break during it, exported after it.
//!
//! Part of stage 4. Nothing here fails a build: what goes wrong is one warning, which says what it
//! cost.
//!
//! # Why it is done in this way
//!
//! - **The registry is asked before anything is imported**, by a request that the daemon makes
//!   (`probe`). BuildKit 0.32 imports in its scheduler, with no limit of time, and cancelling the
//!   solve does not end it: a registry that accepts the connection and stays silent stops the whole
//!   daemon for everybody, for as long as the connection is open. Resolving an image's metadata can be
//!   cancelled. The answer also tells a cache that is not there yet from one that can't be had. Where the
//!   registry falls silent in between, a private daemon is started again, and somebody else's is
//!   waited for.
//! - **The export is a solve of its own, without output**, once the packages are in place. An export
//!   in the build's own solve would begin while the packages are being written, could not be left
//!   out when the registry has gone meanwhile, and would mix up its failures with the build's. All
//!   steps are cached for it: it costs 0.1 s more. A step that would run again ends it.
//! - **It is left out where nothing ran and the registry has it all**: the end result was pulled from
//!   there, or this machine remembers having exported the very same (`exported`). Exporting the same
//!   again takes as long as the rest of such a build, or longer: every layer is asked for.
//! - **It imports what the build imported.** Otherwise results that came from the cache as a whole
//!   (only the last one is loaded) would be missing in the new one: of ten layers one was left. That
//!   costs several times what the export alone does, so it is left out where it adds nothing: where
//!   the cache is what this same daemon exported without an import (`exported` remembers its worker)
//!   and no build has pulled anything from it since. In mode `min` it imports nothing, since BuildKit exports
//!   all that was imported, whatever the mode.
//! - **A layer that can't be pulled shows in the middle of a build**, because layers stay where they
//!   are until a step needs them. The solve is run again without the import; BuildKit does not hold
//!   on to what it can't pull then, unless another build on the daemon is still at it: that one's end
//!   is waited for. Steps that ran are not run again.
//! - **Layers that are not taken within some seconds** make us write a tiny cache to the tag
//!   `melange2-probe` of the repository, again through the daemon. Where that succeeds the network is
//!   slow and the export goes on; where it doesn't the export is given up.

use std::io::Read;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::argv::{Output, RunOptions};
use super::connection::Connection;
use super::error::Error;
use super::events::Progress;
use super::exported::Exported;
use super::inquiry::{Found, probe, seconds, takes_layers, unstick};
use super::patience::Patience;
use super::run::{run_watched, run_with, solve};
use super::traffic::Traffic;
use super::verdict::error_text;
use super::{retry, signal, verdict};
use crate::cache::{CacheMode, RegistryCache, RemoteCaches};
use crate::dockerfile::Spec;
use crate::ui::{Reporter, StepReport};

/// How long to wait for another build to be done with its broken cache.
const OTHERS: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];
/// How long somebody else's daemon may wait for a cache's registry until the build is given up.
const UNSTICKING: Duration = Duration::from_secs(120);

/// The caches of one build that outlive its daemon.
#[derive(Debug)]
pub struct Caches {
    wanted: RemoteCaches,
    found: Found,
    /// How long it took to find out.
    looked: Duration,
    warned: bool,
    /// Where is remembered what was exported.
    memory: PathBuf,
    /// Nothing ran: all results came from the daemon or from a cache.
    idle: bool,
    /// The end result came from the registry's cache.
    pulled: bool,
}

impl Caches {
    /// Asks the registry, through the daemon, whether it has the build's cache.
    /// `memory` is a directory in which is remembered what was exported.
    pub fn look_up(connection: &Connection, wanted: RemoteCaches, memory: PathBuf) -> Self {
        let begin = Instant::now();
        let found = match &wanted.registry {
            Some(cache) => probe(connection, cache),
            None => Found::Nothing,
        };
        let looked = begin.elapsed();
        Self { wanted, found, looked, warned: false, memory, idle: false, pulled: false }
    }

    /// Says what was found.
    pub fn report(&mut self, reporter: &mut dyn Reporter) {
        if self.wanted.registry.is_none() {
            return;
        }
        match &self.found {
            Found::Cache => reporter.took("asking for the cache", self.looked),
            Found::Nothing | Found::Denied => {
                reporter.phase(&format!("no cache yet{}", self.place()));
            }
            Found::Trouble(why) => {
                let what = format!(
                    "is not used: {why} (it cost {}, and steps that it may hold run here; nothing is \
                     exported)",
                    seconds(self.looked)
                );
                self.trouble(&what, reporter);
            }
        }
    }

    /// Runs a spec as [`run_with`] does, with what can be imported. Where that breaks it is run once
    /// more without; where the daemon breaks, some times more.
    pub fn run<T: Send>(
        &mut self,
        connection: &Connection,
        spec: &Spec,
        options: &RunOptions,
        labels: &[String],
        reporter: &mut dyn Reporter,
        mut sink: impl FnMut(&mut dyn Read) -> Result<T, crate::error::Error> + Send,
    ) -> Result<T, Error> {
        retry::run(connection, reporter, |connection, reporter| {
            self.run_once(connection, spec, options, labels, reporter, &mut sink)
        })
    }

    fn run_once<T: Send>(
        &mut self,
        connection: &Connection,
        spec: &Spec,
        options: &RunOptions,
        labels: &[String],
        reporter: &mut dyn Reporter,
        sink: &mut (dyn FnMut(&mut dyn Read) -> Result<T, crate::error::Error> + Send),
    ) -> Result<T, Error> {
        let begin = Instant::now();
        let import_cache = self.imports();
        let importing = RunOptions { import_cache, ..options.clone() };
        let mut seen = Traffic::default();
        let outcome =
            run_watched(connection, spec, &importing, labels, &mut seen, reporter, &mut *sink);
        let why = match &outcome {
            Err(Error::Cache(why)) => why.clone(),
            Err(Error::Broken(why))
                if !importing.import_cache.is_empty() || verdict::is_pull(why) =>
            {
                why.clone()
            }
            _ => {
                self.idle = outcome.is_ok() && !seen.has_run();
                self.pulled = seen.has_pulled(&spec.target);
                // At once: the daemon keeps it also where the build fails and nothing is exported.
                if let Some(cache) = self.wanted.registry.as_ref().filter(|_| seen.has_fetched()) {
                    Exported::new(&self.memory, cache).disown();
                }
                if let Some((why, took)) = seen.import_error() {
                    let what = format!(
                        "could not be imported: {} (it cost {}, and steps that it may hold ran here)",
                        error_text(why),
                        seconds(took)
                    );
                    self.trouble(&what, reporter);
                }
                return outcome;
            }
        };
        if matches!(outcome, Err(Error::Cache(_))) {
            unstick(connection, UNSTICKING, reporter)?;
        }
        let lost = begin.elapsed();
        let mut again = run_with(connection, spec, options, labels, reporter, &mut *sink);
        for pause in OTHERS {
            // Another build's cache: BuildKit shares what it has imported while that build runs.
            if !matches!(&again, Err(Error::Broken(why)) if verdict::is_pull(why))
                || signal::cancelled()
            {
                break;
            }
            std::thread::sleep(pause);
            again = run_with(connection, spec, options, labels, reporter, &mut *sink);
        }
        // Broken without it, too: then it was not the cache.
        if !matches!(again, Err(Error::Broken(_))) {
            if !importing.import_cache.is_empty() {
                self.found = Found::Nothing;
            }
            self.idle = false;
            self.wanted.from.clear();
            let what = format!(
                "broke during the build, which was run again without it: {why} (it cost {}, and \
                 steps that it holds ran here)",
                seconds(lost)
            );
            self.trouble(&what, reporter);
        }
        again
    }

    /// Warns of the first trouble that there is; what follows from it is no news.
    fn trouble(&mut self, what: &str, reporter: &mut dyn Reporter) {
        let text = format!("the cache{} {what}", self.place());
        if std::mem::replace(&mut self.warned, true) {
            reporter.phase(&text);
        } else {
            reporter.warning(&text);
        }
    }

    /// Exports the results of a build whose packages are in place.
    pub fn export(
        &mut self,
        connection: &Connection,
        spec: &Spec,
        options: &RunOptions,
        reporter: &mut dyn Reporter,
    ) {
        let begin = Instant::now();
        if matches!(self.found, Found::Trouble(_)) {
            self.wanted.registry = None;
        }
        if signal::cancelled() || (self.wanted.registry.is_none() && self.wanted.to.is_empty()) {
            return;
        }
        if self.holds(spec) {
            if self.pulled {
                self.remember(spec, None);
            }
            return;
        }
        reporter.phase(&format!("exporting the cache{}", self.place()));
        match self.try_export(connection, spec, options) {
            Ok(own) => {
                self.remember(spec, own.as_deref());
                reporter.took("exporting the cache", begin.elapsed());
            }
            Err(_) if signal::cancelled() => reporter.warning(
                "cancelled while the cache was exported: the packages are written, the cache is as \
                 it was",
            ),
            Err(why) => {
                // It may be the import that the export began with.
                let stuck = unstick(connection, Duration::ZERO, reporter).err();
                let cost = seconds(begin.elapsed());
                let stuck = stuck.map(|error| format!("; {error}")).unwrap_or_default();
                let what = format!(
                    "was not exported: {why} (it cost {cost}; the packages are written{stuck})"
                );
                self.trouble(&what, reporter);
            }
        }
    }

    /// Whether the registry has all that would be exported, and nothing else is to be.
    fn holds(&self, spec: &Spec) -> bool {
        let Some(cache) = &self.wanted.registry else { return false };
        let known = || self.pulled || Exported::new(&self.memory, cache).knows(spec, cache);
        self.wanted.to.is_empty() && self.idle && self.found == Found::Cache && known()
    }

    fn remember(&self, spec: &Spec, own: Option<&str>) {
        if let Some(cache) = &self.wanted.registry {
            Exported::new(&self.memory, cache).remember(spec, cache, own);
        }
    }

    /// Returns the worker, if the cache is now of what it has itself.
    fn try_export(
        &mut self,
        connection: &Connection,
        spec: &Spec,
        options: &RunOptions,
    ) -> Result<Option<String>, String> {
        if let Some(cache) = &self.wanted.registry {
            // It may have gone since, and an import would then wait for ever.
            self.found = probe(connection, cache);
            if let Found::Trouble(why) = &self.found {
                return Err(why.clone());
            }
        }
        let worker = self.wanted.registry.as_ref().and_then(|_| connection.worker().ok());
        let import_cache = self.imports_for_export(worker.as_deref());
        let own = worker.filter(|_| import_cache.is_empty());
        let export_cache = self.exports();
        let options = RunOptions { import_cache, export_cache, ..options.clone() };
        let stages = spec.stages.iter().map(|(name, _)| name.as_str());
        let mut progress = Progress::new(stages, &[]);
        let (mut traffic, patience) = (Traffic::default(), Patience::new());
        let take = |status: &_| {
            let mut ran = Ran(None);
            progress.update(status, &mut ran);
            if let Some(step) = ran.0 {
                patience.give_up(format!("BuildKit no longer has the result of stage `{step}`"));
            }
            traffic.update(status);
            patience.note(traffic.wait(), traffic.beat());
        };
        let registry = self.wanted.registry.as_ref();
        let lives = || registry.map_or(Ok(()), |cache| takes_layers(connection, cache));
        let is_hopeless = || patience.is_exhausted(&lives);
        let sink = |_: &mut dyn Read| Ok(());
        let (finished, tail) =
            solve(connection, spec, &options, &Output::Discard, take, is_hopeless, sink)
                .map_err(|error| error.to_string())?;
        if let Some(why) = patience.given_up() {
            return Err(traffic.retried().map_or(why, error_text));
        }
        if let Some(why) = traffic.export_error() {
            return Err(error_text(why));
        }
        if finished.status.success() {
            return Ok(own);
        }
        let (status, platform) = (finished.status, &spec.platform);
        Err(verdict::failure(&progress, &tail, status, platform, connection.addr()).to_string())
    }

    fn imports(&self) -> Vec<String> {
        let found = self.wanted.registry.iter().filter(|_| self.found == Found::Cache);
        found
            .map(RegistryCache::import)
            .chain(self.wanted.from.iter().map(crate::cache::RemoteCache::import))
            .collect()
    }

    fn imports_for_export(&self, worker: Option<&str>) -> Vec<String> {
        let Some(cache) = &self.wanted.registry else { return self.imports() };
        let is_own = |worker| Exported::new(&self.memory, cache).is_of(worker);
        let adds_nothing = self.wanted.from.is_empty() && worker.is_some_and(is_own);
        if cache.mode == CacheMode::Min || adds_nothing { Vec::new() } else { self.imports() }
    }

    fn exports(&self) -> Vec<String> {
        let registry = self.wanted.registry.iter().map(RegistryCache::export);
        registry.chain(self.wanted.to.iter().map(crate::cache::RemoteCache::export)).collect()
    }

    /// ` in …`, where it can be said in one word.
    fn place(&self) -> String {
        match &self.wanted.registry {
            Some(cache) => format!(" in `{}`", cache.reference),
            None => String::new(),
        }
    }
}

/// Notices a step that begins to run.
struct Ran(Option<String>);

impl Reporter for Ran {
    fn phase(&mut self, _: &str) {}
    fn step_started(&mut self, name: &str) {
        self.0 = Some(name.to_owned());
    }
    fn step_log(&mut self, _: &str, _: &str) {}
    fn step_ended(&mut self, _: &StepReport) {}
    fn warning(&mut self, _: &str) {}
}
