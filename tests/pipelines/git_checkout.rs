//! `git-checkout` on repositories of the test's own, in a plain shell.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Output;

use super::{have, plan, run, run_with, text};
use crate::support::TestEnv;
use crate::support::parts;

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
        (
            "expected-commit-is-branch-tip: true, branch: main".to_owned(),
            Err("needs branch and expected-commit"),
        ),
        ("tag: v1, recurse-submodules: yes".to_owned(), Err("must be true or false, not 'yes'")),
        ("tag: v1, depth: many".to_owned(), Err("depth must be a number, not 'many'")),
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

/// Runs a checkout whose shell only says how long it would sleep, with a git that fails to clone some
/// times.
fn impatient_checkout(env: &TestEnv, failures: usize, with: &str) -> Output {
    let url = format!("file://{}", env.work().join("origin").display());
    let steps = format!(
        "  - uses: git-checkout\n    with: {{repository: '{url}', branch: main, {with}}}\n"
    );
    let mut plan = plan(env, &steps);
    plan.steps[0].script.insert_str(0, "sleep() { echo \"slept $1\" >&2; }\n");
    let real = which::which("git").unwrap();
    let script = format!(
        "#!/bin/sh\ncase \" $* \" in *' clone '*)\n  echo x >> '{0}'\n  \
         [ \"$(wc -l < '{0}')\" -gt {failures} ] || exit 1 ;;\nesac\nexec '{1}' \"$@\"\n",
        env.work().join("clones").display(),
        real.display()
    );
    let git = env.write("bin/git", script);
    fs_err::set_permissions(git, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", env.work().join("bin").display(), std::env::var("PATH").unwrap());
    run_with(env, &plan, |command| {
        command.env("PATH", &path);
    })
}

/// The seconds that a checkout waited, one wait after another.
fn waits(said: &str) -> Vec<&str> {
    said.lines().filter_map(|line| line.strip_prefix("slept ")).collect()
}

#[test]
fn a_failed_clone_is_tried_again_ever_later() {
    if !have(&["busybox", "git"]) {
        return;
    }
    let env = TestEnv::new();
    repository(&env);
    let with = "max-retries: 5, initial-backoff: 2, max-backoff: 9";
    let output = impatient_checkout(&env, 100, with);
    let said = text(&output);
    assert!(!output.status.success() && said.contains("after 6 attempts"), "{said}");
    assert!(said.contains("attempt 2 in 2 s") && said.contains("attempt 6 in 9 s"), "{said}");
    assert_eq!(waits(&said), ["2", "4", "8", "9", "9"]);
    assert!(!env.work().join("build/file").exists());
}

#[test]
fn a_clone_that_fails_twice_is_a_checkout_all_the_same() {
    if !have(&["busybox", "git"]) {
        return;
    }
    let env = TestEnv::new();
    repository(&env);
    let output = impatient_checkout(&env, 2, "destination: tree");
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    // The defaults.
    assert_eq!(waits(&said), ["2", "4"]);
    let file = env.work().join("build/tree/file");
    assert_eq!(fs_err::read_to_string(file).unwrap(), "two\n");
}

/// Everything below a directory: its name, kind and mode, time of modification and content.
fn tree(root: &Path) -> Vec<String> {
    let walk = walkdir::WalkDir::new(root).sort_by_file_name().into_iter().map(Result::unwrap);
    let entries = walk.map(|entry| {
        let metadata = entry.path().symlink_metadata().unwrap();
        let content = match metadata.file_type() {
            kind if kind.is_file() => {
                let content = fs_err::read(entry.path()).unwrap();
                melange2::digest::Sha256::of(&content).to_string()
            }
            kind if kind.is_symlink() => {
                fs_err::read_link(entry.path()).unwrap().display().to_string()
            }
            _ => String::new(),
        };
        let name = entry.path().strip_prefix(root).unwrap().display();
        format!("{name} {:o} {} {content}", metadata.mode(), metadata.mtime())
    });
    entries.collect()
}

#[test]
fn a_sparse_checkout_leaves_the_same_bytes_again() {
    if !have(&["busybox", "git"]) {
        return;
    }
    let env = TestEnv::new();
    repository(&env);
    let origin = env.work().join("origin");
    for file in ["kept/file", "kept/tool", "left/file"] {
        env.write(format!("origin/{file}"), format!("{file}\n"));
    }
    let tool = std::fs::Permissions::from_mode(0o755);
    fs_err::set_permissions(origin.join("kept/tool"), tool).unwrap();
    std::os::unix::fs::symlink("file", origin.join("kept/link")).unwrap();
    git(&env, &origin, &["add", "."]);
    git(&env, &origin, &["commit", "-q", "-m", "more"]);
    git(&env, &origin, &["config", "uploadpack.allowFilter", "true"]);
    let checked_out = |destination: &str| {
        let with = format!("branch: main, sparse-paths: kept, destination: {destination}");
        let output = checkout(&env, &with);
        assert!(output.status.success(), "{}", text(&output));
        tree(&env.work().join("build").join(destination))
    };
    let one = checked_out("one");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(checked_out("two"), one);
    assert!(one.iter().any(|entry| entry.starts_with("kept/tool 100755 1000000000 ")), "{one:#?}");
    assert!(!one.iter().any(|entry| entry.starts_with("left/file ")));
    // What was left out is not there as an object either.
    assert!(one.iter().any(|entry| entry.contains(".promisor ")), "{one:#?}");
}

#[test]
fn a_checkout_leaves_the_same_bytes_again() {
    if !have(&["busybox", "git"]) {
        return;
    }
    let env = TestEnv::new();
    let (first, second) = repository(&env);
    let checked_out = |destination: &str| {
        let with = format!(
            "branch: main, depth: -1, expected-commit: {first}, destination: {destination}, \
             cherry-picks: 'main/{second}: the second'"
        );
        let output = checkout(&env, &with);
        assert!(output.status.success(), "{}", text(&output));
        tree(&env.work().join("build").join(destination))
    };
    let one = checked_out("one");
    // A clock that has moved on makes no difference.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(checked_out("two"), one);
    assert!(one.iter().any(|entry| entry.starts_with(".git/index 100644 ")), "{one:#?}");
    assert!(!one.iter().any(|entry| entry.contains("logs/")));
    // Also when the branch has moved on, and the server has branches and tags that it had not.
    let origin = env.work().join("origin");
    for args in [
        &["commit", "-q", "--allow-empty", "-m", "three"][..],
        &["tag", "v3"],
        &["branch", "other"],
    ] {
        git(&env, &origin, args);
    }
    assert_eq!(checked_out("three"), one);
    let root = env.work().join("build/one");
    assert_eq!(fs_err::read_to_string(root.join("file")).unwrap(), "two\n");
    assert_eq!(git(&env, &root, &["status", "--porcelain"]), "");
}

#[test]
fn a_copy_of_a_checkout_is_as_clean_as_the_checkout() {
    if !have(&["busybox", "git"]) {
        return;
    }
    let env = TestEnv::new();
    repository(&env);
    let name = env.work().join("origin/-it's\n a $(name)");
    fs_err::write(name, "x").unwrap();
    std::os::unix::fs::symlink("file", env.work().join("origin/link")).unwrap();
    let origin = env.work().join("origin");
    git(&env, &origin, &["add", "."]);
    git(&env, &origin, &["commit", "-q", "-m", "names"]);
    git(&env, &origin, &["tag", "v2"]);
    let output = checkout(&env, "tag: v2, destination: tree");
    assert!(output.status.success(), "{}", text(&output));
    // Other inodes and change times, and as a control other times of modification.
    let build = env.work().join("build");
    for (flags, copy, clean) in [("-a", "copy", true), ("-dR", "younger", false)] {
        let mut cp = env.command("cp");
        assert!(cp.args([flags, "tree", copy]).current_dir(&build).status().unwrap().success());
        for question in [&["diff-index", "--quiet", "HEAD"][..], &["diff-files", "--quiet"]] {
            let mut command = env.command("git");
            let answer = command.args(question).current_dir(build.join(copy)).status().unwrap();
            assert_eq!(answer.success(), clean, "{copy} {question:?}");
        }
    }
    // A change of the same size is seen.
    fs_err::write(build.join("copy/file"), "TWO\n").unwrap();
    assert_eq!(git(&env, &build.join("copy"), &["status", "--porcelain"]), "M file");
    git(&env, &build.join("copy"), &["fsck", "--strict"]);
}

#[test]
fn melanges_script_checks_out_the_same_commits_and_files() {
    let Some(melange) = parts::program("melange") else {
        return parts::without("there is no melange");
    };
    if !have(&["busybox", "git"]) {
        return;
    }
    let env = TestEnv::new();
    let (first, second) = repository(&env);
    let origin = env.work().join("origin");
    git(&env, &origin, &["checkout", "-q", "-b", "fixes", &first]);
    fs_err::write(origin.join("fix"), "fixed\n").unwrap();
    git(&env, &origin, &["add", "."]);
    git(&env, &origin, &["commit", "-q", "-m", "fix"]);
    let fix = git(&env, &origin, &["rev-parse", "HEAD"]);
    git(&env, &origin, &["checkout", "-q", "main"]);
    for with in [
        format!("tag: v1, expected-commit: {first}"),
        format!("branch: main, expected-commit: {first}"),
        format!("branch: main, expected-commit: {second}, depth: 1"),
        format!("tag: v1, cherry-picks: 'fixes/{fix}: a fix # remark'"),
        format!("branch: main, expected-commit: {second}, cherry-picks: 'fixes/{fix}: a fix'"),
    ] {
        let ours = format!("{with}, destination: ours");
        let output = checkout(&env, &ours);
        assert!(output.status.success(), "{with}: {}", text(&output));
        run_melanges(&env, &melange, &with);
        let state = |tree: &str| {
            let root = env.work().join("build").join(tree);
            ["rev-parse HEAD", "ls-files -s", "describe --tags --always", "status --porcelain"]
                .map(|words| git(&env, &root, &words.split(' ').collect::<Vec<_>>()))
        };
        assert_eq!(state("ours"), state("theirs"), "{with}");
        for tree in ["ours", "theirs"] {
            fs_err::remove_dir_all(env.work().join("build").join(tree)).unwrap();
        }
    }
}

/// Runs the script that melange has for `git-checkout`, into `theirs`.
fn run_melanges(env: &TestEnv, melange: &Path, with: &str) {
    let url = format!("file://{}", env.work().join("origin").display());
    let recipe = format!(
        "package: {{name: demo, version: 1.0, epoch: 0}}\nenvironment: {{contents: {{packages: \
         [busybox]}}}}\npipeline:\n  - uses: git-checkout\n    with: {{repository: '{url}', \
         destination: theirs, {with}}}\n"
    );
    for script in super::split::melanges(env, melange, &recipe, |json| &json["pipeline"]) {
        let build = env.work().join("build");
        let mut command = env.command("busybox");
        command.args(["sh", "-c", &script]).current_dir(&build).env("HOME", &build);
        command.env("SOURCE_DATE_EPOCH", "0");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{with}: {}", text(&output));
    }
}

#[test]
fn the_destination_is_trusted_once() {
    if !have(&["busybox", "git"]) {
        return;
    }
    let env = TestEnv::new();
    repository(&env);
    for _ in 0..2 {
        let output = checkout(&env, "tag: v1, destination: its tree");
        assert!(output.status.success(), "{}", text(&output));
    }
    let settings = fs_err::read_to_string(env.work().join("build/.gitconfig")).unwrap();
    let tree = env.work().join("build/its tree");
    assert_eq!(settings, format!("[safe]\n\tdirectory = {}\n", tree.display()));
}
