//! The process that starts, watches and stops the private buildkitd.
//!
//! Part of stage 4. Runs detached, in a session of its own, as `melange2 daemon supervise`. Says
//! [`READY`] on stdout when buildkitd answers, or why it does not; everything else goes to the log
//! that is its stderr. Ends when buildkitd ends.

use std::io::{self, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use fs_err as fs;

use super::activity;
use super::control::{self, Reply, Report, Request};
use super::paths::Paths;
use super::{buildkitd::Buildkitd, config};
use super::{garbage, leftovers};
use crate::buildkit::{DaemonOptions, Error, handshake};
use crate::fsutil::{self, FileLock};

/// What the supervisor says when buildkitd answers.
pub(super) const READY: &str = "ready";
/// How long buildkitd may take until it answers.
const STARTING: Duration = Duration::from_secs(30);
/// How often it is tried meanwhile.
const TRY_EVERY: Duration = Duration::from_millis(5);
/// How long buildkitd may take to stop before it is killed.
const STOPPING: Duration = Duration::from_secs(15);
/// How often a build is looked for that no user waits for, at the most.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long a client of the control socket may take to say what it wants.
const ASKING: Duration = Duration::from_secs(2);

/// What can happen to a supervisor.
enum Event {
    /// buildkitd ended.
    Exited,
    /// A request, and where the reply goes.
    Asked(Request, UnixStream),
    /// Unused for the linger time; the lock keeps new users waiting.
    Idle(FileLock),
    /// A signal.
    Signal,
}

/// Why the supervisor stops, with what it must hold or say until it has.
enum End {
    Exited,
    Stop { _users: Option<FileLock>, answer: Option<UnixStream>, patience: Duration },
}

/// Runs a supervisor until its buildkitd ends.
pub fn supervise(options: &DaemonOptions) -> Result<(), Error> {
    // Fails only for the leader of a process group, which no terminal signals by mistake.
    let _ = rustix::process::setsid();
    let paths = Paths::new(options.state_dir.as_deref())?;
    paths.create()?;
    // One that is about to end may still hold it.
    let _lock = FileLock::exclusive(&paths.supervisor_lock())?;
    let linger = Arc::new(AtomicU64::new(millis(options.linger.unwrap_or_default())));
    let (events, inbox) = mpsc::channel();
    catch_signals(&events);
    match begin(&paths, &events, &inbox) {
        Ok((daemon, listener)) => {
            say(READY);
            serve(&paths, &daemon, listener, events, &inbox, &linger)
        }
        Err(error) => {
            // In one line: the reader takes no more.
            say(&error.to_string().replace('\n', " "));
            // Whoever waits for that line also shows the log: no need to say it there again.
            Ok(())
        }
    }
}

/// Starts buildkitd, or takes over one that has lost its supervisor, and waits until it answers.
fn begin(
    paths: &Paths,
    events: &Sender<Event>,
    inbox: &Receiver<Event>,
) -> Result<(Arc<Buildkitd>, UnixListener), Error> {
    remove(&paths.control());
    let listener = UnixListener::bind(paths.control())?;
    let daemon = match Buildkitd::adopt(&paths.socket()) {
        Some(daemon) => daemon,
        None => launch(paths)?,
    };
    let daemon = Arc::new(daemon);
    let waiter = Arc::clone(&daemon);
    let exits = events.clone();
    thread::spawn(move || {
        waiter.wait();
        let _ = exits.send(Event::Exited);
    });
    let deadline = Instant::now() + STARTING;
    while !handshake::at_socket(&paths.socket(), STARTING) {
        match inbox.recv_timeout(TRY_EVERY) {
            Ok(Event::Exited) => return Err(Error::Broken("buildkitd ended at once".into())),
            Ok(Event::Signal) => {
                stop(&daemon, STOPPING, inbox);
                return Err(Error::Cancelled);
            }
            _ if Instant::now() > deadline => {
                stop(&daemon, STOPPING, inbox);
                let text = format!("buildkitd did not answer in {STARTING:?}");
                return Err(Error::Broken(text));
            }
            _ => {}
        }
    }
    Ok((daemon, listener))
}

fn launch(paths: &Paths) -> Result<Buildkitd, Error> {
    leftovers::clear(&paths.root(), &paths.runtime());
    remove(&paths.socket());
    let rootless = !rustix::process::geteuid().is_root();
    fsutil::write_atomic(&paths.config(), config::text(paths, rootless).as_bytes())?;
    let runtime = paths.runtime();
    fs::create_dir_all(&runtime)?;
    Buildkitd::start(&paths.config(), &runtime, rootless)
}

fn serve(
    paths: &Paths,
    daemon: &Buildkitd,
    listener: UnixListener,
    events: Sender<Event>,
    inbox: &Receiver<Event>,
    linger: &Arc<AtomicU64>,
) -> Result<(), Error> {
    let (lingers, changes) = mpsc::channel();
    let asked = events.clone();
    thread::spawn(move || listen(&listener, &asked));
    let (paths_too, remaining) = (paths.clone(), Arc::clone(linger));
    thread::spawn(move || watch_users(&paths_too, &remaining, &changes, &events));
    let paths_too = paths.clone();
    thread::spawn(move || garbage::watch(&paths_too));
    let end = loop {
        match inbox.recv().map_err(io::Error::other)? {
            Event::Exited => break End::Exited,
            Event::Idle(lock) => {
                break End::Stop { _users: Some(lock), answer: None, patience: STOPPING };
            }
            Event::Signal => {
                break End::Stop { _users: None, answer: None, patience: STOPPING };
            }
            Event::Asked(request, stream) => {
                if let Some(end) = answer(paths, daemon, &request, stream, linger, &lingers) {
                    break end;
                }
            }
        }
    };
    if let End::Stop { patience, .. } = end {
        stop(daemon, patience, inbox);
    }
    leftovers::clear(&paths.root(), &paths.runtime());
    remove(&paths.socket());
    remove(&paths.control());
    if let End::Stop { answer: Some(mut stream), .. } = end {
        reply(&mut stream, &Reply::Stopped);
    }
    Ok(())
}

/// Answers a request; the answer to one that stops is given when it has.
fn answer(
    paths: &Paths,
    daemon: &Buildkitd,
    request: &Request,
    mut stream: UnixStream,
    linger: &AtomicU64,
    lingers: &Sender<()>,
) -> Option<End> {
    match request {
        Request::Use { linger_ms } => {
            linger.store(*linger_ms, Ordering::SeqCst);
            let _ = lingers.send(());
        }
        Request::Status => {}
        Request::Stop { force, stuck } => {
            let users = unused(&paths.users_lock());
            if *force || users.is_some() {
                let patience = if *stuck { Duration::ZERO } else { STOPPING };
                return Some(End::Stop { _users: users, answer: Some(stream), patience });
            }
            reply(&mut stream, &Reply::Busy);
            return None;
        }
    }
    let report = Report {
        supervisor: std::process::id(),
        buildkitd: daemon.pid(),
        linger_ms: linger.load(Ordering::SeqCst),
    };
    reply(&mut stream, &Reply::Running(report));
    None
}

/// Waits for the last user to leave, again and again, and reports when the linger time has passed
/// since, holding the lock. A build that somebody else runs counts as a use.
fn watch_users(paths: &Paths, linger: &AtomicU64, changes: &Receiver<()>, events: &Sender<Event>) {
    let path = &paths.users_lock();
    loop {
        let Ok(lock) = FileLock::exclusive(path) else { return };
        drop(lock);
        let mut since = SystemTime::now();
        let mut at_least = Duration::ZERO;
        loop {
            let idle = SystemTime::now().duration_since(since).unwrap_or_default();
            let linger = Duration::from_millis(linger.load(Ordering::SeqCst)).max(at_least);
            match changes.recv_timeout(linger.saturating_sub(idle)) {
                Ok(()) => continue,
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if !path.exists() {
                // The state directory was deleted: nobody will find this daemon again.
                let _ = events.send(Event::Signal);
                return;
            }
            if activity::builds_run(&paths.addr()) {
                (since, at_least) = (SystemTime::now(), LOOK_EVERY);
                continue;
            }
            let Ok(Some(lock)) = FileLock::try_exclusive(path) else { break };
            // Somebody may have come and gone meanwhile: users touch the file.
            match fs::metadata(path).and_then(|metadata| metadata.modified()) {
                Ok(used) if used > since => since = used,
                _ => {
                    let _ = events.send(Event::Idle(lock));
                    return;
                }
            }
        }
    }
}

/// The users' lock if nobody uses the daemon. The watcher holds it for a moment now and then,
/// hence more than one try.
fn unused(path: &Path) -> Option<FileLock> {
    for _ in 0..5 {
        if let Ok(Some(lock)) = FileLock::try_exclusive(path) {
            return Some(lock);
        }
        thread::sleep(Duration::from_millis(2));
    }
    None
}

fn listen(listener: &UnixListener, events: &Sender<Event>) {
    for stream in listener.incoming() {
        let asked = stream.and_then(|stream| {
            stream.set_read_timeout(Some(ASKING))?;
            stream.set_write_timeout(Some(ASKING))?;
            Ok((control::receive(&stream)?, stream))
        });
        match asked {
            Ok((request, stream)) => {
                if events.send(Event::Asked(request, stream)).is_err() {
                    return;
                }
            }
            Err(error) => tracing::warn!("a request could not be read: {error}"),
        }
    }
}

fn catch_signals(events: &Sender<Event>) {
    let events = events.clone();
    let caught = ctrlc::set_handler(move || {
        let _ = events.send(Event::Signal);
    });
    if let Err(error) = caught {
        tracing::warn!("signals are not handled: {error}");
    }
}

/// Stops buildkitd: asks, waits, kills.
fn stop(daemon: &Buildkitd, patience: Duration, inbox: &Receiver<Event>) {
    daemon.terminate();
    let mut deadline = Instant::now() + patience;
    let mut killed = false;
    loop {
        match inbox.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Event::Exited) | Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) if killed => return,
            Err(RecvTimeoutError::Timeout) => {
                killed = true;
                deadline = Instant::now() + STOPPING;
                daemon.kill();
            }
            // Who asks now asks again when we are gone.
            Ok(_) => {}
        }
    }
}

fn reply(stream: &mut UnixStream, reply: &Reply) {
    if let Err(error) = control::send(stream, reply) {
        tracing::debug!("nobody took the answer: {error}");
    }
}

/// Says a line to whoever started us; it may be gone.
fn say(line: &str) {
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

fn remove(path: &PathBuf) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => tracing::warn!("{error}"),
        _ => {}
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
