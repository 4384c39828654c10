//! The pipelines in the binary: their scripts after substitution, and what some of them do.
//!
//! Scripts run in a plain shell here, without a container; what they need of a build environment
//! (`strip`'s tools, compilers) is left to the live tests.

use std::path::Path;
use std::process::{Command, Output};

use melange2::arch::{Arch, Libc};
use melange2::config;
use melange2::plan::{Context, Plan, builtin_pipelines, resolve};

use crate::support::TestEnv;
use crate::support::parts;
use crate::support::serve::files;

/// A plan of a recipe with these steps; scripts that name the workspace get the test's own.
fn plan(env: &TestEnv, steps: &str) -> Plan {
    let recipe = format!(
        "package: {{name: demo, version: 1.0, epoch: 0}}\npipeline:\n{steps}\n\
         subpackages:\n  - name: demo-dev\n"
    );
    let path = env.write("recipe.yaml", recipe);
    let context = Context {
        arch: Arch::X86_64,
        libc: Libc::Gnu,
        pipeline_dirs: Vec::new(),
        vars: Default::default(),
        env: Default::default(),
        build_options: Vec::new(),
        package_append: Vec::new(),
        commit: String::new(),
    };
    let config =
        config::load(&path).unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    let plan =
        resolve(&config, &context).unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    plan.unwrap()
}

/// Values that would leave their place if they could.
const HOSTILE: &str = "a'; touch broken-out; echo '$(touch broken-out)`touch broken-out`\" \\";

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
            let file = env.write(format!("{}-{number}.sh", name.replace('/', "-")), script);
            let output = Command::new("shellcheck")
                .args(["-s", "sh", "--format", "gcc"])
                .arg(&file)
                .output()
                .unwrap();
            complaints.push_str(&String::from_utf8_lossy(&output.stdout));
        }
    }
    assert_eq!(complaints, "", "{complaints}");
}

#[test]
fn no_pipeline_overrides_a_cache_variable() {
    for (name, text) in builtin_pipelines() {
        for variable in ["GOMODCACHE", "GOCACHE", "GOPATH", "CARGO_HOME", "PIP_CACHE_DIR"] {
            assert!(!text.contains(variable), "{name} sets {variable}");
        }
    }
}

/// Runs all steps of a plan one after another, with `/home/build` and the cache moved into the
/// test's own directory.
fn run(env: &TestEnv, plan: &Plan) -> Output {
    let home = env.work().join("build");
    fs_err::create_dir_all(&home).unwrap();
    let mut last = None;
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
        let output = command.output().unwrap();
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
fn values_can_not_break_out_of_their_place() {
    if !have(&["busybox"]) {
        return;
    }
    let quoted = HOSTILE.replace('\'', "''");
    for (pipeline, input, more) in [
        ("fetch", "uri", "expected-none: x, retry-limit: 1, timeout: 1"),
        ("fetch", "directory", "uri: 'https://localhost:1/x', expected-none: x, retry-limit: 1"),
        ("patch", "patches", "strip-components: 1"),
        ("patch", "series", "fuzz: 1"),
        ("patch", "fuzz", "patches: x"),
        ("git-checkout", "repository", "max-retries: 0"),
        ("git-checkout", "branch", "repository: /nowhere, max-retries: 0"),
        ("git-checkout", "depth", "repository: /nowhere, max-retries: 0"),
        ("split/dev", "package", "prefix: /usr"),
        ("autoconf/make", "dir", "opts: -n"),
    ] {
        let env = TestEnv::new();
        let steps = format!("  - uses: {pipeline}\n    with: {{{input}: '{quoted}', {more}}}\n");
        let output = run(&env, &plan(&env, &steps));
        let walk = walkdir::WalkDir::new(env.work()).into_iter().flatten();
        let broken: Vec<_> = walk.filter(|entry| entry.file_name() == "broken-out").collect();
        assert!(broken.is_empty(), "{pipeline} {input}: {}", text(&output));
    }
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

#[test]
fn development_files_move_into_a_package_of_their_own() {
    if !have(&["busybox"]) {
        return;
    }
    let env = TestEnv::new();
    let root = "build/melange-out/demo";
    for file in [
        "usr/include/demo.h",
        "usr/lib/libdemo.so.1",
        "usr/lib/libdemo.a",
        "usr/lib/demo.o",
        "usr/lib/pkgconfig/demo.pc",
        "usr/bin/demo-config",
        "usr/bin/demo",
        "usr/share/man/man1/demo.1",
    ] {
        env.write(format!("{root}/{file}"), file);
    }
    fs_err::os::unix::fs::symlink("libdemo.so.1", env.work().join(root).join("usr/lib/libdemo.so"))
        .unwrap();
    let recipe = "package: {name: demo, version: 1.0, epoch: 0}\nsubpackages:\n  - name: demo-dev\n    \
                  pipeline:\n      - uses: split/dev\n";
    let path = env.write("split.yaml", recipe);
    let config = config::load(&path).unwrap();
    let mut plan = plan(&env, "");
    let context = Context {
        arch: Arch::X86_64,
        libc: Libc::Gnu,
        pipeline_dirs: Vec::new(),
        vars: Default::default(),
        env: Default::default(),
        build_options: Vec::new(),
        package_append: Vec::new(),
        commit: String::new(),
    };
    plan.steps = resolve(&config, &context).unwrap().unwrap().steps;
    let output = run(&env, &plan);
    assert!(output.status.success(), "{}", text(&output));
    let files = |package: &str| {
        let root = env.work().join("build/melange-out").join(package);
        let walk = walkdir::WalkDir::new(&root).sort_by_file_name().into_iter().flatten();
        let files = walk.filter(|entry| !entry.file_type().is_dir());
        files
            .map(|entry| entry.path().strip_prefix(&root).unwrap().display().to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        files("demo"),
        ["usr/bin/demo", "usr/lib/libdemo.so.1", "usr/share/man/man1/demo.1"]
    );
    assert_eq!(
        files("demo-dev"),
        [
            "usr/bin/demo-config",
            "usr/include/demo.h",
            "usr/lib/demo.o",
            "usr/lib/libdemo.a",
            "usr/lib/libdemo.so",
            "usr/lib/pkgconfig/demo.pc",
        ]
    );
}

/// A repository with two commits on `main`, the first tagged; returns their hashes.
fn repository(env: &TestEnv) -> (String, String) {
    let path = env.work().join("origin");
    let git = |args: &[&str]| git(env, &path, args);
    fs_err::create_dir_all(&path).unwrap();
    git(&["init", "-q", "-b", "main", "."]);
    fs_err::write(path.join("file"), "one\n").unwrap();
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "one"]);
    git(&["tag", "-a", "v1", "-m", "v1"]);
    let first = git(&["rev-parse", "HEAD"]);
    fs_err::write(path.join("file"), "two\n").unwrap();
    git(&["commit", "-q", "-a", "-m", "two"]);
    (first, git(&["rev-parse", "HEAD"]))
}

fn git(env: &TestEnv, directory: &Path, args: &[&str]) -> String {
    let mut command = env.command("git");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "t").env(format!("GIT_{who}_EMAIL"), "t@t");
        command.env(format!("GIT_{who}_DATE"), "@1000000000 +0000");
    }
    let output = command.args(args).current_dir(directory).output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", text(&output));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn checkout(env: &TestEnv, with: &str) -> Output {
    let url = format!("file://{}", env.work().join("origin").display());
    let steps = format!(
        "  - uses: git-checkout\n    with: {{repository: '{url}', max-retries: 0, {with}}}\n"
    );
    run(env, &plan(env, &steps))
}

#[test]
fn checkouts_verify_the_commit() {
    if !have(&["busybox", "git"]) {
        return;
    }
    let env = TestEnv::new();
    let (first, second) = repository(&env);
    let tag = git(&env, &env.work().join("origin"), &["rev-parse", "v1"]);
    for (with, content) in [
        (format!("tag: v1, expected-commit: {first}, destination: a"), Ok("one\n")),
        (format!("tag: v1, expected-commit: {tag}, destination: b"), Ok("one\n")),
        (format!("branch: main, expected-commit: {second}, destination: c"), Ok("two\n")),
        (format!("branch: main, expected-commit: {first}, destination: d"), Ok("one\n")),
        ("destination: e".to_owned(), Ok("two\n")),
        (format!("tag: v1, expected-commit: {second}"), Err("tag v1 is commit")),
        (
            format!("branch: main, expected-commit: {first}, expected-commit-is-branch-tip: true"),
            Err("the tip of main is"),
        ),
        (format!("branch: main, depth: 1, expected-commit: {first}"), Err("set depth to -1")),
        (
            format!("branch: main, expected-commit: {}", "0".repeat(40)),
            Err("is not in the history of main"),
        ),
        ("branch: main, tag: v1".to_owned(), Err("give branch or tag, not both")),
        ("branch: none".to_owned(), Err("could not clone")),
    ] {
        let output = checkout(&env, &with);
        match content {
            Ok(content) => {
                assert!(output.status.success(), "{with}: {}", text(&output));
                let destination = with.rsplit(' ').next().unwrap();
                let file = env.work().join("build").join(destination).join("file");
                assert_eq!(fs_err::read_to_string(file).unwrap(), content, "{with}");
            }
            Err(message) => {
                let text = text(&output);
                assert!(!output.status.success() && text.contains(message), "{with}: {text}");
            }
        }
    }
}

#[test]
fn checkouts_have_submodules_and_may_be_sparse() {
    if !have(&["busybox", "git"]) {
        return;
    }
    let env = TestEnv::new();
    repository(&env);
    let inner = env.work().join("inner");
    fs_err::rename(env.work().join("origin"), &inner).unwrap();
    let origin = env.work().join("origin");
    for file in ["kept/file", "left/file", "top"] {
        env.write(format!("origin/{file}"), "x\n");
    }
    let url = format!("file://{}", inner.display());
    for args in [
        &["init", "-q", "-b", "main", "."][..],
        &["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &url, "sub"],
        &["add", "."],
        &["commit", "-q", "-m", "all"],
    ] {
        git(&env, &origin, args);
    }
    let output = checkout(&env, "branch: main, recurse-submodules: true, destination: whole");
    assert!(output.status.success(), "{}", text(&output));
    let whole = env.work().join("build/whole");
    assert_eq!(fs_err::read_to_string(whole.join("sub/file")).unwrap(), "two\n");
    assert_eq!(git(&env, &whole, &["status", "--porcelain"]), "");
    let output = checkout(&env, "branch: main, sparse-paths: kept, destination: part");
    assert!(output.status.success(), "{}", text(&output));
    let part = env.work().join("build/part");
    assert!(part.join("kept/file").exists() && part.join("top").exists());
    assert!(!part.join("left").exists());
}

#[test]
fn a_failed_clone_is_tried_again() {
    if !have(&["busybox", "git"]) {
        return;
    }
    let env = TestEnv::new();
    let steps = "  - uses: git-checkout\n    with: {repository: 'file:///nowhere', max-retries: 2, \
                 initial-backoff: 0}\n";
    let text = text(&run(&env, &plan(&env, steps)));
    assert!(text.contains("attempt 2 in 0 s") && text.contains("attempt 3 in 0 s"), "{text}");
    assert!(text.contains("could not clone file:///nowhere after 3 attempts"), "{text}");
}

#[test]
fn a_checkout_leaves_the_same_bytes_again() {
    if !have(&["busybox", "git"]) {
        return;
    }
    let env = TestEnv::new();
    let (first, second) = repository(&env);
    let tree = |destination: &str| {
        let with = format!(
            "branch: main, depth: -1, expected-commit: {first}, destination: {destination}, \
             cherry-picks: 'main/{second}: the second'"
        );
        let output = checkout(&env, &with);
        assert!(output.status.success(), "{}", text(&output));
        let root = env.work().join("build").join(destination);
        let walk = walkdir::WalkDir::new(&root).sort_by_file_name().into_iter();
        let files = walk.map(Result::unwrap).filter(|entry| entry.file_type().is_file());
        let files = files.map(|entry| {
            let content = fs_err::read(entry.path()).unwrap();
            let name = entry.path().strip_prefix(&root).unwrap().display().to_string();
            (name, melange2::digest::Sha256::of(&content).to_string())
        });
        files.collect::<Vec<_>>()
    };
    let (one, two) = (tree("one"), tree("two"));
    assert_eq!(one, two);
    assert!(one.iter().any(|(name, _)| name == ".git/index"));
    assert!(!one.iter().any(|(name, _)| name.contains("logs/")));
    let root = env.work().join("build/one");
    assert_eq!(fs_err::read_to_string(root.join("file")).unwrap(), "two\n");
    assert_eq!(git(&env, &root, &["status", "--porcelain"]), "");
}
