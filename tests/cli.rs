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
