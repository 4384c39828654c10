//! What is shown of a step that failed: once, and with all that is needed to mend it.
//!
//! Around the stages. Pure: the command prints it as the report of its error.

use super::plain::duration;
use crate::buildkit::StepFailure;

/// The step, its place in the recipe, how it came there, its exit code, the end of its log.
///
/// `place` is the recipe's line as `file:line`, `uses_chain` the pipelines that led from there to
/// the step, outermost first.
pub fn failure_report(
    label: &str,
    place: &str,
    uses_chain: &[String],
    failure: &StepFailure,
) -> String {
    let time = duration(failure.duration);
    let mut text =
        format!("step `{label}` failed with exit code {} after {time}\n", failure.exit_code);
    if !place.is_empty() {
        text.push_str(&format!("  at {place}\n"));
    }
    if !uses_chain.is_empty() {
        text.push_str(&format!("  through {}\n", uses_chain.join(" > ")));
    }
    if failure.log.is_empty() {
        text.push_str("  it wrote nothing\n");
    }
    for line in &failure.log {
        text.push_str(&format!("  | {line}\n"));
    }
    text
}

/// What may help: a step that was denied a path outside the workspace may need root, unless it is
/// `root` already.
pub fn failure_hint(failure: &StepFailure, root: bool) -> Option<String> {
    if root {
        return None;
    }
    let path = failure.log.iter().rev().find_map(|line| denied_path(line))?;
    Some(format!(
        "steps run as the build user, who may not write to `{path}`: write below `/home/build`, \
         or run the steps as root with `--run-as root` (`environment: accounts: run-as: root`)"
    ))
}

/// The absolute path outside `/home/build` that a line says was denied.
fn denied_path(line: &str) -> Option<&str> {
    let lower = line.to_ascii_lowercase();
    if !lower.contains("permission denied") && !lower.contains("operation not permitted") {
        return None;
    }
    let decoration = |c: char| "'\"`:,;()[]‘’“”".contains(c);
    line.split(|c: char| c.is_whitespace() || decoration(c)).find(|word| {
        word.len() > 1
            && word.starts_with('/')
            && !word.starts_with("/home/build/")
            && *word != "/home/build"
            && !word.starts_with("/bin/sh")
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use insta::assert_snapshot;

    use super::*;

    fn failure(log: &[&str]) -> StepFailure {
        StepFailure {
            stage: 0,
            exit_code: 2,
            log: log.iter().map(|&line| line.to_owned()).collect(),
            duration: Duration::from_millis(1500),
        }
    }

    #[test]
    fn the_report_says_where_and_why() {
        let uses = ["autoconf/make".to_owned(), "split/dev".to_owned()];
        let failure = failure(&["cc: error", "make: *** [all] Error 1"]);
        let report = failure_report("make all", "hello.yaml:12", &uses, &failure);
        assert_snapshot!(report, @r"
        step `make all` failed with exit code 2 after 1.5s
          at hello.yaml:12
          through autoconf/make > split/dev
          | cc: error
          | make: *** [all] Error 1
        ");
    }

    #[test]
    fn a_silent_step_is_said_to_be_silent() {
        assert_snapshot!(failure_report("x", "", &[], &failure(&[])), @r"
        step `x` failed with exit code 2 after 1.5s
          it wrote nothing
        ");
    }

    #[test]
    fn a_denied_path_outside_the_workspace_gives_a_hint() {
        for line in [
            "sh: can't create /usr/x: Permission denied",
            "mkdir: cannot create directory ‘/usr/x’: Permission denied",
            "chown: /usr/x: Operation not permitted",
        ] {
            assert_eq!(failure_hint(&failure(&[line]), true), None, "{line}");
            let hint = failure_hint(&failure(&[line, "more"]), false).unwrap();
            assert!(hint.contains("`/usr/x`") && hint.contains("--run-as root"), "{hint}");
        }
        for line in [
            "/bin/sh: can't create /home/build/x: Permission denied",
            "Permission denied",
            "cc: /usr/x: No such file or directory",
        ] {
            assert_eq!(failure_hint(&failure(&[line]), false), None, "{line}");
        }
    }
}
