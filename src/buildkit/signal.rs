//! One handler for the whole process: the first SIGINT, SIGTERM or SIGHUP cancels running solves,
//! the second kills them.
//!
//! Part of stage 4. `buildctl` runs in a process group of its own, so that a ^C in the terminal
//! reaches it only through this handler, once, as SIGTERM: it then cancels its solve and waits
//! until the daemon has stopped the steps.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};

use duct::Handle;
use duct::unix::HandleExt as _;

use crate::error::Kind;

static SIGNALS: AtomicUsize = AtomicUsize::new(0);
static RUNNING: Mutex<Vec<Arc<Handle>>> = Mutex::new(Vec::new());
static INSTALL: Once = Once::new();

/// Whether a signal asked to stop. Work that is not a solve looks here between its pieces; from
/// the first solve on, a first signal does no more than this.
pub fn cancelled() -> bool {
    SIGNALS.load(Ordering::SeqCst) > 0
}

/// Keeps a running buildctl within reach of signals while the value lives.
pub(super) struct Watch(Arc<Handle>);

impl Watch {
    /// From now on a signal reaches the process; one that came before does at once.
    pub(super) fn new(handle: Arc<Handle>) -> Self {
        INSTALL.call_once(|| {
            // Fails only where a user of the library has a handler of its own, which then decides.
            if let Err(error) = ctrlc::set_handler(on_signal) {
                tracing::debug!("no signal handler: {error}");
            }
        });
        running().push(Arc::clone(&handle));
        if cancelled() {
            report(terminate(&handle));
        }
        Self(handle)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        running().retain(|handle| !Arc::ptr_eq(handle, &self.0));
    }
}

/// Asks a process to end: buildctl cancels its solve.
pub(super) fn terminate(handle: &Handle) -> io::Result<()> {
    handle.send_signal(rustix::process::Signal::TERM.as_raw())
}

fn running() -> MutexGuard<'static, Vec<Arc<Handle>>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn on_signal() {
    let before = SIGNALS.fetch_add(1, Ordering::SeqCst);
    let running = running();
    if before > 0 && running.is_empty() {
        // Asked twice, and nothing runs that could be waited for.
        #[expect(clippy::exit, reason = "a signal handler has nobody to return to")]
        std::process::exit(i32::from(Kind::Cancelled.exit_code()));
    }
    for handle in running.iter() {
        report(if before == 0 { terminate(handle) } else { handle.kill() });
    }
}

fn report(result: io::Result<()>) {
    if let Err(error) = result {
        tracing::debug!("failed to signal buildctl: {error}");
    }
}
