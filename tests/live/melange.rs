//! The command line beside that of real melange.

use std::collections::BTreeSet;
use std::process::Command;

use crate::support::TestEnv;
use crate::support::lab::Lab;

/// The flags that a command's help names.
fn flags(env: &TestEnv, mut command: Command) -> BTreeSet<String> {
    let output = command.arg("--help").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", env.text(&output));
    let words = text.lines().filter_map(|line| {
        let line = line.trim_start();
        let flag = if line.starts_with("--") { line } else { line.split_once(", --")?.1 };
        flag.trim_start_matches('-').split([' ', '=', ',']).next()
    });
    words.map(str::to_owned).collect()
}

#[test]
fn flags_that_melange_has_are_named_as_there() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let mut text = String::new();
    for name in ["build", "bump", "index", "keygen", "sign", "sign-index", "completion", "version"]
    {
        let of = |program: &std::path::Path| {
            let mut command = env.command(program);
            command.arg(name);
            flags(&env, command)
        };
        let theirs = of(&lab.tools.join("melange"));
        let ours = of(std::path::Path::new(env!("CARGO_BIN_EXE_melange2")));
        let list = |some: &BTreeSet<String>, others: &BTreeSet<String>| {
            some.difference(others).cloned().collect::<Vec<_>>().join(" ")
        };
        let shared = ours.intersection(&theirs).cloned().collect::<Vec<_>>().join(" ");
        text.push_str(&format!(
            "{name}\n  both: {shared}\n  only melange: {}\n  only here: {}\n",
            list(&theirs, &ours),
            list(&ours, &theirs)
        ));
    }
    insta::assert_snapshot!(text, @r"
    build
      both: apk-cache-dir arch build-date build-option cache-dir cpu cpumodel debug disk empty-workspace env-file generate-index git-commit git-repo-url help ignore-signatures keyring-append license log-level memory namespace out-dir override-host-triplet-libc-substitution-flavor package-append pipeline-dir pipeline-dirs repository-append signing-key source-dir strip-origin-name timeout vars-file
      only melange: cache-source cleanup create-build-log debug-runner dependency-log generate-provenance interactive lint-require lint-warn persist-lint-results rm runner trace workspace-dir
      only here: addr ca-file cache-from cache-mode cache-mount cache-mounts cache-registry cache-registry-insecure cache-to daemon-dir daemon-linger format max-layers quiet run-as secret ssh tlscacert tlscert tlsdir tlskey tlsservername verbose version
    bump
      both: expected-commit help log-level
      only melange: 
      only here: arch ca-file dry-run format pipeline-dir pipeline-dirs quiet verbose version
    index
      both: arch help log-level merge output signing-key source
      only melange: 
      only here: format quiet verbose version
    keygen
      both: help key-size log-level
      only melange: 
      only here: force format quiet verbose version
    sign
      both: help log-level signing-key
      only melange: 
      only here: format quiet verbose version
    sign-index
      both: force help log-level signing-key
      only melange: 
      only here: format quiet verbose version
    completion
      both: help log-level
      only melange: 
      only here: format quiet verbose version
    version
      both: help json log-level
      only melange: 
      only here: format quiet verbose version
    ");
}

#[test]
fn melanges_flags_without_a_meaning_here_are_taken() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let mut command = lab.build(&env, "missing.yaml");
    command.args(["--runner", "bubblewrap", "--rm", "--cleanup", "--cache-source", "x"]);
    command.args(["--workspace-dir", "x", "--fail-on-lint-warning"]);
    let text = env.text(&command.output().unwrap());
    assert!(text.contains("missing.yaml") && !text.contains("unexpected argument"), "{text}");
}
