//! Why a build failed: the step, the spec, the daemon, or the way to it.
//!
//! Part of stage 4. Pure: reads what buildctl said (it exits with 1 for everything).

use std::collections::VecDeque;
use std::process::ExitStatus;

use super::error::{Error, StepFailure};
use super::events::{FailedStep, Progress};

/// How many lines of buildctl's own text are kept.
const KEPT_LINES: usize = 60;
/// How much of an error's text is shown.
const LONGEST_MESSAGE: usize = 2000;

/// The end of what buildctl wrote in its own words.
#[derive(Debug, Default)]
pub(super) struct Tail(VecDeque<String>);

impl Tail {
    /// Takes in a line that is no event.
    pub(super) fn push(&mut self, line: &[u8]) {
        if self.0.len() == KEPT_LINES {
            self.0.pop_front();
        }
        let line = &line[..line.len().min(LONGEST_MESSAGE)];
        self.0.push_back(String::from_utf8_lossy(line).trim_end().to_owned());
    }

    /// buildctl's error message: from the last line that begins with `error:` on.
    fn message(&self) -> Option<String> {
        let start = self.0.iter().rposition(|line| line.starts_with("error: "))?;
        let lines: Vec<&str> = self.0.iter().skip(start).map(String::as_str).collect();
        Some(error_text(&lines.join("\n")))
    }
}

/// The text of buildctl's `error: failed to solve: …`, without credentials, of bounded length.
pub(super) fn error_text(text: &str) -> String {
    let text = text.trim();
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let text = redact(text.strip_prefix("failed to solve: ").unwrap_or(text));
    match text.char_indices().nth(LONGEST_MESSAGE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// What a failed run is to be called.
pub(super) fn failure(
    progress: &Progress,
    tail: &Tail,
    status: ExitStatus,
    platform: &str,
    addr: &str,
) -> Error {
    let message = tail.message();
    let text = message.as_deref().unwrap_or_default();
    if let Some(step) = progress.failed() {
        if is_foreign(&step.error) || shell_never_ran(step) {
            return foreign_platform(platform);
        }
        // The daemon's own end also ends its steps: then the step is not to blame.
        if let Some(exit_code) = exit_code(&step.error)
            && (exit_code_in(text) || !is_lost(text))
        {
            let failure = step.clone();
            return Error::Step(StepFailure {
                stage: failure.stage,
                exit_code,
                log: failure.log,
                duration: failure.duration,
            });
        }
    }
    if text.contains("entitlement") && text.contains("not allowed") {
        return forbidden(text);
    }
    let other = progress.other_error().map(error_text);
    if is_foreign(text) || other.as_deref().is_some_and(is_foreign) {
        return foreign_platform(platform);
    }
    if is_lost(text) {
        return lost(progress.heard(), text, addr);
    }
    let step = progress.failed().map(|step| step.error.clone());
    Error::Broken(match other.or(message).or(step) {
        Some(message) => format!("BuildKit failed: {message}"),
        None => format!("buildctl ended with {status} and said nothing"),
    })
}

fn lost(heard: bool, text: &str, addr: &str) -> Error {
    if heard {
        return Error::Lost(format!("the connection to BuildKit at `{addr}` was lost: {text}"));
    }
    Error::Unreachable {
        message: format!("BuildKit at `{addr}` can't be reached: {text}"),
        tried: vec![format!("`{addr}`")],
        log: Vec::new(),
    }
}

fn forbidden(text: &str) -> Error {
    let entitlement = ["security.insecure", "network.host", "device"]
        .into_iter()
        .find(|name| text.contains(name))
        .unwrap_or("security.insecure");
    Error::Unsupported {
        message: format!("the BuildKit daemon forbids the entitlement `{entitlement}`: {text}"),
        hint: format!(
            "start buildkitd with `--allow-insecure-entitlement {entitlement}`, or leave out \
             `--addr` to use a private daemon, which allows it"
        ),
    }
}

fn foreign_platform(platform: &str) -> Error {
    Error::Unsupported {
        message: format!("the BuildKit daemon can't run programs for `{platform}`"),
        hint: format!(
            "register an emulator for `{platform}` with binfmt_misc where the daemon runs \
             (Debian: `apt-get install qemu-user-static binfmt-support`), or build on a machine \
             of that architecture"
        ),
    }
}

/// What BuildKit says before it tells how a process ended; the process, with all of the step's own
/// script, stands before it.
const ENDED: &str = "did not complete successfully: ";
/// The kernel's words for a program that it can't run.
const FOREIGN: &str = "exec format error";

/// Whether BuildKit itself says that it can't run the programs.
fn is_foreign(error: &str) -> bool {
    error.rsplit_once(ENDED).map_or(error, |(_, how)| how).contains(FOREIGN)
}

/// Whether a step's log is nothing but runc's word that the step's shell can't be run: with the same
/// exit code, a program of the script may say so of another, and then it is the step that failed.
fn shell_never_ran(step: &FailedStep) -> bool {
    let shell =
        step.error.split_once("process \"").and_then(|(_, rest)| rest.split([' ', '"']).next());
    let [only] = step.log.as_slice() else { return false };
    shell.is_some_and(|shell| *only == format!("exec {shell}: {FOREIGN}"))
}

/// The exit code in `… did not complete successfully: exit code: 2`, the last one there: the
/// step's own script stands before it.
fn exit_code(error: &str) -> Option<i32> {
    let (_, how) = error.rsplit_once(ENDED)?;
    let rest = how.strip_prefix("exit code: ")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

fn exit_code_in(text: &str) -> bool {
    exit_code(text).is_some()
}

fn is_lost(text: &str) -> bool {
    const SIGNS: [&str; 8] = [
        "code = Unavailable",
        "Unavailable: ",
        "error reading from server",
        "transport is closing",
        "connection refused",
        "connection reset by peer",
        "broken pipe",
        "failed to list workers",
    ];
    // What a registry did to the daemon.
    if text.contains("failed to do request: ") || is_pull(text) {
        return false;
    }
    SIGNS.iter().any(|sign| text.contains(sign)) || text.ends_with("EOF")
}

/// Whether a layer could not be pulled, or was not what it should be.
pub(super) fn is_pull(text: &str) -> bool {
    const SIGNS: [&str; 4] =
        ["httpReadSeeker", "failed to copy: ", "short read: expected ", "unexpected commit "];
    SIGNS.iter().any(|sign| text.contains(sign))
}

/// `scheme://user:password@host` without the user and the password.
fn redact(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        shown.push_str(before);
        shown.push_str("://");
        let end = after.find(|c: char| c == '/' || c.is_whitespace()).unwrap_or(after.len());
        let (authority, remaining) = after.split_at(end);
        shown.push_str(authority.rsplit_once('@').map_or(authority, |(_, host)| host));
        rest = remaining;
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;
    use crate::buildkit::rawjson;
    use crate::ui::Silent;

    const STARTED: &str = r#"{"vertexes":[{"digest":"a","name":"[step-01 1/1] RUN x","started":"2026-01-01T00:00:00Z"}]}"#;

    fn failed(error: &str) -> String {
        let error = serde_json::to_string(error).unwrap();
        STARTED.replace(
            "Z\"}",
            &format!("Z\",\"completed\":\"2026-01-01T00:00:01Z\",\"error\":{error}}}"),
        )
    }

    fn verdict(events: &[&str], said: &str) -> Error {
        let mut progress = Progress::new(["step-01"], &[]);
        for line in events {
            progress.update(&rawjson::parse(line.as_bytes()).expect(line), &mut Silent);
        }
        let mut tail = Tail::default();
        said.lines().for_each(|line| tail.push(line.as_bytes()));
        failure(&progress, &tail, ExitStatus::from_raw(256), "linux/arm64", "unix:///s")
    }

    #[test]
    fn a_step_fails_with_its_own_exit_code() {
        let error = "process \"/bin/sh -c echo exit code: 9; # Unavailable: EOF\" did not complete successfully: exit code: 2";
        let said = format!("Dockerfile:3\n----\nerror: failed to solve: {error}");
        let Error::Step(step) = verdict(&[STARTED, &failed(error)], &said) else { panic!() };
        assert_eq!((step.exit_code, step.stage), (2, 0));
    }

    #[test]
    fn a_lost_daemon_is_not_the_steps_fault() {
        let said = "error: failed to receive status: rpc error: code = Unavailable desc = error reading from server: EOF";
        let error = "process \"x\" did not complete successfully: exit code: 137";
        for events in [&[STARTED][..], &[STARTED, &failed(error)]] {
            let Error::Lost(message) = verdict(events, said) else { panic!() };
            assert!(message.starts_with("the connection to BuildKit at `unix:///s` was lost"));
        }
    }

    #[test]
    fn a_lost_registry_is_not_a_lost_daemon() {
        let said = "error: failed to solve: failed to compute cache key: failed to copy: httpReadSeeker: failed open: failed to do request: Get \"http://r/v2/c/blobs/sha256:1\": dial tcp 10.0.0.1:80: connect: connection refused";
        assert!(matches!(verdict(&[], said), Error::Broken(_)));
        let cut = "error: failed to solve: failed to compute cache key: short read: expected 463 bytes but got 0: unexpected EOF";
        assert!(matches!(verdict(&[], cut), Error::Broken(_)));
    }

    #[test]
    fn a_daemon_that_was_never_there_is_unreachable() {
        let said = "error: listing workers for Build: failed to list workers: Unavailable: connection error: desc = \"transport: Error while dialing: dial unix /s: connect: connection refused\"";
        let error = verdict(&[], said);
        assert!(matches!(error, Error::Unreachable { .. }), "{error}");
        assert_eq!(error.hints(), ["looked at `unix:///s`"]);
    }

    #[test]
    fn what_is_missing_is_named() {
        let said = "error: failed to solve: granting entitlement security.insecure is not allowed by build daemon configuration";
        let error = verdict(&[], said);
        assert!(error.hints()[0].contains("--allow-insecure-entitlement security.insecure"));
        let exec = "process \"/bin/sh -c x\" did not complete successfully: exit code: 255: exec /bin/sh: exec format error";
        let error = verdict(&[STARTED, &failed(exec)], &format!("error: failed to solve: {exec}"));
        assert!(error.hints()[0].contains("binfmt"), "{error}");
        assert!(error.to_string().contains("linux/arm64"));
    }

    /// The event of what a step wrote to stderr.
    fn wrote(text: &str) -> String {
        let data = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, text);
        format!(r#"{{"logs":[{{"vertex":"a","stream":2,"data":"{data}"}}]}}"#)
    }

    #[test]
    fn a_shell_that_can_not_run_is_the_daemons_matter_and_any_other_program_the_steps() {
        let error = r#"process "/bin/sh -c ./other # exec format error" did not complete successfully: exit code: 1"#;
        let said = format!("error: failed to solve: {error}");
        let foreign = |log: &str| {
            let events = [STARTED, &wrote(log), &failed(error)];
            matches!(verdict(&events, &said), Error::Unsupported { .. })
        };
        // As runc says it.
        assert!(foreign("exec /bin/sh: exec format error\n"));
        for log in [
            "",
            "exec format error\n",
            "./other: exec format error\n",
            "exec ./other: exec format error\n",
            "fork/exec /bin/sh: exec format error\n",
            "exec /bin/sh: exec format error\nmake: *** [all] Error 1\n",
            "building\nexec /bin/sh: exec format error\n",
        ] {
            assert!(!foreign(log), "{log}");
        }
    }

    #[test]
    fn buildctl_may_say_nothing_or_anything() {
        assert!(verdict(&[], "").to_string().contains("said nothing"));
        let error = verdict(&[], "error: failed to solve: dockerfile parse error on line 3");
        assert_eq!(error.to_string(), "BuildKit failed: dockerfile parse error on line 3");
    }

    #[test]
    fn credentials_are_not_repeated() {
        assert_eq!(
            redact("get https://me:pw@host/x and http://h/a@b: http://u@p"),
            "get https://host/x and http://h/a@b: http://p"
        );
    }
}
