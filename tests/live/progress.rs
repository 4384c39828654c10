//! What a user sees while a recipe is built, and after a step has failed.

use std::process::Stdio;

use super::recipe;
use crate::support::lab::{Lab, nonce};
use crate::support::{TestEnv, parts};

fn three_steps(env: &TestEnv, last: &str) {
    let marked = |what: &str| format!("# {}\n{what}", nonce());
    let steps = [
        ("first", marked("echo one-of-first")),
        ("second", marked("echo one-of-second; sleep 1")),
        ("third", marked(last)),
    ];
    let steps = steps.each_ref().map(|(name, script)| (*name, script.as_str()));
    env.write("three.yaml", recipe("three", &steps));
}

#[test]
fn plain_lines_tell_each_step_once() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    three_steps(&env, "mkdir -p ${{targets.destdir}}/usr");
    let said = lab.ok(&env, &mut lab.build(&env, "three.yaml"));
    for step in ["three › first", "three › second", "three › third"] {
        let lines: Vec<&str> = said.lines().filter(|line| line.ends_with(step)).collect();
        assert!(lines.len() == 2 && lines[0].trim_start().starts_with("start "), "{said}");
        assert!(lines[1].split_whitespace().next().unwrap().ends_with('s'), "a duration: {said}");
    }
    assert!(!said.contains("one-of-first") && !said.contains('\u{1b}'), "{said}");

    let again = lab.ok(&env, lab.build(&env, "three.yaml").arg("-v"));
    assert_eq!(again.matches("CACHED").count(), 3, "{again}");
    assert!(!again.lines().any(|line| line.trim_start().starts_with("start ")), "{again}");

    three_steps(&env, "mkdir -p ${{targets.destdir}}/usr");
    let logs = lab.ok(&env, lab.build(&env, "three.yaml").arg("-v"));
    assert!(logs.contains("three › first | one-of-first\n"), "{logs}");

    three_steps(&env, "mkdir -p ${{targets.destdir}}/usr");
    let quiet = lab.ok(&env, lab.build(&env, "three.yaml").arg("-q"));
    assert_eq!(quiet, "exit: 0\n--- stdout\n--- stderr\n");
}

#[test]
fn a_terminal_shows_running_steps_with_their_last_line() {
    let Some(lab) = Lab::find() else { return };
    if which::which("script").is_err() {
        parts::without("there is no `script` on PATH");
        return;
    }
    let env = TestEnv::new();
    three_steps(&env, "mkdir -p ${{targets.destdir}}/usr");
    let build = lab.build(&env, "three.yaml");
    let words: Vec<_> = std::iter::once(build.get_program()).chain(build.get_args()).collect();
    let line: Vec<_> = words.iter().map(|word| word.to_str().unwrap()).collect();
    let mut command = env.command("script");
    command.args(["-qefc", &line.join(" "), "/dev/null"]).stdin(Stdio::null());
    for (name, value) in build.get_envs() {
        command.env(name, value.unwrap());
    }
    let said = lab.ok(&env, command.env("TERM", "xterm"));
    // Redrawn in place, while the step sleeps after its line.
    assert!(said.contains("three › second: one-of-second"), "{said}");
    assert!(said.contains("\u{1b}[2K") || said.contains("\u{1b}[1A"), "{said}");
    for step in ["first", "second", "third"] {
        assert!(said.contains(&format!("s\u{1b}[0m  three › {step}")), "{said}");
    }
}

#[test]
fn a_failure_is_told_once_with_all_that_is_needed() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    three_steps(&env, "echo the-last-line; exit 42");
    for flags in [&[][..], &["-q"]] {
        let output = lab.build(&env, "three.yaml").args(flags).output().unwrap();
        let text = env.text(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        let report = "step `third` failed with exit code 42 after ";
        assert_eq!(text.matches(report).count(), 1, "{text}");
        assert!(text.contains("\n  at three.yaml:"), "{text}");
        assert_eq!(text.matches("the-last-line").count(), 1, "{text}");
        assert!(!text.contains("one-of-first"), "other steps' logs are not shown: {text}");
    }
}
