//! Inputs of all 51 pipelines that would leave their place if they could.
//!
//! The programs that the scripts call are stand-ins which do next to nothing, and write down what they
//! were called with: what is tried is the shell, as far as each value comes in it.

use std::os::unix::fs::PermissionsExt as _;

use melange2::plan::builtin_pipelines;

use super::{have, load, plan, recipe, run_with, text};
use crate::support::TestEnv;

/// Inputs that are text of the shell by design, with a reason. All others are values.
const SHELL_TEXT: [(&str, &str); 19] = [
    ("autoconf/configure", "opts"),
    ("autoconf/make", "opts"),
    ("autoconf/make", "targets"),
    ("autoconf/make-install", "opts"),
    ("autoconf/make-install", "targets"),
    ("cargo/build", "opts"),
    ("cmake/build", "opts"),
    ("cmake/configure", "opts"),
    ("go/build", "deps"),
    ("go/build", "extra-args"),
    ("go/build", "ldflags"),
    ("go/build", "packages"),
    ("go/build", "strip"),
    ("go/build/v2", "extra-args"),
    ("go/build/v2", "ldflags"),
    ("go/build/v2", "packages"),
    ("go/build/v2", "strip"),
    ("go/install", "ldflags"),
    ("go/install", "strip"),
];
/// The rest of them.
const MORE_SHELL_TEXT: [(&str, &str); 5] = [
    ("meson/configure", "opts"),
    ("python/test", "command"),
    ("ruby/build", "opts"),
    ("ruby/install", "opts"),
    ("strip", "opts"),
];

/// Values that end quotes, commands and lines, begin options and comments, and substitute.
const HOSTILE: [&str; 5] = [
    "a'; touch broken-out; echo '$(touch broken-out)`touch broken-out`\" \\",
    "\" \ntouch broken-out\n#",
    "-x $(touch broken-out)",
    "*; touch broken-out",
    "'\"$(touch broken-out)",
];

/// Programs of the environments.
const PROGRAMS: &str = "apk autoreconf cargo cmake gem git go gobump jq ldd llvm-cov llvm-profdata \
    make meson mvn node nproc npm objcopy patch perl phpize pnpm pombump python python3 Rscript \
    ruby scanelf strip wget xcover";

/// Inputs that no script reads: remarks, what scanners read in the recipe, and what melange's read.
const UNSEEN: [(&str, &str); 8] = [
    ("R/build", "version"),
    ("fetch", "purl-name"),
    ("fetch", "purl-version"),
    ("fetch", "reason"),
    ("git-checkout", "type-hint"),
    ("git-checkout", "reason"),
    ("go/build/v2", "vendor"),
    ("xcover/stop", "package"),
];

/// The names of a pipeline's inputs, and those that must be given.
fn inputs(text: &str) -> Vec<(&str, bool)> {
    let mut inputs: Vec<(&str, bool)> = Vec::new();
    for line in text.lines().skip_while(|line| *line != "inputs:").skip(1) {
        match line.strip_prefix("  ") {
            Some(key) if !key.starts_with(' ') => inputs.push((key.trim_end_matches(':'), false)),
            Some(rest) if rest.trim() == "required: true" => inputs.last_mut().unwrap().1 = true,
            Some(_) => {}
            None => break,
        }
    }
    inputs
}

fn is_shell_text(pipeline: &str, input: &str) -> bool {
    SHELL_TEXT.iter().chain(&MORE_SHELL_TEXT).any(|&text| text == (pipeline, input))
}

#[test]
fn only_inputs_that_are_shell_text_stand_unquoted() {
    let mut raw = Vec::new();
    for (name, text) in builtin_pipelines() {
        let script = text.split_once("\npipeline:\n").unwrap().1;
        for (input, _) in inputs(text) {
            if script.contains(&format!("${{{{inputs.{input}}}}}")) {
                raw.push((name.clone(), input.to_owned()));
            }
        }
        // Paths and names that come from the recipe in other ways.
        for expression in script.split("${{").skip(1) {
            let expression = expression.split("}}").next().unwrap();
            let quoted = expression.starts_with("sh.") || expression.starts_with("inputs.");
            let directory = name == "strip" && expression == "targets.contextdir";
            assert!(quoted || directory, "{name} has ${{{{{expression}}}}} unquoted");
        }
    }
    let all = SHELL_TEXT.iter().chain(&MORE_SHELL_TEXT);
    let mut all: Vec<_> =
        all.map(|(name, input)| ((*name).to_owned(), (*input).to_owned())).collect();
    raw.sort();
    all.sort();
    assert_eq!(raw, all);
}

/// A step that uses a pipeline with an input set.
fn step(pipeline: &str, text: &str, input: &str, value: &str) -> String {
    let mut step = format!("  - uses: {pipeline}\n    with:\n");
    for (name, required) in inputs(text) {
        // What makes the script come to the interesting part, quickly.
        let other = match (pipeline, name) {
            ("git-checkout", "max-retries") | ("git-checkout", "initial-backoff") => "0",
            ("fetch", "expected-none") => "x",
            ("fetch", "uri") => "https://localhost:1/y",
            ("patch", "patches") => "x",
            ("fetch", "extract") if input == "delete" => "false",
            ("go/build", "deps") => "x",
            ("llvm/covreport", "object") => "x",
            ("ruby/install", "gem") if input == "version" => "value",
            ("split/dev" | "split/lib", "package") => "other",
            ("npm/install", "overrides") => "x@1",
            ("npm/install", "prefix") => "prefix",
            _ if required => "value",
            _ if name == input => "",
            _ => continue,
        };
        let value = serde_json::Value::from(if name == input { value } else { other });
        step.push_str(&format!("      {name}: {value}\n"));
    }
    step
}

#[test]
fn values_can_not_break_out_of_their_place() {
    if !have(&["busybox"]) {
        return;
    }
    let (programs, mut tried) = (programs(), 0);
    let mut unseen = Vec::new();
    for (pipeline, text) in builtin_pipelines() {
        for (input, _) in inputs(text) {
            if is_shell_text(&pipeline, input)
                || input.ends_with("package")
                    && text.contains(&format!("- ${{{{inputs.{input}}}}}"))
            {
                continue;
            }
            let mut seen = false;
            for value in HOSTILE {
                tried += 1;
                seen |= try_value(&programs, &pipeline, text, input, value);
            }
            if !seen {
                unseen.push((pipeline.clone(), input.to_owned()));
            }
        }
    }
    assert!(tried > 500, "{tried}");
    assert_eq!(unseen, UNSEEN.map(|(name, input)| (name.to_owned(), input.to_owned())));
}

/// What stand-ins do first: they write down what they were called with.
const CALLED: &str = "#!/bin/sh\nprintf '%s\\n' \"$0 $*\" >> \"$CALLED\"\n";

/// A git that clones and knows commits, as far as `git-checkout` comes to its end: an index without
/// entries is its header and a checksum.
const GIT: &str = r#"
while [ "$1" = -c ]; do shift 2; done
case "$1 $2" in
  clone*)
    for directory; do :; done
    mkdir -p "$directory/.git"
    touch "$directory/.git/index"
    ;;
  read-tree*)
    printf 'DIRC\000\000\000\002\000\000\000\00001234567890123456789' > .git/index
    ;;
  'rev-parse --absolute-git-dir') echo "$PWD/.git" ;;
  'rev-parse --show-object-format') echo sha1 ;;
  'rev-parse --is-shallow-repository') echo false ;;
  rev-parse*) echo 0123456789012345678901234567890123456789 ;;
  log*) echo 1000000000 ;;
  'sparse-checkout set') cat >> "$CALLED" ;;
  count-objects*) echo 'in-pack: 1' ;;
  rev-list*) echo 1 ;;
esac
"#;

/// Stand-ins of the programs, in a directory.
fn programs() -> TestEnv {
    let env = TestEnv::new();
    for program in PROGRAMS.split_whitespace() {
        let more = if program == "git" { GIT } else { "" };
        let path = env.write(program, format!("{CALLED}{more}exit 0\n"));
        fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    env
}

/// Whether a line of a shell's trace sets a variable, and nothing else.
fn is_assignment(line: &str) -> bool {
    let Some(command) = line.strip_prefix("+ ") else { return false };
    let name = command.split('=').next().unwrap();
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Tries a value; says whether a program, a command of the shell, a file or a message got it.
fn try_value(
    programs: &TestEnv,
    pipeline: &str,
    definition: &str,
    input: &str,
    value: &str,
) -> bool {
    let env = TestEnv::new();
    for file in ["go.mod", "value.gemspec", "value-value.gem", "pom.xml", "x"] {
        env.write(format!("build/{file}"), "");
    }
    for file in ["demo/usr/bin/x", "other/usr/lib/libx.so.1"] {
        env.write(format!("build/melange-out/{file}"), "");
    }
    let program = env.write("build/target/release/x", "");
    fs_err::set_permissions(program, std::fs::Permissions::from_mode(0o755)).unwrap();
    // A checksum that is none is refused before anything runs.
    if ["expected-sha256", "expected-sha512", "expected-commit"].contains(&input) {
        assert!(load(&env, &recipe(&step(pipeline, definition, input, value))).is_err());
        return true;
    }
    let mut plan = plan(&env, &step(pipeline, definition, input, value));
    plan.steps.iter_mut().for_each(|step| step.script.insert_str(0, "set -x\n"));
    let path = format!("{}:{}", programs.work().display(), std::env::var("PATH").unwrap());
    let called = env.write("called", "");
    let output = run_with(&env, &plan, |command| {
        command.env("PATH", &path).env("CALLED", &called);
    });
    let walk = || walkdir::WalkDir::new(env.work()).into_iter().flatten();
    let broken: Vec<_> = walk().filter(|entry| entry.file_name() == "broken-out").collect();
    assert!(broken.is_empty(), "{pipeline} {input} {value}: {}", text(&output));
    let got = |text: &str| text.contains("broken-out");
    // That a variable of the script has it is not enough. A value of several lines looks like that
    // in the trace, from its second line on.
    let said = text(&output);
    let mut commands = said.lines().filter(|line| !is_assignment(line));
    got(&fs_err::read_to_string(&called).unwrap())
        || !value.contains('\n') && commands.any(got)
        || walk().any(|entry| got(&entry.file_name().to_string_lossy()))
}

/// So that no value of `git-checkout` is tried in half of its script.
#[test]
fn a_checkout_comes_to_its_end_with_the_stand_in_for_git() {
    if !have(&["busybox"]) {
        return;
    }
    let (programs, env) = (programs(), TestEnv::new());
    let path = format!("{}:{}", programs.work().display(), std::env::var("PATH").unwrap());
    let with = format!("{{repository: r, destination: \"{}\", sparse-paths: a}}", "-x $(y)'");
    let plan = plan(&env, &format!("  - uses: git-checkout\n    with: {with}\n"));
    let called = env.write("called", "");
    let output = run_with(&env, &plan, |command| {
        command.env("PATH", &path).env("CALLED", &called);
    });
    assert!(output.status.success(), "{}", text(&output));
    assert!(env.work().join("build/-x $(y)'/.git/index").is_file());
}

#[test]
fn a_value_that_stands_unquoted_would_be_noticed() {
    if !have(&["busybox"]) {
        return;
    }
    let caught = std::panic::catch_unwind(|| {
        let text = "name: x\ninputs:\n  command:\n    required: true\npipeline:\n";
        try_value(&programs(), "python/test", text, "command", HOSTILE[2]);
    });
    assert!(caught.is_err());
}
