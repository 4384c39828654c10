//! Inputs of all 51 pipelines that would leave their place if they could.
//!
//! The programs that the scripts call are stand-ins which do nothing: what is tried is the shell.

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
            ("fetch", "uri") => "https://localhost:1/x",
            ("patch", "patches") => "x",
            ("go/build", "deps") => "x",
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
    for (pipeline, text) in builtin_pipelines() {
        for (input, _) in inputs(text) {
            if is_shell_text(&pipeline, input)
                || input.ends_with("package")
                    && text.contains(&format!("- ${{{{inputs.{input}}}}}"))
            {
                continue;
            }
            for value in HOSTILE {
                tried += 1;
                try_value(&programs, &pipeline, text, input, value);
            }
        }
    }
    assert!(tried > 500, "{tried}");
}

/// Stand-ins of the programs, in a directory.
fn programs() -> TestEnv {
    let env = TestEnv::new();
    for program in PROGRAMS.split_whitespace() {
        let path = env.write(program, "#!/bin/sh\nexit 0\n");
        fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    env
}

fn try_value(programs: &TestEnv, pipeline: &str, definition: &str, input: &str, value: &str) {
    let env = TestEnv::new();
    for file in ["go.mod", "value.gemspec", "value-value.gem", "pom.xml", "x"] {
        env.write(format!("build/{file}"), "");
    }
    env.write("build/melange-out/demo/usr/bin/x", "");
    // A checksum that is none is refused before anything runs.
    if ["expected-sha256", "expected-sha512", "expected-commit"].contains(&input) {
        assert!(load(&env, &recipe(&step(pipeline, definition, input, value))).is_err());
        return;
    }
    let plan = plan(&env, &step(pipeline, definition, input, value));
    let path = format!("{}:{}", programs.work().display(), std::env::var("PATH").unwrap());
    let output = run_with(&env, &plan, |command| {
        command.env("PATH", &path);
    });
    let walk = walkdir::WalkDir::new(env.work()).into_iter().flatten();
    let broken: Vec<_> = walk.filter(|entry| entry.file_name() == "broken-out").collect();
    assert!(broken.is_empty(), "{pipeline} {input} {value}: {}", text(&output));
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
