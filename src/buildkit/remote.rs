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
//!   daemon for everybody, for ever. Resolving an image's metadata can be cancelled. The answer also
//!   tells a cache that is not there yet from one that can't be had.
//! - **The export is a solve of its own, without output**, once the packages are in place. An export
//!   in the build's own solve would begin while the packages are being written, could not be left
//!   out when the registry has gone meanwhile, and would mix up its failures with the build's. All
//!   steps are cached for it: it costs 0.1 s more. A step that would run again ends it.
//! - **It is left out where nothing ran and the registry has it all**: the end result was pulled from
//!   there, or this machine remembers having exported the very same (`exported`). Exporting the same
//!   again takes as long as the rest of such a build, or longer: every layer is asked for.
//! - **It imports what the build imported.** Otherwise results that came from the cache as a whole
//!   (only the last one is loaded) would be missing in the new one: of ten layers one was left. In
//!   mode `min` it imports nothing, since BuildKit exports all that was imported, whatever the mode.
//! - **A layer that can't be pulled shows in the middle of a build**, because layers stay where they
//!   are until a step needs them. The solve is run again without the import; BuildKit does not hold
//!   on to what it can't pull then, unless another build on the daemon is still at it: that one's end
//!   is waited for. Steps that ran are not run again.
//! - **Layers that are not taken within some seconds** make us write a tiny cache to the tag
//!   `melange2-probe` of the repository, again through the daemon. Where that succeeds the network is
//!   slow and the export goes on; where it doesn't the export is given up.

use std::fmt;
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use fs_err as fs;

use super::argv::{Output, RunOptions};
use super::connection::Connection;
use super::error::Error;
use super::events::Progress;
use super::exported::Exported;
use super::patience::Patience;
use super::run::{run_watched, run_with, solve};
use super::traffic::{Traffic, is_missing};
use super::verdict::error_text;
use super::{process, retry, signal, verdict};
use crate::cache::{CacheMode, RegistryCache, RemoteCaches};
use crate::dockerfile::Spec;
use crate::ui::{Reporter, StepReport};

/// How long a registry may take to answer whether it has a cache.
const ANSWER: Duration = Duration::from_secs(4);
/// How long it may take to take a tiny one, when it does not take others.
const TINY_ANSWER: Duration = Duration::from_secs(3);
/// How long to wait for another build to be done with its broken cache.
const OTHERS: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];
/// The tag that the tiny one gets.
const PROBE_TAG: &str = "melange2-probe";
/// A spec that takes no time.
const TINY: &str = "FROM scratch\nCOPY Dockerfile /\n";

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

/// What the registry says about a build's cache.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    /// There is one.
    Cache,
    /// There is none yet.
    Nothing,
    /// It may not be read, or does not exist: some registries don't tell which.
    Denied,
    /// The registry can't be used.
    Trouble(String),
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
            Err(Error::Broken(why)) if !importing.import_cache.is_empty() || is_pull(why) => {
                why.clone()
            }
            _ => {
                self.idle = outcome.is_ok() && !seen.has_run();
                self.pulled = seen.has_pulled(&spec.target);
                if let Some(why) = seen.import_error() {
                    self.trouble(&format!("could not be imported: {}", error_text(why)), reporter);
                }
                return outcome;
            }
        };
        let is_stuck = |connection: &Connection| {
            matches!(ask(connection, TINY, &[], TINY_ANSWER), Err(Refusal::Silence(_)))
        };
        if matches!(outcome, Err(Error::Cache(_))) && is_stuck(connection) {
            // It still waits for the import, although the solve has ended.
            connection.restart()?;
        }
        let lost = begin.elapsed();
        let mut again = run_with(connection, spec, options, labels, reporter, &mut *sink);
        for pause in OTHERS {
            // Another build's cache: BuildKit shares what it has imported while that build runs.
            if !matches!(&again, Err(Error::Broken(why)) if is_pull(why)) || signal::cancelled() {
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
            self.remember(spec);
            return;
        }
        reporter.phase(&format!("exporting the cache{}", self.place()));
        match self.try_export(connection, spec, options) {
            Ok(()) => {
                self.remember(spec);
                reporter.took("exporting the cache", begin.elapsed());
            }
            Err(_) if signal::cancelled() => reporter.warning(
                "cancelled while the cache was exported: the packages are written, the cache is as \
                 it was",
            ),
            Err(why) => {
                let cost = seconds(begin.elapsed());
                let what =
                    format!("was not exported: {why} (it cost {cost}; the packages are written)");
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

    fn remember(&self, spec: &Spec) {
        if let Some(cache) = &self.wanted.registry {
            Exported::new(&self.memory, cache).remember(spec, cache);
        }
    }

    fn try_export(
        &mut self,
        connection: &Connection,
        spec: &Spec,
        options: &RunOptions,
    ) -> Result<(), String> {
        if let Some(cache) = &self.wanted.registry {
            // It may have gone since, and an import would then wait for ever.
            self.found = probe(connection, cache);
            if let Found::Trouble(why) = &self.found {
                return Err(why.clone());
            }
        }
        let (import_cache, export_cache) = (self.imports_for_export(), self.exports());
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
            return Ok(());
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

    fn imports_for_export(&self) -> Vec<String> {
        let min = |cache: &RegistryCache| cache.mode == CacheMode::Min;
        if self.wanted.registry.as_ref().is_some_and(min) { Vec::new() } else { self.imports() }
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

/// Has the daemon resolve a cache's reference as if it were an image: a request that can be
/// cancelled, unlike an import.
fn probe(connection: &Connection, cache: &RegistryCache) -> Found {
    let dockerfile = format!("FROM {}\n", cache.reference);
    match ask(connection, &dockerfile, &["--opt", "requestid=frontend.outline"], ANSWER) {
        Ok(()) => Found::Cache,
        Err(why) => verdict_of(&why.to_string(), cache),
    }
}

fn verdict_of(why: &str, cache: &RegistryCache) -> Found {
    const CACHE: &str = "application/vnd.buildkit.cacheconfig.v0";
    const DENIALS: [&str; 5] = [
        "401 Unauthorized",
        "403 Forbidden",
        "insufficient_scope",
        "denied",
        "authorization failed",
    ];
    // It answers, but only to who takes plain HTTP, or any certificate.
    const CLOSED: [&str; 2] = ["server gave HTTP response to HTTPS client", "x509: "];
    // Each part of the chain names the reference again.
    let reason = why.rsplit(&format!("{}: ", cache.reference)).next().unwrap_or(why);
    let says = |signs: &[&str]| signs.iter().any(|sign| reason.contains(sign));
    if is_missing(reason) {
        Found::Nothing
    } else if says(&[CACHE, "no match for platform"]) || (cache.insecure && says(&CLOSED)) {
        Found::Cache
    } else if says(&DENIALS) {
        Found::Denied
    } else {
        Found::Trouble(reason.to_owned())
    }
}

/// Has the daemon write a tiny cache to the registry.
fn takes_layers(connection: &Connection, cache: &RegistryCache) -> Result<(), String> {
    let repository = cache.reference.rsplit_once(':').map_or("", |(name, _)| name);
    let reference = format!("{repository}:{PROBE_TAG}");
    let tiny = RegistryCache { reference, mode: CacheMode::Min, insecure: cache.insecure };
    let export = tiny.export().replace("ignore-error=true", "ignore-error=false");
    ask(connection, TINY, &["--export-cache", &export], TINY_ANSWER)
        .map_err(|why| format!("no layer was taken in some seconds, and a tiny one neither: {why}"))
}

/// Why a small solve failed.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    /// It did not end in this time.
    Silence(Duration),
    /// What BuildKit said.
    Word(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Silence(bound) => write!(f, "it gives no answer in {}", seconds(*bound)),
            Refusal::Word(text) => f.write_str(text),
        }
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Refusal::Word(error.to_string())
    }
}

/// A small solve that has to end soon.
fn ask(
    connection: &Connection,
    dockerfile: &str,
    more: &[&str],
    bound: Duration,
) -> Result<(), Refusal> {
    let directory = tempfile::Builder::new().prefix("melange2-").tempdir()?;
    fs::write(directory.path().join("Dockerfile"), dockerfile)?;
    let mut argv = connection.flags();
    argv.extend(["build", "--frontend", "dockerfile.v0", "--progress", "plain"].map(Into::into));
    for name in ["dockerfile", "context"] {
        argv.push("--local".into());
        argv.push(format!("{name}={}", directory.path().display()).into());
    }
    argv.extend(more.iter().map(Into::into));
    let output = match process::capture(connection.buildctl(), &argv, bound) {
        Err(error) if error.kind() == io::ErrorKind::TimedOut => {
            return Err(Refusal::Silence(bound));
        }
        output => output?,
    };
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let error = said.rfind("error: ").map_or(said.as_ref(), |start| &said[start..]);
    Err(Refusal::Word(error_text(error)))
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// Whether a layer of a result that came from a cache could not be pulled.
fn is_pull(why: &str) -> bool {
    why.contains("httpReadSeeker") || why.contains("failed to copy: ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buildkit::patience::SEND;
    use crate::buildkit::process::GIVING_UP;

    #[test]
    fn what_a_silent_registry_costs_is_bounded() {
        let at_the_export = ANSWER.max(SEND + TINY_ANSWER) + GIVING_UP;
        assert!(ANSWER.max(at_the_export) <= Duration::from_secs(8));
    }

    #[test]
    fn a_registrys_answer_tells_whether_there_is_a_cache() {
        let cache = |insecure| RegistryCache {
            reference: "r:5000/c:t".into(),
            mode: CacheMode::Max,
            insecure,
        };
        let of = |why: &str| {
            let why =
                format!("r:5000/c:t: failed to resolve source metadata for r:5000/c:t: {why}");
            verdict_of(&why, &cache(false))
        };
        assert_eq!(of("r:5000/c:t: not found"), Found::Nothing);
        let unknown = "encountered unknown type application/vnd.buildkit.cacheconfig.v0; children \
                       may not be fetched";
        assert_eq!(of(unknown), Found::Cache);
        assert_eq!(of("pull access denied, repository does not exist"), Found::Denied);
        let html = "encountered unknown type text/html; children may not be fetched";
        assert_eq!(of(html), Found::Trouble(html.to_owned()));
        let http = "failed to do request: http: server gave HTTP response to HTTPS client";
        assert_eq!(of(http), Found::Trouble(http.to_owned()));
        assert_eq!(verdict_of(http, &cache(true)), Found::Cache);
    }
}
