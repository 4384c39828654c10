//! Events as BuildKit sends them, and what the reporter hears.

use base64::Engine as _;
use insta::assert_snapshot;

use super::*;
use crate::buildkit::rawjson;

#[derive(Default)]
struct Recorder(String);

impl Recorder {
    fn note(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }
}

impl Reporter for Recorder {
    fn phase(&mut self, text: &str) {
        self.note(&format!("phase {text}"));
    }
    fn step_started(&mut self, name: &str) {
        self.note(&format!("started {name}"));
    }
    fn step_log(&mut self, name: &str, line: &str) {
        self.note(&format!("log {name}: {line}"));
    }
    fn step_ended(&mut self, report: &StepReport) {
        self.note(&format!("{:?} {} {:?}", report.outcome, report.name, report.duration));
    }
    fn warning(&mut self, text: &str) {
        self.note(&format!("warning {text}"));
    }
}

fn machine() -> Progress {
    let labels = ["fetch".to_owned(), "make".to_owned()];
    Progress::new(["step-01", "step-02"], &labels)
}

fn vertex(name: &str, rest: &str) -> String {
    format!(r#"{{"vertexes":[{{"digest":"{name}","name":"{name}"{rest}}}]}}"#)
}

fn log(vertex: &str, stream: u8, text: &str) -> String {
    let data = base64::engine::general_purpose::STANDARD.encode(text);
    format!(r#"{{"logs":[{{"vertex":"{vertex}","stream":{stream},"data":"{data}"}}]}}"#)
}

const START: &str = r#","started":"2026-01-01T00:00:00Z""#;
const END: &str = r#","started":"2026-01-01T00:00:00Z","completed":"2026-01-01T00:00:02.5Z""#;
const CACHED: &str =
    r#","started":"2026-01-01T00:00:00Z","completed":"2026-01-01T00:00:00Z","cached":true"#;

fn play(progress: &mut Progress, lines: &[String], finish: Option<bool>) -> String {
    let mut recorder = Recorder::default();
    for line in lines {
        progress.update(&rawjson::parse(line.as_bytes()).expect(line), &mut recorder);
    }
    if let Some(succeeded) = finish {
        progress.finish(succeeded, &mut recorder);
    }
    recorder.0
}

#[test]
fn a_step_starts_writes_and_ends() {
    let name = "[step-01 1/1] RUN true";
    let lines = [
        vertex(name, ""),
        vertex("[internal] load build definition", END),
        vertex(name, START),
        vertex(name, START),
        log(name, 1, "one\ntw"),
        log(name, 2, "oops"),
        log(name, 1, "o\nthree"),
        vertex(name, END),
        vertex(name, END),
    ];
    assert_snapshot!(play(&mut machine(), &lines, None), @r"
    started fetch
    log fetch: one
    log fetch: two
    log fetch: three
    log fetch: oops
    Done fetch 2.5s
    ");
}

#[test]
fn the_vertexes_of_a_stage_are_one_step() {
    let lines = [
        vertex("[linux/arm64 step-02 1/2] WORKDIR /x", CACHED),
        vertex("[linux/arm64 step-02 2/2] RUN make", START),
        vertex("[linux/arm64 step-02 2/2] RUN make", END),
    ];
    assert_snapshot!(play(&mut machine(), &lines, None), @r"
    started make
    Done make 2.5s
    ");
}

#[test]
fn once_cached_stays_cached() {
    let lines = [
        vertex("[step-01 1/1] RUN a", CACHED),
        vertex("[step-01 1/1] RUN a", START),
        vertex("[step-01 1/1] RUN a", END),
    ];
    let mut progress = machine();
    assert_snapshot!(play(&mut progress, &lines, Some(true)), @r"
    Cached fetch 0ns
    Cached make 0ns
    ");
}

#[test]
fn a_failed_step_keeps_the_end_of_its_log() {
    let name = "[step-02 1/1] RUN make";
    let numbers: String = (0..100).fold(String::new(), |text, n| text + &format!("line {n}\n"));
    let failed =
        r#","error":"process \"/bin/sh -c make\" did not complete successfully: exit code: 2""#;
    let lines = [
        vertex(name, START),
        log(name, 1, &numbers),
        log(name, 2, "no newline"),
        vertex(name, &format!("{END}{failed}")),
        vertex(name, &format!("{END}{failed}")),
    ];
    let mut progress = machine();
    let told = play(&mut progress, &lines, Some(false));
    assert_eq!(told.matches("Failed make 2.5s").count(), 1, "{told}");
    assert!(!told.contains("fetch"), "{told}");
    let failure = progress.failed().unwrap();
    assert_eq!(failure.stage, 1);
    assert_eq!(failure.log.len(), KEPT_LINES);
    assert_eq!(failure.log.last().unwrap(), "no newline");
    assert_eq!(failure.log[0], "line 61");
}

#[test]
fn a_cancelled_step_did_not_fail() {
    let name = "[step-01 1/1] RUN sleep";
    let error = r#","error":"process \"x\" did not complete successfully: exit code: 137: context canceled: context canceled""#;
    let lines = [vertex(name, START), vertex(name, &format!("{END}{error}"))];
    let mut progress = machine();
    assert_snapshot!(play(&mut progress, &lines, Some(false)), @r"
    started fetch
    Cancelled fetch 2.5s
    ");
    assert!(progress.failed().is_none());
}

#[test]
fn a_missing_cache_is_no_error_and_a_missing_context_is() {
    let mut progress = machine();
    let missing = [vertex(
        "importing cache manifest from registry:5000/cache",
        &format!(r#"{END},"error":"registry:5000/cache: not found""#),
    )];
    play(&mut progress, &missing, None);
    assert_eq!(progress.other_error(), None);
    let context = [vertex("[context env] load", &format!(r#"{END},"error":"no such layout""#))];
    play(&mut progress, &context, None);
    assert_eq!(progress.other_error(), Some("no such layout"));
}

#[test]
fn logs_can_not_drive_the_terminal() {
    assert_eq!(clean(b"\x1b[31mred\x1b[0m\x07 10%\r 20%\r"), " 20%");
    assert_eq!(clean(b"\x1b[31mred\x1b[0m\x07"), "red");
    assert_eq!(clean(b"a\tb\xff"), "a\tb\u{fffd}");
    assert_eq!(clean(b"cut \x1b["), "cut ");
}

#[test]
fn names_that_are_no_stage_are_left_alone() {
    let stages = HashMap::from([("step-01".to_owned(), 0)]);
    assert_eq!(place("[step-01 2/3] RUN x", &stages), Some((0, 3)));
    assert_eq!(place("[linux/amd64->arm64 step-01 2/3] RUN x", &stages), Some((0, 3)));
    for name in ["step-01", "[step-01] x", "[step-01 1/x] y", "[", "[out 1/1] COPY step-01", ""] {
        assert_eq!(place(name, &stages), None, "{name}");
    }
}
