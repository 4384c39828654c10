//! The state machine from BuildKit's events to "step started, wrote, was cached, ended, failed".
//!
//! Part of stage 4. Pure but for the calls to the reporter: no clock, no I/O. A step is a stage of
//! the spec, which may consist of several vertexes (`WORKDIR`, a helper, the script itself); they
//! are shown as one. Does not decide why a build as a whole failed; `verdict.rs` does.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;

use super::rawjson::{Log, SolveStatus, Vertex};
use crate::ui::{Reporter, StepOutcome, StepReport};

/// How many lines of a failed step's log are kept.
const KEPT_LINES: usize = 40;
/// The same, of a vertex that is no step.
const KEPT_OTHER_LINES: usize = 5;
/// How much of one log line is kept.
const LONGEST_LOG_LINE: usize = 4096;
/// How many vertexes are followed: far more than a spec can have.
const MOST_VERTEXES: usize = 100_000;

/// A step that failed, as its events tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FailedStep {
    /// Index into the spec's stages.
    pub(super) stage: usize,
    /// BuildKit's text (`process "…" did not complete successfully: exit code: 2`).
    pub(super) error: String,
    /// The last lines of its log.
    pub(super) log: Vec<String>,
    /// How long it ran.
    pub(super) duration: Duration,
}

/// What the steps did so far.
#[derive(Debug)]
pub(super) struct Progress {
    stages: Vec<Stage>,
    by_name: HashMap<String, usize>,
    vertexes: HashMap<String, State>,
    failed: Option<FailedStep>,
    other_error: Option<String>,
    events: u64,
}

#[derive(Debug)]
struct Stage {
    label: String,
    /// How many vertexes it has, as the counter in their names says.
    total: usize,
    done: usize,
    /// How many of the done ones came from a cache.
    cached: usize,
    started: Option<Timestamp>,
    completed: Option<Timestamp>,
    announced: bool,
    ended: bool,
    log: VecDeque<String>,
    /// Log bytes after the last line end, of stdout and stderr.
    partial: [Vec<u8>; 2],
}

#[derive(Debug, Default)]
struct State {
    stage: Option<usize>,
    done: bool,
    /// A vertex that came from a registry's cache is sent again without `cached` while its layers
    /// are pulled: once cached stays cached.
    cached: bool,
    /// The end of what a vertex wrote that belongs to no step.
    log: VecDeque<String>,
}

impl Progress {
    /// Nothing has happened yet. `stages` are the stages' names, `labels` what the user calls them.
    pub(super) fn new<'a>(stages: impl IntoIterator<Item = &'a str>, labels: &[String]) -> Self {
        let mut progress = Self {
            stages: Vec::new(),
            by_name: HashMap::new(),
            vertexes: HashMap::new(),
            failed: None,
            other_error: None,
            events: 0,
        };
        for (index, name) in stages.into_iter().enumerate() {
            let label = labels.get(index).map_or(name, String::as_str);
            progress.by_name.insert(name.to_owned(), index);
            progress.stages.push(Stage::new(label.to_owned()));
        }
        progress
    }

    /// Takes in one line of events.
    pub(super) fn update(&mut self, status: &SolveStatus, reporter: &mut dyn Reporter) {
        self.events += 1;
        for vertex in &status.vertexes {
            self.vertex(vertex, reporter);
        }
        for log in &status.logs {
            self.log(log, reporter);
        }
        for warning in &status.warnings {
            reporter.warning(&clean(warning.text().as_bytes()));
        }
    }

    /// Whether BuildKit said anything at all, so that it was reached.
    pub(super) fn heard(&self) -> bool {
        self.events > 0
    }

    /// The step that failed first, if one did.
    pub(super) fn failed(&self) -> Option<&FailedStep> {
        self.failed.as_ref()
    }

    /// The first error of a vertex that belongs to no step (a context, an export).
    pub(super) fn other_error(&self) -> Option<&str> {
        self.other_error.as_deref()
    }

    /// Ends every step that is still open. A build that succeeded without running a step took
    /// that step from a cache.
    pub(super) fn finish(&mut self, succeeded: bool, reporter: &mut dyn Reporter) {
        for stage in &mut self.stages {
            stage.flush(reporter);
            match (succeeded, stage.started.is_some()) {
                (true, false) => stage.end(StepOutcome::Cached, reporter),
                (true, true) if stage.cached == stage.done => {
                    stage.end(StepOutcome::Cached, reporter);
                }
                (true, true) => stage.end(StepOutcome::Done, reporter),
                (false, true) => stage.end(StepOutcome::Cancelled, reporter),
                (false, false) => {}
            }
        }
    }

    fn vertex(&mut self, vertex: &Vertex, reporter: &mut dyn Reporter) {
        if !self.vertexes.contains_key(&vertex.digest) {
            if self.vertexes.len() >= MOST_VERTEXES {
                return;
            }
            let place = place(&vertex.name, &self.by_name);
            if let Some((stage, total)) = place {
                let stage = &mut self.stages[stage];
                stage.total = stage.total.max(total);
            }
            let state = State { stage: place.map(|(stage, _)| stage), ..State::default() };
            self.vertexes.insert(vertex.digest.clone(), state);
        }
        let Some(state) = self.vertexes.get_mut(&vertex.digest) else { return };
        let newly_cached = vertex.cached && !state.cached;
        state.cached |= vertex.cached;
        let Some(index) = state.stage else {
            if !vertex.error.is_empty() && !is_harmless(vertex) {
                self.other_error.get_or_insert_with(|| unexpected(vertex, &state.log));
            }
            return;
        };
        let stage = &mut self.stages[index];
        if newly_cached && state.done {
            stage.cached += 1;
        }
        let Some(started) = &vertex.started else { return };
        stage.start(started, !state.cached, reporter);
        let Some(completed) = &vertex.completed else { return };
        if !vertex.error.is_empty() {
            stage.complete(completed);
            stage.flush(reporter);
            if !is_cancellation(&vertex.error) && self.failed.is_none() && !stage.ended {
                self.failed = Some(FailedStep {
                    stage: index,
                    error: clean(vertex.error.as_bytes()),
                    log: stage.log.iter().cloned().collect(),
                    duration: stage.duration(),
                });
                stage.end(StepOutcome::Failed, reporter);
            } else {
                stage.end(StepOutcome::Cancelled, reporter);
            }
            return;
        }
        if state.done {
            return;
        }
        state.done = true;
        stage.done += 1;
        stage.cached += usize::from(state.cached);
        stage.complete(completed);
        if stage.done >= stage.total {
            stage.flush(reporter);
            let cached = stage.cached == stage.done;
            let outcome = if cached { StepOutcome::Cached } else { StepOutcome::Done };
            stage.end(outcome, reporter);
        }
    }

    fn log(&mut self, log: &Log, reporter: &mut dyn Reporter) {
        let Some(state) = self.vertexes.get_mut(&log.vertex) else { return };
        match state.stage.and_then(|index| self.stages.get_mut(index)) {
            Some(stage) => stage.write(usize::from(log.stream == 2), &log.bytes(), reporter),
            None => {
                for line in log.bytes().split(|&byte| byte == b'\n').filter(|line| !line.is_empty())
                {
                    if state.log.len() == KEPT_OTHER_LINES {
                        state.log.pop_front();
                    }
                    state.log.push_back(clean(&line[..line.len().min(LONGEST_LOG_LINE)]));
                }
            }
        }
    }
}

/// The error of a vertex that belongs to no step. BuildKit's text quotes the whole script; the
/// name of the stage and what it wrote say more.
fn unexpected(vertex: &Vertex, log: &VecDeque<String>) -> String {
    let error = clean(vertex.error.as_bytes());
    let stage = vertex.name.strip_prefix('[').and_then(|name| name.split_once(']'));
    let ended = error.rsplit_once("did not complete successfully: ");
    match (stage, ended) {
        (Some((stage, _)), Some((_, how))) => {
            let said: Vec<&str> = log.iter().map(String::as_str).collect();
            let said = if said.is_empty() { "it wrote nothing".into() } else { said.join("; ") };
            format!("`{stage}` ended with {how}: {said}")
        }
        _ => error,
    }
}

impl Stage {
    fn new(label: String) -> Self {
        Self {
            label,
            total: 1,
            done: 0,
            cached: 0,
            started: None,
            completed: None,
            announced: false,
            ended: false,
            log: VecDeque::new(),
            partial: [Vec::new(), Vec::new()],
        }
    }

    fn start(&mut self, started: &str, runs: bool, reporter: &mut dyn Reporter) {
        if let Ok(time) = started.parse::<Timestamp>() {
            self.started = Some(self.started.map_or(time, |earlier| earlier.min(time)));
        }
        if runs && !self.announced && !self.ended {
            self.announced = true;
            reporter.step_started(&self.label);
        }
    }

    fn complete(&mut self, completed: &str) {
        if let Ok(time) = completed.parse::<Timestamp>() {
            self.completed = Some(self.completed.map_or(time, |earlier| earlier.max(time)));
        }
    }

    fn duration(&self) -> Duration {
        let (Some(started), Some(completed)) = (self.started, self.completed) else {
            return Duration::ZERO;
        };
        completed.duration_since(started).try_into().unwrap_or_default()
    }

    fn end(&mut self, outcome: StepOutcome, reporter: &mut dyn Reporter) {
        if !self.ended {
            self.ended = true;
            let duration =
                if outcome == StepOutcome::Cached { Duration::ZERO } else { self.duration() };
            reporter.step_ended(&StepReport { name: self.label.clone(), outcome, duration });
        }
    }

    fn write(&mut self, stream: usize, bytes: &[u8], reporter: &mut dyn Reporter) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let partial = &mut self.partial[stream];
            let room = LONGEST_LOG_LINE.saturating_sub(partial.len());
            let text = piece.strip_suffix(b"\n").unwrap_or(piece);
            partial.extend_from_slice(&text[..text.len().min(room)]);
            if piece.ends_with(b"\n") {
                let line = std::mem::take(partial);
                self.line(&line, reporter);
            }
        }
    }

    fn flush(&mut self, reporter: &mut dyn Reporter) {
        for stream in 0..self.partial.len() {
            let line = std::mem::take(&mut self.partial[stream]);
            if !line.is_empty() {
                self.line(&line, reporter);
            }
        }
    }

    fn line(&mut self, line: &[u8], reporter: &mut dyn Reporter) {
        let line = clean(line);
        reporter.step_log(&self.label, &line);
        if self.log.len() == KEPT_LINES {
            self.log.pop_front();
        }
        self.log.push_back(line);
    }
}

/// The stage and its number of vertexes in `[step-02 1/3] RUN …` or `[linux/arm64 step-02 1/3] …`.
fn place(name: &str, stages: &HashMap<String, usize>) -> Option<(usize, usize)> {
    let (inside, _) = name.strip_prefix('[')?.split_once(']')?;
    let mut words = inside.split_whitespace().rev();
    let (_, total) = words.next()?.split_once('/')?;
    let stage = stages.get(words.next()?)?;
    Some((*stage, total.parse().ok()?))
}

/// BuildKit's words for a step that was stopped because something else ended the build.
fn is_cancellation(error: &str) -> bool {
    error.contains("context canceled") || error.contains("code = Canceled")
}

/// Errors that BuildKit reports and then lives with: a cache that is not there yet.
fn is_harmless(vertex: &Vertex) -> bool {
    vertex.name.starts_with("importing cache manifest") || is_cancellation(&vertex.error)
}

/// A line as it may be shown: what a carriage return overwrote, escape sequences and control
/// characters are gone.
fn clean(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = line.rsplit(|byte| *byte == b'\r').next().unwrap_or(line);
    let text = String::from_utf8_lossy(text);
    let mut shown = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\x1b' if characters.peek() == Some(&'[') => {
                characters.next();
                // A control sequence ends with a byte from `@` to `~`.
                let _ = characters.find(|end| ('@'..='~').contains(end));
            }
            '\t' | '\n' => shown.push(character),
            _ if character.is_control() => {}
            _ => shown.push(character),
        }
    }
    shown
}

#[cfg(test)]
mod tests;
