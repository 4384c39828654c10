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
        (["--secret", "id=a,src=nope"], "`--secret`: there is no file `"),
        (["--ssh", "default=nope"], "`--ssh`: there is no key or socket `"),
        (["--ca-file", "nope"], "`--ca-file nope`: there is no such file"),
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

#[test]
fn errors_are_data_on_request() {
    let env = TestEnv::new();
    env.write("melange.yaml", "package: {name: a, version: 1, epoch: 0}\npipelin: []\n");
    assert_snapshot!(env.run(&["render", "--format", "json"]), @r#"
    exit: 2
    --- stdout
    --- stderr
    {"severity":"error","code":"unknown-key","message":"unknown key `pipelin`","labels":[{"file":"melange.yaml","line":2,"column":1,"end_line":2,"end_column":8,"text":"not a key of this mapping"}],"help":"did you mean `pipeline`?","chain":[]}
    "#);
    // What is no mistake in a file has the same keys.
    assert_snapshot!(env.run(&["--format", "json", "render", "none.yaml"]), @r#"
    exit: 2
    --- stdout
    --- stderr
    {"severity":"error","code":"unreadable","message":"failed to open file `none.yaml`: No such file or directory (os error 2)","labels":[],"help":"is it the right file, and may you read it?","chain":[]}
    "#);
}

#[test]
fn warnings_are_shown_like_errors_and_as_data_on_request() {
    let env = TestEnv::new();
    let recipe = "package: {name: a, version: 1, epoch: 0}\npipeline:\n  - runs: true\n    \
                  environment: {A: '${{targets.destdir}}'}\n";
    env.write("melange.yaml", recipe);
    // The environment can't be made: what is wrong with the recipe comes before that.
    assert_snapshot!(env.run(&["render"]), @r#"
    exit: 2
    --- stdout
    --- stderr
    warning[not-substituted]: `${{targets.destdir}}` is not replaced in the environment of a step
     --> melange.yaml:4:23
      |
    4 |     environment: {A: '${{targets.destdir}}'}
      |                       ^^^^^^^^^^^^^^^^^^^^ the script sees it as it stands here
      |
      = help: set the variable in the script: `export A="${{targets.destdir}}"`
    error: no repository to take the build environment from
    help: name one with `-r REPO`, and its key with `-k KEY`
    "#);
    assert_snapshot!(env.run(&["render", "--format=json"]), @r#"
    exit: 2
    --- stdout
    --- stderr
    {"severity":"warning","code":"not-substituted","message":"`${{targets.destdir}}` is not replaced in the environment of a step","labels":[{"file":"melange.yaml","line":4,"column":23,"end_line":4,"end_column":43,"text":"the script sees it as it stands here"}],"help":"set the variable in the script: `export A=\"${{targets.destdir}}\"`","chain":[]}
    {"severity":"error","code":"config","message":"no repository to take the build environment from","labels":[],"help":"name one with `-r REPO`, and its key with `-k KEY`","chain":[]}
    "#);
    assert!(!env.run(&["render", "--quiet"]).contains("is not replaced"));
}
