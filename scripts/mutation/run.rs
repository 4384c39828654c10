//! All cases on all processors, watched: a case that panics or hangs ends the run and is named.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use color_eyre::eyre::{Result, bail};

use crate::judge::{Subjects, Verdict};
use crate::mutant::KINDS;

/// How many wrong cases are shown.
const SHOWN: usize = 20;

/// How many of a hundred mistakes of each kind are refused at least: all doubled keys, and of the
/// others fewer than are, since a recipe without a key, or with another letter in a script, is a
/// recipe too.
const FLOORS: [u64; KINDS.len()] = [15, 70, 100, 55, 40];

/// How many cases of a kind there must be for its share to be steady.
const STEADY: u64 = 500;

/// What came of the cases.
#[derive(Default)]
pub struct Tally {
    /// By kind: refused, still valid.
    kinds: BTreeMap<usize, (u64, u64)>,
    /// By code: how often.
    codes: BTreeMap<&'static str, u64>,
    wrong: Vec<String>,
    slowest: Option<(Duration, u64)>,
}

impl Tally {
    /// Whether every case was told well, and enough of each kind were refused.
    pub fn is_good(&self, cases: u64) -> bool {
        let told: u64 = self.kinds.values().map(|(refused, valid)| refused + valid).sum();
        self.wrong.is_empty() && told == cases && self.too_few().is_none()
    }

    /// The kind of which too many were taken for valid: a reader that takes everything is no reader.
    fn too_few(&self) -> Option<String> {
        self.kinds.iter().find_map(|(&kind, &(refused, valid))| {
            let (floor, all) = (FLOORS[kind], refused + valid);
            let enough = all < STEADY && floor < 100 || refused * 100 >= all * floor;
            (!enough).then(|| format!("{}: fewer than {floor} % refused", KINDS[kind]))
        })
    }

    fn add(&mut self, case: u64, took: Duration, verdict: Verdict) {
        let (refused, valid) = self.kinds.entry(verdict.kind).or_default();
        *(if verdict.codes.is_empty() { valid } else { refused }) += 1;
        for code in verdict.codes {
            *self.codes.entry(code).or_default() += 1;
        }
        self.wrong.extend(verdict.wrong.map(|wrong| format!("case {case}: {wrong}")));
        self.slowest = self.slowest.max(Some((took, case)));
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, (refused, valid)) in &self.kinds {
            writeln!(f, "  {:<16} {refused:>6} refused, {valid:>6} still valid", KINDS[*kind])?;
        }
        let codes = self.codes.iter().map(|(code, count)| format!("{code} {count}"));
        writeln!(f, "  said: {}", codes.collect::<Vec<_>>().join(", "))?;
        if let Some((took, case)) = self.slowest {
            writeln!(f, "  slowest: case {case}, {took:.1?}")?;
        }
        for wrong in self.wrong.iter().take(SHOWN) {
            writeln!(f, "wrong: {wrong}")?;
        }
        if let Some(few) = self.too_few() {
            writeln!(f, "wrong: {few}")?;
        }
        writeln!(f, "{} wrong", self.wrong.len())
    }
}

/// What a worker is at: a case, plus one (0 for none), and when it began.
#[derive(Default)]
struct Watch {
    case: AtomicU64,
    since: Mutex<Option<Instant>>,
}

thread_local! {
    static CASE: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Names the case when something panics: a release build ends there and then.
#[expect(clippy::print_stderr, reason = "a program for developers")]
fn name_the_case_of_panics(seed: u64) {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        eprintln!("case {} of seed {seed} panics:", CASE.get());
        report(panic);
    }));
}

/// Runs all cases; an error names the case that hung.
pub fn all(subjects: Subjects, seed: u64, cases: u64, limit: Duration) -> Result<Tally> {
    name_the_case_of_panics(seed);
    let subjects = Arc::new(subjects);
    let next = Arc::new(AtomicU64::new(0));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let watches: Vec<Arc<Watch>> = (0..workers).map(|_| Arc::default()).collect();
    let (sender, results) = mpsc::channel();
    // Threads that are not joined: one that hangs must not keep the program from ending.
    for watch in watches.iter().map(Arc::clone) {
        let (subjects, next, sender) = (Arc::clone(&subjects), Arc::clone(&next), sender.clone());
        std::thread::spawn(move || {
            loop {
                let case = next.fetch_add(1, Ordering::Relaxed);
                if case >= cases {
                    return;
                }
                watch.case.store(case + 1, Ordering::Relaxed);
                CASE.set(case);
                let begin = Instant::now();
                *watch.since.lock().unwrap_or_else(PoisonError::into_inner) = Some(begin);
                let verdict = subjects.judge(seed, case);
                *watch.since.lock().unwrap_or_else(PoisonError::into_inner) = None;
                if sender.send((case, begin.elapsed(), verdict)).is_err() {
                    return;
                }
            }
        });
    }
    drop(sender);
    let mut tally = Tally::default();
    loop {
        match results.recv_timeout(Duration::from_secs(1)) {
            Ok((case, took, verdict)) => tally.add(case, took, verdict?),
            Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(tally),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
        }
        for watch in &watches {
            let since = *watch.since.lock().unwrap_or_else(PoisonError::into_inner);
            if since.is_some_and(|since| since.elapsed() > limit) {
                let case = watch.case.load(Ordering::Relaxed).saturating_sub(1);
                bail!("case {case} of seed {seed} hangs: it took more than {limit:?}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(kinds: [(u64, u64); KINDS.len()]) -> Tally {
        Tally { kinds: kinds.into_iter().enumerate().collect(), ..Tally::default() }
    }

    #[test]
    fn a_reader_that_takes_everything_is_not_good() {
        assert!(tally([(300, 700), (800, 200), (1000, 0), (700, 300), (500, 500)]).is_good(5000));
        assert!(!tally([(0, 1000); KINDS.len()]).is_good(5000));
        // One doubled key is too many, however few there are.
        assert!(!tally([(30, 70), (80, 20), (99, 1), (70, 30), (50, 50)]).is_good(500));
        assert!(!tally([(300, 700), (500, 500), (1000, 0), (700, 300), (500, 500)]).is_good(5000));
    }
}
