//! `melange2 pipelines`: what recipes can use, and what each takes.

use insta::assert_snapshot;
use melange2::plan::builtin_pipelines;
use serde_json::Value;

use crate::support::TestEnv;

fn own(env: &TestEnv, folder: &str) {
    env.write(
        format!("{folder}/my/tool.yaml"),
        "name: Run the tool\ndescription: |\n  Runs the tool.\n  On everything.\nneeds:\n  packages: \
         [\"${{inputs.tool}}\", busybox]\ninputs:\n  tool:\n    description: |\n      Which one.\n      \
         Or another.\n    default: gcc\n  file:\n    required: true\n  free: {}\nworking-directory: \
         src\nenvironment: {LANG: C}\npipeline:\n  - name: first\n    if: ${{inputs.free}} != ''\n    \
         runs: |\n      if true; then\n        ${{inputs.tool}} ${{inputs.file}}\n      fi\n  - uses: \
         strip\n    with: {opts: -s}\n",
    );
}

#[test]
fn one_is_shown_whole() {
    let env = TestEnv::new();
    own(&env, "own");
    assert_snapshot!(env.run(&["pipelines", "my/tool", "--pipeline-dir", "own"]), @r"
    exit: 0
    --- stdout
    my/tool (own/my/tool.yaml)
        Runs the tool.
        On everything.

    needs: ${{inputs.tool}}, busybox

    inputs:
      tool (default: gcc)
          Which one.
          Or another.
      file (required)
      free

    steps:
      working-directory: src
      LANG=C
        - name: first
          if: ${{inputs.free}} != ''
          if true; then
            ${{inputs.tool}} ${{inputs.file}}
          fi
        - uses: strip
            opts: -s
    --- stderr
    ");
}

#[test]
fn a_builtin_one_is_shown_whole() {
    assert_snapshot!(TestEnv::new().run(&["pipelines", "autoconf/make"]), @r#"
    exit: 0
    --- stdout
    autoconf/make (built in)
        Run make

    needs: make

    inputs:
      dir (default: .)
          Directory of the sources, relative to the working directory.
      opts
          Further options, as shell text.
      targets
          Targets, as shell text.

    steps:
        - make -C ${{sh.inputs.dir}} -j"$(nproc)" V=1 ${{inputs.opts}} ${{inputs.targets}}
    --- stderr
    "#);
}

#[test]
fn all_are_listed_with_what_they_do_and_take() {
    let env = TestEnv::new();
    // Found without being named, as beside a recipe; and it comes before the built-in of its name.
    own(&env, "pipelines");
    env.write("named/strip.yaml", "description: My own\nruns: x\n");
    let said = env.run(&["pipelines", "--pipeline-dirs", "named"]);
    for part in [
        "\nautoconf/make\n    Run make\n    inputs: dir, opts, targets\n",
        "\nmy/tool\n    Runs the tool.\n    inputs: tool, file*, free\n    from pipelines/my/tool.yaml\n",
        "\nstrip\n    My own\n    from named/strip.yaml\n",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    for (name, _) in builtin_pipelines() {
        let about = said.lines().skip_while(|line| *line != name).nth(1);
        assert!(about.is_some_and(|line| line.len() > 8), "{name}: {said}");
    }
}

#[test]
fn tools_get_json() {
    let env = TestEnv::new();
    own(&env, "own");
    let json = |args: &[&str]| -> Vec<Value> {
        let said = env.run(&[&["pipelines", "--format", "json"], args].concat());
        let lines = said.lines().filter(|line| line.starts_with('{'));
        lines.map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    assert_eq!(json(&[]).len(), 51);
    let one = json(&["my/tool", "--pipeline-dir", "own"]).remove(0);
    assert_eq!(one["path"], "own/my/tool.yaml");
    assert_eq!(one["inputs"]["file"]["required"], true);
    assert_eq!(one["inputs"]["tool"]["default"], "gcc");
    assert_eq!(one["needs"][1], "busybox");
    assert_eq!(one["steps"]["pipeline"][1]["uses"], "strip");
}

#[test]
fn a_wrong_name_or_a_broken_file_is_told() {
    let env = TestEnv::new();
    assert_snapshot!(env.run(&["pipelines", "autoconf/mak"]), @r"
    exit: 2
    --- stdout
    --- stderr
    error: there is no pipeline `autoconf/mak`
    help: did you mean `autoconf/make`?
    ");
    env.write("own/broken.yaml", "inputs: []\n");
    let said = env.run(&["pipelines", "--pipeline-dir", "own"]);
    assert!(said.starts_with("exit: 2\n") && said.contains("own/broken.yaml:1:9"), "{said}");
}
