//! What is asked of a cache's registry, through the daemon: whether it has a cache, and whether it
//! takes one.
//!
//! Part of stage 4. Each question is a small solve, which can be cancelled; an import can't be (see
//! `remote.rs`, which says when what is asked).

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use fs_err as fs;

use super::connection::Connection;
use super::error::Error;
use super::traffic::is_missing;
use super::verdict::error_text;
use super::{process, signal};
use crate::cache::{CacheMode, RegistryCache};
use crate::ui::Reporter;

/// How long a registry may take to answer whether it has a cache.
const ANSWER: Duration = Duration::from_secs(4);
/// How long it may take to take a tiny one, when it does not take others.
const TINY_ANSWER: Duration = Duration::from_secs(3);
/// The tag that the tiny one gets.
const PROBE_TAG: &str = "melange2-probe";
/// A spec that takes no time.
const TINY: &str = "FROM scratch\nCOPY Dockerfile /\n";

/// What the registry says about a build's cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// There is one.
    Cache,
    /// There is none yet.
    Nothing,
    /// It may not be read, or does not exist: some registries don't tell which.
    Denied,
    /// The registry can't be used.
    Trouble(String),
}

/// Has the daemon resolve a cache's reference as if it were an image: a request that can be
/// cancelled, unlike an import.
pub(super) fn probe(connection: &Connection, cache: &RegistryCache) -> Found {
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
pub(super) fn takes_layers(connection: &Connection, cache: &RegistryCache) -> Result<(), String> {
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

pub(super) fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// Whether the daemon does nothing at all any more.
fn is_stuck(connection: &Connection) -> bool {
    matches!(ask(connection, TINY, &[], TINY_ANSWER), Err(Refusal::Silence(_)))
}

/// Has the daemon work again where it still waits for a registry, although the solve that imported
/// from there has ended. A private one is started again; somebody else's is given `patience`: it goes
/// on as soon as the registry answers, or its connection ends.
pub(super) fn unstick(
    connection: &Connection,
    patience: Duration,
    reporter: &mut dyn Reporter,
) -> Result<(), Error> {
    let begin = Instant::now();
    let mut told = connection.is_private();
    while is_stuck(connection) && !signal::cancelled() {
        if connection.is_private() || begin.elapsed() >= patience {
            return connection.restart();
        }
        if !std::mem::replace(&mut told, true) {
            reporter.phase("waiting for the daemon, which still waits for the cache's registry");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buildkit::patience::{IMPORT, PULL, SEND};
    use crate::buildkit::process::GIVING_UP;

    #[test]
    fn what_a_silent_registry_costs_is_bounded() {
        let at_the_export = ANSWER.max(SEND + TINY_ANSWER) + GIVING_UP;
        assert!(ANSWER.max(at_the_export) <= Duration::from_secs(8));
        // In the middle: given up, and looked whether the daemon is stuck; or a layer, from a daemon
        // that is not.
        let import = IMPORT + GIVING_UP + TINY_ANSWER;
        assert!(import.max(PULL + GIVING_UP) <= Duration::from_secs(9));
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
