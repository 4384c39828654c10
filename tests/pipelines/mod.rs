//! The pipelines in the binary: their scripts after substitution, and what some of them do.
//!
//! Scripts run in a plain shell here, without a container; what they need of a build environment
//! (`strip`'s tools, compilers) is left to the live tests.

mod git_checkout;
mod hostile;
mod peers;
mod split;

use std::process::{Command, Output};

use melange2::arch::Arch;
use melange2::config;
use melange2::plan::{Context, Plan, builtin_pipelines, resolve};

use crate::support::TestEnv;
use crate::support::parts;
use crate::support::serve::files;

/// A recipe with these steps.
fn recipe(steps: &str) -> String {
    format!(
        "package: {{name: demo, version: 1.0, epoch: 0}}\npipeline:\n{steps}\n\
         subpackages:\n  - name: demo-dev\n"
    )
}

/// A plan of a recipe with these steps.
fn plan(env: &TestEnv, steps: &str) -> Plan {
    plan_of(env, &recipe(steps))
}

/// A plan of a recipe.
fn plan_of(env: &TestEnv, recipe: &str) -> Plan {
    load(env, recipe).unwrap_or_else(|problems| panic!("{problems}"))
}

/// A plan of a recipe, or what is wrong with it.
fn load(env: &TestEnv, recipe: &str) -> Result<Plan, String> {
    let path = env.write("recipe.yaml", recipe);
    let context = Context::new(Arch::X86_64);
    let config = config::load(&path).map_err(|problems| problems.render(false))?;
    let plan = resolve(&config, &context).map_err(|problems| problems.render(false))?;
    Ok(plan.unwrap())
}

/// A step that uses a pipeline with every required input given.
fn usage(name: &str, text: &str) -> String {
    let mut step = format!("  - uses: {name}\n");
    let required: Vec<&str> = required_inputs(text);
    if !required.is_empty() {
        step.push_str("    with:\n");
        for input in required {
            step.push_str(&format!("      {input}: value\n"));
        }
    }
    step
}

fn required_inputs(text: &str) -> Vec<&str> {
    let mut input = "";
    let mut required = Vec::new();
    for line in text.lines().skip_while(|line| *line != "inputs:").skip(1) {
        match line.strip_prefix("  ") {
            Some(key) if !key.starts_with(' ') => input = key.trim_end_matches(':'),
            Some(rest) if rest.trim() == "required: true" => required.push(input),
            Some(_) => {}
            None => break,
        }
    }
    required
}

#[test]
fn there_are_upstreams_51() {
    assert_eq!(builtin_pipelines().len(), 51);
}

#[test]
fn every_script_passes_shellcheck() {
    if which::which("shellcheck").is_err() {
        return parts::without("there is no shellcheck");
    }
    let env = TestEnv::new();
    let mut complaints = String::new();
    for (name, text) in builtin_pipelines() {
        for (number, step) in plan(&env, &usage(&name, text)).steps.iter().enumerate() {
            // What runs before every script.
            let script = format!("set -e\n{}", step.script);
            complaints.push_str(&shellcheck(&env, &name, number, &script, &[]));
            for (inner, script) in inner_scripts(&step.script).iter().enumerate() {
                // They get variables from the outer one.
                let of = format!("{name}-inner-{inner}");
                complaints.push_str(&shellcheck(&env, &of, number, script, &["-e", "SC2154"]));
            }
        }
    }
    assert_eq!(complaints, "", "{complaints}");
}

/// What shellcheck says of a script.
fn shellcheck(env: &TestEnv, name: &str, number: usize, script: &str, flags: &[&str]) -> String {
    let file = env.write(format!("{}-{number}.sh", name.replace('/', "-")), script);
    let mut command = Command::new("shellcheck");
    command.args(["-s", "sh", "--format", "gcc"]).args(flags).arg(&file);
    String::from_utf8(command.output().unwrap().stdout).unwrap()
}

/// Scripts within a script: here-documents in which nothing is substituted.
fn inner_scripts(script: &str) -> Vec<String> {
    let lines: Vec<&str> = script.lines().collect();
    let mut inner = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let Some((_, rest)) = line.split_once("<< '") else { continue };
        let end = rest.split('\'').next().unwrap();
        let body = lines[number + 1..].iter().take_while(|line| **line != end);
        if end != "SETTINGS" {
            inner.push(body.fold(String::new(), |text, line| text + line + "\n"));
        }
    }
    inner
}

#[test]
fn no_pipeline_overrides_a_cache_variable() {
    for (name, text) in builtin_pipelines() {
        for variable in [
            "GOMODCACHE",
            "GOCACHE",
            "GOPATH",
            "CARGO_HOME",
            "PIP_CACHE_DIR",
            "UV_CACHE_DIR",
            "COMPOSER_CACHE_DIR",
            "CCACHE_DIR",
            "npm_config_cache",
            "NPM_CONFIG_CACHE",
        ] {
            assert!(!text.contains(variable), "{name} sets {variable}");
        }
        // Nor do flags of the tools: npm's, pip's, composer's.
        for word in text.split(|c: char| c.is_whitespace() || "'\"=".contains(c)) {
            let flag = ["--cache", "--cache-dir", "--no-cache", "--no-cache-dir"].contains(&word);
            assert!(!flag, "{name} has {word}");
        }
    }
}

/// Runs all steps of a plan one after another, with `/home/build` and the cache moved into the
/// test's own directory.
fn run(env: &TestEnv, plan: &Plan) -> Output {
    run_with(env, plan, |_| {})
}

/// The same, with something changed about each step's command.
fn run_with(env: &TestEnv, plan: &Plan, change: impl Fn(&mut Command)) -> Output {
    let home = env.work().join("build");
    fs_err::create_dir_all(&home).unwrap();
    let mut last: Option<Output> = None;
    for step in &plan.steps {
        let own = |text: &str| {
            text.replace("/home/build", home.to_str().unwrap())
                .replace("/var/cache/melange", env.work().join("cache").to_str().unwrap())
        };
        let directory = own(&step.working_directory);
        fs_err::create_dir_all(&directory).unwrap();
        let mut command = env.command("busybox");
        command.args(["sh", "-c", &format!("set -eo pipefail\n{}\nexit 0", own(&step.script))]);
        command.current_dir(&directory).env("HOME", &home).envs(&step.variables);
        // Git refuses submodules from files, which is where these tests have them.
        command.env("GIT_CONFIG_COUNT", "1").env("GIT_CONFIG_KEY_0", "protocol.file.allow");
        command.env("GIT_CONFIG_VALUE_0", "always");
        change(&mut command);
        let mut output = command.output().unwrap();
        // What the steps before it said stays.
        if let Some(before) = last {
            output.stdout.splice(0..0, before.stdout);
            output.stderr.splice(0..0, before.stderr);
        }
        let success = output.status.success();
        last = Some(output);
        if !success {
            break;
        }
    }
    last.unwrap()
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn have(programs: &[&str]) -> bool {
    let missing = programs.iter().find(|program| which::which(program).is_err());
    if let Some(program) = missing {
        parts::without(&format!("there is no {program}"));
    }
    missing.is_none()
}

/// Puts a file into the fetch cache and returns its checksum.
fn cached(env: &TestEnv, content: &[u8]) -> String {
    let digest = melange2::digest::Sha256::of(content).to_string();
    env.write(format!("cache/sha256:{digest}"), content);
    digest
}

fn tarball(env: &TestEnv) -> Vec<u8> {
    env.write("tar/demo-1.0/file", "content\n");
    let mut command = Command::new("tar");
    command.args(["-cz", "demo-1.0"]).current_dir(env.work().join("tar"));
    let output = command.output().unwrap();
    assert!(output.status.success());
    output.stdout
}

#[test]
fn fetch_takes_the_cached_file_and_unpacks_it() {
    if !have(&["busybox", "tar"]) {
        return;
    }
    let env = TestEnv::new();
    let digest = cached(&env, &tarball(&env));
    let steps = format!(
        "  - uses: fetch\n    with:\n      uri: https://example.com/demo-1.0.tar.gz?a=b\n      \
         expected-sha256: {digest}\n      directory: into\n      delete: true\n"
    );
    let output = run(&env, &plan(&env, &steps));
    assert!(output.status.success(), "{}", text(&output));
    let build = env.work().join("build");
    assert_eq!(fs_err::read_to_string(build.join("into/file")).unwrap(), "content\n");
    assert!(!build.join("demo-1.0.tar.gz?a=b").exists());
}

#[test]
fn fetch_refuses_a_wrong_checksum() {
    if !have(&["busybox"]) {
        return;
    }
    let env = TestEnv::new();
    let digest = melange2::digest::Sha256::of(b"expected").to_string();
    env.write(format!("cache/sha256:{digest}"), "something else");
    env.write("www/x.tar", "something else again");
    let address = files(&env.work().join("www"));
    let steps = format!(
        "  - uses: fetch\n    with: {{uri: '{address}/x.tar', expected-sha256: {digest}}}\n"
    );
    let output = run(&env, &plan(&env, &steps));
    let text = text(&output);
    assert!(!output.status.success() && text.contains("wrong sha256 checksum"), "{text}");
}

#[test]
fn fetch_does_without_a_damaged_file_and_keeps_what_it_downloads() {
    if !have(&["busybox", "wget"]) {
        return;
    }
    let env = TestEnv::new();
    let digest = melange2::digest::Sha256::of(b"expected");
    let cached = env.write(format!("cache/sha256:{digest}"), "damaged");
    env.write("www/x.tar", "expected");
    let address = files(&env.work().join("www"));
    let with = format!("uri: '{address}/x.tar', expected-sha256: {digest}, extract: 'false'");
    let steps = format!("  - uses: fetch\n    with: {{{with}}}\n");
    let output = run(&env, &plan(&env, &steps));
    assert!(output.status.success() && text(&output).contains("is damaged"), "{}", text(&output));
    for file in [env.work().join("build/x.tar"), cached] {
        assert_eq!(fs_err::read(file).unwrap(), b"expected");
    }
    assert_eq!(fs_err::read_dir(env.work().join("cache")).unwrap().count(), 1);
}

#[test]
fn patches_are_applied_from_a_list_and_from_a_series() {
    if !have(&["busybox", "patch"]) {
        return;
    }
    for input in ["patches: one.patch two.patch", "series: series"] {
        let env = TestEnv::new();
        env.write("build/file", "a\n");
        env.write("build/one.patch", "--- a/file\n+++ b/file\n@@ -1 +1 @@\n-a\n+b\n");
        env.write("build/two.patch", "--- a/file\n+++ b/file\n@@ -1 +1 @@\n-b\n+c\n");
        env.write("build/series", "# order\none.patch\n\ntwo.patch");
        let output = run(&env, &plan(&env, &format!("  - uses: patch\n    with: {{{input}}}\n")));
        assert!(output.status.success(), "{}", text(&output));
        assert_eq!(fs_err::read_to_string(env.work().join("build/file")).unwrap(), "c\n");
    }
}

#[test]
fn a_missing_patch_is_an_error() {
    if !have(&["busybox"]) {
        return;
    }
    let env = TestEnv::new();
    let output = run(&env, &plan(&env, "  - uses: patch\n    with: {patches: none.patch}\n"));
    assert!(!output.status.success());
    assert!(text(&output).contains("there is no file 'none.patch'"), "{}", text(&output));
}
