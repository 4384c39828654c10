//! One run of a spec, from its text to its output stream.
//!
//! Part of stage 4: joins `argv`, `process`, `events`, `traffic` and `verdict`.

use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path};
use std::time::Instant;

use fs_err as fs;

use super::argv::{self, Output, Places, RunOptions};
use super::connection::Connection;
use super::error::Error;
use super::events::Progress;
use super::patience::Patience;
use super::process::{self, Finished};
use super::rawjson::{self, SolveStatus};
use super::signal;
use super::spool::Spool;
use super::traffic::Traffic;
use super::verdict::{self, Tail};
use crate::dockerfile::Spec;
use crate::ui::Reporter;

/// Runs a spec and hands its output, a tar stream, to `sink` while it arrives.
///
/// Returns what `sink` made of it. Progress goes to `reporter`, whose step names are those of
/// `labels` (one per entry of `spec.stages`). The host's proxies reach the steps. SIGINT and
/// SIGTERM cancel the solve.
pub fn run<T: Send>(
    connection: &Connection,
    spec: &Spec,
    labels: &[String],
    reporter: &mut dyn Reporter,
    sink: impl FnOnce(&mut dyn Read) -> Result<T, crate::error::Error> + Send,
) -> Result<T, Error> {
    let options = RunOptions::default().with_host_proxies();
    run_with(connection, spec, &options, labels, reporter, sink)
}

/// Like [`run`], with everything that may be added to a spec.
pub fn run_with<T: Send>(
    connection: &Connection,
    spec: &Spec,
    options: &RunOptions,
    labels: &[String],
    reporter: &mut dyn Reporter,
    sink: impl FnOnce(&mut dyn Read) -> Result<T, crate::error::Error> + Send,
) -> Result<T, Error> {
    let mut traffic = Traffic::default();
    run_watched(connection, spec, options, labels, &mut traffic, reporter, sink)
}

/// Like [`run_with`]; `traffic` tells afterwards how the caches fared.
pub(super) fn run_watched<T: Send>(
    connection: &Connection,
    spec: &Spec,
    options: &RunOptions,
    labels: &[String],
    traffic: &mut Traffic,
    reporter: &mut dyn Reporter,
    sink: impl FnOnce(&mut dyn Read) -> Result<T, crate::error::Error> + Send,
) -> Result<T, Error> {
    let stages = spec.stages.iter().map(|(name, _)| name.as_str());
    let mut progress = Progress::new(stages, labels);
    let patience = Patience::new();
    let take = |status: &SolveStatus| {
        progress.update(status, reporter);
        traffic.update(status);
        patience.note(traffic.wait(), traffic.beat());
    };
    let begin = Instant::now();
    let late = || options.timeout.filter(|timeout| begin.elapsed() >= *timeout);
    let is_hopeless = || late().is_some() || patience.is_exhausted(&|| Ok(()));
    let (finished, tail) =
        solve(connection, spec, options, &Output::TarStream, take, is_hopeless, sink)?;
    let succeeded = finished.status.success();
    progress.finish(succeeded, reporter);
    // What is complete is done, even if the signal came a moment later.
    if signal::cancelled() && !(succeeded && finished.sink.is_ok()) {
        return Err(Error::Cancelled);
    }
    if let Some(timeout) = late().filter(|_| !succeeded) {
        return Err(Error::Timeout(timeout));
    }
    match finished.sink {
        // The sink gave up of itself, and buildctl was stopped because of that.
        Err(error) if !finished.at_end => Err(Error::Sink(error)),
        _ if !succeeded => match patience.given_up() {
            Some(why) => Err(Error::Cache(why)),
            None => Err(verdict::failure(
                &progress,
                &tail,
                finished.status,
                &spec.platform,
                connection.addr(),
            )),
        },
        result => result.map_err(Error::Sink),
    }
}

/// Runs buildctl once; events go to `take`, its own words are kept.
pub(super) fn solve<T: Send>(
    connection: &Connection,
    spec: &Spec,
    options: &RunOptions,
    output: &Output,
    mut take: impl FnMut(&SolveStatus),
    is_hopeless: impl Fn() -> bool + Send,
    sink: impl FnOnce(&mut dyn Read) -> Result<T, crate::error::Error> + Send,
) -> Result<(Finished<T>, Tail), Error> {
    let directory = tempfile::Builder::new().prefix("melange2-").tempdir()?;
    let places = Places::real(spec, directory.path());
    lay_out(spec, &places)?;
    let mut words = connection.flags();
    words.extend(argv::build(spec, &places, output, options));
    let mut tail = Tail::default();
    let take_line = |line: &[u8]| match rawjson::parse(line) {
        Some(status) => take(&status),
        None => tail.push(line),
    };
    let (program, spool) = (connection.buildctl(), Spool::new(options.spool.clone()));
    let finished = process::stream(program, &words, take_line, is_hopeless, &spool, sink)?;
    Ok((finished, tail))
}

/// Writes the Dockerfile and the scripts, with modes that depend on no umask: a mode is part of a
/// step's cache key.
pub(super) fn lay_out(spec: &Spec, places: &Places) -> io::Result<()> {
    place(&places.dockerfile, "Dockerfile", spec.text.as_bytes())?;
    for (name, content) in &spec.files {
        place(&places.scripts, name, content)?;
    }
    Ok(())
}

fn place(directory: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    if !Path::new(name).components().all(|part| matches!(part, Component::Normal(_))) {
        let text = format!("`{name}` is no relative path");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let file = directory.join(name);
    if let Some(parent) = file.parent() {
        fs::create_dir_all(parent)?;
        for folder in parent.ancestors().take_while(|folder| folder.starts_with(directory)) {
            fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))?;
        }
    }
    fs::write(&file, content)?;
    fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_placed_below_their_directory_only() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("scripts");
        place(&directory, "deep/step.sh", b"true").unwrap();
        let mode = fs::metadata(directory.join("deep")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
        assert!(place(&directory, "../step.sh", b"").is_err());
        assert!(place(&directory, "/step.sh", b"").is_err());
    }
}
