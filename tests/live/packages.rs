//! Packages of an environment that can't be had: who asked for them is told, and what is near.

use super::recipe;
use crate::support::TestEnv;
use crate::support::lab::Lab;

/// What `render` says of a recipe, with `REPO` for the repository's place.
fn said(lab: &Lab, env: &TestEnv, flags: &[&str]) -> String {
    let mut command = lab.melange2(env);
    command.args(["--quiet", "render", "a.yaml", "--arch", "x86_64"]).args(flags);
    lab.repository_flags(&mut command);
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    format!("exit: {}\n{text}", output.status.code().unwrap())
}

#[test]
fn a_package_that_nothing_provides_is_told_with_the_line_that_asks_for_it() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let text = recipe("a", &[("run", "true")]);
    env.write("a.yaml", text.replace("- busybox", "- busybox\n      - busybx"));
    insta::assert_snapshot!(said(lab, &env, &[]), @r"
    exit: 4
    error[unknown-package]: nothing provides `busybx`, which was asked for
      --> a.yaml:12:9
       |
    12 |       - busybx
       |         ^^^^^^ asked for here
       |
       = help: did you mean `busybox`?
    error: the build environment can't be made
    ");
    env.write("a.yaml", text.replace("- busybox", "- busybox\n      - frobnicate"));
    insta::assert_snapshot!(said(lab, &env, &[]), @r"
    exit: 4
    error[unknown-package]: nothing provides `frobnicate`, which was asked for
      --> a.yaml:12:9
       |
    12 |       - frobnicate
       |         ^^^^^^^^^^ asked for here
       |
       = help: name the repository that has it with `-r REPO`
    error: the build environment can't be made
    ");
}

#[test]
fn a_package_that_a_pipeline_needs_is_told_with_the_way_to_it() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    env.write("pipelines/outer.yaml", "pipeline:\n  - uses: inner\n");
    env.write("pipelines/inner.yaml", "needs:\n  packages:\n    - busybx\nruns: make\n");
    let text = recipe("a", &[("run", "true")]);
    env.write("a.yaml", format!("{text}  - uses: outer\n"));
    insta::assert_snapshot!(said(lab, &env, &["--pipeline-dir", "pipelines"]), @r"
    exit: 4
    error[unknown-package]: nothing provides `busybx`, which was asked for
      --> pipelines/inner.yaml:3:7
       |
     3 |     - busybx
       |       ^^^^^^ asked for here
       |
      ::: pipelines/outer.yaml:2:11
       |
     2 |   - uses: inner
       |           ----- `inner` is used here
       |
      ::: a.yaml:16:11
       |
    16 |   - uses: outer
       |           ----- `outer` is used here
       |
       = help: did you mean `busybox`?
    error: the build environment can't be made
    ");
}

#[test]
fn a_package_of_the_command_line_is_told_as_such() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    env.write("a.yaml", recipe("a", &[("run", "true")]));
    insta::assert_snapshot!(said(lab, &env, &["--package-append", "busybx"]), @r"
    exit: 4
    error: nothing provides `busybx`, which was asked for
    help: did you mean `busybox`?
    help: `busybx` is asked for by `--package-append`
    ");
    insta::assert_snapshot!(said(lab, &env, &["--package-append", "busybox=x=y"]), @r"
    exit: 2
    error: `--package-append busybox=x=y`: invalid dependency `busybox=x=y`: an operator within the version
    help: write a name, and a version if it matters: `go`, `go=1.25.1-r0`, `go~1.25`
    ");
    // It is in the way of what the recipe asks for.
    insta::assert_snapshot!(said(lab, &env, &["--package-append", "!busybox"]), @r"
    exit: 4
    error[unsolvable]: `busybox` was asked for, but `!busybox` was asked for too
      --> a.yaml:11:9
       |
    11 |       - busybox
       |         ^^^^^^^ asked for here
       |
       = help: ask for other versions, or name another repository with `-r REPO`
               `!busybox` is asked for by `--package-append`
    error: the build environment can't be made
    ");
}

#[test]
fn a_version_that_is_not_there_is_told_with_those_that_are() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let text = recipe("a", &[("run", "true")]);
    env.write("a.yaml", text.replace("- busybox", "- busybox\n      - busybox<0.1"));
    let said = said(lab, &env, &[]);
    let version = regex::Regex::new(r"busybox-[0-9][^`]*").unwrap();
    insta::assert_snapshot!(version.replace_all(&said, "busybox-VERSION"), @r"
    exit: 4
    error[unsolvable]: `busybox` was asked for, but `busybox<0.1` was asked for too
      --> a.yaml:11:9
       |
    11 |       - busybox
       |         ^^^^^^^ asked for here
    12 |       - busybox<0.1
       |         ----------- asked for here
       |
       = help: ask for other versions, or name another repository with `-r REPO`
    error: the build environment can't be made
    ");
}

#[test]
fn an_environment_without_a_shell_is_told_with_the_step_that_needs_one() {
    let Some(lab) = Lab::find() else { return };
    let env = TestEnv::new();
    let text = recipe("a", &[("run", "true")]).replace("- busybox", "- demo-baselayout");
    env.write("a.yaml", text);
    let mut command = lab.melange2(&env);
    command.args(["--quiet", "build", "a.yaml", "--arch", "x86_64"]);
    lab.repository_flags(&mut command);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(String::from_utf8(output.stderr).unwrap(), @r"
    error[no-shell]: the build environment has no `/bin/sh` to run steps with
      --> a.yaml:15:7
       |
    15 |       true
       |       ^^^^ the first step that needs it
       |
       = help: add `busybox` to `environment: contents: packages`, or pass `--package-append busybox`
    error: the build environment can't run steps
    ");
}
