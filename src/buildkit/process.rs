//! Running `buildctl`: its output stream to one consumer, its progress lines to another.
//!
//! Part of stage 4. Knows pipes, threads and signals; does not know what is in the streams.

use std::ffi::OsString;
use std::io::{self, BufReader, PipeWriter, Read};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{ExitStatus, Output};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use duct::Handle;

use super::spool::{self, Spool};
use super::{rawjson, signal};

/// How long buildctl may take to cancel before it is killed.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same, of one that is given up because it waits for something that does not come.
pub(super) const GIVING_UP: Duration = Duration::from_secs(1);
/// What buildctl, a Go program, is to make do with if it can: else it lets garbage grow to several
/// times of what it needs, where the machine is busy and much is to be passed on.
const MEMORY_LIMIT: (&str, &str) = ("GOMEMLIMIT", "128MiB");
/// How often it is looked whether a run is hopeless.
const GLANCE: Duration = Duration::from_millis(200);

/// How a streamed run ended.
pub(super) struct Finished<T> {
    /// buildctl's exit status.
    pub(super) status: ExitStatus,
    /// What the sink returned.
    pub(super) sink: Result<T, crate::error::Error>,
    /// Whether the sink had the stream to its end, so that its complaint may be of a stream that
    /// was cut short, and buildctl knows better why.
    pub(super) at_end: bool,
}

/// Runs buildctl: stdout goes to `sink` on a thread of its own, lines of stderr to `take_line`.
///
/// What the sink has not taken yet waits in `spool`. A sink that fails ends the run, and so does `is_hopeless` once it is true: it is asked from time
/// to time on a thread of its own.
pub(super) fn stream<T: Send>(
    program: &Path,
    argv: &[OsString],
    take_line: impl FnMut(&[u8]),
    is_hopeless: impl Fn() -> bool + Send,
    spool: &Spool,
    sink: impl FnOnce(&mut dyn Read) -> Result<T, crate::error::Error> + Send,
) -> io::Result<Finished<T>> {
    let (output, stdout) = io::pipe()?;
    let (progress, stderr) = io::pipe()?;
    let handle = Arc::new(start(program, argv, stdout, stderr)?);
    let _watch = signal::Watch::new(Arc::clone(&handle));
    thread::scope(|scope| {
        let worker = {
            let handle = Arc::clone(&handle);
            // Its end, however it ends, is that of who fills the spool.
            let reader = spool.reader();
            scope.spawn(move || consume(reader, &handle, sink))
        };
        scope.spawn(|| spool.fill(output));
        let (ended, end) = mpsc::channel::<()>();
        {
            let handle = Arc::clone(&handle);
            scope.spawn(move || {
                while end.recv_timeout(GLANCE) == Err(RecvTimeoutError::Timeout) {
                    if is_hopeless() {
                        return stop(&handle, GIVING_UP);
                    }
                }
            });
        }
        let lines = rawjson::for_each_line(BufReader::new(progress), take_line);
        if lines.is_err() {
            handle.kill()?;
        }
        let status = handle.wait()?.status;
        drop(ended);
        let (sink, at_end) = worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        lines?;
        Ok(Finished { status, sink, at_end })
    })
}

/// The expression must not outlive this function: it holds the pipes' write ends open.
fn start(
    program: &Path,
    argv: &[OsString],
    stdout: PipeWriter,
    stderr: PipeWriter,
) -> io::Result<Handle> {
    let mut command = duct::cmd(program, argv);
    if std::env::var_os(MEMORY_LIMIT.0).is_none() {
        command = command.env(MEMORY_LIMIT.0, MEMORY_LIMIT.1);
    }
    command
        .stdin_null()
        .stdout_file(stdout)
        .stderr_file(stderr)
        .before_spawn(|command| {
            command.process_group(0);
            Ok(())
        })
        .unchecked()
        .start()
}

fn consume<T>(
    mut stream: spool::Reader<'_>,
    handle: &Handle,
    sink: impl FnOnce(&mut dyn Read) -> Result<T, crate::error::Error>,
) -> (Result<T, crate::error::Error>, bool) {
    let result = sink(&mut stream);
    if result.is_ok() {
        // What follows the end of the archive is padding; buildctl must get rid of it to succeed.
        if let Err(error) = io::copy(&mut stream, &mut io::sink()) {
            return (Err(error.into()), true);
        }
        return (result, true);
    }
    let at_end = stream.is_at_end();
    drop(stream);
    if !at_end {
        stop(handle, PATIENCE);
    }
    (result, at_end)
}

fn stop(handle: &Handle, patience: Duration) {
    let stopped = signal::terminate(handle).and_then(|()| handle.wait_timeout(patience));
    if !matches!(stopped, Ok(Some(_)))
        && let Err(error) = handle.kill()
    {
        tracing::debug!("failed to kill buildctl: {error}");
    }
}

/// Runs a short command and returns what it said; an error when it takes longer than `bound`.
pub(super) fn capture(program: &Path, argv: &[OsString], bound: Duration) -> io::Result<Output> {
    let handle = duct::cmd(program, argv)
        .stdin_null()
        .stdout_capture()
        .stderr_capture()
        .unchecked()
        .start()?;
    if handle.wait_timeout(bound)?.is_none() {
        handle.kill()?;
        let text = format!("`{}` gave no answer in {bound:?}", program.display());
        return Err(io::Error::new(io::ErrorKind::TimedOut, text));
    }
    handle.into_output()
}
