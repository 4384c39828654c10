//! How long a solve may wait for a cache before it is given up.
//!
//! Part of stage 4. BuildKit itself waits for ever for a registry that accepts a connection and says
//! nothing. The clock is here; what is waited for, and whether anything moves, `events` tells.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long the manifest of a cache may take.
pub(super) const IMPORT: Duration = Duration::from_secs(5);
/// How long no byte of a layer may come while nothing else happens.
pub(super) const PULL: Duration = Duration::from_secs(7);
/// How long no layer may be written before the registry is asked whether it takes any.
pub(super) const SEND: Duration = Duration::from_secs(3);

/// What a solve waits for, and cannot go on without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// The manifest of a cache.
    Import,
    /// A layer of a result that came from a cache.
    Pull,
    /// A registry that layers are written to.
    Send,
}

impl Wait {
    fn bound(self) -> Duration {
        match self {
            Wait::Import => IMPORT,
            Wait::Pull => PULL,
            Wait::Send => SEND,
        }
    }
}

/// What a solve waits for, since when nothing has moved, and whether it is to be given up.
pub(super) struct Patience {
    state: Mutex<State>,
}

struct State {
    wait: Option<Wait>,
    beat: u64,
    since: Instant,
    given_up: Option<String>,
}

impl Patience {
    /// Begins to wait.
    pub(super) fn new() -> Self {
        let state = State { wait: None, beat: 0, since: Instant::now(), given_up: None };
        Self { state: Mutex::new(state) }
    }

    /// Takes in what is waited for; `beat` differs whenever something has moved.
    pub(super) fn note(&self, wait: Option<Wait>, beat: u64) {
        let mut state = self.state();
        if (state.wait, state.beat) != (wait, beat) {
            (state.wait, state.beat, state.since) = (wait, beat, Instant::now());
        }
    }

    /// The solve is to end: why.
    pub(super) fn give_up(&self, why: impl Into<String>) {
        self.state().given_up.get_or_insert(why.into());
    }

    /// Why the solve was given up, if it was.
    pub(super) fn given_up(&self) -> Option<String> {
        self.state().given_up.clone()
    }

    /// Whether the solve is to be given up now. `lives` asks a registry that takes no layer whether
    /// it would take one, and may take a moment.
    pub(super) fn is_exhausted(&self, lives: &dyn Fn() -> Result<(), String>) -> bool {
        let (wait, waited) = {
            let state = self.state();
            if state.given_up.is_some() {
                return true;
            }
            let Some(wait) = state.wait else { return false };
            (wait, state.since.elapsed())
        };
        if waited < wait.bound() {
            return false;
        }
        let seconds = waited.as_secs();
        match wait {
            Wait::Import => self.give_up(format!("no answer in {seconds} s")),
            Wait::Pull => self.give_up(format!("no byte of a layer came in {seconds} s")),
            Wait::Send => match lives() {
                // Slow, but alive: large layers take their time.
                Ok(()) => self.state().since = Instant::now(),
                Err(why) => self.give_up(why),
            },
        }
        self.state().given_up.is_some()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(wait: Option<Wait>, seconds: u64) -> Patience {
        let patience = Patience::new();
        patience.note(wait, 1);
        patience.state().since = Instant::now().checked_sub(Duration::from_secs(seconds)).unwrap();
        patience
    }

    #[test]
    fn what_does_not_move_is_given_up() {
        let lives = || Ok(());
        assert!(!waiting(None, 1000).is_exhausted(&lives));
        assert!(!waiting(Some(Wait::Import), 4).is_exhausted(&lives));
        let patience = waiting(Some(Wait::Import), 7);
        assert!(patience.is_exhausted(&lives));
        assert_eq!(patience.given_up().unwrap(), "no answer in 7 s");
        let patience = waiting(Some(Wait::Pull), 100);
        patience.note(Some(Wait::Pull), 1);
        assert!(patience.is_exhausted(&lives), "the same again is no movement");
        let patience = waiting(Some(Wait::Pull), 100);
        patience.note(Some(Wait::Pull), 2);
        assert!(!patience.is_exhausted(&lives), "a byte came");
    }

    #[test]
    fn a_slow_registry_has_time_and_a_dead_one_has_not() {
        let patience = waiting(Some(Wait::Send), 100);
        assert!(!patience.is_exhausted(&|| Ok(())));
        assert!(!patience.is_exhausted(&|| Err("not asked again at once".into())));
        let patience = waiting(Some(Wait::Send), 100);
        assert!(patience.is_exhausted(&|| Err("it takes nothing".into())));
        assert_eq!(patience.given_up().unwrap(), "it takes nothing");
    }
}
