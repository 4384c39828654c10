//! `melange2 compile`: a recipe with everything decided, as the JSON that melange prints.

use insta::assert_snapshot;
use melange2::arch::Arch;
use serde_json::Value;

use crate::support::TestEnv;

/// What `compile` prints, and says, of a recipe.
fn compile(env: &TestEnv, args: &[&str]) -> String {
    env.run(&[&["compile", "--arch", "x86_64", "--git-commit", "0123abc"], args].concat())
}

fn json(said: &str) -> Value {
    let line = said.lines().find(|line| line.starts_with('{')).unwrap_or_else(|| panic!("{said}"));
    serde_json::from_str(line).unwrap()
}

#[test]
fn it_is_one_line_with_melanges_keys_in_melanges_order() {
    let env = TestEnv::new();
    env.write("melange.yaml", "package: {name: demo, version: 1.10, epoch: 0}\n");
    assert_snapshot!(compile(&env, &[]), @r#"
    exit: 0
    --- stdout
    {"package":{"name":"demo","version":"1.10","epoch":0,"commit":"0123abc","dependencies":{},"checks":{},"cpe":{},"resources":{}},"environment":{"contents":{},"entrypoint":{},"accounts":{"users":[{"username":"build","uid":1000,"gid":1000}],"groups":[{"groupname":"build","gid":1000,"members":["build"]}]},"environment":{"COMPOSER_CACHE_DIR":"/var/cache/melange/composer","GOMODCACHE":"/var/cache/melange/gomodcache","GOPATH":"/home/build/.cache/go","HOME":"/home/build","PIP_CACHE_DIR":"/var/cache/melange/pip","UV_CACHE_DIR":"/var/cache/melange/uv","npm_config_cache":"/var/cache/melange/npm"}},"capabilities":{},"update":{"enabled":false}}
    --- stderr
    "#);
}

#[test]
fn a_script_keeps_comments_and_layout() {
    let env = TestEnv::new();
    let script = "#!/bin/sh\n# why\nif true ;then\n        echo \"a   b\" `date`  # not <this> & that\nfi\n\n";
    let block: String = script.lines().map(|line| format!("      {line}\n")).collect();
    env.write(
        "r.yaml",
        format!("package: {{name: demo, version: 1}}\npipeline:\n  - runs: |+\n{block}"),
    );
    let said = compile(&env, &["r.yaml"]);
    assert_eq!(json(&said)["pipeline"][0]["runs"], script);
    // As Go escapes it: the bytes are melange's too.
    assert!(said.contains(r"# not \u003cthis\u003e \u0026 that\n"), "{said}");
}

#[test]
fn a_recipe_for_another_architecture_is_passed_over_with_a_message() {
    let env = TestEnv::new();
    env.write("r.yaml", "package: {name: a, version: 1, target-architecture: [aarch64]}\n");
    assert_snapshot!(compile(&env, &["r.yaml"]), @r"
    exit: 0
    --- stdout
    --- stderr
    warning: `r.yaml` is not for x86_64 (`target-architecture`): nothing to compile
    ");
    let said = env.run(&["compile", "r.yaml", "--arch", "arm64"]);
    assert_eq!(json(&said)["package"]["target-architecture"][0], "aarch64");
}

#[test]
fn several_architectures_are_several_runs() {
    let env = TestEnv::new();
    env.write("r.yaml", "package: {name: a, version: 1}\n");
    assert_snapshot!(env.run(&["compile", "r.yaml", "--arch", "x86_64,aarch64"]), @r"
    exit: 2
    --- stdout
    --- stderr
    error: a recipe is compiled for one architecture
    help: name it with `--arch`, and run once for each
    ");
}

#[test]
fn melanges_other_flags_are_taken() {
    let env = TestEnv::new();
    env.write("r.yaml", "package: {name: a, version: 1}\n");
    let flags = "--rm=false --debug -i --runner docker -r repo,other -k key --signing-key x \
                 --generate-index=true --source-dir src --cache-dir cache --log-policy builtin:stderr \
                 --out-dir out --namespace wolfi --license MIT --create-build-log";
    let plain = compile(&env, &["r.yaml"]);
    let args: Vec<&str> = flags.split_whitespace().chain(["r.yaml"]).collect();
    assert_eq!(compile(&env, &args), plain);
    assert!(plain.starts_with("exit: 0\n"), "{plain}");
}

#[test]
fn the_command_lines_word_on_machine_and_time_counts() {
    let env = TestEnv::new();
    let recipe = "package: {name: a, version: 1, timeout: 2h, resources: {cpu: 1, disk: 1Gi}}\n";
    env.write("r.yaml", recipe);
    let said = compile(&env, &["r.yaml", "--cpu=8", "--memory", "16Gi", "--timeout", "1h30m"]);
    assert_eq!(
        json(&said)["package"]["resources"],
        serde_json::json!({ "cpu": "8", "memory": "16Gi", "disk": "1Gi" })
    );
    assert_eq!(json(&said)["package"]["timeout"], 5_400_000_000_000_i64);
    let said = compile(&env, &["r.yaml", "--timeout", "soon"]);
    assert!(said.starts_with("exit: 2\n") && said.contains("such as `30m`"), "{said}");
}

#[test]
fn mistakes_are_told_and_nothing_is_printed() {
    let env = TestEnv::new();
    env.write("r.yaml", "package: {name: a, version: 1}\npipeline:\n  - uses: fetsh\n");
    let said = compile(&env, &["r.yaml"]);
    assert!(said.starts_with("exit: 2\n--- stdout\n--- stderr\n"), "{said}");
    assert!(said.contains("did you mean `fetch`?"), "{said}");
}

#[test]
fn pipelines_are_found_in_the_order_of_the_flags() {
    let env = TestEnv::new();
    let uses = ["one", "two", "three", "strip"].map(|name| format!("  - uses: {name}\n")).concat();
    env.write("recipes/r.yaml", format!("package: {{name: a, version: 1}}\npipeline:\n{uses}"));
    // Each directory has what the ones after it have, and one pipeline more.
    env.write("first/one.yaml", "runs: first\n");
    for (directory, names) in [
        ("second", ["one", "two"].as_slice()),
        ("recipes/pipelines", &["one", "two", "three", "strip"]),
    ] {
        for name in names {
            env.write(format!("{directory}/{name}.yaml"), format!("runs: {directory}\n"));
        }
    }
    let flags = ["recipes/r.yaml", "--pipeline-dir", "first", "--pipeline-dirs", "second"];
    let json = json(&compile(&env, &flags));
    let scripts: Vec<_> = (0..4).map(|step| json["pipeline"][step]["runs"].clone()).collect();
    // Those beside the recipe are found without a flag, and come before the built-in ones.
    assert_eq!(scripts, ["first", "second", "recipes/pipelines", "recipes/pipelines"]);
}

#[test]
fn the_architecture_is_the_hosts_unless_one_is_named() {
    let env = TestEnv::new();
    env.write("r.yaml", "package: {name: a, version: 1}\npipeline: [{runs: \"${{build.arch}} ${{build.goarch}}\"}]\n");
    let host = Arch::host();
    for (flags, arch) in [
        (["r.yaml"].as_slice(), host),
        (&["r.yaml", "--arch", "host"], host),
        (&["r.yaml", "--arch", "arm64"], Arch::Aarch64),
        (&["r.yaml", "--arch", "aarch64"], Arch::Aarch64),
        (&["r.yaml", "--arch", "arm/v7"], Arch::Armv7),
    ] {
        let said = env.run(&[&["compile"], flags].concat());
        assert_eq!(json(&said)["pipeline"][0]["runs"], format!("{} {}", arch.apk(), arch.go()));
    }
    let unknown = env.run(&["compile", "r.yaml", "--arch", "sparc"]);
    assert!(unknown.contains("unknown architecture `sparc`: expected one of"), "{unknown}");
}

#[test]
fn options_change_variables_before_they_are_used() {
    let env = TestEnv::new();
    env.write(
        "r.yaml",
        "package: {name: a, version: 1}\nvars: {tls: openssl}\nenvironment: {contents: {packages: [x]}}\n\
         options: {small: {vars: {tls: none}, environment: {contents: {packages: {add: [y], remove: \
         [x]}}}}}\npipeline: [{runs: \"${{vars.tls}}\"}]\n",
    );
    let with = |flags: &[&str]| {
        let json = json(&compile(&env, &[&["r.yaml"], flags].concat()));
        (json["pipeline"][0]["runs"].clone(), json["environment"]["contents"]["packages"].clone())
    };
    assert_eq!(with(&[]), ("openssl".into(), ["x"].as_slice().into()));
    assert_eq!(with(&["--build-option", "small"]), ("none".into(), ["y"].as_slice().into()));
}
