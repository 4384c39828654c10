//! What BuildKit's events tell of the caches that outlive the daemon: imports, exports, layers that
//! are pulled, and whether anything moves.
//!
//! Part of stage 4. Pure: no clock, no I/O. How long to wait is decided by `patience`; what the steps
//! do is told by `events`.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

use super::patience::Wait;
use super::rawjson::{SolveStatus, Vertex};

/// How many vertexes and parts of them are followed: far more than a spec can have.
const MOST: usize = 200_000;

/// What has been seen so far.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    vertexes: HashMap<String, Seen>,
    parts: HashMap<(String, String), Part>,
    beat: u64,
    import_error: Option<(String, Duration)>,
    export_error: Option<String>,
    retried: Option<String>,
}

#[derive(Debug, Default)]
struct Seen {
    role: Role,
    /// The stage of the spec that it belongs to.
    stage: Option<String>,
    started: bool,
    completed: bool,
    /// Its result, which came from a cache, was pulled from there.
    pulled: bool,
    /// Sent again without `cached` while its layers are pulled: once cached stays cached.
    cached: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Role {
    #[default]
    Work,
    Import,
    Export,
    /// The output on its way here: it may be all that a pull holds up.
    Output,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Part {
    current: i64,
    total: i64,
    completed: bool,
}

impl Traffic {
    /// Takes in one line of events.
    pub(super) fn update(&mut self, status: &SolveStatus) {
        for vertex in &status.vertexes {
            self.vertex(vertex);
        }
        for part in &status.statuses {
            let key = (part.vertex.clone(), part.id.clone());
            if self.parts.len() >= MOST && !self.parts.contains_key(&key) {
                continue;
            }
            let completed = part.completed.is_some();
            let now = Part { current: part.current, total: part.total, completed };
            if self.parts.get(&key) != Some(&now) {
                self.parts.insert(key, now);
                self.beat += 1;
            }
        }
        for log in &status.logs {
            let role = self.vertexes.get(&log.vertex).map(|seen| seen.role);
            if role != Some(Role::Export) {
                self.beat += 1;
                continue;
            }
            // Trying again is no movement.
            let text = String::from_utf8_lossy(&log.bytes()).into_owned();
            if let Some(error) = text.lines().rev().find_map(|line| line.strip_prefix("error: ")) {
                self.retried = Some(error.to_owned());
            }
        }
    }

    /// Differs from what it was before whenever something has moved.
    pub(super) fn beat(&self) -> u64 {
        self.beat
    }

    /// What the solve waits for, if it waits for nothing but a cache.
    pub(super) fn wait(&self) -> Option<Wait> {
        let open = |role| self.vertexes.values().any(|seen| seen.is_open() && seen.role == role);
        if open(Role::Import) {
            return Some(Wait::Import);
        }
        if open(Role::Export) {
            // Before that, layers are compressed, which may take any time.
            let sending = |id: &str| id.starts_with("writing ") || id.starts_with("sending cache");
            let sends = self.parts.iter().any(|((_, id), part)| sending(id) && !part.completed);
            return sends.then_some(Wait::Send);
        }
        let works = |seen: &Seen| seen.is_open() && seen.role == Role::Work && !seen.cached;
        if self.vertexes.values().any(works) {
            return None;
        }
        let is_pull = |((vertex, id), part): (&(String, String), &Part)| {
            let cached = self.vertexes.get(vertex).is_some_and(|seen| seen.cached);
            cached && id.starts_with("sha256:") && !part.completed && part.current < part.total
        };
        self.parts.iter().any(is_pull).then_some(Wait::Pull)
    }

    /// Whether a part of the spec ran, rather than came from a cache.
    pub(super) fn has_run(&self) -> bool {
        let ran = |seen: &Seen| seen.stage.is_some() && seen.started && !seen.cached;
        self.vertexes.values().any(ran)
    }

    /// Whether the result of a stage was pulled from an imported cache, which therefore has it.
    pub(super) fn has_pulled(&self, stage: &str) -> bool {
        self.vertexes.values().any(|seen| seen.pulled && seen.stage.as_deref() == Some(stage))
    }

    /// Whether any result was.
    pub(super) fn has_fetched(&self) -> bool {
        self.vertexes.values().any(|seen| seen.pulled)
    }

    /// Why a cache could not be imported, and how long it took to fail; but for one that is not there
    /// yet.
    pub(super) fn import_error(&self) -> Option<(&str, Duration)> {
        self.import_error.as_ref().map(|(why, took)| (why.as_str(), *took))
    }

    /// Why a cache could not be exported.
    pub(super) fn export_error(&self) -> Option<&str> {
        self.export_error.as_deref()
    }

    /// Why a layer could not be written so far; BuildKit tries again.
    pub(super) fn retried(&self) -> Option<&str> {
        self.retried.as_deref()
    }

    fn vertex(&mut self, vertex: &Vertex) {
        if self.vertexes.len() >= MOST && !self.vertexes.contains_key(&vertex.digest) {
            return;
        }
        let role = match vertex.name.as_str() {
            name if name.starts_with("importing cache manifest") => Role::Import,
            name if name.starts_with("exporting cache") => Role::Export,
            name if name.starts_with("exporting to client") => Role::Output,
            _ => Role::Work,
        };
        let seen = self.vertexes.entry(vertex.digest.clone()).or_default();
        let before = (seen.started, seen.completed, seen.cached);
        seen.role = role;
        seen.stage = stage(&vertex.name).map(str::to_owned);
        seen.pulled |= seen.cached && !vertex.cached && vertex.started.is_some();
        seen.started = vertex.started.is_some();
        seen.completed = vertex.completed.is_some();
        seen.cached |= vertex.cached;
        if before != (seen.started, seen.completed, seen.cached) {
            self.beat += 1;
        }
        if !vertex.error.is_empty() {
            let error = vertex.error.clone();
            match role {
                Role::Import if !is_missing(&error) => {
                    self.import_error.get_or_insert((error, duration(vertex)));
                }
                Role::Export => {
                    self.export_error.get_or_insert(error);
                }
                _ => {}
            }
        }
    }
}

/// How long a vertex took, as far as is told.
fn duration(vertex: &Vertex) -> Duration {
    let time = |text: &Option<String>| text.as_ref()?.parse::<Timestamp>().ok();
    let between = time(&vertex.started).zip(time(&vertex.completed));
    let took = between.map(|(started, completed)| completed.duration_since(started));
    took.and_then(|took| Duration::try_from(took).ok()).unwrap_or_default()
}

impl Seen {
    fn is_open(&self) -> bool {
        self.started && !self.completed
    }
}

/// The stage in `[step-02 1/3] RUN …` or `[linux/arm64 step-02 1/3] …`.
fn stage(name: &str) -> Option<&str> {
    let (inside, _) = name.strip_prefix('[')?.split_once(']')?;
    let mut words = inside.split_whitespace().rev();
    words.next()?.split_once('/')?;
    words.next()
}

/// Whether a registry's answer means that there is no such cache (yet).
pub(super) fn is_missing(error: &str) -> bool {
    error.trim_end().ends_with("not found")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buildkit::rawjson;

    const OPEN: &str = r#","started":"2026-01-01T00:00:00Z""#;
    const DONE: &str = r#","started":"2026-01-01T00:00:00Z","completed":"2026-01-01T00:00:01Z""#;

    fn vertex(name: &str, rest: &str) -> String {
        format!(r#"{{"vertexes":[{{"digest":"{name}","name":"{name}"{rest}}}]}}"#)
    }

    fn part(vertex: &str, id: &str, rest: &str) -> String {
        format!(r#"{{"statuses":[{{"vertex":"{vertex}","id":"{id}"{rest}}}]}}"#)
    }

    fn seen(lines: &[String]) -> Traffic {
        let mut traffic = Traffic::default();
        for line in lines {
            traffic.update(&rawjson::parse(line.as_bytes()).expect(line));
        }
        traffic
    }

    #[test]
    fn an_import_is_waited_for_until_it_ends() {
        let name = "importing cache manifest from r/c:t";
        let mut lines = vec![vertex(name, OPEN)];
        assert_eq!(seen(&lines).wait(), Some(Wait::Import));
        lines.push(vertex(name, &format!(r#"{DONE},"error":"r/c:t: not found""#)));
        assert_eq!((seen(&lines).wait(), seen(&lines).import_error()), (None, None));
        lines.push(vertex(name, &format!(r#"{DONE},"error":"502 Bad Gateway""#)));
        assert_eq!(seen(&lines).import_error().unwrap().0, "502 Bad Gateway");
    }

    #[test]
    fn what_ran_and_what_was_pulled_is_told() {
        let (step, out) = ("[step-01 1/1] RUN a", "[linux/amd64 out 1/1] COPY x");
        let cached = format!(r#"{DONE},"cached":true"#);
        let mut lines = vec![
            vertex("[internal] load build definition", DONE),
            vertex("[context env] load from client", DONE),
            vertex(step, &cached),
            vertex(out, &cached),
        ];
        let traffic = seen(&lines);
        assert_eq!((traffic.has_run(), traffic.has_pulled("out")), (false, false));
        lines.push(vertex(out, OPEN));
        let traffic = seen(&lines);
        assert_eq!((traffic.has_run(), traffic.has_pulled("out")), (false, true));
        assert!(!traffic.has_pulled("step-01"));
        lines.push(vertex("[step-02 1/1] RUN b", OPEN));
        assert!(seen(&lines).has_run());
    }

    #[test]
    fn compressing_is_no_waiting_and_sending_is() {
        let name = "exporting cache to registry";
        let mut lines =
            vec![vertex(name, OPEN), part(name, "preparing build cache for export", "")];
        assert_eq!(seen(&lines).wait(), None);
        lines.push(part(name, "writing layer sha256:a", ""));
        assert_eq!(seen(&lines).wait(), Some(Wait::Send));
        let beat = seen(&lines).beat();
        lines.push(part(name, "writing layer sha256:a", ""));
        assert_eq!(seen(&lines).beat(), beat, "told again");
        // `error: no room`, `retrying in 1s`
        let data = "ZXJyb3I6IG5vIHJvb20KcmV0cnlpbmcgaW4gMXMK";
        lines.push(format!(r#"{{"logs":[{{"vertex":"{name}","data":"{data}"}}]}}"#));
        assert_eq!((seen(&lines).beat(), seen(&lines).retried()), (beat, Some("no room")));
        lines.push(vertex(name, &format!(r#"{DONE},"error":"disk full""#)));
        let traffic = seen(&lines);
        assert!(traffic.beat() > beat);
        assert_eq!((traffic.wait(), traffic.export_error()), (None, Some("disk full")));
    }

    #[test]
    fn a_layer_is_waited_for_while_no_step_runs() {
        let (cached, step) = ("[step-01 1/1] RUN a", "[step-02 1/1] RUN b");
        let mut lines = vec![
            vertex(cached, &format!(r#"{DONE},"cached":true"#)),
            part(cached, "sha256:abc", r#","total":100"#),
        ];
        assert_eq!(seen(&lines).wait(), Some(Wait::Pull));
        let beat = seen(&lines).beat();
        lines.push(part(cached, "sha256:abc", r#","current":50,"total":100"#));
        assert!(seen(&lines).beat() > beat, "bytes came");
        lines.push(vertex(step, OPEN));
        assert_eq!(seen(&lines).wait(), None, "a step runs");
        lines.push(vertex(step, DONE));
        assert_eq!(seen(&lines).wait(), Some(Wait::Pull));
        lines.push(vertex("exporting to client tarball", OPEN));
        assert_eq!(seen(&lines).wait(), Some(Wait::Pull), "the output waits as well");
        lines.push(part(cached, "sha256:abc", r#","current":100,"total":100"#));
        assert_eq!(seen(&lines).wait(), None, "it is being unpacked");
    }
}
