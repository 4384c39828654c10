//! Scripts and variables arrive as they were written.

use indexmap::IndexMap;
use melange2::dockerfile::Options;

use super::daemon::daemon;
use crate::dockerfile_plan::{options, plan, step};

/// What has bitten somebody, or might.
const NASTY: [&str; 24] = [
    "",
    "\n",
    "\n\n  leading",
    "#!/bin/bash",
    "#!/usr/bin/env python3\nprint('x')\n",
    "\t\ttabs\n\t<<-EOF\n",
    "trailing blanks   \t \n  \n",
    "carriage\r\nreturns\r\r\n\r",
    "back\\slash \\\\ \\n \\\n",
    "ends in \\",
    "ends in \\\\\n\n\n",
    "$A ${A} ${A:-b} $(c) `d` $$ $1 $",
    "${{x}} ${x ${",
    "'single' \"double\" \\' \\\"",
    "EOF\nEND_OF_SCRIPT\nEND_OF_SCRIPT_2\r\nEND_OF_FILE\n",
    "cat <<'EOF'\n  $x\nEOF\ncat <<-EOF\n\ty\n\tEOF\n",
    "<<EOF",
    "RUN <<EOF\nFROM scratch\nEOF\n",
    "# syntax=docker/dockerfile:1\n# escape=`\n",
    "\u{feff}bom \u{85}\u{a0}\u{2028} é 日本 🦀\n",
    "\u{1}\u{7}\u{1b}[31m\u{7f}",
    "a # comment \\\nb",
    "--mount=type=cache \\\n\n# c\n\n  d",
    "%s %% \\0 \\x41 {{ askama }} {% if %} {# c #}",
];

/// The argument that the shell was given is kept by the kernel: the step's own `cmdline`.
const KEEP: &str = "cat /proc/$$/cmdline > /home/build/melange-out/hello/$N";

#[test]
fn scripts_arrive_byte_for_byte() {
    let Some(daemon) = daemon() else { return };
    let mut plan = plan();
    for (number, text) in NASTY.iter().enumerate() {
        // The shell leaves before it reads the text, which need not be a program.
        let script = format!("{KEEP}\nexit 0\n{text}");
        plan.steps.push(step(number + 1, text, &script));
    }
    plan.steps.push(step(90, "first line", &format!("#!/bin/false\n{KEEP}\n")));
    plan.steps.push(step(91, "blank first line", &format!("\n\n{KEEP}")));
    let long = format!("{KEEP}\nexit 0\n{}", "0123456789 \\\n".repeat(7_500));
    plan.steps.push(step(92, "long", &long));
    for (number, step) in plan.steps.iter_mut().enumerate() {
        step.variables.insert("N".to_owned(), number.to_string());
    }
    let built = daemon.build(&plan, &[], &options());
    for (number, step) in plan.steps.iter().enumerate() {
        let line = built.read(&format!("hello/{number}"));
        let text = line.strip_prefix("/bin/sh\0-c\0").unwrap().strip_suffix('\0').unwrap();
        let (header, rest) = text.split_once("cd /home/build\n").unwrap();
        assert!(header.contains("set -eo pipefail\n"), "{header}");
        assert_eq!(rest, format!("{}\nexit 0\n", step.script));
    }
}

#[test]
fn large_scripts_and_long_lines_arrive_as_files() {
    let Some(daemon) = daemon() else { return };
    let large = "0123456789 \\ $x\r\n".repeat(20_000);
    let wide = "x".repeat(100_000);
    let write = |name: &str, text: &str| {
        format!("cat > /home/build/melange-out/hello/{name} <<'E'\n{text}\nE\n")
    };
    let mut plan = plan();
    plan.steps.push(step(1, "large", &write("large", &large)));
    plan.steps.push(step(2, "wide", &write("wide", &wide)));
    plan.steps.push(step(3, "look", "ls -A /run > /home/build/melange-out/hello/run || :\n"));
    let built = daemon.build(&plan, &[], &options());
    assert_eq!(built.read("hello/large"), format!("{large}\n"));
    assert_eq!(built.read("hello/wide"), format!("{wide}\n"));
    assert_eq!(built.read("hello/run"), "", "the file's place stays behind");
}

#[test]
fn variables_arrive_and_a_steps_own_stay_there() {
    let Some(daemon) = daemon() else { return };
    let mut plan = plan();
    let values: IndexMap<String, String> = NASTY
        .iter()
        .enumerate()
        .map(|(number, value)| (format!("V{number}"), (*value).to_owned()))
        .collect();
    plan.environment.variables.clone_from(&values);
    plan.environment.variables.insert("PATH".to_owned(), "/nowhere".to_owned());
    // A shell reads its own variables only where `printf` is a builtin that takes no file.
    let print = |prefix: &str| {
        let one = |number: usize| {
            format!("printf %s \"$V{number}\" > /home/build/melange-out/hello/{prefix}{number}\n")
        };
        (0..NASTY.len()).map(one).collect::<String>()
    };
    plan.steps.push(step(1, "common", &print("common")));
    plan.steps.push(step(2, "own", &print("own")));
    let reversed = NASTY.iter().rev().enumerate();
    plan.steps[1].variables =
        reversed.map(|(number, value)| (format!("V{number}"), (*value).to_owned())).collect();
    plan.steps[1].variables.insert("ONLY".to_owned(), "here".to_owned());
    plan.steps.push(step(3, "after", &print("after")));
    let report = "echo \"$PATH $HOME $SOURCE_DATE_EPOCH ${ONLY-gone} ${TRACEPARENT-gone} $PWD\" \
                  > /home/build/melange-out/hello/report\n";
    plan.steps.push(step(4, "report", report));
    plan.steps[3].working_directory = "/home/build/made 'now'".to_owned();
    let options = Options { source_date_epoch: 1_700_000_000, ..options() };
    let built = daemon.build(&plan, &[], &options);
    for (number, value) in NASTY.iter().enumerate() {
        assert_eq!(built.read(&format!("hello/common{number}")), *value);
        assert_eq!(built.read(&format!("hello/after{number}")), *value);
        let last = NASTY.len() - 1;
        assert_eq!(built.read(&format!("hello/own{}", last - number)), *value);
    }
    assert_eq!(
        built.read("hello/report"),
        "/usr/local/sbin:/usr/local/bin:/usr/bin:/usr/sbin:/sbin:/bin /home/build 1700000000 gone \
         gone /home/build/made 'now'\n"
    );
}

#[test]
fn a_failing_pipe_fails_the_step() {
    let Some(daemon) = daemon() else { return };
    let mut plan = plan();
    plan.steps.push(step(
        1,
        "pipe",
        "if (false | true); then echo lost; else exit 0; fi\nexit 7\n",
    ));
    daemon.build(&plan, &[], &options());
}

#[test]
fn many_steps_are_fine() {
    let Some(daemon) = daemon() else { return };
    let mut plan = plan();
    for number in 1..=64 {
        let script = format!("echo {number} >> /home/build/melange-out/hello/count\n");
        plan.steps.push(step(number, "count", &script));
    }
    let built = daemon.build(&plan, &["go"], &options());
    assert_eq!(built.read("hello/count").lines().count(), 64);
}

#[test]
fn buildkits_own_check_takes_the_text() {
    let Some(daemon) = daemon() else { return };
    let mut plan = plan();
    plan.steps.push(step(1, "build", "go build ./...\n"));
    let spec = melange2::dockerfile::render(&plan, &daemon.environment(&["go"]), &options());
    let mut spec = spec.unwrap();
    let good = daemon.outline(&spec);
    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
    spec.text = spec.text.replace("type=cache", "type=cahce");
    assert_eq!(daemon.outline(&spec).status.code(), Some(1));
}
