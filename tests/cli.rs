//! The command line as a whole: help, version, usage errors.

use insta::assert_snapshot;

use crate::support::TestEnv;

#[test]
fn version_is_printed() {
    let env = TestEnv::new();
    let text = env.run(&["version"]).replace(env!("CARGO_PKG_VERSION"), "VERSION");
    assert_snapshot!(text, @r"
    exit: 0
    --- stdout
    melange2 VERSION
    --- stderr
    ");
}

#[test]
fn an_unknown_command_is_a_usage_error() {
    assert_snapshot!(TestEnv::new().run(&["biuld"]), @r"
    exit: 2
    --- stdout
    --- stderr
    error: unrecognized subcommand 'biuld'

      tip: a similar subcommand exists: 'build'

    Usage: melange2 [OPTIONS] <COMMAND>

    For more information, try '--help'.
    ");
}

#[test]
fn what_is_named_and_missing_is_told_before_anything_is_done() {
    let env = TestEnv::new();
    env.write("melange.yaml", "package: {name: a, version: 1, epoch: 0}\n");
    for (flags, said) in [
        (["--pipeline-dir", "nope"], "`--pipeline-dir nope`: there is no such directory"),
        (["--source-dir", "nope"], "`--source-dir nope`: there is no such directory"),
        (["--secret", "id=a,src=nope"], "`--secret id=a,src=nope`: there is no file"),
    ] {
        let text = env.run(&["render", flags[0], flags[1]]);
        assert!(text.starts_with("exit: 2\n") && text.contains(said), "{text}");
    }
    let text = env.run(&["render", "nope.yaml"]);
    assert!(
        text.starts_with("exit: 2\n") && text.contains("failed to open file `nope.yaml`"),
        "{text}"
    );
    assert!(!text.contains("the recipe has"), "the file is the problem: {text}");
}

#[test]
fn without_a_recipe_the_names_that_were_looked_for_are_told() {
    assert_snapshot!(TestEnv::new().run(&["build"]), @r"
    exit: 2
    --- stdout
    --- stderr
    error: no recipe is named, and none of `.melange.yaml`, `.melange.yml`, `melange.yaml`, `melange.yml` is here
    help: name the recipe after the command
    ");
}
